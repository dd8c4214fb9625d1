//! [`Payload`], the content of one number of a session.

use std::borrow::Cow;

use bytestring::ByteString;

use crate::{
    message::{Message, Text},
    packet::Packet,
};

/// The content of one number of a session: a message of the application, or an event with its attachments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    Message(Message),
    Event(Packet),
}

impl Payload {
    /// Its length in bytes, which limits count.
    pub(crate) fn len(&self) -> usize {
        match self {
            Payload::Message(message) => message.len(),
            Payload::Event(packet) => packet.len(),
        }
    }

    /// The message; an event as the text of its JSON, for an application that knows no events.
    pub(crate) fn into_message(self) -> Message {
        match self {
            Payload::Message(message) => message,
            Payload::Event(packet) => Message::Text(Text(packet.text().slice_ref(packet.plain()))),
        }
    }

    /// The event that this is for a client which knows nothing else: a message is the event `message`.
    pub(crate) fn to_event(&self) -> Cow<'_, Packet> {
        Cow::Owned(match self {
            Payload::Event(packet) => return Cow::Borrowed(packet),
            Payload::Message(Message::Text(text)) => {
                let text = serde_json::Value::from(text.as_str());
                Packet::new(format!("2[\"message\",{text}]"), Vec::new())
            }
            Payload::Message(Message::Binary(bytes)) => {
                let text = ByteString::from_static("51-[\"message\",{\"_placeholder\":true,\"num\":0}]");
                Packet::new(text, vec![bytes.clone()])
            }
        })
    }

    /// The message; `None` if it is an event.
    pub(crate) fn as_message(&self) -> Option<&Message> {
        match self {
            Payload::Message(message) => Some(message),
            Payload::Event(_) => None,
        }
    }
}

impl From<Message> for Payload {
    fn from(message: Message) -> Self {
        Payload::Message(message)
    }
}

impl From<Packet> for Payload {
    fn from(packet: Packet) -> Self {
        Payload::Event(packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_do_not_pay_for_the_room_of_events() {
        assert_eq!(size_of::<Payload>(), size_of::<Message>());
    }
}
