//! A session moves: a node that its client has come to asks its owner for it, which gives it away.

use super::state::{Asker, Found, Gives, Kept, Learnt, Misrule, NodeEvent, Stage, Takes, Told, Wish, deed_key};
use crate::{
    owners::{Answer, Deed, Give, Given, Giver, Owner, Take, Taken, Taker},
    packed::Reader,
    session::{Machine, Role, moving::MovedMachine, reason, tests::saboteur::Saboteur},
    shared::Credentials,
    simulation::{
        coverage::Fault,
        state::{World, WorldEvent},
    },
};

/// The times of the server's moves.
const ASKING: u64 = 8_000;
const CONFIRM: u64 = 6_000;
const RETRY: u64 = 300;
const REMEMBERED: u64 = 600_000;

// The node that takes.
impl World<'_> {
    /// Asks the owner of a session for it, on behalf of a request that waits meanwhile, or since the owner wants that.
    pub(super) fn ask_for(&mut self, here: usize, session: usize, from: usize, conn: Option<usize>) {
        self.nodes.serials += 1;
        let serial = self.nodes.serials;
        let takes = Takes { serial, stage: Stage::Asked, conns: conn.into_iter().collect() };
        self.nodes.takes.insert((here, session), takes);
        self.trace(|| format!("node {here}   asks node {from} for session {session}"));
        self.after(ASKING, WorldEvent::Node(NodeEvent::AskedLong(here, session, serial)));
        self.tell(here, from, Told::Ask { session, serial, pushed: conn.is_none() });
    }

    /// Says something to another node, unless the link between the two is cut now or meanwhile.
    fn tell(&mut self, from: usize, to: usize, what: Told) {
        if !self.reaches(from, to) || (self.faults_go_on() && self.random.one_in(12)) {
            return self.note(Fault::WordLost);
        }
        let slow = matches!(what, Told::Parcel { .. } | Told::Answer { .. }) && self.faults_go_on();
        let most = if slow && self.random.one_in(4) { 2 * CONFIRM } else { 12 };
        let (latency, process) = (self.random.range(1, most), self.nodes.all[to].process);
        self.after(latency, WorldEvent::Node(NodeEvent::Told { from, to, process, what }));
    }

    pub(super) fn told(&mut self, from: usize, to: usize, process: u64, what: Told) {
        if self.nodes.all[to].process != process {
            return;
        }
        match what {
            Told::Ask { session, serial, pushed } => self.asked_for(to, session, (from, serial), pushed),
            Told::Stays { session, serial } => self.stays(to, session, serial),
            Told::Parcel { session, serial, deed, parcel } => self.parcel_came(to, session, serial, (deed, parcel)),
            Told::Push { session } => {
                let has = self.nodes.takes.contains_key(&(to, session));
                if !has && !self.nodes.all[to].draining {
                    self.ask_for(to, session, from, None);
                }
            }
            Told::Answer { session, serial, answer } => self.taker_answers(session, serial, answer),
        }
    }

    /// A session that was asked for does not come: those who wait are passed on to its owner.
    fn stays(&mut self, here: usize, session: usize, serial: u64) {
        let Some(takes) = self.nodes.takes.get(&(here, session)).filter(|takes| takes.serial == serial) else { return };
        if matches!(takes.stage, Stage::Asked) {
            self.end_taking(here, session, true);
        }
    }

    pub(super) fn asked_long(&mut self, here: usize, session: usize, serial: u64) {
        self.stays(here, session, serial);
    }

    fn end_taking(&mut self, here: usize, session: usize, stays: bool) {
        let Some(takes) = self.nodes.takes.remove(&(here, session)) else { return };
        for conn in takes.conns {
            if let Some(parked) = &mut self.conns[conn].parked {
                parked.stays |= stays;
            }
            self.route(conn);
        }
    }

    fn parcel_came(&mut self, here: usize, session: usize, serial: u64, (deed, parcel): (Deed, Vec<u8>)) {
        let me = self.nodes.owner(here);
        let Some(takes) = self.nodes.takes.get_mut(&(here, session)).filter(|takes| takes.serial == serial) else {
            self.note(Fault::ParcelUnwanted);
            return self.answer_parcel(here, session, serial, &deed.owner, Answer::Refused);
        };
        let giver = deed.owner.clone();
        let (taker, take) = Taker::new(&me, deed);
        takes.stage = Stage::Takes { taker, giver, parcel };
        self.take_step(here, session, take);
    }

    fn answer_parcel(&mut self, here: usize, session: usize, serial: u64, giver: &Owner, answer: Answer) {
        let to = super::state::node_of(&giver.name);
        self.tell(here, to, Told::Answer { session, serial, answer });
    }

    fn take_step(&mut self, here: usize, session: usize, take: Take) {
        match take {
            Take::Swap { from, to } => {
                let wish = Wish::Claim { key: deed_key(session), from: Some(from.write()), to: to.write() };
                let serial = self.nodes.takes[&(here, session)].serial;
                self.ask(here, wish, Asker::Taking(session, serial));
            }
            Take::Pause => {
                self.note(Fault::TakerUnsure);
                let serial = self.nodes.takes[&(here, session)].serial;
                self.after(RETRY, WorldEvent::Node(NodeEvent::TakesAgain(here, serial, session)));
            }
            Take::Done(taken) => {
                let Some(takes) = self.nodes.takes.get_mut(&(here, session)) else { return };
                let serial = takes.serial;
                let stage = std::mem::replace(&mut takes.stage, Stage::Asked);
                let Stage::Takes { giver, parcel, .. } = stage else { return };
                let answer = match taken {
                    Taken::Mine(deed) => {
                        self.note(Fault::Moved);
                        self.settle_at(here, session, deed, &parcel);
                        Answer::Taken
                    }
                    Taken::Refused => {
                        self.note(Fault::TakenBackFirst);
                        Answer::Refused
                    }
                };
                self.answer_parcel(here, session, serial, &giver, answer);
                self.end_taking(here, session, false);
            }
        }
    }

    pub(super) fn takes_again(&mut self, here: usize, of: u64, session: usize) {
        let Some(Takes { stage: Stage::Takes { taker, .. }, serial, .. }) = self.nodes.takes.get(&(here, session))
        else {
            return;
        };
        if *serial == of {
            self.take_step(here, session, taker.again());
        }
    }

    pub(super) fn take_answered(&mut self, here: usize, session: usize, of: u64, answer: &Result<Found, ()>) {
        let Some(Takes { stage: Stage::Takes { taker, .. }, serial, .. }) = self.nodes.takes.get(&(here, session))
        else {
            return;
        };
        if *serial != of {
            return;
        }
        let take = match answer {
            Ok(Found::Held(held)) => taker.swapped(Ok(held.as_deref())),
            _ => taker.swapped(Err(())),
        };
        self.take_step(here, session, take);
    }

    /// A session goes on at a node, with what was given away. It may be at no other place.
    fn settle_at(&mut self, node: usize, session: usize, deed: Deed, parcel: &[u8]) {
        let (now, process) = (self.now, self.nodes.all[node].process);
        if !self.server.sessions[session].given {
            return self.fail(format!("session {session} is at two places: {deed:?} has it too"));
        }
        let bytes = bytes::Bytes::copy_from_slice(parcel);
        let mut reader = Reader::new(&bytes);
        let credentials = Credentials::read(&mut reader).expect("they were written");
        let rest = bytes.slice(bytes.len() - reader.left()..);
        let moved = MovedMachine::decode(&rest).expect("it was written");
        let config = self.scenario.config(Role::Server);
        let machine = Machine::taken(config, None, moved, now).expect("it is a native session");
        self.trace(|| format!("node {node}   goes on with session {session}"));
        self.nodes.all[node].places.remove(&session);
        let one = &mut self.server.sessions[session];
        one.machine = Saboteur::new(machine, self.sabotage);
        (one.credentials, one.node, one.process) = (credentials, node, process);
        (one.given, one.gone, one.heir, one.deed, one.armed) = (false, false, None, Some(deed), None);
        one.claim_kept = Kept::default();
        one.pairs.clear();
        one.held_back = None;
        if !one.requests.owed.is_empty() && !std::mem::replace(&mut one.requests.answering, true) {
            self.after(0, WorldEvent::ServerAnswers(session));
        }
        self.pump_server(session);
    }
}

