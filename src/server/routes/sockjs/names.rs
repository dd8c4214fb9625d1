//! The sessions of SockJS by the names that their clients have drawn for them. Time is an argument.

#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use uuid::Uuid;

use crate::sync::lock;

/// The names that are in use, or were a short while ago.
///
/// A name whose session is gone is remembered for some time: a poll that comes late must not open another session
/// amid the conversation. A name is looked at again after that time, and forgotten after one more.
#[derive(Debug)]
pub(super) struct Names {
    inner: Mutex<Inner>,
    /// In milliseconds.
    remembered: u64,
    /// No more names are remembered than this. More sessions cannot live.
    most: usize,
}

#[derive(Debug, Default)]
struct Inner {
    names: HashMap<Arc<str>, Named>,
    /// When each name that has had a session is looked at next, in order.
    order: VecDeque<(u64, Arc<str>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    Opening,
    Session(Uuid),
    Gone,
}

/// The state of a name.
#[derive(Debug)]
pub(super) enum Found {
    /// It was free. The session is made with the claim, or the name is free again when that is dropped.
    Free(Claim),
    /// Another request is making the session.
    Opening,
    Session(Uuid),
    /// Its session is gone.
    Gone,
}

/// The right to make the session of a name.
#[derive(Debug)]
pub(super) struct Claim {
    names: Arc<Names>,
    name: Arc<str>,
    since: u64,
    decided: bool,
}

impl Claim {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// When the name was claimed.
    pub(super) fn since(&self) -> u64 {
        self.since
    }

    pub(super) fn open(mut self, now: u64, session: Uuid) {
        self.decided = true;
        let mut inner = lock(&self.names.inner);
        inner.names.insert(self.name.clone(), Named::Session(session));
        inner.order.push_back((now + self.names.remembered, self.name.clone()));
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.decided {
            lock(&self.names.inner).names.remove(&self.name);
        }
    }
}

impl Names {
    pub(super) fn new(remembered: u64, most: usize) -> Self {
        Names { inner: Mutex::default(), remembered, most }
    }

    /// Claims a name, unless it has or had a session. `is_there` tells whether the server has a session still.
    pub(super) fn claim(self: &Arc<Self>, now: u64, name: &str, is_there: impl Fn(Uuid) -> bool) -> Found {
        let mut inner = lock(&self.inner);
        inner.purge(now, self, &is_there);
        match inner.names.get(name) {
            Some(Named::Opening) => Found::Opening,
            Some(Named::Session(id)) => Found::Session(*id),
            Some(Named::Gone) => Found::Gone,
            None => {
                let name: Arc<str> = name.into();
                inner.names.insert(name.clone(), Named::Opening);
                Found::Free(Claim { names: self.clone(), name, since: now, decided: false })
            }
        }
    }

    /// The names that have a session, or are about to have one. `is_there` tells whether the server has a session still.
    pub(super) fn in_use(&self, is_there: impl Fn(Uuid) -> bool) -> Vec<Arc<str>> {
        let inner = lock(&self.inner);
        let used = inner.names.iter().filter(|(_, named)| match named {
            Named::Opening => true,
            Named::Session(id) => is_there(*id),
            Named::Gone => false,
        });
        used.map(|(name, _)| name.clone()).collect()
    }

    /// The session of a name, which the server may have forgotten.
    pub(super) fn session(&self, name: &str) -> Option<Uuid> {
        match lock(&self.inner).names.get(name)? {
            Named::Session(id) => Some(*id),
            Named::Opening | Named::Gone => None,
        }
    }
}

impl Inner {
    /// Looks at the names that are due, and at the oldest while there are too many.
    fn purge(&mut self, now: u64, limits: &Names, is_there: &impl Fn(Uuid) -> bool) {
        // A name is looked at twice before it is forgotten.
        for _ in 0..2 * self.order.len() {
            let Some((time, _)) = self.order.front() else { return };
            if *time > now && self.names.len() <= limits.most {
                return;
            }
            let Some((_, name)) = self.order.pop_front() else { return };
            match self.names.get_mut(&name) {
                Some(named @ Named::Session(_)) => {
                    if !matches!(named, Named::Session(id) if is_there(*id)) {
                        *named = Named::Gone;
                    }
                    self.order.push_back((now + limits.remembered, name));
                }
                _ => drop(self.names.remove(&name)),
            }
        }
    }
}
