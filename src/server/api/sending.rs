//! The methods by which a session sends.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures::Sink;
use serde::Serialize;

use super::{
    send_error::{SendError, SendToError, TrySendError},
    session::Session,
};
use crate::{
    broadcast::OutMessage,
    config::Overflow,
    dialect::message_event,
    hub::ROOT,
    message::Message,
    payload::Payload,
    server::{
        core::{Core, Located},
        other_nodes::{Moving, Way},
    },
    session::{
        self, CloseReason,
        droppable::{LONGEST_KEY, WhenBehind},
        reason,
    },
    shared::SharedSession,
};

/// So often a message is tried at this node, while its session leaves or comes back.
const MOST_TURNS: usize = 3;

/// # Sending
impl Session {
    /// Sends a message. It is delivered once and in order, for as long as the session is kept.
    ///
    /// Waits only while the outbox is full, and only under [`Overflow::Wait`](crate::Overflow::Wait), the
    /// default. Cancel-safe: dropped while it waits, it has sent nothing.
    ///
    /// # Errors
    /// Fails with a [`SendError`] that names the reason: the outbox is full, the session is closed, or the
    /// message is above the limit.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        self.send_payload(self.payload(message.into())).await
    }

    pub(crate) async fn send_payload(&self, mut payload: Payload) -> Result<(), SendError> {
        loop {
            payload = match self.offer(payload) {
                Err((SendError::Full, returned)) => returned,
                Err((error, _)) => return Err(error),
                Ok(()) => return Ok(()),
            };
            self.wait_for_room(payload.len()).await?;
        }
    }

    /// Waits until the outbox may have room for a payload of this length, or does with the session what
    /// [`Overflow`] says instead. Cancel-safe.
    pub(crate) async fn wait_for_room(&self, length: usize) -> Result<(), SendError> {
        match self.core.config.overflow {
            Overflow::Wait => std::future::poll_fn(|cx| self.member.shared.poll_room(cx, length)).await,
            Overflow::Fail => return Err(SendError::Full),
            Overflow::Close => {
                self.core.counters.slow.add(1);
                self.member.shared.abort(CloseReason::of_slow_client(self.core.config.slow_members));
                return Err(SendError::Full);
            }
        }
        Ok(())
    }

    /// Sends a message if there is room in the outbox. Never waits.
    ///
    /// # Errors
    /// Fails with a [`TrySendError`], which gives the message back and names the reason: the outbox is full,
    /// the session is closed, or the message is above the limit.
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), TrySendError> {
        let message = message.into();
        // In a channel it becomes an event, which does not give it back.
        let kept = self.member.channel.as_ref().map(|_| message.clone());
        let offered = self.offer(self.payload(message));
        offered.map_err(|(reason, payload)| TrySendError {
            reason,
            message: kept.unwrap_or_else(|| payload.into_message()),
        })
    }

    /// Sends a value as JSON text. Waits as [`send`](Self::send) does.
    ///
    /// ```
    /// use anywire::Session;
    ///
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Point { x: i32, y: i32 }
    ///
    /// async fn mirror(session: Session) -> Result<(), Box<dyn std::error::Error>> {
    ///     while let Some(point) = session.recv_json::<Point>().await {
    ///         let Point { x, y } = point?;
    ///         session.send_json(&Point { x: -x, y }).await?;
    ///     }
    ///     Ok(())
    /// }
    /// # fn check<T, H: anywire::Handler<T, ()>>(_: H) {}
    /// # check(mirror);
    /// ```
    ///
    /// # Errors
    /// Fails as [`send`](Self::send) does, or with [`SendError::NotJson`] if the value's `Serialize` fails or
    /// it has a map whose keys are not strings. [`Message::json`] has that error's text.
    pub async fn send_json<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), SendError> {
        self.send(Message::json(value).map_err(|_| SendError::NotJson)?).await
    }

    /// Sends a message that is worth nothing when it comes late, for example a video frame. It is skipped
    /// while the client is behind (see [`droppable_mark`](crate::Builder::droppable_mark)), while the session
    /// is interrupted, and while the outbox is full; the client is informed of the gap. Never waits. Returns
    /// whether the message was sent.
    ///
    /// # Errors
    /// Fails with a [`SendError`], but never with [`SendError::Full`].
    pub fn send_droppable(&self, message: impl Into<Message>) -> Result<bool, SendError> {
        self.send_as(&WhenBehind::Skip, self.payload(message.into()))
    }

    /// Sends the newest value of something that has a name, for example the price of a symbol. While the
    /// client is behind (see [`droppable_mark`](crate::Builder::droppable_mark)) or the session is
    /// interrupted, the value waits, and a newer one of the same `key` replaces it; the client learns nothing
    /// of those that were replaced. So the client gets the last value of every key, and never an old one
    /// behind a newer one. Other messages overtake a value that waits. Never waits itself.
    ///
    /// A key has at most 256 bytes. Returns false if the value was skipped, which leaves a gap: values of
    /// 1,024 other keys wait, or they fill half of the [`outbox`](crate::Builder::outbox).
    ///
    /// # Errors
    /// Fails with a [`SendError`], but never with [`SendError::Full`]; a key that is too long is `TooLarge`.
    pub fn send_latest(&self, key: &str, message: impl Into<Message>) -> Result<bool, SendError> {
        if key.len() > LONGEST_KEY {
            return Err(SendError::TooLarge);
        }
        self.send_as(&WhenBehind::Latest(key.into()), self.payload(message.into()))
    }

    /// Waits until the client has acknowledged everything that was sent before this call. Cancel-safe.
    ///
    /// A [bare WebSocket](crate::Server::raw) acknowledges nothing: there it waits until everything has been
    /// written to the connection. So it does for clients of Engine.IO and Socket.IO, or until it is kept for one that is
    /// away and may [recover](crate::SocketIo::recovery).
    ///
    /// # Errors
    /// Fails with the reason of the close if the session ended before.
    pub async fn acknowledged(&self) -> Result<(), CloseReason> {
        let number = self.member.shared.flush();
        std::future::poll_fn(|cx| self.member.shared.poll_acknowledged(cx, number)).await
    }

    /// Returns a sink that sends as [`send`](Self::send) does.
    pub fn sink(&self) -> Outgoing {
        Outgoing { session: self.clone(), waiting: None }
    }

    /// Returns the number of bytes that the client has not acknowledged. Each message counts 64 bytes more
    /// than its payload.
    pub fn buffered_bytes(&self) -> usize {
        self.member.shared.look(|machine| machine.outbox_bytes())
    }

    /// Returns the number of messages that the client has not acknowledged. After the end of the session this
    /// is the number that it never acknowledged.
    pub fn unacknowledged(&self) -> usize {
        self.member.shared.look(|machine| machine.unacknowledged())
    }

    fn payload(&self, message: Message) -> Payload {
        payload_in(self.namespace(), message)
    }

    /// Sends a payload if there is room, and gives it back otherwise.
    pub(super) fn offer(&self, payload: Payload) -> Result<(), (SendError, Payload)> {
        self.offer_by(payload, |shared, channel, message| match channel {
            None => shared.send(message),
            Some(channel) => shared.send_in(channel, message),
        })
    }

    /// The same, by this function of the session.
    pub(super) fn offer_by(
        &self,
        payload: Payload,
        send: impl FnOnce(&SharedSession, Option<u64>, OutMessage) -> Result<(), (session::SendError, OutMessage)>,
    ) -> Result<(), (SendError, Payload)> {
        if payload.len() > self.core.config.message_limit {
            return Err((SendError::TooLarge, payload));
        }
        let channel = self.member.channel.as_ref().map(|channel| channel.number);
        let sent = send(&self.member.shared, channel, payload.into());
        self.core.relieve();
        sent.map_err(|(error, message)| (self.explain(error), message.into_payload()))
    }

    pub(super) fn send_as(&self, how: &WhenBehind, payload: Payload) -> Result<bool, SendError> {
        let channel = self.member.channel.as_ref();
        if channel.is_some_and(|channel| self.member.shared.channel_is_over(channel.number)) {
            return Err(SendError::Closed);
        } else if payload.len() > self.core.config.message_limit {
            return Err(SendError::TooLarge);
        }
        let sent = self.member.shared.send_as(how, payload.into());
        self.core.relieve();
        sent.map_err(|error| self.explain(error))
    }

    fn explain(&self, error: session::SendError) -> SendError {
        match error {
            session::SendError::Full => SendError::Full,
            session::SendError::Closed => SendError::Closed,
            session::SendError::Exhausted => {
                self.member.shared.abort(reason::EXHAUSTED);
                SendError::Closed
            }
            session::SendError::NoBytes => SendError::NoBinary,
        }
    }
}

