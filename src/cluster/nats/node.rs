//! A node's connections to a server of NATS.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::future::BoxFuture;

use super::{
    bus::{Subscriber, subject},
    commands::Commands,
    connection::Target,
    names::word,
    protocol::put_publication,
    records::Histories,
    stream::{Put, Stream},
    url::Servers,
};
use crate::cluster::engine::{
    Bus, BusInbox, Claim, Directory, EngineError, Order, Past, Place, Publication, Record, Retention,
};

/// The time for which a publication waits for a connection. Who publishes again and again needs a pause.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often a key is tried to be claimed that others claim at the same time. One of them succeeds each time.
const TRIES: usize = 100;

pub(super) struct Node {
    target: Arc<Target>,
    subscriber: Subscriber,
    /// It is apart from the directory's, whose answers would wait behind large batches.
    publisher: Commands,
    directory: Commands,
    /// It is made when a history is read first, and apart from the others, which a long one would hold up.
    reader: Commands,
    stream: Arc<Stream>,
    histories: Arc<Histories>,
    /// It was told that a publication was too large.
    has_refused: AtomicBool,
}

impl Node {
    pub(super) fn new(servers: Servers, prefix: &str, replicas: u64) -> Self {
        let prefix = word(prefix.as_bytes());
        let target = Arc::new(Target::new(servers, prefix.clone()));
        let histories = Arc::new(Histories::new(prefix.clone(), replicas));
        let stream = Arc::new(Stream { name: prefix.clone(), prefix, replicas });
        let appending = histories.clone();
        let connected = move |_| -> BoxFuture<'static, _> {
            appending.disconnected();
            Box::pin(async { Ok(()) })
        };
        let prepared = stream.clone();
        let prepare = move |link| -> BoxFuture<'static, _> {
            let stream = prepared.clone();
            Box::pin(async move { stream.prepare(&link).await })
        };
        Node {
            subscriber: Subscriber::new(target.clone()),
            publisher: Commands::new(target.clone(), Arc::new(connected)),
            reader: Commands::new(target.clone(), Arc::new(|_| Box::pin(async { Ok(()) }))),
            directory: Commands::new(target.clone(), Arc::new(prepare)),
            target,
            stream,
            histories,
            has_refused: AtomicBool::new(false),
        }
    }

    fn subject(&self, kind: &str, name: &[u8]) -> String {
        format!("{}.{kind}.{}", self.target.prefix, word(name))
    }

    /// Writes what the server takes. What is too large for it is a hole, which the others find by their numbers.
    fn write(&self, out: &mut Vec<u8>, batch: &[Publication], most: usize) {
        for Publication { topic, body } in batch {
            if body.len() <= most {
                put_publication(out, &subject(&self.target.prefix, topic), body);
            } else if !self.has_refused.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    bytes = body.len(),
                    "a message is too large for the cluster's engine, whose `max_payload` is {most}: the other nodes miss it. \
                     Raise it, or lower Builder::message_limit"
                );
            }
        }
    }

    async fn claimed(&self, key: &[u8], from: &[u8], to: &[u8], keep: Duration) -> Result<Claim, EngineError> {
        let link = self.directory.link(Duration::ZERO).await?;
        let subject = self.subject("claim", key);
        // A new claim is one question. Who has another value in mind looks first.
        let mut seen = (from == to).then_some(0);
        for _ in 0..TRIES {
            let expected = match seen.take() {
                Some(seen) => seen,
                None => match self.stream.get(&link, &subject).await? {
                    None => 0,
                    Some((held, now)) if held.is_over(now) || held.value == from || held.value == to => held.sequence,
                    Some((held, _)) => return Ok(Claim::Held(held.value)),
                },
            };
            if self.stream.put(&link, &subject, to, keep, Some(expected)).await? == Put::Done {
                return Ok(Claim::Mine);
            }
        }
        Err(EngineError::new("others claim the same key again and again"))
    }

    async fn noted(&self, id: &[u8], notes: Vec<(Bytes, Bytes)>, keep: Duration) -> Result<(), EngineError> {
        let link = self.directory.link(Duration::ZERO).await?;
        let node = word(id);
        let noted = notes.iter().map(async |(topic, value)| {
            let subject = format!("{}.{node}", self.subject("note", topic));
            let keep = if value.is_empty() { Duration::ZERO } else { keep };
            // The value names its node, whose word in the subject may be a hash.
            let length = u16::try_from(id.len()).map_err(|_| EngineError::new("the id of a node is too long"))?;
            let value = [&length.to_be_bytes(), id, value].concat();
            self.stream.put(&link, &subject, &value, keep, None).await
        });
        futures::future::try_join_all(noted).await.map(drop)
    }
}

/// The id and the value of a note, unless a stranger wrote it, or it was removed.
fn note_of(bytes: &Bytes) -> Option<(Bytes, Bytes)> {
    let (length, _) = bytes.split_first_chunk::<2>()?;
    let end = 2 + usize::from(u16::from_be_bytes(*length));
    (bytes.len() > end).then(|| (bytes.slice(2..end), bytes.slice(end..)))
}

