//! Logging in and out. Everybody who knows the password `quack` gets in.

use duck::prelude::*;
use serde::Deserialize;

use crate::page;

/// What the login's form sends.
#[derive(Deserialize)]
struct Login {
    name: String,
    password: String,
}

/// Logs a visitor in. The session gets a new id: one that was seen or planted before is worth
/// nothing afterwards.
pub(crate) async fn login(request: Request) -> Result<Response> {
    let mut complaint = "";
    if request.method() == POST {
        let Login { name, password } = request.form().await?;
        if password == "quack" && !name.trim().is_empty() {
            request.session.login(name.trim()).await?;
            return redirect(&request, "home", ());
        }
        complaint = "<p role=\"alert\">Wrong name or password.</p>";
    }
    let form = "<form method=\"post\"><label>Name <input name=\"name\" autocomplete=\"username\" required></label>
                <label>Password <input name=\"password\" type=\"password\" placeholder=\"quack\" required></label>
                <button>Log in</button></form>";
    page::show(
        &request,
        "Log in",
        &format!("<h1>Log in</h1>{complaint}{form}"),
    )
    .await
}

/// Logs out: nothing is left, neither here nor in the browser.
pub(crate) async fn logout(request: Request) -> Result<Response> {
    request.session.logout().await?;
    redirect(&request, "home", ())
}
