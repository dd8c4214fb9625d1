//! The session as its handler has it.

use std::{
    fmt,
    future::poll_fn,
    ops::Deref,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures::{Sink, Stream};

use super::live::{SendError, SessionHandle};
use crate::{
    message::Message,
    session::{Arrival, reason},
};

/// One client's session, whatever transport carries it. The handler owns it. When it is dropped, the session
/// leaves its rooms and closes behind everything that was sent.
///
/// It is a [`Stream`] of messages, and [`split`](Self::split) gives a stream and a sink. The methods that
/// need no ownership are those of [`SessionHandle`], to which it dereferences.
pub struct Session {
    handle: SessionHandle,
}

/// A message or a gap, as [`Session::recv_event`] returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Received {
    /// A message.
    Message(Message),
    /// The client dropped the messages with these numbers. They will not come.
    Gap {
        /// The first number.
        from: u64,
        /// The last number.
        to: u64,
    },
}

impl Session {
    pub(crate) fn new(handle: SessionHandle) -> Self {
        Session { handle }
    }

    /// Receives the next message. Gaps are passed over. Returns `None` when the session is over and
    /// everything that came before was received.
    ///
    /// Waits for the message. Cancel-safe: dropped while it waits, it has taken none.
    pub async fn recv(&mut self) -> Option<Message> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Receives the next message or gap, and `None` as [`recv`](Self::recv) does. Waits for it. Cancel-safe.
    pub async fn recv_event(&mut self) -> Option<Received> {
        poll_fn(|cx| {
            self.handle.member.shared.poll_arrival(cx).map(|arrival| {
                arrival.map(|arrival| match arrival {
                    Arrival::Message(message) => Received::Message(message),
                    Arrival::Gap { from, to } => Received::Gap { from, to },
                })
            })
        })
        .await
    }

    /// Receives the next message if it is there already. Never waits. Returns `None` if there is none now, or
    /// never will be one.
    pub fn try_recv(&mut self) -> Option<Message> {
        match self.poll_recv(&mut Context::from_waker(std::task::Waker::noop())) {
            Poll::Ready(message) => message,
            Poll::Pending => None,
        }
    }

    /// Returns a handle for other tasks. It does not keep the session open.
    pub fn handle(&self) -> SessionHandle {
        self.handle.clone()
    }

    /// Splits the session into a stream of its messages and a sink. The session closes when the stream is
    /// dropped.
    pub fn split(self) -> (Incoming, Outgoing) {
        let outgoing = Outgoing { handle: self.handle.clone(), waiting: None };
        (Incoming { session: self }, outgoing)
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        loop {
            match self.handle.member.shared.poll_arrival(cx) {
                Poll::Ready(Some(Arrival::Message(message))) => return Poll::Ready(Some(message)),
                Poll::Ready(Some(Arrival::Gap { .. })) => {}
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl Deref for Session {
    type Target = SessionHandle;

    fn deref(&self) -> &SessionHandle {
        &self.handle
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.handle.core.hub.leave_all(&self.handle.member);
        let reason = match std::thread::panicking() {
            true => reason::HANDLER_PANICKED,
            false => reason::CLOSED,
        };
        self.handle.member.shared.close(reason);
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.handle.id()).finish_non_exhaustive()
    }
}

impl Stream for Session {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.poll_recv(cx)
    }
}

/// The receiving half of a split session. It owns the session.
#[derive(Debug)]
pub struct Incoming {
    session: Session,
}

impl Stream for Incoming {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.session.poll_recv(cx)
    }
}

/// The sending half of a split session. A send waits while the outbox is full. Flushing waits until the
/// outbox has taken everything ([`SessionHandle::acknowledged`] waits for the client), and closing closes the
/// session behind everything that was sent.
#[derive(Debug)]
pub struct Outgoing {
    handle: SessionHandle,
    /// The message for which the outbox has no room yet: a sink must accept a message before its size is
    /// known.
    waiting: Option<Message>,
}

impl Outgoing {
    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        while let Some(message) = self.waiting.take() {
            let length = message.len();
            match self.handle.offer(message) {
                Ok(()) => break,
                Err((SendError::Full, message)) => {
                    self.waiting = Some(message);
                    ready!(self.handle.member.shared.poll_room(cx, length));
                }
                Err((error, _)) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Sink<Message> for Outgoing {
    type Error = SendError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.poll_waiting(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), SendError> {
        if self.waiting.is_some() {
            return Err(SendError::Full);
        }
        match self.handle.offer(message) {
            Err((SendError::Full, message)) => {
                self.waiting = Some(message);
                Ok(())
            }
            result => result.map_err(|(error, _)| error),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.poll_waiting(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        ready!(self.poll_waiting(cx))?;
        self.handle.member.shared.close(reason::CLOSED);
        Poll::Ready(Ok(()))
    }
}
