//! What the site does for a request, as deadlines see it: while it works, nobody waits for the client.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::vitals::Vitals;
use crate::http::body::{Body, BoxError};

/// What the site does for a request: it ends even where its future is dropped as the client is gone.
pub(super) struct Work {
    vitals: Arc<Vitals>,
    under_way: bool,
}

impl Work {
    pub(super) fn begin(vitals: Arc<Vitals>) -> Self {
        vitals.work_begins();
        Self {
            vitals,
            under_way: true,
        }
    }

    fn go_on(&mut self) {
        if !std::mem::replace(&mut self.under_way, true) {
            self.vitals.work_begins();
        }
    }

    pub(super) fn end(&mut self) {
        if std::mem::replace(&mut self.under_way, false) {
            self.vitals.work_ends();
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.end();
    }
}

/// A body that is made while it is sent. While there is no next piece the site is at work; when
/// there is one, it is the client's turn.
pub(super) struct Watching {
    pub(super) body: Body,
    pub(super) work: Work,
}

impl http_body::Body for Watching {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.work.go_on();
        let poll = Pin::new(&mut self.body).poll_frame(cx);
        if poll.is_ready() {
            self.work.end();
        }
        poll
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
