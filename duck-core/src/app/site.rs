use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use crate::app::context::Context;
use crate::app::setup::Hooks;
use crate::http::body::Body;
use crate::http::proxies::Connection;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::pages::error_page;
use crate::routing::router::{Route, Router};
use crate::server::framing;

/// A site, built and ready to answer. Clones share it.
///
/// ```
/// use duck::{App, Request, Settings, path};
/// use duck::http::{Body, Connection};
///
/// async fn home(request: Request) -> &'static str {
///     "quack"
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> duck::Result<()> {
/// let site = App::new(Settings::default()).urls([path("/", home)]).start().await?;
/// let response = site.respond(http::Request::new(Body::empty()), Connection::default()).await;
/// assert_eq!(response.status(), 200);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Site(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) router: Router,
    pub(crate) context: Arc<Context>,
    pub(crate) hooks: Hooks,
    pub(crate) routes: Vec<RouteLine>,
    pub(crate) access_log: bool,
    #[cfg(feature = "tower")]
    pub(crate) around: Option<crate::middleware::tower::Around>,
}

/// One URL pattern of a site, as the `routes` command lists it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RouteLine {
    /// The methods it answers, with spaces between them.
    pub methods: String,
    /// The path as it was written.
    pub path: String,
    /// Its name, or nothing.
    pub name: String,
    /// The view's own name in the program.
    pub view: &'static str,
}

impl Site {
    /// Answers a request. Whatever goes wrong on the way, there is a response.
    pub async fn respond(&self, request: http::Request<Body>, connection: Connection) -> Response {
        #[cfg(feature = "tower")]
        if let Some(around) = &self.0.around {
            let (method, uri) = (request.method().clone(), request.uri().clone());
            let mut response = around.respond(self.0.clone(), request, connection).await;
            framing::settle(&mut response, &method, &uri);
            return response;
        }
        self.arrive(request, connection).respond().await
    }

    /// Finds the route of a request. What goes on from here is small, however large a head is.
    pub(crate) fn arrive(
        &self,
        request: http::Request<Body>,
        connection: Connection,
    ) -> Arrived<'_> {
        let (head, body) = request.into_parts();
        let (route, found) = self.0.router.resolve(&head.method, head.uri.path());
        let request = Request::new(head, body, found, self.0.context.clone(), connection);
        Arrived {
            route,
            request,
            access_log: self.0.access_log,
            #[cfg(feature = "tower")]
            is_inside: self.0.around.is_some(),
        }
    }

    /// Answers with a view that the site does not have, inside of the first so many layers of its middleware:
    /// nothing where there are fewer.
    #[cfg(feature = "testing")]
    pub(crate) async fn respond_inside(
        &self,
        layers: usize,
        view: &dyn crate::routing::view::ErasedView,
        request: http::Request<Body>,
        connection: Connection,
    ) -> Option<Response> {
        let layers = self.0.router.layers().get(..layers)?;
        let request = self.arrive(request, connection).request;
        let response = crate::middleware::Next::new(layers, view)
            .run(request.clone())
            .await;
        Some(finish(&request, response))
    }

    /// Its URL patterns, in the order they were added.
    pub fn routes(&self) -> &[RouteLine] {
        &self.0.routes
    }

    /// The settings the site was built with.
    pub fn settings(&self) -> &crate::Settings {
        &self.0.context.settings
    }

    /// Does what is to be done when the site stops: storages write out what they hold.
    pub async fn stop(&self) {
        for task in &self.0.hooks.stop {
            task().await;
        }
    }
}

/// A request whose route is known.
pub(crate) struct Arrived<'a> {
    route: &'a Route,
    request: Request,
    access_log: bool,
    /// What leaves the tower layers is looked at once more.
    #[cfg(feature = "tower")]
    is_inside: bool,
}

impl Arrived<'_> {
    /// Goes through the middleware to the view and back: tower layers are outside of this.
    pub(crate) async fn respond(self) -> Response {
        let Self {
            route,
            request,
            access_log,
            ..
        } = self;
        #[cfg(feature = "tower")]
        let is_outermost = !self.is_inside;
        #[cfg(not(feature = "tower"))]
        let is_outermost = true;
        let start = access_log.then(Instant::now);
        let response = route.start().run(request.clone()).await;
        let mut response = finish(&request, response);
        if is_outermost {
            framing::settle(&mut response, request.method(), request.uri());
        }
        if let Some(start) = start {
            log_access(&request, &response, start);
        }
        response
    }
}

fn finish(request: &Request, mut response: Response) -> Response {
    if response.error().is_some() {
        log_error(request, &response);
        response = error_page::dress(request, response);
    }
    response
}

fn log_error(request: &Request, response: &Response) {
    let Some(error) = response.error() else {
        return;
    };
    let (status, method, path, view) = (
        response.status().as_u16(),
        request.method(),
        request.path(),
        request.route().view,
    );
    let place = error.place().map(tracing::field::display);
    if response.status().is_server_error() {
        let cause = error.chain();
        tracing::error!(target: "duck", status, %method, path, cause, place, view, "a request failed");
    } else {
        tracing::debug!(target: "duck", status, %method, path, cause = error.chain(), place, view, "a request was refused");
    }
}

fn log_access(request: &Request, response: &Response, start: Instant) {
    let status = response.status().as_u16();
    let took = start.elapsed();
    tracing::info!(target: "duck::access", "{} {} {status} {took:.1?}", request.method(), request.path());
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site")
            .field("routes", &self.0.routes)
            .finish_non_exhaustive()
    }
}
