//! Several processes that write one session.

use std::path::Path;
use std::time::{Duration, Instant};

use duck_session::store::{KeyAsFolderCache, SessionStore};

use crate::children::child;
use crate::site::*;

/// One more on the counter, tried until it counts.
async fn increment(store: &KeyAsFolderCache, durability: duck_session::store::Durability) {
    loop {
        let before = store
            .load(&KEY)
            .await
            .unwrap()
            .expect("the session is gone");
        let count: u64 = str::from_utf8(before.bytes())
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        // Of changing length: now and then the file is replaced.
        let width = usize::try_from(count * count % 4000).unwrap();
        let new = next(&before, &format!("{:>width$}", count + 1));
        if store
            .replace(before.version(), &new, durability)
            .await
            .unwrap()
        {
            return;
        }
    }
}

/// Counts for so many seconds, a hundred times at least, and says how often.
pub(crate) async fn count(dir: &Path, seconds: u64) {
    let (store, started) = (open(dir).await, Instant::now());
    let mut times = 0;
    while times < 100 || started.elapsed() < Duration::from_secs(seconds) {
        let durability = if times % 20 == 0 { PowerCut } else { Crash };
        increment(&store, durability).await;
        times += 1;
    }
    println!("\ncounted {times}");
}

async fn eight_processes_count(seconds: u64) {
    let site = Site::new().await;
    site.create(KEY, "0").await;
    let children: Vec<_> = (0..8)
        .map(|_| child("counts", &site.dir(), seconds).spawn().unwrap())
        .collect();
    let mut sum = 0;
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        let (_, counted) = text.split_once("counted ").unwrap();
        sum += counted.lines().next().unwrap().parse::<u64>().unwrap();
    }
    assert_eq!(site.text().await.unwrap().trim(), sum.to_string());
    assert_eq!(files(&site.dir()).len(), 2);
}

#[tokio::test]
async fn eight_processes_count_together() {
    eight_processes_count(2).await;
}

#[tokio::test]
#[ignore = "takes a minute"]
async fn eight_processes_count_together_for_a_minute() {
    eight_processes_count(60).await;
}

/// A reader never finds a session missing, torn, or older than one that was acknowledged before it read.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_reader_never_finds_less_than_was_acknowledged() {
    let site = Site::new().await;
    site.create(KEY, "0").await;
    let acknowledged = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let ordering = std::sync::atomic::Ordering::SeqCst;
    let writer = tokio::spawn({
        let (store, acknowledged) = (site.store.clone(), acknowledged.clone());
        async move {
            for count in 1..=20_000 {
                let width = if count < 10_000 { 900 } else { 9000 };
                save(&store, KEY, &format!("{count:>width$}"), Crash).await;
                acknowledged.store(count, ordering);
            }
        }
    });
    let mut readers = Vec::new();
    for _ in 0..4 {
        let (store, acknowledged) = (site.store.clone(), acknowledged.clone());
        readers.push(tokio::spawn(async move {
            let mut seen = 0;
            while seen < 20_000 {
                let least = acknowledged.load(ordering);
                let found = text(&store, KEY).await.expect("the session is gone");
                seen = found.trim().parse().unwrap();
                assert!(seen >= least, "{seen} after {least}");
                tokio::task::yield_now().await;
            }
        }));
    }
    writer.await.unwrap();
    for reader in readers {
        reader.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn creating_removing_and_sweeping_at_once_fails_nobody() {
    let site = Site::new().await;
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let store = site.reopen().await;
        tasks.push(tokio::spawn(async move {
            for _ in 0..50 {
                let over = duck_session::store::StoredSession::new(
                    KEY,
                    duck_session::store::Version::first(),
                    Some(user(1)),
                    1,
                    "over",
                );
                store.create(&over, Crash).await.unwrap();
                store.remove_expired(now(), 10).await.unwrap();
                store.create(&session(KEY, "new"), Crash).await.unwrap();
                store.of_user(&user(1), 10).await.unwrap();
                store.load(&KEY).await.unwrap();
                store.remove(&KEY, None, Crash).await.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert!(!site.record(KEY).parent().unwrap().exists());
}
