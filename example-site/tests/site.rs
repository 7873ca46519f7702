//! The site as its visitors meet it.

use std::ops::Deref;

use duck::http::{Body, Connection};
use duck::testing::TestClient;
use http_body_util::BodyExt;
use tempfile::TempDir;

const ADA: [(&str, &str); 2] = [("name", "Ada"), ("password", "quack, quack")];

/// A visitor's browser, which keeps its cookies, and the folder of the site.
struct Browser {
    client: TestClient,
    folder: TempDir,
}

impl Deref for Browser {
    type Target = TestClient;

    fn deref(&self) -> &TestClient {
        &self.client
    }
}

async fn browser() -> Browser {
    let folder = tempfile::tempdir().expect("a folder");
    let app = app(&folder).setting("DEBUG", true);
    let client = TestClient::start(app).await;
    Browser { client, folder }
}

fn app(folder: &TempDir) -> duck::App {
    let database = format!("sqlite:{}", folder.path().join("test.db").display());
    example_site::app()
        .setting("DATABASE_URL", database)
        .setting("MEDIA_DIR", folder.path().join("media"))
        .setting("SESSION_STORAGE", "InMemoryCache")
        .setting("SECRET_KEY", "a key for tests, of 32 bytes or more")
}

#[tokio::test]
async fn visits_are_counted_for_each_visitor() {
    let first = browser().await;
    assert!(first.get("/").await.text().contains("been here 1 time."));
    assert!(first.get("/").await.text().contains("been here 2 times."));
    assert!(
        first
            .another()
            .get("/")
            .await
            .text()
            .contains("been here 1 time.")
    );
}

#[tokio::test]
async fn what_a_visitor_looked_at_last_is_known_without_a_session() {
    let site = browser().await;
    assert!(
        !site
            .get("/shop")
            .follow()
            .await
            .text()
            .contains("You looked at")
    );
    let item = site.get("/shop/items/1").await;
    let cookies = item.set_cookies();
    assert!(
        cookies.len() == 1 && cookies[0].starts_with("seen="),
        "{cookies:?}"
    );
    assert!(
        site.get("/shop")
            .follow()
            .await
            .text()
            .contains("You looked at")
    );
    let stranger = site.another();
    let shop = stranger
        .get("/shop/")
        .header("cookie", "seen=1")
        .follow()
        .await;
    assert!(!shop.text().contains("You looked at"));
}

#[tokio::test]
async fn every_page_works_under_the_default_policy_and_names_no_inline_script_or_style() {
    let site = browser().await;
    for path in [
        "/",
        "/shop/cart",
        "/notes",
        "/guestbook",
        "/login",
        "/sign-up",
        "/missing",
    ] {
        let page = site.get(path).header("accept", "text/html").follow().await;
        let policy = page.header("content-security-policy").unwrap();
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        for inline in ["<script>", " style=", " onclick=", "javascript:"] {
            assert!(!page.text().contains(inline), "{path}: {inline}");
        }
    }
}

#[tokio::test]
async fn forgetting_begins_anew() {
    let site = browser().await;
    site.get("/").await;
    assert_eq!(site.post("/forget").await.header("location"), Some("/"));
    assert!(site.get("/").await.text().contains("been here 1 time."));
}

#[tokio::test]
async fn a_name_from_the_path_is_escaped() {
    let page = browser().await.get("/hello/%3Cscript%3E").await;
    assert!(page.text().contains("Hello, &lt;script&gt;!"));
}

#[tokio::test]
async fn the_cart_fills_and_empties() {
    let site = browser().await;
    site.post("/shop/cart/add/1").await;
    site.post("/shop/cart/add/1").await;
    let cart = site.get("/shop/cart").await;
    assert!(cart.text().contains("2 × Rubber duck") && cart.text().contains("Total € 9.00"));
    assert!(cart.text().contains("Cart (2)"));
    site.post("/shop/cart/remove/1").await;
    assert!(site.get("/shop/cart").await.text().contains("Nothing yet."));
}

#[tokio::test]
async fn what_the_shop_has_to_say_is_said_once_and_escaped() {
    let site = browser().await;
    site.post("/shop/cart/add/1").await;
    let message = "<p class=\"flash success\" role=\"status\">Rubber duck is in your cart.</p>";
    assert!(site.get("/shop/cart").await.text().contains(message));
    assert!(
        !site
            .get("/shop/cart")
            .await
            .text()
            .contains("class=\"flash")
    );
    let name = "<b>Ada</b>";
    let answer = site
        .post("/sign-up")
        .form(&[("name", name), ("password", "quack, quack")])
        .await;
    assert_eq!(answer.status(), 303);
    let page = site.get("/").await;
    assert!(page.text().contains("Welcome, &lt;b&gt;Ada&lt;/b&gt;.</p>"));
    assert!(!page.text().contains(name));
}

