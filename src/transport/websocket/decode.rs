//! Decodes the bytes of one read into frames of the session.

use bytes::Bytes;
use tokio_tungstenite::tungstenite::{Message as WsMessage, protocol::WebSocketContext};

use super::framing::{Memory, Stop, next};
use crate::{
    codec::Codec,
    shared::{CloseReason, Frame},
};

/// Why a socket carries no more.
pub(super) enum Ended {
    /// The connection broke, or ended without a close frame.
    Broken,
    /// The client has sent its close frame; the answer to it waits to be written.
    Theirs,
    /// We close the connection.
    Ours(CloseReason),
}

/// The input behind a batch that filled the session's inbox.
#[derive(Default)]
pub(super) struct Unread {
    /// A text message of which the codec has read a part.
    pub(super) text: Option<Bytes>,
    pub(super) bytes: Vec<u8>,
}

pub(super) struct Decoder<'a, C> {
    codec: &'a mut C,
    framing: &'a mut WebSocketContext,
    text: Option<Bytes>,
    memory: Memory<'a>,
    ended: Option<Ended>,
    /// The framing has answered a ping.
    flush_due: bool,
}

impl<'a, C: Codec> Decoder<'a, C> {
    /// Reads the rest of `text` and then `input`. The framing's answers are appended to `out`.
    pub(super) fn new(
        codec: &'a mut C,
        framing: &'a mut WebSocketContext,
        text: Option<Bytes>,
        input: &'a [u8],
        out: &'a mut Vec<u8>,
    ) -> Self {
        Decoder { codec, framing, text, memory: Memory { input, out }, ended: None, flush_due: false }
    }

    /// The next frame; `None` when the input is used up or the connection has ended.
    pub(super) fn next_frame(&mut self) -> Result<Option<Frame>, CloseReason> {
        while self.ended.is_none() {
            if let Some(frame) = self.codec.read(&mut self.text)? {
                return Ok(Some(frame));
            }
            let frame = match next(self.framing, &mut self.memory) {
                Ok(None) => break,
                Ok(Some(message)) => self.read(message)?,
                Err(Stop::Closed(reason)) => {
                    self.ended = Some(Ended::Theirs);
                    Some(Frame::LinkClose(reason))
                }
                Err(Stop::Broken) => {
                    self.ended = Some(Ended::Broken);
                    None
                }
                Err(Stop::Violation(violation)) => {
                    let reason = C::violation(violation);
                    self.ended = Some(Ended::Ours(reason.clone()));
                    return Err(reason);
                }
            };
            if frame.is_some() {
                return Ok(frame);
            }
        }
        Ok(None)
    }

    /// The input that was not decoded, and the reason if the socket carries no more.
    pub(super) fn finish(mut self) -> (Unread, Option<Ended>) {
        if self.flush_due {
            // It can only fail if the connection has ended.
            let _ = self.framing.flush(&mut self.memory);
        }
        // An empty vector has no allocation.
        (Unread { text: self.text, bytes: self.memory.input.to_vec() }, self.ended)
    }

    fn read(&mut self, message: WsMessage) -> Result<Option<Frame>, CloseReason> {
        match message {
            WsMessage::Text(text) => {
                self.text = Some(text.into());
                Ok(None)
            }
            WsMessage::Binary(payload) => self.codec.read_binary(payload),
            WsMessage::Ping(payload) => {
                self.flush_due = true;
                Ok(self.codec.read_ping(&payload))
            }
            WsMessage::Pong(payload) => Ok(self.codec.read_pong(&payload)),
            WsMessage::Close(_) | WsMessage::Frame(_) => Ok(None),
        }
    }
}
