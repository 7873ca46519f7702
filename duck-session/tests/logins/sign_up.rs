//! Signing up, by the view that is ready and by hand.

use duck::auth::{self, Accounts, Auth, Credentials, login_required};
use duck::pages::Templates;
use duck::prelude::*;
use duck::testing::{TestClient, TestResponse};
use duck_session::SessionMiddleware;

use crate::support::{PASSWORD, User, Users, bare, cookie, log_in_as, settings, site, who};

/// The template has `field()` choose the type of each input: a password would be shown if it were given.
const SIGN_UP: &str = r"{{ form_errors(form) }}
{% for each in form.fields %}{{ field(each) }}<i>{{ each.value }}</i>{% endfor %}";

fn templates() -> Templates {
    let folder = tempfile::tempdir().unwrap().keep();
    std::fs::write(folder.join("signup.html"), SIGN_UP).unwrap();
    Templates::on_disk([folder])
}

async fn visitor(users: &Users) -> TestClient {
    let app = site(settings(), users).with(templates()).urls([
        path("/signup", auth::sign_up_view("signup.html")),
        path("/join", auth::sign_up_view("signup.html").then("mine")),
        path("/mine", mine).name("mine"),
        path("/by-hand", by_hand).methods([POST]),
    ]);
    TestClient::start(app).await
}

async fn mine(request: Request) -> Result<String> {
    let user: User = request.require_user().await?;
    Ok(user.name)
}

/// Takes what the visitor sent without a look at it.
async fn by_hand(request: Request) -> Result<String> {
    let (name, password): (String, String) = serde_json::from_slice(&request.bytes().await?)?;
    Ok(auth::sign_up(&request, &name, &password).await?.to_string())
}

async fn sign_up(client: &TestClient, name: &str, password: &str) -> TestResponse {
    let form = [("name", name), ("password", password)];
    client.post("/signup").form(&form).await
}

#[tokio::test]
async fn whoever_signs_up_is_logged_in_and_can_log_in_later() {
    let users = Users::ada().await;
    let client = visitor(&users).await;
    assert_eq!(client.get("/signup").await.status(), 200);
    let page = sign_up(&client, "Zoë.Müller+1@example.org ", "waddle waddle").await;
    assert_eq!(
        (page.status().as_u16(), page.header("location")),
        (303, Some("/"))
    );
    assert_eq!(who(&client).await, "Zoë.Müller+1@example.org");
    let elsewhere = client.another();
    let page = log_in_as(&elsewhere, "Zoë.Müller+1@example.org", "waddle waddle").await;
    assert_eq!(page.status(), 303);
}

#[tokio::test]
async fn whoever_signs_up_goes_on_to_where_they_were_going() {
    let users = Users::ada().await;
    for (url, there) in [
        ("/join", "/mine"),
        ("/join?next=/account", "/account"),
        ("/join?next=//evil.example", "/mine"),
        ("/join?next=https://evil.example", "/mine"),
        ("/join?next=/%5Cevil.example", "/mine"),
    ] {
        let client = visitor(&users).await;
        let name = format!("user{}", users.table().rows.len());
        let form = [("name", &*name), ("password", PASSWORD)];
        let page = client.post(url).form(&form).await;
        assert_eq!(page.header("location"), Some(there), "{url}");
        assert_eq!(client.get("/mine").await.text(), name);
    }
}

#[tokio::test]
async fn a_name_that_is_taken_lets_nobody_in() {
    let users = Users::ada().await;
    let client = visitor(&users).await;
    let page = sign_up(&client, "ada", "another password").await;
    assert_eq!(page.status(), 422);
    assert!(page.text().contains("is taken"), "{}", page.text());
    assert!(!page.text().contains("another password"));
    assert_eq!(who(&client).await, "nobody");
    assert_eq!(
        log_in_as(&client, "ada", PASSWORD).await.status(),
        303,
        "her own still counts"
    );
}

