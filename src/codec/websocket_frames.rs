//! Writes WebSocket frames (RFC 6455, section 5) as a server does: final, unmasked, without extensions.

#[cfg(test)]
mod tests;

use std::{ops::Range, sync::Arc};

use bytes::Bytes;

use crate::{broadcast::Broadcast, payload::Payload, session::frame::CloseReason};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opcode {
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

/// The longest header of a frame that a server sends.
const MAX_HEADER: usize = 10;

/// Encoded frames of so many bytes are not copied for each connection.
const LARGE: usize = 64 * 1024;

/// The longest payload of a control frame.
const MAX_CONTROL: usize = 125;

/// The longest text of a close frame, behind its code.
pub(crate) const MAX_CLOSE_TEXT: usize = MAX_CONTROL - 2;

/// Frames that many connections write. They count for as long as the message is held of which they are.
#[derive(Debug)]
pub(crate) struct SharedFrames {
    pub(crate) bytes: Bytes,
    _message: Arc<Broadcast>,
}

/// Collects the frames of one write.
#[derive(Debug)]
pub(crate) struct SocketBuffer<'a> {
    out: &'a mut Vec<u8>,
    /// Where a text frame begins whose payload is still being written.
    open: Option<usize>,
    /// Large frames behind the bytes.
    shared: Option<SharedFrames>,
    close: Option<CloseReason>,
}

impl<'a> SocketBuffer<'a> {
    /// Frames are appended to `out`.
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        SocketBuffer { out, open: None, shared: None, close: None }
    }

    /// The payload of a text message that several frames of a session share: it goes on until something else
    /// is appended. A message without payload is not sent.
    pub(crate) fn shared_text(&mut self) -> &mut Vec<u8> {
        self.copy_shared();
        if self.open.is_none() {
            self.open = Some(self.out.len());
            put_header(self.out, Opcode::Text, 0);
        }
        self.out
    }

    /// Appends a text message.
    pub(crate) fn text(&mut self, parts: &[&[u8]]) {
        self.put(Opcode::Text, parts);
    }

    /// Appends a text message that `write` appends. It is written where it stays, unless `expected` was not its length
    /// and a header of another size is due.
    pub(crate) fn text_by(&mut self, expected: usize, write: impl FnOnce(&mut Vec<u8>)) {
        self.end_shared_text();
        let start = self.out.len();
        put_header(self.out, Opcode::Text, expected);
        let behind = self.out.len();
        write(self.out);
        let length = self.out.len() - behind;
        if length != expected {
            replace_header(self.out, start..behind, length);
        }
    }

    /// Appends a binary message.
    pub(crate) fn binary(&mut self, payload: &[u8]) {
        self.put(Opcode::Binary, &[payload]);
    }

    /// Appends a binary message, whose parts are written as one.
    pub(crate) fn binary_parts(&mut self, parts: &[&[u8]]) {
        self.put(Opcode::Binary, parts);
    }

    /// Appends a ping. Its payload must fit into a control frame.
    pub(crate) fn ping(&mut self, payload: &[u8]) {
        debug_assert!(payload.len() <= MAX_CONTROL);
        self.put(Opcode::Ping, &[payload]);
    }

    /// Appends a pong. Its payload must fit into a control frame.
    pub(crate) fn pong(&mut self, payload: &[u8]) {
        debug_assert!(payload.len() <= MAX_CONTROL);
        self.put(Opcode::Pong, &[payload]);
    }

    /// Appends whole frames of a message that were encoded before. Large ones are not copied, if they stay the
    /// last.
    pub(crate) fn encoded(&mut self, frames: &Bytes, message: &Arc<Broadcast>) {
        self.end_shared_text();
        match frames.len() >= LARGE {
            true => self.shared = Some(SharedFrames { bytes: frames.clone(), _message: message.clone() }),
            false => self.out.extend_from_slice(frames),
        }
    }

    /// Takes the large frames that come behind all the bytes, if there are any.
    pub(crate) fn take_shared(&mut self) -> Option<SharedFrames> {
        self.shared.take()
    }

    fn copy_shared(&mut self) {
        if let Some(frames) = self.shared.take() {
            self.out.extend_from_slice(&frames.bytes);
        }
    }

    /// Closes the connection behind what was appended. The first reason counts.
    pub(crate) fn close(&mut self, reason: CloseReason) {
        self.close.get_or_insert(reason);
    }

    /// Whether another frame may be appended: the connection is not to be closed, and there are fewer than
    /// `limit` bytes.
    pub(crate) fn takes_more(&self, limit: usize) -> bool {
        self.close.is_none() && self.shared.is_none() && self.out.len() < limit
    }

    /// Ends the last frame. Returns why the connection is to be closed, if it is.
    pub(crate) fn finish(mut self) -> Option<CloseReason> {
        self.end_shared_text();
        self.close
    }

    fn put(&mut self, opcode: Opcode, parts: &[&[u8]]) {
        self.end_shared_text();
        put_header(self.out, opcode, parts.iter().map(|part| part.len()).sum());
        for part in parts {
            self.out.extend_from_slice(part);
        }
    }

    /// Ends what stands before the next frame, if there is anything to end.
    #[inline]
    fn end_shared_text(&mut self) {
        if self.open.is_some() || self.shared.is_some() {
            self.end_open();
        }
    }

    /// Writes the length of the text frame that is open. Few need more than the two bytes that are there.
    fn end_open(&mut self) {
        self.copy_shared();
        let Some(start) = self.open.take() else { return };
        let length = self.out.len() - start - 2;
        if length == 0 {
            self.out.truncate(start);
        } else {
            replace_header(self.out, start..start + 2, length);
        }
    }
}

