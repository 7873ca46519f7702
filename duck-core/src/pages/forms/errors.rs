//! What is wrong with a form, field by field.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::name;

/// Messages by the full name of their field; those of the form as a whole have an empty name.
#[derive(Debug, Default)]
pub(super) struct Errors(BTreeMap<String, Vec<String>>);

impl Errors {
    pub(super) fn add(&mut self, field: &str, message: String) {
        let messages = self.0.entry(field.to_owned()).or_default();
        if !messages.contains(&message) {
            messages.push(message);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many fields have messages.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn has(&self, field: &str) -> bool {
        self.0.contains_key(field)
    }

    /// The messages of a field and of all that is inside of it.
    pub(super) fn within(&self, field: &str) -> impl Iterator<Item = &String> {
        // Names that begin with the field's stand together.
        let from = self
            .0
            .range::<str, _>((Bound::Included(field), Bound::Unbounded));
        from.take_while(move |(name, _)| name.starts_with(field))
            .filter(move |(name, _)| name::is_within(name, field))
            .flat_map(|(_, messages)| messages)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        let all = self.0.iter();
        all.map(|(name, messages)| (name.as_str(), messages.as_slice()))
    }
}
