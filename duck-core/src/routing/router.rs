//! Finds the route of a request.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Display;
use std::sync::Arc;

use http::{HeaderValue, Method, StatusCode, header};

use crate::BoxFuture;
use crate::error::statuses::Statuses;
use crate::error::{Error, Result};
use crate::http::request::Request;
use crate::http::response::Response;
use crate::middleware::{ErasedMiddleware, Next};
use crate::routing::params::Params;
use crate::routing::pattern::{self, Converter};
use crate::routing::route::{Found, RouteInfo};
use crate::routing::view::ErasedView;

/// A view with its whole chain of middleware.
pub(crate) struct Route {
    pub(crate) info: Arc<RouteInfo>,
    pub(crate) layers: Vec<Arc<dyn ErasedMiddleware>>,
    pub(crate) view: Arc<dyn ErasedView>,
}

impl Route {
    /// The chain, from its first layer on.
    pub(crate) fn start<'a>(&'a self, statuses: &'a Statuses) -> Next<'a> {
        Next::new(&self.layers, &*self.view, statuses)
    }
}

/// All routes of a site.
pub(crate) struct Router {
    /// Paths without parameters. They stand before those that would match the same.
    fixed: hashbrown::HashMap<String, usize>,
    paths: matchit::Router<usize>,
    #[cfg(feature = "regex")]
    expressions: Vec<(regex::Regex, usize)>,
    endpoints: Vec<Endpoint>,
    redirects_slashes: bool,
    not_found: Route,
    bad_path: Route,
    bad_target: Route,
    other_slash: Route,
    /// `OPTIONS *`.
    options: Route,
    /// `CONNECT`, whatever for.
    connect: Route,
}

/// Everything that answers under one path.
struct Endpoint {
    answers: Answers,
    options: Route,
    not_allowed: Route,
}

/// The views of one path.
#[derive(Default)]
struct Answers {
    methods: Vec<(Method, Route)>,
    /// What answers all other methods.
    any: Option<Route>,
}

impl Answers {
    fn routes(&self) -> impl Iterator<Item = &Route> {
        self.methods.iter().map(|(_, route)| route).chain(&self.any)
    }
}

impl Router {
    /// A router without routes; `layers` go around the pages it makes itself.
    pub(crate) fn new(layers: &[Arc<dyn ErasedMiddleware>], redirects_slashes: bool) -> Self {
        let page = |view| page(layers, view);
        Self {
            fixed: hashbrown::HashMap::new(),
            paths: matchit::Router::new(),
            #[cfg(feature = "regex")]
            expressions: Vec::new(),
            endpoints: Vec::new(),
            redirects_slashes,
            not_found: page(Arc::new(Fixed::failing(
                StatusCode::NOT_FOUND,
                "no URL pattern matches",
            ))),
            bad_path: page(Arc::new(Fixed::failing(
                StatusCode::BAD_REQUEST,
                "the path is not percent-encoded rightly",
            ))),
            bad_target: page(Arc::new(Fixed::failing(
                StatusCode::BAD_REQUEST,
                "the request target is no path",
            ))),
            other_slash: page(Arc::new(OtherSlash)),
            options: page(Arc::new(Fixed::options(allow(std::iter::empty())))),
            connect: page(Arc::new(Fixed::not_allowed(allow(std::iter::empty())))),
        }
    }

    /// The site's own middleware.
    #[cfg(feature = "testing")]
    pub(crate) fn layers(&self) -> &[Arc<dyn ErasedMiddleware>] {
        &self.not_found.layers
    }

    /// Finds what answers `method` at `path`. There is always something: the page that says there
    /// is nothing runs through the site's middleware too.
    pub(crate) fn resolve(&self, method: &Method, path: &str) -> (&Route, Found) {
        if !path.starts_with('/') || *method == Method::CONNECT {
            return found(self.pathless(method, path), Params::default(), None);
        }
        let Some(normal) = pattern::normalize(path) else {
            return found(&self.bad_path, Params::default(), None);
        };
        let (route, params) = match self.find(method, &normal) {
            Some((_, route, params)) => (route, params),
            None if self.redirects_slashes && self.answers_other_slash(method, &normal) => {
                (&self.other_slash, Params::default())
            }
            None => return found(&self.not_found, Params::default(), None),
        };
        let spelled = match normal {
            Cow::Borrowed(_) => None,
            Cow::Owned(normal) => Some(normal),
        };
        found(route, params, spelled)
    }

