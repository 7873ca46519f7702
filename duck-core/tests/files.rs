//! Files as responses, and folders of them.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use duck::files::{StaticFiles, file, media_folder, static_folder};
use duck::http::POST;
use duck::testing::{TestClient, TestResponse};
use duck::{App, Method, Request, Response, Result, Settings, path};
use tempfile::TempDir;

/// A site with static files beside a secret; all files are a day old.
struct Site {
    client: TestClient,
    folder: TempDir,
}

impl Site {
    async fn new() -> Self {
        Self::with(|app| app).await
    }

    async fn with(change: impl FnOnce(App) -> App) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("secret.txt", "secret"),
            ("static/a.txt", "0123456789"),
            ("static/css/site.css", "body{}"),
            ("static/empty", ""),
            ("static/.hidden", "secret"),
            ("static/.git/config", "secret"),
        ] {
            write(&folder.path().join(name), text);
        }
        fs::create_dir(folder.path().join("site")).unwrap();
        let settings = Settings::default().in_folder(folder.path().join("site"));
        let app = App::new(settings).setting("STATIC_DIR", "../static");
        let client = TestClient::start(change(app).with(StaticFiles::new())).await;
        Self { client, folder }
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        write(&self.folder.path().join(name), text);
    }

    async fn get(&self, path: &str) -> TestResponse {
        self.client.get(path).await
    }

    /// `GET /static/a.txt` with one more header.
    async fn ask(&self, header: &str, value: &str) -> TestResponse {
        self.client.get("/static/a.txt").header(header, value).await
    }
}

fn write(path: &Path, text: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    age(path, 86_400);
}

fn age(path: &Path, seconds: u64) {
    let file = fs::File::options().write(true).open(path).unwrap();
    let date = SystemTime::now() - Duration::from_secs(seconds);
    file.set_modified(date).unwrap();
}

