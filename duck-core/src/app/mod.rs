//! A site being put together, started and run.

mod access_log;
pub(crate) mod beside;
pub(crate) mod blocking;
#[cfg(feature = "cli")]
pub(crate) mod cli;
#[cfg(feature = "cli")]
mod command_hint;
pub(crate) mod component;
pub(crate) mod context;
#[cfg(feature = "cli")]
mod deploy;
pub(crate) mod detached;
pub(crate) mod error_log;
pub(crate) mod floods;
pub(crate) mod health;
#[cfg(feature = "tls")]
mod https;
#[cfg(feature = "tls")]
mod https_redirect;
pub(crate) mod lease;
mod listening;
mod log_file;
pub(crate) mod log_kind;
mod log_output;
mod log_queue;
mod log_text;
pub(crate) mod readiness;
pub(crate) mod ready_state;
mod reload;
mod route_table;
mod run;
#[cfg(feature = "tower")]
mod service;
pub(crate) mod serving;
pub(crate) mod setup;
pub(crate) mod signals;
pub(crate) mod site;
#[cfg(all(feature = "cli", feature = "tls"))]
mod ssl_gen;
pub(crate) mod stderr;
pub(crate) mod stopping;

use std::fmt;
#[cfg(feature = "limits")]
use std::panic::Location;
use std::path::Path;
use std::sync::Arc;

use http::HeaderName;

use crate::app::access_log::AccessLog;
use crate::app::component::{Component, Start};
use crate::app::context::{Context, State};
pub use crate::app::floods::Floods;
pub use crate::app::lease::{Claim, Leases};
use crate::app::readiness::Readiness;
use crate::app::route_table::RouteTable;
use crate::app::serving::Serving;
use crate::app::setup::{Purpose, Setup};
use crate::app::site::{Inner, Site};
use crate::app::stopping::Stopping;
use crate::error::Result;
use crate::error::panics;
use crate::http::proxies::Proxies;
use crate::middleware::Middleware;
use crate::middleware::allowed_hosts::AllowedHosts;
use crate::middleware::cross_site::{CrossSite, TOKENS};
#[cfg(feature = "limits")]
use crate::middleware::rate_limit::{Counted, RateLimit};
use crate::middleware::security_headers::SecurityHeaders;
use crate::routing::router::Router;
use crate::routing::urls::UrlPattern;
use crate::server::limits::Limits;
use crate::settings::{Settings, SettingsError};

pub use crate::routing::route::RouteLine;

/// A site being put together: settings, components, middleware, URL patterns, state.
///
/// ```no_run
/// use duck::{App, Request, path};
///
/// async fn home(request: Request) -> &'static str {
///     "quack"
/// }
///
/// fn main() -> std::process::ExitCode {
///     App::from_settings("settings.toml").urls([path("/", home).name("home")]).run()
/// }
/// ```
///
/// Mistakes (a setting that does not fit, two patterns for one path) are reported when the site starts,
/// by [`start`](Self::start) or [`run`](Self::run); settings are not read before. Nothing about a site is
/// global: several can live in one process.
pub struct App {
    settings: Result<Settings, SettingsError>,
    patterns: Vec<UrlPattern>,
    components: Vec<Start>,
    state: State,
    #[cfg(feature = "tower")]
    around: Vec<crate::middleware::tower::Waiting>,
}

impl App {
    /// A site with these settings.
    pub fn new(settings: Settings) -> Self {
        Self::of(Ok(settings))
    }

    /// A site with the settings of a file: see [`Settings::load`].
    pub fn from_settings(file: impl AsRef<Path>) -> Self {
        Self::of(Settings::load(file))
    }

    fn of(settings: Result<Settings, SettingsError>) -> Self {
        Self {
            settings,
            patterns: Vec::new(),
            components: Vec::new(),
            state: State::default(),
            #[cfg(feature = "tower")]
            around: Vec::new(),
        }
    }

    /// Sets one key over the settings file, as tests do: see [`Settings::with`].
    #[must_use]
    pub fn setting(mut self, key: &str, value: impl serde::Serialize) -> Self {
        self.settings = self.settings.map(|settings| settings.with(key, value));
        self
    }

    /// Adds URL patterns: a list of [`path`](crate::path)s, or a [`Blueprint`](crate::Blueprint).
    #[must_use]
    pub fn urls(mut self, patterns: impl IntoIterator<Item = UrlPattern>) -> Self {
        self.patterns.extend(patterns);
        self
    }

