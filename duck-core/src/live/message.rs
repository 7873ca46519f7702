//! What a WebSocket carries.

use bytes::Bytes;

use crate::error::Result;

/// A message of a [`WebSocket`](crate::live::WebSocket): text, or bytes. Fragments are put together, and pings and
/// pongs are the framework's affair.
///
/// ```
/// use duck::live::Message;
///
/// assert_eq!(Message::from("quack").text(), Some("quack"));
/// assert_eq!(Message::from(vec![1, 2]).text(), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A text: scripts get a string.
    Text(String),
    /// Bytes: scripts get a `Blob` or an `ArrayBuffer`.
    Binary(Bytes),
}

impl Message {
    /// A value as JSON, in a text.
    ///
    /// ```
    /// assert_eq!(duck::live::Message::json(&[1, 2])?.text(), Some("[1,2]"));
    /// # Ok::<(), duck::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When serde cannot write the value as JSON.
    #[track_caller]
    pub fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<Self> {
        match serde_json::to_string(value) {
            Ok(json) => Ok(Self::Text(json)),
            Err(error) => Err(error.into()),
        }
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// What it holds, whether text or not.
    ///
    /// ```
    /// assert_eq!(duck::live::Message::from("quack").bytes(), b"quack");
    /// ```
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes.into())
    }
}
