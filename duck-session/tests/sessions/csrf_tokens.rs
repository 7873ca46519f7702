//! Tokens in forms, where `CSRF_TOKENS` is set: rule 70.

use duck::middleware::{csrf_field, csrf_token};
use duck::pages::Templates;
use duck::prelude::*;
use duck::testing::TestClient;
use duck_session::SessionMiddleware;

async fn page(request: Request) -> Result<String> {
    csrf_field(&request).await
}

async fn token(request: Request) -> Result<String> {
    csrf_token(&request).await
}

/// Gives back what the form says, which the check has read before.
async fn save(request: Request) -> Result<String> {
    let form = request.text().await?;
    let title = form
        .split('&')
        .find_map(|field| field.strip_prefix("title="));
    Ok(title.unwrap_or_default().to_owned())
}

async fn upload(request: Request) -> Result<String> {
    let form = request.multipart_form().await?;
    let file = form.file("file").or_404()?;
    Ok(format!("{} bytes", file.bytes().len()))
}

/// Counts the bytes, as they come.
async fn stream_upload(request: Request) -> Result<String> {
    let (mut body, mut count) = (request.body_stream()?, 0);
    while let Some(piece) = body.next().await? {
        count += piece.len();
    }
    Ok(format!("{count} bytes"))
}

async fn json(request: Request) -> Result<String> {
    let title: String = request.json().await?;
    Ok(title)
}

async fn login(request: Request) -> Result<&'static str> {
    request.session.login("ada").await?;
    Ok("in")
}

async fn logout(request: Request) -> Result<&'static str> {
    request.session.logout().await?;
    Ok("out")
}

fn settings() -> Settings {
    Settings::default()
        .with("SESSION_STORAGE", "InMemoryCache")
        .with("SECRET_KEY", "a key that is thirty-two bytes long, or more")
        .with("MAX_BODY_BYTES", 4000)
}

async fn site(settings: Settings) -> TestClient {
    let app = App::new(settings).with(SessionMiddleware::new()).urls([
        path("/", page),
        path("/token", token),
        path("/save", save).methods([POST]),
        path("/upload", upload).methods([POST]),
        path("/large", stream_upload)
            .methods([POST])
            .max_body(1_000_000),
        path("/json", json).methods([PUT]),
        path("/login", login).methods([POST]),
        path("/logout", logout).methods([POST]),
        path("/hook", save).methods([POST]).csrf(false),
    ]);
    TestClient::start(app).await
}

async fn strict() -> TestClient {
    site(settings().with("CSRF_TOKENS", true)).await
}

/// The token of a page of this visitor.
async fn ask(site: &TestClient) -> String {
    site.get("/token").await.text().to_owned()
}

#[tokio::test]
async fn without_the_setting_there_is_no_field_and_no_session() {
    let site = site(settings()).await;
    let page = site.get("/").await;
    assert_eq!(page.text(), "");
    assert_eq!(
        (page.header("vary"), page.header("set-cookie")),
        (None, None)
    );
    let login = site.post("/login").await;
    assert_eq!(login.text(), "in", "a visitor without a session logs in");
}

#[tokio::test]
async fn a_form_with_the_pages_token_is_taken_and_the_view_reads_it_again() {
    let site = strict().await;
    let page = site.get("/").await;
    let (start, end) = ("<input type=\"hidden\" name=\"csrf_token\" value=\"", "\">");
    let token = page
        .text()
        .strip_prefix(start)
        .and_then(|rest| rest.strip_suffix(end));
    let token = token.expect("a field").to_owned();
    let saved = site
        .post("/save")
        .form(&[("csrf_token", token.as_str()), ("title", "Duck")])
        .await;
    assert_eq!((saved.status().as_u16(), saved.text()), (200, "Duck"));
    let upload = site
        .post("/upload")
        .field("csrf_token", &token)
        .file("file", "a", "text/plain", "abc")
        .await;
    assert_eq!((upload.status().as_u16(), upload.text()), (200, "3 bytes"));
    let last = site
        .post("/upload")
        .file("file", "a", "text/plain", "abc")
        .field("csrf_token", &token)
        .await;
    assert_eq!((last.status().as_u16(), last.text()), (200, "3 bytes"));
}

