//! Kinds of lines in the log, of which there may be a flood.

use http::StatusCode;

use crate::app::floods::Floods;
use crate::error::Place;

/// What makes two lines one kind: they differ in the request only. A client cannot make up kinds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Kind {
    /// What the line says.
    pub(crate) text: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) view: Option<&'static str>,
    pub(crate) place: Option<Place>,
}

impl Kind {
    /// Of what is known by its status only.
    pub(crate) fn new(text: &'static str, status: StatusCode) -> Self {
        Self {
            text,
            status,
            view: None,
            place: None,
        }
    }

    /// Whether to write a line of this kind: many a second are one line that counts them.
    pub(crate) fn is_admitted(&self, floods: &Floods<Self>) -> bool {
        floods.admit(self, |kind, more| {
            let (text, status, view) = (kind.text, kind.status.as_u16(), kind.view);
            let place = kind.place.as_ref().map(tracing::field::display);
            tracing::error!(target: "duck", more, status, place, view, "more lines of one kind: {text}");
        })
    }
}
