//! `example-site tasks`: what the site does at set times.

use std::fs::{self, File};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::site::Site;

#[test]
fn pictures_that_no_account_has_are_swept_and_those_in_use_or_just_sent_stay() {
    let site = Site::new();
    site.answer(&["migrate"]).done();
    let media = site.path("media");
    fs::create_dir(&media).unwrap();
    let hours = |hours| SystemTime::now() - Duration::from_hours(hours);
    for (name, age) in [
        ("used.png", 48),
        ("of-nobody.png", 48),
        ("of-nobody-either.jpg", 2),
        ("just-sent.png", 0),
    ] {
        let file = File::create(media.join(name)).unwrap();
        file.set_modified(hours(age)).unwrap();
    }
    let database = rusqlite::Connection::open(site.path("example-site.db")).unwrap();
    for (name, picture) in [("ada", Some("used.png")), ("bob", None)] {
        let add = "INSERT INTO users (name, hash, picture) VALUES ($1, 'none', $2)";
        database.execute(add, (name, picture)).unwrap();
    }
    let list = site.answer(&["tasks"]).done();
    assert!(list.contains("sweep pictures  every 1h"), "{list}");
    let left = || {
        let files = fs::read_dir(&media).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    };
    site.answer(&["tasks", "run", "sweep pictures"]).done();
    assert_eq!(left(), ["just-sent.png", "used.png"]);
    // A task runs once a second at most. Where the users cannot be read, nothing is known to be of nobody.
    thread::sleep(Duration::from_millis(1100));
    database.execute("DROP TABLE users", ()).unwrap();
    site.answer(&["tasks", "run", "sweep pictures"])
        .refused(1, "no such table");
    assert_eq!(left(), ["just-sent.png", "used.png"]);
}
