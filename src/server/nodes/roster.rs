//! Which nodes live, by what the directory has listed and when. Times are arguments, in milliseconds of this process's own
//! clock: nothing that another machine says of time counts.

#[cfg(test)]
mod tests;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;

use crate::{cluster::NodeInfo, config::is_node_name};

/// The time between two beats.
pub(super) const BEAT: u64 = 1000;

/// The time for which a node counts as living behind its last beat.
pub(super) const LEASE: u64 = 10_000;

/// The time between two beats while somebody waits to learn something: that a node has come, or that it is known.
const HASTE: u64 = 100;

/// The time between two beats that fail.
const RETRY: u64 = 500;

/// The directory counts as away when it is silent for this time longer than it should be.
pub(super) const PATIENCE: u64 = 1000;

/// A process that was not heard of for this time, while another one of its name was, has been replaced by that one.
const REPLACED: u64 = 3 * BEAT;

/// Upper bound on the other nodes of a cluster.
const MOST_NODES: usize = 1024;

/// Upper bound on the length of an address.
const MOST_ADDRESS: usize = 256;

/// Upper bound on the faults that are remembered so that none is told twice.
const MOST_FAULTS: usize = 64;

/// The nodes of a cluster as this one knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Living {
    /// All that live, this one included, by name. Of several processes with one name the one is first that came last.
    pub(super) nodes: Vec<Arc<NodeInfo>>,
    /// This node has joined: all others know of it.
    pub(super) joined: bool,
    /// The directory does not answer. The nodes are those that lived last.
    pub(super) away: bool,
    /// The directory lists this node, and answers. Otherwise others may take its claims for those of a dead one.
    pub(super) listed: bool,
}

/// The nodes that the directory has listed, and what this one says of itself.
///
/// A node has died when it is listed no more and was not heard to beat for the time of a lease, so nobody dies because the
/// directory has lost what it knew, or does not answer. A node that leaves says so.
pub(super) struct Roster {
    me: NodeInfo,
    others: BTreeMap<u64, Seen>,
    joined: bool,
    /// When this node began to join.
    joins_since: u64,
    away: bool,
    /// When the directory has answered last; before it did, when this node started.
    heard: u64,
    /// When the directory has answered first.
    first_heard: Option<u64>,
    /// The others can read whom this node knows.
    told: bool,
    /// The faults that were told.
    faults: BTreeSet<Fault>,
}

/// Another process.
struct Seen {
    /// The info that it gives of itself, without the count of its beats.
    info: Arc<NodeInfo>,
    beats: u64,
    /// When it was listed first.
    first: u64,
    /// When it was heard to beat last, or could have been.
    last: u64,
    /// When it was heard to beat last, if it was more than listed.
    beaten: Option<u64>,
    listed: bool,
    /// It lists this process among those that it knows of.
    knows_us: bool,
}

/// Something that is wrong with a cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// An entry of the directory is no node.
    Malformed,
    /// There are more nodes than there may be.
    TooMany,
    /// Two processes have one name. The addresses are theirs.
    Namesakes { name: String, addresses: [String; 2] },
    /// A process has the name of one that shuts down: that one's sessions are looked for at the new one.
    Successor { name: String, addresses: [String; 2] },
    /// Another process gives this node's address as its own.
    SameAddress { name: String, address: String },
    /// A node has not said within the time of a lease that it knows of this one.
    Unacknowledged { name: String, address: String },
}

impl Roster {
    /// A node that begins to join. `me` is what it says of itself.
    pub(super) fn new(now: u64, me: NodeInfo) -> Self {
        Roster {
            me,
            others: BTreeMap::new(),
            joined: false,
            joins_since: now,
            away: false,
            heard: now,
            first_heard: None,
            told: true,
            faults: BTreeSet::new(),
        }
    }

    /// The info that this node gives of itself in its next beat.
    pub(super) fn beat(&mut self, draining: bool, left: bool) -> NodeInfo {
        self.me.beats += 1;
        (self.me.draining, self.me.left) = (draining, left);
        self.told = true;
        self.me.clone()
    }

    /// The directory has answered with this list. Returns the faults that were not told yet.
    pub(super) fn heard(&mut self, now: u64, list: &[Bytes]) -> Vec<Fault> {
        // Behind a long silence the others may have given this node up, and nobody could be heard to beat in it.
        if self.first_heard.is_none() || now.saturating_sub(self.heard) >= LEASE / 2 {
            (self.joined, self.joins_since) = (false, now);
            self.others.values_mut().for_each(|seen| seen.last = now);
        }
        self.first_heard.get_or_insert(now);
        (self.heard, self.away) = (now, false);
        self.others.values_mut().for_each(|seen| seen.listed = false);
        let mut faults: Vec<Fault> = list.iter().filter_map(|entry| self.listed(now, entry)).collect();
        self.others.retain(|_, seen| seen.listed || now.saturating_sub(seen.last) < LEASE);
        faults.extend(self.acquaint(now));
        faults.extend(self.conflicts(now));
        faults.retain(|fault| self.faults.len() < MOST_FAULTS && self.faults.insert(fault.clone()));
        faults
    }

    /// The directory has not answered.
    pub(super) fn missed(&mut self, now: u64) {
        let due = if self.first_heard.is_some() { BEAT + PATIENCE } else { PATIENCE };
        self.away |= now.saturating_sub(self.heard) >= due;
        // Nobody knows of this node then, but it serves.
        self.joined |= self.away && self.first_heard.is_none();
    }

    /// The time from the beginning of one beat to the next.
    pub(super) fn pause(&self) -> u64 {
        match () {
            () if self.away || self.first_heard.is_none() => RETRY,
            () if !self.joined || !self.told => HASTE,
            () => BEAT,
        }
    }

