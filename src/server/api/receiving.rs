//! The methods by which a handler receives.

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
    hub::Member,
    message::{JsonError, Message},
    payload::Payload,
    server::events::Incoming,
    session::Arrival,
    shared::{Arrived, Place},
};

/// A message, an event or a gap, as [`Session::recv_any`] returns it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Received {
    /// A message.
    Message(Message),
    /// An event. One that is a request is answered by [`Incoming::reply`](crate::Incoming::reply), or refused when
    /// it is dropped.
    Event(Incoming),
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
        let mut waiting = Waiting::new(&self.member);
        poll_fn(|cx| waiting.poll_message(cx)).await
    }

    /// Receives the next message, event or gap, and `None` as [`recv`](Self::recv) does. Waits for it. Cancel-safe.
    pub async fn recv_any(&self) -> Option<Received> {
        let mut waiting = Waiting::new(&self.member);
        loop {
            let arrived = poll_fn(|cx| waiting.poll_arrival(cx, true)).await?;
            match arrived.arrival {
                Arrival::Gap { from, to } => return Some(Received::Gap { from, to }),
                Arrival::Message(Payload::Message(message)) => return Some(Received::Message(message)),
                Arrival::Message(event) => {
                    if let Some(event) = self.incoming(event, arrived.page) {
                        return Some(Received::Event(event));
                    }
                }
            }
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
        match &self.member.channel {
            None => self.member.shared.try_message(),
            Some(channel) => self.member.shared.try_channel_message(channel.number),
        }
    }

    /// Returns the messages as a stream, which receives as [`recv`](Self::recv) does.
    pub fn stream(&self) -> Messages {
        Messages { session: self.clone(), place: None }
    }
}

/// A task that receives, and its place among those who wait. It gives the place up when it is dropped.
pub(in crate::server) struct Waiting<'a> {
    member: &'a Member,
    place: Option<Place>,
}

impl<'a> Waiting<'a> {
    pub(in crate::server) fn new(member: &'a Member) -> Self {
        Waiting { member, place: None }
    }

    pub(super) fn poll_arrival(&mut self, cx: &mut Context<'_>, gaps: bool) -> Poll<Option<Arrived>> {
        poll_arrival(self.member, &mut self.place, cx, gaps)
    }

    pub(in crate::server) fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        poll_message(self.member, &mut self.place, cx)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        leave(self.member, self.place);
    }
}

/// Other tasks get their turn after some arrivals, however many there are.
fn poll_arrival(member: &Member, place: &mut Option<Place>, cx: &mut Context<'_>, gaps: bool) -> Poll<Option<Arrived>> {
    let turn = ready!(poll_proceed(cx));
    let arrival = match &member.channel {
        None => member.shared.poll_arrival(cx, place, gaps),
        Some(channel) => member.shared.poll_channel_arrival(channel.number, cx, place),
    };
    if arrival.is_ready() {
        turn.made_progress();
    }
    arrival
}

fn poll_message(member: &Member, place: &mut Option<Place>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
    poll_arrival(member, place, cx, false).map(|arrived| member.shared.plain(arrived?))
}

/// A task gives its place up.
fn leave(member: &Member, place: Option<Place>) {
    let Some(place) = place else { return };
    match &member.channel {
        None => member.shared.leave(place),
        Some(channel) => member.shared.leave_channel_queue(channel.number, place),
    }
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
        poll_message(&this.session.member, &mut this.place, cx)
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        leave(&self.session.member, self.place);
    }
}
