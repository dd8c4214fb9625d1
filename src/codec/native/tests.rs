//! The vectors that the JavaScript codec runs too; round trips; mutations.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::Value;

use super::{Head, Malformed, Reader, Record, ResumeToken, Spelling, Writer, write_padding, write_refusal, write_rest};
use crate::{
    broadcast::OutMessage,
    message::Message,
    session::frame::{Attached, CloseReason, Frame, Grant, MAX_NUMBER, Outcome, SessionParams},
};

const VECTORS: &str = include_str!("../../../tests/vectors/native.jsonl");
const SPELLINGS: [Spelling; 3] = [Spelling::Text, Spelling::Bytes, Spelling::WebSocket];

/// A carrier's units: a body, or the messages of a WebSocket, of which the binary ones are marked.
fn write(spelling: Spelling, writer: &mut Writer, said: &[Record]) -> Vec<(bool, Bytes)> {
    let (mut units, mut out) = (Vec::new(), Vec::new());
    for one in said {
        match one {
            Record::Head(head) => writer.head(head, &mut out),
            Record::Frame(Frame::Message { number, message }) if spelling == Spelling::WebSocket => {
                writer.count(*number, &mut out);
                match message.as_message() {
                    Message::Text(text) => {
                        out.push(b'm');
                        out.extend_from_slice(text.as_bytes());
                        units.push((false, std::mem::take(&mut out).into()));
                    }
                    Message::Binary(bytes) => {
                        if !out.is_empty() {
                            units.push((false, std::mem::take(&mut out).into()));
                        }
                        units.push((true, bytes.clone()));
                    }
                }
            }
            Record::Frame(frame) => writer.write(frame, &mut out),
        }
    }
    if !out.is_empty() {
        units.push((false, out.into()));
    }
    units
}

fn read(reader: &mut Reader, units: Vec<(bool, Bytes)>) -> Result<Vec<Record>, Malformed> {
    let mut said = Vec::new();
    for (binary, mut bytes) in units {
        if binary {
            said.push(Record::Frame(reader.binary(bytes)?));
            continue;
        }
        while let Some(one) = reader.read(&mut bytes)? {
            said.push(one);
        }
    }
    Ok(said)
}

