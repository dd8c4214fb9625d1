//! A wire whose writes wait for those of other requests.

use std::{
    io,
    io::IoSlice,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::turn::Turn;

/// Bytes that are more than this do not wait, and are not copied.
const MOST: usize = 16 * 1024;

/// A wire on which a flush writes no sooner than when the runtime has nothing else to do, or has done much else. HTTP/2
/// flushes for the head of a request and for its body, and for each answer that is ready: they leave in one write.
pub(super) struct Gathered<W> {
    wire: W,
    waiting: Vec<u8>,
    /// The bytes of `waiting` that have left.
    done: usize,
    /// A flush waits for its end.
    turn: Turn,
}

impl<W: AsyncWrite + Unpin> Gathered<W> {
    pub(super) fn new(wire: W) -> Self {
        Gathered { wire, waiting: Vec::new(), done: 0, turn: Turn::new() }
    }

    /// Writes what waits.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.done < self.waiting.len() {
            let written = ready!(Pin::new(&mut self.wire).poll_write(cx, &self.waiting[self.done..]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.done += written;
        }
        self.waiting.clear();
        self.done = 0;
        Poll::Ready(Ok(()))
    }
}

impl<W: AsyncRead + Unpin> AsyncRead for Gathered<W> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_read(cx, buf)
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Gathered<W> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let length: usize = bufs.iter().map(|buf| buf.len()).sum();
        if this.waiting.len() + length <= MOST {
            bufs.iter().for_each(|buf| this.waiting.extend_from_slice(buf));
            return Poll::Ready(Ok(length));
        }
        ready!(this.poll_drain(cx))?;
        Pin::new(&mut this.wire).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.waiting.is_empty() {
            ready!(this.turn.poll(cx));
            ready!(this.poll_drain(cx))?;
        }
        this.turn.next();
        Pin::new(&mut this.wire).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}
