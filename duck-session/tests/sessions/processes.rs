//! Several processes on one `SESSION_DIR`: rule 30, and writers that are killed.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use duck::testing::TestClient;
use duck_session::SessionMiddleware;

use crate::support::{id, read, settings, visit};

const DIR: &str = "SESSIONS_TEST_DIR";
const COOKIE: &str = "SESSIONS_TEST_COOKIE";
const TIMES: &str = "SESSIONS_TEST_TIMES";

async fn visitor(dir: &str) -> TestClient {
    let settings = settings()
        .with("SESSION_STORAGE", "KeyAsFolderCache")
        .with("SESSION_DIR", dir);
    visit(settings, SessionMiddleware::new(), []).await
}

/// Counts in the session of this cookie, in a process of its own; each line it prints is the
/// answer to a request.
fn other_process(dir: &Path, cookie: &str, times: u32) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "processes::runs_as_another_process",
            "--exact",
            "--nocapture",
        ])
        .env(DIR, dir)
        .env(COOKIE, cookie)
        .env(TIMES, times.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let answers = BufReader::new(child.stdout.take().unwrap());
    (child, answers)
}

fn next_answer(answers: &mut BufReader<ChildStdout>) -> Option<u64> {
    let mut lines = answers.lines().map_while(Result::ok);
    lines.find_map(|line| line.strip_prefix("counted ")?.parse().ok())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_as_another_process() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let client = Arc::new(visitor(&dir).await);
    client.set_cookie("session_id", &std::env::var(COOKIE).unwrap());
    let times: u32 = std::env::var(TIMES).unwrap().parse().unwrap();
    let half = || {
        let client = client.clone();
        tokio::spawn(async move {
            for _ in 0..times / 2 {
                println!("\ncounted {}", read(&client, "/add/n").await);
            }
        })
    };
    let halves = [half(), half()];
    for half in halves {
        half.await.unwrap();
    }
}

#[tokio::test]
async fn updates_from_several_processes_all_count() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("sessions");
    let client = visitor(dir.to_str().unwrap()).await;
    read(&client, "/login/7").await;
    let children = [0, 1, 2].map(|_| other_process(&dir, &id(&client), 100));
    for _ in 0..50 {
        read(&client, "/add/n").await;
    }
    for (mut child, mut answers) in children {
        let mut count = 0;
        while next_answer(&mut answers).is_some() {
            count += 1;
        }
        assert_eq!(count, 100);
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(read(&client, "/get/n").await, "350");
    assert_eq!(read(&client, "/user").await, "7");
}

/// A logout in one process is at once a logout in all.
#[tokio::test]
async fn a_process_sees_the_logout_of_another() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("sessions");
    let client = visitor(dir.to_str().unwrap()).await;
    read(&client, "/login/7").await;
    let (mut child, mut answers) = other_process(&dir, &id(&client), u32::MAX);
    next_answer(&mut answers).unwrap();
    let cookie = id(&client);
    read(&client, "/logout").await;
    // From here on the other one counts in sessions of its own, from one.
    while next_answer(&mut answers).unwrap() != 1 {}
    child.kill().unwrap();
    child.wait().unwrap();
    client.set_cookie("session_id", &cookie);
    assert_eq!(read(&client, "/get/n").await, "nothing");
    assert_eq!(read(&client, "/user").await, "nobody");
}
