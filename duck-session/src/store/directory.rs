//! A directory that nobody but this user can change, and what is done below it.
//!
//! It is opened once. All that follows is relative to that descriptor and follows no symbolic
//! link, so it stays inside whatever happens to the path meanwhile.

use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{
    AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, Stat, StatVfs, Timespec, Timestamps,
    UTIME_NOW,
};
use rustix::io::Errno;

use crate::clock::Clock;

const FOLDER_MODE: Mode = Mode::RWXU;
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY);

/// Nothing is followed, nothing is inherited by child processes, no FIFO makes us wait, and no
/// terminal becomes ours.
const CAREFUL: OFlags = OFlags::NOFOLLOW
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY);

/// To read is no reason to write down when it was read: by default Linux does so for whatever was
/// written since.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNRECORDED: OFlags = OFlags::NOATIME;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const UNRECORDED: OFlags = OFlags::empty();

#[derive(Debug)]
pub(crate) struct Directory {
    fd: OwnedFd,
    /// The kernel has no `openat2`, or a sandbox forbids it.
    stepwise: bool,
}

impl Directory {
    /// Opens `path`, which is made (0700) where there is none.
    ///
    /// # Errors
    ///
    /// Besides those of the file system: it is a symbolic link, belongs to someone else, or may be
    /// written by others.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        make(&without_tail(path)).map_err(|error| named(path, "cannot be made", &error))?;
        Self::open_existing(path)
    }

    /// The same, where there has to be one already.
    pub(crate) fn open_existing(path: &Path) -> io::Result<Self> {
        let path = without_tail(path);
        let fd = rustix::fs::open(&path, FOLDER | CAREFUL, Mode::empty()).map_err(|errno| {
            if is_symlink(&path) {
                let advice = "give the path of the directory that it points to";
                refused(&path, "is a symbolic link", advice)
            } else {
                named(&path, "cannot be opened", &errno.into())
            }
        })?;
        check_trust(&path, &rustix::fs::fstat(&fd)?)?;
        let stepwise = !has_openat2(&fd);
        Ok(Self { fd, stepwise })
    }

    /// The directory `name` below this one, held to the same rules; `path` is what this one is
    /// called in messages.
    pub(crate) fn open_inner(&self, path: &Path, name: &str) -> io::Result<Self> {
        let path = path.join(name);
        let cannot = |error: io::Error| named(&path, "cannot be opened", &error);
        self.make_folder(name).map_err(cannot)?;
        let inner = self.folder(name).map_err(cannot)?;
        check_trust(&path, &rustix::fs::fstat(&inner.fd)?)?;
        Ok(inner)
    }

    /// Makes the directory `name` unless there is one, and says whether it did.
    pub(crate) fn make_folder(&self, name: &str) -> io::Result<bool> {
        match rustix::fs::mkdirat(&self.fd, name, FOLDER_MODE) {
            Err(Errno::EXIST) => Ok(false),
            result => Ok(result.map(|()| true)?),
        }
    }

    pub(crate) fn folder(&self, path: &str) -> io::Result<Self> {
        Ok(Self {
            fd: self.open_to_read(path, FOLDER)?,
            stepwise: self.stepwise,
        })
    }

    /// Opens a regular file for reading, and says what it is like.
    pub(crate) fn record(&self, path: &str) -> io::Result<(File, FileStat)> {
        let file = self.open_to_read(path, OFlags::RDONLY)?.into();
        let stat = FileStat::of(&file)?;
        Ok((file, stat))
    }

    /// Opens a file for reading and writing. What it is like is asked once it is locked.
    pub(crate) fn record_to_write(&self, path: &str) -> io::Result<File> {
        Ok(self.open_to_read(path, OFlags::RDWR)?.into())
    }

    /// How many folders are in here, if the file system counts them in the links of this one.
    pub(crate) fn folders(&self) -> io::Result<Option<u64>> {
        let links = links(&rustix::fs::fstat(&self.fd)?);
        Ok(links.checked_sub(2))
    }

    /// How much space and how many inodes there are, and are left.
    pub(crate) fn disk(&self) -> io::Result<StatVfs> {
        Ok(rustix::fs::fstatvfs(&self.fd)?)
    }

    /// Waits until nobody adds or removes names in here under this lock. Closing the directory gives it
    /// back.
    pub(crate) fn lock(&self, operation: FlockOperation) -> io::Result<()> {
        Ok(rustix::io::retry_on_intr(|| {
            rustix::fs::flock(&self.fd, operation)
        })?)
    }

    /// Opens a file for locking and for appending, which is made (0600) where there is none.
    pub(crate) fn lock_file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE;
        let file: File = self.open_below(name, flags, FILE_MODE)?.into();
        FileStat::of(&file)?;
        Ok(file)
    }

    /// Makes a new file (0600).
    pub(crate) fn new_file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        Ok(self.open_below(name, flags, FILE_MODE)?.into())
    }

    /// Makes an empty file (0600), or has one that is there count as made now. What is in it stays.
    pub(crate) fn touch(&self, name: &str) -> io::Result<()> {
        match self.new_file(name) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let now = Timespec {
                    tv_sec: 0,
                    tv_nsec: UTIME_NOW,
                };
                let times = Timestamps {
                    last_access: now,
                    last_modification: now,
                };
                Ok(rustix::fs::utimensat(
                    &self.fd,
                    name,
                    &times,
                    AtFlags::SYMLINK_NOFOLLOW,
                )?)
            }
            made => made.map(drop),
        }
    }

    /// What stands directly under `name`, not followed.
    pub(crate) fn stat(&self, name: &str) -> io::Result<Stat> {
        Ok(rustix::fs::statat(
            &self.fd,
            name,
            AtFlags::SYMLINK_NOFOLLOW,
        )?)
    }

    /// Whether a regular file stands under `name`; anything but a file or nothing is an error.
    pub(crate) fn has_file(&self, name: &str) -> io::Result<bool> {
        match present(self.stat(name))? {
            Some(stat) if FileType::from_raw_mode(stat.st_mode).is_file() => Ok(true),
            Some(_) => Err(not_a_file()),
            None => Ok(false),
        }
    }

    /// Whether what stands under `name` was written so long ago, to the second.
    pub(crate) fn is_older(&self, name: &str, age: Duration) -> io::Result<bool> {
        let Some(stat) = present(self.stat(name))? else {
            return Ok(false);
        };
        let written = Duration::from_secs(u64::try_from(stat.st_mtime).unwrap_or_default());
        Ok(Duration::from_millis(Clock::default().now()) >= written + age)
    }

    /// Moves a file over whatever is called `to`, in one step.
    pub(crate) fn replace(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.fd, from, &self.fd, to)?)
    }

    /// Removes a name that is not a directory's. A link goes itself, not what it points to.
    pub(crate) fn remove_file(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.fd, name, AtFlags::empty())?)
    }

    /// Removes an empty directory and says whether it was empty.
    pub(crate) fn remove_folder(&self, name: &str) -> io::Result<bool> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR) {
            Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
            Err(Errno::NOENT) => Ok(true),
            result => Ok(result.map(|()| true)?),
        }
    }

    /// The names in here. Those that are not UTF-8 are none of ours and left out.
    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        let names = self.all_names()?.into_iter();
        Ok(names.filter_map(|name| name.into_string().ok()).collect())
    }

    /// The names in here, to be read one after the other: there may be very many.
    pub(crate) fn stream(&self) -> io::Result<Dir> {
        Ok(Dir::read_from(&self.fd)?)
    }

    /// The names in here, whoever made them.
    pub(crate) fn all_names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.fd)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name != "." && name != ".." {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// Who may do what here.
    #[cfg(feature = "commands")]
    pub(crate) fn mode(&self) -> io::Result<u32> {
        Ok(rustix::fs::fstat(&self.fd)?.st_mode & 0o777)
    }

    /// Leaves this directory to its owner alone.
    #[cfg(feature = "commands")]
    pub(crate) fn narrow(&self) -> io::Result<()> {
        Ok(rustix::fs::fchmod(&self.fd, FOLDER_MODE)?)
    }

    /// Leaves a file to its owner alone. It is not opened for that: closing it again would give up
    /// the locks that SQLite has on it.
    #[cfg(feature = "commands")]
    pub(crate) fn narrow_file(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::chmodat(
            &self.fd,
            name,
            FILE_MODE,
            AtFlags::empty(),
        )?)
    }

    /// Makes what was created, renamed and removed in here outlive a power cut.
    pub(crate) fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.fd)?)
    }

    fn open_to_read(&self, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
        match self.open_below(path, flags | UNRECORDED, Mode::empty()) {
            // It belongs to somebody else.
            Err(error) if error.raw_os_error() == Some(Errno::PERM.raw_os_error()) => {
                self.open_below(path, flags, Mode::empty())
            }
            opened => opened,
        }
    }

    fn open_below(&self, path: &str, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let opened = if self.stepwise {
            open_stepwise(&self.fd, path, flags | CAREFUL, mode)
        } else {
            open_beneath(&self.fd, path, flags | CAREFUL, mode)
        };
        opened.map_err(|errno| match errno {
            Errno::LOOP => io::Error::new(
                ErrorKind::InvalidData,
                "a symbolic link stands where sessions are stored",
            ),
            errno => errno.into(),
        })
    }
}

