//! Which hosts a site answers under.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ::http::{HeaderMap, Uri, Version, header, uri::Scheme};

use crate::http::authority::{Authority, ipv6, is_name};
use crate::settings::{Settings, SettingsError};

const KEY: &str = "ALLOWED_HOSTS";

/// The host that `TestClient` names. Sites of its own have it whatever the settings say.
#[cfg(feature = "testing")]
pub(crate) const OF_TESTS: &str = "testserver";

/// `ALLOWED_HOSTS`: the hosts that a visitor may name. Without this, a page could be made to link to whatever
/// a client writes into `Host`; and a page of another site whose name leads to this machine (DNS rebinding)
/// could read what a site in development shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct AllowedHosts {
    /// `None`: any that can be a host.
    list: Option<Vec<Allowed>>,
    debug: bool,
}

#[derive(Debug, Clone)]
enum Allowed {
    Any,
    /// A name or an IPv4 address, in lower case.
    Host(String),
    /// `.example.org`: that name and all below it.
    AllOf(String),
    Address(Ipv6Addr),
    /// An address in place of a name: no other site's page is at one that leads here.
    AnyAddress,
}

impl AllowedHosts {
    /// `address` is where the site listens.
    pub(crate) fn from_settings(
        settings: &Settings,
        debug: bool,
        address: &str,
    ) -> Result<Self, SettingsError> {
        let names: Vec<String> = settings.get(KEY)?.unwrap_or_default();
        let list = names.iter().map(|name| {
            Allowed::parse(name)
                .map_err(|right| settings.error(KEY, format_args!("{name:?} {right}")))
        });
        let mut list: Vec<_> = list.collect::<Result<_, _>>()?;
        if list.is_empty() && debug {
            list = in_development(address);
        }
        if list.is_empty() {
            return Ok(Self { list: None, debug });
        }
        #[cfg(feature = "testing")]
        list.push(Allowed::Host(OF_TESTS.to_owned()));
        Ok(Self {
            list: Some(list),
            debug,
        })
    }

    /// Any address in place of a name, and `localhost`: no page of another site can be at such a host.
    pub(crate) fn addresses() -> Self {
        let list = vec![Allowed::AnyAddress, Allowed::Host("localhost".to_owned())];
        Self {
            list: Some(list),
            debug: false,
        }
    }

    /// What to say where every host is taken because nobody said which.
    pub(crate) fn warning(&self, settings: &Settings) -> Option<String> {
        let right = "is empty, so whatever a client writes into `Host` is believed: name the hosts that this \
                     site is reached at, such as [\"example.org\"]";
        let is_unset = self.list.is_none();
        is_unset.then(|| settings.error(KEY, right).to_string())
    }

    /// Whether a name that can be any is among them.
    #[cfg(feature = "cli")]
    pub(crate) fn takes_every_host(&self) -> bool {
        let mut list = self.list.iter().flatten();
        list.any(|allowed| matches!(allowed, Allowed::Any))
    }

    /// Whether a visitor may name this host.
    #[cfg(feature = "cli")]
    pub(crate) fn lets_in(&self, host: &str) -> bool {
        let list = self.list.as_ref();
        list.is_none_or(|list| list.iter().any(|allowed| allowed.is(host)))
    }

    /// What the client is told. It may be a page of another site: that learns nothing of this one.
    pub(crate) fn text(&self, why: &str) -> String {
        let why = if self.debug {
            why
        } else {
            "The host is not one of this site's."
        };
        format!("400 Bad Request\n{why}\n")
    }

    /// Checks the hosts that a request names. Of those counts what `forwarded` says, where a proxy says so, then
    /// the URI, then `Host`. An HTTP/1.0 request that names none names no wrong one. The error says why the
    /// answer is 400.
    pub(crate) fn check<'a>(
        &self,
        version: Version,
        uri: &Uri,
        headers: &HeaderMap,
        forwarded: impl Fn() -> Option<&'a str>,
    ) -> Result<(), Cow<'static, str>> {
        if self.takes_at_once(version, uri, headers) && forwarded().is_none() {
            return Ok(());
        }
        self.check_closely(version, uri, headers, forwarded)
    }

    /// Whether a request over HTTP/1 names one host, written as in the settings, as nearly all do.
    fn takes_at_once(&self, version: Version, uri: &Uri, headers: &HeaderMap) -> bool {
        let comes_once = headers.len() == headers.keys_len();
        if version >= Version::HTTP_2 || uri.authority().is_some() || !comes_once {
            return false;
        }
        let Some(host) = headers.get(header::HOST) else {
            return false;
        };
        match &self.list {
            Some(list) => list
                .iter()
                .any(|allowed| allowed.is_exactly(host.as_bytes())),
            None => Authority::of(host).is_some(),
        }
    }

    fn check_closely<'a>(
        &self,
        version: Version,
        uri: &Uri,
        headers: &HeaderMap,
        forwarded: impl FnOnce() -> Option<&'a str>,
    ) -> Result<(), Cow<'static, str>> {
        let target = match uri.authority() {
            Some(target) => Some(Authority::parse(target.as_str()).ok_or("the URI names no host")?),
            None => None,
        };
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = match hosts.next() {
            Some(host) => Some(Authority::of(host).ok_or("`Host` is no host")?),
            None => None,
        };
        if hosts.next().is_some() {
            return Err("`Host` comes more than once".into());
        }
        if version >= Version::HTTP_2 {
            check_http_2(uri, target, host)?;
        }
        let Some(list) = &self.list else {
            return Ok(());
        };
        let forwarded = match forwarded() {
            Some(host) => {
                Some(Authority::parse(host).ok_or("what the proxy calls the host is none")?)
            }
            None => None,
        };
        let Some(named) = forwarded.or(target).or(host) else {
            return Ok(());
        };
        if list.iter().any(|allowed| allowed.is(named.host)) {
            return Ok(());
        }
        let host = named.host;
        Err(format!(
            "{KEY} does not name {host:?}. If this site is to answer there, set {KEY} = [{host:?}]"
        )
        .into())
    }
}

