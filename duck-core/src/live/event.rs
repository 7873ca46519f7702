//! Server-sent events, as they are written: the HTML standard, 9.2.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use crate::error::Result;

/// An event for [`sse`](crate::live::sse): data, and perhaps a name, an id and a time to wait.
///
/// Data may have any number of lines; the browser gets them as they are, with `\n` between them. Names and ids
/// are one line each, so neither can begin another field or another event.
///
/// ```
/// use std::time::Duration;
/// use duck::live::Event;
///
/// let event = Event::new("two\nlines").name("news")?.id("7")?.retry(Duration::from_secs(3));
/// assert_eq!(event.to_string(), "event: news\nid: 7\nretry: 3000\ndata: two\ndata: lines\n\n");
/// assert!(Event::new("").name("news\ndata: forged").is_err());
/// # Ok::<(), duck::live::EventError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The fields before the data.
    fields: String,
    data: String,
}

impl Event {
    /// An event with this text as its data.
    pub fn new(data: impl AsRef<str>) -> Self {
        let text = data.as_ref();
        let mut data = String::with_capacity(text.len() + "data: \n".len());
        for line in lines(text) {
            data.push_str("data: ");
            data.push_str(line);
            data.push('\n');
        }
        Self {
            fields: String::new(),
            data,
        }
    }

    /// An event with a value as JSON for its data.
    ///
    /// ```
    /// let event = duck::live::Event::json(&[1, 2])?;
    /// assert_eq!(event.to_string(), "data: [1,2]\n\n");
    /// # Ok::<(), duck::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When serde cannot write the value as JSON.
    #[track_caller]
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        match serde_json::to_string(value) {
            Ok(json) => Ok(Self::new(json)),
            Err(error) => Err(error.into()),
        }
    }

    /// The same event with a name: a page hears it with `addEventListener(name, …)` in place of `onmessage`.
    ///
    /// # Errors
    ///
    /// When the name has a line break.
    pub fn name(self, name: &str) -> Result<Self, EventError> {
        self.field("event", name)
    }

    /// The same event with an id. A browser that lost the connection sends the last id it got:
    /// [`Request::last_event_id`](crate::Request::last_event_id).
    ///
    /// # Errors
    ///
    /// When the id has a line break, or a NUL, with which browsers would ignore it.
    pub fn id(self, id: impl fmt::Display) -> Result<Self, EventError> {
        let id = id.to_string();
        if id.contains('\0') {
            return Err(EventError("id"));
        }
        self.field("id", &id)
    }

    /// The same event with the time that the browser waits before it connects again, in milliseconds.
    #[must_use]
    pub fn retry(mut self, after: Duration) -> Self {
        self.push("retry", &after.as_millis().to_string());
        self
    }

    fn field(mut self, name: &'static str, value: &str) -> Result<Self, EventError> {
        if value.contains(['\r', '\n']) {
            return Err(EventError(name));
        }
        self.push(name, value);
        Ok(self)
    }

    /// A field that is there twice counts as the last one says.
    fn push(&mut self, name: &str, value: &str) {
        for text in [name, ": ", value, "\n"] {
            self.fields.push_str(text);
        }
    }

    pub(super) fn into_bytes(self) -> Bytes {
        let Self { mut fields, data } = self;
        fields.push_str(&data);
        fields.push('\n');
        fields.into()
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}{}", self.fields, self.data)
    }
}

/// The lines of a text, whichever of the three line ends it has. The last one may be empty.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.find(['\r', '\n']) else {
            rest = None;
            return Some(text);
        };
        let after = &text[end..];
        let length = if after.starts_with("\r\n") { 2 } else { 1 };
        rest = Some(&after[length..]);
        Some(&text[..end])
    })
}

/// A name or an id that no event can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventError(&'static str);

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = self.0;
        write!(f, "the `{what}` of an event is one line, without a NUL")
    }
}

impl StdError for EventError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_line_of_the_data_is_a_field_whatever_its_line_end() {
        for (data, written) in [
            ("", "data: \n\n"),
            ("a", "data: a\n\n"),
            ("a\n", "data: a\ndata: \n\n"),
            ("a\nb\rc\r\nd", "data: a\ndata: b\ndata: c\ndata: d\n\n"),
            ("\n\r", "data: \ndata: \ndata: \n\n"),
            (" a: b", "data:  a: b\n\n"),
        ] {
            assert_eq!(Event::new(data).to_string(), written, "{data:?}");
        }
    }

    #[test]
    fn no_name_or_id_begins_another_field() {
        for evil in ["a\nb", "a\r", "\n", "a\r\ndata: b"] {
            assert!(Event::new("").name(evil).is_err(), "{evil:?}");
            assert!(Event::new("").id(evil).is_err(), "{evil:?}");
        }
        assert!(Event::new("").id("a\0").is_err());
    }

    /// What a browser reads of an event: the HTML standard, 9.2.6.
    fn read(written: &str) -> Vec<(String, String)> {
        let (mut events, mut name, mut data) = (Vec::new(), String::new(), None::<String>);
        let text = written.replace("\r\n", "\n").replace('\r', "\n");
        for line in text.split('\n') {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                _ if line.is_empty() => {
                    if let Some(data) = data.take() {
                        events.push((std::mem::take(&mut name), data));
                    }
                }
                "event" => name = value.to_owned(),
                "data" => {
                    data = Some(match data {
                        Some(data) => data + "\n" + value,
                        None => value.to_owned(),
                    });
                }
                _ => {}
            }
        }
        events
    }

    proptest! {
        #[test]
        fn a_browser_reads_one_event_with_the_data_that_was_given(data in "[a-c: \r\n]{0,20}") {
            let event = Event::new(&data).name("news").unwrap();
            let same = data.replace("\r\n", "\n").replace('\r', "\n");
            prop_assert_eq!(read(&event.to_string()), [("news".to_owned(), same)]);
            let written = event.to_string();
            prop_assert_eq!(event.into_bytes(), written);
        }
    }
}
