//! The other files that a style sheet or script names.

use std::borrow::Cow;
use std::sync::LazyLock;

use percent_encoding::percent_decode_str;
use regex::{Captures, Regex};

use crate::error::{Error, Result};

/// What names a file in a style sheet. Comments and other texts come before, so that nothing in
/// them is taken for one. A name with a backslash in it, which would stand for some other character, is left as it is.
static IN_STYLE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r#"(?s)/\*[#@]\s*sourceMappingURL=(?<map>[^\s*]+)\s*\*/"#,
        r#"|/\*.*?(?:\*/|\z)"#,
        r#"|\b[uU][rR][lL]\(\s*(?:"(?<double>[^"\\\n]*)"|'(?<single>[^'\\\n]*)'|(?<bare>[^\s"'()\\]+))\s*\)"#,
        r#"|@[iI][mM][pP][oO][rR][tT]\s*(?:"(?<import_double>[^"\\\n]*)"|'(?<import_single>[^'\\\n]*)')"#,
        r#"|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'"#,
    ))
    .expect("the expression is constant")
});

/// A script's line about its source map.
static IN_SCRIPT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?m)^//[#@] sourceMappingURL=(?<map>\S+)[ \t\r]*$")
        .expect("the expression is constant")
});

/// A name that stands in a file.
pub(super) struct Reference<'a> {
    pub(super) text: &'a str,
    /// The line it stands in, from 1 on.
    pub(super) line: usize,
    /// A source map is for developers, and often left out.
    pub(super) is_source_map: bool,
}

/// What may name others: by the end of its name.
pub(super) fn has_references(name: &str) -> bool {
    expression(name).is_some()
}

fn expression(name: &str) -> Option<&'static Regex> {
    match name.rsplit_once('.')?.1 {
        "css" => Some(&IN_STYLE),
        "js" | "mjs" => Some(&IN_SCRIPT),
        _ => None,
    }
}

/// A file's text with other names in it. `None` from `replace` leaves one as it is.
pub(super) fn rewrite<'a>(
    name: &str,
    text: &'a str,
    mut replace: impl FnMut(&Reference<'a>) -> Result<Option<String>>,
) -> Result<Cow<'a, str>> {
    let (mut written, mut done) = (String::new(), 0);
    let matches = expression(name).map(|expression| expression.captures_iter(text));
    for found in matches.into_iter().flatten() {
        let Some((group, range)) = named(&found) else {
            continue;
        };
        let reference = Reference {
            text: &text[range.clone()],
            line: 1 + text[..range.start].matches('\n').count(),
            is_source_map: group == "map",
        };
        if let Some(new) = replace(&reference)? {
            written += &text[done..range.start];
            written += &new;
            done = range.end;
        }
    }
    if done == 0 {
        return Ok(Cow::Borrowed(text));
    }
    Ok(Cow::Owned(written + &text[done..]))
}

fn named(found: &Captures<'_>) -> Option<(&'static str, std::ops::Range<usize>)> {
    let groups = [
        "map",
        "double",
        "single",
        "bare",
        "import_double",
        "import_single",
    ];
    groups
        .into_iter()
        .find_map(|group| Some((group, found.name(group)?.range())))
}

/// The static file that a reference in the file `from` means; `None` where it means something else: another
/// site, data, a part of the same file, or what is not under `url`.
pub(super) fn target(from: &str, reference: &str, url: &str) -> Result<Option<String>> {
    let path = &reference[..suffix_at(reference)];
    if path.is_empty() || path.starts_with("//") || has_scheme(path) {
        return Ok(None);
    }
    let path = percent_decode_str(path).decode_utf8().map_err(|_| {
        Error::internal(format!("{reference:?} in {from} is not UTF-8 once decoded"))
    })?;
    if path.starts_with('/') {
        return Ok(path.strip_prefix(url).map(str::to_owned));
    }
    let mut segments: Vec<&str> = from.split('/').collect();
    segments.pop();
    for segment in path.split('/') {
        match segment {
            "." => {}
            ".." => {
                if segments.pop().is_none() {
                    return Ok(None);
                }
            }
            other => segments.push(other),
        }
    }
    Ok(Some(segments.join("/")))
}

