//! The way of messages to a client that speaks STOMP: each becomes a MESSAGE for each of the subscriptions that it is
//! for, and the answers of the handler become receipts.

use bytes::Bytes;
use bytestring::ByteString;

use super::{
    super::{Inner, SendError, SharedSession, WhenBehind},
    Stomp, Undelivered,
};
use crate::{
    broadcast::{Cell, OutMessage},
    dialect::{Fault, Head, Kind, stomp},
    message::{Message, Text},
    packet::Packet,
    payload::Payload,
};

/// The cell of a broadcast's encoding: the content of a MESSAGE, or nothing if STOMP cannot carry it.
const CELL: Cell = Cell(40);

/// The destination of the events that are sent to the session itself, and have no subscription of their own.
const EVENTS: &str = "/user/queue/events";
/// That of the faults of requests.
const ERRORS: &str = "/user/queue/errors";

/// The destination of a message.
enum To<'a> {
    /// The rooms with these keys.
    Rooms(&'a [String]),
    /// A topic of a broker. The message is the content of a MESSAGE.
    Topic(&'a String),
    /// The session itself.
    Session,
}

impl SharedSession {
    /// Sends what is for the rooms with these keys; for the session itself if there are none. One that `is_topic` is
    /// the topic of a broker. Returns whether it was sent: without a subscription it is not.
    pub(crate) fn send_to_topics(
        &self,
        rooms: &[String],
        is_topic: fn(&str) -> bool,
        how: &WhenBehind,
        message: OutMessage,
    ) -> Result<bool, SendError> {
        let mut inner = self.lock();
        let to = match rooms {
            [] => To::Session,
            [topic] if is_topic(topic) => To::Topic(topic),
            rooms => To::Rooms(rooms),
        };
        self.send_stomp(&mut inner, &to, how, message).map_err(|(error, _)| error)
    }

    /// Sends a packet or a message to a client of STOMP. Returns whether it was sent.
    ///
    /// # Errors
    /// Gives it back if there is no room for it, or the session is over.
    pub(in crate::shared) fn send_to_stomp(
        &self,
        inner: &mut Inner,
        how: &WhenBehind,
        message: OutMessage,
    ) -> Result<bool, (SendError, OutMessage)> {
        self.send_stomp(inner, &To::Session, how, message)
    }

    fn send_stomp(
        &self,
        inner: &mut Inner,
        to: &To<'_>,
        how: &WhenBehind,
        message: OutMessage,
    ) -> Result<bool, (SendError, OutMessage)> {
        let now = self.runtime.clock.now();
        if let Payload::Event(packet) = message.payload()
            && (packet.is_control() || packet.is_answer())
        {
            let packet = packet.clone();
            inner.send_stomp_answer(&packet, self);
            return Ok(true);
        }
        let Some(stomp) = inner.stomp() else { return Err((SendError::Closed, message)) };
        let numbers = stomp.subscribed(to, &message);
        let content = if numbers.is_empty() { None } else { content_of(to, &message) };
        let Some(content) = content else {
            tracing::trace!(session = %self.id, "nothing is subscribed to a message, or STOMP cannot carry it");
            return Ok(false);
        };
        let mut sent = false;
        for (nth, &number) in numbers.iter().enumerate() {
            let Some(frame) = inner.stomp().and_then(|stomp| stomp.frame(number, &content, None)) else { continue };
            let frame = OutMessage::from(Payload::from(frame));
            let result = match (nth, to, how) {
                // The sender would send all again. A destination has few subscriptions.
                (1.., To::Session, WhenBehind::Keep) => inner.machine.send_over_limit(frame).map(|()| true),
                _ => inner.machine.send_as(now, &how_of(how, number), frame),
            };
            sent |= result.map_err(|error| (error, message.clone()))?;
        }
        inner.note_stomp_sent(now);
        inner.wake_carriers();
        self.account(inner);
        Ok(sent)
    }

    /// Delivers a message of a queue, in the form that [`stomp::Content::encode`] gives. `tag` names it in the queue.
    ///
    /// # Errors
    /// Fails if the client cannot take it now, or not at all.
    pub(crate) fn deliver_of_queue(
        &self,
        subscription: u64,
        content: &Message,
        tag: u64,
        redelivered: bool,
    ) -> Result<(), Undelivered> {
        let mut inner = self.lock();
        let now = self.runtime.clock.now();
        let fits = inner.machine.can_send(&Payload::from(content.clone()).into());
        match fits {
            Ok(()) => {}
            Err(SendError::Full) => {
                let Some(stomp) = inner.stomp() else { return Err(Undelivered::Gone) };
                // The queue asks no more until it is unblocked, so none is there twice.
                stomp.blocked.push((subscription, content.len()));
                inner.wake_stomp_task();
                return Err(Undelivered::Full);
            }
            Err(SendError::NoBytes) => return Err(Undelivered::Binary),
            Err(SendError::Closed | SendError::Exhausted) => return Err(Undelivered::Gone),
        }
        let stomp = inner.stomp().ok_or(Undelivered::Gone)?;
        if stomp.subscriptions.get(subscription).is_none() {
            return Err(Undelivered::Gone);
        } else if !stomp.subscriptions.may_deliver(subscription) {
            stomp.unacknowledged.push(subscription);
            return Err(Undelivered::Full);
        }
        let frame = stomp.frame(subscription, content, Some((tag, redelivered))).ok_or(Undelivered::Gone)?;
        inner.machine.send_over_limit(Payload::from(frame).into()).map_err(|_| Undelivered::Gone)?;
        inner.note_stomp_sent(now);
        inner.wake_carriers();
        self.account(&mut inner);
        Ok(())
    }

    /// Tells the client why something that it has asked for was refused, if it has subscribed to faults. Returns whether
    /// it was told.
    pub(crate) fn send_stomp_fault(&self, fault: &Fault, receipt: Option<&str>) -> bool {
        let mut inner = self.lock();
        let told = inner.send_fault(fault, receipt, self);
        self.account(&mut inner);
        told
    }
}

impl Inner {
    /// Sends what a packet of the server's own says to the client: its channel is open or refused, or a request answered.
    pub(in crate::shared) fn send_stomp_answer(&mut self, packet: &Packet, session: &SharedSession) {
        let now = session.runtime.clock.now();
        let Ok(head) = Head::parse(packet.text()) else { return };
        let Some(stomp) = self.stomp() else { return };
        let version = stomp.version();
        let frame = match head.kind {
            Kind::Connect => {
                stomp.beats.begin(now);
                stomp::connected(version, &session.public_id(), stomp.beats.agreed())
            }
            Kind::ConnectError => {
                let fault = Fault::parse(head.data);
                stomp::error(Some(version), &fault.message, head.data, None)
            }
            Kind::Ack | Kind::BinaryAck => {
                let receipt = head.id.and_then(|id| stomp.take_receipt(id));
                let Some(receipt) = receipt else { return };
                stomp::receipt(version, &receipt)
            }
            Kind::Refused => {
                let receipt = head.id.and_then(|id| stomp.take_receipt(id));
                let fault = Fault::parse(head.data);
                if !self.send_fault(&fault, receipt.as_deref(), session) {
                    tracing::debug!(session = %session.id, %fault, "a client of STOMP does not hear of a fault");
                }
                return;
            }
            // The session's task sees that the channel is over.
            Kind::Disconnect | Kind::Event | Kind::BinaryEvent => return,
        };
        self.send_as_it_is(session, Payload::from(frame).into());
        self.note_stomp_sent(now);
        if head.kind == Kind::Connect {
            // The first heart-beat is due.
            session.schedule(self);
        }
    }

    /// Sends a fault to those subscriptions that are for them. Returns whether there is one.
    fn send_fault(&mut self, fault: &Fault, receipt: Option<&str>, session: &SharedSession) -> bool {
        let Some(stomp) = self.stomp() else { return false };
        let numbers: Vec<u64> = stomp.subscriptions.of_user(ERRORS).collect();
        let content = content_of_fault(fault);
        let mut frames = Vec::new();
        for number in numbers {
            let mut extra = vec![("code", &*fault.code)];
            extra.extend(receipt.map(|receipt| ("receipt-id", receipt)));
            let version = stomp.version();
            frames.extend(stomp.subscriptions.deliver(version, number, &content, None, None, &extra));
        }
        let told = !frames.is_empty();
        for frame in frames {
            self.send_as_it_is(session, Payload::from(frame).into());
        }
        told
    }
}

impl Stomp {
    /// The subscriptions that a message is for.
    fn subscribed(&self, to: &To<'_>, message: &OutMessage) -> Vec<u64> {
        match to {
            To::Rooms(rooms) => {
                let rooms: Vec<&str> = rooms.iter().map(String::as_str).collect();
                self.subscriptions.of_room(&rooms).collect()
            }
            To::Topic(topic) => self.subscriptions.of_room(&[topic]).collect(),
            To::Session => {
                let event = message.payload().to_event();
                let name =
                    crate::dialect::event_name(event.plain()).map_or_else(|_| String::new(), |name| name.into_owned());
                let own: Vec<u64> = self.subscriptions.of_user(&format!("/user/queue/{name}")).collect();
                if own.is_empty() { self.subscriptions.of_user(EVENTS).collect() } else { own }
            }
        }
    }

    /// The MESSAGE of a subscription. `of_queue` is the message's tag in its queue, and whether it was delivered before.
    fn frame(&mut self, number: u64, content: &Message, of_queue: Option<(u64, bool)>) -> Option<Message> {
        let version = self.version();
        let (tag, redelivered) = of_queue.unzip();
        self.subscriptions.deliver(version, number, content, redelivered, tag, &[])
    }
}

/// How the message of a subscription is sent: the newest value of a key is one for each subscription.
fn how_of(how: &WhenBehind, number: u64) -> WhenBehind {
    match how {
        WhenBehind::Latest(key) => WhenBehind::Latest(format!("{number} {key}").into()),
        how => how.clone(),
    }
}

/// The content of a message in the form of [`stomp::Content::encode`]. One for a topic has it already.
fn content_of(to: &To<'_>, message: &OutMessage) -> Option<Message> {
    match message {
        message if matches!(to, To::Topic(_)) => message.payload().as_message().cloned(),
        OutMessage::Own(payload) => stomp::event_content(&payload.to_event()),
        OutMessage::Shared(broadcast) => {
            let content = broadcast.encoded(CELL, |payload| {
                let content = stomp::event_content(&payload.to_event());
                content.map_or_else(Bytes::new, Message::into_bytes)
            });
            (!content.is_empty()).then(|| match ByteString::try_from(content.clone()) {
                Ok(text) => Message::Text(Text(text)),
                Err(_) => Message::Binary(content.clone()),
            })
        }
    }
}

fn content_of_fault(fault: &Fault) -> Message {
    let mut headers = stomp::Headers::new();
    headers.push("content-type", "application/json");
    let body = serde_json::to_vec(fault).expect("a fault is JSON").into();
    stomp::Content { headers, body }.encode()
}