#[tokio::test]
async fn a_file_comes_with_all_that_is_known_of_it() {
    let site = Site::new().await;
    let page = site.get("/static/css/site.css").await;
    assert_eq!((page.status().as_u16(), page.text()), (200, "body{}"));
    for (name, value) in [
        ("content-type", "text/css; charset=utf-8"),
        ("accept-ranges", "bytes"),
        ("cache-control", "no-cache"),
        ("vary", "accept-encoding"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(page.header(name), Some(value), "{name}");
    }
    assert!(page.header("etag").unwrap().starts_with('"'));
    assert!(page.header("last-modified").unwrap().ends_with(" GMT"));
    assert_eq!(site.get("/static/empty").await.text(), "");
}

#[tokio::test]
async fn head_has_the_headers_of_get() {
    let site = Site::new().await;
    let get = site.get("/static/a.txt").await;
    let head = site.client.request(Method::HEAD, "/static/a.txt");
    let head = head.header("range", "bytes=0-1").await;
    assert_eq!((head.status().as_u16(), head.text()), (200, ""));
    assert_eq!(head.header("content-length"), Some("10"));
    for name in ["etag", "last-modified", "content-type"] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
    let head = site.client.request(Method::HEAD, "/static/a.txt");
    let head = head.header("if-none-match", "*").await;
    let length = head.header("content-length");
    assert_eq!((head.status().as_u16(), length), (304, None));
    assert_eq!(site.client.post("/static/a.txt").await.status(), 405);
}

#[tokio::test]
async fn a_large_file_comes_whole() {
    let site = Site::new().await;
    let bytes: Vec<u8> = (0..=252).cycle().take(1_000_003).collect();
    site.write("static/large.bin", &bytes);
    assert_eq!(site.get("/static/large.bin").await.bytes(), &bytes);
    let part = site.client.get("/static/large.bin");
    let part = part.header("range", "bytes=1000-900000").await;
    assert_eq!(part.status(), 206);
    assert_eq!(part.bytes(), &bytes[1000..=900_000]);
}

#[tokio::test]
async fn what_a_browser_has_is_not_sent_again() {
    let site = Site::new().await;
    let page = site.get("/static/a.txt").await;
    let etag = page.header("etag").unwrap();
    let date = page.header("last-modified").unwrap();
    for (name, value) in [("if-none-match", etag), ("if-modified-since", date)] {
        let again = site.ask(name, value).await;
        assert_eq!((again.status().as_u16(), again.text()), (304, ""), "{name}");
        assert_eq!(again.header("etag"), Some(etag));
        assert_eq!(again.header("cache-control"), Some("no-cache"));
        assert_eq!(again.header("vary"), Some("accept-encoding"));
    }
    site.write("static/a.txt", "changed");
    let changed = site.ask("if-none-match", etag).await;
    assert_eq!(
        (changed.status().as_u16(), changed.text()),
        (200, "changed")
    );
    let meant = site.ask("if-match", etag).await;
    assert_eq!((meant.status().as_u16(), meant.header("etag")), (412, None));
}

#[tokio::test]
async fn a_file_just_written_has_a_weak_tag() {
    let site = Site::new().await;
    age(&site.folder.path().join("static/a.txt"), 0);
    let page = site.get("/static/a.txt").await;
    let etag = page.header("etag").unwrap();
    assert!(etag.starts_with("W/\""), "{etag}");
    assert_eq!(site.ask("if-none-match", etag).await.status(), 304);
}

#[tokio::test]
async fn ranges_are_cut() {
    let site = Site::new().await;
    let huge = format!("bytes=2-{}", "9".repeat(100));
    for (range, text, content_range) in [
        ("bytes=0-", "0123456789", "bytes 0-9/10"),
        ("bytes=0-0", "0", "bytes 0-0/10"),
        ("bytes=3-5", "345", "bytes 3-5/10"),
        ("bytes=-5", "56789", "bytes 5-9/10"),
        ("bytes=-50", "0123456789", "bytes 0-9/10"),
        (&huge, "23456789", "bytes 2-9/10"),
    ] {
        let page = site.ask("range", range).await;
        assert_eq!(
            (page.status().as_u16(), page.text()),
            (206, text),
            "{range}"
        );
        assert_eq!(page.header("content-range"), Some(content_range), "{range}");
        assert!(page.header("etag").is_some());
    }
}

#[tokio::test]
async fn ranges_that_make_no_sense_are_left_aside() {
    let site = Site::new().await;
    for range in [
        "bytes=5-2",
        "abc",
        "bytes=abc",
        "bytes=",
        "bytes=-",
        "bytes=0-1,3-4",
        "lines=1-2",
    ] {
        let page = site.ask("range", range).await;
        assert_eq!(
            (page.status().as_u16(), page.text()),
            (200, "0123456789"),
            "{range}"
        );
        assert_eq!(page.header("content-range"), None);
    }
}

#[tokio::test]
async fn ranges_behind_the_end_are_refused_with_the_length() {
    let site = Site::new().await;
    let huge = format!("bytes={}-", "9".repeat(100));
    for range in ["bytes=10-", "bytes=99-100", "bytes=-0", &huge] {
        let page = site.ask("range", range).await;
        assert_eq!(page.status(), 416, "{range}");
        assert_eq!(page.header("content-range"), Some("bytes */10"), "{range}");
        assert_eq!(page.header("cache-control"), None);
    }
}

#[tokio::test]
async fn if_range_sends_the_whole_of_another_file() {
    let site = Site::new().await;
    let page = site.get("/static/a.txt").await;
    for (condition, status) in [
        (page.header("etag").unwrap(), 206),
        (page.header("last-modified").unwrap(), 206),
        ("\"other\"", 200),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 200),
        ("nonsense", 200),
    ] {
        let part = site
            .client
            .get("/static/a.txt")
            .header("range", "bytes=0-1");
        let part = part.header("if-range", condition).await;
        assert_eq!(part.status(), status, "{condition}");
    }
}

