//! Members that move from node to node while messages, cuts and losses go on.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::{Arrival, Carried, Item, Number, Positions, What},
    history::{History, Id, Note, ROOMS},
    laws::in_order,
    mover::{Mover, Way},
    node::Wrong,
    world::{HEALED, World},
    *,
};

/// A node that is not ready for a member within this time does not get it.
const PATIENCE: u64 = 2_000;

impl World {
    pub(super) fn add_movers(&mut self) {
        for (number, room) in ROOMS.into_iter().enumerate() {
            let due = 100 + self.delay(2_000);
            let mover = Mover {
                room,
                id: [number as u8 + 10; 16],
                at: Some(0),
                way: Way::Stays,
                due,
                notes: Vec::new(),
                moves: 0,
                lost: false,
            };
            self.movers.push(mover);
            self.interest(0, room);
        }
    }

    /// Whether a room has members on a node, or is collected for one that comes.
    pub(super) fn interest(&mut self, at: usize, room: &'static str) {
        let comes = |mover: &Mover| match &mover.way {
            Way::Stays => false,
            Way::Asked { to, .. } | Way::Begun { to, .. } | Way::Left { to, .. } => *to == at,
        };
        let needs = |mover: &Mover| mover.room == room && !mover.lost && (mover.at == Some(at) || comes(mover));
        let node = &mut self.nodes[at];
        let members = self.history.has_members(node.publisher, room) || self.movers.iter().any(needs);
        node.machine.set_interest(self.now, room, members);
    }

    pub(super) fn movers_due(&self) -> Option<u64> {
        self.movers.iter().filter(|mover| !mover.lost).map(|mover| mover.due).min()
    }

    pub(super) fn step_movers(&mut self) {
        for mover in 0..self.movers.len() {
            if !self.movers[mover].lost && self.movers[mover].due <= self.now {
                self.step_mover(mover);
            }
        }
    }

    fn step_mover(&mut self, number: usize) {
        let now = self.now;
        let wait = self.random.pick(&[6, 20, 200]);
        let wait = self.random.range(6, 6 + wait);
        let (room, at) = (self.movers[number].room, self.movers[number].at);
        let mut due = now + wait;
        let way = match std::mem::replace(&mut self.movers[number].way, Way::Stays) {
            Way::Stays => {
                let at = at.expect("it is on a node");
                let to = self.random.below(self.nodes.len() as u64) as usize;
                // It may come back to where it is: nobody took it.
                let is_heard = self.nodes[at].machine.is_heard(room);
                match self.nodes[to].alive && is_heard && now < HEALED + 3_000 {
                    true => {
                        self.log(|| format!("mover {number} is to go from {at} to {to}"));
                        Way::Asked { to, until: now + PATIENCE }
                    }
                    false => Way::Stays,
                }
            }
            Way::Asked { to, until } if now > until || !self.nodes[to].alive => {
                due = now + self.random.below(2_000);
                Way::Stays
            }
            Way::Asked { to, until } if !self.nodes[to].machine.is_heard(room) => {
                due = now + 1;
                Way::Asked { to, until }
            }
            Way::Asked { to, .. } => {
                let began = self.nodes[to].machine.positions(now, room);
                let marker = self.nodes[at.expect("it is on a node")].machine.mark(now);
                Way::Begun { to, marker, began, since: now, items: Vec::new() }
            }
            Way::Begun { to, marker, began, since, items } if !self.may_leave(at, marker) => {
                due = now + 5;
                if now > since + PATIENCE { Way::Stays } else { Way::Begun { to, marker, began, since, items } }
            }
            Way::Begun { to, began, since, items, .. } => {
                let from = at.expect("it is on a node");
                let mut has = self.nodes[from].machine.positions(now, room);
                let id = self.movers[number].id;
                self.nodes[from].machine.add_positions(room, id, &mut has);
                // One that comes back is collected for from here on.
                let (began, since, items) =
                    if from == to { (has.clone(), now, Vec::new()) } else { (began, since, items) };
                self.movers[number].at = None;
                self.log(|| format!("mover {number} leaves {from} with {has:?}"));
                Way::Left { to, began, since, items, has: carried(room, has) }
            }
            Way::Left { to, began, since, items, has } if self.nodes[to].alive => {
                self.arrive(number, to, &Arrival { has: &has, began: &began, since: now - since, here: &has }, items);
                due = now + self.random.below(4_000);
                Way::Stays
            }
            Way::Left { .. } => {
                self.movers[number].lost = true;
                Way::Stays
            }
        };
        (self.movers[number].way, self.movers[number].due) = (way, due);
        for at in 0..self.nodes.len() {
            if self.nodes[at].alive {
                self.interest(at, room);
                self.follow(at);
            }
        }
    }

