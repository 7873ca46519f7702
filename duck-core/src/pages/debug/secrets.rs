//! What a debug page does not show of settings, headers and queries: it is looked at over shoulders, and
//! copied into tickets.

use std::borrow::Cow;

/// In place of a secret.
pub(super) const STARS: &str = "********";

/// What stands in the name of a secret.
const NAMES: [&str; 16] = [
    "SECRET",
    "PASS",
    "PWD",
    "TOKEN",
    "KEY",
    "AUTH",
    "CREDENTIAL",
    "COOKIE",
    "SIGNATURE",
    "SALT",
    "PRIVATE",
    "CSRF",
    "XSRF",
    "SESSIONID",
    "SESSION_ID",
    "DSN",
];

/// What a secret begins with that says so itself.
const BEGINNINGS: [&str; 12] = [
    "-----BEGIN",
    "Bearer ",
    "Basic ",
    "eyJ",
    "sk-",
    "sk_",
    "pk_",
    "rk_",
    "ghp_",
    "github_pat_",
    "xox",
    "AKIA",
];

/// A value as it may be shown: stars, where its name or the value itself looks like a secret.
pub(super) fn starred<'a>(name: &str, value: &'a str) -> Cow<'a, str> {
    if value.is_empty() {
        return Cow::Borrowed(value);
    }
    if is_name_of_secret(name) || looks_secret(value) {
        return Cow::Borrowed(STARS);
    }
    without_passwords(value)
}

/// Whether what has this name is a secret.
pub(super) fn is_name_of_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase().replace('-', "_");
    NAMES.iter().any(|part| name.contains(part))
}

fn looks_secret(value: &str) -> bool {
    let begins = |text: &str| {
        BEGINNINGS
            .iter()
            .any(|beginning| text.starts_with(beginning))
    };
    begins(value.trim_start()) || value.split([' ', ',', ';', '"', '\'', '\n']).any(is_random)
}

/// Whether a word is one that a generator made: 20 characters or more, with digits among letters, and
/// nothing that makes it a path, an address or a date.
fn is_random(word: &str) -> bool {
    let of = |is: fn(&u8) -> bool| word.bytes().filter(is).count();
    let (digits, letters) = (of(u8::is_ascii_digit), of(u8::is_ascii_alphabetic));
    let others = word.len() - digits - letters;
    let is_of_alphabet = word
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"+/=_-".contains(&byte));
    is_of_alphabet && word.len() >= 20 && digits >= 2 && letters >= 3 && others * 6 <= word.len()
}

/// `postgres://site:********@db/site`: what stands between the name and the host of each URL.
fn without_passwords(text: &str) -> Cow<'_, str> {
    let Some(scheme) = text.find("://") else {
        return Cow::Borrowed(text);
    };
    let (before, rest) = text.split_at(scheme + 3);
    let end = rest
        .find(['/', '?', '#', ' ', ',', '"', '\n'])
        .unwrap_or(rest.len());
    // A password may have a `/` of its own that nobody encoded: the last `@` of the word counts.
    let word = rest.find([' ', ',', '"', '\n']).unwrap_or(rest.len());
    let at = rest[..end].rfind('@').or_else(|| rest[..word].rfind('@'));
    let (authority, behind) = rest.split_at(at.unwrap_or(0));
    let shown = match authority.split_once(':') {
        Some((user, _)) => format!("{before}{user}:{STARS}"),
        None => format!("{before}{authority}"),
    };
    let (query_free, query) = behind.split_at(behind.find('?').unwrap_or(behind.len()));
    let query = match query.strip_prefix('?') {
        Some(query) => format!("?{}", starred_query(query)),
        None => String::new(),
    };
    let tail = match query_free.find("://") {
        Some(_) => without_passwords(query_free).into_owned(),
        None => query_free.to_owned(),
    };
    Cow::Owned(shown + &tail + &query)
}

/// A query with the values of secret names starred: `page=2&token=********`.
pub(super) fn starred_query(query: &str) -> String {
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, value))
            if !value.is_empty() && (is_name_of_secret(name) || looks_secret(value)) =>
        {
            format!("{name}={STARS}")
        }
        _ => pair.to_owned(),
    });
    pairs.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_starred_by_their_name() {
        for name in [
            "SECRET_KEY",
            "MAIL_PASSWORD",
            "STRIPE_API_KEY",
            "authorization",
            "Cookie",
            "proxy-authorization",
            "x-api-key",
            "X-CSRF-Token",
            "DB_PASS",
            "SENTRY_DSN",
        ] {
            assert_eq!(starred(name, "short"), STARS, "{name}");
        }
        for name in ["DEBUG", "STATIC_DIR", "host", "accept-language"] {
            assert_eq!(starred(name, "short"), "short", "{name}");
        }
    }

    #[test]
    fn secrets_are_starred_by_their_looks() {
        for value in [
            "Bearer abc",
            "eyJhbGciOiJIUzI1NiJ9.e30.x",
            "-----BEGIN PRIVATE KEY-----\nabc",
            "wJalrXUtnFEMI7K7MDENGbPxRfiCYEXAMPLEKEY",
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
            "one two 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
        ] {
            assert_eq!(starred("X", value), STARS, "{value}");
        }
        for value in [
            "/srv/site/assets/static",
            "127.0.0.1:8000",
            "2026-11-27T18:54:26Z",
            "text/html,application/xhtml+xml;q=0.9",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
            "KeyAsFolderCache",
            "",
        ] {
            assert_eq!(starred("X", value), value);
        }
    }

    #[test]
    fn a_url_is_shown_without_its_password() {
        for (url, shown) in [
            (
                "postgres://site:hunter2@db:5432/site",
                "postgres://site:********@db:5432/site",
            ),
            ("redis://:hunter2@db", "redis://:********@db"),
            ("smtp://a:b:c@d@mail/?x=1", "smtp://a:********@mail/?x=1"),
            ("smtp://a:b/c@mail/x", "smtp://a:********@mail/x"),
            (
                "https://example.org/a?token=abc&page=2",
                "https://example.org/a?token=********&page=2",
            ),
            ("https://example.org/", "https://example.org/"),
            ("a://b:c@d, e://f:g@h", "a://b:********@d, e://f:********@h"),
            ("sqlite://site.db", "sqlite://site.db"),
        ] {
            assert_eq!(starred("X_URL", url), shown);
        }
    }
}
