//! Events of the client in memory.

use std::{future::poll_fn, marker::PhantomData, time::Duration};

use bytes::Bytes;
use bytestring::ByteString;
use serde::de::DeserializeOwned;

use super::{events::RequestError, local::LocalClient, session::SessionId};
use crate::{
    dialect::{
        Args, Arguments, Asks, Fault, FromArgs, Head, IntoArgs, Kind, Sends, ack, event, event_name, read_args, refused,
    },
    message::{JsonError, Message},
    packet::Packet,
    payload::Payload,
};

/// The namespace of a session itself.
const NAMESPACE: &str = "/";

/// The name under which plain messages are events.
const MESSAGE: &str = "message";

/// The time that a request has, as with the client for browsers.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// # Events
///
/// The client knows events, as the client for browsers does: it sends and asks, and what the server asks it can
/// answer.
///
/// ```
/// use anywire::{Anywire, Data, Events, Fault, LocalClient, Reply, RequestError, Session};
///
/// async fn double(Data(number): Data<u32>, session: Session) -> Result<Reply<u32>, Fault> {
///     if number > 100 && !session.request("really?", number).await.unwrap_or(false) {
///         return Err(Fault::new("large", "that is too much"));
///     }
///     let _ = session.emit("doubled", number).await;
///     Ok(Reply(number * 2))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let live = Anywire::builder().events(Events::new().on("double", double)).build();
/// let mut client = LocalClient::open(&live, (), "").await.unwrap();
/// assert_eq!(client.request("double", 21).await, Ok(42));
/// let event = client.recv_event().await.unwrap();
/// assert_eq!((event.name(), event.data()), ("doubled", Ok(21)));
///
/// // While the handler asks back, the request waits.
/// let request = client.start_request::<_, _, u32>("double", 101);
/// let asked = client.recv_event().await.unwrap();
/// assert_eq!((asked.name(), asked.wants_reply()), ("really?", true));
/// client.reply(asked, false);
/// let refused = client.answer(request).await;
/// assert!(matches!(refused, Err(RequestError::Refused(fault)) if fault.code == "large"));
/// # }
/// ```
#[expect(clippy::needless_pass_by_value, reason = "so that data is given as it is at hand, by value or by reference")]
impl LocalClient {
    /// Sends an event. Never waits. Without a link it is kept for [`resume`](Self::resume).
    ///
    /// `data` is one value; [`Args`] are several, and `()` is none.
    ///
    /// # Panics
    /// Panics as [`send`](Self::send) does, and if no event may have this name or the values cannot be written.
    pub fn emit<N: Sends<D>, D: IntoArgs>(&mut self, name: N, data: D) {
        self.send_payload(packet(name.name(), None, &data).into());
    }

    /// Asks the server: sends an event that wants an answer, and waits for it for at most ten seconds of tokio's
    /// clock. Events that come meanwhile are kept for [`recv_event`](Self::recv_event). Cancel-safe: dropped while it
    /// waits, its answer is ignored.
    ///
    /// If the handler asks the client before it answers, use [`start_request`](Self::start_request).
    ///
    /// # Errors
    /// Fails as [`answer`](Self::answer) does.
    ///
    /// # Panics
    /// Panics as [`emit`](Self::emit) does.
    pub async fn request<N: Asks<D, R>, D: IntoArgs, R: FromArgs>(
        &mut self,
        name: N,
        data: D,
    ) -> Result<R, RequestError> {
        let request = self.start_request(name, data);
        self.answer(request).await
    }

    /// Sends a request, and returns what waits for its answer. Never waits.
    ///
    /// # Panics
    /// Panics as [`emit`](Self::emit) does.
    pub fn start_request<N: Asks<D, R>, D: IntoArgs, R: FromArgs>(&mut self, name: N, data: D) -> LocalRequest<R> {
        let id = self.requests.begin();
        self.send_payload(packet(name.name(), Some(id), &data).into());
        LocalRequest { client: self.id(), id, answer: PhantomData }
    }

    /// Waits for the answer to a request of this client, for at most ten seconds of tokio's clock. Cancel-safe:
    /// dropped while it waits, the answer is ignored.
    ///
    /// # Errors
    /// Fails with [`RequestError::Refused`] if the server refuses, with `Data` if the answer is of another type, with
    /// `Closed` if the session is over, and with `Timeout`.
    ///
    /// # Panics
    /// Panics if another client has made the request.
    pub async fn answer<R: FromArgs>(&mut self, request: LocalRequest<R>) -> Result<R, RequestError> {
        assert!(request.client == self.id(), "this request was made by another client");
        let id = request.id;
        let answer = poll_fn(|cx| self.poll_arrived(cx, |client| client.requests.take(id)));
        let answer = tokio::time::timeout(REQUEST_TIMEOUT, answer).await;
        self.requests.forget(id);
        let packet = answer.map_err(|_| RequestError::Timeout)?.ok_or(RequestError::Closed)?;
        read_answer(&packet)
    }

