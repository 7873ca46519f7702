//! The view that changes a password.

use std::borrow::Cow;

use http::Method;
use serde::Deserialize;

use super::landing::Landing;
use super::login::change_password;
use super::login_required::send_to_login;
use super::login_view::refused_page;
use super::refused::Refused;
use super::user;
use crate::BoxFuture;
use crate::context;
use crate::error::Result;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::pages::templates::render::render;
use crate::routing::view::View;
use crate::session::FlashLevel;

/// A view in which a user who is logged in changes the password. It answers `GET` and `POST`. The template has
/// `form` with the fields `old`, `new` and `again`:
///
/// ```
/// use duck::{auth, path};
///
/// let pattern = path("/password", auth::password_view("password.html")).name("password");
/// ```
///
/// ```html
/// <form method="post">
///   {{ csrf_field() }}
///   {{ form_errors(form) }}
///   {{ field(form.old, label="Old password", type="password", autocomplete="current-password") }}
///   {{ field(form.new, label="New password", type="password", autocomplete="new-password", minlength=8) }}
///   {{ field(form.again, label="New password, again", type="password", autocomplete="new-password") }}
///   <button>Change the password</button>
/// </form>
/// ```
///
/// A new password has between 8 and 256 characters. With it the user's other sessions end; this one goes on
/// under a new id, with the flash message "Your password has been changed.", on the page of
/// [`then`](PasswordView::then), or on that of `next` where the address has one.
///
/// No password is shown again. 422 is the status for one that is wrong, and 429 with `Retry-After` after too
/// many wrong ones. Whoever is not logged in is sent to the login page, as by
/// [`login_required`](super::login_required).
pub fn password_view(template: impl Into<Cow<'static, str>>) -> PasswordView {
    PasswordView {
        template: template.into(),
        landing: Landing::default(),
    }
}

/// What [`password_view`] makes.
#[derive(Debug, Clone)]
pub struct PasswordView {
    template: Cow<'static, str>,
    landing: Landing,
}

#[derive(Deserialize, garde::Validate)]
struct NewPassword {
    #[garde(skip)]
    old: String,
    // 256 characters are 1,024 bytes at most, as many as `hash` takes.
    #[garde(length(chars, min = 8, max = 256))]
    new: String,
    #[garde(matches(new))]
    again: String,
}

impl PasswordView {
    /// The name of the page that comes after. Where this is not said, it is the one named `home`, and in a
    /// site without one `/`.
    #[must_use]
    pub fn then(self, name: impl Into<Cow<'static, str>>) -> Self {
        let landing = Landing::at(name);
        Self { landing, ..self }
    }

    async fn answer(self, request: Request) -> Result<Response> {
        if user::find(&request).await?.is_none() {
            return send_to_login(&request);
        }
        let form = request.form::<NewPassword>().await?;
        let form = form.without(&["old", "new", "again"]);
        let Some(entered) = form.valid() else {
            return render(&request, &self.template, context! { form }).await;
        };
        let Err(refused) = change_password(&request, &entered.old, &entered.new).await? else {
            let changed = "Your password has been changed.";
            request.session.flash(FlashLevel::Success, changed).await?;
            return self.landing.redirect(&request).await;
        };
        match refused {
            Refused::Wrong => form.error("old", "is wrong"),
            Refused::Wait(_) => form.error("", refused),
        }
        refused_page(&request, &self.template, form, refused).await
    }
}

#[diagnostic::do_not_recommend]
impl View<()> for PasswordView {
    type Future = BoxFuture<'static, Result<Response>>;

    fn call(&self, request: Request, (): ()) -> Self::Future {
        Box::pin(self.clone().answer(request))
    }

    fn methods(&self) -> Option<Vec<Method>> {
        Some(vec![Method::GET, Method::POST])
    }
}
