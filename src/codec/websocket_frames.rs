//! Writes WebSocket frames (RFC 6455, section 5) as a server does: final, unmasked, without extensions.

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Text = 1,
    Binary = 2,
}

/// The longest header of a frame that a server sends.
pub(crate) const MAX_HEADER: usize = 10;

/// Appends one frame whose payload is `parts`, one after the other.
pub(crate) fn put_frame(out: &mut Vec<u8>, opcode: Opcode, parts: &[&[u8]]) {
    put_header(out, opcode, parts.iter().map(|part| part.len()).sum());
    for part in parts {
        out.extend_from_slice(part);
    }
}

fn put_header(out: &mut Vec<u8>, opcode: Opcode, length: usize) {
    const FINAL: u8 = 0x80;
    out.push(FINAL | opcode as u8);
    if let Ok(length @ ..=125) = u8::try_from(length) {
        out.push(length);
    } else if let Ok(length) = u16::try_from(length) {
        out.push(126);
        out.extend_from_slice(&length.to_be_bytes());
    } else {
        out.push(127);
        out.extend_from_slice(&(length as u64).to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_states_the_length_in_the_shortest_form() {
        for (length, header) in [
            (0, &[0x81, 0][..]),
            (125, &[0x81, 125]),
            (126, &[0x81, 126, 0, 126]),
            (65_535, &[0x81, 126, 0xff, 0xff]),
            (65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let payload = vec![b'x'; length];
            let mut out = vec![7];
            put_frame(&mut out, Opcode::Text, &[&payload]);
            assert_eq!(out, [&[7], header, &payload].concat(), "{length}");
            assert!(header.len() <= MAX_HEADER);
        }
    }

    #[test]
    fn a_payload_may_come_in_parts() {
        let mut out = Vec::new();
        put_frame(&mut out, Opcode::Binary, &[b"m", b"", b"hello"]);
        assert_eq!(out, b"\x82\x06mhello");
    }
}
