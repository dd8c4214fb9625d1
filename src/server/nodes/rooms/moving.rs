//! Sessions leave their rooms for another node, and come from one.
//!
//! Messages are delivered in one order, by one thread at a time. A session comes or goes at one place of that order;
//! what callers deliver themselves at that moment is waited for.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::{sync::oneshot, time::timeout};

use super::{
    NodeRooms,
    collecting::Collected,
    due::{Admit, Begin, Due, Part},
    state::Work,
    target::Own,
};
use crate::{
    cluster::rooms::{Arrival, Carried, ClusterRooms, EVERYBODY, Item, Number, Positions, What, read_keys, write_keys},
    hub::{Hub, Member},
    server::{core::Core, other_nodes::Expected},
    sync::{lock, write},
};

/// The time within which the engine must confirm an interest.
const PATIENCE: Duration = Duration::from_secs(2);

/// A session that comes later than that is told a gap, in milliseconds.
const LONGEST: u64 = 30_000;

/// The most rooms of one session that moves.
const MOST_ROOMS: usize = 65_536;

/// A session is expected. Dropped, it is not any more.
#[derive(Debug)]
pub(in crate::server::nodes) struct Expecting {
    rooms: Arc<NodeRooms>,
    number: u64,
}

impl NodeRooms {
    /// The keys of a session's rooms.
    pub(in crate::server::nodes) fn rooms_of(member: &Member) -> Bytes {
        let keys = Hub::keys(member).unwrap_or_default();
        write_keys(keys.iter().map(AsRef::as_ref))
    }

    /// Whether all that is published to these rooms comes. Otherwise a session that left would get at the next node, behind
    /// what it has, what came before its own node had asked.
    pub(in crate::server::nodes) fn hears(&self, rooms: &Bytes) -> bool {
        let Some(keys) = read_keys(rooms) else { return false };
        let state = lock(&self.state);
        keys.iter().map(AsRef::as_ref).chain([EVERYBODY]).all(|room| state.machine.is_heard(room))
    }

    /// Expects a session that is in these rooms.
    pub(in crate::server::nodes) async fn expect(self: &Arc<Self>, rooms: &Bytes) -> Option<Expecting> {
        let keys = read_keys(rooms)?;
        let mut keys: Vec<Arc<str>> = keys.iter().map(|key| Arc::from(&**key)).chain([EVERYBODY.into()]).collect();
        keys.sort_unstable();
        keys.dedup();
        if keys.len() > MOST_ROOMS {
            return None;
        }
        let expecting = self.number()?;
        lock(&self.state).want(self.clock.now(), expecting.number, keys.clone());
        self.kick(Work::ALL);
        timeout(PATIENCE, self.are_heard(&keys)).await.ok()?;
        let (done, begun) = oneshot::channel();
        let begin = Begin { number: expecting.number, rooms: keys, done };
        self.enqueue(Due::Begin(Box::new(begin)))?;
        begun.await.ok().map(|()| expecting)
    }

    /// Takes a session out of its rooms. Returns how far it got in them, and what brings it back.
    pub(in crate::server::nodes) async fn part(self: &Arc<Self>, member: &Arc<Member>) -> Option<(Bytes, Expecting)> {
        let expecting = self.number()?;
        let (done, gone) = oneshot::channel();
        self.enqueue(Due::Part(Box::new(Part { number: expecting.number, member: member.clone(), done })))?;
        Some((Carried::write(&gone.await.ok()??), expecting))
    }

    fn number(self: &Arc<Self>) -> Option<Expecting> {
        let number = self.collecting.expect();
        if number.is_none() {
            tracing::warn!("too many sessions come from other nodes at a time: some are refused for now");
        }
        number.map(|number| Expecting { rooms: self.clone(), number })
    }