#[tokio::test]
async fn a_script_sends_it_in_a_header() {
    let site = strict().await;
    let token = ask(&site).await;
    let saved = site
        .request(PUT, "/json")
        .json("Duck")
        .header("X-CSRF-Token", &token)
        .await;
    assert_eq!((saved.status().as_u16(), saved.text()), (200, "Duck"));
    assert_eq!(site.request(PUT, "/json").json("Duck").await.status(), 403);
    // The header stands over the form.
    let form = [("csrf_token", token.as_str())];
    assert_eq!(
        site.post("/save")
            .form(&form)
            .header("X-CSRF-Token", "x")
            .await
            .status(),
        403
    );
}

#[tokio::test]
async fn a_token_that_is_missing_wrong_or_somebody_elses_is_refused() {
    let site = strict().await;
    assert_eq!(
        site.post("/save").form(&[("title", "x")]).await.status(),
        403,
        "no session"
    );
    let token = ask(&site).await;
    let other = site.another();
    let foreign = ask(&other).await;
    let short = &token[1..];
    let mut changed = token.clone();
    changed.replace_range(70..71, if &token[70..71] == "A" { "B" } else { "A" });
    for wrong in [
        "",
        "x",
        &foreign,
        short,
        &changed,
        &format!("{token}A"),
        &"A".repeat(86),
        "\u{e9}",
    ] {
        let form = [("csrf_token", wrong)];
        assert_eq!(
            site.post("/save").form(&form).await.status(),
            403,
            "{wrong}"
        );
        assert_eq!(
            site.post("/upload")
                .field("csrf_token", wrong)
                .await
                .status(),
            403,
            "{wrong}"
        );
    }
    assert_eq!(
        site.post("/save").form(&[("title", "x")]).await.status(),
        403
    );
    assert_eq!(site.post("/save").await.status(), 403);
    assert_eq!(
        site.post("/save")
            .body("text/plain", format!("csrf_token={token}"))
            .await
            .status(),
        403
    );
    let file = site
        .post("/upload")
        .file("csrf_token", "a", "text/plain", token.as_str());
    assert_eq!(file.await.status(), 403, "a file is no field");
    let first = [("csrf_token", "x"), ("csrf_token", &token)];
    assert_eq!(site.post("/save").form(&first).await.status(), 403);
    assert_eq!(site.post("/nowhere").await.status(), 403);
    assert_eq!(
        site.post("/save")
            .form(&[("csrf_token", &token)])
            .await
            .status(),
        200
    );
}

#[tokio::test]
async fn another_site_is_refused_with_the_right_token_too() {
    let site = strict().await;
    let token = ask(&site).await;
    let form = [("csrf_token", token.as_str())];
    let evil = site
        .post("/save")
        .form(&form)
        .from_origin("https://evil.example");
    assert_eq!(evil.await.status(), 403);
}

#[tokio::test]
async fn a_trusted_origin_and_an_open_view_need_no_token() {
    let trusting = settings()
        .with("CSRF_TOKENS", true)
        .with("CSRF_TRUSTED_ORIGINS", ["https://a.example"]);
    let site = site(trusting).await;
    let form = [("title", "Duck")];
    assert_eq!(site.post("/hook").form(&form).await.text(), "Duck");
    let trusted = site
        .post("/save")
        .form(&form)
        .from_origin("https://a.example");
    assert_eq!(trusted.await.text(), "Duck");
    assert_eq!(
        site.post("/save")
            .form(&form)
            .from_origin("https://b.example")
            .await
            .status(),
        403
    );
}

#[tokio::test]
async fn the_secret_rotates_at_login_and_ends_with_the_session() {
    let site = strict().await;
    let before = ask(&site).await;
    let send = async |token: &str| {
        let form = [("csrf_token", token)];
        site.post("/save").form(&form).await.status().as_u16()
    };
    assert_eq!(send(&before).await, 200);
    assert_eq!(
        site.post("/login")
            .header("X-CSRF-Token", &before)
            .await
            .text(),
        "in"
    );
    assert_eq!(send(&before).await, 403);
    let after = ask(&site).await;
    assert_eq!(send(&after).await, 200);
    assert_eq!(send(&ask(&site).await).await, 200);
    assert_eq!(send(&after).await, 200, "pages side by side");
    assert_eq!(
        site.post("/logout")
            .header("X-CSRF-Token", &after)
            .await
            .text(),
        "out"
    );
    assert_eq!(send(&after).await, 403);
    let new = ask(&site).await;
    assert_eq!((send(&after).await, send(&new).await), (403, 200));
}

