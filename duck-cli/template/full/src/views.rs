//! The views around the notes and the shop.

use duck::auth;
use duck::prelude::*;
use garde::Validate;
use serde::Deserialize;

use crate::accounts;
use crate::database::Pool;

/// The first page, which counts how often this visitor came.
pub async fn home(request: Request) -> Result<Response> {
    let visits = request
        .session
        .update("visits", |n: &mut u32| *n += 1)
        .await?;
    render(&request, "home.html", context! { visits }).await
}

#[derive(Deserialize, Validate)]
struct SignUp {
    #[garde(length(chars, min = 1, max = 40), alphanumeric)]
    name: String,
    #[garde(length(chars, min = 8, max = 256))]
    password: String,
}

/// Shows the form, or makes an account and logs the visitor in.
pub async fn sign_up(request: Request) -> Result<Response> {
    let form = request.form::<SignUp>().await?;
    if let Some(SignUp { name, password }) = form.valid() {
        let hash = auth::hash(&password).await?;
        let pool = request.state::<Pool>()?;
        if let Some(user) = accounts::sign_up(pool, &name, &hash).await? {
            auth::login_as(&request, user.id).await?;
            let welcome = format!("Welcome, {}.", user.name);
            request.session.flash(FlashLevel::Success, welcome).await?;
            return auth::redirect_next(&request, "notes.index").await;
        }
        form.error("name", "is taken");
    }
    render(&request, "sign_up.html", context! { form }).await
}
