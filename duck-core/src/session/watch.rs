//! Looking at a session again, once or for as long as it lives.

use std::future::{Future, pending};
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::state::Writing;
use super::{Inner, Session};
use crate::session::error::SessionError;

/// However often a visit may move a session's end, the storage is not asked more often than this.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);

/// Looking again.
impl Session {
    /// Reads the session again, and throws away what this request has set and not saved. A
    /// logout stands all the same, and so does a new id that was asked for; a login is thrown away.
    ///
    /// In a stream it shows what other requests have saved since. A session that ended meanwhile is
    /// empty, and takes no more changes in this request.
    ///
    /// # Errors
    ///
    /// When the storage fails; the request's changes are still there then.
    pub async fn reload(&self) -> Result<(), SessionError> {
        let inner = self.0.as_ref().ok_or(SessionError::Missing)?;
        let is_first = !inner.is_loaded();
        self.access().await?;
        if is_first {
            return Ok(()); // it was read this moment
        }
        let _turn = inner.turn.lock().await;
        let record = inner.state().record.clone();
        let loaded = match &record {
            Some(record) => inner.engine.reload(&inner.visitor, record).await?,
            None => super::Loaded::default(),
        };
        inner.state().start_over(loaded);
        Ok(())
    }

    /// Waits until the session is over: logged out or revoked by another request, or expired. For
    /// streams and sockets, which have to end then; it gives no new life to the session.
    ///
    /// The storage is asked once in `SESSION_TOUCH_INTERVAL`, so that is how late it may be. Where
    /// the storage does not answer, the session counts until the end it was last known to have.
    /// Without a session, or without a middleware for it, it is over at once.
    ///
    /// ```
    /// # use duck::{Bytes, Request, Response, Result};
    /// # use duck::http::stream;
    /// # use futures_util::Stream;
    /// use futures_util::StreamExt;
    ///
    /// # fn events() -> impl Stream<Item = std::io::Result<Bytes>> + Send { futures_util::stream::empty() }
    /// async fn news(request: Request) -> Result<Response> {
    ///     let until_logout = events().take_until(request.session.watch());
    ///     Ok(stream("text/event-stream", until_logout))
    /// }
    /// ```
    pub fn watch(&self) -> impl Future<Output = ()> + Send + use<> {
        let session = self.clone();
        if let Some(inner) = &self.0 {
            inner.accessed.store(true, Ordering::Relaxed);
        }
        async move {
            if let Ok(inner) = session.access().await {
                inner.until_over().await;
            }
        }
    }

    /// Waits until the session is over that this visitor has: for ever, where they have none. `in_view` is the session as
    /// a view has seen it: what it has seen and is gone now is over.
    pub(crate) fn until_revoked(&self, in_view: &Self) -> impl Future<Output = ()> + Send + use<> {
        let (session, in_view) = (self.clone(), in_view.clone());
        async move {
            let Some(of_site) = &session.0 else {
                return pending().await;
            };
            loop {
                match session.access().await {
                    Ok(inner) if inner.state().record.is_some() => return inner.until_over().await,
                    Ok(_) if in_view.has_record() => return,
                    Ok(_) => return pending().await,
                    // A storage that does not answer now must not make a logout go unnoticed later.
                    Err(_) => tokio::time::sleep(of_site.pause()).await,
                }
                of_site.failed.store(false, Ordering::Relaxed);
            }
        }
    }
}

impl Session {
    fn has_record(&self) -> bool {
        let inner = self.0.as_ref();
        inner.is_some_and(|inner| inner.state().record.is_some())
    }
}

impl Inner {
    async fn until_over(&self) {
        while !self.is_known_to_be_over().await {
            tokio::time::sleep(self.pause()).await;
            if !self.is_alive().await {
                return;
            }
        }
    }

    /// Between two looks at the storage.
    fn pause(&self) -> Duration {
        self.engine.policy().touch_interval.max(SHORTEST_PAUSE)
    }

    /// Whether this request itself has seen the session end, or has begun none.
    async fn is_known_to_be_over(&self) -> bool {
        let _turn = self.turn.lock().await;
        let state = self.state();
        state.is_gone() || (state.record.is_none() && state.writing != Writing::Open)
    }

    /// Asks the storage, and remembers what it says: a session that moves on by itself is followed.
    async fn is_alive(&self) -> bool {
        let Some(record) = self.state().record.clone() else {
            return true; // it may still be begun
        };
        match self.engine.reload(&self.visitor, &record).await {
            Ok(loaded) => loaded.record.map(|newer| self.state().see(newer)).is_some(),
            Err(error) => {
                if !matches!(error, SessionError::Unsupported(_)) {
                    tracing::warn!(target: "duck_session", %error, "a session that is watched could not be read");
                }
                record.expires_at > self.engine.now()
            }
        }
    }
}
