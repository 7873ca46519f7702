//! The body of a request as the entries of a form.

use bytes::Bytes;

use super::name;
use super::reading::Asked;
use super::shape::{Kind, Shape};
use super::tree::{Entry, Node};
use super::upload::Upload;
use crate::http::fields::{self, Fields, Problem};
use crate::http::parsing;
use crate::http::request::Request;
use crate::http::request_error::RequestError;

/// A body that has arrived, not taken apart yet where it is one text.
pub(super) enum Sent {
    Encoded(Bytes),
    Parts(Vec<(String, Entry)>),
}

/// The tree of a form, and what is wrong with its names.
pub(super) struct Fielded {
    pub(super) tree: Node,
    pub(super) wrong: Vec<(String, Problem)>,
}

impl Sent {
    pub(super) async fn receive(request: &Request, shape: &Shape) -> Result<Self, RequestError> {
        if request.is_multipart()? {
            return parts(request, shape).await.map(Self::Parts);
        }
        request.expect_form()?;
        request.bytes().await.map(Self::Encoded)
    }

    /// About how much work it is to take it apart and read it.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Encoded(body) => parsing::weight_of_form(body),
            Self::Parts(entries) => entries
                .iter()
                .map(|(name, entry)| {
                    parsing::weight_of_field(name.len() + entry.as_text().map_or(0, str::len))
                })
                .sum(),
        }
    }

    pub(super) fn into_tree(self, max_fields: usize) -> Result<Fielded, RequestError> {
        let mut fielded = Fielded {
            tree: Node::default(),
            wrong: Vec::new(),
        };
        match self {
            Self::Encoded(body) => {
                let fields = Fields::parse(&body, max_fields)
                    .ok_or_else(|| RequestError::too_large("the form has too many fields"))?;
                for (name, text) in fields.into_pairs() {
                    let entry = Entry::from_bytes(text);
                    match String::from_utf8(name) {
                        Ok(name) => fielded.add(&name, entry, max_fields),
                        Err(_) => {
                            fielded.wrong.push((String::new(), Problem::UnreadableName));
                        }
                    }
                }
            }
            Self::Parts(entries) => {
                for (name, entry) in entries {
                    fielded.add(&name, entry, max_fields);
                }
            }
        }
        fielded.tree.number_elements();
        Ok(fielded)
    }
}

impl Fielded {
    fn add(&mut self, name: &str, entry: Entry, max_fields: usize) {
        let Ok(parts) = name::parts(name) else {
            self.wrong.push((fields::shown(name), Problem::Unknown));
            return;
        };
        let is_small = |part: &str| part.parse().is_ok_and(|number: usize| number < max_fields);
        let large = |part: &&str| name::is_number(part) && !is_small(part);
        match parts.iter().position(large) {
            Some(large) => {
                let list = parts[..large].iter();
                let list = list.fold(String::new(), |list, part| name::join(&list, part));
                self.wrong.push((list, Problem::TooMany(max_fields)));
            }
            None => self.tree.insert(&parts, entry),
        }
    }
}

/// The parts of an upload: texts in memory, files of fields that want one in temporary files.
async fn parts(request: &Request, shape: &Shape) -> Result<Vec<(String, Entry)>, RequestError> {
    let mut entries = Vec::new();
    let mut text_left = request.limits().max_body_bytes;
    let mut parts = request.multipart()?;
    while let Some(part) = parts.next().await? {
        let name = part.name().to_owned();
        let entry = if part.file_name().is_none() {
            if part.is_unchosen() {
                continue;
            }
            let text = part.text_bytes(text_left).await?;
            text_left -= text.len() as u64;
            Entry::from_bytes(text.into())
        } else if wants_file(shape, &name) {
            Entry::File(Upload::receive(part).await?)
        } else {
            Entry::Unwanted
        };
        entries.push((name, entry));
    }
    Ok(entries)
}

fn wants_file(shape: &Shape, field: &str) -> bool {
    let kind = shape.find(field).map(|field| &field.kind);
    match kind {
        Some(Kind::Value(asked)) => *asked == Asked::File,
        Some(Kind::List(element)) => matches!(element.kind, Kind::Value(Asked::File)),
        _ => false,
    }
}