/// Two records say the same when they are printed the same; what is shared counts as what it shares.
fn plain(said: &[Record]) -> Vec<String> {
    let one = |said: &Record| match said {
        Record::Frame(Frame::Message { number, message }) => format!("{number} {:?}", message.as_message()),
        other => format!("{other:?}"),
    };
    said.iter().map(one).collect()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// A vector's record but `n`, as the codec has it; `next` counts its messages.
fn said(record: &[Value], next: &mut u64) -> Record {
    let at = |index: usize| number(&record[index]);
    let words = |index: usize| text(&record[index]).to_owned();
    let mut message = |message: Message| {
        *next += 1;
        Frame::Message { number: *next - 1, message: message.into() }
    };
    let token =
        |index| ResumeToken { id: words(index).into(), secret: words(index + 1).into(), received: at(index + 2) };
    let frame = match text(&record[0]) {
        "o" => {
            let (attempt, auth) = (words(3).into(), words(4).into());
            return Record::Head(Head::Open { version: at(1), ordinal: at(2), attempt, auth });
        }
        "j" => {
            return Record::Head(Head::Join { version: at(1), ordinal: at(2), attempt: words(3).into() });
        }
        "r" => {
            let seen = at(4) == 1;
            return Record::Head(Head::Resume { version: at(1), ordinal: at(2), turn: at(3), seen, token: token(5) });
        }
        "t" => {
            let instance = words(3).into();
            return Record::Head(Head::TakeOver { version: at(1), ordinal: at(2), instance, token: token(4) });
        }
        "u" => return Record::Head(Head::Upload { version: at(1), token: token(2) }),
        "s" if record[1] == "full" => {
            Frame::Attached(Attached { outcome: Outcome::Full, received: at(2), grant: None })
        }
        "s" => {
            let grant = Grant {
                id: words(3).into(),
                secret: words(4).into(),
                params: SessionParams {
                    interval: at(5),
                    timeout: at(6),
                    grace: at(7),
                    limit: at(8),
                    batch: at(9),
                    hold: at(10),
                },
            };
            Frame::Attached(Attached { outcome: Outcome::New, received: at(2), grant: Some(Box::new(grant)) })
        }
        "m" => message(Message::Text(words(1).into())),
        "b" => message(Message::Binary(STANDARD.decode(words(1)).expect("the vectors' base64").into())),
        "d" => {
            *next = at(2) + 1;
            Frame::Gap { from: at(1), to: at(2) }
        }
        "a" => Frame::Ack { received: at(1) },
        "w" => Frame::AckRequest,
        "h" => Frame::Pause { received: at(1), epoch: at(2) },
        "g" => Frame::Resume { received: at(1), epoch: at(2) },
        "p" => Frame::Ping { id: at(1) },
        "q" => Frame::Pong { id: at(1), received: at(2) },
        "v" => Frame::Confirm,
        "c" => Frame::Close { number: at(1), reason: CloseReason::new(at(2) as u16, words(3)) },
        "z" => Frame::GoAway { delay: at(1) },
        "y" => Frame::PollDelay { delay: at(1) },
        "i" => Frame::Padding { length: words(1).len() as u64 },
        "x" => Frame::LinkClose(CloseReason::new(at(1) as u16, words(2))),
        other => panic!("a vector has the record {other}"),
    };
    Record::Frame(frame)
}

/// What a vector says, whether its messages are all preceded by their number, and whether it ends with a number for none.
fn expected(vector: &Value) -> (Vec<Record>, bool, bool) {
    let (mut next, mut stated, mut all_stated, mut dangling) = (1, false, true, false);
    let mut list = Vec::new();
    for record in vector["records"].as_array().expect("records") {
        let record = record.as_array().expect("a record is a list");
        match text(&record[0]) {
            "n" => (next, stated, dangling) = (number(&record[1]), true, true),
            letter => {
                let message = matches!(letter, "m" | "b");
                all_stated &= stated || !message;
                dangling &= !message;
                list.push(said(record, &mut next));
            }
        }
    }
    (list, all_stated, dangling)
}

#[test]
fn the_vectors_hold() {
    let (mut names, mut read_well, mut refused, mut written) = (std::collections::BTreeSet::new(), 0, 0, 0);
    for line in VECTORS.lines() {
        let vector: Value = serde_json::from_str(line).expect("a vector is JSON");
        let name = text(&vector["name"]).to_owned();
        assert!(names.insert(name.clone()), "two vectors are called {name:?}");
        let spelling = match text(&vector["spelling"]) {
            "text" => Spelling::Text,
            "bytes" => Spelling::Bytes,
            "websocket" => Spelling::WebSocket,
            other => panic!("{name}: an unknown spelling {other}"),
        };
        let wire: Bytes = match spelling {
            Spelling::Bytes => STANDARD.decode(text(&vector["wire"])).expect("base64").into(),
            _ => text(&vector["wire"]).to_owned().into(),
        };
        let mut reader = Reader::new(spelling);
        // As if a number had been said before; the vectors that need it state theirs.
        reader.read(&mut Bytes::from_static(b"n1:")).expect("a number");
        let result = read(&mut reader, vec![(false, wire.clone())]);
        if vector["error"] == true {
            assert!(result.is_err(), "{name}: {:?} was read as {result:?}", text(&vector["wire"]));
            refused += 1;
            continue;
        }
        let (list, all_stated, dangling) = expected(&vector);
        let result = result.unwrap_or_else(|why| panic!("{name}: {why:?}"));
        assert_eq!(plain(&result), plain(&list), "{name}");
        read_well += 1;
        if vector["encode"] == true && !dangling {
            let mut writer = Writer::new(spelling);
            if !all_stated {
                writer.count(0, &mut Vec::new());
            }
            let out: Vec<u8> = write(spelling, &mut writer, &list).into_iter().flat_map(|(_, bytes)| bytes).collect();
            assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(&wire), "{name}");
            written += 1;
        }
    }
    assert!(read_well > 100 && refused > 80 && written > 80, "{read_well} read, {refused} refused, {written} written");
}

