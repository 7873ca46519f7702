//! Finds the route of a request.

use std::borrow::Cow;
use std::sync::Arc;

use http::{Method, StatusCode};

use crate::middleware::ErasedMiddleware;
use crate::routing::encoding;
use crate::routing::endpoint::{Endpoint, Route};
use crate::routing::own_pages::{Fixed, OtherSlash, allow, other_slash};
use crate::routing::params::Params;
use crate::routing::route::Found;
use crate::routing::view::ErasedView;

/// All routes of a site.
pub(crate) struct Router {
    /// Paths without parameters. They stand before those that would match the same.
    pub(super) fixed: hashbrown::HashMap<String, usize>,
    pub(super) paths: matchit::Router<usize>,
    #[cfg(feature = "regex")]
    pub(super) expressions: Vec<(regex::Regex, usize)>,
    pub(super) endpoints: Vec<Endpoint>,
    redirects_slashes: bool,
    not_found: Route,
    bad_path: Route,
    bad_target: Route,
    other_slash: Route,
    /// `OPTIONS *`.
    pub(super) options: Route,
    /// `CONNECT`, whatever for.
    pub(super) connect: Route,
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
        self.answer(method, path).unwrap_or_else(|| {
            let page = match encoding::normalize(path) {
                Some(_) => &self.not_found,
                None => &self.bad_path,
            };
            found(page, Params::default(), None)
        })
    }

    /// What answers at a path, if anything does: nothing at one that is not percent-encoded rightly.
    pub(super) fn answer(&self, method: &Method, path: &str) -> Option<(&Route, Found)> {
        // A path that is written as a pattern is needs no second look.
        if let Some((_, route, params)) = self.find_fixed(method, path) {
            return Some(found(route, params, None));
        }
        let normal = encoding::normalize(path)?;
        let matched = match &normal {
            Cow::Borrowed(path) => self.find_pattern(method, path),
            Cow::Owned(normal) => self.find(method, normal),
        };
        let (route, params) = match matched {
            Some((_, route, params)) => (route, params),
            None if self.redirects_slashes && self.answers_other_slash(method, &normal) => {
                (&self.other_slash, Params::default())
            }
            None => return None,
        };
        let spelled = match normal {
            Cow::Borrowed(_) => None,
            Cow::Owned(normal) => Some(normal),
        };
        Some(found(route, params, spelled))
    }

    /// What answers a request target that is no path: RFC 9112, 3.2.
    fn pathless(&self, method: &Method, path: &str) -> &Route {
        match path {
            "*" if *method == Method::OPTIONS => &self.options,
            _ if *method == Method::CONNECT => &self.connect,
            _ => &self.bad_target,
        }
    }

    /// What answers at a path in its one spelling.
    fn find(&self, method: &Method, path: &str) -> Option<(&Endpoint, &Route, Params)> {
        self.find_fixed(method, path)
            .or_else(|| self.find_pattern(method, path))
    }

    fn find_fixed(&self, method: &Method, path: &str) -> Option<(&Endpoint, &Route, Params)> {
        let endpoint = &self.endpoints[*self.fixed.get(path)?];
        let params = Params::default();
        let route = endpoint.route(method, path, &params)?;
        Some((endpoint, route, params))
    }

    fn find_pattern(&self, method: &Method, path: &str) -> Option<(&Endpoint, &Route, Params)> {
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
pub(super) fn page(layers: &[Arc<dyn ErasedMiddleware>], view: Arc<dyn ErasedView>) -> Route {
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
