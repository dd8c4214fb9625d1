//! The native codec reads and writes.

mod events;
mod fuzz;
mod holding;
mod mutations;
mod vectors;

use bytes::Bytes;

use super::{Head, NativeCodec, Reader, Record, ResumeToken, Spelling, Unreadable, write_refusal};
use crate::{
    broadcast::OutMessage,
    codec::{BodyCodec, Codec, ContentType, Violation, tests::frames, websocket_frames::SocketBuffer},
    message::Message,
    pool::Pool,
    session::{
        frame::{CloseReason, Frame, MAX_NUMBER, Names, Outbound},
        reason,
    },
};

const SPELLINGS: [Spelling; 3] = [Spelling::Text, Spelling::Bytes, Spelling::WebSocket];

/// No test writes a message as large as this.
const LIMIT: usize = 1 << 20;

/// The field of the names, with the comma before it. A client of an earlier version does not have it.
fn field(names: Names) -> String {
    if names.are_listed() { format!(",{names}") } else { String::new() }
}

/// Appends the head record that a client sends.
pub(crate) fn put_head(spelling: Spelling, head: &Head, out: &mut Vec<u8>) {
    let record = match head {
        Head::Open { version, ordinal, attempt, names, auth } => {
            format!("o{version},{ordinal},{attempt},{}{}:{auth}", spelling.length(auth), field(*names))
        }
        Head::Join { version, ordinal, attempt } => format!("j{version},{ordinal},{attempt}:"),
        Head::Resume { version, ordinal, turn, seen, token: ResumeToken { id, secret, received }, names } => {
            let (seen, names) = (u8::from(*seen), field(*names));
            format!("r{version},{ordinal},{turn},{seen},{id},{secret},{received}{names}:")
        }
        Head::Upload { version, token: ResumeToken { id, secret, received } } => {
            format!("u{version},{id},{secret},{received}:")
        }
        Head::TakeOver { version, ordinal, instance, token: ResumeToken { id, secret, received }, names } => {
            format!("t{version},{ordinal},{instance},{id},{secret},{received}{}:", field(*names))
        }
    };
    out.extend_from_slice(record.as_bytes());
}

fn outbound(frame: &Frame) -> Outbound<'_> {
    match frame {
        Frame::Message { number, message } => {
            Outbound::Message { number: *number, message: message.borrowed(), events: true, offsets: false }
        }
        other => Outbound::Frame(other.clone()),
    }
}

/// The units that carry the records: one body, or the messages of a WebSocket. Each has whether it is binary.
fn write(spelling: Spelling, codec: &mut NativeCodec, records: &[Record]) -> Vec<(bool, Bytes)> {
    let mut out = Vec::new();
    if spelling != Spelling::WebSocket {
        for record in records {
            match record {
                Record::Head(head) => put_head(spelling, head, &mut out),
                Record::Frame(frame) => codec.write(outbound(frame), &mut out),
            }
        }
        return vec![(false, out.into())];
    }
    let mut buffer = SocketBuffer::new(&mut out);
    for record in records {
        match record {
            Record::Head(head) => put_head(spelling, head, buffer.shared_text()),
            // A server sends no such record on a WebSocket, but a client may.
            Record::Frame(frame @ Frame::LinkClose(_)) => codec.writer.write(frame, buffer.shared_text()),
            Record::Frame(frame) => codec.write_socket(outbound(frame), &mut buffer),
        }
    }
    assert_eq!(buffer.finish(), None);
    frames(&out).into_iter().map(|(opcode, payload)| (opcode == 2, payload)).collect()
}

fn read(reader: &mut Reader, units: Vec<(bool, Bytes)>) -> Result<Vec<Record>, Unreadable> {
    let mut records = Vec::new();
    for (binary, mut bytes) in units {
        if binary {
            records.extend(reader.binary(bytes)?.map(Record::Frame));
            continue;
        }
        while let Some(record) = reader.read(&mut bytes)? {
            records.push(record);
        }
    }
    Ok(records)
}

/// Records are alike when they are printed alike; a shared message counts as the message that it shares.
fn plain(records: &[Record]) -> Vec<String> {
    let one = |record: &Record| match record {
        Record::Frame(Frame::Message { number, message }) => format!("{number} {:?}", message.payload()),
        other => format!("{other:?}"),
    };
    records.iter().map(one).collect()
}