#[tokio::test]
async fn a_name_that_is_none_and_a_password_that_is_too_short_or_too_long_are_refused() {
    let users = Users::ada().await;
    let client = visitor(&users).await;
    let (long_name, long_password) = ("a".repeat(61), "p".repeat(257));
    for (name, password, wrong) in [
        ("", PASSWORD, "must be at least 1 character"),
        ("   ", PASSWORD, "must be letters, digits"),
        ("ada lovelace", PASSWORD, "must be letters, digits"),
        ("a\u{200b}da", PASSWORD, "must be letters, digits"),
        ("\u{202e}ada", PASSWORD, "must be letters, digits"),
        ("ada\0", PASSWORD, "is not readable text"),
        ("ada\r\nset-cookie", PASSWORD, "must be letters, digits"),
        ("<b>ada</b>", PASSWORD, "must be letters, digits"),
        ("' OR 1=1 --", PASSWORD, "must be letters, digits"),
        (&*long_name, PASSWORD, "must be at most 60 characters"),
        ("bob", "quack", "must be at least 8 characters"),
        ("bob", &*long_password, "must be at most 256 characters"),
    ] {
        let page = sign_up(&client, name, password).await;
        assert_eq!(page.status(), 422, "{name:?}");
        assert!(page.text().contains(wrong), "{name:?}: {}", page.text());
        assert!(
            !page.text().contains(&format!("<i>{password}</i>")),
            "{name:?}"
        );
    }
    assert_eq!(users.table().rows.len(), 1, "only Ada");
    assert_eq!(who(&client).await, "nobody");
}

/// An id that somebody planted in the browser before is worth nothing afterwards.
#[tokio::test]
async fn signing_up_gives_the_session_a_new_id() {
    let users = Users::ada().await;
    let client = visitor(&users).await;
    client.get("/set/cart/bread").await;
    let planted = cookie(&client);
    sign_up(&client, "bob", PASSWORD).await;
    assert_ne!(cookie(&client), planted);
    assert_eq!(client.get("/get/cart").await.text(), "bread");
}

#[tokio::test]
async fn by_hand_only_names_are_taken_that_can_log_in() {
    let users = Users::ada().await;
    let client = visitor(&users).await;
    let long = "a".repeat(255);
    for (name, password, answer) in [
        ("", PASSWORD, 422),
        ("  ", PASSWORD, 422),
        ("bob\n", PASSWORD, 422),
        (&*long, PASSWORD, 422),
        ("bob", "", 422),
        ("bob", PASSWORD, 200),
    ] {
        let body = serde_json::to_vec(&(name, password)).unwrap();
        let page = client.post("/by-hand").body("application/json", body).await;
        assert_eq!(page.status(), answer, "{name:?}: {}", page.text());
    }
    assert_eq!(who(&client).await, "bob");
}

#[tokio::test]
async fn who_is_nobody_gets_a_401_from_a_view_for_users() {
    let client = visitor(&Users::ada().await).await;
    let page = client.get("/mine").await;
    assert_eq!(page.status(), 401);
    assert_eq!(page.header("www-authenticate"), Some("Session"));
}

#[tokio::test]
async fn around_a_closed_site_the_page_to_sign_up_is_opened() {
    let users = Users::ada().await;
    let app = bare(settings(), &users)
        .with(templates())
        .middleware(login_required)
        .urls([
            path("/login", auth::sign_up_view("signup.html")).name("login"),
            path("/signup", auth::sign_up_view("signup.html")).public(),
            path("/closed", auth::sign_up_view("signup.html")),
        ]);
    let client = TestClient::start(app).await;
    assert_eq!(client.get("/signup").await.status(), 200);
    assert_eq!(client.get("/closed").await.status(), 303);
}

/// Accounts that are made elsewhere.
struct Closed;

impl Accounts for Closed {
    type User = User;

    async fn credentials(&self, _: &str) -> Result<Option<Credentials>> {
        Ok(None)
    }

    async fn hash(&self, _: &str) -> Result<Option<String>> {
        Ok(None)
    }

    async fn user(&self, _: &str) -> Result<Option<User>> {
        Ok(None)
    }

    async fn set_hash(&self, _: &str, _: &str, _: &str) -> Result<bool> {
        Ok(false)
    }
}

#[tokio::test]
async fn accounts_without_add_say_what_is_missing() {
    let app = App::new(settings().with("DEBUG", true))
        .with(SessionMiddleware::new())
        .with(Auth::new(|_| Ok(Closed)))
        .with(templates())
        .urls([
            path("/login", auth::sign_up_view("signup.html")).name("login"),
            path("/signup", auth::sign_up_view("signup.html")),
        ]);
    let client = TestClient::start(app).await;
    let page = sign_up(&client, "bob", PASSWORD).await;
    assert_eq!(page.status(), 500);
    assert!(page.text().contains("have no `add`"), "{}", page.text());
}
