//! The end of a session, for what goes on after its response.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::BoxFuture;
use crate::session::Session;

/// Waits until the visitor's session is over. It looks at the session once somebody has asked for it: a
/// response that never does costs the storage nothing. A visitor without a session has none to lose.
///
/// It has to be polled whenever the view is.
pub(crate) struct Revocation {
    session: Session,
    /// The session as the view of a socket has it.
    in_view: Session,
    watch: Option<BoxFuture<'static, ()>>,
}

impl Revocation {
    pub(crate) fn of(session: Session, in_view: Session) -> Self {
        Self {
            session,
            in_view,
            watch: None,
        }
    }
}

impl Future for Revocation {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self {
            session,
            in_view,
            watch,
        } = &mut *self;
        if watch.is_none() && !session.is_accessed() && !in_view.is_accessed() {
            return Poll::Pending;
        }
        let watch = watch.get_or_insert_with(|| Box::pin(session.until_revoked(in_view)));
        watch.as_mut().poll(cx)
    }
}
