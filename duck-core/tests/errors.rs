//! What becomes of an error: its status, its page, its line in the log.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::error::Error as StdError;
use std::fmt;
use std::io::Write;
use std::num::ParseIntError;
use std::sync::{Mutex, Once};

use anyhow::Context as _;
use duck::error::{Or500, OrNotFound};
use duck::http::RequestError;
use duck::prelude::*;
use duck::testing::{TestClient, TestResponse};

/// What all sites of this program have logged.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn watch_the_log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::DEBUG)
            .with_writer(|| Log)
            .finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
}

/// The lines of the log that have this in them.
fn logged(what: &str) -> Vec<String> {
    let log = String::from_utf8(LOG.lock().unwrap().clone()).unwrap();
    let lines = log.lines().filter(|line| line.contains(what));
    lines.map(str::to_owned).collect()
}

fn app() -> App {
    watch_the_log();
    App::new(Settings::default())
}

/// An error as a database's crate has it.
#[derive(Debug)]
enum Database {
    RowNotFound,
    Gone,
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the database said no")
    }
}

impl StdError for Database {}

/// One of the site's own, around it.
#[derive(Debug)]
struct Shop(Database);

impl fmt::Display for Shop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such goods")
    }
}

impl StdError for Shop {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}

fn is_missing(error: &Database) -> Option<StatusCode> {
    matches!(error, Database::RowNotFound).then_some(StatusCode::NOT_FOUND)
}

async fn status<V, Args>(app: App, view: V) -> u16
where
    V: duck::routing::View<Args>,
    V::Future: Future<Output: IntoResponse> + Send + 'static,
    Args: duck::routing::FromParams,
{
    let site = TestClient::start(app.urls([path("/", view)])).await;
    site.get("/").await.status().as_u16()
}

async fn missing(_request: Request) -> Result<&'static str> {
    Err(Database::RowNotFound)?
}

#[tokio::test]
async fn an_error_of_a_registered_type_has_its_status_wherever_it_is_in_the_chain() {
    let app = || app().error_status(is_missing);
    assert_eq!(status(app(), missing).await, 404);
    let gone = async |_: Request| -> Result<()> { Err(Database::Gone)? };
    assert_eq!(status(app(), gone).await, 500);
    let wrapped = async |_: Request| -> Result<()> { Err(Shop(Database::RowNotFound))? };
    assert_eq!(status(app(), wrapped).await, 404);
    let of_its_own_type = async |_: Request| Err::<(), _>(Shop(Database::RowNotFound));
    assert_eq!(status(app(), of_its_own_type).await, 404);
    let anyhow = async |_: Request| -> Result<()> {
        let found: anyhow::Result<()> = Err(Database::RowNotFound).context("reading the goods");
        found.context("making the page").or_500("showing the shop")
    };
    assert_eq!(status(app(), anyhow).await, 404);
    let passed_on = async |_: Request| -> Result<()> {
        let helper = || -> Result<()> { Err(Database::RowNotFound)? };
        helper().or_500("asking the helper")
    };
    assert_eq!(status(app(), passed_on).await, 404);
    let boxed = async |_: Request| -> Result<()> {
        let boxed: Box<dyn StdError + Send + Sync> = Database::RowNotFound.into();
        Err(boxed).or_500("reading")
    };
    assert_eq!(status(app(), boxed).await, 404);
}

#[tokio::test]
async fn a_status_that_the_site_has_chosen_stays() {
    let app = || app().error_status(|_: &Database| Some(StatusCode::NOT_FOUND));
    let internal = async |_: Request| -> Result<()> { Err(Error::internal(Database::Gone)) };
    assert_eq!(status(app(), internal).await, 500);
    let on_the_error = async |_: Request| -> Result<()> {
        Err(Error::from(Database::Gone).with_status(StatusCode::CONFLICT))
    };
    assert_eq!(status(app(), on_the_error).await, 409);
    let on_the_response = async |_: Request| {
        let response = Error::from(Database::Gone).into_response();
        response.with_status(StatusCode::INTERNAL_SERVER_ERROR)
    };
    assert_eq!(status(app(), on_the_response).await, 500);
    let of_ducks = async |_: Request| -> Result<()> { None.or_404() };
    assert_eq!(status(app(), of_ducks).await, 404);
}

#[tokio::test]
async fn the_first_function_that_knows_a_cause_decides() {
    let teapot = |_: &Shop| Some(StatusCode::IM_A_TEAPOT);
    let view = async |_: Request| -> Result<()> { Err(Shop(Database::RowNotFound))? };
    let app_first = app().error_status(is_missing).error_status(teapot);
    assert_eq!(status(app_first, view).await, 404);
    let component = app()
        .with(async move |setup: &mut duck::Setup<'_>| {
            setup.error_status(teapot);
            Ok(())
        })
        .error_status(is_missing);
    assert_eq!(status(component, view).await, 418);
    let silent = app()
        .error_status(|_: &Shop| None)
        .error_status(|_: &ParseIntError| Some(StatusCode::IM_A_TEAPOT))
        .error_status(is_missing);
    assert_eq!(status(silent, view).await, 404);
}

