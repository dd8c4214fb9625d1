//! Carries room sends between the hub, the rooms of the cluster, and the engine's bus.

mod asked;
mod asking;
mod collecting;
mod delivery;
mod due;
mod histories;
mod keeping;
mod moving;
mod running;
mod state;
mod target;
#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    sync::{Arc, Mutex, RwLock, Weak},
};

use tokio::sync::Notify;

pub(super) use self::asked::{AskedHere, AskedOthers};
use self::{
    collecting::Collecting,
    due::Due,
    keeping::keeping,
    state::{State, Work},
    target::{Own, one_for_each, room_of},
};
use super::membership::Membership;
use crate::{
    broadcast::OutMessage,
    clock::Clock,
    cluster::{
        Bus,
        rooms::{ClusterRooms, Event, RoomSettings, Sent, When},
    },
    hub::{Audience, Delivered, Target},
    server::{api::hooks::OnRoomGap, core::Core, other_nodes::Figures},
    session::CloseReason,
    sync::{lock, read},
};

/// The rooms of this node among those of all nodes.
///
/// The lock of the state comes before all others but the gate, and is not held while anything is delivered. What came is
/// delivered by one thread at a time, in order.
#[derive(Debug)]
pub(super) struct NodeRooms {
    core: Weak<Core>,
    clock: Clock,
    bus: BusOf,
    state: Mutex<State>,
    /// Callers go through it together with what they deliver themselves, and a session that comes or goes alone.
    gate: RwLock<()>,
    collecting: Collecting,
    /// The requests of other nodes.
    asked: Arc<AskedHere>,
    membership: Arc<Membership>,
    on_room_gap: OnGap,
    /// The engine keeps histories, and there are rooms that have one.
    has_histories: bool,
    /// There may be something to publish.
    publish: Notify,
    /// There may be topics to ask the engine for, or to drop.
    ask: Notify,
    /// The engine has confirmed something.
    heard: Notify,
    /// The engine is to be asked for the histories of rooms.
    recall: Notify,
    /// There is a nearer deadline.
    sooner: Notify,
    /// The engine's connection brings nothing.
    deaf: Notify,
}

/// A bus, which need not be shown.
struct BusOf(Arc<dyn Bus>);

impl std::fmt::Debug for BusOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Bus").field(&self.0.order()).finish()
    }
}

/// The application's function, which cannot be shown.
struct OnGap(Option<Arc<OnRoomGap>>);

impl std::fmt::Debug for OnGap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("OnGap").field(&self.0.is_some()).finish()
    }
}

impl NodeRooms {
    pub(super) fn new(
        core: &Arc<Core>,
        bus: Arc<dyn Bus>,
        membership: Arc<Membership>,
        on_room_gap: Option<Arc<OnRoomGap>>,
    ) -> Self {
        core.hub.note_interest();
        let clock = core.runtime.clock();
        let me = membership.incarnation;
        let keeping = keeping(core, &*bus);
        let settings = RoomSettings { keeping, ..RoomSettings::new(me, bus.order(), core.config.message_limit) };
        let machine = ClusterRooms::new(settings, clock.now());
        NodeRooms {
            core: Arc::downgrade(core),
            clock,
            bus: BusOf(bus),
            state: Mutex::new(State::new(me, machine, membership.watch())),
            gate: RwLock::default(),
            collecting: Collecting::default(),
            asked: Arc::new(AskedHere::new(clock)),
            membership,
            on_room_gap: OnGap(on_room_gap),
            has_histories: core.hub.shares_histories(),
            publish: Notify::new(),
            ask: Notify::new(),
            heard: Notify::new(),
            recall: Notify::new(),
            sooner: Notify::new(),
            deaf: Notify::new(),
        }
    }

    /// Sends to the members of rooms on all nodes. `at_once`: those on this node get it now.
    pub(super) fn send(&self, target: &Target, message: &OutMessage, slow: &CloseReason, at_once: bool) -> Delivered {
        let Some(core) = self.core.upgrade() else { return Delivered::default() };
        let _together = read(&self.gate);
        if target.at.is_some() && !self.is_recorded(target) {
            // Its text names the position that it has here.
            let delivered = core.hub.deliver(target, message, slow);
            return match delivered.overtaken || delivered.too_large {
                true => delivered,
                false => Delivered { published: self.publish_only(&core, target, message, slow), ..delivered },
            };
        }
        if self.is_straight(&core, target) {
            return self.deliver_straight(&core, target, message, slow);
        }
        match &target.audience {
            Audience::AnyOf(rooms) => self.send_to_any(&core, target, rooms, message, slow, at_once),
            _ => self.send_to_one(&core, target, message, slow, at_once),
        }
    }

    /// Delivers to members on this node alone.
    fn deliver_straight(&self, core: &Core, target: &Target, message: &OutMessage, slow: &CloseReason) -> Delivered {
        let delivered = core.hub.deliver(target, message, slow);
        let own = |target: &Target| Own { target: target.clone(), message: message.clone(), slow: slow.clone() };
        match &target.audience {
            Audience::AnyOf(rooms) if self.collecting.is_some() => {
                let each = one_for_each(target, rooms);
                each.iter().for_each(|target| self.collect_own(room_of(target), None, || own(target)));
            }
            _ => self.collect_own(room_of(target), None, || own(target)),
        }
        delivered
    }

