//! `verify`: files that are not as they should be.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::site::{Site, Visitor};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// The only shard of `DynamicFileCache`.
fn shard(site: &Site) -> PathBuf {
    let mut shards = site.files().into_keys();
    let is_shard = |path: &PathBuf| path.extension().is_some_and(|end| end == "sqlite");
    shards.find(is_shard).unwrap()
}

fn open_to_all(path: &Path) {
    let wide = if path.is_dir() { 0o755 } else { 0o644 };
    fs::set_permissions(path, Permissions::from_mode(wide)).unwrap();
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
            wide.push(root.join("v2/by-user"));
            wide.push(root.join("v2/sweep.lock"));
        } else {
            wide.extend([shard(&site), root.join("shards.reserve")]);
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
fn what_no_storage_makes_and_what_is_damaged_stays() {
    let site = Site::new();
    let server = site.serve();
    let mut ada = server.user("ada");
    let mut visitor = Visitor::default();
    visitor.come(&server);
    let root = site.path("sessions/v2");

    let garbage = root.join("12").join("12".repeat(16));
    fs::create_dir(&garbage).unwrap();
    fs::set_permissions(&garbage, Permissions::from_mode(0o700)).unwrap();
    let garbage = garbage.join("record");
    fs::write(&garbage, "no record").unwrap();
    fs::set_permissions(&garbage, Permissions::from_mode(0o600)).unwrap();
    let outside = site.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("record"), "not ours").unwrap();
    open_to_all(&outside);
    let links = [
        root.join("34").join("34".repeat(16)),
        root.join("..\u{1b}[2J"),
    ];
    for link in &links {
        symlink(&outside, link).unwrap();
    }

    for arguments in [&[][..], &["--repair"]] {
        let (code, found) = findings(&site, arguments);
        assert_eq!((code, found.len()), (1, 2), "{found:#?}");
        let is_foreign = |finding: &(String, String, bool)| {
            finding.1 == "neither a file nor a folder" && !finding.2
        };
        assert!(found.iter().all(is_foreign), "{found:#?}");
    }
    assert!(garbage.exists() && links.iter().all(|link| link.is_symlink()));
    assert_eq!(mode(&outside), 0o755, "a link is not followed");
    let text = site.sessions(&["verify"]);
    assert!(
        text.out.contains("could not be read by the storage"),
        "{text:?}"
    );
    assert!(text.out.contains("2 good, 0 expired, "), "{text:?}");
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
    site.sessions(&["verify"]).done();

    // The pages behind the first are not what SQLite wrote.
    let shard = shard(&site);
    let mut bytes = fs::read(&shard).unwrap();
    assert!(bytes.len() > 8192, "{}", bytes.len());
    bytes[4096..].fill(0x55);
    fs::write(&shard, bytes).unwrap();
    for arguments in [&["verify"][..], &["verify", "--repair"]] {
        let answer = site.sessions(arguments);
        assert_eq!(answer.code, 1, "{answer:?}");
        assert!(
            answer.out.contains("1 could not be read by the storage"),
            "{answer:?}"
        );
    }
    assert!(shard.exists());
}
