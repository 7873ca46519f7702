//! `stats`, `list` and `show`: they change nothing, and tell no more than they should.

use std::io::Read;

use serde_json::json;

use crate::site::{Site, Visitor, id_of};

#[test]
fn the_program_lists_the_command_and_an_unknown_one_is_a_mistake() {
    let site = Site::new();
    let help = site.help();
    assert!(help.contains("example-site [COMMAND]"), "{help}");
    for command in ["run", "routes", "check", "secret", "sessions"] {
        assert!(help.contains(&format!("  {command} ")), "{help}");
    }
    let error = site
        .sessions(&["nonsense"])
        .refused(2, "unrecognized subcommand");
    assert!(error.contains("example-site sessions"), "{error}");
    let mut child = site.piped(&["nonsense"]);
    assert_eq!(child.wait().unwrap().code(), Some(2));
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert!(
        said.contains("nonsense") && said.contains("sessions"),
        "{said}"
    );
}

#[test]
fn what_is_stored_is_counted() {
    for storage in ["KeyAsFolderCache", "DynamicFileCache"] {
        let mut site = Site::new();
        site.set("SESSION_STORAGE", storage);
        let server = site.serve();
        let mut visitors = [(); 3].map(|()| Visitor::default());
        for visitor in &mut visitors {
            visitor.come(&server);
        }
        visitors[0].log_in(&server, "ada");
        let stats = site.json(&[]);
        let expected = json!({
            "live": 3, "logged_in": 1, "expired": 0, "unreadable": 0,
            "storage": storage, "folder": site.path("sessions").to_str().unwrap(),
        });
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(&stats[key], value, "{storage}: {key}");
        }
        assert!(stats["bytes"].as_u64().unwrap() > 300, "{stats}");
        let text = site.sessions(&["stats"]).done();
        for line in ["live        3", "logged in   1"] {
            assert!(text.contains(line), "{text}");
        }
        assert!(text.contains(stats["oldest"].as_str().unwrap()), "{text}");
    }
}

#[test]
fn nothing_that_opens_a_session_is_told() {
    let site = Site::new();
    let server = site.serve();
    let mut grace = server.user("grace");
    grace.come(&server);
    grace.write(&server, "hush");
    let before = site.files();
    let name = site.names(&[]).pop().unwrap();
    for arguments in [
        &["stats"][..],
        &["list"],
        &["list", "--user", &id_of("grace")],
        &["show", &name],
        &["verify"],
    ] {
        for json in [&[][..], &["--json"]] {
            let answer = site.sessions(&[arguments, json].concat());
            let told = answer.out.clone() + &answer.err;
            answer.done();
            assert!(!told.contains(grace.id()), "{arguments:?}: {told}");
            assert!(
                !told.contains("hush") && !told.contains(&id_of("grace")),
                "{arguments:?}: {told}"
            );
        }
    }
    assert_eq!(site.files(), before, "looking changes nothing");
    assert_eq!(grace.me(&server), (Some("grace".to_owned()), 1));
}

#[test]
fn values_are_shown_only_when_they_are_asked_for() {
    let site = Site::new();
    let server = site.serve();
    let mut ada = server.user("ada");
    ada.write(&server, "hush%1B%5B2J%C2%9B");
    let name = site.names(&[]).pop().unwrap();
    let shown = site.sessions(&["show", &name]).done();
    assert!(
        shown.contains("entries") && shown.contains("user        yes"),
        "{shown}"
    );
    let shown = site.sessions(&["show", &name, "--reveal"]).done();
    assert!(
        shown.contains("hush") && shown.contains(&format!("user        {}", id_of("ada"))),
        "{shown}"
    );
    assert!(
        !shown.contains(['\u{1b}', '\u{9b}']),
        "a visitor steers the terminal: {shown:?}"
    );
    let shown = site.json(&["show", &name, "--reveal"]);
    assert_eq!(shown["values"]["entries"], json!(["hush\u{1b}[2J\u{9b}"]));
    let shown = site.json(&["show", &name]);
    assert_eq!(
        (&shown["values"], &shown["user"]),
        (&json!(null), &json!(true))
    );
}

