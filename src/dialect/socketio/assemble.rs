//! Puts packets and their attachments together. An attachment may come on another transport than its head, so
//! this belongs to the session.

use bytes::Bytes;
use bytestring::ByteString;

use super::Violation;
use crate::packet::Packet;

/// A packet whose attachments are not all there yet.
#[derive(Debug)]
struct Owing {
    text: ByteString,
    attachments: Vec<Bytes>,
    /// How many attachments it has in all: at most [`MAX_ATTACHMENTS`](crate::packet::MAX_ATTACHMENTS).
    count: usize,
}

impl Owing {
    fn len(&self) -> usize {
        self.text.len() + self.attachments.iter().map(Bytes::len).sum::<usize>()
    }
}

/// Holds at most one packet.
#[derive(Debug)]
pub(crate) struct Assembler {
    /// The largest packet, with its attachments.
    limit: usize,
    owing: Option<Box<Owing>>,
}

impl Assembler {
    /// A packet has at most `limit` bytes, with its attachments.
    pub(crate) fn new(limit: usize) -> Self {
        Assembler { limit, owing: None }
    }

    /// Whether attachments must come before the next text.
    pub(crate) fn is_owed(&self) -> bool {
        self.owing.is_some()
    }

    /// The bytes of the packet that is not whole.
    pub(crate) fn held(&self) -> usize {
        self.owing.as_ref().map_or(0, |owing| owing.len())
    }

    /// Drops a packet that is not whole: its attachments will not come.
    pub(crate) fn clear(&mut self) {
        self.owing = None;
    }

    /// Takes the text of a packet that has so many attachments. Returns the packet if it is whole.
    ///
    /// # Errors
    /// Fails if attachments of the packet before it are missing, or it is too large.
    pub(crate) fn head(&mut self, text: ByteString, attachments: usize) -> Result<Option<Packet>, Violation> {
        if self.is_owed() {
            return Err(Violation::Malformed("parse error: a text where an attachment must come"));
        }
        if text.len() > self.limit {
            return Err(Violation::TooLarge);
        }
        if attachments == 0 {
            return Ok(Some(Packet::new(text, Vec::new())));
        }
        self.owing = Some(Box::new(Owing { text, attachments: Vec::with_capacity(attachments), count: attachments }));
        Ok(None)
    }

    /// Takes an attachment. Returns the packet if it was the last one.
    ///
    /// # Errors
    /// Fails if no attachment is missing, or the packet becomes too large.
    pub(crate) fn attachment(&mut self, bytes: Bytes) -> Result<Option<Packet>, Violation> {
        let Some(owing) = &mut self.owing else {
            return Err(Violation::Malformed("parse error: bytes where no attachment is missing"));
        };
        if owing.len() + bytes.len() > self.limit {
            return Err(Violation::TooLarge);
        }
        owing.attachments.push(bytes);
        if owing.attachments.len() < owing.count {
            return Ok(None);
        }
        Ok(self.owing.take().map(|owing| Packet::new(owing.text, owing.attachments)))
    }
}
