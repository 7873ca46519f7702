//! The view that signs up.

use std::borrow::Cow;

use http::Method;
use serde::Deserialize;

use super::landing::Landing;
use super::login::sign_up;
use crate::BoxFuture;
use crate::context;
use crate::error::Result;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::pages::templates::render::render;
use crate::routing::view::View;

/// A view in which a visitor makes an account, and is logged in. It answers `GET` and `POST`. The template has `form`
/// with the fields `name` and `password`:
///
/// ```
/// use duck::{auth, path};
///
/// let pattern = path("/signup", auth::sign_up_view("signup.html")).name("signup");
/// ```
///
/// ```html
/// <form method="post">
///   {{ csrf_field() }}
///   {{ form_errors(form) }}
///   {{ field(form.name, autocomplete="username") }}
///   {{ field(form.password, type="password", autocomplete="new-password", minlength=8) }}
///   <button>Sign up</button>
/// </form>
/// ```
///
/// A name has up to 60 letters and digits of any language, and `@`, `.`, `+`, `-` and `_`: nobody can look like somebody
/// else by a space or a letter that is not seen. A password has between 8 and 256 characters, and is not shown again. A
/// name that is taken is said beside the field, with the status 422.
///
/// Then the visitor goes to `next`, as with [`redirect_next`](super::redirect_next), or else to the page of
/// [`then`](SignUpView::then). Around a site with [`login_required`](super::login_required), make its path
/// [`public`](crate::UrlPattern::public).
///
/// The account is added by [`Accounts::add`](super::Accounts::add). For other rules, or more fields, write the view with
/// [`hash`](super::hash) and [`login_as`](super::login_as).
pub fn sign_up_view(template: impl Into<Cow<'static, str>>) -> SignUpView {
    SignUpView {
        template: template.into(),
        landing: Landing::default(),
    }
}

/// What [`sign_up_view`] makes.
#[derive(Debug, Clone)]
pub struct SignUpView {
    template: Cow<'static, str>,
    landing: Landing,
}

#[derive(Deserialize, garde::Validate)]
struct SignUp {
    // 60 characters are 240 bytes at most, fewer than a login takes.
    #[garde(length(chars, min = 1, max = 60), custom(can_be_read))]
    name: String,
    // 256 characters are 1,024 bytes at most, as many as `hash` takes.
    #[garde(length(chars, min = 8, max = 256))]
    password: String,
}

fn can_be_read<C>(name: &str, _: &C) -> garde::Result {
    let is_known = |letter: char| letter.is_alphanumeric() || "@.+-_".contains(letter);
    // Phones put a space behind a word.
    let name = name.trim();
    if name.is_empty() || !name.chars().all(is_known) {
        let rule = "must be letters, digits and @ . + - _ only";
        return Err(garde::Error::new(rule));
    }
    Ok(())
}

impl SignUpView {
    /// The name of the page for whoever has signed up and was not going anywhere. Where this is not said, it is the one
    /// named `home`, and in a site without one `/`.
    #[must_use]
    pub fn then(self, name: impl Into<Cow<'static, str>>) -> Self {
        let landing = Landing::at(name);
        Self { landing, ..self }
    }

    async fn answer(self, request: Request) -> Result<Response> {
        let form = request.form::<SignUp>().await?.without(&["password"]);
        if let Some(new) = form.valid() {
            if sign_up(&request, new.name.trim(), &new.password).await? {
                return self.landing.redirect(&request).await;
            }
            form.error("name", "is taken");
        }
        render(&request, &self.template, context! { form }).await
    }
}

#[diagnostic::do_not_recommend]
impl View<()> for SignUpView {
    type Future = BoxFuture<'static, Result<Response>>;

    fn call(&self, request: Request, (): ()) -> Self::Future {
        Box::pin(self.clone().answer(request))
    }

    fn methods(&self) -> Option<Vec<Method>> {
        Some(vec![Method::GET, Method::POST])
    }
}
