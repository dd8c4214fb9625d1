//! The remote end of a session: the part of the opening request that is kept.

use std::net::IpAddr;

/// The address of a session's client, and the headers of its opening request.
#[derive(Debug, Default)]
pub(crate) struct Remote {
    pub(crate) address: Option<IpAddr>,
    /// The headers as `name NUL value NUL`, one after another. They are copied, because the request's own
    /// headers are slices of the connection's buffer.
    headers: Box<[u8]>,
}

impl Remote {
    pub(crate) fn new<'a>(address: Option<IpAddr>, headers: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut kept = Vec::new();
        for (name, value) in headers {
            kept.extend_from_slice(name.as_bytes());
            kept.push(0);
            kept.extend_from_slice(value);
            kept.push(0);
        }
        Remote { address, headers: kept.into() }
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
        let remote = Remote::new(None, [("user-agent", &b"test/1"[..]), ("user-agent", b"test/2"), ("x", b"\xff")]);
        assert_eq!(remote.header("user-agent"), Some("test/1"));
        assert_eq!(remote.header("USER-AGENT"), Some("test/1"));
        assert_eq!(remote.header("test/1"), None);
        assert_eq!(remote.header("x"), None, "a value that is no text");
        assert_eq!(Remote::default().header("x"), None);
    }
}
