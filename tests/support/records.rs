//! The native protocol's records, written from `PROTOCOL.md` alone and sharing nothing with the library.

use base64::{Engine, engine::general_purpose::STANDARD};

/// The highest number.
pub const MAX: u64 = (1 << 53) - 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    Text,
    Bytes,
    WebSocket,
}

/// A message's payload and its kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Payload {
    Text(String),
    Binary(Vec<u8>),
}

impl From<&str> for Payload {
    fn from(text: &str) -> Self {
        Payload::Text(text.to_owned())
    }
}

impl From<String> for Payload {
    fn from(text: String) -> Self {
        Payload::Text(text)
    }
}

impl From<&[u8]> for Payload {
    fn from(bytes: &[u8]) -> Self {
        Payload::Binary(bytes.to_vec())
    }
}

/// The server's grant to a new session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub id: String,
    pub secret: String,
    pub interval: u64,
    pub timeout: u64,
    pub grace: u64,
    pub limit: u64,
    pub batch: u64,
    pub hold: u64,
    /// It comes with the names in force, to a client that lists its names.
    pub spread: Option<u64>,
}

/// A record that the server sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    Full(u64),
    New(u64, Grant),
    /// A message with its counted number.
    Message(u64, Payload),
    Gap(u64, u64),
    Ack(u64),
    AckRequest,
    Pause(u64, u64),
    Resume(u64, u64),
    Ping(u64),
    /// A ping that acknowledges.
    PingAck(u64, u64),
    Close(u64, u16, String),
    GoAway(u64),
    PollDelay(u64),
    Padding(usize),
    LinkClose(u16, String),
}

/// Reads the records of one link or one body, and panics at anything that the protocol does not allow a
/// server to send.
#[derive(Debug)]
pub struct Parser {
    spelling: Spelling,
    next: Option<u64>,
    pending: Vec<u8>,
}

impl Parser {
    pub fn new(spelling: Spelling) -> Self {
        Parser { spelling, next: None, pending: Vec::new() }
    }

    /// The records of a whole body.
    pub fn body(spelling: Spelling, body: &[u8]) -> Vec<Record> {
        let mut parser = Parser::new(spelling);
        let records = parser.feed(body);
        assert!(parser.pending.is_empty(), "a record cut short: {:?}", String::from_utf8_lossy(&parser.pending));
        records
    }

    /// The records that a chunk of a body completes.
    pub fn feed(&mut self, chunk: &[u8]) -> Vec<Record> {
        self.pending.extend_from_slice(chunk);
        let mut records = Vec::new();
        while let Some((record, length)) = self.record() {
            self.pending.drain(..length);
            records.extend(record);
        }
        records
    }

    /// The records of a WebSocket text message.
    pub fn text_message(&mut self, text: &str) -> Vec<Record> {
        assert_eq!(self.spelling, Spelling::WebSocket);
        let mut records = Vec::new();
        self.pending = text.as_bytes().to_vec();
        while !self.pending.is_empty() {
            if self.pending[0] == b'm' {
                let payload = String::from_utf8(self.pending.split_off(1)).unwrap();
                self.pending.clear();
                records.push(self.message(Payload::Text(payload)));
            } else {
                let (record, length) = self.record().expect("a WebSocket message holds whole records");
                self.pending.drain(..length);
                records.extend(record);
            }
        }
        records
    }

    /// A WebSocket binary message.
    pub fn binary_message(&mut self, payload: Vec<u8>) -> Record {
        self.message(Payload::Binary(payload))
    }

    fn message(&mut self, payload: Payload) -> Record {
        let number = self.next.expect("the first message is preceded by its number");
        self.next = Some(number + 1);
        Record::Message(number, payload)
    }

    /// The first pending record and its length; `None` if it is not complete. For an `n` record, which only
    /// sets the count, the record itself is `None`.
    fn record(&mut self) -> Option<(Option<Record>, usize)> {
        let colon = self.pending.iter().position(|&byte| byte == b':')?;
        let head = std::str::from_utf8(&self.pending[..colon]).expect("a record's head is ASCII").to_owned();
        let (letter, fields) = head.split_at(1);
        let fields: Vec<&str> = if fields.is_empty() { Vec::new() } else { fields.split(',').collect() };
        let number = |at: usize| number(fields[at]);
        let mut length = colon + 1;
        let record = match letter {
            "n" => {
                self.next = Some(number(0));
                None
            }
            "m" | "b" => {
                let (bytes, used) = self.payload(length, number(0), letter == "m")?;
                length += used;
                let payload = match letter {
                    "m" => Payload::Text(String::from_utf8(bytes).unwrap()),
                    _ if self.spelling == Spelling::Bytes => Payload::Binary(bytes),
                    _ => Payload::Binary(STANDARD.decode(bytes).unwrap()),
                };
                Some(self.message(payload))
            }
            "c" | "x" => {
                let at = fields.len() - 1;
                let (text, used) = self.payload(length, number(at), true)?;
                length += used;
                let (text, code) = (String::from_utf8(text).unwrap(), u16::try_from(number(at - 1)).unwrap());
                Some(if letter == "c" { Record::Close(number(0), code, text) } else { Record::LinkClose(code, text) })
            }
            "s" => Some(attached(&fields)),
            "d" => Some(Record::Gap(number(0), number(1))),
            "a" => Some(Record::Ack(number(0))),
            "w" => Some(Record::AckRequest),
            "h" => Some(Record::Pause(number(0), number(1))),
            "g" => Some(Record::Resume(number(0), number(1))),
            "p" if fields.len() > 1 => Some(Record::PingAck(number(0), number(1))),
            "p" => Some(Record::Ping(number(0))),
            "i" => {
                let (_, used) = self.payload(length, number(0), true)?;
                length += used;
                Some(Record::Padding(used))
            }
            "z" => Some(Record::GoAway(number(0))),
            "y" => Some(Record::PollDelay(number(0))),
            other => panic!("the server does not send {other:?}"),
        };
        Some((record, length))
    }

