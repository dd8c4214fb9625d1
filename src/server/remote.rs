//! The remote end of a session, from its opening request.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::ConnectInfo,
    http::{Extensions, HeaderMap, request::Parts},
};
use ipnet::IpNet;

use super::forwarded::hops;
use crate::{config::Config, hub::Remote, pool::Pool};

/// The headers that are kept only if the application names them.
const CREDENTIALS: [&str; 3] = ["cookie", "authorization", "proxy-authorization"];

/// Returns the client's address and the headers of a request. `X-Forwarded-For` and `Forwarded` are believed as
/// far as trusted proxies wrote them. Headers with credentials are left out, unless they are named.
pub(super) fn remote(parts: &Parts, config: &Config, pool: &Pool) -> Remote {
    let address = address(parts, &config.trusted_proxies);
    let headers = || parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let is_named = |name: &str| config.kept_headers.iter().any(|kept| kept == name);
    let named = headers().filter(|(name, _)| is_named(name));
    let others = headers().filter(|(name, _)| !is_named(name) && !CREDENTIALS.contains(name));
    Remote::new(address, named.chain(others), pool)
}

/// The address of the client of a request, if the server reports that of the connection.
pub(super) fn address(parts: &Parts, trusted: &[IpNet]) -> Option<IpAddr> {
    peer(&parts.extensions).map(|peer| forwarded(peer, &parts.headers, trusted))
}

/// The address at the other end of a request's connection, if the server reports it.
pub(super) fn peer(extensions: &Extensions) -> Option<IpAddr> {
    extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical())
}

/// Whether the address is that of a trusted proxy.
pub(super) fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// Walks the hops that proxies report from their end, for as long as the writer of one is a trusted proxy.
fn forwarded(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut address = peer;
    if !is_trusted(address, trusted) {
        return address;
    }
    for hop in hops(headers) {
        let Some(hop) = hop.filter(|_| is_trusted(address, trusted)) else { break };
        address = hop;
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_the_first_that_no_trusted_proxy_vouches_for() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "6.6.6.6, 1.2.3.4, 10.0.0.2".parse().unwrap());
        let trusted = ["10.0.0.0/24".parse().unwrap()];
        assert_eq!(forwarded(ip("10.0.0.1"), &headers, &trusted), ip("1.2.3.4"));
        assert_eq!(forwarded(ip("9.9.9.9"), &headers, &trusted), ip("9.9.9.9"), "a stranger's header is not believed");
        assert_eq!(forwarded(ip("10.0.1.1"), &headers, &trusted), ip("10.0.1.1"), "outside of the network");
        assert_eq!(forwarded(ip("10.0.0.1"), &headers, &[]), ip("10.0.0.1"));
    }
}
