use std::fmt;
use std::sync::Arc;

use duck::http::HeaderValue;
use duck::middleware::SessionLayer;
use duck::pages::error_page;
use duck::session::{AuthHash, CookieChange, NowOrLater, SessionEngine, SessionError};
use duck::{Component, Error, IntoResponse, Request, Response, Result, Session, Settings, Setup};
use http::header::{self, Entry, HeaderMap};
use smallvec::SmallVec;

use crate::clock::Clock;
use crate::cookie::SessionCookie;
use crate::log::{Log, limited};
use crate::maintenance;
use crate::opening::Opening;
use crate::registry::Registry;
use crate::settings::SessionSettings;
use crate::store::{Cache, SessionStore};

/// Gives every request its session, and saves what changed.
///
/// Add it once with `App::with`, before everything that uses sessions. Which storage and engine it uses, and
/// everything else about it, is in the settings.
///
/// ```
/// use duck::testing::TestClient;
/// use duck::{App, Request, Result, Settings, path};
/// use duck_session::SessionMiddleware;
///
/// async fn visits(request: Request) -> Result<String> {
///     let visits = request.session.update("visits", |n: &mut u64| *n += 1).await?;
///     Ok(format!("visit {visits}"))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let settings = Settings::default().with("SESSION_STORAGE", "InMemoryCache");
/// let app = App::new(settings).with(SessionMiddleware::new()).urls([path("/", visits)]);
///
/// let visitor = TestClient::start(app).await;
/// assert_eq!(visitor.get("/").await.text(), "visit 1");
/// assert_eq!(visitor.get("/").await.text(), "visit 2");
/// assert_eq!(visitor.another().get("/").await.text(), "visit 1");
/// # }
/// ```
pub struct SessionMiddleware {
    registry: Registry,
    clock: Clock,
    auth_hash: AuthHash,
}

/// What a browser is to forget at a logout: <https://www.w3.org/TR/clear-site-data/>.
const CLEARED: &str = "\"cookies\", \"storage\"";

/// The middleware, once the settings are known.
struct Started {
    engine: Arc<dyn SessionEngine>,
    cookie: SessionCookie,
    cache_control: HeaderValue,
    clear_site_data: bool,
    save_on_error: bool,
    debug: bool,
    log: Log,
}

impl SessionMiddleware {
    /// Sessions as the settings say, with the storages that come with Duck.
    pub fn new() -> Self {
        Self {
            registry: Registry::new(),
            clock: Clock::default(),
            auth_hash: AuthHash::default(),
        }
    }

    /// Makes a cache of the site's own known, under a name for `SESSION_STORAGE`. It is opened if
    /// the settings choose it.
    ///
    /// ```
    /// use duck_session::{SessionMiddleware, store::InMemoryCache};
    ///
    /// let sessions = SessionMiddleware::new().cache("TinyCache", |_settings| Ok(InMemoryCache::new(100, 1 << 20)));
    /// ```
    #[must_use]
    pub fn cache<C: Cache>(
        mut self,
        name: &str,
        open: impl Fn(&SessionSettings) -> Result<C> + Send + Sync + 'static,
    ) -> Self {
        self.registry.add_cache(name, open);
        self
    }

