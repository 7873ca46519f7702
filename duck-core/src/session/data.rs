use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::{BufMut, Bytes};

/// Keys that begin with this are the framework's own.
const RESERVED: &str = "_duck";

/// Under this key a session keeps who is logged in.
pub(super) const USER: &str = "_duck.user";

/// Under this key a session keeps what the tokens in its forms are made of: see `csrf.rs`.
pub(super) const CSRF_SECRET: &str = "_duck.csrf";

/// Under this key a session keeps an expiry of its own.
pub(super) const EXPIRY: &str = "_duck.expiry";

/// What a session holds: keys, each with a value in JSON.
///
/// It is one text of bytes, as it is stored: for each key, in order, its length and the length of its value
/// (seven bits a byte, the lowest first), the key and the value. So a request that reads one key of thirty
/// parses one value. Clones share the bytes: a change makes new ones, and what nobody changes is never copied.
#[derive(Clone, Default)]
pub struct SessionData {
    /// `None` where there is nothing.
    encoded: Option<Arc<[u8]>>,
}

/// Where a key is in a [`SessionData`], or where it belongs, as long as that does not change.
pub(crate) struct Place {
    entry: Range<usize>,
    /// Where the value begins; `None` where the key is not there.
    value: Option<usize>,
}

impl SessionData {
    /// Reads what [`as_bytes`](Self::as_bytes) gave; `None` where it is anything else.
    ///
    /// ```
    /// use duck::session::SessionData;
    ///
    /// let mut data = SessionData::default();
    /// data.set("visits", b"3");
    /// assert_eq!(SessionData::read(data.as_bytes()), Some(data));
    /// assert_eq!(SessionData::read(b"no session"), None);
    /// ```
    pub fn read(stored: &[u8]) -> Option<Self> {
        let mut last: Option<&[u8]> = None;
        let mut rest = stored;
        while !rest.is_empty() {
            let (key, value) = (length(&mut rest)?, length(&mut rest)?);
            let (key, after) = rest.split_at_checked(key)?;
            (_, rest) = after.split_at_checked(value)?;
            std::str::from_utf8(key).ok()?;
            if last.is_some_and(|last| last >= key) {
                return None;
            }
            last = Some(key);
        }
        Some(Self::of(stored))
    }

    /// The session as it is stored.
    pub fn as_bytes(&self) -> &[u8] {
        self.encoded.as_deref().unwrap_or_default()
    }

    fn of(bytes: &[u8]) -> Self {
        let encoded = (!bytes.is_empty()).then(|| bytes.into());
        Self { encoded }
    }