    /// Whether a node has received all that others had when it was asked for a member.
    fn may_leave(&self, at: Option<usize>, marker: u64) -> bool {
        let machine = &self.nodes[at.expect("it is on a node")].machine;
        machine.marker() >= marker && !machine.is_in_doubt() && !machine.is_split()
    }

    fn arrive(&mut self, number: usize, to: usize, arrival: &Arrival<'_>, items: Vec<Item<Note>>) {
        let (room, id) = (self.movers[number].room, self.movers[number].id);
        let machine = &mut self.nodes[to].machine;
        let here = machine.positions(self.now, room);
        if self.wrong != Wrong::FollowsNobody {
            machine.follow(self.now, room, id, arrival.has);
        }
        let nothing = Positions::default();
        let arrival = match self.wrong {
            Wrong::BringsAll => Arrival { has: &nothing, here: &here, ..*arrival },
            Wrong::ForgetsTheEarly => Arrival { began: arrival.has, here: &here, ..*arrival },
            _ => Arrival { here: &here, ..*arrival },
        };
        let steps = arrival.steps(items);
        self.log(|| format!("mover {number} is at {to} and gets {steps:?}, where {here:?}"));
        let mover = &mut self.movers[number];
        mover.at = Some(to);
        mover.moves += 1;
        mover.notes.extend(steps.into_iter().map(|step| match step {
            What::Message(note) => note,
            What::Gap(count) => Note::Gap(count),
        }));
    }

    /// A node has died: so have the members that were on it.
    pub(super) fn movers_die(&mut self, at: usize) {
        self.movers.iter_mut().filter(|mover| mover.at == Some(at)).for_each(|mover| mover.lost = true);
    }

    /// The members of a room on a node are told something.
    pub(super) fn tell_movers(
        &mut self,
        at: usize,
        room: &'static str,
        number: Option<Number>,
        note: Note,
        exempt: Option<&[[u8; 16]]>,
    ) {
        for mover in self.movers.iter_mut().filter(|mover| mover.room == room && !mover.lost) {
            if mover.at == Some(at) && !exempt.is_some_and(|exempt| exempt.contains(&mover.id)) {
                mover.notes.push(note);
            }
            let (Way::Begun { to, items, .. } | Way::Left { to, items, .. }) = &mut mover.way else { continue };
            if *to == at {
                let what = match note {
                    Note::Gap(count) => What::Gap(count),
                    note => What::Message(note),
                };
                items.push(Item { number, what });
            }
        }
    }

    pub(super) fn tell_mover(&mut self, id: [u8; 16], note: Note) {
        self.movers.iter_mut().filter(|mover| mover.id == id && !mover.lost).for_each(|mover| mover.notes.push(note));
    }
}

/// The positions as the other node reads them.
fn carried(room: &str, positions: Positions) -> Positions {
    let carried = vec![Carried { key: room.into(), name: Some("x".into()), positions }];
    let read = Carried::read(&Carried::write(&carried)).expect("it is what was written");
    assert_eq!(Carried::write(&read), Carried::write(&carried));
    read.into_iter().next().expect("there is one").positions
}

