//! A kernel that refuses: system calls on the files of sessions that fail, as a broken disk, a quota or a
//! network file system makes them fail. Rules 54 to 58 and F9.

use crate::durability::can_trace;
use crate::site::{Site, Visitor};

/// Which calls fail, and what of a visit, a login and a logout cannot be done then.
struct Refusal {
    storage: &'static str,
    calls: &'static str,
    error: &'static str,
    visit: bool,
    login: bool,
    logout: bool,
}

const REFUSALS: [Refusal; 5] = [
    refusal("KeyAsFolderCache", "fsync", "EIO", [false, true, true]),
    refusal("KeyAsFolderCache", "fdatasync", "EIO", [false, true, false]),
    refusal("KeyAsFolderCache", "/^unlink", "EIO", [false, false, true]),
    refusal(
        "DynamicFileCache",
        "fsync,fdatasync",
        "EIO",
        [false, true, true],
    ),
    // SQLite writes eight times to share its index of the log, or nobody can read; and the thread that writes
    // sessions has written as often after two visits.
    refusal(
        "DynamicFileCache",
        "pwrite64",
        "EDQUOT:when=9+",
        [true, true, true],
    ),
];

const fn refusal(
    storage: &'static str,
    calls: &'static str,
    error: &'static str,
    [visit, login, logout]: [bool; 3],
) -> Refusal {
    Refusal {
        storage,
        calls,
        error,
        visit,
        login,
        logout,
    }
}

/// What could not be done is said so, with no cookie and no word on the disk; what is there is served;
/// and when the disk is well again, nothing is wrong.
#[test]
fn what_the_kernel_refuses_is_a_503_and_no_more() {
    if !can_trace() {
        return;
    }
    for refusal in REFUSALS {
        let name = format!("{} without {}", refusal.storage, refusal.calls);
        let mut site = Site::new();
        site.set("SESSION_STORAGE", refusal.storage);
        let server = site.serve();
        let (mut ada, mut eve) = (server.user("ada"), server.user("eve"));
        ada.come(&server);
        server.sign_up("guest");
        drop(server);

        let inject = format!("inject={}:error={}", refusal.calls, refusal.error);
        let server = site.serve_traced(&inject, "calls");
        for _ in 0..2 {
            Visitor::default().try_to(&server, "GET", "/", "");
        }
        let check = |visitor: &mut Visitor, [method, path, form]: [&str; 3], fails| {
            let before = visitor.clone();
            let (status, page) = visitor.try_to(&server, method, path, form);
            assert_eq!(status >= 400, fails, "{name}, {path}: {status} {page}");
            if fails {
                assert_eq!(status, 503, "{name}, {path}");
                assert_eq!(*visitor, before, "{name}, {path}: a cookie");
                for word in ["sessions/", "v2", "shard", "record", "os error"] {
                    assert!(!page.contains(word), "{name}, {path}: {page}");
                }
            }
        };
        let mut guest = Visitor::default();
        check(&mut guest, ["GET", "/", ""], refusal.visit);
        let form = "name=guest&password=quack";
        check(
            &mut Visitor::default(),
            ["POST", "/login", form],
            refusal.login,
        );
        check(&mut eve, ["POST", "/logout", ""], refusal.logout);
        assert_eq!(ada.me(&server), (Some("ada".to_owned()), 1), "{name}");
        drop(server);

        let server = site.serve();
        assert_eq!(ada.me(&server), (Some("ada".to_owned()), 1), "{name}");
        ada.come(&server);
        assert_eq!(ada.me(&server).1, 2, "{name}");
        ada.log_out(&server);
        assert_eq!(ada.me(&server).0, None, "{name}");
        server.user("guest");
    }
}
