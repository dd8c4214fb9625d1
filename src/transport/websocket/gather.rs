//! Gathers what a session sends into one write.

use std::task::Context;

use crate::{
    codec::{
        Codec,
        websocket_frames::{SharedFrames, SocketBuffer},
    },
    shared::{CloseReason, PullStatus},
    transport::link::Link,
};

/// One write gathers about this many bytes at most.
const GATHER: usize = 64 * 1024;

/// The result of gathering what a session has to send, besides the bytes that were appended.
pub(super) struct Gathered {
    /// Whether there is more.
    pub(super) pulled: PullStatus,
    /// Why the connection is to be closed behind it, if it is.
    pub(super) close: Option<CloseReason>,
    /// Frames behind the bytes, which are not copied since many connections write them.
    pub(super) shared: Option<SharedFrames>,
}

/// Appends frames to `out`.
pub(super) fn gather<C: Codec>(link: &Link, cx: &mut Context<'_>, codec: &mut C, out: &mut Vec<u8>) -> Gathered {
    let mut buffer = SocketBuffer::new(out);
    let pulled = link.pull(cx, |frame| {
        codec.write_socket(frame, &mut buffer);
        buffer.takes_more(GATHER)
    });
    let shared = buffer.take_shared();
    Gathered { pulled, close: buffer.finish(), shared }
}