    /// What answers a request target that is no path: RFC 9112, 3.2.
    fn pathless(&self, method: &Method, path: &str) -> &Route {
        match path {
            "*" if *method == Method::OPTIONS => &self.options,
            _ if *method == Method::CONNECT => &self.connect,
            _ => &self.bad_target,
        }
    }

    fn find(&self, method: &Method, path: &str) -> Option<(&Endpoint, &Route, Params)> {
        if let Some((place, params)) = self.place(path) {
            let endpoint = &self.endpoints[place];
            if let Some(route) = endpoint.route(method, path, &params) {
                return Some((endpoint, route, params));
            }
        }
        #[cfg(feature = "regex")]
        return self.find_expression(method, path);
        #[cfg(not(feature = "regex"))]
        None
    }

    fn place(&self, path: &str) -> Option<(usize, Params)> {
        if let Some(place) = self.fixed.get(path) {
            return Some((*place, Params::default()));
        }
        let matched = self.paths.at(path).ok()?;
        let mut params = Params::default();
        for (_, value) in matched.params.iter() {
            let start = value.as_ptr() as usize - path.as_ptr() as usize;
            params.push(&(start..start + value.len()));
        }
        Some((*matched.value, params))
    }

    /// Expressions are matched against the path as it is compared, and its groups decoded later.
    #[cfg(feature = "regex")]
    fn find_expression(&self, method: &Method, path: &str) -> Option<(&Endpoint, &Route, Params)> {
        let (captures, endpoint) = self.expressions.iter().find_map(|(expression, endpoint)| {
            expression
                .captures(path)
                .map(|captures| (captures, *endpoint))
        })?;
        let mut params = Params::default();
        for group in captures.iter().skip(1) {
            params.push(&group.map_or(0..0, |group| group.range()));
        }
        let endpoint = &self.endpoints[endpoint];
        let route = endpoint.route(method, path, &params)?;
        Some((endpoint, route, params))
    }

    fn answers_other_slash(&self, method: &Method, path: &str) -> bool {
        other_slash(path).is_some_and(|other| {
            self.find(method, &other)
                .is_some_and(|(endpoint, ..)| endpoint.answers(method))
        })
    }
}

/// A page of the router's own, which no URL pattern stands for.
fn page(layers: &[Arc<dyn ErasedMiddleware>], view: Arc<dyn ErasedView>) -> Route {
    Route {
        info: Arc::default(),
        layers: layers.to_vec(),
        view,
    }
}

fn found(route: &Route, params: Params, path: Option<String>) -> (&Route, Found) {
    (
        route,
        Found {
            route: route.info.clone(),
            params,
            path,
        },
    )
}

/// The same path with a slash at its end, or without.
fn other_slash(path: &str) -> Option<String> {
    match path.strip_suffix('/') {
        Some("") => None,
        Some(without) => Some(without.to_owned()),
        None => Some(format!("{path}/")),
    }
}

impl Endpoint {
    fn answers(&self, method: &Method) -> bool {
        self.view_for(method).is_some() || *method == Method::OPTIONS
    }

    /// The route with a view for this method: `GET` answers `HEAD` unless that has its own.
    fn view_for(&self, method: &Method) -> Option<&Route> {
        let named = |method: &Method| {
            self.answers
                .methods
                .iter()
                .find(|(named, _)| named == method)
                .map(|(_, route)| route)
        };
        named(method)
            .or_else(|| named(&Method::GET).filter(|_| *method == Method::HEAD))
            .or(self.answers.any.as_ref())
    }

