//! Whether a browser keeps cookies: rule 70.

use duck::testing::TestClient;
use duck::text;

use crate::support::{page, read, scripted};

async fn visitor() -> TestClient {
    let (client, _) = scripted([
        page("/put", async |request| {
            request.session.set_test_cookie().await?;
            let worked = request.session.test_cookie_worked().await?;
            Ok(text(worked.to_string()))
        }),
        page("/worked", async |request| {
            let worked = request.session.test_cookie_worked().await?;
            Ok(text(format!(
                "{worked} {:?}",
                request.session.keys().await?
            )))
        }),
        page("/take-out", async |request| {
            request.session.delete_test_cookie().await?;
            Ok(text(""))
        }),
    ])
    .await;
    client
}

#[tokio::test]
async fn a_browser_that_keeps_cookies_is_known_by_the_next_page() {
    let client = visitor().await;
    assert_eq!(read(&client, "/worked").await, "false []");
    assert_eq!(
        read(&client, "/put").await,
        "false",
        "it has not come back yet"
    );
    assert_eq!(read(&client, "/worked").await, "true []");
    read(&client, "/take-out").await;
    assert_eq!(read(&client, "/worked").await, "false []");
}

#[tokio::test]
async fn a_browser_without_cookies_is_known_too() {
    let client = visitor().await;
    for _ in 0..2 {
        read(&client, "/put").await;
        client.clear_cookies();
        assert_eq!(read(&client, "/worked").await, "false []");
    }
}
