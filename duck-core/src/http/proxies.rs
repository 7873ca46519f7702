//! Whose word about the client's address and scheme is taken.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, Uri};
use ipnet::{IpNet, Ipv6Net};
use serde::Deserialize;

use crate::http::forwarded::{Hop, forwarded, x_forwarded};
use crate::settings::{Settings, SettingsError};

/// Where a connection came from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Connection {
    /// The other end. `None` for a Unix socket, and in tests without a socket: `"unix"` among `TRUSTED_PROXIES`
    /// means both.
    pub peer: Option<SocketAddr>,
    /// Whether it is encrypted by this server.
    pub secure: bool,
}

/// The proxies in front of the site, `TRUSTED_PROXIES`, and the headers that they write,
/// `PROXY_HEADERS`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proxies {
    /// IPv4 stands there as `::ffff:10.0.0.0`, as it does where one socket takes both.
    networks: Vec<Ipv6Net>,
    /// Whether those are believed who come through a Unix socket, and so have no address.
    unix: bool,
    headers: Written,
}

/// Which headers are read. A proxy passes on, as they came, those that it does not write itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Written {
    /// `X-Forwarded-*`, and `Forwarded` in a request that has none of them.
    #[default]
    Either,
    XForwarded,
    Forwarded,
}

impl Proxies {
    pub(crate) fn from_settings(settings: &Settings) -> Result<Self, SettingsError> {
        let names: Vec<String> = settings.get("TRUSTED_PROXIES")?.unwrap_or_default();
        let headers: Option<Written> = settings.get("PROXY_HEADERS")?;
        let mut own = Self {
            headers: headers.unwrap_or_default(),
            ..Self::default()
        };
        for name in &names {
            match (name.trim(), network(name.trim())) {
                ("unix", _) => own.unix = true,
                (_, Some(network)) => own.networks.push(network),
                (_, None) => {
                    let right = format_args!(
                        "{name:?} is no address or network; write \"10.0.0.7\" or \"10.0.0.0/8\", or \"unix\" for a proxy behind a Unix socket"
                    );
                    return Err(settings.error("TRUSTED_PROXIES", right));
                }
            }
        }
        Ok(own)
    }

    /// Whether nobody's word is taken.
    pub(crate) fn are_none(&self) -> bool {
        self.networks.is_empty() && !self.unix
    }

    /// Those wider than any private network: `10.0.0.0/8` and `fc00::/7` are the widest of these.
    #[cfg(feature = "cli")]
    pub(crate) fn wide_networks(&self) -> impl Iterator<Item = String> {
        self.networks.iter().filter_map(|network| {
            let (address, length) = (network.addr(), network.prefix_len());
            match address.to_ipv4_mapped() {
                Some(address) if (96..104).contains(&length) => {
                    Some(format!("{address}/{}", length - 96))
                }
                None if length < 7 => Some(network.to_string()),
                _ => None,
            }
        })
    }

    /// Whether there are some, and all of them on this machine.
    #[cfg(feature = "cli")]
    pub(crate) fn are_of_this_machine(&self) -> bool {
        let is_here = |network: &Ipv6Net| network.addr().to_canonical().is_loopback();
        !self.are_none() && self.networks.iter().all(is_here)
    }

    /// Whether this is the address of one of them.
    fn trusts(&self, address: IpAddr) -> bool {
        let address = match address {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        self.networks
            .iter()
            .any(|network| network.contains(&address))
    }

    /// Whether the other end of a connection is such a proxy.
    pub(crate) fn is_trusted(&self, connection: Connection) -> bool {
        match connection.peer {
            Some(peer) => self.trusts(peer.ip()),
            None => self.unix,
        }
    }

    /// Whether the visitor's own connection is encrypted, on the word of the proxy it ends at.
    pub(crate) fn is_secure(&self, connection: Connection, headers: &HeaderMap) -> bool {
        connection.secure
            || self
                .follow(connection, headers)
                .is_some_and(|hop| hop.is_secure)
    }

    /// The visitor's address: going back from the connection, the first that is no trusted proxy.
    /// Where a proxy does not tell it, the address of that proxy. `None` over a Unix socket, unless a proxy
    /// behind it is trusted and tells it.
    pub(crate) fn client_ip(&self, connection: Connection, headers: &HeaderMap) -> Option<IpAddr> {
        let visitor = self.follow(connection, headers);
        let peer = || Some(connection.peer?.ip().to_canonical());
        visitor.and_then(|hop| hop.address).or_else(peer)
    }

    /// The host and port that the visitor named, as they were sent: from `Forwarded`, where a proxy says so,
    /// the URI, or `Host`.
    pub(crate) fn host<'a>(
        &self,
        connection: Connection,
        uri: &'a Uri,
        headers: &'a HeaderMap,
    ) -> Option<&'a str> {
        let target = || uri.authority().map(http::uri::Authority::as_str);
        let header = || headers.get(http::header::HOST)?.to_str().ok();
        let forwarded = self.forwarded_host(connection, headers);
        forwarded.or_else(target).or_else(header)
    }

    /// The host that a proxy says the visitor named. `X-Forwarded-Host` is not read: most proxies that write
    /// `X-Forwarded-For` pass on a client's own.
    pub(crate) fn forwarded_host<'a>(
        &self,
        connection: Connection,
        headers: &'a HeaderMap,
    ) -> Option<&'a str> {
        self.follow(connection, headers).and_then(|hop| hop.host)
    }

    fn follow<'a>(&self, connection: Connection, headers: &'a HeaderMap) -> Option<Hop<'a>> {
        if self.are_none() || !self.is_trusted(connection) {
            return None;
        }
        let peer = connection.peer.map(|peer| peer.ip().to_canonical());
        let is_x = |name: &HeaderName| name.as_str().starts_with("x-forwarded-");
        match self.headers {
            Written::Either if !headers.keys().any(is_x) => self.back(peer, forwarded(headers)),
            Written::Forwarded => self.back(peer, forwarded(headers)),
            Written::Either | Written::XForwarded => self.back(peer, x_forwarded(headers)),
        }
    }

    /// Goes back from one trusted proxy to the one before, up to the visitor. `None` is one without an address.
    fn back<'a>(
        &self,
        peer: Option<IpAddr>,
        hops: impl Iterator<Item = Hop<'a>>,
    ) -> Option<Hop<'a>> {
        let (mut from, mut visitor) = (peer, None);
        for hop in hops {
            if from.is_some_and(|from| !self.trusts(from)) {
                break;
            }
            let told = hop.address;
            from = told.or(from);
            visitor = Some(Hop {
                address: from,
                ..hop
            });
            // What stands before an unknown address may be anybody's.
            if told.is_none() {
                break;
            }
        }
        visitor
    }
}

/// `10.0.0.0/8` and `::ffff:10.0.0.0/104` are the same network.
fn network(text: &str) -> Option<Ipv6Net> {
    let net = text
        .parse()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    match net.ok()? {
        IpNet::V4(net) => Ipv6Net::new(net.addr().to_ipv6_mapped(), 96 + net.prefix_len()).ok(),
        IpNet::V6(net) => Some(net),
    }
}
