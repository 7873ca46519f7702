//! Disks that fail and processes that pause at the worst moment: `strace` tells the kernel to have it so.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use duck_session::store::SessionStore;

use crate::children::child;
use crate::site::*;

/// What was not brought to the disk is not acknowledged; and nobody reads it on, who would take it for stored.
#[tokio::test]
async fn what_the_disk_did_not_take_is_not_there() {
    let site = Site::new().await;
    site.create(KEY, "before").await;
    let failing = "inject=fsync,fdatasync:error=EIO";
    let Some(child) = traced("writes to a failing disk", &site.dir(), failing) else {
        return;
    };
    succeeds(child);
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
    create(&store, &new, Crash).await;
    save(&store, KEY, "after", Crash).await;
}

/// One process has just removed a session and does not go on yet. Another one begins it anew, and makes a larger
/// file for it: what is left for the first one to do must not touch that.
#[tokio::test]
async fn who_removes_a_session_leaves_the_next_one_alone() {
    let site = Site::new().await;
    site.create(KEY, "removed").await;
    let pauses = "inject=unlinkat:delay_exit=1500000";
    let Some(removes) = traced("removes", &site.dir(), pauses) else {
        return;
    };
    while site.store.load(&KEY).await.unwrap().is_some() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let pauses = "inject=renameat,renameat2:delay_enter=2000000:when=1";
    succeeds(traced("outgrows its file", &site.dir(), pauses).unwrap());
    succeeds(removes);
    assert_eq!(site.text().await.unwrap().len(), 9000);
}

pub(crate) async fn remove(dir: &Path) {
    let removed = open(dir).await.remove(&KEY, None, Crash).await;
    assert!(removed.unwrap());
}

pub(crate) async fn outgrow_the_file(dir: &Path) {
    let store = open(dir).await;
    create(&store, &session(KEY, "new"), Crash).await;
    save(&store, KEY, &"x".repeat(9000), Crash).await;
}

/// A process whose system calls do what `strace -e` is told here; `None` where that is not possible. In CI it has
/// to be.
fn traced(role: &str, dir: &Path, expression: &str) -> Option<Child> {
    let mut strace = Command::new("strace");
    strace.arg("true").stderr(Stdio::null());
    if !strace.status().is_ok_and(|status| status.success()) {
        let is_ci = std::env::var_os("CI").is_some();
        assert!(!is_ci, "strace is missing, or not allowed here");
        eprintln!("SKIPPED: without strace no disk fails, and no process pauses");
        return None;
    }
    let plain = child(role, dir, 0);
    let mut traced = Command::new("strace");
    traced
        .args(["-f", "-qq", "-o", "/dev/null", "-e", expression])
        .arg(plain.get_program())
        .args(plain.get_args())
        .envs(
            plain
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Some(traced.spawn().unwrap())
}

fn succeeds(child: Child) {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
}