#[tokio::test]
async fn what_is_not_sold_is_not_found() {
    let site = browser().await;
    for path in [
        "/shop/items/99",
        "/shop/items/bread",
        "/shop/items/-1",
        "/nowhere",
    ] {
        assert_eq!(site.get(path).await.status(), 404, "{path}");
    }
    assert_eq!(site.post("/shop/cart/add/99").await.status(), 404);
    assert_eq!(site.get("/shop/cart/add/1").await.status(), 405);
}

#[tokio::test]
async fn the_guestbook_takes_words_and_no_markup() {
    let site = browser().await;
    let answer = site
        .post("/guestbook")
        .form(&[("text", "<b>Quack</b>")])
        .await;
    assert_eq!(answer.status(), 303);
    assert!(
        site.get("/guestbook")
            .await
            .text()
            .contains("<li>&lt;b&gt;Quack&lt;/b&gt;</li>")
    );
    let empty = site.post("/guestbook").form(&[("text", "  ")]).await;
    assert_eq!(empty.status(), 422);
    assert!(empty.text().contains("is required"));
    assert_eq!(
        site.post("/guestbook")
            .form(&[("words", "x")])
            .await
            .status(),
        422
    );
    assert_eq!(
        site.post("/guestbook")
            .body("text/plain", "text=x")
            .await
            .status(),
        415
    );
}

#[tokio::test]
async fn logging_in_changes_the_id_and_logging_out_leaves_nothing() {
    let site = browser().await;
    site.another().post("/sign-up").form(&ADA).await;
    site.get("/").await;
    let before = site.cookie("session_id");
    let wrong = [("name", "Ada"), ("password", "moo")];
    let wrong = site.post("/login").form(&wrong).await;
    assert_eq!(wrong.status(), 422);
    let says = "The name or the password is wrong.";
    assert!(wrong.text().contains(says));
    site.post("/login").form(&ADA).await;
    assert_ne!(site.cookie("session_id"), before);
    let me: serde_json::Value = site.get("/api/me").await.json();
    assert_eq!(
        (me["user"].as_str(), me["visits"].as_u64()),
        (Some("Ada"), Some(1))
    );

    let stolen = site.cookie("session_id").unwrap();
    site.post("/logout").await;
    assert_eq!(site.cookie("session_id"), None);
    let thief = site.another();
    thief.set_cookie("session_id", &stolen);
    let me: serde_json::Value = thief.get("/api/me").await.json();
    assert_eq!(me["user"], serde_json::Value::Null);
}

#[tokio::test]
async fn what_was_entered_is_still_there_after_a_complaint() {
    let site = browser().await;
    let name = "Ada \"<b>\"";
    let again = site
        .post("/login")
        .form(&[("name", name), ("password", "moo")])
        .await;
    let kept = "value=\"Ada &quot;&lt;b&gt;&quot;\"";
    assert!(again.text().contains(kept), "{}", again.text());
    assert!(!again.text().contains("moo"), "the password is not kept");
    let long = "<quack>".repeat(50);
    let again = site.post("/guestbook").form(&[("text", &long)]).await;
    assert_eq!(again.status(), 422);
    assert!(again.text().contains(&"&lt;quack&gt;".repeat(50)));
}

#[tokio::test]
async fn the_first_visit_finds_everything_it_asks_for() {
    let site = browser().await;
    let page = site.get("/").await;
    for part in ["<meta charset=\"utf-8\">", "<meta name=\"viewport\" "] {
        assert!(page.text().contains(part), "{part}");
    }
    for (link, media_type) in [
        ("<link rel=\"icon\" href=\"", "image/svg+xml"),
        (
            "<link rel=\"stylesheet\" href=\"",
            "text/css; charset=utf-8",
        ),
    ] {
        let path = page.text().split(link).nth(1).expect(link);
        let file = site.get(path.split('"').next().unwrap()).await;
        assert_eq!(file.status(), 200, "{link}");
        assert_eq!(file.header("content-type"), Some(media_type));
    }
}

