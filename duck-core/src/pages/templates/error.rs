//! What went wrong in a template, and where.

use std::error::Error as StdError;
use std::fmt;

use minijinja::Error as EngineError;

/// Why a template could not be rendered: what, and on which line of which file.
///
/// The [`Error`](crate::Error) that [`render`](crate::render) fails with has it as its cause; its
/// [`place`](crate::Error::place) is the view's line.
///
/// ```
/// use duck::pages::TemplateError;
///
/// fn describe(error: &duck::Error) -> Option<String> {
///     let error = error.downcast_ref::<TemplateError>()?;
///     Some(format!("{}, line {:?}", error.template(), error.line()))
/// }
/// ```
pub struct TemplateError {
    template: String,
    line: Option<usize>,
    message: String,
    text: Option<String>,
    cause: EngineError,
}

impl TemplateError {
    /// `asked` is the template that was to be rendered.
    pub(super) fn new(asked: &str, cause: EngineError) -> Self {
        let innermost = innermost(&cause);
        Self {
            template: innermost.name().unwrap_or(asked).to_owned(),
            line: innermost.line(),
            message: message(innermost),
            text: innermost.template_source().map(str::to_owned),
            cause,
        }
    }

    /// The name of the template that failed: the one that was rendered, or one that it extends,
    /// includes or imports.
    pub fn template(&self) -> &str {
        &self.template
    }

    /// The line that failed, counted from 1; `None` where there is no such template.
    pub fn line(&self) -> Option<usize> {
        self.line
    }

    /// What was wrong, without the place: ``undefined value: `titel` is undefined``.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The lines around the one that failed, at most `around` before and after it, with their numbers.
    /// None where the line or the template's text is not known.
    pub fn source_lines(&self, around: usize) -> impl Iterator<Item = (usize, &str)> {
        let (line, text) = match (self.line, &self.text) {
            (Some(line), Some(text)) => (line, text.as_str()),
            _ => (0, ""),
        };
        let shown = line.saturating_sub(around)..=line.saturating_add(around);
        let numbered = (1..).zip(text.lines());
        numbered.filter(move |(number, _)| shown.contains(number))
    }
}

/// The error that says most: an include says where the included template was asked for, and has the one
/// of that template behind it.
fn innermost(error: &EngineError) -> &EngineError {
    let mut innermost = error;
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(cause) = cause.downcast_ref::<EngineError>()
            && (cause.name().is_some() || innermost.name().is_none())
        {
            innermost = cause;
        }
        next = cause.source();
    }
    innermost
}

fn message(error: &EngineError) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (template {}", self.message, self.template)?;
        match self.line {
            Some(line) => write!(f, ":{line})"),
            None => f.write_str(")"),
        }
    }
}

/// As it is displayed: the engine's own `Debug` writes the values of the page out.
impl fmt::Debug for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TemplateError({self})")
    }
}

impl StdError for TemplateError {
    /// What a function of the site's failed with.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        std::iter::successors(self.cause.source(), |&cause| cause.source())
            .find(|cause| !cause.is::<EngineError>())
    }
}