    /// The session as a JSON object.
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = Vec::with_capacity(self.json_len());
        json.push(b'{');
        for (key, value) in self.entries() {
            if json.len() > 1 {
                json.push(b',');
            }
            write_string(&key, &mut json);
            json.push(b':');
            json.extend_from_slice(value);
        }
        json.push(b'}');
        json
    }

    /// How long the session is as JSON, which is what limits count: exact where no key needs an
    /// escape. Stored, it is hardly ever longer.
    pub fn json_len(&self) -> usize {
        let entries = self.raw().map(|(key, value)| key.len() + value.len() + 4);
        entries.sum::<usize>().max(1) + 1
    }

    /// The JSON text under `key`.
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        self.at(&self.place(key))
    }

    /// Puts JSON text under `key` and returns whether that changed anything.
    pub fn set(&mut self, key: &str, json: &[u8]) -> bool {
        let place = self.place(key);
        let changes = self.at(&place) != Some(json);
        if changes {
            self.put(&place, key, json);
        }
        changes
    }

    /// Takes `key` out, with its JSON text if it was there.
    pub fn remove(&mut self, key: &str) -> Option<Bytes> {
        let place = self.place(key);
        let removed = Bytes::copy_from_slice(self.at(&place)?);
        self.splice(place.entry, &[]);
        Some(removed)
    }

    /// Takes everything of the site's out; the framework's own stays.
    pub fn clear(&mut self) {
        let mut kept = Self::default();
        for (key, value) in self.entries().filter(|(key, _)| is_reserved(key)) {
            kept.set(&key, value);
        }
        *self = kept;
    }

    /// Whether there is nothing at all, of the site's or the framework's.
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }

    /// Whether there is nothing worth keeping: at most an expiry.
    pub fn is_blank(&self) -> bool {
        self.raw().all(|(key, _)| key == EXPIRY.as_bytes())
    }

    /// The site's own keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.site_entries().map(|(key, _)| key)
    }

    /// The site's own keys and their JSON texts, in order.
    pub fn site_entries(&self) -> impl Iterator<Item = (Cow<'_, str>, &[u8])> {
        self.entries().filter(|(key, _)| !is_reserved(key))
    }

    /// All entries, the framework's own included.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (Cow<'_, str>, &[u8])> {
        self.raw()
            .map(|(key, value)| (String::from_utf8_lossy(key), value))
    }

    /// How many keys the site has set.
    pub fn count(&self) -> usize {
        let own = |(key, _): &(&[u8], &[u8])| !key.starts_with(RESERVED.as_bytes());
        self.raw().filter(own).count()
    }

    /// How many keys there are, the framework's own included.
    pub fn total(&self) -> usize {
        self.raw().count()
    }

    /// Where `key` is, or where it belongs.
    pub(crate) fn place(&self, key: &str) -> Place {
        let (all, key) = (self.as_bytes(), key.as_bytes());
        let mut rest = all;
        while let Some((other, value, after)) = next_entry(rest) {
            let (start, end) = (all.len() - rest.len(), all.len() - after.len());
            match other.cmp(key) {
                std::cmp::Ordering::Less => rest = after,
                std::cmp::Ordering::Equal => {
                    let value = Some(end - value.len());
                    return Place {
                        entry: start..end,
                        value,
                    };
                }
                std::cmp::Ordering::Greater => break,
            }
        }
        let at = all.len() - rest.len();
        Place {
            entry: at..at,
            value: None,
        }
    }

    /// The JSON text at a place; `None` where the key is not there.
    pub(crate) fn at(&self, place: &Place) -> Option<&[u8]> {
        self.as_bytes().get(place.value?..place.entry.end)
    }

    /// Puts JSON text at the place of a key.
    pub(crate) fn put(&mut self, place: &Place, key: &str, json: &[u8]) {
        self.splice(place.entry.clone(), &[(key, json)]);
    }

    /// Replaces a part by these entries.
    fn splice(&mut self, part: Range<usize>, entries: &[(&str, &[u8])]) {
        let before = self.as_bytes();
        let more: usize = entries
            .iter()
            .map(|(key, json)| key.len() + json.len() + 10)
            .sum();
        let most = before.len() - part.len() + more;
        // Most sessions are small: put together on the stack, they are copied once.
        let (mut few, mut many) = ([0; 512], Vec::new());
        let bytes = if most <= few.len() {
            &mut few[..]
        } else {
            many.resize(most, 0);
            &mut many[..]
        };
        let mut rest = &mut *bytes;
        rest.put_slice(&before[..part.start]);
        for (key, json) in entries {
            write_length(key.len(), &mut rest);
            write_length(json.len(), &mut rest);
            rest.put_slice(key.as_bytes());
            rest.put_slice(json);
        }
        rest.put_slice(&before[part.end..]);
        let left = rest.len();
        *self = Self::of(&bytes[..bytes.len() - left]);
    }

    fn raw(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = self.as_bytes();
        std::iter::from_fn(move || {
            let (key, value, after) = next_entry(rest)?;
            rest = after;
            Some((key, value))
        })
    }
}

/// The first key and its value, and what is after them.
fn next_entry(mut rest: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (key, value) = (length(&mut rest)?, length(&mut rest)?);
    let (key, rest) = rest.split_at_checked(key)?;
    let (value, rest) = rest.split_at_checked(value)?;
    Some((key, value, rest))
}

/// Whether a key is the framework's own.
pub(crate) fn is_reserved(key: &str) -> bool {
    key.starts_with(RESERVED)
}

