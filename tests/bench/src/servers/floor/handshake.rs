//! The request that makes a WebSocket, and its answer.

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const END: &[u8] = b"\r\n\r\n";

/// The length of the request, once it is whole.
pub(super) fn length(input: &[u8]) -> Option<usize> {
    Some(input.windows(END.len()).position(|window| window == END)? + END.len())
}

/// Appends the answer to a whole request.
pub(super) fn answer(request: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let request = std::str::from_utf8(request)?;
    ensure!(request.starts_with("GET "), "not a GET");
    let key = request
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .find_map(|(name, value)| name.eq_ignore_ascii_case("sec-websocket-key").then_some(value.trim()))
        .context("no key")?;
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    out.extend_from_slice(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ",
    );
    out.extend_from_slice(STANDARD.encode(digest).as_bytes());
    out.extend_from_slice(END);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        let request = b"GET /chat HTTP/1.1\r\nHost: a\r\nsec-webSocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nmore";
        let end = length(request).unwrap();
        assert_eq!(&request[end..], b"more");
        assert_eq!(length(&request[..end - 1]), None);
        let mut out = Vec::new();
        answer(&request[..end], &mut out).unwrap();
        assert!(out.ends_with(b"\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"));
        assert!(answer(b"GET / HTTP/1.1\r\n\r\n", &mut out).is_err());
    }
}
