//! A client for a site's tests: no socket, and cookies as a browser keeps them.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::net::SocketAddr;
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use cookie::Cookie;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::body::Body;
use crate::proxies::Connection;
use crate::site::Site;

/// Asks a site as a browser would.
///
/// It keeps cookies, sends `Host: testserver`, and does not follow redirects. Mistakes in a test
/// (a site that does not start, a body that is no JSON) panic with a message.
///
/// ```
/// use duck_core::testing::TestClient;
/// use duck_core::{App, Request, Settings, path};
///
/// async fn greet(request: Request, name: String) -> String {
///     format!("Hello, {name}")
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let site = TestClient::start(App::new(Settings::default()).urls([path("/hello/<name>", greet)])).await;
/// let page = site.get("/hello/duck").await;
/// assert_eq!(page.status(), 200);
/// assert_eq!(page.text(), "Hello, duck");
/// # }
/// ```
pub struct TestClient {
    site: Site,
    jar: Mutex<Vec<Cookie<'static>>>,
    connection: Connection,
}

impl TestClient {
    /// A client of the site that this app starts.
    ///
    /// # Panics
    ///
    /// When the site cannot start; the message says why, and where the test asked for it.
    #[track_caller]
    pub fn start(app: App) -> impl Future<Output = Self> {
        let caller = Location::caller();
        async move {
            match app.start().await {
                Ok(site) => Self::of(site),
                Err(error) => panic!("the site at {caller} cannot start: {error:?}"),
            }
        }
    }

    /// A client of a site that is there already: several clients are several visitors.
    pub fn of(site: Site) -> Self {
        Self {
            site,
            jar: Mutex::default(),
            connection: Connection::default(),
        }
    }

    /// The same client over HTTPS.
    #[must_use]
    pub fn https(mut self) -> Self {
        self.connection.secure = true;
        self
    }

    /// The same client from this address.
    #[must_use]
    pub fn from_address(mut self, peer: SocketAddr) -> Self {
        self.connection.peer = Some(peer);
        self
    }

    /// Another visitor of the same site, without cookies.
    #[must_use]
    pub fn another(&self) -> Self {
        Self {
            site: self.site.clone(),
            jar: Mutex::default(),
            connection: self.connection,
        }
    }

    /// The site.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// A `GET`. Await it, or add to it first.
    pub fn get(&self, path: &str) -> TestRequest<'_> {
        self.request(Method::GET, path)
    }

    /// A `POST`.
    pub fn post(&self, path: &str) -> TestRequest<'_> {
        self.request(Method::POST, path)
    }

    /// A request of any method.
    ///
    /// # Panics
    ///
    /// When `path` is no path.
    #[track_caller]
    pub fn request(&self, method: Method, path: &str) -> TestRequest<'_> {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "testserver");
        match request.body(Body::empty()) {
            Ok(request) => TestRequest {
                client: self,
                request,
            },
            Err(error) => panic!("{path:?} is no path: {error}"),
        }
    }

    /// The value of a cookie the client holds.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.jar()
            .iter()
            .find(|cookie| cookie.name() == name)
            .map(|cookie| cookie.value().to_owned())
    }

    /// Gives the client a cookie for the whole site, in place of one of that name and path.
    pub fn set_cookie(&self, name: &str, value: &str) {
        let cookie = Cookie::build((name.to_owned(), value.to_owned()));
        self.keep(cookie.path("/").build());
    }

    /// Takes all cookies away.
    pub fn clear_cookies(&self) {
        self.jar().clear();
    }

    fn jar(&self) -> MutexGuard<'_, Vec<Cookie<'static>>> {
        self.jar.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, cookie: Cookie<'static>) {
        let mut jar = self.jar();
        jar.retain(|kept| kept.name() != cookie.name() || kept.path() != cookie.path());
        let lives = |age| age > cookie::time::Duration::ZERO;
        if cookie.max_age().is_none_or(lives) {
            jar.push(cookie);
        }
    }

    fn cookie_header(&self, path: &str) -> Option<HeaderValue> {
        let jar = self.jar();
        let sent: Vec<String> = jar
            .iter()
            .filter(|cookie| self.connection.secure || cookie.secure() != Some(true))
            .filter(|cookie| path.starts_with(cookie.path().unwrap_or("/")))
            .map(|cookie| format!("{}={}", cookie.name(), cookie.value()))
            .collect();
        HeaderValue::try_from(sent.join("; "))
            .ok()
            .filter(|value| !value.is_empty())
    }

    async fn send(&self, mut request: http::Request<Body>) -> TestResponse {
        if let Some(cookies) = self.cookie_header(request.uri().path())
            && !request.headers().contains_key(header::COOKIE)
        {
            request.headers_mut().insert(header::COOKIE, cookies);
        }
        let (parts, body) = self
            .site
            .respond(request, self.connection)
            .await
            .into_http()
            .into_parts();
        for set in parts
            .headers
            .get_all(header::SET_COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
        {
            if let Ok(cookie) = Cookie::parse(set.to_owned()) {
                self.keep(cookie);
            }
        }
        let body = body
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes);
        TestResponse {
            status: parts.status,
            headers: parts.headers,
            body: body.map_err(|error| error.to_string()),
        }
    }
}

