//! Why there is no page: the URL patterns of a site, the nearest to a path first.

use std::borrow::Cow;

use http::Method;

use crate::routing::converter::Converter;
use crate::routing::encoding;
use crate::routing::pattern::Pattern;
use crate::routing::route::RouteLine;

/// Segments of a path that are compared, and characters of each: a path may have 60,000.
const MOST_SEGMENTS: usize = 32;
const LONGEST: usize = 64;

/// A URL pattern that does not answer a request.
#[derive(Debug)]
pub(crate) struct Tried<'a> {
    pub(crate) route: &'a RouteLine,
    /// What is different, in a sentence's end: "`abc` is no int".
    pub(crate) why: String,
}

/// The URL patterns, the nearest to this path first, each with why it is not the one.
pub(crate) fn tried<'a>(routes: &'a [RouteLine], method: &Method, path: &str) -> Vec<Tried<'a>> {
    let path = encoding::normalize(path).unwrap_or(Cow::Borrowed(path));
    let segments: Vec<_> = path
        .split('/')
        .skip(1)
        .take(MOST_SEGMENTS)
        .map(shown)
        .collect();
    let mut tried: Vec<_> = routes
        .iter()
        .map(|route| (compare(route, method, &segments), route))
        .collect();
    tried.sort_by(|((one, _), _), ((other, _), _)| one.total_cmp(other));
    let tried = tried.into_iter();
    tried
        .map(|((_, why), route)| Tried { route, why })
        .collect()
}

/// A segment as its author wrote it, as long as it is compared.
fn shown(segment: &str) -> String {
    let decoded = encoding::decode(segment).unwrap_or(Cow::Borrowed(segment));
    decoded.chars().take(LONGEST).collect()
}

/// How far a pattern is from a path, and why it does not answer.
fn compare(route: &RouteLine, method: &Method, segments: &[String]) -> (f64, String) {
    let Ok(pattern) = Pattern::parse(&route.path) else {
        return (f64::MAX, "the expression does not match".to_owned());
    };
    let mut converters = pattern.params().map(|param| param.converter);
    let parts: Vec<&str> = route.path.split('/').skip(1).collect();
    let takes_rest = route.path.contains("<path:");
    let differences: Vec<(f64, String)> = parts
        .iter()
        .zip(segments)
        .filter_map(|(part, segment)| {
            let converter = part.contains('<').then(|| converters.next()).flatten();
            difference(part, converter, segment)
        })
        .collect();
    let missing = match (parts.len(), segments.len()) {
        (parts, segments) if takes_rest => parts.saturating_sub(segments),
        (parts, segments) => parts.abs_diff(segments),
    };
    let far = differences.iter().map(|(far, _)| far).sum::<f64>();
    let why = match (&differences[..], missing) {
        ([], 0) => format!("it answers {}, not {method}", route.methods),
        ([(_, why)], 0) => why.clone(),
        ([], 1) if is_slash_apart(&parts, segments) => {
            return (0.1, slash(&parts).to_owned());
        }
        ([], _) if parts.len() < segments.len() => "the path goes on after it".to_owned(),
        ([], _) => "the path ends before it".to_owned(),
        (many, _) => format!("{} parts of the path are different", many.len() + missing),
    };
    #[expect(clippy::cast_precision_loss, reason = "a path has few segments")]
    let missing = missing as f64;
    (far + missing / 2.0, why)
}

fn is_slash_apart(parts: &[&str], segments: &[String]) -> bool {
    let part_is_slash = parts.len() > segments.len() && parts.last() == Some(&"");
    let slash_too_many =
        segments.len() > parts.len() && segments.last().is_some_and(String::is_empty);
    part_is_slash || slash_too_many
}

fn slash(parts: &[&str]) -> &'static str {
    if parts.last() == Some(&"") {
        "it ends with a slash"
    } else {
        "it does not end with a slash"
    }
}

