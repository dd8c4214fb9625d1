//! A WebSocket (RFC 6455), both ways on one task: one read, one turn, one write.
//!
//! The framing is tungstenite's, fed from memory: the socket is read into a buffer that all connections of a
//! worker share, so that an idle connection holds none.

mod decode;
mod framing;
mod gather;
#[cfg(test)]
mod tests;

use std::{
    cell::RefCell,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::{
    Message as WsMessage,
    protocol::{CloseFrame, WebSocketContext},
};

use self::{
    decode::{Decoder, Ended, Largest, Unread},
    framing::{Memory, Stop, next},
    gather::gather,
};
use super::{Link, pace::Pace};
use crate::{
    codec::{Codec, Violation},
    message::truncate,
    shared::{CloseReason, PullStatus, reason},
};

/// One read takes this many bytes at most.
const SCRATCH: usize = 64 * 1024;

/// Turns before other tasks of the worker get theirs.
const TURNS: usize = 16;

/// How long we wait for the other side's close frame before the connection is dropped.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// This many bytes of pongs may wait for a connection that takes nothing; then nothing more is read from it.
const PONGS: usize = 16 * 1024;

/// A worker's output buffer is cut back to this when a large message had made it larger.
const KEEP: usize = 256 * 1024;

/// A close frame has room for this many bytes of text.
const CLOSE_TEXT: usize = 123;

thread_local! {
    static INPUT: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH]);
    static OUTPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Why the first message did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoMessage {
    /// The connection broke, or the client closed it.
    Gone,
    /// Nothing came for too long, or too little in all.
    TooSlow,
    Violation(Violation),
}

/// An upgraded connection with its framing.
pub(crate) struct Socket<I> {
    io: I,
    framing: WebSocketContext,
    /// Bytes that the connection did not take yet.
    out: Vec<u8>,
    written: usize,
    /// How many of them are answers of the framing's own.
    pongs: usize,
    largest: Largest,
    /// Input that was read and is not decoded yet, because the session can take no more. While there is
    /// any, the connection is not read.
    unread: Option<Box<Unread>>,
    /// The framing has met a violation, behind which it can read nothing.
    unreadable: bool,
}

impl<I: AsyncRead + AsyncWrite + Unpin> Socket<I> {
    /// Frames an upgraded connection, as the server. Messages larger than `limit` end it.
    pub(crate) fn new(io: I, limit: usize) -> Self {
        Socket {
            io,
            framing: framing::server(limit),
            out: Vec::new(),
            written: 0,
            pongs: 0,
            largest: Largest::default(),
            unread: None,
            unreadable: false,
        }
    }

    /// Waits for the first message, which must be text. Returns it and what came behind it. `early` came
    /// before; the framing may hold more. The client may be silent for `allowance`, and its bytes must come at
    /// the least rate once that time has passed.
    ///
    /// Not cancel-safe: what was read is lost.
    pub(crate) async fn first(&mut self, early: Vec<u8>, allowance: Duration) -> Result<(Bytes, Vec<u8>), NoMessage> {
        let mut pace = Pace::new(allowance);
        let mut chunk = early;
        loop {
            let mut memory = Memory { input: &chunk, out: &mut self.out };
            loop {
                return match next(&mut self.framing, &mut memory) {
                    Ok(Some(WsMessage::Text(text))) => Ok((text.into(), memory.input.to_vec())),
                    Ok(Some(WsMessage::Ping(_) | WsMessage::Pong(_))) => continue,
                    Ok(Some(_)) => Err(NoMessage::Violation(Violation::WrongKind)),
                    Ok(None) => break,
                    Err(Stop::Closed(_) | Stop::Broken) => Err(NoMessage::Gone),
                    Err(Stop::Violation(violation)) => {
                        self.unreadable = true;
                        Err(NoMessage::Violation(violation))
                    }
                };
            }
            let read = poll_fn(|cx| {
                // Stop reading from a client that floods pings and does not read our pongs.
                ready!(self.poll_write(cx))?;
                self.poll_read(cx, <[u8]>::to_vec)
            });
            chunk = pace.next(read).await.map_err(|_| NoMessage::TooSlow)?.map_err(|_| NoMessage::Gone)?;
            pace.received(chunk.len());
        }
    }

