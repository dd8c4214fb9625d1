//! Reads bytes into records.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::{Buf, Bytes};
use bytestring::ByteString;

use super::{
    super::{largest::Largest, websocket_frames::MAX_CLOSE_TEXT},
    Head, MAX_HEAD, MAX_NAMES, MAX_TOKEN, Record, ResumeToken, Spelling,
    Unreadable::{self, Malformed, TooLarge},
};
use crate::{
    broadcast::OutMessage,
    message::{Message, Text, truncate},
    packet::{Packet, attachments_of, mend_surrogates},
    payload::Payload,
    session::frame::{Attached, CloseReason, Frame, Grant, MAX_NUMBER, Names, Outcome, SessionParams},
};

type Result<T> = std::result::Result<T, Unreadable>;

/// Reads the records of one body or link, and counts its messages.
#[derive(Debug)]
pub(crate) struct Reader {
    spelling: Spelling,
    /// The largest message that is taken.
    limit: usize,
    /// The number of the next message; 0 as long as none was stated.
    next: u64,
    /// Of WebSocket messages: in other spellings every payload is copied.
    largest: Largest,
    /// An event of which attachments are still to come.
    partial: Option<Box<Partial>>,
}

/// An event of which attachments are still to come.
#[derive(Debug)]
struct Partial {
    text: ByteString,
    attachments: Vec<Bytes>,
    missing: usize,
}

impl Partial {
    fn len(&self) -> usize {
        self.text.len() + self.attachments.iter().map(Bytes::len).sum::<usize>()
    }
}

impl Reader {
    pub(crate) fn new(spelling: Spelling, limit: usize) -> Self {
        Reader { spelling, limit, next: 0, largest: Largest::default(), partial: None }
    }

    /// Takes the next record off `input`; `None` when it is empty. On a WebSocket `input` is one text
    /// message.
    pub(crate) fn read(&mut self, input: &mut Bytes) -> Result<Option<Record>> {
        self.largest.saw(input.len());
        while !input.is_empty() {
            if self.spelling == Spelling::WebSocket && matches!(input[0], b'm' | b'e') {
                self.check_complete()?;
                let mut payload = std::mem::take(input);
                let letter = payload.get_u8();
                let payload = text(self.largest.release(payload))?;
                let frame = match letter {
                    b'm' => Some(self.message(Message::from(Text(payload)))?),
                    _ => self.event(payload)?,
                };
                match frame {
                    Some(frame) => return Ok(Some(Record::Frame(frame))),
                    None => continue,
                }
            }
            let end = input[..input.len().min(MAX_HEAD)].iter().position(|&byte| byte == b':');
            let head = input.split_to(end.ok_or(Malformed("a record without a colon"))?);
            input.advance(1);
            let mut fields = Fields::new(&head)?;
            if fields.letter == b'n' && self.partial.is_none() {
                self.next = fields.number()?;
                if self.next == 0 {
                    return Err(Malformed("messages are numbered from 1"));
                }
                continue;
            }
            if let Some(record) = self.record(&mut fields, input)? {
                return Ok(Some(record));
            }
        }
        // A body is whole, while the attachments of a WebSocket are messages of their own.
        if self.partial.is_some() && self.spelling != Spelling::WebSocket { Err(CUT) } else { Ok(None) }
    }

    /// The frame that a binary message of a WebSocket completes: a message, or an event as its last attachment.
    pub(crate) fn binary(&mut self, payload: Bytes) -> Result<Option<Frame>> {
        self.largest.saw(payload.len());
        let payload = self.largest.release(payload);
        self.data_or_attachment(payload)
    }

