//! What a read and a write of `DynamicFileCache` cost among 100,000 entries.
//!
//! `cargo bench -p duck-session --bench dynamic_file` prints microseconds of wall time and of CPU.
//! `ENTRIES` and `VALUE_BYTES` change the scale, `BENCH_DIR` the disk.

#![expect(
    clippy::unwrap_used,
    reason = "a measurement has nobody to tell of errors"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use duck::Result;
use duck_session::cache::{Cache, DynamicFileCache, Entry};

const WEEK: Duration = Duration::from_hours(7 * 24);
const OPERATIONS: u32 = 100_000;

fn setting(name: &str, default: u32) -> u32 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// A key of the length that sessions have: 64 hex digits, in no order.
fn key(number: u32) -> String {
    let mixed = (u64::from(number)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    format!("{mixed:016x}{number:048x}")
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

async fn measure(what: &str, operations: u32, work: impl AsyncFnOnce() -> Result<()>) {
    let (started, before) = (Instant::now(), cpu());
    work().await.unwrap();
    let scale = 1e6 / f64::from(operations);
    let wall = started.elapsed().as_secs_f64() * scale;
    println!(
        "{what:<36} {wall:>8.1} µs wall {:>8.1} µs CPU",
        (cpu() - before) * scale
    );
}

/// `writers` tasks that together make `operations` changes.
async fn write(
    cache: &Arc<DynamicFileCache>,
    (writers, operations): (u32, u32),
    (entries, value): (u32, &[u8]),
    durable: bool,
) -> Result<()> {
    let mut tasks = Vec::new();
    for writer in 0..writers {
        let (cache, value) = (Arc::clone(cache), value.to_owned());
        tasks.push(tokio::spawn(async move {
            for turn in 0..operations / writers {
                let key = key((turn * writers + writer) * 7919 % entries);
                let entry = Entry::new(&value).ttl(WEEK);
                let entry = if durable { entry.durable() } else { entry };
                let read = cache.get(&key).await.unwrap();
                assert!(
                    cache
                        .compare_and_swap(&key, read.as_deref(), Some(entry))
                        .await
                        .unwrap()
                );
            }
        }));
    }
    for task in tasks {
        task.await?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let (entries, bytes) = (setting("ENTRIES", 100_000), setting("VALUE_BYTES", 200));
    let parent = match std::env::var_os("BENCH_DIR") {
        Some(parent) => tempfile::tempdir_in(parent)?,
        None => tempfile::tempdir()?,
    };
    let dir = parent.path().join("sessions");
    let cache = Arc::new(DynamicFileCache::open(&dir)?);
    let value = vec![b'x'; bytes as usize];
    println!("{entries} entries of {bytes} bytes");

    measure("fill, 64 tasks", entries, async || {
        let mut tasks = Vec::new();
        for writer in 0..64 {
            let (cache, value) = (Arc::clone(&cache), value.clone());
            tasks.push(tokio::spawn(async move {
                for number in (writer..entries).step_by(64) {
                    cache.set(&key(number), &value, Some(WEEK)).await.unwrap();
                }
            }));
        }
        for task in tasks {
            task.await?;
        }
        Ok(())
    })
    .await;
    measure("read", OPERATIONS, async || {
        for turn in 0..OPERATIONS {
            assert!(cache.get(&key(turn * 7919 % entries)).await?.is_some());
        }
        Ok(())
    })
    .await;
    measure("read of an unknown key", OPERATIONS, async || {
        for turn in 0..OPERATIONS {
            assert!(cache.get(&key(entries + turn)).await?.is_none());
        }
        Ok(())
    })
    .await;
    for (writers, operations, durable) in [
        (1, 20_000, false),
        (64, OPERATIONS, false),
        (1, 1_000, true),
        (64, 20_000, true),
    ] {
        let kind = if durable {
            "read + durable write"
        } else {
            "read + write"
        };
        measure(
            &format!("{kind}, {writers} tasks"),
            operations,
            async || write(&cache, (writers, operations), (entries, &value), durable).await,
        )
        .await;
    }
    let files = std::fs::read_dir(&dir)?.flatten();
    let size: u64 = files.map(|file| file.metadata().unwrap().len()).sum();
    println!("{} bytes of disk for an entry", size / u64::from(entries));
    Ok(())
}
