use std::fmt;

use arrayvec::ArrayString;
use data_encoding::HEXLOWER;
use duck::session::SessionId;
use sha2::{Digest, Sha256};

/// Hashed before an id, so that its handle is the hash of nothing else. With the id it fills one
/// block.
const HANDLE: &[u8; 12] = b"duck handle:";

/// The name under which a cache knows a session: never the id itself, where it leaves the process.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Handle {
    /// The id, within this process.
    Id(SessionId),
    /// Its hash, in hexadecimal. No key goes into it: an id is 256 random bits, which nobody guesses
    /// from a hash, and so a session keeps its place when `SECRET_KEY` changes.
    Hash(ArrayString<64>),
}

impl Handle {
    /// The hash of an id.
    pub(super) fn hashed(id: &SessionId) -> Self {
        Self::Hash(hash(id.reveal_bytes()))
    }

    /// A hash made elsewhere: of 32 bytes.
    pub(super) fn of_hash(hash: &[u8]) -> Self {
        Self::Hash(hexadecimal(hash))
    }

    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Id(id) => id.reveal(),
            Self::Hash(hash) => hash,
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.as_str().as_bytes()
    }

    /// What it is called outside of the engine: its hash, also within this process. It opens nothing.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Id(id) => hash(id.reveal_bytes()).to_string(),
            Self::Hash(hash) => hash.to_string(),
        }
    }

    /// The hash that a storage outside of the process knows a session by.
    #[cfg(feature = "commands")]
    pub(crate) fn parse_hash(text: &str) -> Option<Self> {
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let hash = ArrayString::from(text).ok().map(Self::Hash);
        hash.filter(|_| text.len() == 64 && text.bytes().all(is_hex))
    }

    /// The handle that has this text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match SessionId::parse(text.as_bytes()) {
            Some(id) => Some(Self::Id(id)),
            None => ArrayString::from(text).ok().map(Self::Hash),
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The first six characters of the name, for the log: enough to tell two sessions apart.
impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name()[..6])
    }
}

fn hash(id: &[u8]) -> ArrayString<64> {
    let hash = Sha256::new_with_prefix(HANDLE).chain_update(id);
    hexadecimal(&hash.finalize())
}

fn hexadecimal(hash: &[u8]) -> ArrayString<64> {
    let mut text = [0; 64];
    HEXLOWER.encode_mut(hash, &mut text);
    // Hexadecimal is ASCII, and as long as there is room.
    ArrayString::from_byte_string(&text).unwrap_or_default()
}
