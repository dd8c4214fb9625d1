//! A WebSocket (RFC 6455), both ways on one task: one read, one turn, one write.
//!
//! The framing is tungstenite's, fed from memory: the socket is read into a buffer that all connections of a
//! worker share, so that an idle connection holds none. A message that comes whole is read without it.

mod closing;
mod decode;
mod edges;
mod framing;
mod gather;
mod output;
mod running;
#[cfg(test)]
mod tests;
mod whole;

use std::{
    cell::RefCell,
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::Message as WsMessage;

use self::{
    decode::{Decoder, Ended, Unread},
    edges::Edges,
    framing::{Framing, Memory, Stop, close_frame},
    gather::{Gathered, gather},
    output::{Output, WriteStatus},
};
use super::{Link, batch::MOST_FRAMES, pace::Pace};
use crate::{
    codec::{Codec, Violation, websocket_frames::SocketBuffer},
    shared::{CloseReason, PullStatus, UnderWay, reason},
};

/// One read takes this many bytes at most.
const SCRATCH: usize = 64 * 1024;

/// Turns before other tasks of the worker get theirs.
const TURNS: usize = 4;

/// This many bytes of pongs may wait for a connection that takes nothing; then nothing more is read from it.
const PONGS: usize = 16 * 1024;

/// Fewer bytes that wait for the session or for the connection are not worth a lock.
const COUNT_GRAIN: usize = 4096;

/// A worker's output buffer is cut back to this when a large message had made it larger.
const KEEP: usize = 256 * 1024;

thread_local! {
    static INPUT: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH]);
    static OUTPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Why the first message did not come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoMessage {
    /// The connection broke, or the client closed it.
    Gone,
    /// Nothing came for too long, or too little in all.
    TooSlow,
    Violation(Violation),
    /// The part of it that came was refused.
    Refused(CloseReason),
}

/// The byte stream of an upgraded connection.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Unpin {
    /// Whether the other side gets all that was written, and learns of the end, when the stream is dropped without a
    /// shutdown.
    fn ends_when_dropped(&self) -> bool {
        false
    }

    /// Whether a task that waits for something to read still waits for it, as far as that can be told without the
    /// registration of a waker.
    fn has_nothing_to_read(&self) -> bool {
        false
    }
}

/// An upgraded connection with its framing. The fields come in the order in which a message to a room needs them, as its
/// sessions are not in the processor's caches.
#[repr(C)]
pub(crate) struct Socket<I> {
    io: I,
    /// The bytes that the connection did not take yet.
    out: Output,
    /// How many bytes of it are answers of the framing's own.
    pongs: usize,
    /// The number of frames that may come before other tasks of the worker get their turn.
    left: u32,
    /// The task is woken when there is something to read.
    awaits_input: bool,
    /// The framing has met a violation, behind which it can read nothing.
    unreadable: bool,
    /// The bytes of a message that is not complete yet.
    partial: usize,
    /// The guard that counts the bytes that wait here, once they are many.
    counted: Option<Box<UnderWay>>,
    /// Input that was read and is not decoded yet, because the session can take no more. While there is
    /// any, the connection is not read.
    unread: Option<Box<Unread>>,
    framing: Framing,
    edges: Edges,
}

impl<I: ByteStream> Socket<I> {
    /// Frames an upgraded connection, as the server. Messages larger than `limit` end it.
    pub(crate) fn new(io: I, limit: usize) -> Self {
        let (framing, out) = (Framing::new(limit), Output::default());
        Socket {
            io,
            out,
            pongs: 0,
            left: MOST_FRAMES,
            awaits_input: false,
            unreadable: false,
            partial: 0,
            counted: None,
            unread: None,
            framing,
            edges: Edges::default(),
        }
    }

