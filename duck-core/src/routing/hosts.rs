//! The routes that are for some hosts only.

use std::collections::HashMap;

use http::Method;

use crate::routing::endpoint::Route;
use crate::routing::host::{HostPattern, canonical};
use crate::routing::route::Found;
use crate::routing::router::Router;

/// A router for each host that has URL patterns of its own.
#[derive(Default)]
pub(crate) struct Hosts {
    exact: HashMap<String, Router>,
    /// Those with the fewest parameters first.
    patterns: Vec<(HostPattern, Router)>,
}

impl Hosts {
    /// Adds the router of a host.
    pub(crate) fn add(&mut self, host: &HostPattern, router: Router) {
        if let Some(name) = host.exact() {
            self.exact.insert(name, router);
        } else {
            self.patterns.push((host.clone(), router));
            self.patterns.sort_by_key(|(host, _)| host.params().count());
        }
    }

    /// Finds what answers at `host`: a URL pattern of that host, and where it has none for this path, one without
    /// a host, which `rest` knows.
    pub(crate) fn resolve<'a>(
        &'a self,
        rest: &'a Router,
        host: Option<&str>,
        method: &Method,
        path: &str,
    ) -> (&'a Route, Found) {
        let own = || {
            let router = self.router(&canonical(host?))?;
            router.answer(method, path)
        };
        let is_path = path.starts_with('/') && *method != Method::CONNECT;
        let found = if is_path { own() } else { None };
        found.unwrap_or_else(|| rest.resolve(method, path))
    }

    /// Of several hosts that fit, the most exact one counts.
    fn router(&self, host: &str) -> Option<&Router> {
        self.exact.get(host).or_else(|| {
            let mut patterns = self.patterns.iter();
            patterns.find_map(|(pattern, router)| pattern.takes(host).then_some(router))
        })
    }
}
