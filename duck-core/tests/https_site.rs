//! A site's own program that speaks HTTPS, with all of its settings and commands. It is this program, started once
//! more.

use std::env;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::time::{Duration, SystemTime};

use duck::{App, Request, path};
use tempfile::TempDir;

#[path = "own_program/mod.rs"]
mod own_program;

const IS_SITE: &str = "HTTPS_SITE";

fn main() -> ExitCode {
    if env::var_os(IS_SITE).is_some() {
        return site().run();
    }
    let tests: [(&str, fn()); 11] = [
        (
            "https_is_served_where_the_settings_name_a_certificate",
            serves,
        ),
        (
            "visitors_without_encryption_are_sent_on_and_to_no_other_site",
            redirects,
        ),
        (
            "the_redirect_leads_to_the_port_that_visitors_use",
            redirects_to_port,
        ),
        (
            "mistakes_at_start_name_the_setting_the_file_and_the_line",
            mistakes,
        ),
        (
            "ssl_gen_makes_files_that_only_their_owner_reads_and_replaces_none",
            ssl_gen,
        ),
        (
            "check_deploy_finds_a_key_that_all_can_read_and_a_certificate_that_ends",
            check_deploy,
        ),
        ("a_unix_socket_is_served_with_its_mode", unix),
        (
            "a_socket_that_is_left_over_is_replaced_and_one_in_use_is_not",
            left_over,
        ),
        ("what_is_no_socket_is_left_alone", no_socket),
        ("a_unix_socket_may_be_handed_over", inherits_unix),
        (
            "two_sockets_handed_over_are_the_site_and_the_redirect",
            inherits_two,
        ),
    ];
    own_program::run(&tests)
}

fn site() -> App {
    let who = async |request: Request| format!("secure={}", request.is_secure());
    App::from_settings("settings.toml").urls([path("/", who)])
}

/// A folder with settings, and commands of the site in it.
struct Place(TempDir);

impl Place {
    fn new(settings: &str) -> Self {
        let place = Self(tempfile::tempdir().expect("a folder"));
        place.put("settings.toml", settings);
        place
    }

    /// With a certificate of its own, at a free port.
    fn with_certificate(settings: &str) -> Self {
        let place = Self::new(&format!("{HTTPS}{settings}"));
        place.certify(SystemTime::now() + Duration::from_hours(24 * 90));
        place
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).expect("a file");
    }

    fn certify(&self, ends: SystemTime) {
        let mut params = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).expect("names");
        params.not_before = (ends - Duration::from_hours(24 * 365)).into();
        params.not_after = ends.into();
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        self.put("cert.pem", &certificate.pem());
        self.put("key.pem", &key.serialize_pem());
        self.close("key.pem", 0o600);
    }

    fn close(&self, name: &str, mode: u32) {
        let mode = Permissions::from_mode(mode);
        fs::set_permissions(self.0.path().join(name), mode).expect("it is ours");
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env::current_exe().expect("a test knows its program"));
        command.args(arguments);
        self.prepare(&mut command);
        command
    }

    fn prepare(&self, command: &mut Command) {
        command.current_dir(self.0.path()).env(IS_SITE, "1");
        command.env_remove("RUST_LOG");
    }

    /// What a command that ends by itself did.
    fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&self.command(arguments).output().expect("it runs"))
    }

    fn serve(&self) -> Server {
        Server::start(self.command(&["run"]))
    }
}

