//! [`Nats`], an engine on a server of NATS.

mod bus;
mod commands;
mod connection;
mod jetstream;
mod link;
mod names;
mod node;
mod protocol;
mod records;
mod stream;
mod time;
mod url;

use std::{fmt, sync::Arc};

use self::{node::Node, url::Servers};
use super::{engine::EngineError, settings::Cluster};

/// The longest prefix, in bytes.
const PREFIX: usize = 64;
/// The most replicas that a server keeps.
const REPLICAS: u64 = 5;

/// An engine on a server of NATS 2.11 or later with JetStream, or on a cluster of them: its subjects carry what is sent to
/// rooms, and a stream in memory says which nodes live and who has claimed what.
///
/// ```
/// # use anywire::{Cluster, EngineError, Nats};
/// # fn engine() -> Result<(), EngineError> {
/// let engine = Cluster::from(Nats::new("nats://10.0.0.5,nats://10.0.0.6")?.prefix("shop"))
///     .peers("127.0.0.1:0", "at least 16 bytes, the same on all nodes");
/// # let _ = engine;
/// # Ok(())
/// # }
/// # engine().unwrap();
/// ```
///
/// The messages of a room come in the order of each sender: those of two nodes may come in different orders on different
/// nodes. Members on the sender's own node get a message at once.
///
/// A node has three connections: one for what it publishes, one for what it receives, and one for claims and leases; and one
/// more for reading histories. They are made anew when they are lost, first at once, then with growing pauses of up to two
/// seconds, and to the next server if there are several. A server that does not answer is noticed within five seconds. The data
/// are a message for each node and each new session, and one for each node and each room with members there, which is kept for
/// up to an hour; all end by themselves, and nothing is lost with them that the nodes do not say again. Of several servers one
/// may learn of a new topic a moment later than the node is told that its own has: what nodes at that server publish within
/// this moment does not come.
///
/// A message that is larger than the server's `max_payload`, 1 MiB by default, is refused: the other nodes miss it, and
/// tell their members of the gap. The first one is logged. One that goes into a history needs 1 KiB besides.
///
/// Histories are kept in memory by one stream for each kind, that is for each number and age of records, which it is made
/// with; a shorter age than 100 ms is one of 100 ms. The stream publishes what it keeps, so all nodes have the order of the
/// history. At most 32 MiB of one are read at once, the newest. A record whose answer is lost is appended again: the server
/// knows it for two minutes, or for the age if that is shorter, and behind that the history may have it twice, and members get
/// it once. With several replicas the records of a topic are appended one by one, and a history is read from a server that has
/// what was there when it was asked for. A server that is restarted without others has lost its histories: they begin anew,
/// under other epochs.
///
/// All subjects are below the prefix. A user with few rights needs to publish and subscribe to `anywire.>`, and to publish
/// to `$JS.API.STREAM.*.anywire`, `$JS.API.STREAM.MSG.*.anywire` and `$JS.API.DIRECT.GET.anywire`; and to the same for the
/// stream of each kind of history, such as `anywire-history-100-60000` for 100 records and 60,000 ms. Letters, digits, `-` and
/// `_` of a prefix stay what they are; other bytes are written as `=2e`.
///
/// Not there yet: TLS, and users with keys (`nkeys`, files of credentials).
#[derive(Clone)]
pub struct Nats {
    servers: Servers,
    prefix: String,
    replicas: u64,
}

impl Nats {
    /// An engine on the server of this URL: `nats://host`, `nats://host:port`, `nats://user:password@host` or
    /// `nats://token@host`. Several servers of one cluster have commas between them, and the same user. It does not connect
    /// yet.
    ///
    /// # Errors
    /// Fails if this is no such URL. The text of the error does not hold the password.
    pub fn new(url: &str) -> Result<Self, EngineError> {
        Ok(Nats { servers: Servers::read(url)?, prefix: "anywire".to_owned(), replicas: 1 })
    }

    /// Sets what all subjects begin with, and the name of the stream: applications that share a server have one each. It has
    /// 1 to 64 bytes. Default: `anywire`.
    ///
    /// # Panics
    /// Panics if it is empty or longer.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        assert!(!prefix.is_empty() && prefix.len() <= PREFIX, "the prefix of an engine has 1 to {PREFIX} bytes");
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// Sets how many servers of a cluster keep the stream, 1 to 5: with three of them one may fail, and claims and leases
    /// go on. It counts when the stream is made. Default: 1.
    ///
    /// # Panics
    /// Panics if it is another number.
    #[must_use]
    pub fn replicas(mut self, replicas: u64) -> Self {
        assert!((1..=REPLICAS).contains(&replicas), "1 to {REPLICAS} servers of NATS keep a stream");
        self.replicas = replicas;
        self
    }
}

impl From<Nats> for Cluster {
    fn from(engine: Nats) -> Self {
        let node = Arc::new(Node::new(engine.servers, &engine.prefix, engine.replicas));
        Cluster::new(node.clone(), node)
    }
}

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats")
            .field("addresses", &self.servers.to_string())
            .field("prefix", &self.prefix)
            .field("replicas", &self.replicas)
            .finish_non_exhaustive()
    }
}
