//! What goes on between a client and the view of a WebSocket, from the 101 to the end.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::heartbeat::{Beat, Heartbeat};
use super::message::Message;
use super::revocation::Revocation;
use super::socket::{Ends, Outgoing, SocketClosed, WebSocket};
use super::upgrade::Accepted;
use super::wire::{self, Turn, Wire};
use crate::app::error_log;
use crate::error::Result;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::middleware::caught;

/// What a client has to answer to its being told that the socket is closed, and what the view has to come to its end.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Why a socket comes to its end.
enum End {
    /// The view is done.
    View(Result<()>),
    /// The client closed it, or is gone.
    Client,
    /// The server says so, with this code.
    Told(u16, String),
}

/// Serves a WebSocket to its end, on a connection of which `read` was read already.
pub(crate) async fn converse<S>(accepted: Accepted, connection: S, read: Bytes)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Accepted {
        request,
        limits,
        protocol,
        start,
    } = accepted;
    let session = request.session.for_socket();
    let revoked = Revocation::of(request.session.clone(), session.clone());
    let request = request.with_session(session);
    let most = limits.websocket_max_message_bytes;
    let mut wire = Wire::new(connection, read, most).await;
    let (socket, mut ends) = WebSocket::pair(protocol);
    let in_view = request.clone();
    let view = caught(move || start(in_view, socket));
    let mut view = pin!(async { view.await.and_then(|answer| answer) });
    let end = {
        let heartbeat = Heartbeat::new(&limits);
        let stopped = request.context().stopping.closed();
        talk(
            &mut wire,
            &mut ends,
            view.as_mut(),
            heartbeat,
            revoked,
            stopped,
        )
        .await
    };
    conclude(end, &mut wire, ends, view, &request).await;
}

/// Carries messages between the client and the view, until one of them, or the server, comes to an end.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<S>,
    Ends { inbox, outbox }: &mut Ends,
    mut view: Pin<&mut (impl Future<Output = Result<()>> + Send)>,
    mut heartbeat: Heartbeat,
    revoked: Revocation,
    stopped: impl Future<Output = ()>,
) -> End {
    let (mut revoked, mut stopped) = (pin!(revoked), pin!(stopped));
    // What the client has sent and the view has no room for yet.
    let mut held: Option<Message> = None;
    loop {
        let has_room = held.is_none();
        let is_flushed = !wire.is_unflushed;
        tokio::select! {
            biased;
            () = &mut stopped => return End::Told(wire::GOING_AWAY, "the server stops".to_owned()),
            answer = &mut view => return End::View(answer),
            () = &mut revoked => return End::Told(wire::SESSION_OVER, "the session is over".to_owned()),
            // An error: the view let go of its socket. What it has sent comes first.
            room = inbox.reserve(), if !has_room => {
                if let (Ok(room), Some(message)) = (room, held.take()) {
                    room.send(Box::new(message));
                }
                heartbeat.hears();
            }
            outgoing = outbox.recv(), if is_flushed => match outgoing.map(|outgoing| *outgoing) {
                Some(Outgoing::Message(message)) => wire.write(message),
                Some(Outgoing::Close(code, reason)) => return End::Told(code, reason),
                None => return End::Told(wire::NORMAL, String::new()),
            },
            turn = poll_fn(|cx| wire.poll_turn(cx, has_room)) => {
                if matches!(turn, Turn::Message(_) | Turn::Sign) {
                    heartbeat.hears();
                }
                match turn {
                    Turn::Message(message) => held = Some(message),
                    Turn::Flushed | Turn::Sign => {}
                    Turn::Gone => return End::Client,
                    Turn::Broken(code) => return End::Told(code, String::new()),
                }
            }
            beat = heartbeat.next() => match beat {
                Beat::Ask => wire.ping(),
                // It may have answered: nothing is read while the view has no room. A client that is gone takes no pings.
                Beat::GiveUp if !has_room => heartbeat.hears(),
                Beat::GiveUp => return End::Told(wire::GOING_AWAY, "nothing was heard".to_owned()),
            },
        }
    }
}

/// Closes the socket. A view that is not done has a moment to come to its end.
async fn conclude<S: AsyncRead + AsyncWrite + Unpin>(
    end: End,
    wire: &mut Wire<S>,
    Ends { inbox, mut outbox }: Ends,
    view: Pin<&mut impl Future<Output = Result<()>>>,
    request: &Request,
) {
    drop(inbox);
    outbox.close();
    let why = match end {
        End::View(answer) => {
            let code = code_of(answer, request);
            let why = send_the_rest(wire, outbox, code).await;
            let _ = timeout(LAST_WORDS, wire.close(Some(why))).await;
            return;
        }
        End::Client => None,
        End::Told(code, reason) => Some((code, reason)),
    };
    drop(outbox);
    let closing = timeout(LAST_WORDS, wire.close(why));
    if let (_, Ok(answer)) = tokio::join!(closing, timeout(LAST_WORDS, view)) {
        code_of(answer, request);
    }
}

/// Sends what a view has left behind, and says how to close the socket: as the view wanted it, if it said so. A client
/// that takes nothing is cut off after `WRITE_TIMEOUT`.
async fn send_the_rest<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<S>,
    mut outbox: mpsc::Receiver<Box<Outgoing>>,
    code: u16,
) -> (u16, String) {
    let mut why = (code, String::new());
    while let Ok(unsent) = outbox.try_recv() {
        match *unsent {
            Outgoing::Message(message) => wire.send(message).await,
            Outgoing::Close(code, reason) => why = (code, reason),
        }
    }
    wire.flush().await;
    why
}

/// The code that stands for what a view gave back. Errors are logged, as those of other views are.
fn code_of(answer: Result<()>, request: &Request) -> u16 {
    let error = match answer {
        Ok(()) => return wire::NORMAL,
        Err(error) if error.downcast_ref::<SocketClosed>().is_some() => return wire::NORMAL,
        Err(error) => error,
    };
    let mut response = Response::from_error(error);
    response.decide_status(&request.context().statuses);
    error_log::note(request, &response);
    if response.status().is_server_error() {
        wire::FAILED
    } else {
        wire::REFUSED
    }
}
