//! Lists of files with what they hold, as `sha256sum` writes and checks them.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// The checksum of each file, by its path below some folder.
pub(crate) type Checksums = BTreeMap<String, String>;

/// The checksum of these bytes, in hexadecimal.
pub(crate) fn checksum(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

pub(crate) fn to_text(list: &Checksums) -> String {
    list.iter()
        .map(|(path, sum)| format!("{sum}  {path}\n"))
        .collect()
}

/// The list that a text holds. A line that is none is passed over: then its file counts as new.
pub(crate) fn from_text(text: &str) -> Checksums {
    text.lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(sum, path)| (path.to_owned(), sum.to_owned()))
        .collect()
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Differences {
    pub(crate) changed: Vec<String>,
    pub(crate) added: Vec<String>,
    pub(crate) removed: Vec<String>,
}

impl Differences {
    /// What became of the files of `before`.
    pub(crate) fn between(before: &Checksums, after: &Checksums) -> Self {
        let mut differences = Self::default();
        for (path, sum) in after {
            match before.get(path) {
                None => differences.added.push(path.clone()),
                Some(other) if other != sum => differences.changed.push(path.clone()),
                Some(_) => {}
            }
        }
        let gone = before.keys().filter(|path| !after.contains_key(*path));
        differences.removed.extend(gone.cloned());
        differences
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_what_sha256sum_prints() {
        let list = Checksums::from([("src/a b.rs".to_owned(), checksum(b"abc"))]);
        let text = to_text(&list);
        assert_eq!(
            text,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  src/a b.rs\n"
        );
        assert_eq!(from_text(&text), list);
        assert_eq!(from_text("nonsense\n"), Checksums::new());
    }
}
