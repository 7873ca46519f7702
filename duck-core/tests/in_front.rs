//! Behind the proxies whose configurations `docs/deploying.md` has: each runs with the text of that page, in front of a
//! real site, and is visited by curl.

#![expect(clippy::unwrap_used, reason = "all of this is test code")]

mod nginx;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use duck::http::{POST, stream};
use duck::prelude::*;
use duck::{Bytes, path};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use self::nginx::Nginx;

const PATIENCE: Duration = Duration::from_secs(60);
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/deploying.md");

/// The visitor's address. The proxy's is 127.0.0.1.
const VISITOR: &str = "127.0.0.2";

async fn who(request: Request) -> String {
    let address = request.client_ip().map(|address| address.to_string());
    let (host, secure) = (request.host().unwrap_or_default(), request.is_secure());
    format!("{} {secure} {host}", address.unwrap_or_default())
}

async fn upgrade(request: Request) -> String {
    let header = |name| {
        request
            .header(name)
            .unwrap_or_default()
            .to_ascii_lowercase()
    };
    format!(
        "{} {} {}",
        header("connection"),
        header("upgrade"),
        header("sec-websocket-key")
    )
}

async fn upload(request: Request) -> Result<String> {
    Ok(request.bytes().await?.len().to_string())
}

async fn large_headers(request: Request) -> Result<Response> {
    let cookie = request.header("cookie").unwrap_or_default().len();
    Ok(text(cookie.to_string()).with_header("x-large", "y".repeat(10_000))?)
}

/// The second event comes when somebody has seen the first.
async fn events(request: Request) -> Result<Response> {
    let seen = request.state::<Arc<Notify>>()?.clone();
    let pieces = futures_util::stream::unfold(0, move |count| {
        let seen = seen.clone();
        async move {
            if count == 1 {
                seen.notified().await;
            }
            let event = Bytes::from(format!("data: event {count}\n\n"));
            (count < 2).then_some((Ok::<_, std::convert::Infallible>(event), count + 1))
        }
    });
    Ok(stream("text/event-stream", pieces))
}

/// A site that serves.
struct Served {
    address: SocketAddr,
    seen: Arc<Notify>,
}

impl Served {
    async fn start() -> Self {
        let settings = "ALLOWED_HOSTS = ['example.org']\nTRUSTED_PROXIES = ['127.0.0.1']";
        let seen = Arc::new(Notify::new());
        let site = App::new(Settings::from_toml(settings).unwrap())
            .state(seen.clone())
            .urls([
                path("/who", who),
                path("/upgrade", upgrade),
                path("/upload", upload).methods([POST]),
                path("/large-headers", large_headers),
                path("/events", events),
            ]);
        let site = site.start().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(duck::server::serve(listener, site, std::future::pending()));
        Self { address, seen }
    }

    /// The ports of those who are connected to the site, or were a moment ago, as the system lists them.
    fn connections(&self) -> BTreeSet<u16> {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let port = |field: &str| u16::from_str_radix(field.split(':').nth(1)?, 16).ok();
        let mut ports = BTreeSet::new();
        for line in table.lines().skip(1) {
            let mut fields = line.split_whitespace().skip(1).map(port);
            let ends = (fields.next().flatten(), fields.next().flatten());
            if let (Some(one), Some(other)) = ends {
                let mine = self.address.port();
                ports.extend((one == mine && other != 0).then_some(other));
                ports.extend((other == mine).then_some(one));
            }
        }
        ports
    }
}

/// A running proxy.
struct Proxy {
    /// Where it speaks HTTPS.
    port: u16,
}

impl Proxy {
    fn curl(&self, path: &str, arguments: &[&str]) -> Command {
        let port = self.port;
        let mut curl = Command::new("curl");
        curl.args([
            "--silent",
            "--show-error",
            "--insecure",
            "--no-buffer",
            "--max-time",
            "60",
        ])
        .args(["--noproxy", "*", "--interface", VISITOR])
        .args(["--resolve", &format!("example.org:{port}:127.0.0.1")])
        .args(arguments)
        .arg(format!("https://example.org:{port}{path}"));
        curl
    }

    /// What comes for a path.
    async fn get(&self, path: &str, arguments: &[&str]) -> String {
        self.ask(path, arguments, &[0]).await
    }