    /// Whether a send is for members on this node alone, and nothing that came before it waits. A node that is alone
    /// allocates nothing.
    fn is_straight(&self, core: &Core, target: &Target) -> bool {
        let (mut state, now) = (lock(&self.state), self.clock.now());
        if state.refresh(core, now) {
            let work = state.settle(now);
            self.kick(work);
        }
        state.is_idle()
            && match &target.audience {
                Audience::AnyOf(rooms) => rooms.iter().all(|room| state.machine.is_straight(room)),
                _ => room_of(target).is_some_and(|room| state.machine.is_straight(room)),
            }
    }

    fn send_to_one(
        &self,
        core: &Core,
        target: &Target,
        message: &OutMessage,
        slow: &CloseReason,
        at_once: bool,
    ) -> Delivered {
        let Some((sent, now)) = self.hand(core, std::slice::from_ref(target), message, slow, at_once) else {
            return Delivered { overtaken: true, ..Delivered::default() };
        };
        let published = sent.iter().any(|sent| sent.published);
        match now && sent.iter().all(|sent| sent.deliver_now) {
            true => {
                let named = sent.first().map_or(Cow::Borrowed(target), |sent| self.named(target, sent));
                let delivered = core.hub.deliver(&named, message, slow);
                self.collect_sent(std::slice::from_ref(target), &sent, message, slow);
                Delivered { published, ..delivered }
            }
            false => Delivered { published, ..Delivered::default() },
        }
    }

    fn send_to_any(
        &self,
        core: &Core,
        target: &Target,
        rooms: &[String],
        message: &OutMessage,
        slow: &CloseReason,
        at_once: bool,
    ) -> Delivered {
        let targets = one_for_each(target, rooms);
        let (sent, now) = self.hand(core, &targets, message, slow, at_once).unwrap_or_default();
        let published = sent.iter().any(|sent| sent.published);
        if now {
            self.collect_sent(&targets, &sent, message, slow);
        }
        let records = targets.iter().any(|target| self.is_recorded(target));
        if now && !records && sent.iter().all(|sent| sent.deliver_now) {
            return Delivered { published, ..core.hub.deliver(target, message, slow) };
        }
        let mut all = Delivered { published, ..Delivered::default() };
        for (target, sent) in targets.iter().zip(sent) {
            if now && sent.deliver_now {
                let delivered = core.hub.deliver(&self.named(target, &sent), message, slow);
                all.sent += delivered.sent;
                all.skipped += delivered.skipped;
                all.slow += delivered.slow;
            }
        }
        all
    }

    /// Hands a message for each of these rooms to the machine. Returns what becomes of each, and whether what is for own
    /// members now is for the caller to deliver: otherwise it waits behind what came before it.
    ///
    /// It is `None`, and nothing is sent, if the message is for a position that another one has taken.
    fn hand(
        &self,
        core: &Core,
        targets: &[Target],
        message: &OutMessage,
        slow: &CloseReason,
        at_once: bool,
    ) -> Option<(Vec<Sent>, bool)> {
        let when = if at_once { When::Now } else { When::InOrder };
        let now = self.clock.now();
        let own = |target: &Target| Own { target: target.clone(), message: message.clone(), slow: slow.clone() };
        let mut state = lock(&self.state);
        state.refresh(core, now);
        if targets.iter().any(|target| state.is_overtaken(target)) {
            return None;
        }
        let send = |target: &Target| {
            let Some(room) = room_of(target) else { return Sent { deliver_now: true, published: false, n: None } };
            let options = state.options_of(target);
            state.machine.send(now, room, &options, message.payload(), || own(target), when)
        };
        let sent: Vec<Sent> = targets.iter().map(send).collect();
        let mut work = state.settle(now);
        let mut caller = true;
        if !at_once && !state.is_idle() {
            caller = false;
            for (target, sent) in targets.iter().zip(&sent) {
                if sent.deliver_now {
                    let room = room_of(target).unwrap_or_default().into();
                    let event = Event::Own { room, n: sent.n, message: own(target), exempt: None, settled: false };
                    state.due.push_back(Due::Event(event));
                }
            }
        }
        work.sooner |= !state.due.is_empty() && !state.delivering;
        drop(state);
        self.kick(work);
        Some((sent, caller))
    }

    /// Publishes what own members have got. Returns whether the engine gets it.
    fn publish_only(&self, core: &Core, target: &Target, message: &OutMessage, slow: &CloseReason) -> bool {
        let (sent, _) = self.hand(core, std::slice::from_ref(target), message, slow, true).unwrap_or_default();
        self.collect_sent(std::slice::from_ref(target), &sent, message, slow);
        sent.iter().any(|sent| sent.published)
    }

    /// Keeps what callers deliver now, for sessions that are not there yet.
    fn collect_sent(&self, targets: &[Target], sent: &[Sent], message: &OutMessage, slow: &CloseReason) {
        for (target, sent) in targets.iter().zip(sent).filter(|(_, sent)| sent.deliver_now) {
            let own = || Own { target: target.clone(), message: message.clone(), slow: slow.clone() };
            self.collect_own(room_of(target), sent.n, own);
        }
    }

    /// Wakes the tasks that have something to do.
    fn kick(&self, work: Work) {
        let Work { sooner, publish, ask, recall } = work;
        let all = [(sooner, &self.sooner), (publish, &self.publish), (ask, &self.ask), (recall, &self.recall)];
        all.into_iter().filter(|(wanted, _)| *wanted).for_each(|(_, task)| task.notify_one());
    }

    pub(super) fn figures(&self) -> Figures {
        let state = lock(&self.state);
        let counters = state.machine.counters();
        Figures {
            split: state.machine.is_split(),
            published: counters.published,
            received: counters.received,
            late: counters.late,
            missed: counters.holes,
            refused: counters.refused,
            malformed: counters.malformed + self.asked.malformed.get(),
            ..Figures::default()
        }
    }
}