// The node that gives.
impl World<'_> {
    /// Whether the node that has a session is about to give it away, so that its handler receives nothing more.
    pub(crate) fn is_given_away(&self, session: usize) -> bool {
        let node = self.server.sessions[session].node;
        self.nodes.gives.get(&session).is_some_and(|gives| gives.node == node)
    }

    fn asked_for(&mut self, here: usize, session: usize, (from, serial): (usize, u64), pushed: bool) {
        let one = &self.server.sessions[session];
        let has = one.node == here && !one.gone && !one.given && self.nodes.all[here].draining;
        // A client without the answer to its opening may open once more, and this node alone knows that attempt.
        let proven = !one.on_proof && (!pushed || one.machine.is_proven());
        let may = has && proven && one.machine.can_move() && one.requests.handler.is_none();
        if !may || self.nodes.gives.contains_key(&session) {
            self.note(Fault::StaysThere);
            return self.tell(here, from, Told::Stays { session, serial });
        }
        let (giver, give) = Giver::new(&self.nodes.owner(here), one.deed.clone());
        let to = self.nodes.owner(from);
        self.nodes
            .gives
            .insert(session, Gives { serial, node: here, giver, to, conns: Vec::new(), parcel: None, answered: false });
        self.give_step(session, give);
    }

    fn give_step(&mut self, session: usize, give: Give) {
        let Some(here) = self.nodes.gives.get(&session).map(|gives| gives.node) else { return };
        match give {
            Give::Claim(deed) => {
                let wish = Wish::Claim { key: deed_key(session), from: None, to: deed.write() };
                self.ask(here, wish, Asker::Giving(session, self.nodes.gives[&session].serial));
            }
            Give::Freeze => {
                let most = self.random.pick(&[1, 30, 600]);
                let (pause, serial) = (self.random.below(most), self.nodes.gives[&session].serial);
                self.after(pause, WorldEvent::Node(NodeEvent::Frozen(session, serial)));
            }
            Give::Send(deed) => {
                let gives = &self.nodes.gives[&session];
                let (serial, parcel) = (gives.serial, gives.parcel.clone().expect("it is frozen"));
                let to = super::state::node_of(&gives.to.name);
                if self.faults_go_on() && self.random.one_in(4) {
                    // The directory goes away for one of the two, or for both.
                    let until = self.now + self.random.range(1, 2 * CONFIRM);
                    for node in self.random.pick(&[[here, here], [to, to], [here, to]]) {
                        self.nodes.all[node].cut_until = self.nodes.all[node].cut_until.max(until);
                    }
                }
                self.after(CONFIRM, WorldEvent::Node(NodeEvent::NotConfirmed(session, serial)));
                self.tell(here, to, Told::Parcel { session, serial, deed, parcel });
            }
            Give::TakeBack { to, .. } if self.misrule == Some(Misrule::HandsOverTwice) => {
                self.end_giving(session, Given::Back(to));
            }
            Give::TakeBack { from, to } => {
                let wish = Wish::Claim { key: deed_key(session), from: Some(from.write()), to: to.write() };
                self.ask(here, wish, Asker::Giving(session, self.nodes.gives[&session].serial));
            }
            Give::Pause => {
                self.note(Fault::GiverUnsure);
                let serial = self.nodes.gives[&session].serial;
                self.after(RETRY, WorldEvent::Node(NodeEvent::GivesAgain(session, serial)));
            }
            Give::Done(given) => self.end_giving(session, given),
        }
    }

    /// The node that was to take a session has answered, or has not for so long that it is not waited for any more.
    pub(super) fn taker_answers(&mut self, session: usize, serial: u64, answer: Answer) {
        let Some(gives) = self.nodes.gives.get_mut(&session).filter(|gives| gives.serial == serial) else { return };
        if std::mem::replace(&mut gives.answered, true) {
            return; // The directory decides.
        }
        self.gives(session, serial, |giver, to| giver.answered(to, answer));
    }

    pub(super) fn gives(&mut self, session: usize, serial: u64, event: impl FnOnce(&mut Giver, &Owner) -> Give) {
        let Some(gives) = self.nodes.gives.get_mut(&session).filter(|gives| gives.serial == serial) else { return };
        let give = event(&mut gives.giver, &gives.to.clone());
        self.give_step(session, give);
    }

    pub(super) fn give_answered(&mut self, session: usize, serial: u64, answer: &Result<Found, ()>) {
        let Some(gives) = self.nodes.gives.get_mut(&session).filter(|gives| gives.serial == serial) else { return };
        let answer = match answer {
            Ok(Found::Held(held)) => Ok(held.as_deref()),
            _ => Err(()),
        };
        let frozen = gives.parcel.is_some();
        let give = if frozen { gives.giver.taken_back(answer) } else { gives.giver.claimed(answer) };
        self.give_step(session, give);
    }

    /// The handler has returned, and the session is frozen, if it can be still.
    pub(super) fn frozen(&mut self, session: usize, serial: u64) {
        if self.nodes.gives.get(&session).is_none_or(|gives| gives.serial != serial) {
            return;
        }
        let one = &mut self.server.sessions[session];
        let may = one.requests.handler.is_none() && one.machine.closed().is_none() && one.log.close().is_none();
        let Some(moved) = may.then(|| one.machine.give(self.now)).flatten() else {
            return self.gives(session, serial, |giver, _| giver.frozen(false));
        };
        let mut parcel = Vec::new();
        one.credentials.put(&mut parcel);
        parcel.extend(moved.encode());
        one.given = true;
        self.trace(|| format!("server   session {session} is frozen"));
        self.part(session);
        if let Some(gives) = self.nodes.gives.get_mut(&session) {
            gives.parcel = Some(parcel);
        }
        self.gives(session, serial, |giver, _| giver.frozen(true));
    }

    /// All links of a session end, and what is about to attach is refused.
    fn part(&mut self, session: usize) {
        for conn in self.server.sessions[session].conns.clone() {
            self.pump_conn(session, conn);
            self.server_drops(conn);
        }
        for conn in 0..self.conns.len() {
            if self.conns[conn].waiting.as_ref().is_some_and(|waiting| waiting.session == session) {
                self.conns[conn].waiting = None;
                self.refuse(conn, reason::UNREACHABLE);
            }
        }
        let now = self.now;
        let one = &mut self.server.sessions[session];
        (one.begun, one.downlinks) = (0, 0);
        one.note_quiet(now);
    }

    fn end_giving(&mut self, session: usize, given: Given) {
        let Some(gives) = self.nodes.gives.remove(&session) else { return };
        let here = gives.node;
        match given {
            Given::Not => {
                let to = super::state::node_of(&gives.to.name);
                self.note(Fault::NotGiven);
                self.tell(here, to, Told::Stays { session, serial: gives.serial });
                self.pump_server(session);
            }
            Given::Back(deed) => {
                self.note(Fault::Revived);
                let parcel = gives.parcel.expect("it was frozen");
                self.settle_at(here, session, deed, &parcel);
            }
            Given::To(owner) => {
                self.trace(|| format!("server   session {session} has gone to {owner:?}"));
                self.learn(here, session, Learnt::At(super::state::node_of(&owner.name)), REMEMBERED);
                let to = super::state::node_of(&owner.name);
                let takes =
                    self.nodes.all[to].process == owner.incarnation && self.nodes.takes.contains_key(&(to, session));
                let one = &mut self.server.sessions[session];
                // Its new owner may have ended before it has learned that it is the owner, or has it only to its end.
                one.gone |= one.given && !takes;
            }
        }
        gives.conns.into_iter().for_each(|conn| self.route(conn));
    }
}

