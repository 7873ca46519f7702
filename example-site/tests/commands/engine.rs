//! A server that several machines keep their sessions on: real ones, of a test's own.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::postgres;
use crate::site::{Site, wait_until};

/// A server, gone with the test.
pub(crate) enum Engine {
    Postgres(postgres::Server),
    Redis(Redis),
}

impl Engine {
    /// Each kind that this machine has. What is missing is said; in CI that is a failure.
    pub(crate) fn all() -> Vec<Self> {
        let postgres = postgres::Server::new().map(Self::Postgres);
        let redis = Redis::start().map(Self::Redis);
        postgres.into_iter().chain(redis).collect()
    }

    /// What `SESSION_STORAGE` calls it.
    pub(crate) fn storage(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "DatabaseCache",
            Self::Redis(_) => "RedisCache",
        }
    }

    /// Tells a site where it is. The site uses it once `SESSION_STORAGE` says so.
    pub(crate) fn tell(&self, site: &mut Site) {
        match self {
            Self::Postgres(server) => site.set("SESSION_DATABASE_URL", &server.url("postgres")),
            Self::Redis(server) => site.set("SESSION_REDIS_URL", &server.url()),
        }
    }
}

pub(crate) struct Redis {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl Redis {
    fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let started = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--port"])
            .arg(port.to_string())
            .arg("--dir")
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn();
        let Ok(process) = started else {
            let is_ci = std::env::var("CI").as_deref() == Ok("true");
            assert!(!is_ci, "Redis is missing");
            eprintln!("NOT TESTED: Redis is missing (`apt install redis-server`)");
            return None;
        };
        wait_until(|| TcpStream::connect(("127.0.0.1", port)).is_ok());
        Some(Self {
            process,
            port,
            _folder: folder,
        })
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn free_port() -> u16 {
    let probe = TcpListener::bind("127.0.0.1:0").unwrap();
    probe.local_addr().unwrap().port()
}
