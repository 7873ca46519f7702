//! Processes of one site, each with the same task.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::{Child, Command};
use std::time::{Duration, UNIX_EPOCH};

use duck::tasks::{Task, Tasks};
use duck::{App, Result, Settings};
use duck_session::SessionMiddleware;
use tokio::net::TcpListener;

/// The settings of the site, as TOML.
const SETTINGS: &str = "TASK_SETTINGS";
/// The file that each run adds a line to.
const FILE: &str = "TASK_FILE";
const SECONDS: &str = "TASK_SECONDS";
const PROCESSES: usize = 3;

/// What a run leaves: its turn and its process.
fn note(task: &Task) -> Result<()> {
    let turn = task.turn().duration_since(UNIX_EPOCH)?.as_secs();
    let line = format!("{turn} {}\n", std::process::id());
    let mut file = OpenOptions::new().append(true).open(std::env::var(FILE)?)?;
    Ok(file.write_all(line.as_bytes())?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_as_another_process() {
    let Ok(settings) = std::env::var(SETTINGS) else {
        return;
    };
    let seconds = std::env::var(SECONDS).unwrap().parse().unwrap();
    let tasks = Tasks::new().every("1s", "note", async |task: Task| note(&task));
    let app = App::new(Settings::from_toml(&settings).unwrap())
        .with(tasks)
        .with(SessionMiddleware::new());
    let site = app.start().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stop = tokio::time::sleep(Duration::from_secs(seconds));
    duck::server::serve(listener, site, stop).await;
}

fn child(settings: &str, file: &str, seconds: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "turns::runs_as_another_process", "--nocapture"])
        .env(SETTINGS, settings)
        .env(FILE, file)
        .env(SECONDS, seconds.to_string())
        .spawn()
        .unwrap()
}

/// Starts some processes, and returns the turns they ran, in order.
fn run(settings: &str, seconds: u64) -> Vec<u64> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let name = file.path().to_str().unwrap();
    let children: Vec<_> = (0..PROCESSES)
        .map(|_| child(settings, name, seconds))
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let mut text = String::new();
    File::open(file.path())
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    let mut turns: Vec<u64> = text
        .lines()
        .map(|line| line.split(' ').next().unwrap().parse().unwrap())
        .collect();
    turns.sort_unstable();
    turns
}

/// No turn runs in two processes; and as all of them live and the storage answers, none is left out once the first has
/// come.
pub(crate) fn each_turn_runs_once(settings: &str) {
    const SECONDS: u64 = 7;
    let turns = run(settings, SECONDS);
    assert!(turns.len() as u64 >= SECONDS - 2, "{turns:?}");
    assert!(
        turns.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "each once and none left out: {turns:?}"
    );
}

/// Where nothing is shared each process runs its own.
pub(crate) fn each_turn_runs_in_each(settings: &str) {
    let turns = run(settings, 4);
    let twice = turns.windows(2).filter(|pair| pair[0] == pair[1]).count();
    assert!(twice >= 2, "{turns:?}");
}
