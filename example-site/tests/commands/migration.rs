//! From one storage to another, with nobody logged out.

use std::fs;
use std::net::TcpListener;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::engine::Engine;
use crate::site::{Site, Visitor, id_of};

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
        assert_eq!(
            site.json(&["revoke-user", &id_of("bob")])["revoked"],
            1,
            "{from}"
        );
        assert_eq!(bob.me(&server).0, None, "{from}");
    }
}

/// From files to a server and back, while visitors come and log out all the time: each is known throughout, and every visit
/// counts. Writes stop from the end of the site to the start of the next one; who comes then waits.
#[test]
fn a_site_moves_to_a_server_and_back_while_it_runs() {
    for engine in Engine::all() {
        let mut site = Site::new();
        engine.tell(&mut site);
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let serve = |site: &Site| {
            site.serve_on(
                socket.try_clone().unwrap(),
                r#"exec "$0" run"#,
                Stdio::null(),
            )
        };
        let mut server = serve(&site);
        let address = server.address().to_owned();
        let mut visitors = ["ada", "bob", "eve"].map(|name| server.user(name));
        let mut totals = [("ada", 0), ("bob", 0), ("eve", 0)];
        let mut thieves = Vec::new();
        for storage in [engine.storage(), FOLDER] {
            let stop = AtomicBool::new(false);
            let visits = thread::scope(|scope| {
                let visitors = visitors.clone().map(|mut visitor| {
                    let (stop, address) = (&stop, &address);
                    scope.spawn(move || {
                        let mut visits = 0;
                        while !stop.load(Ordering::Relaxed) {
                            assert_eq!(visitor.try_at(address, "GET", "/", "").0, 200);
                            visits += 1;
                        }
                        visits
                    })
                });
                let migrate = ["migrate", "--to", storage];
                let mut leaver = server.user("leaver");
                for _ in 0..2 {
                    site.json(&migrate);
                    thread::sleep(Duration::from_millis(100));
                }
                thieves.push(leaver.clone());
                leaver.log_out(&server);
                server.signal(Signal::TERM);
                server.ended();
                let moved = site.json(&[&migrate[..], &["--prune"]].concat());
                let [copied, _, only_there, pruned] = counts(&moved);
                assert!(copied >= 3 && only_there == 0 && pruned == 1, "{moved}");
                site.set("SESSION_STORAGE", storage);
                server = serve(&site);
                thread::sleep(Duration::from_millis(300));
                stop.store(true, Ordering::Relaxed);
                visitors.map(|visitor| visitor.join().unwrap())
            });
            for ((visitor, (name, total)), visits) in
                visitors.iter_mut().zip(&mut totals).zip(visits)
            {
                assert!(visits > 20, "there was no load: {visits}");
                *total += visits;
                let expected = (Some((*name).to_owned()), *total);
                assert_eq!(visitor.me(&server), expected, "{storage}");
            }
            for thief in &mut thieves {
                assert_eq!(
                    thief.clone().me(&server).0,
                    None,
                    "{storage}: a logout stays"
                );
            }
        }
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

/// The URL of a database may have a password in it.
#[test]
fn the_way_to_a_database_and_back_shows_no_url() {
    let mut site = Site::new();
    let server = site.serve();
    let mut ada = server.user("ada");
    drop(server);
    site.set("SESSION_DATABASE_URL", "sqlite:secret.db");
    let said = site.sessions(&["migrate", "--to", "DatabaseCache"]).done();
    let last = "set SESSION_STORAGE = \"DatabaseCache\", and leave SESSION_DATABASE_URL as it is";
    assert!(said.contains(last), "{said}");
    assert!(!said.contains("secret"), "{said}");
    fs::remove_dir_all(site.path("sessions")).unwrap();
    site.set("SESSION_STORAGE", "DatabaseCache");
    let server = site.serve();
    assert_eq!(ada.me(&server), (Some("ada".to_owned()), 0));
    ada.come(&server);
    drop(server);
    assert!(!site.path("sessions").exists(), "no folder is made");
    site.sessions(&["migrate", "--to", "DatabaseCache"])
        .refused(2, "that is where the sessions are");
    let [copied, ..] = counts(&site.json(&["migrate", "--to", FOLDER]));
    assert!(copied >= 1, "{copied}");
    site.set("SESSION_STORAGE", FOLDER);
    let server = site.serve();
    assert_eq!(ada.me(&server), (Some("ada".to_owned()), 1));
}
