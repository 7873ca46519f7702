//! The request a view gets.

mod body;
mod body_stream;
mod content;
mod headers;
mod id;
mod nonce;
mod read;
mod values;

use crate::app::context::State;
use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::header::HeaderMap;
use http::request::Parts;
use http::{Extensions, Method, Uri};

use self::body::RequestBody;
pub use self::body_stream::BodyStream;
pub use self::values::UrlValues;
use crate::app::context::Context;
use crate::error::Error;
use crate::http::accept::Accept;
use crate::http::authority::Authority;
use crate::http::body::Body;
use crate::http::proxies::Connection;
use crate::http::request_error::RequestError;
use crate::http::spare_headers;
use crate::middleware::cross_site::Here;
use crate::routing::encoding;
use crate::routing::host::canonical;
use crate::routing::params::{FromParam, Values};
use crate::routing::route::{Found, RouteInfo};
use crate::server::limits::Limits;
use crate::session::{Appearance, Session, Visitor};
use crate::settings::Settings;

/// What a visitor asked for, and everything a view needs to answer.
///
/// A request is a handle: cheap to clone, with methods that take `&self`. The body is kept after
/// its first reading, so a middleware and the view may both read it.
///
/// ```
/// # use duck::{Request, Result};
/// #[derive(serde::Deserialize)]
/// struct Search {
///     q: String,
///     #[serde(default)]
///     page: u32,
/// }
///
/// async fn search(request: Request) -> Result<String> {
///     let Search { q, page } = request.query()?;
///     Ok(format!("{} asks for {q}, page {page}", request.client_ip().map_or("?".into(), |ip| ip.to_string())))
/// }
/// ```
#[derive(Clone)]
pub struct Request {
    /// The visitor's session.
    pub session: Session,
    inner: Arc<Inner>,
}

struct Inner {
    head: Parts,
    body: RequestBody,
    found: Found,
    context: Arc<Context>,
    connection: Connection,
    values: values::PerRequest,
    id: id::RequestId,
}

impl Request {
    pub(crate) fn new(
        head: Parts,
        body: Body,
        found: Found,
        context: Arc<Context>,
        connection: Connection,
    ) -> Self {
        let body = RequestBody::new(body);
        let values = values::PerRequest::default();
        let inner = Inner {
            head,
            body,
            found,
            context,
            connection,
            values,
            id: id::RequestId::default(),
        };
        Self {
            session: Session::default(),
            inner: Arc::new(inner),
        }
    }

