//! Packets and payloads by their bytes, transcripts of real clients, mutations, and strangers' input.

use bytes::Bytes;

use super::{Carrier, EngineCodec, LAST_PING, OpenPacket, Revision, TEXT, form_payload};
use crate::{
    broadcast::OutMessage,
    codec::{BodyCodec, Codec, ContentType, tests::frames, websocket_frames::SocketBuffer},
    message::Message,
    packet::Packet,
    payload::Payload,
    pool::Pool,
    session::{
        frame::{CloseReason, Frame, Outbound},
        reason,
    },
};

mod bodies;
mod fuzz;
mod mutations;
mod packed;
pub(crate) mod peer;
mod reading;
mod transcripts;

const LIMIT: usize = 1000;

const POLL: Carrier = Carrier::Body { base64: false };
const POLL_BASE64: Carrier = Carrier::Body { base64: true };

/// A frame in short: what it is, with its message.
fn short(frame: &Frame) -> String {
    match frame {
        Frame::Message { number: 0, message } => match message.payload().as_message().expect("a message") {
            Message::Text(text) => format!("text {text}"),
            Message::Binary(bytes) => format!("bytes {:02x?}", &bytes[..]),
        },
        Frame::Close { number: 0, reason } => format!("close {reason}"),
        Frame::Ping { id: LAST_PING, received: None } => "ping".into(),
        Frame::Pong { id: LAST_PING, received: 0 } => "pong".into(),
        Frame::Confirm | Frame::Probe | Frame::Noop => format!("{frame:?}").to_lowercase(),
        other => panic!("{other:?} does not come from a client"),
    }
}

/// The frames of a body or text message, and the violation that ends it.
fn read_all(codec: &mut EngineCodec, input: &[u8]) -> (Vec<Frame>, Option<CloseReason>) {
    let (mut input, mut frames) = (Some(Bytes::copy_from_slice(input)), Vec::new());
    loop {
        match codec.read(&mut input) {
            Ok(Some(frame)) => frames.push(frame),
            Ok(None) => {
                assert_eq!(input, None, "all of it is read");
                return (frames, None);
            }
            Err(violation) => return (frames, Some(violation)),
        }
    }
}

fn read(revision: Revision, carrier: Carrier, input: impl AsRef<[u8]>) -> (Vec<String>, Option<CloseReason>) {
    let (frames, violation) = read_all(&mut EngineCodec::new(revision, LIMIT, carrier), input.as_ref());
    (frames.iter().map(short).collect(), violation)
}

fn read_binary(revision: Revision, input: &[u8]) -> Result<String, CloseReason> {
    let mut codec = EngineCodec::new(revision, LIMIT, Carrier::WebSocket);
    Ok(short(&codec.read_binary(Bytes::copy_from_slice(input))?.expect("each message is a frame")))
}

fn packet(text: &str, attachments: &[&[u8]]) -> Payload {
    let attachments = attachments.iter().map(|bytes| Bytes::copy_from_slice(bytes)).collect();
    Packet::new(text, attachments).into()
}

/// Content for clients: messages for those of Engine.IO, events for those that know events or not, and frames.
enum Said {
    Message(OutMessage),
    Frame(Frame),
}

impl<T: Into<Payload>> From<T> for Said {
    fn from(payload: T) -> Self {
        Said::Message(payload.into().into())
    }
}

impl Said {
    fn outbound(&self, events: bool) -> Outbound<'_> {
        match self {
            Said::Message(message) => Outbound::Message {
                number: 1,
                message: message.borrowed(),
                events: events && message.is_event(),
                offsets: false,
            },
            Said::Frame(frame) => Outbound::Frame(frame.clone()),
        }
    }
}

fn write(revision: Revision, carrier: Carrier, said: &[Said], events: bool) -> (Vec<u8>, ContentType) {
    let (mut codec, mut body) = (EngineCodec::new(revision, LIMIT, carrier), Vec::new());
    said.iter().for_each(|said| codec.write(said.outbound(events), &mut body));
    let content_type = codec.finish(&mut body);
    (body, content_type)
}

/// The messages of a WebSocket, each with its opcode, and why it is closed.
fn send(revision: Revision, said: &[Said], events: bool) -> (Vec<(u8, Bytes)>, Option<CloseReason>) {
    let (mut codec, mut out) = (EngineCodec::new(revision, LIMIT, Carrier::WebSocket), Vec::new());
    let mut buffer = SocketBuffer::new(&mut out);
    said.iter().for_each(|said| codec.write_socket(said.outbound(events), &mut buffer));
    let closed = buffer.finish();
    (frames(&out), closed)
}

/// The same as a message for many.
fn shared(payload: impl Into<Payload>) -> Said {
    Said::Message(OutMessage::shared(payload, &Pool::new(0, 0)))
}
