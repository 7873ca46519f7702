//! Who guesses passwords is slowed down, and nobody is locked out.

use std::net::SocketAddr;
use std::time::Duration;

use duck::testing::TestClient;
use futures_util::future::join_all;
use tokio::time::advance;

use crate::support::{PASSWORD, Users, log_in_as, settings, site, who};

async fn from(users: &Users, address: &str) -> TestClient {
    let client = TestClient::start(site(settings(), users)).await;
    client.from_address(address.parse().unwrap())
}

fn elsewhere(client: &TestClient, address: &str) -> TestClient {
    let address: SocketAddr = address.parse().unwrap();
    client.another().from_address(address)
}

async fn answer(client: &TestClient, name: &str, password: &str) -> String {
    log_in_as(client, name, password).await.text().to_owned()
}

#[tokio::test(start_paused = true)]
async fn the_sixth_wrong_try_has_to_wait_and_is_not_compared() {
    let users = Users::ada().await;
    let client = from(&users, "192.0.2.1:4000").await;
    for name in ["ada", "ada", "ada", "ada", "ada"] {
        assert_eq!(
            answer(&client, name, "wrong").await,
            "The name or the password is wrong."
        );
    }
    users.table().names.clear();
    for name in ["ada", "ADA", "Ada"] {
        assert_eq!(
            answer(&client, name, PASSWORD).await,
            "Too many tries: wait 30 seconds."
        );
    }
    assert_eq!(users.table().names, [""; 0]);
    assert_eq!(who(&client).await, "nobody");
    advance(Duration::from_secs(30)).await;
    assert_eq!(log_in_as(&client, "ada", PASSWORD).await.status(), 303);
    assert_eq!(who(&client).await, "ada");
}

#[tokio::test(start_paused = true)]
async fn a_user_whose_name_somebody_tries_logs_in_from_elsewhere() {
    let users = Users::ada().await;
    let attacker = from(&users, "192.0.2.1:4000").await;
    for _ in 0..20 {
        log_in_as(&attacker, "ada", "wrong").await;
    }
    let ada = elsewhere(&attacker, "192.0.2.2:4000");
    assert_eq!(log_in_as(&ada, "ada", PASSWORD).await.status(), 303);
    let same_port = elsewhere(&attacker, "192.0.2.1:5000");
    assert!(
        answer(&same_port, "ada", PASSWORD)
            .await
            .starts_with("Too many")
    );
}

#[tokio::test(start_paused = true)]
async fn unknown_names_have_to_wait_as_known_ones_do() {
    let users = Users::ada().await;
    let client = from(&users, "192.0.2.1:4000").await;
    let mut answers = Vec::new();
    for name in ["ada", "eve"] {
        for _ in 0..7 {
            answers.push(answer(&client, name, "wrong").await);
        }
    }
    assert_eq!(answers[..7], answers[7..]);
}

#[tokio::test(start_paused = true)]
async fn a_proxy_tells_whose_tries_they_are_and_others_do_not() {
    let users = Users::ada().await;
    let settings = settings().with("TRUSTED_PROXIES", ["10.0.0.1"]);
    let proxy = TestClient::start(site(settings, &users)).await;
    let proxy = proxy.from_address("10.0.0.1:80".parse().unwrap());
    let direct = elsewhere(&proxy, "192.0.2.9:80");
    let guess = async |client: &TestClient, visitor: String| {
        let form = client
            .post("/login")
            .form(&[("name", "ada"), ("password", "wrong")]);
        form.header("x-forwarded-for", &visitor)
            .await
            .text()
            .starts_with("Too many")
    };
    for n in 0..5 {
        assert!(!guess(&proxy, "198.51.100.1".into()).await);
        assert!(!guess(&direct, format!("198.51.100.{n}")).await);
    }
    assert!(guess(&proxy, "198.51.100.1".into()).await);
    assert!(
        !guess(&proxy, "198.51.100.2".into()).await,
        "another visitor"
    );
    assert!(
        guess(&proxy, "203.0.113.7, 198.51.100.1".into()).await,
        "what they say themselves"
    );
    assert!(guess(&direct, "198.51.100.99".into()).await, "no proxy");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_hundred_tries_at_once_five_are_compared() {
    let users = Users::ada().await;
    let client = from(&users, "[2001:db8::1]:4000").await;
    let tries = (0..100).map(|n| {
        let client = elsewhere(&client, &format!("[2001:db8::{n:x}]:4000"));
        async move {
            answer(&client, "ada", "wrong")
                .await
                .starts_with("The name")
        }
    });
    let compared = join_all(tries)
        .await
        .into_iter()
        .filter(|compared| *compared);
    assert_eq!(compared.count(), 5);
    assert_eq!(users.table().names.len(), 5);
}
