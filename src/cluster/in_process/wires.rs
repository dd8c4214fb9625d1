//! Links between nodes of one process, which can be cut.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use futures::{future::BoxFuture, task::AtomicWaker};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf},
    sync::mpsc::UnboundedReceiver,
};

use crate::cluster::wires::{Accept, Wire};

/// The bytes that a link holds each way.
const HELD: usize = 64 * 1024;

/// One end of a link.
pub(super) struct Link {
    stream: DuplexStream,
    end: usize,
    cut: Arc<Cut>,
}

#[derive(Default)]
struct Cut {
    is_cut: AtomicBool,
    /// The reader and the writer of each end.
    waiting: [[AtomicWaker; 2]; 2],
}

/// Cuts a link when it is dropped.
pub(super) struct Cutter(Arc<Cut>);

impl Link {
    /// Both ends, and what cuts the link: either of the two.
    pub(super) fn pair() -> (Link, Link, [Cutter; 2]) {
        let cut = Arc::<Cut>::default();
        let (here, there) = tokio::io::duplex(HELD);
        let [here, there] = [(0, here), (1, there)].map(|(end, stream)| Link { stream, end, cut: cut.clone() });
        (here, there, [Cutter(cut.clone()), Cutter(cut)])
    }

    fn check(&self, way: usize, cx: &Context<'_>) -> io::Result<()> {
        self.cut.waiting[self.end][way].register(cx.waker());
        if self.cut.is_cut.load(Ordering::Acquire) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl Cutter {
    /// Both ends of the link are gone: only the cutters are left.
    pub(super) fn is_done(&self) -> bool {
        Arc::strong_count(&self.0) <= 2
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.0.is_cut.store(true, Ordering::Release);
        self.0.waiting.as_flattened().iter().for_each(AtomicWaker::wake);
    }
}

impl AsyncRead for Link {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check(0, cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Link {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check(1, cx)?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(1, cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(1, cx)?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The links that others make to a node.
pub(super) struct Links(pub(super) UnboundedReceiver<Link>);

impl Accept for Links {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Box<dyn Wire>>> {
        Box::pin(async {
            let link = self.0.recv().await.ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe))?;
            Ok(Box::new(link) as Box<dyn Wire>)
        })
    }
}