/// A small generator: the codec knows of no other.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn number(&mut self) -> u64 {
        let edges = [0, 1, 9, 10, (1 << 31) - 1, 1 << 31, u64::from(u32::MAX), 1 << 32, MAX_NUMBER - 1, MAX_NUMBER];
        if self.roll(2) == 0 { edges[self.roll(10) as usize] } else { self.roll(1 << 31) }
    }

    fn text(&mut self) -> String {
        let parts = ["", "a", "é", "€", "😀", "\0", "\r\n", "\u{2028}", "\u{ffff}", "\u{feff}", "m3:", ":", ",", "n1:"];
        (0..self.roll(9)).map(|_| parts[self.roll(parts.len() as u64) as usize]).collect()
    }

    fn name(&mut self) -> String {
        (0..=self.roll(20)).map(|_| "azAZ09-_."[self.roll(9) as usize..].chars().next().expect("one is left")).collect()
    }

    fn bytes(&mut self) -> Bytes {
        (0..self.roll(40)).map(|_| self.roll(256) as u8).collect()
    }

    fn frame(&mut self, next: &mut u64) -> Frame {
        let reason = |dice: &mut Dice| CloseReason::new(dice.roll(5000) as u16, dice.text());
        match self.roll(19) {
            0..=5 => {
                if *next > MAX_NUMBER || self.roll(8) == 0 {
                    *next = 1 + self.number() % MAX_NUMBER;
                }
                let message = match self.roll(2) {
                    0 => Message::Binary(self.bytes()),
                    _ => Message::Text(self.text().into()),
                };
                let message = if self.roll(2) == 0 { OutMessage::shared(message) } else { message.into() };
                *next += 1;
                Frame::Message { number: *next - 1, message }
            }
            6 => {
                let (from, to) = (self.number(), self.number());
                *next = to + 1;
                Frame::Gap { from, to }
            }
            7 => Frame::Ack { received: self.number() },
            8 => Frame::AckRequest,
            9 => Frame::Pause { received: self.number(), epoch: self.number() },
            10 => Frame::Resume { received: self.number(), epoch: self.number() },
            11 => Frame::Ping { id: self.number() },
            12 => Frame::Pong { id: self.number(), received: self.number() },
            13 => Frame::Confirm,
            14 => Frame::Close { number: self.number(), reason: reason(self) },
            15 => Frame::GoAway { delay: self.number() },
            16 => Frame::PollDelay { delay: self.number() },
            17 => Frame::Padding { length: self.roll(40) },
            _ => Frame::LinkClose(reason(self)),
        }
    }

    fn body(&mut self) -> Vec<Record> {
        let mut next = 1;
        let mut body = Vec::new();
        let token = |dice: &mut Dice| ResumeToken {
            id: dice.name().into(),
            secret: dice.name().into(),
            received: dice.number(),
        };
        match self.roll(6) {
            0 => {
                let (ordinal, attempt, auth) = (self.number(), self.name().into(), self.text().into());
                body.push(Record::Head(Head::Open { version: 1, ordinal, attempt, auth }));
            }
            1 => {
                let (ordinal, turn, seen) = (self.number(), self.number(), self.roll(2) == 1);
                body.push(Record::Head(Head::Resume { version: 1, ordinal, turn, seen, token: token(self) }));
            }
            2 => body.push(Record::Head(Head::Upload { version: 1, token: token(self) })),
            3 => {
                let (ordinal, attempt) = (self.number(), self.name().into());
                body.push(Record::Head(Head::Join { version: 1, ordinal, attempt }));
            }
            4 => {
                let grant = Grant {
                    id: self.name().into(),
                    secret: self.name().into(),
                    params: SessionParams {
                        interval: self.number(),
                        timeout: self.number(),
                        grace: self.number(),
                        limit: self.number(),
                        batch: self.number(),
                        hold: self.number(),
                    },
                };
                let start = Attached { outcome: Outcome::New, received: self.number(), grant: Some(Box::new(grant)) };
                body.push(Record::Frame(Frame::Attached(start)));
            }
            _ => {
                let start = Attached { outcome: Outcome::Full, received: self.number(), grant: None };
                body.push(Record::Frame(Frame::Attached(start)));
            }
        }
        for _ in 0..self.roll(12) {
            body.push(Record::Frame(self.frame(&mut next)));
        }
        body
    }
}

