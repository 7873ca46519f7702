//! A request's body: kept as it is read, so that whoever comes next reads it from its beginning.

use std::borrow::Cow;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError};
use tokio::sync::OnceCell;

use crate::http::body::{Body, BoxError};
use crate::http::request_error::RequestError;

/// The body of a request, for one reader after the other.
pub(super) struct RequestBody {
    source: Mutex<Source>,
    pub(super) whole: OnceCell<Bytes>,
}

enum Source {
    Waiting(Arriving),
    /// A reader has it.
    Lent,
    /// It cannot be read: whoever asks gets the same answer.
    Refused(StatusCode, Cow<'static, str>),
}

/// A body on its way.
pub(super) struct Arriving {
    /// What came already; `None` once that was too much to keep.
    pub(super) read: Option<Kept>,
    /// What is still to come; `None` after the end.
    pub(super) rest: Option<Body>,
    /// How many bytes came.
    pub(super) came: u64,
}

/// Bytes in the order they came. A single piece, which most bodies are, is kept without a copy.
pub(super) enum Kept {
    One(Bytes),
    Many(BytesMut),
}

impl Source {
    /// Why it cannot be read now.
    fn error(&self) -> RequestError {
        match self {
            Self::Refused(status, message) => RequestError::new(*status, message.clone()),
            Self::Waiting(_) | Self::Lent => RequestError::internal(
                "the body is being read: drop its stream before it is read again",
            ),
        }
    }
}

impl RequestBody {
    pub(super) fn new(body: Body) -> Self {
        let arriving = Arriving {
            read: Some(Kept::One(Bytes::new())),
            rest: Some(body),
            came: 0,
        };
        Self {
            source: Mutex::new(Source::Waiting(arriving)),
            whole: OnceCell::new(),
        }
    }

    /// How long it can become; `None` where nobody can say.
    pub(super) fn longest(&self) -> Option<u64> {
        if let Some(whole) = self.whole.get() {
            return Some(whole.len() as u64);
        }
        let Source::Waiting(arriving) = &*self.source() else {
            return None;
        };
        let coming = arriving.rest.as_ref().map(|rest| rest.size_hint().upper());
        arriving.came.checked_add(coming.unwrap_or(Some(0))?)
    }

    pub(super) fn lend(&self) -> Result<Arriving, RequestError> {
        let mut source = self.source();
        match std::mem::replace(&mut *source, Source::Lent) {
            Source::Waiting(arriving) => Ok(arriving),
            other => {
                let error = other.error();
                *source = other;
                Err(error)
            }
        }
    }

    pub(super) fn take_back(&self, arriving: Arriving) {
        *self.source() = if arriving.read.is_some() {
            Source::Waiting(arriving)
        } else {
            let message = "the body was streamed, and more of it than MAX_BODY_BYTES is not kept";
            Source::Refused(StatusCode::INTERNAL_SERVER_ERROR, message.into())
        };
    }

    pub(super) fn refuse(&self, error: &RequestError) {
        *self.source() = Source::Refused(error.status(), error.to_string().into());
    }

    /// Why it cannot be read now.
    pub(super) fn error(&self) -> RequestError {
        self.source().error()
    }

    /// Why nobody can read it any more.
    #[cfg(feature = "tower")]
    pub(super) fn refusal(&self) -> Option<RequestError> {
        let source = self.source();
        matches!(*source, Source::Refused(..)).then(|| source.error())
    }

    fn source(&self) -> MutexGuard<'_, Source> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Arriving {
    pub(super) fn arrived(bytes: Bytes) -> Self {
        Self {
            came: bytes.len() as u64,
            read: Some(Kept::One(bytes)),
            rest: None,
        }
    }

    /// The next piece. A body is not asked again after its end: it may panic.
    pub(super) async fn next(&mut self, limit: u64) -> Result<Option<Bytes>, RequestError> {
        let Some(rest) = &mut self.rest else {
            return Ok(None);
        };
        while let Some(frame) = rest.frame().await {
            if let Ok(piece) = frame.map_err(broken_off)?.into_data() {
                self.came = self.came.saturating_add(piece.len() as u64);
                if self.came > limit {
                    return Err(over_the_limit());
                }
                return Ok(Some(piece));
            }
        }
        self.rest = None;
        Ok(None)
    }

    pub(super) fn keep(&mut self, piece: Bytes, most: u64) {
        if self.came > most {
            self.read = None;
        } else if let Some(read) = &mut self.read {
            read.push(piece);
        }
    }
}

impl Kept {
    fn push(&mut self, piece: Bytes) {
        match self {
            Self::One(first) if first.is_empty() => *first = piece,
            Self::One(first) => {
                let mut many = BytesMut::from(std::mem::take(first));
                many.extend_from_slice(&piece);
                *self = Self::Many(many);
            }
            Self::Many(many) => many.extend_from_slice(&piece),
        }
    }

    /// The same bytes for somebody else.
    pub(super) fn share(&mut self) -> Bytes {
        let bytes = std::mem::replace(self, Self::One(Bytes::new())).into_bytes();
        *self = Self::One(bytes.clone());
        bytes
    }

    pub(super) fn into_bytes(self) -> Bytes {
        match self {
            Self::One(bytes) => bytes,
            Self::Many(bytes) => bytes.freeze(),
        }
    }
}

/// Layers around the site may have limits of their own.
fn broken_off(error: BoxError) -> RequestError {
    if error.is::<LengthLimitError>() {
        over_the_limit().because(error)
    } else {
        RequestError::bad_request("the body broke off").because(error)
    }
}

pub(super) fn over_the_limit() -> RequestError {
    RequestError::too_large("the body is too large")
}