/// A member gets each message once, those of each publisher in their order, and is told of those that it has not got.
pub(super) fn judge(world: &World) -> Result<(), String> {
    for (number, mover) in world.movers.iter().enumerate() {
        let place = |text: String| format!("mover {number} of room {:?}: {text}", mover.room);
        once(&world.history, mover).map_err(place)?;
        losses(world, mover).map_err(place)?;
        if world.order == Order::Total {
            order(&world.history, mover).map_err(place)?;
        }
    }
    Ok(())
}

fn id(note: &Note) -> Option<Id> {
    match *note {
        Note::Own(id) | Note::OwnAtSplit(id) | Note::AtOnce(id) | Note::Foreign(id, _) => Some(id),
        _ => None,
    }
}

fn once(history: &History, mover: &Mover) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    let mut last = BTreeMap::new();
    for id in mover.notes.iter().filter_map(id) {
        if !seen.insert(id) {
            return Err(format!("{id} came twice"));
        }
        if history.sending(id).when == When::InOrder
            && last.insert(id.publisher, id.sequence).is_some_and(|last| last >= id.sequence)
        {
            return Err(format!("{id} came too late"));
        }
    }
    Ok(())
}

fn losses(world: &World, mover: &Mover) -> Result<(), String> {
    let history = &world.history;
    let mut known: BTreeMap<u64, (usize, usize, usize)> = BTreeMap::new();
    for id in mover.notes.iter().filter_map(id) {
        let is_over = mover.lost || history.dead.contains(&id.publisher);
        let sending = history.sending(id);
        // A message of a node that was alone is for its own members.
        let Some(index) = sending.index else { continue };
        if is_over && sending.when == When::Now {
            // It may have overtaken others, which died with their node.
            continue;
        }
        let (first, next, got) = known.entry(id.publisher).or_insert((index, index, 0));
        (*first, *next, *got) = ((*first).min(index), (*next).max(index + 1), *got + 1);
    }
    let gaps: u64 = mover.notes.iter().map(|note| if let Note::Gap(count) = note { *count } else { 0 }).sum();
    let mut missing = 0;
    for (publisher, (first, next, got)) in &known {
        let is_over = mover.lost || history.dead.contains(publisher);
        let next = if is_over { *next } else { history.senders[&(*publisher, mover.room)].numbered };
        let is_counted = |at: &usize| !is_over || sent_in_order(history, *publisher, mover.room, *at);
        missing += ((*first..next).filter(is_counted).count() - got) as u64;
    }
    let told = if history.forgets { missing.min(1) } else { missing };
    if gaps < told {
        return Err(format!("{missing} messages are missing, and only {gaps} are told: {known:?}"));
    }
    // Where nothing is lost and nobody is slow, nothing is told to be missing.
    if world.calm == 0 && gaps > missing {
        return Err(format!("{gaps} are told to be missing, and {missing} are: {known:?}"));
    }
    Ok(())
}

/// Whether the message in this place among those that have numbers was sent in order.
fn sent_in_order(history: &History, publisher: u64, room: &'static str, index: usize) -> bool {
    let mut sent = history.senders[&(publisher, room)].sent.iter();
    sent.any(|sending| sending.index == Some(index) && sending.when == When::InOrder)
}

/// It gets what was said in order in the order that the members of all nodes have.
fn order(history: &History, mover: &Mover) -> Result<(), String> {
    // It may have left a node that had not found out yet that its own message was lost on its way back.
    let has_place = |id: &Id| !history.misplaced.contains(id);
    let got: Vec<Id> = mover.notes.iter().filter_map(|note| in_order(history, note)).filter(has_place).collect();
    for ((node, room), notes) in &history.notes {
        if *room != mover.room {
            continue;
        }
        let theirs = notes.iter().filter_map(|note| in_order(history, note));
        let places: BTreeMap<Id, usize> = theirs.enumerate().map(|(place, id)| (id, place)).collect();
        let common: Vec<(usize, Id)> = got.iter().filter_map(|id| Some((*places.get(id)?, *id))).collect();
        if let Some(pair) = common.windows(2).find(|pair| pair[0].0 >= pair[1].0) {
            return Err(format!("{} is before {}, and not so at {node}", pair[0].1, pair[1].1));
        }
    }
    Ok(())
}
