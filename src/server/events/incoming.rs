//! One event of the client, on its way to a handler.

use std::{borrow::Cow, fmt};

use bytestring::ByteString;
use serde::de::DeserializeOwned;

use super::{
    asked::{Asked, Offer},
    reply::{Answer, IntoAnswer},
};
use crate::{
    dialect::{Args, Arguments, Fault, FromArgs, Head, MESSAGE, event_name, parse_variant, read_args},
    message::{JsonError, Message},
    packet::Packet,
    server::api::{send_error::SendError, session::Session},
};

/// An event of the client: a name and arguments. It is a request if the client waits for an answer.
///
/// A [layer](crate::Events::layer) gets it and hands it on. A plain message of the client is an event of the name
/// `message`, whose one argument is its text or its bytes.
///
/// A request whose event is dropped without a [`reply`](Self::reply) is answered with a fault of the code
/// `unanswered`.
pub struct Incoming {
    session: Session,
    content: Content,
    asked: Option<Asked>,
    /// The number of the request, also when somebody else has the duty to answer.
    request: Option<u64>,
    fault: Option<Box<Fault>>,
}

#[derive(Clone, Debug)]
enum Content {
    /// Only this name: the client did not send it.
    Nothing(&'static str),
    Message(Message),
    Event {
        packet: Packet,
        name: Name,
        /// The place where the packet's data begins: a list whose first item is the name.
        data: usize,
    },
}

/// The name of an event that came as a packet.
#[derive(Clone, Debug)]
enum Name {
    /// Its place in the packet's text.
    At { start: u32, length: u32 },
    /// The packet has it with escapes, or behind a long way.
    Copied(Box<str>),
}

impl Name {
    /// A name that is a part of a text, at the place where it begins.
    fn of_part(start: usize, name: &str) -> Self {
        match (u32::try_from(start), u32::try_from(name.len())) {
            (Ok(start), Ok(length)) => Name::At { start, length },
            _ => Name::Copied(name.into()),
        }
    }

    fn of<'a>(&'a self, packet: &'a Packet) -> &'a str {
        match self {
            Name::At { start, length } => &packet.text()[*start as usize..][..*length as usize],
            Name::Copied(name) => name,
        }
    }

    /// The text behind the name, if its place is known.
    fn rest<'a>(&self, packet: &'a Packet) -> Option<&'a str> {
        match self {
            // A quotation mark ends it.
            Name::At { start, length } => packet.text().get(*start as usize + *length as usize + 1..),
            Name::Copied(_) => None,
        }
    }
}

impl Incoming {
    /// The event of a packet. `page` is the number of the page that sent it, and `offer` the way of an answer.
    ///
    /// A packet that is no event, or has no valid name, is none: who asked is answered with a fault.
    pub(crate) fn of_packet(session: &Session, packet: Packet, page: u64, offer: Offer) -> Option<Self> {
        let head = Head::parse(packet.text()).ok().filter(|head| head.kind.is_event())?;
        let asked = head.id.map(|id| Asked { id, page, offer });
        let name = match event_name(head.data) {
            Ok(Cow::Borrowed(name)) => {
                // It is a part of the text, and so has a place in it.
                Name::of_part(name.as_ptr().addr() - packet.text().as_ptr().addr(), name)
            }
            Ok(Cow::Owned(name)) => Name::Copied(name.into()),
            Err(error) => {
                session.core.counters.event_faults.add(1);
                tracing::debug!(session = %session.id(), %error, "an event has no valid name");
                if let Some(asked) = asked {
                    asked.answer_now(session, Err(Fault::new("name", error.to_string())));
                }
                return None;
            }
        };
        let data = packet.text().len() - head.data.len();
        Some(Incoming::new(session, Content::Event { packet, name, data }, asked))
    }

    /// A plain message as an event.
    pub(crate) fn of_message(session: &Session, message: Message) -> Self {
        Incoming::new(session, Content::Message(message), None)
    }

    /// An event without arguments that the client did not send.
    pub(super) fn of_server(session: &Session, name: &'static str) -> Self {
        Incoming::new(session, Content::Nothing(name), None)
    }

    fn new(session: &Session, content: Content, asked: Option<Asked>) -> Self {
        Incoming { session: session.clone(), content, request: asked.map(|asked| asked.id), asked, fault: None }
    }

    /// The name, of at most 256 bytes.
    pub fn name(&self) -> &str {
        match &self.content {
            Content::Nothing(name) => name,
            Content::Message(_) => MESSAGE,
            Content::Event { packet, name, .. } => name.of(packet),
        }
    }

