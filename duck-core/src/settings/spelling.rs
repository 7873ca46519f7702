//! Words that are almost right.

/// The word that is most like another one, if there is one that could be meant. Case does not count.
///
/// ```
/// # use duck::settings::nearest;
/// assert_eq!(nearest("stict", ["Lax", "Strict", "None"]), Some("Strict"));
/// assert_eq!(nearest("yes", ["Lax", "Strict", "None"]), None);
/// ```
pub fn nearest<'a>(word: &str, among: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.trim().to_ascii_lowercase();
    let likeness = |other: &str| strsim::jaro_winkler(&word, &other.to_ascii_lowercase());
    among
        .into_iter()
        .map(|other| (likeness(other), other))
        .filter(|(likeness, _)| *likeness > 0.85)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, other)| other)
}

/// The key that a name in a section stands for: `cookie_age` in `[session]` is `SESSION_COOKIE_AGE`.
pub(super) fn flat_key(section: &str, name: &str) -> String {
    let (section, name) = (upper_key(section), upper_key(name));
    if name.starts_with(&section) || section == "DUCK" {
        return name;
    }
    format!("{section}_{name}")
}

/// A name as keys are written: `secretKey` and `secret-key` are `SECRET_KEY`.
pub(super) fn upper_key(name: &str) -> String {
    let mut key = String::with_capacity(name.len() + 2);
    let mut after_lower = false;
    for character in name.chars() {
        if after_lower && character.is_uppercase() {
            key.push('_');
        }
        after_lower = character.is_lowercase();
        match character {
            '-' | '.' | ' ' => key.push('_'),
            other => key.extend(other.to_uppercase()),
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_does_not_count_and_what_is_far_off_is_nothing() {
        let choices = ["Lax", "Strict", "None"];
        for (word, expected) in [
            ("lax", Some("Lax")),
            ("STRICT", Some("Strict")),
            ("Stict", Some("Strict")),
            ("none ", Some("None")),
            ("yes", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, choices), expected, "{word}");
        }
    }
}
