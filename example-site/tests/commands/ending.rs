//! `revoke`, `revoke-user`, `sweep` and `clear`, while the site serves.

use std::time::Duration;

use serde_json::json;

use crate::site::{Site, Visitor, id_of};

const STORAGES: [&str; 2] = ["KeyAsFolderCache", "DynamicFileCache"];

#[test]
fn a_revoked_visitor_is_a_stranger_with_the_next_request() {
    for storage in STORAGES {
        let mut site = Site::new();
        site.set("SESSION_STORAGE", storage);
        let server = site.serve();
        let (mut ada, mut bob) = (server.user("ada"), server.user("bob"));
        let name = site.names(&["--user", &id_of("ada")]).pop().unwrap();
        assert_eq!(site.json(&["revoke", &name]), json!({ "revoked": 1 }));
        let old = ada.clone();
        assert_eq!(ada.me(&server), (None, 0), "{storage}");
        assert_eq!(bob.me(&server).0.as_deref(), Some("bob"), "{storage}");
        // What the visitor starts anew is another session.
        ada.come(&server);
        assert_ne!(ada.id(), old.id());
        site.sessions(&["revoke", &name])
            .refused(1, "no session's name");
    }
}

#[test]
fn all_sessions_of_a_user_end_and_no_others() {
    for storage in STORAGES {
        let mut site = Site::new();
        site.set("SESSION_STORAGE", storage);
        let server = site.serve();
        let mut ada = [(); 3].map(|()| server.user("ada"));
        let mut others = ["bob", "ada2", "ad"].map(|name| server.user(name));
        let mut nobody = Visitor::default();
        nobody.come(&server);
        assert_eq!(
            site.json(&["revoke-user", &id_of("Ada")]),
            json!({ "revoked": 0 })
        );
        assert_eq!(
            site.json(&["revoke-user", &id_of("ada")]),
            json!({ "revoked": 3 })
        );
        for ada in &mut ada {
            assert_eq!(ada.me(&server).0, None, "{storage}");
        }
        for (other, name) in others.iter_mut().zip(["bob", "ada2", "ad"]) {
            assert_eq!(other.me(&server).0.as_deref(), Some(name), "{storage}");
        }
        assert_eq!(nobody.me(&server), (None, 1));
        assert_eq!(
            site.json(&["revoke-user", &id_of("ada")]),
            json!({ "revoked": 0 })
        );
        for odd in ["", "../../x", "%", "' OR 1=1 --", "\u{1b}[2J"] {
            assert_eq!(
                site.json(&["revoke-user", odd]),
                json!({ "revoked": 0 }),
                "{odd:?}"
            );
        }
    }
}

#[test]
fn everybody_is_logged_out_only_when_that_is_meant() {
    for storage in STORAGES {
        let mut site = Site::new();
        site.set("SESSION_STORAGE", storage);
        let server = site.serve();
        let mut ada = server.user("ada");
        site.sessions(&["clear"]).refused(2, "clear --yes");
        assert_eq!(ada.me(&server).0.as_deref(), Some("ada"));
        site.sessions(&["clear", "--yes"]).done();
        assert_eq!(ada.me(&server).0, None, "{storage}");
        assert_eq!(site.json(&["stats"])["live"], 0, "{storage}");
    }
}

/// After a flood of visitors that keep no cookie.
#[test]
fn sessions_that_nobody_is_logged_in_to_go_and_no_others() {
    for storage in STORAGES {
        let mut site = Site::new();
        site.set("SESSION_STORAGE", storage);
        let server = site.serve();
        let (mut ada, mut shopper) = (server.user("ada"), Visitor::default());
        for _ in 0..20 {
            Visitor::default().come(&server);
        }
        std::thread::sleep(Duration::from_secs(1));
        shopper.come(&server);

        let old = ["clear", "--anonymous", "--older-than"];
        let older_than = |age: &str| site.json(&[&old[..], &[age]].concat());
        assert_eq!(older_than("7d"), json!({ "removed": 0 }), "{storage}");
        assert_eq!(older_than("1s"), json!({ "removed": 20 }), "{storage}");
        assert_eq!(shopper.me(&server), (None, 1), "{storage}");
        let all = json!({ "removed": 1 });
        assert_eq!(site.json(&["clear", "--anonymous"]), all, "{storage}");
        assert_eq!(shopper.me(&server), (None, 0), "{storage}");
        assert_eq!(ada.me(&server).0.as_deref(), Some("ada"), "{storage}");
        assert_eq!(site.json(&[])["live"], 1, "{storage}");
    }
    let site = Site::new();
    for (arguments, says) in [
        (&["--older-than", "7d"][..], "--anonymous"),
        (&["--anonymous", "--yes"], "cannot be used with"),
        (&["--anonymous", "--older-than", "soon"], "soon"),
        (
            &["--anonymous", "--older-than", "-7d"],
            "unexpected argument",
        ),
    ] {
        site.sessions(&[&["clear"], arguments].concat())
            .refused(2, says);
    }
}

#[test]
fn what_is_over_goes_and_nothing_else() {
    let mut site = Site::new();
    let mut visitors = [(); 6].map(|()| Visitor::default());
    site.set("SESSION_COOKIE_AGE", "1s");
    let server = site.serve();
    for visitor in &mut visitors[..3] {
        visitor.come(&server);
    }
    drop(server);
    site.unset("SESSION_COOKIE_AGE");
    let server = site.serve();
    for visitor in &mut visitors[3..] {
        visitor.come(&server);
    }
    // Until the clock is there; nothing else is waited for.
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(site.json(&[])["expired"], 3);
    assert_eq!(site.json(&["sweep"]), json!({ "removed": 3 }));
    assert_eq!(site.json(&["clear-expired"]), json!({ "removed": 0 }));
    assert_eq!(site.records().len(), 3);
    let known = visitors.iter_mut().map(|visitor| visitor.me(&server).1);
    assert_eq!(known.sum::<u64>(), 3);
}

/// A limit that is set later counts for sessions that are there: the storage knows nothing of it.
#[test]
fn what_a_new_limit_ends_goes_too() {
    for storage in STORAGES {
        let mut site = Site::new();
        site.set("SESSION_STORAGE", storage);
        let server = site.serve();
        let mut visitor = Visitor::default();
        visitor.come(&server);
        drop(server);
        assert_eq!(site.json(&["sweep"])["removed"], 0);
        site.set("SESSION_IDLE_TIMEOUT", "1s");
        // Until the clock is there; nothing else is waited for.
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(site.json(&["sweep"])["removed"], 1, "{storage}");
        assert_eq!(site.json(&["stats"])["expired"], 0, "{storage}");
    }
}
