//! Carries the bytes of a session, with any codec. A transport knows no room, no URL and no user code.

mod batch;
mod downlink;
pub(crate) mod handshake;
mod link;
mod pace;
mod uplink;
mod websocket;
pub(crate) mod wrapping;

pub(crate) use downlink::{FirstFlush, Wait, counted, stream};
pub(crate) use link::{Link, LinkWatch};
pub(crate) use uplink::{Body, BodyError, apart, read_body, settled, take, take_first, upload_answer};
pub(crate) use websocket::{ByteStream, NoMessage, Socket};
pub(crate) use wrapping::{Wrapper, Wrapping};
