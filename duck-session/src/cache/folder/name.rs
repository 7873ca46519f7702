use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// What the folder of a key is called: 64 lower-case hexadecimal characters, whatever the key.
///
/// The engine's keys are such names already. Any other key is hashed, so that no text from outside
/// reaches a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name(String);

impl Name {
    pub(super) fn of(key: &str) -> Self {
        Self::parse(key).unwrap_or_else(|| Self(HEXLOWER.encode(&Sha256::digest(key))))
    }

    /// `None` if no folder of ours is called so.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (name.len() == 64 && name.bytes().all(is_hex)).then(|| Self(name.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder of folders that holds this one, and the lock that guards it.
    pub(super) fn bucket(&self) -> &str {
        &self.0[..2]
    }

    /// The path of the key's folder.
    pub(super) fn path(&self) -> String {
        [self.bucket(), "/", &self.0].concat()
    }

    /// The path of a file in the key's folder.
    pub(super) fn file(&self, file: &str) -> String {
        [self.bucket(), "/", &self.0, "/", file].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_keys_name_themselves() {
        let key = "0123456789abcdef".repeat(4);
        assert_eq!(Name::of(&key).as_str(), key);
        assert_eq!(Name::of(&key).file("record"), format!("01/{key}/record"));
    }

    #[test]
    fn all_other_keys_are_hashed() {
        let long = "x".repeat(5000);
        let upper = "0123456789ABCDEF".repeat(4);
        let slashes = "../".repeat(21) + "a";
        assert_eq!(slashes.len(), 64);
        for key in [
            "", ".", "..", "../x", "/abs", "a\0b", "ключ", &long, &upper, &slashes,
        ] {
            let name = Name::of(key);
            assert!(Name::parse(name.as_str()).is_some(), "{key:?}");
            assert_ne!(name.as_str(), key);
        }
    }
}
