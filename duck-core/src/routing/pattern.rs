//! The paths that a site answers, as Duck writes them: `/user/<id>`, `/files/<path:rest>`.

use std::borrow::Cow;
use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What may stand in a segment of a path as it is (RFC 3986, `pchar`).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// The same with `/`, for a parameter that takes the rest of the path.
const REST: &AsciiSet = &SEGMENT.remove(b'/');

/// A path with its parameters, parsed.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
enum Part {
    /// As browsers send it: see [`normalize`].
    Text(String),
    Param(Param),
}

/// One `<…>` of a path.
#[derive(Debug, Clone)]
pub(crate) struct Param {
    pub(crate) name: String,
    pub(crate) converter: Converter,
}

/// What a parameter takes, under Django's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Converter {
    Str,
    Int,
    Slug,
    Uuid,
    Path,
}

impl Pattern {
    /// Reads `/user/<id>`. The error is a sentence for the site's author.
    pub(crate) fn parse(path: &str) -> Result<Self, String> {
        if !path.starts_with('/') {
            return Err(format!("the path {path:?} must begin with `/`"));
        }
        let mut parts = Vec::new();
        let mut rest = path;
        while let Some(open) = rest.find('<') {
            parts.push(Part::Text(rest[..open].to_owned()));
            let close = rest.find('>').filter(|&close| close > open);
            let close = close.ok_or_else(|| {
                let name = name_in(&rest[open..]);
                format!(
                    "the path {path:?} has a `<` without its `>`: a parameter is written `<{name}>`"
                )
            })?;
            parts.push(Part::Param(Param::parse(&rest[open + 1..close], path)?));
            rest = &rest[close + 1..];
        }
        if rest.contains('>') {
            let name = name_in(rest.rsplit('/').next().unwrap_or_default());
            return Err(format!(
                "the path {path:?} has a `>` without its `<`: a parameter is written `<{name}>`"
            ));
        }
        parts.push(Part::Text(rest.to_owned()));
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        for part in &mut parts {
            if let Part::Text(text) = part {
                check_text(text, path)?;
                let sent = normalize(text).ok_or_else(|| {
                    format!("the path {path:?} has a `%` without two hexadecimal digits; write `%25` for the sign")
                })?;
                *text = sent.into_owned();
            }
        }
        let pattern = Self { parts };
        pattern.check_params(path)?;
        Ok(pattern)
    }

    fn check_params(&self, path: &str) -> Result<(), String> {
        let params: Vec<_> = self.params().collect();
        for (index, param) in params.iter().enumerate() {
            if params[..index]
                .iter()
                .any(|earlier| earlier.name == param.name)
            {
                return Err(format!(
                    "the path {path:?} has two parameters named `{}`",
                    param.name
                ));
            }
        }
        let last = matches!(self.parts.last(), Some(Part::Param(_)));
        let early = params
            .iter()
            .rev()
            .skip(usize::from(last))
            .find(|param| param.converter == Converter::Path);
        match early {
            Some(param) => Err(format!(
                "`<path:{}>` must be the end of the path {path:?}",
                param.name
            )),
            None => Ok(()),
        }
    }

    /// The parameters, in their order.
    pub(crate) fn params(&self) -> impl Iterator<Item = &Param> {
        self.parts.iter().filter_map(|part| match part {
            Part::Param(param) => Some(param),
            Part::Text(_) => None,
        })
    }

    /// The same path in matchit's syntax.
    pub(crate) fn matchit(&self) -> String {
        let mut route = String::new();
        let mut index = 0;
        for part in &self.parts {
            match part {
                Part::Text(text) => route += text,
                Part::Param(param) => {
                    let star = if param.converter == Converter::Path {
                        "*"
                    } else {
                        ""
                    };
                    // Parameters are told apart by place: routes that differ only in names conflict.
                    write!(route, "{{{star}p{index}}}").expect("a String takes every write");
                    index += 1;
                }
            }
        }
        route
    }

    /// The path with `values` in place of its parameters, percent-encoded.
    pub(crate) fn fill(&self, values: &[String]) -> Result<String, String> {
        let wanted = self.params().count();
        if wanted != values.len() {
            return Err(format!(
                "its path has {wanted} parameters, and {} values were given",
                values.len()
            ));
        }
        let mut values = values.iter();
        let mut path = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => path += text,
                Part::Param(param) => {
                    param.fill_in(values.next().map_or("", |value| value), &mut path)?;
                }
            }
        }
        check_filled(&path)?;
        Ok(path)
    }
}

