//! [`Reader`], which finds the frames in the messages of a carrier.

use bytes::{Buf, Bytes, BytesMut};
use bytestring::ByteString;

use super::{
    Headers, Limits, Refusal, Version,
    head::{Head, body_too_large, malformed, takes_carriage_returns},
};
use crate::message::Message;

/// A buffer of this many bytes may be kept for a body of any length.
const SMALL: usize = 256;

/// A frame of a client.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ClientFrame {
    pub(crate) command: ByteString,
    pub(crate) headers: Headers,
    pub(crate) body: Bytes,
}

/// A thing that a client has sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Input {
    /// Line ends between two frames, however many came together. Those right behind a frame belong to it.
    HeartBeat,
    Frame(ClientFrame),
}

/// Finds the frames in the messages of a carrier, wherever they are cut: a message may have several frames, and a
/// frame may come in several messages, text or binary.
///
/// A body that lies in one message is a part of that message's bytes, unless it is less than half of them: it must not
/// keep what is not counted. Other bodies are copied once, and headers always.
#[derive(Debug)]
pub(crate) struct Reader {
    limits: Limits,
    version: Option<Version>,
    /// The rest of the last message, while no frame is incomplete.
    whole: Bytes,
    /// The beginning of an incomplete frame, and all behind it.
    joined: BytesMut,
    /// The length of what bodies are cut from.
    buffer: usize,
    place: Place,
    /// A frame was refused: nothing behind it is read.
    has_failed: bool,
}

/// How far the frame at the beginning of the bytes has been read, so that nothing is looked at twice.
#[derive(Debug, Default)]
struct Place {
    /// Where the line begins that is looked at.
    line: usize,
    /// The lines before it.
    lines: usize,
    /// All before it was looked at.
    seen: usize,
    /// The head, once it is complete.
    head: Option<Head>,
    /// Where the body begins.
    body: usize,
}

impl Reader {
    pub(crate) fn new(limits: Limits) -> Self {
        let (whole, joined) = (Bytes::new(), BytesMut::new());
        Reader { limits, version: None, whole, joined, buffer: 0, place: Place::default(), has_failed: false }
    }

    /// Sets the version that CONNECT has agreed upon, before anything behind CONNECT is read.
    pub(crate) fn set_version(&mut self, version: Version) {
        self.version = Some(version);
    }

    /// Appends a message.
    pub(crate) fn push(&mut self, message: Message) {
        if self.has_failed {
            return;
        }
        let bytes = message.into_bytes();
        if self.held() == 0 {
            self.whole = bytes;
            self.buffer = self.held();
        } else {
            self.join();
            self.joined.extend_from_slice(&bytes);
            self.buffer = self.buffer.max(self.held());
        }
    }

    /// The next frame, or `None` if there is none or it is incomplete.
    ///
    /// # Errors
    /// Fails if a frame is malformed or too large. Nothing is read after that.
    pub(crate) fn next(&mut self) -> Result<Option<Input>, Refusal> {
        if self.place.lines == 0 && self.place.head.is_none() && self.skip_line_ends() {
            self.place = Place::default();
            return Ok(Some(Input::HeartBeat));
        }
        match self.frame() {
            Ok(Some(frame)) => {
                self.place = Place::default();
                self.skip_line_ends();
                Ok(Some(Input::Frame(frame)))
            }
            Ok(None) => {
                // An incomplete frame must not keep the message that it is the last part of.
                self.join();
                Ok(None)
            }
            Err(refusal) => {
                *self = Reader { has_failed: true, ..Reader::new(self.limits) };
                Err(refusal)
            }
        }
    }

    /// The bytes of the incomplete frame: at most what the limits allow, and the last message.
    pub(crate) fn held(&self) -> usize {
        self.whole.len().max(self.joined.len())
    }

    /// Copies what is left of the last message.
    fn join(&mut self) {
        if !self.whole.is_empty() {
            self.joined.extend_from_slice(&self.whole);
            self.whole = Bytes::new();
        }
    }

    /// Takes the first bytes.
    fn take(&mut self, length: usize) -> Bytes {
        match self.joined.is_empty() {
            true => self.whole.split_to(length),
            false => self.joined.split_to(length).freeze(),
        }
    }

