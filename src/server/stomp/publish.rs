//! SEND: to the handler, to a topic or to a queue.

use std::future::poll_fn;

use bytestring::ByteString;

use super::{
    destination::Destination,
    driver::{Driver, Stop, refusal, refusal_of},
};
use crate::{
    dialect::{
        Fault, MESSAGE,
        stomp::{self, Content, Refusal, Send, Settle, Version},
    },
    hub::{Audience, ROOT},
    message::{Message, Text},
    server::api::to::To,
};

/// A destination to which a client may send, without its beginning.
pub(super) enum Allowed<'a> {
    App(&'a str),
    Topic(&'a str),
    Queue(&'a str),
}

impl Driver {
    /// Sends a message. The receipt of an event comes when the handler has answered it. Returns whether the receipt is due.
    pub(super) async fn publish(&mut self, send: Send, receipt: Option<&ByteString>) -> Result<bool, Stop> {
        self.publish_as(send, receipt, receipt).await
    }

    /// Sends a message of a transaction. No answer of a handler is awaited. Returns whether the message was not refused;
    /// a refusal names the receipt that COMMIT asks for.
    pub(super) async fn publish_committed(&mut self, send: Send, commit: Option<&ByteString>) -> Result<bool, Stop> {
        self.publish_as(send, commit, None).await
    }

    /// `asks` is the receipt of an event that is a request, `receipt` the one that a refusal names.
    async fn publish_as(
        &mut self,
        send: Send,
        receipt: Option<&ByteString>,
        asks: Option<&ByteString>,
    ) -> Result<bool, Stop> {
        let Send { destination, content, .. } = send;
        match self.judge(&destination)? {
            Allowed::App(event) => self.hand(event, content, receipt, asks).await,
            Allowed::Topic(topic) => Ok(self.send_to_topic(topic, &content, receipt)),
            Allowed::Queue(queue) => {
                let pushed = self.broker.push(&self.session.core, queue, content.encode());
                Ok(self.sent(pushed, receipt))
            }
        }
    }

    /// A destination to which this client may send.
    ///
    /// # Errors
    /// Fails if it may not send there.
    pub(super) fn judge<'a>(&self, destination: &'a str) -> Result<Allowed<'a>, Refusal> {
        let has_broker = self.broker.settings.broker;
        match Destination::of(destination) {
            Some(Destination::App(event)) => Ok(Allowed::App(event)),
            Some(Destination::Topic(topic)) if self.is_room(topic) => Err(refusal(
                "Not allowed",
                "the topic is a room of the application: send to /app/<event>, and its handler decides",
            )),
            Some(Destination::Topic(topic)) if has_broker => Ok(Allowed::Topic(topic)),
            Some(Destination::Queue(queue)) if has_broker => Ok(Allowed::Queue(queue)),
            _ => Err(refusal(
                "Unknown destination",
                "one can send to /app/<event> and, if the broker is on, to /topic/<name> and /queue/<name>",
            )),
        }
    }

    /// Hands an event to the handler. The receipt that it asks for comes when the handler has answered.
    async fn hand(
        &mut self,
        event: &str,
        content: Content,
        receipt: Option<&ByteString>,
        asks: Option<&ByteString>,
    ) -> Result<bool, Stop> {
        let shared = &self.session.member.shared;
        // A handler that is slow makes its client wait, and nobody else.
        poll_fn(|cx| shared.poll_stomp_room(cx)).await;
        if event == MESSAGE {
            shared.hand_stomp_event(message_of(content).into());
            return Ok(true);
        }
        let id = asks.map(|receipt| shared.begin_stomp_request(receipt.clone()));
        match stomp::event_packet(event, id, &content) {
            Ok(packet) => {
                shared.hand_stomp_event(packet.into());
                Ok(asks.is_none())
            }
            Err(error) => {
                id.into_iter().for_each(|id| shared.drop_stomp_request(id));
                Ok(self.sent(Err(Fault::new("malformed", error.to_string())), receipt))
            }
        }
    }

    fn send_to_topic(&self, topic: &str, content: &Content, receipt: Option<&ByteString>) -> bool {
        let audience = Audience::Room(self.broker.topic(topic));
        let delivered = To::new(&self.session.core, ROOT, audience).send(content.encode());
        let most = self.session.core.config.message_limit;
        let text = format!("a message has at most {most} bytes (`Builder::message_limit`)");
        self.sent(if delivered.too_large { Err(Fault::new("too-large", text)) } else { Ok(()) }, receipt)
    }

    /// Tells the client if something was not sent. Returns whether the receipt is due.
    fn sent(&self, sent: Result<(), Fault>, receipt: Option<&ByteString>) -> bool {
        let Err(fault) = sent else { return true };
        tracing::debug!(session = %self.session.id(), %fault, "a SEND was refused");
        self.session.core.counters.sends_refused.add(1);
        if !self.tell(&fault, receipt) {
            self.session.member.shared.send_stomp_fault(&fault, receipt.map(|receipt| &**receipt));
        }
        false
    }

    /// Sends an ERROR behind which the connection goes on, if there is such a thing: the versions behind 1.0 have none.
    /// Returns whether there is.
    pub(super) fn tell(&self, fault: &Fault, receipt: Option<&ByteString>) -> bool {
        if self.version > Version::V1_0 {
            return false;
        }
        let refusal = refusal_of(fault);
        let receipt = receipt.map(|receipt| &**receipt);
        let frame = stomp::error(Some(self.version), &refusal.message, &refusal.detail, receipt);
        self.session.member.shared.answer_stomp(frame);
        true
    }

    /// The client has acknowledged messages, or refused them.
    pub(super) fn settle(&mut self, settle: &Settle) -> Result<(), Stop> {
        let deliveries = self.session.member.shared.settle_deliveries(settle)?;
        self.broker.settle(&self.session.core, &deliveries, settle.positive);
        Ok(())
    }

    /// Whether a topic is a room of the application, for this client or for all.
    fn is_room(&self, topic: &str) -> bool {
        self.broker.settings.opens(topic) || self.rooms.iter().any(|(known, _)| **known == *topic)
    }
}

/// The body as a message: a text if it is one.
fn message_of(content: Content) -> Message {
    match ByteString::try_from(content.body.clone()) {
        Ok(text) => Message::Text(Text(text)),
        Err(_) => Message::Binary(content.body),
    }
}
