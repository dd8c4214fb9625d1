//! The traits of engines, in bytes: a bus for rooms, and a directory of nodes and claims.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::BoxFuture;

/// A publication: bytes for all nodes that have an interest in its topic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Publication {
    /// Any bytes. An engine that allows fewer in its own names encodes them.
    pub topic: Bytes,
    /// The bytes to carry, unread.
    pub body: Bytes,
}

impl Publication {
    /// A publication of these bytes.
    pub fn new(topic: impl Into<Bytes>, body: impl Into<Bytes>) -> Self {
        Publication { topic: topic.into(), body: body.into() }
    }
}

/// The order in which the nodes receive what several of them publish on one topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Order {
    /// All nodes receive all publications in one order.
    Total,
    /// Each node's publications keep their order; those of different nodes may be received in different orders.
    Sender,
}

/// Carries bytes to all nodes that want them, at most once. What it loses is found by the nodes themselves, which number
/// what they publish.
///
/// The futures may be dropped at any point. Then what they were to do is done or not, or is done later, as behind an error;
/// the next call must find the engine in order, whatever was dropped before it.
pub trait Bus: Send + Sync + 'static {
    /// Publishes a batch, in its order, and behind all batches before it. The result is `Ok` once the engine has taken
    /// all of it. The caller has one batch under way at a time, and publishes it again after an error and a pause, since it
    /// may have arrived in part.
    ///
    /// Waits for the engine. It must not wait without an end: a connection that is gone is an error at once, and one that
    /// is silent is one within seconds.
    fn publish(&self, batch: Vec<Publication>) -> BoxFuture<'_, Result<(), EngineError>>;

    /// Adds topics to those whose publications are wanted, and drops others. The result is `Ok` once everything that is
    /// published from then on will come. An engine remembers the topics, and asks for them again behind each new
    /// connection. The caller has one call under way at a time.
    ///
    /// Waits for the engine. After an error the topics are remembered all the same.
    fn interest(&self, add: Vec<Bytes>, drop: Vec<Bytes>) -> BoxFuture<'_, Result<(), EngineError>>;

    /// Connects, stays connected, and hands over what comes, each publication as soon as it is there and in the engine's
    /// order. The caller runs it for as long as the node lives; it never returns. If it is dropped and run again, it makes a
    /// new connection, and asks for all topics there.
    ///
    /// It calls [`cut`](BusInbox::cut) when publications may have been lost, and [`whole`](BusInbox::whole) when all topics
    /// are asked for again, which is also said of the first connection. Publications that come before that, for topics that
    /// are asked for already, are handed over too.
    fn run(&self, inbox: BusInbox) -> BoxFuture<'_, ()>;

    /// The order that this engine keeps.
    fn order(&self) -> Order;

    /// Whether this engine keeps histories. Without it a room with a history has one on each node.
    fn keeps_histories(&self) -> bool {
        false
    }

    /// Publishes a batch as [`publish`](Self::publish) does, and keeps it in the histories of its topics, which begin with
    /// [`RECORDED`]. All nodes receive the records of a topic in the order of its history, whatever [`order`](Self::order)
    /// says, by [`BusInbox::take_record`]. A record whose publisher has one of this number or a later one in the history
    /// is left out, and is no error: the batch is given again behind an error. One that is larger than the engine takes is
    /// left out too, and logged: it is a hole in its publisher's numbers.
    ///
    /// Waits for the engine, not without an end. By default it fails.
    fn append(&self, batch: Vec<Record>) -> BoxFuture<'_, Result<(), EngineError>> {
        let _ = batch;
        Box::pin(async { Err(EngineError::new("this engine keeps no histories")) })
    }

    /// The records of a topic behind a place, or all that are kept if it is `None`, or if the history has another epoch now.
    /// All records that this node has received of the topic, and all that are published before this is called, are in it,
    /// as far as they are kept.
    ///
    /// Waits for the engine, not without an end. By default it fails.
    fn history(&self, topic: &[u8], keep: Retention, after: Option<Place>) -> BoxFuture<'_, Result<Past, EngineError>> {
        let _ = (topic, keep, after);
        Box::pin(async { Err(EngineError::new("this engine keeps no histories")) })
    }
}

/// The beginning of the topics that have a history. What is appended to them is received as records, and nothing else is
/// published to them.
pub const RECORDED: &[u8] = b"\0history";

/// A publication that is kept in the history of its topic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// Begins with [`RECORDED`].
    pub topic: Bytes,
    /// The bytes to carry and to keep, unread.
    pub body: Bytes,
    /// The process that publishes it.
    pub publisher: u64,
    /// Its number, which is greater than those of all earlier records of this publisher on this topic.
    pub number: u64,
    /// The bounds of the history. All nodes give the same ones for a topic.
    pub keep: Retention,
}

