//! Round trips of random records, and random changes of their bytes.

use bytes::Bytes;

use super::{
    super::{Head, NativeCodec, Reader, Record, ResumeToken},
    LIMIT, SPELLINGS, plain, read, write,
};
use crate::{
    broadcast::OutMessage,
    message::Message,
    pool::Pool,
    session::frame::{Attached, CloseReason, Frame, Grant, MAX_NUMBER, Names, Outcome, SessionParams},
};

/// A small generator of random numbers, always with the same seed.
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
                let message =
                    if self.roll(2) == 0 { OutMessage::shared(message, &Pool::new(0, 0)) } else { message.into() };
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
            11 => {
                let received = (self.roll(2) == 1).then(|| self.number());
                Frame::Ping { id: self.number(), received }
            }
            12 => Frame::Pong { id: self.number(), received: self.number() },
            13 => Frame::Confirm,
            14 => Frame::Close { number: self.number(), reason: reason(self) },
            15 => Frame::GoAway { delay: self.number() },
            16 => Frame::PollDelay { delay: self.number() },
            17 => Frame::Padding { length: self.roll(40) },
            _ => Frame::LinkClose(reason(self)),
        }
    }

    fn names(&mut self) -> Names {
        let lists = [Names::default(), Names::parse(b""), Names::parse(b"ping"), Names::parse(b"cred.ping")];
        lists[self.roll(4) as usize]
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
                body.push(Record::Head(Head::Open { version: 1, ordinal, attempt, names: self.names(), auth }));
            }
            1 => {
                let (ordinal, turn, seen) = (self.number(), self.number(), self.roll(2) == 1);
                let (token, names) = (token(self), self.names());
                body.push(Record::Head(Head::Resume { version: 1, ordinal, turn, seen, token, names }));
            }
            2 => body.push(Record::Head(Head::Upload { version: 1, token: token(self) })),
            3 => {
                let (ordinal, attempt) = (self.number(), self.name().into());
                body.push(Record::Head(Head::Join { version: 1, ordinal, attempt }));
            }
            4 => {
                let mut grant = Grant {
                    id: self.name().into(),
                    secret: self.name().into(),
                    params: SessionParams {
                        interval: self.number(),
                        timeout: self.number(),
                        grace: self.number(),
                        limit: self.number(),
                        batch: self.number(),
                        hold: self.number(),
                        spread: 0,
                    },
                };
                let names = self.names();
                if names.are_listed() {
                    grant.params.spread = self.number();
                }
                let received = self.number();
                let grant = Some(Box::new(grant));
                let start = Attached { outcome: Outcome::New, received, names, grant, secret: None };
                body.push(Record::Frame(Frame::Attached(start)));
            }
            _ => {
                let (received, names) = (self.number(), self.names());
                let secret = (names.are_listed() && self.roll(2) == 1).then(|| self.name().into());
                let start = Attached { outcome: Outcome::Full, received, names, grant: None, secret };
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
        let units = write(spelling, &mut NativeCodec::new(spelling, LIMIT), &body);
        let result = read(&mut Reader::new(spelling, LIMIT), units.clone());
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
        let mut units = write(spelling, &mut NativeCodec::new(spelling, LIMIT), &dice.body());
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
        let result = read(&mut Reader::new(spelling, LIMIT), units);
        if let Ok(records) = &result {
            for record in records {
                if let Record::Frame(Frame::Message { number, .. }) = record {
                    assert!((1..=MAX_NUMBER).contains(number), "a message has the number {number}");
                }
            }
        }
        if result.is_ok() { taken += 1 } else { refused += 1 }
    }
    assert!(refused > 2_000 && taken > 1_000, "{refused} refused, {taken} taken");
}
