use std::io;

use crate::store::SessionKey;
use crate::store::directory::Directory;

/// Where the session under a key is kept: in a folder that is called as the key in hexadecimal, in one of 256
/// that are called as its first byte.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    hex: String,
    key: SessionKey,
}

impl Name {
    pub(super) fn of(key: &SessionKey) -> Self {
        Self {
            hex: key.to_hex(),
            key: *key,
        }
    }

    /// `None` if no folder of a session is called so.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let key = SessionKey::from_hex(name)?;
        let hex = name.to_owned();
        Some(Self { hex, key })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.hex
    }

    pub(super) fn key(&self) -> &SessionKey {
        &self.key
    }

    pub(super) fn bucket(&self) -> &str {
        &self.hex[..2]
    }

    /// The path of the session's folder.
    pub(super) fn folder(&self) -> String {
        [self.bucket(), "/", &self.hex].concat()
    }

    /// The path of a file in it, from the folder of all buckets.
    pub(super) fn path(&self, file: &str) -> String {
        [self.bucket(), "/", &self.hex, "/", file].concat()
    }

    /// The path of a file in it, from the bucket.
    pub(super) fn in_bucket(&self, file: &str) -> String {
        [&self.hex, "/", file].concat()
    }
}

/// The names of all buckets.
pub(super) fn buckets() -> impl Iterator<Item = String> {
    (0..=u8::MAX).map(bucket)
}

pub(super) fn bucket(number: u8) -> String {
    format!("{number:02x}")
}

/// The sessions that have a folder in this bucket.
pub(super) fn names(folder: &Directory, bucket: &str) -> io::Result<Vec<Name>> {
    let names = folder.names()?;
    let names = names.iter().filter_map(|name| Name::parse(name));
    Ok(names.filter(|name| name.bucket() == bucket).collect())
}
