//! The server's end of a connection that is a WebSocket.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::transport::ByteStream;

/// The bytes that have come and those that are written.
#[derive(Debug, Default)]
struct Buffers {
    came: VecDeque<u8>,
    /// Nothing more comes.
    ended: bool,
    /// Nothing is taken any more.
    broken: bool,
    written: Vec<u8>,
    /// The bytes that have left and that the client has not read.
    under_way: usize,
    /// No more bytes than this wait or are under way.
    window: usize,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// A pipe that the server's task and the wire share.
#[derive(Clone, Debug)]
pub(super) struct Pipe(Rc<RefCell<Buffers>>);

impl Pipe {
    pub(super) fn new(window: usize) -> Self {
        Pipe(Rc::new(RefCell::new(Buffers { window, ..Buffers::default() })))
    }

    pub(super) fn comes(&self, bytes: &[u8]) {
        let mut pipe = self.0.borrow_mut();
        pipe.came.extend(bytes);
        wake(pipe.reader.take());
    }

    /// Nothing comes any more; `broken`: nothing is taken either.
    pub(super) fn ends(&self, broken: bool) {
        let mut pipe = self.0.borrow_mut();
        pipe.ended = true;
        pipe.broken |= broken;
        wake(pipe.reader.take());
        wake(pipe.writer.take());
    }

    /// Takes what was written and leaves now.
    pub(super) fn leaves(&self) -> Vec<u8> {
        let mut pipe = self.0.borrow_mut();
        let bytes = std::mem::take(&mut pipe.written);
        pipe.under_way += bytes.len();
        bytes
    }

    /// The client has read so many bytes, or the wire has lost them.
    pub(super) fn arrived(&self, count: usize) {
        let mut pipe = self.0.borrow_mut();
        pipe.under_way -= count;
        wake(pipe.writer.take());
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl ByteStream for Pipe {}

impl AsyncRead for Pipe {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut pipe = self.0.borrow_mut();
        if pipe.came.is_empty() && !pipe.ended {
            pipe.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = pipe.came.len().min(into.remaining());
        let bytes: Vec<u8> = pipe.came.drain(..count).collect();
        into.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut pipe = self.0.borrow_mut();
        if pipe.broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = pipe.window.saturating_sub(pipe.under_way + pipe.written.len());
        if room == 0 {
            pipe.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = room.min(bytes.len());
        pipe.written.extend_from_slice(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