#[tokio::test]
async fn a_user_sees_where_they_are_logged_in_and_logs_out_there() {
    let site = browser().await;
    site.post("/sign-up").form(&ADA).await;
    site.post("/logout").await;
    let (laptop, phone, login) = (site.another(), site.another(), ADA);
    for (browser, agent) in [(&laptop, "Laptop"), (&phone, "<b>Phone</b>")] {
        let asked = browser.post("/login").header("user-agent", agent);
        assert_eq!(asked.form(&login).await.status(), 303);
    }
    let page = laptop.get("/account").await;
    let page = page.text();
    assert!(
        page.contains("<td>Laptop</td>\n<td>this browser</td>"),
        "{page}"
    );
    assert!(page.contains("&lt;b&gt;Phone&lt;/b&gt;"), "{page}");
    let action = page.split("action=\"/account/end/").nth(1).unwrap();
    let name = action.split('"').next().unwrap();

    let stranger = laptop.another();
    stranger.post(&format!("/account/end/{name}")).await;
    assert_eq!(
        phone.get("/account").await.status(),
        200,
        "not by a stranger"
    );
    assert_eq!(
        laptop.get(&format!("/account/end/{name}")).await.status(),
        405
    );
    laptop.post(&format!("/account/end/{name}")).await;
    assert_eq!(
        phone.get("/account").await.header("location"),
        Some("/login?next=/account")
    );

    phone.post("/login").form(&login).await;
    laptop.post("/account/end-others").await;
    assert_eq!(phone.get("/account").await.status(), 303);
    assert_eq!(laptop.get("/account").await.status(), 200);
}

/// One look: the example's own rules are in a file of their own.
#[test]
fn the_style_sheet_is_that_of_a_new_site() {
    assert_eq!(
        include_str!("../static/css/site.css"),
        include_str!("../../duck-cli/template/normal/static/css/site.css")
    );
}

#[tokio::test]
async fn the_style_sheet_is_served() {
    let sheet = browser().await.get("/static/css/site.css").await;
    assert_eq!(
        (sheet.status().as_u16(), sheet.header("content-type")),
        (200, Some("text/css; charset=utf-8"))
    );
}

#[tokio::test]
async fn a_name_is_taken_once_and_passwords_are_long() {
    let site = browser().await;
    for (name, password, says) in [
        ("Ada", "quack", "must be at least 8 characters"),
        (" ", "quack, quack", "must be a name"),
        ("A\tda", "quack, quack", "must be a name"),
        (&"a".repeat(41), "quack, quack", "at most 40 characters"),
    ] {
        let form = [("name", name), ("password", password)];
        let page = site.post("/sign-up").form(&form).await;
        assert_eq!(page.status(), 422, "{name}");
        assert!(page.text().contains(says), "{name}: {}", page.text());
    }
    let home = site.post("/sign-up").form(&ADA).await;
    assert_eq!(home.header("location"), Some("/"));
    for name in ["Ada", "ada", " ADA "] {
        let form = [("name", name), ("password", "another one")];
        let page = site.another().post("/sign-up").form(&form).await;
        assert!(page.text().contains("is taken"), "{name}");
        let form = [("name", name), ("password", "quack, quack")];
        let answer = site.another().post("/login").form(&form).await;
        assert_eq!(answer.status(), 303, "{name}");
    }
}