    /// What answers `method` at this path, if the path's values are such as the converters take.
    fn route(&self, method: &Method, path: &str, params: &Params) -> Option<&Route> {
        if let Some(route) = self.view_for(method) {
            return takes(&route.info, path, params).then_some(route);
        }
        let there = self
            .answers
            .routes()
            .any(|route| takes(&route.info, path, params));
        there.then_some(if *method == Method::OPTIONS {
            &self.options
        } else {
            &self.not_allowed
        })
    }
}

/// Whether the converters of a route take the values of a path.
fn takes(info: &RouteInfo, path: &str, params: &Params) -> bool {
    info.params
        .iter()
        .enumerate()
        .all(|(index, (_, converter))| {
            matches!(converter, Converter::Str | Converter::Path)
                || params
                    .raw(path, index)
                    .and_then(pattern::decode)
                    .is_some_and(|value| converter.takes(&value))
        })
}

/// Collects the routes of a site by path, and puts them into a [`Router`].
#[derive(Default)]
pub(crate) struct Routes {
    endpoints: Vec<(Key, Answers)>,
    places: HashMap<Key, usize>,
}

/// Routes with equal keys are one endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// In matchit's syntax.
    Path(String),
    #[cfg(feature = "regex")]
    Regex(String),
}

impl Routes {
    /// Adds a route for some methods.
    pub(crate) fn add(
        &mut self,
        key: Key,
        methods: Vec<Method>,
        make: impl Fn() -> Route,
    ) -> Result<()> {
        let taken = &mut self.answers(key).methods;
        for method in methods {
            let route = make();
            if let Some((_, other)) = taken.iter().find(|(named, _)| *named == method) {
                return Err(conflict(&method, &route.info, &other.info));
            }
            taken.push((method, route));
        }
        Ok(())
    }

    /// Adds a route for all methods that have none of their own.
    pub(crate) fn add_any(&mut self, key: Key, route: Route) -> Result<()> {
        let any = &mut self.answers(key).any;
        if let Some(other) = any {
            return Err(conflict(&"any method", &route.info, &other.info));
        }
        *any = Some(route);
        Ok(())
    }

    fn answers(&mut self, key: Key) -> &mut Answers {
        let place = *self
            .places
            .entry(key.clone())
            .or_insert(self.endpoints.len());
        if place == self.endpoints.len() {
            self.endpoints.push((key, Answers::default()));
        }
        &mut self.endpoints[place].1
    }

    pub(crate) fn put_into(
        self,
        router: &mut Router,
        layers: &[Arc<dyn ErasedMiddleware>],
    ) -> Result<()> {
        let mut written = HashMap::new();
        let methods = self
            .endpoints
            .iter()
            .flat_map(|(_, answers)| &answers.methods);
        let allow = allow(methods.map(|(method, _)| method));
        router.options = page(layers, Arc::new(Fixed::options(allow.clone())));
        router.connect = page(layers, Arc::new(Fixed::not_allowed(allow)));
        for (key, answers) in self.endpoints {
            let place = router.endpoints.len();
            let first = answers.routes().next();
            let info = first.map(|route| route.info.clone()).unwrap_or_default();
            match key {
                Key::Path(path) if info.params.is_empty() => {
                    router.fixed.insert(path, place);
                }
                Key::Path(path) => {
                    router
                        .paths
                        .insert(&path, place)
                        .map_err(|error| in_the_way(&info, &error, &written))?;
                    written.insert(path, info.clone());
                }
                #[cfg(feature = "regex")]
                Key::Regex(expression) => {
                    let whole = regex::Regex::new(&format!("^(?:{expression})$"))?;
                    router.expressions.push((whole, place));
                }
            }
            router.endpoints.push(endpoint(answers, &info, layers));
        }
        Ok(())
    }
}

fn conflict(method: &dyn Display, new: &RouteInfo, old: &RouteInfo) -> Error {
    Error::internal(format!(
        "the URL patterns {} and {} both answer {method} there",
        as_written(old),
        as_written(new)
    ))
}

