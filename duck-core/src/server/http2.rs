//! An HTTP/2 connection: RFC 9113. Each request has a stream, and a task that answers it.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use h2::server::{Builder, Connection, Handshake, SendResponse};
use h2::{Reason, RecvStream};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::attendance::Conversation;
use super::backlog::{Backlog, MOST_STREAMS, Queued};
use super::client::Client;
use super::exchange::Exchange;
use super::listener::Listener;
use super::watched::Watched;
use crate::server::limits::Limits;

/// Bytes of bodies that a client may send before they are read: of one, and of all together.
const WINDOW: u32 = 1024 * 1024;
const FRAME: u32 = 16 * 1024;
/// Bytes of a stream that are written ahead of its window.
const SEND_BUFFER: usize = 64 * 1024;
/// A client that takes requests back before they are begun, or sends what the protocol forbids, is ended
/// after so many times: what it makes the server do costs it nothing.
const MOST_TAKEN_BACK: usize = 20;
const MOST_FAULTY: usize = 1024;
/// Streams that were reset are remembered, so that what is still sent for them does no harm.
const REMEMBERED: usize = 50;
/// Requests that were on their way when the client was told that there will be no more are answered.
const LAST_REQUESTS: Duration = Duration::from_secs(5);

pub(super) struct Http2<L: Listener> {
    state: State<L>,
    client: Arc<Client>,
    backlog: Arc<Backlog>,
    /// When the end of this connection is dropped, so are the views.
    streams: JoinSet<()>,
    /// That of the connection: its streams stay on its thread.
    runtime: Handle,
    /// When the client was told to ask for no more.
    retired: Option<Instant>,
}

enum State<L: Listener> {
    Begins(Handshake<Watched<L>, Queued>),
    Serves(Connection<Watched<L>, Queued>),
}

impl<L: Listener> Http2<L> {
    pub(super) fn new(
        socket: Watched<L>,
        client: Arc<Client>,
        runtime: Handle,
        limits: &Limits,
    ) -> Self {
        let is_trusted = client.site.0.context.proxies.is_trusted(client.from);
        Self {
            state: State::Begins(builder(limits).handshake(socket)),
            backlog: Arc::new(Backlog::new(client.vitals.clone(), is_trusted)),
            client,
            streams: JoinSet::new(),
            runtime,
            retired: None,
        }
    }

    /// Drops the views that nobody waits for any more. When this is done, they have left behind whatever they leave.
    pub(super) async fn end(mut self: Pin<&mut Self>) {
        self.streams.shutdown().await;
    }

    fn begin(&mut self, request: http::Request<RecvStream>, mut reply: SendResponse<Queued>) {
        if self
            .retired
            .is_some_and(|since| since.elapsed() > LAST_REQUESTS)
        {
            // The client may ask elsewhere: RFC 9113, 8.7.
            return reply.send_reset(Reason::REFUSED_STREAM);
        }
        let arrival = self.client.arrives(&request);
        let exchange = Exchange::new(self.client.clone(), self.backlog.clone(), reply);
        match arrival {
            Ok(awaits_continue) => {
                let answer = exchange.answer(request, awaits_continue);
                self.streams.spawn_on(answer, &self.runtime);
            }
            Err(refusal) => {
                let refusal = exchange.refuse(request, refusal);
                self.streams.spawn_on(refusal, &self.runtime);
            }
        }
    }
}

/// The guards of h2 that stand against hostile clients are named here even where they are its defaults. It
/// bounds by itself how many CONTINUATION frames a head may have (by its size), and how many small or
/// empty DATA frames are kept.
fn builder(limits: &Limits) -> Builder {
    let mut builder = Builder::new();
    builder
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_frame_size(FRAME)
        .max_header_list_size(u32::try_from(limits.head_bytes()).unwrap_or(u32::MAX))
        .max_concurrent_streams(u32::try_from(MOST_STREAMS).unwrap_or(u32::MAX))
        .max_send_buffer_size(SEND_BUFFER)
        .max_concurrent_reset_streams(REMEMBERED)
        .max_pending_accept_reset_streams(MOST_TAKEN_BACK)
        .max_local_error_reset_streams(Some(MOST_FAULTY));
    builder
}

impl<L: Listener> Future for Http2<L> {
    type Output = ();

    /// Errors of the connection are the client's, and h2 has told it.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            while self.streams.try_join_next().is_some() {}
            match &mut self.state {
                State::Begins(handshake) => {
                    let Ok(mut connection) = ready!(Pin::new(handshake).poll(cx)) else {
                        return Poll::Ready(());
                    };
                    if self.retired.is_some() {
                        connection.graceful_shutdown();
                    }
                    self.state = State::Serves(connection);
                }
                State::Serves(connection) => {
                    let accepted = pin!(connection.accept()).poll(cx);
                    match ready!(accepted) {
                        Some(Ok((request, reply))) => self.begin(request, reply),
                        Some(Err(_)) | None => return Poll::Ready(()),
                    }
                }
            }
        }
    }
}

impl<L: Listener> Conversation for Http2<L> {
    fn retire(mut self: Pin<&mut Self>) {
        self.retired.get_or_insert_with(Instant::now);
        if let State::Serves(connection) = &mut self.state {
            connection.graceful_shutdown();
        }
    }
}
