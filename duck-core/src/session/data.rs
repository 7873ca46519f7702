use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Keys that begin with this are the framework's own.
const RESERVED: &str = "_duck";

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
    /// Reads a JSON object. The values share `json`'s memory.
    ///
    /// # Errors
    ///
    /// When it is not a JSON object.
    pub fn from_json(json: &Bytes) -> serde_json::Result<Self> {
        let mut data = Self::default();
        let mut reader = serde_json::Deserializer::from_slice(json);
        reader.deserialize_map(Entries {
            json,
            data: &mut data,
        })?;
        reader.end()?;
        Ok(data)
    }

    /// The session as a JSON object.
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = Vec::with_capacity(self.json_len());
        self.write_json(&mut json);
        json
    }

    /// Appends the session as a JSON object.
    pub fn write_json(&self, json: &mut Vec<u8>) {
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

    /// How long [`to_json`](Self::to_json) will be: exact where no key needs an escape.
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

    /// Adds an entry as it stands in a document; the last of two equal keys counts.
    fn push(&mut self, key: Key, value: Bytes) {
        match self.entries.last() {
            Some((last, _)) if *last >= key => {
                match self.entries.binary_search_by(|(other, _)| other.cmp(&key)) {
                    Ok(index) => self.entries[index].1 = value,
                    Err(index) => self.entries.insert(index, (key, value)),
                }
            }
            _ => self.entries.push((key, value)),
        }
    }
}

/// Whether a key is the framework's own.
pub(crate) fn is_reserved(key: &[u8]) -> bool {
    key.starts_with(RESERVED.as_bytes())
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

/// Reads a JSON object without parsing its values.
struct Entries<'a> {
    json: &'a Bytes,
    data: &'a mut SessionData,
}

impl<'de> Visitor<'de> for Entries<'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((key, value)) = map.next_entry::<KeyText<'de>, &'de RawValue>()? {
            let key = match key.0 {
                Cow::Borrowed(key) => self.json.slice_ref(key.as_bytes()),
                Cow::Owned(key) => Bytes::from(key),
            };
            self.data
                .push(Key(key), self.json.slice_ref(value.get().as_bytes()));
        }
        Ok(())
    }
}

/// `Cow` itself always reads as owned.
#[derive(serde::Deserialize)]
struct KeyText<'a>(#[serde(borrow)] Cow<'a, str>);

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
        assert!(data.set("b", "1".into()));
        assert!(data.set("a \"quoted\"\n", "{\"x\":[1,2]}".into()));
        assert!(!data.set("b", "1".into()));
        let json = Bytes::from(data.to_json());
        assert_eq!(&json[..], br#"{"a \"quoted\"\n":{"x":[1,2]},"b":1}"#);
        assert_eq!(SessionData::from_json(&json).unwrap(), data);
    }

    #[test]
    fn unordered_and_repeated_keys_are_put_in_order() {
        let data = SessionData::from_json(&Bytes::from_static(br#"{"b":1,"a":2,"b":3}"#)).unwrap();
        assert_eq!(data.to_json(), br#"{"a":2,"b":3}"#);
    }

    #[test]
    fn refuses_what_is_no_object() {
        for bad in ["", "[]", "{", r#"{"a":}"#, r#"{"a":1} x"#, "\u{0}", "{1:2}"] {
            assert!(
                SessionData::from_json(&Bytes::from_static(bad.as_bytes())).is_err(),
                "{bad:?}"
            );
        }
        assert!(SessionData::from_json(&Bytes::from_static(b"{\"\xff\":1}")).is_err());
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
