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

async fn home(request: Request) -> Result<String> {
    let visits = request
        .session
        .update("visits", |n: &mut u32| *n += 1)
        .await?;
    Ok(format!("Visit {visits}\n"))
}

/// What a view gives as a `String` is sent as plain text. Pages are templates: see the guide.
async fn hello(_request: Request, name: String) -> String {
    format!("Hello, {name}!\n")
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
        assert_eq!(site.get("/").await.text(), "Visit 1\n");
        assert_eq!(site.get("/").await.text(), "Visit 2\n");
        assert_eq!(site.another().get("/").await.text(), "Visit 1\n");
    }

    #[tokio::test]
    async fn whoever_the_path_names_is_greeted_in_plain_text() {
        let page = site().await.get("/hello/%3Cb%3E").await;
        assert_eq!(page.text(), "Hello, <b>!\n");
        assert_eq!(
            page.header("content-type"),
            Some("text/plain; charset=utf-8")
        );
    }
}
