//! What is known of an error, for its author.

use http::StatusCode;

use super::secrets::{STARS, starred, starred_path, starred_query};
use super::source::{self, Line};
use crate::error::Error;
use crate::error::printable::printable;
use crate::http::request::Request;
use crate::http::response::Response;
#[cfg(feature = "templates")]
use crate::pages::TemplateError;
use crate::routing::nearest::tried;

/// Bytes of a cause, and of any other text, that are shown.
const LONGEST_CAUSE: usize = 16 << 10;
const LONGEST: usize = 1024;

/// URL patterns, and lines of a table, that are shown.
const MOST_ROUTES: usize = 50;
const MOST_ROWS: usize = 200;

/// Everything that is known of an error. Its texts are [printable], and not escaped for HTML yet.
pub(in crate::pages) struct Report {
    /// What went wrong, outermost first.
    pub(super) causes: Vec<String>,
    /// The site's line, and the template's.
    pub(super) places: Vec<Place>,
    /// The URL patterns that do not answer, the nearest first, and how many more there are.
    pub(super) routes: Vec<Tried>,
    pub(super) more_routes: usize,
    pub(super) tables: Vec<Table>,
}

pub(super) struct Place {
    /// `src/views.rs:12`
    pub(super) name: String,
    pub(super) excerpt: Option<Vec<Line>>,
}

pub(super) struct Tried {
    pub(super) methods: String,
    pub(super) path: String,
    pub(super) why: String,
}

pub(super) struct Table {
    pub(super) title: &'static str,
    /// What is to be said where there is no row.
    pub(super) note: &'static str,
    pub(super) rows: Vec<(String, String)>,
}

impl Report {
    /// `None` unless `DEBUG` is on.
    pub(in crate::pages) fn of(request: &Request, response: &Response) -> Option<Self> {
        let error = response.error().filter(|_| request.is_debug())?;
        let (routes, more_routes) = routes(request, response.status());
        Some(Self {
            causes: error
                .causes()
                .map(|cause| printable(&cause, LONGEST_CAUSE))
                .collect(),
            places: places(error),
            routes,
            more_routes,
            tables: vec![
                asked(request),
                headers(request),
                session(request),
                settings(request),
            ],
        })
    }
}

fn places(error: &Error) -> Vec<Place> {
    let of_site = error.place().map(|place| Place {
        name: printable(&place.to_string(), LONGEST),
        excerpt: source::of_file(place.file(), place.line() as usize),
    });
    #[cfg(feature = "templates")]
    return of_site.into_iter().chain(of_template(error)).collect();
    #[cfg(not(feature = "templates"))]
    of_site.into_iter().collect()
}

/// The line of the template that failed.
#[cfg(feature = "templates")]
fn of_template(error: &Error) -> Option<Place> {
    let error = error.find_cause::<TemplateError>()?;
    let line = error.line()?;
    Some(Place {
        name: printable(&format!("{}:{line}", error.template()), LONGEST),
        excerpt: source::of_lines(error.source_lines(source::AROUND), line),
    })
}

/// The URL patterns, where none of them answered.
fn routes(request: &Request, status: StatusCode) -> (Vec<Tried>, usize) {
    let is_unanswered = request.route().view.is_none();
    if !is_unanswered || !matches!(status.as_u16(), 404 | 405) {
        return (Vec::new(), 0);
    }
    let tried = tried(&request.context().routes, request.method(), request.path());
    let more = tried.len().saturating_sub(MOST_ROUTES);
    let shown = tried.into_iter().take(MOST_ROUTES).map(|tried| Tried {
        methods: tried.route.methods.clone(),
        path: tried.route.path.clone(),
        why: printable(&tried.why, LONGEST),
    });
    (shown.collect(), more)
}

/// The request line, and what became of it.
fn asked(request: &Request) -> Table {
    let query = request
        .uri()
        .query()
        .map(|query| format!("?{}", starred_query(query)));
    let secrets: Vec<_> = request
        .route_values()
        .filter(|(name, value)| starred(name, value) == STARS)
        .map(|(_, value)| value)
        .collect();
    let path = starred_path(request.path(), &secrets);
    let url = printable(&path, LONGEST) + &printable(&query.unwrap_or_default(), LONGEST);
    let method = printable(request.method().as_str(), 32);
    let mut rows = vec![("request".to_owned(), format!("{method} {url}"))];
    let mut row = |name: &str, value: Option<String>| {
        rows.extend(value.map(|value| (name.to_owned(), value)));
    };
    row("route", request.route_path().map(str::to_owned));
    row("name", request.route_name().map(str::to_owned));
    row("view", request.route().view.map(str::to_owned));
    for (name, value) in request.route_values() {
        row(
            &format!("<{name}>"),
            Some(printable(&starred(name, &value), LONGEST)),
        );
    }
    row(
        "client",
        request.client_ip().map(|address| address.to_string()),
    );
    row("secure", request.is_secure().then(|| "yes".to_owned()));
    row("request id", Some(request.id().to_owned()));
    Table {
        title: "Request",
        note: "",
        rows,
    }
}

fn headers(request: &Request) -> Table {
    let shown = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        let text = String::from_utf8_lossy(value.as_bytes());
        let shown = match name.as_str() {
            // Names of cookies tell an author what came; their values are keys.
            "cookie" => cookie_names(&text),
            name => starred(name, &text).into_owned(),
        };
        (name.to_string(), printable(&shown, LONGEST))
    };
    Table {
        title: "Headers",
        note: "none",
        rows: request
            .headers()
            .iter()
            .take(MOST_ROWS)
            .map(shown)
            .collect(),
    }
}

fn cookie_names(cookies: &str) -> String {
    let starred = cookies
        .split(';')
        .map(|cookie| match cookie.split_once('=') {
            Some((name, _)) => format!("{}={STARS}", name.trim()),
            None => STARS.to_owned(),
        });
    starred.collect::<Vec<_>>().join("; ")
}

/// The keys that the session holds and how long their values are: the values are the visitor's.
fn session(request: &Request) -> Table {
    let sizes = request.session.sizes_if_loaded();
    let note = match &sizes {
        Some(_) => "empty",
        None => "not loaded by this request",
    };
    let row = |(key, bytes): (String, usize)| (printable(&key, LONGEST), format!("{bytes} bytes"));
    Table {
        title: "Session",
        note,
        rows: sizes
            .into_iter()
            .flatten()
            .take(MOST_ROWS)
            .map(row)
            .collect(),
    }
}

fn settings(request: &Request) -> Table {
    let settings = request.settings().texts().take(MOST_ROWS);
    let row = |(key, text): (&str, String)| {
        (
            printable(key, LONGEST),
            printable(&starred(key, &text), LONGEST),
        )
    };
    Table {
        title: "Settings",
        note: "none is set",
        rows: settings.map(row).collect(),
    }
}
