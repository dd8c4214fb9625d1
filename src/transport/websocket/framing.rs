//! Reads WebSocket frames (RFC 6455): tungstenite's framing, fed from memory.

use std::io;

use tokio_tungstenite::tungstenite::{
    self, Message as WsMessage,
    error::CapacityError,
    protocol::{CloseFrame, Role, WebSocketConfig, WebSocketContext},
};

use super::edges::Edges;
use crate::{
    codec::Violation,
    shared::{CloseReason, reason},
};

/// Bytes that the framing reads at once. Its buffer grows for a larger frame.
const READ_BUFFER: usize = 256;

/// Why no further message can be read.
pub(super) enum Stop {
    /// The connection is broken.
    Broken,
    /// The client has sent this close frame. The answer to it waits to be written.
    Closed(CloseReason),
    Violation(Violation),
}

/// The stream that tungstenite reads and writes: it reads what came from the socket, and what it writes is
/// gathered.
pub(super) struct Memory<'a> {
    pub(super) input: &'a [u8],
    pub(super) out: &'a mut Vec<u8>,
    pub(super) edges: &'a mut Edges,
}

impl io::Read for Memory<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        // The framing must not hold the beginning of a frame when it has read a message.
        let length = self.edges.advance(&self.input[..buffer.len().min(self.input.len())]);
        let (head, rest) = self.input.split_at(length);
        buffer[..length].copy_from_slice(head);
        self.input = rest;
        Ok(length)
    }
}

impl io::Write for Memory<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The framing of a server, which accepts messages of at most `limit` bytes.
pub(super) fn server(limit: usize) -> WebSocketContext {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(limit))
        .max_frame_size(Some(limit));
    WebSocketContext::new(Role::Server, Some(config))
}

/// Gives the buffer back, which has grown with the messages. Nothing of a message may have come that is not
/// complete.
pub(super) fn renew(framing: &mut WebSocketContext) {
    *framing = WebSocketContext::new(Role::Server, Some(*framing.get_config()));
}

/// The next message that the input completes.
pub(super) fn next(framing: &mut WebSocketContext, memory: &mut Memory<'_>) -> Result<Option<WsMessage>, Stop> {
    let error = match framing.read(memory) {
        Ok(WsMessage::Close(Some(CloseFrame { code, reason }))) => {
            return Err(Stop::Closed(CloseReason::new(code.into(), reason.as_str())));
        }
        Ok(WsMessage::Close(None)) => return Err(Stop::Closed(reason::NO_STATUS)),
        Ok(message) => return Ok(Some(message)),
        Err(error) => error,
    };
    Err(match error {
        tungstenite::Error::Io(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
        tungstenite::Error::Capacity(CapacityError::MessageTooLong { .. }) => Stop::Violation(Violation::TooLarge),
        tungstenite::Error::Utf8(_) => Stop::Violation(Violation::NotUtf8),
        tungstenite::Error::Protocol(_) | tungstenite::Error::Capacity(_) => Stop::Violation(Violation::Framing),
        _ => Stop::Broken,
    })
}
