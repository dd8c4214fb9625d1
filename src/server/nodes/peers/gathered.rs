//! A wire whose writes wait for those of other requests.

use std::{
    io,
    io::IoSlice,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker, ready},
};

use futures::task::AtomicWaker;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::yield_now,
};

/// Bytes that are more than this do not wait, and are not copied.
const MOST: usize = 16 * 1024;

/// A wire on which a flush writes no sooner than when the runtime has nothing else to do, or has done much else. HTTP/2
/// flushes for the head of a request and for its body, and for each answer that is ready: they leave in one write.
pub(super) struct Gathered<W> {
    wire: W,
    waiting: Vec<u8>,
    /// The bytes of `waiting` that have left.
    done: usize,
    turn: Arc<Turn>,
    waker: Waker,
    /// A flush waits for the runtime's turn.
    is_flushing: bool,
}

/// The end of what the runtime does before it writes.
#[derive(Default)]
struct Turn {
    has_come: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.has_come.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl<W: AsyncWrite + Unpin> Gathered<W> {
    pub(super) fn new(wire: W) -> Self {
        let turn = Arc::<Turn>::default();
        let waker = Waker::from(turn.clone());
        Gathered { wire, waiting: Vec::new(), done: 0, turn, waker, is_flushing: false }
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

    /// Waits until the runtime has nothing else to do.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.turn.task.register(cx.waker());
        if !self.is_flushing {
            self.is_flushing = true;
            self.turn.has_come.store(false, Ordering::Relaxed);
            // It wakes when this runtime's worker would sleep. Others that wake this task do not end the turn.
            let _ = pin!(yield_now()).poll(&mut Context::from_waker(&self.waker));
        }
        match self.turn.has_come.load(Ordering::Acquire) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
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
            ready!(this.poll_turn(cx));
            ready!(this.poll_drain(cx))?;
        }
        this.is_flushing = false;
        Pin::new(&mut this.wire).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}
