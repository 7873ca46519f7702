//! What authors of URL patterns write by mistake, and what would be right.

/// What stands in regular expressions, and in no path.
const EXPRESSION_SIGNS: [&str; 6] = ["(?", "\\", "(.", "([", "/.*", "/.+"];

/// Refuses what other frameworks take for a parameter, and what no path of a request has: as text it
/// would match nothing that was meant.
pub(super) fn check_text(text: &str, path: &str) -> Result<(), String> {
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
pub(super) fn name_in(text: &str) -> &str {
    let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let text = text.trim_start_matches(|character| !is_name(character));
    let end = text.find(|character| !is_name(character));
    match &text[..end.unwrap_or(text.len())] {
        "" => "id",
        name => name,
    }
}

/// The parameter that was meant by a converter that there is not.
pub(super) fn right_parameter(converter: &str, name: &str) -> String {
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

#[cfg(all(test, feature = "regex"))]
mod tests {
    use super::*;

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
}