    /// From now on messages larger than `limit` end the connection.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.framing.set_limit(limit);
    }

    /// Waits for the first message, which must be text. Returns it and what came behind it. `early` came
    /// before; the framing may hold more. The client may be silent for `allowance`, and its bytes must come at
    /// the least rate once that time has passed. `grow` is called with the number of bytes that have come, and
    /// may refuse them.
    ///
    /// Not cancel-safe: what was read is lost.
    pub(crate) async fn first(
        &mut self,
        early: Vec<u8>,
        allowance: Duration,
        mut grow: impl FnMut(usize) -> Result<(), CloseReason>,
    ) -> Result<(Bytes, Vec<u8>), NoMessage> {
        let mut pace = Pace::new(allowance);
        let mut chunk = early;
        let mut length = 0;
        loop {
            length += chunk.len();
            grow(length).map_err(NoMessage::Refused)?;
            let mut memory = Memory { input: &chunk, out: &mut self.out.bytes, edges: &mut self.edges };
            loop {
                return match self.framing.next(&mut memory) {
                    Ok(Some(WsMessage::Text(text))) => Ok((text.into(), memory.input.to_vec())),
                    Ok(Some(WsMessage::Ping(_) | WsMessage::Pong(_))) => {
                        length = memory.input.len();
                        continue;
                    }
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
        SocketBuffer::new(&mut self.out.bytes).text(&[text.as_bytes()]);
    }

    /// Gives the connection back behind its [first](Self::first) message, once what waits is written, unless it breaks.
    pub(crate) async fn into_inner(mut self) -> Result<I, NoMessage> {
        poll_fn(|cx| self.poll_write(cx)).await.map_err(|_| NoMessage::Gone)?;
        Ok(self.io)
    }

    fn poll_turns<C: Codec>(&mut self, cx: &mut Context<'_>, link: &mut Link, codec: &mut C) -> Poll<Ended> {
        let mut received = false;
        self.left = MOST_FRAMES;
        for _ in 0..TURNS {
            let waiting = self.out.len();
            let written = self.poll_write(cx);
            if self.out.len() < waiting {
                link.wrote();
            }
            self.count(link, codec);
            let status = match written {
                Poll::Ready(Ok(())) if received && link.awaits_turn(cx) => WriteStatus::All,
                Poll::Ready(Ok(())) => self.write(cx, link, codec),
                Poll::Ready(Err(ended)) => return Poll::Ready(ended),
                Poll::Pending => WriteStatus::Blocked,
            };
            if matches!(status, WriteStatus::Blocked) {
                // The frame that ends the link cannot be written.
                if let Some(reason) = link.ending(cx) {
                    if self.follow(link) {
                        continue;
                    }
                    return Poll::Ready(Ended::Ours(reason));
                }
                if self.pongs > PONGS {
                    return Poll::Pending;
                }
            }
            match status {
                WriteStatus::Over if self.follow(link) => continue,
                WriteStatus::Over => return Poll::Ready(Ended::Ours(reason::REPLACED)),
                WriteStatus::Last(reason) => return Poll::Ready(Ended::Ours(reason)),
                WriteStatus::All | WriteStatus::More | WriteStatus::Blocked => {}
            }
            match self.poll_input(cx, link, codec) {
                Poll::Ready(Ok(())) if self.left == 0 => break,
                Poll::Ready(Ok(())) => received = true,
                Poll::Ready(Err(ended)) => return Poll::Ready(ended),
                Poll::Pending if matches!(status, WriteStatus::More) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
        // A task that wakes itself would run again before the runtime looks what else can be read.
        let _ = pin!(tokio::task::yield_now()).poll(cx);
        Poll::Pending
    }

    /// Follows the client to another session. What waits here counts with that from now on.
    fn follow(&mut self, link: &mut Link) -> bool {
        let moved = link.follow();
        if moved {
            self.counted = None;
        }
        moved
    }

    /// Gathers what the session sends and writes it, once. If that is the last, our close frame is a part of it.
    fn write<C: Codec>(&mut self, cx: &mut Context<'_>, link: &Link, codec: &mut C) -> WriteStatus {
        OUTPUT.with_borrow_mut(|out| {
            out.clear();
            out.shrink_to(KEEP);
            let Gathered { pulled, close, shared } = gather(link, cx, codec, out);
            // Frames that many connections write come behind the bytes, and the close frame behind them.
            if let (Some(reason), None) = (&close, &shared) {
                let mut memory = Memory { input: &[], out, edges: &mut self.edges };
                self.framing.close(&mut memory, close_frame::<C>(reason.clone()));
            }
            let blocked = !self.out.write(&mut self.io, cx, out, shared);
            match (close, pulled) {
                (Some(reason), _) => WriteStatus::Last(reason),
                (None, PullStatus::Over) => WriteStatus::Over,
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
            return Poll::Ready(self.input(link, codec, unread.text, &unread.bytes, Some(&unread.bytes)));
        }
        // The session has woken the task, and its waker is known to the connection.
        if self.awaits_input && self.io.has_nothing_to_read() {
            return Poll::Pending;
        }
        INPUT.with_borrow_mut(|buffer| {
            let polled = read(&mut self.io, cx, buffer);
            self.awaits_input = polled.is_pending();
            let length = ready!(polled)?;
            Poll::Ready(self.input(link, codec, None, &buffer[..length], None))
        })
    }

    /// Hands over what one read gave, and keeps what the session cannot take yet, or what is more than one turn
    /// may bring. `text` is a text message of which the codec has read a part; `kept` is the chunk, if it was
    /// kept before.
    fn input<C: Codec>(
        &mut self,
        link: &Link,
        codec: &mut C,
        text: Option<Bytes>,
        chunk: &[u8],
        kept: Option<&Bytes>,
    ) -> Result<(), Ended> {
        let before = self.out.bytes.len();
        let memory = Memory { input: chunk, out: &mut self.out.bytes, edges: &mut self.edges };
        let mut decoder = Decoder::new(codec, &mut self.framing, text, memory);
        let (left, mut frames) = (self.left, 0);
        // A violation of the session's protocol ends the link, which sends the reason at the next turn.
        let stopped = link.input(|| {
            if frames == left {
                return Ok(None);
            }
            let frame = decoder.next_frame();
            frames += u32::from(!matches!(frame, Ok(None)));
            frame
        });
        self.left -= frames;
        if frames == 0 && left > 0 {
            link.read_part(chunk.len());
        }
        self.partial = decoder.partial(self.partial);
        let (rest, ended) = decoder.finish(kept);
        if (stopped == Ok(true) || (stopped == Ok(false) && self.left == 0)) && ended.is_none() {
            self.unread = Some(Box::new(rest));
        }
        self.pongs += self.out.bytes.len() - before;
        self.unreadable |= matches!(ended, Some(Ended::Ours(_)));
        ended.map_or(Ok(()), Err)
    }

    /// Counts what waits here as the session's, if it has changed by much.
    fn count<C: Codec>(&mut self, link: &Link, codec: &C) {
        let unread = self.unread.as_ref().map_or(0, |unread| unread.len());
        let bytes = self.partial + codec.partial() + unread + self.out.own();
        let before = self.counted.as_ref().map_or(0, |counted| counted.bytes());
        if bytes.abs_diff(before) < COUNT_GRAIN {
            return;
        }
        // The link tells too that the session has ended.
        let _ = self.counted.get_or_insert_with(|| Box::new(link.under_way())).set(bytes, usize::MAX);
        if bytes < COUNT_GRAIN {
            self.counted = None;
        }
    }

    fn poll_read<R>(&mut self, cx: &mut Context<'_>, take: impl FnOnce(&[u8]) -> R) -> Poll<Result<R, Ended>> {
        INPUT.with_borrow_mut(|buffer| {
            let length = ready!(read(&mut self.io, cx, buffer))?;
            Poll::Ready(Ok(take(&buffer[..length])))
        })
    }

    /// Writes what the connection did not take before.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        ready!(self.out.poll_write(&mut self.io, cx))?;
        self.pongs = 0;
        Poll::Ready(Ok(()))
    }
}

fn read<I: AsyncRead + Unpin>(io: &mut I, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, Ended>> {
    let mut buffer = ReadBuf::new(buffer);
    match ready!(Pin::new(io).poll_read(cx, &mut buffer)) {
        Ok(()) if !buffer.filled().is_empty() => Poll::Ready(Ok(buffer.filled().len())),
        _ => Poll::Ready(Err(Ended::Broken)),
    }
}