const HTTPS: &str = "ADDRESS = '127.0.0.1:0'\nTLS_CERT = 'cert.pem'\nTLS_KEY = 'key.pem'\n";

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    fn of(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// A running site.
struct Server {
    process: Child,
    /// What its banner calls the redirect and the site.
    redirect: Option<String>,
    url: String,
    _log: BufReader<Box<dyn Read>>,
}

impl Server {
    fn start(mut command: Command) -> Self {
        let mut process = command.stderr(Stdio::piped()).spawn().expect("it starts");
        let log = process.stderr.take().expect("its log is piped");
        let mut log: BufReader<Box<dyn Read>> = BufReader::new(Box::new(log));
        let (mut redirect, mut said) = (None, String::new());
        let url = loop {
            let mut line = String::new();
            let read = log.read_line(&mut line).expect("lines");
            assert!(read > 0, "it ended, and said {said}");
            let mut words = line.split_whitespace();
            match (words.next(), words.next()) {
                (Some("redirect"), Some(url)) => redirect = Some(url.to_owned()),
                (Some("Serving"), Some(url)) => break url.to_owned(),
                _ => said += &line,
            }
        };
        Self {
            process,
            redirect,
            url,
            _log: log,
        }
    }

    /// Asks the redirect.
    fn answer(&self, request: &str) -> String {
        let url = self.redirect.as_deref().expect("there is a redirect");
        let address = url.strip_prefix("http://").expect("a URL");
        let mut stream = TcpStream::connect(address).expect("it listens");
        let patience = Some(Duration::from_secs(30));
        stream.set_read_timeout(patience).expect("not zero");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .expect("it answers and closes");
        answer
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What curl read; `None` where there is no curl.
fn curl(options: &[&str]) -> Option<String> {
    match Command::new("curl")
        .args(["--silent", "--show-error"])
        .args(options)
        .output()
    {
        Ok(output) => {
            let ran = Ran::of(&output);
            assert_eq!(ran.err, "", "{options:?}");
            Some(ran.out)
        }
        Err(error) => {
            let is_ci = env::var("CI").as_deref() == Ok("true");
            assert!(!is_ci, "CI has to have curl: {error}");
            eprintln!("SKIPPED: there is no curl on this machine: {error}");
            None
        }
    }
}

fn serves() {
    for settings in ["", "WORK_STEALING = true"] {
        let place = Place::with_certificate(settings);
        let server = place.serve();
        assert!(
            server.url.starts_with("https://127.0.0.1:"),
            "{}",
            server.url
        );
        assert_eq!(server.redirect, None);
        let file = place.0.path().join("cert.pem");
        let options = ["--cacert", file.to_str().expect("a name"), &server.url];
        if let Some(out) = curl(&options) {
            assert_eq!(out, "secure=true");
        }
    }
}

const REDIRECT: &str =
    "HTTP_REDIRECT_ADDRESS = '127.0.0.1:0'\nALLOWED_HOSTS = ['a.example', '[::1]']\n";

fn redirects() {
    let settings = format!("{REDIRECT}REQUEST_ID_HEADER = 'X-Request-Id'\n");
    let server = Place::with_certificate(&settings).serve();
    let port = server.url.rsplit_once(':').expect("a port").1;
    for (request, location) in [
        ("GET / HTTP/1.1\r\nHost: a.example", "a.example:PORT/"),
        (
            "GET /x?y=%20z HTTP/1.1\r\nHost: A.Example:80",
            "A.Example:PORT/x?y=%20z",
        ),
        (
            "GET //evil.example/ HTTP/1.1\r\nHost: [::1]",
            "[::1]:PORT//evil.example/",
        ),
        (
            "GET /@evil.example HTTP/1.0\r\nHost: a.example",
            "a.example:PORT/@evil.example",
        ),
        ("GET /%zz HTTP/1.1\r\nHost: a.example", "a.example:PORT/%zz"),
        (
            "POST /form HTTP/1.1\r\nHost: a.example\r\nOrigin: https://b.example\r\nContent-Length: 0",
            "a.example:PORT/form",
        ),
        ("HEAD /x HTTP/1.1\r\nHost: a.example", "a.example:PORT/x"),
        ("BREW /x HTTP/1.1\r\nHost: a.example", "a.example:PORT/x"),
        ("OPTIONS * HTTP/1.1\r\nHost: a.example", "a.example:PORT/"),
        (
            "GET http://a.example/x HTTP/1.1\r\nHost: evil.example",
            "a.example:PORT/x",
        ),
    ] {
        let answer = server.answer(&format!("{request}\r\n\r\n"));
        let location = location.replace("PORT", port);
        assert!(answer[8..].starts_with(" 308 "), "{request}: {answer}");
        assert!(
            answer.contains(&format!("location: https://{location}\r\n")),
            "{request}: {answer}"
        );
        assert!(answer.contains("\r\nx-request-id: "), "{request}: {answer}");
    }
    for hostile in [
        "GET / HTTP/1.1\r\nHost: evil.example",
        "GET / HTTP/1.1\r\nHost: a.example.evil.example",
        "GET / HTTP/1.1\r\nHost: a.example@evil.example",
        "GET / HTTP/1.1\r\nHost: evil.example/a.example",
        "GET / HTTP/1.1\r\nHost: a.example:80@evil.example",
        "GET / HTTP/1.1\r\nHost: a.example, evil.example",
        "GET / HTTP/1.1\r\nHost: a.example\r\nHost: evil.example",
        "GET http://evil.example/ HTTP/1.1\r\nHost: a.example",
        "GET / HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: a.example",
        "GET / HTTP/1.1\r\nHost: evil.example\r\nForwarded: host=a.example",
        "GET / HTTP/1.1\r\nHost:",
        "GET / HTTP/1.0\r\nConnection: close",
        "GET / HTTP/1.1",
        "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443",
    ] {
        let answer = server.answer(&format!("{hostile}\r\n\r\n"));
        assert!(answer[8..].starts_with(" 400 "), "{hostile}: {answer}");
        assert!(
            !answer.to_lowercase().contains("location:"),
            "{hostile}: {answer}"
        );
    }
}

fn redirects_to_port() {
    for (port, url) in [
        ("443", "https://a.example/x"),
        ("8443", "https://a.example:8443/x"),
    ] {
        let settings = format!("{REDIRECT}HTTP_REDIRECT_PORT = {port}\n");
        let server = Place::with_certificate(&settings).serve();
        let answer = server.answer("GET /x HTTP/1.1\r\nHost: a.example:80\r\n\r\n");
        assert!(
            answer.contains(&format!("location: {url}\r\n")),
            "{port}: {answer}"
        );
    }
}

/// Starts a site that cannot start.
fn fails(place: &Place, right: &str) {
    let ran = place.run(&["run"]);
    assert_eq!(ran.code, Some(1), "{right}: {}", ran.err);
    assert!(ran.err.contains(right), "{right}: {}", ran.err);
}

fn mistakes() {
    let place = Place::with_certificate("");
    let key = fs::read_to_string(place.0.path().join("key.pem")).expect("a key");
    place.certify(SystemTime::now() - Duration::from_hours(24));
    fails(&place, "settings.toml, line 2: TLS_CERT: ");
    fails(&place, "its certificate ended on ");
    place.certify(SystemTime::now() + Duration::from_hours(24));
    place.put("key.pem", &key);
    fails(&place, "settings.toml, line 3: TLS_KEY: ");
    fails(&place, "is not the key of the certificate in ");
    fs::remove_file(place.0.path().join("cert.pem")).expect("it is there");
    fails(&place, "settings.toml, line 2: TLS_CERT: ");
    let ran = place.run(&["check"]);
    assert_eq!(ran.code, Some(1), "{}", ran.out);
    assert!(
        ran.out.contains("✗ settings.toml, line 2: TLS_CERT: "),
        "{}",
        ran.out
    );
    assert_eq!(
        place.run(&["routes"]).code,
        Some(0),
        "other commands need none"
    );

    let place = Place::with_certificate("HTTP_REDIRECT_ADDRESS = '127.0.0.1:0'");
    fails(
        &place,
        "settings.toml, line 4: HTTP_REDIRECT_ADDRESS: takes ALLOWED_HOSTS",
    );
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let settings = format!("DEBUG = true\nHTTP_REDIRECT_ADDRESS = '{address}'");
    let place = Place::with_certificate(&settings);
    fails(
        &place,
        "settings.toml, line 5: HTTP_REDIRECT_ADDRESS: cannot listen on ",
    );
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path)
        .expect("it is there")
        .permissions()
        .mode()
        & 0o777
}

fn ssl_gen() {
    let place = Place::new("");
    let ran = place.run(&["ssl-gen"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{}", ran.out);
    assert!(
        ran.out.contains("for localhost, 127.0.0.1, ::1, until "),
        "{}",
        ran.out
    );
    let [certificate, key] =
        [".duck/cert.pem", ".duck/key.pem"].map(|file| place.0.path().join(file));
    assert_eq!((mode(&certificate), mode(&key)), (0o644, 0o600));
    let before = fs::read(&key).expect("a key");
    let ran = place.run(&["ssl-gen"]);
    assert_eq!(ran.code, Some(1), "{}", ran.out);
    assert!(
        ran.err.contains("is there already") && ran.err.contains("--force"),
        "{}",
        ran.err
    );
    assert_eq!(fs::read(&key).expect("a key"), before);
    for wrong in ["http://a.example", "a b", "", "*", "a.*.example", "a/b"] {
        let ran = place.run(&["ssl-gen", "--force", "--", wrong]);
        assert_eq!(ran.code, Some(1), "{wrong:?}: {}", ran.out);
    }
    let ran = place.run(&["ssl-gen", "--force", "a.example", "*.b.example", "10.0.0.7"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_ne!(fs::read(&key).expect("a key"), before);
    assert_eq!(mode(&key), 0o600);

    place.put(
        "settings.toml",
        "ADDRESS = '127.0.0.1:0'\nTLS_CERT = 'tls/c.pem'\nTLS_KEY = 'tls/k.pem'",
    );
    let ran = place.run(&["ssl-gen"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(place.run(&["check"]).code, Some(0));
    let server = place.serve();
    let file = place.0.path().join("tls/c.pem");
    let file = file.to_str().expect("a name");
    let port = server.url.rsplit_once(':').expect("a port").1;
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{port}/");
        if let Some(out) = curl(&["--ipv4", "--cacert", file, &url]) {
            assert_eq!(out, "secure=true");
        }
    }
}

fn check_deploy() {
    let place = Place::with_certificate("ALLOWED_HOSTS = ['a.example']\n");
    let well = place.run(&["check", "--deploy"]);
    for not_there in ["TLS_", "TRUSTED_PROXIES"] {
        assert!(!well.out.contains(not_there), "{}", well.out);
    }
    place.close("key.pem", 0o644);
    let found = place.run(&["check", "--deploy"]);
    assert_eq!(found.code, Some(1));
    assert!(
        found.out.contains("line 3: TLS_KEY: ") && found.out.contains("chmod o= "),
        "{}",
        found.out
    );
    assert!(
        !place.run(&["check"]).out.contains("TLS_KEY"),
        "only on the internet"
    );
    place.certify(SystemTime::now() + Duration::from_hours(24 * 13));
    let found = place.run(&["check", "--deploy"]);
    assert!(
        found.out.contains("line 2: TLS_CERT: ") && found.out.contains("certificate ends on "),
        "{}",
        found.out
    );
    place.certify(SystemTime::now() - Duration::from_hours(1));
    let found = place.run(&["check", "--deploy"]);
    assert!(
        found.out.contains("line 2: TLS_CERT: ") && found.out.contains("certificate ended on "),
        "{}",
        found.out
    );
}

const UNIX: &str = "ADDRESS = 'unix:a.sock'\n";

fn ask(socket: &Path) -> String {
    let mut stream = UnixStream::connect(socket).expect("it listens");
    stream
        .write_all(b"GET / HTTP/1.0\r\n\r\n")
        .expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

fn unix() {
    for (settings, expected) in [
        ("", 0o660),
        ("UNIX_SOCKET_MODE = '600'", 0o600),
        ("UNIX_SOCKET_MODE = '666'", 0o666),
        ("WORK_STEALING = true", 0o660),
    ] {
        let place = Place::new(&format!("{UNIX}{settings}"));
        let server = place.serve();
        let socket = place.0.path().join("a.sock");
        assert!(
            server.url.starts_with("unix:") && server.url.ends_with("/a.sock"),
            "{}",
            server.url
        );
        assert_eq!(mode(&socket), expected);
        assert!(ask(&socket).ends_with("secure=false"));
    }
}

fn left_over() {
    let place = Place::new(UNIX);
    let socket = place.0.path().join("a.sock");
    drop(place.serve());
    assert!(
        UnixStream::connect(&socket).is_err(),
        "the file of a killed site is there"
    );
    assert!(socket.exists());
    let server = place.serve();
    fails(&place, "settings.toml, line 1: ADDRESS: cannot listen on ");
    fails(&place, "another program listens there");
    assert!(
        ask(&socket).ends_with("secure=false"),
        "the first one still has it"
    );
    drop(server);
    // One that answers nobody is not dead.
    fs::remove_file(&socket).expect("it is left over");
    let busy = UnixListener::bind(&socket).expect("a socket");
    fails(&place, "another program listens there");
    drop(busy);
}

fn no_socket() {
    let place = Place::new(UNIX);
    place.put("a.sock", "precious");
    fails(&place, "a file is there that is no socket");
    let text = fs::read_to_string(place.0.path().join("a.sock")).expect("it is there");
    assert_eq!(text, "precious");
    let place = Place::new("ADDRESS = 'unix:nowhere/a.sock'");
    fails(&place, "make its folder first");
}

/// A command that has these sockets from the descriptor 3 on, as systemd hands them over.
fn handed_over(place: &Place, sockets: Vec<OwnedFd>) -> Command {
    let program = env::current_exe().expect("a test knows its program");
    let script = match sockets.len() {
        1 => r#"exec 3<&0 0</dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$0" run"#,
        _ => r#"exec 3<&0 4<&1 0</dev/null 1>&2; export LISTEN_FDS=2 LISTEN_PID=$$; exec "$0" run"#,
    };
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(program);
    place.prepare(&mut command);
    let mut sockets = sockets.into_iter().map(Stdio::from);
    command.stdin(sockets.next().expect("a socket"));
    if let Some(second) = sockets.next() {
        command.stdout(second);
    }
    command
}

fn inherits_unix() {
    let place = Place::new("ADDRESS = '127.0.0.1:0'");
    let socket = place.0.path().join("given.sock");
    let listener = UnixListener::bind(&socket).expect("a socket");
    let server = Server::start(handed_over(&place, vec![listener.into()]));
    assert!(server.url.ends_with("/given.sock"), "{}", server.url);
    assert!(ask(&socket).ends_with("secure=false"));
}

fn inherits_two() {
    let place = Place::with_certificate("ALLOWED_HOSTS = ['127.0.0.1']");
    let sockets = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
    let [site, redirect] =
        [&sockets[0], &sockets[1]].map(|it| it.local_addr().expect("an address"));
    let server = Server::start(handed_over(
        &place,
        sockets.map(OwnedFd::from).into_iter().collect(),
    ));
    assert_eq!(server.url, format!("https://{site}"));
    assert_eq!(
        server.redirect.as_deref(),
        Some(&*format!("http://{redirect}"))
    );
    let file = place.0.path().join("cert.pem");
    let file = file.to_str().expect("a name");
    let url = format!("http://{redirect}/");
    if let Some(out) = curl(&["--cacert", file, "--location", &url]) {
        assert_eq!(out, "secure=true");
    }
    // Without hosts it would lead to any that a client writes into `Host`.
    let open = Place::with_certificate("");
    let sockets = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
    let sockets = sockets.map(OwnedFd::from).into_iter().collect();
    let mut command = handed_over(&open, sockets);
    let ran = Ran::of(&command.stderr(Stdio::piped()).output().expect("it runs"));
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(ran.err.contains("takes ALLOWED_HOSTS"), "{}", ran.err);
}
