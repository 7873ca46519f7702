//! A file that is open, and what its headers need to know of it.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::SystemTime;

#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) file: File,
    pub(super) length: u64,
    /// `None` where the file system does not know, or says something that no header can.
    pub(super) modified: Option<SystemTime>,
}

impl OpenFile {
    /// Opens a regular file; `None` where there is none.
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        Self::try_open(path).or_else(none_if_absent)
    }

    fn try_open(path: &Path) -> io::Result<Option<Self>> {
        // It is looked at before it is opened: opening a pipe waits for who writes into it.
        if !std::fs::metadata(path)?.is_file() {
            return Ok(None);
        }
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        Ok(metadata.is_file().then(|| Self {
            file,
            length: metadata.len(),
            modified: modified(&metadata),
        }))
    }
}

/// When a file was changed, or now if that is yet to come: RFC 9110, 8.8.2.1.
fn modified(metadata: &Metadata) -> Option<SystemTime> {
    let modified = metadata.modified().ok()?.min(SystemTime::now());
    (modified >= SystemTime::UNIX_EPOCH).then_some(modified)
}

/// "There is no such file" as no error; a name that no file can have is such a case.
pub(super) fn none_if_absent<T>(error: io::Error) -> io::Result<Option<T>> {
    match error.kind() {
        ErrorKind::NotFound
        | ErrorKind::NotADirectory
        | ErrorKind::IsADirectory
        | ErrorKind::InvalidInput
        | ErrorKind::InvalidFilename => Ok(None),
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "four").unwrap();
        assert_eq!(OpenFile::open(&path).unwrap().unwrap().length, 4);
        let long = "x".repeat(5000);
        for name in ["", "absent", "a/below", "nul\0", &long] {
            let opened = OpenFile::open(&folder.path().join(name)).unwrap();
            assert!(opened.is_none(), "{name:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn neither_devices_nor_pipes_open() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        assert!(OpenFile::open(&pipe).unwrap().is_none());
        assert!(OpenFile::open(Path::new("/dev/null")).unwrap().is_none());
    }

    #[test]
    fn a_date_before_1970_or_to_come_is_not_told() {
        let file = tempfile::tempfile().unwrap();
        let day = std::time::Duration::from_hours(24);
        file.set_modified(SystemTime::now() + day).unwrap();
        assert!(modified(&file.metadata().unwrap()).unwrap() <= SystemTime::now());
        file.set_modified(SystemTime::UNIX_EPOCH - day).unwrap();
        assert_eq!(modified(&file.metadata().unwrap()), None);
    }
}
