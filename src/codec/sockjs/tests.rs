//! Frames by their bytes, JSON of every kind, transcripts of the reference server, and strangers' input.

use bytes::Bytes;

use super::{SockJsCodec, TEXT, Unfit, check, form_data, strings};
use crate::{
    broadcast::OutMessage,
    codec::{BodyCodec, Codec, Violation, tests::frames, websocket_frames::SocketBuffer},
    message::Message,
    packet::Packet,
    payload::Payload,
    pool::Pool,
    session::{
        frame::{Attached, CloseReason, Frame, Names, Outbound, Outcome},
        reason,
    },
};

mod fuzz;
mod reading;
mod transcripts;
mod writing;

const LIMIT: usize = 1000;

/// The texts of a body or of a message of a WebSocket, and the violation that ends them.
fn read(input: impl AsRef<[u8]>) -> (Vec<String>, Option<CloseReason>) {
    read_by(&mut SockJsCodec::new(LIMIT), input)
}

fn read_by(codec: &mut SockJsCodec, input: impl AsRef<[u8]>) -> (Vec<String>, Option<CloseReason>) {
    let (mut input, mut texts) = (Some(Bytes::copy_from_slice(input.as_ref())), Vec::new());
    loop {
        match codec.read(&mut input) {
            Ok(Some(Frame::Message { number: 0, message })) => {
                texts.push(message.payload().as_message().and_then(Message::as_text).expect("a text").to_owned());
            }
            Ok(Some(other)) => panic!("{other:?} is no message"),
            Ok(None) => {
                assert_eq!(input, None, "all of it is read");
                return (texts, None);
            }
            Err(violation) => return (texts, Some(violation)),
        }
    }
}

fn string(text: &str) -> String {
    let mut out = Vec::new();
    strings::put(text, &mut out);
    String::from_utf8(out).unwrap()
}

fn message(text: &str) -> OutMessage {
    Message::from(text).into()
}

fn attached(outcome: Outcome) -> Outbound<'static> {
    let (names, grant, secret) = (Names::default(), None, None);
    Outbound::Frame(Frame::Attached(Attached { outcome, received: 0, names, grant, secret }))
}

fn ends(code: u16, text: &str) -> Outbound<'static> {
    Outbound::Frame(Frame::LinkClose(CloseReason::new(code, text)))
}

const PING: Outbound<'static> = Outbound::Frame(Frame::Ping { id: 7, received: None });
