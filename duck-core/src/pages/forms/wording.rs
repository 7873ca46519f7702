//! What is said to visitors about wrong fields.

use std::fmt;

use crate::http::fields::Problem;
use crate::http::request::Request;

type Say = dyn Fn(&Request, &Problem) -> Option<String> + Send + Sync;

/// The site's own words for what is wrong with a field, or those of another language: a value of the
/// site ([`App::state`](crate::App::state)). What it gives no text for is said in English.
///
/// ```
/// use duck::forms::{Problem, Wording};
/// use duck::{App, Settings};
///
/// let german = Wording::new(|_request, problem| {
///     Some(match problem {
///         Problem::Required => "fehlt".to_owned(),
///         Problem::TooLong(max) => format!("darf höchstens {max} Zeichen haben"),
///         _ => return None,
///     })
/// });
/// let app = App::new(Settings::default()).state(german);
/// ```
pub struct Wording(Box<Say>);

impl Wording {
    /// The function is given the request too: for the visitor's language.
    pub fn new(say: impl Fn(&Request, &Problem) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Box::new(say))
    }
}

impl fmt::Debug for Wording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wording").finish_non_exhaustive()
    }
}

/// The words for one request.
pub(super) struct Words<'a> {
    request: &'a Request,
    wording: Option<&'a Wording>,
}

impl<'a> Words<'a> {
    pub(super) fn of(request: &'a Request) -> Self {
        Self {
            request,
            wording: request.state::<Wording>().ok(),
        }
    }

    pub(super) fn say(&self, problem: &Problem) -> String {
        let own = self
            .wording
            .and_then(|wording| (wording.0)(self.request, problem));
        own.unwrap_or_else(|| problem.to_string())
    }
}
