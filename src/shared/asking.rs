//! The calls of an application that makes requests of its client, or receives events.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::sync::oneshot;

use super::{
    Names, SendError, SharedSession, WhenBehind,
    channels::Arrived,
    questions::{Asker, MOST_OPEN, Outcome, Share},
    wake_batch,
};
use crate::{
    broadcast::OutMessage,
    dialect::{Fault, Head, refused},
    message::Message,
    payload::Payload,
    session::Arrival,
};

/// Why a session cannot make another request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CannotAsk {
    /// Too many are not answered.
    Full,
    /// The session is over.
    Closed,
    /// The client knows no events, so that it cannot answer.
    NoEvents,
    /// The outbox is full, and the client misses the request.
    Skipped,
    /// The outbox did not take the request.
    Outbox(SendError),
}

impl SharedSession {
    /// Begins to wait for the answer to the request with this id, which is sent next. The result fails when the
    /// session is over.
    pub(crate) fn ask(&self, id: u64) -> Result<oneshot::Receiver<Outcome>, CannotAsk> {
        let mut inner = self.lock();
        if inner.machine.closed().is_some() {
            return Err(CannotAsk::Closed);
        }
        if self.speaks_stomp() {
            return Err(CannotAsk::NoEvents);
        }
        let questions = inner.questions.get_or_insert_default();
        if questions.open.len() >= MOST_OPEN {
            return Err(CannotAsk::Full);
        }
        let (sender, receiver) = oneshot::channel();
        questions.open.insert(id, Asker::One { sender, is_handler: false });
        self.account(&mut inner);
        Ok(receiver)
    }

    /// Waits for the answer to the request with this id. `Err` if the session is over.
    pub(crate) fn poll_answer(
        &self,
        cx: &mut Context<'_>,
        id: u64,
        answer: &mut oneshot::Receiver<Outcome>,
    ) -> Poll<Result<Outcome, oneshot::error::RecvError>> {
        // Under the lock, so that the answer wakes the task that is noted.
        let mut inner = self.lock();
        let polled = Pin::new(answer).poll(cx);
        if polled.is_pending() {
            let by_handler = inner.turn.is_polling() && wake_batch::is_turn_of(self.address());
            if let Some(questions) = &mut inner.questions {
                questions.waits(id, by_handler);
            }
        }
        polled
    }

    /// Sends the request with this id, which others get too, and begins to wait for the answer. `share` is called
    /// if it was sent.
    pub(crate) fn ask_as(
        &self,
        id: u64,
        how: &WhenBehind,
        message: OutMessage,
        share: impl FnOnce() -> Share,
    ) -> Result<(), CannotAsk> {
        let now = if *how == WhenBehind::Keep { 0 } else { self.runtime.clock.now() };
        let mut inner = self.lock();
        if inner.machine.close_reason().is_some() {
            return Err(CannotAsk::Closed);
        } else if !inner.machine.names().contains(Names::EVENTS) || self.speaks_stomp() {
            return Err(CannotAsk::NoEvents);
        } else if inner.questions.as_ref().is_some_and(|questions| questions.open.len() >= MOST_OPEN) {
            return Err(CannotAsk::Full);
        }
        let message = self.keep_parked(&mut inner, &WhenBehind::Keep, message);
        let sent = match message.map_or_else(|message| inner.outgoing(message), |_| Ok(None)) {
            Ok(Some(message)) => inner.machine.send_as(now, how, message).map_err(CannotAsk::Outbox)?,
            // It is kept until the member's channel is open, or its client comes back.
            Ok(None) => true,
            Err((SendError::Closed, _)) => return Err(CannotAsk::Closed),
            Err((error, _)) => return Err(CannotAsk::Outbox(error)),
        };
        if sent {
            inner.questions.get_or_insert_default().open.insert(id, Asker::Many(share()));
        }
        inner.wake_carriers();
        self.account(&mut inner);
        if sent { Ok(()) } else { Err(CannotAsk::Skipped) }
    }

    /// Nobody waits for this answer any more.
    pub(crate) fn cancel_question(&self, id: u64) {
        let mut inner = self.lock();
        if let Some(questions) = &mut inner.questions {
            questions.open.remove(&id);
            if questions.open.is_empty() {
                inner.questions = None;
            }
        }
        self.account(&mut inner);
    }

    /// An arrival as a message, for an application that receives no events: an event as its JSON. A request is
    /// refused, since nothing would answer it.
    pub(crate) fn plain(&self, arrived: Arrived) -> Option<Message> {
        let Arrival::Message(payload) = arrived.arrival else { return None };
        if let Payload::Event(packet) = &payload
            && let Ok(Head { id: Some(id), namespace, .. }) = Head::parse(packet.text())
        {
            let fault = Fault::new("no-events", "this server receives messages, and answers no requests");
            let sent = self.send_to_page(None, arrived.page, Payload::from(refused(namespace, id, &fault)).into());
            if sent.is_err() {
                tracing::debug!(id, "a request was not refused, for want of room");
            }
        }
        Some(payload.into_message())
    }

    /// Sends an answer to this page, which is one of those that have had the session: the next one counts its
    /// requests anew. Returns false, and sends nothing, if it is gone. If it cannot be sent it is given back: also if
    /// the channel of this number is over.
    pub(crate) fn send_to_page(
        &self,
        channel: Option<u64>,
        page: u64,
        message: OutMessage,
    ) -> Result<bool, (SendError, OutMessage)> {
        let mut inner = self.lock();
        if inner.page != page {
            return Ok(false);
        }
        self.send_locked(&mut inner, channel, message).map(|()| true)
    }
}
