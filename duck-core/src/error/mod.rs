//! What can go wrong, and where it did.

mod or_error;
pub(crate) mod panics;
pub(crate) mod place;
pub(crate) mod printable;
pub(crate) mod statuses;

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::panic::Location;

use http::StatusCode;
use tokio::task::JoinError;

pub use self::or_error::{Or500, OrNotFound};
pub use self::place::Place;
use self::statuses::Statuses;
use crate::http::request_error::RequestError;
use crate::session::error::SessionError;

/// What a view, a middleware or a site gives back. `?` makes its error: see [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a request could not be answered as asked: a status for the visitor and a cause for the log.
///
/// `?` makes one of every type that is a [`std::error::Error`] and is `Send`, `Sync` and `'static`.
/// Errors of the framework keep the status they stand for. Any other has the one that the site gives to
/// its kind ([`App::error_status`](crate::App::error_status)), else it is a 500. The line with the `?` is
/// remembered and logged.
///
/// What is no `std::error::Error` takes [`or_500`](crate::error::Or500::or_500) before the `?`:
/// `anyhow::Error`, `Box<dyn Error + Send + Sync>`, a `String`, a `&str`, and `None`.
///
/// ```
/// use duck::{Error, Result, StatusCode};
///
/// fn age(text: &str) -> Result<u8> {
///     Ok(text.parse()?)
/// }
///
/// let error = age("old").unwrap_err();
/// assert_eq!(error.status(), StatusCode::INTERNAL_SERVER_ERROR);
/// assert_eq!(error.to_string(), "invalid digit found in string");
///
/// let error = age("old").map_err(|error| error.with_status(StatusCode::BAD_REQUEST)).unwrap_err();
/// assert_eq!(error.status(), 400);
/// ```
///
/// As with `anyhow`, `Error` is not itself a [`std::error::Error`], so that the conversion from
/// all of those can exist. An error type of your own that implements `std::error::Error` has its status
/// from [`App::error_status`](crate::App::error_status) too.
pub struct Error(Box<Inner>);

struct Inner {
    /// `None` until somebody decides it: the error is of a type that Duck does not know.
    status: Option<StatusCode>,
    /// What was being done: see [`Error::while_doing`].
    what: Option<Box<str>>,
    cause: Box<dyn StdError + Send + Sync>,
    place: Option<Place>,
}

impl Error {
    /// An error with a status and a cause (an error, or a text). Only the log sees the cause.
    #[track_caller]
    pub fn new(status: StatusCode, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::of(Some(status), cause.into())
    }

    /// An error whose status the site decides.
    #[track_caller]
    pub(crate) fn undecided(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::of(None, cause.into())
    }

    #[track_caller]
    fn of(status: Option<StatusCode>, cause: Box<dyn StdError + Send + Sync>) -> Self {
        let place = place_of(&*cause, Location::caller());
        Self(Box::new(Inner {
            status,
            what: None,
            cause,
            place,
        }))
    }

    /// The same error with what was being done, in front of its cause.
    pub(crate) fn while_doing(mut self, what: &dyn fmt::Display) -> Self {
        self.0.what = Some(what.to_string().into());
        self
    }

    /// The same error, from another line.
    pub(crate) fn at(mut self, place: Option<Place>) -> Self {
        self.0.place = place;
        self
    }

    /// 404, with the reason for the log.
    #[track_caller]
    pub fn not_found(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, cause)
    }

    /// A fault of the site: 500.
    #[track_caller]
    pub fn internal(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, cause)
    }

    /// The same error under another status.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = Some(status);
        self
    }

    /// The status the visitor gets. For a type that Duck does not know, it is 500 until the view has
    /// returned: then the site's [`App::error_status`](crate::App::error_status) has decided it.
    pub fn status(&self) -> StatusCode {
        self.0.status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Closes an open status: its response has this one.
    pub(crate) fn settle(&mut self, status: StatusCode) {
        self.0.status.get_or_insert(status);
    }

    /// The same status, decided from now on: what the site says of a cause of it, where nothing else has
    /// decided. Returns whether it was open.
    pub(crate) fn decide(&mut self, statuses: &Statuses) -> bool {
        let is_open = self.0.status.is_none();
        if is_open {
            let causes: Vec<_> = kinds(&*self.0.cause).collect();
            self.0.status = Some(statuses.of(&causes).unwrap_or(self.status()));
        }
        is_open
    }

    /// What went wrong, with its own causes behind [`source`](StdError::source).
    pub fn cause(&self) -> &(dyn StdError + Send + Sync + 'static) {
        &*self.0.cause
    }

    /// The same, taken out.
    pub fn into_cause(self) -> Box<dyn StdError + Send + Sync> {
        self.0.cause
    }

    /// The line of the site's code where the error was made or passed on with `?`, or where it
    /// panicked. `None` where it came from no line of the site's: no URL pattern matched, say.
    pub fn place(&self) -> Option<&Place> {
        self.0.place.as_ref()
    }

    /// The cause as the type it was made from.
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        self.0.cause.downcast_ref()
    }

    /// The first cause of this type, however deep it is.
    #[cfg(feature = "templates")]
    pub(crate) fn find_cause<E: StdError + 'static>(&self) -> Option<&E> {
        kinds(&*self.0.cause).find_map(|cause| cause.downcast_ref())
    }

    /// What was being done, the cause and the causes behind it, outermost first, as one line for a
    /// log. A cause that the error before it ends with is not said again: sqlx's errors write theirs out.
    pub fn chain(&self) -> String {
        let mut chain = String::new();
        for cause in self.causes() {
            if chain.is_empty() {
                chain = cause;
            } else if !chain.ends_with(&format!(": {cause}")) {
                chain.push_str(": ");
                chain.push_str(&cause);
            }
        }
        chain
    }

    /// What was being done, the cause and the causes behind it, each as it says itself.
    pub(crate) fn causes(&self) -> impl Iterator<Item = String> {
        let what = self.0.what.iter().map(ToString::to_string);
        what.chain(causes(&*self.0.cause).map(ToString::to_string))
    }
}

