//! A WebSocket (RFC 6455), both ways on one task: one read, one turn, one write.
//!
//! The framing is tungstenite's, fed from memory: the socket is read into a buffer that all connections of a worker share, so
//! that an idle connection holds none.

mod framing;
mod gather;

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
    framing::{Memory, Stop, next},
    gather::Gather,
};
use super::Link;
use crate::{
    codec::native::{self, Reader, Spelling, Writer},
    message::truncate,
    shared::{CloseReason, Frame, PullStatus, reason},
};

pub(crate) use self::framing::Ended;

/// What one read takes at most.
const SCRATCH: usize = 64 * 1024;

/// Turns before other tasks of the worker get theirs.
const TURNS: usize = 16;

/// How long we wait for the other side's close frame before the connection is dropped.
const FAREWELL: Duration = Duration::from_secs(2);

/// So many bytes of pongs may wait for a connection that takes nothing; then nothing more is read from it.
const PONGS: usize = 16 * 1024;

/// A worker's output buffer is cut back to this when a large message had made it larger.
const KEEP: usize = 256 * 1024;

/// A close frame has room for so many bytes of text.
const CLOSE_TEXT: usize = 123;

thread_local! {
    static INPUT: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH]);
    static OUTPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// An upgraded connection with its framing.
pub(crate) struct Socket<I> {
    io: I,
    framing: WebSocketContext,
    /// What the connection would not take yet.
    out: Vec<u8>,
    written: usize,
    /// How much of it are answers of the framing's own.
    pongs: usize,
}

impl<I: AsyncRead + AsyncWrite + Unpin> Socket<I> {
    /// Frames an upgraded connection, as the server. Messages larger than `limit` end it.
    pub(crate) fn new(io: I, limit: usize) -> Self {
        Socket { io, framing: framing::server(limit), out: Vec::new(), written: 0, pongs: 0 }
    }

    /// Waits for the first message, which must be text. Returns it and what came behind it.
    ///
    /// Not cancel-safe: what was read is lost.
    pub(crate) async fn first(&mut self) -> Result<(Bytes, Vec<u8>), Ended> {
        poll_fn(|cx| {
            loop {
                // Who pings and does not read is not read either.
                ready!(self.poll_write(cx))?;
                let chunk = ready!(self.poll_read(cx, <[u8]>::to_vec))?;
                let mut memory = Memory { input: &chunk, out: &mut self.out };
                loop {
                    match next(&mut self.framing, &mut memory) {
                        Ok(Some(WsMessage::Text(text))) => {
                            return Poll::Ready(Ok((text.into(), memory.input.to_vec())));
                        }
                        Ok(Some(WsMessage::Ping(_) | WsMessage::Pong(_))) => {}
                        Ok(Some(_)) => return Poll::Ready(Err(Ended::Ours(reason::MALFORMED))),
                        Ok(None) => break,
                        Err(Stop::Said(_)) => return Poll::Ready(Err(Ended::Theirs)),
                        Err(Stop::Ended(ended)) => return Poll::Ready(Err(ended)),
                    }
                }
            }
        })
        .await
    }

    /// Carries the session until the connection or the link ends. `reader` has read the head of the first message, `rest` is what
    /// stood behind the head, `early` what came behind the message.
    pub(crate) async fn run(mut self, link: Link, mut reader: Reader, rest: Bytes, early: Vec<u8>) {
        let mut writer = Writer::new(Spelling::WebSocket);
        let mut early = Some((rest, early));
        let mut first = true;
        let ended = poll_fn(|cx| {
            if let Some((rest, early)) = early.take()
                && let Err(ended) = self.input(&link, &mut reader, rest, &early)
            {
                return Poll::Ready(ended);
            }
            // The handler's first words, and its answer to the first flight, ride on the first write.
            if first && (!link.has_turned(cx) || link.awaits_turn(cx)) {
                return Poll::Pending;
            }
            first = false;
            self.poll_turns(cx, &link, &mut reader, &mut writer)
        })
        .await;
        drop(link);
        match ended {
            Ended::Broken => {}
            // Boxed: an open link need not carry the room for its end.
            Ended::Theirs => Box::pin(self.farewell(false)).await,
            Ended::Ours(reason) => Box::pin(self.close(reason)).await,
        }
    }

    /// Says why, and lets the other side read it.
    pub(crate) async fn close(mut self, reason: CloseReason) {
        let frame = CloseFrame { code: reason.code.into(), reason: truncate(&reason.text, CLOSE_TEXT).into() };
        let mut memory = Memory { input: &[], out: &mut self.out };
        // It fails only if a close frame has gone out before.
        let _ = self.framing.close(&mut memory, Some(frame));
        self.farewell(true).await;
    }