/// A reference with another file name at the end of its path.
pub(super) fn renamed(reference: &str, file: &str) -> String {
    let (path, suffix) = reference.split_at(suffix_at(reference));
    let folder = path.rfind('/').map_or("", |slash| &path[..=slash]);
    format!("{folder}{file}{suffix}")
}

/// Where a query or fragment begins: `font.woff?#iefix`.
fn suffix_at(reference: &str) -> usize {
    reference.find(['?', '#']).unwrap_or(reference.len())
}

/// Whether it begins as `https:` or `data:` do.
fn has_scheme(path: &str) -> bool {
    path.split_once(':').is_some_and(|(scheme, _)| {
        let mut bytes = scheme.bytes();
        bytes
            .next()
            .is_some_and(|first| first.is_ascii_alphabetic())
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(name: &str, text: &str) -> String {
        let to_upper = |reference: &Reference<'_>| Ok(Some(reference.text.to_uppercase()));
        rewrite(name, text, to_upper).unwrap().into_owned()
    }

    #[test]
    fn names_in_style_sheets_are_found_and_nothing_else_is() {
        for (text, expected) in [
            ("a { b: url(x.png) }", "a { b: url(X.PNG) }"),
            ("url( 'x.png' ) url(\"y\")", "url( 'X.PNG' ) url(\"Y\")"),
            ("@import 'x.css';", "@import 'X.CSS';"),
            ("@import url(x.css) print;", "@import url(X.CSS) print;"),
            ("@IMPORT\"x.css\";", "@IMPORT\"X.CSS\";"),
            ("URL(x)", "URL(X)"),
            ("url(é.png)", "url(É.PNG)"),
            (
                "/*# sourceMappingURL=x.map */",
                "/*# sourceMappingURL=X.MAP */",
            ),
            ("/* url(x) */ url(y)", "/* url(x) */ url(Y)"),
            ("/* url(x)", "/* url(x)"),
            ("a { content: 'url(x)' }", "a { content: 'url(x)' }"),
            (
                "a { content: \"\\\" url(x)\" }",
                "a { content: \"\\\" url(x)\" }",
            ),
            ("curl(x)", "curl(x)"),
            ("url(a\\)b)", "url(a\\)b)"),
            ("url()", "url()"),
            ("url('a\nb')", "url('a\nb')"),
        ] {
            assert_eq!(rewritten("a.css", text), expected, "{text}");
        }
    }

    #[test]
    fn scripts_name_their_source_map_alone() {
        let text = "import 'x.js'; url(x)\n//# sourceMappingURL=x.js.map\n";
        let expected = text.replace("=x.js.map", "=X.JS.MAP");
        assert_eq!(rewritten("a.js", text), expected);
        assert_eq!(rewritten("a.txt", text), text);
        assert!(!has_references("a.html"));
    }

    #[test]
    fn a_name_means_a_file_beside_or_under_the_url() {
        for (from, reference, expected) in [
            ("css/a.css", "b.png", Some("css/b.png")),
            ("css/a.css", "./b.png?v=1#x", Some("css/b.png")),
            ("css/a.css", "../img/b.png", Some("img/b.png")),
            ("css/a.css", "a%20b.png", Some("css/a b.png")),
            ("a.css", "/static/img/b.png", Some("img/b.png")),
            ("a.css", "/other/b.png", None),
            ("a.css", "../b.png", None),
            ("a.css", "../../etc/passwd", None),
            ("a.css", "//cdn.example/b.png", None),
            ("a.css", "https://cdn.example/b.png", None),
            ("a.css", "data:image/png;base64,AA/BB", None),
            ("a.css", "#gradient", None),
            ("a.css", "", None),
        ] {
            let target = target(from, reference, "/static/").unwrap();
            assert_eq!(target.as_deref(), expected, "{reference}");
        }
        assert!(target("a.css", "%ff.png", "/static/").is_err());
    }

    #[test]
    fn only_the_file_of_a_reference_changes() {
        for (reference, expected) in [
            ("b.png", "X"),
            ("../img/b.png?v=1#x", "../img/X?v=1#x"),
            ("/static/b.png", "/static/X"),
            ("b.woff?#a/b", "X?#a/b"),
        ] {
            assert_eq!(renamed(reference, "X"), expected);
        }
    }
}
