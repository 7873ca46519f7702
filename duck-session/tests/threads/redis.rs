//! Sessions in Redis while a view computes.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use duck::{Request, Result, UrlPattern, path};
use futures_util::FutureExt;
use tempfile::TempDir;

use crate::served::{PATIENCE, Server};

static RELEASED: AtomicBool = AtomicBool::new(false);

pub(crate) fn urls() -> [UrlPattern; 3] {
    [
        path("/count", count),
        path("/hold", hold),
        path("/release", async |_: Request| {
            RELEASED.store(true, Ordering::SeqCst);
            "released"
        }),
    ]
}

async fn count(request: Request) -> Result<String> {
    let count = request.session.update("n", |n: &mut u64| *n += 1).await?;
    Ok(count.to_string())
}

/// Begins to save, and computes until somebody else asks for `/release`.
async fn hold(request: Request) -> Result<String> {
    let count = count(request.clone()).await?;
    let mut saving = pin!(request.session.save());
    // The answer is on its way, or here already if another thread was quick.
    let saved = saving.as_mut().now_or_never();
    eprintln!("it computes");
    let start = Instant::now();
    while !RELEASED.load(Ordering::SeqCst) && start.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(1));
    }
    match saved {
        Some(saved) => saved?,
        None => saving.await?,
    }
    Ok(count)
}

/// A server at a Unix socket.
struct Redis {
    process: Child,
    folder: TempDir,
}

impl Redis {
    /// `None` where there is no Redis on this machine.
    fn start() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let started = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--dir"])
            .arg(folder.path())
            .arg("--unixsocket")
            .arg(socket(folder.path()))
            .stdout(Stdio::null())
            .spawn();
        let process = match started {
            Ok(process) => process,
            Err(error) => {
                let is_ci = std::env::var_os("CI").is_some();
                assert!(!is_ci, "CI has to have redis-server: {error}");
                eprintln!("SKIPPED: there is no redis-server on this machine: {error}");
                return None;
            }
        };
        let redis = Self { process, folder };
        let start = Instant::now();
        while UnixStream::connect(redis.socket()).is_err() {
            assert!(start.elapsed() < PATIENCE, "redis-server does not start");
            thread::sleep(Duration::from_millis(10));
        }
        Some(redis)
    }

    fn socket(&self) -> PathBuf {
        socket(self.folder.path())
    }

    /// Closes the connections of all others.
    fn close_connections(&self) {
        let mut stream = UnixStream::connect(self.socket()).expect("it listens");
        let kill = b"CLIENT KILL TYPE normal SKIPME yes\r\n";
        stream.write_all(kill).expect("it reads");
        let mut answer = [0; 2];
        stream.read_exact(&mut answer).expect("it answers");
        assert!(answer[0] == b':' && answer[1] != b'0', "{answer:?}");
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("redis.sock")
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The connection to Redis is that of the site's start, or one that the view on the thread that computes has made.
pub(crate) fn computes() {
    for connects_again in [false, true] {
        let Some(redis) = Redis::start() else {
            return;
        };
        let mut server = Server::start(&format!(
            "WORKERS = 2\nWORK_STEALING = false\nSESSION_STORAGE = 'RedisCache'\nSESSION_REDIS_URL = 'unix://{}'\n\
             SECRET_KEY = 'a key for tests of more than thirty-two bytes'",
            redis.socket().display()
        ));
        let (mut held, mut other) = server.two_visitors();
        assert_eq!(other.get("/count"), "1");
        assert_eq!(held.get("/count"), "1");
        if connects_again {
            redis.close_connections();
        }
        held.ask("/hold");
        server.line_with("it computes");
        for count in 2..100 {
            assert_eq!(other.get("/count"), count.to_string());
        }
        assert!(held.waits(), "its view computes");
        other.get("/release");
        assert_eq!(held.answer().1, "2");
    }
}
