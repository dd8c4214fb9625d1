//! The remote end of a session: the part of the opening request that is kept.

use std::net::IpAddr;

use crate::pool::{Held, Pool};

/// The most bytes of headers that are kept of one opening request.
const MOST: usize = 8 * 1024;

/// The room for headers before it grows. Allocators tidy up before they give a kilobyte or more.
const USUAL: usize = 960;

/// The address of a session's client, and headers of its opening request.
#[derive(Debug, Default)]
pub(crate) struct Remote {
    pub(crate) address: Option<IpAddr>,
    /// The headers as `name NUL value NUL`, one after another. They are copied, because the request's own
    /// headers are slices of the connection's buffer.
    headers: Box<[u8]>,
    /// The guard that counts them.
    _held: Option<Held>,
}

impl Remote {
    /// Keeps the headers in this order. One for which there is no room is left out.
    pub(crate) fn new<'a>(
        address: Option<IpAddr>,
        headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        pool: &Pool,
    ) -> Self {
        // Most requests have less, and it is cut to its length.
        let mut kept = Vec::with_capacity(USUAL);
        for (name, value) in headers {
            if kept.len() + name.len() + value.len() + 2 > MOST {
                continue;
            }
            kept.extend_from_slice(name.as_bytes());
            kept.push(0);
            kept.extend_from_slice(value);
            kept.push(0);
        }
        let held = pool.hold(kept.len());
        Remote { address, headers: kept.into(), _held: Some(held) }
    }

    /// The headers as they are kept, for another node.
    #[cfg(feature = "cluster")]
    pub(crate) fn kept(&self) -> &[u8] {
        &self.headers
    }

    /// The same remote end once more.
    #[cfg(feature = "cluster")]
    pub(crate) fn again(&self, pool: &Pool) -> Self {
        let held = Some(pool.hold(self.headers.len()));
        Remote { address: self.address, headers: self.headers.clone(), _held: held }
    }

    /// The remote end of a session that another node has opened. `None` if the headers are more than a node keeps.
    #[cfg(feature = "cluster")]
    pub(crate) fn of_moved(address: Option<IpAddr>, kept: &[u8], pool: &Pool) -> Option<Self> {
        let held = Some(pool.hold(kept.len()));
        (kept.len() <= MOST).then(|| Remote { address, headers: kept.into(), _held: held })
    }

    /// Returns the first value of a header, or `None` if it is absent or not text. The case of the name does
    /// not matter.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found_whatever_their_case() {
        let pool = Pool::new(0, 0);
        let headers = [("user-agent", &b"test/1"[..]), ("user-agent", b"test/2"), ("x", b"\xff")];
        let remote = Remote::new(None, headers, &pool);
        assert_eq!(remote.header("user-agent"), Some("test/1"));
        assert_eq!(remote.header("USER-AGENT"), Some("test/1"));
        assert_eq!(remote.header("test/1"), None);
        assert_eq!(remote.header("x"), None, "a value that is no text");
        assert_eq!(Remote::default().header("x"), None);
        assert_eq!(pool.bytes(), 2 * 18 + 4);
        drop(remote);
        assert_eq!(pool.bytes(), 0);
    }

    #[test]
    fn what_has_no_room_is_left_out() {
        let pool = Pool::new(0, 0);
        let large = vec![b'x'; 5_000];
        let headers = [("a", &b"1"[..]), ("b", &large), ("c", &large), ("d", b"4")];
        let remote = Remote::new(None, headers, &pool);
        assert_eq!((remote.header("a"), remote.header("c"), remote.header("d")), (Some("1"), None, Some("4")));
        assert_eq!(remote.header("b").map(str::len), Some(5_000));
        assert!(pool.bytes() <= MOST);
    }
}
