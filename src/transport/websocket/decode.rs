//! Decodes the bytes of one read into frames of the session.

use bytes::Bytes;
use tokio_tungstenite::tungstenite::Message as WsMessage;

use super::framing::{Framing, Memory, Stop};
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

/// The input behind a batch that filled the session's inbox, or behind the last frame of a turn.
#[derive(Default)]
pub(super) struct Unread {
    /// A text message of which the codec has read a part.
    pub(super) text: Option<Bytes>,
    pub(super) bytes: Bytes,
}

pub(super) struct Decoder<'a, C> {
    codec: &'a mut C,
    framing: &'a mut Framing,
    text: Option<Bytes>,
    memory: Memory<'a>,
    ended: Option<Ended>,
    /// The framing has answered a ping.
    flush_due: bool,
    /// How much of the input was left behind the last message, or at the start.
    behind: usize,
    /// A message was complete.
    completed: bool,
}

impl Unread {
    pub(super) fn len(&self) -> usize {
        self.text.as_ref().map_or(0, Bytes::len) + self.bytes.len()
    }
}

impl<'a, C: Codec> Decoder<'a, C> {
    /// Reads the rest of `text` and then the input. The framing's answers are appended to the output.
    pub(super) fn new(codec: &'a mut C, framing: &'a mut Framing, text: Option<Bytes>, memory: Memory<'a>) -> Self {
        Decoder {
            codec,
            framing,
            text,
            behind: memory.input.len(),
            memory,
            ended: None,
            flush_due: false,
            completed: false,
        }
    }

    /// The next frame; `None` when the input is used up or the connection has ended.
    pub(super) fn next_frame(&mut self) -> Result<Option<Frame>, CloseReason> {
        while self.ended.is_none() {
            if let Some(frame) = self.codec.read(&mut self.text)? {
                return Ok(Some(frame));
            }
            let frame = match self.framing.next(&mut self.memory) {
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

    /// How many bytes of a message that is not complete yet the framing has, to within a little, if it had
    /// `before` of them before.
    pub(super) fn partial(&self, before: usize) -> usize {
        let read = self.behind - self.memory.input.len();
        if self.completed { read } else { before + read }
    }

    /// The input that was not decoded, and the reason if the socket carries no more. If the input is kept in
    /// `kept` already, it is not copied.
    pub(super) fn finish(mut self, kept: Option<&Bytes>) -> (Unread, Option<Ended>) {
        if self.flush_due {
            self.framing.flush(&mut self.memory);
        }
        if self.ended.is_none() {
            self.framing.rest(&mut self.memory);
        }
        let input = self.memory.input;
        let bytes = match kept {
            Some(kept) => kept.slice_ref(input),
            None => Bytes::copy_from_slice(input),
        };
        (Unread { text: self.text, bytes }, self.ended)
    }

    fn read(&mut self, message: WsMessage) -> Result<Option<Frame>, CloseReason> {
        if message.is_text() || message.is_binary() {
            (self.behind, self.completed) = (self.memory.input.len(), true);
        }
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
