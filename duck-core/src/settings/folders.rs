//! Folders that are served, and folders that must not be.

use std::path::{Component, Path, PathBuf};

/// What the parts of a site have said about folders while it starts. All paths are those behind the links.
#[derive(Debug, Clone, Default)]
pub(super) struct Folders {
    served: Vec<PathBuf>,
    /// With the settings that name them.
    private: Vec<(&'static str, PathBuf)>,
}

impl Folders {
    /// Notes a folder that everybody may read. The error is the setting whose folder lies in it.
    pub(super) fn serve(&mut self, folder: &Path) -> Result<(), &'static str> {
        let folder = behind_links(folder);
        if let Some((key, _)) = self
            .private
            .iter()
            .find(|(_, path)| path.starts_with(&folder))
        {
            return Err(key);
        }
        self.served.push(folder);
        Ok(())
    }

    /// The folders and files that nobody may read, with the settings that name them.
    #[cfg(feature = "cli")]
    pub(super) fn private(&self) -> &[(&'static str, PathBuf)] {
        &self.private
    }

    /// Notes a folder that nobody may read. The error is the served folder that it lies in.
    pub(super) fn keep_private(&mut self, key: &'static str, folder: &Path) -> Result<(), PathBuf> {
        let folder = behind_links(folder);
        if let Some(served) = self.served.iter().find(|served| folder.starts_with(served)) {
            return Err(served.clone());
        }
        self.private.push((key, folder));
        Ok(())
    }
}

/// The path that the system would find, without links, `.` and `..`; what is not there yet is taken as it is
/// written.
fn behind_links(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut real = PathBuf::new();
    for component in whole.components() {
        if component == Component::ParentDir {
            real.pop();
        } else {
            real.push(component);
        }
        if let Ok(found) = real.canonicalize() {
            real = found;
        }
    }
    real
}
