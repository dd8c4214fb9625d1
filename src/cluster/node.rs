//! The infos that the nodes of a cluster give of themselves by the directory.

use serde_json::{Value, json};

/// The version of the links between nodes, and of envelopes. A node also speaks with those of the version before.
pub(crate) const VERSION: u64 = 1;

/// An info has at most this many bytes: room for more than a thousand nodes that it knows of.
const MOST_BYTES: usize = 32 * 1024;

/// One process of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeInfo {
    /// The name that its sessions' ids begin with.
    pub(crate) name: String,
    /// The process: a restarted node has another one. It is the publisher of what it sends to rooms.
    pub(crate) incarnation: u64,
    /// Where the other nodes reach it.
    pub(crate) address: String,
    pub(crate) version: u64,
    /// It opens no sessions any more.
    pub(crate) draining: bool,
    /// The time in milliseconds that its sessions have to go, from when it began to drain; 0 before, and if it has not said so.
    pub(crate) window: u64,
    /// It is about to end, in good order: from now on it counts as gone.
    pub(crate) left: bool,
    /// How often it has said that it lives. A process that has ended is listed until its lease ends, and says it no more.
    pub(crate) beats: u64,
    /// The processes that it knows of.
    pub(crate) knows: Vec<u64>,
}

impl NodeInfo {
    /// The bytes by which the directory tells its process from all others.
    pub(crate) fn id(&self) -> [u8; 8] {
        self.incarnation.to_be_bytes()
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        // Numbers of 64 bits are texts, as others who look at the directory may read them as floats.
        let knows: Vec<String> = self.knows.iter().map(|process| format!("{process:016x}")).collect();
        let value = json!({
            "name": self.name,
            "incarnation": format!("{:016x}", self.incarnation),
            "address": self.address,
            "version": self.version,
            "draining": self.draining,
            "window": self.window,
            "left": self.left,
            "beats": self.beats,
            "knows": knows,
        });
        value.to_string().into_bytes()
    }

    /// Reads what another node wrote; `None` if that was no node, or is larger than any.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MOST_BYTES {
            return None;
        }
        let value: Value = serde_json::from_slice(bytes).ok()?;
        let process = |value: &Value| u64::from_str_radix(value.as_str()?, 16).ok();
        Some(NodeInfo {
            name: value["name"].as_str()?.to_owned(),
            incarnation: process(&value["incarnation"])?,
            address: value["address"].as_str()?.to_owned(),
            version: value["version"].as_u64()?,
            draining: value["draining"].as_bool()?,
            // Nodes of an earlier version do not say it.
            window: value["window"].as_u64().unwrap_or_default(),
            left: value["left"].as_bool()?,
            beats: value["beats"].as_u64()?,
            knows: value["knows"].as_array()?.iter().map(process).collect::<Option<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_info_is_read_as_it_was_written() {
        let info = NodeInfo {
            name: "a-1".to_owned(),
            incarnation: u64::MAX - 1,
            address: "127.0.0.1:7946".to_owned(),
            version: VERSION,
            draining: true,
            window: 20_000,
            left: false,
            beats: 7,
            knows: vec![0, u64::MAX],
        };
        let written = info.write();
        assert_eq!(NodeInfo::read(&written), Some(info));
        for other in ["", "{}", "[]", "{\"name\":1}"] {
            assert_eq!(NodeInfo::read(other.as_bytes()), None, "{other}");
        }
        assert_eq!(NodeInfo::read(&written[..written.len() - 1]), None);
        let long = [written, vec![b' '; MOST_BYTES]].concat();
        assert_eq!(NodeInfo::read(&long), None);
    }
}
