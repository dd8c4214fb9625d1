//! The people in a room, by the name that each member gave, and the tasks that wait for a change.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    task::Waker,
};

use uuid::Uuid;

/// The names of a room's members. Several members may have one name: it is there from the first to the last.
#[derive(Debug, Default)]
pub(super) struct Presence {
    names: HashMap<Uuid, Arc<str>>,
    /// The number of members of each name.
    counts: BTreeMap<Arc<str>, usize>,
    /// Those who wait for a change, each with a number of its own.
    watchers: Vec<(u64, Waker)>,
}

impl Presence {
    /// Gives a member this name, in place of another one that it may have. Returns whether the name is new.
    pub(super) fn enter(&mut self, member: Uuid, name: &str) -> bool {
        if self.names.get(&member).is_some_and(|known| **known == *name) {
            return false;
        }
        self.exit(member);
        let name = self.counts.get_key_value(name).map_or_else(|| Arc::from(name), |(name, _)| name.clone());
        let count = self.counts.entry(name.clone()).or_insert(0);
        *count += 1;
        let new = *count == 1;
        self.names.insert(member, name);
        if new {
            self.wake();
        }
        new
    }

    #[cfg(feature = "cluster")]
    pub(super) fn name_of(&self, member: Uuid) -> Option<Arc<str>> {
        self.names.get(&member).cloned()
    }

    /// A member has left.
    pub(super) fn exit(&mut self, member: Uuid) {
        let Some(name) = self.names.remove(&member) else { return };
        if let Some(count) = self.counts.get_mut(&name) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&name);
                self.wake();
            }
        }
    }

    /// The names, sorted.
    pub(super) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.counts.keys()
    }

    /// Wakes this watcher at the next change.
    pub(super) fn watch(&mut self, watcher: u64, waker: &Waker) {
        match self.watchers.iter_mut().find(|(known, _)| *known == watcher) {
            Some((_, known)) => known.clone_from(waker),
            None => self.watchers.push((watcher, waker.clone())),
        }
    }

    pub(super) fn unwatch(&mut self, watcher: u64) {
        self.watchers.retain(|(known, _)| *known != watcher);
    }

    /// Whether nothing would be lost with it.
    pub(super) fn is_idle(&self) -> bool {
        self.names.is_empty() && self.watchers.is_empty()
    }

    fn wake(&mut self) {
        for (_, waker) in self.watchers.drain(..) {
            waker.wake();
        }
    }
}