#[test]
fn lengths_count_utf16_units_where_the_carrier_is_a_string() {
    let frame = Frame::Message { number: 1, message: Message::from("a😀é").into() };
    for (spelling, wire) in [(Spelling::Text, "n1:m4:a😀é"), (Spelling::Bytes, "n1:m7:a😀é")] {
        let mut out = Vec::new();
        NativeCodec::new(spelling, LIMIT).write(outbound(&frame), &mut out);
        assert_eq!(String::from_utf8_lossy(&out), wire);
    }
    for (wire, why) in
        [("n1:m2:a😀", "a length that splits a character"), ("n1:m5:a😀é", "a payload that is cut short")]
    {
        let mut reader = Reader::new(Spelling::Text, LIMIT);
        assert_eq!(reader.read(&mut Bytes::from(wire)).expect_err("malformed"), Unreadable::Malformed(why));
    }
    // The texts: a byte that UTF-8 does not have, a character that does not end, a middle byte alone.
    for wire in [&b"n1:m1:\xff"[..], b"n1:m2:\xe2\x82", b"n1:m1:\x80"] {
        for spelling in [Spelling::Text, Spelling::Bytes] {
            assert!(Reader::new(spelling, LIMIT).read(&mut Bytes::copy_from_slice(wire)).is_err(), "{wire:?}");
        }
    }
}

#[test]
fn messages_are_counted_from_the_last_number() {
    let mut reader = Reader::new(Spelling::Text, LIMIT);
    let mut wire = Bytes::from_static(b"n7:m1:am1:bd9,11:m1:cn3:m1:d");
    let records = read(&mut reader, vec![(false, wire.split_to(wire.len()))]).expect("well-formed");
    let numbers: Vec<u64> = records
        .iter()
        .filter_map(|record| match record {
            Record::Frame(Frame::Message { number, .. }) => Some(*number),
            _ => None,
        })
        .collect();
    assert_eq!(numbers, [7, 8, 12, 3]);
    let mut fresh = Reader::new(Spelling::Text, LIMIT);
    assert_eq!(
        fresh.read(&mut Bytes::from_static(b"m1:a")).expect_err("no number"),
        Unreadable::Malformed("a message without a number")
    );
    let mut last = Reader::new(Spelling::Text, LIMIT);
    let wire = format!("n{MAX_NUMBER}:m1:am1:b");
    assert_eq!(
        read(&mut last, vec![(false, wire.into())]).expect_err("beyond the last number"),
        Unreadable::Malformed("a number out of range")
    );
}

#[test]
fn a_head_has_an_end() {
    let mut long = vec![b'a'; 4_000];
    long.push(b':');
    for spelling in SPELLINGS {
        assert_eq!(
            Reader::new(spelling, LIMIT).read(&mut long.clone().into()).expect_err("too long"),
            Unreadable::Malformed("a record without a colon")
        );
    }
}

#[test]
fn a_refusal_is_one_end_in_the_text_spelling() {
    let reason = CloseReason::new(4301, "kein Zutritt für 😀");
    let wire = write_refusal(&reason);
    assert_eq!(String::from_utf8_lossy(&wire), "x4301,19:kein Zutritt für 😀");
    let Ok(Some(Record::Frame(Frame::LinkClose(read)))) = Reader::new(Spelling::Text, LIMIT).read(&mut wire.into())
    else {
        panic!("a refusal is an end");
    };
    assert_eq!(read, reason);
    assert_eq!(CloseReason::from(Unreadable::Malformed("bad")).code, 4004);
}

#[test]
fn frames_are_appended_to_a_body() {
    let mut out = b"a7:".to_vec();
    let mut codec = NativeCodec::new(Spelling::Bytes, LIMIT);
    for frame in [Frame::Padding { length: 3 }, Frame::Padding { length: 0 }, Frame::PollDelay { delay: 250 }] {
        codec.write(Outbound::Frame(frame), &mut out);
    }
    assert_eq!(codec.finish(&mut out), ContentType::BYTES);
    assert_eq!(String::from_utf8_lossy(&out), "a7:i3:   i0:y250:");
}

#[test]
fn control_records_share_a_message_of_a_websocket() {
    let mut codec = NativeCodec::new(Spelling::WebSocket, LIMIT);
    let (own, shared) =
        (OutMessage::from(Message::from("é")), OutMessage::shared(Message::from(vec![0, 1]), &Pool::new(0, 0)));
    let mut out = Vec::new();
    let mut buffer = SocketBuffer::new(&mut out);
    codec.write_socket(Outbound::Frame(Frame::Ack { received: 7 }), &mut buffer);
    codec.write_socket(
        Outbound::Message { number: 4, message: own.borrowed(), events: true, offsets: false },
        &mut buffer,
    );
    codec.write_socket(
        Outbound::Message { number: 5, message: shared.borrowed(), events: true, offsets: false },
        &mut buffer,
    );
    codec.write_socket(Outbound::Frame(Frame::AckRequest), &mut buffer);
    codec.write_socket(Outbound::Frame(Frame::Ping { id: 2, received: None }), &mut buffer);
    assert!(buffer.takes_more(usize::MAX));
    codec.write_socket(Outbound::Frame(Frame::LinkClose(reason::TOO_SLOW)), &mut buffer);
    assert!(!buffer.takes_more(usize::MAX));
    assert_eq!(buffer.finish(), Some(reason::TOO_SLOW));
    let sent: Vec<(u8, Bytes)> =
        [(1, &b"a7:n4:"[..]), (1, "mé".as_bytes()), (2, &[0, 1]), (1, b"w:p2:")].map(|(o, p)| (o, p.into())).into();
    assert_eq!(frames(&out), sent);
}

