//! What the texts in a cookie may be. With others a browser would not keep it, or not send it: rule 43.

use std::fmt::Write as _;
use std::net::IpAddr;

/// RFC 6265bis, 5.6: browsers leave out an attribute that is longer.
const LONGEST_PATH: usize = 1024;

/// Browsers keep 4,096 bytes of name and value, and a session in a cookie needs most of them.
const LONGEST_NAME: usize = 128;

/// A token of RFC 9110, 5.6.2, without a prefix of its own.
pub(super) fn name(text: &str) -> Result<(), String> {
    const MARKS: &[u8] = b"!#$%&'*+-.^_`|~";
    let lower = text.to_ascii_lowercase();
    for (prefix, choice) in [("__host-", "host"), ("__secure-", "secure")] {
        let rest = text.get(prefix.len()..).unwrap_or_default();
        if lower.starts_with(prefix) && name(rest).is_ok() {
            return Err(format!(
                "takes the name without its prefix: write \"{rest}\", and SESSION_COOKIE_PREFIX = \"{choice}\""
            ));
        }
    }
    if text.starts_with("__") {
        return Err(
            "names that begin with `__` are for prefixes: choose one with SESSION_COOKIE_PREFIX"
                .into(),
        );
    }
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || MARKS.contains(&byte);
    if text.is_empty() || text.len() > LONGEST_NAME || !text.bytes().all(is_fine) {
        return Err(format!(
            "takes letters, digits, `-` and `_`, {LONGEST_NAME} at most, such as \"session_id\""
        ));
    }
    Ok(())
}

/// The domain as browsers compare it: in lower case, without the dot that they leave out.
pub(super) fn domain(text: &str) -> Result<String, String> {
    let host = text.strip_prefix('.').unwrap_or(text).to_ascii_lowercase();
    let bare = bare_host(&host);
    if let Some(message) = no_domain(&bare) {
        return Err(message.into());
    }
    if bare != host {
        return Err(format!(
            "takes a domain alone, without scheme, port, path, `*` or more dots: write \"{bare}\" (subdomains are meant too)"
        ));
    }
    Ok(host)
}

/// What is left of a URL, an address with a port or a pattern.
fn bare_host(text: &str) -> String {
    let text = text.trim();
    let text = text.split_once("//").map_or(text, |(_, rest)| rest);
    let text = text.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let text = text.rsplit('@').next().unwrap_or_default();
    if let Some((address, _)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        return address.to_owned();
    }
    let text = match text.split_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => text,
    };
    let labels = text
        .trim()
        .split('.')
        .filter(|label| !matches!(*label, "" | "*"));
    labels.collect::<Vec<_>>().join(".")
}

/// Why a host is no domain for a cookie: RFC 6265bis, 5.6.3 and 5.7.
fn no_domain(host: &str) -> Option<&'static str> {
    let last = host.rsplit('.').next().unwrap_or_default();
    // Browsers take a host whose last part is a number for an IPv4 address.
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x");
    if host.parse::<IpAddr>().is_ok() || (!last.is_empty() && is_number) {
        return Some(
            "takes a domain such as \"example.org\", not an address: leave it out, and the cookie is for this host alone",
        );
    }
    if !host.is_ascii() {
        return Some(
            "takes a domain in its ASCII form (punycode), as the browser sends it: \"xn--bcher-kva.example\"",
        );
    }
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let is_label = |label: &str| {
        label.len() <= 63
            && label.bytes().all(is_fine)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if host.is_empty() || host.len() > 253 || !host.split('.').all(is_label) {
        return Some(
            "takes one domain, such as \"example.org\"; leave it out, and the cookie is for this host alone",
        );
    }
    if !host.contains('.') {
        return Some(
            "browsers keep a cookie of a name without a dot for that host alone: leave it out, which means the same",
        );
    }
    None
}

/// A path as browsers compare it with that of a request: RFC 6265bis, 5.1.4.
pub(super) fn path(text: &str) -> Result<(), String> {
    if is_path(text) {
        return Ok(());
    }
    let takes = "takes a path as it stands in a URL, from its `/` on, without `?`, `#` and `;`";
    let right = bare_path(text);
    Err(if is_path(&right) && !text.contains(char::is_control) {
        format!("{takes}: write \"{right}\"")
    } else {
        format!("{takes}, such as \"/\" or \"/app\"")
    })
}

fn is_path(text: &str) -> bool {
    let hex = |at: usize| text.as_bytes().get(at).is_some_and(u8::is_ascii_hexdigit);
    let is_fine = |(at, byte): (usize, u8)| match byte {
        b'%' => hex(at + 1) && hex(at + 2),
        _ => byte == b'/' || is_plain(byte),
    };
    text.starts_with('/')
        && text.len() <= LONGEST_PATH
        && text.bytes().enumerate().all(is_fine)
        // The browser takes dots out of what it asks for, and no page is at a `*` or between two `/`.
        && !text.contains("//")
        && !text.split('/').any(|part| matches!(part, "." | ".." | "*" | "**"))
}

/// What a segment may have besides encoded bytes (RFC 3986, 3.3), but for the `;` that ends an attribute.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(&byte)
}

/// What is left of a URL, encoded.
fn bare_path(text: &str) -> String {
    let text = text.trim();
    let text = match text.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |start| &rest[start..]),
        None => text,
    };
    let text = text.split(['?', '#', ';']).next().unwrap_or_default();
    let mut path = String::new();
    for part in text
        .split(['/', '\\'])
        .filter(|part| !matches!(*part, "" | "." | ".." | "*" | "**"))
    {
        path.push('/');
        for byte in part.bytes() {
            if is_plain(byte) || byte == b'%' {
                path.push(char::from(byte));
            } else {
                write!(path, "%{byte:02X}").expect("a String takes every write");
            }
        }
    }
    if path.is_empty() { "/".into() } else { path }
}

/// Directives of RFC 9111, 5.2, among them one that keeps the cookie out of caches which many visitors
/// share.
pub(super) fn cache_control(text: &str) -> Result<(), String> {
    let is_visible = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    let lower = text.to_ascii_lowercase();
    let names = || {
        lower
            .split(',')
            .map(|directive| directive.split('=').next().unwrap_or_default().trim())
    };
    let is_name = |name: &str| !name.is_empty() && !name.contains(' ');
    let is_shared = |name: &str| matches!(name, "public" | "s-maxage");
    let is_kept_out = |name: &str| matches!(name, "no-store" | "private");
    if !text.bytes().all(is_visible) || !names().all(is_name) {
        return Err("takes directives with commas between them, such as \"no-store\"".into());
    }
    if names().any(is_shared) || !names().any(is_kept_out) {
        return Err(
            "needs \"no-store\" or \"private\", and neither \"public\" nor \"s-maxage\": a shared cache could give the cookie of one visitor to another"
                .into(),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;
