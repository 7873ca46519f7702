//! A site being put together, started and run.

#[cfg(feature = "cli")]
pub(crate) mod cli;
#[cfg(feature = "cli")]
mod command_hint;
pub(crate) mod component;
pub(crate) mod context;
#[cfg(feature = "cli")]
mod deploy;
pub(crate) mod error_log;
pub(crate) mod floods;
mod run;
#[cfg(feature = "tower")]
mod service;
pub(crate) mod serving;
pub(crate) mod setup;
pub(crate) mod signals;
pub(crate) mod site;
pub(crate) mod stderr;

use std::fmt;
use std::mem;
use std::path::Path;
use std::sync::Arc;

use http::Method;

use crate::app::component::{Component, ErasedComponent, Ready};
use crate::app::context::{Context, State, UrlNames};
use crate::app::floods::Floods;
use crate::app::serving::Serving;
use crate::app::setup::{Purpose, Setup};
use crate::app::site::{Inner, Site};
use crate::error::panics;
use crate::error::{Error, Result};
use crate::http::proxies::Proxies;
use crate::middleware::allowed_hosts::AllowedHosts;
use crate::middleware::cross_site::{CrossSite, TOKENS};
use crate::middleware::{ErasedMiddleware, Middleware};
use crate::routing::pattern::{Converter, Pattern};
use crate::routing::route::RouteInfo;
use crate::routing::router::{Key, Route, Router, Routes};
use crate::routing::urls::{Matcher, UrlPattern};
use crate::server::limits::Limits;
use crate::settings::{Settings, SettingsError};

pub use crate::routing::route::RouteLine;

/// Keys that are read only where they matter: a site that has them in its settings all the same made
/// no mistake.
const KEYS_OF_SOME: [&str; 7] = [
    "MAX_FIELDS",
    "SECRET_KEY",
    "SECRET_KEY_FALLBACKS",
    "STATIC_CACHE_AGE",
    "STATIC_DIR",
    "STATIC_ROOT",
    "STATIC_URL",
];

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
    components: Vec<Box<dyn ErasedComponent>>,
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
        self.components.push(Box::new(component));
        self
    }

    /// Adds a middleware around all views. The first one added is the outermost; those that a
    /// component adds stand where the component was added.
    #[must_use]
    pub fn middleware(self, middleware: impl Middleware) -> Self {
        self.with(Ready(middleware))
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
    /// errors without a status of their own: [`Error::new`] and [`Error::with_status`] decide it, and so do
    /// Duck's own errors. Of several functions that know an error or a cause of it, the first one counts:
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
        settings.know(&KEYS_OF_SOME);
        let debug = settings.get::<bool>("DEBUG")?.unwrap_or(false);
        let slashes = settings
            .get("TRAILING_SLASH")?
            .unwrap_or_else(|| "redirect".to_owned());
        let redirects_slashes = match slashes.as_str() {
            "redirect" => true,
            "strict" => false,
            _ => {
                return Err(settings
                    .error("TRAILING_SLASH", "takes \"redirect\" or \"strict\"")
                    .into());
            }
        };
        let serving = Serving::from_settings(&settings)?;
        let limits = Limits::from_settings(&settings)?;
        let proxies = Proxies::from_settings(&settings)?;
        let hosts = AllowedHosts::from_settings(&settings, debug, &serving.address)?;
        let cross_site = CrossSite::from_settings(&settings)?;
        let access_log = settings.get("ACCESS_LOG")?.unwrap_or(debug);
        let mut setup = Setup::new(&settings, self.state, purpose);
        for component in self.components {
            component.start(&mut setup).await?;
        }
        let patterns = self
            .patterns
            .into_iter()
            .chain(mem::take(&mut setup.patterns));
        let patterns: Vec<UrlPattern> = patterns.collect();
        if cross_site.tokens && !setup.checks_tokens {
            let right = "takes sessions to keep the tokens in: add `.with(SessionMiddleware::new())` to the app";
            return Err(settings.error(TOKENS, right).into());
        }
        #[cfg(feature = "templates")]
        {
            let folders = patterns.iter().flat_map(|pattern| &pattern.templates);
            crate::pages::templates::registry::start(&mut setup, folders.cloned(), debug)?;
        }
        let Setup {
            hooks,
            state,
            layers,
            statuses,
            ..
        } = setup;
        let mut router = Router::new(&layers, redirects_slashes);
        let mut table = Table::default();
        for pattern in patterns {
            table.add(pattern, &layers, &settings)?;
        }
        table.routes.put_into(&mut router, &layers)?;
        let context = Context {
            debug,
            limits,
            proxies,
            hosts,
            cross_site,
            urls: table.names,
            state,
            statuses,
            routes: table.lines,
            floods: Floods::default(),
            settings: settings.clone(),
        };
        settings.refuse_sections()?;
        Ok(Site(Arc::new(Inner {
            router,
            context: Arc::new(context),
            access_log,
            hooks,
            #[cfg(feature = "tower")]
            around: crate::middleware::tower::Around::build(&self.around),
        })))
    }
}

