//! What `DynamicFileCache` costs among 100,000 sessions.
//!
//! `cargo bench -p duck-session --bench dynamic_file` prints microseconds of wall time and of CPU.
//! `SESSIONS` and `BYTES` change the scale, `OPERATIONS` how often each is done, `BENCH_DIR` the disk.
//! `ONLY` does nothing but fill the store and `read`, `write` or `write16`: for valgrind and strace.

#![expect(
    clippy::unwrap_used,
    reason = "a measurement has nobody to tell of errors"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use duck::Result;
use duck_session::store::{
    Durability, DynamicFileCache, SessionKey, SessionStore, StoredSession, Version,
};

const LATER: u64 = 1_900_000_000_000;

fn setting(name: &str, default: u32) -> u32 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// Keys are hashes: in no order.
fn key(number: u32) -> SessionKey {
    let mixed = u128::from(number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    SessionKey::from_bytes(mixed.to_be_bytes())
}

/// User and system time of the process, in seconds, to the hundredth.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}

async fn measure(what: &str, operations: u32, work: impl AsyncFnOnce()) {
    let (started, before) = (Instant::now(), cpu());
    work().await;
    let scale = 1e6 / f64::from(operations);
    let wall = started.elapsed().as_secs_f64() * scale;
    println!(
        "{what:<36} {wall:>8.1} µs wall {:>8.1} µs CPU",
        (cpu() - before) * scale
    );
}

#[derive(Clone)]
struct Bench {
    store: DynamicFileCache,
    sessions: u32,
    bytes: usize,
}

impl Bench {
    async fn fill(&self) -> Duration {
        let fills = (0..64).map(|writer| {
            let bench = self.clone();
            tokio::spawn(async move {
                let mut slowest = Duration::ZERO;
                for number in (writer..bench.sessions).step_by(64) {
                    let bytes = vec![b'x'; bench.bytes];
                    let new = StoredSession::new(
                        key(number),
                        Version::first(),
                        None,
                        LATER + u64::from(number),
                        bytes,
                    );
                    let started = Instant::now();
                    assert!(bench.store.create(&new, Durability::Crash).await.unwrap());
                    slowest = slowest.max(started.elapsed());
                }
                slowest
            })
        });
        let mut slowest = Duration::ZERO;
        for fill in fills.collect::<Vec<_>>() {
            slowest = slowest.max(fill.await.unwrap());
        }
        slowest
    }

    async fn read(&self, operations: u32, first: u32) {
        for turn in 0..operations {
            let key = key(first + turn.wrapping_mul(7919) % self.sessions);
            assert_eq!(self.store.load(&key).await.unwrap().is_some(), first == 0);
        }
    }

    /// `writers` tasks that together load and replace so many sessions.
    async fn write(&self, writers: u32, operations: u32, durability: Durability) {
        let tasks = (0..writers).map(|writer| {
            let bench = self.clone();
            tokio::spawn(async move {
                for turn in 0..operations / writers {
                    let number = (turn * writers + writer).wrapping_mul(7919) % bench.sessions;
                    bench.rewrite(number, durability).await;
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
    }

    async fn rewrite(&self, number: u32, durability: Durability) {
        loop {
            let old = self.store.load(&key(number)).await.unwrap().unwrap();
            let (version, bytes) = (old.version().next(), vec![b'y'; self.bytes]);
            let new = StoredSession::new(*old.key(), version, None, old.expires() + 1, bytes);
            let replaced = self.store.replace(old.version(), &new, durability).await;
            // Among few sessions two tasks may meet at one.
            if replaced.unwrap() {
                return;
            }
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let parent = match std::env::var_os("BENCH_DIR") {
        Some(parent) => tempfile::tempdir_in(parent)?,
        None => tempfile::tempdir()?,
    };
    let dir = parent.path().join("sessions");
    let bench = Bench {
        store: DynamicFileCache::options().min_free(0).open(&dir).await?,
        sessions: setting("SESSIONS", 100_000),
        bytes: setting("BYTES", 200) as usize,
    };
    let operations = setting("OPERATIONS", 100_000);
    if let Ok(only) = std::env::var("ONLY") {
        bench.fill().await;
        match &*only {
            "read" => bench.read(operations, 0).await,
            "write" => bench.write(1, operations, Durability::Crash).await,
            _ => bench.write(16, operations, Durability::Crash).await,
        }
        return Ok(());
    }
    println!("{} sessions of {} bytes", bench.sessions, bench.bytes);
    let mut slowest = Duration::ZERO;
    measure("create, 64 tasks", bench.sessions, async || {
        slowest = bench.fill().await;
    })
    .await;
    println!(
        "the slowest of them took {slowest:?}; {} shards",
        shards(&dir)
    );
    measure("read", operations, async || bench.read(operations, 0).await).await;
    measure("read of an unknown key", operations, async || {
        bench.read(operations, bench.sessions).await;
    })
    .await;
    for (writers, share, durability) in [
        (1, 5, Durability::Crash),
        (64, 1, Durability::Crash),
        (1, 100, Durability::PowerCut),
        (64, 5, Durability::PowerCut),
    ] {
        let what = format!("read + write, {writers} tasks, {durability:?}");
        let operations = operations / share;
        let write = async || bench.write(writers, operations, durability).await;
        measure(&what, operations, write).await;
    }
    Ok(())
}

fn shards(dir: &Path) -> usize {
    let files = std::fs::read_dir(dir).unwrap().flatten();
    let is_shard = |name: &str| name.starts_with("shard-") && name.ends_with(".sqlite");
    files
        .filter(|file| file.file_name().to_str().is_some_and(is_shard))
        .count()
}
