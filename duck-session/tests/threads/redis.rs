//! Sessions in Redis: each thread has a connection.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::computing::{holds_up_nobody_else, visitors};
use crate::served::{PATIENCE, Server};
use crate::six_visitors_count;

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

    /// A site that keeps its sessions there, with two threads.
    fn site(&self, settings: &str) -> Server {
        Server::start(&format!(
            "WORKERS = 2\nSESSION_STORAGE = 'RedisCache'\nSESSION_REDIS_URL = 'unix://{}'\n\
             SECRET_KEY = 'a key for tests of more than thirty-two bytes'\n{settings}",
            self.socket().display()
        ))
    }

    /// What it answers to a command: a number or a text.
    fn ask(&self, command: &str) -> String {
        let stream = UnixStream::connect(self.socket()).expect("it listens");
        let mut stream = BufReader::new(stream);
        let line = format!("{command}\r\n");
        stream
            .get_mut()
            .write_all(line.as_bytes())
            .expect("it reads");
        let mut answer = String::new();
        stream.read_line(&mut answer).expect("it answers");
        let answer = answer.trim_end();
        if let Some(number) = answer.strip_prefix(':') {
            return number.to_owned();
        }
        let len = answer.strip_prefix('$').expect(answer);
        let mut text = vec![0; len.parse().expect("a length")];
        stream.read_exact(&mut text).expect("the rest of it");
        String::from_utf8(text).expect("a text")
    }

    /// The numbers of its connections, but for those that ask for such things.
    fn connections(&self) -> BTreeSet<u64> {
        let list = self.ask("CLIENT LIST TYPE normal");
        let is_of_a_site =
            |line: &&str| !line.contains(" cmd=client") && !line.contains(" cmd=NULL");
        let lines = list.lines().filter(is_of_a_site);
        let number = |line: &str| line.strip_prefix("id=")?.split(' ').next()?.parse().ok();
        lines.map(|line| number(line).expect(line)).collect()
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

/// The connections to Redis are there, or made by the views.
pub(crate) fn computes() {
    for connect_again in [false, true] {
        let Some(redis) = Redis::start() else {
            return;
        };
        let mut server = redis.site("WORK_STEALING = false");
        let visitors = visitors(&server);
        if connect_again {
            assert_ne!(redis.ask("CLIENT KILL TYPE normal SKIPME yes"), "0");
        }
        holds_up_nobody_else(&mut server, visitors, Duration::ZERO);
    }
}

pub(crate) fn computes_for_longer_than_the_storage_may_take() {
    let Some(redis) = Redis::start() else {
        return;
    };
    let mut server = redis.site("WORK_STEALING = false\nSESSION_STORE_TIMEOUT = 1");
    let visitors = visitors(&server);
    holds_up_nobody_else(&mut server, visitors, Duration::from_millis(1500));
}

pub(crate) fn connections() {
    let Some(redis) = Redis::start() else {
        return;
    };
    let server = redis.site("WORK_STEALING = false");
    let of_the_site = redis.connections();
    assert_eq!(of_the_site.len(), 1, "it has looked at the server");
    let (mut one, mut other) = server.two_visitors();
    assert_eq!(redis.connections(), of_the_site, "nobody uses a session");
    assert_eq!(one.get("/count"), "1");
    let with_one = redis.connections();
    assert_eq!(with_one.len(), 2);
    assert_eq!(other.get("/count"), "1");
    let with_both = redis.connections();
    assert_eq!(with_both.len(), 3);
    six_visitors_count(&server);
    assert_eq!(redis.connections(), with_both);

    let lost = with_one.difference(&of_the_site).next().expect("there is");
    assert_eq!(redis.ask(&format!("CLIENT KILL ID {lost}")), "1");
    let mut left = with_both;
    left.remove(lost);
    assert_eq!(other.get("/count"), "2");
    assert_eq!(redis.connections(), left, "the other thread keeps its own");
    assert_eq!(one.get("/count"), "2");
    let now = redis.connections();
    assert_eq!(now.len(), 3);
    assert!(now.is_superset(&left), "{now:?} {left:?}");
}

pub(crate) fn one_connection() {
    let Some(redis) = Redis::start() else {
        return;
    };
    let server = redis.site("WORK_STEALING = true");
    let of_the_site = redis.connections();
    assert_eq!(of_the_site.len(), 1);
    six_visitors_count(&server);
    assert_eq!(redis.connections(), of_the_site);
}
