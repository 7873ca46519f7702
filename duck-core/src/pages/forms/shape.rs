//! What a form is made of: its type is asked once.

use std::any::{TypeId, type_name};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use super::form_type::FormType;
use super::name;
use super::reader::Reader;
use super::reading::{Asked, Reading};
use super::stand_in;
use super::tree::Node;
use crate::http::fields::Problem;
use crate::http::request_error::RequestError;

/// Names that a form has for itself.
const OWN_NAMES: [&str; 4] = ["errors", "fields", "is_bound", "enctype"];

/// The fields of a type.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) root: Field,
    /// The fields that the type wants handed over: `rows[].done`.
    pub(super) wanted: HashSet<String>,
    /// The stand-ins that were taken, where that was not the first.
    pub(super) stand_ins: HashMap<String, usize>,
    pub(super) has_file: bool,
    /// Some fields have several names.
    pub(super) has_aliases: bool,
}

#[derive(Debug)]
pub(super) struct Field {
    /// Of a struct around it, not the whole name.
    pub(super) part: &'static str,
    /// The type wants it.
    pub(super) is_wanted: bool,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Value(Asked),
    Struct(Vec<Field>),
    List(Box<Field>),
}

impl Shape {
    /// The shape of a type. It does not change, and is kept.
    pub(super) fn of<T: FormType>() -> Result<Arc<Self>, RequestError> {
        static SHAPES: LazyLock<RwLock<HashMap<TypeId, Arc<Shape>>>> =
            LazyLock::new(RwLock::default);
        let id = TypeId::of::<T>();
        let shapes = SHAPES.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(shape) = shapes.get(&id) {
            return Ok(shape.clone());
        }
        drop(shapes);
        let shape = Arc::new(Self::ask::<T>());
        shape.check::<T>()?;
        let mut shapes = SHAPES.write().unwrap_or_else(PoisonError::into_inner);
        Ok(shapes.entry(id).or_insert(shape).clone())
    }

    fn ask<T: FormType>() -> Self {
        let mut question = Reading {
            asked: Some(RefCell::default()),
            ..Reading::default()
        };
        answer::<T>(&mut question);
        let asked = question.asked.take().unwrap_or_default().into_inner();
        let mut wanted = HashSet::new();
        for (outer, inner) in asked.iter().filter_map(|(outer, asked)| match asked {
            Asked::Struct(fields) => Some((outer, fields)),
            _ => None,
        }) {
            for field in inner {
                if wants::<T>(&question, outer, field) {
                    wanted.insert(name::of_all_elements(&name::join(outer, field)));
                }
            }
        }
        let stand_ins = question.stand_ins.iter();
        Self {
            has_file: asked.values().any(|asked| *asked == Asked::File),
            root: Field::build("", "", &asked, &wanted).unwrap_or(Field {
                part: "",
                is_wanted: false,
                kind: Kind::Struct(Vec::new()),
            }),
            stand_ins: stand_ins
                .map(|(field, number)| (name::of_all_elements(field), *number))
                .collect(),
            has_aliases: !question.held_back.is_empty(),
            wanted,
        }
    }

    fn check<T>(&self) -> Result<(), RequestError> {
        let Kind::Struct(fields) = &self.root.kind else {
            return Ok(());
        };
        match fields.iter().find(|field| OWN_NAMES.contains(&field.part)) {
            Some(field) => Err(RequestError::internal(format!(
                "`{}` has a field named `{}`, which is what every form has for itself: name it otherwise",
                type_name::<T>(),
                field.part
            ))),
            None => Ok(()),
        }
    }

    /// The field of that name.
    pub(super) fn find(&self, field: &str) -> Option<&Field> {
        let mut found = &self.root;
        for part in name::parts(field).ok()? {
            found = match &found.kind {
                Kind::Struct(fields) => fields.iter().find(|field| field.part == part)?,
                Kind::List(element) if name::is_number(part) => element,
                Kind::List(_) | Kind::Value(_) => return None,
            };
        }
        Some(found)
    }
}

impl Field {
    fn build(
        full: &str,
        part: &'static str,
        asked: &BTreeMap<String, Asked>,
        wanted: &HashSet<String>,
    ) -> Option<Self> {
        let kind = match asked.get(full)? {
            Asked::Struct(fields) => Kind::Struct(
                fields
                    .iter()
                    .filter_map(|field| Self::build(&name::join(full, field), field, asked, wanted))
                    .collect(),
            ),
            Asked::List => {
                let element = Self::build(&name::join(full, "0"), part, asked, wanted)?;
                Kind::List(Box::new(element))
            }
            value => Kind::Value(value.clone()),
        };
        Some(Self {
            part,
            is_wanted: wanted.contains(&name::of_all_elements(full)),
            kind,
        })
    }
}

/// Has the type read stand-ins until it takes them, or there are none left.
fn answer<T: FormType>(question: &mut Reading) {
    let nothing = Node::default();
    while let Err(error) = T::deserialize(Reader::new(&nothing, question)) {
        let refused = error.name.unwrap_or_default();
        let is_new = match (error.missing, error.problem) {
            (Some(field), _) => question.supplied.insert(name::join(&refused, field)),
            (None, Problem::Duplicate) => question.held_back.insert(refused),
            (None, _) => question.try_next(&refused),
        };
        if !is_new {
            return;
        }
    }
}

/// Whether the type cannot be read without this field.
fn wants<T: FormType>(question: &Reading, outer: &str, field: &str) -> bool {
    let mut without = Reading {
        supplied: question.supplied.clone(),
        stand_ins: question.stand_ins.clone(),
        last: question.last.clone(),
        held_back: question.held_back.clone(),
        asked: Some(RefCell::default()),
        first: HashMap::new(),
    };
    if !without.held_back.insert(name::join(outer, field)) {
        return false;
    }
    let read = T::deserialize(Reader::new(&Node::default(), &without));
    read.is_err_and(|error| error.missing == Some(field) && error.name.as_deref() == Some(outer))
}

impl Reading {
    /// Has a refused field read as the next stand-in; after the last one, moves it behind all others.
    /// `false` where it is there already.
    pub(super) fn try_next(&mut self, field: &str) -> bool {
        let next = match self.stand_ins.get(field) {
            Some(number) => number + 1,
            None if self.asked.is_some() => 1,
            None => self
                .first
                .get(&name::of_all_elements(field))
                .copied()
                .unwrap_or(0),
        };
        if next < stand_in::COUNT {
            self.stand_ins.insert(field.to_owned(), next);
            return true;
        }
        let ends = field
            .char_indices()
            .filter(|(_, character)| matches!(character, '.' | '['))
            .map(|(end, _)| end)
            .chain([field.len()]);
        let mut is_new = false;
        for end in ends {
            is_new |= self.last.insert(field[..end].to_owned());
        }
        is_new
    }
}