#[tokio::test]
async fn a_function_that_panics_says_500_and_the_site_goes_on() {
    fn quarrelsome(_: &Database) -> Option<StatusCode> {
        panic!("who registered this?")
    }
    let app = app().error_status(quarrelsome).error_status(is_missing);
    let fine = path("/fine", async |_: Request| "fine");
    let site = TestClient::start(app.urls([path("/", missing), fine])).await;
    assert_eq!(site.get("/").await.status(), 500);
    assert_eq!(site.get("/fine").await.status(), 200);
    let lines = logged("who registered this?");
    assert!(
        lines.iter().any(|line| line.contains("tests/errors.rs:")),
        "{lines:?}"
    );
}

#[tokio::test]
async fn middleware_sees_the_status_and_has_its_own_errors_decided() {
    async fn notes_it(request: Request, next: Next<'_>) -> Result<Response> {
        let response = next.run(request).await;
        let seen = response.status().as_str().to_owned();
        Ok(response.with_header("x-seen", seen)?)
    }
    async fn fails(_request: Request, _next: Next<'_>) -> Result<Response> {
        Err(Database::RowNotFound)?
    }
    let app = app().error_status(is_missing).middleware(notes_it);
    let urls = [
        path("/view", missing),
        path("/middleware", async |_: Request| "never").middleware(fails),
    ];
    let site = TestClient::start(app.urls(urls)).await;
    for path in ["/view", "/middleware"] {
        let response = site.get(path).await;
        assert_eq!(response.status(), 404, "{path}");
        assert_eq!(response.header("x-seen"), Some("404"), "{path}");
    }
}

async fn refuses(request: Request) -> Result<String> {
    request.text().await.map_err(Error::from)
}

#[tokio::test]
async fn errors_of_routing_and_of_bodies_are_problems_too() {
    let app = app().setting("MAX_BODY_BYTES", 10);
    let unprocessable = async |_: Request| -> Result<()> {
        let error = RequestError::new(StatusCode::UNPROCESSABLE_ENTITY, "`age` is no number");
        Err(error)?
    };
    let site = TestClient::start(app.urls([
        path("/body", refuses).methods([POST]),
        path("/age", unprocessable),
    ]))
    .await;
    let json = "application/json";
    let problem = |response: &TestResponse, status: u16, title: &str| {
        assert_eq!(
            response.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(response.header("vary"), Some("Accept"));
        let problem: serde_json::Value = response.json();
        assert_eq!(problem["type"], "about:blank");
        assert_eq!(
            (&problem["status"], &problem["title"]),
            (&status.into(), &title.into())
        );
        assert!(problem.get("debug").is_none());
        problem["detail"].clone()
    };
    let missing = site.get("/nothing").header("accept", json).await;
    problem(&missing, 404, "Not Found");
    let method = site.get("/body").header("accept", json).await;
    problem(&method, 405, "Method Not Allowed");
    assert_eq!(method.header("allow"), Some("OPTIONS, POST"));
    let large = site
        .post("/body")
        .body("text/plain", "x".repeat(11))
        .header("accept", json)
        .await;
    problem(&large, 413, "Payload Too Large");
    let age = site.get("/age").header("accept", json).await;
    assert_eq!(
        problem(&age, 422, "Unprocessable Entity"),
        "`age` is no number"
    );
}

/// The 32 digits that a page names its request by.
fn id_on(page: &str) -> &str {
    let (_, behind) = page.split_once("equest id ").unwrap();
    let behind = behind.trim_start_matches("<code>");
    &behind[..32]
}

#[tokio::test]
async fn the_page_and_the_log_name_a_request_by_the_same_id() {
    let broken = async |_: Request| -> Result<()> { Err(Database::Gone)? };
    let site = TestClient::start(app().urls([path("/broken", broken)])).await;
    for accept in ["text/html", "text/plain"] {
        let page = site.get("/broken").header("accept", accept).await;
        let lines = logged(id_on(page.text()));
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("ERROR") && lines[0].contains("the database said no"));
    }
    let problem = site
        .get("/broken")
        .header("accept", "application/json")
        .await;
    let problem: serde_json::Value = problem.json();
    assert_eq!(logged(problem["request_id"].as_str().unwrap()).len(), 1);
    let missing = site.get("/nothing").await;
    assert_eq!(
        missing.text(),
        "404 Not Found\n",
        "the log has no line of it"
    );
    let one = site.get("/broken").await;
    let other = site.get("/broken").await;
    assert_ne!(id_on(one.text()), id_on(other.text()));
}

