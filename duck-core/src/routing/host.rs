//! The hosts that routes are for: `api.example.org`, `<tenant>.example.org`.

use std::borrow::Cow;
use std::fmt;

use crate::http::authority::{Authority, ipv6, is_name};

/// The longest part between two dots: RFC 1035, 2.3.4.
const LONGEST_LABEL: usize = 63;

/// One host, or all hosts that differ in a part of their name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostPattern {
    labels: Vec<Label>,
}

/// What stands between two dots. An IPv6 address is one text.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Label {
    Text(String),
    Param(String),
}

/// The one way to write a host that a request names: in lower case, without a dot at its end, an IPv6 address in
/// its short form.
pub(crate) fn canonical(host: &str) -> Cow<'_, str> {
    if let Some(address) = ipv6(host) {
        return Cow::Owned(format!("[{address}]"));
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}

impl HostPattern {
    /// Reads `<tenant>.example.org`. The error is a sentence for the site's author.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Some(address) = ipv6(text) {
            let labels = vec![Label::Text(format!("[{address}]"))];
            return Ok(Self { labels });
        }
        let labels = text.split('.').map(|label| Label::parse(label, text));
        let labels: Vec<_> = labels.collect::<Result<_, _>>()?;
        let pattern = Self { labels };
        if matches!(pattern.labels.last(), Some(Label::Param(_))) {
            return Err(format!(
                "the host {text:?} ends with a parameter, which would take other sites' names and addresses too: \
                 write its end out, as in `<tenant>.example.org`"
            ));
        }
        let params: Vec<_> = pattern.params().collect();
        let twice = |(index, name): (usize, &&str)| params[..index].contains(name);
        if let Some((_, name)) = params.iter().enumerate().find(|each| twice(*each)) {
            return Err(format!(
                "the host {text:?} has two parameters named `{name}`"
            ));
        }
        Ok(pattern)
    }

    /// The names of its parameters, in their order.
    pub(crate) fn params(&self) -> impl Iterator<Item = &str> {
        self.labels.iter().filter_map(|label| match label {
            Label::Param(name) => Some(&**name),
            Label::Text(_) => None,
        })
    }

    /// The host itself, where there is but one.
    pub(crate) fn exact(&self) -> Option<String> {
        let is_exact = self.params().next().is_none();
        is_exact.then(|| self.to_string())
    }

    /// Whether a canonical host is such a one.
    pub(crate) fn takes(&self, host: &str) -> bool {
        let mut labels = host.split('.');
        let fits = self.labels.iter().all(|own| match own {
            Label::Text(text) => labels.next() == Some(text),
            Label::Param(_) => labels.next().is_some_and(|label| !label.is_empty()),
        });
        fits && labels.next().is_none()
    }

    /// What a canonical host has in place of a parameter.
    pub(crate) fn value<'h>(&self, name: &str, host: &'h str) -> Option<&'h str> {
        let is_it = |label: &Label| matches!(label, Label::Param(own) if own == name);
        host.split('.').nth(self.labels.iter().position(is_it)?)
    }

    /// Whether there are hosts that fit both.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let meet = |(one, two): (&Label, &Label)| match (one, two) {
            (Label::Text(one), Label::Text(two)) => one == two,
            _ => true,
        };
        self.labels.len() == other.labels.len() && self.labels.iter().zip(&other.labels).all(meet)
    }

    /// The host with `values` in place of its parameters.
    pub(crate) fn fill(&self, values: &[String]) -> Result<String, String> {
        let mut values = values.iter();
        let mut host: Vec<Cow<'_, str>> = Vec::with_capacity(self.labels.len());
        for label in &self.labels {
            host.push(match label {
                Label::Text(text) => text.into(),
                Label::Param(name) => {
                    let value = values.next().map_or("", |value| value);
                    if !is_label(value) {
                        return Err(format!(
                            "the value {value:?} of `{name}` cannot be a part of a host"
                        ));
                    }
                    value.to_ascii_lowercase().into()
                }
            });
        }
        Ok(host.join("."))
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, label) in self.labels.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { "." })?;
            match label {
                Label::Text(text) => f.write_str(text)?,
                Label::Param(name) => write!(f, "<{name}>")?,
            }
        }
        Ok(())
    }
}

