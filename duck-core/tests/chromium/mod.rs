//! A real browser.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// Where there is no Chromium, a test says so; CI has to have one.
pub(crate) fn chromium() -> Option<&'static Path> {
    let program = Path::new("/usr/bin/chromium");
    if program.exists() {
        return Some(program);
    }
    let ci = std::env::var("CI");
    assert_ne!(ci.as_deref(), Ok("true"), "CI has to have Chromium");
    eprintln!("SKIPPED: there is no Chromium on this machine");
    None
}

/// A browser that shows a page, with a profile of its own, for as long as this is kept.
pub(crate) struct Browser {
    process: Child,
    _profile: TempDir,
}

impl Browser {
    pub(crate) fn show(chromium: &Path, url: &str) -> Self {
        let profile = tempfile::tempdir().expect("a folder");
        let process = Command::new(chromium)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(url)
            .stderr(Stdio::null())
            .spawn()
            .expect("Chromium starts");
        Self {
            process,
            _profile: profile,
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ends");
    }
}
