//! A form as a template sees it.

use serde::{Serialize, Serializer};

use super::errors::Errors;
use super::name;
use super::reading::Asked;
use super::shape::{Field, Kind, Shape};
use super::tree::{Entry, Node};
use crate::http::fields;

/// The form: its fields by their names, and what it says of itself.
pub(super) fn form<'a>(
    shape: &'a Shape,
    tree: &'a Node,
    errors: &'a Errors,
    is_bound: bool,
) -> DrawnForm<'a> {
    let all = Drawn::of(&shape.root, "", Some(tree), errors, true);
    let mut flat = Vec::new();
    all.collect(&mut flat);
    DrawnForm {
        errors: whole(shape, errors),
        fields: flat.into_iter().cloned().collect(),
        is_bound,
        enctype: if shape.has_file {
            "multipart/form-data"
        } else {
            "application/x-www-form-urlencoded"
        },
        by_name: match all {
            Drawn::Struct(by_name) => by_name,
            Drawn::Field(_) | Drawn::Rows(_) => ByName::default(),
        },
    }
}

#[derive(Debug, Serialize)]
pub(super) struct DrawnForm<'a> {
    errors: Vec<String>,
    fields: Vec<DrawnField<'a>>,
    is_bound: bool,
    enctype: &'static str,
    #[serde(flatten)]
    by_name: ByName<'a>,
}

impl DrawnForm<'_> {
    /// How many fields there are.
    pub(super) fn fields(&self) -> usize {
        self.fields.len()
    }
}

/// In the order of the struct.
#[derive(Debug, Default)]
struct ByName<'a>(Vec<(&'a str, Drawn<'a>)>);

impl Serialize for ByName<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, field)| (name, field)))
    }
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Drawn<'a> {
    Field(Box<DrawnField<'a>>),
    Struct(ByName<'a>),
    Rows(Vec<Drawn<'a>>),
}

#[derive(Debug, Clone, Serialize)]
struct DrawnField<'a> {
    name: String,
    id: String,
    r#type: &'static str,
    label: String,
    required: bool,
    multiple: bool,
    min: Option<u8>,
    step: Option<&'static str>,
    options: Vec<Choice<'a>>,
    value: Shown<'a>,
    values: Vec<&'a str>,
    errors: Vec<&'a String>,
}

/// What stands in a field. A checkbox is on or off.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum Shown<'a> {
    Text(&'a str),
    IsOn(bool),
}

#[derive(Debug, Clone, Serialize)]
struct Choice<'a> {
    value: &'a str,
    label: String,
}

/// The messages of the form itself, and of fields that no template can show.
fn whole(shape: &Shape, errors: &Errors) -> Vec<String> {
    let is_shown = |field: &str| {
        let found = shape.find(field).or_else(|| {
            // Of one text among several of a field.
            let (list, _) = field.rsplit_once('[')?;
            shape.find(list)
        });
        found.is_some_and(|found| match &found.kind {
            Kind::Value(_) => true,
            Kind::List(element) => matches!(element.kind, Kind::Value(_)),
            Kind::Struct(_) => false,
        })
    };
    let said = |(field, messages): (&str, &[String])| {
        let named = |message: &String| match field {
            "" => message.clone(),
            field => format!("{}: {message}", fields::shown(field)),
        };
        messages.iter().map(named).collect::<Vec<_>>()
    };
    errors
        .iter()
        .filter(|(field, _)| field.is_empty() || !is_shown(field))
        .flat_map(said)
        .collect()
}