#[tokio::test]
async fn nothing_outside_of_the_folder_is_sent() {
    let site = Site::new().await;
    for path in [
        "../secret.txt",
        "%2e%2e/secret.txt",
        "%2E%2e%2Fsecret.txt",
        "..%2fsecret.txt",
        "..%5csecret.txt",
        "css/../../secret.txt",
        "css/%2e%2e/%2e%2e/secret.txt",
        "css/../a.txt",
        "./a.txt",
        "css%2Fsite.css",
        "css%5Csite.css",
        "%252e%252e/secret.txt",
        "..;/secret.txt",
        "....//secret.txt",
        "/etc/passwd",
        "%2fetc/passwd",
        "//etc/passwd",
        "C:/secret.txt",
        "file:///etc/passwd",
        "a.txt%00",
        "a.txt%00.css",
        "%00",
        "a.txt/",
        "a.txt/x",
        "css//site.css",
        "css",
        "css/",
        ".",
        "..",
        ".hidden",
        "%2ehidden",
        ".git/config",
        "%ff%fe",
        "%c0%ae%c0%ae/secret.txt",
        "absent",
        &"x".repeat(5000),
        &"x/".repeat(5000),
    ] {
        let page = site.get(&format!("/static/{path}")).await;
        assert_eq!(page.status(), 404, "{path}");
        assert!(!page.text().contains("secret"), "{path}");
    }
    assert_eq!(site.get("/static/%61.txt").await.text(), "0123456789");
    assert_eq!(site.get("/static/").await.status(), 404);
}

#[cfg(unix)]
#[tokio::test]
async fn links_are_followed_inside_the_folder_only() {
    use std::os::unix::fs::symlink;
    let site = Site::new().await;
    let root = site.folder.path();
    for (target, link) in [
        ("a.txt", "inside.txt"),
        ("../secret.txt", "out.txt"),
        ("/etc/passwd", "passwd"),
        ("..", "up"),
        ("out.txt", "twice.txt"),
        (".hidden", "seen.txt"),
        ("nowhere", "dangling"),
        ("../secret.txt", "a.txt.gz"),
    ] {
        symlink(target, root.join("static").join(link)).unwrap();
    }
    assert_eq!(site.get("/static/inside.txt").await.text(), "0123456789");
    for path in [
        "out.txt",
        "passwd",
        "up/secret.txt",
        "twice.txt",
        "seen.txt",
        "dangling",
    ] {
        let page = site.get(&format!("/static/{path}")).await;
        assert_eq!(page.status(), 404, "{path}");
    }
    assert_eq!(
        site.ask("accept-encoding", "gzip").await.text(),
        "0123456789"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_behind_a_link_is_served_as_soon_as_it_is_there() {
    let site = Site::with(|app| app.urls([static_folder("/current/", "../current")])).await;
    let root = site.folder.path();
    assert_eq!(site.get("/current/a.txt").await.status(), 404);
    std::os::unix::fs::symlink("static", root.join("current")).unwrap();
    assert_eq!(site.get("/current/a.txt").await.text(), "0123456789");
}

#[tokio::test]
async fn compressed_files_beside_are_sent_to_who_takes_them() {
    let site = Site::new().await;
    site.write("static/a.txt.gz", "gzipped");
    site.write("static/a.txt.br", "brotli");
    let mut tags = Vec::new();
    for (accepted, text, encoding) in [
        ("gzip", "gzipped", Some("gzip")),
        ("gzip, br", "brotli", Some("br")),
        ("identity", "0123456789", None),
        ("br;q=0, gzip", "gzipped", Some("gzip")),
    ] {
        let page = site.ask("accept-encoding", accepted).await;
        assert_eq!(
            (page.text(), page.header("content-encoding")),
            (text, encoding)
        );
        assert_eq!(
            page.header("content-type"),
            Some("text/plain; charset=utf-8")
        );
        assert_eq!(page.header("vary"), Some("accept-encoding"));
        tags.push(page.header("etag").unwrap().to_owned());
    }
    assert_eq!(tags[0], tags[3]);
    tags.truncate(3);
    tags.sort_unstable();
    tags.dedup();
    assert_eq!(tags.len(), 3);
}

#[tokio::test]
async fn a_compressed_file_that_is_out_of_date_is_not_sent() {
    let site = Site::new().await;
    site.write("static/a.txt.gz", "old");
    age(&site.folder.path().join("static/a.txt"), 100);
    let page = site.ask("accept-encoding", "gzip").await;
    assert_eq!(
        (page.text(), page.header("content-encoding")),
        ("0123456789", None)
    );
}

#[tokio::test]
async fn settings_name_url_folder_and_age() {
    let site = Site::with(|app| {
        app.setting("STATIC_URL", "/assets")
            .setting("STATIC_CACHE_AGE", 3600)
    })
    .await;
    let page = site.get("/assets/a.txt").await;
    assert_eq!(page.header("cache-control"), Some("public, max-age=3600"));
    assert!(site.client.site().settings().unknown_keys().is_empty());
}

#[tokio::test]
async fn a_folder_with_the_settings_in_it_is_not_served() {
    let site = tempfile::tempdir().unwrap();
    for folder in ["", ".", "..", site.path().to_str().unwrap()] {
        let settings = Settings::default()
            .in_folder(site.path())
            .with("STATIC_DIR", folder);
        let error = App::new(settings)
            .with(StaticFiles::new())
            .start()
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("settings file is in it"),
            "{folder}: {error}"
        );
    }
}

#[tokio::test]
async fn middleware_of_the_pattern_stands_before_its_files() {
    async fn nobody(_: Request, _: duck::Next<'_>) -> Result<Response> {
        Ok(Response::new(duck::StatusCode::FORBIDDEN))
    }
    let site =
        Site::with(|app| app.urls([static_folder("/private/", "../static").middleware(nobody)]))
            .await;
    assert_eq!(site.get("/private/a.txt").await.status(), 403);
}

async fn show(request: Request, name: String) -> Result<Response> {
    file(&request, name).await
}

async fn save(request: Request) -> Result<Response> {
    Ok(file(&request, "a.txt").await?.download("../Grüße.txt"))
}

/// A site whose views answer with files.
async fn views() -> (TestClient, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("a.txt"), "0123456789");
    let app = App::new(Settings::default().in_folder(folder.path())).urls([
        path("/show/<path:name>", show),
        path("/save", save).methods([duck::http::GET, POST]),
    ]);
    (TestClient::start(app).await, folder)
}