/// Causes of an error that are looked at: a `source` that leads back to itself has no end.
const MOST_CAUSES: usize = 64;

/// An error and the causes behind it, outermost first.
fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source()).take(MOST_CAUSES)
}

/// The same for those who look at types: an [`Error`] that became a cause has a cause of its own, which
/// speaks for it.
fn kinds<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let behind = |&error: &&'a (dyn StdError + 'static)| match error.downcast_ref() {
        Some(Passed(passed)) => Some(&*passed.0.cause as _),
        None => error.source(),
    };
    std::iter::successors(Some(error), behind).take(MOST_CAUSES)
}

/// The site's line that an error comes from: where a task panicked, if that is the cause, else the
/// line that called for the error.
fn place_of(
    cause: &(dyn StdError + Send + Sync + 'static),
    caller: &'static Location<'static>,
) -> Option<Place> {
    if let Some(Passed(error)) = cause.downcast_ref() {
        return error.0.place.clone();
    }
    let panicked = causes(cause)
        .filter_map(|cause| cause.downcast_ref::<JoinError>())
        .find_map(|task| panics::place_of_task(task.id()));
    if panicked.is_some() {
        return panicked;
    }
    // `map_err(Error::internal)` seems to come from within Rust's library.
    if cfg!(debug_assertions) && place::is_of_rust(caller.file()) {
        return Place::running();
    }
    Place::of_site(caller)
}

/// What `?` makes an [`Error`] of: every `std::error::Error` that is `Send`, `Sync` and `'static`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not become a `duck::Error` by itself",
    label = "`?` needs `std::error::Error + Send + Sync + 'static`; for others: `.or_500(\"reading prices\")?`",
    note = "`or_500` takes `anyhow::Error`, `Box<dyn Error + Send + Sync>`, `String`, `&str` and `None`",
    note = "an error that is not `Send`, `Sync` and `'static` has to become text first: `.map_err(|error| error.to_string())`"
)]
#[doc(hidden)]
pub trait Cause: StdError + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<E: StdError + Send + Sync + 'static> Cause for E {}

impl<E: Cause> From<E> for Error {
    #[track_caller]
    fn from(cause: E) -> Self {
        Self::of(status_of(&cause), cause.into())
    }
}

/// An [`Error`] that became the cause of another one.
#[derive(Debug)]
struct Passed(Error);

/// For functions that give `Box<dyn Error + Send + Sync>` back, and for
/// [`or_500`](crate::error::Or500::or_500).
impl From<Error> for Box<dyn StdError + Send + Sync> {
    fn from(error: Error) -> Self {
        Box::new(Passed(error))
    }
}

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl StdError for Passed {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0.0.what {
            Some(_) => Some(&*self.0.0.cause),
            None => self.0.0.cause.source(),
        }
    }
}

/// The status an error stands for: the framework's own errors know theirs.
fn status_of(cause: &dyn Any) -> Option<StatusCode> {
    if let Some(error) = cause.downcast_ref::<RequestError>() {
        return Some(error.status());
    }
    cause
        .downcast_ref::<SessionError>()
        .map(SessionError::status)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.what {
            Some(what) => f.write_str(what),
            None => fmt::Display::fmt(&self.0.cause, f),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.chain(), self.status().as_u16())?;
        match &self.0.place {
            Some(place) => write!(f, " at {place}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn or_500_of_an_error_of_ducks_keeps_its_line_and_all_that_was_said() {
        let inner: Result<u8> = Err(Error::not_found("no such row").while_doing(&"reading"));
        let error = crate::error::Or500::or_500(inner, "counting").unwrap_err();
        assert_eq!(error.status(), 500);
        assert_eq!(error.chain(), "counting: reading: no such row");
        let boxed: Box<dyn StdError + Send + Sync> =
            Error::from("x".parse::<u8>().unwrap_err()).into();
        assert_eq!(boxed.to_string(), "invalid digit found in string");
    }

    /// As sqlx's errors are written.
    #[derive(Debug)]
    struct Written(std::num::ParseIntError);

    impl fmt::Display for Written {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "no number: {}", self.0)
        }
    }

    impl StdError for Written {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn a_cause_that_an_error_writes_out_is_said_once() {
        let cause = "x".parse::<u8>().unwrap_err();
        let error = Error::from(Written(cause)).while_doing(&"reading");
        assert_eq!(
            error.chain(),
            "reading: no number: invalid digit found in string"
        );
    }

    #[test]
    fn framework_errors_keep_their_status() {
        let error = Error::from(RequestError::too_large("the body is larger than 1 MB"));
        assert_eq!(error.status(), 413);
        let error = Error::from(SessionError::store("disk full"));
        assert_eq!(
            (error.status().as_u16(), error.chain().as_str()),
            (503, "the session storage failed: disk full")
        );
    }

    #[test]
    fn is_one_pointer_wide() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