    /// A payload of `length` units, and how many bytes it takes; `None` if it is not complete.
    fn payload(&self, at: usize, length: u64, text: bool) -> Option<(Vec<u8>, usize)> {
        let rest = &self.pending[at..];
        let length = usize::try_from(length).unwrap();
        if self.spelling == Spelling::Bytes || !text {
            return rest.get(..length).map(|payload| (payload.to_vec(), length));
        }
        let (mut units, mut bytes) = (0, 0);
        while units < length {
            let width = match rest.get(bytes)? {
                0..=0x7f => 1,
                0x80..=0xdf => 2,
                0xe0..=0xef => 3,
                _ => 4,
            };
            rest.get(bytes + width - 1)?;
            units += if width == 4 { 2 } else { 1 };
            bytes += width;
        }
        assert_eq!(units, length, "a length that splits a character");
        Some((rest[..bytes].to_vec(), bytes))
    }
}

fn attached(fields: &[&str]) -> Record {
    match (fields[0], fields.len()) {
        ("full", 2 | 3) => Record::Full(number(fields[1])),
        ("new", 10 | 12) => {
            let at = |at: usize| number(fields[at]);
            let (id, secret) = (fields[2].to_owned(), fields[3].to_owned());
            let (interval, timeout, grace, limit, batch, hold) = (at(4), at(5), at(6), at(7), at(8), at(9));
            let spread = fields.get(11).map(|field| number(field));
            Record::New(at(1), Grant { id, secret, interval, timeout, grace, limit, batch, hold, spread })
        }
        _ => panic!("not an attached record: {fields:?}"),
    }
}

fn number(field: &str) -> u64 {
    assert!(field == "0" || !field.starts_with('0'), "a number with a leading zero");
    assert!(field.bytes().all(|byte| byte.is_ascii_digit()), "not a number: {field:?}");
    let number = field.parse().expect("a number");
    assert!(number <= MAX, "a number out of range");
    number
}

/// Writes a body in the text or the bytes spelling.
#[derive(Clone, Debug)]
pub struct Body {
    spelling: Spelling,
    pub bytes: Vec<u8>,
}

impl Body {
    pub fn new(spelling: Spelling) -> Self {
        Body { spelling, bytes: Vec::new() }
    }

    pub fn raw(mut self, text: &str) -> Self {
        self.bytes.extend_from_slice(text.as_bytes());
        self
    }

    /// Appends a record without a payload.
    pub fn record(self, letter: char, fields: &[&dyn std::fmt::Display]) -> Self {
        let fields: Vec<String> = fields.iter().map(ToString::to_string).collect();
        self.raw(&format!("{letter}{}:", fields.join(",")))
    }

    /// Appends a record with a text payload.
    pub fn with_text(self, letter: char, fields: &[&dyn std::fmt::Display], text: &str) -> Self {
        let length: &dyn std::fmt::Display = &self.length(text);
        let fields = fields.iter().copied().chain([length]).collect::<Vec<_>>();
        self.record(letter, &fields).raw(text)
    }

    pub fn payload(mut self, payload: &Payload) -> Self {
        match payload {
            Payload::Text(text) => self.with_text('m', &[], text),
            Payload::Binary(bytes) if self.spelling == Spelling::Bytes => {
                self = self.record('b', &[&bytes.len()]);
                self.bytes.extend_from_slice(bytes);
                self
            }
            Payload::Binary(bytes) => {
                let text = STANDARD.encode(bytes);
                self.record('b', &[&text.len()]).raw(&text)
            }
        }
    }

    fn length(&self, text: &str) -> usize {
        match self.spelling {
            Spelling::Bytes => text.len(),
            _ => text.encode_utf16().count(),
        }
    }
}
