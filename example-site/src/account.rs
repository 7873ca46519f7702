//! Logging in and out, and where else one is logged in. Everybody who knows the password `quack` gets in.

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
    let (mut complaint, mut entered) = ("", String::new());
    if request.method() == POST {
        let Login { name, password } = request.form_as().await?;
        if password == "quack" && !name.trim().is_empty() {
            request.session.login(name.trim()).await?;
            let welcome = format!("Welcome, {}.", name.trim());
            request.session.flash(FlashLevel::Success, welcome).await?;
            return redirect(&request, "home", ());
        }
        complaint = "<p role=\"alert\">Wrong name or password.</p>";
        entered = name;
    }
    let name = escape_html(&entered);
    let form = format!(
        "<form method=\"post\">
         <label>Name <input name=\"name\" value=\"{name}\" autocomplete=\"username\" required></label>
         <label>Password <input name=\"password\" type=\"password\" autocomplete=\"current-password\" placeholder=\"quack\" required></label>
         <button>Log in</button></form>"
    );
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

/// Shows where the visitor is logged in.
pub(crate) async fn devices(request: Request) -> Result<Response> {
    if request.session.user().await?.is_none() {
        return redirect(&request, "login", ());
    }
    let mut rows = String::new();
    for session in request.session.sessions().await? {
        let agent = session.agent.as_deref().unwrap_or("An unknown browser");
        let end = if session.is_current {
            "this browser".to_owned()
        } else {
            let action = request.url("end-session", [&session.name])?;
            format!(
                "<form method=\"post\" action=\"{action}\"><button class=\"link\">Log out there</button></form>"
            )
        };
        rows += &format!("<tr><td>{}</td><td>{end}</td></tr>", escape_html(agent));
    }
    let others = request.url("end-others", ())?;
    let body = format!(
        "<h1>Where you are logged in</h1><table>{rows}</table>
         <form method=\"post\" action=\"{others}\"><button>Log out everywhere else</button></form>"
    );
    page::show(&request, "Your sessions", &body).await
}

/// Ends one of the visitor's sessions. The name of somebody else's does nothing.
pub(crate) async fn end_session(request: Request, name: String) -> Result<Response> {
    request.session.revoke(&name).await?;
    redirect(&request, "devices", ())
}

/// Ends all of the visitor's sessions but this one.
pub(crate) async fn end_others(request: Request) -> Result<Response> {
    request.session.revoke_others().await?;
    redirect(&request, "devices", ())
}