impl fmt::Debug for TestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestClient")
            .field("site", &self.site)
            .finish_non_exhaustive()
    }
}

/// A request that a [`TestClient`] is about to send: `.await` sends it.
#[derive(Debug)]
pub struct TestRequest<'a> {
    client: &'a TestClient,
    request: http::Request<Body>,
}

impl TestRequest<'_> {
    /// Adds a header.
    ///
    /// # Panics
    ///
    /// When it cannot be one.
    #[must_use]
    #[track_caller]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(name), Ok(value)) => self.request.headers_mut().append(name, value),
            _ => panic!("{name:?}: {value:?} is no header"),
        };
        self
    }

    /// Sends a form.
    ///
    /// # Panics
    ///
    /// When the fields cannot be a form.
    #[must_use]
    #[track_caller]
    pub fn form<T: Serialize + ?Sized>(self, fields: &T) -> Self {
        match serde_html_form::to_string(fields) {
            Ok(form) => self.body("application/x-www-form-urlencoded", form),
            Err(error) => panic!("the fields cannot be a form: {error}"),
        }
    }

    /// Sends JSON.
    ///
    /// # Panics
    ///
    /// When the value cannot be JSON.
    #[must_use]
    #[track_caller]
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(json) => self.body("application/json", json),
            Err(error) => panic!("the value cannot be JSON: {error}"),
        }
    }

    /// Sends a body of this media type.
    #[must_use]
    #[track_caller]
    pub fn body(mut self, media_type: &str, body: impl Into<Body>) -> Self {
        *self.request.body_mut() = body.into();
        self.header("content-type", media_type)
    }
}

impl<'a> IntoFuture for TestRequest<'a> {
    type Output = TestResponse;
    type IntoFuture = Pin<Box<dyn Future<Output = TestResponse> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.client.send(self.request))
    }
}

/// What a site answered a [`TestClient`].
#[derive(Debug)]
pub struct TestResponse {
    status: StatusCode,
    headers: HeaderMap,
    body: Result<Bytes, String>,
}

impl TestResponse {
    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// One header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The cookies it sets, each as it was sent.
    pub fn set_cookies(&self) -> Vec<&str> {
        self.headers
            .get_all(header::SET_COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect()
    }

    /// The body, or why it broke off.
    pub fn body(&self) -> Result<&Bytes, &str> {
        self.body.as_ref().map_err(String::as_str)
    }

    /// The body.
    ///
    /// # Panics
    ///
    /// When it broke off.
    #[track_caller]
    pub fn bytes(&self) -> &Bytes {
        match &self.body {
            Ok(bytes) => bytes,
            Err(error) => panic!("the body broke off: {error}"),
        }
    }

    /// The body as text.
    ///
    /// # Panics
    ///
    /// When it broke off, or is not UTF-8.
    #[track_caller]
    pub fn text(&self) -> &str {
        match std::str::from_utf8(self.bytes()) {
            Ok(text) => text,
            Err(error) => panic!("the body is not UTF-8: {error}"),
        }
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// When it is not JSON of that type.
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        match serde_json::from_slice(self.bytes()) {
            Ok(value) => value,
            Err(error) => panic!("the body is not that JSON: {error}: {}", self.text()),
        }
    }
}
