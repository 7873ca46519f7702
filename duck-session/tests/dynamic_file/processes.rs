//! Several processes in one folder, and processes that are killed.
//!
//! A child process is this test binary, told by `DUCK_TEST_ROLE` what to do. It notes each
//! acknowledged change in a file, which outlives it.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use duck_session::cache::{Cache, DynamicFileCache, Entry};
use rusqlite::Connection;

use super::{Dir, HOUR, read};

const CHANGES: usize = 300;
const KILLS: u64 = 30;
const KEYS: usize = 12;

/// Where a child works and what it notes.
struct Site {
    cache: DynamicFileCache,
    notes: File,
    name: String,
}

impl Site {
    fn note(&mut self, line: &str) {
        writeln!(self.notes, "{line}").unwrap();
    }
}

fn spawn(role: &str, name: &str, dir: &Dir) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "processes::child"])
        .env("DUCK_TEST_ROLE", role)
        .env("DUCK_TEST_NAME", name)
        .env("DUCK_TEST_DIR", dir.path())
        .env("DUCK_TEST_NOTES", notes(dir, name))
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap()
}

fn notes(dir: &Dir, name: &str) -> PathBuf {
    dir.parent.path().join(name)
}

fn lines(notes: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(notes).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// What a child process does; nothing in the process that runs the tests.
#[tokio::test]
async fn child() {
    let Ok(role) = std::env::var("DUCK_TEST_ROLE") else {
        return;
    };
    let variable = |name: &str| std::env::var(name).unwrap();
    let dir = variable("DUCK_TEST_DIR");
    let notes = OpenOptions::new()
        .append(true)
        .create(true)
        .open(variable("DUCK_TEST_NOTES"));
    let site = Site {
        cache: DynamicFileCache::options()
            .shard_bytes(48 << 10)
            .open(dir)
            .unwrap(),
        notes: notes.unwrap(),
        name: variable("DUCK_TEST_NAME"),
    };
    match role.as_str() {
        "mix" => mix(site).await,
        "write" => write_until_killed(site).await,
        _ => panic!("no such role: {role}"),
    }
}

/// C1: of 150 writes of two processes, 56 were lost and 39 failed.
#[tokio::test]
async fn two_processes_lose_nothing() {
    let dir = Dir::new();
    let mut children = [spawn("mix", "one", &dir), spawn("mix", "two", &dir)];
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    let cache = dir.open();
    let notes: Vec<String> = ["one", "two"]
        .iter()
        .flat_map(|name| lines(&notes(&dir, name)))
        .collect();
    let total = (2 * CHANGES).to_string();
    assert_eq!(read(&cache, "counter").await, Some(total));
    for turn in 0..CHANGES {
        let won = format!("won {turn}");
        assert_eq!(
            notes.iter().filter(|line| **line == won).count(),
            1,
            "{won}"
        );
    }
    let mut last = HashMap::new();
    for line in &notes {
        if let Some((key, value)) = line.split_once(" = ") {
            last.insert(key, value);
        }
    }
    for (key, value) in last {
        let expected = (value != "none").then_some(value);
        assert_eq!(read(&cache, key).await.as_deref(), expected, "{key}");
        assert_eq!(
            dir.holders(key).len(),
            usize::from(expected.is_some()),
            "{key}"
        );
    }
}

async fn mix(mut site: Site) {
    for turn in 0..CHANGES {
        increment(&site.cache).await;
        race(&mut site, turn).await;
        own(&mut site, turn).await;
        if turn % 50 == 49 {
            site.cache.save().await.unwrap();
            site.cache.remove_expired(10).await.unwrap();
        }
    }
}

async fn increment(cache: &DynamicFileCache) {
    loop {
        let seen = cache.get("counter").await.unwrap();
        let before = seen.as_deref().map_or(0, |text| {
            std::str::from_utf8(text).unwrap().parse().unwrap()
        });
        let new = (before + 1_u64).to_string();
        let entry = Entry::new(new.as_bytes());
        if cache
            .compare_and_swap("counter", seen.as_deref(), Some(entry))
            .await
            .unwrap()
        {
            return;
        }
    }
}

/// Both processes create the same keys; one of them may succeed.
async fn race(site: &mut Site, turn: usize) {
    let entry = Entry::new(site.name.as_bytes());
    if site
        .cache
        .compare_and_swap(&format!("race{turn}"), None, Some(entry))
        .await
        .unwrap()
    {
        site.note(&format!("won {turn}"));
    }
}

/// Creates, changes and deletes keys of this process, and looks at each change.
async fn own(site: &mut Site, turn: usize) {
    let key = format!("{}-{}", site.name, scattered(turn) % 20);
    let removes = turn.is_multiple_of(3);
    let value = format!("{turn}-{}", "x".repeat(turn * 7 % 3000));
    if removes {
        site.cache.delete(&key).await.unwrap();
    } else {
        site.cache
            .set(&key, value.as_bytes(), Some(HOUR))
            .await
            .unwrap();
    }
    let expected = (!removes).then_some(value);
    assert_eq!(read(&site.cache, &key).await, expected, "{key}");
    site.note(&format!(
        "{key} = {}",
        expected.as_deref().unwrap_or("none")
    ));
}

/// A number in no order that is the same in each run.
fn scattered(turn: usize) -> usize {
    turn.wrapping_mul(2_654_435_761) >> 7
}

#[tokio::test]
async fn no_acknowledged_write_is_lost_when_the_process_is_killed() {
    let dir = Dir::new();
    let mut acknowledged = HashMap::new();
    for turn in 0..KILLS {
        let notes = kill_a_writer(&dir, turn);
        for line in lines(&notes) {
            let (key, value) = line.split_once(' ').unwrap();
            acknowledged.insert(key.to_owned(), value.parse::<u64>().unwrap());
        }
        let cache = dir.open();
        for (key, value) in &acknowledged {
            let stored: u64 = read(&cache, key)
                .await
                .expect(key)
                .trim_end()
                .parse()
                .unwrap();
            // The write that was under way may have been made too.
            assert!(
                stored == *value || stored == value + KEYS as u64,
                "{key}: {stored}, not {value}"
            );
        }
    }
    assert_eq!(acknowledged.len(), KEYS);
    for shard in dir.shards() {
        let check = "PRAGMA integrity_check";
        let answer: String = Connection::open(shard)
            .unwrap()
            .query_row(check, [], |row| row.get(0))
            .unwrap();
        assert_eq!(answer, "ok");
    }
}

/// Starts a writer and kills it a while after its first acknowledged write.
fn kill_a_writer(dir: &Dir, turn: u64) -> PathBuf {
    let name = format!("writer{turn}");
    let mut child = spawn("write", &name, dir);
    let notes = notes(dir, &name);
    while lines(&notes).len() < KEYS {
        assert!(child.try_wait().unwrap().is_none(), "the writer ended");
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_micros(turn * turn * 37 % 40_000));
    child.kill().unwrap();
    child.wait().unwrap();
    notes
}

/// Counts on from what is stored, a key after the other, in values of all lengths.
async fn write_until_killed(mut site: Site) {
    let mut number = 0;
    for place in 0..KEYS {
        let stored = read(&site.cache, &format!("k{place}")).await;
        number = number.max(stored.map_or(0, |text| text.trim_end().parse().unwrap()));
    }
    number = (number / KEYS + 1) * KEYS;
    loop {
        let key = format!("k{}", number % KEYS);
        let value = format!("{number}{}", " ".repeat(number * 7 % 5000));
        let entry = Entry::new(value.as_bytes());
        let entry = if number.is_multiple_of(5) {
            entry.durable()
        } else {
            entry
        };
        let seen = site.cache.get(&key).await.unwrap();
        assert!(
            site.cache
                .compare_and_swap(&key, seen.as_deref(), Some(entry))
                .await
                .unwrap()
        );
        site.note(&format!("{key} {number}"));
        number += 1;
    }
}
