//! @NAME@, a site made with Duck.

use duck::prelude::*;
use duck_session::SessionMiddleware;

fn main() -> duck::ExitCode {
    app().run()
}

/// The site: what stands around every request, and which view answers which URL.
fn app() -> App {
    App::from_settings("settings.toml")
        .with(SessionMiddleware::new())
        .urls([
            path("/", home).name("home"),
            path("/hello/<name>", hello).name("hello"),
        ])
}

async fn home(request: Request) -> Result<Response> {
    let visits = request
        .session
        .update("visits", |n: &mut u32| *n += 1)
        .await?;
    Ok(page("@NAME@", &format!("<h1>Visit {visits}</h1>")))
}

async fn hello(_request: Request, name: String) -> Result<Response> {
    let name = escape_html(&name);
    Ok(page("Hello", &format!("<h1>Hello {name}</h1>")))
}

/// What all pages have in common. `title` and `body` are HTML: escape what a visitor wrote.
fn page(title: &str, body: &str) -> Response {
    html(format!(
        r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="data:,">
<body style="overflow-wrap: break-word">
{body}
</html>
"#
    ))
}

#[cfg(test)]
mod tests {
    use super::app;
    use duck::testing::TestClient;

    async fn site() -> TestClient {
        TestClient::start(app().setting("SESSION_STORAGE", "InMemoryCache")).await
    }

    #[tokio::test]
    async fn visits_are_counted_for_each_visitor() {
        let site = site().await;
        assert!(site.get("/").await.text().contains("Visit 1"));
        assert!(site.get("/").await.text().contains("Visit 2"));
    }

    #[tokio::test]
    async fn names_are_escaped() {
        let page = site().await.get("/hello/%3Cb%3E").await;
        assert_eq!(page.status(), 200);
        assert!(page.text().contains("Hello &lt;b&gt;"));
    }
}