    /// Waits until this node has received all that another one had by now, or knows what it has missed, for two seconds at
    /// most. A session that leaves for a node that was ahead would miss what lies between. Returns whether that is so.
    pub(in crate::server::nodes) async fn catch_up(&self) -> bool {
        let Some(core) = self.core.upgrade() else { return false };
        let number = self.change(&core, |machine, now| machine.mark(now));
        drop(core);
        let is_sure = |machine: &ClusterRooms<Own>| machine.marker() >= number && !machine.is_in_doubt();
        timeout(PATIENCE, self.heard_so_far(is_sure)).await.is_ok()
    }

    /// Waits until all that is published to these rooms comes.
    async fn are_heard(&self, rooms: &[Arc<str>]) {
        self.heard_so_far(|machine| rooms.iter().all(|room| machine.is_heard(room))).await;
    }

    /// Waits until what the engine has confirmed or brought is enough.
    async fn heard_so_far(&self, is_enough: impl Fn(&ClusterRooms<Own>) -> bool) {
        loop {
            let changed = self.heard.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if is_enough(&lock(&self.state).machine) {
                return;
            }
            changed.await;
        }
    }

    /// Does something behind all that is due; `None` if the server has ended.
    fn enqueue(&self, due: Due) -> Option<()> {
        let core = self.core.upgrade()?;
        lock(&self.state).due.push_back(due);
        self.deliver(&core);
        Some(())
    }

    /// The positions of rooms, of which this is still to be told.
    fn positions(&self, rooms: &[Arc<str>], rest: &VecDeque<Due>) -> Vec<Positions> {
        let state = lock(&self.state);
        let of_room = |room: &Arc<str>| {
            let mut positions = state.machine.positions(self.clock.now(), room);
            let events = rest.iter().chain(&state.due).filter_map(|due| due.of_room(room));
            events.for_each(|event| positions.without(state.me, event));
            positions
        };
        rooms.iter().map(of_room).collect()
    }

    pub(super) fn begin(&self, begin: Begin, rest: &VecDeque<Due>) {
        let _alone = write(&self.gate);
        let positions = self.positions(&begin.rooms, rest);
        self.collecting.begin(begin.number, self.clock.now(), begin.rooms.into_iter().zip(positions));
        let _ = begin.done.send(());
    }

    pub(super) fn take_out(&self, core: &Core, part: Part, rest: &VecDeque<Due>) {
        let _alone = write(&self.gate);
        let Part { number, member, done } = part;
        // A message that this node could not publish may come to others long after the member.
        let is_split = lock(&self.state).machine.is_split();
        let Some(left) = (!is_split).then(|| core.hub.take_apart(&member)).flatten() else {
            let _ = done.send(None);
            return;
        };
        let (mut keys, mut names): (Vec<Arc<str>>, Vec<Option<Arc<str>>>) = left.into_iter().unzip();
        keys.push(EVERYBODY.into());
        names.push(None);
        // Their topics stay, although it has left.
        lock(&self.state).want(self.clock.now(), number, keys.clone());
        let positions = self.positions(&keys, rest);
        let carried = {
            let state = lock(&self.state);
            let carried = keys.iter().zip(names).zip(&positions).map(|((key, name), positions)| {
                let mut positions = positions.clone();
                state.machine.add_positions(key, member.id().into_bytes(), &mut positions);
                Carried { key: (&**key).into(), name: name.map(|name| (&*name).into()), positions }
            });
            carried.collect()
        };
        self.collecting.begin(number, self.clock.now(), keys.into_iter().zip(positions));
        if done.send(Some(carried)).is_err() {
            // Nobody waits for it any more.
            lock(&self.state).want_no_more(core, self.clock.now(), number);
        }
    }

