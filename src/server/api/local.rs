//! A client in memory, for applications' own tests of their handlers.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use super::{server::Server, session::SessionId};
use crate::{
    clock::Clock,
    config::{Transport, millis},
    dialect::{Fault, Head, refused},
    message::Message,
    packet::Packet,
    payload::Payload,
    server::gateway::Page,
    session::{
        Arrival, Attach, CloseReason, Config, LinkId, LinkKind, Machine, Names, Role, SendError, reason,
        rules::{NATIVE, Takes},
    },
    shared::{Credential, PullStatus, SharedSession},
    transport::Link,
};
use axum::http::{Request, request::Parts};

/// A client without a network, for tests. It opens a session of a server in this process and exchanges
/// messages with its handler, over the same machine as real clients do.
///
/// It answers heartbeats only while one of its methods runs. [Below](#events) are its methods for events.
///
/// ```
/// use anywire::{Anywire, LocalClient, Session};
///
/// async fn shout(session: Session) {
///     while let Some(message) = session.recv().await {
///         let text = message.as_text().unwrap_or_default().to_uppercase();
///         let _ = session.send(text).await;
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let live = Anywire::builder().handler(shout).build();
/// let mut client = LocalClient::open(&live, (), "").await.unwrap();
/// client.send("hello");
/// assert_eq!(client.recv().await.unwrap().as_text(), Some("HELLO"));
/// client.cut(); // The session lives on.
/// client.send("again");
/// client.resume().unwrap();
/// assert_eq!(client.recv().await.unwrap().as_text(), Some("AGAIN"));
/// # }
/// ```
pub struct LocalClient {
    machine: Machine,
    clock: Clock,
    link: Option<(Link, LinkId)>,
    shared: Arc<SharedSession>,
    message_limit: usize,
    ordinal: u64,
    /// The messages and events that have come and were not received yet.
    arrived: VecDeque<Payload>,
    pub(super) requests: Requests,
}

/// The requests of a client that are not answered, or whose answer was not taken yet.
#[derive(Debug, Default)]
pub(super) struct Requests {
    ids: u64,
    waiting: HashMap<u64, Option<Packet>>,
}

impl Requests {
    /// The number of the next request, whose answer is kept from now on.
    pub(super) fn begin(&mut self) -> u64 {
        self.ids += 1;
        self.waiting.insert(self.ids, None);
        self.ids
    }

    /// The answer to a request, if it has come.
    pub(super) fn take(&mut self, id: u64) -> Option<Packet> {
        let answer = self.waiting.get_mut(&id)?.take()?;
        self.waiting.remove(&id);
        Some(answer)
    }

    /// Nobody waits for this answer any more.
    pub(super) fn forget(&mut self, id: u64) {
        self.waiting.remove(&id);
    }

    fn answered(&mut self, packet: Packet) {
        let id = Head::parse(packet.text()).ok().and_then(|head| head.id);
        if let Some(waiting) = id.and_then(|id| self.waiting.get_mut(&id)) {
            waiting.get_or_insert(packet);
        }
    }
}

impl LocalClient {
    /// Opens a session with this auth data. The extractors see the request `POST /open` without headers;
    /// [`open_with`](Self::open_with) takes another one.
    ///
    /// Waits for the extractors. Cancel-safe: dropped while it waits, it has opened no session.
    ///
    /// # Errors
    /// Fails with the reason for which the server refused or an extractor rejected.
    pub async fn open<S>(server: &Server<S>, state: S, auth: &str) -> Result<Self, CloseReason>
    where
        S: Clone + Send + Sync + 'static,
    {
        let (parts, ()) = Request::post("/open").body(()).expect("a plain request is valid").into_parts();
        Self::open_with(server, state, auth, parts).await
    }

    /// Opens a session as [`open`](Self::open) does, with a request of your own for the extractors. The
    /// origin policy is not applied.
    ///
    /// # Errors
    /// Fails with the reason for which the server refused or an extractor rejected.
    pub async fn open_with<S>(server: &Server<S>, state: S, auth: &str, parts: Parts) -> Result<Self, CloseReason>
    where
        S: Clone + Send + Sync + 'static,
    {
        let gateway = server.gateway();
        let mut opened =
            match gateway.open_new(parts, state, Page::OWN, Some(auth.into()), gateway.core.terms(&NATIVE)).await {
                Ok(opened) => opened,
                Err(error) => return Err(error.into_refusal().await.reason),
            };
        let shared = opened.shared.clone();
        let clock = shared.runtime().clock();
        let server_config = &gateway.core.config;
        let config = Config {
            role: Role::Client,
            rules: &NATIVE,
            interval: millis(server_config.heartbeat_interval),
            timeout: millis(server_config.heartbeat_timeout),
            grace: millis(server_config.grace),
            confirm_timeout: millis(server_config.open_timeout),
            inbox: usize::MAX / 2,
            outbox: server_config.inbox,
            droppable_mark: server_config.droppable_mark,
            floor: usize::MAX,
            takes: Takes::All,
            base: 0,
        };
        let machine = Machine::new(config, clock.now());
        let message_limit = server_config.message_limit;
        let (arrived, requests) = (VecDeque::new(), Requests::default());
        let mut client =
            LocalClient { machine, clock, link: None, shared, message_limit, ordinal: 0, arrived, requests };
        client.attach(true)?;
        opened.start();
        client.pump(&mut Context::from_waker(Waker::noop()));
        Ok(client)
    }

