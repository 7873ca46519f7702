use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{Method, StatusCode, Uri};

use crate::app::access_log::{AccessLog, Entry};
use crate::app::context::Context;
use crate::app::error_log;
use crate::app::setup::Hooks;
use crate::http::authority::Authority;
use crate::http::body::Body;
use crate::http::proxies::Connection;
use crate::http::request::Request;
use crate::http::response::{self, Response};
use crate::http::vary::vary_by;
use crate::middleware::allowed_hosts::AllowedHosts;
#[cfg(feature = "tower")]
use crate::middleware::security_headers::SecurityHeaders;
use crate::pages::error_page;
use crate::routing::endpoint::Route;
use crate::routing::hosts::Hosts;
use crate::routing::route::Found;
use crate::routing::route::RouteLine;
use crate::routing::router::Router;
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
    /// `None` where no URL pattern has a host.
    pub(crate) hosts: Option<Box<Hosts>>,
    pub(crate) context: Arc<Context>,
    pub(crate) hooks: Hooks,
    pub(crate) access_log: Option<Arc<AccessLog>>,
    #[cfg(feature = "tower")]
    pub(crate) around: Option<crate::middleware::tower::Around>,
}

impl Site {
    /// Answers a request. Whatever goes wrong on the way, there is a response.
    pub async fn respond(&self, request: http::Request<Body>, connection: Connection) -> Response {
        let (head, body) = request.into_parts();
        self.take_in(head, body, connection).respond().await
    }

    /// Takes in a request at once, so that what its future holds is small, however large a head is.
    pub(crate) fn take_in(&self, head: Parts, body: Body, connection: Connection) -> TakenIn<'_> {
        if let Err(why) = self.check_host(&head, connection) {
            return self.refuse_host(&why, head, body, connection);
        }
        #[cfg(feature = "tower")]
        if let Some(around) = &self.0.around
            && !self.is_bare(&head)
        {
            let request = http::Request::from_parts(head, body);
            return TakenIn::Around(Box::pin(self.pass_around(around, request, connection)));
        }
        TakenIn::Arrived(self.arrive(head, body, connection))
    }

    #[cfg(feature = "tower")]
    async fn pass_around(
        &self,
        around: &crate::middleware::tower::Around,
        request: http::Request<Body>,
        connection: Connection,
    ) -> Response {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let context = &self.0.context;
        let headers = context.security_headers.as_ref();
        let is_secure = headers.is_some_and(SecurityHeaders::depend_on_scheme)
            && context.proxies.is_secure(connection, request.headers());
        let mut response = around.respond(self.0.clone(), request, connection).await;
        leave(context, &mut response, &method, &uri, || is_secure);
        response
    }

    fn check_host(&self, head: &Parts, connection: Connection) -> Result<(), Cow<'static, str>> {
        let Context { hosts, proxies, .. } = &*self.0.context;
        let forwarded = || proxies.forwarded_host(connection, &head.headers);
        hosts.check(head.version, &head.uri, &head.headers, forwarded)
    }

    /// Whether its route stands outside of the tower layers.
    #[cfg(feature = "tower")]
    fn is_bare(&self, head: &Parts) -> bool {
        let path = head.uri.path();
        let router = &self.0.router;
        is_machines(path) && router.resolve(&head.method, path).0.info.bare
    }

    /// Nothing of the site's sees such a request, and its answer says nothing of the site. Nothing more is
    /// taken from its connection. Only what machines ask is answered, where it names an address.
    #[cold]
    fn refuse_host(
        &self,
        why: &str,
        head: Parts,
        body: Body,
        connection: Connection,
    ) -> TakenIn<'_> {
        let (uri, headers) = (&head.uri, &head.headers);
        let proxies = &self.0.context.proxies;
        let is_asked_by_address = is_machines(uri.path())
            && AllowedHosts::addresses()
                .check(head.version, uri, headers, || {
                    proxies.forwarded_host(connection, headers)
                })
                .is_ok();
        let arrived = self.arrive(head, body, connection);
        if is_asked_by_address && arrived.route.info.bare {
            return TakenIn::Arrived(arrived);
        }
        let Arrived {
            request,
            access_log,
            ..
        } = arrived;
        let entry = access_log.map(|log| Entry::begin(log, &request));
        let (context, method, path) = (request.context(), request.method(), request.path());
        tracing::debug!(target: "duck", status = 400, %method, path, why, "a request was refused");
        let close = const { HeaderValue::from_static("close") };
        let mut response = response::text(context.hosts.text(why))
            .with_status(StatusCode::BAD_REQUEST)
            .with(header::CONNECTION, close);
        let is_secure = || request.is_secure();
        leave(context, &mut response, method, request.uri(), is_secure);
        say_id(&request, &mut response);
        TakenIn::Refused(match entry {
            Some(entry) => entry.finish(response),
            None => response,
        })
    }

    /// Finds the route of a request.
    pub(crate) fn arrive(&self, head: Parts, body: Body, connection: Connection) -> Arrived<'_> {
        let (route, found) = match &self.0.hosts {
            None => self.0.router.resolve(&head.method, head.uri.path()),
            Some(hosts) => self.resolve_at_host(hosts, &head, connection),
        };
        let request = Request::new(head, body, found, self.0.context.clone(), connection);
        Arrived {
            route,
            request,
            access_log: self.0.access_log.as_ref().filter(|_| !route.info.bare),
            #[cfg(feature = "tower")]
            is_inside: self.0.around.is_some() && !route.info.bare,
        }
    }

    /// Out of the way of sites without such patterns.
    #[inline(never)]
    fn resolve_at_host<'a>(
        &'a self,
        hosts: &'a Hosts,
        head: &Parts,
        connection: Connection,
    ) -> (&'a Route, Found) {
        let path = head.uri.path();
        if is_machines(path) {
            let found = self.0.router.resolve(&head.method, path);
            if found.0.info.bare {
                return found; // the same under every host
            }
        }
        let proxies = &self.0.context.proxies;
        let host = proxies.host(connection, &head.uri, &head.headers);
        let host = host.and_then(Authority::parse).map(|named| named.host);
        hosts.resolve(&self.0.router, host, &head.method, path)
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
        let (head, body) = request.into_parts();
        let request = self.arrive(head, body, connection).request;
        let statuses = &self.0.context.statuses;
        let response = crate::middleware::Next::new(layers, view, statuses)
            .run(request.clone())
            .await;
        Some(finish(&request, response).await)
    }

    /// Its URL patterns, in the order they were added.
    pub fn routes(&self) -> &[RouteLine] {
        &self.0.context.routes
    }

    /// The settings the site was built with.
    pub fn settings(&self) -> &crate::Settings {
        &self.0.context.settings
    }

    /// Does what is to be done when the site stops: storages write out what they hold. What started last stops first.
    pub async fn stop(&self) {
        for task in self.0.hooks.stop.iter().rev() {
            task().await;
        }
    }
}

