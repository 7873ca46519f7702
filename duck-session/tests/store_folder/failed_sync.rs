//! A disk that fails when it is waited for: the kernel is told to say so, by `strace`.

use std::path::Path;
use std::process::{Command, Stdio};

use duck_session::store::SessionStore;

use crate::children::child;
use crate::site::*;

/// What was not brought to the disk is not acknowledged; and nobody reads it on, who would take it for stored.
#[tokio::test]
async fn what_the_disk_did_not_take_is_not_there() {
    if !can_trace() {
        return;
    }
    let site = Site::new().await;
    site.create(KEY, "before").await;
    let plain = child("writes to a failing disk", &site.dir(), 0);
    let mut traced = Command::new("strace");
    traced
        .args(["-f", "-qq", "-o", "/dev/null"])
        .args(["-e", "inject=fsync,fdatasync:error=EIO"])
        .arg(plain.get_program())
        .args(plain.get_args())
        .envs(
            plain
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
    let output = traced.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(site.text().await.as_deref(), Some("after"));
}

pub(crate) async fn write_to_a_failing_disk(dir: &Path) {
    let store = open(dir).await;
    let before = store.load(&KEY).await.unwrap().unwrap();
    for text in ["lost", "lost too"] {
        let lost = next(&before, text);
        let replaced = store.replace(before.version(), &lost, PowerCut).await;
        replaced.unwrap_err();
        assert_eq!(self::text(&store, KEY).await.as_deref(), Some("before"));
    }
    let new = session(key(1), "lost");
    store.create(&new, PowerCut).await.unwrap_err();
    assert_eq!(text(&store, key(1)).await, None);
    // Nobody waits for the disk here.
    assert!(store.create(&new, Crash).await.unwrap());
    save(&store, KEY, "after", Crash).await;
}

/// Whether system calls can be changed here. In CI they have to be.
fn can_trace() -> bool {
    let mut strace = Command::new("strace");
    strace.arg("true").stderr(Stdio::null());
    let can = strace.status().is_ok_and(|status| status.success());
    if !can {
        let is_ci = std::env::var_os("CI").is_some();
        assert!(!is_ci, "strace is missing, or not allowed here");
        eprintln!("SKIPPED: without strace no disk fails");
    }
    can
}
