//! The view that logs out.

use std::borrow::Cow;

use http::Method;

use super::landing::Landing;
use super::login::logout;
use crate::BoxFuture;
use crate::error::Result;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::routing::view::View;

/// A view that logs out and sends the visitor to `next`, as [`redirect_next`](super::redirect_next) does, or
/// else to the page of [`then`](LogoutView::then). It answers `POST` alone: a `GET` can be asked for by an image
/// on any page.
///
/// ```
/// use duck::{auth, path};
///
/// let pattern = path("/logout", auth::logout_view()).name("logout");
/// ```
///
/// ```html
/// <form method="post" action="{{ url('logout') }}">{{ csrf_field() }}<button>Log out</button></form>
/// ```
pub fn logout_view() -> LogoutView {
    LogoutView(Landing::default())
}

/// What [`logout_view`] makes.
#[derive(Debug, Clone)]
pub struct LogoutView(Landing);

impl LogoutView {
    /// The name of the page that comes after. Where this is not said, it is the one named `home`, and in a
    /// site without one `/`.
    #[must_use]
    pub fn then(self, name: impl Into<Cow<'static, str>>) -> Self {
        Self(Landing::at(name))
    }
}

#[diagnostic::do_not_recommend]
impl View<()> for LogoutView {
    type Future = BoxFuture<'static, Result<Response>>;

    fn call(&self, request: Request, (): ()) -> Self::Future {
        let landing = self.0.clone();
        Box::pin(async move {
            logout(&request).await?;
            landing.redirect(&request).await
        })
    }

    fn methods(&self) -> Option<Vec<Method>> {
        Some(vec![Method::POST])
    }
}
