//! Bodies of revision 4: packets with U+001E between them, all of them text.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::{Buf, Bytes};

use super::packet::{Content, MESSAGE};

/// It is between two packets.
const SEPARATOR: u8 = 0x1e;

/// Takes the next packet off a body. A body has one packet more than it has separators; it may be empty.
pub(super) fn take(body: &mut Option<Bytes>) -> Option<Bytes> {
    let rest = body.as_mut()?;
    let Some(end) = rest.iter().position(|&byte| byte == SEPARATOR) else { return body.take() };
    let packet = rest.split_to(end);
    rest.advance(1);
    Some(packet)
}

/// Appends a separator if another packet is before it.
pub(super) fn separate(is_first: bool, body: &mut Vec<u8>) {
    if !is_first {
        body.push(SEPARATOR);
    }
}

/// Appends a message.
pub(super) fn put_message(content: Content<'_>, body: &mut Vec<u8>) {
    match content {
        Content::Text(text) if !text.as_bytes().contains(&SEPARATOR) => {
            body.extend_from_slice(MESSAGE.as_bytes());
            body.extend_from_slice(text.as_bytes());
        }
        // The client would take it for two packets.
        Content::Text(text) => put_binary(text.as_bytes(), body),
        Content::Binary(bytes) => put_binary(bytes, body),
    }
}

fn put_binary(bytes: &[u8], body: &mut Vec<u8>) {
    body.push(b'b');
    body.extend_from_slice(STANDARD.encode(bytes).as_bytes());
}
