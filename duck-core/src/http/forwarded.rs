//! What proxies write into `X-Forwarded-For`, `X-Forwarded-Proto` and `Forwarded`, from the last one back.

use std::borrow::Cow;
use std::net::IpAddr;

use http::HeaderMap;

use crate::http::parameters::{Parameters, Quoting};

const FOR: &str = "x-forwarded-for";
const PROTO: &str = "x-forwarded-proto";

/// What a proxy says of whoever is in front of it.
#[derive(Debug, Default)]
pub(crate) struct Hop<'a> {
    /// `None` where the proxy does not say, or keeps it to itself.
    pub(crate) address: Option<IpAddr>,
    pub(crate) is_secure: bool,
    pub(crate) host: Option<&'a str>,
}

/// The elements of a list, from the last header's last to the first.
fn backwards<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter().rev();
    let elements = values.flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','));
    elements.map(as_text)
}

/// What is not text is no address either: it is not passed over, or what stands before it would
/// count.
fn as_text(element: &[u8]) -> &str {
    std::str::from_utf8(element).unwrap_or_default().trim()
}

/// Each proxy adds an address, and a scheme if it is a careful one. Where there are fewer schemes, the
/// first counts for those in front of it too.
pub(crate) fn x_forwarded(headers: &HeaderMap) -> impl Iterator<Item = Hop<'_>> {
    let unnamed = (!headers.contains_key(FOR)).then_some(None);
    let addresses = backwards(headers, FOR).map(address).chain(unnamed);
    let mut schemes = backwards(headers, PROTO).map(is_secure);
    let mut secure = false;
    addresses.map(move |address| {
        secure = schemes.next().unwrap_or(secure);
        Hop {
            address,
            is_secure: secure,
            host: None,
        }
    })
}

/// RFC 7239: one element for each proxy.
pub(crate) fn forwarded(headers: &HeaderMap) -> impl Iterator<Item = Hop<'_>> {
    let values = headers.get_all("forwarded").iter().rev();
    let elements = values.flat_map(|value| Elements(Some(value.as_bytes())));
    elements.map(|element| {
        let text = as_text(element);
        let value = |name| Parameters::new(text, Quoting::Backslash).find(name);
        let host = value("host").and_then(|host| match host {
            Cow::Borrowed(host) => Some(host).filter(|host| is_host(host)),
            Cow::Owned(_) => None,
        });
        Hop {
            address: value("for").and_then(|text| address(&text)),
            is_secure: value("proto").is_some_and(|text| is_secure(&text)),
            host,
        }
    })
}

/// No host needs an escape, or any other character.
fn is_host(host: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    !host.is_empty() && host.bytes().all(fits)
}

/// The elements of a list from its end, at the commas outside of quotes. So nothing in front of an
/// element, such as a quote that a client has left open, changes how it is read.
struct Elements<'a>(Option<&'a [u8]>);

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let list = self.0?;
        let mut quoted = false;
        let comma = (0..list.len()).rev().find(|place| {
            let escapes = list[..*place]
                .iter()
                .rev()
                .take_while(|byte| **byte == b'\\');
            quoted ^= list[*place] == b'"' && escapes.count() % 2 == 0;
            list[*place] == b',' && !quoted
        });
        self.0 = comma.map(|comma| &list[..comma]);
        Some(comma.map_or(list, |comma| &list[comma + 1..]))
    }
}

fn is_secure(scheme: &str) -> bool {
    ["https", "wss"]
        .iter()
        .any(|name| scheme.eq_ignore_ascii_case(name))
}

/// An address as proxies write it: alone, in brackets, with a port (RFC 7239, 6), with a zone (RFC
/// 4007, 11). `unknown` and `_hidden` are none.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None if text.matches(':').count() == 1 => text.split_at(text.find(':')?),
        None => (text, ""),
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok() || port.starts_with('_');
    if !port.is_empty() && !port.strip_prefix(':').is_some_and(is_port) {
        return None;
    }
    let address: IpAddr = match host.split_once('%') {
        Some((address, _zone)) => IpAddr::V6(address.parse().ok()?),
        None => host.parse().ok()?,
    };
    (address.is_ipv6() || !text.starts_with('[')).then(|| address.to_canonical())
}
