//! The server's half of RFC 6455's framing. Frames are unmasked where they lie.

use anyhow::{Context, Result, ensure};

pub(super) const TEXT: u8 = 1;
pub(super) const BINARY: u8 = 2;
pub(super) const CLOSE: u8 = 8;
pub(super) const PING: u8 = 9;
pub(super) const PONG: u8 = 10;

const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;
const MASK: usize = 4;

/// The next whole frame of `input` from `at` on: its opcode, and its payload, unmasked; `at` moves behind it. Fragments
/// and extensions are refused: no client of the benchmark uses them.
pub(super) fn next<'input>(input: &'input mut [u8], at: &mut usize) -> Result<Option<(u8, &'input [u8])>> {
    let rest = &mut input[*at..];
    let [first, second, ..] = *rest else {
        return Ok(None);
    };
    ensure!(first & 0xf0 == FINAL, "a fragment, or an extension");
    ensure!(second & MASKED != 0, "a client must mask");
    let (head, length) = match second & !MASKED {
        126 => match rest.get(2..4) {
            Some(bytes) => (4, usize::from(u16::from_be_bytes(bytes.try_into()?))),
            None => return Ok(None),
        },
        127 => match rest.get(2..10) {
            Some(bytes) => (10, usize::try_from(u64::from_be_bytes(bytes.try_into()?))?),
            None => return Ok(None),
        },
        short => (2, usize::from(short)),
    };
    let start = head + MASK;
    let end = start.checked_add(length).context("frame length")?;
    let Some(frame) = rest.get_mut(..end) else {
        return Ok(None);
    };
    let (head, payload) = frame.split_at_mut(start);
    unmask(payload, [head[start - 4], head[start - 3], head[start - 2], head[start - 1]]);
    *at += end;
    Ok(Some((first & 0x0f, payload)))
}

fn unmask(payload: &mut [u8], mask: [u8; MASK]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= mask;
    }
}

/// Appends a frame of the server, which has no mask.
pub(super) fn put(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(FINAL | opcode);
    match payload.len() {
        short @ 0..126 => out.push(short as u8),
        middle @ 126..0x1_0000 => {
            out.push(126);
            out.extend_from_slice(&(middle as u16).to_be_bytes());
        }
        long => {
            out.push(127);
            out.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; MASK] = [1, 2, 4, 8];

    fn masked(payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        put(TEXT, payload, &mut frame);
        let head = frame.len() - payload.len();
        frame[1] |= MASKED;
        let masked: Vec<u8> = payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        frame.truncate(head);
        frame.extend_from_slice(&KEY);
        frame.extend_from_slice(&masked);
        frame
    }

    #[test]
    fn frames_of_all_lengths_in_any_pieces() {
        for length in [0, 1, 7, 8, 9, 125, 126, 127, 0xffff, 0x1_0000] {
            let payload: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let frame = masked(&payload);
            for cut in (0..frame.len()).step_by(frame.len() / 20 + 1) {
                let (mut at, mut piece) = (0, frame[..cut].to_vec());
                assert!(next(&mut piece, &mut at).unwrap().is_none(), "{cut} of {}", frame.len());
                assert_eq!((at, &piece[..]), (0, &frame[..cut]), "nothing is unmasked before the whole has come");
            }
            let (mut at, mut whole) = (0, frame.clone());
            assert_eq!(next(&mut whole, &mut at).unwrap(), Some((TEXT, &payload[..])));
            assert_eq!(at, frame.len());
        }
    }

    #[test]
    fn frames_follow_each_other() {
        let (mut at, mut input) = (0, [masked(b"one"), masked(b"two"), vec![0x81]].concat());
        assert_eq!(next(&mut input, &mut at).unwrap(), Some((TEXT, &b"one"[..])));
        assert_eq!(next(&mut input, &mut at).unwrap(), Some((TEXT, &b"two"[..])));
        assert_eq!(next(&mut input, &mut at).unwrap(), None);
        assert_eq!(at, input.len() - 1);
    }

    #[test]
    fn what_is_no_frame_of_a_client() {
        for wrong in [[0x81, 0x01], [0x01, 0x81], [0xc1, 0x81]] {
            assert!(next(&mut wrong.to_vec(), &mut 0).is_err(), "{wrong:?}");
        }
        let endless = [&[0x82, 0xff][..], &[0xff; 8], &KEY].concat();
        assert!(next(&mut endless.clone(), &mut 0).is_err());
    }
}