    /// Puts a text message behind what is to be written. The next read writes it.
    pub(crate) fn put_text(&mut self, text: &str) {
        let mut memory = Memory { input: &[], out: &mut self.out };
        // It fails only if a close frame has gone out before.
        let _ = self.framing.write(&mut memory, WsMessage::text(text));
    }

    /// Carries the session until the connection or the link ends. Where the first message was read before,
    /// `rest` is what the codec has left of it, and `early` came behind it.
    ///
    /// The future is not that of an `async fn`, which would hold its arguments twice.
    pub(crate) fn run<C: Codec>(
        mut self,
        link: Link,
        mut codec: C,
        rest: Option<Bytes>,
        early: Vec<u8>,
    ) -> impl Future<Output = ()> {
        let mut early = Some(Unread { text: rest, bytes: early });
        let mut first = true;
        async move {
            let ended = poll_fn(|cx| {
                if let Some(Unread { text, bytes }) = early.take()
                    && let Err(ended) = self.input(&link, &mut codec, text, &bytes)
                {
                    return Poll::Ready(ended);
                }
                // The first messages of the handler, and its answers to the first flight, share the first
                // write.
                if first && (!link.has_turned(cx) || link.awaits_turn(cx)) {
                    return Poll::Pending;
                }
                first = false;
                self.poll_turns(cx, &link, &mut codec)
            })
            .await;
            drop(link);
            match ended {
                Ended::Broken => {}
                // Boxed: an open link need not carry the room for its end.
                Ended::Theirs => Box::pin(self.finish(false)).await,
                Ended::Ours(reason) => Box::pin(self.close::<C>(reason)).await,
            }
        }
    }

    /// Sends a close frame and lets the client read it.
    pub(crate) async fn close<C: Codec>(mut self, reason: CloseReason) {
        let CloseReason { code, text } = C::close_reason(reason);
        let frame = CloseFrame { code: code.into(), reason: truncate(&text, CLOSE_TEXT).into() };
        let mut memory = Memory { input: &[], out: &mut self.out };
        // It fails only if a close frame has gone out before.
        let _ = self.framing.close(&mut memory, Some(frame));
        self.finish(true).await;
    }

