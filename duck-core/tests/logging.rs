//! The log of all requests, and the ids of requests.

use std::fs;
use std::future::poll_fn;
use std::io::Read;
use std::path::PathBuf;
use std::task::Poll;
use std::time::{Duration, Instant};

use duck::http::{Body, Connection};
use duck::prelude::*;
use duck::testing::TestClient;
use futures_util::StreamExt;
use http_body_util::BodyExt;
use rustix::fs::{Mode, OFlags, open};
use serde_json::Value;
use tempfile::TempDir;

/// A site whose log is a file in a folder of its own.
struct Logged {
    folder: TempDir,
    settings: Settings,
}

impl Logged {
    fn new(format: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = Settings::default()
            .in_folder(folder.path())
            .with("ACCESS_LOG_FILE", "access.log")
            .with("ACCESS_LOG_FORMAT", format);
        Self { folder, settings }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("access.log")
    }

    async fn start(&self) -> TestClient {
        let app = App::new(self.settings.clone()).urls([
            path("/", async |_: Request| "hello"),
            path("/pieces", async |_: Request| pieces()),
            path("/named", async |request: Request| request.id().to_owned()),
            path("/panics", async |_: Request| -> &'static str {
                panic!("on purpose")
            }),
            path("/never", async |_: Request| {
                std::future::pending::<String>().await
            }),
        ]);
        TestClient::start(app)
            .await
            .from_address("192.0.2.7:9".parse().expect("an address"))
    }

    /// The lines when there are so many of them.
    fn lines(&self, count: usize) -> Vec<String> {
        let since = Instant::now();
        loop {
            let text = fs::read_to_string(self.file()).expect("the log");
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            if lines.len() >= count && text.ends_with('\n') {
                assert_eq!(lines.len(), count, "{text}");
                return lines;
            }
            assert!(since.elapsed() < Duration::from_secs(20), "{text}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn json(&self, count: usize) -> Vec<Value> {
        let lines = self.lines(count);
        let read = |line: &String| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        lines.iter().map(read).collect()
    }
}

fn pieces() -> Response {
    let pieces = futures_util::stream::iter(["four", "and", "more"]);
    stream(
        "text/plain",
        pieces.map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece))),
    )
}

#[tokio::test]
async fn each_request_is_a_line_of_text() {
    let log = Logged::new("text");
    let site = log.start().await;
    site.get("/?token=hush").await;
    site.head("/").await;
    site.get("/none").await;
    let lines = log.lines(3);
    for (line, has) in lines
        .iter()
        .zip(["GET / 200 5 ", "HEAD / 200 0 ", "GET /none 404 "])
    {
        let (time, rest) = line.split_once("  INFO ").expect("a level");
        assert!(humantime::parse_rfc3339(time).is_ok(), "{line}");
        assert!(
            rest.starts_with(has) && rest.ends_with("s 192.0.2.7"),
            "{line}"
        );
        assert!(
            !line.contains("hush"),
            "a query may hold what nobody should know: {line}"
        );
    }
}

#[tokio::test]
async fn each_request_is_a_line_of_json() {
    let log = Logged::new("json");
    let site = log.start().await;
    site.post("/?token=hush").await;
    site.get("/").await;
    let lines = log.json(2);
    let keys = [
        "time", "id", "address", "user", "method", "path", "status", "bytes", "seconds",
    ];
    for (line, (method, status)) in lines.iter().zip([("POST", 405), ("GET", 200)]) {
        let found: Vec<&String> = line.as_object().expect("an object").keys().collect();
        assert_eq!(found.len(), keys.len(), "{line}");
        assert!(keys.iter().all(|key| line.get(key).is_some()), "{line}");
        assert_eq!(line["method"], method);
        assert_eq!(
            (&line["path"], &line["status"]),
            (&"/".into(), &status.into())
        );
        assert_eq!(
            (&line["address"], &line["user"]),
            (&"192.0.2.7".into(), &Value::Null)
        );
        assert!(
            line["seconds"]
                .as_f64()
                .is_some_and(|seconds| seconds < 20.0),
            "{line}"
        );
        assert!(humantime::parse_rfc3339(line["time"].as_str().expect("a time")).is_ok());
    }
    assert_eq!(lines[1]["bytes"], 5);
}

#[tokio::test]
async fn what_is_refused_and_what_fails_are_lines_too() {
    let mut log = Logged::new("json");
    log.settings = log.settings.with("ALLOWED_HOSTS", ["testserver"]);
    let site = log.start().await;
    let foreign = site.post("/").from_origin("https://evil.example").await;
    assert_eq!(foreign.status(), 403);
    assert_eq!(site.get("/panics").await.status(), 500);
    let other = site.at_host("evil.example");
    assert_eq!(other.get("/").await.status(), 400);
    let lines = log.json(3);
    let statuses: Vec<&Value> = lines.iter().map(|line| &line["status"]).collect();
    assert_eq!(statuses, [403, 500, 400]);
    assert!(lines[1]["id"].is_string(), "by which the log has the error");
}