    /// The status of an upload that is refused. Caddy may break off the page that comes with it: it is still sending
    /// when the site has answered.
    async fn status(&self, path: &str, arguments: &[&str]) -> String {
        const PARTIAL_FILE: i32 = 18; // curl(1)
        self.ask(path, arguments, &[0, PARTIAL_FILE]).await
    }

    async fn ask(&self, path: &str, arguments: &[&str], exits: &[i32]) -> String {
        let mut curl = self.curl(path, arguments);
        let output = tokio::task::spawn_blocking(move || curl.output().unwrap());
        let output = output.await.unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let is_fine = output
            .status
            .code()
            .is_some_and(|code| exits.contains(&code));
        assert!(is_fine, "{path} {arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// A program that ends with its test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _gone = self.0.kill();
        self.0.wait().expect("it ends");
    }
}

/// A block of the page in this language, of which there is one.
fn block(language: &str) -> String {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let open = format!("```{language}\n");
    let mut blocks = page
        .split(&open)
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap());
    let block = blocks.next().expect("the page has such a block").to_owned();
    assert!(blocks.next().is_none(), "the page has one {language} block");
    block
}

/// The same text with each of these in place of what the page says, which has to be there.
fn replaced(text: String, with: &[(&str, String)]) -> String {
    with.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "the page says no {from:?}");
        text.replace(from, to)
    })
}

fn certificate(folder: &Path) {
    let done = Command::new("openssl")
        .args(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2".split(' '),
        )
        .args([
            "-subj",
            "/CN=example.org",
            "-addext",
            "subjectAltName=DNS:example.org",
        ])
        .arg("-keyout")
        .arg(folder.join("key.pem"))
        .arg("-out")
        .arg(folder.join("cert.pem"))
        .stderr(Stdio::null())
        .status();
    assert!(done.unwrap().success(), "openssl makes a certificate");
}

fn free_port() -> u16 {
    let probe = StdListener::bind("127.0.0.1:0").unwrap();
    probe.local_addr().unwrap().port()
}

/// What every proxy in front has to do.
async fn visit(proxy: &Proxy, served: &Served) {
    // Who the visitor is, whatever they say of themselves.
    let forged = [
        "-H",
        "X-Forwarded-For: 192.0.2.1",
        "-H",
        "X-Forwarded-Proto: http",
        "-H",
        "Forwarded: for=192.0.2.1;host=evil.example",
    ];
    for arguments in [&[][..], &forged, &["--http1.1"]] {
        let who = proxy.get("/who", arguments).await;
        assert_eq!(who, format!("{VISITOR} true example.org"), "{arguments:?}");
    }
    // HTTP/2 at the front.
    let version = [
        "--http2",
        "--output",
        "/dev/null",
        "--write-out",
        "%{http_version}",
    ];
    assert_eq!(proxy.get("/who", &version).await, "2");
    // What a WebSocket begins with.
    let socket = [
        "--http1.1",
        "-H",
        "Connection: Upgrade",
        "-H",
        "Upgrade: websocket",
        "-H",
        "Sec-WebSocket-Version: 13",
        "-H",
        "Sec-WebSocket-Key: aa==",
    ];
    assert_eq!(
        proxy.get("/upgrade", &socket).await,
        "upgrade websocket aa=="
    );
    assert_eq!(proxy.get("/upgrade", &["-H", "Upgrade: "]).await.trim(), "");
    // Uploads, up to what the site takes.
    let body = "x".repeat(1_900_000);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("upload");
    std::fs::write(&file, &body).unwrap();
    let data = format!("@{}", file.display());
    let post = [
        "--data-binary",
        data.as_str(),
        "--write-out",
        " %{http_code}",
    ];
    assert_eq!(proxy.get("/upload", &post).await, "1900000 200");
    std::fs::write(&file, body.repeat(2)).unwrap();
    let status = [
        "--data-binary",
        data.as_str(),
        "--output",
        "/dev/null",
        "--write-out",
        "%{http_code}",
    ];
    assert_eq!(proxy.status("/upload", &status).await, "413");
    // Large heads, in both directions.
    let cookie = format!("Cookie: a={}", "c".repeat(20_000));
    for version in ["--http1.1", "--http2"] {
        assert_eq!(
            proxy.get("/large-headers", &[version, "-H", &cookie]).await,
            "20002"
        );
    }
    // Its connections to the site are used again.
    let before = served.connections();
    assert!(!before.is_empty(), "the system lists connections");
    for _ in 0..5 {
        proxy.get("/who", &[]).await;
    }
    let new = served.connections().difference(&before).count();
    assert!(new <= 1, "{new} connections for 5 requests");
    streams(proxy, served).await;
}

