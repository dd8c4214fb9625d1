//! What is kept of the opening request. Copied: the request's own parts are slices of the connection's 16 KiB buffer.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::ConnectInfo,
    http::{HeaderMap, request::Parts},
};

/// Who opened the session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Remote {
    pub(crate) address: Option<IpAddr>,
    /// `name NUL value NUL`, one after another.
    headers: Box<[u8]>,
}

impl Remote {
    pub(crate) fn new(parts: &Parts, trusted: &[IpAddr]) -> Self {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
        let mut headers = Vec::new();
        for (name, value) in &parts.headers {
            headers.extend_from_slice(name.as_str().as_bytes());
            headers.push(0);
            headers.extend_from_slice(value.as_bytes());
            headers.push(0);
        }
        Remote { address: peer.map(|peer| forwarded(peer, &parts.headers, trusted)), headers: headers.into() }
    }

    /// The first value of a header. The name is compared in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.headers.split(|&byte| byte == 0);
        while let (Some(known), Some(value)) = (fields.next(), fields.next()) {
            if name.as_bytes().eq_ignore_ascii_case(known) {
                return std::str::from_utf8(value).ok();
            }
        }
        None
    }
}

/// Walks `X-Forwarded-For` from its end, as far as those who wrote it are trusted.
fn forwarded(peer: IpAddr, headers: &HeaderMap, trusted: &[IpAddr]) -> IpAddr {
    let mut address = peer;
    let values = headers.get_all("x-forwarded-for").iter().rev().filter_map(|value| value.to_str().ok());
    for hop in values.flat_map(|value| value.rsplit(',')) {
        if !trusted.contains(&address) {
            break;
        }
        let Ok(hop) = hop.trim().parse::<IpAddr>() else { break };
        address = hop.to_canonical();
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
        let trusted = [ip("10.0.0.1"), ip("10.0.0.2")];
        assert_eq!(forwarded(ip("10.0.0.1"), &headers, &trusted), ip("1.2.3.4"));
        assert_eq!(forwarded(ip("9.9.9.9"), &headers, &trusted), ip("9.9.9.9"), "a stranger's header is not believed");
        assert_eq!(forwarded(ip("10.0.0.1"), &headers, &[]), ip("10.0.0.1"));
    }

    #[test]
    fn headers_are_found_whatever_their_case() {
        let request = axum::http::Request::builder().header("User-Agent", "test/1").body(()).unwrap();
        let remote = Remote::new(&request.into_parts().0, &[]);
        assert_eq!(remote.header("user-agent"), Some("test/1"));
        assert_eq!(remote.header("USER-AGENT"), Some("test/1"));
        assert_eq!(remote.header("test/1"), None);
    }
}
