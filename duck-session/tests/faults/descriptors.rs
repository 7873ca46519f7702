//! A site that has no file descriptor left.

use std::fs::File;
use std::path::Path;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::children::child;
use crate::site::{Place, assert_unavailable, read, read_again, visitor};
use crate::storage::{Storage, on_each_storage};

#[expect(clippy::unused_async, reason = "run like all tests of every storage")]
async fn a_site_without_descriptors_loses_nothing<S: Storage>() {
    let place = Place::new();
    let output = child::<S>("runs out of descriptors", &place.dir(), 0).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// What cannot be read is an error then, and not absent: absent would be logged out.
pub(crate) async fn run_out<S: Storage>(dir: &Path) {
    let visitor = visitor::<S>(dir).await;
    read(&visitor, "/login/7").await;
    read(&visitor, "/add/n").await;
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
    // A storage may have its files open already, and then all goes on.
    let mut added = 1;
    for page in ["/user", "/add/n", "/get/n", "/user"] {
        let response = visitor.get(page).await;
        if response.status() != 200 {
            assert_unavailable(&response);
            continue;
        }
        added += u64::from(page == "/add/n");
        let expected = match page {
            "/user" => "7".to_owned(),
            _ => added.to_string(),
        };
        assert_eq!(response.text(), expected, "{page}");
    }
    let begun = visitor.another().get("/add/n").await;
    if begun.status() != 200 {
        assert_unavailable(&begun);
    }
    drop(taken);
    setrlimit(Resource::Nofile, limit).unwrap();
    assert_eq!(read_again(&visitor, "/user").await, "7");
    assert_eq!(read(&visitor, "/get/n").await, added.to_string());
    assert_eq!(read(&visitor, "/add/n").await, (added + 1).to_string());
    read(&visitor, "/logout").await;
    assert_eq!(read(&visitor, "/user").await, "nobody");
}

on_each_storage!(a_site_without_descriptors_loses_nothing);
