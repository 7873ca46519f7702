//! `verify`: files that are not as they should be.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::site::{Site, Visitor};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn open_to_all(path: &Path) {
    let wide = if path.is_dir() { 0o755 } else { 0o644 };
    fs::set_permissions(path, Permissions::from_mode(wide)).unwrap();
}

fn age(path: &Path) {
    let file = File::open(path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_hours(2))
        .unwrap();
}

/// What is found: where, what, and whether it was put right.
fn findings(site: &Site, arguments: &[&str]) -> (i32, Vec<(String, String, bool)>) {
    let answer = site.sessions(&[&["verify", "--json"], arguments].concat());
    let report: Value = serde_json::from_str(&answer.out).unwrap();
    let list = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| {
            let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
            (
                text("path"),
                text("what"),
                finding["repaired"].as_bool().unwrap(),
            )
        });
    let mut list: Vec<_> = list.collect();
    list.sort();
    (answer.code, list)
}

#[test]
fn a_healthy_storage_has_nothing_to_find() {
    for storage in ["KeyAsFolderCache", "DynamicFileCache"] {
        let mut site = Site::new();
        site.set("SESSION_STORAGE", storage);
        let server = site.serve();
        server.user("ada");
        for arguments in [&[][..], &["--repair"]] {
            assert_eq!(findings(&site, arguments), (0, Vec::new()), "{storage}");
        }
        assert!(site.sessions(&["verify"]).done().contains("0 to look at"));
    }
}

/// Rule F14. A session whose file others could read is still a session.
#[test]
fn modes_that_are_too_wide_are_found_and_put_right() {
    for storage in ["KeyAsFolderCache", "DynamicFileCache"] {
        let mut site = Site::new();
        site.set("SESSION_STORAGE", storage);
        let server = site.serve();
        let mut ada = server.user("ada");
        let root = site.path("sessions");
        let mut wide = vec![root.clone()];
        if storage == "KeyAsFolderCache" {
            let record = site.records().pop().unwrap();
            wide.extend(record.ancestors().take(4).map(Path::to_owned));
            wide.push(root.join("v1/locks"));
            wide.push(root.join("v1/locks/7f"));
            wide.push(root.join("v1/sweep.lock"));
        } else {
            wide.extend(["shard-000001.sqlite", "shards.lock"].map(|name| root.join(name)));
        }
        wide.sort();
        wide.dedup();
        for path in &wide {
            open_to_all(path);
        }

        let (code, found) = findings(&site, &[]);
        assert_eq!(code, 1, "{storage}");
        assert_eq!(found.len(), wide.len(), "{found:?}");
        assert!(
            found
                .iter()
                .all(|(_, what, repaired)| what.starts_with("mode ") && !repaired),
            "{found:?}"
        );
        assert_eq!(ada.me(&server).0.as_deref(), Some("ada"), "{storage}");

        let (code, found) = findings(&site, &["--repair"]);
        assert_eq!((code, found.len()), (0, wide.len()), "{found:?}");
        for path in &wide {
            assert_eq!(mode(path) & 0o077, 0, "{}", path.display());
        }
        assert_eq!(findings(&site, &[]), (0, Vec::new()));
        assert_eq!(ada.me(&server).0.as_deref(), Some("ada"), "{storage}");
    }
}

#[test]
fn leftovers_go_and_what_is_foreign_or_damaged_stays() {
    let site = Site::new();
    let server = site.serve();
    let mut ada = server.user("ada");
    let mut visitor = Visitor::default();
    visitor.come(&server);
    let root = site.path("sessions/v1");
    let handle = site.handles(&["--user", "ada"]).pop().unwrap();
    let hers = site
        .records()
        .into_iter()
        .find(|path| path.to_string_lossy().contains(&handle));
    let hers = hers.unwrap().parent().unwrap().to_owned();

    let leftover = hers.join(".tmp-0123");
    fs::write(&leftover, "half a record").unwrap();
    age(&leftover);
    let empty = root.join("ab").join("ab".repeat(32));
    fs::create_dir(&empty).unwrap();
    age(&empty);
    // A writer may be at work on these. (The sweep knows better: it asks for the writers' lock.)
    let (young, fresh) = (
        hers.join(".tmp-4567"),
        root.join("cd").join("cd".repeat(32)),
    );
    fs::write(&young, "half a record").unwrap();
    fs::create_dir(&fresh).unwrap();

    let strange = [
        "notes.txt",
        "v1/ab/README",
        "v1/ab/..\u{1b}[2J",
        "v1/locks/gg",
    ];
    for name in strange {
        fs::write(site.path("sessions").join(name), "mine").unwrap();
    }
    let misplaced = root.join("00").join("ff".repeat(32));
    fs::create_dir(&misplaced).unwrap();
    fs::write(misplaced.join("record"), "mine").unwrap();
    let garbage = root.join("12").join("12".repeat(32));
    fs::create_dir(&garbage).unwrap();
    fs::write(garbage.join("record"), "no record").unwrap();
    let link = root.join("34").join("34".repeat(32));
    let outside = site.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("record"), "not ours").unwrap();
    symlink(&outside, &link).unwrap();
    for path in [&garbage, &misplaced, &fresh, &empty] {
        fs::set_permissions(path, Permissions::from_mode(0o700)).unwrap();
    }
    for path in [&leftover, &young, &garbage.join("record")] {
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    }

    let (code, found) = findings(&site, &[]);
    assert_eq!(
        (code, found.len()),
        (1, 2 + strange.len() + 2 + 1),
        "{found:#?}"
    );
    assert!(leftover.exists() && empty.exists() && fresh.exists());
    let (code, found) = findings(&site, &["--repair"]);
    assert_eq!(code, 1);
    let whats = |what: &str| {
        found
            .iter()
            .filter(|finding| finding.1.starts_with(what))
            .count()
    };
    assert_eq!(whats("left by a writer"), 2, "{found:#?}");
    assert_eq!(
        whats("nothing that this storage makes"),
        strange.len() + 2,
        "{found:#?}"
    );
    assert_eq!(whats("damaged"), 1, "{found:#?}");
    assert_eq!(found.len(), 2 + strange.len() + 2 + 1, "{found:#?}");
    assert!(!leftover.exists() && !empty.exists());
    for path in [
        &young,
        &misplaced,
        &garbage.join("record"),
        &outside.join("record"),
    ] {
        assert!(path.exists(), "{}", path.display());
    }
    assert!(link.is_symlink());
    let text = site.sessions(&["verify"]);
    assert!(
        !text.out.contains('\u{1b}'),
        "a name steers the terminal: {text:?}"
    );
    assert_eq!(ada.me(&server).0.as_deref(), Some("ada"));
    assert_eq!(visitor.me(&server), (None, 1));
}

