//! Carries bytes for a session. Knows the session and a codec, whichever it is; never a room, a URL or user code.

mod batch;
mod downlink;
pub(crate) mod handshake;
mod link;
mod uplink;
mod websocket;
pub(crate) mod wrapping;

pub(crate) use downlink::{FirstFlush, Wait, stream};
pub(crate) use link::Link;
pub(crate) use uplink::{Body, BodyError, read_body, take, upload_answer};
pub(crate) use websocket::{NoMessage, Socket};
pub(crate) use wrapping::{Wrapper, Wrapping};
