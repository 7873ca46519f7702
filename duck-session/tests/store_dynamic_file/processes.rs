//! Several processes in one folder, and processes that are killed.

use std::io::Read;
use std::time::Duration;

use duck_session::store::{Durability, DynamicFileCache, SessionStore};
use rusqlite::Connection;

use super::cut::kill_after;
use super::steps::{SLOTS, after, child, read_all, say};
use super::{Dir, create, has, key, next, remove, session, shards, sized};

const PROCESSES: u64 = 8;
const COUNTS: u64 = 60;
const COUNTERS: u64 = 4;

/// What each of the processes does: counts in sessions of all, creates sessions that others create as well,
/// and has some of its own.
pub(super) async fn count(store: &DynamicFileCache, process: u64) {
    let mut won = 0;
    for turn in 0..COUNTS {
        increment(store, turn % COUNTERS).await;
        let raced = sized(1000 + turn, 1000);
        won += u64::from(store.create(&raced, Durability::Crash).await.unwrap());
        let own = sized(10_000 + process * 1000 + turn, 1000);
        create(store, &own).await;
        assert!(has(store, 10_000 + process * 1000 + turn).await);
        if turn % 3 == 0 {
            assert!(remove(store, own.key()).await);
            assert!(!has(store, 10_000 + process * 1000 + turn).await);
        }
        if turn % 20 == 7 {
            store.flush().await.unwrap();
            assert_eq!(store.remove_expired(1, 10).await.unwrap(), 0);
        }
    }
    say(&format!("won {won}"));
}

async fn increment(store: &DynamicFileCache, counter: u64) {
    loop {
        let old = store.load(&key(counter)).await.unwrap().unwrap();
        let count = u64::from_le_bytes(*old.bytes().first_chunk().unwrap()) + 1;
        let new = next(&old, count.to_le_bytes().to_vec());
        if store
            .replace(old.version(), &new, Durability::Crash)
            .await
            .unwrap()
        {
            return;
        }
    }
}

#[tokio::test]
async fn eight_processes_count_and_lose_nothing() {
    let dir = Dir::new();
    let store = dir.open_tiny().await;
    for counter in 0..COUNTERS {
        create(&store, &next(&session(counter), vec![0; 8])).await;
    }
    let children: Vec<_> = (0..PROCESSES)
        .map(|it| child("counts", &dir.path(), it))
        .collect();
    let mut won = 0;
    for mut child in children {
        assert!(child.wait().unwrap().success());
        let mut text = String::new();
        child.stdout.unwrap().read_to_string(&mut text).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("won "));
        won += line.unwrap().parse::<u64>().unwrap();
    }
    assert_eq!(won, COUNTS, "each of them was created once");
    let mut sum = 0;
    for counter in 0..COUNTERS {
        let session = store.load(&key(counter)).await.unwrap().unwrap();
        sum += u64::from_le_bytes(*session.bytes().first_chunk().unwrap());
    }
    assert_eq!(sum, PROCESSES * COUNTS);
    for process in 0..PROCESSES {
        for turn in 0..COUNTS {
            let number = 10_000 + process * 1000 + turn;
            let times = dir.holders(&key(number)).len();
            assert_eq!(times, usize::from(turn % 3 != 0), "{process} {turn}");
            assert_eq!(has(&store, number).await, times == 1);
        }
    }
    assert!(dir.shards().len() > 1);
}

/// One store stays open all the time, as that of another worker would.
async fn kill(kills: u32) {
    let dir = Dir::new();
    let store = dir.open_tiny().await;
    let (mut stored, mut step) = (vec![None; usize::try_from(SLOTS).unwrap()], 1);
    let mut random = fastrand::Rng::new();
    for turn in 0..kills {
        let mut writer = child("takes steps", &dir.path(), step);
        let wait = Duration::from_micros(random.u64(0..3000));
        let last = kill_after(&mut writer, step + random.u64(1..90), wait);
        stored = (step..=last).fold(stored, |stored, step| after(&stored, step));
        // The step that was under way may have been taken too: some of it, if all were cleared.
        let found = read_all(&store).await;
        let next = after(&stored, last + 1);
        let possible = found.iter().zip(stored.iter().zip(&next));
        for (slot, (found, (old, new))) in possible.enumerate() {
            assert!(
                found == old || found == new,
                "kill {turn}, step {last}, {slot}: {found:?}"
            );
        }
        (stored, step) = (found, last + 2);
    }
    drop(store);
    assert_eq!(read_all(&dir.open().await).await, stored);
    assert!(
        dir.names().iter().all(|name| !name.contains("draft")),
        "{:?}",
        dir.names()
    );
    for shard in shards(&dir.path()) {
        let check = "PRAGMA integrity_check";
        let answer = Connection::open(shard).unwrap();
        let answer: String = answer.query_row(check, [], |row| row.get(0)).unwrap();
        assert_eq!(answer, "ok");
    }
}

#[tokio::test]
async fn no_acknowledged_write_is_lost_when_a_process_is_killed() {
    kill(30).await;
}

#[tokio::test]
#[ignore = "takes many minutes"]
async fn ten_thousand_kills() {
    kill(10_000).await;
}
