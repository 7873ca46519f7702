//! Several processes that count in the same sessions.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use duck_session::store::{Durability, RedisCache, SessionStore, UserKey};

use crate::server::{Server, is_installed, open};
use crate::{LATER, create, key, next, session};

const PROCESSES: u64 = 8;
const COUNTERS: u64 = 4;
const USER: UserKey = UserKey::from_bytes([5; 16]);

/// What each of the processes does until its time is over; it returns how often it has counted in each session.
async fn count(store: &RedisCache, time: Duration) -> Vec<u64> {
    let (end, mut counted) = (Instant::now() + time, vec![0; 4]);
    let mut turn = fastrand::u64(..);
    while Instant::now() < end {
        turn = turn.wrapping_add(1);
        let number = turn % COUNTERS;
        let old = store.load(&key(number)).await.unwrap().unwrap();
        let sum = u64::from_le_bytes(*old.bytes().first_chunk().unwrap()) + 1;
        let new = next(&old, sum.to_le_bytes());
        if store
            .replace(old.version(), &new, Durability::Crash)
            .await
            .unwrap()
        {
            counted[usize::try_from(number).unwrap()] += 1;
        }
        if turn.is_multiple_of(16) {
            let found = store.of_user(&USER, 100).await.unwrap();
            assert_eq!(found.len(), usize::try_from(COUNTERS).unwrap());
        }
    }
    counted
}

#[tokio::test]
async fn runs_as_another_process() {
    let Ok(url) = std::env::var("STORE_URL") else {
        return;
    };
    let time = std::env::var("STORE_TIME").unwrap().parse().unwrap();
    let store = open(url).await.unwrap();
    let counted = count(&store, Duration::from_secs(time)).await;
    println!("counted {counted:?}");
}

async fn processes_count(seconds: u64) {
    if !is_installed() {
        return;
    }
    let server = Server::start(&[]);
    let store = server.store().await;
    for number in 0..COUNTERS {
        create(
            &store,
            &next(&session(number, Some(USER), LATER), vec![0; 8]),
        )
        .await;
    }
    let child = |_| {
        Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "processes::runs_as_another_process",
                "--nocapture",
            ])
            .env("STORE_URL", server.url())
            .env("STORE_TIME", seconds.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let children: Vec<_> = (0..PROCESSES).map(child).collect();
    let mut sums = vec![0; 4];
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        let (_, counted) = text.split_once("counted ").unwrap();
        let counted: Vec<u64> = serde_json::from_str(counted.lines().next().unwrap()).unwrap();
        assert!(counted.iter().sum::<u64>() > 0, "each process has counted");
        sums.iter_mut()
            .zip(counted)
            .for_each(|(sum, more)| *sum += more);
    }
    for (number, sum) in (0..).zip(sums) {
        let found = store.load(&key(number)).await.unwrap().unwrap();
        assert_eq!(
            u64::from_le_bytes(*found.bytes().first_chunk().unwrap()),
            sum
        );
        assert_eq!(
            found.version().count,
            sum + 1,
            "each version was written once"
        );
    }
}

#[tokio::test]
async fn eight_processes_count_and_lose_nothing() {
    processes_count(2).await;
}

#[tokio::test]
#[ignore = "takes a minute"]
async fn eight_processes_count_for_a_minute() {
    processes_count(60).await;
}
