//! The requests of other nodes to the rooms of this one, behind one lock.

use std::sync::{Arc, Mutex};

use tokio::{sync::Notify, time::sleep_until};

use crate::{
    clock::Clock,
    cluster::{
        asking::{Begun, Desk, Fate, Key, Part},
        rooms::Publisher,
    },
    server::counters::Count,
    shared::{Gathered, Gathering},
    sync::lock,
};

/// The others that a request of this node goes to, besides its own members.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::server::nodes) enum AskedOthers {
    /// There are no other nodes.
    None,
    /// It cannot go to them: the engine is away.
    Away,
    /// It goes to their rooms. `lost`: to some it does not, since too much waits for the engine.
    Asked { parts: Vec<Part>, lost: bool },
}

/// The requests of other nodes. The lock comes before that of the rooms.
#[derive(Debug)]
pub(in crate::server::nodes) struct AskedHere {
    clock: Clock,
    desk: Mutex<Desk<Arc<Gathering>, Gathered>>,
    /// There may be a nearer time.
    changed: Notify,
    /// The words of other nodes that cannot be.
    pub(in crate::server::nodes) malformed: Count,
}

impl AskedHere {
    pub(super) fn new(clock: Clock) -> Self {
        AskedHere { clock, desk: Mutex::new(Desk::new()), changed: Notify::new(), malformed: Count::default() }
    }

    /// A request has come to a room.
    pub(super) fn reached(
        &self,
        key: Key,
        room: &str,
        late: bool,
        make: impl FnOnce() -> (Arc<Gathering>, Gathered),
    ) -> Option<Arc<Gathering>> {
        let reached = lock(&self.desk).reached(self.clock.now(), key, room, late, make);
        self.changed.notify_one();
        reached
    }

    /// Another node asks what becomes of its request.
    pub(in crate::server::nodes) fn wait(
        &self,
        key: Key,
        parts: Vec<Part>,
        fate: impl Fn(&Part) -> Fate,
        make: impl FnOnce() -> (Arc<Gathering>, Gathered),
    ) -> Option<Gathered> {
        let begun = lock(&self.desk).wait(self.clock.now(), key, parts, fate, make);
        let Begun { ask, answers, sends, lost } = begun?;
        (0..lost).for_each(|_| ask.not_delivered(true));
        ask.expect(sends + lost);
        self.changed.notify_one();
        Some(answers)
    }

    /// Nobody waits any more for what becomes of a request.
    pub(in crate::server::nodes) fn leave(&self, key: Key) {
        lock(&self.desk).leave(self.clock.now(), key);
        self.changed.notify_one();
    }

    /// Waits until something may have changed with time.
    pub(super) async fn due(&self) {
        loop {
            let next = lock(&self.desk).next_timeout();
            let Some(next) = next else {
                self.changed.notified().await;
                continue;
            };
            if next <= self.clock.now() {
                return;
            }
            tokio::select! {
                () = sleep_until(self.clock.instant(next)) => {}
                () = self.changed.notified() => {}
            }
        }
    }

    /// Looks at what has not come, and forgets what nobody has asked for.
    pub(super) fn look(&self, fate: impl Fn(Publisher, &Part) -> Fate) {
        let now = self.clock.now();
        let (unasked, decided) = {
            let mut desk = lock(&self.desk);
            (desk.expire(now), desk.look(now, fate))
        };
        if !unasked.is_empty() {
            tracing::debug!(requests = unasked.len(), "nobody has asked what becomes of requests of other nodes");
        }
        decided.into_iter().for_each(|(ask, lost)| ask.not_delivered(lost));
    }
}
