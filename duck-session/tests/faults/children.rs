//! Other processes: this test binary, told by variables what to do.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::storage::Storage;
use crate::{descriptors, history};

const ROLE: &str = "FAULTS_ROLE";
const STORAGE: &str = "FAULTS_STORAGE";
const DIR: &str = "FAULTS_DIR";
const NUMBER: &str = "FAULTS_NUMBER";

/// A process that plays `role` in `dir`; what the number means, the role knows.
pub(crate) fn child<S: Storage>(role: &str, dir: &Path, number: u64) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "children::runs_as_another_process",
            "--nocapture",
        ])
        .env(ROLE, role)
        .env(STORAGE, S::NAME)
        .env(DIR, dir)
        .env(NUMBER, number.to_string())
        .stdout(Stdio::piped());
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_as_another_process() {
    match std::env::var(STORAGE).as_deref() {
        Err(_) => {}
        Ok("KeyAsFolderCache") => play::<crate::storage::Folder>().await,
        #[cfg(feature = "dynamic-file")]
        Ok("DynamicFileCache") => play::<crate::storage::DynamicFile>().await,
        Ok(storage) => panic!("no such storage: {storage}"),
    }
}

async fn play<S: Storage>() {
    let variable = |name| std::env::var(name).unwrap();
    let (dir, number) = (PathBuf::from(variable(DIR)), variable(NUMBER));
    let number = number.parse().unwrap();
    match variable(ROLE).as_str() {
        "makes history" => history::make::<S>(&dir, number).await,
        "runs out of descriptors" => descriptors::run_out::<S>(&dir).await,
        role => panic!("no such role: {role}"),
    }
}
