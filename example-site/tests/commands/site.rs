//! A site of one test's own, its server, its visitors and its administrator.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_example-site");

/// The first key a site has.
pub(crate) const KEY: &str = "the first key, of more than thirty-two bytes";

/// The hash of everybody's password.
static HASH: LazyLock<String> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.unwrap();
    runtime.block_on(duck::auth::hash("quack")).unwrap()
});

/// The number that a user of this name gets, which is in nothing else by chance. A number is its own.
pub(crate) fn id_of(name: &str) -> String {
    let digit = |number: i64, byte: u8| number * 256 + i64::from(byte);
    let number = name.parse().unwrap_or(name.bytes().fold(0, digit));
    number.to_string()
}

/// The settings of a site and its folder, gone when the test is over.
pub(crate) struct Site {
    temp: TempDir,
    settings: BTreeMap<String, String>,
}

impl Site {
    pub(crate) fn new() -> Self {
        let mut site = Self {
            temp: tempfile::tempdir().unwrap(),
            settings: BTreeMap::new(),
        };
        site.set("ADDRESS", "127.0.0.1:0");
        site.set("SECRET_KEY", KEY);
        site.set("SESSION_DIR", "sessions");
        site.set("DATABASE_URL", "sqlite:example-site.db");
        site
    }

    /// Sets a key for the programs that start from now on.
    pub(crate) fn set(&mut self, key: &str, text: &str) {
        self.settings.insert(key.to_owned(), format!("{text:?}"));
        self.write();
    }

