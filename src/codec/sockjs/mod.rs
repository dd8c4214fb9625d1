//! SockJS 0.3.3: the server's half. One frame of the protocol is one flush of a body, or one message of a WebSocket.
//!
//! | frame | stands for |
//! |---|---|
//! | `o` | [`Frame::Attached`] of a new session |
//! | `h` | [`Frame::Ping`], and a body that would be empty |
//! | `a["x","y"]` | messages: in a body all that are there, on a WebSocket one |
//! | `c[3000,"Go away!"]` | [`Frame::Close`] and [`Frame::LinkClose`]; a WebSocket is closed behind it |
//!
//! A client sends arrays of strings, on a WebSocket also one string alone. Nothing is numbered, and nobody answers a
//! ping. On a WebSocket pings are those of RFC 6455.
//!
//! Strings are JSON. The server writes the characters that some browser or proxy has changed on its way as escapes,
//! and all beyond U+FFFF as two. A client may send half of such a pair: it becomes U+FFFD.
//!
//! Source: sockjs-protocol 0.3.3, and what the reference server and its clients send.

mod codec;
mod form;
mod read;
mod scan;
mod strings;
#[cfg(test)]
mod tests;

pub(crate) use codec::SockJsCodec;
pub(crate) use form::form_data;
pub(crate) use read::{Unfit, check};

use super::ContentType;
use crate::{
    broadcast::Cell,
    session::frame::{CloseReason, Frame, Outbound},
};

/// The type of a body, which the wrapping of each transport replaces.
pub(crate) const TEXT: ContentType = ContentType("text/plain; charset=UTF-8");

/// The frame that opens a session.
pub(crate) const OPEN: &str = "o";

/// The cell of a broadcast's encoding: whole frames of a WebSocket.
pub(super) const SOCKET: Cell = Cell(30);

/// The cell of a broadcast's encoding: a string of an array.
pub(super) const STRING: Cell = Cell(31);

/// The reason that the protocol has for a session whose client was away for too long, or whose connection broke.
pub(crate) const INTERRUPTED: (u16, &str) = (1002, "Connection interrupted");

/// The frame that tells a client why its session has ended.
pub(crate) fn close_frame(reason: &CloseReason) -> Vec<u8> {
    let (code, text) = match reason.code {
        1005 | 1006 | 4003 | 4103 => INTERRUPTED,
        code => (code, &*reason.text),
    };
    let mut frame = format!("c[{code},").into_bytes();
    strings::put(text, &mut frame);
    frame.push(b']');
    frame
}

/// The reason of a frame that ends a session or a link.
fn ending<'a>(outbound: &'a Outbound<'_>) -> Option<&'a CloseReason> {
    match outbound {
        Outbound::Frame(Frame::Close { reason, .. } | Frame::LinkClose(reason)) => Some(reason),
        _ => None,
    }
}