#[tokio::test]
async fn a_view_may_answer_with_a_file() {
    let (client, folder) = views().await;
    let page = client.get("/show/a.txt").header("range", "bytes=1-2").await;
    assert_eq!((page.status().as_u16(), page.text()), (206, "12"));
    assert_eq!(page.header("cache-control"), None);
    fs::create_dir(folder.path().join("folder")).unwrap();
    for absent in [
        "absent",
        "folder",
        "a.txt/x",
        "%2Fdev%2Fnull",
        "%00",
        &"x".repeat(5000),
    ] {
        let page = client.get(&format!("/show/{absent}")).await;
        assert_eq!(page.status(), 404, "{absent}");
    }
}

#[tokio::test]
async fn a_download_has_a_name_and_a_post_no_conditions() {
    let (client, _folder) = views().await;
    let page = client.get("/save").await;
    assert_eq!(
        page.header("content-disposition"),
        Some("attachment; filename=\"Gr__e.txt\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe.txt")
    );
    let done = client.post("/save").header("if-none-match", "*");
    let done = done.header("range", "bytes=0-1").await;
    assert_eq!((done.status().as_u16(), done.text()), (200, "0123456789"));
}

/// A file as `collectstatic` names it.
const HASHED: &str = "css/site.0123456789abcdef.css";

const FOR_A_YEAR: &str = "public, max-age=31536000, immutable";