// Draining.
impl World<'_> {
    /// A node is about to be replaced: it asks its clients for new links, and gives its sessions away.
    pub(super) fn drain(&mut self, node: usize) {
        if std::mem::replace(&mut self.nodes.all[node].draining, true) {
            return;
        }
        self.note(Fault::Drained);
        self.trace(|| format!("node {node}   drains"));
        let (process, window) = (self.nodes.all[node].process, self.random.range(2_000, 16_000));
        self.after(window * 3 / 4, WorldEvent::Node(NodeEvent::Pushes(node, process)));
        self.after(window, WorldEvent::Node(NodeEvent::DrainEnds(node, process)));
        for session in 0..self.server.sessions.len() {
            let one = &mut self.server.sessions[session];
            if one.node == node && !one.gone && !one.given {
                let delay = self.random.below(window / 3);
                one.machine.go_away(delay, 0);
                self.pump_server(session);
            }
        }
    }

    pub(super) fn pushes(&mut self, node: usize, process: u64) {
        if self.nodes.all[node].process != process {
            return;
        }
        for session in 0..self.server.sessions.len() {
            let one = &self.server.sessions[session];
            let waits = one.node == node && !one.gone && !one.given && one.conns.is_empty() && !one.machine.is_over();
            let to = (node + 1) % self.nodes.all.len();
            if waits && !self.nodes.gives.contains_key(&session) {
                self.note(Fault::Pushed);
                self.tell(node, to, Told::Push { session });
            }
        }
    }

    /// The window is over: the process says that it leaves, and ends.
    pub(super) fn drain_ends(&mut self, node: usize, process: u64) {
        if self.nodes.all[node].process != process {
            return;
        }
        if let Some(lease) = self.nodes.directory.leases.get_mut(&process)
            && self.now >= self.nodes.all[node].cut_until
        {
            (lease.left, lease.until) = (true, self.now + 3_000);
        }
        self.kill(node);
    }
}