    /// The bytes of an event of which attachments are still to come.
    pub(crate) fn partial(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| partial.len())
    }

    /// An event has come, or its first part.
    fn event(&mut self, text: ByteString) -> Result<Option<Frame>> {
        let text = mend_surrogates(text);
        let missing = attachments_of(&text).ok_or(Malformed("an event with a malformed number of attachments"))?;
        if missing == 0 {
            return self.message(Packet::new(text, Vec::new())).map(Some);
        }
        if text.len() > self.limit {
            return Err(TooLarge);
        }
        self.partial = Some(Box::new(Partial { text, attachments: Vec::with_capacity(missing), missing }));
        Ok(None)
    }

    /// Fails if attachments are still to come: nothing else may come before them.
    fn check_complete(&self) -> Result<()> {
        if self.partial.is_some() { Err(MISSING) } else { Ok(()) }
    }

    fn data_or_attachment(&mut self, payload: Bytes) -> Result<Option<Frame>> {
        let Some(mut partial) = self.partial.take() else {
            return self.message(Message::Binary(payload)).map(Some);
        };
        partial.attachments.push(payload);
        partial.missing -= 1;
        if partial.missing == 0 {
            return self.message(Packet::new(partial.text, partial.attachments)).map(Some);
        }
        if partial.len() > self.limit {
            return Err(TooLarge);
        }
        self.partial = Some(partial);
        Ok(None)
    }

    fn message(&mut self, payload: impl Into<Payload>) -> Result<Frame> {
        let payload = payload.into();
        if self.next == 0 {
            return Err(Malformed("a message without a number"));
        }
        if self.next > MAX_NUMBER {
            return Err(Malformed("a number out of range"));
        }
        if payload.len() > self.limit {
            return Err(TooLarge);
        }
        let number = self.next;
        self.next += 1;
        Ok(Frame::Message { number, message: OutMessage::Own(payload) })
    }

    /// Reads a record. `None` if it is a part of an event.
    fn record(&mut self, fields: &mut Fields<'_>, input: &mut Bytes) -> Result<Option<Record>> {
        let is_body = self.spelling != Spelling::WebSocket;
        if is_body && fields.letter == b'b' {
            let payload = self.data(fields.number()?, input)?;
            return Ok(self.data_or_attachment(payload)?.map(Record::Frame));
        }
        self.check_complete()?;
        if is_body && fields.letter == b'e' {
            let packet = self.text(fields.number()?, input)?;
            return Ok(self.event(packet)?.map(Record::Frame));
        }
        let frame = match fields.letter {
            b'm' if is_body => {
                let payload = self.text(fields.number()?, input)?;
                self.message(Message::from(Text(payload)))?
            }
            b'd' => {
                let (from, to) = (fields.number()?, fields.number()?);
                self.next = to + 1; // The gap takes the place of messages, which are counted.
                Frame::Gap { from, to }
            }
            b'a' => Frame::Ack { received: fields.number()? },
            b'w' => Frame::AckRequest,
            b'h' => Frame::Pause { received: fields.number()?, epoch: fields.number()? },
            b'g' => Frame::Resume { received: fields.number()?, epoch: fields.number()? },
            b'p' => Frame::Ping { id: fields.number()?, received: fields.optional(Fields::number)? },
            b'q' => Frame::Pong { id: fields.number()?, received: fields.number()? },
            b'v' => Frame::Confirm,
            b'c' => Frame::Close { number: fields.number()?, reason: self.reason(fields, input)? },
            b'z' => Frame::GoAway { delay: fields.number()? },
            b'y' => Frame::PollDelay { delay: fields.number()? },
            b'i' => {
                let length = fields.number()?;
                self.text(length, input)?;
                Frame::Padding { length }
            }
            b'x' => Frame::LinkClose(self.reason(fields, input)?),
            b's' => Frame::Attached(start(fields)?),
            b'o' | b'j' | b'r' | b'u' | b't' => return Ok(Some(Record::Head(self.head(fields, input)?))),
            _ => return Err(Malformed("an unknown record")),
        };
        Ok(Some(Record::Frame(frame)))
    }

    fn head(&self, fields: &mut Fields<'_>, input: &mut Bytes) -> Result<Head> {
        let letter = fields.letter;
        let version = fields.number()?;
        Ok(match letter {
            b'o' => {
                let (ordinal, attempt, length) = (fields.number()?, fields.token()?, fields.number()?);
                let names = fields.optional(Fields::names)?.unwrap_or_default();
                Head::Open { version, ordinal, attempt, names, auth: self.text(length, input)? }
            }
            b'j' => Head::Join { version, ordinal: fields.number()?, attempt: fields.token()? },
            b'r' => Head::Resume {
                version,
                ordinal: fields.number()?,
                turn: fields.number()?,
                seen: fields.number()? != 0,
                token: fields.resume_token()?,
                names: fields.optional(Fields::names)?.unwrap_or_default(),
            },
            b't' => Head::TakeOver {
                version,
                ordinal: fields.number()?,
                instance: fields.token()?,
                token: fields.resume_token()?,
                names: fields.optional(Fields::names)?.unwrap_or_default(),
            },
            _ => Head::Upload { version, token: fields.resume_token()? },
        })
    }

    fn reason(&self, fields: &mut Fields<'_>, input: &mut Bytes) -> Result<CloseReason> {
        let code = u16::try_from(fields.number()?).map_err(|_| Malformed("a code out of range"))?;
        let text = self.text(fields.number()?, input)?;
        // The part of it that is kept is a copy of its own.
        Ok(CloseReason { code, text: truncate(&text, MAX_CLOSE_TEXT).into() })
    }

    /// A text payload whose length counts bytes, or UTF-16 units where the carrier is a string.
    fn text(&self, length: u64, input: &mut Bytes) -> Result<ByteString> {
        let length = usize::try_from(length).map_err(|_| CUT)?;
        let bytes = match self.spelling {
            Spelling::Bytes => length,
            Spelling::Text | Spelling::WebSocket => utf16_prefix(input, length)?,
        };
        // A slice would keep the whole body, or the buffer that it was read into, as long as the message
        // waits to be taken; so this is a copy.
        take(input, bytes).and_then(|bytes| text(Bytes::copy_from_slice(&bytes)))
    }

    fn data(&self, length: u64, input: &mut Bytes) -> Result<Bytes> {
        let length = usize::try_from(length).map_err(|_| CUT)?;
        let data = take(input, length)?;
        if self.spelling == Spelling::Bytes {
            return Ok(Bytes::copy_from_slice(&data));
        }
        STANDARD.decode(&data).map(Bytes::from).map_err(|_| Malformed("bad base64"))
    }
}