#[tokio::test]
async fn a_body_that_may_be_too_large_to_keep_needs_the_header() {
    let site = strict().await;
    let token = ask(&site).await;
    let upload = |size: usize| {
        site.post("/large").field("csrf_token", &token).file(
            "file",
            "a",
            "text/plain",
            vec![b'x'; size],
        )
    };
    assert_eq!(upload(100).await.status(), 200, "it fits");
    assert_eq!(upload(5000).await.status(), 403);
    assert_eq!(
        upload(5000).header("X-CSRF-Token", &token).await.status(),
        200
    );
    let form = [("csrf_token", token.as_str()), ("title", &"x".repeat(5000))];
    assert_eq!(site.post("/save").form(&form).await.status(), 413);
    let many: Vec<_> = (0..1500).map(|_| ("a", "")).collect();
    assert_eq!(site.post("/save").form(&many).await.status(), 413);
}

#[tokio::test]
async fn tokens_need_sessions() {
    let app = App::new(settings().with("CSRF_TOKENS", true)).urls([path("/", page)]);
    let error = app.start().await.expect_err("no sessions").chain();
    assert!(
        error.contains("takes sessions") && error.contains("SessionMiddleware"),
        "{error}"
    );
}

#[tokio::test]
async fn in_debug_the_page_says_what_the_form_lacks() {
    let site = site(settings().with("CSRF_TOKENS", true).with("DEBUG", true)).await;
    ask(&site).await;
    let page = site.post("/save").form(&[("title", "x")]).await;
    assert!(
        page.text().contains("csrf_field()") && page.text().contains("X-CSRF-Token"),
        "{page:?}"
    );
}

#[tokio::test]
async fn a_template_has_the_field_where_there_are_tokens_and_nothing_else_where_not() {
    let folder = tempfile::tempdir().unwrap();
    let form = "<form method=\"post\">{{ csrf_field() }}<input name=\"title\"></form>";
    std::fs::write(folder.path().join("form.html"), form).unwrap();
    let page = async |tokens: bool| {
        let app = App::new(settings().with("CSRF_TOKENS", tokens))
            .with(SessionMiddleware::new())
            .with(Templates::on_disk([folder.path()]))
            .urls([
                path("/", async |request: Request| {
                    render(&request, "form.html", context! {}).await
                }),
                path("/save", save).methods([POST]),
            ]);
        let site = TestClient::start(app).await;
        let page = site.get("/").await;
        (site, page)
    };
    let (_, plain) = page(false).await;
    assert_eq!(
        plain.text(),
        "<form method=\"post\"><input name=\"title\"></form>"
    );
    assert_eq!(
        (plain.header("vary"), plain.header("set-cookie")),
        (None, None)
    );
    let (site, page) = page(true).await;
    let field = "<form method=\"post\"><input type=\"hidden\" name=\"csrf_token\" value=\"";
    let token = page
        .text()
        .strip_prefix(field)
        .and_then(|rest| rest.split('"').next());
    let form = [("csrf_token", token.unwrap()), ("title", "Duck")];
    assert_eq!(site.post("/save").form(&form).await.text(), "Duck");
}

/// Somebody may have planted the session that the visitor logs in to, and knows its secret.
#[tokio::test]
async fn a_login_on_a_page_that_fails_gives_another_secret() {
    let fails = async |request: Request| -> Result<&'static str> {
        request.session.login("ada").await?;
        Err(Error::internal("after the login"))
    };
    let urls = [
        path("/token", token),
        path("/save", save).methods([POST]),
        path("/login", fails).methods([POST]).csrf(false),
        path("/who", async |request: Request| {
            request.session.user().await.map(Option::unwrap_or_default)
        }),
    ];
    let app = App::new(settings().with("CSRF_TOKENS", true))
        .with(SessionMiddleware::new())
        .urls(urls);
    let client = TestClient::start(app).await;
    let planted = client.get("/token").await.text().to_owned();
    assert_eq!(client.post("/login").await.status(), 500);
    assert_eq!(client.get("/who").await.text(), "ada");
    let form = [("csrf_token", planted.as_str())];
    assert_eq!(client.post("/save").form(&form).await.status(), 403);
}
