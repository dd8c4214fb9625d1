//! [`Packet`], an event as it is on its way, and its [`Offset`].

#[cfg(test)]
mod tests;

use std::{fmt, num::NonZeroU64, sync::Arc};

use bytes::Bytes;
use bytestring::ByteString;

/// A packet has at most this many attachments.
pub(crate) const MAX_ATTACHMENTS: usize = 10;

/// An event, an answer to one, or what opens and closes a namespace: a packet of Socket.IO, revision 5, and its
/// attachments. It is one unit: it has one number, and is received whole or not at all.
///
/// Most have no attachments, and take no more room than a text message.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Packet(Parts);

#[derive(Clone, PartialEq, Eq)]
enum Parts {
    Text(ByteString),
    Attached(Arc<(ByteString, Box<[Bytes]>)>),
}

impl Packet {
    /// The text is `type [count "-"] [namespace ","] [id] [json]`, and the attachments are the bytes that stand for
    /// the placeholders in the JSON.
    pub(crate) fn new(text: impl Into<ByteString>, attachments: Vec<Bytes>) -> Self {
        Packet(match attachments.is_empty() {
            true => Parts::Text(text.into()),
            false => Parts::Attached(Arc::new((text.into(), attachments.into()))),
        })
    }

    pub(crate) fn text(&self) -> &ByteString {
        match &self.0 {
            Parts::Text(text) => text,
            Parts::Attached(parts) => &parts.0,
        }
    }

    pub(crate) fn into_text(self) -> ByteString {
        match self.0 {
            Parts::Text(text) => text,
            Parts::Attached(parts) => parts.0.clone(),
        }
    }

    pub(crate) fn attachments(&self) -> &[Bytes] {
        match &self.0 {
            Parts::Text(_) => &[],
            Parts::Attached(parts) => &parts.1,
        }
    }

    /// Its length in bytes, which limits count.
    pub(crate) fn len(&self) -> usize {
        self.text().len() + self.attachments().iter().map(Bytes::len).sum::<usize>()
    }

    /// Whether it is an event, and no answer or anything else that applications do not receive.
    pub(crate) fn is_event(&self) -> bool {
        self.text().starts_with(['2', '5'])
    }

    /// Whether it is of a channel: it names a namespace other than `/`.
    pub(crate) fn is_of_channel(&self) -> bool {
        let rest = self.behind_type();
        rest.starts_with('/') && !rest.starts_with("/,")
    }

    /// Whether it is the answer to a request: a reply or a refusal.
    pub(crate) fn is_answer(&self) -> bool {
        self.text().starts_with(['3', '6', '7'])
    }

    /// Whether it is meant for the page that is there alone, and not for one that takes over: an answer, or the end
    /// of a namespace that the page has opened.
    pub(crate) fn is_for_one_page(&self) -> bool {
        self.is_answer() || self.text().starts_with(['1', '4'])
    }

    /// An answer to no request: requests are counted from 1.
    pub(crate) fn no_answer() -> Self {
        Packet::new(ByteString::from_static("30[]"), Vec::new())
    }

    /// Whether it opens or ends a namespace, or refuses one or a request.
    pub(crate) fn is_control(&self) -> bool {
        self.text().starts_with(['0', '1', '4', '7'])
    }

    /// Its JSON alone, for a client that knows no events.
    pub(crate) fn plain(&self) -> &str {
        let mut rest = self.behind_type();
        if rest.starts_with('/') {
            rest = rest.split_once(',').map_or("", |(_, behind)| behind);
        }
        rest.trim_start_matches(|digit: char| digit.is_ascii_digit())
    }

    /// The same event with its offset as one more argument, the last. It must be an event, whose list has a name at
    /// least.
    pub(crate) fn with_offset(&self, offset: Offset) -> Self {
        let list = self.text().strip_suffix(']').unwrap_or(self.text());
        let text = format!("{list},\"{offset}\"]").into();
        Packet(match &self.0 {
            Parts::Text(_) => Parts::Text(text),
            Parts::Attached(parts) => Parts::Attached(Arc::new((text, parts.1.clone()))),
        })
    }

    /// The offset that was [added](Self::with_offset).
    pub(crate) fn offset(&self) -> Option<Offset> {
        let (_, last) = self.text().strip_suffix("\"]")?.rsplit_once('"')?;
        Offset::parse(last)
    }

