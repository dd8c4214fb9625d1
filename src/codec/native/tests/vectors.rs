//! The test vectors, which the JavaScript codec runs too.

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::Value;

use super::{
    super::{Head, NativeCodec, Reader, Record, ResumeToken, Spelling},
    LIMIT, plain, read, write,
};
use crate::{
    message::Message,
    packet::{Packet, attachments_of},
    payload::Payload,
    session::frame::{Attached, CloseReason, Frame, Grant, Names, Outcome, SessionParams},
};

const VECTORS: &str = include_str!("../../../../tests/vectors/native.jsonl");

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

fn binary(value: &Value) -> Bytes {
    STANDARD.decode(text(value)).expect("the vectors' base64").into()
}

fn names(value: &Value) -> Names {
    Names::parse(text(value).as_bytes())
}

/// A record of a vector, other than `n`, as the codec has it; `next` counts the messages.
fn parse(record: &[Value], next: &mut u64) -> Record {
    let at = |index: usize| number(&record[index]);
    let words = |index: usize| text(&record[index]).to_owned();
    let mut message = |message: Message| {
        *next += 1;
        Frame::Message { number: *next - 1, message: message.into() }
    };
    let last_names = |index| record.get(index).map_or(Names::default(), names);
    let token =
        |index| ResumeToken { id: words(index).into(), secret: words(index + 1).into(), received: at(index + 2) };
    let frame = match text(&record[0]) {
        "o" => {
            let (attempt, auth) = (words(3).into(), words(record.len() - 1).into());
            let names = record.get(4).filter(|_| record.len() > 5).map_or(Names::default(), names);
            return Record::Head(Head::Open { version: at(1), ordinal: at(2), attempt, names, auth });
        }
        "j" => {
            return Record::Head(Head::Join { version: at(1), ordinal: at(2), attempt: words(3).into() });
        }
        "r" => {
            let seen = at(4) == 1;
            let (turn, names) = (at(3), last_names(8));
            let token = token(5);
            return Record::Head(Head::Resume { version: at(1), ordinal: at(2), turn, seen, token, names });
        }
        "t" => {
            let instance = words(3).into();
            let (token, names) = (token(4), last_names(7));
            return Record::Head(Head::TakeOver { version: at(1), ordinal: at(2), instance, token, names });
        }
        "u" => return Record::Head(Head::Upload { version: at(1), token: token(2) }),
        "s" if record[1] == "full" => {
            let secret = record.get(4).map(|_| words(4).into());
            let (received, names) = (at(2), last_names(3));
            Frame::Attached(Attached { outcome: Outcome::Full, received, names, grant: None, secret })
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
                    spread: record.get(12).map_or(0, number),
                },
            };
            let (names, grant) = (last_names(11), Some(Box::new(grant)));
            Frame::Attached(Attached { outcome: Outcome::New, received: at(2), names, grant, secret: None })
        }
        "m" => message(Message::Text(words(1).into())),
        "b" => message(Message::Binary(binary(&record[1]))),
        "d" => {
            *next = at(2) + 1;
            Frame::Gap { from: at(1), to: at(2) }
        }
        "a" => Frame::Ack { received: at(1) },
        "w" => Frame::AckRequest,
        "h" => Frame::Pause { received: at(1), epoch: at(2) },
        "g" => Frame::Resume { received: at(1), epoch: at(2) },
        "p" => Frame::Ping { id: at(1), received: record.get(2).map(number) },
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

/// The records of a vector, whether all its messages follow a number, and whether it ends with a number that
/// no message follows.
fn expected(vector: &Value) -> (Vec<Record>, bool, bool) {
    let (mut next, mut stated, mut all_stated, mut dangling) = (1, false, true, false);
    let mut list = Vec::new();
    let mut records = vector["records"].as_array().expect("records").iter();
    while let Some(record) = records.next() {
        let record = record.as_array().expect("a record is a list");
        match text(&record[0]) {
            "n" => (next, stated, dangling) = (number(&record[1]), true, true),
            "e" => {
                let count = attachments_of(text(&record[1])).expect("a number of attachments");
                let attachments = records.by_ref().take(count).map(|record| binary(&record[1])).collect();
                let message = Packet::new(text(&record[1]), attachments);
                list.push(Record::Frame(Frame::Message { number: next, message: Payload::from(message).into() }));
                next += 1;
                (all_stated, dangling) = (all_stated & stated, false);
            }
            letter => {
                let message = matches!(letter, "m" | "b");
                all_stated &= stated || !message;
                dangling &= !message;
                list.push(parse(record, &mut next));
            }
        }
    }
    (list, all_stated, dangling)
}

#[test]
fn the_vectors_hold() {
    let (mut names, mut read_well, mut refused, mut written) = (BTreeSet::new(), 0, 0, 0);
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
        let mut reader = Reader::new(spelling, LIMIT);
        // A vector that needs a certain number states it; the others go on from this one.
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
            let mut codec = NativeCodec::new(spelling, LIMIT);
            if !all_stated {
                codec.writer.count(0, &mut Vec::new());
            }
            let out: Vec<u8> = write(spelling, &mut codec, &list).into_iter().flat_map(|(_, bytes)| bytes).collect();
            assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(&wire), "{name}");
            written += 1;
        }
    }
    assert!(read_well > 100 && refused > 80 && written > 80, "{read_well} read, {refused} refused, {written} written");
}