impl Record {
    /// A record of these bytes.
    pub fn new(topic: impl Into<Bytes>, body: impl Into<Bytes>, publisher: u64, number: u64, keep: Retention) -> Self {
        Record { topic: topic.into(), body: body.into(), publisher, number, keep }
    }
}

/// The bounds of a topic's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Retention {
    /// The most records; nodes give at least 1, and what an engine makes of `0` is for it to say. It may keep more for a
    /// while.
    pub records: u32,
    /// The age at which a record is dropped, or may be. An engine may drop all of a topic's records at this age of the
    /// last one instead; the nodes look at the age too.
    pub age: Duration,
    /// The most bytes of records that a node has a use for when it reads a history from its beginning: the newest ones. An
    /// engine need not keep more, but keeps the last record whatever its size, and may bring more.
    pub bytes: usize,
}

impl Retention {
    /// Bounds of this number of records and this age, and no bound of bytes.
    pub const fn new(records: u32, age: Duration) -> Self {
        Retention { records, age, bytes: usize::MAX }
    }

    /// Sets the bound of bytes.
    #[must_use]
    pub const fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }
}

/// A place in the history of a topic: behind one of its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Place {
    /// The life of the history. One that is begun anew, since its engine has lost it, has another epoch, which was never
    /// there before. So may one whose records were all dropped.
    pub epoch: u64,
    /// The number of the record behind which it is, in the order of the history; `0` is before all.
    pub offset: u64,
}

impl Place {
    /// A place behind the record with this number.
    pub fn new(epoch: u64, offset: u64) -> Self {
        Place { epoch, offset }
    }
}

/// The past of a topic, as [`Bus::history`] finds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Past {
    /// The life of the history; `0` if there is none yet.
    pub epoch: u64,
    /// The number of the last record that was appended, whether it is kept or not; `0` if there was none, or if the engine
    /// knows of none any more. An engine that is not sure may give a greater one.
    pub last: u64,
    /// The number of the last record before the first of `records` that the history once had, or of the last one if
    /// `records` is empty. If it is not greater than the offset that was asked for, nothing is missing in between. An engine
    /// that is not sure gives a greater one.
    pub before: u64,
    /// The records, each with its number and its age in milliseconds, in order. An engine may leave out the older ones of
    /// many megabytes.
    pub records: Vec<(u64, u64, Bytes)>,
}

impl Past {
    /// A past of these records.
    pub fn new(epoch: u64, last: u64, before: u64, records: Vec<(u64, u64, Bytes)>) -> Self {
        Past { epoch, last, before, records }
    }
}

/// The ear of a node: a [`Bus`] tells it what comes.
#[derive(Clone)]
pub struct BusInbox(Arc<dyn Fn(BusEvent) + Send + Sync>);

/// An event of a [`Bus`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BusEvent {
    /// A publication has come. The bytes are its topic and its body.
    Received(Bytes, Bytes),
    /// A record has come.
    Recorded(Recorded),
    /// The connection is gone: publications may be lost.
    Cut,
    /// All topics are asked for again.
    Whole,
}

/// A record that came, and its place in the history of its topic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recorded {
    /// Its topic.
    pub topic: Bytes,
    /// The bytes that were appended.
    pub body: Bytes,
    /// The place behind it.
    pub place: Place,
    /// The number of the record before it in the history; `0` if it is the first, and where the engine has dropped all
    /// before it and knows no more of them. If another one came last, some may be missing.
    pub before: u64,
}

impl Recorded {
    /// A record at a place of its topic's history.
    pub fn new(topic: impl Into<Bytes>, body: impl Into<Bytes>, place: Place, before: u64) -> Self {
        Recorded { topic: topic.into(), body: body.into(), place, before }
    }
}

impl BusInbox {
    /// An inbox for an engine's tests, and for engines that wrap others. A node has its own.
    pub fn new(take: impl Fn(BusEvent) + Send + Sync + 'static) -> Self {
        BusInbox(Arc::new(take))
    }

    pub(crate) fn tell(&self, event: BusEvent) {
        (self.0)(event);
    }

    /// A publication has come. It is delivered before this returns, unless another thread delivers at this moment, for
    /// example to bring a session to its rooms: then that thread delivers it too, behind what it has to deliver before.
    pub fn take(&self, topic: impl Into<Bytes>, body: impl Into<Bytes>) {
        self.tell(BusEvent::Received(topic.into(), body.into()));
    }

    /// A record has come. It is delivered as a publication is.
    pub fn take_record(&self, record: Recorded) {
        self.tell(BusEvent::Recorded(record));
    }

