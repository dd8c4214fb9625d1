//! Engine.IO as a [`Codec`]: one value reads and writes the packets of a link.

use bytes::Bytes;

use super::{
    Carrier, Form, Kind, Packer, Revision, TEXT,
    packet::{self, Content, MESSAGE, MESSAGE_BYTE, Packet, PacketReader},
    parse_error,
    payload3::{self, Framing},
    payload4,
};
use crate::{
    broadcast::OutMessageRef,
    codec::{
        BodyCodec, Codec, ContentType, Violation,
        close_codes::registered,
        largest::Largest,
        websocket_frames::{SocketBuffer, encode},
    },
    payload::Payload,
    session::{
        frame::{CloseReason, Frame, Outbound},
        reason,
    },
};

#[derive(Debug)]
pub(crate) struct EngineCodec {
    carrier: Carrier,
    reader: PacketReader,
    /// The payload that is being written.
    written: Option<Written>,
}

/// A payload of which a part is written.
#[derive(Clone, Copy, Debug)]
struct Written {
    /// Where it begins in the body.
    start: usize,
    /// Revision 3's framing so far.
    framing: Framing,
}

impl EngineCodec {
    /// Messages of more than `limit` bytes are not read.
    pub(crate) fn new(revision: Revision, limit: usize, carrier: Carrier) -> Self {
        let socket = carrier == Carrier::WebSocket;
        let reader = PacketReader { revision, socket, limit, largest: Largest::default(), packer: None };
        EngineCodec { carrier, reader, written: None }
    }

    /// The same with another spelling of packets, if there is one.
    pub(crate) fn packed_by(mut self, packer: Option<&'static Packer>) -> Self {
        self.reader.packer = packer;
        self
    }

    fn next_packet(&self, input: &mut Option<Bytes>) -> Result<Option<Packet>, CloseReason> {
        match (self.carrier, self.reader.revision) {
            (Carrier::WebSocket, _) => input.take().map(Packet::text).transpose(),
            (Carrier::Body { .. }, Revision::V4) => payload4::take(input).map(Packet::text).transpose(),
            (Carrier::Body { .. }, Revision::V3) => payload3::take(input),
        }
    }

    /// The payload that is being written, which begins here if there was none.
    fn begin(&mut self, body: &[u8]) -> Written {
        *self.written.get_or_insert(Written { start: body.len(), framing: Framing::Text })
    }

    /// Appends a packet that has only a type.
    fn put_control(&mut self, kind: &str, body: &mut Vec<u8>) {
        let written = self.begin(body);
        match self.reader.revision {
            Revision::V3 => payload3::put_text(kind, "", written.framing, body),
            Revision::V4 => {
                payload4::separate(body.len() == written.start, body);
                body.extend_from_slice(kind.as_bytes());
            }
        }
    }

    fn put_body(&mut self, message: OutMessageRef<'_>, kind: Kind, body: &mut Vec<u8>) {
        let written = self.begin(body);
        let packer = self.reader.packer;
        let mut form = if packer.is_some() { Form::BodyPacked } else { Form::Body4 };
        match self.reader.revision {
            Revision::V4 => payload4::separate(body.len() == written.start, body),
            Revision::V3 => form = self.form3(written, message.payload(), kind, body),
        }
        match message {
            OutMessageRef::Own(payload) => put_messages(form, payload, kind, packer, body),
            OutMessageRef::Shared(broadcast) => {
                body.extend_from_slice(broadcast.encoded(form.cell(kind), |payload| {
                    let mut bytes = Vec::with_capacity(payload.len() + 16);
                    put_messages(form, payload, kind, packer, &mut bytes);
                    bytes.into()
                }));
            }
        }
    }

    /// The form of a message in a body of revision 3. With the first bytes the framing of the whole body
    /// changes, unless the client reads none.
    fn form3(&mut self, written: Written, payload: &Payload, kind: Kind, body: &mut Vec<u8>) -> Form {
        let Written { start, mut framing } = written;
        let reads_bytes = self.carrier != Carrier::Body { base64: true };
        if framing == Framing::Text && reads_bytes && packet::has_bytes(payload, kind) {
            let before = payload3::to_binary(&body[start..]);
            body.truncate(start);
            body.extend_from_slice(&before);
            framing = Framing::Binary;
            self.written = Some(Written { start, framing });
        }
        match framing {
            Framing::Text => Form::Text3,
            Framing::Binary => Form::Bytes3,
        }
    }
}