/// What an open file is like.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FileStat {
    pub(crate) len: u64,
    /// How many names it has: none, once it was removed or replaced.
    pub(crate) links: u64,
    /// When it was written, in nanoseconds since 1970, UTC.
    pub(crate) modified: i128,
}

impl FileStat {
    /// Of a regular file; anything else is an error.
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        let stat = rustix::fs::fstat(file)?;
        if !FileType::from_raw_mode(stat.st_mode).is_file() {
            return Err(not_a_file());
        }
        Ok(Self {
            len: stat.st_size.cast_unsigned(),
            links: links(&stat),
            modified: i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec),
        })
    }
}

/// Of another width on every platform.
fn links(stat: &Stat) -> u64 {
    fn widen(links: impl Into<u64>) -> u64 {
        links.into()
    }
    widen(stat.st_nlink)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn open_beneath(fd: &OwnedFd, path: &str, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
    use rustix::fs::ResolveFlags;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    rustix::fs::openat2(fd, path, flags, mode, resolve)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
use open_stepwise as open_beneath;

/// The same without `openat2`: one folder after the other, none of them a link, and none the parent.
fn open_stepwise(fd: &OwnedFd, path: &str, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
    let (first, rest) = match path.split_once('/') {
        Some((first, rest)) => (first, Some(rest)),
        None => (path, None),
    };
    // `/x` begins at the root: nothing stands before its slash.
    if first == ".." || (first.is_empty() && rest.is_some()) {
        return Err(Errno::XDEV);
    }
    let Some(rest) = rest else {
        return rustix::fs::openat(fd, first, flags, mode);
    };
    let folder = rustix::fs::openat(fd, first, FOLDER | CAREFUL, Mode::empty()).map_err(
        // What the kernel says of a link that has to be a directory.
        |errno| {
            if errno == Errno::NOTDIR {
                Errno::LOOP
            } else {
                errno
            }
        },
    )?;
    open_stepwise(&folder, rest, flags, mode)
}

fn has_openat2(fd: &OwnedFd) -> bool {
    open_beneath(fd, ".", FOLDER | CAREFUL, Mode::empty()).is_ok()
}

/// `link/` and `link/.` would be followed; without the tail they are not.
fn without_tail(path: &Path) -> PathBuf {
    path.components().collect()
}

fn make(path: &Path) -> io::Result<()> {
    if path.symlink_metadata().is_ok() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn is_symlink(path: &Path) -> bool {
    path.symlink_metadata()
        .is_ok_and(|metadata| metadata.is_symlink())
}

fn check_trust(path: &Path, stat: &Stat) -> io::Result<()> {
    let (owner, user) = (stat.st_uid, rustix::process::geteuid().as_raw());
    if owner != user {
        let what = format!("belongs to user {owner}, and this process runs as user {user}");
        let advice = format!("run it as user {owner}, or make user {user} the owner");
        return Err(refused(path, &what, &advice));
    }
    let mode = Mode::from_raw_mode(stat.st_mode);
    if mode.intersects(Mode::WGRP | Mode::WOTH) {
        let what = format!("may be written by others (mode {:03o})", mode.as_raw_mode());
        let advice = format!("run `chmod go-w {}`", path.display());
        return Err(refused(path, &what, &advice));
    }
    Ok(())
}

fn refused(path: &Path, what: &str, advice: &str) -> io::Error {
    let path = path.display();
    let text = format!("the session directory {path} {what}: {advice}, or choose another one");
    io::Error::new(ErrorKind::PermissionDenied, text)
}

fn named(path: &Path, what: &str, error: &io::Error) -> io::Error {
    let text = format!("the session directory {} {what}: {error}", path.display());
    io::Error::new(error.kind(), text)
}

/// `None` where there is no such file or folder.
pub(crate) fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

fn not_a_file() -> io::Error {
    let text = "something that is no regular file stands where a session is stored";
    io::Error::new(ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn both_ways(path: &Path) -> [Directory; 2] {
        [false, true].map(|stepwise| Directory {
            stepwise,
            ..Directory::open(path).unwrap()
        })
    }

    #[test]
    fn links_are_followed_neither_with_openat2_nor_without() {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir_all(temp.path().join("outside/b")).unwrap();
        fs::write(temp.path().join("outside/b/file"), "x").unwrap();
        let inside = temp.path().join("inside");
        fs::create_dir_all(inside.join("a/b")).unwrap();
        fs::write(inside.join("a/b/file"), "x").unwrap();
        symlink("../outside", inside.join("link")).unwrap();
        symlink("file", inside.join("a/b/link")).unwrap();
        for directory in both_ways(&inside) {
            assert!(directory.record("a/b/file").is_ok());
            for path in ["link/b/file", "a/b/link"] {
                let error = directory.record(path).unwrap_err();
                assert!(error.to_string().contains("symbolic link"), "{error}");
            }
            assert!(directory.folder("link").is_err());
            assert!(directory.new_file("a/b/link").is_err());
            assert!(directory.lock_file("a/b/link").is_err());
            let missing = directory.record("c/b/file").unwrap_err();
            assert_eq!(missing.kind(), ErrorKind::NotFound);
        }
    }

    #[test]
    fn no_path_leads_out_neither_with_openat2_nor_without() {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir_all(temp.path().join("inside/a")).unwrap();
        fs::write(temp.path().join("file"), "x").unwrap();
        let absolute = temp.path().join("file").display().to_string();
        for directory in both_ways(&temp.path().join("inside")) {
            for out in ["../file", "a/../../file", "./../file", &*absolute] {
                assert!(directory.record(out).is_err(), "{out}: {directory:?}");
                assert!(directory.lock_file(out).is_err(), "{out}: {directory:?}");
            }
            for out in ["..", "a/../..", "../inside/a", "/"] {
                assert!(directory.folder(out).is_err(), "{out}: {directory:?}");
            }
            assert!(directory.new_file("../new").is_err(), "{directory:?}");
            assert!(directory.folder("./a").is_ok(), "{directory:?}");
        }
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_free_name_is_taken_once() {
        let temp = tempfile::tempdir().unwrap();
        let directory = Directory::open(temp.path()).unwrap();
        directory.new_file("record.new").unwrap();
        let error = directory.new_file("record.new").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        directory.replace("record.new", "record").unwrap();
        directory.new_file("record.new").unwrap();
        directory.replace("record.new", "record").unwrap();
        assert_eq!(directory.names().unwrap(), ["record"]);
    }

    #[test]
    fn folders_are_removed_only_when_empty() {
        let temp = tempfile::tempdir().unwrap();
        let directory = Directory::open(temp.path()).unwrap();
        directory.make_folder("a").unwrap();
        directory.make_folder("a").unwrap();
        directory.folder("a").unwrap().new_file("file").unwrap();
        assert!(!directory.remove_folder("a").unwrap());
        assert!(directory.remove_file("a").is_err());
        directory.folder("a").unwrap().remove_file("file").unwrap();
        assert!(directory.remove_folder("a").unwrap());
    }

    #[test]
    fn a_foreign_owner_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let mut stat = rustix::fs::stat(temp.path()).unwrap();
        stat.st_uid += 1;
        let error = check_trust(temp.path(), &stat).unwrap_err();
        let text = error.to_string();
        for part in [
            format!("belongs to user {}", stat.st_uid),
            format!("run it as user {}", stat.st_uid),
            format!("make user {} the owner", stat.st_uid - 1),
        ] {
            assert!(text.contains(&part), "{text}");
        }
    }
}
