use std::fmt;
use std::net::SocketAddr;
use std::panic::Location;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderValue, header};
use http_body_util::BodyExt;
use url::Url;

use super::jar::Jar;
use super::response::TestResponse;
use crate::BoxFuture;
use crate::app::App;
use crate::app::site::Site;
use crate::http::body::Body;
use crate::http::proxies::Connection;
use crate::http::request::Request;
use crate::http::response::Response;
#[cfg(feature = "websocket")]
use crate::live::upgrade::{Accepted, Upgrade};
use crate::middleware::allowed_hosts::OF_TESTS;
use crate::routing::view::ErasedView;
use crate::session::error::SessionError;

/// Asks a site as a browser would.
///
/// It keeps cookies by the rules of RFC 6265bis, sends `Host: testserver`, and does not follow redirects
/// unless a request says so. Mistakes in a test (a site that does not start, a body that is no JSON)
/// panic with a message.
///
/// ```
/// use duck::testing::TestClient;
/// use duck::{App, Request, Settings, path};
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
    jar: Mutex<Jar>,
    connection: Connection,
    host: String,
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
            host: OF_TESTS.to_owned(),
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

    /// The same client with the site at this host, with a port or without, in place of `testserver`:
    /// where cookies have a `Domain`, it has to fit.
    ///
    /// ```
    /// use duck::testing::TestClient;
    /// use duck::{App, Cookie, Request, Response, Result, Settings, path, text};
    ///
    /// async fn home(request: Request) -> Result<Response> {
    ///     Ok(text("").with_cookie(Cookie::build(("theme", "dark")).domain("example.org"))?)
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let site = TestClient::start(App::new(Settings::default()).urls([path("/", home)])).await;
    /// site.get("/").await;
    /// assert_eq!(site.cookie("theme"), None);
    /// let site = site.at_host("shop.example.org");
    /// site.get("/").await;
    /// assert_eq!(site.cookie("theme").as_deref(), Some("dark"));
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// When it cannot be a host.
    #[must_use]
    #[track_caller]
    pub fn at_host(mut self, host: &str) -> Self {
        assert!(
            Url::parse(&format!("http://{host}/")).is_ok(),
            "{host:?} is no host"
        );
        host.clone_into(&mut self.host);
        self
    }

    /// Another visitor of the same site, without cookies.
    #[must_use]
    pub fn another(&self) -> Self {
        Self {
            site: self.site.clone(),
            jar: Mutex::new(self.jar().another()),
            connection: self.connection,
            host: self.host.clone(),
        }
    }

    /// The site.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// Logs a user in as `request.session.login(user)` does, without the site's form: for tests of what
    /// comes after. What the client has in its session stays as it would.
    ///
    /// No view of the site runs, and of its middleware only what stands around the session and what brings it.
    ///
    /// ```no_run
    /// # use duck::testing::TestClient;
    /// # async fn a_user_sees_their_account(site: TestClient) {
    /// site.login("ada").await;
    /// assert_eq!(site.get("/account").await.status(), 200);
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// When the site has no sessions, or the session cannot be kept.
    pub async fn login(&self, user: impl fmt::Display) {
        let login = Login::new(user.to_string());
        for layers in 0.. {
            let request = self.get("/").into_http();
            let url = self.url(&request, self.is_secure());
            let request = self.with_cookies(request, &url);
            let inside = self
                .site
                .respond_inside(layers, &login, request, self.connection);
            let Some(response) = inside.await else {
                break;
            };
            let response = self.receive(response, &url).await;
            match login.outcome() {
                Some(Ok(())) => {
                    assert!(
                        !response.status.is_server_error(),
                        "the login of {:?} cannot be kept: {response:?}",
                        login.user
                    );
                    return;
                }
                // The middleware that has the session comes further in.
                None | Some(Err(SessionError::Missing)) => {}
                Some(Err(error)) => panic!("{:?} cannot log in: {error}", login.user),
            }
        }
        panic!("nobody can log in: the site's middleware brings no session to a request of `/`");
    }

    /// The value of a cookie the client holds.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.jar().value(name)
    }

    /// Gives the client a cookie for the whole site, in place of one of that name and path.
    pub fn set_cookie(&self, name: &str, value: &str) {
        let url = url_of(&self.host, "/", self.is_secure());
        self.jar().set(name, value, &url);
    }

    /// Takes all cookies away.
    pub fn clear_cookies(&self) {
        self.jar().clear();
    }

    /// Lets time pass for the client: cookies whose `Max-Age` or `Expires` that reaches are gone. The site
    /// has a clock of its own.
    ///
    /// ```
    /// use std::time::Duration;
    /// use duck::testing::TestClient;
    /// use duck::{App, Cookie, Request, Response, Result, Settings, path, text};
    ///
    /// async fn home(request: Request) -> Result<Response> {
    ///     let cookie = Cookie::parse("seen=1; Max-Age=3600").map_err(duck::Error::internal)?;
    ///     Ok(text("").with_cookie(cookie)?)
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let site = TestClient::start(App::new(Settings::default()).urls([path("/", home)])).await;
    /// site.get("/").await;
    /// site.advance(Duration::from_secs(3599));
    /// assert!(site.cookie("seen").is_some());
    /// site.advance(Duration::from_secs(1));
    /// assert!(site.cookie("seen").is_none());
    /// # }
    /// ```
    pub fn advance(&self, by: Duration) {
        self.jar().advance(by);
    }

    fn jar(&self) -> MutexGuard<'_, Jar> {
        self.jar.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn is_secure(&self) -> bool {
        self.connection.secure
    }

    /// The whole URL of a request, by which cookies are chosen.
    pub(super) fn url(&self, request: &http::Request<Body>, secure: bool) -> Url {
        let host = request.headers().get(header::HOST);
        let host = host
            .and_then(|host| host.to_str().ok())
            .unwrap_or(&self.host);
        let path = request.uri().path_and_query();
        url_of(host, path.map_or("/", |path| path.as_str()), secure)
    }

    pub(super) async fn send(&self, request: http::Request<Body>, secure: bool) -> TestResponse {
        let url = self.url(&request, secure);
        let request = self.with_cookies(request, &url);
        let connection = Connection {
            secure,
            ..self.connection
        };
        let response = self.site.respond(request, connection).await;
        self.receive(response, &url).await
    }

    /// Asks for a WebSocket: the answer, and what it leads to if that is one.
    #[cfg(feature = "websocket")]
    pub(super) async fn open(
        &self,
        request: http::Request<Body>,
    ) -> (TestResponse, Option<Box<Accepted>>) {
        let url = self.url(&request, self.is_secure());
        let request = self.with_cookies(request, &url);
        let mut response = self.site.respond(request, self.connection).await;
        let upgrade = response.extensions_mut().remove::<Upgrade>();
        let is_answer = response.status() == http::StatusCode::SWITCHING_PROTOCOLS;
        let accepted = upgrade
            .filter(|_| is_answer)
            .and_then(|upgrade| upgrade.take());
        (self.receive(response, &url).await, accepted)
    }

    fn with_cookies(&self, mut request: http::Request<Body>, url: &Url) -> http::Request<Body> {
        let cookies = HeaderValue::try_from(self.jar().header(url));
        if let Ok(cookies) = cookies
            && !cookies.is_empty()
            && !request.headers().contains_key(header::COOKIE)
        {
            request.headers_mut().insert(header::COOKIE, cookies);
        }
        request
    }

    async fn receive(&self, response: Response, url: &Url) -> TestResponse {
        let (parts, body) = response.into_http().into_parts();
        for line in parts.headers.get_all(header::SET_COOKIE) {
            if let Ok(line) = std::str::from_utf8(line.as_bytes()) {
                self.jar().keep(line, url);
            }
        }
        let body = body.collect().await;
        TestResponse {
            url: url[url::Position::BeforePath..url::Position::AfterQuery].to_owned(),
            status: parts.status,
            headers: parts.headers,
            body: body
                .map(http_body_util::Collected::to_bytes)
                .map_err(|error| error.to_string()),
        }
    }
}

/// The whole URL.
fn url_of(host: &str, path: &str, secure: bool) -> Url {
    let scheme = if secure { "https" } else { "http" };
    let path = if path.starts_with('/') { path } else { "/" };
    match Url::parse(&format!("{scheme}://{host}{path}")) {
        Ok(url) => url,
        // No browser sends such a `Host`, so it has cookies of its own.
        Err(_) => url_of("invalid", path, secure),
    }
}

impl fmt::Debug for TestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestClient")
            .field("site", &self.site)
            .finish_non_exhaustive()
    }
}

/// The view of [`TestClient::login`].
struct Login {
    user: String,
    outcome: Mutex<Option<Result<(), SessionError>>>,
}

impl Login {
    fn new(user: String) -> Self {
        Self {
            user,
            outcome: Mutex::default(),
        }
    }

    fn outcome(&self) -> Option<Result<(), SessionError>> {
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        outcome.take()
    }
}

impl ErasedView for Login {
    fn call(&self, request: Request) -> BoxFuture<'_, Response> {
        Box::pin(async move {
            let outcome = request.session.login(&self.user).await;
            *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
            crate::text("")
        })
    }
}