    /// The nodes that lived when the directory answered last.
    pub(super) fn living(&self) -> Living {
        let now = self.heard;
        let mut me = self.me.clone();
        me.beats = 0;
        let mine = (Reverse(self.first_heard.unwrap_or(now)), false, Arc::new(me));
        let others = self.others.values().filter(|seen| self.lives(now, seen));
        let others = others.map(|seen| (Reverse(seen.first), true, seen.info.clone()));
        let mut nodes: Vec<_> = others.chain([mine]).collect();
        nodes.sort_by(|(first, other, info), (than_first, than_other, than)| {
            (&info.name, first, other, info.incarnation).cmp(&(&than.name, than_first, than_other, than.incarnation))
        });
        let nodes = nodes.into_iter().map(|(.., info)| info).collect();
        let listed = self.first_heard.is_some() && !self.away;
        Living { nodes, joined: self.joined, away: self.away, listed }
    }

    /// An entry of the list.
    fn listed(&mut self, now: u64, entry: &[u8]) -> Option<Fault> {
        let Some(mut info) = NodeInfo::read(entry).filter(is_proper) else { return Some(Fault::Malformed) };
        let beats = std::mem::take(&mut info.beats);
        let process = info.incarnation;
        if process == self.me.incarnation {
            return None;
        } else if info.left {
            self.others.remove(&process);
        } else if let Some(seen) = self.others.get_mut(&process) {
            seen.listed = true;
            if seen.beats != beats {
                (seen.beats, seen.last, seen.beaten) = (beats, now, Some(now));
            }
            if *seen.info != info {
                seen.info = Arc::new(info);
            }
        } else if self.others.len() >= MOST_NODES {
            return Some(Fault::TooMany);
        } else {
            let info = Arc::new(info);
            let seen = Seen { info, beats, first: now, last: now, beaten: None, listed: true, knows_us: false };
            self.others.insert(process, seen);
        }
        None
    }

    /// Whether a process that is or was listed counts as living. One that had this node's address is dead, and so is one
    /// that is silent since another one has its name, unless it is heard to beat.
    fn lives(&self, now: u64, seen: &Seen) -> bool {
        let has_our_address = seen.info.address == self.me.address && seen.beaten.is_none();
        let is_silent = now.saturating_sub(seen.last) >= REPLACED;
        let beats = |other: &Seen| other.beaten.is_some_and(|beaten| now.saturating_sub(beaten) < REPLACED);
        let mut namesakes = self.others.values().filter(|other| other.info.name == seen.info.name);
        let is_replaced = is_silent && (seen.info.name == self.me.name || namesakes.any(beats));
        !has_our_address && !is_replaced
    }

    /// Finds out who knows of whom.
    fn acquaint(&mut self, now: u64) -> Option<Fault> {
        let (knows, others): (Vec<u64>, Vec<Arc<NodeInfo>>) = {
            let living = self.others.iter().filter(|(_, seen)| self.lives(now, seen));
            living.map(|(process, seen)| (*process, seen.info.clone())).unzip()
        };
        let mut stranger = None;
        for (process, info) in knows.iter().zip(&others) {
            let knows_us = info.knows.contains(&self.me.incarnation);
            let Some(seen) = self.others.get_mut(process) else { continue };
            if seen.knows_us && !knows_us && self.joined {
                // It has given this node up, and must learn anew that it lives.
                (self.joined, self.joins_since) = (false, now);
            }
            seen.knows_us = knows_us;
            stranger = if knows_us { stranger } else { Some(info) };
        }
        let in_time = now.saturating_sub(self.joins_since) < LEASE;
        let unacknowledged = stranger.filter(|_| !self.joined && !in_time);
        self.joined |= stranger.is_none() || !in_time;
        if self.me.knows != knows {
            (self.me.knows, self.told) = (knows, false);
        }
        unacknowledged.map(|info| Fault::Unacknowledged { name: info.name.clone(), address: info.address.clone() })
    }

    /// Finds processes that have what only one may have: a name, or this node's address.
    fn conflicts(&self, now: u64) -> Vec<Fault> {
        let mut faults = Vec::new();
        // Of this node it is known that it beats.
        let beating = self.others.values().filter_map(|seen| Some((&*seen.info, seen.first, seen.beaten?)));
        let mut beating: Vec<_> = beating.filter(|(_, _, beaten)| now.saturating_sub(*beaten) < REPLACED).collect();
        for (info, ..) in beating.iter().filter(|(info, ..)| info.address == self.me.address) {
            faults.push(Fault::SameAddress { name: info.name.clone(), address: info.address.clone() });
        }
        beating.push((&self.me, self.first_heard.unwrap_or(now), now));
        beating.sort_by_key(|(info, ..)| (&info.name, info.draining));
        for pair in beating.windows(2) {
            let [(one, first, beaten), (other, other_first, other_beaten)] = pair else { continue };
            if one.name == other.name && beaten > other_first && other_beaten > first {
                let (name, mut addresses) = (one.name.clone(), [one.address.clone(), other.address.clone()]);
                addresses.sort();
                match (one.draining, other.draining) {
                    (false, false) => faults.push(Fault::Namesakes { name, addresses }),
                    (false, true) => faults.push(Fault::Successor { name, addresses }),
                    // Both go.
                    (true, _) => {}
                }
            }
        }
        faults
    }
}

/// Whether this can be what a node says of itself.
fn is_proper(info: &NodeInfo) -> bool {
    is_node_name(&info.name) && info.address.len() <= MOST_ADDRESS && info.knows.len() <= MOST_NODES
}