/// A site whose static files were collected, in release unless `debug` says otherwise.
async fn collected(debug: bool) -> Site {
    async fn url(request: Request) -> Result<String> {
        let name: String = request.query_value("name").unwrap_or_default();
        Ok(request.static_url(&name)?.into_owned())
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("static/css/site.css", "body{}"),
        ("static/new.css", "new"),
        (&format!("staticfiles/{HASHED}"), "collected"),
        ("staticfiles/old.fedcba9876543210.css", "of an earlier run"),
        ("staticfiles/plain.css", "not collected"),
        ("staticfiles/.collecting-a.0123456789abcdef.css", "half"),
        (
            "staticfiles/staticfiles.json",
            &format!(r#"{{"files": {{"css/site.css": "{HASHED}"}}}}"#),
        ),
    ] {
        write(&folder.path().join(name), text);
    }
    fs::create_dir(folder.path().join("site")).unwrap();
    let app = App::new(Settings::default().in_folder(folder.path().join("site")))
        .setting("STATIC_DIR", "../static")
        .setting("STATIC_ROOT", "../staticfiles")
        .setting("DEBUG", debug)
        .with(StaticFiles::new())
        .urls([path("/url", url)]);
    let client = TestClient::start(app).await;
    Site { client, folder }
}

#[tokio::test]
async fn collected_files_are_kept_for_a_year_under_their_hashed_names_alone() {
    let site = collected(false).await;
    for (name, text, caching) in [
        (HASHED, "collected", FOR_A_YEAR),
        ("css/site.css", "collected", "no-cache"),
        ("old.fedcba9876543210.css", "of an earlier run", FOR_A_YEAR),
    ] {
        let page = site.get(&format!("/static/{name}")).await;
        assert_eq!((page.status().as_u16(), page.text()), (200, text), "{name}");
        assert_eq!(page.header("cache-control"), Some(caching), "{name}");
        assert_eq!(page.header("content-type"), Some("text/css; charset=utf-8"));
        let etag = page.header("etag").unwrap();
        let again = site.client.get(&format!("/static/{name}"));
        let again = again.header("if-none-match", etag).await;
        assert_eq!(again.status(), 304, "{name}");
        assert_eq!(again.header("cache-control"), Some(caching), "{name}");
    }
}

#[tokio::test]
async fn what_was_not_collected_is_not_sent() {
    let site = collected(false).await;
    for name in [
        "new.css",
        "plain.css",
        "staticfiles.json",
        ".collecting-a.0123456789abcdef.css",
        "css/site.0123456789abcdee.css",
        "css/site.0123456789abcdef.css.gz",
    ] {
        let page = site.get(&format!("/static/{name}")).await;
        assert_eq!(page.status(), 404, "{name}");
    }
}

#[tokio::test]
async fn compressed_collected_files_are_sent_whatever_their_dates_are() {
    let site = collected(false).await;
    let compressed = format!("staticfiles/{HASHED}.br");
    site.write(&compressed, "brotli");
    age(&site.folder.path().join(compressed), 1_000_000);
    for name in [HASHED, "css/site.css"] {
        let page = site.client.get(&format!("/static/{name}"));
        let page = page.header("accept-encoding", "br").await;
        assert_eq!(page.text(), "brotli");
        assert_eq!(page.header("content-encoding"), Some("br"));
        assert_eq!(page.header("vary"), Some("accept-encoding"));
    }
}

#[tokio::test]
async fn urls_of_static_files_are_those_of_the_collected_ones() {
    let site = collected(false).await;
    for (name, url) in [
        ("css/site.css", format!("/static/{HASHED}")),
        ("css/site.css?v=1%23x", format!("/static/{HASHED}?v=1#x")),
    ] {
        assert_eq!(site.get(&format!("/url?name={name}")).await.text(), url);
    }
    for name in [
        "css/sites.css",
        "new.css",
        "/css/site.css",
        "../secret.txt",
        "",
    ] {
        let page = site.get(&format!("/url?name={name}")).await;
        assert_eq!(page.status(), 500, "{name}");
    }
}

#[tokio::test]
async fn in_debug_static_files_come_from_their_folder_at_once() {
    let site = collected(true).await;
    let page = site.get("/static/new.css").await;
    assert_eq!(page.text(), "new");
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    assert_eq!(site.get(&format!("/static/{HASHED}")).await.status(), 404);
    let url = site.get("/url?name=css/site.css").await;
    assert_eq!(url.text(), "/static/css/site.css");
    let page = site.get("/url?name=later%20on.css").await;
    assert_eq!(page.status(), 500);
    let text = page.text();
    assert!(text.contains("there is no static file"), "{text}");
    site.write("static/later on.css", "later");
    let url = site.get("/url?name=later%20on.css").await;
    assert_eq!(url.text(), "/static/later%20on.css");
    assert_eq!(site.get(url.text()).await.text(), "later");
}

#[tokio::test]
async fn a_damaged_or_incomplete_collection_stops_the_site() {
    let site = collected(false).await;
    let root = site.folder.path().join("staticfiles");
    let start = || {
        let settings = Settings::default().with("STATIC_ROOT", &root);
        App::new(settings).with(StaticFiles::new()).start()
    };
    assert!(start().await.is_ok());
    fs::remove_file(root.join(HASHED)).unwrap();
    let error = start().await.unwrap_err().to_string();
    let expected = "is missing; run `collectstatic` again";
    assert!(error.contains(expected), "{error}");
    site.write("staticfiles/staticfiles.json", r#"{"files": {"#);
    let error = start().await.unwrap_err().to_string();
    assert!(error.contains("staticfiles.json"), "{error}");
    fs::remove_file(root.join("staticfiles.json")).unwrap();
    assert!(start().await.is_ok());
}

#[tokio::test]
async fn a_static_url_without_static_files_says_what_is_missing() {
    async fn url(request: Request) -> Result<String> {
        Ok(request.static_url("a.css")?.into_owned())
    }
    let app = App::new(Settings::default().with("DEBUG", true)).urls([path("/", url)]);
    let page = TestClient::start(app).await.get("/").await;
    assert_eq!(page.status(), 500);
    let text = page.text();
    assert!(text.contains("StaticFiles::new()"), "{text}");
}

/// A site with a folder of uploads.
async fn media() -> Site {
    let urls = [
        media_folder("/media/", "../media"),
        static_folder("/own/", "../media"),
    ];
    Site::with(|app| app.urls(urls).setting("STATIC_CACHE_AGE", 60)).await
}

#[tokio::test]
async fn uploads_are_shown_only_if_they_cannot_act() {
    let site = media().await;
    for (name, url, shown) in [
        ("a.png", "a.png", Some("image/png")),
        ("A.JPEG", "A.JPEG", Some("image/jpeg")),
        ("a.webm", "a.webm", Some("video/webm")),
        ("a.txt", "a.txt", Some("text/plain; charset=utf-8")),
        ("a.html", "a.html", None),
        ("a.HTM", "a.HTM", None),
        ("a.xhtml", "a.xhtml", None),
        ("a.svg", "a.svg", None),
        ("a.svgz", "a.svgz", None),
        ("a.xml", "a.xml", None),
        ("a.pdf", "a.pdf", None),
        ("a.js", "a.js", None),
        ("a.css", "a.css", None),
        ("a.json", "a.json", None),
        ("a.mht", "a.mht", None),
        ("a.png.html", "a.png.html", None),
        ("a.html.", "a.html.", None),
        ("a.png ", "a.png%20", None),
        ("png", "png", None),
        ("Grün \"x\".html", "Gr%C3%BCn%20%22x%22.html", None),
    ] {
        site.write(&format!("media/{name}"), "<script>alert(1)</script>");
        let page = site.get(&format!("/media/{url}")).await;
        assert_eq!(page.status(), 200, "{name}");
        let expected = shown.unwrap_or("application/octet-stream");
        assert_eq!(page.header("content-type"), Some(expected), "{name}");
        let disposition = page.header("content-disposition");
        assert_eq!(disposition.is_none(), shown.is_some(), "{name}");
        let begin = "attachment; filename=\"";
        assert!(disposition.is_none_or(|text| text.starts_with(begin)));
        for (header, value) in [
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", "sandbox; default-src 'none'"),
            ("cache-control", "no-cache"),
        ] {
            assert_eq!(page.header(header), Some(value), "{name}");
        }
    }
}

#[tokio::test]
async fn an_upload_never_takes_the_place_of_another() {
    let site = media().await;
    site.write("media/report.html", "the report");
    for ending in ["gz", "br"] {
        site.write(&format!("media/report.html.{ending}"), "another one");
    }
    for folder in ["media", "own"] {
        let page = site.client.get(&format!("/{folder}/report.html"));
        let page = page.header("accept-encoding", "gzip, br").await;
        assert_eq!(page.text(), "the report", "{folder}");
        assert_eq!(page.header("content-encoding"), None, "{folder}");
    }
}

#[tokio::test]
async fn uploads_come_in_parts_and_stay_in_their_folder() {
    let site = media().await;
    site.write("media/film.mp4", "0123456789");
    site.write("media/.upload-half", "half");
    let part = site.client.get("/media/film.mp4");
    let part = part.header("range", "bytes=2-4").await;
    assert_eq!((part.status().as_u16(), part.text()), (206, "234"));
    assert_eq!(part.header("content-type"), Some("video/mp4"));
    assert_eq!(part.header("x-content-type-options"), Some("nosniff"));
    for path in [
        "../secret.txt",
        "..%2fsecret.txt",
        "%2e%2e/secret.txt",
        ".upload-half",
        "",
        "a%5Cb",
    ] {
        let page = site.get(&format!("/media/{path}")).await;
        assert_eq!(page.status(), 404, "{path}");
    }
}
