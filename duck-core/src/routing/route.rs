//! What is known of a route without its view: what a request carries with it.

use std::sync::Arc;

use crate::routing::converter::Converter;
use crate::routing::host::HostPattern;
use crate::routing::params::Params;

/// The facts about a route.
#[derive(Debug, Default)]
pub(crate) struct RouteInfo {
    /// The only hosts that it is for, where it is not for all.
    pub(crate) host: Option<Arc<HostPattern>>,
    /// The pattern as it was written; `None` for "there is no such page".
    pub(crate) path: Option<String>,
    pub(crate) name: Option<String>,
    /// The view's own name in the program.
    pub(crate) view: Option<&'static str>,
    pub(crate) params: Vec<(String, Converter)>,
    /// Bytes of a body, where it is not as the settings say.
    pub(crate) max_body: Option<u64>,
    /// Whether pages of other sites may send to it.
    pub(crate) csrf_exempt: bool,
    /// Whether visitors may come who are not logged in.
    #[cfg_attr(
        not(feature = "auth"),
        expect(dead_code, reason = "only `auth::login_required` asks")
    )]
    pub(crate) public: bool,
    /// Whether it stands outside of the site's middleware, its tower layers, and the log of all requests.
    pub(crate) bare: bool,
    #[cfg(feature = "metrics")]
    pub(crate) meter: crate::metrics::meter::Meter,
}

impl RouteInfo {
    pub(crate) fn param_index(&self, name: &str) -> Option<usize> {
        self.params.iter().position(|(param, _)| param == name)
    }
}

/// The route of one request.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) route: Arc<RouteInfo>,
    pub(crate) params: Params,
    /// The path that was compared, where it is spelled differently from the one sent.
    pub(crate) path: Option<String>,
}

/// One URL pattern of a site, as the `routes` command lists it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RouteLine {
    /// The methods it answers, with spaces between them.
    pub methods: String,
    /// The host that it is for, or nothing where it is for every host.
    pub host: String,
    /// The path as it was written.
    pub path: String,
    /// Its name, or nothing.
    pub name: String,
    /// The view's own name in the program.
    pub view: &'static str,
}
