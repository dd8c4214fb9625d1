//! Reads WebSocket frames (RFC 6455): messages that are whole at once, all others by tungstenite's framing, which is fed
//! from memory.

#[cfg(test)]
mod tests;

use std::io;

use tokio_tungstenite::tungstenite::{
    self, Message as WsMessage,
    error::CapacityError,
    protocol::{CloseFrame, Role, WebSocketConfig, WebSocketContext},
};

use super::{edges::Edges, whole};
use crate::{
    codec::{
        Codec, Violation,
        websocket_frames::{MAX_CLOSE_TEXT, put_close},
    },
    message::truncate,
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

/// The framing of a server. Tungstenite's is there only while a message comes in pieces, and from the client's closing of
/// the connection on: most messages are whole, and most connections are idle.
pub(super) struct Framing {
    /// Larger messages end the connection.
    limit: usize,
    context: Option<Box<WebSocketContext>>,
    /// Our close frame was written without tungstenite's framing.
    closed: bool,
}

impl Framing {
    pub(super) fn new(limit: usize) -> Self {
        Framing { limit, context: None, closed: false }
    }

    pub(super) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
        if let Some(context) = &mut self.context {
            context.set_config(|config| *config = limited(*config, limit));
        }
    }

    /// The next message that the input completes.
    pub(super) fn next(&mut self, memory: &mut Memory<'_>) -> Result<Option<WsMessage>, Stop> {
        if memory.edges.is_between_messages() && self.is_open() {
            if let Some(message) = whole::take(&mut memory.input, self.limit) {
                return Ok(Some(message));
            }
        } else if self.is_closed_here() && memory.edges.is_between_messages() && whole::is_close(memory.input) {
            return Err(Stop::Closed(reason::NO_STATUS));
        }
        if self.context.is_none() && memory.input.is_empty() {
            return Ok(None);
        }
        let error = match self.context().read(memory) {
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

    /// Writes a close frame, unless one was written before.
    pub(super) fn close(&mut self, memory: &mut Memory<'_>, frame: CloseFrame) {
        match &mut self.context {
            Some(context) => {
                let _ = context.close(memory, Some(frame));
            }
            None if self.closed => {}
            None => {
                put_close(memory.out, frame.code.into(), &frame.reason);
                self.closed = true;
            }
        }
    }

    /// Writes the answers to pings and to a close frame that wait.
    pub(super) fn flush(&mut self, memory: &mut Memory<'_>) {
        if let Some(context) = &mut self.context {
            // It fails only if the connection has ended.
            let _ = context.flush(memory);
        }
    }

    /// Gives the memory of the framing back if it holds nothing.
    pub(super) fn rest(&mut self, memory: &mut Memory<'_>) {
        if memory.edges.is_between_messages() && self.is_open() {
            self.flush(memory);
            self.context = None;
        }
    }

    /// Whether no close frame has come or gone.
    fn is_open(&self) -> bool {
        match &self.context {
            Some(context) => context.can_read() && context.can_write(),
            None => !self.closed,
        }
    }

    /// Whether our close frame has gone, and all that came behind it was whole.
    fn is_closed_here(&self) -> bool {
        self.closed && self.context.is_none()
    }

    fn context(&mut self) -> &mut WebSocketContext {
        let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER).write_buffer_size(0);
        let config = limited(config, self.limit);
        let closed = self.closed;
        self.context.get_or_insert_with(|| {
            let mut context = Box::new(WebSocketContext::new(Role::Server, Some(config)));
            if closed {
                // It writes the frame that has gone already, and knows then that it has.
                let mut gone = Memory { input: &[], out: &mut Vec::new(), edges: &mut Edges::default() };
                let _ = context.close(&mut gone, None);
            }
            context
        })
    }
}

fn limited(config: WebSocketConfig, limit: usize) -> WebSocketConfig {
    config.max_message_size(Some(limit)).max_frame_size(Some(limit))
}

/// The close frame that tells the reason in the words of a codec.
pub(super) fn close_frame<C: Codec>(reason: CloseReason) -> CloseFrame {
    let CloseReason { code, text } = C::close_reason(reason);
    CloseFrame { code: code.into(), reason: truncate(&text, MAX_CLOSE_TEXT).into() }
}
