//! Frames over a socket of UNIX: what comes, and what waits to be written.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::pin,
    sync::Mutex,
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::unix::{OwnedReadHalf, OwnedWriteHalf},
    sync::Notify,
};

use super::frames::{LENGTH, MOST_FRAME};
use crate::sync::lock;

/// The room for one read.
const ROOM: usize = 64 * 1024;

/// The frames of one write.
const SLICES: usize = 64;

/// The memory that a waiting frame takes besides its bytes.
const OVERHEAD: usize = 64;

/// The frames that come.
pub(super) struct Inlet {
    read: OwnedReadHalf,
    buffer: BytesMut,
}

impl Inlet {
    pub(super) fn new(read: OwnedReadHalf) -> Self {
        Inlet { read, buffer: BytesMut::new() }
    }

    /// The next frame, without its length. Cancel-safe.
    pub(super) async fn next(&mut self) -> io::Result<Bytes> {
        loop {
            if let Some(length) = self.buffer.first_chunk::<LENGTH>() {
                let length = u32::from_be_bytes(*length) as usize;
                if length > MOST_FRAME {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is longer than any"));
                }
                if self.buffer.len() - LENGTH >= length {
                    self.buffer.advance(LENGTH);
                    return Ok(self.buffer.split_to(length).freeze());
                }
            }
            // The length that a frame gives is believed as far as its bytes come.
            self.buffer.reserve(ROOM);
            if self.read.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the other side has closed the connection"));
            }
        }
    }
}

/// The frames that wait to be written, up to a bound.
pub(super) struct Outlet {
    most: usize,
    queue: Mutex<Queue>,
    changed: Notify,
    /// Frames were written, or it was closed.
    progress: Notify,
}

#[derive(Default)]
struct Queue {
    frames: VecDeque<Bytes>,
    /// The bytes that wait, those under way included.
    bytes: usize,
    /// All frames so far, and those of them that were written.
    pushed: u64,
    written: u64,
    /// The other side has taken nothing for so long that nobody waits for it.
    lazy: bool,
    closed: bool,
}

/// The outcome of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    Waits,
    /// The connection is over.
    Closed,
    /// There is too much already. The connection ends, since it would have a hole.
    Full,
}

impl Outlet {
    pub(super) fn new(most: usize) -> Self {
        Outlet { most, queue: Mutex::default(), changed: Notify::new(), progress: Notify::new() }
    }

    /// Puts a frame behind the others. Never waits.
    pub(super) fn push(&self, frame: Bytes) -> Pushed {
        let mut queue = lock(&self.queue);
        if queue.closed {
            return Pushed::Closed;
        }
        let bytes = queue.bytes + frame.len() + OVERHEAD;
        // One frame alone may be longer than the bound.
        let is_full = queue.bytes > 0 && bytes > self.most;
        if is_full {
            drop(queue);
            self.close();
            return Pushed::Full;
        }
        queue.frames.push_back(frame);
        queue.bytes = bytes;
        queue.pushed += 1;
        drop(queue);
        self.changed.notify_one();
        Pushed::Waits
    }

    /// Nobody waits any more until this frame is written, unless something is.
    pub(super) fn wait_no_longer(&self, number: u64) {
        let mut queue = lock(&self.queue);
        queue.lazy |= queue.written < number;
    }

    /// Whether so much waits that those who publish should wait too.
    pub(super) fn is_pressed(&self) -> bool {
        lock(&self.queue).bytes > self.most / 2
    }

    /// Ends the connection, with what waits.
    pub(super) fn close(&self) {
        *lock(&self.queue) = Queue { closed: true, ..Queue::default() };
        self.changed.notify_one();
        self.progress.notify_waiters();
    }

    /// The number of the last frame.
    pub(super) fn last(&self) -> u64 {
        lock(&self.queue).pushed
    }

    /// Waits until the frame with this number is in the other side's hands, or will never be. The system keeps it then, also
    /// if this process dies. Cancel-safe.
    pub(super) async fn has_written(&self, number: u64) {
        loop {
            let mut progress = pin!(self.progress.notified());
            progress.as_mut().enable();
            {
                let queue = lock(&self.queue);
                if queue.closed || queue.lazy || queue.written >= number {
                    return;
                }
            }
            progress.await;
        }
    }

    /// Writes what comes, until it is closed or the connection fails.
    pub(super) async fn run(&self, write: &mut OwnedWriteHalf) -> io::Error {
        let mut frames = VecDeque::new();
        loop {
            loop {
                {
                    let mut queue = lock(&self.queue);
                    if queue.closed {
                        return io::Error::new(io::ErrorKind::BrokenPipe, "too much waits for the other side");
                    }
                    if !queue.frames.is_empty() {
                        std::mem::swap(&mut queue.frames, &mut frames);
                        break;
                    }
                }
                self.changed.notified().await;
            }
            if let Err(error) = self.write(write, &mut frames).await {
                return error;
            }
        }
    }

    async fn write(&self, write: &mut OwnedWriteHalf, frames: &mut VecDeque<Bytes>) -> io::Result<()> {
        while !frames.is_empty() {
            let slices: Vec<IoSlice<'_>> = frames.iter().take(SLICES).map(|frame| IoSlice::new(frame)).collect();
            // The other side may be cut off while this waits.
            let mut written = tokio::select! {
                written = write.write_vectored(&slices) => written?,
                () = self.closed() => return Err(io::ErrorKind::BrokenPipe.into()),
            };
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            let (mut done, mut count) = (written, 0);
            while let Some(frame) = frames.front_mut() {
                if frame.len() > written {
                    frame.advance(written);
                    break;
                }
                written -= frame.len();
                done += OVERHEAD;
                count += 1;
                frames.pop_front();
            }
            {
                let mut queue = lock(&self.queue);
                queue.bytes = queue.bytes.saturating_sub(done);
                queue.written += count;
                queue.lazy = false;
            }
            self.progress.notify_waiters();
        }
        Ok(())
    }

    async fn closed(&self) {
        while !lock(&self.queue).closed {
            self.changed.notified().await;
        }
        // The permit may have been that of a frame, which the next look finds anyway.
    }
}
