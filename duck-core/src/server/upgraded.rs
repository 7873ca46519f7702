//! A connection that has become a WebSocket.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use super::attendance::{Conversation, attended};
use super::listener::Listener;
use super::vitals::Vitals;
use super::watched::Watched;
use super::work::Work;
use crate::BoxFuture;
use crate::live::conversation::converse;
use crate::live::upgrade::Accepted;

/// Serves the socket to its end. `read` is what the client has sent since its request.
///
/// To the deadlines it is a request that is being worked on: of them there is only `WRITE_TIMEOUT`, for a client that
/// does not take what is written.
pub(super) async fn serve<L: Listener>(
    accepted: Accepted,
    mut socket: Watched<L>,
    read: Bytes,
    vitals: Arc<Vitals>,
) {
    let _work = Work::begin(vitals.clone());
    socket.leave_alone();
    let mut conversation: BoxFuture<'static, ()> = Box::pin(converse(accepted, socket, read));
    attended(&vitals, Pin::new(&mut conversation)).await;
}

impl Conversation for BoxFuture<'static, ()> {
    /// It hears by itself that the server stops.
    fn retire(self: Pin<&mut Self>) {}
}
