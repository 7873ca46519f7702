//! A server of PostgreSQL of a test's own, gone with the test.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use duck_session::store::DatabaseCache;
use duck_session::store::deadpool_postgres::tokio_postgres::{self, Client, NoTls};
use rustix::process::{Pid, Signal, kill_process};

/// Runs until the test lets go of its input, and takes the folder along, whatever becomes of the test.
const GUARD: &str = r#""$@" >"$0/log" 2>&1 &
pid=$!
read -r keep
kill -QUIT "$pid" 2>/dev/null
wait "$pid"
[ "$keep" = keep ] || rm -rf "$0""#;

pub(crate) struct Server {
    folder: PathBuf,
    pub(crate) port: u16,
    guard: Option<Child>,
}

/// For tests that leave the server as it is: each has a database of its own there.
pub(crate) fn shared() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(Server::new).as_ref()
}

impl Server {
    /// Starts one. Where there is no PostgreSQL a test cannot be made, and says so; in CI it fails.
    pub(crate) fn new() -> Option<Self> {
        Self::with("", &[])
    }

    /// The same with lines for its configuration, and options for `initdb`.
    pub(crate) fn with(configuration: &str, initdb: &[&str]) -> Option<Self> {
        bin()?;
        let folder = tempfile::tempdir().unwrap().keep();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let server = Self {
            folder,
            port,
            guard: None,
        };
        fs::write(server.folder.join("password"), "s3cret-of-me").unwrap();
        give_to_postgres(&server.folder);
        let file = format!("--pwfile={}", server.folder.join("password").display());
        let data = server.data();
        let mut line = vec![
            "-D",
            data.to_str().unwrap(),
            "-U",
            "me",
            "--no-sync",
            "-E",
            "UTF8",
            &file,
        ];
        line.extend(if initdb.is_empty() {
            &["-A", "trust"][..]
        } else {
            initdb
        });
        let made = tool("initdb").args(line).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        let lines = format!(
            "port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{}'\nfsync = off\n\
             max_wal_size = 64MB\nshared_buffers = 16MB\nlog_min_messages = warning\n{configuration}\n",
            server.folder.display()
        );
        fs::write(data.join("postgresql.auto.conf"), lines).unwrap();
        Some(server.started())
    }

    fn started(mut self) -> Self {
        self.start();
        self
    }

    /// Starts it again.
    pub(crate) fn start(&mut self) {
        self.launch();
        self.wait();
    }

    /// Starts it, and does not wait until it answers.
    pub(crate) fn launch(&mut self) {
        let mut guard = as_postgres(Command::new("sh"));
        guard
            .args(["-c", GUARD])
            .arg(&self.folder)
            .arg(bin().unwrap().join("postgres"));
        guard
            .arg("-D")
            .arg(self.data())
            .stdin(Stdio::piped())
            .stderr(Stdio::null());
        self.guard = Some(guard.spawn().unwrap());
    }

    fn wait(&self) {
        let start = Instant::now();
        let ready = || {
            let mut isready = tool("pg_isready");
            isready.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
            isready.status().unwrap().success()
        };
        while !ready() {
            assert!(start.elapsed() < Duration::from_secs(60), "{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Ends it, as `pg_ctl stop -m immediate` does: what was not on the disk is not written any more.
    pub(crate) fn stop(&mut self) {
        let mut guard = self.guard.take().unwrap();
        std::io::Write::write_all(&mut guard.stdin.take().unwrap(), b"keep\n").unwrap();
        guard.wait().unwrap();
    }

    /// Kills all of its processes.
    pub(crate) fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.stop();
    }

    /// Sends all of its processes a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = fs::read_to_string(self.data().join("postmaster.pid")).unwrap();
        let pid = pid.lines().next().unwrap().to_owned();
        // The first one first: it would start others.
        let children = || {
            let list = format!("/proc/{pid}/task/{pid}/children");
            fs::read_to_string(list).unwrap_or_default()
        };
        let before = children();
        for pid in pid.split_whitespace().chain(before.split_whitespace()) {
            let pid = Pid::from_raw(pid.parse().unwrap()).unwrap();
            let _ = kill_process(pid, signal); // it may have ended meanwhile
        }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What `pg_dump` says of a database.
    pub(crate) fn dump(&self, database: &str) -> Output {
        let mut dump = tool("pg_dump");
        dump.args([
            "-h",
            "127.0.0.1",
            "-p",
            &self.port.to_string(),
            "-U",
            "me",
            database,
        ]);
        dump.output().unwrap()
    }

    /// A new database.
    pub(crate) async fn database(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("site{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let (client, make) = (
            self.client("postgres").await,
            format!("CREATE DATABASE {name}"),
        );
        client.batch_execute(&make).await.unwrap();
        name
    }

    pub(crate) fn url(&self, database: &str) -> String {
        format!(
            "postgres://me:s3cret-of-me@127.0.0.1:{}/{database}",
            self.port
        )
    }

    /// A client that is nobody's but the test's.
    pub(crate) async fn client(&self, database: &str) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.url(database), NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        client
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            drop(guard.stdin.take());
            let _ = guard.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A store in a new database of the shared server.
pub(crate) async fn store() -> Option<DatabaseCache> {
    let server = shared()?;
    let url = server.url(&server.database().await);
    Some(DatabaseCache::open(&url).await.unwrap())
}

/// Where Debian has the programs.
fn bin() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let newest = versions
        .map(|version| version.path().join("bin"))
        .filter(|bin| bin.join("initdb").exists())
        .max();
    if newest.is_none() {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "PostgreSQL is missing"
        );
        eprintln!("NOT TESTED: PostgreSQL is missing (`apt install postgresql`)");
    }
    newest
}

/// PostgreSQL does not run as root: then it is the user that Debian makes for it.
fn user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let number = |option: &str| -> u32 {
        let id = Command::new("id")
            .args([option, "postgres"])
            .stderr(Stdio::null())
            .output()
            .unwrap();
        String::from_utf8(id.stdout)
            .unwrap()
            .trim()
            .parse()
            .expect("there is no user postgres")
    };
    Some((number("-u"), number("-g")))
}

/// One of the programs, as the user that the server runs as.
fn tool(name: &str) -> Command {
    as_postgres(Command::new(bin().unwrap().join(name)))
}

/// Makes the user that a server runs as the owner.
pub(crate) fn give_to_postgres(path: &Path) {
    if let Some((user, group)) = user() {
        chown(path, Some(user), Some(group)).unwrap();
    }
}

fn as_postgres(mut command: Command) -> Command {
    if let Some((user, group)) = user() {
        command.uid(user).gid(group);
    }
    command.current_dir("/").env_remove("PGDATA");
    command
}

/// What a child has said, once it is over.
pub(crate) fn said(mut child: Child) -> String {
    let mut text = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert!(child.wait().unwrap().success(), "{text}");
    text
}
