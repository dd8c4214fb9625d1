//! The native protocol as a [`Codec`]: one value reads and writes the records of a link.

use bytes::Bytes;

use super::{Head, Reader, Record, Spelling, Writer};
use crate::{
    broadcast::OutMessage,
    codec::{
        BodyCodec, Codec, ContentType, Violation,
        websocket_frames::{SocketBuffer, encode},
    },
    message::Message,
    session::{
        frame::{CloseReason, Frame, Outbound},
        reason,
    },
};

#[derive(Debug)]
pub(crate) struct NativeCodec {
    reader: Reader,
    pub(super) writer: Writer,
}

impl NativeCodec {
    /// Messages of more than `limit` bytes are not read.
    pub(crate) fn new(spelling: Spelling, limit: usize) -> Self {
        NativeCodec { reader: Reader::new(spelling, limit), writer: Writer::new(spelling) }
    }

    /// Takes the head record off a request, or off the first message of a WebSocket. Returns `None` if it
    /// begins with any other record.
    pub(crate) fn read_head(&mut self, input: &mut Bytes) -> Result<Option<Head>, CloseReason> {
        Ok(match self.reader.read(input)? {
            Some(Record::Head(head)) => Some(head),
            _ => None,
        })
    }
}

impl Codec for NativeCodec {
    fn read(&mut self, input: &mut Option<Bytes>) -> Result<Option<Frame>, CloseReason> {
        let Some(records) = input else { return Ok(None) };
        match self.reader.read(records)? {
            Some(Record::Frame(frame)) => Ok(Some(frame)),
            Some(Record::Head(_)) => Err(reason::UNEXPECTED),
            None => {
                *input = None;
                Ok(None)
            }
        }
    }

    fn read_binary(&mut self, payload: Bytes) -> Result<Option<Frame>, CloseReason> {
        Ok(Some(self.reader.binary(payload)?))
    }

    /// Control records share a text message; each message of the session has its own.
    fn write_socket(&mut self, frame: Outbound<'_>, out: &mut SocketBuffer<'_>) {
        match frame {
            Outbound::Message { number, message } => {
                self.writer.announce(number, message.as_message().len(), out.shared_text());
                match message {
                    OutMessage::Own(message) => put_message(message, out),
                    OutMessage::Shared(broadcast) => out.encoded(
                        broadcast.encoded(Spelling::WebSocket.cell(), |message| encode(message, 1, put_message)),
                        message,
                    ),
                }
            }
            Outbound::Frame(Frame::LinkClose(reason)) => out.close(reason),
            Outbound::Frame(frame) => self.writer.write(&frame, out.shared_text()),
        }
    }

    fn violation(violation: Violation) -> CloseReason {
        match violation {
            Violation::TooLarge => reason::TOO_LARGE,
            Violation::Framing | Violation::NotUtf8 | Violation::WrongKind => reason::MALFORMED,
        }
    }
}

impl BodyCodec for NativeCodec {
    fn write(&mut self, frame: Outbound<'_>, body: &mut Vec<u8>) {
        match frame {
            Outbound::Message { number, message } => self.writer.message(number, message, body),
            Outbound::Frame(frame) => self.writer.write(&frame, body),
        }
    }

    fn finish(&mut self, _body: &mut Vec<u8>) -> ContentType {
        self.writer.content_type()
    }
}

fn put_message(message: &Message, out: &mut SocketBuffer<'_>) {
    match message {
        Message::Text(text) => out.text(&[b"m", text.as_bytes()]),
        Message::Binary(bytes) => out.binary(bytes),
    }
}
