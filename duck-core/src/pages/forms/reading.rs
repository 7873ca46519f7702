//! One pass over a form: which fields the type is given, and which of them are stand-ins.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};

/// What a type asked for at one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    Text,
    Whole { is_signed: bool },
    Number,
    YesOrNo,
    Choice(&'static [&'static str]),
    File,
    Struct(Vec<&'static str>),
    List,
}

/// One reading of a form.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// The fields that are handed over although they were not sent, as the type wants them. With
    /// `rows[].done` all rows have one.
    pub(super) supplied: HashSet<String>,
    /// The fields that were refused, and which stand-in each has.
    pub(super) stand_ins: HashMap<String, usize>,
    /// Where the type has shown which stand-in a field takes: the first to try.
    pub(super) first: HashMap<String, usize>,
    /// The fields that take no stand-in, and those around them: handed over last, so that all others
    /// are read.
    pub(super) last: HashSet<String>,
    /// What was asked for, where the type is asked for its fields.
    pub(super) asked: Option<RefCell<BTreeMap<String, Asked>>>,
    /// Fields that are not handed over: to see whether they may be missing, and as they are there
    /// under another of their names.
    pub(super) held_back: HashSet<String>,
}

impl Reading {
    pub(super) fn note(&self, name: &str, what: Asked) {
        if let Some(asked) = &self.asked {
            asked.borrow_mut().entry(name.to_owned()).or_insert(what);
        }
    }

    pub(super) fn is_asking(&self) -> bool {
        self.asked.is_some()
    }
}
