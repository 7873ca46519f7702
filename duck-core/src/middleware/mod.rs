//! What stands between a request and its view.

pub(crate) mod allowed_hosts;
#[cfg(feature = "compression")]
mod compression;
mod content_policy;
mod cors;
pub(crate) mod cross_site;
pub(crate) mod csrf_tokens;
mod hooks;
#[cfg(any(feature = "auth", feature = "limits"))]
pub(crate) mod limiter;
#[cfg(feature = "limits")]
mod rate;
#[cfg(feature = "limits")]
pub(crate) mod rate_limit;
pub(crate) mod security_headers;
mod session_layer;
#[cfg(feature = "tower")]
pub(crate) mod tower;

use std::any::Any;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

#[cfg(feature = "compression")]
pub use self::compression::{Compress, Compression};
pub use self::cors::Cors;
pub use self::csrf_tokens::{csrf_field, csrf_token};
pub use self::hooks::{ProcessRequest, ProcessResponse, process_request, process_response};
#[cfg(feature = "limits")]
pub use self::rate_limit::RateLimit;
use self::session_layer::CutOff;
pub use self::session_layer::SessionLayer;
#[cfg(feature = "tower")]
pub use self::tower::{Inside, Layer};
use crate::BoxFuture;
use crate::error::panics;
use crate::error::statuses::Statuses;
use crate::error::{Error, Result};
use crate::http::into_response::IntoResponse;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::routing::view::ErasedView;

/// A layer around views: it sees the request before them and the response after them.
///
/// An `async fn` with two arguments is one as it stands, and may give back what a view may:
///
/// ```
/// use duck::{App, Next, Request, Response, Result, Settings};
///
/// async fn timing(request: Request, next: Next<'_>) -> Result<Response> {
///     let start = std::time::Instant::now();
///     let response = next.run(request).await;
///     Ok(response.with_header("x-took", format!("{:?}", start.elapsed()))?)
/// }
///
/// let app = App::new(Settings::default()).middleware(timing);
/// ```
///
/// Layers run in the order they are added: the site's first, then the blueprint's, then the
/// URL pattern's own; their second halves run in reverse. Pages that are not there (404, 405) pass
/// through the site's too.
///
/// One that reads settings or opens something first is added by a [`Component`](crate::Component), with
/// [`Setup::middleware`](crate::Setup::middleware).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a middleware",
    label = "not a middleware",
    note = "a middleware is `async fn name(request: Request, next: Next<'_>) -> Result<Response>`, or implements `Middleware`",
    note = "a component, such as `SessionMiddleware`, is added with `App::with`"
)]
pub trait Middleware: Send + Sync + 'static {
    /// Answers a request, mostly by running `next` and looking at what it gives.
    fn handle(
        &self,
        request: Request,
        next: Next<'_>,
    ) -> impl Future<Output = Result<Response>> + Send;
}

/// The rest of the chain: the layers further in, and the view.
#[derive(Clone, Copy)]
pub struct Next<'a> {
    layers: &'a [Arc<dyn ErasedMiddleware>],
    view: &'a dyn ErasedView,
    statuses: &'a Statuses,
}

impl<'a> Next<'a> {
    pub(crate) fn new(
        layers: &'a [Arc<dyn ErasedMiddleware>],
        view: &'a dyn ErasedView,
        statuses: &'a Statuses,
    ) -> Self {
        Self {
            layers,
            view,
            statuses,
        }
    }

    /// Runs it. There is always a response: an error further in became one on its way, with the
    /// error itself in [`Response::error`], and so did a panic. Its status is decided by then, and its
    /// body still empty: see [`error_page`](crate::pages::error_page).
    pub async fn run(self, request: Request) -> Response {
        if let [first, inner @ ..] = self.layers
            && let Some(layer) = first.session_layer()
        {
            let next = Next {
                layers: inner,
                ..self
            };
            let answer = caught(|| next.run_with_session(layer, request)).await;
            return self.decided(answer);
        }
        self.run_layers(request).await
    }

