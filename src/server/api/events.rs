//! Events of one session: sent, requested, and received in a loop.

use std::{
    fmt,
    future::{IntoFuture, poll_fn},
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::future::{Either, select};
use serde::Serialize;

use super::{receiving::Waiting, send_error::SendError, session::Session};
use crate::{
    dialect::{
        Arguments, Asks, Fault, FromArgs, Head, IntoArgs, Kind, Sends, check_name, event, event_by_variant,
        event_of_text, read_args,
    },
    message::Message,
    packet::Packet,
    payload::Payload,
    server::{events::Incoming, other_nodes::Absent},
    session::{
        self, Arrival, Names,
        droppable::{LONGEST_KEY, WhenBehind},
    },
    shared::{CannotAsk, QuestionOutcome},
};

/// The time that a request has, unless it sets its own.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// # Events
///
/// An event has a name and values, in which bytes may stand anywhere. It is a message: it comes once and in order
/// with all others. A client that knows no events gets its JSON as a text message.
#[expect(clippy::needless_pass_by_value, reason = "so that data is given as it is at hand, by value or by reference")]
impl Session {
    /// Sends an event. Waits, and is cancel-safe, as [`send`](Self::send) does and is.
    ///
    /// `data` is one value; [`Args`](crate::Args) are several, and `()` is none.
    ///
    /// ```
    /// use anywire::{Args, Event, Session};
    ///
    /// const MOVED: Event<Args<(f64, f64)>> = Event::new("moved");
    ///
    /// async fn still(session: Session) -> Result<(), anywire::SendError> {
    ///     session.emit("welcome", "to the board").await?;
    ///     session.emit(MOVED, Args((0.0, 0.0))).await
    /// }
    /// ```
    ///
    /// # Errors
    /// Fails as [`send`](Self::send) does; with [`SendError::BadName`] if no event may have this name, with
    /// [`SendError::NotJson`] if the values cannot be written, and with [`SendError::NoEvents`] if they contain
    /// bytes and the client knows no events.
    pub async fn emit<N: Sends<D>, D: IntoArgs>(&self, name: N, data: D) -> Result<(), SendError> {
        let packet = self.packet(name.name(), None, &data)?;
        self.send_payload(packet.into()).await
    }

    /// Sends an event if there is room in the outbox. Never waits.
    ///
    /// # Errors
    /// Fails as [`emit`](Self::emit) does, and with [`SendError::Full`].
    pub fn try_emit<N: Sends<D>, D: IntoArgs>(&self, name: N, data: D) -> Result<(), SendError> {
        let packet = self.packet(name.name(), None, &data)?;
        self.offer(packet.into()).map_err(|(error, _)| error)
    }

    /// Sends an event that is worth nothing when it comes late, as [`send_droppable`](Self::send_droppable) does.
    /// Never waits. Returns whether it was sent.
    ///
    /// # Errors
    /// Fails as [`emit`](Self::emit) does, but never with [`SendError::Full`].
    pub fn emit_droppable<N: Sends<D>, D: IntoArgs>(&self, name: N, data: D) -> Result<bool, SendError> {
        let packet = self.packet(name.name(), None, &data)?;
        self.send_as(&WhenBehind::Skip, packet.into())
    }

    /// Sends an event that is the newest value of a key, as [`send_latest`](Self::send_latest) does. Never waits.
    /// Returns false if it was skipped.
    ///
    /// # Errors
    /// Fails as [`emit`](Self::emit) does, but never with [`SendError::Full`]; a key that is too long is
    /// `TooLarge`.
    pub fn emit_latest<N: Sends<D>, D: IntoArgs>(&self, key: &str, name: N, data: D) -> Result<bool, SendError> {
        if key.len() > LONGEST_KEY {
            return Err(SendError::TooLarge);
        }
        let packet = self.packet(name.name(), None, &data)?;
        self.send_as(&WhenBehind::Latest(key.into()), packet.into())
    }

    /// Sends an event that is a variant of a serde enum: the variant is the name, as serde renames it, and what it
    /// holds are the values. [`Incoming::parse`] reads one. Waits, and is cancel-safe, as [`send`](Self::send) does
    /// and is.
    ///
    /// ```
    /// use anywire::Session;
    ///
    /// #[derive(serde::Serialize)]
    /// #[serde(rename_all = "kebab-case")]
    /// enum Out {
    ///     Joined(String),
    ///     MovedTo(f64, f64),
    /// }
    ///
    /// async fn greet(session: Session) -> Result<(), anywire::SendError> {
    ///     session.emit_enum(&Out::Joined("ann".to_owned())).await?;
    ///     session.emit_enum(&Out::MovedTo(1.0, 2.0)).await
    /// }
    /// ```
    ///
    /// # Errors
    /// Fails as [`emit`](Self::emit) does; [`SendError::NotJson`] covers bad names too.
    pub async fn emit_enum<E: Serialize>(&self, variant: &E) -> Result<(), SendError> {
        let packet = event_by_variant(self.namespace(), None, variant).map_err(|_| SendError::NotJson)?;
        self.check_packet(&packet, false)?;
        self.send_payload(packet.into()).await
    }

    /// Asks the client: sends an event that wants an answer. The result is awaited; it sends the request then,
    /// and waits for the answer for ten seconds, or for as long as [`within`](Requesting::within) sets.
    ///
    /// A handler may ask its own client: an answer does not wait behind events. A client that has sent more than
    /// the inbox holds before its answer cannot be heard; then the request times out. A session has at most 1,024
    /// requests that are not answered.
    ///
    /// ```
    /// use anywire::{Request, RequestError, Session};
    ///
    /// const CONFIRM: Request<String, bool> = Request::new("confirm");
    ///
    /// async fn delete(session: Session) -> Result<(), RequestError> {
    ///     if session.request(CONFIRM, "Delete all?").await? {
    ///         // ...
    ///     }
    ///     let name: String = session.request("name?", ()).await?;
    ///     # let _ = name;
    ///     Ok(())
    /// }
    /// ```
    pub fn request<N: Asks<D, R>, D: IntoArgs, R: FromArgs>(&self, name: N, data: D) -> Requesting<R> {
        let id = self.core.question();
        let packet = self.packet(name.name(), Some(id), &data);
        Requesting { session: self.clone(), id, packet, time: REQUEST_TIMEOUT, answer: PhantomData }
    }

    /// Receives the next event. A plain message is an event of the name `message`, and gaps are passed over.
    /// Returns `None` as [`recv`](Self::recv) does. Waits for the event. Cancel-safe: dropped while it waits, it
    /// has taken none.
    ///
    /// A request is answered by [`Incoming::reply`]; one that is dropped without a reply is refused.
    pub async fn recv_event(&self) -> Option<Incoming> {
        let mut waiting = self.waiting();
        poll_fn(|cx| self.poll_event(cx, &mut waiting)).await
    }

    /// Begins to wait, for [`poll_event`](Self::poll_event).
    pub(in crate::server) fn waiting(&self) -> Waiting<'_> {
        Waiting::new(&self.member)
    }

    /// The next event of those that [`recv_event`](Self::recv_event) receives.
    pub(in crate::server) fn poll_event(
        &self,
        cx: &mut Context<'_>,
        waiting: &mut Waiting<'_>,
    ) -> Poll<Option<Incoming>> {
        loop {
            let Some(arrived) = ready!(waiting.poll_arrival(cx, false)) else { return Poll::Ready(None) };
            if let Arrival::Message(payload) = arrived.arrival
                && let Some(incoming) = self.incoming(payload, arrived.page)
            {
                return Poll::Ready(Some(incoming));
            }
        }
    }

    /// The event that a payload is; `None` if it is none.
    pub(crate) fn incoming(&self, payload: Payload, page: u64) -> Option<Incoming> {
        match payload {
            Payload::Message(Message::Text(text)) if text.starts_with('[') && !self.knows_events() => {
                match event_of_text(&text) {
                    Some(packet) => Incoming::of_packet(self, packet, page, offer_answer),
                    None => Some(Incoming::of_message(self, text.into())),
                }
            }
            Payload::Message(message) => Some(Incoming::of_message(self, message)),
            Payload::Event(packet) => Incoming::of_packet(self, packet, page, offer_answer),
        }
    }

    fn packet<D: IntoArgs>(&self, name: &str, id: Option<u64>, data: &D) -> Result<Packet, SendError> {
        check_name(name).map_err(|_| SendError::BadName)?;
        let packet = event(self.namespace(), id, name, data).map_err(|_| SendError::NotJson)?;
        self.check_packet(&packet, id.is_some())?;
        Ok(packet)
    }

    /// A client that knows no events cannot answer, and cannot get bytes as text. One of STOMP cannot answer either.
    fn check_packet(&self, packet: &Packet, asks: bool) -> Result<(), SendError> {
        if self.member.shared.speaks_stomp() {
            return if asks { Err(SendError::NoEvents) } else { Ok(()) };
        }
        let refused = (asks || !packet.attachments().is_empty()) && !self.knows_events();
        if refused { Err(SendError::NoEvents) } else { Ok(()) }
    }

    fn knows_events(&self) -> bool {
        self.member.shared.look(|machine| machine.names().contains(Names::EVENTS))
    }
}