    /// Makes a store of the site's own known, under a name for `SESSION_STORAGE`. It is opened if the settings
    /// choose it, and reads settings of its own: see [`Settings::part`](duck::Settings::part).
    ///
    /// ```
    /// use duck_session::{SessionMiddleware, store::InMemoryCache};
    ///
    /// let sessions = SessionMiddleware::new().store("TinyStore", |_settings| async { Ok(InMemoryCache::default()) });
    /// ```
    #[must_use]
    pub fn store<S: SessionStore, F>(
        mut self,
        name: &str,
        open: impl Fn(Settings) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<S>> + Send + 'static,
    {
        self.registry.add_store(name, open);
        self
    }

    /// Makes an engine of the site's own known, under a name for `SESSION_ENGINE`.
    #[must_use]
    pub fn engine(
        mut self,
        name: &str,
        open: impl Fn(&SessionSettings) -> Result<Arc<dyn SessionEngine>> + Send + Sync + 'static,
    ) -> Self {
        self.registry.add_engine(name, open);
        self
    }

    /// Ends the sessions of a user when something about the user changes: mostly the hash of the
    /// password. `find` is asked for it at a login, and again at every request that asks for the
    /// session; where it says something else by then, or nothing, the session is over.
    ///
    /// ```
    /// # async fn password_hash_of(user: &str) -> duck::Result<Option<String>> { Ok(None) }
    /// use duck_session::SessionMiddleware;
    ///
    /// let sessions = SessionMiddleware::new()
    ///     .auth_hash(async |user: String| password_hash_of(&user).await);
    /// ```
    ///
    /// Only a hash of what it says is stored. An engine of the site's own does not ask it.
    ///
    /// A site with logins (`duck::auth::Auth`) need not say it: it is the hash that its accounts have.
    #[must_use]
    pub fn auth_hash<F>(self, find: impl Fn(String) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Option<String>>> + Send + 'static,
    {
        self.auth_hash.set(find);
        self
    }

    /// Tells the time by another clock: tests let days pass with [`Clock::manual`].
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }
}

impl Default for SessionMiddleware {
    fn default() -> Self {
        Self::new()
    }
}

impl Component for SessionMiddleware {
    async fn start(self, setup: &mut Setup<'_>) -> Result<()> {
        let settings = setup.settings().clone();
        // Storages in memory have no use for a key, but it is no unknown setting with them either.
        settings.get::<String>("SECRET_KEY")?;
        settings.get::<Vec<String>>("SECRET_KEY_FALLBACKS")?;
        let own = SessionSettings::from_settings(&settings)?;
        own.keep_private(&settings)?;
        for finding in own.deploy_findings(&settings) {
            setup.deploy_finding(finding.to_string());
        }
        let cookie = SessionCookie::new(&own);
        let opening = Opening {
            own: &own,
            settings: &settings,
            clock: &self.clock,
            auth_hash: &self.auth_hash,
            is_serving: setup.is_serving(),
        };
        let opened = self.registry.open(&opening).await?;
        for note in opened.notes {
            setup.check_note(note);
        }
        #[cfg(feature = "tasks")]
        if let Some(leases) = opened.leases {
            setup.leases(leases);
        }
        if let Some(maintenance) = opened.maintenance {
            maintenance::keep_in_order(setup, &maintenance, &own, &self.clock);
        }
        setup.insert(self.auth_hash);
        setup.banner("sessions", summary(&own));
        #[cfg(feature = "commands")]
        crate::commands::add(
            setup,
            crate::commands::Sessions {
                opened: opened.administration,
                registry: self.registry,
                settings: settings.clone(),
                own: own.clone(),
                clock: self.clock,
            },
        );
        setup.session_layer(Started {
            engine: opened.engine,
            cookie,
            cache_control: HeaderValue::try_from(&own.session_cache_control)?,
            clear_site_data: own.session_clear_site_data,
            save_on_error: own.session_save_on_error,
            debug: settings.is_debug(),
            log: Log::default(),
        })
    }
}

impl SessionLayer for Started {
    fn begin(&self, request: &Request) -> Session {
        Session::new(self.engine.clone(), request.visitor())
    }

    fn finish<'a>(&'a self, request: &'a Request, response: Response) -> NowOrLater<'a, Response> {
        let may_concern_the_session = response.error().is_some()
            || response.headers().contains_key(header::SET_COOKIE)
            || response.body().is_made_while_sent();
        if !may_concern_the_session && request.session.close_untouched() {
            return NowOrLater::Now(response);
        }
        NowOrLater::later(self.finish_later(request, response))
    }
}

impl Started {
    /// Saves the session and gives the response what follows from that.
    async fn finish_later(&self, request: &Request, mut response: Response) -> Response {
        let session = &request.session;
        if response.error().is_some() {
            // Before the session is saved: the page may show its flashes, and name its user.
            response = Box::pin(error_page(request, response)).await;
        }
        let failed = response.status().is_server_error() || is_too_large(&response);
        let keep_data = !failed || self.save_on_error;
        let mut response = match session.finish(keep_data).await {
            Ok(change) => match self.check_site_cookies(session, response) {
                Ok(mut response) => {
                    self.send_cookie(request, change, session, &mut response);
                    response
                }
                Err(error) => error.into_response(),
            },
            // What the view answered may speak of things that were not saved.
            Err(error) => Error::from(error).into_response(),
        };
        if session.is_accessed() || may_be_asked_later(session, &response) {
            vary_by_cookie(response.headers_mut());
        }
        if session.has_user() {
            keep_private(response.headers_mut());
        }
        if let Some(error) = response.error().filter(|_| is_too_large(&response)) {
            let (route, cause) = (request.route_path().unwrap_or_default(), error.chain());
            let place = error.place().map(tracing::field::display);
            limited!(
                self.log,
                warn,
                "a session would not fit: what this request set is not kept",
                route,
                cause,
                place
            );
        }
        response
    }

