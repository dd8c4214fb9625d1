//! Messages that came from the engine are delivered, in order and by one thread at a time.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use uuid::Uuid;

use super::{
    NodeRooms,
    due::Due,
    target::{Own, audience_of, now_of, target_of},
};
use crate::{
    broadcast::OutMessage,
    cluster::rooms::{ClusterRooms, Event, Exempt, Foreign, Item, Number, Options, What},
    dialect::request_id,
    hub::{Delivered, Hub, Name, Target},
    payload::Payload,
    server::{api::hooks::RoomGap, core::Core},
    session::CloseReason,
    shared::gather_wakes,
    sync::lock,
};

/// The target of the last message of another node. Those of one envelope have the same.
#[derive(Default)]
struct Last(Option<(Arc<str>, Arc<Options>, Target)>);

/// The thread that delivers has stopped, perhaps by a panic.
struct Stopped<'a>(&'a NodeRooms);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).delivering = false;
    }
}

impl NodeRooms {
    /// Calls `change` with the machine as of now, and delivers what is due then. It must not be called under a lock.
    pub(super) fn change<R>(&self, core: &Core, change: impl FnOnce(&mut ClusterRooms<Own>, u64) -> R) -> R {
        let now = self.clock.now();
        let (result, work) = {
            let mut state = lock(&self.state);
            state.refresh(core, now);
            let result = change(&mut state.machine, now);
            (result, state.settle(now))
        };
        self.kick(work);
        self.deliver(core);
        result
    }

    /// Delivers what is due, unless another thread does so.
    pub(super) fn deliver(&self, core: &Core) {
        {
            let mut state = lock(&self.state);
            if state.delivering || state.due.is_empty() {
                return;
            }
            state.delivering = true;
        }
        let stopped = Stopped(self);
        let mut last = Last::default();
        loop {
            let mut due = {
                let mut state = lock(&self.state);
                // Nobody may find it empty and deliver something newer before this thread has stopped.
                if state.due.is_empty() {
                    state.delivering = false;
                    std::mem::forget(stopped);
                    break;
                }
                std::mem::take(&mut state.due)
            };
            gather_wakes(|| {
                while let Some(next) = due.pop_front() {
                    match next {
                        Due::Event(event) => self.handle(core, &mut last, event),
                        Due::Begin(begin) => self.begin(*begin, &due),
                        Due::Part(part) => self.take_out(core, *part, &due),
                        Due::Admit(admit) => self.bring_in(core, *admit),
                    }
                }
            });
            core.relieve();
        }
    }

    fn handle(&self, core: &Core, last: &mut Last, event: Event<Own>) {
        match event {
            Event::Own { room, n, message: mut own, exempt, settled } => {
                own.target.now = now_of(core);
                own.target.at = None;
                own.target.name = n.map(|n| Name { settled, ..self.name(n) });
                own.target.except.extend(ids(&exempt));
                count(core, core.hub.deliver(&own.target, &own.message, &own.slow));
                self.collect_own(Some(&room), n, || own);
            }
            Event::Foreign { message: Foreign { payload: Payload::Event(packet), .. }, .. } if !packet.is_event() => {
                Self::malformed(core);
            }
            Event::Foreign { room, message, exempt } => self.take_foreign(core, last, &room, message, &exempt),
            Event::Gap { room, publisher, n, base, count, exempt } => {
                let number = Some(Number { publisher, n, base });
                self.collecting.collect(&room, || Item { number, what: What::Gap(count) });
                if self.has_histories {
                    core.hub.miss_past(&room);
                }
                self.tell_gap(core, &room, count, &ids(&exempt));
            }
            Event::Past { room, past } => self.load(core, &room, past),
            Event::Returned { room, message } => Self::settle(core, &room, message),
            Event::Forgotten { room } => core.hub.forget_past(&room),
            Event::Missed { member, count, .. } => {
                if let Some(member) = core.hub.get(Uuid::from_bytes(member)) {
                    core.counters.skipped.add(usize::try_from(count).unwrap_or(usize::MAX));
                    Hub::miss_one(&member.shared, count);
                }
            }
            Event::Split(true) => {
                tracing::warn!(
                    "the cluster's engine is away: rooms go on on each node, and what is sent follows later"
                );
            }
            Event::Split(false) => tracing::info!("the cluster's engine is back: the rooms of all nodes are one again"),
            Event::Malformed => Self::malformed(core),
            Event::Deaf => {
                tracing::warn!("the cluster's engine takes messages and brings none: connecting anew");
                self.deaf.notify_one();
            }
        }
    }

