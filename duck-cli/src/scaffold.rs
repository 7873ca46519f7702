//! Writing a new folder, all of it or nothing.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use tempfile::TempDir;

use crate::failure::{Context, Failure, Result};

/// A file that shall be written.
#[derive(Debug)]
pub(crate) struct NewFile {
    /// Where, below the new folder.
    pub(crate) path: PathBuf,
    /// Its bytes.
    pub(crate) contents: Vec<u8>,
    /// Nobody but its owner may read it.
    pub(crate) secret: bool,
}

/// Makes `folder` with these files. They are written to a hidden folder beside it, which gets its
/// name at the end: whoever stops half-way (or a full disk) leaves nothing behind.
///
/// # Errors
/// When `folder` is there and not empty, or something cannot be written.
pub(crate) fn create(folder: &Path, files: &[NewFile]) -> Result {
    refuse_to_overwrite(folder)?;
    let stopped = stop_flag()?;
    let beside = beside(folder)?;
    for file in files {
        if stopped.load(Ordering::Relaxed) {
            return Err(Failure::new("stopped; nothing was made"));
        }
        write(&beside.path().join(&file.path), file)
            .context(|| format!("cannot write {}", folder.join(&file.path).display()))?;
    }
    fs::rename(beside.path(), folder).context(|| format!("cannot make {}", folder.display()))?;
    let _renamed = beside.keep();
    Ok(())
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

fn write(path: &Path, file: &NewFile) -> std::io::Result<()> {
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