/// RFC 9113, 8.3.1: `:authority` or `Host`, and if both, the same.
fn check_http_2(
    uri: &Uri,
    target: Option<Authority<'_>>,
    host: Option<Authority<'_>>,
) -> Result<(), &'static str> {
    let secure = uri.scheme() == Some(&Scheme::HTTPS);
    match (target, host) {
        (None, None) => Err("HTTP/2 takes an `:authority` or a `Host`"),
        (Some(target), Some(host)) if !target.is_same(host, secure) => {
            Err("`:authority` and `Host` differ")
        }
        _ => Ok(()),
    }
}

/// With `DEBUG`, where nothing is set. No name outside of `.localhost`: any other may be another site's.
fn in_development(address: &str) -> Vec<Allowed> {
    let mut list = vec![
        Allowed::AllOf(".localhost".to_owned()),
        Allowed::Host("127.0.0.1".to_owned()),
        Allowed::Address(Ipv6Addr::LOCALHOST),
    ];
    let host = Authority::parse(address).map_or("", |address| address.host);
    let everywhere = [
        IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    ];
    if host_address(host).is_some_and(|address| everywhere.contains(&address)) {
        list.push(Allowed::AnyAddress);
    } else if let Ok(allowed) = Allowed::parse(host) {
        list.push(allowed);
    }
    list
}

fn host_address(host: &str) -> Option<IpAddr> {
    ipv6(host)
        .map(IpAddr::V6)
        .or_else(|| host.parse::<Ipv4Addr>().ok().map(IpAddr::V4))
}

