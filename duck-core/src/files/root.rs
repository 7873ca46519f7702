//! A folder whose files are served, and the paths that lead to them.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::open::{OpenFile, none_if_absent};
use crate::error::{Error, Result};
use crate::settings::Settings;

/// A folder whose files everybody may have, apart from hidden ones.
#[derive(Debug, Clone)]
pub(super) struct Root(Arc<Path>);

impl Root {
    /// A relative folder counts from that of the settings file, which must not lie in it.
    pub(super) fn new(folder: &Path, settings: &Settings) -> Result<Self> {
        let root = settings.resolve(folder);
        if holds_settings(&root, settings) {
            return Err(Error::internal(format!(
                "the folder {} cannot be served: the site's settings file is in it; name a folder of its own",
                root.display()
            )));
        }
        Ok(Self(root.into()))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Opens a file that is in the folder when all links are followed.
    pub(super) fn find(&self, relative: &Path) -> io::Result<Option<OpenFile>> {
        match self.locate(relative).or_else(none_if_absent)? {
            Some(path) => OpenFile::open(&path),
            None => Ok(None),
        }
    }

    fn locate(&self, relative: &Path) -> io::Result<Option<PathBuf>> {
        let root = self.0.canonicalize()?;
        let path = root.join(relative).canonicalize()?;
        let inside = path
            .strip_prefix(&root)
            .is_ok_and(|inside| !is_hidden(inside));
        Ok(inside.then_some(path))
    }
}

fn holds_settings(root: &Path, settings: &Settings) -> bool {
    let site = settings.folder().and_then(|site| site.canonicalize().ok());
    let root = root.canonicalize().ok();
    matches!((site, root), (Some(site), Some(root)) if site.starts_with(&root))
}

fn is_hidden(path: &Path) -> bool {
    path.iter()
        .any(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// A decoded path as one that can only lead down; `None` where it is anything else.
pub(super) fn relative(path: &str) -> Option<PathBuf> {
    path.split('/').map(segment).collect()
}

fn segment(name: &str) -> Option<&str> {
    let windows = cfg!(windows) && name.contains(':');
    let mut components = Path::new(name).components();
    let plain = matches!(components.next(), Some(Component::Normal(part)) if part == name);
    let fine = plain
        && components.next().is_none()
        && !name.starts_with('.')
        && !name.contains(['\\', '\0'])
        && !windows;
    fine.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_down_or_nowhere() {
        for path in [
            "a",
            "a/b.css",
            "a b",
            "é",
            "a..b",
            "x.",
            "...x".trim_start_matches('.'),
        ] {
            assert_eq!(relative(path), Some(PathBuf::from(path)), "{path:?}");
        }
        for path in [
            "",
            "/",
            "/etc/passwd",
            "//etc",
            "a//b",
            "a/",
            "..",
            "../x",
            "a/../x",
            "a/..",
            ".",
            "./a",
            "a/./b",
            ".git/config",
            "a/.env",
            "a\\b",
            "..\\x",
            "\\\\host\\share",
            "a\0",
            "\0",
            "...",
        ] {
            assert_eq!(relative(path), None, "{path:?}");
        }
    }
}
