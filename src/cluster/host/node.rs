//! A node's connections to the sequencer of its machine.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::sync::Mutex;

use super::{
    bus::Subscriber,
    commands::Commands,
    folder::Folder,
    frames::{Answer, Ask, milliseconds},
    here::Here,
};
use crate::cluster::{
    engine::{Bus, BusInbox, Claim, Directory, EngineError, Order, Past, Place, Publication, Record, Retention},
    node::NodeInfo,
};

/// The time for which a publication waits for a connection. Who publishes again and again needs a pause.
const PATIENCE: Duration = Duration::from_millis(500);

pub(super) struct Node {
    here: Arc<Here>,
    subscriber: Subscriber,
    /// It is apart from the directory's, whose answers would wait behind large batches.
    publisher: Commands,
    directory: Commands,
    /// It is made when a history is read first, and apart from the others, which a long one would hold up.
    histories: Commands,
    /// A history is read when the one before is here: a few long answers at once would be more than may wait for a process.
    reading: Mutex<()>,
}

impl Node {
    pub(super) fn new(folder: Arc<Folder>, member: u64) -> Self {
        let here = Arc::new(Here::new(folder, member));
        Node {
            subscriber: Subscriber::new(here.clone()),
            publisher: Commands::new(here.clone(), false),
            directory: Commands::new(here.clone(), true),
            histories: Commands::new(here.clone(), false),
            reading: Mutex::default(),
            here,
        }
    }

    fn ask<'a, T>(
        &'a self,
        ask: Ask,
        read: impl FnOnce(Answer) -> Option<T> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, EngineError>> {
        Box::pin(async move {
            let answer = self.directory.ask(ask).await?;
            read(answer).ok_or_else(|| EngineError::new("the sequencer says something unknown"))
        })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it reads an answer as those do that take what is in it")]
fn done(answer: Answer) -> Option<()> {
    matches!(answer, Answer::Done).then_some(())
}

impl Bus for Node {
    fn publish(&self, batch: Vec<Publication>) -> BoxFuture<'_, Result<(), EngineError>> {
        Box::pin(async move {
            if batch.is_empty() {
                return Ok(());
            }
            let say = batch.into_iter().map(|Publication { topic, body }| Ask::Publish { topic, body });
            self.publisher.give(&say.collect::<Vec<_>>(), PATIENCE).await
        })
    }

    fn interest(&self, add: Vec<Bytes>, drop: Vec<Bytes>) -> BoxFuture<'_, Result<(), EngineError>> {
        Box::pin(self.subscriber.interest(add, drop))
    }

    fn run(&self, inbox: BusInbox) -> BoxFuture<'_, ()> {
        // A sequencer waits for what each process has to tell.
        self.directory.keep();
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
            let say: Vec<Ask> = batch.into_iter().map(Ask::Append).collect();
            self.publisher.give(&say, PATIENCE).await
        })
    }

    fn history(&self, topic: &[u8], keep: Retention, after: Option<Place>) -> BoxFuture<'_, Result<Past, EngineError>> {
        let ask = Ask::History { topic: Bytes::copy_from_slice(topic), keep, after };
        Box::pin(async move {
            let _alone = self.reading.lock().await;
            match self.histories.ask(ask).await? {
                Answer::Past(past) => Ok(past),
                _ => Err(EngineError::new("the sequencer says something unknown")),
            }
        })
    }
}

impl Directory for Node {
    fn beat(&self, id: &[u8], info: &[u8], lease: Duration) -> BoxFuture<'_, Result<Vec<Bytes>, EngineError>> {
        let goes = NodeInfo::read(info).is_some_and(|info| info.draining || info.left);
        let [id, info] = [id, info].map(Bytes::copy_from_slice);
        let beat = self.ask(Ask::Beat { id, info, lease: milliseconds(lease) }, |answer| match answer {
            Answer::List(nodes) => Some(nodes),
            _ => None,
        });
        Box::pin(async move {
            if goes {
                self.here.retire().await;
            }
            beat.await
        })
    }

    fn leave(&self, id: &[u8]) -> BoxFuture<'_, Result<(), EngineError>> {
        self.ask(Ask::Leave { id: Bytes::copy_from_slice(id) }, done)
    }

    fn claim(&self, key: &[u8], value: &[u8], keep: Duration) -> BoxFuture<'_, Result<Claim, EngineError>> {
        self.swap(key, value, value, keep)
    }

    fn swap(&self, key: &[u8], from: &[u8], to: &[u8], keep: Duration) -> BoxFuture<'_, Result<Claim, EngineError>> {
        let [key, from, to] = [key, from, to].map(Bytes::copy_from_slice);
        self.ask(Ask::Swap { key, from, to, keep: milliseconds(keep) }, |answer| match answer {
            Answer::Value(held) => Some(held.map_or(Claim::Mine, Claim::Held)),
            _ => None,
        })
    }

    fn look(&self, key: &[u8]) -> BoxFuture<'_, Result<Option<Bytes>, EngineError>> {
        self.ask(Ask::Look { key: Bytes::copy_from_slice(key) }, |answer| match answer {
            Answer::Value(value) => Some(value),
            _ => None,
        })
    }

    fn release(&self, key: &[u8], value: &[u8]) -> BoxFuture<'_, Result<(), EngineError>> {
        let [key, value] = [key, value].map(Bytes::copy_from_slice);
        self.ask(Ask::Release { key, value }, done)
    }

    fn note(&self, id: &[u8], notes: Vec<(Bytes, Bytes)>, keep: Duration) -> BoxFuture<'_, Result<(), EngineError>> {
        let (topics, values) = notes.into_iter().unzip();
        self.ask(Ask::Note { id: Bytes::copy_from_slice(id), topics, values, keep: milliseconds(keep) }, done)
    }

    fn notes(&self, topic: &[u8]) -> BoxFuture<'_, Result<Vec<(Bytes, Bytes)>, EngineError>> {
        self.ask(Ask::Notes { topic: Bytes::copy_from_slice(topic) }, |answer| match answer {
            Answer::List(list) => Some(list.chunks_exact(2).map(|note| (note[0].clone(), note[1].clone())).collect()),
            _ => None,
        })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.publisher.end();
        self.directory.end();
        self.histories.end();
        self.here.end();
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("folder", &self.here.folder.path()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;
    use crate::{cluster::engine::RECORDED, ids};

    /// A folder of this test, which goes with it.
    struct Place(std::path::PathBuf);

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[tokio::test]
    async fn several_long_histories_are_read_at_once() {
        let place = Place(std::env::temp_dir().join(format!("anywire-{:016x}", ids::random().as_u64_pair().0)));
        let (folder, _) = Folder::open(&place.0).unwrap();
        let node = Node::new(Arc::new(folder), 1);
        let keep = Retention::new(100, Duration::from_secs(3_600));
        let topics = ["a", "b", "c", "d"].map(|name| Bytes::from([RECORDED, name.as_bytes()].concat()));
        for topic in &topics {
            for number in 1..=11 {
                let record = Record::new(topic.clone(), vec![0; 1_000_000], 1, number, keep);
                while node.append(vec![record.clone()]).await.is_err() {}
            }
        }
        let read = join_all(topics.iter().map(|topic| node.history(topic, keep, None))).await;
        for past in read {
            assert_eq!(past.map(|past| past.records.len()), Ok(11));
        }
    }
}
