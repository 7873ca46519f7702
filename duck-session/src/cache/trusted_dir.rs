//! The folder a storage keeps its files in, which nobody else may write to.

use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use duck_core::{Error, Result};

const MODE: u32 = 0o700;
const OTHERS_MAY_WRITE: u32 = 0o022;

/// Makes `dir` where it is missing, for its owner alone, and gives its absolute path.
///
/// # Errors
///
/// When `dir` is a symlink or no folder, belongs to another user, or others may write to it:
/// whoever can put files there decides who is logged in.
pub(crate) fn trusted_dir(dir: &Path) -> Result<PathBuf> {
    // Without a trailing slash, which would have a symlink followed.
    let dir: PathBuf = dir.components().collect();
    create(&dir).map_err(|error| refusal(&dir, &format!("could not be made: {error}")))?;
    let found = fs::symlink_metadata(&dir)
        .map_err(|error| refusal(&dir, &format!("could not be read: {error}")))?;
    match fault(&found) {
        Some(fault) => Err(refusal(&dir, &fault)),
        None => Ok(dir.canonicalize()?),
    }
}

fn create(dir: &Path) -> io::Result<()> {
    if fs::symlink_metadata(dir).is_ok() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(MODE).create(dir)
}

/// What is wrong with a folder, and what would be right.
fn fault(found: &Metadata) -> Option<String> {
    let user = rustix::process::geteuid().as_raw();
    if found.is_symlink() {
        Some("is a symlink; name the folder it leads to".to_owned())
    } else if !found.is_dir() {
        Some("is not a folder".to_owned())
    } else if found.uid() != user {
        let owner = found.uid();
        Some(format!(
            "belongs to user {owner}; it has to belong to user {user}, whom the site runs as"
        ))
    } else if found.mode() & OTHERS_MAY_WRITE != 0 {
        let mode = found.mode() & 0o777;
        Some(format!(
            "has mode {mode:o}, so others may write to it; set it to 700"
        ))
    } else {
        None
    }
}

#[track_caller]
fn refusal(dir: &Path, fault: &str) -> Error {
    Error::internal(format!("the folder {} {fault}", dir.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(dir: &Path) -> u32 {
        fs::metadata(dir).unwrap().mode() & 0o777
    }

    #[test]
    fn a_missing_folder_is_made_for_its_owner() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("a/b");
        assert!(trusted_dir(&dir).unwrap().is_absolute());
        assert_eq!(mode(&dir), 0o700);
    }

    #[test]
    fn a_folder_others_may_write_to_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for bits in [0o770, 0o702] {
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(bits)).unwrap();
            let text = trusted_dir(dir.path()).unwrap_err().to_string();
            assert!(text.contains(&format!("mode {bits:o}")), "{text}");
            assert!(text.contains(&*dir.path().to_string_lossy()), "{text}");
        }
    }

    #[test]
    fn a_symlink_is_refused_with_and_without_a_slash() {
        let parent = tempfile::tempdir().unwrap();
        fs::create_dir(parent.path().join("real")).unwrap();
        symlink("real", parent.path().join("link")).unwrap();
        for name in ["link", "link/", "link/."] {
            let error = trusted_dir(&parent.path().join(name)).unwrap_err();
            assert!(error.to_string().contains("symlink"), "{error}");
        }
    }

    #[test]
    fn a_file_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = trusted_dir(file.path()).unwrap_err();
        assert!(error.to_string().contains("not a folder"), "{error}");
    }
}
