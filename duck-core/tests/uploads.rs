//! Uploads: `multipart/form-data`.
#![cfg(feature = "multipart")]
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use duck::http::{Body, POST};
use duck::middleware::process_request;
use duck::testing::{TestClient, TestResponse};
use duck::{App, Bytes, Next, Request, Response, Result, Settings, UrlPattern, path};
use futures_util::{StreamExt, stream};
use tempfile::TempDir;

const TYPE: &str = "multipart/form-data; boundary=x";

/// A part, without the boundary after it.
fn part(disposition: &str, text: &str) -> String {
    format!("--x\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{text}\r\n")
}

fn end() -> &'static str {
    "--x--\r\n"
}

async fn site(patterns: impl IntoIterator<Item = UrlPattern>) -> TestClient {
    let patterns = patterns.into_iter().map(|pattern| pattern.methods([POST]));
    TestClient::start(App::new(Settings::default()).urls(patterns)).await
}

/// One line for each part.
async fn list(request: Request) -> Result<String> {
    let mut lines = String::new();
    let mut parts = request.multipart()?;
    while let Some(part) = parts.next().await? {
        let (name, file) = (part.name().to_owned(), part.file_name().map(str::to_owned));
        let media_type = part.media_type().map(str::to_owned);
        let length = part.bytes().await?.len();
        writeln!(lines, "{name} {file:?} {media_type:?} {length}")?;
    }
    Ok(lines)
}

/// The names alone: no part is read.
async fn names(request: Request) -> Result<String> {
    let mut names = Vec::new();
    let mut parts = request.multipart()?;
    while let Some(part) = parts.next().await? {
        names.push(part.name().to_owned());
    }
    Ok(names.join(" "))
}

async fn send(body: impl Into<Body>) -> TestResponse {
    site([path("/", list)])
        .await
        .post("/")
        .body(TYPE, body)
        .await
}

/// A body that comes in pieces of this size, of a length nobody knows.
fn in_pieces(bytes: impl Into<Bytes>, size: usize) -> Body {
    let bytes = bytes.into();
    Body::stream(stream::unfold(bytes, move |mut rest| async move {
        let piece = rest.split_to(size.min(rest.len()));
        (!piece.is_empty()).then_some((Ok::<_, io::Error>(piece), rest))
    }))
}

#[tokio::test]
async fn parts_come_with_their_names_and_bytes() {
    let picture = "--x\r\nContent-Type: IMAGE/PNG; x=y\r\n\
                   Content-Disposition: form-data; name=\"picture\"; filename=\"Entchen.png\"\r\n\r\n\u{0}\r\n--\r\n";
    let body = part("name=\"title\"", "Bread") + &part("name=empty", "") + picture + end();
    let page = send(body).await;
    assert_eq!(page.status(), 200);
    assert_eq!(
        page.text(),
        "title None None 5\nempty None None 0\npicture Some(\"Entchen.png\") Some(\"image/png\") 5\n"
    );
    assert_eq!(send(end()).await.text(), "");
}

#[tokio::test]
async fn any_cut_of_the_body_reads_the_same() {
    let picture = "ducks\r\n--\r\n--y\r\n-".repeat(2000);
    let body =
        part("name=a", "1") + &part("name=b; filename=c", &picture) + &part("name=d", "") + end();
    let whole = send(body.clone()).await;
    assert_eq!(whole.status(), 200);
    for size in [1, 2, 3, 7, 64, 1000, 8191, 8192, 8193, 100_000] {
        let cut = send(in_pieces(body.clone(), size)).await;
        assert_eq!(
            (cut.status(), cut.text()),
            (whole.status(), whole.text()),
            "{size}"
        );
    }
}

#[tokio::test]
async fn parts_that_are_not_read_are_skipped() {
    let body = part("name=a; filename=a", &"a".repeat(200_000)) + &part("name=b", "2") + end();
    let site = site([path("/", names)]).await;
    for size in [1000, 1_000_000] {
        let page = site
            .post("/")
            .body(TYPE, in_pieces(body.clone(), size))
            .await;
        assert_eq!(page.text(), "a b");
    }
}

