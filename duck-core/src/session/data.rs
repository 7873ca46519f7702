use std::fmt;

use bytes::Bytes;

/// Keys that begin with this are the framework's own.
const RESERVED: &str = "_duck";

/// Under this key a session keeps who is logged in.
pub(super) const USER: &str = "_duck.user";

/// Under this key a session keeps an expiry of its own.
pub(super) const EXPIRY: &str = "_duck.expiry";

/// The name of a value: text that may share the memory of the document it came from.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(Bytes);

impl Key {
    pub(crate) fn new(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }

    pub(crate) fn as_str(&self) -> &str {
        // Every constructor takes text.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Where a key is in a [`SessionData`], or where it belongs, as long as that does not change.
#[derive(Clone, Copy)]
pub(crate) struct Place(Result<usize, usize>);

/// What a session holds: keys, each with a value in JSON.
///
/// Values stay as text until a view asks for one, so a request that reads one key of thirty
/// parses one. Entries are ordered by key.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SessionData {
    entries: Vec<(Key, Bytes)>,
}

impl SessionData {
    /// Reads what [`write`](Self::write) wrote; `None` where it is anything else. Keys and values
    /// share its memory, and no value is looked into.
    ///
    /// ```
    /// use duck::Bytes;
    /// use duck::session::SessionData;
    ///
    /// let mut data = SessionData::default();
    /// data.set("visits", Bytes::from_static(b"3"));
    /// let mut stored = Vec::new();
    /// data.write(&mut stored);
    /// assert_eq!(SessionData::read(&stored.into()), Some(data));
    /// assert_eq!(SessionData::read(&Bytes::from_static(b"no session")), None);
    /// ```
    pub fn read(stored: &Bytes) -> Option<Self> {
        let mut data = Self::default();
        let mut rest = &stored[..];
        while !rest.is_empty() {
            let (key, value) = (length(&mut rest)?, length(&mut rest)?);
            let (key, after) = rest.split_at_checked(key)?;
            let (value, after) = after.split_at_checked(value)?;
            std::str::from_utf8(key).ok()?;
            let key = Key(stored.slice_ref(key));
            if data.entries.last().is_some_and(|(last, _)| *last >= key) {
                return None;
            }
            data.entries.push((key, stored.slice_ref(value)));
            rest = after;
        }
        Some(data)
    }

    /// Appends the session as it is stored: for each key its length, the length of its value (seven
    /// bits a byte, the lowest first), the key and the value. To read one takes a fraction of what
    /// JSON does.
    pub fn write(&self, stored: &mut Vec<u8>) {
        for (key, value) in &self.entries {
            write_length(key.0.len(), stored);
            write_length(value.len(), stored);
            stored.extend_from_slice(&key.0);
            stored.extend_from_slice(value);
        }
    }

    /// How many bytes [`write`](Self::write) appends.
    pub fn stored_len(&self) -> usize {
        let length = |(key, value): &(Key, Bytes)| {
            let (key, value) = (key.0.len(), value.len());
            length_len(key) + length_len(value) + key + value
        };
        self.entries.iter().map(length).sum()
    }

    /// The session as a JSON object.
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = Vec::with_capacity(self.json_len());
        self.write_json(&mut json);
        json
    }

    fn write_json(&self, json: &mut Vec<u8>) {
        json.push(b'{');
        for (index, (key, value)) in self.entries.iter().enumerate() {
            if index > 0 {
                json.push(b',');
            }
            write_string(&key.0, json);
            json.push(b':');
            json.extend_from_slice(value);
        }
        json.push(b'}');
    }

    /// How long the session is as JSON, which is what limits count: exact where no key needs an
    /// escape. Stored, it is hardly ever longer.
    pub fn json_len(&self) -> usize {
        let entries = self
            .entries
            .iter()
            .map(|(key, value)| key.0.len() + value.len() + 4);
        entries.sum::<usize>().max(1) + 1
    }

    /// The JSON text under `key`.
    pub fn get(&self, key: &str) -> Option<&Bytes> {
        self.find(key).ok().map(|index| &self.entries[index].1)
    }

    /// Puts JSON text under `key` and says whether that changed anything.
    pub fn set(&mut self, key: &str, json: Bytes) -> bool {
        let place = self.place(key);
        let changes = self.at(place) != Some(&json);
        if changes {
            self.put(place, || Key::new(key), json);
        }
        changes
    }

    /// Where `key` is, or where it belongs.
    pub(crate) fn place(&self, key: &str) -> Place {
        Place(self.find(key))
    }

    /// The JSON text at a place; `None` where the key is not there.
    pub(crate) fn at(&self, place: Place) -> Option<&Bytes> {
        place.0.ok().map(|index| &self.entries[index].1)
    }

