//! SUBSCRIBE and UNSUBSCRIBE.

use bytestring::ByteString;

use super::{
    destination::Destination,
    driver::{Driver, Stop, refusal, refusal_of},
};
use crate::{
    dialect::{
        Fault,
        stomp::{AckMode, Refusal, Source, Subscribe},
    },
    hub::{ROOT, into_room_key},
    server::api::{session::Session, stomp::StompTopic},
};

impl Driver {
    /// Returns whether the receipt is due.
    pub(super) async fn subscribe(&mut self, subscribe: Subscribe, receipt: Option<&ByteString>) -> Result<bool, Stop> {
        let destination = subscribe.destination.clone();
        let source = match Destination::of(&destination) {
            Some(Destination::Topic(topic)) => match self.topic(topic).await {
                Ok(key) => Source::Room(key),
                Err(fault) => return self.denied(&fault, receipt),
            },
            Some(Destination::Queue(queue)) if self.broker.settings.broker => Source::Queue(queue.into()),
            Some(Destination::User) => Source::User,
            _ => return Err(unknown().into()),
        };
        let (shared, needs_ack) = (&self.session.member.shared, subscribe.ack != AckMode::Auto);
        match &source {
            Source::Room(key) => {
                let key = key.clone();
                shared.subscribe(subscribe, source)?;
                self.join(key);
            }
            Source::Queue(queue) => {
                let queue = queue.clone();
                let id = subscribe.id.clone();
                let number = shared.subscribe(subscribe, source)?;
                let consumer = (self.session.key(), number);
                if let Err(fault) = self.broker.consume(&self.session.core, &queue, consumer, needs_ack) {
                    let _ = shared.unsubscribe(&id);
                    return self.denied(&fault, receipt);
                }
                self.queues.push((number, queue));
            }
            Source::User => {
                shared.subscribe(subscribe, source)?;
            }
        }
        Ok(true)
    }

    /// The key of the room that a topic is for this client.
    async fn topic(&mut self, topic: &str) -> Result<ByteString, Fault> {
        let room = match &self.broker.settings.on_subscribe {
            _ if self.broker.settings.opens(topic) => Some(topic.to_owned()),
            None => None,
            Some(ask) => {
                let member = self.channel.clone().ok_or_else(|| Fault::new("closed", "the session is over"))?;
                let session = Session { core: self.session.core.clone(), member };
                let asked = tokio::time::timeout(self.session.core.config.open_timeout, ask(session, topic.to_owned()));
                match asked.await.map_err(|_| Fault::new("timeout", "it took too long to decide"))?? {
                    StompTopic::Room(room) => Some(room),
                    StompTopic::Broker => None,
                }
            }
        };
        match room {
            Some(room) => {
                let key: ByteString = into_room_key(ROOT, room).into();
                if !self.rooms.iter().any(|(known, _)| **known == *topic) {
                    self.rooms.push((topic.into(), key.clone()));
                }
                Ok(key)
            }
            None if self.broker.settings.broker => Ok(self.broker.topic(topic).into()),
            None => Err(Fault::new("unknown", "there is no such topic")),
        }
    }

    /// A subscription is denied. Returns that its receipt is not due.
    ///
    /// # Errors
    /// Fails if the client's version has no ERROR but one that ends its connection.
    fn denied(&self, fault: &Fault, receipt: Option<&ByteString>) -> Result<bool, Stop> {
        tracing::debug!(session = %self.session.id(), %fault, "a subscription was denied");
        if self.tell(fault, receipt) { Ok(false) } else { Err(refusal_of(fault).into()) }
    }

    /// Joins the room with this key. It is left with the last subscription, if nobody had joined before.
    fn join(&mut self, key: ByteString) {
        let Some(channel) = self.channel.clone() else { return };
        if self.session.core.hub.join_key(&channel, &key).is_some() {
            self.joined.push(key);
        }
    }

    pub(super) fn unsubscribe(&mut self, id: &str) -> Result<(), Stop> {
        let Some((subscription, _)) = self.session.member.shared.unsubscribe(id) else {
            return Err(refusal("Unknown subscription", "there is no subscription with this id").into());
        };
        match &subscription.source {
            Source::Room(key) => {
                if self.session.member.shared.subscribes(key) {
                    return Ok(());
                }
                self.rooms.retain(|(_, known)| known != key);
                if let Some(at) = self.joined.iter().position(|joined| joined == key) {
                    self.joined.swap_remove(at);
                    if let Some(channel) = &self.channel {
                        self.session.core.hub.leave_key(channel, key);
                    }
                }
            }
            Source::Queue(queue) => {
                self.queues.retain(|(number, _)| *number != subscription.number);
                self.broker.leave(&self.session.core, queue, (self.session.key(), subscription.number));
            }
            Source::User => {}
        }
        Ok(())
    }

    /// There is room for the messages of these subscriptions.
    pub(super) fn resume(&mut self, subscriptions: &[u64]) {
        for (number, queue) in self.queues.iter().filter(|(number, _)| subscriptions.contains(number)) {
            self.broker.resume(&self.session.core, queue, (self.session.key(), *number));
        }
    }
}

impl Drop for Driver {
    /// The session is over: what it has not acknowledged goes to others.
    fn drop(&mut self) {
        for (number, queue) in std::mem::take(&mut self.queues) {
            self.broker.leave(&self.session.core, &queue, (self.session.key(), number));
        }
    }
}

fn unknown() -> Refusal {
    refusal(
        "Unknown destination",
        "one can subscribe to /topic/<name>, /queue/<name> and /user/queue/<name>, if the server has them",
    )
}
