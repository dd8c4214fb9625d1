//! Many nodes as one server: what they need of an engine, the engines, and what they say to each other.

pub(crate) mod asking;
mod engine;
mod environment;
#[cfg(all(unix, feature = "host"))]
mod host;
mod in_process;
#[cfg(any(feature = "nats", feature = "redis"))]
mod kept;
#[cfg(feature = "nats")]
mod nats;
mod node;
#[cfg(any(feature = "nats", feature = "redis", all(unix, feature = "host")))]
mod pauses;
mod records;
#[cfg(feature = "redis")]
mod redis;
pub(crate) mod rooms;
mod secret;
mod settings;
mod wires;

pub use engine::{
    Bus, BusEvent, BusInbox, Claim, Directory, EngineError, Order, Past, Place, Publication, RECORDED, Record,
    Recorded, Retention,
};
#[cfg(all(unix, feature = "host"))]
pub use host::Host;
pub use in_process::{InProcess, InProcessNode};
#[cfg(feature = "nats")]
pub use nats::Nats;
pub(crate) use node::{NodeInfo, VERSION};
#[cfg(feature = "redis")]
pub use redis::Redis;
pub(crate) use secret::{HASH, Purpose, Secret};
pub use settings::Cluster;
pub(crate) use settings::Peers;
pub(crate) use wires::{Accept, Wire, Wires};
