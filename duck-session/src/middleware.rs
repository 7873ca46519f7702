use std::fmt;
use std::sync::Arc;

use duck_core::{
    CookieChange, Error, HeaderValue, IntoResponse, Middleware, Next, Request, Response, Result,
    Session, SessionEngine, SessionError, Setup,
};
use http::header::{self, Entry, HeaderMap};
use tokio::time::sleep;

use crate::cache::Cache;
use crate::clock::Clock;
use crate::cookie::SessionCookie;
use crate::registry::{Opened, Opening, Registry, Upkeep};
use crate::settings::SessionSettings;

/// Gives every request its session, and saves what changed.
///
/// Add it once, outside of everything that uses sessions. Which storage and engine it uses, and
/// everything else about it, is in the settings.
///
/// ```
/// use duck_core::testing::TestClient;
/// use duck_core::{App, Request, Result, Settings, path};
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
/// let app = App::new(settings).middleware(SessionMiddleware::new()).urls([path("/", visits)]);
///
/// let visitor = TestClient::new(app);
/// assert_eq!(visitor.get("/").await.text(), "visit 1");
/// assert_eq!(visitor.get("/").await.text(), "visit 2");
/// assert_eq!(visitor.another().get("/").await.text(), "visit 1");
/// # }
/// ```
pub struct SessionMiddleware {
    registry: Registry,
    clock: Clock,
    started: Option<Started>,
}

/// What is known once the settings are.
struct Started {
    engine: Arc<dyn SessionEngine>,
    cookie: SessionCookie,
    cache_control: HeaderValue,
    save_on_error: bool,
    debug: bool,
}

impl SessionMiddleware {
    /// Sessions as the settings say, with the storages that come with Duck.
    pub fn new() -> Self {
        Self {
            registry: Registry::new(),
            clock: Clock::default(),
            started: None,
        }
    }

    /// Makes a cache of the site's own known, under a name for `SESSION_STORAGE`. It is opened if
    /// the settings choose it.
    ///
    /// ```
    /// use duck_session::{SessionMiddleware, cache::InMemoryCache};
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

impl Middleware for SessionMiddleware {
    fn start(&mut self, setup: &mut Setup<'_>) -> Result<()> {
        let settings = setup.settings().clone();
        let own = SessionSettings::from_settings(&settings)?;
        let cookie = SessionCookie::new(&own, &settings)?;
        let opening = Opening {
            own: &own,
            settings: &settings,
            clock: &self.clock,
        };
        let Opened { engine, upkeep } = self.registry.open(&opening)?;
        if let Some(upkeep) = upkeep {
            keep_in_order(setup, &upkeep, &own);
        }
        setup.banner("sessions", summary(&own));
        self.started = Some(Started {
            engine,
            cookie,
            cache_control: HeaderValue::try_from(&own.session_cache_control)?,
            save_on_error: own.session_save_on_error,
            debug: settings.is_debug(),
        });
        Ok(())
    }

    async fn handle(&self, request: Request, next: Next<'_>) -> Result<Response> {
        let Some(started) = &self.started else {
            return Err(SessionError::Missing.into());
        };
        let session = Session::new(started.engine.clone(), request.visitor());
        let response = next
            .run(request.clone().with_session(session.clone()))
            .await;
        Ok(started.finish(&request, &session, response).await)
    }
}

impl Started {
    /// Saves the session and gives the response what follows from that.
    async fn finish(&self, request: &Request, session: &Session, response: Response) -> Response {
        let keep_data = !response.status_code().is_server_error() || self.save_on_error;
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
        if session.is_accessed() {
            vary_by_cookie(response.headers_mut());
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
        let cookie = match (change, session.visitor()) {
            (Some(CookieChange::Set(cookie)), Some(visitor)) => {
                self.cookie.set(&cookie, visitor, self.engine.now())
            }
            (Some(CookieChange::Remove), Some(visitor)) => self.cookie.remove(visitor),
            _ => None,
        };
        let Some(cookie) = cookie else { return };
        let headers = response.headers_mut();
        if headers.get(header::CACHE_CONTROL).is_some_and(is_shared) {
            let route = request.route_path().unwrap_or_default();
            tracing::warn!(target: "duck_session", route, "a page for shared caches set the session cookie: it is sent as private");
        }
        headers.append(header::SET_COOKIE, cookie);
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
        tracing::warn!(target: "duck_session", "the site set a cookie with the session's name: it is left out");
        response.headers_mut().remove(header::SET_COOKIE);
        for cookie in cookies.into_iter().filter(|cookie| !is_ours(cookie)) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        Ok(response)
    }
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

/// Whether a `Cache-Control` lets caches keep a page that many visitors share.
fn is_shared(value: &HeaderValue) -> bool {
    value
        .to_str()
        .is_ok_and(|text| text.contains("public") || text.contains("s-maxage"))
}

/// Removes expired sessions now and then, and writes out what a cache holds back when the site stops.
fn keep_in_order(setup: &mut Setup<'_>, upkeep: &Arc<dyn Upkeep>, own: &SessionSettings) {
    let (pause, batch) = (own.session_sweep_interval.0, own.session_sweep_batch);
    if !pause.is_zero() {
        let upkeep = upkeep.clone();
        setup.background(move || {
            let upkeep = upkeep.clone();
            async move {
                loop {
                    sleep(pause).await;
                    sweep(&*upkeep, batch).await;
                }
            }
        });
    }
    let upkeep = upkeep.clone();
    setup.on_stop(move || {
        let upkeep = upkeep.clone();
        async move {
            if let Err(error) = upkeep.save().await {
                tracing::error!(target: "duck_session", cause = error.chain(), "the session cache could not be saved");
            }
        }
    });
}

/// Sweeps until there is little left. An error ends this pass, not the next.
async fn sweep(upkeep: &dyn Upkeep, batch: usize) {
    loop {
        match upkeep.sweep().await {
            Ok(removed) if removed > 0 && removed >= batch => {}
            Ok(_) => return,
            Err(error) => {
                return tracing::warn!(target: "duck_session", cause = error.chain(), "expired sessions could not be removed");
            }
        }
    }
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
        f.debug_struct("SessionMiddleware")
            .field("started", &self.started.is_some())
            .finish_non_exhaustive()
    }
}
