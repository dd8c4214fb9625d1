//! The native protocol's client half, as far as a benchmark needs it: numbers, acknowledgements, confirm,
//! pongs, close.

use super::event::Events;
use super::{Inbox, Talk};
use anyhow::{Context, Result, bail, ensure};
use std::hash::{BuildHasher, RandomState};

/// An acknowledgement is due after this many messages ...
const ACK_MESSAGES: u64 = 128;
/// ... or this many bytes.
const ACK_BYTES: usize = 32_768;
/// The only link of the session: nothing is raced here.
pub(super) const ORDINAL: u32 = 16;

/// The spelling of the server's messages.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// `m` and `e` have no fields and take the rest.
    WebSocket,
    /// `m` has its length. Text and bytes count alike, since all that is sent here is ASCII.
    Lengths,
}

/// One session's numbers, and the records that it has to send.
pub(super) struct Session {
    talk: Talk,
    pub(super) events: Events,
    pub(super) id: String,
    pub(super) secret: String,
    pub(super) batch: usize,
    /// The last number taken from the server.
    pub(super) received: u64,
    /// The number of the server's next message on the present link.
    next: u64,
    /// The number of the last message that the client has sent.
    pub(super) sent: u64,
    /// The last number that the server has acknowledged.
    pub(super) acknowledged: u64,
    unacked_messages: u64,
    unacked_bytes: usize,
    pub(super) is_started: bool,
    pub(super) is_acking: bool,
    pub(super) pong: Option<String>,
    /// The server has ended this link, which it may once the client has closed.
    pub(super) ended: Option<String>,
}

impl Session {
    pub(super) fn new(talk: Talk) -> Self {
        Self {
            talk,
            events: Events::new(talk),
            id: String::new(),
            secret: String::new(),
            batch: 0,
            received: 0,
            next: 1,
            sent: 0,
            acknowledged: 0,
            unacked_messages: 0,
            unacked_bytes: 0,
            is_started: false,
            is_acking: false,
            pong: None,
            ended: None,
        }
    }

    /// The opening record, without auth data.
    pub(super) fn opening(&self) -> String {
        // Two differently keyed hashers: 128 bits that are random enough to name an attempt.
        let [high, low] = [(); 2].map(|()| RandomState::new().hash_one(0));
        let names = if self.talk == Talk::Messages { "" } else { ",events" };
        format!("o1,{ORDINAL},{high:016x}{low:016x},0{names}:")
    }

    /// Reads the complete records at the beginning of `input`; returns their length.
    pub(super) fn read(&mut self, input: &[u8], spelling: Spelling, inbox: &mut Inbox) -> Result<usize> {
        let mut at = 0;
        while let Some(&letter) = input.get(at) {
            let rest = &input[at + 1..];
            if let (b'm' | b'e', Spelling::WebSocket) = (letter, spelling) {
                self.take(letter, rest, inbox)?;
                return Ok(input.len());
            }
            let Some(colon) = rest.iter().position(|&byte| byte == b':') else {
                break;
            };
            let fields = std::str::from_utf8(&rest[..colon])?;
            let payload = &rest[colon + 1..];
            let length = match letter {
                b'm' | b'b' | b'c' | b'i' | b'x' => number(fields.rsplit(',').next())? as usize,
                _ => 0,
            };
            let Some(payload) = payload.get(..length) else {
                break;
            };
            self.record(letter, fields, payload, inbox)
                .with_context(|| format!("record {}{fields}", char::from(letter)))?;
            at += 1 + colon + 1 + length;
        }
        Ok(at)
    }

    fn record(&mut self, letter: u8, fields: &str, payload: &[u8], inbox: &mut Inbox) -> Result<()> {
        let mut field = fields.split(',');
        match letter {
            b'm' => self.take(letter, payload, inbox)?,
            b'n' => self.next = number(field.next())?,
            b'a' => self.acknowledge(number(field.next())?)?,
            b's' => self.attached(field)?,
            b'w' => self.is_acking = true,
            b'p' => self.pong = Some(fields.to_owned()),
            // Padding comes when an acknowledgement was slow, as while a thousand other clients are served.
            b'i' | b'g' => {}
            b'c' => {
                self.received = number(field.next())?;
                self.is_acking = true;
                self.end(letter, fields, payload);
            }
            b'x' => self.end(letter, fields, payload),
            _ => bail!("not expected in a benchmark"),
        }
        Ok(())
    }