/// Whether each byte is a character of opaque strings and names.
static FIELD_CHARACTERS: [bool; 256] = {
    let (mut table, mut at) = ([false; 256], 0);
    while at < table.len() {
        let byte = at as u8;
        table[at] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        at += 1;
    }
    table
};

/// Whether these are characters of opaque strings and names.
fn has_field_characters(field: &[u8]) -> bool {
    field.iter().all(|byte| FIELD_CHARACTERS[usize::from(*byte)])
}

const MISSING: Unreadable = Malformed("an event whose attachments do not follow it");

const CUT: Unreadable = Malformed("a payload that is cut short");

fn take(input: &mut Bytes, length: usize) -> Result<Bytes> {
    if length > input.len() { Err(CUT) } else { Ok(input.split_to(length)) }
}

fn text(bytes: Bytes) -> Result<ByteString> {
    ByteString::try_from(bytes).map_err(|_| Malformed("text that is not UTF-8"))
}

/// The number of bytes of UTF-8 that make this many UTF-16 units.
fn utf16_prefix(input: &[u8], units: usize) -> Result<usize> {
    if input.get(..units).ok_or(CUT)?.is_ascii() {
        return Ok(units);
    }
    let (mut at, mut left) = (0, units);
    while left > 0 {
        // A character outside the basic plane has four bytes and two units.
        let (bytes, cost) = match *input.get(at).ok_or(CUT)? {
            0x00..=0x7f => (1, 1),
            0xc0..=0xdf => (2, 1),
            0xe0..=0xef => (3, 1),
            _ => (4, 2),
        };
        at += bytes;
        left = left.checked_sub(cost).ok_or(Malformed("a length that splits a character"))?;
    }
    if at > input.len() { Err(CUT) } else { Ok(at) }
}