impl Label {
    fn parse(label: &str, host: &str) -> Result<Self, String> {
        let inside = label
            .strip_prefix('<')
            .and_then(|rest| rest.strip_suffix('>'));
        if let Some(name) = inside {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            return if !name.is_empty() && name.bytes().all(fits) {
                Ok(Self::Param(name.to_owned()))
            } else {
                Err(format!(
                    "the host {host:?} has the parameter `<{name}>`: it is a name of letters, digits and `_` without \
                     a converter, as in `<tenant>.example.org`"
                ))
            };
        }
        if is_label(label) {
            return Ok(Self::Text(label.to_ascii_lowercase()));
        }
        Err(format!("the host {host:?} {}", right(host)))
    }
}

/// Whether a text can stand between two dots of a name.
fn is_label(text: &str) -> bool {
    text.len() <= LONGEST_LABEL && !text.contains('.') && is_name(text)
}

/// What would be right in place of what is no host.
fn right(host: &str) -> String {
    let bare = host.split_once("://").map_or(host, |(_, rest)| rest);
    let bare = bare.split(['/', '?', '#']).next().unwrap_or_default();
    if !host.is_ascii() {
        return "has other letters: write the name in its ASCII form, \"xn--…\"".to_owned();
    }
    if bare.parse::<std::net::Ipv6Addr>().is_ok() {
        return format!("is an IPv6 address: write \"[{bare}]\"");
    }
    if let Some(below) = bare.strip_prefix("*.").or(bare.strip_prefix('.')) {
        return format!("stands for many: write \"<name>.{below}\"");
    }
    if bare.contains(['<', '>']) {
        return "has a parameter that is no whole part between two dots: write \"<tenant>.example.org\""
            .to_owned();
    }
    match Authority::parse(bare.trim_end_matches('.')) {
        Some(authority) => format!("is more than a host: write \"{}\"", authority.host),
        None => "is no host: write \"example.org\", or \"<tenant>.example.org\"".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> HostPattern {
        HostPattern::parse(text).unwrap()
    }

    #[test]
    fn a_host_has_one_spelling() {
        assert_eq!(canonical("API.Example.ORG."), "api.example.org");
        assert_eq!(canonical("[0:0::1]"), "[::1]");
        assert_eq!(host("[0:0::1]").exact().unwrap(), "[::1]");
        assert!(matches!(canonical("api.example.org"), Cow::Borrowed(_)));
    }

    #[test]
    fn what_is_no_host_is_refused_with_what_would_be_right() {
        for (wrong, says) in [
            ("", "is no host"),
            ("api.example.org:8000", "write \"api.example.org\""),
            ("https://api.example.org", "write \"api.example.org\""),
            ("api.example.org/v1", "write \"api.example.org\""),
            ("api.example.org.", "write \"api.example.org\""),
            ("*.example.org", "write \"<name>.example.org\""),
            (".example.org", "write \"<name>.example.org\""),
            ("b\u{fc}cher.example", "xn--"),
            ("::1", "write \"[::1]\""),
            ("a..b", "is no host"),
            ("a b", "is no host"),
            ("x-<tenant>.example.org", "no whole part"),
            ("<tenant.example.org", "no whole part"),
            ("<int:id>.example.org", "without a converter"),
            ("<>.example.org", "without a converter"),
            ("<a>.<a>.example.org", "two parameters named `a`"),
            ("<tenant>", "ends with a parameter"),
            ("example.<tld>", "ends with a parameter"),
        ] {
            let error = HostPattern::parse(wrong).unwrap_err();
            assert!(error.contains(says), "{wrong}: {error}");
        }
    }

    #[test]
    fn hosts_overlap_where_one_could_be_both() {
        for (one, two, both) in [
            ("<a>.example.org", "<b>.example.org", true),
            ("api.<x>.org", "<y>.example.org", true),
            ("<a>.example.org", "<a>.example.com", false),
            ("<a>.example.org", "<a>.<b>.example.org", false),
        ] {
            assert_eq!(host(one).overlaps(&host(two)), both, "{one} {two}");
        }
    }
}
