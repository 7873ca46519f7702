//! A record file: a header of sixteen bytes, then the value.
//!
//! | bytes | |
//! |---|---|
//! | 0–3 | magic and format version |
//! | 4–7 | length of the value |
//! | 8–15 | when it expires, milliseconds UTC; 0 is never |
//!
//! The header is there to tell a record from garbage and to sweep without reading values. It
//! protects nothing: values are sealed before they come here.

use std::io::{self, ErrorKind, Read};
use std::time::Duration;

use bytes::{Buf, Bytes};

use crate::cache::directory::Directory;

pub(super) const NAME: &str = "record";

const MAGIC: [u8; 4] = *b"DKF\x01";
const HEADER: usize = 16;

/// Far above what a session may hold: what is larger was not written by us.
const MAX_VALUE: usize = 16 << 20;

/// What was found in place of a record.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    Nothing,
    /// No record, or one of a format that this version does not know.
    Garbage,
    /// Since when, milliseconds UTC.
    Expired(u64),
    Value(Bytes),
}

impl Found {
    pub(super) fn value(self) -> Option<Bytes> {
        match self {
            Self::Value(value) => Some(value),
            _ => None,
        }
    }
}

/// What is stored in place of a record, whether or not its time is over.
#[derive(Debug)]
pub(super) enum Stored {
    Nothing,
    Garbage,
    Record { value: Bytes, expires: u64 },
}

impl Stored {
    fn at(self, now: u64) -> Found {
        match self {
            Self::Nothing => Found::Nothing,
            Self::Garbage => Found::Garbage,
            Self::Record { expires, .. } if is_past(expires, now) => Found::Expired(expires),
            Self::Record { value, .. } => Found::Value(value),
        }
    }
}

/// The bytes of a record file.
pub(super) fn encode(value: &[u8], expires: u64) -> io::Result<Vec<u8>> {
    if value.len() > MAX_VALUE {
        let text = format!("a record holds at most {MAX_VALUE} bytes");
        return Err(io::Error::new(ErrorKind::FileTooLarge, text));
    }
    let len = u32::try_from(value.len()).map_err(io::Error::other)?;
    Ok([
        &MAGIC[..],
        &len.to_be_bytes(),
        &expires.to_be_bytes(),
        value,
    ]
    .concat())
}

/// Reads the record at `path`, if its time is not over. The clock is read last: what was written as
/// expired a moment ago is expired.
pub(super) fn read(root: &Directory, path: &str, now: impl FnOnce() -> u64) -> io::Result<Found> {
    Ok(read_stored(root, path)?.at(now()))
}

/// Reads the record at `path`.
pub(super) fn read_stored(root: &Directory, path: &str) -> io::Result<Stored> {
    let Some((mut file, len)) = present(root.file(path))? else {
        return Ok(Stored::Nothing);
    };
    let Some(len) = usize::try_from(len)
        .ok()
        .filter(|len| *len <= HEADER + MAX_VALUE)
    else {
        return Ok(Stored::Garbage);
    };
    let mut bytes = vec![0; len];
    match file.read_exact(&mut bytes) {
        Ok(()) => Ok(decode(bytes.into())),
        // Somebody shortens it while we read; we never do.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(Stored::Garbage),
        Err(error) => Err(error),
    }
}

/// Whether the record in a key's folder is expired. Only the header is read.
pub(super) fn is_expired(folder: &Directory, now: u64) -> io::Result<bool> {
    let Some((mut file, _)) = present(folder.file(NAME))? else {
        return Ok(false);
    };
    let mut header = [0; HEADER];
    match file.read_exact(&mut header) {
        Ok(()) => Ok(parse(header).is_some_and(|(_, expires)| is_past(expires, now))),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the file in a key's folder is no record. Only the header is read.
#[cfg(feature = "commands")]
pub(super) fn is_garbage(folder: &Directory) -> io::Result<bool> {
    let Some((mut file, len)) = present(folder.file(NAME))? else {
        return Ok(false);
    };
    let mut header = [0; HEADER];
    match file.read_exact(&mut header) {
        Ok(()) => Ok(parse(header).is_none_or(|(value, _)| (HEADER + value) as u64 != len)),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(true),
        Err(error) => Err(error),
    }
}

/// `None` where there is no such file or folder.
pub(super) fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

fn decode(mut bytes: Bytes) -> Stored {
    match bytes.first_chunk().and_then(|header| parse(*header)) {
        Some((len, expires)) if len == bytes.len() - HEADER => {
            bytes.advance(HEADER);
            Stored::Record {
                value: bytes,
                expires,
            }
        }
        _ => Stored::Garbage,
    }
}

/// The length of the value and its expiry.
fn parse(header: [u8; HEADER]) -> Option<(usize, u64)> {
    let header = u128::from_be_bytes(header);
    #[expect(clippy::cast_possible_truncation, reason = "the fields of the header")]
    let (magic, len, expires) = ((header >> 96) as u32, (header >> 64) as u32, header as u64);
    (magic == u32::from_be_bytes(MAGIC)).then_some((len as usize, expires))
}

/// How long a record that expires then has left; `None` is for ever.
pub(super) fn left(expires: u64, now: u64) -> Option<Duration> {
    (expires != 0).then(|| Duration::from_millis(expires.saturating_sub(now)))
}

fn is_past(expires: u64, now: u64) -> bool {
    expires != 0 && expires <= now
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: Bytes, now: u64) -> Found {
        super::decode(bytes).at(now)
    }

    fn record(value: &[u8], expires: u64) -> Bytes {
        encode(value, expires).unwrap().into()
    }

    #[test]
    fn what_is_encoded_is_found_again() {
        let found = decode(record(b"value", 0), u64::MAX);
        assert_eq!(found, Found::Value(Bytes::from_static(b"value")));
        let found = decode(record(b"", 1), 0);
        assert_eq!(found, Found::Value(Bytes::new()));
    }

    #[test]
    fn a_record_expires_at_its_millisecond() {
        assert_ne!(decode(record(b"value", 10), 9), Found::Expired(10));
        assert_eq!(decode(record(b"value", 10), 10), Found::Expired(10));
        assert_eq!(decode(record(b"value", 10), 11), Found::Expired(10));
    }

    /// A record that was expired when it was written is never seen alive.
    #[test]
    fn the_clock_is_read_after_the_file() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("record");
        std::fs::write(&path, record(b"old", 0)).unwrap();
        let root = Directory::open(temp.path()).unwrap();
        let replace = || {
            std::fs::write(&path, record(b"new", 0)).unwrap();
            7
        };
        let found = read(&root, "record", replace).unwrap();
        assert_eq!(found, Found::Value(Bytes::from_static(b"old")));
    }

    #[test]
    fn truncated_and_lengthened_records_are_garbage() {
        let whole = record(b"value", 0);
        for len in 0..whole.len() {
            assert_eq!(decode(whole.slice(..len), 0), Found::Garbage, "{len} bytes");
        }
        let longer = [&whole[..], b"x"].concat();
        assert_eq!(decode(longer.into(), 0), Found::Garbage);
    }

    #[test]
    fn another_format_is_garbage() {
        let mut other = record(b"value", 0).to_vec();
        other[3] += 1;
        assert_eq!(decode(other.into(), 0), Found::Garbage);
        assert_eq!(decode(vec![0; 100].into(), 0), Found::Garbage);
    }

    #[test]
    fn a_value_too_large_is_refused() {
        assert!(encode(&vec![0; MAX_VALUE], 0).is_ok());
        let error = encode(&vec![0; MAX_VALUE + 1], 0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
    }
}