    pub(super) fn bring_in(&self, core: &Core, admit: Admit) {
        let _alone = write(&self.gate);
        let Admit { number, expecting, member, rooms, here, done } = admit;
        let mut collected = self.collecting.end(number);
        let keys: Vec<String> = rooms.iter().map(|room| room.key.to_string()).collect();
        let mut missed = 0;
        for (room, here) in rooms.iter().zip(&here) {
            let steps = self.steps(room, here, &mut collected);
            for step in steps {
                match step {
                    What::Gap(count) => {
                        missed += count;
                        Hub::miss_one(&member.shared, count);
                    }
                    What::Message(own) => bring(core, &member, &keys, &own),
                }
            }
            if *room.key != *EVERYBODY {
                core.hub.rejoin(&member, &room.key, room.name.as_deref());
            }
        }
        core.hub.together(&member);
        // Until now the rooms of the session were wanted by this.
        drop(expecting);
        if missed > 0 {
            core.counters.skipped.add(usize::try_from(missed).unwrap_or(usize::MAX));
            if core.may_warn() {
                tracing::warn!(missed, "a session that came from another node misses messages of rooms, and is told");
            }
        }
        let _ = done.send(());
    }

    /// The messages and gaps of a room that the session is told of.
    fn steps(&self, room: &Carried, here: &Positions, collected: &mut HashMap<Arc<str>, Collected>) -> Vec<What<Own>> {
        let now = self.clock.now();
        let known = collected.remove(&*room.key).filter(|collected| now - collected.since <= LONGEST);
        // It joined the room when this node had asked already.
        let Some(Collected { since, began, items }) = known else { return vec![What::Gap(1)] };
        Arrival { has: &room.positions, began: &began, since: now - since, here }.steps(items)
    }

    /// Keeps what this node delivers to its own members, for sessions that are not there yet.
    pub(super) fn collect_own(&self, room: Option<&str>, n: Option<u64>, own: impl FnOnce() -> Own) {
        let Some(room) = room else { return };
        let publisher = self.membership.incarnation;
        // Those before it were collected too, or were delivered before anything was.
        let number = n.map(|n| Number { publisher, n, base: n });
        self.collecting.collect(room, || Item { number, what: What::Message(own()) });
    }
}

/// Sends a session what was collected for it.
fn bring(core: &Core, member: &Arc<Member>, rooms: &[String], own: &Own) {
    // It is in none of its rooms yet.
    if own.target.except_rooms.iter().any(|except| rooms.contains(except)) {
        return;
    }
    let delivered = core.hub.deliver_to_one(&member.shared, &own.target, &own.message, &own.slow);
    core.counters.skipped.add(delivered.skipped);
    core.counters.slow.add(delivered.slow);
}

impl Expected for Expecting {
    fn admit(self: Box<Self>, member: &Arc<Member>, positions: &Bytes) -> BoxFuture<'static, bool> {
        let admitted = self.enqueue(member, positions);
        Box::pin(async move {
            match admitted {
                Some(admitted) => admitted.await.is_ok(),
                None => false,
            }
        })
    }
}

impl Expecting {
    fn enqueue(self, member: &Arc<Member>, positions: &Bytes) -> Option<oneshot::Receiver<()>> {
        let rooms = Carried::read(positions)?;
        let node = self.rooms.clone();
        let core = node.core.upgrade()?;
        let (done, admitted) = oneshot::channel();
        {
            let mut state = lock(&node.state);
            let now = node.clock.now();
            state.refresh(&core, now);
            let _ = state.settle(now);
            let here = rooms.iter().map(|room| state.machine.positions(now, &room.key)).collect();
            for room in &rooms {
                state.machine.follow(now, &room.key, member.id().into_bytes(), &room.positions);
            }
            let number = self.number;
            let admit = Admit { number, expecting: Box::new(self), member: member.clone(), rooms, here, done };
            state.due.push_back(Due::Admit(Box::new(admit)));
        }
        node.deliver(&core);
        node.kick(Work::ALL);
        Some(admitted)
    }
}

impl Drop for Expecting {
    fn drop(&mut self) {
        self.rooms.collecting.end(self.number);
        if let Some(core) = self.rooms.core.upgrade() {
            lock(&self.rooms.state).want_no_more(&core, self.rooms.clock.now(), self.number);
            self.rooms.kick(Work::ALL);
        }
    }
}
