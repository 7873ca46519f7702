//! Many logins at once, in a process of their own: hashes are made in one queue for all of its sites.

use duck::auth::{self, Accounts, Auth, Credentials};
use duck::prelude::*;
use duck::testing::TestClient;
use duck_session::SessionMiddleware;

/// Nobody.
struct Nobody;

impl Accounts for Nobody {
    type User = String;

    async fn credentials(&self, _name: &str) -> Result<Option<Credentials>> {
        Ok(None)
    }

    async fn hash(&self, _id: &str) -> Result<Option<String>> {
        Ok(None)
    }

    async fn user(&self, _id: &str) -> Result<Option<String>> {
        Ok(None)
    }

    async fn set_hash(&self, _id: &str, _old: &str, _new: &str) -> Result<bool> {
        Ok(false)
    }
}

async fn log_in(request: Request) -> Result<StatusCode> {
    let outcome = auth::login(&request, "eve", "wrong").await?;
    assert!(outcome.is_err(), "there is nobody");
    Ok(StatusCode::UNPROCESSABLE_ENTITY)
}

async fn home(_request: Request) -> &'static str {
    "home"
}

/// Each comes from an address of its own, so that nothing but the queue stands in the way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_logins_is_sent_away_and_the_site_goes_on() {
    let settings = Settings::default()
        .with(
            "SECRET_KEY",
            "a key for tests of more than thirty-two bytes",
        )
        .with("SESSION_STORAGE", "InMemoryCache");
    let app = App::new(settings)
        .with(SessionMiddleware::new())
        .with(Auth::new(|_| Ok(Nobody)))
        .urls([path("/", home), path("/login", log_in).methods([POST])]);
    let client = TestClient::start(app).await;
    let flood = (0..2_000_u32).map(|n| {
        let [_, b, c, d] = n.to_be_bytes();
        let address = format!("10.{b}.{c}.{d}:4000").parse().unwrap();
        let client = client.another().from_address(address);
        tokio::spawn(async move {
            let response = client.post("/login").await;
            let retry = response.header("retry-after").map(str::to_owned);
            (response.status().as_u16(), retry)
        })
    });
    let flood: Vec<_> = flood.collect();
    assert_eq!(client.get("/").await.text(), "home");
    let (mut compared, mut sent_away) = (0, 0);
    for login in flood {
        match login.await.unwrap() {
            (422, None) => compared += 1,
            (503, Some(seconds)) if seconds == "5" => sent_away += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(compared > 0 && sent_away > 1_000, "{compared} {sent_away}");
    assert_eq!(client.post("/login").await.status(), 422, "it is over");
}
