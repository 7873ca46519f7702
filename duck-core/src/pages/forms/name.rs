//! Names of fields: `title`, `address.zip`, `rows[0].price`, `tags[]`.

/// The most parts that a name may have.
const MAX_PARTS: usize = 16;

/// A name has too many parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooDeep;

/// Takes a name apart. `rows[0].price`, `rows.0.price` and `rows[0][price]` are the same; brackets
/// with nothing in them at the end (`tags[]`) say nothing. What is written in no such way is one
/// part, and the name of no field.
pub(super) fn parts(name: &str) -> Result<Vec<&str>, TooDeep> {
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let Some((part, after)) = next(rest, parts.is_empty()) else {
            return Ok(vec![name]);
        };
        rest = after;
        if part.is_empty() && rest.is_empty() {
            break;
        }
        if part.is_empty() {
            return Ok(vec![name]);
        }
        if parts.len() == MAX_PARTS {
            return Err(TooDeep);
        }
        parts.push(part);
    }
    Ok(parts)
}

/// The next part, and what follows it. `None` where the name is not written as names are.
fn next(rest: &str, is_first: bool) -> Option<(&str, &str)> {
    if let Some(inner) = rest.strip_prefix('[') {
        let (part, after) = inner.split_once(']')?;
        let goes_on = after.is_empty() || after.starts_with(['.', '[']);
        return (goes_on && !is_first && !part.contains('[')).then_some((part, after));
    }
    let rest = match rest.strip_prefix('.') {
        Some(rest) if !is_first => rest,
        None if is_first => rest,
        _ => return None,
    };
    let (part, after) = rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len()));
    (!part.is_empty() && !part.contains(']')).then_some((part, after))
}

/// The name of something inside: of a struct's field, or of a list's element by its number.
pub(super) fn join(parent: &str, part: &str) -> String {
    if parent.is_empty() {
        part.to_owned()
    } else if is_number(part) {
        format!("{parent}[{part}]")
    } else {
        format!("{parent}.{part}")
    }
}

pub(super) fn is_number(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
}

/// The same name for all elements of a list: `rows[].price`.
pub(super) fn of_all_elements(name: &str) -> String {
    let mut all = String::with_capacity(name.len());
    let mut is_inside = false;
    for character in name.chars() {
        match character {
            '[' => is_inside = true,
            ']' => is_inside = false,
            _ if is_inside => continue,
            _ => {}
        }
        all.push(character);
    }
    all
}

/// Whether a name is another one, or of something inside of it.
pub(super) fn is_within(name: &str, outer: &str) -> bool {
    let rest = name.strip_prefix(outer);
    rest.is_some_and(|rest| outer.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_is_written_in_several_ways() {
        for (name, expected) in [
            ("title", &["title"][..]),
            ("address.zip", &["address", "zip"]),
            ("rows[0].price", &["rows", "0", "price"]),
            ("rows.0.price", &["rows", "0", "price"]),
            ("rows[0][price]", &["rows", "0", "price"]),
            ("tags[]", &["tags"]),
            ("rows[0][tags][]", &["rows", "0", "tags"]),
        ] {
            assert_eq!(parts(name).unwrap(), expected, "{name}");
        }
    }

    #[test]
    fn what_is_not_written_as_a_name_is_one_part() {
        for name in [
            "[", "]", "[]", "a]", "a[", "a[b", "a[b]c", "a[[b]]", ".a", "a.", "a..b", "[a]",
            "a[].b", "a.[b]", ".", "a[b]]",
        ] {
            assert_eq!(parts(name).unwrap(), [name], "{name}");
        }
        assert!(parts("").unwrap().is_empty());
    }

    #[test]
    fn names_of_many_parts_are_refused() {
        assert!(parts(&format!("a{}", "[b]".repeat(15))).is_ok());
        assert_eq!(parts(&format!("a{}", "[b]".repeat(16))), Err(TooDeep));
        assert_eq!(parts(&format!("a{}", ".b".repeat(10_000))), Err(TooDeep));
    }

    #[test]
    fn names_are_put_together() {
        assert_eq!(join("", "a"), "a");
        assert_eq!(join("a", "b"), "a.b");
        assert_eq!(join("a", "0"), "a[0]");
        assert_eq!(of_all_elements("rows[12].tags[0]"), "rows[].tags[]");
        assert!(is_within("a.b", "a") && is_within("a[0]", "a") && is_within("a", "a"));
        assert!(!is_within("ab", "a") && is_within("a", ""));
    }
}