    fn attached<'fields>(&mut self, mut field: impl Iterator<Item = &'fields str>) -> Result<()> {
        let outcome = field.next().unwrap_or_default();
        let received = number(field.next())?;
        match outcome {
            "new" if !self.is_started => {
                self.id = field.next().context("no id")?.to_owned();
                self.secret = field.next().context("no secret")?.to_owned();
                // The fields interval, timeout, grace and limit come before it.
                self.batch = number(field.nth(4))? as usize;
                self.is_started = true;
            }
            "full" => ensure!(self.is_started, "attached before it was opened"),
            _ => bail!("the session was lost"),
        }
        self.next = self.received + 1;
        self.acknowledge(received)
    }

    /// Takes a message, or the packet of an event.
    fn take(&mut self, letter: u8, payload: &[u8], inbox: &mut Inbox) -> Result<()> {
        let number = self.next;
        self.next += 1;
        if number <= self.received {
            return Ok(());
        }
        ensure!(number == self.received + 1, "message {number} after {}", self.received);
        self.received = number;
        self.unacked_messages += 1;
        self.unacked_bytes += payload.len();
        if self.unacked_messages >= ACK_MESSAGES || self.unacked_bytes >= ACK_BYTES {
            self.is_acking = true;
        }
        if letter == b'e' {
            return self.events.read(payload, inbox);
        }
        inbox.push(payload);
        Ok(())
    }

    fn acknowledge(&mut self, number: u64) -> Result<()> {
        ensure!(number <= self.sent, "{number} acknowledged, {} sent", self.sent);
        self.acknowledged = self.acknowledged.max(number);
        Ok(())
    }

    fn end(&mut self, letter: u8, fields: &str, payload: &[u8]) {
        let reason = String::from_utf8_lossy(payload);
        self.ended = Some(format!("{}{fields}:{reason}", char::from(letter)));
    }

    /// Called when `received` has been sent.
    pub(super) fn acked(&mut self) {
        self.is_acking = false;
        self.unacked_messages = 0;
        self.unacked_bytes = 0;
    }

    /// Answers to pings and acknowledgements that are due.
    pub(super) fn control(&mut self, out: &mut Vec<u8>) {
        if let Some(id) = self.pong.take() {
            out.extend_from_slice(format!("q{id},{}:", self.received).as_bytes());
            self.acked();
        }
        if self.is_acking {
            out.extend_from_slice(format!("a{}:", self.received).as_bytes());
            self.acked();
        }
    }

    /// The close, numbered behind the last message.
    pub(super) fn closing(&mut self) -> String {
        self.sent += 1;
        format!("c{},1000,0:", self.sent)
    }
}

fn number(field: Option<&str>) -> Result<u64> {
    let field = field.context("a field is missing")?;
    let is_decimal = field.bytes().all(|byte| byte.is_ascii_digit());
    ensure!(is_decimal && (field == "0" || !field.starts_with('0')), "{field:?} is not a number");
    Ok(field.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = "snew,0,id-1,secret,25000,20000,30000,1000000,65536,25000:";

    fn texts(inbox: &Inbox) -> Vec<&[u8]> {
        inbox.iter().collect()
    }

    #[test]
    fn records_in_any_pieces() {
        let records = format!("{START}n1:m5:hellow:m0:p7:m3:a:ba0:");
        for size in 1..=records.len() {
            let (mut session, mut inbox) = (Session::new(Talk::Messages), Inbox::default());
            let mut input = Vec::new();
            for piece in records.as_bytes().chunks(size) {
                input.extend_from_slice(piece);
                let used = session.read(&input, Spelling::Lengths, &mut inbox).unwrap();
                input.drain(..used);
            }
            assert!(input.is_empty());
            assert_eq!(texts(&inbox), [&b"hello"[..], b"", b"a:b"]);
            assert_eq!((session.received, session.batch), (3, 65536));
            let mut output = Vec::new();
            session.control(&mut output);
            assert_eq!(output, b"q7,3:");
        }
    }

    #[test]
    fn repeats_are_dropped_and_holes_are_errors() {
        let (mut session, mut inbox) = (Session::new(Talk::Messages), Inbox::default());
        let mut read = |text: &str| session.read(text.as_bytes(), Spelling::WebSocket, &mut inbox);
        read(START).unwrap();
        read("n1:mone").unwrap();
        read("sfull,0:n1:mone").unwrap();
        read("mtwo").unwrap();
        assert!(read("n4:mfour").is_err(), "three is missing");
        assert!(read("a1:").is_err(), "nothing was sent");
        assert!(read("n04:").is_err(), "not a number of the protocol");
        assert_eq!(texts(&inbox), [&b"one"[..], b"two"]);
    }

    #[test]
    fn acknowledgements_fall_due() {
        let (mut session, mut inbox) = (Session::new(Talk::Messages), Inbox::default());
        session.read(START.as_bytes(), Spelling::WebSocket, &mut inbox).unwrap();
        for number in 1..=ACK_MESSAGES {
            assert!(!session.is_acking, "too early at {number}");
            session.read(b"mx", Spelling::WebSocket, &mut inbox).unwrap();
        }
        let mut output = Vec::new();
        session.control(&mut output);
        assert_eq!(output, format!("a{ACK_MESSAGES}:").into_bytes());
        assert!(!session.is_acking);
    }
}
