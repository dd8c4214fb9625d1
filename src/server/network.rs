//! The networks that limits hold for.

use std::net::{IpAddr, Ipv4Addr};

/// The network of a client: of those that limits hold for, the smallest that one client can fill with
/// addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Network {
    /// A network of its own.
    V4(Ipv4Addr),
    /// The first 64 bits of an address. As bytes, they need no alignment: each session has one of these.
    V6([u8; 8]),
}

impl Network {
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Network::V4(address),
            IpAddr::V6(address) => Network::V6(((address.to_bits() >> 64) as u64).to_be_bytes()),
        }
    }
}

/// Whether an address is that of a machine near by: loopback, private or link-local. Behind such a peer that is
/// no trusted proxy, all the world may be.
pub(crate) fn is_near(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_near_by() {
        for (address, near) in [
            ("127.0.0.1", true),
            ("10.1.2.3", true),
            ("172.16.0.1", true),
            ("192.168.0.1", true),
            ("169.254.1.1", true),
            ("::1", true),
            ("::ffff:10.0.0.1", true),
            ("fe80::1", true),
            ("fd00::1", true),
            ("8.8.8.8", false),
            ("172.32.0.1", false),
            ("2001:db8::1", false),
            ("::ffff:8.8.8.8", false),
        ] {
            assert_eq!(is_near(address.parse().unwrap()), near, "{address}");
        }
    }
}