    /// Runs what is inside of a session layer.
    async fn run_with_session(self, layer: &dyn SessionLayer, request: Request) -> Response {
        let session = layer.begin(&request);
        let request = request.with_session(session);
        let mut cut_off = CutOff(Some(&request.session));
        let response = self.run_layers(request.clone()).await;
        let response = layer.finish(&request, response).get().await;
        cut_off.0 = None;
        response
    }

    /// Runs the layers, each in a future of its own, and the view.
    async fn run_layers(self, request: Request) -> Response {
        let answer = match self.layers {
            [] => caught(|| self.view.call(request)).await,
            [layer, inner @ ..] => {
                let next = Next {
                    layers: inner,
                    ..self
                };
                let answer = caught(|| layer.handle(request, next)).await;
                answer.and_then(|answer| answer)
            }
        };
        self.decided(answer)
    }

    fn decided(self, answer: Result<Response>) -> Response {
        let mut response = answer.unwrap_or_else(Response::from_error);
        response.decide_status(self.statuses);
        response
    }
}

impl fmt::Debug for Next<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Next({} layers and a view)", self.layers.len())
    }
}

/// Runs a future; a panic in it is an error, and the end of this one request only.
pub(crate) async fn caught<F: Future>(start: impl FnOnce() -> F) -> Result<F::Output> {
    let mut future = pin!(async { start().await });
    poll_fn(
        move |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panicked(&*panic))),
        },
    )
    .await
}

fn panicked(panic: &(dyn Any + Send)) -> Error {
    let text = panics::message(panic).unwrap_or("(no message)");
    Error::internal(format!("panicked: {text}")).at(panics::place_of(panic))
}

/// A middleware whose type is forgotten.
pub(crate) trait ErasedMiddleware: Send + Sync {
    fn handle<'a>(&'a self, request: Request, next: Next<'a>) -> BoxFuture<'a, Result<Response>>;

    /// What brings requests their sessions, where that is what it does.
    fn session_layer(&self) -> Option<&dyn SessionLayer> {
        None
    }
}

/// A session layer among the others.
pub(crate) struct Sessions<L>(pub(crate) L);

impl<L: SessionLayer> ErasedMiddleware for Sessions<L> {
    fn handle<'a>(&'a self, request: Request, next: Next<'a>) -> BoxFuture<'a, Result<Response>> {
        Box::pin(async move { Ok(next.run_with_session(&self.0, request).await) })
    }

    fn session_layer(&self) -> Option<&dyn SessionLayer> {
        Some(&self.0)
    }
}

impl<M: Middleware> ErasedMiddleware for M {
    fn handle<'a>(&'a self, request: Request, next: Next<'a>) -> BoxFuture<'a, Result<Response>> {
        Box::pin(Middleware::handle(self, request, next))
    }
}

/// A function that is a [`Middleware`].
#[doc(hidden)]
pub trait MiddlewareFn<'a>: Send + Sync {
    /// What it is while it runs.
    type Future: Future<Output: IntoResponse> + Send + 'a;

    /// Starts it.
    fn call(&self, request: Request, next: Next<'a>) -> Self::Future;
}

impl<'a, Function, Running> MiddlewareFn<'a> for Function
where
    Function: Fn(Request, Next<'a>) -> Running + Send + Sync,
    Running: Future<Output: IntoResponse> + Send + 'a,
{
    type Future = Running;

    fn call(&self, request: Request, next: Next<'a>) -> Running {
        self(request, next)
    }
}

impl<Function> Middleware for Function
where
    Function: for<'a> MiddlewareFn<'a> + 'static,
{
    fn handle(
        &self,
        request: Request,
        next: Next<'_>,
    ) -> impl Future<Output = Result<Response>> + Send {
        let running = self.call(request, next);
        async move { Ok(running.await.into_response()) }
    }
}
