//! Writing a folder, all of it or nothing.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use tempfile::TempDir;

use crate::failure::{Context, Failure, Result};
use crate::report;

#[derive(Debug)]
pub(crate) struct NewFile {
    /// Where, below the new folder.
    pub(crate) path: PathBuf,
    pub(crate) contents: Vec<u8>,
    /// Nobody but its owner may read it.
    pub(crate) secret: bool,
}

impl<B: Into<Vec<u8>>> From<(PathBuf, B)> for NewFile {
    /// A file that everybody may read.
    fn from((path, contents): (PathBuf, B)) -> Self {
        Self {
            path,
            contents: contents.into(),
            secret: false,
        }
    }
}

/// Makes `folder` with these files. They are written to a hidden folder beside it, which gets its
/// name at the end: whoever stops half-way (or a full disk) leaves nothing behind.
pub(crate) fn create(folder: &Path, files: &[NewFile]) -> Result {
    refuse_to_overwrite(folder)?;
    let beside = write_beside(folder, files)?;
    fs::rename(beside.path(), folder).context(|| format!("cannot make {}", folder.display()))?;
    let _renamed = beside.keep();
    Ok(())
}

/// Puts these files in the place of all that is in `folder`. They are written beside it, as by
/// [`create`], and the two folders change places at the end: whoever stops half-way leaves `folder` as
/// it was.
pub(crate) fn replace(folder: &Path, files: &[NewFile]) -> Result {
    let beside = write_beside(folder, files)?;
    swap(beside.path(), folder).context(|| format!("cannot replace {}", folder.display()))?;
    let old = beside.path().display().to_string();
    if let Err(error) = beside.close() {
        let text = format_args!("what was there before, in {old}: {error}");
        report::trouble("Left", text);
    }
    Ok(())
}

fn write_beside(folder: &Path, files: &[NewFile]) -> Result<TempDir> {
    let stopped = stop_flag()?;
    let beside = beside(folder)?;
    for file in files {
        if stopped.load(Ordering::Relaxed) {
            return Err(Failure::new("stopped; nothing was changed"));
        }
        write(&beside.path().join(&file.path), file)
            .context(|| format!("cannot write {}", folder.join(&file.path).display()))?;
    }
    Ok(beside)
}

/// Lets two folders change places: in one step, where the file system can.
fn swap(one: &Path, other: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;

        let swapped = renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE);
        if !matches!(swapped, Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP)) {
            return Ok(swapped?);
        }
    }
    swap_in_steps(one, other)
}

/// If a step fails, those before it are undone.
fn swap_in_steps(one: &Path, other: &Path) -> io::Result<()> {
    let aside = one.with_extension("old");
    fs::rename(other, &aside)?;
    let swapped = fs::rename(one, other);
    let place = if swapped.is_ok() { one } else { other };
    fs::rename(&aside, place)?;
    swapped
}

fn refuse_to_overwrite(folder: &Path) -> Result {
    let shown = folder.display();
    match fs::read_dir(folder).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::new(format!(
            "`{shown}` exists and is not empty; choose another name, or empty it"
        ))),
        Err(error) if error.kind() == ErrorKind::NotADirectory => Err(Failure::new(format!(
            "a file named `{shown}` is in the way; choose another name, or move it"
        ))),
        // A link that leads nowhere is not found either; the rename refuses to replace it.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::new(format!("cannot look into `{shown}`: {error}"))),
    }
}

/// Raised by Ctrl-C and its like, which from now on do not end the program by themselves.
fn stop_flag() -> Result<Arc<AtomicBool>> {
    let stopped = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        flag::register(signal, Arc::clone(&stopped))
            .context(|| "cannot wait for signals".into())?;
    }
    Ok(stopped)
}

/// A hidden folder in the same place, as only there a rename is one step.
fn beside(folder: &Path) -> Result<TempDir> {
    let parent = folder
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    tempfile::Builder::new()
        .prefix(&format!(".{name}-"))
        .permissions(Permissions::from_mode(0o777)) // the umask takes away what it does for any folder
        .tempdir_in(parent.unwrap_or(Path::new(".")))
        .context(|| format!("cannot make `{}`", folder.display()))
}

fn write(path: &Path, file: &NewFile) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mode = if file.secret { 0o600 } else { 0o666 };
    let mut opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    opened.write_all(&file.contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_folders() -> (TempDir, PathBuf, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join(".one"), folder.path().join("other"));
        for path in [&one, &other] {
            fs::create_dir(path).unwrap();
            fs::write(
                path.join("was"),
                path.file_name().unwrap().as_encoded_bytes(),
            )
            .unwrap();
        }
        (folder, one, other)
    }

    fn was(folder: &Path) -> String {
        fs::read_to_string(folder.join("was")).unwrap()
    }

    #[test]
    fn folders_change_places() {
        for swap in [swap, swap_in_steps] {
            let (folder, one, other) = two_folders();
            swap(&one, &other).unwrap();
            assert_eq!((&*was(&one), &*was(&other)), ("other", ".one"));
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        }
    }

    #[test]
    fn folders_that_cannot_change_places_stay_where_they_are() {
        for swap in [swap, swap_in_steps] {
            let (folder, one, other) = two_folders();
            swap(&folder.path().join(".missing"), &other).unwrap_err();
            swap(&one, &folder.path().join("missing")).unwrap_err();
            assert_eq!((&*was(&one), &*was(&other)), (".one", "other"));
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        }
    }
}
