//! A node's connections to the engine and to the other nodes.

use std::{future::pending, io, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::{
    sync::mpsc::unbounded_channel,
    time::{sleep, sleep_until},
};

use super::{
    state::{Part, Shared, State},
    wires::Links,
};
use crate::cluster::{
    engine::{Bus, BusInbox, Claim, Directory, EngineError, Order, Past, Place, Publication, Record, Retention},
    wires::{Accept, Wire, Wires},
};

/// One server's connections.
pub(super) struct Node {
    shared: Arc<Shared>,
    number: u64,
    generation: u64,
}

impl Node {
    pub(super) fn new(shared: Arc<Shared>, number: u64) -> Self {
        let generation = shared.state().start(number);
        Node { shared, number, generation }
    }

    fn is_there(&self, part: Part) -> Result<(), EngineError> {
        if self.shared.state().is_cut(self.number, part) {
            return Err(EngineError::new("the node is cut off"));
        }
        Ok(())
    }

    /// Does something at the engine, when and if it is reached.
    fn at_engine<'a, T: Send + 'a>(
        &'a self,
        part: Part,
        act: impl FnOnce(&mut State, u64) -> T + Send + 'a,
    ) -> BoxFuture<'a, Result<T, EngineError>> {
        Box::pin(async move {
            self.is_there(part)?;
            let delay = self.shared.state().delay;
            if !delay.is_zero() {
                sleep(delay).await;
                self.is_there(part)?;
            }
            let now = self.shared.now();
            Ok(act(&mut self.shared.state(), now))
        })
    }
}

impl Bus for Node {
    fn publish(&self, batch: Vec<Publication>) -> BoxFuture<'_, Result<(), EngineError>> {
        self.at_engine(Part::Bus, move |state, _| state.publish(batch))
    }

    fn interest(&self, add: Vec<Bytes>, drop: Vec<Bytes>) -> BoxFuture<'_, Result<(), EngineError>> {
        Box::pin(async move {
            // The topics are remembered before the engine is reached, since they are after an error too.
            self.shared.state().interest(self.number, add, &drop);
            self.at_engine(Part::Bus, |_, _| ()).await
        })
    }

    fn run(&self, inbox: BusInbox) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let (sender, mut queue) = unbounded_channel();
            self.shared.state().listen_to_bus(self.number, sender);
            while let Some((due, event)) = queue.recv().await {
                if due > self.shared.now() {
                    sleep_until(self.shared.instant(due)).await;
                }
                inbox.tell(event);
            }
            // Another server is this node now.
            pending().await
        })
    }

    fn order(&self) -> Order {
        Order::Total
    }

    fn keeps_histories(&self) -> bool {
        true
    }

    fn append(&self, batch: Vec<Record>) -> BoxFuture<'_, Result<(), EngineError>> {
        self.at_engine(Part::Bus, move |state, now| state.append(now, batch))
    }

    fn history(&self, topic: &[u8], keep: Retention, after: Option<Place>) -> BoxFuture<'_, Result<Past, EngineError>> {
        let topic = Bytes::copy_from_slice(topic);
        self.at_engine(Part::Bus, move |state, now| state.history(now, &topic, keep, after))
    }
}

impl Directory for Node {
    fn beat(&self, id: &[u8], info: &[u8], lease: Duration) -> BoxFuture<'_, Result<Vec<Bytes>, EngineError>> {
        let (id, info) = (Bytes::copy_from_slice(id), Bytes::copy_from_slice(info));
        self.at_engine(Part::Directory, move |state, now| state.beat(now, id, info, lease))
    }

    fn leave(&self, id: &[u8]) -> BoxFuture<'_, Result<(), EngineError>> {
        let id = Bytes::copy_from_slice(id);
        self.at_engine(Part::Directory, move |state, _| state.leave(&id))
    }

    fn claim(&self, key: &[u8], value: &[u8], keep: Duration) -> BoxFuture<'_, Result<Claim, EngineError>> {
        self.swap(key, value, value, keep)
    }

    fn swap(&self, key: &[u8], from: &[u8], to: &[u8], keep: Duration) -> BoxFuture<'_, Result<Claim, EngineError>> {
        let [key, from, to] = [key, from, to].map(Bytes::copy_from_slice);
        self.at_engine(Part::Directory, move |state, now| state.claim(now, &key, &from, &to, keep))
    }

    fn look(&self, key: &[u8]) -> BoxFuture<'_, Result<Option<Bytes>, EngineError>> {
        let key = Bytes::copy_from_slice(key);
        self.at_engine(Part::Directory, move |state, now| state.look(now, &key))
    }

    fn release(&self, key: &[u8], value: &[u8]) -> BoxFuture<'_, Result<(), EngineError>> {
        let [key, value] = [key, value].map(Bytes::copy_from_slice);
        self.at_engine(Part::Directory, move |state, _| state.release(&key, &value))
    }

    fn note(&self, id: &[u8], notes: Vec<(Bytes, Bytes)>, keep: Duration) -> BoxFuture<'_, Result<(), EngineError>> {
        let id = Bytes::copy_from_slice(id);
        self.at_engine(Part::Directory, move |state, now| state.note(now, &id, notes, keep))
    }

    fn notes(&self, topic: &[u8]) -> BoxFuture<'_, Result<Vec<(Bytes, Bytes)>, EngineError>> {
        let topic = Bytes::copy_from_slice(topic);
        self.at_engine(Part::Directory, move |state, now| state.notes(now, &topic))
    }
}

fn address(number: u64) -> String {
    format!("node {number}")
}

impl Wires for Node {
    fn listen(&self) -> BoxFuture<'_, io::Result<(Box<dyn Accept>, String)>> {
        let (sender, links) = unbounded_channel();
        self.shared.state().listen(self.number, sender);
        Box::pin(async { Ok((Box::new(Links(links)) as Box<dyn Accept>, address(self.number))) })
    }

    fn connect<'a>(&'a self, to: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Wire>>> {
        Box::pin(async move {
            let number = to.strip_prefix("node ").and_then(|number| number.parse().ok());
            let link = number.and_then(|number| self.shared.state().connect(self.number, number));
            let link = link.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionRefused))?;
            Ok(Box::new(link) as Box<dyn Wire>)
        })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.shared.state().end(self.number, self.generation);
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InProcess").field("node", &self.number).finish_non_exhaustive()
    }
}
