//! The settings of a node, read from the environment.

use std::env::VarError;

use super::{
    engine::EngineError,
    settings::{Cluster, peers},
};
use crate::config::is_node_name;

/// It makes an engine of a variable's value.
type Make = fn(&str) -> Result<Cluster, EngineError>;

/// The variables that name an engine, of which one may be set.
const ENGINES: &[(&str, Make)] = &[("ANYWIRE_REDIS", on_redis), ("ANYWIRE_NATS", on_nats), (HOST, on_host)];

/// The variable of the engine that needs no address and no secret.
const HOST: &str = "ANYWIRE_HOST";

impl Cluster {
    /// Reads the settings from the environment:
    ///
    /// * `ANYWIRE_REDIS`: the URL of the server of Redis, as [`Redis::new`](crate::Redis::new) takes it;
    /// * or `ANYWIRE_NATS`: the URL of the server of NATS, as [`Nats::new`](crate::Nats::new) takes it;
    /// * or `ANYWIRE_HOST`: the folder of the processes of one machine, as [`Host::at`](crate::Host::at) takes it;
    /// * `ANYWIRE_PEERS` and `ANYWIRE_SECRET`: the address and the secret of [`peers`](Self::peers). A node with
    ///   `ANYWIRE_HOST` has none;
    /// * `ANYWIRE_NODE`: the node's name, if it is to have a certain one. [`Builder::node`](crate::Builder::node) goes
    ///   before it.
    ///
    /// The result is `None` if no engine is set: the server is alone. A variable that is empty is not set.
    ///
    /// # Errors
    /// Fails if two engines are set, or if one of the others is missing or wrong; the text names it, and holds neither the
    /// secret nor the password.
    pub fn from_env() -> Result<Option<Self>, EngineError> {
        Self::from_variables(|name| match std::env::var(name) {
            Ok(value) => Ok(Some(value)),
            Err(VarError::NotPresent) => Ok(None),
            Err(VarError::NotUnicode(_)) => Err(EngineError::new(format_args!("{name} is no Unicode"))),
        })
    }

    fn from_variables(read: impl Fn(&str) -> Result<Option<String>, EngineError>) -> Result<Option<Self>, EngineError> {
        let read = |name| Ok(read(name)?.filter(|value| !value.is_empty()));
        let mut set = Vec::new();
        for (engine, make) in ENGINES {
            set.extend(read(engine)?.map(|url| (*engine, *make, url)));
        }
        let (engine, make, url) = match &set[..] {
            [] => return Ok(None),
            [one] => one,
            [(one, ..), (other, ..), ..] => {
                return Err(EngineError::new(format_args!("{one} and {other} are set: a cluster has one engine")));
            }
        };
        let named = |name: &str, error: EngineError| EngineError::new(format_args!("{name}: {error}"));
        let needed = |name: &'static str, what| {
            read(name)?.ok_or_else(|| EngineError::new(format_args!("{engine} is set, but not {name}, {what}")))
        };
        let peers = if *engine == HOST {
            for name in ["ANYWIRE_PEERS", "ANYWIRE_SECRET"] {
                if read(name)?.is_some() {
                    let text =
                        format_args!("{HOST} is set, whose nodes reach each other by its folder, and {name} too");
                    return Err(EngineError::new(text));
                }
            }
            None
        } else {
            let address = needed("ANYWIRE_PEERS", "the address at which the other nodes reach this one")?;
            let secret = needed("ANYWIRE_SECRET", "the secret that all nodes share")?;
            Some(peers(&address, secret.as_bytes()).map_err(|(name, error)| named(name, error))?)
        };
        let node = read("ANYWIRE_NODE")?;
        if node.as_deref().is_some_and(|node| !is_node_name(node)) {
            return Err(EngineError::new("ANYWIRE_NODE: a node's name is up to 64 letters, digits or '-'"));
        }
        let cluster = make(url).map_err(|error| named(engine, error))?;
        Ok(Some(Cluster { peers: peers.or(cluster.peers), node, ..cluster }))
    }
}

#[cfg(feature = "redis")]
fn on_redis(url: &str) -> Result<Cluster, EngineError> {
    Ok(super::redis::Redis::new(url)?.into())
}

#[cfg(not(feature = "redis"))]
fn on_redis(_: &str) -> Result<Cluster, EngineError> {
    Err(EngineError::new("this program was compiled without the feature `redis`"))
}

#[cfg(feature = "nats")]
fn on_nats(url: &str) -> Result<Cluster, EngineError> {
    Ok(super::nats::Nats::new(url)?.into())
}

#[cfg(not(feature = "nats"))]
fn on_nats(_: &str) -> Result<Cluster, EngineError> {
    Err(EngineError::new("this program was compiled without the feature `nats`"))
}

#[cfg(all(unix, feature = "host"))]
fn on_host(folder: &str) -> Result<Cluster, EngineError> {
    Ok(super::host::Host::at(folder)?.into())
}

#[cfg(not(all(unix, feature = "host")))]
fn on_host(_: &str) -> Result<Cluster, EngineError> {
    Err(EngineError::new("this program was compiled without the feature `host`, or the system is none of UNIX"))
}

#[cfg(test)]
mod tests;
