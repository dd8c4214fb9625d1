//! Reads WebSocket frames (RFC 6455): tungstenite's framing, fed from memory.

use std::io;

use tokio_tungstenite::tungstenite::{
    self, Message as WsMessage,
    error::CapacityError,
    protocol::{CloseFrame, Role, WebSocketConfig, WebSocketContext},
};

use crate::shared::{CloseReason, reason};

/// Why a socket carries no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The connection broke, or was closed without a word.
    Broken,
    /// The other side said why; our answer to its close frame waits to be written.
    Theirs,
    /// We leave, and say why.
    Ours(CloseReason),
}

/// Why no further message can be read.
pub(super) enum Stop {
    Ended(Ended),
    /// The other side's close frame.
    Said(CloseReason),
}

/// What tungstenite takes for a stream: reads give what the socket gave, writes gather.
pub(super) struct Memory<'a> {
    pub(super) input: &'a [u8],
    pub(super) out: &'a mut Vec<u8>,
}

impl io::Read for Memory<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let length = buffer.len().min(self.input.len());
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

/// The framing of a server's side, which accepts messages of at most `limit` bytes.
pub(super) fn server(limit: usize) -> WebSocketContext {
    let config = WebSocketConfig::default()
        .read_buffer_size(256)
        .write_buffer_size(0)
        .max_message_size(Some(limit))
        .max_frame_size(Some(limit));
    WebSocketContext::new(Role::Server, Some(config))
}

/// The next message that the input completes.
pub(super) fn next(framing: &mut WebSocketContext, memory: &mut Memory<'_>) -> Result<Option<WsMessage>, Stop> {
    match framing.read(memory) {
        Ok(WsMessage::Close(frame)) => Err(Stop::Said(match frame {
            Some(CloseFrame { code, reason }) => CloseReason::new(code.into(), reason.as_str()),
            None => CloseReason::fixed(1005, ""),
        })),
        Ok(message) => Ok(Some(message)),
        Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(tungstenite::Error::Capacity(CapacityError::MessageTooLong { .. })) => {
            Err(Stop::Ended(Ended::Ours(reason::TOO_LARGE)))
        }
        Err(tungstenite::Error::Protocol(_) | tungstenite::Error::Utf8(_) | tungstenite::Error::Capacity(_)) => {
            Err(Stop::Ended(Ended::Ours(reason::MALFORMED)))
        }
        Err(_) => Err(Stop::Ended(Ended::Broken)),
    }
}
