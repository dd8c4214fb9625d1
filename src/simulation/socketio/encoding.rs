//! The bytes of a client: bodies of requests and answers, and the frames of a WebSocket.

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::codec::engineio::{
    Carrier, Revision,
    tests::peer::{Piece, pieces},
};

/// The packets of an answer.
///
/// # Errors
/// Fails if the server has written what is no payload.
pub(super) fn read_body(revision: Revision, body: &[u8]) -> Result<Vec<Piece>, String> {
    let (mut read, whole) = pieces(revision, Carrier::Body { base64: false }, body);
    if !whole {
        return Err(format!("a body that is no payload behind {read:?}: {}", body.escape_ascii()));
    }
    for piece in &mut read {
        match piece {
            Piece::Bytes(bytes) if bytes.first() == Some(&4) => drop(bytes.remove(0)),
            Piece::Bytes(bytes) => return Err(format!("a packet of bytes that is no message: {bytes:?}")),
            Piece::Text(_) => {}
        }
    }
    Ok(read)
}

/// A body of packets, and whether it is of bytes. A piece of bytes is a message.
pub(super) fn write_body(revision: Revision, base64: bool, packets: &[Piece]) -> (Vec<u8>, bool) {
    let has_bytes = packets.iter().any(|packet| matches!(packet, Piece::Bytes(_)));
    match revision {
        Revision::V4 => {
            let texts: Vec<String> = packets.iter().map(|packet| as_text("b", packet)).collect();
            (texts.join("\u{1e}").into_bytes(), false)
        }
        Revision::V3 if has_bytes && !base64 => {
            let mut body = Vec::new();
            for packet in packets {
                let (kind, bytes) = match packet {
                    Piece::Text(text) => (0, text.as_bytes().to_vec()),
                    Piece::Bytes(bytes) => (1, [&[4], &bytes[..]].concat()),
                };
                body.push(kind);
                body.extend(bytes.len().to_string().bytes().map(|digit| digit - b'0'));
                body.push(0xff);
                body.extend(bytes);
            }
            (body, true)
        }
        Revision::V3 => {
            let mut body = String::new();
            for packet in packets {
                let text = as_text("b4", packet);
                body += &format!("{}:{text}", text.encode_utf16().count());
            }
            (body.into_bytes(), false)
        }
    }
}

fn as_text(letter: &str, packet: &Piece) -> String {
    match packet {
        Piece::Text(text) => text.clone(),
        Piece::Bytes(bytes) => format!("{letter}{}", STANDARD.encode(bytes)),
    }
}

/// The messages that a server sends on a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Packet(Piece),
    /// It closes the connection.
    Close,
}

pub(super) const CLOSE: u8 = 0x88;
const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;

/// A packet as a frame of a client, which is masked.
pub(super) fn write_frame(revision: Revision, packet: &Piece) -> Vec<u8> {
    match packet {
        Piece::Text(text) => frame(TEXT, text.as_bytes()),
        Piece::Bytes(bytes) => match revision {
            Revision::V3 => frame(BINARY, &[&[4], &bytes[..]].concat()),
            Revision::V4 => frame(BINARY, bytes),
        },
    }
}

pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x51, 0, 0xa7, 3];
    let mut bytes = vec![first];
    match payload.len() {
        length @ ..126 => bytes.push(0x80 | length as u8),
        length @ ..0x1_0000 => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// Takes the next frame of a server off what has come, if it is whole.
///
/// # Errors
/// Fails if it is none that a server of Engine.IO sends.
pub(super) fn take_frame(revision: Revision, came: &mut Vec<u8>) -> Result<Option<Said>, String> {
    let Some(&[first, second]) = came.first_chunk() else { return Ok(None) };
    let (start, length) = match second {
        126 => match came.get(2..4) {
            Some(length) => (4, length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte))),
            None => return Ok(None),
        },
        127 => match came.get(2..10) {
            Some(length) => (10, length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte))),
            None => return Ok(None),
        },
        length => (2, usize::from(length)),
    };
    if came.len() < start + length {
        return Ok(None);
    }
    let frame: Vec<u8> = came.drain(..start + length).skip(start).collect();
    match (first, revision) {
        (TEXT, _) => {
            let text = String::from_utf8(frame).map_err(|_| "a text that is not UTF-8")?;
            Ok(Some(Said::Packet(Piece::Text(text))))
        }
        (BINARY, Revision::V4) => Ok(Some(Said::Packet(Piece::Bytes(frame)))),
        (BINARY, Revision::V3) if frame.first() == Some(&4) => {
            Ok(Some(Said::Packet(Piece::Bytes(frame[1..].to_vec()))))
        }
        (CLOSE, _) => Ok(Some(Said::Close)),
        _ => Err(format!("a frame that begins with {first:#x}")),
    }
}
