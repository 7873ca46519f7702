//! {{ name }}, a site made with Duck.

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
    Ok(html(format!(
        "<!doctype html>\n<title>{{ name }}</title>\n<h1>Visit {visits}</h1>\n"
    )))
}

async fn hello(_request: Request, name: String) -> Result<Response> {
    Ok(html(format!(
        "<!doctype html>\n<title>Hello</title>\n<h1>Hello {}</h1>\n",
        escape_html(&name)
    )))
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
