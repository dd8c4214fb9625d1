//! The head of a packet: Socket.IO's grammar, revision 5, and the type 7 for requests that were refused.
//!
//! ```text
//! packet = type [count "-"] [namespace ","] [id] [json]
//! ```
//!
//! The JSON is not parsed here, but for the name of an event.

use std::{borrow::Cow, fmt};

use super::reserved::{MAX_NAME, MESSAGE, NameError, check_name};

pub(crate) use crate::packet::MAX_ATTACHMENTS;

/// The largest id of a request: the largest integer that JavaScript counts exactly.
pub(crate) const MAX_ID: u64 = (1 << 53) - 1;

/// The longest namespace, in bytes.
const MAX_NAMESPACE: usize = 256;

/// The namespace of a packet that names none.
const DEFAULT_NAMESPACE: &str = "/";

/// The type of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Connect,
    Disconnect,
    Event,
    Ack,
    ConnectError,
    BinaryEvent,
    BinaryAck,
    /// A request was refused: the JSON is a fault.
    Refused,
}

/// A packet without its attachments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head<'a> {
    pub(crate) kind: Kind,
    /// How many attachments follow.
    pub(crate) attachments: usize,
    pub(crate) namespace: &'a str,
    pub(crate) id: Option<u64>,
    /// The JSON as it came, or nothing.
    pub(crate) data: &'a str,
}