    /// The session under the name it has in the Python Duck: `request.SESSION().get("key")`.
    #[expect(
        non_snake_case,
        reason = "the original's name, for views that are carried over"
    )]
    pub fn SESSION(&self) -> &Session {
        &self.session
    }

    /// The same request with a session. For session middleware.
    #[must_use]
    pub fn with_session(self, session: Session) -> Self {
        Self { session, ..self }
    }

    /// `GET`, `POST`, …
    pub fn method(&self) -> &Method {
        &self.inner.head.method
    }

    /// The whole URI as it was sent.
    pub fn uri(&self) -> &Uri {
        &self.inner.head.uri
    }

    /// The version of HTTP that it came by.
    #[cfg(feature = "websocket")]
    pub(crate) fn version(&self) -> http::Version {
        self.inner.head.version
    }

    /// The path as it was sent, percent-encoded.
    pub fn path(&self) -> &str {
        self.inner.head.uri.path()
    }

    /// All headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.inner.head.headers
    }

    /// One header as text; `None` if it is missing or not ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().get(name)?.to_str().ok()
    }

    /// What hyper and tower layers attached to the request.
    pub fn extensions(&self) -> &Extensions {
        &self.inner.head.extensions
    }

    /// The host the visitor named, without a port: from `Forwarded`, where a proxy named in
    /// `TRUSTED_PROXIES` wrote it, the URI, or the `Host` header. `X-Forwarded-Host` is not read.
    pub fn host(&self) -> Option<&str> {
        Some(self.authority()?.host)
    }

    /// The same with its port.
    pub(crate) fn authority(&self) -> Option<Authority<'_>> {
        let Inner { head, context, .. } = &*self.inner;
        let proxies = &context.proxies;
        Authority::parse(proxies.host(self.inner.connection, &head.uri, &head.headers)?)
    }

    /// A cookie's value, percent-decoded; of several with that name, the first that is UTF-8.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let mut cookies = headers::cookies(self.headers());
        let cookie = cookies.find(|(found, _)| *found == name);
        cookie.map(|(_, value)| value.into_owned())
    }

    /// All cookies that came, in their order, names and percent-decoded values. A name can come more
    /// than once: browsers send the cookie of the longest path first. A cookie that is not UTF-8 is
    /// left out. There are no more than fit into `MAX_HEAD_BYTES`.
    ///
    /// ```
    /// # use duck::{App, Request, Settings, path, testing::TestClient};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// async fn show(request: Request) -> String {
    ///     let cookies: Vec<_> = request.cookies().collect();
    ///     format!("{cookies:?}")
    /// }
    ///
    /// let site = TestClient::start(App::new(Settings::default()).urls([path("/", show)])).await;
    /// let page = site.get("/").header("cookie", "theme=dark%20blue; id=1; id=2").await;
    /// assert_eq!(page.text(), r#"[("theme", "dark blue"), ("id", "1"), ("id", "2")]"#);
    /// # }
    /// ```
    pub fn cookies(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        headers::cookies(self.headers())
    }

    /// Whether the visitor's connection is encrypted: by this server, or by a proxy named in
    /// `TRUSTED_PROXIES` that says so.
    pub fn is_secure(&self) -> bool {
        self.inner.is_secure()
    }

    /// The visitor's address, as seen by the outermost proxy named in `TRUSTED_PROXIES`. Where that
    /// proxy does not tell it (`unknown`), the proxy's own. `None` over a Unix socket, unless `"unix"` is among
    /// them and the proxy tells it, and in tests without a socket.
    pub fn client_ip(&self) -> Option<IpAddr> {
        self.inner.address()
    }

    /// Who asks, for session middleware and engines.
    pub fn visitor(&self) -> Visitor {
        Visitor::of(self.inner.clone())
    }

    /// Whether the client takes this media type, by its `Accept` header (RFC 9110, 12.5.1).
    /// Without that header it takes everything.
    pub fn accepts(&self, media_type: &str) -> bool {
        Accept::of(self.headers()).takes(media_type)
    }

    /// One parameter of the path, by its name, or of the host that the page is for ([`host`](crate::routing::host)).
    ///
    /// # Errors
    ///
    /// 404 where its text is not of type `T`; 500 where the path has no such parameter.
    pub fn param<T: FromParam>(&self, name: &str) -> Result<T, RequestError> {
        let value = match self.raw_param(name) {
            Some(raw) => encoding::decode(raw),
            None => Some(Cow::Owned(self.host_param(name).ok_or_else(|| {
                RequestError::internal(format!("the path has no parameter named `{name}`"))
            })?)),
        };
        value
            .and_then(|value| T::from_param(&value))
            .ok_or_else(|| RequestError::new(http::StatusCode::NOT_FOUND, "no such page"))
    }

    /// A parameter of the path, as it stands there.
    pub(crate) fn raw_param(&self, name: &str) -> Option<&str> {
        let Found { route, params, .. } = &self.inner.found;
        params.raw(self.path_matched(), route.param_index(name)?)
    }

    /// A parameter of the route's host.
    fn host_param(&self, name: &str) -> Option<String> {
        let pattern = self.route().host.as_ref()?;
        let host = canonical(self.host()?);
        pattern.value(name, &host).map(str::to_owned)
    }

    pub(crate) fn values(&self) -> Values<'_> {
        Values {
            path: self.path_matched(),
            params: &self.inner.found.params,
        }
    }

    /// The path in the spelling that the routes were compared with: where parameters stand in it.
    pub(crate) fn path_matched(&self) -> &str {
        self.inner.found.path.as_deref().unwrap_or(self.path())
    }

    /// The name of the URL pattern that matched.
    pub fn route_name(&self) -> Option<&str> {
        self.inner.found.route.name.as_deref()
    }

    /// The URL pattern that matched, as it was written; `None` for pages that are not there.
    pub fn route_path(&self) -> Option<&str> {
        self.inner.found.route.path.as_deref()
    }

    /// A name for this request, the same each time: it is in the lines that the log has of its errors, and
    /// on the page that the visitor sees. It is made when it is asked for, from 16 random bytes as 32
    /// digits; where a proxy named in `TRUSTED_PROXIES` sends an `X-Request-Id` of at most 128 letters,
    /// digits and `-_.:+/=@`, it is that.
    ///
    /// ```
    /// # use duck::{Request, Result};
    /// async fn pay(request: Request) -> Result<String> {
    ///     let id = request.id(); // to be sent along to another service
    ///     Ok(format!("your payment is on its way: {id}"))
    /// }
    /// ```
    pub fn id(&self) -> &str {
        let Inner { head, context, .. } = &*self.inner;
        self.inner.id.get(|| {
            let mut ids = head.headers.get_all(id::HEADER).into_iter();
            let id = ids.next().filter(|_| ids.next().is_none())?;
            let is_trusted = context.proxies.is_trusted(self.inner.connection);
            id.to_str().ok().filter(|_| is_trusted)
        })
    }

    /// The id, if anybody has asked for it, or a proxy has sent it.
    pub(crate) fn id_if_there(&self) -> Option<&str> {
        let Inner { head, context, .. } = &*self.inner;
        let made = self.inner.id.made();
        let is_sent = || {
            context.proxies.is_trusted(self.inner.connection)
                && head.headers.contains_key(id::HEADER)
        };
        made.or_else(|| is_sent().then(|| self.id()))
    }

    /// The id of the user whose session the request has used, where each request is a line of the log.
    pub(crate) fn user_in_log(&self) -> Option<Arc<str>> {
        self.inner.values.get::<UserInLog>().map(|user| user.0)
    }

    pub(crate) fn context(&self) -> &Arc<Context> {
        &self.inner.context
    }

    /// The parameters of the path that matched, decoded.
    pub(crate) fn route_values(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        let names = self.route().params.iter().enumerate();
        names.filter_map(|(index, (name, _))| {
            let raw = self.inner.found.params.raw(self.path_matched(), index)?;
            Some((&**name, encoding::decode(raw)?))
        })
    }

    /// Whether the forms of the site have tokens.
    pub(crate) fn has_csrf_tokens(&self) -> bool {
        self.inner.context.cross_site.tokens
    }

    /// Whether it has to bring a token. It does not where the settings name the origin that it comes from: no page of
    /// that origin has one.
    pub(crate) fn needs_csrf_token(&self) -> bool {
        let cross_site = &self.inner.context.cross_site;
        !self.method().is_safe()
            && !self.route().csrf_exempt
            && !cross_site.is_from_trusted(self.headers())
    }

    /// Why it is refused, if a page of another site made it. A safe method costs one comparison.
    pub(crate) fn refused_as_cross_site(&self) -> Option<Error> {
        if self.method().is_safe() {
            return None;
        }
        self.refused_as_from_elsewhere()
    }

    /// Why it is refused, if a page of another site made it, whatever its method.
    pub(crate) fn refused_as_from_elsewhere(&self) -> Option<Error> {
        if self.route().csrf_exempt {
            return None;
        }
        let here = || Here {
            authority: self.authority(),
            secure: self.is_secure(),
        };
        let cross_site = &self.inner.context.cross_site;
        cross_site.refusal(self.headers(), here)
    }

    /// All but the body, as it arrived.
    #[cfg(feature = "tower")]
    pub(crate) fn head(&self) -> &Parts {
        &self.inner.head
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.inner.context.limits
    }

    pub(crate) fn route(&self) -> &RouteInfo {
        &self.inner.found.route
    }

    /// The path of a page, by the name of its URL pattern. Of a page with a [host](crate::routing::host) of its own it
    /// is the whole URL, with the scheme and the port of this request; the values of the host come first then.
    ///
    /// ```
    /// # use duck::{Request, Result};
    /// async fn link(request: Request) -> Result<String> {
    ///     Ok(request.url("note", [7])?) // "/notes/7"
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// When no pattern has that name, or the values do not fit its parameters. Nor does a value fit that makes
    /// `.` or `..` of a part between two slashes, which browsers resolve whatever the encoding, or that makes
    /// the URL begin with two slashes, as one of another site does.
    pub fn url(&self, name: &str, values: impl UrlValues) -> Result<String, RequestError> {
        let (host, path) = self.inner.context.urls.reverse(name, &values.texts())?;
        let Some(host) = host else {
            return Ok(path);
        };
        let scheme = if self.is_secure() { "https" } else { "http" };
        let port = self.authority().and_then(|authority| authority.port);
        let port = port.map_or_else(String::new, |port| format!(":{port}"));
        Ok(format!("{scheme}://{host}{port}{path}"))
    }

    /// A value that the site was given with [`App::state`](crate::App::state).
    ///
    /// # Errors
    ///
    /// 500 where there is none of that type; the log names it.
    pub fn state<T: Send + Sync + 'static>(&self) -> Result<&T, RequestError> {
        self.inner
            .context
            .state
            .get()
            .ok_or_else(|| RequestError::internal(State::missing::<T>()))
    }

    /// The site's settings.
    pub fn settings(&self) -> &Settings {
        &self.inner.context.settings
    }

    /// Whether the site runs with `DEBUG`.
    pub fn is_debug(&self) -> bool {
        self.inner.context.debug
    }

    /// Attaches a value to this request, for middleware and views that come later.
    pub fn insert<T: Clone + Send + Sync + 'static>(&self, value: T) {
        self.inner.values.insert(value);
    }

    /// A value that was attached with [`insert`](Self::insert).
    pub fn get<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        self.inner.values.get()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        spare_headers::keep(&mut self.head.headers);
    }
}

impl Appearance for Inner {
    fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    fn is_secure(&self) -> bool {
        let proxies = &self.context.proxies;
        proxies.is_secure(self.connection, &self.head.headers)
    }

    fn address(&self) -> Option<IpAddr> {
        let proxies = &self.context.proxies;
        proxies.client_ip(self.connection, &self.head.headers)
    }

    fn is_logged(&self) -> bool {
        self.context.logs_requests
    }

    fn log_user(&self, user: &str) {
        self.values.insert(UserInLog(user.into()));
    }
}

/// Who was logged in, for the line that the log has of the request.
#[derive(Clone)]
struct UserInLog(Arc<str>);

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", self.method())
            .field("path", &self.path())
            .field("route", &self.route_path())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn stays_thin() {
        assert!(size_of::<super::Request>() <= 16);
    }
}
