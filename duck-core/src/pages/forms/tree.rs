//! What was sent, as a tree: fields within fields.

use std::collections::BTreeMap;

use serde_json::Value;

use super::name;
use super::upload::Upload;

/// One thing that was sent for a field.
#[derive(Debug, Clone)]
pub(super) enum Entry {
    Text(String),
    /// Bytes that are not UTF-8, or that no database would take.
    Unreadable,
    File(Upload),
    /// A file for a field that is none. It was not kept.
    Unwanted,
}

/// A field: what was sent under its own name, and the fields inside of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    pub(super) entries: Vec<Entry>,
    pub(super) fields: BTreeMap<String, Node>,
}

impl Entry {
    pub(super) fn text(text: String) -> Self {
        if text.contains('\0') {
            Self::Unreadable
        } else {
            Self::Text(text)
        }
    }

    pub(super) fn from_bytes(bytes: Vec<u8>) -> Self {
        String::from_utf8(bytes).map_or(Self::Unreadable, Self::text)
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Text(text) if text.is_empty())
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl Node {
    pub(super) fn insert(&mut self, parts: &[&str], entry: Entry) {
        let mut node = self;
        for part in parts {
            node = node.fields.entry((*part).to_owned()).or_default();
        }
        node.entries.push(entry);
    }

    /// Whether nothing was entered.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.iter().all(Entry::is_empty) && self.fields.values().all(Self::is_empty)
    }

    /// What was entered, or chosen, under its own name.
    pub(super) fn filled(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| !entry.is_empty())
    }

    /// Numbers the elements of lists from 0 on, in the order of the numbers they were sent with. An
    /// element in which nothing was entered is left out.
    pub(super) fn number_elements(&mut self) {
        self.fields.values_mut().for_each(Self::number_elements);
        if self.fields.keys().any(|key| !name::is_number(key)) {
            return;
        }
        let mut elements: Vec<_> = std::mem::take(&mut self.fields).into_iter().collect();
        elements.retain(|(_, element)| !element.is_empty());
        // The longer number is the larger one: `insert` is called with small ones only.
        elements.sort_by_key(|(key, _)| key.parse::<usize>().unwrap_or(usize::MAX));
        let numbered = elements.into_iter().enumerate();
        self.fields = numbered
            .map(|(number, (_, element))| (number.to_string(), element))
            .collect();
    }

    /// Leaves the files to whoever has read them.
    pub(super) fn forget_files(&mut self) {
        self.fields.values_mut().for_each(Self::forget_files);
        self.entries
            .retain(|entry| !matches!(entry, Entry::File(_)));
    }

    /// The names of all fields with an entry like that.
    pub(super) fn find(&self, is_such: fn(&Entry) -> bool) -> Vec<String> {
        let mut found = Vec::new();
        self.look(String::new(), is_such, &mut found);
        found
    }

    fn look(&self, own: String, is_such: fn(&Entry) -> bool, found: &mut Vec<String>) {
        for (part, field) in &self.fields {
            field.look(name::join(&own, part), is_such, found);
        }
        if self.entries.iter().any(is_such) {
            found.push(own);
        }
    }
}

/// The values that an edit page begins with.
impl From<Value> for Node {
    fn from(value: Value) -> Self {
        let mut node = Self::default();
        match value {
            Value::Null => {}
            Value::Bool(is_on) => node.entries.push(Entry::Text(is_on.to_string())),
            Value::Number(number) => node.entries.push(Entry::Text(number.to_string())),
            Value::String(text) => node.entries.push(Entry::Text(text)),
            Value::Array(elements) => {
                let numbered = elements.into_iter().enumerate();
                node.fields = numbered
                    .map(|(number, element)| (number.to_string(), element.into()))
                    .collect();
            }
            Value::Object(fields) => {
                node.fields = fields
                    .into_iter()
                    .map(|(name, field)| (name, field.into()))
                    .collect();
            }
        }
        node
    }
}
