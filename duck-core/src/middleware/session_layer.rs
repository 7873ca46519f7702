//! What brings requests their sessions.

use crate::http::request::Request;
use crate::http::response::Response;
use crate::session::{NowOrLater, Session};

/// Brings each request its session, and saves it when the view has returned. duck-session's `SessionMiddleware` adds
/// one with [`Setup::session_layer`](crate::Setup::session_layer).
///
/// It does what a [`Middleware`](crate::Middleware) could do as well. But every request passes it, and most leave their
/// session alone: they need no future of it.
///
/// ```
/// use std::sync::Arc;
///
/// use duck::middleware::SessionLayer;
/// use duck::session::{NowOrLater, SessionEngine};
/// use duck::{Error, IntoResponse, Request, Response, Session};
///
/// /// Sessions that are read, and saved where that needs no cookie.
/// struct Plain(Arc<dyn SessionEngine>);
///
/// impl SessionLayer for Plain {
///     fn begin(&self, request: &Request) -> Session {
///         Session::new(self.0.clone(), request.visitor())
///     }
///
///     fn finish<'a>(&'a self, request: &'a Request, response: Response) -> NowOrLater<'a, Response> {
///         if request.session.close_untouched() {
///             return NowOrLater::Now(response);
///         }
///         NowOrLater::later(async move {
///             match request.session.finish(true).await {
///                 Ok(_) => response,
///                 Err(error) => Error::from(error).into_response(),
///             }
///         })
///     }
/// }
/// ```
pub trait SessionLayer: Send + Sync + 'static {
    /// The session of a request, not loaded yet.
    fn begin(&self, request: &Request) -> Session;

    /// Saves the session of a request, and gives its response what follows from that: the cookie, or the error.
    fn finish<'a>(&'a self, request: &'a Request, response: Response) -> NowOrLater<'a, Response>;
}

/// Dropped with the request where the client goes away: see [`Session::cut_off`].
pub(super) struct CutOff<'a>(pub(super) Option<&'a Session>);

impl Drop for CutOff<'_> {
    fn drop(&mut self) {
        if let Some(session) = &self.0 {
            session.cut_off();
        }
    }
}