    pub(super) fn shared_name(&self) -> ByteString {
        match &self.content {
            Content::Nothing(name) => ByteString::from_static(name),
            Content::Message(_) => ByteString::from_static(MESSAGE),
            Content::Event { packet, name: Name::At { .. }, .. } => packet.text().slice_ref(self.name()),
            Content::Event { name: Name::Copied(name), .. } => ByteString::from(&**name),
        }
    }

    /// The session whose client sent it.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The first argument, read as `T`; one that is absent counts as null. Further ones are ignored.
    ///
    /// # Errors
    /// Fails with the code `data` and serde's text if it is not of this type.
    pub fn data<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        self.with_arguments(read_args)
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
        self.with_arguments(read_args).map(|Args(all)| all)
    }

    /// The event as a variant of an enum: the variant is the name, and its content the arguments. A unit variant
    /// takes none, `V(T)` the first, `V(A, B)` all of them, and `V { .. }` the first, an object. A variant with
    /// `#[serde(other)]` takes all other names.
    ///
    /// ```
    /// use anywire::{Fault, Incoming};
    ///
    /// #[derive(serde::Deserialize)]
    /// #[serde(rename_all = "snake_case")]
    /// enum Command {
    ///     Say(String),
    ///     MoveTo { x: i32, y: i32 },
    ///     Leave,
    /// }
    ///
    /// fn read(event: &Incoming) -> Result<Command, Fault> {
    ///     event.parse()
    /// }
    /// ```
    ///
    /// # Errors
    /// Fails with the code `data` and a text that names the event if there is no such variant, or the arguments do
    /// not fit it.
    pub fn parse<E: DeserializeOwned>(&self) -> Result<E, Fault> {
        self.with_arguments(|arguments| parse_variant(self.name(), arguments))
    }

    fn with_arguments<T>(&self, read: impl FnOnce(Arguments<'_>) -> Result<T, JsonError>) -> Result<T, Fault> {
        let read = match &self.content {
            Content::Nothing(_) => read(Arguments::of_reply("[]", &[])),
            Content::Event { packet, name, data } => {
                let list = &packet.text()[*data..];
                read(Arguments::of_event(list, packet.attachments()).with_rest(name.rest(packet)))
            }
            Content::Message(Message::Text(text)) => {
                let list = serde_json::to_string(&[text.as_str()]).expect("text can be written");
                read(Arguments::of_reply(&list, &[]))
            }
            Content::Message(Message::Binary(bytes)) => {
                read(Arguments::of_reply(r#"[{"_placeholder":true,"num":0}]"#, std::slice::from_ref(bytes)))
            }
        };
        read.map_err(Fault::from)
    }

    /// Whether the client waits for a reply.
    pub fn wants_reply(&self) -> bool {
        self.request.is_some()
    }

    /// Replies, with what a handler may return. If the event is no request, nothing is sent. In a layer
    /// nothing is sent either: there the answer is what the layer returns.
    ///
    /// Waits while the outbox is full, as [`Session::send`] does. Dropped while it waits, it has sent nothing,
    /// and the request stays without an answer.
    ///
    /// # Errors
    /// Fails if the reply was not sent: the session is closed, or its outbox is full and does not
    /// [wait](crate::Overflow). A reply above the message limit does not fail here; the client gets a fault of
    /// the code `reply` instead.
    pub async fn reply(mut self, answer: impl IntoAnswer) -> Result<(), SendError> {
        let (asked, answer) = (self.asked.take(), answer.into_answer());
        match asked {
            Some(asked) => asked.answer(&self.session, answer).await,
            None => Ok(()),
        }
    }

    /// The number of the request, if it is one.
    pub(super) fn request(&self) -> Option<u64> {
        self.request
    }

    /// Takes the duty to answer over.
    pub(super) fn take_asked(&mut self) -> Option<Asked> {
        self.asked.take()
    }

    /// The same event, without the duty to answer.
    pub(super) fn copy(&self) -> Self {
        let mut copy = Incoming::new(&self.session, self.content.clone(), None);
        copy.request = self.request;
        copy
    }

    /// The fault with which the event was answered, for [`on_fault`](crate::Events::on_fault).
    pub(super) fn fault(&self) -> Option<&Fault> {
        self.fault.as_deref()
    }

    pub(super) fn set_fault(&mut self, fault: Fault) {
        self.fault = Some(Box::new(fault));
    }
}

/// A request is answered in any case.
impl Drop for Incoming {
    fn drop(&mut self) {
        if let Some(asked) = self.asked.take() {
            let fault = Fault::new("unanswered", "the server did not answer");
            asked.answer_now(&self.session, Answer::Err(fault));
        }
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Incoming");
        debug.field("name", &self.name()).field("request", &self.request).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::Incoming;

    /// A longer value is copied by a call.
    #[test]
    fn an_event_is_moved_in_few_steps() {
        assert!(size_of::<Incoming>() <= 128, "{}", size_of::<Incoming>());
    }
}
