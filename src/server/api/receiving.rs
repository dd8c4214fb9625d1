//! What a handler receives.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures::Stream;
use serde::de::DeserializeOwned;
use tokio::task::coop::poll_proceed;

use super::session::Session;
use crate::{
    message::{JsonError, Message},
    session::Arrival,
    shared::{Arrived, Place, SharedSession},
};

/// A message or a gap, as [`Session::recv_any`] returns it.
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

/// # Receiving
///
/// Several tasks may receive from one session. Each message goes to one of them: to the one that has waited
/// longest. One that has begun to wait keeps its place until it has received a message or is dropped.
impl Session {
    /// Receives the next message. Gaps are passed over. Returns `None` when the session is over and
    /// everything that came before was received, or when the handler has returned.
    ///
    /// Waits for the message. Cancel-safe: dropped while it waits, it has taken none.
    pub async fn recv(&self) -> Option<Message> {
        let mut waiting = Waiting::new(&self.member.shared);
        poll_fn(|cx| waiting.poll_message(cx)).await
    }

    /// Receives the next message or gap, and `None` as [`recv`](Self::recv) does. Waits for it. Cancel-safe.
    pub async fn recv_any(&self) -> Option<Received> {
        let mut waiting = Waiting::new(&self.member.shared);
        let arrived = poll_fn(|cx| poll_arrival(waiting.shared, &mut waiting.place, cx, true)).await?;
        match arrived.arrival {
            Arrival::Gap { from, to } => Some(Received::Gap { from, to }),
            Arrival::Message(_) => waiting.shared.plain(arrived).map(Received::Message),
        }
    }

    /// Receives the next message, text or binary, and reads it as JSON. Waits, and returns `None`, as
    /// [`recv`](Self::recv) does. Cancel-safe.
    ///
    /// # Errors
    /// The inner result fails if the message is not JSON, or is not of this type. The message is gone then;
    /// the next call receives the next one.
    pub async fn recv_json<T: DeserializeOwned>(&self) -> Option<Result<T, JsonError>> {
        self.recv().await.map(|message| message.parse_json())
    }

    /// Receives the next message if it is there already, even if a task waits for one. Never waits. Returns
    /// `None` if there is none now, or never will be one.
    pub fn try_recv(&self) -> Option<Message> {
        self.member.shared.try_message()
    }

    /// Returns the messages as a stream, which receives as [`recv`](Self::recv) does.
    pub fn stream(&self) -> Messages {
        Messages { session: self.clone(), place: None }
    }
}

/// A task that receives, and its place among those who wait. It gives the place up when it is dropped.
pub(super) struct Waiting<'a> {
    pub(super) shared: &'a SharedSession,
    pub(super) place: Option<Place>,
}

impl<'a> Waiting<'a> {
    pub(super) fn new(shared: &'a SharedSession) -> Self {
        Waiting { shared, place: None }
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        poll_message(self.shared, &mut self.place, cx)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.shared.leave(place);
        }
    }
}

/// Other tasks get their turn after some arrivals, however many there are.
pub(super) fn poll_arrival(
    shared: &SharedSession,
    place: &mut Option<Place>,
    cx: &mut Context<'_>,
    gaps: bool,
) -> Poll<Option<Arrived>> {
    let turn = ready!(poll_proceed(cx));
    let arrival = shared.poll_arrival(cx, place, gaps);
    if arrival.is_ready() {
        turn.made_progress();
    }
    arrival
}

fn poll_message(shared: &SharedSession, place: &mut Option<Place>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
    poll_arrival(shared, place, cx, false).map(|arrived| shared.plain(arrived?))
}

/// The messages of a session, as [`Session::stream`] returns them. It ends as [`Session::recv`] does, and it
/// does not keep the session open.
#[derive(Debug)]
#[must_use = "a stream does nothing until it is polled"]
pub struct Messages {
    session: Session,
    place: Option<Place>,
}

impl Stream for Messages {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        let this = &mut *self;
        poll_message(&this.session.member.shared, &mut this.place, cx)
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.session.member.shared.leave(place);
        }
    }
}
