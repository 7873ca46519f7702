use std::fmt;

use serde::{Deserialize, Serialize};

/// A message for the visitor: [`Session::flash`](crate::Session::flash).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Flash {
    /// How it is meant.
    pub level: FlashLevel,
    /// What it says, as text: it has to be escaped before it is HTML.
    pub message: String,
}

/// How a message for the visitor is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FlashLevel {
    /// Something to know.
    Info,
    /// Something went well.
    Success,
    /// Something to look at.
    Warning,
    /// Something went wrong.
    Error,
}

impl FlashLevel {
    /// Its name in lower case, for a class of CSS.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Success => "success",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for FlashLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The messages of one request that are not in the session.
#[derive(Default)]
pub(super) struct Flashes {
    /// Those for this response alone.
    pub(super) now: Vec<Flash>,
    /// Those that were taken out of the session to be shown.
    pub(super) shown: Vec<Flash>,
}