/// How far one segment is from one part of a pattern, between 0 and 1, and how it differs; `None` where
/// it fits.
fn difference(part: &str, converter: Option<Converter>, segment: &str) -> Option<(f64, String)> {
    let Some(converter) = converter else {
        let part = &shown(part);
        return (part != segment).then(|| {
            let far = 1.0 - strsim::normalized_damerau_levenshtein(part, segment);
            if part.eq_ignore_ascii_case(segment) {
                return (
                    0.1,
                    format!("it has `{part}`, in other letters than `{segment}`"),
                );
            }
            let why = match (part.as_str(), segment) {
                ("", segment) => format!("it ends where the path has `{segment}`"),
                (part, "") => format!("it has `{part}` where the path ends"),
                (part, segment) => format!("it has `{part}` where the path has `{segment}`"),
            };
            (far, why)
        });
    };
    let before = part.split('<').next().unwrap_or_default();
    let behind = part.rsplit('>').next().unwrap_or_default();
    let value = segment
        .strip_prefix(before)
        .and_then(|rest| rest.strip_suffix(behind));
    match value {
        Some("") => Some((0.9, format!("`{part}` is empty"))),
        Some(value) if converter.takes(value) => None,
        Some(value) => Some((0.3, format!("`{value}` does not fit `{part}`"))),
        None => Some((0.8, format!("`{segment}` does not fit `{part}`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(methods: &str, path: &str) -> RouteLine {
        RouteLine {
            host: String::new(),
            methods: methods.to_owned(),
            path: path.to_owned(),
            name: String::new(),
            view: "view",
        }
    }

    fn nearest(path: &str) -> (String, String) {
        let routes = [
            route("GET HEAD", "/"),
            route("GET HEAD", "/notes"),
            route("GET HEAD", "/notes/<int:id>"),
            route("POST", "/notes/new"),
            route("GET HEAD", "/about/"),
            route("GET HEAD", "/files/<path:rest>"),
            route("GET HEAD", r"/archive/(?<year>\d{4})"),
        ];
        let tried = tried(&routes, &Method::GET, path);
        assert_eq!(tried.len(), routes.len());
        (tried[0].route.path.clone(), tried[0].why.clone())
    }

    #[test]
    fn the_nearest_pattern_comes_first_and_says_what_is_different() {
        for (path, route, why) in [
            (
                "/ntoes",
                "/notes",
                "it has `notes` where the path has `ntoes`",
            ),
            (
                "/Notes",
                "/notes",
                "it has `notes`, in other letters than `Notes`",
            ),
            (
                "/notes/seven",
                "/notes/<int:id>",
                "`seven` does not fit `<int:id>`",
            ),
            ("/notes/new", "/notes/new", "it answers POST, not GET"),
            ("/notes/", "/notes", "it does not end with a slash"),
            ("/about", "/about/", "it ends with a slash"),
            (
                "/notes/7/edit",
                "/notes/<int:id>",
                "the path goes on after it",
            ),
            (
                "/file/a/b",
                "/files/<path:rest>",
                "it has `files` where the path has `file`",
            ),
        ] {
            let (found, says) = nearest(path);
            assert_eq!((found.as_str(), says.as_str()), (route, why), "{path}");
        }
    }

    #[test]
    fn what_is_empty_is_said_to_end() {
        let home = [route("GET HEAD", "/")];
        let why = &tried(&home, &Method::GET, "/note")[0].why;
        assert_eq!(why, "it ends where the path has `note`");
        let notes = [route("GET HEAD", "/notes")];
        let why = &tried(&notes, &Method::GET, "/")[0].why;
        assert_eq!(why, "it has `notes` where the path ends");
    }

    #[test]
    fn a_hostile_path_is_compared_to_a_bound() {
        for path in [
            "/".repeat(60_000),
            format!("/{}", "a".repeat(60_000)),
            "/%00%FF%E2%80%AE/<script>".to_owned(),
            String::new(),
            "*".to_owned(),
        ] {
            let (_, why) = nearest(&path);
            assert!(why.len() < 400, "{why}");
        }
    }
}
