//! The packets of a payload, taken apart in a second way: by searching and counting characters. It is compared
//! with the codec.

use base64::{
    Engine,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::{Carrier, LIMIT, Revision};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(String),
    Bytes(Vec<u8>),
}

/// The packets up to the first that cannot be read, and whether all can.
pub(crate) fn pieces(revision: Revision, carrier: Carrier, input: &[u8]) -> (Vec<Piece>, bool) {
    let mut pieces = Vec::new();
    let whole = match (carrier, revision) {
        (Carrier::WebSocket, _) => text(input).map(|it| pieces.push(it)),
        (_, Revision::V4) => input.split(|&byte| byte == 0x1e).try_for_each(|it| text(it).map(|it| pieces.push(it))),
        (_, Revision::V3) => revision3(input, &mut pieces),
    };
    (pieces, whole.is_some())
}

fn text(input: &[u8]) -> Option<Piece> {
    Some(Piece::Text(String::from_utf8(input.to_vec()).ok()?))
}

fn revision3(mut input: &[u8], pieces: &mut Vec<Piece>) -> Option<()> {
    if input.is_empty() {
        return None;
    }
    while !input.is_empty() && input != b"0:" {
        let (kind, end, zero) = match input[0] {
            kind @ (0 | 1) => (Some(kind), 0xff, 0),
            _ => (None, b':', b'0'),
        };
        let digits_from = usize::from(kind.is_some());
        let end = input.iter().skip(digits_from).position(|&byte| byte == end)? + digits_from;
        let digits: Option<String> = input[digits_from..end]
            .iter()
            .map(|byte| char::from_digit(byte.checked_sub(zero).map_or(99, u32::from), 10))
            .collect();
        let digits = digits.filter(|digits| (1..=10).contains(&digits.len()))?;
        let length: usize = digits.parse().ok()?;
        let rest = &input[end + 1..];
        let (packet, behind) = match kind {
            Some(_) => rest.split_at_checked(length)?,
            None => {
                let at = units(rest, length)?;
                rest.split_at(at)
            }
        };
        pieces.push(if kind == Some(1) { Piece::Bytes(packet.to_vec()) } else { text(packet)? });
        input = behind;
    }
    Some(())
}

/// Where so many UTF-16 units end.
fn units(text: &[u8], units: usize) -> Option<usize> {
    let valid = match std::str::from_utf8(text) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&text[..error.valid_up_to()]).expect("it is valid"),
    };
    let (mut seen, mut at) = (0, 0);
    let mut characters = valid.chars();
    while seen < units {
        let next = characters.next()?;
        seen += next.len_utf16();
        at += next.len_utf8();
    }
    (seen == units).then_some(at)
}

/// The short form of the frame that a packet is; `None` if it is passed over, and an error if it is a violation.
pub(super) fn meaning(revision: Revision, carrier: Carrier, piece: &Piece) -> Result<Option<String>, ()> {
    let socket = carrier == Carrier::WebSocket;
    let bytes = |bytes: &[u8]| if bytes.len() > LIMIT { Err(()) } else { Ok(Some(format!("bytes {bytes:02x?}"))) };
    let packet = match piece {
        Piece::Text(packet) => packet,
        Piece::Bytes(packet) => {
            return match (revision, &packet[..]) {
                (Revision::V3, [4, rest @ ..]) => bytes(rest),
                (Revision::V3, _) => Err(()),
                (Revision::V4, all) => bytes(all),
            };
        }
    };
    let Some(kind) = packet.chars().next() else { return Err(()) };
    let data = &packet[kind.len_utf8()..];
    Ok(Some(match (kind, revision) {
        ('0' | '6', _) if socket => "noop".into(),
        ('5', _) if socket => "confirm".into(),
        ('0' | '5' | '6', _) => return Ok(None),
        ('1', _) => "close 1000".into(),
        ('2', _) if socket && data == "probe" => "probe".into(),
        ('2', Revision::V3) => "ping".into(),
        ('3', Revision::V4) => "pong".into(),
        ('4', _) if data.len() <= LIMIT => format!("text {data}"),
        ('b', _) => {
            let data = match revision {
                Revision::V3 => data.strip_prefix('4').ok_or(())?,
                Revision::V4 => data,
            };
            let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
            let engine = GeneralPurpose::new(&base64::alphabet::STANDARD, config);
            return bytes(&engine.decode(data).map_err(|_| ())?);
        }
        _ => return Err(()),
    }))
}

/// The result that the codec should have for an input: the frames, and whether a violation ends them.
pub(super) fn expected(revision: Revision, carrier: Carrier, input: &[u8]) -> (Vec<String>, bool) {
    let (pieces, whole) = pieces(revision, carrier, input);
    let mut frames = Vec::new();
    for piece in &pieces {
        match meaning(revision, carrier, piece) {
            Ok(frame) => frames.extend(frame),
            Err(()) => return (frames, true),
        }
    }
    (frames, !whole)
}
