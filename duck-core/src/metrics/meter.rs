//! The counts of one route. Each of them is looked up by its labels once.

use crate::http::response::GONE_BEFORE_ANSWER;
use std::fmt;
use std::sync::{OnceLock, PoisonError, RwLock};
use std::time::Duration;

use ::metrics::{Counter, Histogram};
use http::{Method, StatusCode};

/// The methods that have a name in the counts: a client can make up others.
const METHODS: [Method; 9] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::DELETE,
    Method::PATCH,
    Method::OPTIONS,
    Method::TRACE,
    Method::CONNECT,
];

/// All others together.
const OTHER: usize = METHODS.len();

/// Of a route: by its methods, and by what became of requests. A view gives few statuses.
#[derive(Default)]
pub(crate) struct Meter {
    seconds: [OnceLock<Histogram>; METHODS.len() + 1],
    answers: RwLock<Vec<((usize, u16), Counter)>>,
}

impl Meter {
    pub(super) fn answered(
        &self,
        route: Option<&str>,
        method: &Method,
        status: StatusCode,
        took: Duration,
    ) {
        let method = place(method);
        self.count(route, method, status.as_u16());
        let seconds = self.seconds[method].get_or_init(|| {
            ::metrics::histogram!("duck_request_seconds", "method" => name(method), "route" => label(route))
        });
        seconds.record(took.as_secs_f64());
    }

    pub(super) fn left(&self, route: Option<&str>, method: &Method) {
        self.count(route, place(method), GONE_BEFORE_ANSWER);
    }

    fn count(&self, route: Option<&str>, method: usize, status: u16) {
        let find = |answers: &[((usize, u16), Counter)]| {
            let found = answers
                .iter()
                .find(|(labels, _)| *labels == (method, status));
            found.map(|(_, counter)| counter.increment(1)).is_some()
        };
        if find(&self.answers.read().unwrap_or_else(PoisonError::into_inner)) {
            return;
        }
        let mut answers = self.answers.write().unwrap_or_else(PoisonError::into_inner);
        if !find(&answers) {
            let counter = ::metrics::counter!("duck_requests_total",
                "method" => name(method), "route" => label(route), "status" => status.to_string());
            counter.increment(1);
            answers.push(((method, status), counter));
        }
    }
}

fn place(method: &Method) -> usize {
    let known = METHODS.iter().position(|known| known == method);
    known.unwrap_or(OTHER)
}

fn name(method: usize) -> String {
    let known = METHODS.get(method).map(Method::as_str);
    known.unwrap_or("other").to_owned()
}

fn label(route: Option<&str>) -> String {
    route.unwrap_or("none").to_owned()
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").finish_non_exhaustive()
    }
}