    /// Writes what is left and, if the other side has not closed yet, waits a moment until it has: a connection that is dropped with
    /// unread input may take what was written last with it.
    async fn farewell(mut self, wait: bool) {
        let closed = poll_fn(|cx| {
            let mut memory = Memory { input: &[], out: &mut self.out };
            let _ = self.framing.flush(&mut memory);
            loop {
                if ready!(self.poll_write(cx)).is_err() || !wait {
                    return Poll::Ready(());
                }
                let done = match ready!(self.poll_read(cx, <[u8]>::to_vec)) {
                    Err(_) => true,
                    Ok(chunk) => {
                        let mut memory = Memory { input: &chunk, out: &mut self.out };
                        loop {
                            match next(&mut self.framing, &mut memory) {
                                Ok(Some(_)) => {}
                                Ok(None) => break false,
                                Err(_) => break true,
                            }
                        }
                    }
                };
                if done {
                    return Poll::Ready(());
                }
            }
        });
        let _ = tokio::time::timeout(FAREWELL, closed).await;
        let _ = poll_fn(|cx| Pin::new(&mut self.io).poll_shutdown(cx)).await;
    }

    fn poll_turns(
        &mut self,
        cx: &mut Context<'_>,
        link: &Link,
        reader: &mut Reader,
        writer: &mut Writer,
    ) -> Poll<Ended> {
        let mut brought = false;
        for _ in 0..TURNS {
            let said = match self.poll_write(cx) {
                Poll::Ready(Ok(())) if brought && link.awaits_turn(cx) => WriteStatus::All,
                Poll::Ready(Ok(())) => self.say(cx, link, writer),
                Poll::Ready(Err(ended)) => return Poll::Ready(ended),
                Poll::Pending => WriteStatus::Blocked,
            };
            if matches!(said, WriteStatus::Blocked) {
                // What it has to say at the end could not be said.
                if let Some(reason) = link.ending(cx) {
                    return Poll::Ready(Ended::Ours(reason));
                }
                if self.pongs > PONGS {
                    return Poll::Pending;
                }
            }
            if let WriteStatus::Last(reason) = said {
                return Poll::Ready(Ended::Ours(reason));
            }
            match self.poll_input(cx, link, reader) {
                Poll::Ready(Ok(())) => brought = true,
                Poll::Ready(Err(ended)) => return Poll::Ready(ended),
                Poll::Pending if matches!(said, WriteStatus::More) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Gathers what the session has to say and writes it, once.
    fn say(&mut self, cx: &mut Context<'_>, link: &Link, writer: &mut Writer) -> WriteStatus {
        OUTPUT.with_borrow_mut(|out| {
            out.clear();
            out.shrink_to(KEEP);
            let mut gather = Gather::new(writer, out);
            let pulled = link.pull(cx, |saying| gather.take(saying));
            let last = gather.finish();
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
            match pulled {
                PullStatus::Over => WriteStatus::Last(last.unwrap_or(reason::REPLACED)),
                _ if blocked => WriteStatus::Blocked,
                PullStatus::More => WriteStatus::More,
                PullStatus::Drained => WriteStatus::All,
            }
        })
    }

    fn poll_input(&mut self, cx: &mut Context<'_>, link: &Link, reader: &mut Reader) -> Poll<Result<(), Ended>> {
        INPUT.with_borrow_mut(|buffer| {
            let length = ready!(read(&mut self.io, cx, buffer))?;
            Poll::Ready(self.input(link, reader, Bytes::new(), &buffer[..length]))
        })
    }

    /// Hands over everything that one read gave, under one lock.
    fn input(&mut self, link: &Link, reader: &mut Reader, mut text: Bytes, chunk: &[u8]) -> Result<(), Ended> {
        let framing = &mut self.framing;
        let before = self.out.len();
        let mut memory = Memory { input: chunk, out: &mut self.out };
        let mut ended = None;
        let mut pinged = false;
        // A violation has ended the link: it says so at the next turn.
        let _ = link.input(|| {
            while ended.is_none() {
                match reader.read(&mut text)? {
                    Some(native::Record::Frame(frame)) => return Ok(Some(frame)),
                    Some(native::Record::Head(_)) => return Err(reason::UNEXPECTED),
                    None => {}
                }
                match next(framing, &mut memory) {
                    Ok(Some(WsMessage::Text(message))) => text = message.into(),
                    Ok(Some(WsMessage::Binary(payload))) => return Ok(Some(reader.binary(payload)?)),
                    Ok(Some(_)) => pinged = true,
                    Ok(None) => break,
                    Err(Stop::Ended(why)) => ended = Some(why),
                    Err(Stop::Said(reason)) => {
                        ended = Some(Ended::Theirs);
                        return Ok(Some(Frame::LinkClose(reason)));
                    }
                }
            }
            Ok(None)
        });
        if pinged {
            let _ = framing.flush(&mut memory);
        }
        self.pongs += self.out.len() - before;
        ended.map_or(Ok(()), Err)
    }

    fn poll_read<R>(&mut self, cx: &mut Context<'_>, take: impl FnOnce(&[u8]) -> R) -> Poll<Result<R, Ended>> {
        INPUT.with_borrow_mut(|buffer| {
            let length = ready!(read(&mut self.io, cx, buffer))?;
            Poll::Ready(Ok(take(&buffer[..length])))
        })
    }

    /// Writes what the connection would not take before.
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

/// What came of asking the session what to say.
enum WriteStatus {
    /// All there was.
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
