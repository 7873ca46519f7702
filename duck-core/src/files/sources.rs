//! The static files of a folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::root::relative;
use crate::error::{Error, Result};

/// All files below a folder by their name in it, those that no URL leads to left out: hidden ones, and those
/// that lie compressed beside others.
///
/// Links that lead out of the folder are refused, and so are two names that are one on some systems.
pub(super) fn find(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let root = folder.canonicalize().map_err(|error| {
        Error::internal(format!(
            "the static files of {} cannot be read: {error}",
            folder.display()
        ))
    })?;
    let mut walk = Walk {
        root: &root,
        above: Vec::new(),
        files: BTreeMap::new(),
    };
    walk.enter(&root, "")?;
    let mut files = walk.files;
    refuse_equal_names(&files)?;
    let all = files.clone();
    files.retain(|name, _| !is_compressed_twin(name, &all));
    Ok(files)
}

struct Walk<'a> {
    root: &'a Path,
    /// The folders that were entered to get here.
    above: Vec<PathBuf>,
    files: BTreeMap<String, PathBuf>,
}

impl Walk<'_> {
    /// Goes through a folder whose path has no links in it.
    fn enter(&mut self, folder: &Path, prefix: &str) -> Result<()> {
        if self.above.iter().any(|above| above == folder) {
            return Err(Error::internal(format!(
                "the static folder {prefix} is a link to a folder above it"
            )));
        }
        self.above.push(folder.to_owned());
        for entry in std::fs::read_dir(folder)? {
            let name = entry?.file_name();
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let shown = format!("{prefix}{}", name.to_string_lossy());
            self.visit(&folder.join(&name), shown)?;
        }
        self.above.pop();
        Ok(())
    }

    fn visit(&mut self, path: &Path, name: String) -> Result<()> {
        let real = path.canonicalize().map_err(|error| {
            Error::internal(format!("the static file {name:?} cannot be read: {error}"))
        })?;
        let inside = real.strip_prefix(self.root);
        let is_seen = |inside: &Path| {
            inside
                .to_str()
                .is_some_and(|text| text.is_empty() || relative(text).is_some())
        };
        if !inside.is_ok_and(is_seen) || relative(&name).is_none() {
            return Err(Error::internal(format!(
                "the static file {name:?} has a name that no URL leads to, or is a link to what is not served"
            )));
        }
        if real.is_dir() {
            return self.enter(&real, &format!("{name}/"));
        }
        if real.is_file() {
            self.files.insert(name, real);
        }
        Ok(())
    }
}

fn refuse_equal_names(files: &BTreeMap<String, PathBuf>) -> Result<()> {
    let mut seen = BTreeMap::new();
    for name in files.keys() {
        if let Some(other) = seen.insert(name.to_lowercase(), name) {
            return Err(Error::internal(format!(
                "the static files {other:?} and {name:?} are one file where upper and lower case do not count"
            )));
        }
    }
    Ok(())
}

fn is_compressed_twin(name: &str, files: &BTreeMap<String, PathBuf>) -> bool {
    let stem = name.strip_suffix(".gz").or(name.strip_suffix(".br"));
    stem.is_some_and(|stem| files.contains_key(stem))
}
