//! A fresh folder in which the real `duck` is run.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A folder that is gone after the test.
pub(crate) struct Environment {
    folder: TempDir,
}

impl Environment {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join(inside)
    }

    /// In one step, so that whoever follows the file sees one edit and never half of it.
    pub(crate) fn write(&self, inside: &str, text: &str) {
        let path = self.path(inside);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let draft = self.path("draft");
        fs::write(&draft, text).unwrap();
        fs::rename(draft, path).unwrap();
    }

    /// `duck` in this folder, with nothing of ours in its environment.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_duck"));
        command.args(args).current_dir(self.folder.path());
        command.env("CARGO_TARGET_DIR", self.path("target"));
        command.env("CARGO_TERM_COLOR", "always"); // as on a build server
        for name in [
            "DUCK_ADDRESS",
            "DUCK_SETTINGS",
            "DUCK_DEBUG",
            "LISTEN_FDS",
            "CLICOLOR_FORCE",
        ] {
            command.env_remove(name);
        }
        command
    }

    pub(crate) fn duck(&self, args: &[&str]) -> Answer {
        Answer::of(self.command(args).output().unwrap())
    }

    /// The files below a folder, one a line, without those of `vendor/`.
    pub(crate) fn list(&self, inside: &str) -> String {
        let mut files = Vec::new();
        list_into(&self.path(inside), Path::new(""), &mut files);
        files.sort();
        files.join("\n") + "\n"
    }

    /// What is in the folder itself, hidden or not.
    pub(crate) fn entries(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn list_into(folder: &Path, inside: &Path, files: &mut Vec<String>) {
    for entry in fs::read_dir(folder.join(inside)).unwrap() {
        let path = inside.join(entry.unwrap().file_name());
        if !folder.join(&path).is_dir() {
            files.push(path.to_str().unwrap().to_owned());
        } else if path != Path::new("vendor") {
            list_into(folder, &path, files);
        }
    }
}

/// The end of a pipe that nobody reads any more.
pub(crate) fn closed_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    OwnedFd::from(writer).into()
}

/// What a run of `duck` came to.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Answer {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// It ended well.
    #[track_caller]
    pub(crate) fn done(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// It ended with this code, and said this.
    #[track_caller]
    pub(crate) fn refused(self, code: i32, says: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.err.contains(says), "{self:?}");
        assert_eq!(self.out, "");
    }
}
