//! The view that logs in.

use std::borrow::Cow;

use http::{HeaderValue, Method, header};
use serde::Deserialize;

use super::landing::Landing;
use super::login::login;
use super::refused::Refused;
use crate::BoxFuture;
use crate::context;
use crate::error::Result;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::pages::forms::Form;
use crate::pages::templates::render::render;
use crate::routing::view::View;

/// A view that shows a login form and logs in who fills it in rightly. It answers `GET` and `POST`. The
/// template has `form` with the fields `name` and `password`:
///
/// ```
/// use duck::{auth, path};
///
/// let pattern = path("/login", auth::login_view("login.html")).name("login");
/// ```
///
/// ```html
/// <form method="post">
///   {{ csrf_field() }}
///   {{ form_errors(form) }}
///   {{ field(form.name, autocomplete="username") }}
///   {{ field(form.password, type="password", autocomplete="current-password") }}
///   <button>Log in</button>
/// </form>
/// ```
///
/// After the login the visitor goes to `next`, as with [`redirect_next`](super::redirect_next), or else to the
/// page of [`then`](LoginView::then). The form has no `action`, so that the `?next=` of its address is posted
/// along.
///
/// Who is refused sees the form again, with the name that was entered and without the password: 422 for
/// a wrong name or password, and 429 with `Retry-After` for too many tries (RFC 6585, 4). Who is logged in
/// sees the form as well, and may log in as somebody else. Asking for the form takes no session.
pub fn login_view(template: impl Into<Cow<'static, str>>) -> LoginView {
    LoginView {
        template: template.into(),
        landing: Landing::default(),
    }
}

/// What [`login_view`] makes.
#[derive(Debug, Clone)]
pub struct LoginView {
    template: Cow<'static, str>,
    landing: Landing,
}

#[derive(Deserialize, garde::Validate)]
struct Login {
    #[garde(skip)]
    name: String,
    #[garde(skip)]
    password: String,
}

impl LoginView {
    /// The name of the page for whoever has logged in and was not going anywhere. Where this is not said,
    /// it is the one named `home`, and in a site without one `/`.
    ///
    /// ```
    /// use duck::{auth, path};
    ///
    /// let pattern = path("/login", auth::login_view("login.html").then("orders")).name("login");
    /// ```
    #[must_use]
    pub fn then(self, name: impl Into<Cow<'static, str>>) -> Self {
        let landing = Landing::at(name);
        Self { landing, ..self }
    }

    async fn answer(self, request: Request) -> Result<Response> {
        let form = request.form::<Login>().await?.without(&["password"]);
        let Some(entered) = form.valid() else {
            return render(&request, &self.template, context! { form }).await;
        };
        match login(&request, &entered.name, &entered.password).await? {
            Ok(()) => self.landing.redirect(&request).await,
            Err(refused) => {
                form.error("", refused);
                refused_page(&request, &self.template, form, refused).await
            }
        }
    }
}

/// The form once more, with the status of a refusal.
pub(super) async fn refused_page<T: Send + 'static>(
    request: &Request,
    template: &str,
    form: Form<T>,
    refused: Refused,
) -> Result<Response> {
    let page = render(request, template, context! { form }).await?;
    let page = page.with_status(refused.status());
    Ok(match refused {
        Refused::Wait(seconds) => page.with(header::RETRY_AFTER, HeaderValue::from(seconds)),
        Refused::Wrong => page,
    })
}

#[diagnostic::do_not_recommend]
impl View<()> for LoginView {
    type Future = BoxFuture<'static, Result<Response>>;

    fn call(&self, request: Request, (): ()) -> Self::Future {
        Box::pin(self.clone().answer(request))
    }

    fn methods(&self) -> Option<Vec<Method>> {
        Some(vec![Method::GET, Method::POST])
    }
}
