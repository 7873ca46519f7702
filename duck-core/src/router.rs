//! Finds the route of a request.

use std::collections::HashMap;
use std::sync::Arc;

use http::{HeaderValue, Method, StatusCode, header};

use crate::BoxFuture;
use crate::error::{Error, Result};
use crate::middleware::{ErasedMiddleware, Next};
use crate::params::Params;
use crate::pattern::{self, Converter};
use crate::request::Request;
use crate::response::Response;
use crate::route::{Found, RouteInfo};
use crate::view::ErasedView;

/// A view with its whole chain of middleware.
pub(crate) struct Route {
    pub(crate) info: Arc<RouteInfo>,
    pub(crate) layers: Vec<Arc<dyn ErasedMiddleware>>,
    pub(crate) view: Arc<dyn ErasedView>,
}

impl Route {
    /// The chain, from its first layer on.
    pub(crate) fn start(&self) -> Next<'_> {
        Next::new(&self.layers, &*self.view)
    }
}

/// All routes of a site.
pub(crate) struct Router {
    paths: matchit::Router<usize>,
    #[cfg(feature = "regex")]
    expressions: Vec<(regex::Regex, usize)>,
    endpoints: Vec<Endpoint>,
    redirects_slashes: bool,
    not_found: Route,
    bad_path: Route,
    other_slash: Route,
}

/// Everything that answers under one path.
struct Endpoint {
    methods: Vec<(Method, Route)>,
    options: Route,
    not_allowed: Route,
}

impl Router {
    /// A router without routes; `layers` go around the pages it makes itself.
    pub(crate) fn new(layers: &[Arc<dyn ErasedMiddleware>], redirects_slashes: bool) -> Self {
        let page = |view: Arc<dyn ErasedView>| Route {
            info: Arc::default(),
            layers: layers.to_vec(),
            view,
        };
        Self {
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
            other_slash: page(Arc::new(OtherSlash)),
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
        let Some(normal) = pattern::normalize(path) else {
            return found(&self.bad_path, Params::default(), None);
        };
        let spelled = (normal != path).then(|| normal.clone().into_owned());
        match self.find(method, &normal) {
            Some((_, route, params)) => found(route, params, spelled),
            None if self.redirects_slashes && self.answers_other_slash(method, &normal) => {
                found(&self.other_slash, Params::default(), spelled)
            }
            None => found(&self.not_found, Params::default(), None),
        }
    }

    fn find(&self, method: &Method, path: &str) -> Option<(&Endpoint, &Route, Params)> {
        if let Ok(matched) = self.paths.at(path) {
            let endpoint = &self.endpoints[*matched.value];
            let mut params = Params::default();
            for (_, value) in matched.params.iter() {
                let start = value.as_ptr() as usize - path.as_ptr() as usize;
                params.push(&(start..start + value.len()));
            }
            if let Some(route) = endpoint.route(method, path, &params) {
                return Some((endpoint, route, params));
            }
        }
        #[cfg(feature = "regex")]
        return self.find_expression(method, path);
        #[cfg(not(feature = "regex"))]
        None
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
            self.methods
                .iter()
                .find(|(named, _)| named == method)
                .map(|(_, route)| route)
        };
        named(method).or_else(|| named(&Method::GET).filter(|_| *method == Method::HEAD))
    }

    /// What answers `method` at this path, if the path's values are such as the converters take.
    fn route(&self, method: &Method, path: &str, params: &Params) -> Option<&Route> {
        if let Some(route) = self.view_for(method) {
            return takes(&route.info, path, params).then_some(route);
        }
        let there = self
            .methods
            .iter()
            .any(|(_, route)| takes(&route.info, path, params));
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
    endpoints: Vec<(Key, Vec<(Method, Route)>)>,
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
        let place = *self
            .places
            .entry(key.clone())
            .or_insert(self.endpoints.len());
        if place == self.endpoints.len() {
            self.endpoints.push((key, Vec::new()));
        }
        let taken = &mut self.endpoints[place].1;
        for method in methods {
            let route = make();
            if let Some((_, other)) = taken.iter().find(|(named, _)| *named == method) {
                return Err(conflict(&method, &route.info, &other.info));
            }
            taken.push((method, route));
        }
        Ok(())
    }

    pub(crate) fn put_into(
        self,
        router: &mut Router,
        layers: &[Arc<dyn ErasedMiddleware>],
    ) -> Result<()> {
        let mut written = HashMap::new();
        for (key, methods) in self.endpoints {
            let place = router.endpoints.len();
            let info = methods
                .first()
                .map(|(_, route)| route.info.clone())
                .unwrap_or_default();
            match key {
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
            router.endpoints.push(endpoint(methods, &info, layers));
        }
        Ok(())
    }
}

fn conflict(method: &Method, new: &RouteInfo, old: &RouteInfo) -> Error {
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

fn endpoint(
    methods: Vec<(Method, Route)>,
    info: &RouteInfo,
    layers: &[Arc<dyn ErasedMiddleware>],
) -> Endpoint {
    let allow = allow(&methods);
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
    let not_allowed = Fixed::failing(
        StatusCode::METHOD_NOT_ALLOWED,
        "the view does not answer this method",
    );
    Endpoint {
        options: page(Fixed {
            status: StatusCode::NO_CONTENT,
            cause: None,
            allow: Some(allow.clone()),
        }),
        not_allowed: page(Fixed {
            allow: Some(allow),
            ..not_allowed
        }),
        methods,
    }
}

/// The `Allow` header of an endpoint: RFC 9110, 10.2.1.
fn allow(methods: &[(Method, Route)]) -> HeaderValue {
    let mut names: Vec<&str> = methods.iter().map(|(method, _)| method.as_str()).collect();
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
