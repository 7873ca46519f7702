//! Whose word about the client's address and scheme is taken.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use http::HeaderMap;
use ipnet::IpNet;

use crate::settings::{Settings, SettingsError};

/// Where a connection came from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Connection {
    /// The other end; `None` in tests without a socket.
    pub peer: Option<SocketAddr>,
    /// Whether it is encrypted by this server.
    pub secure: bool,
}

/// The proxies in front of the site: `TRUSTED_PROXIES`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proxies(Vec<IpNet>);

impl Proxies {
    pub(crate) fn from_settings(settings: &Settings) -> Result<Self, SettingsError> {
        let names: Vec<String> = settings.get("TRUSTED_PROXIES")?.unwrap_or_default();
        let net = |name: &String| {
            IpNet::from_str(name).or_else(|_| IpAddr::from_str(name).map(IpNet::from)).map_err(|_| {
                settings.error(
                    "TRUSTED_PROXIES",
                    format_args!("{name:?} is no address or network; write \"10.0.0.7\" or \"10.0.0.0/8\""),
                )
            })
        };
        names.iter().map(net).collect::<Result<_, _>>().map(Self)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|net| net.contains(&address))
    }

    /// Whether the visitor's own connection is encrypted, on the word of a trusted proxy.
    pub(crate) fn is_secure(&self, connection: Connection, headers: &HeaderMap) -> bool {
        connection.secure
            || (!self.0.is_empty()
                && connection.peer.is_some_and(|peer| self.trusts(peer.ip()))
                && last(headers, "x-forwarded-proto")
                    .is_some_and(|proto| proto.eq_ignore_ascii_case("https")))
    }

    /// The visitor's address: the last one in `X-Forwarded-For` that is no trusted proxy.
    pub(crate) fn client_ip(&self, connection: Connection, headers: &HeaderMap) -> Option<IpAddr> {
        let mut client = connection.peer?.ip().to_canonical();
        let values: Vec<_> = headers
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect();
        for named in values.iter().rev().flat_map(|value| value.rsplit(',')) {
            if !self.trusts(client) {
                break;
            }
            // What is not an address was not written by a proxy of ours: stop at the last that was.
            let Ok(address) = named.trim().parse::<IpAddr>() else {
                break;
            };
            client = address.to_canonical();
        }
        Some(client)
    }
}

fn last<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let value = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    value.rsplit(',').next().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies() -> Proxies {
        Proxies::from_settings(
            &Settings::from_toml("TRUSTED_PROXIES = ['10.0.0.0/8', '::1']").unwrap(),
        )
        .unwrap()
    }

    fn from(peer: &str) -> Connection {
        Connection {
            peer: Some(peer.parse().unwrap()),
            secure: false,
        }
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    http::HeaderName::from_static(name),
                    http::HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn only_a_trusted_proxy_may_say_https() {
        let https = headers(&[("x-forwarded-proto", "https")]);
        assert!(proxies().is_secure(from("10.1.2.3:80"), &https));
        assert!(!proxies().is_secure(from("192.0.2.1:80"), &https));
        assert!(!Proxies::default().is_secure(from("10.1.2.3:80"), &https));
        assert!(!proxies().is_secure(
            from("10.1.2.3:80"),
            &headers(&[("x-forwarded-proto", "https, http")])
        ));
    }

    #[test]
    fn a_client_cannot_choose_its_address() {
        let forged = headers(&[("x-forwarded-for", "1.2.3.4, 203.0.113.9, 10.0.0.5")]);
        let client = |peer| {
            proxies()
                .client_ip(from(peer), &forged)
                .unwrap()
                .to_string()
        };
        assert_eq!(client("10.0.0.1:80"), "203.0.113.9");
        assert_eq!(client("192.0.2.1:80"), "192.0.2.1");
        let odd = headers(&[("x-forwarded-for", "<script>")]);
        assert_eq!(
            proxies()
                .client_ip(from("10.0.0.1:80"), &odd)
                .unwrap()
                .to_string(),
            "10.0.0.1"
        );
    }

    #[test]
    fn a_wrong_network_names_the_setting() {
        let error =
            Proxies::from_settings(&Settings::from_toml("TRUSTED_PROXIES = ['proxy']").unwrap())
                .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("line 1: TRUSTED_PROXIES: \"proxy\""),
            "{error}"
        );
    }
}
