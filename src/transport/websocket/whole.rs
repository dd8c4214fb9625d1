//! Messages and close frames that come whole: in one frame, and in one read. Those of clients almost always do, and are
//! read here without the framing, each into memory of its own size.

use tokio_tungstenite::tungstenite::{Message as WsMessage, Utf8Bytes};

const FINAL_TEXT: u8 = 0x81;
const FINAL_BINARY: u8 = 0x82;
const FINAL_CLOSE: u8 = 0x88;
const MASKED: u8 = 0x80;

/// Behind this byte and the next one the length of a longer payload follows.
const LONG: u8 = MASKED | 126;

/// Takes the message of at most `limit` bytes that the input begins with. `None`, and nothing is taken, if it begins
/// with anything else: the framing judges that. The framing must be between two messages.
pub(super) fn take(input: &mut &[u8], limit: usize) -> Option<WsMessage> {
    let (&[first, second], rest) = input.split_first_chunk()?;
    let (length, rest) = match second.checked_sub(MASKED)? {
        126 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        // A read is not so long.
        127 => return None,
        length => (usize::from(length), rest),
    };
    let (mask, rest) = rest.split_first_chunk()?;
    let (payload, rest) = rest.split_at_checked(length).filter(|_| length <= limit)?;
    let message = match first {
        FINAL_TEXT => WsMessage::Text(Utf8Bytes::try_from(unmasked(payload, *mask)).ok()?),
        FINAL_BINARY => WsMessage::Binary(unmasked(payload, *mask).into()),
        _ => return None,
    };
    *input = rest;
    Some(message)
}

/// Whether the input begins with a close frame. One that answers ours says nothing but that it has come.
pub(super) fn is_close(input: &[u8]) -> bool {
    match input {
        // The length of a control frame stands in one byte. The mask is four.
        [FINAL_CLOSE, second @ MASKED..LONG, rest @ ..] => rest.len() >= 4 + usize::from(second - MASKED),
        _ => false,
    }
}

fn unmasked(payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut bytes = payload.to_vec();
    // Sixteen bytes at a time are one operation of the processor.
    let (blocks, rest) = bytes.as_chunks_mut::<16>();
    for block in blocks {
        for (at, byte) in block.iter_mut().enumerate() {
            *byte ^= mask[at % 4];
        }
    }
    for (at, byte) in rest.iter_mut().enumerate() {
        *byte ^= mask[at % 4];
    }
    bytes
}
