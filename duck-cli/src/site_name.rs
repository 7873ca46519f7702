//! The name of a site.

use crate::failure::{Failure, Result};
use crate::lock;

/// Words that cargo or rustc refuse as the name of a package, or of the crate in it.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Names that mean something else to cargo, to the site's own `use` lines, or to Windows.
const TAKEN: &[&str] = &[
    "alloc",
    "aux",
    "build",
    "con",
    "core",
    "deps",
    "duck",
    "duck-cli",
    "duck-core",
    "duck-session",
    "examples",
    "incremental",
    "nul",
    "prn",
    "proc-macro",
    "serde",
    "std",
    "test",
    "tokio",
];

/// A name that is a package, a crate (with `_` for `-`) and a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SiteName(String);

impl SiteName {
    /// Reads a name: small letters, digits, `-` and `_`, a letter first, at most 64 of them.
    ///
    /// # Errors
    /// Says what is wrong with the name, and which one would do.
    pub(crate) fn parse(name: &str) -> Result<Self> {
        match fault(name) {
            None => Ok(Self(name.to_owned())),
            Some(fault) => Err(Failure::usage(format!(
                "`{}` cannot be the name of a site: {fault}; `duck new {}` would be right",
                name.escape_debug(),
                suggestion(name),
            ))),
        }
    }

    /// The name as it was given: of the package and of the folder.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The name in Rust's `use` lines.
    pub(crate) fn crate_name(&self) -> String {
        self.0.replace('-', "_")
    }
}

fn fault(name: &str) -> Option<&'static str> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if name.is_empty() {
        Some("it is empty")
    } else if name.contains(['/', '\\']) {
        Some("it is a path, and a site is made in the folder you are in")
    } else if !name.chars().all(plain) {
        Some("it may hold small letters a-z, digits, `-` and `_` only")
    } else if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        Some("it must begin with a letter")
    } else if name.len() > 64 {
        Some("it is longer than 64 characters")
    } else if KEYWORDS.contains(&name) {
        Some("it is a word of the Rust language")
    } else if TAKEN.contains(&name.replace('_', "-").as_str()) {
        Some("that name is taken by Rust, cargo, Duck or the system")
    } else if lock::names(name) || lock::names(&name.replace('_', "-")) {
        Some("it is the name of a crate that the site is built with")
    } else {
        None
    }
}

/// The nearest good name.
fn suggestion(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = last
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let words: Vec<&str> = plain.split('-').filter(|word| !word.is_empty()).collect();
    let name: String = words.join("-").chars().take(40).collect();
    match fault(&name) {
        None => name,
        Some(_) if !name.is_empty() => format!("my-{name}"),
        Some(_) => "mysite".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_names_that_cargo_takes() {
        for name in ["mysite", "my-site", "my_site", "a", "site2"] {
            assert_eq!(SiteName::parse(name).unwrap().as_str(), name);
        }
        assert_eq!(SiteName::parse("my-site").unwrap().crate_name(), "my_site");
    }

    #[test]
    fn refuses_the_rest_and_says_what_would_be_right() {
        let cases = [
            ("", "mysite"),
            ("../x", "x"),
            ("/tmp/site", "site"),
            ("a\\b", "b"),
            ("..", "mysite"),
            ("MySite", "mysite"),
            ("my site", "my-site"),
            ("2nd", "my-2nd"),
            ("-x", "x"),
            ("_", "mysite"),
            ("match", "my-match"),
            ("test", "my-test"),
            ("duck_core", "my-duck-core"),
            ("--", "mysite"),
            ("käse", "k-se"),
            ("a\nb", "a-b"),
            ("http", "my-http"),
            ("futures_core", "my-futures-core"),
        ];
        for (name, right) in cases {
            let sentence = SiteName::parse(name).unwrap_err().to_string();
            assert!(
                sentence.ends_with(&format!("`duck new {right}` would be right")),
                "{sentence}"
            );
        }
        assert!(SiteName::parse(&"a".repeat(65)).is_err());
    }

    #[test]
    fn every_suggestion_is_itself_a_good_name() {
        for name in KEYWORDS
            .iter()
            .chain(TAKEN)
            .chain(&["", "..", "ß", "9", "😀"])
        {
            assert_eq!(fault(&suggestion(name)), None, "{name}");
        }
    }
}