/// Puts the answer to a request into the outbox, unless the page that made the request is gone: the next page
/// counts its requests anew.
fn offer_answer(session: &Session, page: u64, packet: Packet) -> Result<(), (SendError, Packet)> {
    let offered = session.offer_by(packet.into(), |shared, channel, message| {
        let sent = shared.send_to_page(channel, page, message)?;
        if !sent {
            tracing::debug!(session = %shared.id(), "the page that waits for an answer is gone");
        }
        Ok(())
    });
    offered.map_err(|(error, payload)| {
        let Payload::Event(packet) = payload else { unreachable!("it was an event") };
        (error, packet)
    })
}

/// A request that was not sent yet, as [`Session::request`] returns it. Awaited, it is sent and waits for its
/// answer. Cancel-safe: dropped while it waits for room, it was not sent; dropped later, its answer is ignored.
#[must_use = "a request does nothing until it is awaited"]
pub struct Requesting<R> {
    session: Session,
    id: u64,
    packet: Result<Packet, SendError>,
    time: Duration,
    answer: PhantomData<fn() -> R>,
}

impl<R: FromArgs> Requesting<R> {
    /// Sets the time within which the answer must come, from the moment on which this is awaited. The default is
    /// ten seconds.
    pub fn within(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    async fn answered(self) -> Result<R, RequestError> {
        let packet = self.packet?;
        let shared = &self.session.member.shared;
        let mut answer = shared.ask(self.id).map_err(RequestError::of)?;
        // The answer is not waited for any longer than this function runs.
        let _waiting = Question { session: &self.session, id: self.id };
        let outcome = tokio::time::timeout(self.time, async {
            self.session.send_payload(packet.into()).await?;
            let channel = self.session.member.channel.as_ref();
            let over = poll_fn(|cx| match channel {
                Some(channel) => shared.poll_channel_over(cx, channel.number),
                None => Poll::Pending, // The end of the session drops the sender of the answer.
            });
            let answered = poll_fn(|cx| shared.poll_answer(cx, self.id, &mut answer));
            match select(answered, over).await {
                Either::Left((answer, _)) => answer.map_err(|_| RequestError::Closed),
                Either::Right(((), _)) => Err(RequestError::Closed),
            }
        });
        match outcome.await.map_err(|_| RequestError::Timeout)?? {
            QuestionOutcome::Answered(packet) => read_answer(&packet),
            QuestionOutcome::Unknown => Err(RequestError::Unknown),
        }
    }
}

impl<R: FromArgs + 'static> IntoFuture for Requesting<R> {
    type Output = Result<R, RequestError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.answered())
    }
}