#[test]
fn what_is_written_is_read() {
    let mut dice = Dice(1);
    for round in 0..6_000 {
        let spelling = SPELLINGS[round % 3];
        let body = dice.body();
        let units = write(spelling, &mut Writer::new(spelling), &body);
        let result = read(&mut Reader::new(spelling), units.clone());
        let result = result.unwrap_or_else(|why| panic!("{why:?}: {units:?}"));
        assert_eq!(plain(&result), plain(&body), "{units:?}");
    }
}

#[test]
fn whatever_comes_is_read_or_refused() {
    let mut dice = Dice(2);
    let (mut refused, mut taken) = (0, 0);
    for round in 0..20_000 {
        let spelling = SPELLINGS[round % 3];
        let mut units = write(spelling, &mut Writer::new(spelling), &dice.body());
        for (_, bytes) in &mut units {
            let mut changed = bytes.to_vec();
            for _ in 0..=dice.roll(3) {
                let at = dice.roll(changed.len() as u64 + 1) as usize;
                match dice.roll(4) {
                    0 => changed.truncate(at),
                    1 => changed.insert(at.min(changed.len()), dice.roll(256) as u8),
                    2 => changed.insert(at.min(changed.len()), b"0123456789:,mbnc"[dice.roll(16) as usize]),
                    _ => {
                        if let Some(byte) = changed.get_mut(at) {
                            *byte ^= 1 << dice.roll(8);
                        }
                    }
                }
            }
            *bytes = changed.into();
        }
        let result = read(&mut Reader::new(spelling), units);
        if let Ok(said) = &result {
            for one in said {
                if let Record::Frame(Frame::Message { number, .. }) = one {
                    assert!((1..=MAX_NUMBER).contains(number), "a message has the number {number}");
                }
            }
        }
        if result.is_ok() { taken += 1 } else { refused += 1 }
    }
    assert!(refused > 2_000 && taken > 1_000, "{refused} refused, {taken} taken");
}

#[test]
fn lengths_count_utf16_units_where_the_carrier_is_a_string() {
    let frame = Frame::Message { number: 1, message: Message::from("a😀é").into() };
    for (spelling, wire) in [(Spelling::Text, "n1:m4:a😀é"), (Spelling::Bytes, "n1:m7:a😀é")] {
        let mut out = Vec::new();
        Writer::new(spelling).write(&frame, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), wire);
    }
    for (wire, why) in
        [("n1:m2:a😀", "a length that splits a character"), ("n1:m5:a😀é", "a payload that is cut short")]
    {
        let mut reader = Reader::new(Spelling::Text);
        assert_eq!(reader.read(&mut Bytes::from(wire)).expect_err("malformed"), Malformed(why));
    }
    // Text that is not UTF-8 in a body of bytes, a character that begins and does not end, a lone middle byte.
    for wire in [&b"n1:m1:\xff"[..], b"n1:m2:\xe2\x82", b"n1:m1:\x80"] {
        for spelling in [Spelling::Text, Spelling::Bytes] {
            assert!(Reader::new(spelling).read(&mut Bytes::copy_from_slice(wire)).is_err(), "{wire:?}");
        }
    }
}

