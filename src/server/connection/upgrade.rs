//! A connection that becomes a WebSocket. The task that has served its requests goes on with it.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll},
};

use axum::{body::Bytes, http::request::Parts};
use hyper::upgrade::{self, OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::{
    state::{Run, State, Steps},
    writes::TimedStream,
};
use crate::transport::ByteStream;

/// Reaches the task that serves the connection of a request. It keeps nothing of the connection.
#[derive(Clone, Debug)]
pub(super) struct Task(Weak<State>);

impl Task {
    pub(super) fn of(state: &Arc<State>) -> Self {
        Task(Arc::downgrade(state))
    }
}

/// The promise of a request's connection.
pub(crate) struct Upgrade {
    connection: OnUpgrade,
    task: Option<Task>,
}

impl Upgrade {
    /// Takes the promise out of a request. `None` if its connection cannot become a WebSocket.
    pub(crate) fn take(parts: &mut Parts) -> Option<Self> {
        let task = parts.extensions.remove::<Task>();
        Some(Upgrade { connection: parts.extensions.remove::<OnUpgrade>()?, task })
    }

    /// Goes on with the connection once the answer is written: in its own task where [`serve`](crate::serve) has it, and in
    /// a new one otherwise. Its two steps have boxes of their own, so that an open WebSocket keeps nothing of its beginning.
    #[expect(clippy::disallowed_methods, reason = "the one task of a WebSocket link that has none yet")]
    pub(crate) fn begin<F>(self, begin: impl FnOnce(OnUpgrade) -> F)
    where
        F: Future<Output = Option<Run>> + Send + 'static,
    {
        let begun = Box::pin(begin(self.connection));
        match self.task {
            Some(Task(state)) => {
                // Without its connection nothing is left to begin.
                if let Some(state) = state.upgrade() {
                    state.set_next(begun);
                }
            }
            None => drop(tokio::spawn(Steps::Begun(begun))),
        }
    }
}

/// The byte stream of an upgraded connection.
pub(crate) enum UpgradedStream {
    /// It is one of [`serve`](crate::serve), which nothing stands between.
    Own {
        io: TimedStream<TcpStream>,
        early: Option<Box<Bytes>>,
    },
    Other(TokioIo<Upgraded>),
}

impl UpgradedStream {
    /// Waits until the connection is upgraded. `None` if it ends before.
    pub(crate) async fn of(upgrade: OnUpgrade) -> Option<Self> {
        upgrade.await.ok().map(Self::from)
    }
}

impl From<Upgraded> for UpgradedStream {
    fn from(upgraded: Upgraded) -> Self {
        match upgraded.downcast::<TokioIo<TimedStream<TcpStream>>>() {
            Ok(upgrade::Parts { io, read_buf, .. }) => {
                let early = (!read_buf.is_empty()).then(|| Box::new(read_buf));
                UpgradedStream::Own { io: io.into_inner().upgraded(), early }
            }
            Err(other) => UpgradedStream::Other(TokioIo::new(other)),
        }
    }
}

impl ByteStream for UpgradedStream {
    fn ends_when_dropped(&self) -> bool {
        // The system sends all that was written, and the end. TLS and HTTP/2 need a word of their own.
        matches!(self, UpgradedStream::Own { .. })
    }

    fn has_nothing_to_read(&self) -> bool {
        matches!(self, UpgradedStream::Own { io, early: None } if io.has_nothing_to_read())
    }
}

impl AsyncRead for UpgradedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            UpgradedStream::Own { io, early: None } => Pin::new(io).poll_read(cx, buf),
            UpgradedStream::Own { early: slot @ Some(_), .. } => {
                if let Some(early) = slot {
                    buf.put_slice(&early.split_to(early.len().min(buf.remaining())));
                }
                *slot = slot.take().filter(|early| !early.is_empty());
                Poll::Ready(Ok(()))
            }
            UpgradedStream::Other(io) => Pin::new(io).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for UpgradedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            UpgradedStream::Own { io, .. } => Pin::new(io).poll_write(cx, bytes),
            UpgradedStream::Other(io) => Pin::new(io).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            UpgradedStream::Own { io, .. } => Pin::new(io).poll_write_vectored(cx, slices),
            UpgradedStream::Other(io) => Pin::new(io).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            UpgradedStream::Own { io, .. } => io.is_write_vectored(),
            UpgradedStream::Other(io) => io.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            UpgradedStream::Own { io, .. } => Pin::new(io).poll_flush(cx),
            UpgradedStream::Other(io) => Pin::new(io).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            UpgradedStream::Own { io, .. } => Pin::new(io).poll_shutdown(cx),
            UpgradedStream::Other(io) => Pin::new(io).poll_shutdown(cx),
        }
    }
}