/// A message as it is on the way: in a namespace other than `/` it is the event `message`.
pub(super) fn payload_in(namespace: &str, message: Message) -> Payload {
    match namespace {
        ROOT => message.into(),
        _ => message_event(namespace, message).into(),
    }
}

/// Sends to a session if it is on this node, or returns the node that has it as far as this one knows. `forwarded`: another
/// node takes this one for it.
///
/// Waits for the end of a move, or for the engine, for some seconds. Cancel-safe.
///
/// # Errors
/// Fails if there is no such session, if it does not take the message, or if it cannot be found out now where it is.
pub(in crate::server) async fn send_or_find(
    core: &Arc<Core>,
    id: &str,
    namespace: &str,
    payload: &Payload,
    forwarded: bool,
) -> Result<Option<String>, SendToError> {
    let moving = core.nodes().and_then(|nodes| nodes.moving());
    for _ in 0..MOST_TURNS {
        // One that is on its way is here, or not, only behind that.
        let moved = match moving.map(|moving| moving.way(id, forwarded)) {
            None | Some(Way::Here) => None,
            Some(Way::To(node)) => Some(node),
            Some(Way::Open(find)) => find.await.map_err(|_| SendToError::Unreachable)?,
        };
        let member = match (core.find(id), moved) {
            (Located::Here(member), _) => member,
            (_, Some(node)) => return Ok(Some(node)),
            (Located::Elsewhere(node), None) if moving.is_none() => return Ok(Some(node.to_owned())),
            (Located::Elsewhere(_) | Located::Nowhere, None) => return Err(SendToError::Unknown),
        };
        let member = member.in_namespace(namespace).ok_or(SendToError::Unknown)?;
        let outcome = Session { core: core.clone(), member }.offer(payload.clone());
        match outcome.map_err(|(error, _)| error) {
            Ok(()) => return Ok(None),
            // A session that is about to leave takes nothing any more. Behind that it is here again, or elsewhere.
            Err(SendError::Closed) if is_open(moving, id) => {}
            Err(error) => return Err(SendToError::NotSent(error)),
        }
    }
    Err(SendToError::Unreachable)
}

/// Whether a session is not simply here.
fn is_open(moving: Option<&dyn Moving>, id: &str) -> bool {
    moving.is_some_and(|moving| !matches!(moving.way(id, true), Way::Here))
}

/// A sink of a session's messages, as [`Session::sink`] returns it. A send waits while the outbox is full.
/// Flushing waits until the outbox has taken everything ([`Session::acknowledged`] waits for the client), and
/// closing closes the session behind everything that was sent. Dropping the sink closes nothing.
#[derive(Debug)]
pub struct Outgoing {
    session: Session,
    /// The message for which the outbox has no room yet: a sink must accept a message before its size is
    /// known.
    waiting: Option<Payload>,
}

impl Outgoing {
    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        while let Some(message) = self.waiting.take() {
            let length = message.len();
            match self.session.offer(message) {
                Ok(()) => break,
                Err((SendError::Full, message)) => {
                    self.waiting = Some(message);
                    ready!(self.session.member.shared.poll_room(cx, length));
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
        match self.session.offer(self.session.payload(message)) {
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
        self.session.end(reason::CLOSED);
        Poll::Ready(Ok(()))
    }
}
