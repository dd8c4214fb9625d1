//! Sessions that go on with the connection of another one, by the id of that: their clients name it in each request.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use uuid::Uuid;

use crate::sync::lock;

/// Each session has at most one other id.
#[derive(Debug, Default)]
pub(super) struct Aliases {
    /// There is none for most servers, which pay no lock for that.
    count: AtomicUsize,
    ids: Mutex<Ids>,
}

#[derive(Debug, Default)]
struct Ids {
    sessions: HashMap<Uuid, Uuid>,
    others: HashMap<Uuid, Uuid>,
}

impl Aliases {
    /// The session has this other id, and no longer the one before it.
    pub(super) fn set(&self, session: Uuid, other: Uuid) {
        let mut ids = lock(&self.ids);
        if let Some(before) = ids.others.insert(session, other) {
            ids.sessions.remove(&before);
        }
        ids.sessions.insert(other, session);
        self.count.store(ids.sessions.len(), Ordering::Relaxed);
    }

    /// The session is gone.
    pub(super) fn remove(&self, session: Uuid) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut ids = lock(&self.ids);
        if let Some(other) = ids.others.remove(&session) {
            ids.sessions.remove(&other);
        }
        if ids.sessions.capacity() > 4 * (ids.sessions.len() + 64) {
            ids.sessions.shrink_to_fit();
            ids.others.shrink_to_fit();
        }
        self.count.store(ids.sessions.len(), Ordering::Relaxed);
    }

    pub(super) fn session(&self, other: Uuid) -> Option<Uuid> {
        lock(&self.ids).sessions.get(&other).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_its_last_other_id_until_it_is_gone() {
        let aliases = Aliases::default();
        let [a, b, first, second] = [1, 2, 3, 4].map(Uuid::from_u128);
        aliases.set(a, first);
        aliases.set(b, second);
        assert_eq!([first, second, a].map(|id| aliases.session(id)), [Some(a), Some(b), None]);
        aliases.set(a, Uuid::from_u128(5));
        assert_eq!([first, Uuid::from_u128(5)].map(|id| aliases.session(id)), [None, Some(a)]);
        aliases.remove(first);
        aliases.remove(a);
        aliases.remove(b);
        assert_eq!([first, second, Uuid::from_u128(5)].map(|id| aliases.session(id)), [None; 3]);
        let ids = lock(&aliases.ids);
        assert_eq!((ids.sessions.len(), ids.others.len(), aliases.count.load(Ordering::Relaxed)), (0, 0, 0));
    }
}