#[test]
fn a_message_above_the_limit_is_refused_behind_what_came_before_it() {
    for (spelling, wire) in [
        (Spelling::Text, &b"n1:m3:abcm4:abcd"[..]),
        (Spelling::Bytes, b"n1:b3:abcb4:abcd"),
        (Spelling::Text, b"n1:b4:YWJjb8:YWJjZA=="),
    ] {
        let mut codec = NativeCodec::new(spelling, 3);
        let mut input = Some(Bytes::copy_from_slice(wire));
        assert!(matches!(codec.read(&mut input), Ok(Some(Frame::Message { number: 1, .. }))), "{wire:?}");
        assert_eq!(codec.read(&mut input).expect_err("it is too large"), reason::TOO_LARGE, "{wire:?}");
    }
    let mut codec = NativeCodec::new(Spelling::WebSocket, 3);
    assert!(matches!(codec.read(&mut Some(Bytes::from_static(b"n1:"))), Ok(None)));
    assert!(codec.read_binary(Bytes::from_static(b"abc")).is_ok());
    assert_eq!(codec.read_binary(Bytes::from_static(b"abcd")).expect_err("it is too large"), reason::TOO_LARGE);
    assert_eq!(codec.read(&mut Some(Bytes::from_static(b"mabcd"))).expect_err("too"), reason::TOO_LARGE);
}

#[test]
fn a_head_is_read_once_and_first() {
    let mut codec = NativeCodec::new(Spelling::Text, LIMIT);
    let mut input = Bytes::from_static(b"j1,0,a:w:j1,0,a:");
    assert!(matches!(codec.read_head(&mut input), Ok(Some(Head::Join { .. }))));
    let mut rest = Some(input);
    assert!(matches!(codec.read(&mut rest), Ok(Some(Frame::AckRequest))));
    assert_eq!(codec.read(&mut rest).expect_err("a second head"), reason::UNEXPECTED);
    assert!(matches!(codec.read_head(&mut Bytes::from_static(b"w:")), Ok(None)));
    let mut empty = Some(Bytes::new());
    assert!(matches!(codec.read(&mut empty), Ok(None)));
    assert_eq!(empty, None, "an input that is used up is taken away");
}

#[test]
fn violations_have_the_codes_of_the_protocol() {
    for (violation, code) in [
        (Violation::Framing, 4004),
        (Violation::NotUtf8, 4004),
        (Violation::WrongKind, 4004),
        (Violation::TooLarge, 4006),
    ] {
        assert_eq!(NativeCodec::violation(violation).code, code, "{violation:?}");
    }
}

#[test]
fn a_token_has_at_most_128_characters() {
    for (length, fits) in [(1, true), (128, true), (129, false)] {
        let wire = format!("u1,{},s,0:", "x".repeat(length));
        assert_eq!(Reader::new(Spelling::Text, LIMIT).read(&mut wire.into()).is_ok(), fits, "{length}");
    }
}

#[test]
fn binary_messages_are_no_records_of_a_websocket() {
    let mut reader = Reader::new(Spelling::WebSocket, LIMIT);
    assert!(reader.read(&mut Bytes::from_static(b"n1:b4:AQID")).is_err());
}

#[test]
fn a_large_message_of_a_websocket_is_announced_with_its_length() {
    for (length, announced) in [(65_535, "n7:"), (65_536, "n7,65536:")] {
        for message in [Message::from("x".repeat(length)), Message::from(vec![0; length])].map(OutMessage::from) {
            let mut out = Vec::new();
            let mut codec = NativeCodec::new(Spelling::WebSocket, LIMIT);
            let mut buffer = SocketBuffer::new(&mut out);
            codec.write_socket(
                Outbound::Message { number: 7, message: message.borrowed(), events: true, offsets: false },
                &mut buffer,
            );
            codec.write_socket(
                Outbound::Message {
                    number: 8,
                    message: OutMessage::from(Message::from("next")).borrowed(),
                    events: true,
                    offsets: false,
                },
                &mut buffer,
            );
            assert!(buffer.finish().is_none());
            let frames = frames(&out);
            assert_eq!(&frames[0].1[..], announced.as_bytes());
            assert_eq!(&frames.last().unwrap().1[..], b"mnext", "the numbers are counted on");
        }
    }
}