impl Allowed {
    /// The error says what would be right.
    fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        if let Some(address) = ipv6(text) {
            return Ok(Self::Address(address));
        }
        let text = text.to_ascii_lowercase();
        let below = text.strip_prefix('.');
        if !is_name(below.unwrap_or(&text)) || text.ends_with('.') {
            return Err(Self::right(&text));
        }
        Ok(if below.is_some() {
            Self::AllOf(text)
        } else {
            Self::Host(text)
        })
    }

    fn right(text: &str) -> String {
        let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
        let bare = bare.split(['/', '?', '#']).next().unwrap_or_default();
        if !text.is_ascii() {
            return "has other letters; write the name in its ASCII form, \"xn--…\"".to_owned();
        }
        if bare.parse::<Ipv6Addr>().is_ok() {
            return format!("is an IPv6 address; write \"[{bare}]\"");
        }
        if let Some(name) = bare.strip_prefix("*.").filter(|name| is_name(name)) {
            return format!("is written \".{name}\": that name and all below it");
        }
        match Authority::parse(bare.trim_end_matches('.')) {
            Some(authority) => format!("is more than a host; write \"{}\"", authority.host),
            None => "is no host; write \"example.org\", or \".example.org\" for all below it too"
                .to_owned(),
        }
    }

    /// Whether a `Host` is this name, letter by letter, with or without a port.
    fn is_exactly(&self, host: &[u8]) -> bool {
        let Self::Host(name) = self else {
            return false;
        };
        match host.strip_prefix(name.as_bytes()) {
            Some([]) => true,
            Some([b':', port @ ..]) => {
                let number = |number: u32, digit: &u8| number * 10 + u32::from(digit - b'0');
                (1..=5).contains(&port.len())
                    && port.iter().all(u8::is_ascii_digit)
                    && u16::try_from(port.iter().fold(0, number)).is_ok()
            }
            _ => false,
        }
    }

    fn is(&self, host: &str) -> bool {
        // With the dot at its end it is the same name, only said to be whole.
        let host = host.strip_suffix('.').unwrap_or(host);
        match self {
            Self::Any => true,
            Self::Host(name) => host.eq_ignore_ascii_case(name),
            Self::AllOf(name) => {
                let start = host.len().saturating_sub(name.len());
                host[start..].eq_ignore_ascii_case(name) || host.eq_ignore_ascii_case(&name[1..])
            }
            Self::Address(address) => ipv6(host) == Some(*address),
            Self::AnyAddress => host_address(host).is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use ::http::HeaderValue;

    use super::*;

    fn hosts(text: &str, debug: bool, address: &str) -> AllowedHosts {
        AllowedHosts::from_settings(&Settings::from_toml(text).unwrap(), debug, address).unwrap()
    }

    fn takes(hosts: &AllowedHosts, host: &str) -> bool {
        let headers = HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]);
        let uri = Uri::from_static("/");
        hosts
            .check(Version::HTTP_11, &uri, &headers, || None)
            .is_ok()
    }

    #[test]
    fn the_list_names_hosts_and_all_below_a_host() {
        let hosts = hosts(
            "ALLOWED_HOSTS = ['Example.org', '.b.example', '[::1]', '10.0.0.7']",
            false,
            "127.0.0.1:80",
        );
        for host in [
            "example.org",
            "EXAMPLE.ORG",
            "example.org:8000",
            "example.org.",
            "b.example",
            "a.b.example",
            "x.a.b.Example:1",
            "[::1]",
            "[0:0::1]:80",
            "10.0.0.7:99",
            "example.org:65535",
        ] {
            assert!(takes(&hosts, host), "{host}");
        }
        for host in [
            "www.example.org",
            "example.org.evil",
            "evilb.example",
            "127.0.0.1",
            "localhost",
            "[::2]",
            "10.0.0.70",
            "example.org..",
            "a/example.org",
            "a@example.org",
            "example.org,evil",
            "example.org:65536",
            "example.org:99999",
            "example.org:+80",
            "example.org:80:80",
            "example.orgevil:80",
            "",
        ] {
            assert!(!takes(&hosts, host), "{host}");
        }
    }

    #[test]
    fn what_a_proxy_says_counts_before_the_uri_and_that_before_host() {
        let hosts = hosts("ALLOWED_HOSTS = ['a.example']", false, "127.0.0.1:80");
        let takes = |forwarded: Option<&'static str>, uri: &'static str, host: &'static str| {
            let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]);
            let uri = Uri::from_static(uri);
            hosts
                .check(Version::HTTP_11, &uri, &headers, || forwarded)
                .is_ok()
        };
        assert!(takes(None, "/", "a.example"));
        assert!(takes(None, "http://a.example/", "inside"));
        assert!(takes(Some("a.example:80"), "http://inside/", "inside"));
        assert!(!takes(None, "http://evil.example/", "a.example"));
        assert!(!takes(
            Some("evil.example"),
            "http://a.example/",
            "a.example"
        ));
        assert!(!takes(Some("a/b"), "/", "a.example"));
        assert!(!takes(Some("a.example"), "/", "a/b"));
    }

    #[test]
    fn without_a_list_production_takes_any_host_and_development_its_own() {
        let open = hosts("", false, "127.0.0.1:8000");
        assert!(open.list.is_none() && takes(&open, "a.example") && !takes(&open, "a/b@c"));
        let own = hosts("", true, "duck.test:8000");
        for host in [
            "localhost",
            "localhost:8000",
            "a.localhost",
            "127.0.0.1:8000",
            "[::1]:8000",
            "duck.test",
        ] {
            assert!(takes(&own, host), "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil",
            "192.0.2.1",
            "notlocalhost",
        ] {
            assert!(!takes(&own, host), "{host}");
        }
        for everywhere in ["0.0.0.0:80", "[::]:80"] {
            let all = hosts("", true, everywhere);
            assert!(
                takes(&all, "192.0.2.1")
                    && takes(&all, "[2001:db8::1]:80")
                    && !takes(&all, "evil.example")
            );
        }
        assert!(takes(
            &hosts("ALLOWED_HOSTS = ['*']", true, "127.0.0.1:80"),
            "a.example"
        ));
    }

    #[test]
    fn an_entry_that_can_never_match_is_refused_at_start_with_what_would_be_right() {
        for (wrong, right) in [
            ("https://a.example", "write \"a.example\""),
            ("a.example:8000", "write \"a.example\""),
            ("http://a.example:80/x", "write \"a.example\""),
            ("a.example.", "write \"a.example\""),
            ("*.a.example", "\".a.example\""),
            ("::1", "write \"[::1]\""),
            ("b\u{fc}cher.example", "xn--"),
            ("", "\"example.org\""),
            ("a b", "\"example.org\""),
            ("user@a.example", "\"example.org\""),
            ("a..b", "\"example.org\""),
            ("..a", "\"example.org\""),
        ] {
            let settings = Settings::default().with(KEY, [wrong]);
            let error = AllowedHosts::from_settings(&settings, false, "")
                .unwrap_err()
                .to_string();
            assert!(
                error.contains(KEY) && error.contains(right),
                "{wrong}: {error}"
            );
        }
    }
}