/// Whether a path may be one that machines ask for.
fn is_machines(path: &str) -> bool {
    path.starts_with("/-/")
}

/// A request that the site has taken in.
pub(crate) enum TakenIn<'a> {
    Refused(Response),
    /// It goes through the tower layers first.
    #[cfg(feature = "tower")]
    Around(crate::BoxFuture<'a, Response>),
    Arrived(Arrived<'a>),
}

impl TakenIn<'_> {
    pub(crate) async fn respond(self) -> Response {
        match self {
            Self::Refused(response) => response,
            #[cfg(feature = "tower")]
            Self::Around(answer) => answer.await,
            Self::Arrived(arrived) => arrived.respond().await,
        }
    }
}

/// A request whose route is known.
pub(crate) struct Arrived<'a> {
    route: &'a Route,
    request: Request,
    access_log: Option<&'a Arc<AccessLog>>,
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
        let entry = access_log.map(|log| Entry::begin(log, &request));
        let statuses = &request.context().statuses;
        let response = match request.refused_as_cross_site() {
            Some(error) => Response::from_error(error),
            None => route.start(statuses).run(request.clone()).await,
        };
        let mut response = finish(&request, response).await;
        let context = request.context();
        if let Some(headers) = &context.security_headers
            && let Some(nonce) = request.nonce_if_made()
        {
            headers.add_nonce(&nonce, &mut response);
        }
        if is_outermost {
            let (method, uri) = (request.method(), request.uri());
            leave(context, &mut response, method, uri, || request.is_secure());
        }
        say_id(&request, &mut response);
        match entry {
            Some(entry) => entry.finish(response),
            None => response,
        }
    }
}

/// What every response gets last, whatever answered.
fn leave(
    context: &Context,
    response: &mut Response,
    method: &Method,
    uri: &Uri,
    is_secure: impl FnOnce() -> bool,
) {
    if let Some(headers) = &context.security_headers {
        headers.add(response, is_secure);
    }
    framing::settle(response, method, uri, &context.floods);
}

/// Behind `leave`: a middleware's header of this name does not stay.
fn say_id(request: &Request, response: &mut Response) {
    if let Some(name) = &request.context().request_id_header
        && let Ok(id) = HeaderValue::from_str(request.id())
    {
        response.headers_mut().insert(name, id);
    }
}

/// Writes an error into the log, and gives it its page where it has none yet.
async fn finish(request: &Request, response: Response) -> Response {
    if response.error().is_none() {
        return response;
    }
    error_log::note(request, &response);
    // On the heap: a page that did not fail has no room for this.
    let mut response = Box::pin(error_page::error_page(request, response)).await;
    // Behind what the middleware said: its form depends on this too, as a 404 may be kept by caches.
    vary_by(response.headers_mut(), "Accept");
    response
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site")
            .field("routes", &self.0.context.routes)
            .finish_non_exhaustive()
    }
}