impl<'a> Drawn<'a> {
    fn of(
        field: &'a Field,
        full: &str,
        node: Option<&'a Node>,
        errors: &'a Errors,
        is_needed: bool,
    ) -> Self {
        let value = |asked| DrawnField::of(field.part, full, asked, node, errors);
        match &field.kind {
            Kind::Struct(fields) => {
                let inner = fields.iter().map(|field| {
                    let node = node.and_then(|node| node.fields.get(field.part));
                    let full = name::join(full, field.part);
                    let is_needed = is_needed && field.is_wanted;
                    (field.part, Self::of(field, &full, node, errors, is_needed))
                });
                Self::Struct(ByName(inner.collect()))
            }
            Kind::List(element) => match &element.kind {
                Kind::Value(asked) => Self::Field(Box::new(DrawnField {
                    multiple: true,
                    ..value(asked)
                })),
                _ => Self::rows(element, full, node, errors),
            },
            Kind::Value(asked) => Self::Field(Box::new(DrawnField {
                required: is_needed && *asked != Asked::YesOrNo,
                ..value(asked)
            })),
        }
    }

    /// The rows that there are, or an empty one.
    fn rows(element: &'a Field, full: &str, node: Option<&'a Node>, errors: &'a Errors) -> Self {
        let count = node.map_or(0, |node| node.fields.len()).max(1);
        let row = |number: usize| {
            let part = number.to_string();
            let node = node.and_then(|node| node.fields.get(&part));
            Self::of(element, &name::join(full, &part), node, errors, true)
        };
        Self::Rows((0..count).map(row).collect())
    }

    fn collect<'b>(&'b self, all: &mut Vec<&'b DrawnField<'a>>) {
        match self {
            Self::Field(field) => all.push(field),
            Self::Struct(fields) => fields.0.iter().for_each(|(_, field)| field.collect(all)),
            Self::Rows(rows) => rows.iter().for_each(|row| row.collect(all)),
        }
    }
}

impl<'a> DrawnField<'a> {
    fn of(
        part: &'a str,
        full: &str,
        asked: &Asked,
        node: Option<&'a Node>,
        errors: &'a Errors,
    ) -> Self {
        let texts = texts(node);
        let last = texts.last().copied().unwrap_or_default();
        Self {
            name: full.to_owned(),
            id: id(full),
            r#type: input_type(asked),
            label: label(part),
            required: false,
            multiple: false,
            min: matches!(asked, Asked::Whole { is_signed: false }).then_some(0),
            step: matches!(asked, Asked::Number).then_some("any"),
            options: match asked {
                Asked::Choice(variants) => variants.iter().copied().map(Choice::of).collect(),
                _ => Vec::new(),
            },
            value: match asked {
                Asked::YesOrNo => Shown::IsOn(fields::yes_or_no(last) == Some(true)),
                _ => Shown::Text(last),
            },
            values: texts,
            errors: errors.within(full).collect(),
        }
    }
}

impl<'a> Choice<'a> {
    fn of(value: &'a str) -> Self {
        Self {
            value,
            label: label(value),
        }
    }
}

/// The texts of a field, and of the elements of a list of texts.
fn texts(node: Option<&Node>) -> Vec<&str> {
    let Some(node) = node else {
        return Vec::new();
    };
    let elements = (0..node.fields.len()).filter_map(|number| node.fields.get(&number.to_string()));
    let elements = elements.filter_map(|element| element.entries.last());
    let all = elements.chain(&node.entries);
    all.filter_map(Entry::as_text).collect()
}

fn input_type(asked: &Asked) -> &'static str {
    match asked {
        Asked::Whole { .. } | Asked::Number => "number",
        Asked::YesOrNo => "checkbox",
        Asked::Choice(_) => "select",
        Asked::File => "file",
        Asked::Text | Asked::Struct(_) | Asked::List => "text",
    }
}

/// `rows[0].price` as `id_rows_0_price`.
fn id(full: &str) -> String {
    let mut id = String::from("id");
    for part in name::parts(full).unwrap_or_default() {
        id.push('_');
        id.extend(part.chars().map(|character| match character {
            '_' | '-' => character,
            _ if character.is_alphanumeric() => character,
            _ => '_',
        }));
    }
    id
}

/// `favourite_color` as "Favourite color".
fn label(part: &str) -> String {
    let words = part.replace(['_', '-'], " ");
    let mut characters = words.trim().chars();
    let first = characters.next();
    let first = first.into_iter().flat_map(char::to_uppercase);
    first.chain(characters).collect()
}
