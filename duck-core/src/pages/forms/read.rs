//! A form read as its type, with all that is wrong with it.

use std::collections::HashSet;

use super::errors::Errors;
use super::form_type::FormType;
use super::name;
use super::reader::Reader;
use super::reading::Reading;
use super::rules;
use super::shape::Shape;
use super::tree::{Entry, Node};
use super::wording::Words;
use crate::http::fields::Problem;

/// After so many wrong fields the others are not looked at. Each costs another reading of the form.
const MAX_ERRORS: usize = 50;

/// Reads a form. There is a value only where nothing is wrong.
pub(super) fn read<T: FormType>(
    tree: &Node,
    shape: &Shape,
    words: &Words<'_>,
    mut errors: Errors,
) -> (Option<T>, Errors) {
    let value = all_fields::<T>(tree, shape, words, &mut errors);
    for field in tree.find(|entry| matches!(entry, Entry::Unreadable)) {
        if !errors.has(&field) {
            errors.add(&field, words.say(&Problem::Unreadable));
        }
    }
    if let Some(value) = &value {
        let refused: Vec<String> = errors.iter().map(|(name, _)| name.to_owned()).collect();
        for (field, message) in rules::check(value, shape, words) {
            let is_refused = |refused: &String| name::is_within(&field, refused);
            if !refused
                .iter()
                .filter(|name| !name.is_empty())
                .any(is_refused)
            {
                errors.add(&field, message);
            }
        }
    }
    (value.filter(|_| errors.is_empty()), errors)
}

/// Reads until the type is content, or takes no stand-in for what is wrong.
fn all_fields<T: FormType>(
    tree: &Node,
    shape: &Shape,
    words: &Words<'_>,
    errors: &mut Errors,
) -> Option<T> {
    let mut reading = Reading {
        // With several names for a field, what is missing is not known before it is missed.
        supplied: if shape.has_aliases {
            HashSet::new()
        } else {
            shape.wanted.clone()
        },
        first: shape.stand_ins.clone(),
        ..Reading::default()
    };
    loop {
        let error = match T::deserialize(Reader::new(tree, &reading)) {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        let mut field = error.name.unwrap_or_default();
        if let Some(missing) = error.missing {
            field = name::join(&field, missing);
            if reading.supplied.insert(name::of_all_elements(&field)) {
                continue;
            }
        }
        if !errors.has(&field) {
            errors.add(&field, words.say(&error.problem));
        }
        let goes_on = if error.problem == Problem::Duplicate {
            reading.held_back.insert(field)
        } else {
            reading.try_next(&field)
        };
        if !goes_on || errors.len() >= MAX_ERRORS {
            return None;
        }
    }
}
