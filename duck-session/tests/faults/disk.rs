//! File systems of a test's own, and small ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A tmpfs, unmounted when the test is over.
pub(crate) struct Disk {
    temp: TempDir,
}

impl Disk {
    /// Mounts one with these options. Where that is not permitted a test cannot be made, and says
    /// so; in CI it fails.
    pub(crate) fn mount(options: &str) -> Option<Self> {
        let temp = tempfile::tempdir().unwrap();
        let options = format!("mode=0700,{options}");
        if mount(&["-t", "tmpfs", "-o", &options, "tmpfs"], temp.path()) {
            return Some(Self { temp });
        }
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "mounting a tmpfs is not permitted"
        );
        eprintln!("NOT TESTED: a disk with {options}, because mounting a tmpfs is not permitted");
        None
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.temp.path().join("sessions")
    }

    /// Whether the options are taken: a file system that is being written to is not made read-only.
    pub(crate) fn remount(&self, options: &str) -> bool {
        mount(&["-o", &format!("remount,{options}")], self.temp.path())
    }

    /// Takes so much space.
    pub(crate) fn take(&self, bytes: usize) {
        fs::write(self.temp.path().join("filler"), vec![b'x'; bytes]).unwrap();
    }

    /// Takes all the space that is left.
    pub(crate) fn fill(&self) {
        let path = self.temp.path().join("filler");
        let kilobyte = [b'x'; 1024];
        let mut file = fs::File::options()
            .append(true)
            .create(true)
            .open(path)
            .unwrap();
        while std::io::Write::write_all(&mut file, &kilobyte).is_ok() {}
    }

    /// Gives the space back.
    pub(crate) fn free(&self) {
        fs::remove_file(self.temp.path().join("filler")).unwrap();
    }
}

fn mount(arguments: &[&str], at: &Path) -> bool {
    let mounted = Command::new("mount").args(arguments).arg(at).output();
    mounted.is_ok_and(|output| output.status.success())
}

impl Drop for Disk {
    fn drop(&mut self) {
        let path = self.temp.path();
        let _ = Command::new("umount").arg("--lazy").arg(path).status();
    }
}