#[test]
fn shards_are_read_from_end_to_end() {
    let mut site = Site::new();
    site.set("SESSION_STORAGE", "DynamicFileCache");
    let server = site.serve();
    server.user("ada");
    drop(server);
    let root = site.path("sessions");
    site.sessions(&["stats"]).done();
    // What killed processes left of shards goes whenever one opens the folder; what is foreign stays.
    let leftovers = ["shard-000009.draft", "shard-000007.sqlite-wal"];
    for name in leftovers {
        fs::write(root.join(name), "").unwrap();
        fs::set_permissions(root.join(name), Permissions::from_mode(0o600)).unwrap();
    }
    fs::write(root.join("notes.txt"), "mine").unwrap();
    let (code, found) = findings(&site, &["--repair"]);
    assert_eq!(code, 1);
    let names: Vec<_> = found
        .iter()
        .map(|(path, _, repaired)| (path.as_str(), *repaired))
        .collect();
    assert_eq!(names, [("notes.txt", false)]);
    assert!(root.join("notes.txt").exists());
    assert!(leftovers.iter().all(|name| !root.join(name).exists()));

    // The pages behind the first are not what SQLite wrote.
    let shard = root.join("shard-000001.sqlite");
    let mut bytes = fs::read(&shard).unwrap();
    assert!(bytes.len() > 8192, "{}", bytes.len());
    bytes[4096..].fill(0x55);
    fs::write(&shard, bytes).unwrap();
    let (code, found) = findings(&site, &[]);
    assert_eq!(code, 1);
    assert!(
        found
            .iter()
            .any(|(path, what, _)| path == "shard-000001.sqlite" && what.starts_with("damaged")),
        "{found:#?}"
    );
    assert!(shard.exists());
}

/// Removes the lists of users from a folder of sessions.
fn lose_lists(sessions: &Path) {
    let folders = |path: &Path| {
        fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().path())
    };
    let buckets = folders(&sessions.join("v1")).filter(|path| path.is_dir());
    for key in buckets
        .flat_map(|bucket| folders(&bucket))
        .filter(|path| path.is_dir())
    {
        // Behind the storage's own header of 16 bytes, what a record is stands in the fifth.
        let record = fs::read(key.join("record")).unwrap_or_default();
        if record.get(16 + 4) == Some(&2) {
            fs::remove_dir_all(key).unwrap();
        }
    }
}

/// A list that is lost is found out about, and made again: `revoke_user` must miss no session.
#[test]
fn a_session_that_is_on_no_list_is_put_on_one() {
    let site = Site::new();
    let server = site.serve();
    let mut ada = server.user("ada");
    assert!(site.sessions(&["verify"]).done().contains("0 to look at"));
    lose_lists(&site.path("sessions"));
    let (code, found) = findings(&site, &[]);
    assert_eq!((code, found.len()), (1, 1), "{found:#?}");
    assert_eq!(found[0].1, "not on its user's list of sessions");
    let (code, found) = findings(&site, &["--repair"]);
    assert_eq!((code, found.len()), (0, 1), "{found:#?}");
    assert!(found[0].2, "{found:#?}");
    assert!(site.sessions(&["verify"]).done().contains("0 to look at"));
    assert_eq!(ada.me(&server).0.as_deref(), Some("ada"));
}