/// Refuses what leads elsewhere: browsers take `.` and `..` for folders before they send a path, and what follows
/// two slashes at its start for another site. No encoding keeps them from it.
fn check_filled(path: &str) -> Result<(), String> {
    if let Some(dots) = path
        .split('/')
        .find(|segment| matches!(*segment, "." | ".."))
    {
        return Err(format!("no URL can have `{dots}` between its slashes"));
    }
    if path.starts_with("//") {
        return Err("a URL that begins with two slashes is one of another site".to_owned());
    }
    Ok(())
}

/// A path of names with slashes between them, percent-encoded.
pub(crate) fn encode_path(path: &str) -> String {
    utf8_percent_encode(path, REST).to_string()
}

impl Param {
    fn parse(text: &str, path: &str) -> Result<Self, String> {
        let (converter, name) = text.split_once(':').unwrap_or(("str", text));
        let converter = match converter {
            "str" => Converter::Str,
            "int" => Converter::Int,
            "slug" => Converter::Slug,
            "uuid" => Converter::Uuid,
            "path" => Converter::Path,
            other => {
                let right = right_parameter(other, name);
                return Err(format!(
                    "the path {path:?} has `<{text}>`; there are str, int, slug, uuid and path: write `{right}`"
                ));
            }
        };
        let fine = !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !fine {
            let right = match name.trim().split_once(' ') {
                Some((converter, name)) => right_parameter(converter, name),
                None if name.contains(['*', '.']) => format!("<path:{}>", name_in(name)),
                None => format!("<{}>", name_in(&name.replace('-', "_"))),
            };
            return Err(format!(
                "the path {path:?} has a parameter named {name:?}; use letters, digits and `_`, as in `{right}`"
            ));
        }
        Ok(Self {
            name: name.to_owned(),
            converter,
        })
    }

    fn fill_in(&self, value: &str, path: &mut String) -> Result<(), String> {
        if value.is_empty() || !self.converter.takes(value) {
            return Err(format!(
                "{value:?} does not fit its parameter `{}`",
                self.name
            ));
        }
        let set = if self.converter == Converter::Path {
            REST
        } else {
            SEGMENT
        };
        path.extend(utf8_percent_encode(value, set));
        Ok(())
    }
}

impl Converter {
    /// Whether a decoded value is of this kind.
    pub(crate) fn takes(self, value: &str) -> bool {
        match self {
            Self::Str | Self::Path => true,
            Self::Int => value.bytes().all(|byte| byte.is_ascii_digit()),
            Self::Slug => value
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')),
            Self::Uuid => uuid::Uuid::try_parse(value).is_ok(),
        }
    }
}

/// What stands in regular expressions, and in no path.
const EXPRESSION_SIGNS: [&str; 6] = ["(?", "\\", "(.", "([", "/.*", "/.+"];

/// Refuses what other frameworks take for a parameter, and what no path of a request has: as text it
/// would match nothing that was meant.
fn check_text(text: &str, path: &str) -> Result<(), String> {
    let is_expression = |sign: &&str| text.contains(sign);
    if EXPRESSION_SIGNS.iter().any(is_expression) || text.ends_with('$') {
        return Err(format!(
            "the path {path:?} is no regular expression: a parameter is written `<id>`, and `re_path` takes expressions"
        ));
    }
    for segment in text.split('/') {
        let meant = segment.find(['{', '[']).unwrap_or_default();
        let (name, is_name) = (name_in(&segment[meant..]), |at: usize| {
            let character = segment.chars().nth(at);
            character.is_some_and(|character| character.is_alphabetic() || character == '_')
        });
        let rest = segment.contains('*') || segment.contains("..");
        let is_parameter = segment.contains(['{', '}', '[', ']'])
            || segment.starts_with('*')
            || segment.starts_with(':') && is_name(1);
        if is_parameter {
            let right = if rest {
                format!("<path:{name}>")
            } else {
                format!("<{name}>")
            };
            return Err(format!(
                "the path {path:?} has `{segment}`, which would be plain text: a parameter is written `{right}`"
            ));
        }
    }
    match text.find(['?', '#']) {
        Some(at) => Err(format!(
            "the path {path:?} has a `{}`, which no path has: a view reads the query itself",
            &text[at..=at]
        )),
        None => Ok(()),
    }
}

/// The name that was meant in `:id`, `{id}`, `*rest` or `<id`.
fn name_in(text: &str) -> &str {
    let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let text = text.trim_start_matches(|character| !is_name(character));
    let end = text.find(|character| !is_name(character));
    match &text[..end.unwrap_or(text.len())] {
        "" => "id",
        name => name,
    }
}

