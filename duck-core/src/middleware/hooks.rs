//! The short form of middleware, under the names of Django and the Python Duck.

use std::future::Future;

use super::{Middleware, Next};
use crate::error::Result;
use crate::http::request::Request;
use crate::http::response::Response;

/// A middleware that only looks at requests. An `Err` answers instead of the view.
///
/// ```
/// use duck::{Error, Request, StatusCode};
/// use duck::middleware::process_request;
///
/// let guard = process_request(async |request: Request| {
///     match request.header("x-key") {
///         Some("quack") => Ok(request),
///         _ => Err(Error::new(StatusCode::FORBIDDEN, "no key")),
///     }
/// });
/// ```
pub fn process_request<F, Fut>(hook: F) -> ProcessRequest<F>
where
    F: Fn(Request) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Request>> + Send + 'static,
{
    ProcessRequest(hook)
}

/// What [`process_request`] makes.
#[derive(Debug)]
pub struct ProcessRequest<F>(F);

impl<F, Fut> Middleware for ProcessRequest<F>
where
    F: Fn(Request) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Request>> + Send + 'static,
{
    async fn handle(&self, request: Request, next: Next<'_>) -> Result<Response> {
        let request = (self.0)(request).await?;
        Ok(next.run(request).await)
    }
}

/// A middleware that only looks at responses; it has the request as well.
///
/// ```
/// use duck::{Request, Response};
/// use duck::middleware::process_response;
///
/// let powered = process_response(async |_request: Request, response: Response| {
///     Ok(response.with_header("x-powered-by", "duck")?)
/// });
/// ```
pub fn process_response<F, Fut>(hook: F) -> ProcessResponse<F>
where
    F: Fn(Request, Response) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Response>> + Send + 'static,
{
    ProcessResponse(hook)
}

/// What [`process_response`] makes.
#[derive(Debug)]
pub struct ProcessResponse<F>(F);

impl<F, Fut> Middleware for ProcessResponse<F>
where
    F: Fn(Request, Response) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Response>> + Send + 'static,
{
    async fn handle(&self, request: Request, next: Next<'_>) -> Result<Response> {
        let response = next.run(request.clone()).await;
        (self.0)(request, response).await
    }
}
