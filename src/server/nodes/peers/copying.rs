//! Copies bytes between a client and another node.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// One read takes this many bytes at most.
const SCRATCH: usize = 16 * 1024;

thread_local! {
    /// Bytes are here while they are written, so that a connection without traffic holds no buffer.
    static BYTES: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH]);
}

/// One direction.
#[derive(Debug, Default)]
struct OneWay {
    /// Bytes that were read and that the other side did not take yet, and how many of them it took.
    left: Vec<u8>,
    taken: usize,
    unflushed: bool,
    ended: bool,
}

/// Copies bytes both ways. What the client says last reaches the node, which may still answer; once the node has ended,
/// all of the connection has.
///
/// Not cancel-safe: bytes that were read may be lost.
pub(super) async fn copy<C, N>(client: &mut C, node: &mut N) -> io::Result<()>
where
    C: AsyncRead + AsyncWrite + Unpin,
    N: AsyncRead + AsyncWrite + Unpin,
{
    let (mut there, mut back) = (OneWay::default(), OneWay::default());
    poll_fn(|cx| {
        if let Poll::Ready(Err(error)) = there.poll(cx, client, node) {
            return Poll::Ready(Err(error));
        }
        back.poll(cx, node, client)
    })
    .await
}

impl OneWay {
    /// Copies until the end, which it passes on.
    fn poll<R, W>(&mut self, cx: &mut Context<'_>, from: &mut R, to: &mut W) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            while self.taken < self.left.len() {
                let taken = ready!(Pin::new(&mut *to).poll_write(cx, &self.left[self.taken..]))?;
                self.take(taken)?;
            }
            if self.ended {
                return Pin::new(&mut *to).poll_shutdown(cx);
            }
            (self.left, self.taken) = (Vec::new(), 0);
            match self.poll_once(cx, from, to) {
                Poll::Ready(copied) => copied?,
                Poll::Pending => {
                    if self.unflushed {
                        ready!(Pin::new(&mut *to).poll_flush(cx))?;
                        self.unflushed = false;
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    fn take(&mut self, bytes: usize) -> io::Result<()> {
        if bytes == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        (self.taken, self.unflushed) = (self.taken + bytes, true);
        Ok(())
    }

    /// Reads once, and writes as much of that as is taken at once.
    fn poll_once<R, W>(&mut self, cx: &mut Context<'_>, from: &mut R, to: &mut W) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        BYTES.with_borrow_mut(|scratch| {
            let mut read = ReadBuf::new(scratch);
            ready!(Pin::new(from).poll_read(cx, &mut read))?;
            let bytes = read.filled();
            if bytes.is_empty() {
                self.ended = true;
                return Poll::Ready(Ok(()));
            }
            let taken = match Pin::new(to).poll_write(cx, bytes)? {
                Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(taken) => taken,
                Poll::Pending => 0,
            };
            self.unflushed |= taken > 0;
            self.left = bytes[taken..].to_vec();
            Poll::Ready(Ok(()))
        })
    }
}
