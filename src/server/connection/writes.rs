//! A deadline on writes: a connection whose peer takes too little of what is written to it ends.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

use super::{places::Place, state::State};
use crate::server::counters::WRITE_TIMEOUTS;

/// A peer that keeps a write waiting must take [`LEAST`] bytes within this time, again and again.
pub(crate) const WINDOW: Duration = Duration::from_secs(20);

/// 240 bytes a second.
pub(super) const LEAST: usize = 240 * 20;

/// The byte stream of a connection.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// When the stream is dropped, the peer is told so at once, and what it did not take is thrown away.
    /// Otherwise the system would go on for minutes to offer it.
    fn reset_when_dropped(&self);
}

impl Stream for TcpStream {
    fn reset_when_dropped(&self) {
        // It fails if the connection is broken already.
        let _ = socket2::SockRef::from(self).set_linger(Some(Duration::ZERO));
    }
}

/// A byte stream whose writes have a deadline. It also notes for the connection that a request begins.
///
/// There is a timer only while a write waits.
pub(crate) struct TimedStream<I: Stream> {
    io: I,
    owner: Owner,
    /// It is there while a write waits.
    window: Option<Window>,
}

/// The connection that a stream is of.
enum Owner {
    Requests(Arc<State>),
    /// It is upgraded, and all that is left of it is its place among the others.
    Upgraded {
        _place: Place,
    },
}

impl Owner {
    /// The state of a connection that is not upgraded.
    fn state(&self) -> Option<&State> {
        match self {
            Owner::Requests(state) => Some(state),
            Owner::Upgraded { .. } => None,
        }
    }
}

/// The time within which a peer that keeps a write waiting must take some bytes.
struct Window {
    end: Pin<Box<Sleep>>,
    taken: usize,
}

impl TimedStream<TcpStream> {
    /// Whether the runtime knows of nothing to read. It asks no system call, and registers no waker.
    pub(super) fn has_nothing_to_read(&self) -> bool {
        self.io.try_io(Interest::READABLE, || Ok(())).is_err()
    }
}

impl<I: Stream> TimedStream<I> {
    pub(super) fn new(io: I, state: Arc<State>) -> Self {
        TimedStream { io, owner: Owner::Requests(state), window: None }
    }

    /// The stream of a connection that is upgraded: it gives up the state that it had as one of requests.
    pub(super) fn upgraded(mut self) -> Self {
        if let Some(place) = self.owner.state().and_then(State::take_place) {
            self.owner = Owner::Upgraded { _place: place };
        }
        self
    }

    /// Judges the result of a write of `offered` bytes.
    fn judge(
        &mut self,
        cx: &mut Context<'_>,
        offered: usize,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Pending => {
                ready!(self.poll_window(cx));
                WRITE_TIMEOUTS.add(1);
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes too little")))
            }
            Poll::Ready(Ok(length)) if length < offered => {
                if let Some(window) = &mut self.window {
                    window.taken += length;
                    if let Some(state) = self.owner.state() {
                        state.took(length);
                    }
                }
                written
            }
            Poll::Ready(_) => {
                if let (Some(_), Some(state)) = (self.window.take(), self.owner.state()) {
                    state.unblock();
                }
                written
            }
        }
    }

    /// Is ready when the peer has taken too little in a whole window.
    fn poll_window(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let owner = &self.owner;
        let window = self.window.get_or_insert_with(|| {
            if let Some(state) = owner.state() {
                state.block();
            }
            Window { end: Box::pin(sleep(WINDOW)), taken: 0 }
        });
        loop {
            ready!(window.end.as_mut().poll(cx));
            if window.taken < LEAST {
                return Poll::Ready(());
            }
            window.taken = 0;
            window.end.as_mut().reset(sleep(WINDOW).deadline());
        }
    }
}

impl<I: Stream> AsyncRead for TimedStream<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        if buf.filled().len() > before
            && let Some(state) = self.owner.state()
        {
            state.received();
        }
        read
    }
}

impl<I: Stream> AsyncWrite for TimedStream<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.judge(cx, bytes.len(), written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let offered = slices.iter().map(|slice| slice.len()).sum();
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.judge(cx, offered, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl<I: Stream> Drop for TimedStream<I> {
    fn drop(&mut self) {
        if self.window.is_some() {
            self.io.reset_when_dropped();
        }
    }
}