/// What the session has been through, in plain words: the login of a visitor who was here before gives it another
/// id, and for a moment the one before is remembered.
#[test]
fn a_login_and_the_ids_before_it_are_shown() {
    let site = Site::new();
    let server = site.serve();
    let mut ada = Visitor::default();
    ada.come(&server);
    let name = site.names(&[]).pop().unwrap();
    let before = site.json(&["show", &name]);
    assert_eq!(
        (&before["id_changes"], &before["writes"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(before["logged_in"], json!(null));
    ada.log_in(&server, "ada");
    assert_eq!(
        site.names(&[]),
        std::slice::from_ref(&name),
        "the name stays"
    );
    let after = site.json(&["show", &name]);
    assert_eq!(
        (&after["id_changes"], &after["ids_given_up"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(after["id_before_is_good"], json!(false));
    assert!(
        after["logged_in"].is_string() && after["writes"].as_u64() > Some(0),
        "{after}"
    );
    let shown = site.sessions(&["show", &name]).done();
    for line in [
        "id changes  1 at logins and by cycle_id",
        "old ids     none is good, 1 given up would be recognized",
    ] {
        assert!(shown.contains(line), "{shown}");
    }
}

#[test]
fn a_list_is_of_one_user_and_of_so_many() {
    let site = Site::new();
    let server = site.serve();
    for name in ["ada", "bob", "ada", "bob", "ada"] {
        server.user(name);
    }
    assert_eq!(site.names(&[]).len(), 5);
    assert_eq!(site.names(&["--user", &id_of("ada")]).len(), 3);
    assert_eq!(site.names(&["--user", &id_of("ad")]).len(), 0);
    assert_eq!(site.names(&["--user", "%"]).len(), 0);
    assert_eq!(site.names(&["--limit", "5"]).len(), 5);
    let answer = site.sessions(&["list", "--limit", "2"]);
    assert!(answer.err.contains("--limit 0"), "{answer:?}");
    assert_eq!(answer.done().lines().count(), 3);
}

#[test]
fn whoever_reads_only_the_beginning_of_a_list_gets_no_error() {
    let site = Site::new();
    let server = site.serve();
    let mut visitor = Visitor::default();
    visitor.come(&server);
    let mut child = site.piped(&["sessions", "list"]);
    drop(child.stdout.take());
    let code = child.wait().unwrap().code();
    let mut error = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut error).unwrap();
    assert_eq!((code, error.as_str()), (Some(0), ""));
}

/// What cannot be a name never reaches the storage, and a beginning that fits two
/// is refused with both.
#[test]
fn a_session_is_named_by_hexadecimal_and_without_doubt() {
    let site = Site::new();
    let server = site.serve();
    let mut ada = server.user("ada");
    let before = site.files();
    let traversal = format!("../{}", "0".repeat(61));
    for bad in [
        "",
        "a",
        "abc",
        "../x",
        "../../../etc/passwd",
        "/abs",
        "%",
        "____",
        "*",
        "' OR 1=1 --",
        "0000'; DROP TABLE entries",
        "0000/../..",
        "0000\n0000",
        "ABCDEF",
        "ｆｆｆｆ",
        ada.id(),
        &traversal,
    ] {
        site.sessions(&["show", bad]).refused(2, "0-9 and a-f");
    }
    site.sessions(&["revoke", "../x"]).refused(2, "0-9 and a-f");
    let none = if site.names(&[])[0].starts_with("0000") {
        "ffff"
    } else {
        "0000"
    };
    for absent in [none, &none.repeat(8)] {
        site.sessions(&["revoke", absent])
            .refused(1, "no session's name begins with");
    }
    assert_eq!(site.files(), before);
    assert_eq!(ada.me(&server).0.as_deref(), Some("ada"));

    // Some two of them begin alike: with 65,537 sessions for certain, mostly with a few hundred.
    let (one, other) = loop {
        for _ in 0..100 {
            Visitor::default().come(&server);
        }
        let mut names = site.names(&["--limit", "0"]);
        names.sort_unstable();
        let pair = names.windows(2).find(|pair| pair[0][..4] == pair[1][..4]);
        if let Some([one, other]) = pair {
            break (one.clone(), other.clone());
        }
    };
    for command in ["show", "revoke"] {
        let error = site
            .sessions(&[command, &one[..4]])
            .refused(1, "fits more than one session");
        assert!(error.contains(&one) && error.contains(&other), "{error}");
    }
    site.sessions(&["show", &one]).done();
    site.sessions(&["show", &other]).done();
}

/// One id in 64 begins with a hyphen, and a user may be called anything.
#[test]
fn what_begins_with_a_hyphen_is_a_value_and_no_option() {
    let site = Site::new();
    let server = site.serve();
    let ids = [
        format!("-h{}", "A".repeat(41)),
        format!("--{}", "h".repeat(41)),
    ];
    for pasted in [&*ids[0], &ids[1], "-1", "--reveal-not", "-\u{e4}"] {
        for command in ["show", "revoke"] {
            site.sessions(&[command, pasted]).refused(2, "0-9 and a-f");
        }
    }
    for user in ["-1", "-4711"] {
        server.user(user);
        assert_eq!(site.names(&["--user", user]).len(), 1, "{user}");
        assert_eq!(site.json(&["revoke-user", user]), json!({ "revoked": 1 }));
        assert_eq!(site.names(&["--user", user]).len(), 0, "{user}");
    }
    for nobody in ["-ada", "--ada", "-h-"] {
        assert_eq!(site.names(&["--user", nobody]).len(), 0, "{nobody}");
        assert_eq!(site.json(&["revoke-user", nobody])["revoked"], 0);
    }
    // The options are still options, and behind `--` nothing is one.
    let ada = server.user("ada");
    server.user("-2");
    assert_eq!(
        site.sessions(&["revoke-user", "--json", "--", "-2"]).done(),
        "{\n  \"revoked\": 1\n}\n"
    );
    let name = site.names(&[]).pop().unwrap();
    let shown = site.sessions(&["show", "--reveal", &name]).done();
    assert!(
        shown.contains(&format!("user        {}", id_of("ada"))),
        "{shown}"
    );
    assert!(!shown.contains(ada.id()), "{shown}");
}

#[test]
fn what_no_other_process_can_see_is_said_in_one_sentence() {
    let mut site = Site::new();
    site.set("SESSION_STORAGE", "InMemoryCache");
    for command in [
        &["stats"][..],
        &["list"],
        &["revoke-user", &id_of("ada")],
        &["clear", "--yes"],
        &["rekey"],
    ] {
        let error = site
            .sessions(command)
            .refused(1, "in the memory of the running site");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    site.set("SESSION_STORAGE", "KeyAsFolderCache");
    site.set("SESSION_ENGINE", "cookie");
    for command in [
        &["stats"][..],
        &["verify"],
        &["migrate", "--to", "DynamicFileCache"],
    ] {
        let error = site
            .sessions(command)
            .refused(1, "in its visitor's browser");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}
