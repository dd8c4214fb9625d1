//! The native protocol as a [`Codec`]: one value reads and writes the records of a link.

use bytes::Bytes;

use super::{Head, Reader, Record, Spelling, Writer};
use crate::{
    broadcast::OutMessageRef,
    codec::{
        BodyCodec, Codec, ContentType, Violation,
        websocket_frames::{SocketBuffer, encode},
    },
    message::Message,
    payload::Payload,
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
        let record = self.reader.read(records)?;
        if records.is_empty() {
            *input = None;
        }
        match record {
            None => Ok(None),
            Some(Record::Frame(frame)) => Ok(Some(frame)),
            Some(Record::Head(_)) => Err(reason::UNEXPECTED),
        }
    }

    fn read_binary(&mut self, payload: Bytes) -> Result<Option<Frame>, CloseReason> {
        Ok(self.reader.binary(payload)?)
    }

    fn partial(&self) -> usize {
        self.reader.partial()
    }

    /// Control records share a text message; each message of the session has its own.
    fn write_socket(&mut self, frame: Outbound<'_>, out: &mut SocketBuffer<'_>) {
        match frame {
            Outbound::Message { number, message, events, .. } => {
                let length = message.len();
                // Almost every message follows one: then no text is begun in which its number would stand.
                if !self.writer.follows(number, length) {
                    self.writer.announce(number, length, out.shared_text());
                }
                let put = if events { put_event } else { put_plain };
                match message {
                    OutMessageRef::Own(payload) => put(payload, out),
                    OutMessageRef::Shared(broadcast) => out.encoded(
                        broadcast.encoded(Spelling::WebSocket.cell(events), |payload| encode(payload, put)),
                        broadcast,
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
            Outbound::Message { number, message, events, .. } => self.writer.message(number, message, events, body),
            Outbound::Frame(frame) => self.writer.write(&frame, body),
        }
    }

    fn finish(&mut self, _body: &mut Vec<u8>) -> ContentType {
        self.writer.content_type()
    }
}

fn put_event(payload: &Payload, out: &mut SocketBuffer<'_>) {
    let Payload::Event(packet) = payload else { return put_plain(payload, out) };
    out.text(&[b"e", packet.text().as_bytes()]);
    packet.attachments().iter().for_each(|attachment| out.binary(attachment));
}

/// For a client that knows no events.
fn put_plain(payload: &Payload, out: &mut SocketBuffer<'_>) {
    match payload {
        Payload::Message(Message::Text(text)) => out.text(&[b"m", text.as_bytes()]),
        Payload::Message(Message::Binary(bytes)) => out.binary(bytes),
        Payload::Event(packet) => out.text(&[b"m", packet.plain().as_bytes()]),
    }
}
