//! What a debug page does not show of settings, headers and queries: it is looked at over shoulders, and
//! copied into tickets.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

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
    without_secrets_of_urls(value)
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

/// `postgres://site:********@db/site`, and the query of a URL with its secrets starred.
fn without_secrets_of_urls(text: &str) -> Cow<'_, str> {
    if !text.contains("://") {
        return Cow::Borrowed(text);
    }
    let words = text.split_inclusive(ENDS_OF_URLS).map(|word| {
        let word = without_passwords(word);
        match word.split_once('?') {
            Some((before, query)) if before.contains("://") => {
                format!("{before}?{}", starred_query(query)).into()
            }
            _ => word,
        }
    });
    Cow::Owned(words.collect())
}

const ENDS_OF_URLS: [char; 4] = [' ', ',', '"', '\n'];

/// A word, without what stands between the name and the host of each URL in it. It goes from URL to URL, as a
/// client may send thousands in a word.
fn without_passwords(word: &str) -> Cow<'_, str> {
    let mut shown = String::new();
    let mut rest = word;
    while let Some(scheme) = rest.find("://") {
        let (before, after) = rest.split_at(scheme + 3);
        let end = after.find(['/', '?', '#']).unwrap_or(after.len());
        // A password may have a `/` of its own that nobody encoded: the last `@` of the word counts.
        let Some(at) = after[..end].rfind('@').or_else(|| after.rfind('@')) else {
            break;
        };
        shown += before;
        match after[..at].split_once(':') {
            Some((user, _)) => shown.extend([user, ":", STARS]),
            None => shown += &after[..at],
        }
        rest = &after[at..];
    }
    if shown.is_empty() {
        return Cow::Borrowed(word);
    }
    Cow::Owned(shown + rest)
}

/// A query with the values of secret names starred, and those that look like secrets: `page=2&token=********`.
pub(super) fn starred_query(query: &str) -> String {
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, value)) if is_secret_pair(&decoded(name), &decoded(value)) => {
            format!("{name}={STARS}")
        }
        _ => pair.to_owned(),
    });
    pairs.collect::<Vec<_>>().join("&")
}

fn is_secret_pair(name: &str, value: &str) -> bool {
    let has_password = || *without_passwords(value) != *value;
    !value.is_empty() && (is_name_of_secret(name) || looks_secret(value) || has_password())
}

fn decoded(text: &str) -> String {
    let text = text.replace('+', " ");
    percent_decode_str(&text).decode_utf8_lossy().into_owned()
}

/// A path with stars for the parts that look like secrets, and for those that are in one of these.
pub(super) fn starred_path(path: &str, secrets: &[Cow<'_, str>]) -> String {
    let is_secret = |part: &str| {
        let part = percent_decode_str(part).decode_utf8_lossy();
        let is_in = |secret: &Cow<'_, str>| secret.split('/').any(|inner| inner == part);
        !part.is_empty() && (looks_secret(&part) || secrets.iter().any(is_in))
    };
    let parts = path
        .split('/')
        .map(|part| if is_secret(part) { STARS } else { part });
    parts.collect::<Vec<_>>().join("/")
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

    #[test]
    fn a_query_is_read_before_it_is_starred() {
        for (query, shown) in [
            ("page=2&token=abc", "page=2&token=********"),
            ("pass%77ord=abc", "pass%77ord=********"),
            ("a=Bearer%20abc", "a=********"),
            ("a=Bearer+abc", "a=********"),
            ("url=postgres://site:hunter2@db", "url=********"),
            ("url=postgres%3A%2F%2Fsite%3Ahunter2%40db", "url=********"),
            ("url=https%3A%2F%2Fa.example", "url=https%3A%2F%2Fa.example"),
            ("a&b=&=c", "a&b=&=c"),
        ] {
            assert_eq!(starred_query(query), shown);
        }
    }

    #[test]
    fn a_path_is_shown_without_what_its_parameters_hide() {
        let random = "wJalrXUtnFEMI7K7MDENGbPxRfiCYEXAMPLEKEY";
        assert_eq!(
            starred_path(&format!("/reset/{random}/now"), &[]),
            "/reset/********/now"
        );
        let secrets = [Cow::Borrowed("ab c")];
        assert_eq!(starred_path("/reset/ab%20c", &secrets), "/reset/********");
        assert_eq!(starred_path("/notes/7", &secrets), "/notes/7");
    }

    #[test]
    fn a_text_full_of_urls_is_read_from_its_start_to_its_end_once() {
        let start = std::time::Instant::now();
        for part in [
            "://",
            "://a:b@",
            "a://?b=",
            "://a@/",
            "://:",
            "@",
            "?://",
            "://,",
            "/://?&a=://b:c@",
        ] {
            let text = part.repeat(64 * 1024 / part.len());
            assert!(!starred("X", &text).is_empty());
            assert!(!starred_query(&text).is_empty());
            assert!(!starred_path(&text, &[]).is_empty());
        }
        assert!(start.elapsed() < std::time::Duration::from_secs(5));
    }
}