    /// Sends a message. Never waits. Without a link the message is kept for [`resume`](Self::resume).
    ///
    /// # Panics
    /// Panics if the session is closed, if the message is above the server's
    /// [limit](crate::Builder::message_limit), or if the unacknowledged messages exceed the inbox of the server.
    pub fn send(&mut self, message: impl Into<Message>) {
        self.send_payload(message.into().into());
    }

    pub(super) fn send_payload(&mut self, payload: Payload) {
        let limit = self.message_limit;
        assert!(payload.len() <= limit, "the message has {} bytes, and the limit is {limit}", payload.len());
        let result = self.machine.send(payload.into());
        assert_ne!(result, Err(SendError::Full), "the client's outbox is full");
        assert_eq!(result, Ok(()), "the session is closed");
        self.pump(&mut Context::from_waker(Waker::noop()));
    }

    /// Receives the next message from the handler; an event as its JSON, and a request of the server is refused.
    /// Returns `None` when the session is over, also if the server has ended it while the link was
    /// [cut](Self::cut). Waits for the message. Cancel-safe.
    pub async fn recv(&mut self) -> Option<Message> {
        let payload = poll_fn(|cx| self.poll_arrived(cx, Self::next_arrived)).await?;
        Some(self.plain(payload))
    }

    /// Exchanges frames, and waits until `take` has something or the session is over.
    pub(super) fn poll_arrived<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut take: impl FnMut(&mut Self) -> Option<T>,
    ) -> Poll<Option<T>> {
        self.pump(cx);
        match take(self) {
            None if self.machine.closed().is_none() && !self.is_given_up(cx) => Poll::Pending,
            taken => Poll::Ready(taken),
        }
    }

    /// Receives the next message if the handler has sent one already. Never waits. Returns `None` if there is
    /// none now, or never will be one.
    ///
    /// A handler that was just given a message has not run yet: [`idle`](Self::idle) lets it.
    pub fn try_recv(&mut self) -> Option<Message> {
        let payload = self.try_arrived()?;
        Some(self.plain(payload))
    }

    pub(super) fn try_arrived(&mut self) -> Option<Payload> {
        self.pump(&mut Context::from_waker(Waker::noop()));
        self.next_arrived()
    }

    /// Receives the next message as [`recv`](Self::recv) does, but waits no longer than `limit` (on tokio's
    /// clock). Returns `None` if none came by then, or the session is over. Cancel-safe.
    pub async fn recv_within(&mut self, limit: Duration) -> Option<Message> {
        tokio::time::timeout(limit, self.recv()).await.ok().flatten()
    }

    /// Waits until the session's handler has received everything that was sent, and waits in
    /// [`recv`](crate::Session::recv) or its like for more; or until it has returned. Cancel-safe.
    ///
    /// A test can then assert on everything that the handler did, without a pause:
    ///
    /// ```
    /// # use anywire::{Anywire, LocalClient, Session};
    /// async fn lobby(session: Session) {
    ///     session.join("lobby");
    ///     while let Some(message) = session.recv().await {
    ///         session.to("lobby").send(message);
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let live = Anywire::builder().handler(lobby).build();
    /// let mut ada = LocalClient::open(&live, (), "").await.unwrap();
    /// ada.send("is anybody here?");
    /// ada.idle().await;
    /// assert_eq!(live.members("lobby").len(), 1);
    /// assert_eq!(ada.try_recv(), None, "her own message is for the others");
    /// # }
    /// ```
    pub async fn idle(&mut self) {
        poll_fn(|cx| {
            self.pump(cx);
            self.shared.poll_idle(cx)
        })
        .await;
    }

    /// Cuts the link, as a network does. The session is kept for the grace time.
    pub fn cut(&mut self) {
        if let Some((_, id)) = self.link.take() {
            self.machine.detach(self.clock.now(), id);
        }
    }

    /// Attaches a new link after a [`cut`](Self::cut).
    ///
    /// # Errors
    /// Fails with the reason for which the server refused, for example that the session is over.
    pub fn resume(&mut self) -> Result<(), CloseReason> {
        self.cut();
        self.attach(false)?;
        self.pump(&mut Context::from_waker(Waker::noop()));
        Ok(())
    }

    /// Closes the session behind everything that was sent. Does not wait. The code is 1000, 1001 as of a page
    /// that goes away, or one from 3000 to 3999.
    ///
    /// # Panics
    /// Panics if the code is another one, which clients do not send.
    pub fn close(&mut self, code: u16, text: &str) {
        let allowed = matches!(code, 1000 | 1001 | 3000..=3999);
        assert!(allowed, "a client closes with code 1000, 1001 or one from 3000 to 3999, not with {code}");
        self.machine.close(CloseReason::new(code, text));
        self.pump(&mut Context::from_waker(Waker::noop()));
    }

    /// Returns the reason why the session is over, or why it was [closed](Self::close) here; `None` while it
    /// is neither.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.machine.close_reason().cloned()
    }

    /// Returns the session's id, as [`Live::session`](crate::Live::session) takes it.
    pub fn id(&self) -> SessionId {
        SessionId::new(&self.shared)
    }

    /// Whether the server has ended the session while there is no link, which a client learns when it comes
    /// back.
    fn is_given_up(&mut self, cx: &Context<'_>) -> bool {
        let given_up = self.link.is_none() && self.shared.poll_over(cx).is_ready();
        if given_up {
            self.machine.abort(self.clock.now(), reason::UNKNOWN);
        }
        given_up
    }

    pub(super) fn next_arrived(&mut self) -> Option<Payload> {
        self.arrived.pop_front()
    }

    /// A message or an event as a message: an event is its JSON, and a request is refused, since nothing would answer it.
    fn plain(&mut self, payload: Payload) -> Message {
        if let Payload::Event(packet) = &payload
            && let Ok(Head { id: Some(id), namespace, .. }) = Head::parse(packet.text())
        {
            let fault = Fault::new("no-events", "this client receives messages, and answers no requests");
            self.answer_with(refused(namespace, id, &fault));
        }
        payload.into_message()
    }

    /// Sends an answer, unless the session is over.
    pub(super) fn answer_with(&mut self, packet: Packet) {
        if self.machine.close_reason().is_none() {
            self.send_payload(packet.into());
        }
    }

    /// Sorts what has come: answers are for those who asked, and packets that are no event are for nobody.
    fn sort_arrivals(&mut self) {
        while let Some(arrival) = self.machine.poll_arrival() {
            match arrival {
                Arrival::Message(Payload::Event(packet)) if !packet.is_event() => self.requests.answered(packet),
                Arrival::Message(payload) => self.arrived.push_back(payload),
                Arrival::Gap { .. } => {}
            }
        }
    }

    fn attach(&mut self, opening: bool) -> Result<(), CloseReason> {
        self.ordinal += 1;
        let received = self.machine.received();
        let kind = LinkKind::Duplex;
        let names = Some(Names::parse(b"ping.events"));
        let attach = Attach { ordinal: self.ordinal, turn: 0, kind, opening, seen: false, received, names };
        let link = Link::attach(self.shared.clone(), Credential::Attempt, attach, Transport::WebSocket)?;
        let id = self.machine.attach(self.clock.now(), attach)?;
        self.link = Some((link, id));
        Ok(())
    }

    /// Passes frames in both directions until neither half has more to send.
    fn pump(&mut self, cx: &mut Context<'_>) {
        self.exchange(cx);
        self.sort_arrivals();
    }

    fn exchange(&mut self, cx: &mut Context<'_>) {
        let Some((link, id)) = &self.link else { return };
        let now = self.clock.now();
        loop {
            let mut quiet = true;
            let machine = &mut self.machine;
            // The other half sends a violation on the link too, so the error is not needed here.
            let _ = link.input(|| {
                let frame = machine.poll_transmit(now, *id);
                quiet &= frame.is_none();
                Ok(frame)
            });
            let mut frames = Vec::new();
            let pulled = link.pull(cx, |outbound| {
                frames.push(outbound.into_frame());
                true
            });
            for frame in frames {
                quiet = false;
                let _ = self.machine.handle_frame(now, *id, frame);
            }
            if pulled == PullStatus::Over {
                return self.cut();
            }
            if quiet {
                return;
            }
        }
    }
}

impl fmt::Debug for LocalClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalClient").field("id", &self.id()).finish_non_exhaustive()
    }
}
