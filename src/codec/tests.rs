//! What holds for every codec.

use bytes::{Buf, Bytes};

use super::native::Spelling;

/// The WebSocket frames of a server: opcode and payload of each.
pub(super) fn frames(written: &[u8]) -> Vec<(u8, Bytes)> {
    let (mut rest, mut frames) = (Bytes::copy_from_slice(written), Vec::new());
    while !rest.is_empty() {
        let first = rest.get_u8();
        assert_eq!(first & 0xf0, 0x80, "a final frame without extensions");
        let length = match rest.get_u8() {
            126 => usize::from(rest.get_u16()),
            127 => usize::try_from(rest.get_u64()).expect("a length in memory"),
            length => usize::from(length),
        };
        frames.push((first & 15, rest.split_to(length)));
    }
    frames
}

#[test]
fn no_two_encodings_share_a_cell() {
    let cells = [Spelling::Text.cell(), Spelling::Bytes.cell(), Spelling::WebSocket.cell()];
    for (at, cell) in cells.iter().enumerate() {
        assert!(!cells[..at].contains(cell), "{cell:?}");
    }
}
