//! A node of a cluster, as far as an engine knows one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use anywire::{Bus, BusEvent, BusInbox, Cluster, Directory, EngineError, Publication, Recorded};
use axum::body::Bytes;
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    task::AbortHandle,
    time::timeout,
};

/// Longer than anything may take here.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for something that a healthy engine does within a moment or some seconds. How long it took is printed: a busy
/// machine may need more, and only what never ends is a fault.
pub async fn in_time<T>(what: &str, done: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let done = timeout(3 * PATIENCE, done).await.unwrap_or_else(|_| panic!("it never ends: {what}"));
    println!("{what}: {:?}", begun.elapsed());
    done
}

pub struct Node {
    pub bus: Arc<dyn Bus>,
    pub directory: Arc<dyn Directory>,
    events: UnboundedReceiver<BusEvent>,
    listening: AbortHandle,
}

impl Node {
    /// A node that listens, which is connected or not.
    pub fn new(cluster: impl Into<Cluster>) -> Self {
        let cluster = cluster.into();
        let (bus, directory) = (cluster.bus(), cluster.directory());
        let (listening, events) = listen(bus.clone());
        Node { bus, directory, events, listening }
    }

    /// Drops what runs the bus, and runs it anew.
    pub fn listen_again(&mut self) {
        self.listening.abort();
        (self.listening, self.events) = listen(self.bus.clone());
    }

    /// A node that is connected.
    pub async fn connected(cluster: impl Into<Cluster>) -> Self {
        let mut node = Node::new(cluster);
        assert_eq!(node.event().await, BusEvent::Whole);
        node
    }

    /// A node that is connected and has an interest in these topics.
    pub async fn with(cluster: impl Into<Cluster>, topics: &[&str]) -> Self {
        let node = Node::connected(cluster).await;
        node.add(topics).await.unwrap();
        node
    }

    pub async fn event(&mut self) -> BusEvent {
        timeout(PATIENCE, self.events.recv()).await.expect("nothing comes").expect("the engine runs")
    }

    /// The next publication, behind which nothing else may have happened.
    pub async fn received(&mut self) -> (Bytes, Bytes) {
        match self.event().await {
            BusEvent::Received(topic, body) => (topic, body),
            other => panic!("{other:?} in place of a publication"),
        }
    }

    pub async fn bodies(&mut self, count: usize) -> Vec<Bytes> {
        let mut bodies = Vec::with_capacity(count);
        while bodies.len() < count {
            bodies.push(self.received().await.1);
        }
        bodies
    }

    /// The publications before one of the topic `end`.
    #[cfg(feature = "host")]
    pub async fn until_end(&mut self) -> Vec<Bytes> {
        let mut bodies = Vec::new();
        loop {
            let (topic, body) = self.received().await;
            if topic == "end" {
                return bodies;
            }
            bodies.push(body);
        }
    }

    /// The next record, behind which nothing else may have happened.
    pub async fn recorded(&mut self) -> Recorded {
        match self.event().await {
            BusEvent::Recorded(recorded) => recorded,
            other => panic!("{other:?} in place of a record"),
        }
    }

    pub async fn records(&mut self, count: usize) -> Vec<Recorded> {
        let mut records = Vec::with_capacity(count);
        while records.len() < count {
            records.push(self.recorded().await);
        }
        records
    }

    /// Waits for an event and passes over the publications before it.
    pub async fn wait_for(&mut self, event: BusEvent) {
        while self.event().await != event {}
    }

    /// Nothing has come that was not looked at: a last publication of this node's own is the next thing.
    pub async fn nothing_more(&mut self) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let topic = format!("last {}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.add(&[&topic]).await.unwrap();
        self.publish(&topic, "end").await.unwrap();
        assert_eq!(self.received().await, (Bytes::from(topic), Bytes::from("end")));
    }

    pub async fn add(&self, topics: &[&str]) -> Result<(), EngineError> {
        self.bus.interest(topics.iter().map(|topic| Bytes::copy_from_slice(topic.as_bytes())).collect(), vec![]).await
    }

    pub async fn remove(&self, topics: &[&str]) -> Result<(), EngineError> {
        self.bus.interest(vec![], topics.iter().map(|topic| Bytes::copy_from_slice(topic.as_bytes())).collect()).await
    }

    pub async fn publish(&self, topic: &str, body: &str) -> Result<(), EngineError> {
        self.bus.publish(vec![Publication::new(topic.to_owned(), body.to_owned())]).await
    }

    /// Publishes until the engine takes it.
    #[cfg(any(feature = "redis", feature = "nats", feature = "host"))]
    pub async fn publish_at_last(&self, topic: &str, body: &str) {
        let tries = async {
            while self.publish(topic, body).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, tries).await.expect("the engine takes it");
    }
}

fn listen(bus: Arc<dyn Bus>) -> (AbortHandle, UnboundedReceiver<BusEvent>) {
    let (sender, events) = unbounded_channel();
    let inbox = BusInbox::new(move |event| drop(sender.send(event)));
    let listening = tokio::spawn(async move { bus.run(inbox).await });
    (listening.abort_handle(), events)
}

impl Drop for Node {
    fn drop(&mut self) {
        self.listening.abort();
    }
}