    /// Writes what is left and, if the client has not closed yet, waits a moment until it has: a connection
    /// that is dropped with unread input may lose what was written last. Where the client's close frame cannot
    /// be read, because it follows a violation, the end of our direction lets it close at once.
    async fn finish(mut self, wait: bool) {
        let closed = poll_fn(|cx| {
            let mut memory = Memory { input: &[], out: &mut self.out };
            let _ = self.framing.flush(&mut memory);
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
                let mut memory = Memory { input: &chunk, out: &mut self.out };
                loop {
                    match next(&mut self.framing, &mut memory) {
                        Ok(Some(_)) => {}
                        Ok(None) => break,
                        Err(_) => return Poll::Ready(()),
                    }
                }
            }
        });
        let _ = tokio::time::timeout(CLOSE_WAIT, closed).await;
        let _ = poll_fn(|cx| Pin::new(&mut self.io).poll_shutdown(cx)).await;
    }

    fn poll_turns<C: Codec>(&mut self, cx: &mut Context<'_>, link: &Link, codec: &mut C) -> Poll<Ended> {
        let mut received = false;
        for _ in 0..TURNS {
            let waiting = self.out.len() - self.written;
            let written = self.poll_write(cx);
            if self.out.len() - self.written < waiting {
                link.wrote();
            }
            let status = match written {
                Poll::Ready(Ok(())) if received && link.awaits_turn(cx) => WriteStatus::All,
                Poll::Ready(Ok(())) => self.write(cx, link, codec),
                Poll::Ready(Err(ended)) => return Poll::Ready(ended),
                Poll::Pending => WriteStatus::Blocked,
            };
            if matches!(status, WriteStatus::Blocked) {
                // The frame that ends the link cannot be written.
                if let Some(reason) = link.ending(cx) {
                    return Poll::Ready(Ended::Ours(reason));
                }
                if self.pongs > PONGS {
                    return Poll::Pending;
                }
            }
            if let WriteStatus::Last(reason) = status {
                return Poll::Ready(Ended::Ours(reason));
            }
            match self.poll_input(cx, link, codec) {
                Poll::Ready(Ok(())) => received = true,
                Poll::Ready(Err(ended)) => return Poll::Ready(ended),
                Poll::Pending if matches!(status, WriteStatus::More) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Gathers what the session sends and writes it, once.
    fn write<C: Codec>(&mut self, cx: &mut Context<'_>, link: &Link, codec: &mut C) -> WriteStatus {
        OUTPUT.with_borrow_mut(|out| {
            out.clear();
            out.shrink_to(KEEP);
            let (pulled, close) = gather(link, cx, codec, out);
            let mut written = 0;
            let blocked = loop {
                if written == out.len() {
                    break false;
                }
                match Pin::new(&mut self.io).poll_write(cx, &out[written..]) {
                    Poll::Ready(Ok(length)) if length > 0 => written += length,
                    // An error comes again when the rest is written.
                    _ => break true,
                }
            };
            if blocked {
                self.out.extend_from_slice(&out[written..]);
            }
            match (close, pulled) {
                (Some(reason), _) => WriteStatus::Last(reason),
                (None, PullStatus::Over) => WriteStatus::Last(reason::REPLACED),
                (None, _) if blocked => WriteStatus::Blocked,
                (None, PullStatus::More) => WriteStatus::More,
                (None, PullStatus::Drained) => WriteStatus::All,
            }
        })
    }

    fn poll_input<C: Codec>(&mut self, cx: &mut Context<'_>, link: &Link, codec: &mut C) -> Poll<Result<(), Ended>> {
        if self.unread.is_some() && link.reading_stops(cx) {
            return Poll::Pending;
        }
        if let Some(unread) = self.unread.take() {
            return Poll::Ready(self.input(link, codec, unread.text, &unread.bytes));
        }
        INPUT.with_borrow_mut(|buffer| {
            let length = ready!(read(&mut self.io, cx, buffer))?;
            Poll::Ready(self.input(link, codec, None, &buffer[..length]))
        })
    }

    /// Hands over everything that one read gave, or keeps what the session cannot take yet. `text` is a text
    /// message of which the codec has read a part.
    fn input<C: Codec>(&mut self, link: &Link, codec: &mut C, text: Option<Bytes>, chunk: &[u8]) -> Result<(), Ended> {
        let before = self.out.len();
        let mut decoder = Decoder::new(codec, &mut self.framing, &mut self.largest, text, chunk, &mut self.out);
        let mut frames = false;
        // A violation of the session's protocol ends the link, which sends the reason at the next turn.
        let stopped = link.input(|| {
            let frame = decoder.next_frame();
            frames |= !matches!(frame, Ok(None));
            frame
        });
        if !frames {
            link.read_part(chunk.len());
        }
        let (rest, ended) = decoder.finish();
        if stopped == Ok(true) && ended.is_none() {
            self.unread = Some(Box::new(rest));
        }
        self.pongs += self.out.len() - before;
        self.unreadable |= matches!(ended, Some(Ended::Ours(_)));
        ended.map_or(Ok(()), Err)
    }

    fn poll_read<R>(&mut self, cx: &mut Context<'_>, take: impl FnOnce(&[u8]) -> R) -> Poll<Result<R, Ended>> {
        INPUT.with_borrow_mut(|buffer| {
            let length = ready!(read(&mut self.io, cx, buffer))?;
            Poll::Ready(Ok(take(&buffer[..length])))
        })
    }

    /// Writes what the connection did not take before.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        while self.written < self.out.len() {
            match ready!(Pin::new(&mut self.io).poll_write(cx, &self.out[self.written..])) {
                Ok(length) if length > 0 => self.written += length,
                _ => return Poll::Ready(Err(Ended::Broken)),
            }
        }
        if !self.out.is_empty() {
            self.out = Vec::new();
            (self.written, self.pongs) = (0, 0);
        }
        Poll::Ready(Ok(()))
    }
}

/// The result of one write of what the session sends.
enum WriteStatus {
    /// All was written.
    All,
    /// There is more.
    More,
    /// The connection takes no more now.
    Blocked,
    /// The link is over.
    Last(CloseReason),
}

fn read<I: AsyncRead + Unpin>(io: &mut I, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, Ended>> {
    let mut buffer = ReadBuf::new(buffer);
    match ready!(Pin::new(io).poll_read(cx, &mut buffer)) {
        Ok(()) if !buffer.filled().is_empty() => Poll::Ready(Ok(buffer.filled().len())),
        _ => Poll::Ready(Err(Ended::Broken)),
    }
}
