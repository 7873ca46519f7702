//! Where a node of a Redis Cluster is.

use redis::{ConnectionAddr, ConnectionInfo, RedisError};

/// Where a node is, as the Cluster says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Address {
    #[cfg(test)]
    pub(super) fn new(host: &str, port: u16) -> Self {
        let host = host.to_owned();
        Self { host, port }
    }

    /// `None` for what is no address of a network.
    pub(super) fn of(place: &ConnectionInfo) -> Option<Self> {
        let (host, port) = match place.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                (host.clone(), *port)
            }
            _ => return None,
        };
        Some(Self { host, port })
    }

    /// This node, reached as the one at this address is.
    pub(super) fn in_place_of(&self, address: &ConnectionAddr) -> ConnectionAddr {
        let Self { host, port } = self.clone();
        match address.clone() {
            ConnectionAddr::TcpTls {
                insecure,
                tls_params,
                ..
            } => ConnectionAddr::TcpTls {
                host,
                port,
                insecure,
                tls_params,
            },
            _ => ConnectionAddr::Tcp(host, port),
        }
    }
}

/// The node that this one says to ask: `MOVED 3999 127.0.0.1:6381`. Without a host it is this one's.
pub(super) fn redirection(error: &RedisError, asked: &Address) -> Option<Address> {
    let (address, _) = error.redirect_node()?;
    let (host, port) = address.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host = if host.is_empty() { &asked.host } else { host };
    let host = host.to_owned();
    let port = port.parse().ok()?;
    Some(Address { host, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirection_without_a_host_leads_to_another_port_of_the_same_host() {
        let asked = Address::new("10.0.0.1", 6379);
        let to = |text: &str| {
            let error = redis::parse_redis_value(format!("-{text}\r\n").as_bytes());
            let error = error.unwrap().extract_error().unwrap_err();
            redirection(&error, &asked)
        };
        assert_eq!(
            to("MOVED 3999 10.0.0.2:6381"),
            Some(Address::new("10.0.0.2", 6381))
        );
        assert_eq!(
            to("ASK 3999 [fe80::1]:6381"),
            Some(Address::new("fe80::1", 6381))
        );
        assert_eq!(to("MOVED 3999 :6381"), Some(Address::new("10.0.0.1", 6381)));
        for wrong in [
            "MOVED 3999",
            "MOVED 3999 host",
            "MOVED 3999 host:70000",
            "ERR no",
        ] {
            assert!(to(wrong).is_none(), "{wrong}");
        }
    }
}