fn write_string(text: &str, json: &mut Vec<u8>) {
    serde_json::to_writer(json, text).expect("a Vec takes every write");
}

/// Takes a length off the front.
fn length(rest: &mut &[u8]) -> Option<usize> {
    let mut length = 0_u32;
    for shift in [0, 7, 14, 21, 28] {
        let (first, after) = rest.split_first()?;
        *rest = after;
        length |= u32::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return usize::try_from(length).ok();
        }
    }
    None
}

fn write_length(mut length: usize, rest: &mut impl BufMut) {
    while length > 0x7f {
        rest.put_u8(length.to_le_bytes()[0] | 0x80);
        length >>= 7;
    }
    rest.put_u8(length.to_le_bytes()[0]);
}

impl PartialEq for SessionData {
    fn eq(&self, other: &Self) -> bool {
        let (one, other) = (self.as_bytes(), other.as_bytes());
        std::ptr::eq(one, other) || one == other
    }
}

impl Eq for SessionData {}

impl fmt::Debug for SessionData {
    /// Keys only: the values are the visitor's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let mut data = SessionData::default();
        assert_eq!(SessionData::read(b"").unwrap(), data);
        assert!(data.set("b", b"1"));
        assert!(data.set("a \"quoted\"\n", b"{\"x\":[1,2]}"));
        assert!(!data.set("b", b"1"));
        assert_eq!(data.to_json(), br#"{"a \"quoted\"\n":{"x":[1,2]},"b":1}"#);
        for length in [127, 128, 16_383, 16_384, 70_000] {
            let (key, value) = ("k".repeat(length), vec![b'7'; length]);
            data.set(&key, &value);
            let read = SessionData::read(data.as_bytes()).unwrap();
            assert_eq!(read, data);
            assert_eq!(read.get(&key), Some(&value[..]));
        }
    }

    #[test]
    fn refuses_what_it_did_not_write() {
        let mut data = SessionData::default();
        data.set("a", b"1");
        data.set("b", b"[]");
        let whole = data.as_bytes();
        let ends: Vec<_> = (0..=whole.len())
            .filter(|end| SessionData::read(&whole[..*end]).is_some())
            .collect();
        assert_eq!(
            ends,
            [0, 4, whole.len()],
            "a cut is noticed within an entry"
        );
        for bad in [
            &b"\x01\x01b1\x01\x01a1"[..],
            b"\x01\x01a1\x01\x01a2",
            b"\x01\x01\xff1",
            b"\xff\xff\xff\xff\xff\x01",
            b"\x80",
            b"\x7f\x01a",
        ] {
            assert!(SessionData::read(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_key_is_put_in_its_place_and_taken_out_of_it() {
        let mut data = SessionData::default();
        for key in ["m", "z", "a", "mm", "b"] {
            data.set(key, key.as_bytes());
        }
        assert_eq!(data.keys().collect::<Vec<_>>(), ["a", "b", "m", "mm", "z"]);
        data.set("m", b"longer than before");
        assert_eq!(data.remove("b").as_deref(), Some(&b"b"[..]));
        assert_eq!(data.remove("b"), None);
        assert_eq!(data.get("m"), Some(&b"longer than before"[..]));
        assert_eq!((data.get("mm"), data.get("c")), (Some(&b"mm"[..]), None));
        assert_eq!(SessionData::read(data.as_bytes()), Some(data));
    }

    #[test]
    fn what_one_clone_changes_the_other_does_not_see() {
        let mut data = SessionData::default();
        data.set("a", b"1");
        let mut other = data.clone();
        other.set("a", b"2");
        assert_eq!(
            (data.get("a"), other.get("a")),
            (Some(&b"1"[..]), Some(&b"2"[..]))
        );
    }

    #[test]
    fn the_frameworks_keys_are_neither_shown_nor_cleared() {
        let mut data = SessionData::default();
        data.set("_duck.user", b"\"7\"");
        data.set("cart", b"[]");
        assert_eq!(data.keys().collect::<Vec<_>>(), ["cart"]);
        data.clear();
        assert_eq!((data.total(), data.is_empty()), (1, false));
    }
}
