//! What stands in front of every record, in clear but authenticated where records are sealed.

use crate::cache::Entry;

/// How long a header is.
pub(crate) const LENGTH: usize = 64;

/// The first bytes of every record: the format and its version.
const MAGIC: [u8; 4] = *b"DKS1";

/// The header of a record. Times are UTC milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    /// Whether the cookie outlives the browser.
    pub(crate) persistent: bool,
    /// Whether the data is not encrypted, only proven.
    pub(crate) readable: bool,
    /// Which key the record is sealed with; zeros where it is not.
    pub(crate) key: [u8; 8],
    /// Counts the writes.
    pub(crate) version: u32,
    pub(crate) created: u64,
    /// When the session got its id, to the second.
    pub(crate) issued: u64,
    /// When somebody last logged in; 0 for nobody.
    pub(crate) auth: u64,
    /// When the record was last touched: its end is counted from here.
    pub(crate) touched: u64,
    pub(crate) expires: u64,
    /// How long each save makes it live; 0 for a fixed end.
    pub(crate) age: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A session.
    Live,
    /// What is left where a session had its id until it got a new one.
    Moved,
    /// Which sessions a user has.
    List,
}

impl Header {
    pub(crate) fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[
            self.kind as u8,
            u8::from(self.persistent),
            u8::from(self.readable),
            0,
        ]);
        bytes.extend_from_slice(&self.key);
        bytes.extend_from_slice(&self.version.to_le_bytes());
        bytes.extend_from_slice(&seconds_between(self.created, self.issued).to_le_bytes());
        for number in [
            self.created,
            self.auth,
            self.touched,
            self.expires,
            self.age,
        ] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// Reads a header; `None` where it is of no format that is known.
    pub(crate) fn read(record: &[u8]) -> Option<Self> {
        let header = record.get(..LENGTH)?;
        if header[..4] != MAGIC {
            return None;
        }
        let kind = match header[4] {
            0 => Kind::Live,
            1 => Kind::Moved,
            2 => Kind::List,
            _ => return None,
        };
        let small = |start: usize| {
            let bytes = header[start..start + 4].try_into();
            bytes.map(u32::from_le_bytes).ok()
        };
        let number = |index: usize| {
            let start = 24 + 8 * index;
            let bytes = header[start..start + 8].try_into();
            bytes.map(u64::from_le_bytes).ok()
        };
        let created = number(0)?;
        Some(Self {
            kind,
            persistent: header[5] == 1,
            readable: header[6] == 1,
            key: header[8..16].try_into().ok()?,
            version: small(16)?,
            created,
            issued: created.saturating_add(u64::from(small(20)?) * 1000),
            auth: number(1)?,
            touched: number(2)?,
            expires: number(3)?,
            age: number(4)?,
        })
    }

    /// The cache entry for a record with this header.
    pub(crate) fn entry<'a>(&self, record: &'a [u8], now: u64, durable: bool) -> Entry<'a> {
        let ttl = std::time::Duration::from_millis(self.expires.saturating_sub(now));
        let entry = Entry::new(record).ttl(ttl);
        if durable { entry.durable() } else { entry }
    }
}

fn seconds_between(earlier: u64, later: u64) -> u32 {
    u32::try_from(later.saturating_sub(earlier) / 1000).unwrap_or(u32::MAX)
}

/// Whether a record is of somebody who is logged in: a full cache gives up others first.
pub(crate) fn is_logged_in(record: &[u8]) -> bool {
    Header::read(record).is_some_and(|header| header.auth > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let header = Header {
            kind: Kind::Moved,
            persistent: true,
            readable: true,
            key: [7; 8],
            version: 1,
            created: 2,
            issued: 5002,
            auth: 3,
            touched: 4,
            expires: u64::MAX,
            age: 6,
        };
        let mut bytes = Vec::new();
        header.write(&mut bytes);
        assert_eq!(bytes.len(), LENGTH);
        assert_eq!(Header::read(&bytes), Some(header));
        assert_eq!(Header::read(&bytes[..63]), None);
        bytes[3] = b'9';
        assert_eq!(Header::read(&bytes), None, "another format");
    }

    proptest::proptest! {
        /// Whatever a storage holds: it is read or refused, and what is read is written as it was.
        #[test]
        fn any_bytes_are_refused_or_read(
            mut bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..100),
            is_ours: bool,
        ) {
            if is_ours && bytes.len() > 4 {
                bytes[..4].copy_from_slice(&MAGIC);
                bytes[4] %= 4;
            }
            if let Some(header) = Header::read(&bytes) {
                let mut again = Vec::new();
                header.write(&mut again);
                assert_eq!(Header::read(&again), Some(header));
            } else {
                assert!(bytes.len() < LENGTH || bytes[..4] != MAGIC || bytes[4] > 2);
            }
        }
    }
}