    /// Something has come for a topic: a record, as it is read, if the topic has a history.
    #[cfg(any(feature = "nats", feature = "redis"))]
    pub(super) fn hand_over(&self, topic: Bytes, body: Bytes, read: impl FnOnce(&Bytes, &Bytes) -> Option<Recorded>) {
        if !topic.starts_with(RECORDED) {
            self.take(topic, body);
        } else if let Some(record) = read(&topic, &body) {
            self.take_record(record);
        } else {
            tracing::debug!("somebody who is no node has published to a topic that has a history");
        }
    }

    /// The connection is gone: publications may be lost from now on.
    pub fn cut(&self) {
        self.tell(BusEvent::Cut);
    }

    /// Connected, and all topics are asked for: from now on publications come again.
    pub fn whole(&self) {
        self.tell(BusEvent::Whole);
    }
}

impl fmt::Debug for BusInbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BusInbox")
    }
}

/// Knows which nodes live, and which of them was the first to claim a key. Its clock alone counts: those of the nodes may
/// differ.
///
/// All methods wait for the engine, not without an end: one that is away is an error within seconds. The nodes drop their
/// futures besides when they have waited for long enough. What was asked for by a future that was dropped, as by one that has
/// failed, is done or not, or is done later. The nodes ask again then, so that each call may come twice.
pub trait Directory: Send + Sync + 'static {
    /// Renews the lease of this node, and returns the infos of all nodes whose leases have not ended, its own included.
    /// `id` is the node's process, which no other has; `info` is what the others learn of it. After an error the lease may
    /// be renewed or not.
    fn beat(&self, id: &[u8], info: &[u8], lease: Duration) -> BoxFuture<'_, Result<Vec<Bytes>, EngineError>>;

    /// Ends the lease of this node, if it has one. After an error it ends by itself at the latest.
    fn leave(&self, id: &[u8]) -> BoxFuture<'_, Result<(), EngineError>>;

    /// Claims a key with this value for a time, unless somebody has claimed it. After an error the key may be claimed or not.
    fn claim(&self, key: &[u8], value: &[u8], keep: Duration) -> BoxFuture<'_, Result<Claim, EngineError>>;

    /// Replaces the value of a key by another one, and its time, if the value is `from`. If the key is free, it is claimed.
    /// If it has the value `to` already, it is [`Mine`](Claim::Mine), and has the new time. After an error the key has the old
    /// value or the new one, and a late one may come to it as long as it has the value `from`.
    fn swap(&self, key: &[u8], from: &[u8], to: &[u8], keep: Duration) -> BoxFuture<'_, Result<Claim, EngineError>>;

    /// The value of a key, if it is claimed. It is as of some moment of the call: what was claimed before is seen.
    fn look(&self, key: &[u8]) -> BoxFuture<'_, Result<Option<Bytes>, EngineError>>;

    /// Frees a key, if it has this value; otherwise it does nothing, and that is no error. After an error the key is free, or
    /// has its value until its time is over.
    fn release(&self, key: &[u8], value: &[u8]) -> BoxFuture<'_, Result<(), EngineError>>;

    /// Takes notes of a node for a time, each a topic and a value, in place of what the node has noted of that topic
    /// before: for example the number of members that a room has there. An empty value removes a note. `id` is the node's
    /// process. The caller gives at most 512 notes in one call. After an error any of them may be taken or not.
    ///
    /// By default it fails: this engine takes no notes, and `Live::count` counts the members on its own node alone.
    fn note(&self, id: &[u8], notes: Vec<(Bytes, Bytes)>, keep: Duration) -> BoxFuture<'_, Result<(), EngineError>> {
        let _ = (id, notes, keep);
        Box::pin(async { Err(EngineError::new("this engine takes no notes")) })
    }

    /// The notes of a topic, of all nodes, each the id of a node's process and a value, in no order. Those whose time is
    /// over are left out; those of nodes whose leases have ended need not be, since the caller knows who lives.
    ///
    /// By default it fails, as [`note`](Self::note) does.
    fn notes(&self, topic: &[u8]) -> BoxFuture<'_, Result<Vec<(Bytes, Bytes)>, EngineError>> {
        let _ = topic;
        Box::pin(async { Err(EngineError::new("this engine takes no notes")) })
    }
}

/// The outcome of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Claim {
    /// The key has the caller's value now, or had it already.
    Mine,
    /// Somebody else has claimed the key, with this value.
    Held(Bytes),
}

/// An engine did not do what it was asked for: it is away, too slow, or has refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineError(Arc<str>);

impl EngineError {
    /// An error with this text, which is logged.
    pub fn new(text: impl fmt::Display) -> Self {
        EngineError(text.to_string().into())
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for EngineError {}
