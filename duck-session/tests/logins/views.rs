//! The views that are ready: logging in, and changing the password.

use std::time::Duration;

use duck::auth::{self, login_required};
use duck::pages::Templates;
use duck::prelude::*;
use duck::testing::{TestClient, TestResponse};
use tokio::time::advance;

use crate::support::{PASSWORD, Users, bare, cookie, log_in_as, settings, who};

const NEW: &str = "tr0ub4dor&3";

/// The template has `field()` choose the type of each input: a password would be shown if it were given.
const LOGIN: &str = r#"<form method="post">{{ csrf_field() }}{{ form_errors(form) }}
{{ field(form.name) }}{{ field(form.password) }}<i>{{ form.password.value }}</i></form>"#;

const CHANGE: &str = r#"<form method="post">{{ csrf_field() }}{{ form_errors(form) }}
{% for each in form.fields %}{{ field(each) }}<i>{{ each.value }}</i>{% endfor %}</form>"#;

async fn home(request: Request) -> Result<Response> {
    let name = match request.user::<crate::support::User>().await? {
        Some(user) => user.name,
        None => "nobody".to_owned(),
    };
    Ok(text(name))
}

async fn flashes(request: Request) -> Result<String> {
    let flashes = request.session.flashes().await?;
    let said = flashes.iter().map(|flash| flash.message.as_str());
    Ok(said.collect::<Vec<_>>().join("; "))
}

async fn plain(_request: Request) -> &'static str {
    "plain"
}

fn uploads() -> std::path::PathBuf {
    let folder = tempfile::tempdir().unwrap().keep();
    std::fs::write(folder.join("a.txt"), "an upload").unwrap();
    folder
}

fn templates() -> Templates {
    let folder = tempfile::tempdir().unwrap().keep();
    std::fs::write(folder.join("login.html"), LOGIN).unwrap();
    std::fs::write(folder.join("password.html"), CHANGE).unwrap();
    Templates::on_disk([folder])
}

fn site(settings: Settings, users: &Users) -> App {
    bare(settings, users).with(templates()).urls([
        path("/", home).name("home"),
        path("/login", auth::login_view("login.html")).name("login"),
        path("/enter", auth::login_view("login.html").then("flashes")),
        path("/logout", auth::logout_view()),
        path("/leave", auth::logout_view().then("flashes")),
        duck::files::media_folder("/media/", uploads()),
        duck::files::media_folder("/shown/", uploads()).public(),
        path("/password", auth::password_view("password.html")),
        path("/flashes", flashes).name("flashes"),
        path("/plain", plain),
    ])
}

async fn visit(users: &Users) -> TestClient {
    TestClient::start(site(settings(), users)).await
}

fn status_and_location(response: &TestResponse) -> (u16, Option<&str>) {
    (response.status().as_u16(), response.header("location"))
}

async fn change(client: &TestClient, old: &str, new: &str, again: &str) -> TestResponse {
    let fields = [("old", old), ("new", new), ("again", again)];
    client.post("/password").form(&fields).await
}

