//! The end of a WebSocket: our close frame, and the client's.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Poll, ready},
    time::Duration,
};

use super::{
    ByteStream, Socket,
    framing::{Memory, close_frame},
};
use crate::{codec::Codec, shared::CloseReason};

/// How long we wait for the other side's close frame before the connection is dropped.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

impl<I: ByteStream> Socket<I> {
    /// Sends a close frame and lets the client read it.
    pub(crate) async fn close<C: Codec>(mut self, reason: CloseReason) {
        let mut memory = Memory { input: &[], out: &mut self.out.bytes, edges: &mut self.edges };
        self.framing.close(&mut memory, close_frame::<C>(reason));
        self.finish(true).await;
    }

    /// Writes what is left and, if the client has not closed yet, waits a moment until it has: a connection
    /// that is dropped with unread input may lose what was written last. Where the client's close frame cannot
    /// be read, because it follows a violation, the end of our direction lets it close at once.
    pub(super) async fn finish(mut self, wait: bool) {
        let closed = poll_fn(|cx| {
            let mut memory = Memory { input: &[], out: &mut self.out.bytes, edges: &mut self.edges };
            self.framing.flush(&mut memory);
            loop {
                if ready!(self.poll_write(cx)).is_err() || !wait {
                    return Poll::Ready(());
                }
                if self.unreadable {
                    let _ = ready!(Pin::new(&mut self.io).poll_shutdown(cx));
                }
                let Ok(chunk) = ready!(self.poll_read(cx, <[u8]>::to_vec)) else { return Poll::Ready(()) };
                if self.unreadable {
                    continue;
                }
                let mut memory = Memory { input: &chunk, out: &mut self.out.bytes, edges: &mut self.edges };
                loop {
                    match self.framing.next(&mut memory) {
                        Ok(Some(_)) => {}
                        Ok(None) => break,
                        Err(_) => return Poll::Ready(()),
                    }
                }
            }
        });
        let _ = tokio::time::timeout(CLOSE_WAIT, closed).await;
        if !self.io.ends_when_dropped() {
            let _ = poll_fn(|cx| Pin::new(&mut self.io).poll_shutdown(cx)).await;
        }
    }
}