    /// Sets a variable in `.env`, in place of those there.
    pub(crate) fn set_in_env_file(&self, key: &str, text: &str) {
        let file = self.path(".env");
        fs::write(&file, format!("DUCK_{key}='{text}'\n")).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Sets a key with its value as TOML: a number, a boolean.
    pub(crate) fn set_toml(&mut self, key: &str, value: &str) {
        self.settings.insert(key.to_owned(), value.to_owned());
        self.write();
    }

    pub(crate) fn unset(&mut self, key: &str) {
        self.settings.remove(key);
        self.write();
    }

    pub(crate) fn set_list(&mut self, key: &str, list: &[&str]) {
        self.settings.insert(key.to_owned(), format!("{list:?}"));
        self.write();
    }

    fn write(&self) {
        let lines = self.settings.iter();
        let lines = lines.map(|(key, value)| format!("{key} = {value}\n"));
        let file = self.path("settings.toml");
        fs::write(&file, lines.collect::<String>()).unwrap();
        // It holds the key.
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Sets what a site on the internet has to say and no other has.
    pub(crate) fn set_for_the_internet(&mut self) {
        self.set_toml("DEBUG", "false");
        self.settings.remove("SECRET_KEY");
        self.set_in_env_file("SECRET_KEY", KEY);
        self.set_list("ALLOWED_HOSTS", &["example.org"]);
        self.set_list("TRUSTED_PROXIES", &["127.0.0.1"]);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        let ours = std::env::vars().filter(|(name, _)| name.starts_with("DUCK_"));
        for (name, _) in ours {
            command.env_remove(name);
        }
        command
            .args(arguments)
            .env("DUCK_SETTINGS", self.path("settings.toml"))
            .env_remove("RUST_LOG")
            .current_dir(self.temp.path());
        command
    }

    /// `example-site sessions …`
    pub(crate) fn sessions(&self, arguments: &[&str]) -> Answer {
        self.answer(&[&["sessions"], arguments].concat())
    }

    /// What a command says.
    pub(crate) fn answer(&self, arguments: &[&str]) -> Answer {
        Self::ask(&mut self.command(arguments))
    }

    /// What `check` says with a variable in its environment.
    pub(crate) fn check_with(&self, name: &str, value: &OsStr) -> Answer {
        Self::ask(self.command(&["check"]).env(name, value))
    }

    fn ask(command: &mut Command) -> Answer {
        let output = command.output().unwrap();
        Answer {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The same in JSON, once it has gone well.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let answer = self.sessions(&[arguments, &["--json"]].concat());
        assert_eq!(answer.code, 0, "{answer:?}");
        serde_json::from_str(&answer.out).unwrap()
    }

    /// The short names of all sessions that `list` shows.
    pub(crate) fn names(&self, arguments: &[&str]) -> Vec<String> {
        let list = self.json(&[&["list"], arguments].concat());
        let list = list.as_array().unwrap().iter();
        list.map(|line| line["name"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The program with its standard output for a test to read.
    pub(crate) fn piped(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    pub(crate) fn help(&self) -> String {
        String::from_utf8(self.command(&["--help"]).output().unwrap().stdout).unwrap()
    }

    pub(crate) fn serve(&self) -> Server {
        self.start(self.command(&["run"]))
    }

    /// Starts a server, and waits until it says where it serves.
    fn start(&self, mut command: Command) -> Server {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let address = loop {
            let mut line = String::new();
            assert!(
                log.read_line(&mut line).unwrap() > 0,
                "the site did not start: {said}"
            );
            if let Some(rest) = line.trim().strip_prefix("Serving") {
                let url = rest.split_whitespace().next().unwrap();
                break url.strip_prefix("http://").unwrap().to_owned();
            }
            said += &line;
        };
        // Nobody reads the rest, and a full pipe would stop the server.
        thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        self.server(child, address)
    }

    fn server(&self, child: Child, address: String) -> Server {
        let database = self.path("example-site.db");
        Server {
            child,
            address,
            database,
        }
    }

    /// A server that a line of shell starts, as `exec "$0" run`, on a socket that is there already:
    /// whatever becomes of its standard error, its address is known.
    pub(crate) fn serve_from_shell(&self, line: &str, stderr: Stdio) -> Server {
        self.serve_on(TcpListener::bind("127.0.0.1:0").unwrap(), line, stderr)
    }

    /// The same on a socket that somebody else keeps open too, as systemd does: while no server runs, whoever
    /// connects has to wait.
    pub(crate) fn serve_on(&self, listener: TcpListener, line: &str, stderr: Stdio) -> Server {
        let address = listener.local_addr().unwrap().to_string();
        let line = format!("exec 3<&0 </dev/null; export LISTEN_FDS=1; {line}");
        let child = self
            .shell(&line)
            .stdin(OwnedFd::from(listener))
            .stderr(stderr)
            .spawn()
            .unwrap();
        self.server(child, address)
    }

    /// A line of shell, in which the program is `$0`. Whatever ignored signals where the tests were
    /// started, such as `nohup`, does not count in it.
    pub(crate) fn shell(&self, line: &str) -> Command {
        let mut shell = Command::new("env");
        shell.args(["--default-signal", "sh", "-c", line, PROGRAM]);
        inherit(&mut shell, &self.command(&[]));
        shell.current_dir(self.temp.path());
        shell
    }

    /// A server whose system calls are written to a file, those that the expression of `strace -e`
    /// is about.
    pub(crate) fn serve_traced(&self, expression: &str, into: &str) -> Server {
        let plain = self.command(&["run"]);
        let mut traced = Command::new("strace");
        // The server stays this process's child, and the tracer goes with it.
        traced
            .args(["-D", "-f", "-qq", "-e", expression, "-o"])
            .arg(self.path(into))
            .arg(PROGRAM)
            .arg("run");
        inherit(&mut traced, &plain);
        traced.current_dir(self.temp.path());
        self.start(traced)
    }

    /// All files below the folder, and what is in them.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.temp.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.insert(path.clone(), fs::read(path).unwrap());
                }
            }
        }
        files
    }

    /// The record files of `KeyAsFolderCache`.
    pub(crate) fn records(&self) -> Vec<PathBuf> {
        let files = self.files().into_keys();
        files.filter(|path| path.ends_with("record")).collect()
    }
}

/// Gives a program the environment of another one.
fn inherit(command: &mut Command, plain: &Command) {
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
}

/// Waits for something that happens soon.
#[track_caller]
pub(crate) fn wait_until(mut has_happened: impl FnMut() -> bool) {
    let since = Instant::now();
    while !has_happened() {
        assert!(
            since.elapsed() < Duration::from_secs(20),
            "it does not happen"
        );
        thread::sleep(Duration::from_millis(5));
    }
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Answer {
    pub(crate) fn done(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }

    /// It said nothing on standard output, and this on the other one.
    pub(crate) fn refused(self, code: i32, says: &str) -> String {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.err.contains(says) && self.out.is_empty(), "{self:?}");
        self.err
    }
}

/// A server, stopped when the test is over.
pub(crate) struct Server {
    child: Child,
    address: String,
    database: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// What it writes to its standard error, if the test has that.
    pub(crate) fn stderr(&mut self) -> ChildStderr {
        self.child.stderr.take().unwrap()
    }

    /// Waits until it has ended.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        wait_until(|| self.child.try_wait().unwrap().is_some());
        self.child.wait().unwrap()
    }

    /// Gives somebody an account, if they have none yet: it is not the server that writes it.
    pub(crate) fn sign_up(&self, name: &str) {
        let add = "INSERT OR IGNORE INTO users (id, name, hash) VALUES ($1, $2, $3)";
        let id = id_of(name);
        // A server on a socket that was there already may still be making the table.
        wait_until(|| {
            let database = rusqlite::Connection::open(&self.database).unwrap();
            database.execute(add, [&id, name, &HASH]).is_ok()
        });
    }

    /// Somebody who has logged in.
    pub(crate) fn user(&self, name: &str) -> Visitor {
        let mut visitor = Visitor::default();
        visitor.log_in(self, name);
        visitor
    }
}

/// A browser: it keeps its session cookie, from one server to the next.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Visitor {
    cookie: Option<String>,
}

impl Visitor {
    pub(crate) fn id(&self) -> &str {
        self.cookie.as_deref().unwrap()
    }

