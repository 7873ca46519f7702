//! A process that has no file descriptor left.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use duck_session::cache::{Cache, Entry};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::children::child;
use crate::site::Place;
use crate::storage::{Storage, on_each_storage};

const HOUR: Option<Duration> = Some(Duration::from_hours(1));

#[expect(clippy::unused_async, reason = "run like all tests of every storage")]
async fn a_process_without_descriptors_loses_nothing<S: Storage>() {
    let place = Place::new();
    let output = child::<S>("runs out of descriptors", &place.dir(), 0).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// What cannot be read is an error then, and not absent: absent would be logged out.
pub(crate) async fn run_out<S: Storage>(dir: &Path) {
    let cache = S::open(dir);
    cache.set("a", b"1", HOUR).await.unwrap();
    let limit = getrlimit(Resource::Nofile);
    let lowered = Rlimit {
        current: Some(64),
        ..limit
    };
    setrlimit(Resource::Nofile, lowered).unwrap();
    let mut taken = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        taken.push(file);
    }
    // A storage may have the file open already, and then it has an answer.
    match cache.get("a").await {
        Ok(value) => assert_eq!(value.as_deref(), Some(&b"1"[..])),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let results = [
        cache.set("b", b"2", HOUR).await.is_ok(),
        cache.delete("b").await.is_ok(),
        cache.remove_expired(10).await.is_ok(),
    ];
    drop(taken);
    assert_eq!(cache.get("a").await.unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(cache.get("b").await.unwrap(), None, "{results:?}");
    let new = Some(Entry::new(b"2"));
    assert!(cache.compare_and_swap("a", Some(b"1"), new).await.unwrap());
    setrlimit(Resource::Nofile, limit).unwrap();
}

on_each_storage!(a_process_without_descriptors_loses_nothing);
