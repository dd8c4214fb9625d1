//! Gathers what a session sends into one write.

use std::task::Context;

use crate::{
    codec::{Codec, websocket_frames::SocketBuffer},
    shared::{CloseReason, PullStatus},
    transport::link::Link,
};

/// One write gathers about this many bytes at most.
const GATHER: usize = 64 * 1024;

/// Appends frames to `out`. Returns whether there are more, and why the connection is to be closed, if it is.
pub(super) fn gather<C: Codec>(
    link: &Link,
    cx: &mut Context<'_>,
    codec: &mut C,
    out: &mut Vec<u8>,
) -> (PullStatus, Option<CloseReason>) {
    let mut buffer = SocketBuffer::new(out);
    let pulled = link.pull(cx, |frame| {
        codec.write_socket(frame, &mut buffer);
        buffer.takes_more(GATHER)
    });
    (pulled, buffer.finish())
}
