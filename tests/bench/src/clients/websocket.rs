//! The client's half of RFC 6455, as far as well-behaved servers need it.

use super::Dial;
use anyhow::{Context, Result, bail, ensure};

/// The key of the RFC's example, whose answer is known.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// A server does the same work for any mask that is not zero.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

pub(super) const TEXT: u8 = 1;
pub(super) const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

pub(super) fn upgrade(dial: &Dial, path: &str) -> Vec<u8> {
    let host = &dial.host;
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    )
    .into_bytes()
}

/// The length of the answer's head, once it is complete and accepts the upgrade.
pub(super) fn upgraded(input: &[u8]) -> Result<Option<usize>> {
    let Some(end) = input.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&input[..end])?;
    ensure!(
        head.starts_with("HTTP/1.1 101 ") && head.contains(ACCEPT),
        "no upgrade: {}",
        String::from_utf8_lossy(input)
    );
    Ok(Some(end + 4))
}

/// Appends a masked frame made of `parts`.
pub(super) fn frame(opcode: u8, parts: &[&[u8]], out: &mut Vec<u8>) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    out.push(0x80 | opcode);
    match length {
        0..126 => out.push(0x80 | length as u8),
        126..0x1_0000 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    let start = out.len();
    for part in parts {
        out.extend_from_slice(part);
    }
    let (words, rest) = out[start..].as_chunks_mut::<4>();
    let mask = u32::from_ne_bytes(MASK);
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ mask).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(MASK) {
        *byte ^= mask;
    }
}

/// The next complete data frame of `input` from `at` on; `at` moves behind it. Pings are answered, pongs are
/// skipped.
pub(super) fn next<'input>(
    input: &'input [u8],
    at: &mut usize,
    out: &mut Vec<u8>,
) -> Result<Option<(u8, &'input [u8])>> {
    loop {
        let rest = &input[*at..];
        let [first, second, ..] = *rest else {
            return Ok(None);
        };
        ensure!(second & 0x80 == 0, "a server must not mask");
        ensure!(first & 0x80 != 0, "fragments are not expected here");
        let (head, length) = match second {
            126 => match rest.get(2..4) {
                Some(bytes) => (4, usize::from(u16::from_be_bytes(bytes.try_into()?))),
                None => return Ok(None),
            },
            127 => match rest.get(2..10) {
                Some(bytes) => {
                    let length = u64::from_be_bytes(bytes.try_into()?);
                    (10, usize::try_from(length).context("frame length")?)
                }
                None => return Ok(None),
            },
            short => (2, usize::from(short)),
        };
        let Some(payload) = rest.get(head..head + length) else {
            return Ok(None);
        };
        *at += head + length;
        match first & 0x0f {
            PING => frame(PONG, &[payload], out),
            PONG => {}
            opcode @ (TEXT | CLOSE) => return Ok(Some((opcode, payload))),
            opcode => bail!("opcode {opcode} is not expected here"),
        }
    }
}

/// A close frame's code and reason, to be shown.
pub(super) fn reason(payload: &[u8]) -> String {
    match payload {
        [high, low, reason @ ..] => {
            format!("{} {}", u16::from_be_bytes([*high, *low]), String::from_utf8_lossy(reason))
        }
        _ => "no code".to_owned(),
    }
}