    fn send_cookie(
        &self,
        request: &Request,
        change: Option<CookieChange>,
        session: &Session,
        response: &mut Response,
    ) {
        let (Some(change), Some(visitor)) = (change, session.visitor()) else {
            return;
        };
        let headers = response.headers_mut();
        if self.clear_site_data && matches!(change, CookieChange::LogOut) {
            headers.insert(
                "clear-site-data",
                const { HeaderValue::from_static(CLEARED) },
            );
        }
        let cookies: SmallVec<[HeaderValue; 2]> = match change {
            CookieChange::Set(cookie) => {
                let cookie = self.cookie.set(&cookie, visitor, self.engine.now());
                cookie.into_iter().collect()
            }
            _ => self.cookie.remove(visitor).collect(),
        };
        if headers.get(header::CACHE_CONTROL).is_some_and(is_shared) {
            let route = request.route_path().unwrap_or_default();
            limited!(
                self.log,
                warn,
                "a page for shared caches set the session cookie: it is sent as private",
                route
            );
        }
        for cookie in cookies {
            headers.append(header::SET_COOKIE, cookie);
        }
        headers.insert(header::CACHE_CONTROL, self.cache_control.clone());
    }

    /// A cookie of the site's under the session's name would take the session away: rule 47.
    fn check_site_cookies(&self, session: &Session, mut response: Response) -> Result<Response> {
        let (true, Some(visitor)) = (
            response.headers().contains_key(header::SET_COOKIE),
            session.visitor(),
        ) else {
            return Ok(response);
        };
        let name = self.cookie.name(visitor);
        let is_ours = |value: &HeaderValue| {
            value
                .as_bytes()
                .strip_prefix(name.as_bytes())
                .is_some_and(|rest| rest.first() == Some(&b'='))
        };
        let cookies: Vec<_> = response
            .headers()
            .get_all(header::SET_COOKIE)
            .iter()
            .cloned()
            .collect();
        if !cookies.iter().any(is_ours) {
            return Ok(response);
        }
        if self.debug {
            return Err(Error::internal(format!(
                "the site set a cookie named {name:?}, which is the session's"
            )));
        }
        limited!(
            self.log,
            warn,
            "the site set a cookie with the session's name: it is left out"
        );
        response.headers_mut().remove(header::SET_COOKIE);
        for cookie in cookies.into_iter().filter(|cookie| !is_ours(cookie)) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        Ok(response)
    }
}

/// Whether the page failed because a session may hold no more.
fn is_too_large(response: &Response) -> bool {
    let error = response.error().and_then(Error::downcast_ref);
    matches!(error, Some(SessionError::TooLarge(_)))
}

/// Whether the rest of the page may depend on the session, when it is too late to say so.
fn may_be_asked_later(session: &Session, response: &Response) -> bool {
    response.body().is_made_while_sent() && session.is_held_elsewhere()
}

/// The page depends on the session, so on the cookie: rule 51.
fn vary_by_cookie(headers: &mut HeaderMap) {
    let names = |value: &HeaderValue| {
        value.to_str().is_ok_and(|text| {
            text.split(',')
                .any(|name| name.trim() == "*" || name.trim().eq_ignore_ascii_case("cookie"))
        })
    };
    match headers.entry(header::VARY) {
        Entry::Vacant(place) => {
            place.insert(const { HeaderValue::from_static("Cookie") });
        }
        Entry::Occupied(place) if place.iter().any(names) => {}
        Entry::Occupied(mut place) => place.append(HeaderValue::from_static("Cookie")),
    }
}

/// A page that was made for somebody is for nobody else, unless the view knows better: not every cache
/// minds `Vary`.
fn keep_private(headers: &mut HeaderMap) {
    let cache_control = headers.entry(header::CACHE_CONTROL);
    cache_control.or_insert(const { HeaderValue::from_static("private") });
}

/// Whether a `Cache-Control` lets caches keep a page that many visitors share.
fn is_shared(value: &HeaderValue) -> bool {
    value
        .to_str()
        .is_ok_and(|text| text.contains("public") || text.contains("s-maxage"))
}

/// `KeyAsFolderCache   sessions   7 days`
fn summary(own: &SessionSettings) -> String {
    let age = humantime::format_duration(own.session_cookie_age.0);
    match own.session_engine.as_str() {
        "cache" => format!("{}, {age}", own.session_storage),
        engine => format!("{engine}, {age}"),
    }
}

impl fmt::Debug for SessionMiddleware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionMiddleware").finish_non_exhaustive()
    }
}
