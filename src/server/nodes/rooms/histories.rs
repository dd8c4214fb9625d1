//! Rooms whose histories the engine keeps. This node follows one while it has members, or while somebody joins it, and has
//! the past of it for as long.

use std::{borrow::Cow, sync::Arc, time::Duration};

use futures::{StreamExt, stream::FuturesUnordered};
use tokio::time::timeout;

use super::{
    NodeRooms,
    state::{State, Work},
    target::room_of,
};
use crate::{
    broadcast::OutMessage,
    cluster::rooms::{Behind, Foreign, Loaded, Sent},
    dialect::request_id,
    hub::{Hub, Name, PastMessage, Position, Target},
    payload::Payload,
    server::core::Core,
    sync::lock,
};

/// The time within which the engine must bring the past of a room.
const PATIENCE: Duration = Duration::from_secs(2);

/// A room is followed. Dropped, it is not any more for this one's sake.
#[derive(Debug)]
pub(in crate::server::nodes) struct Followed {
    rooms: Arc<NodeRooms>,
    number: u64,
}

impl NodeRooms {
    /// Whether the engine keeps the history of the room that a send is for.
    pub(super) fn is_recorded(&self, target: &Target) -> bool {
        room_of(target).is_some_and(|room| lock(&self.state).machine.is_recorded(room))
    }

    /// The position that the next message to a room will have, if the engine keeps its history.
    pub(in crate::server::nodes) fn next_position(&self, room: &str) -> Option<Position> {
        let state = lock(&self.state);
        state.machine.is_recorded(room).then(|| state.next_position(room))
    }

    /// Follows a room from now on, and waits until its past is here; `None` if the engine does not keep its history.
    pub(in crate::server::nodes) fn follow_history(
        self: &Arc<Self>,
        room: &str,
    ) -> Option<impl Future<Output = Followed> + Send + 'static> {
        if !lock(&self.state).machine.is_recorded(room) {
            return None;
        }
        let (rooms, room): (_, Arc<str>) = (self.clone(), room.into());
        Some(async move {
            let number = lock(&rooms.state).want_history(rooms.clock.now(), room.clone());
            let followed = Followed { rooms, number };
            let rooms = &followed.rooms;
            rooms.kick(Work::ALL);
            if timeout(PATIENCE, rooms.is_loaded(&room)).await.is_err() {
                tracing::debug!(room = &*room, "the cluster's engine has not brought the past of a room in time");
            }
            followed
        })
    }

    /// Waits until the past of a room that is followed is here.
    async fn is_loaded(&self, room: &str) {
        loop {
            let changed = self.heard.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let load = lock(&self.state).machine.load_of(room);
            // An earlier load is of no use if the room was not followed since.
            if load.is_some() && self.core.upgrade().is_none_or(|core| core.hub.loaded(room) == load) {
                return;
            }
            changed.await;
        }
    }

    /// Asks the engine for what this node lacks, for as long as the server lives.
    pub(super) async fn recall(&self) {
        let mut asked = FuturesUnordered::new();
        loop {
            while let Some(ask) = {
                let mut state = lock(&self.state);
                state.machine.poll_history(self.clock.now())
            } {
                asked.push(async move {
                    let past = self.bus.0.history(&ask.topic, ask.keep, ask.after).await;
                    (ask, past)
                });
            }
            tokio::select! {
                Some((ask, past)) = asked.next() => {
                    let Some(core) = self.core.upgrade() else { return };
                    if let Err(error) = &past {
                        tracing::debug!(room = &*ask.room, %error, "the cluster's engine was asked for a history in vain");
                    }
                    self.change(&core, |machine, now| machine.history_done(now, ask.number, past.ok()));
                }
                () = self.recall.notified() => {}
            }
        }
    }

    /// The name of a message of this node.
    pub(super) fn name(&self, n: u64) -> Name {
        Name { publisher: self.membership.incarnation, n, late: false, settled: false }
    }

    /// The target of a message that the caller delivers now.
    pub(super) fn named<'a>(&self, target: &'a Target, sent: &Sent) -> Cow<'a, Target> {
        match sent.n {
            // Histories alone need the name.
            Some(n) if self.has_histories => {
                Cow::Owned(Target { name: Some(self.name(n)), at: None, ..target.clone() })
            }
            _ => Cow::Borrowed(target),
        }
    }

    /// The past of a room has come.
    pub(super) fn load(&self, core: &Core, room: &str, past: Loaded) {
        let now = core.runtime.clock().now();
        let message = |(offset, age, message): (u64, u64, Foreign)| {
            let time = i64::try_from(now).ok()?.saturating_sub_unsigned(age);
            let (name, message) = remembered(core, message)?;
            Some(PastMessage { name, offset, time, message })
        };
        let messages = past.messages.into_iter().filter_map(message).collect();
        let behind = past.behind.map(|place| (place.epoch, place.offset));
        core.hub.load(room, now, past.number, behind, messages);
        self.heard.notify_waiters();
    }

    /// A message that members here have got already has its place in the history.
    pub(super) fn settle(core: &Core, room: &str, message: Foreign) {
        if let Some((name, message)) = remembered(core, message) {
            core.hub.settle(room, core.runtime.clock().now(), name, message);
        }
    }
}

/// A message that is kept; `None` if it is one that may be skipped, or a request, which no history has.
fn remembered(core: &Core, message: Foreign) -> Option<(Name, OutMessage)> {
    let Foreign { publisher, n, options, payload, late, .. } = message;
    let is_kept = match &payload {
        Payload::Event(packet) => packet.is_event() && request_id(packet).is_none(),
        Payload::Message(_) => true,
    };
    let name = Name { publisher, n, late, settled: true };
    (is_kept && options.when_behind == Behind::Keep).then(|| (name, OutMessage::shared(payload, core.runtime.pool())))
}

impl State {
    /// The position that the next message to a room will have on all nodes.
    fn next_position(&self, room: &str) -> Position {
        Hub::position_in(room, self.me, self.machine.next_number(room))
    }

    /// Whether another message has taken the position that this one is for.
    pub(super) fn is_overtaken(&self, target: &Target) -> bool {
        let Some((at, room)) = target.at.as_ref().zip(room_of(target)) else { return false };
        self.machine.is_recorded(room) && *at != self.next_position(room)
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        let rooms = &self.rooms;
        if let Some(core) = rooms.core.upgrade() {
            lock(&rooms.state).want_no_more(&core, rooms.clock.now(), self.number);
            rooms.kick(Work::ALL);
        }
    }
}
