//! Another `SECRET_KEY`: what happens to sessions without it, and how to change it.

use std::fs;

use serde_json::json;

use crate::site::{KEY, Site, Visitor, id_of};

const NEW_KEY: &str = "the second key, also more than thirty-two bytes";
const WRONG_KEY: &str = "a key of another site, more than thirty-two bytes";

const STORAGES: [&str; 2] = ["KeyAsFolderCache", "DynamicFileCache"];

/// The whole way: a new key, the old one as a fallback, everything sealed anew under way, the old
/// one given up. The visitor notices nothing.
#[test]
fn an_old_key_can_be_given_up_after_rekey() {
    for storage in STORAGES {
        let mut site = Site::new();
        site.set("SESSION_STORAGE", storage);
        let server = site.serve();
        let mut ada = server.user("ada");
        let mut visitor = Visitor::default();
        visitor.come(&server);
        drop(server);

        site.set("SECRET_KEY", NEW_KEY);
        site.set_list("SECRET_KEY_FALLBACKS", &[KEY]);
        let server = site.serve();
        ada.come(&server);
        let counts = |tally: &serde_json::Value| {
            ["resealed", "current", "unreadable"].map(|name| tally[name].as_u64().unwrap())
        };
        let [resealed, current, unreadable] = counts(&site.json(&["rekey"]));
        // What Ada's visit saved is sealed with the new key already.
        assert_eq!((resealed, current, unreadable), (1, 1, 0), "{storage}");
        let [resealed, current, _] = counts(&site.json(&["rekey"]));
        assert!(
            resealed == 0 && current == 2,
            "{storage}: {resealed} {current}"
        );
        // Beside the server, and after it.
        ada.come(&server);
        assert_eq!(ada.me(&server), (Some("ada".to_owned()), 2));
        drop(server);

        site.set_list("SECRET_KEY_FALLBACKS", &[]);
        let server = site.serve();
        assert_eq!(ada.me(&server), (Some("ada".to_owned()), 2), "{storage}");
        assert_eq!(visitor.me(&server), (None, 1), "{storage}");
        assert_eq!(site.json(&["stats"])["unreadable"], 0);
    }
}

/// What a storage knows a user by depends on the key: it is found with the old one, and after `rekey` with the new
/// one alone.
#[test]
fn the_sessions_of_a_user_are_found_during_a_change_of_the_key_and_after_it() {
    for storage in STORAGES {
        let mut site = Site::new();
        site.set("SESSION_STORAGE", storage);
        let server = site.serve();
        let (mut ada, mut again) = (server.user("ada"), server.user("ada"));
        drop(server);
        site.set("SECRET_KEY", NEW_KEY);
        site.set_list("SECRET_KEY_FALLBACKS", &[KEY]);
        // A save seals with the new key, and makes what the storage knows the user by with it too.
        let server = site.serve();
        ada.come(&server);
        assert_eq!(site.names(&["--user", &id_of("ada")]).len(), 2, "{storage}");
        assert_eq!(site.json(&["rekey"])["resealed"], 1, "{storage}");
        drop(server);
        assert_eq!(
            site.names(&["--user", &id_of("ada")]).len(),
            2,
            "{storage}: each once"
        );
        site.set_list("SECRET_KEY_FALLBACKS", &[]);
        assert_eq!(site.names(&["--user", &id_of("ada")]).len(), 2, "{storage}");
        let server = site.serve();
        assert_eq!(ada.me(&server).0.as_deref(), Some("ada"), "{storage}");
        assert_eq!(
            site.json(&["revoke-user", &id_of("ada")]),
            json!({ "revoked": 2 })
        );
        assert_eq!(
            [ada.me(&server).0, again.me(&server).0],
            [None, None],
            "{storage}"
        );
    }
}

/// Sealing anew is no visit: a session ends when it would have.
#[test]
fn rekey_leaves_the_end_of_a_session_where_it_is() {
    let mut site = Site::new();
    let server = site.serve();
    server.user("ada");
    drop(server);
    let before = site.json(&["list"]);
    site.set("SECRET_KEY", NEW_KEY);
    site.set_list("SECRET_KEY_FALLBACKS", &[KEY]);
    assert_eq!(site.json(&["rekey"])["unreadable"], 0);
    assert_eq!(site.json(&["list"]), before);
}

/// A wrong key in one deployment destroys nothing: rule 13.
#[test]
fn what_another_key_has_sealed_is_counted_and_left_alone() {
    for storage in STORAGES {
        let mut site = Site::new();
        site.set("SESSION_STORAGE", storage);
        let server = site.serve();
        let mut grace = server.user("grace");
        let name = site.names(&[]).pop().unwrap();
        drop(server);
        site.set("SECRET_KEY", WRONG_KEY);

        assert_eq!(site.json(&["stats"])["live"], 0);
        assert_eq!(site.names(&[]).len(), 0);
        for arguments in [&["show", &name][..], &["show", &name, "--reveal"]] {
            let answer = site.sessions(arguments);
            assert_eq!(answer.code, 1);
            assert!(
                answer.out.contains("a key that is not in the settings"),
                "{answer:?}"
            );
            assert!(!answer.out.contains(&id_of("grace")), "{answer:?}");
        }
        for arguments in [&["verify"][..], &["verify", "--repair"], &["rekey"]] {
            assert_eq!(site.sessions(arguments).code, 1, "{storage}: {arguments:?}");
        }
        assert_eq!(site.json(&["sweep"])["removed"], 0);
        let nobody = json!({ "revoked": 0 });
        assert_eq!(
            site.json(&["revoke-user", &id_of("grace")]),
            nobody,
            "{storage}"
        );
        let none = json!({ "removed": 0 });
        assert_eq!(site.json(&["clear", "--anonymous"]), none, "{storage}");

        site.set("SECRET_KEY", KEY);
        let server = site.serve();
        assert_eq!(grace.me(&server).0.as_deref(), Some("grace"), "{storage}");
    }
}

/// Whoever can write to the storage and put one session's record in another's place gains nothing.
#[test]
fn a_record_in_anothers_place_is_damage() {
    let site = Site::new();
    let server = site.serve();
    let mut ada = server.user("ada");
    let records = site.records();
    let mut thief = Visitor::default();
    thief.come(&server);
    let theirs = site
        .records()
        .into_iter()
        .find(|path| !records.contains(path))
        .unwrap();
    let [hers] = &*records else {
        panic!("one session, and {records:?}");
    };
    fs::copy(hers, &theirs).unwrap();
    let answer = site.sessions(&["verify", "--repair"]);
    assert_eq!(answer.code, 1, "{answer:?}");
    assert!(answer.out.contains("damaged, or moved here"), "{answer:?}");
    assert!(theirs.exists(), "it is left where it is");
    assert_eq!(thief.me(&server), (None, 0));
    assert_eq!(ada.me(&server).0.as_deref(), Some("ada"));
}
