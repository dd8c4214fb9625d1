//! A node's connections to a server of Redis.

use std::{fmt, fmt::Write, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::BoxFuture;
use redis::{Cmd, ConnectionInfo, Pipeline};

use super::{bus::Subscriber, commands::Commands, directory, records};
use crate::{
    cluster::engine::{
        Bus, BusInbox, Claim, Directory, EngineError, Order, Past, Place, Publication, Record, Retention,
    },
    ids,
};

/// The time for which a publication waits for a connection. Who publishes again and again needs a pause.
const PATIENCE: Duration = Duration::from_millis(500);

const PUBLISH: &str = "PUBLISH";

pub(super) struct Node {
    address: String,
    prefix: String,
    /// The names of channels begin with it.
    rooms: Arc<[u8]>,
    subscriber: Subscriber,
    /// It is apart from the directory's, whose answers would wait behind large batches.
    publisher: Commands,
    directory: Commands,
    /// It is made when a history is read first, and apart from the others, which a long one would hold up.
    histories: Commands,
}

impl Node {
    pub(super) fn new(info: ConnectionInfo, prefix: &str) -> Self {
        let rooms: Arc<[u8]> = format!("{prefix}:room:").into_bytes().into();
        Node {
            address: info.addr().to_string(),
            prefix: prefix.to_owned(),
            subscriber: Subscriber::new(info.clone(), rooms.clone()),
            rooms,
            publisher: Commands::new(info.clone()),
            directory: Commands::new(info.clone()),
            histories: Commands::new(info),
        }
    }

    fn nodes_key(&self) -> Vec<u8> {
        format!("{}:nodes", self.prefix).into_bytes()
    }

    fn claim_key(&self, key: &[u8]) -> Vec<u8> {
        self.key("claim", key)
    }

    fn key(&self, kind: &str, key: &[u8]) -> Vec<u8> {
        let mut name = format!("{}:{kind}:", self.prefix);
        for byte in key {
            let _ = write!(name, "{byte:02x}");
        }
        name.into_bytes()
    }

    fn channel(&self, topic: &[u8]) -> Vec<u8> {
        [&self.rooms, topic].concat()
    }

    fn claimed(&self, command: Cmd) -> BoxFuture<'_, Result<Claim, EngineError>> {
        Box::pin(async move {
            let held: Option<Bytes> = self.directory.ask(&command).await?;
            Ok(held.map_or(Claim::Mine, Claim::Held))
        })
    }

    fn done(&self, command: Cmd) -> BoxFuture<'_, Result<(), EngineError>> {
        Box::pin(async move {
            let _: redis::Value = self.directory.ask(&command).await?;
            Ok(())
        })
    }
}

/// The epoch of a history that begins.
fn new_epoch() -> u64 {
    ids::random().as_u64_pair().0
}

impl Bus for Node {
    fn publish(&self, batch: Vec<Publication>) -> BoxFuture<'_, Result<(), EngineError>> {
        Box::pin(async move {
            if batch.is_empty() {
                return Ok(());
            }
            let mut commands = Pipeline::with_capacity(batch.len());
            for Publication { topic, body } in &batch {
                let channel = self.channel(topic);
                let mut publish = Cmd::with_capacity(3, PUBLISH.len() + channel.len() + body.len());
                publish.arg(PUBLISH).arg(channel).arg(&body[..]);
                commands.add_command(publish);
            }
            // Its answers come while it is written, so the copies alone are kept.
            drop(batch);
            self.publisher.give(&commands, PATIENCE).await
        })
    }

    fn interest(&self, add: Vec<Bytes>, drop: Vec<Bytes>) -> BoxFuture<'_, Result<(), EngineError>> {
        Box::pin(self.subscriber.interest(add, drop))
    }

    fn run(&self, inbox: BusInbox) -> BoxFuture<'_, ()> {
        Box::pin(self.subscriber.run(inbox))
    }

    fn order(&self) -> Order {
        Order::Total
    }

    fn keeps_histories(&self) -> bool {
        true
    }

    fn append(&self, batch: Vec<Record>) -> BoxFuture<'_, Result<(), EngineError>> {
        Box::pin(async move {
            if batch.is_empty() {
                return Ok(());
            }
            let mut commands = Pipeline::new();
            for run in records::runs(&batch) {
                let (key, channel) = (self.key("history", &run[0].topic), self.channel(&run[0].topic));
                commands.add_command(records::append(&key, &channel, new_epoch(), run));
            }
            drop(batch);
            self.publisher.give(&commands, PATIENCE).await
        })
    }

    fn history(&self, topic: &[u8], keep: Retention, after: Option<Place>) -> BoxFuture<'_, Result<Past, EngineError>> {
        let command = records::past(&self.key("history", topic), keep, after, new_epoch());
        Box::pin(async move {
            let answer: Vec<Bytes> = self.histories.ask(&command).await?;
            let past = records::past_of(&answer, keep);
            past.ok_or_else(|| EngineError::new("the server's answer is none of a history"))
        })
    }
}

impl Directory for Node {
    fn beat(&self, id: &[u8], info: &[u8], lease: Duration) -> BoxFuture<'_, Result<Vec<Bytes>, EngineError>> {
        let command = directory::beat(&self.nodes_key(), id, info, lease);
        Box::pin(async move { self.directory.ask(&command).await })
    }

    fn leave(&self, id: &[u8]) -> BoxFuture<'_, Result<(), EngineError>> {
        self.done(directory::leave(&self.nodes_key(), id))
    }

    fn claim(&self, key: &[u8], value: &[u8], keep: Duration) -> BoxFuture<'_, Result<Claim, EngineError>> {
        self.swap(key, value, value, keep)
    }

    fn swap(&self, key: &[u8], from: &[u8], to: &[u8], keep: Duration) -> BoxFuture<'_, Result<Claim, EngineError>> {
        self.claimed(directory::claim(&self.claim_key(key), from, to, keep))
    }

    fn look(&self, key: &[u8]) -> BoxFuture<'_, Result<Option<Bytes>, EngineError>> {
        let command = directory::look(&self.claim_key(key));
        Box::pin(async move { self.directory.ask(&command).await })
    }

    fn release(&self, key: &[u8], value: &[u8]) -> BoxFuture<'_, Result<(), EngineError>> {
        self.done(directory::release(&self.claim_key(key), value))
    }

    fn note(&self, id: &[u8], notes: Vec<(Bytes, Bytes)>, keep: Duration) -> BoxFuture<'_, Result<(), EngineError>> {
        let notes: Vec<_> = notes.into_iter().map(|(topic, value)| (self.key("note", &topic), value)).collect();
        self.done(directory::note(id, &notes, keep))
    }

    fn notes(&self, topic: &[u8]) -> BoxFuture<'_, Result<Vec<(Bytes, Bytes)>, EngineError>> {
        let command = directory::notes(&self.key("note", topic));
        Box::pin(async move {
            let mut fields = self.directory.ask::<Vec<Bytes>>(&command).await?.into_iter();
            Ok(std::iter::from_fn(|| fields.next().zip(fields.next())).collect())
        })
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("address", &self.address).field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