/// What matchit says about a path, in the words of the site's author.
fn in_the_way(
    info: &RouteInfo,
    error: &matchit::InsertError,
    written: &HashMap<String, Arc<RouteInfo>>,
) -> Error {
    let path = as_written(info);
    Error::internal(match error {
        matchit::InsertError::Conflict { with } => {
            let other = written
                .get(with)
                .map_or_else(|| with.clone(), |other| as_written(other));
            format!(
                "the URL patterns {other} and {path} cannot stand beside each other: some paths would fit both"
            )
        }
        matchit::InsertError::InvalidParamSegment => {
            format!(
                "the URL pattern {path} has two parameters between two slashes; use `re_path` for that"
            )
        }
        other => format!("the URL pattern {path} cannot be used: {other}"),
    })
}

fn as_written(info: &RouteInfo) -> String {
    match (&info.path, &info.name) {
        (Some(path), Some(name)) => format!("{path:?} ({name})"),
        (Some(path), None) => format!("{path:?}"),
        _ => String::new(),
    }
}

fn endpoint(answers: Answers, info: &RouteInfo, layers: &[Arc<dyn ErasedMiddleware>]) -> Endpoint {
    let allow = allow(answers.methods.iter().map(|(method, _)| method));
    let page = |view: Fixed| {
        let info = RouteInfo {
            path: info.path.clone(),
            params: info.params.clone(),
            ..RouteInfo::default()
        };
        Route {
            info: Arc::new(info),
            layers: layers.to_vec(),
            view: Arc::new(view),
        }
    };
    Endpoint {
        options: page(Fixed::options(allow.clone())),
        not_allowed: page(Fixed::not_allowed(allow)),
        answers,
    }
}

/// The `Allow` header where these methods have views: RFC 9110, 10.2.1.
fn allow<'a>(methods: impl Iterator<Item = &'a Method>) -> HeaderValue {
    let mut names: Vec<&str> = methods.map(Method::as_str).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    names.push("OPTIONS");
    names.sort_unstable();
    names.dedup();
    HeaderValue::from_str(&names.join(", "))
        .unwrap_or_else(|_| HeaderValue::from_static("GET, HEAD, OPTIONS"))
}

/// A page of the router's own.
struct Fixed {
    status: StatusCode,
    cause: Option<&'static str>,
    allow: Option<HeaderValue>,
}

impl Fixed {
    fn failing(status: StatusCode, cause: &'static str) -> Self {
        Self {
            status,
            cause: Some(cause),
            allow: None,
        }
    }

    fn options(allow: HeaderValue) -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            cause: None,
            allow: Some(allow),
        }
    }

    fn not_allowed(allow: HeaderValue) -> Self {
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            cause: Some("the view does not answer this method"),
            allow: Some(allow),
        }
    }
}

impl ErasedView for Fixed {
    fn call(&self, _request: Request) -> BoxFuture<'_, Response> {
        let mut response = match self.cause {
            Some(cause) => Response::from_error(Error::new(self.status, cause)),
            None => Response::new(self.status),
        };
        if let Some(allow) = &self.allow {
            response = response.with(header::ALLOW, allow.clone());
        }
        Box::pin(std::future::ready(response))
    }
}

/// Sends the visitor to the same path with a slash at its end, or without.
struct OtherSlash;

impl ErasedView for OtherSlash {
    fn call(&self, request: Request) -> BoxFuture<'_, Response> {
        // In its one spelling the path has no `\`, which browsers read as `/`.
        let path = other_slash(request.path_matched()).unwrap_or_default();
        // A path that begins with `//` would be read as another host.
        let path = format!("/{}", path.trim_start_matches('/'));
        let target = match request.uri().query() {
            Some(query) => format!("{path}?{query}"),
            None => path,
        };
        let response = match HeaderValue::try_from(target) {
            Ok(target) => {
                Response::new(StatusCode::PERMANENT_REDIRECT).with(header::LOCATION, target)
            }
            Err(error) => Response::from_error(error.into()),
        };
        Box::pin(std::future::ready(response))
    }
}
