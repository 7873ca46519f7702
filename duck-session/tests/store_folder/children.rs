//! Other processes: this test binary, told by variables what to do.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{directory, processes, steps, traced};

const ROLE: &str = "STORE_FOLDER_ROLE";
const DIR: &str = "STORE_FOLDER_DIR";
const NUMBER: &str = "STORE_FOLDER_NUMBER";

/// A process that plays `role` in `dir`; what the number means, the role knows.
pub(crate) fn child(role: &str, dir: &Path, number: u64) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "children::runs_as_another_process",
            "--nocapture",
        ])
        .env(ROLE, role)
        .env(DIR, dir)
        .env(NUMBER, number.to_string())
        .stdout(Stdio::piped());
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_as_another_process() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let dir = PathBuf::from(std::env::var(DIR).unwrap());
    let number = std::env::var(NUMBER).unwrap().parse().unwrap();
    match role.as_str() {
        "writes" => steps::write_until_killed(&dir, number).await,
        "counts" => processes::count(&dir, number).await,
        "keeps descriptors few" => directory::keep_descriptors_few(&dir).await,
        "writes to a failing disk" => traced::write_to_a_failing_disk(&dir).await,
        "removes" => traced::remove(&dir).await,
        "outgrows its file" => traced::outgrow_the_file(&dir).await,
        role => panic!("no such role: {role}"),
    }
}