#[tokio::test]
async fn what_is_no_upload_is_refused() {
    let site = site([path("/", list)]).await;
    let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
    for (media_type, status) in [
        ("application/json", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/mixed; boundary=x", 415),
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=", 400),
        ("multipart/form-data; boundary=\"\"", 400),
        ("multipart/form-data; boundary=\"x", 400),
        ("multipart/form-data; xboundary=x", 400),
        (&long, 400),
        ("multipart/form-data-not; boundary=x", 415),
        ("multipart/form-data, text/plain; boundary=x", 415),
        ("nonsense", 415),
    ] {
        let page = site.post("/").body(media_type, end()).await;
        assert_eq!(page.status(), status, "{media_type}");
    }
    assert_eq!(site.post("/").await.status(), 415);
}

#[tokio::test]
async fn malformed_uploads_are_refused() {
    let good = part("name=a", "1");
    for body in [
        String::new(),
        "garbage".to_owned(),
        "--".to_owned(),
        "--x".to_owned(),
        "--x\r\n".to_owned(),
        "--y--\r\n".to_owned(),
        good.clone(),
        good.trim_end().to_owned(),
        good.clone() + "--",
        good.clone() + "--x",
        good.clone() + "--x-",
        good.clone() + "--x?" + end(),
        "--x\r\n\r\nno headers\r\n--x--".to_owned(),
        "--x\r\nContent-Disposition: form-data\r\n\r\n\r\n--x--".to_owned(),
        "--x\r\nContent-Disposition form-data; name=a\r\n\r\n\r\n--x--".to_owned(),
        "--x\r\nContent-Disposition: form-data; name=\"a\r\n\r\n\r\n--x--".to_owned(),
        "--x\r\n: \r\n\r\n--x--".to_owned(),
        "--x\nContent-Disposition: form-data; name=a\n\n1\n--x--".to_owned(),
        part("name=a; filename=\"a\0b\"", "1") + end(),
        format!("--x\r\n{}\r\n\r\n--x--", "a: b\r\n".repeat(100)),
        "\r\n".repeat(50_000),
    ] {
        let page = send(body.clone()).await;
        assert_eq!(page.status(), 400, "{body:?}: {}", page.text());
        let page = send(in_pieces(body.clone(), 5)).await;
        assert_eq!(page.status(), 400, "{body:?} in pieces");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused() {
    let broken = stream::iter([
        Ok(Bytes::from(part("name=a; filename=b", "1"))),
        Err(io::Error::other("gone")),
    ]);
    assert_eq!(send(Body::stream(broken)).await.status(), 400);
}

#[tokio::test]
async fn headers_without_end_are_refused_early() {
    let long = format!(
        "--x\r\nContent-Disposition: form-data; name=\"{}",
        "a".repeat(1_000_000)
    );
    let preamble = "a".repeat(1_000_000);
    for body in [long, preamble] {
        let start = Instant::now();
        let page = send(in_pieces(body, 1)).await;
        assert_eq!(page.status(), 400);
        assert!(
            page.text().contains("too much between two parts"),
            "{}",
            page.text()
        );
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn a_body_is_read_no_further_than_its_parts_are() {
    type Sent = Arc<AtomicUsize>;
    async fn half(request: Request) -> Result<String> {
        let mut parts = request.multipart()?;
        for _ in 0..400 {
            parts.next().await?;
        }
        Ok(request.state::<Sent>()?.load(Ordering::Relaxed).to_string())
    }
    let sent = Sent::default();
    let app = App::new(Settings::default()).urls([path("/", half).methods([POST])]);
    let site = TestClient::start(app.state(sent.clone())).await;
    let one = Bytes::from(part("name=a", &"a".repeat(1000)));
    let length = one.len();
    let body = stream::iter(vec![one; 800]).map(move |piece| {
        sent.fetch_add(piece.len(), Ordering::Relaxed);
        Ok::<_, io::Error>(piece)
    });
    let page = site.post("/").body(TYPE, Body::stream(body)).await;
    let read: usize = page.text().parse().unwrap();
    let asked = 400 * length;
    assert!(
        (asked..asked + 30_000).contains(&read),
        "{read} for {asked}"
    );
}

#[tokio::test]
async fn the_limit_of_the_body_holds() {
    const LIMIT: usize = 1024 * 1024;
    let site = site([
        path("/", list).max_body(LIMIT as u64),
        path("/unread", names).max_body(LIMIT as u64),
    ])
    .await;
    let body = part("name=a; filename=b", &"a".repeat(LIMIT)) + end();
    let fine = part("name=a; filename=b", &"a".repeat(LIMIT - 200)) + end();
    for url in ["/", "/unread"] {
        let known = site.post(url).body(TYPE, body.clone()).await;
        assert_eq!(known.status(), 413, "{url}");
        let chunked = site
            .post(url)
            .body(TYPE, in_pieces(body.clone(), 10_000))
            .await;
        assert_eq!(chunked.status(), 413, "{url}");
        assert!(chunked.text().contains("the body is too large"));
        let fine = site
            .post(url)
            .body(TYPE, in_pieces(fine.clone(), 10_000))
            .await;
        assert_eq!(fine.status(), 200, "{url}");
    }
}

#[tokio::test]
async fn a_long_text_is_refused_where_a_long_file_is_not() {
    async fn text(request: Request) -> Result<String> {
        let mut parts = request.multipart()?;
        while let Some(part) = parts.next().await? {
            part.text().await?;
        }
        Ok(String::new())
    }
    let app = App::new(Settings::default()).setting("MAX_BODY_BYTES", 1000);
    let site = TestClient::start(app.urls([
        path("/text", text).methods([POST]).max_body(1_000_000),
        path("/list", list).methods([POST]).max_body(1_000_000),
    ]))
    .await;
    let body = part("name=a", &"a".repeat(1001)) + end();
    assert_eq!(
        site.post("/text").body(TYPE, body.clone()).await.status(),
        413
    );
    assert_eq!(site.post("/list").body(TYPE, body).await.status(), 200);
    let latin = [
        part("name=a", "").trim_end().as_bytes(),
        b"\r\n\r\n\xe9\r\n--x--",
    ]
    .concat();
    let page = site.post("/text").body(TYPE, latin).await;
    assert_eq!(page.status(), 422);
    assert!(
        page.text()
            .contains("the field `a` of the form is not readable text"),
        "{}",
        page.text()
    );
}

#[tokio::test]
async fn there_may_be_so_many_parts() {
    let many = |count| part("name=a", "").repeat(count) + end();
    assert_eq!(send(many(1000)).await.text().lines().count(), 1000);
    assert_eq!(send(many(1001)).await.status(), 413);
    assert_eq!(send(in_pieces(many(2000), 100)).await.status(), 413);
    let app = App::new(Settings::default()).setting("MAX_FIELDS", 2);
    let site = TestClient::start(app.urls([path("/", names).methods([POST])])).await;
    assert_eq!(site.post("/").body(TYPE, many(2)).await.text(), "a a");
    assert_eq!(site.post("/").body(TYPE, many(3)).await.status(), 413);
}

#[tokio::test]
async fn after_an_error_there_is_nothing_more() {
    async fn stubborn(request: Request) -> Result<String> {
        let mut parts = request.multipart()?;
        let first = parts.next().await.map(|_| ()).unwrap_err();
        let second = parts.next().await.map(|_| ()).unwrap_err();
        Ok(format!("{} {}", first.status(), second.status()))
    }
    let body = "--x\r\n\r\nunnamed\r\n".to_owned() + &part("name=a", "1") + end();
    let page = site([path("/", stubborn)])
        .await
        .post("/")
        .body(TYPE, body)
        .await;
    assert_eq!(page.text(), "400 Bad Request 400 Bad Request");
}

#[tokio::test]
async fn a_body_that_middleware_read_is_there_still() {
    async fn read(request: Request) -> Result<Request> {
        request.bytes().await?;
        Ok(request)
    }
    let site = site([path("/", names).middleware(process_request(read))]).await;
    let page = site.post("/").body(TYPE, part("name=a", "1") + end()).await;
    assert_eq!(page.text(), "a");
}

/// A site that saves what comes into a folder of its own.
async fn saving() -> (TestClient, TempDir) {
    async fn save_to(request: Request) -> Result<String> {
        let target = request.state::<PathBuf>()?.join("target");
        let mut parts = request.multipart()?;
        match parts.next().await? {
            Some(part) => Ok(part.save_to(target).await?.to_string()),
            None => Ok(String::new()),
        }
    }
    async fn save_in(request: Request) -> Result<String> {
        let folder = request.state::<PathBuf>()?;
        let mut saved = Vec::new();
        let mut parts = request.multipart()?;
        while let Some(part) = parts.next().await? {
            saved.push(part.save_in(folder).await?);
        }
        Ok(saved.join(" "))
    }
    let folder = tempfile::tempdir().unwrap();
    let app = App::new(Settings::default()).urls([
        path("/to", save_to).methods([POST]),
        path("/in", save_in).methods([POST]),
    ]);
    (
        TestClient::start(app.state(folder.path().to_owned())).await,
        folder,
    )
}

/// Looks again and again, for half a minute at most.
async fn wait_until(is_so: impl Fn() -> bool) {
    let patience = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < patience, "half a minute was not enough");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn files_in(folder: &TempDir) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn files_are_saved_once() {
    let (site, folder) = saving().await;
    let body = |text: &str| part("name=a; filename=b", text) + end();
    let large = "quack".repeat(100_000);
    let page = site
        .post("/to")
        .body(TYPE, in_pieces(body(&large), 3000))
        .await;
    assert_eq!((page.status().as_u16(), page.text()), (200, "500000"));
    let page = site.post("/to").body(TYPE, body("another")).await;
    assert_eq!(page.status(), 409);
    let saved = std::fs::read_to_string(folder.path().join("target")).unwrap();
    assert!(saved == large);
    assert_eq!(files_in(&folder), ["target"]);
}

#[tokio::test]
async fn half_an_upload_leaves_nothing() {
    let (site, folder) = saving().await;
    let half = part("name=a; filename=b", &"a".repeat(100_000));
    for url in ["/to", "/in"] {
        let page = site.post(url).body(TYPE, half.clone()).await;
        // The last boundary is missing, so that the part has no end.
        assert_eq!(page.status(), 400);
        let large = part("name=a; filename=b", &"a".repeat(3_000_000)) + end();
        let page = site.post(url).body(TYPE, in_pieces(large, 50_000)).await;
        assert_eq!(page.status(), 413);
    }
    assert_eq!(files_in(&folder), [""; 0]);
}

/// Whether this process has a file open that lies, or will lie, in a folder.
fn writes_into(folder: &TempDir) -> bool {
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    let mut targets = open.flatten().map(|open| std::fs::read_link(open.path()));
    targets.any(|target| target.is_ok_and(|target| target.starts_with(folder.path())))
}

#[tokio::test]
async fn an_upload_that_is_given_up_leaves_nothing() {
    let (site, folder) = saving().await;
    let start = Bytes::from(part("name=a; filename=b", &"a".repeat(100_000)));
    let stalled = stream::unfold(Some(start), async |start| match start {
        Some(start) => Some((Ok::<_, io::Error>(start), None)),
        None => std::future::pending().await,
    });
    let upload = site.post("/to").body(TYPE, Body::stream(stalled));
    tokio::select! {
        _ = upload.into_future() => panic!("the rest never came"),
        () = wait_until(|| writes_into(&folder)) => {}
    }
    // It never had a name: nothing is left where the process is killed, either.
    assert_eq!(files_in(&folder), [""; 0]);
    // What a thread was opening when the view was dropped, it closes itself.
    wait_until(|| !writes_into(&folder)).await;
    assert_eq!(files_in(&folder), [""; 0]);
}

/// Run again in a process whose files may have 2,048 bytes at most: what is longer fails as on a disk that is full.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_disk_that_is_full_is_an_error_and_no_shorter_file() {
    const NAME: &str = "a_disk_that_is_full_is_an_error_and_no_shorter_file";
    if std::env::var_os(NAME).is_none() {
        let limited = "trap '' XFSZ; ulimit -f 2; exec \"$0\" --exact --nocapture \"$1\"";
        let run = std::process::Command::new("sh")
            .args(["-c", limited])
            .arg(std::env::current_exe().unwrap())
            .args([NAME])
            .env(NAME, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stdout);
        assert!(
            said.contains("1 passed"),
            "{said}{}",
            String::from_utf8_lossy(&run.stderr)
        );
        return;
    }
    let (site, folder) = saving().await;
    let body = |length| part("name=f; filename=f", &"x".repeat(length)) + end();
    for how in ["/to", "/in"] {
        let response = site.post(how).body(TYPE, body(3000)).await;
        assert_eq!(response.status(), 500, "{how}");
        assert_eq!(files_in(&folder), [""; 0], "{how}");
    }
    let response = site.post("/in").body(TYPE, body(100)).await;
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn names_of_files_stay_in_their_folder() {
    let (site, folder) = saving().await;
    let long = format!("{}.png", "d".repeat(5000));
    let mut expected = Vec::new();
    for (name, saved) in [
        ("../../up", "up"),
        ("C:\\windows", "windows"),
        ("/etc/absolute", "absolute"),
        ("..", "unnamed"),
        (".htaccess", "htaccess"),
        ("..\\..\\back", "back"),
        ("%2e%2e%2fencoded", "%2e%2e%2fencoded"),
        ("con.txt", "_con.txt"),
        (&long, &format!("{}.png", "d".repeat(196))),
    ] {
        let body = part(&format!("name=a; filename=\"{name}\""), "x") + end();
        let page = site.post("/in").body(TYPE, body).await;
        assert_eq!(
            (page.status().as_u16(), page.text()),
            (200, saved),
            "{name}"
        );
        expected.push(saved.to_owned());
    }
    expected.sort();
    assert_eq!(files_in(&folder), expected);
}

#[tokio::test]
async fn files_of_one_name_are_all_kept() {
    let (site, folder) = saving().await;
    let body = part("name=a; filename=duck.png", "1").repeat(3) + end();
    let page = site.post("/in").body(TYPE, body).await;
    let names: Vec<&str> = page.text().split(' ').collect();
    assert_eq!(names[0], "duck.png");
    assert_eq!((&names[1][..5], &names[1][13..]), ("duck-", ".png"));
    assert_eq!(files_in(&folder).len(), 3);
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_at_the_target_is_not_followed() {
    let (site, folder) = saving().await;
    let outside = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path().join("a"), folder.path().join("target")).unwrap();
    let body = part("name=a; filename=b", "1") + end();
    assert_eq!(site.post("/to").body(TYPE, body).await.status(), 409);
    assert_eq!(files_in(&outside), [""; 0]);
}

#[tokio::test]
async fn a_folder_that_is_missing_is_made() {
    let (site, folder) = saving().await;
    let path = folder.path().to_owned();
    folder.close().unwrap();
    let body = part("name=a; filename=b", "1") + end();
    for (url, name) in [("/to", "target"), ("/in", "b")] {
        let page = site.post(url).body(TYPE, body.clone()).await;
        assert_eq!(page.status(), 200);
        assert_eq!(std::fs::read_to_string(path.join(name)).unwrap(), "1");
        std::fs::remove_dir_all(&path).unwrap();
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_a_fault_of_the_site() {
    let (site, folder) = saving().await;
    let path = folder.path().to_owned();
    folder.close().unwrap();
    std::fs::write(&path, "a file").unwrap();
    let body = part("name=a; filename=b", "1") + end();
    for url in ["/to", "/in"] {
        let page = site.post(url).body(TYPE, body.clone()).await;
        assert_eq!(page.status(), 500);
    }
    std::fs::remove_file(&path).unwrap();
}

#[derive(serde::Deserialize)]
struct Note {
    title: String,
    tag: Vec<String>,
}

async fn form(request: Request) -> Result<String> {
    let form = request.multipart_form().await?;
    let note: Note = form.fields()?;
    assert_eq!(form.value("title"), Some(note.title.as_str()));
    assert_eq!(form.values("tag").collect::<Vec<_>>(), note.tag);
    let files: Vec<_> = form
        .files("file")
        .map(|file| format!("{}={}", file.file_name(), file.bytes().len()))
        .collect();
    let chosen = form.file("other").is_some();
    Ok(format!("{} {:?} {files:?} {chosen}", note.title, note.tag))
}

#[tokio::test]
async fn a_small_form_is_had_whole() {
    let site = site([path("/", form)]).await;
    let body = [
        part("name=title", "Grüße & mehr=1"),
        part("name=tag", "a"),
        part("name=tag", "b"),
        part("name=file; filename=1.txt", "one"),
        part("name=file; filename=2.txt", ""),
        part("name=other; filename=\"\"", ""),
        end().to_owned(),
    ]
    .concat();
    let page = site.post("/").body(TYPE, body).await;
    assert_eq!(
        page.text(),
        "Grüße & mehr=1 [\"a\", \"b\"] [\"1.txt=3\", \"2.txt=0\"] false"
    );
    let page = site
        .post("/")
        .body(TYPE, part("name=tag", "a") + end())
        .await;
    assert_eq!(page.status(), 422);
}

/// Reads an upload in one way of many.
async fn read(request: &Request, how: &str) -> Result<String> {
    match how {
        "parts" => list(request.clone()).await,
        "names" => names(request.clone()).await,
        "form" => {
            let form = request.multipart_form().await?;
            let file = form.file("file").map(|file| file.bytes().len());
            Ok(format!("{:?} {file:?}", form.value("title")))
        }
        "first part" => {
            let mut parts = request.multipart()?;
            let first = parts.next().await?;
            Ok(first.map(|part| part.name().to_owned()).unwrap_or_default())
        }
        "half a part" => {
            let mut parts = request.multipart()?;
            parts.next().await?;
            let chunk = match parts.next().await? {
                Some(mut part) => part.chunk().await?,
                None => None,
            };
            Ok(chunk.is_some().to_string())
        }
        "bytes" => Ok(request.bytes().await?.len().to_string()),
        "stream" => {
            let (mut body, mut length) = (request.body_stream()?, 0);
            while let Some(piece) = body.next().await? {
                length += piece.len();
            }
            Ok(length.to_string())
        }
        "no piece" => {
            request.multipart()?;
            Ok(String::new())
        }
        other => panic!("{other}?"),
    }
}

const WAYS: [&str; 8] = [
    "parts",
    "names",
    "form",
    "first part",
    "half a part",
    "bytes",
    "stream",
    "no piece",
];

/// A site whose middleware reads the upload in the way a header names, and whose view reads it in
/// another, or in the same.
async fn read_twice() -> TestClient {
    async fn first(request: Request, next: Next<'_>) -> Result<Response> {
        if let Some(how) = request.header("x-first") {
            // Its error is not the view's.
            let _ = read(&request, how).await;
        }
        Ok(next.run(request).await)
    }
    let view = async |request: Request| {
        let how = request.header("x-then").unwrap_or_default();
        read(&request, how).await
    };
    site([path("/", view).middleware(first)]).await
}

#[tokio::test]
async fn a_middleware_that_reads_an_upload_leaves_it_to_the_view() {
    let site = read_twice().await;
    let good = part("name=title", "Bread")
        + &part("name=file; filename=f", &"quack\r\n".repeat(2000))
        + &part("name=last", "")
        + end();
    let malformed = good.replace("--x--", "--y--");
    let unnamed = part("name=title", "x") + "--x\r\n\r\n\r\n" + end();
    for (body, code) in [(good, 200), (malformed, 400), (unnamed, 400)] {
        for then in WAYS {
            let send = async |first: Option<&str>, size: usize| {
                let request = site.post("/").body(TYPE, in_pieces(body.clone(), size));
                let request = request.header("x-then", then);
                let page = match first {
                    Some(first) => request.header("x-first", first).await,
                    None => request.await,
                };
                (page.status().as_u16(), page.text().to_owned())
            };
            for size in [1000, 1_000_000] {
                let alone = send(None, size).await;
                if ["parts", "names", "form"].contains(&then) {
                    assert_eq!(alone.0, code, "{then}: {}", alone.1);
                }
                for first in WAYS {
                    assert_eq!(send(Some(first), size).await, alone, "{first}, then {then}");
                }
            }
        }
    }
}

#[tokio::test]
async fn whoever_reads_an_upload_second_gets_the_error_of_the_first() {
    let site = read_twice().await;
    let long = part("name=a; filename=b", &"a".repeat(2_100_000)) + end();
    let many = part("name=a", "").repeat(1001) + end();
    for first in ["parts", "names", "form", "first part", "bytes", "stream"] {
        for then in ["parts", "names", "form"] {
            for (body, code) in [(&long, 413), (&many, 413)] {
                let request = site.post("/").body(TYPE, in_pieces(body.clone(), 50_000));
                let page = request
                    .header("x-first", first)
                    .header("x-then", then)
                    .await;
                assert_eq!(page.status(), code, "{first}, then {then}");
                let known = site.post("/").body(TYPE, body.clone());
                let page = known.header("x-first", first).header("x-then", then).await;
                assert_eq!(page.status(), code, "{first}, then {then}");
            }
        }
    }
}

/// A form larger than `MAX_BODY_BYTES` too, on a URL pattern that allows it.
#[tokio::test]
async fn a_form_that_middleware_read_shares_its_files_with_the_view() {
    async fn first(request: Request, next: Next<'_>) -> Result<Response> {
        let form = request.multipart_form().await?;
        let file = form.file("file").map(|file| file.bytes().as_ptr().addr());
        request.insert(file);
        Ok(next.run(request).await)
    }
    async fn view(request: Request) -> Result<String> {
        let form = request.multipart_form().await?;
        let bytes = form.file("file").unwrap().bytes();
        let is_shared = request.get() == Some(Some(bytes.as_ptr().addr()));
        let streamed = names(request.clone()).await?;
        Ok(format!(
            "{} {is_shared} {streamed} {}",
            bytes.len(),
            request.bytes().await?.len()
        ))
    }
    let site = site([path("/", view).middleware(first).max_body(10_000_000)]).await;
    let body = part("name=title", "x") + &part("name=file; filename=f", &"a".repeat(5_000_000));
    let body = body + end();
    let length = body.len();
    let page = site.post("/").body(TYPE, in_pieces(body, 60_000)).await;
    assert_eq!(page.text(), format!("5000000 true title file {length}"));
}

#[tokio::test]
async fn an_upload_is_taken_in_every_spelling_of_its_type() {
    let site = site([path("/", list)]).await;
    for (media_type, boundary) in [
        ("multipart/form-data ; boundary=B", "B"),
        ("multipart/form-data;boundary=B", "B"),
        ("Multipart/Form-Data\t;\tBoundary=B", "B"),
        ("multipart/form-data; charset=utf-8; boundary=B; x", "B"),
        (
            "multipart/form-data; boundary=a=b/c:d?e(f,g)",
            "a=b/c:d?e(f,g)",
        ),
        ("multipart/form-data; boundary=\"a b;c\"", "a b;c"),
        ("multipart/form-data; boundary=\"a\\\"b\\\\c\"", "a\"b\\c"),
        ("multipart/form-data; boundary=B; boundary=C", "B"),
    ] {
        let body = (part("name=a", "1") + end()).replace("--x", &format!("--{boundary}"));
        let page = site.post("/").body(media_type, body).await;
        assert_eq!(page.text(), "a None None 1\n", "{media_type}");
    }
    let body = part("name=a", "1") + end();
    let gzip = site
        .post("/")
        .body(TYPE, body.clone())
        .header("content-encoding", "gzip")
        .await;
    assert_eq!(gzip.status(), 415);
    assert_eq!(gzip.header("accept-encoding"), Some("identity"));
    let other = "multipart/form-data; boundary=y";
    let two = site
        .post("/")
        .body(TYPE, body)
        .header("content-type", other)
        .await;
    assert_eq!(two.status(), 400);
}

#[tokio::test]
async fn files_are_told_from_fields_however_their_names_are_written() {
    for (disposition, says) in [
        (
            "name=a; filename*=utf-8''%E2%82%AC.txt",
            "a Some(\"€.txt\") None 1",
        ),
        ("name=a; filename=\"C:\\\"", "a Some(\"unnamed\") None 1"),
        (
            "filename=\"C:\\x\\\"; name=\"a\"",
            "a Some(\"unnamed\") None 1",
        ),
        (
            "name=\"a%22b\"; filename=\"x%22y%0D%0A.txt\"",
            "a\"b Some(\"x_y.txt\") None 1",
        ),
        ("name=\"a\\\"b\"; filename=\"\"", "a\"b None None 1"),
        (
            "name=a\r\nContent-Type: Text/Plain ; charset=x",
            "a None Some(\"text/plain\") 1",
        ),
        ("name=a\r\nContent-Type: nonsense", "a None None 1"),
    ] {
        let page = send(part(disposition, "1") + end()).await;
        assert_eq!(page.text(), format!("{says}\n"), "{disposition}");
    }
    let latin = [
        b"--x\r\nContent-Disposition: form-data; name=caf\xe9\r\n\r\n1\r\n",
        end().as_bytes(),
    ];
    assert_eq!(
        send(latin.concat()).await.status(),
        422,
        "a name that is not UTF-8"
    );
    let latin: &[u8] =
        b"--x\r\nContent-Disposition: form-data; name=a; filename=caf\xe9\r\n\r\n1\r\n--x--";
    assert_eq!(send(latin).await.text(), "a Some(\"caf\u{fffd}\") None 1\n");
}

#[tokio::test]
async fn no_upload_takes_the_place_of_another() {
    let (site, folder) = saving().await;
    let save = async |name: &str, text: &str| {
        let body = part(&format!("name=a; filename=\"{name}\""), text) + end();
        let page = site.post("/in").body(TYPE, body).await;
        assert_eq!(page.status(), 200, "{name}");
        page.text().to_owned()
    };
    assert_eq!(save("Report.HTML", "the report").await, "report.html");
    let mut names = vec!["report.html".to_owned()];
    for name in [
        "report.html",
        "REPORT.html",
        "report.html.gz",
        "Report.html.BR",
        "report.html.zst",
        "report.html.gz. .",
        "../report.html",
        "C:\\report.html",
        "report\u{202e}.html",
    ] {
        names.push(save(name, "another one").await);
    }
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(read("report.html"), "the report");
    let lower: std::collections::BTreeSet<_> =
        names.iter().map(|name| name.to_lowercase()).collect();
    assert_eq!(lower.len(), names.len(), "{names:?}");
    for name in &names {
        let stem = [".gz", ".br", ".zst"]
            .iter()
            .find_map(|end| name.strip_suffix(end));
        assert!(stem.is_none_or(|stem| !lower.contains(stem)), "{name}");
    }
    names.sort();
    assert_eq!(files_in(&folder), names);
}

#[tokio::test]
async fn long_names_stay_within_their_bound_in_lower_case_too() {
    let (site, folder) = saving().await;
    // Each of these letters is longer in lower case.
    for name in [
        "\u{130}".repeat(99),
        format!("{}.png", "\u{130}".repeat(90)),
    ] {
        let body = part(&format!("name=a; filename=\"{name}\""), "x") + end();
        assert_eq!(site.post("/in").body(TYPE, body).await.status(), 200);
    }
    let names = files_in(&folder);
    assert!(names.iter().all(|name| name.len() <= 200), "{names:?}");
    assert!(
        names
            .iter()
            .any(|name| name.rsplit('.').next() == Some("png")),
        "{names:?}"
    );
}