    /// The text behind the type and the count of attachments.
    fn behind_type(&self) -> &str {
        let text = self.text();
        match text.starts_with(['5', '6']) {
            true => text.split_once('-').map_or("", |(_, behind)| behind),
            false => text.get(1..).unwrap_or(""),
        }
    }
}

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, attachments) = (self.text(), self.attachments());
        f.debug_struct("Packet").field("text", text).field("attachments", &attachments).finish()
    }
}

/// The name of an event of a server, which no other event has. Clients of Socket.IO 4 get it with the event, and state
/// the last one when they come back. It is written in base 36.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offset(NonZeroU64);

impl Offset {
    /// The most digits: 36 to the power of 13 is above 2 to the power of 64.
    const DIGITS: usize = 13;

    /// `None` if it is 0.
    pub(crate) fn new(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Offset)
    }

    pub(crate) fn get(self) -> u64 {
        self.0.get()
    }

    /// Reads an offset as it was written. `None` if it is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase();
        let plain = text.len() <= Self::DIGITS && !text.starts_with('0') && text.bytes().all(is_digit);
        u64::from_str_radix(text, 36).ok().filter(|_| plain).and_then(Self::new)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut digits, mut start, mut rest) = ([0; Self::DIGITS], Self::DIGITS, self.get());
        while rest > 0 {
            start -= 1;
            digits[start] = b"0123456789abcdefghijklmnopqrstuvwxyz"[(rest % 36) as usize];
            rest /= 36;
        }
        f.write_str(std::str::from_utf8(&digits[start..]).expect("digits are UTF-8"))
    }
}

/// How many attachments follow the text of a packet: types 5 and 6 state it. `None` if it states too many, or
/// not how many.
pub(crate) fn attachments_of(text: &str) -> Option<usize> {
    let Some(rest) = text.strip_prefix(['5', '6']) else { return Some(0) };
    let (count, _) = rest.split_once('-')?;
    let plain = count.bytes().all(|byte| byte.is_ascii_digit()) && (count == "0" || !count.starts_with('0'));
    count.parse().ok().filter(|&count| plain && count <= MAX_ATTACHMENTS)
}

/// The text of a client's packet in which the escape of a lone surrogate is that of U+FFFD: JavaScript writes one where
/// a text was cut within a character, and no text here can have it.
pub(crate) fn mend_surrogates(text: ByteString) -> ByteString {
    if !has_escapes(text.as_bytes()) {
        return text;
    }
    let mut mended = Vec::new();
    let mut at = 0;
    while let Some(escape) = text[at..].find('\\').map(|found| at + found) {
        at = match (unit(&text, escape), unit(&text, escape + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => escape + 12,
            (Some(0xd800..=0xdfff), _) => {
                if mended.is_empty() {
                    mended.extend_from_slice(text.as_bytes());
                }
                mended[escape..escape + 6].copy_from_slice(b"\\ufffd");
                escape + 6
            }
            (Some(_), _) => escape + 6,
            // The backslash escapes the character behind it, which may be another one.
            (None, _) => escape + 1 + usize::from(text.as_bytes().get(escape + 1).is_some_and(u8::is_ascii)),
        };
    }
    String::from_utf8(mended).ok().filter(|mended| !mended.is_empty()).map_or(text, ByteString::from)
}

/// Whether there is a backslash. Most packets have none, and sixteen bytes are compared by one operation of the processor.
fn has_escapes(bytes: &[u8]) -> bool {
    let any = |bytes: &[u8]| bytes.iter().fold(false, |any, byte| any | (*byte == b'\\'));
    let (blocks, rest) = bytes.as_chunks::<16>();
    blocks.iter().any(|block| any(block)) || any(rest)
}

/// The unit of UTF-16 that is escaped at this place.
fn unit(text: &str, at: usize) -> Option<u16> {
    let digits = text.as_bytes().get(at..at + 6)?.strip_prefix(b"\\u")?;
    let digits = std::str::from_utf8(digits).ok().filter(|_| digits.iter().all(u8::is_ascii_hexdigit))?;
    u16::from_str_radix(digits, 16).ok()
}
