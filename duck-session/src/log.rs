//! Lines of the log that a request can cause.

use duck::app::Floods;

/// Limits how many lines of one kind are written: a storage that fails, or a client that wants to, causes one
/// with every request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Floods<&'static str>);

impl Log {
    /// Whether to write a line with this text. Those that are not written are counted, and one line says how
    /// many there were.
    pub(crate) fn admits(&self, text: &'static str) -> bool {
        self.0.admit(&text, |text, more| {
            tracing::warn!(target: "duck_session", more, "more lines of one kind: {text}");
        })
    }
}

/// Writes a line with these fields and this text, unless the [`Log`] has had too many like it.
macro_rules! limited {
    ($log:expr, $level:ident, $text:literal $(, $($fields:tt)*)?) => {
        if $log.admits($text) {
            tracing::$level!(target: "duck_session", $($($fields)*,)? $text);
        }
    };
}
pub(crate) use limited;
