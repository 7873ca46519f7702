//! Timed tasks of several processes that share a storage in files.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod turns;

use std::fmt::Write as _;

use turns::{each_turn_runs_in_each, each_turn_runs_once};

fn settings(lines: &str) -> String {
    let mut settings =
        String::from("SECRET_KEY = 'a key for tests of more than thirty-two bytes'\n");
    writeln!(settings, "{lines}").unwrap();
    settings
}

#[test]
fn each_turn_runs_in_one_process_over_key_as_folder_cache() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("sessions");
    each_turn_runs_once(&settings(&format!(
        "SESSION_STORAGE = 'KeyAsFolderCache'\nSESSION_DIR = '{}'",
        dir.display()
    )));
}

#[cfg(feature = "dynamic-file")]
#[test]
fn each_turn_runs_in_one_process_over_dynamic_file_cache() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("sessions");
    each_turn_runs_once(&settings(&format!(
        "SESSION_STORAGE = 'DynamicFileCache'\nSESSION_DIR = '{}'",
        dir.display()
    )));
}

#[cfg(feature = "dynamic-file")]
#[test]
fn each_turn_runs_in_one_process_over_a_file_of_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sessions.db");
    each_turn_runs_once(&settings(&format!(
        "SESSION_STORAGE = 'DatabaseCache'\nSESSION_DATABASE_URL = 'sqlite:{}'",
        file.display()
    )));
}

#[test]
fn in_memory_and_in_cookies_each_process_runs_its_own() {
    each_turn_runs_in_each(&settings("SESSION_STORAGE = 'InMemoryCache'"));
    each_turn_runs_in_each(&settings("SESSION_ENGINE = 'cookie'"));
}
