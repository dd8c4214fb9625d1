//! The oracle: the members that were asked, and the answers and reasons that were told of them.

use std::collections::BTreeSet;

use super::hostile::{TIME, World};
use crate::cluster::asking::Told;

impl World {
    /// The node that asks hears what another one says.
    pub(super) fn hear(&mut self, at: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return self.tally.gone(at);
        }
        self.nodes[at].words.push(bytes);
        while !self.tally.is_node_over(at) {
            let said = match self.nodes[at].words.next() {
                Ok(None) => return,
                Ok(Some(said)) => self.tally.said(at, said),
                Err(malformed) => Err(malformed),
            };
            if said.is_err() {
                self.tally.gone(at);
            }
        }
    }

    pub(super) fn judge(&self) -> Result<(), String> {
        if !self.tally.is_over() {
            return Err("somebody waits without an end".into());
        }
        let mut sessions = BTreeSet::new();
        let mut unreached = BTreeSet::new();
        for told in &self.told {
            let new = match told {
                Told::Answered { session, .. } | Told::Missing { session, .. } => sessions.insert(session.to_string()),
                Told::Unreached(node) => unreached.insert(*node),
            };
            if !new {
                return Err(format!("told twice: {told:?}"));
            }
        }
        for (at, node) in self.nodes.iter().enumerate() {
            let of_node = |id: &&String| id.starts_with(&format!("{at}."));
            let asked: BTreeSet<&String> = node.gather.asked.iter().collect();
            let told: BTreeSet<&String> = sessions.iter().filter(of_node).collect();
            let is_known = node.gather.expected.is_some();
            if is_known && !told.is_subset(&asked) {
                return Err(format!("node {at}: {told:?} are told, and {asked:?} were asked"));
            }
            if !unreached.contains(&at) && told != asked {
                return Err(format!("node {at} is not told, and of {asked:?} only {told:?} are"));
            }
            if !unreached.contains(&at) && node.gather.lost {
                return Err(format!("node {at} has lost the request, and nobody learns of it"));
            }
            if node.honest && unreached.contains(&at) && node.said_at < TIME && node.gather.whole && !node.gather.lost {
                return Err(format!("node {at} had its say in time, and is told as not reached"));
            }
            if node.desk.next_timeout().is_some() {
                return Err(format!("node {at} does not forget"));
            }
        }
        Ok(())
    }
}
