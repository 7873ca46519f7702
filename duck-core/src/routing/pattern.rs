//! The paths that a site answers, as Duck writes them: `/user/<id>`, `/files/<path:rest>`.

use std::fmt::Write as _;

use super::converter::{Converter, Param};
use super::encoding::normalize;
use super::mistakes::{check_text, name_in};

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
