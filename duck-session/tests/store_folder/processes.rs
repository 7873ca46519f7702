//! Several processes that write one session.

use std::io::{BufRead, BufReader};
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

pub(crate) async fn count(dir: &Path, times: u64) {
    let store = open(dir).await;
    for number in 0..times {
        let durability = if number % 20 == 0 { PowerCut } else { Crash };
        increment(&store, durability).await;
    }
}

pub(crate) async fn count_for(dir: &Path, seconds: u64) {
    let (store, started) = (open(dir).await, Instant::now());
    let mut times = 0;
    while started.elapsed() < Duration::from_secs(seconds) {
        increment(&store, Crash).await;
        times += 1;
    }
    println!("\ncounted {times}");
}

async fn processes_count(processes: u64, times: u64) {
    let site = Site::new().await;
    site.create(KEY, "0").await;
    let children: Vec<_> = (0..processes)
        .map(|_| child("counts", &site.dir(), times).spawn().unwrap())
        .collect();
    for child in children {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    let sum = site.text().await.unwrap();
    assert_eq!(sum.trim(), (processes * times).to_string());
    assert_eq!(files(&site.dir()).len(), 2);
}

#[tokio::test]
async fn eight_processes_count_together() {
    processes_count(8, 150).await;
}

#[tokio::test]
#[ignore = "takes a minute"]
async fn eight_processes_count_together_for_a_minute() {
    let site = Site::new().await;
    site.create(KEY, "0").await;
    let children: Vec<_> = (0..8)
        .map(|_| {
            child("counts for a while", &site.dir(), 60)
                .spawn()
                .unwrap()
        })
        .collect();
    let mut sum = 0;
    for mut child in children {
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for line in lines.map_while(Result::ok) {
            if let Some(times) = line.strip_prefix("counted ") {
                sum += times.parse::<u64>().unwrap();
            }
        }
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(site.text().await.unwrap().trim(), sum.to_string());
    assert!(sum > 1000, "{sum}");
}

/// Of those who create one session at once, one does.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_key_is_taken_once() {
    let site = Site::new().await;
    for round in 0..100 {
        let mut tasks = Vec::new();
        for number in 0..8 {
            let (store, key) = (site.store.clone(), key(round));
            tasks.push(tokio::spawn(async move {
                let new = session(key, &number.to_string());
                let durability = if number == 0 { PowerCut } else { Crash };
                store
                    .create(&new, durability)
                    .await
                    .unwrap()
                    .then_some(number)
            }));
        }
        let mut winners = Vec::new();
        for task in tasks {
            winners.extend(task.await.unwrap());
        }
        assert_eq!(winners.len(), 1, "round {round}: {winners:?}");
        let stored = text(&site.store, key(round)).await.unwrap();
        assert_eq!(stored, winners[0].to_string());
    }
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