#[tokio::test]
async fn the_ready_login_shows_its_form_without_a_session_and_logs_in() {
    let users = Users::ada().await;
    let client = visit(&users).await;
    let page = client.get("/login").await;
    assert_eq!(page.status(), 200);
    assert!(page.text().contains(r#"name="name""#), "{}", page.text());
    assert!(page.text().contains(r#"name="password""#));
    assert_eq!((page.set_cookies(), page.header("vary")), (vec![], None));
    assert_eq!(client.head("/login").await.status(), 200);
    assert_eq!(client.put("/login").await.status(), 405);
    let page = log_in_as(&client, "ada", PASSWORD).await;
    assert_eq!(status_and_location(&page), (303, Some("/")));
    assert_eq!(who(&client).await, "ada");
}

#[tokio::test]
async fn the_ready_login_keeps_the_name_and_never_the_password() {
    let users = Users::ada().await;
    let client = visit(&users).await;
    for (name, password) in [("ada", "s3cret-typed"), ("<b>\"eve", "s3cret-typed")] {
        let page = log_in_as(&client, name, password).await;
        assert_eq!(page.status(), 422);
        let text = page.text();
        assert!(
            text.contains("The name or the password is wrong."),
            "{text}"
        );
        assert!(!text.contains("s3cret"), "{text}");
        assert!(!text.contains("<b>"), "{text}");
        assert_eq!(page.set_cookies(), [""; 0]);
    }
    let page = log_in_as(&client, "ada", "wrong").await;
    assert!(page.text().contains(r#"value="ada""#), "{}", page.text());
    let page = log_in_as(&client, "", "s3cret-typed").await;
    assert_eq!(page.status(), 422);
    assert!(!page.text().contains("s3cret"), "{}", page.text());
    assert_eq!(who(&client).await, "nobody");
}

#[tokio::test]
async fn what_is_no_login_form_is_answered_and_lets_nobody_in() {
    let users = Users::ada().await;
    let client = visit(&users).await;
    for (fields, says) in [
        (&[][..], "is required"),
        (&[("name", "ada")], "is required"),
        (&[("password", "s3cret")], "is required"),
        (
            &[("name", "a\0"), ("password", "s3cret")],
            "is not readable text",
        ),
        (&[("name", "ada"), ("password[0]", "s3cret")], "password"),
    ] {
        let page = client.post("/login").form(fields).await;
        assert_eq!(page.status(), 422, "{fields:?}");
        assert!(page.text().contains(says), "{fields:?}: {}", page.text());
        assert!(!page.text().contains("s3cret"), "{fields:?}");
    }
    let json = client.post("/login").json(&["ada", PASSWORD]).await;
    assert_eq!(json.status(), 415);
    let name = "n".repeat(1 << 20);
    assert_eq!(log_in_as(&client, &name, PASSWORD).await.status(), 422);
    assert_eq!(who(&client).await, "nobody");
}

#[tokio::test(start_paused = true)]
async fn too_many_tries_are_told_when_to_try_again() {
    let users = Users::ada().await;
    let client = visit(&users).await;
    for _ in 0..5 {
        assert_eq!(log_in_as(&client, "ada", "wrong").await.status(), 422);
    }
    let page = log_in_as(&client, "ada", PASSWORD).await;
    assert_eq!(
        (page.status().as_u16(), page.header("retry-after")),
        (429, Some("30"))
    );
    let text = page.text();
    assert!(text.contains("Too many tries: wait 30 seconds."), "{text}");
    assert!(text.contains(r#"value="ada""#) && !text.contains(PASSWORD));
    advance(Duration::from_secs(30)).await;
    assert_eq!(log_in_as(&client, "ada", PASSWORD).await.status(), 303);
}

#[tokio::test]
async fn a_login_leads_to_next_then_to_the_page_it_names_then_home() {
    let users = Users::ada().await;
    let client = visit(&users).await;
    let ada = [("name", "ada"), ("password", PASSWORD)];
    for (address, there) in [
        ("/login", "/"),
        ("/enter", "/flashes"),
        ("/login?next=/plain", "/plain"),
        ("/enter?next=/plain", "/plain"),
        ("/enter?next=//evil.example", "/flashes"),
    ] {
        let page = client.post(address).form(&ada).await;
        assert_eq!(status_and_location(&page), (303, Some(there)), "{address}");
    }
    let fields = [("name", "ada"), ("password", PASSWORD), ("next", "/plain")];
    let page = client.post("/login").form(&fields).await;
    assert_eq!(page.header("location"), Some("/plain"));
    let homeless = bare(settings(), &users).with(templates()).urls([
        path("/login", auth::login_view("login.html")).name("login"),
        path("/enter", auth::login_view("login.html").then("nowhere")),
    ]);
    let client = TestClient::start(homeless).await;
    let page = client.post("/login").form(&ada).await;
    assert_eq!(page.header("location"), Some("/"));
    assert_eq!(client.post("/enter").form(&ada).await.status(), 500);
}

#[tokio::test]
async fn a_logout_leads_to_next_then_to_the_page_it_names_then_home() {
    let users = Users::ada().await;
    let client = visit(&users).await;
    for (address, there) in [
        ("/logout", "/"),
        ("/leave", "/flashes"),
        ("/leave?next=/plain", "/plain"),
    ] {
        log_in_as(&client, "ada", PASSWORD).await;
        let page = client.post(address).await;
        assert_eq!(status_and_location(&page), (303, Some(there)), "{address}");
        assert_eq!(who(&client).await, "nobody");
    }
}

#[tokio::test]
async fn uploads_of_a_closed_site_are_for_users_unless_they_are_public() {
    let users = Users::ada().await;
    let app = site(settings(), &users).middleware(login_required);
    let client = TestClient::start(app).await;
    assert_eq!(client.get("/shown/a.txt").await.text(), "an upload");
    assert_eq!(client.get("/media/a.txt").await.status(), 303);
    let image = client.get("/media/a.txt").header("sec-fetch-dest", "image");
    assert_eq!(image.await.status(), 401);
    log_in_as(&client, "ada", PASSWORD).await;
    let upload = client.get("/media/a.txt").await;
    assert_eq!(upload.text(), "an upload");
    assert_eq!(upload.header("vary"), Some("Cookie"));
    let kept = upload.header("cache-control").unwrap_or_default();
    assert!(!kept.contains("public"), "{kept}");
}

#[tokio::test]
async fn who_is_logged_in_may_log_in_as_somebody_else() {
    let users = Users::ada().await;
    users.add("bob", &users.hash_of(1));
    let client = visit(&users).await;
    log_in_as(&client, "ada", PASSWORD).await;
    let page = client.get("/login?next=/plain").await;
    assert_eq!(page.status(), 200, "another site learns nothing from it");
    log_in_as(&client, "bob", PASSWORD).await;
    assert_eq!(who(&client).await, "bob");
}

#[tokio::test]
async fn a_closed_site_has_its_ready_login_open() {
    let users = Users::ada().await;
    let app = site(settings(), &users).middleware(login_required);
    let client = TestClient::start(app).await;
    let page = client.get("/plain").header("accept", "text/html").await;
    let login = page.header("location").unwrap().to_owned();
    assert_eq!(client.get(&login).await.status(), 200);
    let form = [("name", "ada"), ("password", PASSWORD)];
    let page = client.post(&login).form(&form).await;
    assert_eq!(page.header("location"), Some("/plain"));
    assert_eq!(client.get("/plain").await.text(), "plain");
}

#[tokio::test]
async fn ready_views_work_with_tokens() {
    let users = Users::ada().await;
    let client = TestClient::start(site(settings().with("CSRF_TOKENS", true), &users)).await;
    let bare = log_in_as(&client, "ada", PASSWORD).await;
    assert_eq!(bare.status(), 403);
    let token = token(client.get("/login").await.text());
    let wrong = [("csrf_token", &*token), ("name", "ada"), ("password", "x")];
    let page = client.post("/login").form(&wrong).await;
    assert_eq!(page.status(), 422, "{}", page.text());
    let token = self::token(page.text());
    let right = [
        ("csrf_token", &*token),
        ("name", "ada"),
        ("password", PASSWORD),
    ];
    assert_eq!(client.post("/login").form(&right).await.status(), 303);
    assert_eq!(who(&client).await, "ada");
    let token = self::token(client.get("/password").await.text());
    assert_eq!(change(&client, PASSWORD, NEW, NEW).await.status(), 403);
    let fields = [
        ("csrf_token", &*token),
        ("old", PASSWORD),
        ("new", NEW),
        ("again", NEW),
    ];
    assert_eq!(client.post("/password").form(&fields).await.status(), 303);
    assert_eq!(who(&client).await, "ada");
}

/// What the hidden field of a page has for its next form.
fn token(page: &str) -> String {
    let (_, rest) = page.split_once(r#"name="csrf_token" value=""#).unwrap();
    rest.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn the_ready_password_page_changes_it_once_and_ends_the_other_sessions() {
    for engine in ["cache", "cookie"] {
        let users = Users::ada().await;
        let settings = settings().with("SESSION_ENGINE", engine);
        let here = TestClient::start(site(settings, &users)).await;
        let elsewhere = here.another();
        for client in [&here, &elsewhere] {
            log_in_as(client, "ada", PASSWORD).await;
        }
        let page = here.get("/password").await;
        assert_eq!(page.status(), 200);
        let before = cookie(&here);
        let page = change(&here, PASSWORD, NEW, NEW).await;
        assert_eq!(status_and_location(&page), (303, Some("/")), "{engine}");
        assert_ne!(cookie(&here), before);
        let said = here.get("/flashes").await;
        assert_eq!(said.text(), "Your password has been changed.");
        assert_eq!(here.get("/flashes").await.text(), "", "once");
        assert_eq!(who(&here).await, "ada", "{engine}");
        assert_eq!(who(&elsewhere).await, "nobody", "{engine}");
        assert_eq!(log_in_as(&elsewhere, "ada", PASSWORD).await.status(), 422);
        assert_eq!(log_in_as(&elsewhere, "ada", NEW).await.status(), 303);
    }
}

#[tokio::test]
async fn the_ready_password_page_says_what_is_wrong_beside_the_field() {
    let users = Users::ada().await;
    let client = visit(&users).await;
    log_in_as(&client, "ada", PASSWORD).await;
    let hash = users.hash_of(1);
    let long = "s3cret".repeat(50);
    for (old, new, again, says) in [
        ("s3cret", NEW, NEW, r#"id="id_old_error">is wrong"#),
        ("", NEW, NEW, r#"id="id_old_error">is wrong"#),
        (
            PASSWORD,
            "s3cret7",
            "s3cret7",
            r#"id="id_new_error">must be at least 8 characters"#,
        ),
        (
            PASSWORD,
            "",
            "",
            r#"id="id_new_error">must be at least 8 characters"#,
        ),
        (
            PASSWORD,
            &long,
            &long,
            r#"id="id_new_error">must be at most 256 characters"#,
        ),
        (
            PASSWORD,
            NEW,
            "s3cret-other",
            r#"id="id_again_error">must be the same as new"#,
        ),
    ] {
        let page = change(&client, old, new, again).await;
        let text = page.text();
        assert_eq!(page.status(), 422, "{text}");
        assert!(text.contains(says), "{says}: {text}");
        for password in ["s3cret", PASSWORD, NEW] {
            assert!(!text.contains(password), "{password}: {text}");
        }
    }
    assert_eq!(users.hash_of(1), hash);
    assert_eq!(client.get("/flashes").await.text(), "");
    let all = "\u{1F986}".repeat(256);
    assert_eq!(change(&client, PASSWORD, &all, &all).await.status(), 303);
    assert_eq!(
        log_in_as(&client.another(), "ada", &all).await.status(),
        303
    );
}

#[tokio::test(start_paused = true)]
async fn old_passwords_are_not_guessed_on_the_ready_page() {
    let users = Users::ada().await;
    let client = visit(&users).await;
    log_in_as(&client, "ada", PASSWORD).await;
    for _ in 0..5 {
        assert_eq!(change(&client, "wrong", NEW, NEW).await.status(), 422);
    }
    let page = change(&client, PASSWORD, NEW, NEW).await;
    assert_eq!(
        (page.status().as_u16(), page.header("retry-after")),
        (429, Some("30"))
    );
    assert!(page.text().contains("Too many tries: wait 30 seconds."));
}

#[tokio::test]
async fn the_ready_password_page_is_for_users() {
    let users = Users::ada().await;
    let client = visit(&users).await;
    let page = client.get("/password").header("accept", "text/html").await;
    assert_eq!(
        status_and_location(&page),
        (303, Some("/login?next=/password"))
    );
    let script = client.get("/password").header("sec-fetch-dest", "empty");
    assert_eq!(script.await.status(), 401);
    let hash = users.hash_of(1);
    assert!(
        !change(&client, PASSWORD, NEW, NEW)
            .await
            .status()
            .is_success()
    );
    assert_eq!(users.hash_of(1), hash);
}