#[tokio::test]
async fn an_id_is_taken_from_a_trusted_proxy_only() {
    let show = async |request: Request| request.id().to_owned();
    let app = || {
        app()
            .setting("TRUSTED_PROXIES", ["10.0.0.7"])
            .urls([path("/", show)])
    };
    let proxy = TestClient::start(app())
        .await
        .from_address("10.0.0.7:1".parse().unwrap());
    let visitor = TestClient::start(app())
        .await
        .from_address("192.0.2.1:1".parse().unwrap());
    let id = |page: TestResponse| page.text().to_owned();
    let ask = |site| TestClient::get(site, "/").header("x-request-id", "trace-7");
    assert_eq!(id(ask(&proxy).await), "trace-7");
    assert_eq!(id(ask(&visitor).await).len(), 32);
    for evil in ["<script>alert(1)</script>", "a b", "", &"a".repeat(129)] {
        let page = proxy.get("/").header("x-request-id", evil).await;
        assert_eq!(id(page).len(), 32, "{evil}");
    }
    let two = proxy
        .get("/")
        .header("x-request-id", "one")
        .header("x-request-id", "two")
        .await;
    assert_ne!(id(two), "one");
}

async fn nothing(_request: Request) -> Result<()> {
    let found: Result<(), Shop> = Err(Shop(Database::Gone));
    Ok(found?) // the line that is marked
}

async fn debugged() -> TestClient {
    let app = app()
        .setting("DEBUG", true)
        .setting("MAIL_PASSWORD", "hush")
        .setting("DATABASE_URL", "postgres://site:hush@db/site")
        .setting("PLAIN", "shown <b>as it is</b>")
        .setting("PAYMENT", "sk_live_hush");
    TestClient::start(app.urls([
        path("/nothing/<int:id>", nothing).name("nothing"),
        path("/notes/new", nothing).methods([POST]),
        path("/secret/<token>", nothing),
    ]))
    .await
}

async fn debug_page(site: &TestClient, path: &str) -> String {
    let page = site.get(path).header("accept", "text/html").await;
    assert_eq!(page.header("cache-control"), Some("no-store"));
    page.text().to_owned()
}

#[tokio::test]
async fn the_debug_page_shows_the_line_with_its_source_and_the_causes() {
    let page = debug_page(&debugged().await, "/nothing/7").await;
    let marked = page.split("class=\"meant\"").nth(1).unwrap();
    assert!(
        marked[..100].contains("// the line that is marked"),
        "{marked}"
    );
    assert!(
        page.contains("Err(Shop(Database::Gone));"),
        "the lines around it"
    );
    for shown in [
        "no such goods",
        "the database said no",
        "GET /nothing/7",
        "&lt;id&gt;",
        "nothing",
    ] {
        assert!(page.contains(shown), "{shown}");
    }
    assert!(page.contains("not loaded by this request"));
}

#[tokio::test]
async fn the_debug_page_shows_no_secret() {
    let site = debugged().await;
    let request = |path| {
        site.get(path)
            .header("cookie", "session=hush; theme=hush")
            .header("authorization", "hush")
            .header("x-api-key", "hush")
            .header("referer", "https://example.org/?token=hush")
            .header("x-note", "not secret")
    };
    for accept in ["text/html", "text/plain", "application/json"] {
        for path in ["/nothing/7?password=hush&page=2", "/secret/hush"] {
            let page = request(path).header("accept", accept).await;
            let page = page.text();
            let path_itself = page.replace("/secret/hush", "");
            assert!(!path_itself.contains("hush"), "{accept} {path}: {page}");
        }
    }
    let page = request("/nothing/7?page=2")
        .header("accept", "text/html")
        .await;
    for shown in [
        "DATABASE_URL",
        "postgres://site:********@db/site",
        "MAIL_PASSWORD",
        "page=2",
        "not secret",
        "theme=********",
    ] {
        assert!(page.text().contains(shown), "{shown}");
    }
}

#[tokio::test]
async fn the_debug_page_of_a_404_names_the_nearest_url_pattern_and_why_it_is_not_the_one() {
    let site = debugged().await;
    for (path, nearest, why) in [
        (
            "/nothing/seven",
            "/nothing/&lt;int:id&gt;",
            "`seven` does not fit `&lt;int:id&gt;`",
        ),
        (
            "/nohting/7",
            "/nothing/&lt;int:id&gt;",
            "it has `nothing` where the path has `nohting`",
        ),
        ("/notes/new", "/notes/new", "it answers POST, not GET"),
    ] {
        let page = debug_page(&site, path).await;
        let first = page.split("<ol class=\"routes\"><li>").nth(1).unwrap();
        let first = first.split("</li>").next().unwrap();
        assert!(
            first.contains(nearest) && first.contains(why),
            "{path}: {first}"
        );
    }
    let text = site.get("/nohting/7").await;
    assert!(
        text.text()
            .contains("tried GET HEAD /nothing/<int:id>: it has `nothing`"),
        "{}",
        text.text()
    );
}

