//! A place in a form that is being read. It knows the name of the field it is at.

use super::name;
use super::reading::Reading;
use super::tree::{Entry, Node};
use super::upload::Upload;
use crate::http::fields::Problem;

/// A place in a form, and what was sent for it.
pub(super) struct Reader<'a> {
    pub(super) node: Option<&'a Node>,
    /// One text of several under a name: the element of a list.
    single: Option<&'a Entry>,
    pub(super) name: String,
    /// A stand-in, as what is around it is one.
    forced: Option<usize>,
    pub(super) reading: &'a Reading,
}

impl<'a> Reader<'a> {
    pub(super) fn new(node: &'a Node, reading: &'a Reading) -> Self {
        Self {
            node: Some(node),
            single: None,
            name: String::new(),
            forced: None,
            reading,
        }
    }

    pub(super) fn inner(&self, part: &str) -> Self {
        let name = name::join(&self.name, part);
        Self {
            node: self.node.and_then(|node| node.fields.get(part)),
            single: None,
            forced: self.refused(),
            name,
            reading: self.reading,
        }
    }

    /// The stand-in of what was refused.
    fn refused(&self) -> Option<usize> {
        let own = || self.reading.stand_ins.get(&self.name).copied();
        self.forced.or_else(own)
    }

    pub(super) fn stand_in(&self) -> Option<usize> {
        self.refused()
            .or_else(|| self.reading.is_asking().then_some(0))
    }

    /// What was sent for this field: of several, the last counts, so that a hidden field can stand
    /// before a checkbox.
    pub(super) fn entry(&self) -> Option<&'a Entry> {
        let last = || self.node.and_then(|node| node.entries.last());
        self.single.or_else(last)
    }

    pub(super) fn is_empty(&self) -> bool {
        match (self.single, self.node) {
            (Some(entry), _) => entry.is_empty(),
            (None, node) => node.is_none_or(Node::is_empty),
        }
    }

    /// The text to read a value from.
    pub(super) fn text(&self) -> Result<&'a str, Problem> {
        match self.entry() {
            Some(Entry::Text(text)) => Ok(text),
            Some(Entry::Unreadable) => Err(Problem::Unreadable),
            Some(Entry::File(_) | Entry::Unwanted) => Err(Problem::Text),
            None => Err(Problem::Required),
        }
    }

    /// The same where nothing is not a value.
    pub(super) fn filled_text(&self) -> Result<&'a str, Problem> {
        match self.text()? {
            "" => Err(Problem::Required),
            text => Ok(text),
        }
    }

    /// The fields of a struct that are handed over, in their order.
    pub(super) fn handed_over(&self, fields: &'static [&'static str]) -> Vec<&'static str> {
        let reading = self.reading;
        let all = name::of_all_elements(&self.name);
        let is_there = |field: &&str| {
            if reading.held_back.contains(&name::join(&self.name, field)) {
                return false;
            }
            let was_sent = || {
                self.node
                    .is_some_and(|node| node.fields.contains_key(*field))
            };
            let is_supplied = || reading.supplied.contains(&name::join(&all, field));
            reading.is_asking() || was_sent() || is_supplied()
        };
        let mut handed: Vec<_> = fields.iter().copied().filter(is_there).collect();
        if !reading.last.is_empty() {
            handed.sort_by_key(|field| reading.last.contains(&name::join(&self.name, field)));
        }
        handed
    }

    /// The elements of a list that was sent.
    pub(super) fn elements(&self) -> Vec<Self> {
        let Some(node) = self.node else {
            return Vec::new();
        };
        let numbered = (0..node.fields.len()).map(|number| self.inner(&number.to_string()));
        let mut elements: Vec<_> = numbered.filter(|element| element.node.is_some()).collect();
        for entry in node.filled() {
            let number = elements.len().to_string();
            elements.push(Self {
                node: None,
                single: Some(entry),
                ..self.inner(&number)
            });
        }
        elements
    }

    pub(super) fn depth(&self) -> usize {
        self.name.matches(['.', '[']).count()
    }

    pub(super) fn file(&self) -> Result<Upload, Problem> {
        match self.entry() {
            Some(Entry::File(file)) => Ok(file.clone()),
            Some(Entry::Text(_) | Entry::Unreadable) => Err(Problem::File),
            Some(Entry::Unwanted) | None => Err(Problem::Required),
        }
    }
}