/// A request's head that hyper would refuse for some of it: nothing depends on that.
async fn ask(site: &TestClient, method: &str, path: &str) -> u16 {
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("host", "testserver");
    let request = request.body(Body::empty()).expect("a request");
    let peer = Some("192.0.2.7:9".parse().expect("an address"));
    let connection = Connection {
        peer,
        secure: false,
    };
    site.site()
        .respond(request, connection)
        .await
        .status()
        .as_u16()
}

#[tokio::test]
async fn no_path_or_method_ends_a_line_or_makes_one_up() {
    let endless = format!("/{}", "x".repeat(5000));
    let paths = [
        "/a%0a2026-01-01T00:00:00Z%20%20INFO%20GET%20/admin%20200",
        "/%1b%5b2J%1b]0;owned%07",
        "/\"}{\"status\":200,\"path\":\"",
        "/a\\nb\\u001b",
        "/ü\u{202e}\u{2028}",
        &endless,
    ];
    for format in ["text", "json"] {
        let log = Logged::new(format);
        let site = log.start().await;
        let mut asked = 0;
        for path in paths {
            // What is no URI does not get so far.
            if path.parse::<http::Uri>().is_err() {
                continue;
            }
            assert_eq!(ask(&site, "GET", path).await, 404);
            asked += 1;
        }
        assert!(asked >= 4, "{asked}");
        let method = "A".repeat(3000);
        assert!(ask(&site, &method, "/").await >= 400);
        assert!(ask(&site, "GET'`|!#$%&*+", "/").await >= 400);
        for line in log.lines(asked + 2) {
            assert!(line.len() < 1000, "{}", line.len());
            assert!(
                !line
                    .chars()
                    .any(|c| c.is_control() || c == '\u{202e}' || c == '\u{2028}'),
                "{line}"
            );
            if format == "json" {
                let line: Value = serde_json::from_str(&line).expect("JSON");
                assert_ne!(line["status"], 200, "{line}");
            }
        }
    }
}

#[tokio::test]
async fn a_streamed_body_is_a_line_when_it_has_ended() {
    let log = Logged::new("json");
    let site = log.start().await;
    assert_eq!(site.get("/pieces").await.text(), "fourandmore");
    let line = &log.json(1)[0];
    assert_eq!((&line["status"], &line["bytes"]), (&200.into(), &11.into()));

    let request = http::Request::builder()
        .uri("/pieces")
        .header("host", "testserver");
    let request = request.body(Body::empty()).expect("a request");
    let mut response = site.site().respond(request, Connection::default()).await;
    let mut body = response.take_body();
    body.frame().await.expect("a piece").expect("no error");
    assert_eq!(log.lines(1).len(), 1, "it is still being sent");
    drop(body);
    assert_eq!(log.json(2)[1]["bytes"], 4, "no more was sent");
}

#[tokio::test]
async fn a_client_that_goes_before_its_answer_leaves_a_line() {
    let log = Logged::new("json");
    let site = log.start().await;
    let mut request = Box::pin(ask(&site, "GET", "/never"));
    poll_fn(|cx| {
        assert!(request.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    drop(request);
    let line = &log.json(1)[0];
    assert_eq!(
        (&line["path"], &line["status"]),
        (&"/never".into(), &499.into())
    );
}

#[tokio::test]
async fn a_line_has_the_id_that_the_request_has_and_makes_none() {
    let log = Logged::new("json");
    let site = log.start().await;
    site.get("/").header("x-request-id", "forged").await;
    let named = site.get("/named").await.text().to_owned();
    let ids: Vec<Value> = log
        .json(2)
        .into_iter()
        .map(|line| line["id"].clone())
        .collect();
    assert_eq!(ids, [Value::Null, named.into()]);
    drop(site);

    let mut behind = Logged::new("json");
    behind.settings = behind.settings.with("TRUSTED_PROXIES", ["192.0.2.7"]);
    let site = behind.start().await;
    site.get("/")
        .header("x-request-id", "trace-7")
        .header("x-forwarded-for", "203.0.113.9")
        .await;
    let line = &behind.json(1)[0];
    assert_eq!(
        (&line["id"], &line["address"]),
        (&"trace-7".into(), &"203.0.113.9".into())
    );
}

/// The pipe is full after a while, and so is the queue behind it: pages do not wait for either.
#[tokio::test]
async fn a_reader_that_stalls_stops_no_page_and_is_told_how_many_lines_it_missed() {
    let log = Logged::new("json");
    rustix::fs::mkfifoat(rustix::fs::CWD, log.file(), Mode::RUSR | Mode::WUSR).expect("a pipe");
    let flags = OFlags::RDONLY | OFlags::NONBLOCK;
    let reader = open(log.file(), flags, Mode::empty()).expect("its reader");
    let site = log.start().await;
    let asked = 12_000;
    for _ in 0..asked {
        assert_eq!(site.get("/").await.status(), 200);
    }
    // Now somebody reads, and goes on until the site is gone.
    rustix::io::ioctl_fionbio(&reader, false).expect("a pipe that waits");
    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        fs::File::from(reader)
            .read_to_string(&mut text)
            .expect("text");
        text
    });
    drop(site);
    let (mut found, mut dropped) = (0, 0);
    for line in reading.join().expect("no panic").lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        match line["dropped"].as_u64() {
            Some(lines) => dropped += lines,
            None => found += 1,
        }
    }
    assert!(found > 5_000 && dropped > 1_000, "{found} {dropped}");
    assert_eq!(found + dropped, asked);
}