/// The parameter that was meant by a converter that there is not.
fn right_parameter(converter: &str, name: &str) -> String {
    let name_first = ["str", "int", "slug", "uuid", "path"].contains(&name.trim());
    let (converter, name) = if name_first {
        (name, converter)
    } else {
        (converter, name)
    };
    let name = name_in(name);
    match converter.trim() {
        converter @ ("str" | "int" | "slug" | "uuid" | "path") => format!("<{converter}:{name}>"),
        "integer" | "number" | "uint" | "u8" | "u16" | "u32" | "u64" | "usize" => {
            format!("<int:{name}>")
        }
        // The view's own type reads it.
        _ => format!("<{name}>"),
    }
}

/// Refuses `<id>` in a regular expression, where it would be plain text.
#[cfg(feature = "regex")]
pub(crate) fn check_expression(expression: &str) -> Result<(), String> {
    for (open, _) in expression.match_indices('<') {
        let before = &expression[..open];
        let inside = expression[open + 1..]
            .split_once('>')
            .map(|(inside, _)| inside);
        let is_group = ["(?", "(?P", "\\"]
            .iter()
            .any(|group| before.ends_with(group));
        let is_name = |text: &str| {
            !text.is_empty()
                && text
                    .chars()
                    .all(|c| c.is_alphanumeric() || "_:".contains(c))
        };
        if let Some(inside) = inside.filter(|inside| !is_group && is_name(inside)) {
            let name = inside.rsplit(':').next().unwrap_or_default();
            return Err(format!(
                "the regular expression {expression:?} has `<{inside}>`, which would be plain text: \
                 a group is written `(?<{name}>[^/]+)`, and `path` takes `<{inside}>`"
            ));
        }
    }
    Ok(())
}

/// The one way to write a path, of a request or of a pattern: percent-encoding undone where the
/// character needs none, in upper case where it stays (RFC 3986, 6.2.2), and added where a client
/// left it out. `None` where a `%` is not followed by two hexadecimal digits.
pub(crate) fn normalize(path: &str) -> Option<Cow<'_, str>> {
    // Every byte is looked at, whatever the first ones are: it is faster so.
    let plain = path.bytes().fold(true, |so_far, byte| {
        so_far & NEEDS_NO_ENCODING[usize::from(byte)]
    });
    if plain {
        return Some(Cow::Borrowed(path));
    }
    let mut normal = String::with_capacity(path.len() + 16);
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        normal.extend(utf8_percent_encode(&rest[..at], REST));
        let digits = rest.get(at + 1..at + 3)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let byte = u8::from_str_radix(digits, 16).ok()?;
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            normal.push(byte as char);
        } else {
            write!(normal, "%{byte:02X}").expect("a String takes every write");
        }
        rest = &rest[at + 3..];
    }
    normal.extend(utf8_percent_encode(rest, REST));
    Some(Cow::Owned(normal))
}

/// The same as [`REST`], for a quick look.
const NEEDS_NO_ENCODING: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        table[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'/' | b'-'
                    | b'.'
                    | b'_'
                    | b'~'
                    | b'!'
                    | b'$'
                    | b'&'
                    | b'\''
                    | b'('
                    | b')'
                    | b'*'
                    | b'+'
                    | b','
                    | b';'
                    | b'='
                    | b':'
                    | b'@'
            );
        byte += 1;
    }
    table
};