/// The routes of a site as they come together.
#[derive(Default)]
struct Table {
    routes: Routes,
    names: UrlNames,
    lines: Vec<RouteLine>,
}

impl Table {
    fn add(
        &mut self,
        pattern: UrlPattern,
        site_layers: &[Arc<dyn ErasedMiddleware>],
        settings: &Settings,
    ) -> Result<()> {
        let Place {
            key,
            text,
            params,
            reverse,
        } = Place::of(&pattern.matcher)?;
        if pattern.view_params > params.len() {
            let (has, takes) = (params.len(), pattern.view_params);
            let view = pattern.view_name;
            return Err(Error::internal(format!(
                "`{text}` has {has} path parameters, but its view {view} takes {takes}"
            )));
        }
        if pattern.methods.is_empty() && !pattern.any_method {
            return Err(Error::internal(format!(
                "the URL pattern {text:?} answers no method: name one at least"
            )));
        }
        self.lines.push(line(&pattern, &text));
        if let (Some(name), Some(reverse)) = (&pattern.name, reverse) {
            self.names.insert(name, &text, reverse)?;
        }
        let info = RouteInfo {
            path: Some(text),
            name: pattern.name,
            view: Some(pattern.view_name),
            params,
            max_body: pattern.max_body,
            csrf_exempt: pattern.csrf == Some(false),
            public: pattern.public,
        };
        let info = Arc::new(info);
        let mut layers = site_layers.to_vec();
        layers.extend(pattern.layers);
        let view = (pattern.view)(settings)?;
        let make = || Route {
            info: info.clone(),
            layers: layers.clone(),
            view: view.clone(),
        };
        if pattern.any_method {
            return self.routes.add_any(key, make());
        }
        self.routes.add(key, pattern.methods, make)
    }
}

fn line(pattern: &UrlPattern, path: &str) -> RouteLine {
    let mut methods: Vec<&str> = pattern.methods.iter().map(Method::as_str).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    if pattern.any_method {
        methods = vec!["any"];
    }
    RouteLine {
        methods: methods.join(" "),
        path: path.to_owned(),
        name: pattern.name.clone().unwrap_or_default(),
        view: pattern.view_name,
    }
}

/// What a URL pattern's path or expression comes to.
struct Place {
    key: Key,
    text: String,
    params: Vec<(String, Converter)>,
    /// For making URLs; a regular expression cannot be filled in.
    reverse: Option<Pattern>,
}

impl Place {
    fn of(matcher: &Matcher) -> Result<Self> {
        match matcher {
            Matcher::Path(path) => {
                let pattern = Pattern::parse(path).map_err(Error::internal)?;
                let params = pattern
                    .params()
                    .map(|param| (param.name.clone(), param.converter))
                    .collect();
                let key = Key::Path(pattern.matchit());
                Ok(Self {
                    key,
                    text: path.clone(),
                    params,
                    reverse: Some(pattern),
                })
            }
            #[cfg(feature = "regex")]
            Matcher::Regex(expression) => {
                crate::routing::pattern::check_expression(expression).map_err(Error::internal)?;
                let groups = regex::Regex::new(expression)?;
                let name = |(index, name): (usize, Option<&str>)| {
                    (
                        name.map_or_else(|| index.to_string(), str::to_owned),
                        Converter::Str,
                    )
                };
                let params = groups
                    .capture_names()
                    .enumerate()
                    .skip(1)
                    .map(name)
                    .collect();
                Ok(Self {
                    key: Key::Regex(expression.clone()),
                    text: expression.clone(),
                    params,
                    reverse: None,
                })
            }
        }
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("settings", &self.settings)
            .field("urls", &self.patterns)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keys_that_other_sites_or_the_server_read_are_no_mistakes() {
        let toml =
            "ADDRESS = '127.0.0.1:0'\nSTATIC_URL = '/s/'\nSECRET_KEY_FALLBACKS = []\nADRESS = ''";
        let site = App::new(Settings::from_toml(toml).unwrap())
            .start()
            .await
            .unwrap();
        assert_eq!(site.settings().unknown_keys(), ["ADRESS"]);
        assert!(site.settings().warnings()[0].contains("did you mean `ADDRESS`?"));
    }
}
