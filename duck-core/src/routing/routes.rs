//! The routes of a site by path, before they are its router.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::Arc;

use http::Method;

use crate::error::{Error, Result};
use crate::middleware::ErasedMiddleware;
use crate::routing::endpoint::{Answers, Route, endpoint};
use crate::routing::own_pages::{Fixed, allow};
use crate::routing::route::RouteInfo;
use crate::routing::router::{Router, page};

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
