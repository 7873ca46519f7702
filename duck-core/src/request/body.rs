//! A request's body: kept as it is read, so that whoever comes next reads it from its beginning.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::{Inner, Request};
use crate::body::{Body, BoxError};
use crate::request_error::RequestError;

/// The body of a request, for one reader after the other.
pub(super) struct RequestBody {
    source: Mutex<Source>,
    whole: OnceCell<Bytes>,
}

enum Source {
    Waiting(Arriving),
    /// A reader has it.
    Lent,
    /// It cannot be read: whoever asks gets the same answer.
    Refused(StatusCode, Cow<'static, str>),
}

/// A body on its way.
struct Arriving {
    /// What came already; `None` once that was too much to keep.
    read: Option<Kept>,
    /// What is still to come; `None` after the end.
    rest: Option<Body>,
    /// How many bytes came.
    came: u64,
}

/// Bytes in the order they came. A single piece, which most bodies are, is kept without a copy.
enum Kept {
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

    fn lend(&self) -> Result<Arriving, RequestError> {
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

    fn take_back(&self, arriving: Arriving) {
        *self.source() = if arriving.read.is_some() {
            Source::Waiting(arriving)
        } else {
            let message = "the body was streamed, and more of it than MAX_BODY_BYTES is not kept";
            Source::Refused(StatusCode::INTERNAL_SERVER_ERROR, message.into())
        };
    }

    fn refuse(&self, error: &RequestError) {
        *self.source() = Source::Refused(error.status(), error.to_string().into());
    }

    fn source(&self) -> MutexGuard<'_, Source> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Request {
    /// The whole body, as it was sent. It is kept: it may be asked for again, here or in any other
    /// way.
    ///
    /// # Errors
    ///
    /// 413 when it is larger than `MAX_BODY_BYTES` or the limit of its URL pattern, known from its
    /// length or found while reading; 408 when it does not arrive within `BODY_TIMEOUT`; 400 when
    /// it breaks off; 500 while a stream of it is in use. Whoever asks again gets the same.
    pub async fn bytes(&self) -> Result<Bytes, RequestError> {
        let read = async || {
            let mut stream = self.body_stream()?;
            let time = self.limits().body();
            match timeout(time, stream.read_whole()).await {
                Ok(read) => read,
                Err(_) => Err(stream.refuse(too_slow())),
            }
        };
        let whole = self.inner.body.whole.get_or_try_init(read).await;
        whole.cloned()
    }

    /// The body piece by piece, for what is too large to hold. The limit holds here too.
    ///
    /// When the stream is dropped, whoever reads the body next, as a stream, a form or anything else,
    /// gets it from its beginning. For that, what was streamed is kept in memory up to
    /// `MAX_BODY_BYTES`. Of a longer body (its URL pattern has a larger limit) nothing is kept, and
    /// it can be read once.
    ///
    /// # Errors
    ///
    /// 413 when its length is known and over the limit; 500 while another stream of it is in use,
    /// and when a longer one was streamed before.
    pub fn body_stream(&self) -> Result<BodyStream, RequestError> {
        self.stream_keeping(self.limits().max_body_bytes)
    }

    /// A stream that keeps up to so many bytes for the next reader.
    pub(crate) fn stream_keeping(&self, most: u64) -> Result<BodyStream, RequestError> {
        let body = &self.inner.body;
        let arriving = match body.whole.get() {
            Some(bytes) => Arriving::arrived(bytes.clone()),
            None => body.lend()?,
        };
        let mut stream = BodyStream {
            replay: None,
            arriving: Some(arriving),
            most,
            limit: self.max_body(),
            time: self.limits().body(),
            request: self.inner.clone(),
        };
        stream.start()?;
        Ok(stream)
    }

    fn max_body(&self) -> u64 {
        self.route()
            .max_body
            .unwrap_or(self.limits().max_body_bytes)
    }
}

/// A body as it arrives: [`Request::body_stream`].
pub struct BodyStream {
    /// What readers before have read, until it was given out again.
    replay: Option<Bytes>,
    /// `None` after an error.
    arriving: Option<Arriving>,
    most: u64,
    limit: u64,
    time: Duration,
    request: Arc<Inner>,
}

impl BodyStream {
    /// The next piece; `None` at the end.
    ///
    /// # Errors
    ///
    /// 413 past the limit; 408 when nothing comes for `BODY_TIMEOUT`; 400 when it breaks off. After
    /// an error every call gives it again.
    pub async fn next(&mut self) -> Result<Option<Bytes>, RequestError> {
        if let Some(piece) = self.replay.take() {
            return Ok(Some(piece));
        }
        match timeout(self.time, self.arrive()).await {
            Ok(piece) => piece,
            Err(_) => Err(self.refuse(too_slow())),
        }
    }

    /// Looks at the length, as far as it is known, and sets aside what was read before.
    fn start(&mut self) -> Result<(), RequestError> {
        let Some(arriving) = &mut self.arriving else {
            return Ok(());
        };
        let coming = arriving.rest.as_ref().map(|rest| rest.size_hint().lower());
        if arriving.came.saturating_add(coming.unwrap_or(0)) > self.limit {
            return Err(self.refuse(over_the_limit()));
        }
        let read = arriving.read.as_mut().map(Kept::share);
        self.replay = read.filter(|read| !read.is_empty());
        Ok(())
    }

    async fn arrive(&mut self) -> Result<Option<Bytes>, RequestError> {
        let Some(arriving) = &mut self.arriving else {
            return Err(self.request.body.source().error());
        };
        match arriving.next(self.limit).await {
            Ok(Some(piece)) => {
                arriving.keep(piece.clone(), self.most);
                Ok(Some(piece))
            }
            Ok(None) => Ok(None),
            Err(error) => Err(self.refuse(error)),
        }
    }

    /// All of it, which is nobody else's to read then.
    async fn read_whole(&mut self) -> Result<Bytes, RequestError> {
        self.most = u64::MAX;
        self.replay = None;
        while self.arrive().await?.is_some() {}
        let read = self.arriving.take().and_then(|arriving| arriving.read);
        Ok(read.map(Kept::into_bytes).unwrap_or_default())
    }

    /// Ends this stream and those to come with the same error.
    fn refuse(&mut self, error: RequestError) -> RequestError {
        self.arriving = None;
        self.request.body.refuse(&error);
        error
    }
}

impl Drop for BodyStream {
    fn drop(&mut self) {
        if let Some(arriving) = self.arriving.take() {
            self.request.body.take_back(arriving);
        }
    }
}

impl fmt::Debug for BodyStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let came = self.arriving.as_ref().map(|arriving| arriving.came);
        f.debug_struct("BodyStream")
            .field("came", &came)
            .finish_non_exhaustive()
    }
}

impl Arriving {
    fn arrived(bytes: Bytes) -> Self {
        Self {
            came: bytes.len() as u64,
            read: Some(Kept::One(bytes)),
            rest: None,
        }
    }

    /// The next piece. A body is not asked again after its end: it may panic.
    async fn next(&mut self, limit: u64) -> Result<Option<Bytes>, RequestError> {
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

    fn keep(&mut self, piece: Bytes, most: u64) {
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
    fn share(&mut self) -> Bytes {
        let bytes = std::mem::replace(self, Self::One(Bytes::new())).into_bytes();
        *self = Self::One(bytes.clone());
        bytes
    }

    fn into_bytes(self) -> Bytes {
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

fn over_the_limit() -> RequestError {
    RequestError::too_large("the body is too large")
}

fn too_slow() -> RequestError {
    RequestError::new(StatusCode::REQUEST_TIMEOUT, "the body took too long")
}
