//! Sends visitors who come without encryption to the same page over HTTPS.

use std::sync::Arc;

use http::{HeaderValue, StatusCode, header};

use crate::app::context::Context;
use crate::app::route_table::RouteTable;
use crate::app::setup::Hooks;
use crate::app::site::{Inner, Site};
use crate::error::{Error, Result};
use crate::http::authority::default_port;
use crate::http::redirect::redirect_external;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::middleware::{ErasedMiddleware, Middleware, Next};
use crate::routing::router::Router;
use crate::routing::urls::path;
use crate::server::descriptors;

/// So many of the site's connections, and no more, may be such visitors': an answer is their last.
const SHARE: usize = 8;

/// A site in place of `site` that answers each request with the same URL over HTTPS at `port`. It takes the
/// hosts that `site` does, has its limits and deadlines, and trusts no proxy.
pub(crate) fn site(site: &Site, port: u16) -> Result<Site> {
    let of = &site.0.context;
    let mut limits = of.limits.clone();
    limits.max_connections = (descriptors::fit(limits.max_connections) / SHARE).max(SHARE);
    let layers: [Arc<dyn ErasedMiddleware>; 1] = [Arc::new(ToHttps { port })];
    let mut router = Router::new(&layers, false);
    let mut table = RouteTable::default();
    for pattern in ["/", "/<path:page>"] {
        // The middleware has answered before. A form that was sent from another site is sent on as well: the
        // site itself refuses it.
        let nothing = async |_request: Request| StatusCode::NOT_FOUND;
        let pattern = path(pattern, nothing).any_method().csrf(false);
        table.add(pattern, &layers, &of.settings)?;
    }
    table.routes.put_into(&mut router, &layers)?;
    let context = Context {
        limits,
        hosts: of.hosts.clone(),
        request_id_header: of.request_id_header.clone(),
        ..Context::default()
    };
    Ok(Site(Arc::new(Inner {
        router,
        hosts: None,
        context: Arc::new(context),
        hooks: Hooks::default(),
        access_log: site.0.access_log.clone(),
        #[cfg(feature = "tower")]
        around: None,
    })))
}

struct ToHttps {
    port: u16,
}

impl Middleware for ToHttps {
    /// The host has been looked at before: `ALLOWED_HOSTS`.
    async fn handle(&self, request: Request, _next: Next<'_>) -> Result<Response> {
        let Some(authority) = request.authority() else {
            let text = "without a host there is nowhere to lead to";
            return Err(Error::new(StatusCode::BAD_REQUEST, text));
        };
        let page = request.uri().path_and_query();
        // `OPTIONS *` and `CONNECT` name no page.
        let page = page.map(http::uri::PathAndQuery::as_str);
        let page = page.filter(|page| page.starts_with('/')).unwrap_or("/");
        let url = if self.port == default_port(true) {
            format!("https://{}{page}", authority.host)
        } else {
            format!("https://{}:{}{page}", authority.host, self.port)
        };
        let close = const { HeaderValue::from_static("close") };
        // The method and what was sent stay as they are: RFC 9110, 15.4.9.
        Ok(redirect_external(url)?
            .with_status(StatusCode::PERMANENT_REDIRECT)
            .with(header::CONNECTION, close))
    }
}