    /// Drops the line ends at the beginning. Returns whether there were any.
    fn skip_line_ends(&mut self) -> bool {
        let mut rest = either(&self.whole, &self.joined);
        while let Some(behind) = rest.strip_prefix(b"\n").or_else(|| rest.strip_prefix(b"\r\n")) {
            rest = behind;
        }
        let (length, is_all) = (self.held() - rest.len(), rest.is_empty());
        // Nothing is left of a message, so its memory goes.
        if is_all {
            (self.whole, self.joined) = (Bytes::new(), BytesMut::new());
        } else if self.joined.is_empty() {
            self.whole.advance(length);
        } else {
            self.joined.advance(length);
        }
        length > 0
    }

    fn frame(&mut self) -> Result<Option<ClientFrame>, Refusal> {
        if self.place.head.is_none() && !self.head()? {
            return Ok(None);
        }
        let Some(length) = self.body_length()? else { return Ok(None) };
        let start = self.place.body;
        let frame = self.take(start + length + 1);
        let body = match self.buffer > SMALL && length * 2 < self.buffer {
            true => Bytes::copy_from_slice(&frame[start..start + length]),
            false => frame.slice(start..start + length),
        };
        let head = self.place.head.take().expect("the head is read before the body");
        Ok(Some(ClientFrame { command: head.command, headers: head.headers, body }))
    }

    /// Looks for the end of the head, and reads it. Returns whether it is complete.
    fn head(&mut self) -> Result<bool, Refusal> {
        let bytes = either(&self.whole, &self.joined);
        let (place, limits) = (&mut self.place, &self.limits);
        loop {
            let found = bytes[place.seen..].iter().position(|&byte| byte == b'\n' || byte == 0);
            let end = found.map_or(bytes.len(), |at| place.seen + at);
            if end > limits.header_bytes || place.lines > limits.headers + 1 {
                return Err(head_too_large(limits));
            }
            place.seen = end;
            if found.is_none() {
                return Ok(false);
            }
            // The line has no ending yet: a NUL in its place ends the frame, elsewhere it is refused.
            let (line, is_ended) = (&bytes[place.line..end], bytes[end] == b'\n');
            if is_ended {
                place.seen += 1;
            }
            if line.is_empty() || (line == b"\r" && is_ended && takes_carriage_returns(self.version)) {
                break;
            }
            if !is_ended {
                return Err(malformed("a NUL is in the head: the blank line before the body is missing"));
            }
            if line == b"\r" {
                return Err(malformed("a line ends in CR LF: in STOMP 1.1 it ends in LF"));
            }
            place.line = place.seen;
            place.lines += 1;
        }
        let head = Head::read(self.version, &bytes[..place.line], limits)?;
        // A body can only follow a blank line.
        if place.seen == place.line && head.length.is_some_and(|length| length > 0) {
            return Err(malformed("the blank line before the body is missing").with_receipt(head.receipt()));
        }
        place.body = place.seen;
        place.head = Some(head);
        Ok(true)
    }

    /// The length of the body, once it is complete.
    fn body_length(&mut self) -> Result<Option<usize>, Refusal> {
        let bytes = either(&self.whole, &self.joined);
        let (place, limits) = (&mut self.place, &self.limits);
        let head = place.head.as_ref().expect("the head is read before the body");
        if let Some(length) = head.length {
            return match bytes.get(place.body + length) {
                Some(0) => Ok(Some(length)),
                Some(_) => {
                    let detail = format!("no NUL is behind the body of {length} bytes");
                    Err(malformed(detail).with_receipt(head.receipt()))
                }
                None => Ok(None),
            };
        }
        let found = bytes[place.seen..].iter().position(|&byte| byte == 0);
        place.seen = found.map_or(bytes.len(), |at| place.seen + at);
        let length = place.seen - place.body;
        if length > limits.body {
            return Err(body_too_large(limits).with_receipt(head.receipt()));
        }
        Ok(found.map(|_| length))
    }
}

/// The bytes of the two of which one is empty.
fn either<'a>(whole: &'a [u8], joined: &'a [u8]) -> &'a [u8] {
    if joined.is_empty() { whole } else { joined }
}

fn head_too_large(limits: &Limits) -> Refusal {
    let Limits { headers, header_bytes, .. } = limits;
    let detail = format!("a frame has at most {headers} headers, and {header_bytes} bytes of them (Stomp::headers)");
    Refusal::new("frame too large", detail)
}