impl Bus for Node {
    fn publish(&self, batch: Vec<Publication>) -> BoxFuture<'_, Result<(), EngineError>> {
        Box::pin(async move {
            if batch.is_empty() {
                return Ok(());
            }
            let link = self.publisher.link(PATIENCE).await?;
            link.write(|out| self.write(out, &batch, link.max_payload()));
            drop(batch);
            link.flush().await
        })
    }

    fn interest(&self, add: Vec<Bytes>, drop: Vec<Bytes>) -> BoxFuture<'_, Result<(), EngineError>> {
        Box::pin(self.subscriber.interest(add, drop))
    }

    fn run(&self, inbox: BusInbox) -> BoxFuture<'_, ()> {
        Box::pin(self.subscriber.run(inbox))
    }

    fn order(&self) -> Order {
        Order::Sender
    }

    fn keeps_histories(&self) -> bool {
        true
    }

    fn append(&self, batch: Vec<Record>) -> BoxFuture<'_, Result<(), EngineError>> {
        Box::pin(async move {
            if batch.is_empty() {
                return Ok(());
            }
            let link = self.publisher.link(PATIENCE).await?;
            self.histories.append(&link, batch).await
        })
    }

    fn history(&self, topic: &[u8], keep: Retention, after: Option<Place>) -> BoxFuture<'_, Result<Past, EngineError>> {
        let topic = Bytes::copy_from_slice(topic);
        Box::pin(async move {
            let link = self.reader.link(Duration::ZERO).await?;
            self.histories.past(&link, &topic, keep, after).await
        })
    }
}

impl Directory for Node {
    fn beat(&self, id: &[u8], info: &[u8], lease: Duration) -> BoxFuture<'_, Result<Vec<Bytes>, EngineError>> {
        let (subject, info) = (self.subject("node", id), Bytes::copy_from_slice(info));
        Box::pin(async move {
            let link = self.directory.link(Duration::ZERO).await?;
            self.stream.put(&link, &subject, &info, lease, None).await?;
            let pattern = format!("{}.node.*", self.target.prefix);
            let mut living = self.stream.all(&link, &pattern).await?;
            // A replica that answers may be a moment behind.
            living.retain(|entry| entry.subject != subject);
            Ok(living.into_iter().map(|entry| entry.value).chain([info]).collect())
        })
    }

    fn leave(&self, id: &[u8]) -> BoxFuture<'_, Result<(), EngineError>> {
        let subject = self.subject("node", id);
        Box::pin(async move {
            let link = self.directory.link(Duration::ZERO).await?;
            self.stream.clear(&link, &subject).await
        })
    }

    fn claim(&self, key: &[u8], value: &[u8], keep: Duration) -> BoxFuture<'_, Result<Claim, EngineError>> {
        self.swap(key, value, value, keep)
    }

    fn swap(&self, key: &[u8], from: &[u8], to: &[u8], keep: Duration) -> BoxFuture<'_, Result<Claim, EngineError>> {
        let [key, from, to] = [key, from, to].map(Bytes::copy_from_slice);
        Box::pin(async move { self.claimed(&key, &from, &to, keep).await })
    }

    fn look(&self, key: &[u8]) -> BoxFuture<'_, Result<Option<Bytes>, EngineError>> {
        let subject = self.subject("claim", key);
        Box::pin(async move {
            let link = self.directory.link(Duration::ZERO).await?;
            let found = self.stream.get(&link, &subject).await?;
            Ok(found.filter(|(held, now)| !held.is_over(*now)).map(|(held, _)| held.value))
        })
    }

    fn release(&self, key: &[u8], value: &[u8]) -> BoxFuture<'_, Result<(), EngineError>> {
        let (subject, value) = (self.subject("claim", key), Bytes::copy_from_slice(value));
        Box::pin(async move {
            let link = self.directory.link(Duration::ZERO).await?;
            match self.stream.get(&link, &subject).await? {
                Some((held, _)) if held.value == value => self.stream.remove(&link, held.sequence).await,
                _ => Ok(()),
            }
        })
    }

    fn note(&self, id: &[u8], notes: Vec<(Bytes, Bytes)>, keep: Duration) -> BoxFuture<'_, Result<(), EngineError>> {
        let id = Bytes::copy_from_slice(id);
        Box::pin(async move { self.noted(&id, notes, keep).await })
    }

    fn notes(&self, topic: &[u8]) -> BoxFuture<'_, Result<Vec<(Bytes, Bytes)>, EngineError>> {
        let pattern = format!("{}.*", self.subject("note", topic));
        Box::pin(async move {
            let link = self.directory.link(Duration::ZERO).await?;
            let found = self.stream.all(&link, &pattern).await?;
            Ok(found.into_iter().filter_map(|entry| note_of(&entry.value)).collect())
        })
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats").field("addresses", &self.target.addresses()).finish_non_exhaustive()
    }
}