impl Codec for EngineCodec {
    fn read(&mut self, input: &mut Option<Bytes>) -> Result<Option<Frame>, CloseReason> {
        self.reader.largest.saw(input.as_ref().map_or(0, Bytes::len));
        while let Some(packet) = self.next_packet(input)? {
            if let Some(frame) = self.reader.read(packet)? {
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }

    fn read_binary(&mut self, payload: Bytes) -> Result<Option<Frame>, CloseReason> {
        self.reader.largest.saw(payload.len());
        self.reader.binary(payload).map(Some)
    }

    fn write_socket(&mut self, frame: Outbound<'_>, out: &mut SocketBuffer<'_>) {
        match frame {
            Outbound::Message { message, events, offsets, .. } => {
                let (packer, kind) = (self.reader.packer, Kind::of(message, events, offsets));
                let form = match self.reader.revision {
                    Revision::V3 if packet::has_bytes(message.payload(), kind) => Form::Socket3,
                    Revision::V4 if packer.is_some() => Form::SocketPacked,
                    _ => Form::Socket4,
                };
                let put = |payload: &Payload, out: &mut SocketBuffer<'_>| {
                    send_messages(form, payload, kind, packer, out);
                };
                match message {
                    OutMessageRef::Own(payload) => put(payload, out),
                    OutMessageRef::Shared(broadcast) => {
                        out.encoded(broadcast.encoded(form.cell(kind), |payload| encode(payload, put)), broadcast);
                    }
                }
            }
            Outbound::Frame(Frame::Close { reason, .. } | Frame::LinkClose(reason)) => out.close(reason),
            Outbound::Frame(frame) => {
                if let Some(packet) = control(self.reader.revision, &frame) {
                    out.text(&[packet.as_bytes()]);
                }
            }
        }
    }

    fn violation(violation: Violation) -> CloseReason {
        match violation {
            Violation::TooLarge => reason::TOO_LARGE,
            Violation::Framing => parse_error("broken WebSocket framing"),
            Violation::NotUtf8 => parse_error("parse error: a text is not UTF-8"),
            Violation::WrongKind => parse_error("parse error"),
        }
    }

    fn close_reason(reason: CloseReason) -> CloseReason {
        registered(reason)
    }
}

impl BodyCodec for EngineCodec {
    fn write(&mut self, frame: Outbound<'_>, body: &mut Vec<u8>) {
        match frame {
            Outbound::Message { message, events, offsets, .. } => {
                self.put_body(message, Kind::of(message, events, offsets), body);
            }
            Outbound::Frame(Frame::Close { .. } | Frame::LinkClose(_)) => self.put_control("1", body),
            Outbound::Frame(frame) => {
                if let Some(packet) = control(self.reader.revision, &frame) {
                    self.put_control(packet, body);
                }
            }
        }
    }

    /// A client takes a body without packets for a broken one, so a noop is put into it.
    fn finish(&mut self, body: &mut Vec<u8>) -> ContentType {
        if self.written.is_none() {
            self.put_control("6", body);
        }
        match self.written.take() {
            Some(Written { framing: Framing::Binary, .. }) => ContentType::BYTES,
            _ => TEXT,
        }
    }
}

/// The packet of a frame that is neither a message nor a close, if the client has a use for it.
fn control(revision: Revision, frame: &Frame) -> Option<&'static str> {
    match (frame, revision) {
        (Frame::Ping { .. }, Revision::V4) => Some("2"),
        (Frame::Pong { .. }, Revision::V3) => Some("3"),
        (Frame::Probe, _) => Some("3probe"),
        (Frame::Noop, _) => Some("6"),
        _ => None,
    }
}

fn put_messages(form: Form, payload: &Payload, kind: Kind, packer: Option<&Packer>, body: &mut Vec<u8>) {
    let start = body.len();
    packet::each_message(payload, kind, packer, |content| match form {
        Form::Text3 => payload3::put_message(content, Framing::Text, body),
        Form::Bytes3 => payload3::put_message(content, Framing::Binary, body),
        _ => {
            payload4::separate(body.len() == start, body);
            payload4::put_message(content, body);
        }
    });
}

fn send_messages(form: Form, payload: &Payload, kind: Kind, packer: Option<&Packer>, out: &mut SocketBuffer<'_>) {
    packet::each_message(payload, kind, packer, |content| match content {
        Content::Text(text) => out.text(&[MESSAGE.as_bytes(), text.as_bytes()]),
        Content::Binary(bytes) if form == Form::Socket3 => out.binary_parts(&[&[MESSAGE_BYTE], bytes]),
        Content::Binary(bytes) => out.binary(bytes),
    });
}
