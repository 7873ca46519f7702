//! Reading the body of a request, as a whole or as it arrives.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body::Body as _;
use tokio::time::{Instant, timeout};

use super::body::{Arriving, Kept, over_the_limit};
use super::{Inner, Request};
use crate::http::request_error::RequestError;

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
        // On the heap: every view that reads a body would have room for this in its own future.
        let read = || Box::pin(read());
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
            patience: self.limits().body(),
            request: self.inner.clone(),
        };
        stream.start()?;
        Ok(stream)
    }

    /// Reads the body in some way within `BODY_TIMEOUT`, or has it refused from then on.
    #[cfg(feature = "multipart")]
    pub(crate) async fn in_time<T>(
        &self,
        read: impl Future<Output = Result<T, RequestError>>,
    ) -> Result<T, RequestError> {
        if let Ok(read) = timeout(self.limits().body(), read).await {
            return read;
        }
        let error = too_slow();
        self.inner.body.refuse(&error);
        Err(error)
    }

    /// Whether all of the body is kept, however it is read: none can come that is too large for that.
    pub(crate) fn is_body_kept(&self) -> bool {
        let longest = self.inner.body.longest().unwrap_or(u64::MAX);
        longest.min(self.max_body()) <= self.limits().max_body_bytes
    }

    /// Whether it is known that there is no body.
    #[cfg(feature = "tower")]
    pub(crate) fn brings_nothing(&self) -> bool {
        self.inner.body.longest() == Some(0)
    }

    /// Why the body was not read to its end, where that is the client's fault.
    #[cfg(feature = "tower")]
    pub(crate) fn body_refusal(&self) -> Option<RequestError> {
        let refusal = self.inner.body.refusal();
        refusal.filter(|error| error.status().is_client_error())
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
    /// For how long it may still be waited for. What comes gives time back.
    patience: Duration,
    request: Arc<Inner>,
}

impl BodyStream {
    /// The next piece; `None` at the end.
    ///
    /// # Errors
    ///
    /// 413 past the limit; 408 when nothing comes for `BODY_TIMEOUT`, or less than `BODY_MIN_RATE` bytes a
    /// second over that time; 400 when it breaks off. After an error every call gives it again. Time that the
    /// view takes between two pieces does not count.
    pub async fn next(&mut self) -> Result<Option<Bytes>, RequestError> {
        if let Some(piece) = self.replay.take() {
            return Ok(Some(piece));
        }
        let start = Instant::now();
        match timeout(self.patience, self.arrive()).await {
            Ok(piece) => {
                let bytes = piece
                    .as_ref()
                    .map_or(0, |piece| piece.as_ref().map_or(0, Bytes::len));
                self.gain_time(start.elapsed(), bytes as u64);
                piece
            }
            Err(_) => Err(self.refuse(too_slow())),
        }
    }

    /// Pays for a wait with what came: a client as slow as `BODY_MIN_RATE` may go on for ever, and no fast
    /// start pays for more than `BODY_TIMEOUT`.
    fn gain_time(&mut self, waited: Duration, bytes: u64) {
        let limits = &self.request.context.limits;
        let nanoseconds = bytes.saturating_mul(1_000_000_000);
        let gained = nanoseconds.checked_div(limits.body_min_rate);
        let gained = gained.map_or(limits.body(), Duration::from_nanos);
        let left = self.patience.saturating_sub(waited);
        self.patience = left.saturating_add(gained).min(limits.body());
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
            return Err(self.request.body.error());
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

fn too_slow() -> RequestError {
    RequestError::new(StatusCode::REQUEST_TIMEOUT, "the body took too long")
}
