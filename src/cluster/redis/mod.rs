//! [`Redis`], an engine on a server of Redis.

mod bus;
mod commands;
mod connection;
mod directory;
mod node;
mod records;

use std::{fmt, sync::Arc};

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion};

use self::node::Node;
use super::{engine::EngineError, settings::Cluster};

/// The longest prefix, in bytes.
const PREFIX: usize = 64;

/// An engine on one server of Redis 6.2 or later, or of Valkey: its pub/sub carries what is sent to rooms, in one order for
/// all nodes, and its keys say which nodes live and who has claimed what.
///
/// ```
/// # use anywire::{Cluster, EngineError, Redis};
/// # fn engine() -> Result<(), EngineError> {
/// let engine = Cluster::from(Redis::new("redis://10.0.0.5")?.prefix("shop"))
///     .peers("127.0.0.1:0", "at least 16 bytes, the same on all nodes");
/// # let _ = engine;
/// # Ok(())
/// # }
/// # engine().unwrap();
/// ```
///
/// A node has three connections: one for what it publishes, one for what it receives, and one for claims and leases; and one
/// more for reading histories. They are made anew when they are lost, first at once, then with growing pauses of up to two
/// seconds. A server that does not answer is noticed within five seconds. One that is a replica now, behind a fail-over, counts
/// as away: give the name or the address that leads to the one that takes writes. The data are a few keys for each node and
/// each new session, and one for each room with members, which is kept for up to an hour; all have times to live, and nothing
/// is lost with them that the nodes do not say again.
///
/// Histories are kept, one key each: their last 256 publishers, and the records, until as many came behind them or until the
/// age of the last one, which is a minute at least, is over. A script keeps a record and publishes it, so all nodes have the
/// order of the history. At most 32 MiB of one are read at once, the newest. A server that is set to evict keys may lose one
/// whole, and a replica that takes over its end: it goes on under another epoch then, and what is missing is a gap.
///
/// A user of an access list needs the commands `HELLO`, `EVAL`, `TIME`, `GET`, `SET`, `DEL`, `PEXPIRE`, `PTTL`, `HSET`,
/// `HGETALL`, `HDEL`, `HGET`, `HMGET`,
/// `HKEYS`, `HLEN`, `PUBLISH`, `SUBSCRIBE` and `UNSUBSCRIBE`, for keys and channels that begin with the prefix.
///
/// Not there yet: Redis Cluster, Sentinel and TLS.
#[derive(Clone)]
pub struct Redis {
    info: ConnectionInfo,
    prefix: String,
}

impl Redis {
    /// An engine on the server of this URL: `redis://host`, `redis://user:password@host:port/database`, or
    /// `redis+unix:///path` for a socket of UNIX. `valkey` may stand for `redis`. It does not connect yet.
    ///
    /// # Errors
    /// Fails if this is no such URL. The text of the error does not hold the password.
    pub fn new(url: &str) -> Result<Self, EngineError> {
        if url.starts_with("rediss:") || url.starts_with("valkeys:") {
            return Err(EngineError::new(
                "connections to Redis by TLS are not there yet: give a URL that begins with redis://",
            ));
        }
        let info =
            url.into_connection_info().map_err(|error| EngineError::new(format_args!("no URL of Redis: {error}")))?;
        if !info.addr().is_supported() || matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
            return Err(EngineError::new("this kind of connection to Redis is not there on this system"));
        }
        // Publications come between answers, which is a part of the third protocol.
        let redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        Ok(Redis { info: info.set_redis_settings(redis), prefix: "anywire".to_owned() })
    }

    /// Sets what all keys and channels begin with: applications that share a server have one each. It has 1 to 64 bytes.
    /// Default: `anywire`.
    ///
    /// # Panics
    /// Panics if it is empty or longer.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        assert!(!prefix.is_empty() && prefix.len() <= PREFIX, "the prefix of an engine has 1 to {PREFIX} bytes");
        prefix.clone_into(&mut self.prefix);
        self
    }
}

impl From<Redis> for Cluster {
    fn from(engine: Redis) -> Self {
        let node = Arc::new(Node::new(engine.info, &engine.prefix));
        Cluster::new(node.clone(), node)
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("address", &self.info.addr().to_string())
            .field("database", &self.info.redis_settings().db())
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}
