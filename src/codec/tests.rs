//! Properties of every codec.

use bytes::{Buf, Bytes};

use super::{
    Codec,
    engineio::{Carrier, EngineCodec, Form, Kind, Revision},
    native::{NativeCodec, Spelling},
    raw::{self, RawCodec},
    sockjs,
    websocket_frames::SocketBuffer,
};
use crate::{
    broadcast::{self, OutMessage},
    message::Message,
    packet::Offset,
    pool::Pool,
    session::frame::{Frame, Outbound},
};

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
    let spellings = [Spelling::Text, Spelling::Bytes, Spelling::WebSocket];
    let cells = spellings.iter().flat_map(|spelling| [true, false].map(|events| spelling.cell(events)));
    let forms =
        [Form::Socket3, Form::Socket4, Form::Text3, Form::Bytes3, Form::Body4, Form::SocketPacked, Form::BodyPacked];
    let kinds = [Kind::Plain, Kind::Events(None), Kind::Events(Offset::new(1))];
    let engineio = forms.iter().flat_map(|form| kinds.map(|kind| form.cell(kind)));
    let others = [raw::CELL, broadcast::OFFSET, sockjs::SOCKET, sockjs::STRING];
    let cells: Vec<_> = cells.chain(others).chain(engineio).collect();
    for (at, cell) in cells.iter().enumerate() {
        assert!(!cells[..at].contains(cell), "{cell:?}");
    }
}

/// A small generator of random numbers, always the same for a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn message(&mut self) -> Message {
        let length = [0, 1, 124, 125, 126, 127, 65_534, 65_535, 65_536][self.roll(9) as usize];
        if self.roll(2) == 0 {
            return (0..length).map(|_| self.roll(256) as u8).collect::<Vec<_>>().into();
        }
        let parts = ["a", "m", ":", "é", "€", "😀", "\0", "\u{ffff}"];
        let mut text = String::new();
        while text.len() < length {
            text.push_str(parts[self.roll(8) as usize]);
        }
        text.into()
    }
}

fn messages_survive<C: Codec>(events: bool, make: impl Fn() -> C) {
    let mut dice = Dice(3);
    for round in 0..200 {
        let messages: Vec<Message> = (0..dice.roll(5)).map(|_| dice.message()).collect();
        let (mut out, mut writer) = (Vec::new(), make());
        let mut buffer = SocketBuffer::new(&mut out);
        for (at, message) in messages.iter().enumerate() {
            let message = match dice.roll(2) {
                0 => OutMessage::shared(message.clone(), &Pool::new(0, 0)),
                _ => message.clone().into(),
            };
            writer.write_socket(
                Outbound::Message { number: at as u64 + 1, message: message.borrowed(), events, offsets: false },
                &mut buffer,
            );
        }
        assert_eq!(buffer.finish(), None);
        let (mut reader, mut read) = (make(), Vec::new());
        for (opcode, payload) in frames(&out) {
            let mut frames = Vec::new();
            match opcode {
                2 => frames.extend(reader.read_binary(payload).expect("it is readable")),
                _ => {
                    let mut input = Some(payload);
                    while let Some(frame) = reader.read(&mut input).expect("it is readable") {
                        frames.push(frame);
                    }
                }
            }
            for frame in frames {
                let Frame::Message { message, .. } = frame else { panic!("{frame:?} is no message") };
                read.push(message.payload().as_message().unwrap().clone());
            }
        }
        assert_eq!(read, messages, "round {round}");
    }
}

#[test]
fn what_a_codec_writes_to_a_websocket_it_reads() {
    messages_survive(true, || NativeCodec::new(Spelling::WebSocket, 1 << 20));
    messages_survive(true, || RawCodec::new(1 << 20));
    messages_survive(false, || EngineCodec::new(Revision::V3, 1 << 20, Carrier::WebSocket));
    messages_survive(false, || EngineCodec::new(Revision::V4, 1 << 20, Carrier::WebSocket));
}
