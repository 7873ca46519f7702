//! Everything that answers under one path.

use std::sync::Arc;

use http::Method;

use crate::error::statuses::Statuses;
use crate::middleware::{ErasedMiddleware, Next};
use crate::routing::converter::Converter;
use crate::routing::encoding;
use crate::routing::own_pages::{Fixed, allow};
use crate::routing::params::Params;
use crate::routing::route::RouteInfo;
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

/// Everything that answers under one path.
pub(super) struct Endpoint {
    pub(super) answers: Answers,
    options: Route,
    not_allowed: Route,
}

/// The views of one path.
#[derive(Default)]
pub(super) struct Answers {
    pub(super) methods: Vec<(Method, Route)>,
    /// What answers all other methods.
    pub(super) any: Option<Route>,
}

impl Answers {
    pub(super) fn routes(&self) -> impl Iterator<Item = &Route> {
        self.methods.iter().map(|(_, route)| route).chain(&self.any)
    }
}

impl Endpoint {
    pub(super) fn answers(&self, method: &Method) -> bool {
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
    pub(super) fn route(&self, method: &Method, path: &str, params: &Params) -> Option<&Route> {
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
                    .and_then(encoding::decode)
                    .is_some_and(|value| converter.takes(&value))
        })
}

pub(super) fn endpoint(
    answers: Answers,
    info: &RouteInfo,
    layers: &[Arc<dyn ErasedMiddleware>],
) -> Endpoint {
    let allow = allow(answers.methods.iter().map(|(method, _)| method));
    let page = |view: Fixed| {
        let info = RouteInfo {
            host: info.host.clone(),
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