/// An event arrives before the next one is made.
async fn streams(proxy: &Proxy, served: &Served) {
    for version in ["--http1.1", "--http2"] {
        let mut curl = proxy
            .curl("/events", &[version])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = curl.stdout.take().unwrap();
        let (send, mut lines) = tokio::sync::mpsc::unbounded_channel();
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                send.send(line.unwrap()).unwrap_or_default();
            }
        });
        let mut next = async || tokio::time::timeout(PATIENCE, lines.recv()).await;
        assert_eq!(
            next().await.expect("at once").as_deref(),
            Some("data: event 0"),
            "{version}"
        );
        served.seen.notify_one();
        assert_eq!(next().await.unwrap().as_deref(), Some(""));
        assert_eq!(next().await.unwrap().as_deref(), Some("data: event 1"));
        assert!(
            tokio::task::spawn_blocking(move || curl.wait())
                .await
                .unwrap()
                .unwrap()
                .success()
        );
        reader.join().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_behind_nginx_as_the_page_has_it() {
    let served = Served::start().await;
    let (port, plain) = (free_port(), free_port());
    let configure = |folder: &Path| {
        certificate(folder);
        let at = folder.display();
        replaced(
            block("nginx"),
            &[
                ("127.0.0.1:8000", served.address.to_string()),
                ("listen 443 ", format!("listen 127.0.0.1:{port} ")),
                ("listen 80;", format!("listen 127.0.0.1:{plain};")),
                (
                    "/etc/letsencrypt/live/example.org/fullchain.pem",
                    format!("{at}/cert.pem"),
                ),
                (
                    "/etc/letsencrypt/live/example.org/privkey.pem",
                    format!("{at}/key.pem"),
                ),
            ],
        )
    };
    let is_up = async |_: &Path| TcpStream::connect(("127.0.0.1", port)).is_ok();
    let Some(_nginx) = Nginx::start(configure, is_up).await else {
        return;
    };
    let proxy = Proxy { port };
    visit(&proxy, &served).await;
    let insecure = Command::new("curl")
        .args(["--silent", "--noproxy", "*", "--output", "/dev/null"])
        .args([
            "--write-out",
            "%{http_code} %{redirect_url}",
            "-H",
            "Host: example.org",
        ])
        .arg(format!("http://127.0.0.1:{plain}/who?a=b"))
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&insecure.stdout),
        "301 https://example.org/who?a=b"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_behind_caddy_as_the_page_has_it() {
    let places = ["/usr/local/bin/caddy", "/usr/bin/caddy"];
    let Some(program) = places.iter().find(|place| Path::new(place).exists()) else {
        let is_ci = std::env::var("CI").as_deref() == Ok("true");
        assert!(!is_ci, "CI has to have caddy");
        eprintln!("SKIPPED: there is no caddy on this machine");
        return;
    };
    let served = Served::start().await;
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path());
    let at = folder.path().display().to_string();
    let port = free_port();
    // Nobody gives a certificate for a machine that cannot be reached: the block gets one that is there.
    let block = replaced(
        block("caddyfile"),
        &[
            ("127.0.0.1:8000", served.address.to_string()),
            (
                "example.org {\n",
                format!(
                    "https://example.org:{port} {{\n    bind 127.0.0.1\n    tls {at}/cert.pem {at}/key.pem\n"
                ),
            ),
        ],
    );
    let whole = format!(
        "{{\n    admin off\n    auto_https disable_redirects\n    storage file_system {at}/storage\n}}\n{block}"
    );
    let file = folder.path().join("Caddyfile");
    std::fs::write(&file, whole).unwrap();
    let caddy = Command::new(program)
        .args(["run", "--adapter", "caddyfile", "--config"])
        .arg(file)
        .env("HOME", folder.path())
        .stderr(Stdio::null())
        .spawn();
    let mut caddy = Ends(caddy.unwrap());
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(caddy.0.try_wait().unwrap().is_none(), "caddy has ended");
        assert!(start.elapsed() < PATIENCE, "caddy does not answer");
        std::thread::sleep(Duration::from_millis(20));
    }
    let proxy = Proxy { port };
    visit(&proxy, &served).await;
}
