use std::net::{IpAddr, Ipv6Addr};

/// What counts as one visitor where visitors are counted by their addresses: an IPv4 address, or the 64 bits of
/// the network of an IPv6 address, as whoever has one such address has 2^64 of them (RFC 6177, 2). IPv4 written as
/// IPv6 (`::ffff:192.0.2.1`) is IPv4.
///
/// ```
/// use duck::http::network_of;
///
/// assert_eq!(network_of("192.0.2.1".parse()?).to_string(), "192.0.2.1");
/// assert_eq!(network_of("::ffff:192.0.2.1".parse()?).to_string(), "192.0.2.1");
/// assert_eq!(network_of("2001:db8:1:2::7".parse()?).to_string(), "2001:db8:1:2::");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}
