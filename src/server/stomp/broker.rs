//! The broker of one mount: its topics are rooms of a key space of their own, and its queues are here.

use std::{
    ops::{Deref, DerefMut},
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use uuid::Uuid;

use crate::{
    dialect::{Fault, stomp::Delivery},
    hub::{
        queues::{QueueError, QueueLimits, Queues},
        topic_key,
    },
    message::Message,
    server::{api::stomp::Stomp, core::Core},
    shared::Undelivered,
    sync::lock,
};

/// The number of brokers so far that are of one server.
static BROKERS: AtomicU64 = AtomicU64::new(1);

/// A message is dropped when so many consumers have refused it, or left instead of acknowledging it.
const FAILURES: u32 = 16;

/// A subscription of a session: the one's number, and the other's id.
pub(super) type Consumer = (Uuid, u64);

/// The broker of one mount. The lock of its queues comes before those of sessions.
pub(crate) struct Broker {
    /// The name of its key space. That of a cluster's broker is the path of its mount, so that all nodes have the same;
    /// any other one has a number.
    name: String,
    pub(super) settings: Stomp,
    queues: Mutex<Queues<Consumer>>,
}

impl Broker {
    pub(crate) fn new(path: &str, of_cluster: bool, settings: Stomp) -> Self {
        let limits = QueueLimits {
            queues: settings.queues,
            messages: settings.queue_messages,
            bytes: settings.queue_bytes,
            failures: FAILURES,
        };
        let name = match of_cluster {
            true => format!("/{}", path.trim_matches('/')),
            false => format!("/{}", BROKERS.fetch_add(1, Ordering::Relaxed)),
        };
        Broker { name, settings, queues: Mutex::new(Queues::new(limits)) }
    }

    /// The key of the room of a topic.
    pub(super) fn topic(&self, name: &str) -> String {
        topic_key(&self.name, name)
    }

    /// Puts a message into a queue, and delivers what can be delivered.
    ///
    /// # Errors
    /// Fails if the queue is full, or there are too many.
    pub(super) fn push(&self, core: &Core, queue: &str, content: Message) -> Result<(), Fault> {
        let mut queues = self.lock(core);
        queues.push(queue, content).map_err(|error| fault_of(queue, error))?;
        queues.deliver(queue);
        Ok(())
    }

    /// A subscription begins to consume. Without `needs_ack` a message is done once it is sent.
    ///
    /// # Errors
    /// Fails if there are too many queues.
    pub(super) fn consume(&self, core: &Core, queue: &str, consumer: Consumer, needs_ack: bool) -> Result<(), Fault> {
        let mut queues = self.lock(core);
        let credit = self.settings.unacknowledged;
        queues.subscribe(queue, consumer, needs_ack, credit).map_err(|error| fault_of(queue, error))?;
        queues.deliver(queue);
        Ok(())
    }

    /// A subscription is over. What it has not acknowledged goes to others.
    pub(super) fn leave(&self, core: &Core, queue: &str, consumer: Consumer) {
        let mut queues = self.lock(core);
        queues.unsubscribe(queue, consumer);
        queues.deliver(queue);
    }

    /// There is room for the messages of a subscription.
    pub(super) fn resume(&self, core: &Core, queue: &str, consumer: Consumer) {
        let mut queues = self.lock(core);
        queues.unblock(queue, consumer);
        queues.deliver(queue);
    }

    /// Messages were acknowledged, or refused: those go to others.
    pub(super) fn settle(&self, core: &Core, deliveries: &[Delivery], positive: bool) {
        let mut queues = self.lock(core);
        for delivery in deliveries {
            let (Some(tag), Some(queue)) = (delivery.tag, &delivery.queue) else { continue };
            if positive {
                queues.ack(queue, tag)
            } else {
                queues.nack(queue, tag)
            };
        }
        let mut changed: Vec<&str> = deliveries.iter().filter_map(|delivery| delivery.queue.as_deref()).collect();
        changed.dedup();
        for queue in changed {
            queues.deliver(queue);
        }
    }

    fn lock<'a>(&'a self, core: &'a Core) -> Locked<'a> {
        let queues = lock(&self.queues);
        Locked { core, before: Figures::of(&queues), queues }
    }
}

/// The queues while they change. Their bytes count with those of all sessions.
struct Locked<'a> {
    core: &'a Core,
    before: Figures,
    queues: MutexGuard<'a, Queues<Consumer>>,
}

impl Locked<'_> {
    /// Delivers the messages of a queue to those who can take them.
    fn deliver(&mut self, queue: &str) {
        while let Some(handed) = self.queues.next(queue) {
            let (session, subscription) = handed.consumer;
            let delivered = match self.core.hub.get(session) {
                Some(member) => {
                    member.shared.deliver_of_queue(subscription, &handed.message, handed.tag, handed.redelivered)
                }
                None => Err(Undelivered::Gone),
            };
            match delivered {
                Ok(()) => {}
                // The session's task resumes it, or ends its subscription.
                Err(Undelivered::Full | Undelivered::Gone) => {
                    self.queues.give_back(queue, handed.tag);
                }
                Err(Undelivered::Binary) => {
                    tracing::debug!(queue, %session, "a binary message was dropped: the client takes texts alone");
                    self.core.counters.queues_dropped.add(1);
                    self.queues.ack(queue, handed.tag);
                }
            }
        }
    }
}

impl Deref for Locked<'_> {
    type Target = Queues<Consumer>;

    fn deref(&self) -> &Self::Target {
        &self.queues
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.queues
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let (before, now) = (&self.before, Figures::of(&self.queues));
        self.core.runtime.pool().change(before.bytes, now.bytes);
        let counters = &self.core.counters;
        counters.queued.fetch_add(now.messages.wrapping_sub(before.messages), Ordering::Relaxed);
        let dropped = usize::try_from(now.dropped - before.dropped).unwrap_or(usize::MAX);
        if dropped > 0 {
            tracing::debug!(dropped, "messages of queues were dropped: nobody acknowledged them");
            counters.queues_dropped.add(dropped);
        }
    }
}

/// The figures of a broker's queues.
struct Figures {
    messages: usize,
    bytes: usize,
    dropped: u64,
}

impl Figures {
    fn of(queues: &Queues<Consumer>) -> Self {
        Figures { messages: queues.len(), bytes: queues.bytes(), dropped: queues.dropped() }
    }
}

fn fault_of(queue: &str, error: QueueError) -> Fault {
    let text = match error {
        QueueError::Full { messages, bytes } => {
            format!("/queue/{queue} is full: it has room for {messages} messages of {bytes} bytes (`Stomp::queue`)")
        }
        QueueError::TooManyQueues { most } => format!("there are {most} queues already (`Stomp::queues`)"),
    };
    Fault::new("full", text)
}
