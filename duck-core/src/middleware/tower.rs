//! `tower::Layer`s around a site.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use ::tower::ServiceExt;
use ::tower::util::BoxCloneSyncService;
use bytes::Bytes;

pub use ::tower::Layer;

use crate::BoxFuture;
use crate::app::floods::Floods;
use crate::app::log_kind::Kind;
use crate::error::Error;
use crate::http::body::{Body, BoxError};
use crate::http::proxies::Connection;
use crate::http::response::Response;
use crate::middleware::caught;

type Layered = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, Infallible>;

/// What a tower layer is put around: the site, or the layers further in.
#[derive(Debug, Clone)]
pub struct Inside {
    /// `None` is the site.
    next: Option<Layered>,
    /// What failed lately.
    floods: Floods<Kind>,
}

/// A layer that waits for what it will be put around.
pub(crate) struct Waiting(Box<dyn Fn(Inside) -> Layered + Send + Sync>);

impl Waiting {
    pub(crate) fn new<L, B, E>(layer: L) -> Self
    where
        L: Layer<Inside> + Send + Sync + 'static,
        L::Service: ::tower::Service<http::Request<Body>, Response = http::Response<B>, Error = E>
            + Clone
            + Send
            + Sync
            + 'static,
        <L::Service as ::tower::Service<http::Request<Body>>>::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
        E: Into<BoxError> + 'static,
    {
        Self(Box::new(move |inside| {
            let floods = inside.floods.clone();
            let service = layer.layer(inside);
            let whole = ::tower::service_fn(move |request| {
                let (service, floods) = (service.clone(), floods.clone());
                async move {
                    Ok(match caught(|| service.oneshot(request)).await {
                        Ok(Ok(response)) => response.map(Body::new),
                        Ok(Err(error)) => failed(&Error::internal(error), &floods),
                        Err(panic) => failed(&panic, &floods),
                    })
                }
            });
            BoxCloneSyncService::new(whole)
        }))
    }
}

/// The layers around a site.
pub(crate) struct Around(Layered);

impl Around {
    /// Puts the layers around each other: like middleware, the first one is the outermost.
    pub(crate) fn build(layers: &[Waiting]) -> Option<Self> {
        let site = Inside {
            next: None,
            floods: Floods::default(),
        };
        let layered = layers.iter().rev().fold(site, |inside, layer| Inside {
            floods: inside.floods.clone(),
            next: Some((layer.0)(inside)),
        });
        layered.next.map(Self)
    }

    pub(crate) async fn respond(
        &self,
        destination: Arc<dyn Destination>,
        mut request: http::Request<Body>,
        connection: Connection,
    ) -> Response {
        request.extensions_mut().insert(Ticket {
            destination,
            connection,
        });
        let Ok(response) = self.0.clone().oneshot(request).await;
        Response::from_http(response)
    }
}

/// Where a request goes when it has passed all layers: the site.
pub(crate) trait Destination: Send + Sync {
    fn arrive(
        self: Arc<Self>,
        request: http::Request<Body>,
        connection: Connection,
    ) -> BoxFuture<'static, http::Response<Body>>;
}

/// Goes with a request on its way.
#[derive(Clone)]
struct Ticket {
    destination: Arc<dyn Destination>,
    connection: Connection,
}

impl<B> ::tower::Service<http::Request<B>> for Inside
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let request = request.map(Body::new);
        if let Some(layered) = &self.next {
            return Box::pin(layered.clone().oneshot(request));
        }
        let floods = self.floods.clone();
        Box::pin(async move { Ok(arrive(request, &floods).await) })
    }
}

async fn arrive(mut request: http::Request<Body>, floods: &Floods<Kind>) -> http::Response<Body> {
    match request.extensions_mut().remove::<Ticket>() {
        Some(ticket) => ticket.destination.arrive(request, ticket.connection).await,
        None => failed(
            &Error::internal("a tower layer dropped the request's extensions"),
            floods,
        ),
    }
}

fn failed(error: &Error, floods: &Floods<Kind>) -> http::Response<Body> {
    const TEXT: &str = "a tower layer failed";
    let kind = Kind {
        place: error.place().cloned(),
        ..Kind::new(TEXT, error.status())
    };
    if kind.is_admitted(floods) {
        let place = error.place().map(tracing::field::display);
        tracing::error!(target: "duck", cause = error.chain(), place, "{TEXT}");
    }
    let mut response = http::Response::new(Body::from("500 Internal Server Error\n"));
    *response.status_mut() = error.status();
    response
}