    /// Receives the next event. A plain message is an event of the name `message`. Returns `None` as
    /// [`recv`](Self::recv) does. Waits for the event. Cancel-safe.
    ///
    /// # Panics
    /// Panics if the server has sent an event without a valid name, which it never does.
    pub async fn recv_event(&mut self) -> Option<LocalEvent> {
        poll_fn(|cx| self.poll_arrived(cx, LocalClient::next_arrived)).await.map(LocalEvent::of)
    }

    /// Receives the next event if it has come already. Never waits. Returns `None` as [`try_recv`](Self::try_recv)
    /// does.
    ///
    /// # Panics
    /// Panics as [`recv_event`](Self::recv_event) does.
    pub fn try_recv_event(&mut self) -> Option<LocalEvent> {
        self.try_arrived().map(LocalEvent::of)
    }

    /// Replies to a request of the server; `()` is a reply without a value. Does nothing if the event is no request,
    /// or the session is over. Never waits.
    ///
    /// # Panics
    /// Panics if the values cannot be written, or the reply is above the server's
    /// [limit](crate::Builder::message_limit) or does not fit.
    pub fn reply(&mut self, event: LocalEvent, values: impl IntoArgs) {
        if let Some(id) = event.id {
            self.answer_with(ack(NAMESPACE, id, &values).expect("the values of a reply can be written"));
        }
    }

    /// Refuses a request of the server. Does nothing if the event is no request, or the session is over. Never waits.
    ///
    /// # Panics
    /// Panics if the refusal is above the server's limit or does not fit.
    pub fn refuse(&mut self, event: LocalEvent, fault: Fault) {
        if let Some(id) = event.id {
            self.answer_with(refused(NAMESPACE, id, &fault));
        }
    }
}

fn packet<D: IntoArgs>(name: &str, id: Option<u64>, data: &D) -> Packet {
    event(NAMESPACE, id, name, data).unwrap_or_else(|error| panic!("the event {name:?} cannot be sent: {error}"))
}

fn read_answer<R: FromArgs>(packet: &Packet) -> Result<R, RequestError> {
    let head = Head::parse(packet.text()).expect("its id was read");
    if head.kind == Kind::Refused {
        return Err(RequestError::Refused(Fault::parse(head.data)));
    }
    let arguments = Arguments::of_reply(head.data, packet.attachments());
    read_args(arguments).map_err(|error| RequestError::Data(Fault::from(error)))
}

/// A request of a [`LocalClient`] that is not answered yet, for [`LocalClient::answer`]. Dropped, its answer is
/// ignored.
#[derive(Debug)]
#[must_use = "its answer is taken by `LocalClient::answer`"]
pub struct LocalRequest<R> {
    client: SessionId,
    id: u64,
    answer: PhantomData<fn() -> R>,
}

/// An event that has come to a [`LocalClient`]: a name and arguments. It is a request if the server waits for an
/// answer, which [`LocalClient::reply`] gives.
#[derive(Clone, Debug)]
pub struct LocalEvent {
    name: ByteString,
    id: Option<u64>,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Message(Message),
    /// The place where the packet's data begins: a list whose first item is the name.
    Event(Packet, usize),
}

impl LocalEvent {
    fn of(payload: Payload) -> Self {
        match payload {
            Payload::Message(message) => {
                LocalEvent { name: MESSAGE.into(), id: None, content: Content::Message(message) }
            }
            Payload::Event(packet) => {
                let head = Head::parse(packet.text()).expect("a server sends packets");
                let name = event_name(head.data).expect("a server's events have names").into_owned().into();
                let (id, at) = (head.id, packet.text().len() - head.data.len());
                LocalEvent { name, id, content: Content::Event(packet, at) }
            }
        }
    }

    /// The name, of at most 256 bytes.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the server waits for a reply.
    pub fn wants_reply(&self) -> bool {
        self.id.is_some()
    }

    /// The first argument, read as `T`; one that is absent counts as null. Further ones are ignored.
    ///
    /// # Errors
    /// Fails with the code `data` and serde's text if it is not of this type.
    pub fn data<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        self.read(read_args)
    }

    /// All arguments, read as a tuple `T` of one to six. Those that are absent at the end count as null, and further
    /// ones are ignored.
    ///
    /// # Errors
    /// Fails with the code `data` and serde's text if they are not of these types.
    pub fn args<T>(&self) -> Result<T, Fault>
    where
        Args<T>: FromArgs,
    {
        self.read(read_args).map(|Args(all)| all)
    }

    fn read<T>(&self, read: impl FnOnce(Arguments<'_>) -> Result<T, JsonError>) -> Result<T, Fault> {
        let read = match &self.content {
            Content::Event(packet, at) => read(Arguments::of_event(&packet.text()[*at..], packet.attachments())),
            Content::Message(Message::Text(text)) => {
                let list = serde_json::to_string(&[text.as_str()]).expect("text can be written");
                read(Arguments::of_reply(&list, &[]))
            }
            Content::Message(Message::Binary(bytes)) => {
                let bytes: &[Bytes] = std::slice::from_ref(bytes);
                read(Arguments::of_reply(r#"[{"_placeholder":true,"num":0}]"#, bytes))
            }
        };
        read.map_err(Fault::from)
    }
}
