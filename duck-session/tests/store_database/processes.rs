//! Several processes that write the same sessions.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use duck_session::store::{DatabaseCache, Durability, SessionStore};

use crate::server::{said, shared};
use crate::{LATER, key, next, session};

const URL: &str = "STORE_DATABASE_URL";
const SECONDS: &str = "STORE_DATABASE_SECONDS";
const PROCESSES: u64 = 8;
const COUNTERS: u64 = 3;
const RACES: u64 = 40;

/// Another process: this test binary, told by variables what to do.
fn child(url: &str, seconds: u64) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        "processes::runs_as_another_process",
        "--nocapture",
    ]);
    command.env(URL, url).env(SECONDS, seconds.to_string());
    command.stdout(Stdio::piped()).spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_as_another_process() {
    let Ok(url) = std::env::var(URL) else { return };
    let seconds: u64 = std::env::var(SECONDS).unwrap().parse().unwrap();
    let store = DatabaseCache::open(&url).await.unwrap();
    let (started, mut turns, mut won) = (Instant::now(), 0, 0);
    while turns < RACES || started.elapsed() < Duration::from_secs(seconds) {
        increment(&store, turns % COUNTERS).await;
        if turns < RACES {
            let raced = session(1000 + turns, "raced");
            won += u64::from(store.create(&raced, Durability::Crash).await.unwrap());
        }
        if turns % 20 == 7 {
            assert_eq!(store.remove_expired(1, 10).await.unwrap(), 0);
        }
        turns += 1;
    }
    println!("\ncounted {turns}\nwon {won}");
}

async fn increment(store: &DatabaseCache, counter: u64) {
    loop {
        let old = store.load(&key(counter)).await.unwrap().unwrap();
        let count: u64 = str::from_utf8(old.bytes()).unwrap().parse().unwrap();
        let new = next(&old, LATER + count, &(count + 1).to_string());
        if store
            .replace(old.version(), &new, Durability::Crash)
            .await
            .unwrap()
        {
            return;
        }
    }
}

async fn eight_processes(seconds: u64) {
    let Some(server) = shared() else { return };
    let url = server.url(&server.database().await);
    let store = DatabaseCache::open(&url).await.unwrap();
    for counter in 0..COUNTERS {
        assert!(
            store
                .create(&session(counter, "0"), Durability::Crash)
                .await
                .unwrap()
        );
    }
    let children: Vec<_> = (0..PROCESSES).map(|_| child(&url, seconds)).collect();
    let (mut counted, mut won) = (0, 0);
    for child in children {
        for line in said(child).lines() {
            let number = |text: &str| text.parse::<u64>().unwrap();
            counted += line.strip_prefix("counted ").map_or(0, number);
            won += line.strip_prefix("won ").map_or(0, number);
        }
    }
    assert!(counted >= PROCESSES * RACES, "{counted}");
    assert_eq!(won, RACES, "each was created once");
    let mut sum = 0;
    for counter in 0..COUNTERS {
        let session = store.load(&key(counter)).await.unwrap().unwrap();
        let count: u64 = str::from_utf8(session.bytes()).unwrap().parse().unwrap();
        assert_eq!(session.version().count, count, "each write is one version");
        sum += count;
    }
    assert_eq!(sum, counted);
}

#[tokio::test]
async fn eight_processes_count_together() {
    eight_processes(2).await;
}

#[tokio::test]
#[ignore = "takes a minute"]
async fn eight_processes_count_together_for_a_minute() {
    eight_processes(60).await;
}

/// Each makes the table, or finds it.
#[tokio::test]
async fn processes_that_start_at_once_make_one_table() {
    let Some(server) = shared() else { return };
    for _ in 0..5 {
        let url = server.url(&server.database().await);
        let opened: Vec<_> = (0..8)
            .map(|_| {
                let url = url.clone();
                tokio::spawn(async move { DatabaseCache::open(&url).await.map(drop) })
            })
            .collect();
        for opened in opened {
            opened.await.unwrap().unwrap();
        }
    }
}