    /// Puts JSON text at a place; gives the key, and the text it replaces.
    pub(crate) fn put(
        &mut self,
        place: Place,
        key: impl FnOnce() -> Key,
        json: Bytes,
    ) -> (&Key, Option<Bytes>) {
        match place.0 {
            Ok(index) => {
                let (key, value) = &mut self.entries[index];
                (key, Some(std::mem::replace(value, json)))
            }
            Err(index) => {
                self.entries.insert(index, (key(), json));
                (&self.entries[index].0, None)
            }
        }
    }

    /// Takes `key` out, with its JSON text if it was there.
    pub fn remove(&mut self, key: &str) -> Option<Bytes> {
        self.find(key)
            .ok()
            .map(|index| self.entries.remove(index).1)
    }

    /// Takes everything of the site's out; the framework's own stays.
    pub fn clear(&mut self) {
        self.entries.retain(|(key, _)| is_reserved(&key.0));
    }

    /// Whether there is nothing at all, of the site's or the framework's.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether there is nothing worth keeping: at most an expiry.
    pub fn is_blank(&self) -> bool {
        self.entries
            .iter()
            .all(|(key, _)| key.0 == EXPIRY.as_bytes())
    }

    /// The site's own keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.site_entries().map(|(key, _)| key)
    }

    /// The site's own keys and their JSON texts, in order.
    pub fn site_entries(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        self.entries
            .iter()
            .filter(|(key, _)| !is_reserved(&key.0))
            .map(|(key, value)| (key.as_str(), value))
    }

    /// All entries, the framework's own included.
    pub(crate) fn entries(&self) -> Vec<(Key, Bytes)> {
        self.entries.clone()
    }

    /// How many keys there are, the framework's own included.
    pub fn total(&self) -> usize {
        self.entries.len()
    }

    fn find(&self, key: &str) -> Result<usize, usize> {
        self.entries
            .binary_search_by(|(other, _)| other.0.as_ref().cmp(key.as_bytes()))
    }
}

/// Whether a key is the framework's own.
pub(crate) fn is_reserved(key: &[u8]) -> bool {
    key.starts_with(RESERVED.as_bytes())
}

/// How many bytes [`write_length`] takes.
fn length_len(length: usize) -> usize {
    match length {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        0x20_0000..0x1000_0000 => 4,
        _ => 5,
    }
}

fn write_string(text: &[u8], json: &mut Vec<u8>) {
    if text
        .iter()
        .all(|&byte| byte >= 0x20 && byte != b'"' && byte != b'\\')
    {
        json.push(b'"');
        json.extend_from_slice(text);
        json.push(b'"');
    } else {
        let text = std::str::from_utf8(text).unwrap_or_default();
        serde_json::to_writer(json, text).expect("a Vec takes every write");
    }
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

fn write_length(mut length: usize, stored: &mut Vec<u8>) {
    while length > 0x7f {
        stored.push(length.to_le_bytes()[0] | 0x80);
        length >>= 7;
    }
    stored.push(length.to_le_bytes()[0]);
}

impl fmt::Debug for SessionData {
    /// Keys only: the values are the visitor's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(data: &SessionData) -> Bytes {
        let mut stored = Vec::new();
        data.write(&mut stored);
        assert_eq!(stored.len(), data.stored_len());
        stored.into()
    }

    #[test]
    fn reads_what_it_writes() {
        let mut data = SessionData::default();
        assert_eq!(SessionData::read(&Bytes::new()).unwrap(), data);
        assert!(data.set("b", "1".into()));
        assert!(data.set("a \"quoted\"\n", "{\"x\":[1,2]}".into()));
        assert!(!data.set("b", "1".into()));
        assert_eq!(data.to_json(), br#"{"a \"quoted\"\n":{"x":[1,2]},"b":1}"#);
        for length in [127, 128, 16_383, 16_384, 70_000] {
            data.set(&"k".repeat(length), vec![b'7'; length].into());
            assert_eq!(SessionData::read(&stored(&data)).unwrap(), data);
        }
    }

    #[test]
    fn refuses_what_it_did_not_write() {
        let mut data = SessionData::default();
        data.set("a", "1".into());
        data.set("b", "[]".into());
        let whole = stored(&data);
        let ends: Vec<_> = (0..=whole.len())
            .filter(|end| SessionData::read(&whole.slice(..*end)).is_some())
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
            assert!(
                SessionData::read(&Bytes::from_static(bad)).is_none(),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn the_frameworks_keys_are_neither_shown_nor_cleared() {
        let mut data = SessionData::default();
        data.set("_duck.user", "\"7\"".into());
        data.set("cart", "[]".into());
        assert_eq!(data.keys().collect::<Vec<_>>(), ["cart"]);
        data.clear();
        assert_eq!((data.total(), data.is_empty()), (1, false));
    }
}