    /// Delivers what another node has sent.
    fn take_foreign(&self, core: &Core, last: &mut Last, room: &Arc<str>, message: Foreign, exempt: &Exempt) {
        if let Payload::Event(packet) = &message.payload
            && let Some(id) = request_id(packet)
        {
            return self.ask_here(core, room, &message, id, ids(exempt));
        }
        let Foreign { publisher, n, base, options, payload, late } = message;
        let number = Some(Number { publisher, n, base });
        let target = last.target(core, room, options);
        target.name = Some(Name { publisher, n, late, settled: true });
        let message = OutMessage::shared(payload, core.runtime.pool());
        let slow = CloseReason::of_slow_client(core.config.slow_members);
        let delivered = match exempt {
            None => core.hub.deliver(target, &message, &slow),
            exempt => core.hub.deliver(&without(target, exempt), &message, &slow),
        };
        count(core, delivered);
        self.collecting.collect(room, || {
            let own = Own { target: target.clone(), message, slow };
            Item { number, what: What::Message(own) }
        });
    }

    pub(super) fn malformed(core: &Core) {
        if core.may_warn() {
            tracing::warn!("what came from the cluster's engine was written by no node of this version");
        }
    }

    fn tell_gap(&self, core: &Core, room: &str, count: u64, except: &[Uuid]) {
        let members = core.hub.miss(&audience_of(room), count, except);
        core.counters.skipped.add(members.saturating_mul(usize::try_from(count).unwrap_or(usize::MAX)));
        if core.may_warn() {
            tracing::warn!(room, count, members, "messages of another node are lost: the members are told of the gap");
        }
        // The next messages must be delivered, whatever the application's code does.
        let told = catch_unwind(AssertUnwindSafe(|| self.call_hook(room, count)));
        if told.is_err() {
            core.counters.handler_panics.add(1);
            tracing::error!("the function of Builder::on_room_gap panicked");
        }
    }
}

impl NodeRooms {
    fn call_hook(&self, key: &str, count: u64) {
        if let Some(on_room_gap) = &self.on_room_gap.0
            && let Some((namespace, room)) = Hub::name_room(key)
        {
            on_room_gap(&RoomGap { namespace, room, count });
        }
    }
}

impl Last {
    fn target(&mut self, core: &Core, room: &Arc<str>, options: Arc<Options>) -> &mut Target {
        let same = |(known, with, _): &(Arc<str>, Arc<Options>, Target)| {
            Arc::ptr_eq(known, room) && Arc::ptr_eq(with, &options)
        };
        if !self.0.as_ref().is_some_and(same) {
            self.0 = None;
        }
        let (.., target) = self.0.get_or_insert_with(|| {
            let target = target_of(core, room, &options);
            (room.clone(), options, target)
        });
        target
    }
}

/// The members that have something already, since they came from another node.
fn ids(exempt: &Exempt) -> Vec<Uuid> {
    exempt.iter().flat_map(|members| members.iter()).map(|id| Uuid::from_bytes(*id)).collect()
}

fn without(target: &Target, exempt: &Exempt) -> Target {
    let mut target = target.clone();
    target.except.extend(ids(exempt));
    target
}

pub(super) fn count(core: &Core, delivered: Delivered) {
    if delivered.skipped + delivered.slow > 0 {
        core.counters.skipped.add(delivered.skipped);
        core.counters.slow.add(delivered.slow);
    }
}
