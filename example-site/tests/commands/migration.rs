//! From one storage to another, with nobody logged out.

use std::fs;

use crate::site::{Site, Visitor};

const FOLDER: &str = "KeyAsFolderCache";
const DYNAMIC: &str = "DynamicFileCache";

fn counts(tally: &serde_json::Value) -> [u64; 4] {
    ["copied", "there", "only_there", "pruned"].map(|name| tally[name].as_u64().unwrap())
}

/// As the command itself says: copy while the site runs, stop, copy what has changed, start anew.
#[test]
fn a_visitor_does_not_notice() {
    for (from, to) in [(FOLDER, DYNAMIC), (DYNAMIC, FOLDER)] {
        let mut site = Site::new();
        site.set("SESSION_STORAGE", from);
        let server = site.serve();
        let (mut ada, mut bob) = (server.user("ada"), server.user("bob"));
        let mut eve = server.user("eve");
        ada.come(&server);
        let migrate = ["migrate", "--to", to, "--dir", "moved"];
        let [copied, there, ..] = counts(&site.json(&migrate));
        assert!(copied == 3 && there == 0, "{from}: {copied} {there}");
        // Nothing has changed, so there is nothing to do.
        let [copied, there, ..] = counts(&site.json(&migrate));
        assert!(copied == 0 && there == 3, "{from}: {copied} {there}");
        // What changes meanwhile follows with the next run, and a logout stays one.
        ada.come(&server);
        let ids = (ada.id().to_owned(), eve.clone());
        eve.log_out(&server);
        drop(server);
        let [copied, _, only_there, _] = counts(&site.json(&migrate));
        assert_eq!((copied, only_there), (1, 1), "{from}");
        let [.., only_there, pruned] = counts(&site.json(&[&migrate[..], &["--prune"]].concat()));
        assert_eq!((only_there, pruned), (0, 1), "{from}");

        site.set("SESSION_STORAGE", to);
        site.set("SESSION_DIR", "moved");
        fs::remove_dir_all(site.path("sessions")).unwrap();
        let server = site.serve();
        assert_eq!(ada.me(&server), (Some("ada".to_owned()), 2), "{from}");
        assert_eq!(ada.id(), ids.0, "the cookie is the same");
        ada.come(&server);
        assert_eq!(ada.me(&server).1, 3, "{from}");
        assert_eq!(bob.me(&server).0.as_deref(), Some("bob"), "{from}");
        let mut thief = ids.1;
        assert_eq!(thief.me(&server), (None, 0), "{from}: the logout stays");
        assert_eq!(site.sessions(&["verify"]).code, 0);
        // The index of users came with it.
        assert_eq!(site.json(&["revoke-user", "bob"])["revoked"], 1, "{from}");
        assert_eq!(bob.me(&server).0, None, "{from}");
    }
}

/// What a visitor does in the new storage is not undone by a late run from the old one.
#[test]
fn the_newer_of_two_versions_stays() {
    let mut site = Site::new();
    let server = site.serve();
    let mut ada = server.user("ada");
    drop(server);
    let migrate = ["migrate", "--to", DYNAMIC, "--dir", "moved"];
    site.json(&migrate);
    let old = site.path("settings.toml");
    let old = (fs::read(&old).unwrap(), old);
    site.set("SESSION_STORAGE", DYNAMIC);
    site.set("SESSION_DIR", "moved");
    let server = site.serve();
    ada.come(&server);
    let mut new = Visitor::default();
    new.come(&server);

    fs::write(old.1, old.0).unwrap();
    let [copied, there, only_there, pruned] = counts(&site.json(&migrate));
    assert_eq!((copied, only_there, pruned), (0, 1, 0));
    assert!(there >= 1);
    assert_eq!(ada.me(&server), (Some("ada".to_owned()), 1));
    assert_eq!(new.me(&server), (None, 1));
}

/// A session ends in the new place when it would have ended in the old one.
#[test]
fn what_is_left_of_a_life_is_kept() {
    let mut site = Site::new();
    let server = site.serve();
    server.user("ada");
    drop(server);
    let list = site.json(&["list"]);
    site.json(&["migrate", "--to", FOLDER, "--dir", "moved"]);
    site.set("SESSION_DIR", "moved");
    assert_eq!(site.json(&["list"]), list);
}

/// Records are copied as they are: the key is not needed for that, nor is it in the copy.
#[test]
fn sealed_records_move_without_their_key() {
    let mut site = Site::new();
    let server = site.serve();
    let mut ada = server.user("ada");
    drop(server);
    site.set(
        "SECRET_KEY",
        "a key of another site, more than thirty-two bytes",
    );
    let [copied, ..] = counts(&site.json(&["migrate", "--to", DYNAMIC, "--dir", "moved"]));
    assert!(copied >= 1);
    site.set("SECRET_KEY", crate::site::KEY);
    site.set("SESSION_STORAGE", DYNAMIC);
    site.set("SESSION_DIR", "moved");
    let server = site.serve();
    assert_eq!(ada.me(&server).0.as_deref(), Some("ada"));
}

#[test]
fn places_where_nothing_can_be_moved_are_refused() {
    let site = Site::new();
    let server = site.serve();
    let mut ada = server.user("ada");
    for (arguments, code, says) in [
        (&["--to", FOLDER][..], 2, "that is where the sessions are"),
        (
            &["--to", FOLDER, "--dir", "./sessions/."],
            2,
            "that is where the sessions are",
        ),
        (
            &["--to", "duck.utils.caching.KeyAsFolderCache"],
            2,
            "that is where the sessions are",
        ),
        (&["--to", "Nonsense"], 2, "is not one of"),
        (&["--to", "../x"], 2, "is not one of"),
        (&[], 2, "--to"),
        (
            &["--to", "InMemoryCache"],
            1,
            "in the memory of the running site",
        ),
        (
            &["--to", DYNAMIC, "--dir", "static/sessions"],
            1,
            "served to everybody",
        ),
    ] {
        site.sessions(&[&["migrate"], arguments].concat())
            .refused(code, says);
    }
    assert!(!site.path("static").exists(), "nothing is made there");
    assert_eq!(ada.me(&server).0.as_deref(), Some("ada"));
}
