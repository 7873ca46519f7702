//! The view that logs out.

use http::Method;

use super::landing::Landing;
use super::login::logout;
use crate::error::Result;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::routing::view::{AsView, ClassView, class_view};

/// A view that logs out and sends the visitor to `next`, as [`redirect_next`](super::redirect_next) does, or
/// to the page named `home`, and in a site without one to `/`. It answers `POST` alone: a `GET` can be asked for by an image on any page.
///
/// ```
/// use duck::{auth, path};
///
/// let pattern = path("/logout", auth::logout_view()).name("logout");
/// ```
///
/// ```html
/// <form method="post" action="{{ url('logout') }}"><button>Log out</button></form>
/// ```
pub fn logout_view() -> AsView<LogoutView> {
    class_view(LogoutView)
}

/// What [`logout_view`] makes.
#[doc(hidden)]
#[derive(Debug)]
pub struct LogoutView;

impl ClassView for LogoutView {
    const METHODS: &'static [Method] = &[Method::POST];

    async fn post(&self, request: Request) -> Result<Response> {
        logout(&request).await?;
        Landing::default().redirect(&request).await
    }
}