#[test]
fn messages_are_counted_from_the_last_number() {
    let mut reader = Reader::new(Spelling::Text);
    let mut wire = Bytes::from_static(b"n7:m1:am1:bd9,11:m1:cn3:m1:d");
    let said = read(&mut reader, vec![(false, wire.split_to(wire.len()))]).expect("well-formed");
    let numbers: Vec<u64> = said
        .iter()
        .filter_map(|said| match said {
            Record::Frame(Frame::Message { number, .. }) => Some(*number),
            _ => None,
        })
        .collect();
    assert_eq!(numbers, [7, 8, 12, 3]);
    let mut fresh = Reader::new(Spelling::Text);
    assert_eq!(
        fresh.read(&mut Bytes::from_static(b"m1:a")).expect_err("no number"),
        Malformed("a message without a number")
    );
    let mut last = Reader::new(Spelling::Text);
    let wire = format!("n{MAX_NUMBER}:m1:am1:b");
    assert_eq!(
        read(&mut last, vec![(false, wire.into())]).expect_err("beyond the last number"),
        Malformed("a number out of range")
    );
}

#[test]
fn a_head_has_an_end() {
    let mut long = vec![b'a'; 4_000];
    long.push(b':');
    for spelling in SPELLINGS {
        assert_eq!(
            Reader::new(spelling).read(&mut long.clone().into()).expect_err("too long"),
            Malformed("a record without a colon")
        );
    }
}

#[test]
fn a_refusal_is_one_end_in_the_text_spelling() {
    let reason = CloseReason::new(4301, "kein Zutritt für 😀");
    let wire = write_refusal(&reason);
    assert_eq!(String::from_utf8_lossy(&wire), "x4301,19:kein Zutritt für 😀");
    let Ok(Some(Record::Frame(Frame::LinkClose(read)))) = Reader::new(Spelling::Text).read(&mut wire.into()) else {
        panic!("a refusal is an end");
    };
    assert_eq!(read, reason);
    assert_eq!(CloseReason::from(Malformed("bad")).code, 4004);
}

#[test]
fn padding_and_a_rest_are_written_behind_whatever_is_there() {
    let mut out = b"a7:".to_vec();
    write_padding(3, &mut out);
    write_padding(0, &mut out);
    write_rest(250, &mut out);
    assert_eq!(String::from_utf8_lossy(&out), "a7:i3:   i0:y250:");
}

#[test]
fn a_name_has_at_most_128_characters() {
    for (length, fits) in [(1, true), (128, true), (129, false)] {
        let wire = format!("u1,{},s,0:", "x".repeat(length));
        assert_eq!(Reader::new(Spelling::Text).read(&mut wire.into()).is_ok(), fits, "{length}");
    }
}

#[test]
fn binary_messages_are_no_records_of_a_websocket() {
    let mut reader = Reader::new(Spelling::WebSocket);
    assert!(reader.read(&mut Bytes::from_static(b"n1:b4:AQID")).is_err());
}

#[test]
fn a_message_keeps_nothing_of_the_body_that_brought_it() {
    for spelling in [Spelling::Text, Spelling::Bytes] {
        let body = Bytes::from_static(b"n1:m2:hib4:aGk=w:");
        let range = body.as_ptr_range();
        for said in read(&mut Reader::new(spelling), vec![(false, body)]).expect("well formed") {
            let Record::Frame(Frame::Message { message, .. }) = said else { continue };
            let start = match message.as_message() {
                Message::Text(text) => text.as_ptr(),
                Message::Binary(bytes) => bytes.as_ptr(),
            };
            assert!(!range.contains(&start), "{spelling:?} {message:?}");
        }
    }
}