/// Why a text is no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum PacketError {
    /// The type 8 or 9, of a later version: the packet is ignored.
    UnknownType,
    /// The text does not follow the grammar.
    Malformed(&'static str),
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PacketError::UnknownType => f.write_str("the type of the packet is not known"),
            PacketError::Malformed(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for PacketError {}

impl Kind {
    const ALL: [Kind; 8] = [
        Kind::Connect,
        Kind::Disconnect,
        Kind::Event,
        Kind::Ack,
        Kind::ConnectError,
        Kind::BinaryEvent,
        Kind::BinaryAck,
        Kind::Refused,
    ];

    fn parse(byte: Option<u8>) -> Result<Kind, PacketError> {
        match byte {
            Some(digit @ b'0'..=b'9') => {
                Kind::ALL.get(usize::from(digit - b'0')).copied().ok_or(PacketError::UnknownType)
            }
            _ => Err(PacketError::Malformed("a packet begins with its type")),
        }
    }

    fn digit(self) -> char {
        char::from(b'0' + self as u8)
    }

    /// The type of a packet like this one that has attachments; only events and acks have any.
    pub(super) fn binary(self) -> Kind {
        match self {
            Kind::Event => Kind::BinaryEvent,
            Kind::Ack => Kind::BinaryAck,
            other => other,
        }
    }

    fn is_binary(self) -> bool {
        matches!(self, Kind::BinaryEvent | Kind::BinaryAck)
    }

    /// Whether the packet is an event, with attachments or without.
    pub(crate) fn is_event(self) -> bool {
        matches!(self, Kind::Event | Kind::BinaryEvent)
    }

    /// Whether the packet is a reply, with attachments or without.
    pub(crate) fn is_ack(self) -> bool {
        matches!(self, Kind::Ack | Kind::BinaryAck)
    }
}

impl<'a> Head<'a> {
    /// Reads the head of a packet.
    ///
    /// # Errors
    /// Fails if the type is not known, or the text does not follow the grammar or its bounds: at most 10
    /// attachments, a namespace of at most 256 bytes, ids of at most 2^53 - 1, no leading zeros. An ack and a
    /// refusal have an id. The data of an event or ack begins as a list, that of others as an object.
    pub(crate) fn parse(text: &'a str) -> Result<Self, PacketError> {
        let kind = Kind::parse(text.bytes().next())?;
        let mut rest = &text[1..];
        let mut attachments = 0;
        if kind.is_binary() {
            let (count, behind) = number(rest, MAX_ATTACHMENTS as u64)
                .ok_or(PacketError::Malformed("a binary packet has the count of its attachments, at most 10"))?;
            attachments = count as usize;
            rest = behind.strip_prefix('-').ok_or(PacketError::Malformed("the count of attachments ends in `-`"))?;
        }
        let mut namespace = DEFAULT_NAMESPACE;
        if rest.starts_with('/') {
            // A longer namespace is not searched for its end.
            let end = rest.bytes().take(MAX_NAMESPACE + 1).position(|byte| byte == b',');
            (namespace, rest) = match end {
                Some(end) => (&rest[..end], &rest[end + 1..]),
                None if rest.len() <= MAX_NAMESPACE => (rest, ""),
                None => return Err(PacketError::Malformed("a namespace has at most 256 bytes")),
            };
        }
        let mut id = None;
        if rest.starts_with(|first: char| first.is_ascii_digit()) {
            let (value, behind) =
                number(rest, MAX_ID).ok_or(PacketError::Malformed("an id is a number of at most 2^53 - 1"))?;
            (id, rest) = (Some(value), behind);
        }
        let head = Head { kind, attachments, namespace, id, data: rest };
        head.check()?;
        Ok(head)
    }

    /// Whether the parts fit the type.
    fn check(&self) -> Result<(), PacketError> {
        let opens = |bracket: char| self.data.starts_with(bracket);
        let malformed = |why| Err(PacketError::Malformed(why));
        match self.kind {
            Kind::Event | Kind::BinaryEvent | Kind::Ack | Kind::BinaryAck if !opens('[') => {
                malformed("the data of an event or ack is a list")
            }
            Kind::Refused if !opens('{') => malformed("the data of a refusal is an object"),
            Kind::Ack | Kind::BinaryAck | Kind::Refused if self.id.is_none() => {
                malformed("an answer has the id of its request")
            }
            Kind::Connect | Kind::Disconnect | Kind::ConnectError if self.id.is_some() => {
                malformed("only requests and answers have an id")
            }
            Kind::Disconnect | Kind::ConnectError if !self.data.is_empty() && !opens('{') => {
                malformed("the data of a namespace's end is an object")
            }
            _ => Ok(()),
        }
    }

    /// Appends the packet's text.
    ///
    /// # Panics
    /// Panics if `out` fails, which texts and buffers never do.
    pub(crate) fn write(&self, out: &mut impl fmt::Write) {
        self.write_to(out).expect("there is memory");
    }

    fn write_to(&self, out: &mut impl fmt::Write) -> fmt::Result {
        out.write_char(self.kind.digit())?;
        if self.kind.is_binary() {
            write!(out, "{}-", self.attachments)?;
        }
        if self.namespace != DEFAULT_NAMESPACE {
            out.write_str(self.namespace)?;
            out.write_char(',')?;
        }
        if let Some(id) = self.id {
            write_decimal(out, id)?;
        }
        out.write_str(self.data)
    }
}

/// Appends a number. Each request and each answer has one, and a formatter takes longer than the rest of the head.
fn write_decimal(out: &mut impl fmt::Write, number: u64) -> fmt::Result {
    let (mut digits, mut start, mut rest) = ([0_u8; 20], 20, number);
    while start == digits.len() || rest > 0 {
        start -= 1;
        digits[start] = (rest % 10) as u8;
        rest /= 10;
    }
    digits[start..].iter().try_for_each(|digit| out.write_char(char::from(b'0' + digit)))
}

/// The number at the beginning, in decimal digits without leading zeros, and what follows it.
fn number(text: &str, largest: u64) -> Option<(u64, &str)> {
    let bytes = text.as_bytes();
    let (mut value, mut digits) = (0, 0);
    // The numbers that are allowed have at most 16 digits; the seventeenth is enough to know that one is too
    // large.
    while digits < 17
        && let Some(digit @ b'0'..=b'9') = bytes.get(digits)
    {
        value = 10 * value + u64::from(digit - b'0');
        digits += 1;
    }
    let is_plain = digits == 1 || (digits > 1 && bytes[0] != b'0');
    (is_plain && value <= largest).then(|| (value, &text[digits..]))
}

/// The name of an event: the first item of the list that is its data. What follows is not parsed.
///
/// # Errors
/// Fails if the data does not begin as a list whose first item is a text, or if no event may have this name.
pub(crate) fn event_name(data: &str) -> Result<Cow<'_, str>, NameError> {
    let name = raw_name(data)?;
    // A message is an event too, and clients of Socket.IO send it as one.
    if name != MESSAGE {
        check_name(&name)?;
    }
    Ok(name)
}

/// The name of an event, which may be reserved or empty.
///
/// # Errors
/// Fails if the data does not begin as a list whose first item is a text, or if that is too long for a name.
pub(crate) fn raw_name(data: &str) -> Result<Cow<'_, str>, NameError> {
    let item = behind_blanks(data.strip_prefix('[').ok_or(NameError::NotText)?);
    let text = item.strip_prefix('"').ok_or(NameError::NotText)?;
    let (mut escaped, mut is_plain) = (false, true);
    // An escape has up to six bytes for one of the name.
    let end = text.bytes().take(6 * MAX_NAME + 1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        is_plain &= byte >= b' ' && byte != b'\\';
        ends
    });
    let end = match end {
        Some(end) => end,
        None if text.len() > 6 * MAX_NAME => return Err(NameError::TooLong),
        None => return Err(NameError::NotText),
    };
    if !matches!(behind_blanks(&text[end + 1..]).as_bytes().first(), Some(b',' | b']')) {
        return Err(NameError::NotText);
    }
    if !is_plain {
        let quoted = &item[..end + 2];
        return serde_json::from_str(quoted).map(Cow::Owned).map_err(|_| NameError::NotText);
    }
    Ok(Cow::Borrowed(&text[..end]))
}

/// The text behind what JSON takes for blanks.
pub(super) fn behind_blanks(text: &str) -> &str {
    let blanks = text.bytes().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
    &text[blanks..]
}
