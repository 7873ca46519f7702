//! Writers that are killed at random moments, ten thousand times if asked.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant, SystemTime};

use duck_session::cache::Cache;

use crate::children::child;
use crate::site::Place;
use crate::steps::{HOUR, Stored, after, read_all};
use crate::storage::{Storage, on_each_storage};

/// One cache stays open all the time, as that of another worker would.
async fn kill_writers<S: Storage>(kills: u32) {
    let place = Place::new();
    let cache = S::open(&place.dir());
    let (mut stored, mut next) = (Stored::default(), 1);
    let mut random = fastrand::Rng::new();
    for turn in 0..kills {
        let mut writer = child::<S>("writes", &place.dir(), next).spawn().unwrap();
        let steps = random.u64(1..40);
        let last = kill_after(&mut writer, next + steps, random.u64(0..3000));
        stored = (next..=last).fold(stored, after);
        // The step that was under way may have been taken too.
        let found = read_all(&cache).await;
        if found == after(stored, last + 1) {
            (stored, next) = (found, last + 2);
        } else {
            assert_eq!(found, stored, "kill {turn}, after step {last}");
            next = last + 1;
        }
    }
    assert_eq!(read_all(&S::open(&place.dir())).await, stored);
    sweep_what_is_old::<S>(&cache, &place.dir()).await;
    assert_eq!(read_all(&cache).await, stored);
}

/// Kills a writer some microseconds after a step, and says which one it acknowledged last.
fn kill_after(writer: &mut Child, step: u64, micros: u64) -> u64 {
    let (mut last, mut killed) = (step, false);
    let lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    for line in lines.map_while(Result::ok) {
        let Some(done) = line.strip_prefix("done ") else {
            continue;
        };
        last = done.parse().unwrap();
        if last >= step && !killed {
            spin(Duration::from_micros(micros));
            writer.kill().unwrap();
            killed = true;
        }
    }
    writer.wait().unwrap();
    assert!(killed, "the writer ended by itself");
    last
}

/// Waits for nothing: the moment of the kill has to be a random one.
fn spin(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}

async fn sweep_what_is_old<S: Storage>(cache: &S::Cache, dir: &Path) {
    for path in S::leftovers(dir) {
        if path.is_file() {
            let file = File::options().write(true).open(path).unwrap();
            file.set_modified(SystemTime::now() - 2 * HOUR).unwrap();
        }
    }
    cache.remove_expired(1000).await.unwrap();
    // What a process finds when it starts counts as well.
    drop(S::open(dir));
    assert_eq!(S::leftovers(dir), [""; 0].map(PathBuf::from));
}

async fn killed_writers_leave_the_old_or_the_new<S: Storage>() {
    kill_writers::<S>(30).await;
}

async fn ten_thousand_kills<S: Storage>() {
    kill_writers::<S>(10_000).await;
}

/// Whoever made or removed a shard was killed half-way.
#[cfg(feature = "dynamic-file")]
#[tokio::test]
async fn what_is_left_of_shards_that_are_gone_goes_at_the_next_start() {
    use crate::storage::DynamicFile;
    let place = Place::new();
    let cache = DynamicFile::open(&place.dir());
    cache.set("a", b"1", Some(HOUR)).await.unwrap();
    let file = |name: &str| place.dir().join(name);
    for left in ["7.sqlite-wal", "7.sqlite-shm", "8.draft", "8.draft-wal"] {
        std::fs::write(file(&format!("shard-00000{left}")), "left").unwrap();
    }
    std::fs::write(file("notes.draft"), "not ours").unwrap();
    assert_eq!(DynamicFile::leftovers(&place.dir()).len(), 4);
    let other = DynamicFile::open(&place.dir());
    assert_eq!(
        DynamicFile::leftovers(&place.dir()),
        [""; 0].map(PathBuf::from)
    );
    assert!(file("shard-000001.sqlite-wal").exists() && file("notes.draft").exists());
    for cache in [cache, other] {
        assert_eq!(cache.get("a").await.unwrap().as_deref(), Some(&b"1"[..]));
    }
}

on_each_storage!(
    killed_writers_leave_the_old_or_the_new,
    #[ignore = "takes many minutes"]
    ten_thousand_kills,
);
