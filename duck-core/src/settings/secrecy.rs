//! Which values an error may quote.

use std::fmt;

/// A key with one of these in it may hold a secret, or an address with a password in it.
const SECRET_WORDS: [&str; 20] = [
    "API",
    "AUTH",
    "CERT",
    "CONNECTION",
    "CREDENTIAL",
    "DATABASE",
    "DB_",
    "DSN",
    "HASH",
    "KEY",
    "PASS",
    "PRIVATE",
    "PWD",
    "SALT",
    "SECRET",
    "SEED",
    "SIGN",
    "TOKEN",
    "URI",
    "URL",
];

/// What may be said of an error of reading `key`: where its value may be secret, what was expected and
/// nothing else. The error itself quotes the value.
pub(super) fn without_secrets(key: &str, error: impl fmt::Display) -> String {
    let error = error.to_string();
    let key = key.to_ascii_uppercase();
    if !SECRET_WORDS.iter().any(|word| key.contains(word)) {
        return error;
    }
    let expected = error
        .strip_prefix("invalid ")
        .and_then(|error| error.rsplit_once(", expected "));
    match expected {
        Some((_, expected)) => format!("expected {expected}, and this is something else"),
        None => "the value cannot be used".to_owned(),
    }
}
