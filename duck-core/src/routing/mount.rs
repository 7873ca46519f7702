//! Tower services inside of a site.

use ::tower::{Service, ServiceExt};
use bytes::Bytes;
use futures_util::stream::try_unfold;
use http::Uri;
use http::uri::PathAndQuery;

use crate::error::{Error, Result};
use crate::http::body::{Body, BoxError};
use crate::http::request::{BodyStream, Request};
use crate::http::request_error::RequestError;
use crate::http::response::Response;
use crate::routing::urls::{Matcher, REST, UrlPattern};

/// Has a tower service answer at `prefix` and at every path below it: an axum `Router`, or any other service of
/// `http::Request<Body>`.
///
/// * The service sees the path without the prefix: at `/api/notes/7` an axum router that was mounted at `/api` sees
///   `/notes/7`, and both at `/api` and at `/api/` it sees `/`. The query stays.
/// * It answers all methods itself, `HEAD`, `OPTIONS` and those that are a 405 among them. URL patterns of the site that are more
///   exact (`/api/health`) come before it.
/// * The site's middleware runs around it, and so does that of the pattern. Requests that pages of other sites make
///   are refused before it, unless the pattern says `.csrf(false)`.
/// * Among the extensions of its request is Duck's own [`Request`], with the session.
/// * Bodies are streams in both directions. A request brings at most `MAX_BODY_BYTES`, or what
///   [`max_body`](UrlPattern::max_body) says, and no slower than any other request.
/// * An error of the service, or a panic, is a 500, and the log has its cause.
/// * A path with `.` or `..` between its slashes, or with two slashes behind the prefix, is a 404. No browser sends the
///   former, and services that make paths or redirects of them would be led elsewhere.
/// * Responses that switch the protocol (101) do not get through.
///
/// A name leads to what is below: `request.url("api", ["notes/7"])` is `/api/notes/7`.
///
/// ```
/// use std::convert::Infallible;
///
/// use duck::http::Body;
/// use duck::routing::mount;
/// use duck::testing::TestClient;
/// use duck::{App, Request, Settings};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let service = tower::service_fn(async |request: http::Request<Body>| {
///     let duck: &Request = request.extensions().get().expect("it is mounted in a site");
///     let text = format!("{} of {}", request.uri(), duck.path());
///     Ok::<_, Infallible>(http::Response::new(Body::from(text)))
/// });
/// let site = TestClient::start(App::new(Settings::default()).urls([mount("/api", service)])).await;
/// assert_eq!(site.get("/api/notes?page=2").await.text(), "/notes?page=2 of /api/notes");
/// # }
/// ```
pub fn mount<S, B>(prefix: &str, service: S) -> UrlPattern
where
    S: Service<http::Request<Body>, Response = http::Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let below = Matcher::Below(prefix.trim_end_matches('/').to_owned());
    let view = move |request: Request| {
        let service = service.clone();
        async move {
            let inner = as_http(&request)?;
            let response = service.oneshot(inner).await.map_err(Error::internal)?;
            match request.body_refusal() {
                // What the service makes of a body that broke off is beside the point.
                Some(refusal) => Err(Error::from(refusal)),
                None => Ok(Response::from_http(response.map(Body::new))),
            }
        }
    };
    let mut pattern = UrlPattern::new(below, None, |_| Ok(view)).any_method();
    pattern.view_name = std::any::type_name::<S>();
    pattern
}

/// The request as the service sees it.
fn as_http(request: &Request) -> Result<http::Request<Body>, RequestError> {
    let mut head = request.head().clone();
    head.uri = below_prefix(request)?;
    head.extensions.insert(request.clone());
    Ok(http::Request::from_parts(head, body(request)?))
}

/// The URI with the part of the path that is behind the prefix, as it was sent.
fn below_prefix(request: &Request) -> Result<Uri, RequestError> {
    let no_page = || RequestError::new(http::StatusCode::NOT_FOUND, "no such page");
    let rest = request.raw_param(REST).unwrap_or_default();
    if rest.starts_with('/') || rest.split('/').any(|part| matches!(part, "." | "..")) {
        return Err(no_page());
    }
    // However both are spelled, there are as many slashes in the path that was sent as in the one that was matched.
    let sent = request.path();
    let slashes = rest.matches('/').count();
    let place = sent
        .rmatch_indices('/')
        .nth(slashes)
        .filter(|_| !rest.is_empty());
    let path = place.map_or("/", |(place, _)| &sent[place..]);
    let target = match request.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(target).map_err(|_| no_page())?);
    Uri::from_parts(parts).map_err(|_| no_page())
}

/// What the request brings, with the limits that hold for every view. Nothing of it is kept.
fn body(request: &Request) -> Result<Body, RequestError> {
    if request.brings_nothing() {
        return Ok(Body::empty());
    }
    let next = async |mut stream: BodyStream| {
        let piece = stream.next().await?;
        Ok::<_, RequestError>(piece.map(|piece| (piece, stream)))
    };
    Ok(Body::stream(try_unfold(request.stream_keeping(0)?, next)))
}
