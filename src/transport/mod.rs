//! Carries bytes for a session. Knows the session and its codec, never a room, a URL or user code.

mod batch;
mod downlink;
pub(crate) mod handshake;
mod link;
mod uplink;
mod websocket;
mod wrapping;

use crate::{codec::native::Writer, shared::Outbound};

pub(crate) use downlink::{Wait, answer, stream};
pub(crate) use link::Link;
pub(crate) use uplink::{Body, BodyError, read_body, take, upload_answer};
pub(crate) use websocket::{Ended, Socket};
pub(crate) use wrapping::{Wrapper, Wrapping};

fn write(writer: &mut Writer, saying: Outbound<'_>, out: &mut Vec<u8>) {
    match saying {
        Outbound::Message { number, message } => writer.message(number, message, out),
        Outbound::Frame(frame) => writer.write(&frame, out),
    }
}