#[tokio::test]
async fn a_full_disk_stops_no_page() {
    let log = Logged::new("text");
    std::os::unix::fs::symlink("/dev/full", log.file()).expect("a link");
    let site = log.start().await;
    for _ in 0..500 {
        assert_eq!(site.get("/").await.status(), 200);
    }
    let since = Instant::now();
    drop(site);
    assert!(
        since.elapsed() < Duration::from_secs(5),
        "the end does not wait for it"
    );
}

#[tokio::test]
async fn a_file_that_cannot_be_the_log_stops_the_start_and_names_the_setting() {
    let log = Logged::new("text");
    let refused = async |settings: Settings, says: &str| {
        let app = App::new(settings).with(StaticFiles::new());
        let error = app.start().await.expect_err("it cannot start").to_string();
        assert!(
            error.contains("ACCESS_LOG_F") && error.contains(says),
            "{error}"
        );
    };
    let with = |file: &str| log.settings.clone().with("ACCESS_LOG_FILE", file);
    refused(with("no/such/folder/access.log"), "cannot be opened").await;
    refused(with("."), "cannot be opened").await;
    fs::create_dir(log.folder.path().join("static")).expect("a folder");
    refused(
        with("static/access.log"),
        "whose files are served to everybody",
    )
    .await;
    refused(with("static/../static/access.log"), "served to everybody").await;
    refused(
        log.settings.clone().with("ACCESS_LOG_FORMAT", "xml"),
        "text",
    )
    .await;
}

#[tokio::test]
async fn the_file_can_be_read_by_nobody_else() {
    use std::os::unix::fs::PermissionsExt;
    let log = Logged::new("text");
    let _site = log.start().await;
    let mode = fs::metadata(log.file())
        .expect("the log")
        .permissions()
        .mode();
    assert_eq!(mode & 0o007, 0, "{mode:o}");
}

#[tokio::test]
async fn every_response_has_its_requests_id_where_the_settings_want_it() {
    let view = async |request: Request| request.id().to_owned();
    let app = || App::new(Settings::default()).urls([path("/", view)]);
    let plain = TestClient::start(app()).await;
    assert_eq!(plain.get("/").await.header("x-request-id"), None);

    let app = app()
        .setting("REQUEST_ID_HEADER", "X-Request-Id")
        .setting("ALLOWED_HOSTS", ["testserver"]);
    let site = TestClient::start(app.setting("TRUSTED_PROXIES", ["10.0.0.7"])).await;
    let page = site.get("/").await;
    assert_eq!(page.header("x-request-id"), Some(page.text()));
    assert_eq!(page.text().len(), 32);
    let again = site.get("/").await;
    assert_ne!(again.text(), page.text());
    let missing = site.get("/none").await;
    assert_eq!(missing.header("x-request-id").map(str::len), Some(32));
    let refused = site.get("/").header("host", "evil.example").await;
    assert_eq!(refused.status(), 400);
    assert_eq!(refused.header("x-request-id").map(str::len), Some(32));
    // Anybody can send one: it is not theirs to choose.
    let forged = site.get("/").header("x-request-id", "forged").await;
    assert_ne!(forged.header("x-request-id"), Some("forged"));
    let proxy = site
        .another()
        .from_address("10.0.0.7:9".parse().expect("an address"));
    let named = proxy.get("/").header("x-request-id", "trace-7").await;
    assert_eq!(named.header("x-request-id"), Some("trace-7"));
}

#[tokio::test]
async fn a_header_that_means_something_else_cannot_be_the_one_of_ids() {
    for name in [
        "Content-Length",
        "Set-Cookie",
        "X Request Id",
        "",
        "Location",
        "ü-id",
    ] {
        let app = App::new(Settings::default()).setting("REQUEST_ID_HEADER", name);
        let error = app.start().await.expect_err("it cannot start").to_string();
        assert!(
            error.contains("REQUEST_ID_HEADER") && error.contains("ends in `-Id`"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn health_checks_leave_no_line() {
    let log = Logged::new("text");
    let app = App::new(log.settings.clone())
        .with(duck::Health::new())
        .urls([path("/", async |_: Request| "home")]);
    let client = TestClient::start(app).await;
    for _ in 0..20 {
        assert_eq!(client.get("/-/live").await.status(), 200);
        assert_eq!(client.get("/-/ready").await.status(), 200);
    }
    assert_eq!(client.get("/").await.text(), "home");
    assert!(log.lines(1)[0].contains(" GET / "), "{:?}", log.lines(1));
}