/// A payload as whole frames, for the cell of a broadcast.
pub(crate) fn encode(payload: &Payload, write: impl FnOnce(&Payload, &mut SocketBuffer<'_>)) -> Bytes {
    // The letter of a message takes one byte.
    let mut frames = Vec::with_capacity(payload.len() + 1 + MAX_HEADER);
    write(payload, &mut SocketBuffer::new(&mut frames));
    // The spare room would be held and not counted, and bytes with spare room have a header in memory of its own.
    frames.into_boxed_slice().into()
}

/// Appends a close frame. Its text must fit behind the code.
pub(crate) fn put_close(out: &mut Vec<u8>, code: u16, text: &str) {
    debug_assert!(text.len() <= MAX_CLOSE_TEXT);
    put_header(out, Opcode::Close, 2 + text.len());
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn put_header(out: &mut Vec<u8>, opcode: Opcode, length: usize) {
    let (header, size) = header(opcode, length);
    out.extend_from_slice(&header[..size]);
}

/// Puts the header of a text frame in the place of another one.
fn replace_header(out: &mut Vec<u8>, place: Range<usize>, length: usize) {
    let (header, size) = header(Opcode::Text, length);
    match place.len() == size {
        true => out[place].copy_from_slice(&header[..size]),
        false => drop(out.splice(place, header.into_iter().take(size))),
    }
}

/// A header, and how many bytes it has.
fn header(opcode: Opcode, length: usize) -> ([u8; MAX_HEADER], usize) {
    const FINAL: u8 = 0x80;
    let mut header = [0; MAX_HEADER];
    header[0] = FINAL | opcode as u8;
    let size = if let Ok(length @ ..=125) = u8::try_from(length) {
        header[1] = length;
        2
    } else if let Ok(length) = u16::try_from(length) {
        header[1] = 126;
        header[2..4].copy_from_slice(&length.to_be_bytes());
        4
    } else {
        header[1] = 127;
        header[2..].copy_from_slice(&(length as u64).to_be_bytes());
        MAX_HEADER
    };
    (header, size)
}