    /// Who the site takes this visitor for, and how often they came.
    pub(crate) fn me(&mut self, server: &Server) -> (Option<String>, u64) {
        let body = self.ask(server, "GET", "/api/me", "");
        let me: Value = serde_json::from_str(&body).unwrap();
        (
            me["user"].as_str().map(str::to_owned),
            me["visits"].as_u64().unwrap(),
        )
    }

    pub(crate) fn come(&mut self, server: &Server) {
        self.ask(server, "GET", "/", "");
    }

    pub(crate) fn log_in(&mut self, server: &Server, name: &str) {
        server.sign_up(name);
        let form = format!("name={name}&password=quack");
        self.ask(server, "POST", "/login", &form);
    }

    pub(crate) fn log_out(&mut self, server: &Server) {
        self.ask(server, "POST", "/logout", "");
    }

    pub(crate) fn write(&mut self, server: &Server, words: &str) {
        self.ask(server, "POST", "/guestbook", &format!("text={words}"));
    }

    fn ask(&mut self, server: &Server, method: &str, path: &str, form: &str) -> String {
        let (status, body) = self.try_to(server, method, path, form);
        assert!(status < 400, "{method} {path}: {status} {body}");
        body
    }

    /// The status that the site answers with, and its page.
    pub(crate) fn try_to(
        &mut self,
        server: &Server,
        method: &str,
        path: &str,
        form: &str,
    ) -> (u16, String) {
        self.try_at(&server.address, method, path, form)
    }

    /// The same at any address, such as that of a proxy.
    pub(crate) fn try_at(
        &mut self,
        address: &str,
        method: &str,
        path: &str,
        form: &str,
    ) -> (u16, String) {
        let cookie = self.cookie.as_ref();
        let cookie = cookie.map_or_else(String::new, |id| format!("cookie: session_id={id}\r\n"));
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{cookie}content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
            form.len()
        );
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        let status: u16 = head[9..12].parse().unwrap();
        self.keep(head);
        (status, body.to_owned())
    }

    fn keep(&mut self, head: &str) {
        for line in head.lines() {
            let Some(cookie) = line.strip_prefix("set-cookie: session_id=") else {
                continue;
            };
            let value = cookie.split(';').next().unwrap();
            self.cookie = Some(value.to_owned()).filter(|_| !value.is_empty());
        }
    }
}