#[tokio::test]
async fn nothing_of_a_client_is_markup_in_a_debug_page_or_turns_its_text_around() {
    let quoting = async |request: Request| -> Result<()> {
        let said = request.header("x-said").unwrap_or_default().to_owned();
        Err(Error::internal(format!(
            "cannot read {said}\u{202e}<script>"
        )))
    };
    let app = app()
        .setting("DEBUG", true)
        .urls([path("/<text>", quoting)]);
    let site = TestClient::start(app).await;
    let long = format!("/{}", "a".repeat(60_000));
    for path in [
        "/%3Cscript%3E",
        "/%22%3E'%3Cscript%3E",
        "/%E2%80%AE%00",
        "/a/%3Cscript%3E/b?%3Cscript%3E=%22&x='%3Cscript%3E",
        &long,
    ] {
        for accept in ["text/html", "text/plain", "application/json"] {
            let request = site.get(path).header("accept", accept);
            let page = request.header("x-said", "<script>").await;
            let text = page.text();
            assert!(
                !text.contains('\u{202e}') && !text.contains('\0'),
                "{accept} {path}"
            );
            assert!(text.len() < 40_000, "{accept} {path}: {}", text.len());
            if accept == "text/html" {
                assert!(!text.contains("<script"), "{path}: {text}");
                assert!(
                    page.header("content-security-policy")
                        .unwrap()
                        .contains("default-src 'none'")
                );
            }
        }
    }
}

#[tokio::test]
async fn without_debug_there_is_no_debug_page_whatever_is_asked() {
    let site = TestClient::start(app().urls([path("/nothing/<int:id>", nothing)])).await;
    for accept in ["text/html", "text/plain", "application/json", "*/*"] {
        for path in ["/nothing/7", "/nohting/7", "/nothing/7?DEBUG=true"] {
            let page = site
                .get(path)
                .header("accept", accept)
                .header("x-debug", "1")
                .await;
            for hidden in [
                "goods", "database", ".rs", "tried", "nothing/", "Settings", "DEBUG", "Headers",
            ] {
                assert!(
                    !page.text().contains(hidden),
                    "{path} {accept}: {}",
                    page.text()
                );
            }
        }
    }
}

#[tokio::test]
async fn a_panic_is_a_500_whose_debug_page_marks_its_line() {
    let panics = async |_: Request| -> Result<()> {
        let empty: [u8; 0] = [];
        let first = empty[std::hint::black_box(0)]; // this line panics
        Err(Error::internal(first.to_string()))
    };
    let app = app().setting("DEBUG", true).urls([path("/", panics)]);
    let page = debug_page(&TestClient::start(app).await, "/").await;
    let marked = page.split("class=\"meant\"").nth(1).unwrap();
    assert!(marked[..150].contains("// this line panics"), "{marked}");
}

#[tokio::test]
async fn a_hostile_path_is_one_short_line_in_the_log_with_the_clients_address() {
    let broken = async |_: Request| -> Result<()> {
        Err(Error::internal("first\nERROR forged\u{2028}\u{202e}"))
    };
    let app = app().urls([path("/<path:rest>", broken)]);
    let site = TestClient::start(app)
        .await
        .from_address("192.0.2.77:1".parse().unwrap());
    site.get(&format!("/long{}", "a".repeat(60_000))).await;
    site.get("/tail").await;
    let lines = logged("192.0.2.77");
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines.iter().all(|line| line.len() < 1200), "{lines:?}");
    assert!(lines[0].contains("(60005 bytes)"), "{}", lines[0]);
    let says = r#"cause="first\nERROR forged\u{2028}\u{202e}""#;
    assert!(lines[1].contains(says), "{}", lines[1]);
    assert!(!lines[1].contains(['\u{2028}', '\u{202e}']));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_failures_is_ten_lines_and_a_count() {
    async fn flooded(_request: Request) -> Result<()> {
        Err(Error::internal("the flood"))
    }
    let site = TestClient::start(app().urls([path("/", flooded)])).await;
    for _ in 0..500 {
        assert_eq!(site.get("/").await.status(), 500);
    }
    let lines = |level: &str| {
        let lines = logged("the flood");
        let wanted = format!("{level} duck: a request failed ");
        lines.iter().filter(|line| line.contains(&wanted)).count()
    };
    assert_eq!((lines("ERROR"), lines("DEBUG")), (10, 490));
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let counts: Vec<_> = logged("more=490");
    assert!(
        counts.len() == 1 && counts[0].contains("flooded"),
        "{counts:?}"
    );
    site.get("/").await;
    assert_eq!(lines("ERROR"), 11);
}
