//! `or_404()` and `or_500()`: the errors of what is not there, and of what `?` does not take.

use std::error::Error as StdError;
use std::fmt::Display;

use crate::error::{Error, Result};

/// `or_404()`: what is not there is no page.
pub trait OrNotFound<T> {
    /// The value, or a 404 for the visitor.
    ///
    /// ```
    /// use duck::error::OrNotFound;
    ///
    /// let notes = ["bread", "milk"];
    /// assert_eq!(notes.get(1).or_404()?, &"milk");
    /// assert_eq!(notes.get(7).or_404().unwrap_err().status(), 404);
    /// # Ok::<(), duck::Error>(())
    /// ```
    #[track_caller]
    fn or_404(self) -> Result<T>;
}

impl<T> OrNotFound<T> for Option<T> {
    #[track_caller]
    fn or_404(self) -> Result<T> {
        match self {
            Some(value) => Ok(value),
            None => Err(Error::not_found("the value asked for is not there")),
        }
    }
}

/// `or_500("reading prices")`: what went wrong is a fault of the site, and the log says at what.
///
/// It takes what `?` alone does not, as it is no [`std::error::Error`]: `anyhow::Error`,
/// `Box<dyn Error + Send + Sync>`, a `String`, a `&str`, and `None`. It takes every other error too;
/// then it adds what was being done. A status that Duck gave the error is gone: it is a 500, unless the
/// site has registered another for one of its causes ([`App::error_status`](crate::App::error_status)).
/// [`Error::internal`] makes a 500 in any case.
pub trait Or500<T> {
    /// The value, or a 500 for the visitor. `what` is for the log: what was being done, in front of
    /// the cause.
    ///
    /// ```
    /// use duck::Result;
    /// use duck::error::Or500;
    ///
    /// fn rate(text: &str) -> Result<u32, String> {
    ///     text.parse().map_err(|_| format!("{text:?} is no rate"))
    /// }
    ///
    /// assert_eq!(rate("7").or_500("reading rates")?, 7);
    /// let error = rate("seven").or_500("reading rates").unwrap_err();
    /// assert_eq!(error.chain(), "reading rates: \"seven\" is no rate");
    ///
    /// let error = None::<u32>.or_500("looking for the rate of the day").unwrap_err();
    /// assert_eq!(error.status(), 500);
    /// # Ok::<(), duck::Error>(())
    /// ```
    #[track_caller]
    fn or_500(self, what: impl Display) -> Result<T>;
}

impl<T, E: Into<Box<dyn StdError + Send + Sync>>> Or500<T> for std::result::Result<T, E> {
    #[track_caller]
    fn or_500(self, what: impl Display) -> Result<T> {
        match self {
            Ok(value) => Ok(value),
            Err(cause) => Err(Error::undecided(cause).while_doing(&what)),
        }
    }
}

impl<T> Or500<T> for Option<T> {
    #[track_caller]
    fn or_500(self, what: impl Display) -> Result<T> {
        match self {
            Some(value) => Ok(value),
            None => Err(Error::internal("there is no value").while_doing(&what)),
        }
    }
}
