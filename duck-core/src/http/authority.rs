//! A host with its port, as `Host`, `:authority` and `Origin` name it.

use std::fmt;
use std::net::Ipv6Addr;

/// As long as a name can be: RFC 1035, 2.3.4, with a dot at its end.
const LONGEST: usize = 254;

/// A host and the port behind it, where there is one: RFC 3986, 3.2.2 and 3.2.3.
///
/// The text has been checked: it is one name or address, without a user, a path or another host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Authority<'a> {
    /// As it was sent; an IPv6 address stands in brackets.
    pub(crate) host: &'a str,
    pub(crate) port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// `None` for what no browser and no proxy sends as a host.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let end = match text.strip_prefix('[') {
            Some(rest) => rest.find(']')? + 2,
            None => name_at_start(text)?,
        };
        let (host, port) = text.split_at(end);
        if text.starts_with('[') {
            ipv6(host)?;
        }
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => None,
            Some("") => None,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().ok()?)
            }
            _ => return None,
        };
        Some(Self { host, port })
    }

    /// The same, for headers, which may hold other bytes.
    pub(crate) fn of(value: &'a ::http::HeaderValue) -> Option<Self> {
        Self::parse(value.to_str().ok()?)
    }

    /// Whether both name the same place to clients that speak this scheme.
    pub(crate) fn is_same(self, other: Self, secure: bool) -> bool {
        let port = |one: Self| one.port.unwrap_or(default_port(secure));
        self.host.eq_ignore_ascii_case(other.host) && port(self) == port(other)
    }
}

impl fmt::Display for Authority<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.host)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// The port of a URL that names none: RFC 9110, 4.2.
pub(crate) fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

/// The bytes that names are made of. A table, as each request has a host.
const OF_NAMES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = matches!(byte, b'-' | b'.' | b'_') || byte.is_ascii_alphanumeric();
        byte += 1;
    }
    table
};

fn is_of_names(byte: u8) -> bool {
    OF_NAMES[usize::from(byte)]
}

/// How long the name is that a text begins with: labels with dots between them, and perhaps a dot at the end.
fn name_at_start(text: &str) -> Option<usize> {
    let (mut length, mut last) = (0, b'.');
    for byte in text.bytes().take_while(|byte| is_of_names(*byte)) {
        if byte == b'.' && last == b'.' {
            return None;
        }
        (length, last) = (length + 1, byte);
    }
    (1..=LONGEST).contains(&length).then_some(length)
}

/// A name in its ASCII form, or an IPv4 address. The underscore is not for hosts by RFC 1123, and is in
/// use all the same.
pub(crate) fn is_name(text: &str) -> bool {
    name_at_start(text) == Some(text.len())
}

/// The address inside the brackets.
pub(crate) fn ipv6(text: &str) -> Option<Ipv6Addr> {
    let inside = text.strip_prefix('[')?.strip_suffix(']')?;
    inside.parse().ok()
}

/// A host (a name, an IPv4 address, or an IPv6 address in brackets) and a port.
pub(crate) fn is_address(text: &str) -> bool {
    Authority::parse(text).is_some_and(|authority| authority.port.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_a_port_or_none() {
        for (text, host, port) in [
            ("example.org", "example.org", None),
            ("example.org.", "example.org.", None),
            ("EXAMPLE.org:8000", "EXAMPLE.org", Some(8000)),
            ("example.org:", "example.org", None),
            ("example.org:0080", "example.org", Some(80)),
            ("127.0.0.1:65535", "127.0.0.1", Some(65535)),
            ("[::1]", "[::1]", None),
            ("[2001:db8::7]:443", "[2001:db8::7]", Some(443)),
            ("xn--bcher-kva.example", "xn--bcher-kva.example", None),
            ("a_b.example", "a_b.example", None),
            ("localhost", "localhost", None),
        ] {
            assert_eq!(
                Authority::parse(text),
                Some(Authority { host, port }),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_more_or_less_than_one_host_is_none() {
        let long = format!("{}.example", "a.".repeat(130));
        for text in [
            "",
            ":80",
            "a/b",
            "a/b@c",
            "user@a",
            "user:word@a",
            "a,b",
            "a, b",
            "a b",
            " a",
            "a ",
            "a;b",
            "a?b",
            "a#b",
            "a\\b",
            "a%2eb",
            "a:80:80",
            "a:+80",
            "a:-1",
            "a:65536",
            "a:99999999999999999999",
            "a:http",
            "a:80/",
            ".a",
            "a..b",
            ".",
            "*",
            "*.a",
            "b\u{fc}cher.example",
            "::1",
            "[::1",
            "::1]",
            "[]",
            "[a]",
            "[127.0.0.1]",
            "[::1]a",
            "[::1]]",
            "[fe80::1%eth0]",
            "[::1]:",
            "<script>",
            "a\0",
            &long,
        ] {
            let expected = (text == "[::1]:").then_some("[::1]");
            assert_eq!(
                Authority::parse(text).map(|it| it.host),
                expected,
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_port_that_goes_without_saying_may_be_said() {
        let same = |a, b, secure| {
            let parse = |text| Authority::parse(text).unwrap();
            parse(a).is_same(parse(b), secure)
        };
        assert!(same("a.example", "A.Example:80", false));
        assert!(same("a.example", "a.example:443", true));
        assert!(!same("a.example", "a.example:443", false));
        assert!(!same("a.example", "a.example.", false));
        assert!(!same("a.example:8000", "a.example:8001", false));
        assert!(!same("a.example", "b.a.example", true));
    }
}