impl<R> fmt::Debug for Requesting<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requesting").field("id", &self.id).field("within", &self.time).finish_non_exhaustive()
    }
}

struct Question<'a> {
    session: &'a Session,
    id: u64,
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        self.session.member.shared.cancel_question(self.id);
    }
}

pub(super) fn read_answer<R: FromArgs>(packet: &Packet) -> Result<R, RequestError> {
    let head =
        Head::parse(packet.text()).map_err(|error| RequestError::Data(Fault::new("answer", error.to_string())))?;
    if head.kind == Kind::Refused {
        return Err(RequestError::Refused(Fault::parse(head.data)));
    }
    let arguments = Arguments::of_reply(head.data, packet.attachments());
    read_args(arguments).map_err(|error| RequestError::Data(Fault::from(error)))
}

/// Why a [request](Session::request) has no answer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RequestError {
    /// The answer did not come in time.
    Timeout,
    /// The client has refused the request.
    Refused(Fault),
    /// The answer has other values than the caller wants: the fault has the code `data` and serde's text.
    Data(Fault),
    /// Another page has taken the session over, or a client of Socket.IO that may
    /// [recover](crate::SocketIo::recovery) was cut. The request may have been received before.
    Unknown,
    /// The session is over.
    Closed,
    /// 1,024 requests of this session are not answered.
    Full,
    /// The request was not sent.
    NotSent(SendError),
    /// The session's node is gone, or cannot be reached any more: only a [request to rooms](crate::To::request) asks
    /// sessions of other nodes. The request may have been received, and answered.
    Unreachable,
}

impl RequestError {
    /// The reason for a session of another node.
    pub(super) fn elsewhere(why: Absent) -> Self {
        match why {
            Absent::Full => RequestError::Full,
            Absent::OutboxFull => RequestError::NotSent(SendError::Full),
            Absent::NoEvents => RequestError::NotSent(SendError::NoEvents),
            Absent::Closed => RequestError::Closed,
            Absent::Unknown => RequestError::Unknown,
            Absent::Timeout => RequestError::Timeout,
            Absent::Unreachable => RequestError::Unreachable,
        }
    }

    pub(super) fn of(error: CannotAsk) -> Self {
        match error {
            CannotAsk::Full => RequestError::Full,
            CannotAsk::NoEvents | CannotAsk::Outbox(session::SendError::NoBytes) => {
                RequestError::NotSent(SendError::NoEvents)
            }
            CannotAsk::Skipped | CannotAsk::Outbox(session::SendError::Full) => RequestError::NotSent(SendError::Full),
            CannotAsk::Closed | CannotAsk::Outbox(session::SendError::Closed | session::SendError::Exhausted) => {
                RequestError::Closed
            }
        }
    }
}

impl From<SendError> for RequestError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Closed => RequestError::Closed,
            error => RequestError::NotSent(error),
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestError::Timeout => f.write_str("the answer did not come in time"),
            RequestError::Refused(fault) => write!(f, "the client refused the request: {fault}"),
            RequestError::Data(fault) => write!(f, "the answer has other values: {fault}"),
            RequestError::Unknown => f.write_str("the client was cut, or another page has taken the session over"),
            RequestError::Closed => f.write_str("the session is over"),
            RequestError::Full => f.write_str("too many requests are not answered"),
            RequestError::NotSent(error) => error.fmt(f),
            RequestError::Unreachable => f.write_str("the node of the session was not reached"),
        }
    }
}

impl std::error::Error for RequestError {}
