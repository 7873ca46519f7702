//! A site as a tower service, and as where tower layers lead.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::time::timeout;

use crate::BoxFuture;
use crate::app::beside::Beside;
use crate::app::site::{Inner, Site};
use crate::http::body::{Body, BoxError};
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
            let (head, body) = request.into_parts();
            let arrived = site.arrive(head, body, connection);
            arrived.respond().await.into_http()
        })
    }
}

/// A site answers what another server has received: it may stand in an axum `Router`, or in any stack of tower services.
///
/// The body may be of any type. Where the request came from is what a [`Connection`] among its extensions says, which
/// whoever has received it puts there; without one, the site knows neither an address nor whether it is encrypted. Paths are
/// compared as they are in the URI: with axum's `nest_service`, which cuts off a prefix, the site's own links would lack it.
///
/// [`run_beside`](Site::run_beside) does what the site has to do besides.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> duck::Result<()> {
/// use duck::http::{Body, Connection};
/// use duck::{App, Request, Settings, path};
/// use tower::ServiceExt;
///
/// async fn address(request: Request) -> String {
///     format!("{:?}", request.client_ip())
/// }
///
/// let site = App::new(Settings::default()).urls([path("/", address)]).start().await?;
/// let peer = Some(([192, 0, 2, 7], 4711).into());
/// let request = http::Request::builder().extension(Connection { peer, secure: false });
/// let request = request.body(Body::empty())?;
/// let Ok(response) = site.oneshot(request).await;
/// assert_eq!(response.into_body().len(), Some("Some(192.0.2.7)".len() as u64));
/// # Ok(())
/// # }
/// ```
impl<B> ::tower::Service<http::Request<B>> for Site
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

    /// Answers a request that another server received.
    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let site = self.clone();
        let connection = request.extensions().get::<Connection>();
        let connection = connection.copied().unwrap_or_default();
        let request = request.map(|body| {
            if body.is_end_stream() {
                Body::empty()
            } else {
                Body::new(body)
            }
        });
        Box::pin(async move { Ok(site.respond(request, connection).await.into_http()) })
    }
}

impl Site {
    /// Runs what the site does besides answering requests while another server has it answer them: the background work of
    /// its components and its timed tasks from now on, and when `server` is done, what is left: tasks under way have
    /// `SHUTDOWN_TIMEOUT` to finish, and components do what they do at the end, such as writing out what a storage holds. Duck's own [`serve`](crate::server::serve) does this by itself.
    ///
    /// If this future is dropped, the background work ends and what would be done at the end is not.
    ///
    /// ```
    /// # use duck::{App, Settings};
    /// # async fn serve_with_another_server(_site: duck::Site) {}
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> duck::Result<()> {
    /// let site = App::new(Settings::default()).start().await?;
    /// site.run_beside(serve_with_another_server(site.clone())).await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn run_beside<F: Future>(&self, server: F) -> F::Output {
        let mut beside = Beside::start(self);
        let output = server.await;
        let context = &self.0.context;
        context.stopping.close();
        if timeout(context.limits.shutdown(), beside.finish())
            .await
            .is_err()
        {
            tracing::warn!(target: "duck", tasks = beside.left(), "SHUTDOWN_TIMEOUT is over; ending what is left");
        }
        beside.end(self).await;
        output
    }
}
