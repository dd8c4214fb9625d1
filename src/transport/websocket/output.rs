//! The output that a connection has not taken yet.

use std::{
    io::IoSlice,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Buf;
use tokio::io::AsyncWrite;

use super::decode::Ended;
use crate::{codec::websocket_frames::SharedFrames, shared::CloseReason};

/// Frames that wait for a connection.
#[derive(Default)]
pub(super) struct Output {
    pub(super) bytes: Vec<u8>,
    written: usize,
    /// It is not copied for each connection, and comes behind the bytes.
    shared: Option<Box<Shared>>,
}

/// Whole frames that many connections write.
struct Shared {
    frames: SharedFrames,
    /// A part may be written already, so the rest comes before the bytes that have come since.
    begun: bool,
}

/// The result of one write of what the session sends.
pub(super) enum WriteStatus {
    /// All was written.
    All,
    /// There is more.
    More,
    /// The connection takes no more now.
    Blocked,
    /// The connection is to be closed behind what was written.
    Last(CloseReason),
    /// The link is over.
    Over,
}

impl Output {
    /// How many bytes wait.
    pub(super) fn len(&self) -> usize {
        self.own() + self.shared.as_ref().map_or(0, |shared| shared.frames.bytes.len())
    }

    /// How many of them only this connection holds.
    pub(super) fn own(&self) -> usize {
        self.bytes.len() - self.written
    }

    /// Writes bytes and frames at once, and keeps what the connection does not take. Nothing may wait before.
    /// Returns whether all was written. An error comes again when the rest is written.
    pub(super) fn write<I: AsyncWrite + Unpin>(
        &mut self,
        io: &mut I,
        cx: &mut Context<'_>,
        mut bytes: &[u8],
        mut shared: Option<SharedFrames>,
    ) -> bool {
        loop {
            shared = shared.filter(|frames| !frames.bytes.is_empty());
            let polled = match &shared {
                None if bytes.is_empty() => return true,
                None => Pin::new(&mut *io).poll_write(cx, bytes),
                Some(frames) => {
                    Pin::new(&mut *io).poll_write_vectored(cx, &[IoSlice::new(bytes), IoSlice::new(&frames.bytes)])
                }
            };
            let Poll::Ready(Ok(length @ 1..)) = polled else { break };
            let of_bytes = length.min(bytes.len());
            bytes.advance(of_bytes);
            if let Some(frames) = &mut shared {
                frames.bytes.advance(length - of_bytes);
            }
        }
        self.bytes.extend_from_slice(bytes);
        // If the bytes were written, a part of the frames may have been written with them.
        self.shared = shared.map(|frames| Box::new(Shared { frames, begun: bytes.is_empty() }));
        false
    }

    /// Writes all that waits.
    pub(super) fn poll_write<I: AsyncWrite + Unpin>(
        &mut self,
        io: &mut I,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Ended>> {
        loop {
            let all_bytes = self.own() == 0;
            let rest = match &mut self.shared {
                Some(shared) if shared.begun || all_bytes => {
                    shared.begun = true;
                    &shared.frames.bytes[..]
                }
                _ if all_bytes => break,
                _ => &self.bytes[self.written..],
            };
            let Ok(length @ 1..) = ready!(Pin::new(&mut *io).poll_write(cx, rest)) else {
                return Poll::Ready(Err(Ended::Broken));
            };
            match &mut self.shared {
                Some(shared) if shared.begun => {
                    shared.frames.bytes.advance(length);
                    if shared.frames.bytes.is_empty() {
                        self.shared = None;
                    }
                }
                _ => self.written += length,
            }
        }
        if !self.bytes.is_empty() {
            self.bytes = Vec::new();
            self.written = 0;
        }
        Poll::Ready(Ok(()))
    }
}
