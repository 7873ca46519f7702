//! Which static files were collected, and under which names.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::root::relative;
use crate::error::{Error, Result};

/// The manifest's name in `STATIC_ROOT`.
pub(super) const NAME: &str = "staticfiles.json";

/// Hexadecimal digits of a hash in a name.
const DIGITS: usize = 16;

/// The names of collected files: `css/site.css` is `css/site.0123456789abcdef.css`. It is written when all
/// files are there, so that half of them are never taken for the whole.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) files: BTreeMap<String, String>,
}

impl Manifest {
    /// Reads the manifest of a folder, and sees that its files are there; `None` where there is none.
    pub(super) fn read(root: &Path) -> Result<Option<Self>> {
        let path = root.join(NAME);
        let text = match std::fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            text => text.map_err(|error| damaged(&path, &error))?,
        };
        let manifest: Self =
            serde_json::from_slice(&text).map_err(|error| damaged(&path, &error))?;
        for hashed in manifest.files.values() {
            if relative(hashed).is_none() || !is_hashed(hashed) {
                return Err(damaged(&path, &format!("it names {hashed:?}")));
            }
            if !root.join(hashed).is_file() {
                return Err(damaged(&path, &format!("{hashed} is missing")));
            }
        }
        Ok(Some(manifest))
    }

    /// What it is written as.
    #[cfg(feature = "collectstatic")]
    pub(super) fn to_json(&self) -> Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        Ok(text)
    }
}

fn damaged(path: &Path, why: &dyn std::fmt::Display) -> Error {
    Error::internal(format!(
        "the static files of {} cannot be used: {why}; run `collectstatic` again, or copy the whole folder",
        path.display()
    ))
}

/// A name with the hash of the file before its last ending.
#[cfg(feature = "collectstatic")]
pub(super) fn hashed(name: &str, hash: &str) -> String {
    let file = name.rfind('/').map_or(0, |slash| slash + 1);
    let dot = name[file..].rfind('.').map(|dot| file + dot);
    let (stem, ending) = name.split_at(dot.unwrap_or(name.len()));
    format!("{stem}.{}{ending}", &hash[..DIGITS])
}

/// Whether a name has a hash where `collectstatic` puts it.
pub(super) fn is_hashed(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or_default();
    let is_hash = |part: &str| {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        part.len() == DIGITS && part.bytes().all(is_digit)
    };
    // The first part is the name itself; without an ending, the hash is the last.
    file.split_once('.')
        .is_some_and(|(_, rest)| rest.rsplit('.').take(2).any(is_hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "collectstatic")]
    #[test]
    fn the_hash_stands_before_the_ending() {
        let hash = "0123456789abcdef0123";
        for (name, expected) in [
            ("site.css", "site.0123456789abcdef.css"),
            ("a.b/site.css.map", "a.b/site.css.0123456789abcdef.map"),
            ("a.b/LICENSE", "a.b/LICENSE.0123456789abcdef"),
        ] {
            let hashed = hashed(name, hash);
            assert_eq!(hashed, expected);
            assert!(is_hashed(&hashed) && !is_hashed(name), "{name}");
        }
    }

    #[test]
    fn a_name_without_a_whole_hash_is_no_hashed_one() {
        for name in [
            "",
            "0123456789abcdef",
            "0123456789abcdef.css",
            "a.0123456789ABCDEF.css",
            "a.0123456789abcde.css",
            "a.0123456789abcdef.min.css",
            "a.0123456789abcdef/b.css",
            "staticfiles.json",
        ] {
            assert!(!is_hashed(name), "{name}");
        }
    }

    #[test]
    fn a_manifest_is_whole_or_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        assert!(Manifest::read(root).unwrap().is_none());
        std::fs::write(root.join("a.0123456789abcdef.css"), "").unwrap();
        let read = |text: &str| {
            std::fs::write(root.join(NAME), text).unwrap();
            Manifest::read(root)
        };
        let fine = read(r#"{"files": {"a.css": "a.0123456789abcdef.css"}}"#);
        assert_eq!(fine.unwrap().unwrap().files.len(), 1);
        for (text, why) in [
            ("", "EOF"),
            (r#"{"files": {"a.css": "a.0123456789abcdef"#, "EOF"),
            (
                r#"{"files": {"a.css": "b.0123456789abcdef.css"}}"#,
                "missing",
            ),
            (
                r#"{"files": {"a.css": "../a.0123456789abcdef.css"}}"#,
                "names",
            ),
            (r#"{"files": {"a.css": "/etc/passwd"}}"#, "names"),
            (r#"{"files": {"a.css": 1}}"#, "invalid type"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains(NAME), "{error}");
        }
    }
}