#[tokio::test]
async fn a_login_leads_to_the_page_that_asked_for_it() {
    let site = browser().await;
    site.post("/sign-up").form(&ADA).await;
    site.post("/logout").await;
    let answer = site.post("/login?next=/notes/new").form(&ADA).await;
    assert_eq!(answer.header("location"), Some("/notes/new"));
    let other = site.another();
    let answer = other.post("/login?next=//evil.example").form(&ADA).await;
    assert_eq!(answer.header("location"), Some("/"));
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions() {
    let site = browser().await;
    let phone = site.another();
    site.post("/sign-up").form(&ADA).await;
    phone.post("/login").form(&ADA).await;
    let form = |old| {
        let new = "quack, quack, quack";
        [("old", old), ("new", new), ("again", new)]
    };
    let page = site.post("/account/password").form(&form("moo")).await;
    assert_eq!(page.status(), 422);
    assert_eq!(phone.get("/account").await.status(), 200);
    let right = form("quack, quack");
    let answer = site.post("/account/password").form(&right).await;
    assert_eq!(answer.header("location"), Some("/account"));
    assert_eq!(site.get("/account").await.status(), 200);
    assert_eq!(phone.get("/account").await.status(), 303);
    assert_eq!(phone.post("/login").form(&ADA).await.status(), 422);
}

#[tokio::test]
async fn a_picture_is_shown_and_another_one_takes_its_place() {
    let site = browser().await;
    site.post("/sign-up").form(&ADA).await;
    let files = || {
        std::fs::read_dir(site.folder.path().join("media"))
            .unwrap()
            .count()
    };
    let png = b"\x89PNG\r\n\x1a\nquack";
    let upload = async |name: &str, bytes: &[u8]| {
        site.post("/account")
            .file("picture", name, "image/png", bytes)
            .await
    };
    for name in ["../Duck.PNG", "duck.png"] {
        assert_eq!(
            upload(name, png).await.header("location"),
            Some("/account"),
            "{name}"
        );
        let page = site.get("/account").await;
        let url = page
            .text()
            .split("<img class=\"picture\" src=\"")
            .nth(1)
            .unwrap();
        let picture = site.get(url.split('"').next().unwrap()).await;
        assert_eq!(&picture.bytes()[..], png);
        assert_eq!(picture.header("content-type"), Some("image/png"));
        assert_eq!(picture.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(files(), 1);
    }
    for name in ["evil.html", "duck.svg", "png", ""] {
        let page = upload(name, png).await;
        assert_eq!(page.status(), 422, "{name}");
    }
    let page = upload("duck.png", b"<script>alert(1)</script>").await;
    assert_eq!(page.status(), 422);
    assert_eq!(files(), 1);
}

#[tokio::test]
async fn errors_have_the_look_of_the_site() {
    let folder = tempfile::tempdir().unwrap();
    let site = TestClient::start(app(&folder).setting("DEBUG", false)).await;
    for (path, status, says) in [
        ("/nowhere", 404, "There is no such page"),
        ("/shop/items/99", 404, "There is no such page"),
        ("/shop/cart/add/1", 405, "Method Not Allowed"),
    ] {
        let page = site.get(path).header("accept", "text/html").await;
        assert_eq!(page.status(), status, "{path}");
        assert!(page.text().contains(says), "{path}: {}", page.text());
        assert!(page.text().contains("<nav "), "{path}");
    }
}

#[tokio::test]
async fn what_is_said_in_the_chat_reaches_everybody_with_the_name_of_whoever_said_it() {
    let site = browser().await;
    site.post("/sign-up").form(&ADA).await;
    let mut ada = site.websocket("/live/chat").await;
    let mut somebody = site.another().websocket("/live/chat").await;
    // Somebody has entered once they hear themselves.
    somebody.send("hello").await;
    let heard: serde_json::Value = next(&mut somebody).await;
    assert_eq!(
        heard,
        serde_json::json!({ "name": "Somebody", "text": "hello" })
    );
    ada.send("  <b>quack</b> ").await;
    let expected = serde_json::json!({ "name": "Ada", "text": "<b>quack</b>" });
    assert_eq!(next(&mut somebody).await, expected);
}

async fn next(socket: &mut duck::testing::TestSocket) -> serde_json::Value {
    let message = socket.receive().await.expect("the socket is open");
    serde_json::from_slice(message.bytes()).expect("JSON")
}

#[tokio::test]
async fn the_chat_passes_on_nothing_empty_long_or_binary() {
    let site = browser().await;
    let mut socket = site.websocket("/live/chat").await;
    socket.send("   ").await;
    socket.send("x".repeat(281)).await;
    socket.send(vec![1, 2, 3]).await;
    socket.send("x".repeat(280)).await;
    let heard = next(&mut socket).await;
    assert_eq!(heard["text"].as_str().map(str::len), Some(280));
}

#[tokio::test]
async fn a_page_of_another_site_cannot_listen_to_the_chat() {
    let site = browser().await;
    let chat = site.websocket("/live/chat");
    let refused = chat.from_origin("https://evil.example").refused().await;
    assert_eq!(refused.status(), 403);
}

#[tokio::test]
async fn the_live_page_has_its_script_in_a_file_of_its_own() {
    let site = browser().await;
    let page = site.get("/live/").await;
    assert!(
        page.text().contains(r#"data-url="/live/chat""#),
        "{}",
        page.text()
    );
    assert!(page.text().contains("/static/js/live.js"));
    let script = site.get("/static/js/live.js").await;
    assert_eq!(script.status(), 200);
    assert!(!page.text().contains("onclick") && !script.text().contains("innerHTML"));
}

#[tokio::test]
async fn visitors_of_the_live_page_are_counted_while_they_stay() {
    let site = browser().await;
    let listen = async |name: &'static str| {
        let request = http::Request::get("/live/visitors").header("host", "testserver");
        let request = request.body(Body::empty()).expect("a request");
        let answer = site.site().respond(request, Connection::default()).await;
        assert_eq!(
            answer.header("content-type"),
            Some("text/event-stream"),
            "{name}"
        );
        answer.into_http().into_body()
    };
    let mut first = listen("first").await;
    assert_eq!(event(&mut first).await, "data: 1\n\n");
    let mut second = listen("second").await;
    assert_eq!(event(&mut second).await, "data: 2\n\n");
    assert_eq!(event(&mut first).await, "data: 2\n\n");
    drop(second);
    assert_eq!(event(&mut first).await, "data: 1\n\n");
}

/// The next piece of a response.
async fn event(body: &mut Body) -> String {
    let frame = body
        .frame()
        .await
        .expect("another event")
        .expect("no error");
    let data = frame.into_data().expect("data");
    String::from_utf8(data.to_vec()).expect("text")
}
