//! What all pages have in common.

use std::collections::BTreeMap;

use duck::prelude::*;

/// A page. `title` and `body` are HTML: what a visitor wrote has to be escaped before.
pub(crate) async fn show(request: &Request, title: &str, body: &str) -> Result<Response> {
    let cart: BTreeMap<u32, u32> = request.session.get("cart").await?.unwrap_or_default();
    let count: u32 = cart.values().sum();
    let account = match request.session.user().await? {
        Some(user) => format!(
            "<a href=\"/account\">Sessions</a> <form method=\"post\" action=\"/logout\"><button class=\"link\">Log out {}</button></form>",
            escape_html(&user)
        ),
        None => "<a href=\"/login\">Log in</a>".to_owned(),
    };
    // Shown once: whoever takes them out has to show them.
    let flashes: String = request
        .session
        .flashes()
        .await?
        .iter()
        .map(|flash| {
            let message = escape_html(&flash.message);
            format!(
                "<p class=\"flash {}\" role=\"status\">{message}</p>",
                flash.level
            )
        })
        .collect();
    Ok(html(format!(
        "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<title>{title} – Duck</title>
<link rel=\"icon\" href=\"/static/favicon.svg\">
<link rel=\"stylesheet\" href=\"/static/css/site.css\">
</head>
<body>
<header>
<a class=\"brand\" href=\"/\">Duck</a>
<nav><a href=\"/notes/\">Notes</a> <a href=\"/shop/\">Shop</a> <a href=\"/guestbook\">Guestbook</a> <a href=\"/shop/cart\">Cart ({count})</a> {account}</nav>
</header>
<main>{flashes}{body}</main>
</body>
</html>
"
    )))
}
