//! Where templates are: folders on disk, or in the program.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use include_dir::Dir;

/// A folder of templates.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Folder {
    /// Read when a page needs it, so that an edit is seen at the next request.
    OnDisk(PathBuf),
    /// Part of the program.
    Embedded(&'static Dir<'static>),
}

/// A template's text, as a folder has it now.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) text: String,
    /// Which version of which file this is; `None` for what is in the program and never changes.
    pub(super) version: Option<Version>,
}

/// A version of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    path: PathBuf,
    modified: Option<SystemTime>,
    length: u64,
}

impl Folder {
    /// The template of this name; `None` where the folder has none.
    pub(super) fn find(&self, name: &str) -> io::Result<Option<Found>> {
        match self {
            // Asked for first, so that an edit between the two is seen as one.
            Self::OnDisk(_) => match self.version(name) {
                Some(version) => {
                    let text = fs::read_to_string(&version.path)?;
                    let version = Some(version);
                    Ok(Some(Found { text, version }))
                }
                None => Ok(None),
            },
            Self::Embedded(dir) => {
                let file = dir.get_file(name).filter(|_| is_template(name));
                let text = file.map(|file| file.contents_utf8().ok_or_else(not_text));
                Ok(text.transpose()?.map(|text| Found {
                    text: text.to_owned(),
                    version: None,
                }))
            }
        }
    }

    /// The file of this name as it is now; `None` where there is none.
    pub(super) fn version(&self, name: &str) -> Option<Version> {
        let Self::OnDisk(folder) = self else {
            return None;
        };
        let path = folder.join(is_template(name).then_some(name)?);
        let metadata = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?;
        Some(Version {
            path,
            modified: metadata.modified().ok(),
            length: metadata.len(),
        })
    }

    /// Whether the folder has a template of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        match self {
            Self::OnDisk(_) => self.version(name).is_some(),
            Self::Embedded(dir) => is_template(name) && dir.get_file(name).is_some(),
        }
    }

    /// The names of all its templates.
    pub(super) fn names(&self) -> io::Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        match self {
            Self::OnDisk(folder) => list(folder, "", &mut HashSet::new(), &mut names)?,
            Self::Embedded(dir) => embedded(dir, &mut names),
        }
        Ok(names)
    }

    /// What an error calls a template of this folder: its path, where it is a file.
    pub(super) fn describe(&self, name: &str) -> String {
        match self {
            Self::OnDisk(folder) => folder.join(name).display().to_string(),
            Self::Embedded(_) => name.to_owned(),
        }
    }
}

/// Whether a name is one that a template may have: the same on disk and in the program.
///
/// It stays below its folder: no part is `..`, empty (so it does not begin with `/`), or hidden. Editors
/// leave `.home.html.swp` and `home.html~` beside what they edit.
pub(super) fn is_template(name: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with('~');
    !name.contains(['\\', '\0', ':']) && name.split('/').all(is_part)
}

/// Adds the names of the templates in a folder on disk. Symbolic links are followed, each folder once.
fn list(
    folder: &Path,
    prefix: &str,
    seen: &mut HashSet<PathBuf>,
    names: &mut BTreeSet<String>,
) -> io::Result<()> {
    if !seen.insert(folder.canonicalize()?) {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        // A name that is not UTF-8 cannot be asked for.
        let Some(name) = name.to_str().map(|name| format!("{prefix}{name}")) else {
            continue;
        };
        if !is_template(&name) {
            continue;
        }
        match fs::metadata(entry.path()) {
            Ok(metadata) if metadata.is_dir() => {
                list(&entry.path(), &format!("{name}/"), seen, names)?;
            }
            Ok(metadata) if metadata.is_file() => drop(names.insert(name)),
            // A socket, or a link that leads nowhere: no template, and none that could be asked for.
            _ => {}
        }
    }
    Ok(())
}

fn embedded(dir: &Dir<'_>, names: &mut BTreeSet<String>) {
    let files = dir.files().filter_map(|file| file.path().to_str());
    names.extend(files.filter(|name| is_template(name)).map(str::to_owned));
    dir.dirs().for_each(|dir| embedded(dir, names));
}

fn not_text() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text")
}