fn start(fields: &mut Fields<'_>) -> Result<Attached> {
    let outcome = match fields.next()? {
        b"full" => Outcome::Full,
        b"new" => Outcome::New,
        _ => return Err(Malformed("an unknown outcome")),
    };
    let received = fields.number()?;
    let mut grant = match outcome {
        Outcome::Full => None,
        Outcome::New => Some(Box::new(Grant {
            id: fields.token()?,
            secret: fields.token()?,
            params: SessionParams {
                interval: fields.number()?,
                timeout: fields.number()?,
                grace: fields.number()?,
                limit: fields.number()?,
                batch: fields.number()?,
                hold: fields.number()?,
                spread: 0,
            },
        })),
    };
    let names = fields.optional(Fields::names)?.unwrap_or_default();
    if let Some(grant) = &mut grant {
        grant.params.spread = fields.optional(Fields::number)?.unwrap_or_default();
    }
    let secret = match outcome {
        Outcome::Full => fields.optional(Fields::token)?.map(|secret| Box::from(&*secret)),
        Outcome::New => None,
    };
    Ok(Attached { outcome, received, names, grant, secret })
}

/// The letter of a record and the fields between it and the colon.
struct Fields<'a> {
    letter: u8,
    rest: Option<&'a [u8]>,
    record: &'a Bytes,
}

impl<'a> Fields<'a> {
    fn new(record: &'a Bytes) -> Result<Self> {
        let (&letter, rest) = record.split_first().ok_or(Malformed("a record without a letter"))?;
        Ok(Fields { letter, rest: Some(rest), record })
    }

    fn next(&mut self) -> Result<&'a [u8]> {
        let rest = self.rest.ok_or(Malformed("a record with too few fields"))?;
        let (field, rest) = match rest.iter().position(|&byte| byte == b',') {
            Some(comma) => (&rest[..comma], Some(&rest[comma + 1..])),
            None => (rest, None),
        };
        self.rest = rest;
        Ok(field)
    }

    fn is_at_end(&self) -> bool {
        self.rest.is_none()
    }

    fn number(&mut self) -> Result<u64> {
        let field = self.next()?;
        if field.is_empty() || field.len() > 16 || (field[0] == b'0' && field.len() > 1) {
            return Err(Malformed("a malformed number"));
        }
        let mut number = 0;
        for &byte in field {
            if !byte.is_ascii_digit() {
                return Err(Malformed("a malformed number"));
            }
            number = number * 10 + u64::from(byte - b'0');
        }
        if number > MAX_NUMBER { Err(Malformed("a number out of range")) } else { Ok(number) }
    }

    /// An opaque string: an attempt, an id or a secret.
    fn opaque(&mut self) -> Result<&'a [u8]> {
        let field = self.next()?;
        if field.is_empty() || field.len() > MAX_TOKEN || !has_field_characters(field) {
            return Err(Malformed("a malformed token"));
        }
        Ok(field)
    }

    /// A copy of an opaque string.
    fn token(&mut self) -> Result<ByteString> {
        text(Bytes::copy_from_slice(self.opaque()?))
    }

    /// The id and the secret are slices of the record: a request needs them until it is attached, and no longer.
    fn resume_token(&mut self) -> Result<ResumeToken> {
        let mut slice = || text(self.record.slice_ref(self.opaque()?));
        Ok(ResumeToken { id: slice()?, secret: slice()?, received: self.number()? })
    }

    fn names(&mut self) -> Result<Names> {
        let field = self.next()?;
        if field.len() > MAX_NAMES || !has_field_characters(field) {
            return Err(Malformed("a malformed list of names"));
        }
        Ok(Names::parse(field))
    }

    /// A field that a half of an earlier version does not send.
    fn optional<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<Option<T>> {
        if self.is_at_end() { Ok(None) } else { read(self).map(Some) }
    }
}
