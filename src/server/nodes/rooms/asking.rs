//! Requests to rooms: those of this node, which go through the rooms as messages do, and those of other nodes.

use std::sync::Arc;

use uuid::Uuid;

use super::{
    NodeRooms,
    asked::{AskedHere, AskedOthers},
    delivery::count,
    due::Due,
    state::Work,
    target::{Own, one_for_each, room_of, target_of},
};
use crate::{
    broadcast::OutMessage,
    cluster::{
        asking::{Fate, Part},
        rooms::{Event, Foreign, Item, Number, Publisher, What},
    },
    dialect::with_id,
    hub::{Audience, Target},
    payload::Payload,
    server::core::Core,
    session::CloseReason,
    shared::Gathering,
    sync::{lock, read},
};

impl NodeRooms {
    /// The requests of other nodes.
    pub(in crate::server::nodes) fn asked(&self) -> &Arc<AskedHere> {
        &self.asked
    }

    /// Sends a request to the members of rooms on all nodes: those on this node get it as they get messages. The target says
    /// where its answers go.
    pub(in crate::server::nodes) fn ask(
        &self,
        target: &Target,
        message: &OutMessage,
        slow: &CloseReason,
        at_once: bool,
    ) -> AskedOthers {
        let (Some(core), Some(gathering)) = (self.core.upgrade(), &target.gathering) else { return AskedOthers::None };
        let _together = read(&self.gate);
        if self.is_straight(&core, target) {
            count(&core, self.deliver_straight(&core, target, message, slow));
            return AskedOthers::None;
        }
        let targets = match &target.audience {
            Audience::AnyOf(rooms) => one_for_each(target, rooms),
            Audience::Room(_) | Audience::Everybody => vec![target.clone()],
        };
        gathering.expect(targets.len());
        if self.is_away() {
            self.ask_own(&core, &targets, message, slow);
            return AskedOthers::Away;
        }
        let (sent, now) = self.hand(&core, &targets, message, slow, at_once).unwrap_or_default();
        if now {
            self.collect_sent(&targets, &sent, message, slow);
            for (target, _) in targets.iter().zip(&sent).filter(|(_, sent)| sent.deliver_now) {
                count(&core, core.hub.deliver(target, message, slow));
            }
        }
        let parts = targets.iter().zip(&sent).filter(|(_, sent)| sent.published).filter_map(|(target, sent)| {
            let room = room_of(target)?.into();
            sent.n.map(|n| Part { room, n })
        });
        let parts: Vec<Part> = parts.collect();
        let lost = parts.len() < targets.len();
        AskedOthers::Asked { parts, lost }
    }

    fn is_away(&self) -> bool {
        lock(&self.state).machine.is_split()
    }

    /// Asks the members on this node alone, behind what came before.
    fn ask_own(&self, core: &Core, targets: &[Target], message: &OutMessage, slow: &CloseReason) {
        let own = |target: &Target| Own { target: target.clone(), message: message.clone(), slow: slow.clone() };
        {
            let mut state = lock(&self.state);
            if !state.is_idle() {
                for target in targets {
                    let room = room_of(target).unwrap_or_default().into();
                    let event = Event::Own { room, n: None, message: own(target), exempt: None, settled: false };
                    state.due.push_back(Due::Event(event));
                }
                drop(state);
                return self.kick(Work::SOONER);
            }
        }
        for target in targets {
            count(core, core.hub.deliver(target, message, slow));
            self.collect_own(room_of(target), None, || own(target));
        }
    }

    /// A request of another node has come to a room: its members here are asked, by an id of this node.
    pub(super) fn ask_here(&self, core: &Core, room: &Arc<str>, message: &Foreign, id: u64, except: Vec<Uuid>) {
        let Foreign { publisher, n, base, options, payload, late } = message;
        let make = || {
            let id = core.question();
            Gathering::new(id, core.runtime.pool(), None)
        };
        let Some(gathering) = self.asked.reached((*publisher, id), room, *late, make) else {
            tracing::debug!(room = &**room, "nobody waits for the answers to a request of another node");
            return;
        };
        let packet = match payload {
            Payload::Event(packet) => with_id(packet, gathering.id()),
            Payload::Message(_) => None,
        };
        let Some(packet) = packet else {
            gathering.not_delivered(true);
            return Self::malformed(core);
        };
        let message = OutMessage::shared(packet, core.runtime.pool());
        let slow = CloseReason::of_slow_client(core.config.slow_members);
        let all = Target { gathering: Some(gathering), ..target_of(core, room, options) };
        let mut target = all.clone();
        target.except.extend(except);
        count(core, core.hub.deliver(&target, &message, &slow));
        let number = Some(Number { publisher: *publisher, n: *n, base: *base });
        self.collecting.collect(room, || {
            let own = Own { target: all, message, slow };
            Item { number, what: What::Message(own) }
        });
    }

    /// The fate of a part of a request that has not come, as far as it is known.
    pub(in crate::server::nodes) fn fate(&self, core: &Core, publisher: Publisher, part: &Part) -> Fate {
        let state = lock(&self.state);
        if !core.hub.needs(&part.room) {
            return Fate::Nobody;
        }
        let has_passed = state.is_idle() && state.machine.has_heard(&part.room, publisher, part.n);
        if has_passed || state.machine.is_split() { Fate::Lost } else { Fate::Coming }
    }

    /// Looks at the requests of other nodes whenever it is time, for as long as the server lives.
    pub(super) async fn look_after_requests(&self) {
        loop {
            self.asked.due().await;
            let Some(core) = self.core.upgrade() else { return };
            self.asked.look(|publisher, part| self.fate(&core, publisher, part));
        }
    }
}
