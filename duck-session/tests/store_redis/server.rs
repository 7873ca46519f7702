//! A Redis server of a test: on a free port, in a folder that goes with it.

use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use duck::Settings;
use duck_session::store::RedisCache;
use redis::aio::MultiplexedConnection;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);

/// The socket that it also listens at, in its folder.
const SOCKET: &str = "redis.sock";

/// Whether there is a Redis on this machine. Without one a test says so and is over; where everything has to be
/// tested, it fails.
pub(crate) fn is_installed() -> bool {
    let version = Command::new("redis-server").arg("--version").output();
    if version.is_ok_and(|version| version.status.success()) {
        return true;
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "there is no redis-server on this machine: .ci/tools installs it"
    );
    eprintln!("SKIPPED: there is no redis-server on this machine");
    false
}

pub(crate) fn free_port() -> u16 {
    // Below those that the system gives to clients, so that nobody takes it until the server does. A node of a
    // Cluster listens on the port ten thousand above, too.
    loop {
        let port = fastrand::u16(10_000..20_000);
        let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if is_free(port) && is_free(port + 10_000) {
            return port;
        }
    }
}

pub(crate) struct Server {
    port: u16,
    dir: TempDir,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl Server {
    /// Starts a server with these arguments.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut server = Self::stopped(arguments);
        for _ in 0..5 {
            if server.starts() {
                return server;
            }
            server.port = free_port(); // somebody else was faster
        }
        panic!("redis-server does not start");
    }

    /// A server that has not started yet.
    pub(crate) fn stopped(arguments: &[&str]) -> Self {
        Self {
            port: free_port(),
            dir: tempfile::tempdir().unwrap(),
            arguments: arguments.iter().map(ToString::to_string).collect(),
            child: None,
        }
    }

    /// Starts it on the same port and in the same folder as before.
    pub(crate) fn start_again(&mut self) {
        let patience = Instant::now() + PATIENCE;
        while !self.starts() {
            assert!(Instant::now() < patience, "the port is not free");
        }
    }

    /// Waits until it answers. Returns whether it does; it ends at once where its port is taken.
    fn starts(&mut self) -> bool {
        assert!(self.child.is_none());
        let child = Command::new("redis-server")
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--dir"])
            .arg(self.dir.path())
            .arg("--unixsocket")
            .arg(self.socket())
            .args(&self.arguments)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let child = self.child.insert(child);
        let patience = Instant::now() + PATIENCE;
        // Its last socket, in a folder where no other server has one.
        while UnixStream::connect(self.dir.path().join(SOCKET)).is_err() {
            if child.try_wait().unwrap().is_some() {
                self.child = None;
                return false;
            }
            assert!(Instant::now() < patience, "redis-server does not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        true
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Stops the process in mid-run, as a machine that is too busy would; or lets it go on.
    pub(crate) fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().unwrap();
        kill_process(Pid::from_child(child), signal).unwrap();
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn socket(&self) -> std::path::PathBuf {
        self.dir.path().join(SOCKET)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// What an administrator sees.
    pub(crate) async fn admin(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.url()).unwrap();
        let patience = Instant::now() + PATIENCE;
        loop {
            match client.get_multiplexed_async_connection().await {
                Ok(connection) => return connection,
                Err(error) => assert!(Instant::now() < patience, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn store(&self) -> RedisCache {
        open(&self.url()).await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Settings of a store that has no neighbours on its server.
pub(crate) fn settings(url: impl serde::Serialize) -> Settings {
    Settings::default()
        .with("SESSION_REDIS_URL", url)
        .with("SESSION_REDIS_PREFIX", "duck:test:")
}

pub(crate) async fn open(url: impl serde::Serialize) -> duck::Result<RedisCache> {
    RedisCache::open(&settings(url)).await
}
