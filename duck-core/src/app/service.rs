//! A site as a tower service, and as where tower layers lead.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::BoxFuture;
use crate::app::site::{Inner, Site};
use crate::http::body::Body;
use crate::http::proxies::Connection;
use crate::middleware::tower::Destination;

impl Destination for Inner {
    fn arrive(
        self: Arc<Self>,
        request: http::Request<Body>,
        connection: Connection,
    ) -> BoxFuture<'static, http::Response<Body>> {
        let site = Site(self);
        Box::pin(async move {
            let arrived = site.arrive(request, connection);
            arrived.respond().await.into_http()
        })
    }
}

impl ::tower::Service<http::Request<Body>> for Site {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    /// Answers a request that another service received.
    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let site = self.clone();
        Box::pin(async move {
            let response = site.respond(request, Connection::default()).await;
            Ok(response.into_http())
        })
    }
}