    /// Adds a [`Component`]: a part that starts with the site, such as a database pool or the sessions.
    /// Components start in the order they were added.
    #[must_use]
    pub fn with(mut self, component: impl Component) -> Self {
        self.components
            .push(Box::new(|setup| Box::pin(component.start(setup))));
        self
    }

    /// Adds a middleware around all views. The first one added is the outermost; those that a
    /// component adds stand where the component was added.
    #[must_use]
    pub fn middleware(self, middleware: impl Middleware) -> Self {
        self.with(async move |setup: &mut Setup<'_>| {
            setup.middleware(middleware);
            Ok(())
        })
    }

    /// Limits how often one visitor is answered by the whole site, static files and pages that are not there among
    /// it: see [`RateLimit`].
    ///
    /// It is a middleware, and stands where it was added. Before `.with(SessionMiddleware::new())` whoever is
    /// refused costs least, and has an error page without a session; a limit per user has to come after it.
    ///
    /// ```
    /// use duck::{App, Settings};
    ///
    /// let app = App::new(Settings::default()).limit("50/s");
    /// ```
    #[cfg(feature = "limits")]
    #[must_use]
    #[track_caller]
    pub fn limit(self, limit: impl Into<RateLimit>) -> Self {
        let counted = Arc::new(Counted::new(limit.into(), Location::caller()));
        self.with(async move |setup: &mut Setup<'_>| {
            counted.check("the site", setup.has_sessions())?;
            setup.layers.push(counted);
            Ok(())
        })
    }

    /// Gives the views a value: [`Request::state`](crate::Request::state). There is one of each
    /// type; the last one stays, and what a component [inserts](crate::Setup::insert) comes after.
    #[must_use]
    pub fn state<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.state.insert(value);
        self
    }

    /// Gives errors of one type their status: those of a crate that knows nothing of HTTP, and those of the
    /// site's own. The error may be what a view failed with, or anything among its causes.
    ///
    /// ```
    /// use std::num::ParseIntError;
    ///
    /// use duck::testing::TestClient;
    /// use duck::{App, Request, Result, Settings, StatusCode, path};
    ///
    /// async fn age(_request: Request, text: String) -> Result<String> {
    ///     let age: u8 = text.parse()?;
    ///     Ok(format!("{age} years"))
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let app = App::new(Settings::default())
    ///     .error_status(|_: &ParseIntError| Some(StatusCode::UNPROCESSABLE_ENTITY))
    ///     .urls([path("/age/<text>", age)]);
    /// let site = TestClient::start(app).await;
    /// assert_eq!(site.get("/age/old").await.status(), 422);
    /// # }
    /// ```
    ///
    /// It is asked when the view has returned, before any middleware sees the response, and only for
    /// errors without a status of their own: [`Error::new`](crate::Error::new) and
    /// [`Error::with_status`](crate::Error::with_status) decide it, and so do Duck's own errors. Of several functions that know an error or a cause of it, the first one counts:
    /// they are asked in the order in which the app and its components added them. `None` leaves the error
    /// to the next one; an error that none of them knows is a 500, and so is one for which a function
    /// panics.
    ///
    /// What is shown to the visitor does not change: the status in words, and nothing of the error.
    #[must_use]
    pub fn error_status<E: std::error::Error + 'static>(
        self,
        status: impl Fn(&E) -> Option<http::StatusCode> + Send + Sync + 'static,
    ) -> Self {
        self.with(async move |setup: &mut Setup<'_>| {
            setup.error_status(status);
            Ok(())
        })
    }

    /// Puts a tower layer around the whole site, outside of all middleware. The first one added is
    /// the outermost.
    #[cfg(feature = "tower")]
    #[must_use]
    pub fn layer<L, B, E>(mut self, layer: L) -> Self
    where
        L: crate::middleware::tower::Layer<crate::middleware::tower::Inside>
            + Send
            + Sync
            + 'static,
        L::Service: tower::Service<
                http::Request<crate::http::Body>,
                Response = http::Response<B>,
                Error = E,
            > + Clone
            + Send
            + Sync
            + 'static,
        <L::Service as tower::Service<http::Request<crate::http::Body>>>::Future: Send + 'static,
        B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<crate::http::BoxError>,
        E: Into<crate::http::BoxError> + 'static,
    {
        self.around
            .push(crate::middleware::tower::Waiting::new(layer));
        self
    }

    /// The settings it will start with.
    pub(crate) fn settings(&self) -> Result<&Settings, SettingsError> {
        self.settings.as_ref().map_err(Clone::clone)
    }

    /// Starts the components and builds the site, for a program that serves it in its own way: see
    /// [`serve`](crate::server::serve). [`run`](Self::run) does this by itself.
    ///
    /// The future is not `Send`, as components need not be: await it in `main` or a test, rather than
    /// in a task of its own.
    ///
    /// # Errors
    ///
    /// When a setting does not fit, a URL pattern is wrong or in the way of another, or a component
    /// cannot start. The text says what would be right.
    pub async fn start(self) -> Result<Site> {
        self.start_for(Purpose::Serving).await
    }

    pub(crate) async fn start_for(self, purpose: Purpose) -> Result<Site> {
        panics::watch();
        let settings = self.settings?;
        settings.refuse_lower_case()?;
        let debug = settings.get::<bool>("DEBUG")?.unwrap_or(false);
        let redirects_slashes = redirects_slashes(&settings)?;
        let serving = Serving::from_settings(&settings)?;
        let limits = Limits::from_settings(&settings)?;
        let proxies = Proxies::from_settings(&settings)?;
        let hosts = AllowedHosts::from_settings(&settings, debug, &serving.address)?;
        let cross_site = CrossSite::from_settings(&settings)?;
        let security_headers = SecurityHeaders::from_settings(&settings, debug)?;
        let request_id_header = request_id_header(&settings)?;
        let mut setup = Setup::new(&settings, self.state, purpose);
        let access_log = AccessLog::start(&mut setup, debug)?;
        for component in self.components {
            component(&mut setup).await?;
        }
        #[cfg(all(feature = "cli", feature = "tasks"))]
        crate::tasks::unshared::note(&mut setup);
        let mut patterns = self.patterns;
        patterns.append(&mut setup.patterns);
        if cross_site.tokens && !setup.checks_tokens {
            let right = "takes sessions to keep the tokens in: add `.with(SessionMiddleware::new())` to the app";
            return Err(settings.error(TOKENS, right).into());
        }
        #[cfg(feature = "limits")]
        for pattern in &patterns {
            pattern.check_limits(setup.has_sessions())?;
        }
        #[cfg(feature = "templates")]
        {
            let folders = patterns.iter().flat_map(|pattern| &pattern.templates);
            crate::pages::templates::registry::start(&mut setup, folders.cloned(), debug)?;
        }
        let Setup {
            mut hooks,
            state,
            layers,
            statuses,
            ..
        } = setup;
        let mut router = Router::new(&layers, redirects_slashes);
        let mut table = RouteTable::default();
        for pattern in patterns {
            table.add(pattern, &layers, &settings)?;
        }
        let at_hosts = table.hosts(&layers, redirects_slashes)?;
        table.routes.put_into(&mut router, &layers)?;
        let context = Context {
            debug,
            limits,
            proxies,
            hosts,
            cross_site,
            security_headers,
            urls: table.names,
            state,
            statuses,
            routes: table.lines,
            floods: Floods::default(),
            readiness: Readiness::new(std::mem::take(&mut hooks.ready_checks)),
            stopping: Stopping::default(),
            request_id_header,
            logs_requests: access_log.is_some(),
            settings: settings.clone(),
        };
        settings.refuse_sections()?;
        Ok(Site(Arc::new(Inner {
            router,
            hosts: at_hosts,
            context: Arc::new(context),
            access_log,
            hooks,
            #[cfg(feature = "tower")]
            around: crate::middleware::tower::Around::build(&self.around),
        })))
    }
}

/// Whether a path with a slash too many or too few leads to the page without or with it.
fn redirects_slashes(settings: &Settings) -> Result<bool, SettingsError> {
    let slashes: Option<String> = settings.get("TRAILING_SLASH")?;
    match slashes.as_deref() {
        None | Some("redirect") => Ok(true),
        Some("strict") => Ok(false),
        Some(_) => Err(settings.error("TRAILING_SLASH", "takes \"redirect\" or \"strict\"")),
    }
}

/// The header that every response says its request's id in.
fn request_id_header(settings: &Settings) -> Result<Option<HeaderName>, SettingsError> {
    const KEY: &str = "REQUEST_ID_HEADER";
    let Some(name) = settings.get::<String>(KEY)? else {
        return Ok(None);
    };
    // No header that means anything to browsers or to the server ends like this.
    let name = HeaderName::try_from(name).ok();
    let name = name.filter(|name| name.as_str().ends_with("-id"));
    let right = "takes the name of a header that ends in `-Id`, such as \"X-Request-Id\"";
    name.map(Some).ok_or_else(|| settings.error(KEY, right))
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("settings", &self.settings)
            .field("urls", &self.patterns)
            .finish_non_exhaustive()
    }
}