/// A parameter's value as the visitor meant it; `None` where it is not UTF-8.
pub(crate) fn decode(value: &str) -> Option<Cow<'_, str>> {
    if !value.as_bytes().contains(&b'%') {
        return Some(Cow::Borrowed(value));
    }
    percent_decode_str(value).decode_utf8().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_become_matchit_parameters() {
        let pattern = Pattern::parse("/user/<int:id>/files/<path:rest>").unwrap();
        assert_eq!(pattern.matchit(), "/user/{p0}/files/{*p1}");
        assert_eq!(
            pattern
                .params()
                .map(|param| param.name.as_str())
                .collect::<Vec<_>>(),
            ["id", "rest"]
        );
    }

    #[test]
    fn text_is_matched_as_browsers_send_it() {
        assert_eq!(
            Pattern::parse("/café/%7Bx%7d/a:b/@<name>")
                .unwrap()
                .matchit(),
            "/caf%C3%A9/%7Bx%7D/a:b/@{p0}"
        );
    }

    #[test]
    fn mistakes_are_named() {
        for (path, says) in [
            ("user", "must begin with"),
            ("/<id", "without its `>`"),
            ("/id>", "without its `<`"),
            ("/<a>/<a>", "two parameters"),
            ("/<float:x>", "there are str, int"),
            ("/x/<id", "written `<id>`"),
            ("/x/id>", "written `<id>`"),
            ("/x/:id", "written `<id>`"),
            ("/:shop_1/x", "written `<shop_1>`"),
            ("/x/:id?", "written `<id>`"),
            ("/<shop>/:id", "written `<id>`"),
            ("/x/{id}", "written `<id>`"),
            ("/x/{id:[0-9]+}", "written `<id>`"),
            ("/x/{}", "written `<id>`"),
            ("/x/{*rest}", "written `<path:rest>`"),
            ("/x/*rest", "written `<path:rest>`"),
            ("/x/*", "written `<path:id>`"),
            ("/x/[id]", "written `<id>`"),
            ("/x/[...rest]", "written `<path:rest>`"),
            ("/x/<rest..>", "as in `<path:rest>`"),
            ("/x/<*rest>", "as in `<path:rest>`"),
            ("/x/< id >", "as in `<id>`"),
            ("/x/<user-id>", "as in `<user_id>`"),
            ("/x/<int id>", "as in `<int:id>`"),
            ("/x/note-{id}", "written `<id>`"),
            ("/x/(.*)", "`re_path` takes expressions"),
            ("/x/(.+)/y", "`re_path` takes expressions"),
            ("/x/.*", "`re_path` takes expressions"),
            ("/x/([0-9]+)", "`re_path` takes expressions"),
            ("/x/([a-z]{2})", "`re_path` takes expressions"),
            ("/x/<id:int>", "write `<int:id>`"),
            ("/x/<string:name>", "write `<name>`"),
            ("/x/<u32:id>", "write `<int:id>`"),
            (r"/x/(?P<id>\d+)", "`re_path` takes expressions"),
            ("/x/<id>$", "`re_path` takes expressions"),
            ("/x?id=<id>", "which no path has"),
            ("/x#top", "which no path has"),
            ("/<>", "use letters"),
            ("/<path:rest>/edit", "must be the end"),
            ("/100%", "write `%25`"),
        ] {
            let error = Pattern::parse(path).unwrap_err();
            assert!(error.contains(says), "{path}: {error}");
        }
    }

    #[cfg(feature = "regex")]
    #[test]
    fn a_parameter_in_an_expression_was_silently_plain_text() {
        for expression in ["/x/<id>", "/x/<int:id>/?"] {
            let error = check_expression(expression).unwrap_err();
            assert!(error.contains("written `(?<id>[^/]+)`"), "{error}");
        }
        for expression in [r"/x/(?<id>\d+)", r"/x/(?P<id>\d+)", "/x/[<>]", r"/x/\<a>"] {
            check_expression(expression).unwrap();
        }
    }

    #[test]
    fn filling_in_encodes_and_checks() {
        let pattern = Pattern::parse("/user/<int:id>/<name>").unwrap();
        assert_eq!(
            pattern.fill(&["7".into(), "a/b c?".into()]).unwrap(),
            "/user/7/a%2Fb%20c%3F"
        );
        assert!(
            pattern
                .fill(&["x".into(), "y".into()])
                .unwrap_err()
                .contains("does not fit")
        );
        assert!(
            pattern
                .fill(&["1".into()])
                .unwrap_err()
                .contains("2 parameters")
        );
        assert!(
            pattern
                .fill(&["1".into(), String::new()])
                .unwrap_err()
                .contains("does not fit")
        );
    }

    #[test]
    fn the_quick_look_agrees_with_the_table() {
        for byte in 0..128_u8 {
            let text = char::from(byte).to_string();
            let stays = utf8_percent_encode(&text, REST).to_string() == text;
            assert_eq!(NEEDS_NO_ENCODING[usize::from(byte)], stays, "{text:?}");
        }
        assert!((128_u8..=255).all(|byte| !NEEDS_NO_ENCODING[usize::from(byte)]));
    }

    #[test]
    fn one_spelling_for_each_path() {
        assert_eq!(normalize("/%7euser/%c3%a9").unwrap(), "/~user/%C3%A9");
        assert_eq!(normalize("/a%2Fb").unwrap(), "/a%2Fb");
        assert_eq!(normalize("/é\\{%7b").unwrap(), "/%C3%A9%5C%7B%7B");
        assert!(normalize("/100%").is_none());
        assert!(normalize("/%+1").is_none());
        assert!(normalize("/%é").is_none());
    }
}
