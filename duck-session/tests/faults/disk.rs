//! File systems of a test's own: small ones, and one whose power can be cut.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

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

/// An ext4 in a file, on which everything happens that a power cut makes happen.
pub(crate) struct PowerDisk {
    temp: TempDir,
}

/// `EXT4_IOC_SHUTDOWN` without a flush of the journal.
const SHUT_DOWN: &str = "open(D, '<', $ARGV[0]) or die $!; my $flags = pack('L', 2); \
    ioctl(D, 0x8004587D, $flags) or die $!";

impl PowerDisk {
    /// Makes and mounts one. Where that is not permitted a test cannot be made, and says so; in CI it
    /// fails.
    pub(crate) fn mount() -> Option<Self> {
        let disk = Self {
            temp: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(disk.root()).unwrap();
        let image = fs::File::create(disk.image()).unwrap();
        image.set_len(64 << 20).unwrap();
        let image = disk.image();
        if run("mkfs.ext4", &["-q", "-F", image.to_str().unwrap()]) && disk.attach() {
            return Some(disk);
        }
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "an ext4 in a file cannot be made or mounted"
        );
        eprintln!("NOT TESTED: power cuts, because an ext4 in a file cannot be made or mounted");
        None
    }

    fn image(&self) -> PathBuf {
        self.temp.path().join("image")
    }

    fn root(&self) -> PathBuf {
        self.temp.path().join("root")
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.root().join("sessions")
    }

    fn attach(&self) -> bool {
        let image = self.image();
        mount(&["-o", "loop", image.to_str().unwrap()], &self.root())
    }

    /// From now on nothing reaches the disk.
    pub(crate) fn cut(&self) {
        let root = self.root();
        assert!(run("perl", &["-e", SHUT_DOWN, root.to_str().unwrap()]));
    }

    /// Starts the disk again, once nobody has it open any more. The kernel replays its journal.
    pub(crate) fn restart(&mut self) {
        let root = self.root();
        let patience = Instant::now() + Duration::from_secs(10);
        while !run("umount", &[root.to_str().unwrap()]) {
            assert!(Instant::now() < patience, "somebody still uses the disk");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(self.attach());
    }

    /// Waits until everything that was written is on the disk.
    pub(crate) fn sync(&self) {
        let root = self.root();
        assert!(run("sync", &["--file-system", root.to_str().unwrap()]));
    }
}

impl Drop for PowerDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .arg("--lazy")
            .arg(self.root())
            .status();
    }
}

fn run(program: &str, arguments: &[&str]) -> bool {
    let output = Command::new(program).args(arguments).output();
    output.is_ok_and(|output| output.status.success())
}
