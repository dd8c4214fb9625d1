//! A request comes to a node, which answers it, or passes it on to the node that has its session.

use super::{
    engine::{LEASE, PATIENCE},
    state::{self, Asker, Learnt, NodeEvent, Wish, deed_key, node_of},
};
use crate::{
    codec::native::Head,
    owners::{Found, Known, Look, LookStep, MOST_HOPS, Owner, Place, Seek, Standing, seek},
    session::reason,
    simulation::{
        coverage::Fault,
        packet::{Codec, Packet},
        state::{Cut, Parked, World, WorldEvent},
    },
};

/// For so long a request waits until its node has joined.
const JOINING: u64 = 2_000;

/// For so long a node remembers where a session is that it has looked for or was told of, and that it is nowhere.
const LEARNT: u64 = 60_000;
const NOWHERE: u64 = 2_000;

impl World<'_> {
    pub(crate) fn is_cluster(&self) -> bool {
        self.nodes.all.len() > 1
    }

    /// The node that handles what comes on a connection.
    pub(crate) fn here(&self, conn: usize) -> usize {
        *self.conns[conn].way.last().expect("a connection leads to a node")
    }

    pub(crate) fn session_runs(&self, session: usize) -> bool {
        self.now >= self.nodes.all[self.server.sessions[session].node].asleep_until
    }

    /// A request has come to a node.
    pub(crate) fn request(&mut self, conn: usize, head: Head, frames: Vec<crate::session::Frame>, packet: Packet) {
        let look = Look::default();
        let since = self.now;
        self.conns[conn].parked =
            Some(Parked { packet, head, frames, since, stays: false, look, before: None, failed: None });
        self.route(conn);
    }

    /// Goes on with a request whose way is not known, or not known any more.
    pub(super) fn route(&mut self, conn: usize) {
        let Some(Parked { head, since, .. }) = &self.conns[conn].parked else { return };
        let here = self.here(conn);
        let waits = self.is_cluster() && !self.nodes.all[here].joined && self.now < since + JOINING;
        if waits && self.may_wait_for_others(conn) {
            let until = since + JOINING;
            self.nodes.all[here].joining.push(conn);
            return self.at(until, 1, WorldEvent::Node(NodeEvent::Joins(conn)));
        }
        match head {
            Head::Open { attempt, .. } => {
                let attempt = attempt.to_string();
                self.open_at(conn, &attempt);
            }
            Head::Resume { token, .. } | Head::Upload { token, .. } | Head::TakeOver { token, .. } => {
                let session = token.id.trim_start_matches("id-").parse().expect("our ids are numbered");
                self.seek(conn, session);
            }
            Head::Join { .. } => unreachable!("the simulated client opens by itself"),
        }
    }

    /// Whether a request may concern other nodes: all do but those whose session is here.
    fn may_wait_for_others(&self, conn: usize) -> bool {
        let here = self.here(conn);
        let head = self.conns[conn].parked.as_ref().map(|parked| &parked.head);
        let session = head.and_then(|head| head.session());
        let session = session.map(|id| id.trim_start_matches("id-").parse::<usize>().expect("our ids are numbered"));
        session.is_none_or(|session| self.server.sessions[session].node != here || self.server.sessions[session].gone)
    }

    fn seek(&mut self, conn: usize, session: usize) {
        let here = self.here(conn);
        let born = self.server.sessions[session].born;
        let known = self.known(here, session);
        let way = if self.is_cluster() {
            let standing = known.map(|known| match known {
                Learnt::At(node) => Known::At(self.standing(here, node)),
                Learnt::Nowhere => Known::Nowhere,
            });
            seek(self.place(here, session), standing, self.standing(here, born), self.conns[conn].way.len() > 1)
        } else if self.place(here, session) == Place::Here {
            Seek::Serve
        } else {
            Seek::Gone
        };
        let to = match (way, known) {
            (Seek::ToOwner, Some(Learnt::At(node))) => node,
            _ => born,
        };
        self.go(conn, session, way, to);
    }

    fn place(&self, here: usize, session: usize) -> Place {
        let one = &self.server.sessions[session];
        let gives = self.nodes.gives.get(&session).is_some_and(|gives| gives.node == here);
        match () {
            () if gives || self.nodes.takes.contains_key(&(here, session)) => Place::Unclear,
            () if one.node == here && !one.gone && !one.given => Place::Here,
            () => Place::Absent,
        }
    }

    /// The place of a session as a node has learned it.
    fn known(&self, here: usize, session: usize) -> Option<Learnt> {
        let learnt = self.nodes.all[here].places.get(&session);
        learnt.filter(|(until, _)| self.now < *until).map(|(_, learnt)| *learnt)
    }

    pub(super) fn learn(&mut self, here: usize, session: usize, learnt: Learnt, time: u64) {
        self.nodes.all[here].places.insert(session, (self.now + time, learnt));
    }

    fn standing_of(&self, here: usize, owner: &Owner) -> Standing {
        match () {
            () if owner.incarnation == self.nodes.all[here].process => Standing::Me,
            () if self.believes_alive(here, owner.incarnation) => Standing::Lives,
            () if self.can_tell(here) => Standing::Dead,
            () => Standing::Unclear,
        }
    }

    /// Whether a node asks for a session, rather than pass a request for it on.
    fn brings(&self, conn: usize, to: usize) -> bool {
        let here = self.here(conn);
        let node = &self.nodes.all[here];
        let parked = self.conns[conn].parked.as_ref();
        let attaches = parked
            .is_some_and(|parked| !parked.stays && matches!(parked.head, Head::Resume { .. } | Head::TakeOver { .. }));
        let mut processes = node.known.values().rev();
        let drains = processes.find(|known| known.node == to).is_some_and(|known| known.draining);
        attaches && drains && to != here && !node.draining && self.can_tell(here) && self.conns[conn].way.len() == 1
    }

    /// The state of the node with a name, as a node knows it.
    fn standing(&self, here: usize, other: usize) -> Standing {
        match () {
            () if here == other => Standing::Me,
            () if self.believes_node_alive(here, other) => Standing::Lives,
            () if self.can_tell(here) => Standing::Dead,
            () => Standing::Unclear,
        }
    }

    fn go(&mut self, conn: usize, session: usize, way: Seek, to: usize) {
        match way {
            Seek::Serve => {
                self.note_passed(conn, session);
                self.serve_parked(conn);
            }
            Seek::Wait => {
                self.note(Fault::WaitsForAMove);
                let here = self.here(conn);
                match self.nodes.takes.get_mut(&(here, session)) {
                    Some(takes) => takes.conns.push(conn),
                    None => self.nodes.gives.get_mut(&session).expect("it is given away").conns.push(conn),
                }
            }
            Seek::ToBirth | Seek::ToOwner if self.brings(conn, to) => {
                self.ask_for(self.here(conn), session, to, Some(conn));
            }
            Seek::ToBirth | Seek::ToOwner => self.forward(conn, to),
            Seek::Look => {
                self.note(Fault::LookedUp);
                self.begin_look(conn, session);
            }
            Seek::Gone => {
                self.check_gone(session);
                self.refuse_parked(conn, reason::UNKNOWN);
            }
            Seek::NotNow => {
                self.note(Fault::NotNow);
                self.refuse_parked(conn, reason::UNREACHABLE);
            }
        }
    }

    /// A node that has passed a request on to one that knew where the session is learns that by the answer.
    fn note_passed(&mut self, conn: usize, session: usize) {
        let way = self.conns[conn].way.clone();
        let [before @ .., _, owner] = &*way else { return };
        for node in before {
            self.learn(*node, session, Learnt::At(*owner), LEARNT);
        }
    }

    fn begin_look(&mut self, conn: usize, session: usize) {
        let before = self.known(self.here(conn), session);
        let Some(parked) = &mut self.conns[conn].parked else { return };
        (parked.look, parked.before) = (Look::default(), before);
        self.look_step(conn, session, LookStep::Look);
    }

    fn look_step(&mut self, conn: usize, session: usize, step: LookStep) {
        let here = self.here(conn);
        let found = match step {
            LookStep::Look => return self.ask(here, Wish::Look { key: deed_key(session) }, Asker::Seeking(conn)),
            LookStep::List => return self.beat_now(here, Asker::Seeking(conn)),
            LookStep::Claim { from, to } => {
                let wish = Wish::Claim { key: deed_key(session), from: Some(from.write()), to: to.write() };
                return self.ask(here, wish, Asker::Seeking(conn));
            }
            LookStep::Done(found) => found,
        };
        let Some(&Parked { failed, before, .. }) = self.conns[conn].parked.as_ref() else { return };
        let (learnt, time) = match found {
            Found::Unclear => return self.go(conn, session, Seek::NotNow, here),
            Found::At(owner) => (Learnt::At(node_of(&owner.name)), LEARNT),
            Found::Nowhere => (Learnt::Nowhere, NOWHERE),
        };
        // The node knows something newer if it has learned something meanwhile.
        if self.known(here, session) == before && self.place(here, session) == Place::Absent {
            self.learn(here, session, learnt, time);
        }
        match learnt {
            // It is where it was not reached.
            Learnt::At(node) if failed == Some(node) => self.go(conn, session, Seek::NotNow, here),
            _ => self.seek(conn, session),
        }
    }

    /// The engine has said who has the session of a request, or listed who lives.
    pub(super) fn looked(&mut self, node: usize, conn: usize, answer: &Result<state::Found, ()>) {
        let Some(Parked { head, look, .. }) = &self.conns[conn].parked else { return };
        if self.here(conn) != node || self.conns[conn].severed {
            return;
        }
        let session = head.session().expect("it names one");
        let session = session.trim_start_matches("id-").parse().expect("our ids are numbered");
        let mut look = look.clone();
        let standing = |owner: &Owner| self.standing_of(node, owner);
        let step = match answer {
            Ok(state::Found::Held(held)) => look.answered(Ok(held.as_deref()), standing),
            Ok(state::Found::List(_)) => look.listed(self.nodes.owner(node), standing),
            _ => look.answered(Err(()), standing),
        };
        if let Some(parked) = &mut self.conns[conn].parked {
            parked.look = look;
        }
        self.look_step(conn, session, step);
    }

    /// A session is said to be gone: its node must have ended, or count as dead.
    fn check_gone(&mut self, session: usize) {
        let one = &self.server.sessions[session];
        let process = one.process;
        if one.gone || (one.machine.is_over() && !one.given) {
            return;
        }
        // Its node had lost the claim when this was said first, and counted as dead then.
        if one.written_off {
            return;
        }
        // Another node may have looked just before the claim was taken back, and remembers what it saw.
        let within = |since: Option<u64>, time| since.is_some_and(|since| self.now < since + time);
        let lost = within(one.claim_kept.due, LEASE) || within(one.claim_kept.done, PATIENCE + NOWHERE);
        // It is lost with the node that it was given to, also before that one goes on with it, or the giver knows of it.
        let ended = one.given && one.heir.is_some_and(|heir| self.may_count_as_dead(heir));
        if !lost && !ended && !self.may_count_as_dead(process) {
            return self.fail(format!("session {session} is said to be gone, and its owner lives"));
        }
        self.note(Fault::WrittenOff);
        self.server.sessions[session].written_off = true;
    }

    /// Passes a request, and what has come behind it, on to another node.
    pub(super) fn forward(&mut self, conn: usize, to: usize) {
        let from = self.here(conn);
        if self.conns[conn].way.len() > usize::from(MOST_HOPS) {
            self.note(Fault::NotNow);
            return self.refuse_parked(conn, reason::UNREACHABLE);
        }
        if !self.reaches(from, to) {
            return self.not_reached(conn, to);
        }
        let Some(Parked { packet, head, .. }) = self.conns[conn].parked.take() else { return };
        self.note(match head {
            Head::Open { .. } => Fault::ForwardedOpening,
            Head::Upload { .. } => Fault::ForwardedUpload,
            _ => Fault::ForwardedResume,
        });
        self.trace(|| format!("node {from}   passes #{conn} on to node {to}"));
        let one = &mut self.conns[conn];
        one.way.push(to);
        one.codec = Codec::new(one.spelling);
        let hop = one.way.len() - 1;
        let backlog = std::mem::take(&mut one.backlog);
        for packet in [packet].into_iter().chain(backlog) {
            self.pass(conn, WorldEvent::Up(conn, hop, packet));
        }
    }

    /// The node of a session was not reached. If it is known from others that it has the session, another one may have it by
    /// now: the request is passed on to that one, once.
    fn not_reached(&mut self, conn: usize, to: usize) {
        self.note(Fault::Unreached);
        let (here, parked) = (self.here(conn), self.conns[conn].parked.as_mut());
        let session = parked.as_ref().and_then(|parked| parked.head.session()).map(str::to_owned);
        let session = session.map(|id| id.trim_start_matches("id-").parse::<usize>().expect("our ids are numbered"));
        let tried = parked.is_some_and(|parked| parked.failed.replace(to).is_some());
        match session {
            Some(session) if !tried && self.nodes.all[here].places.remove(&session).is_some() => {
                self.note(Fault::LookedUp);
                self.begin_look(conn, session);
            }
            _ => self.refuse_parked(conn, reason::UNREACHABLE),
        }
    }

    pub(super) fn reaches(&self, from: usize, to: usize) -> bool {
        let cut = self.nodes.peers_cut.get(&(from.min(to), from.max(to))).copied().unwrap_or_default();
        self.nodes.all[to].down_until <= self.now && cut <= self.now
    }

    /// Sends something over the link between two nodes, in order.
    pub(crate) fn pass(&mut self, conn: usize, what: WorldEvent) {
        let up = matches!(what, WorldEvent::Up(..) | WorldEvent::PassedEnd(_));
        let latency = if self.faults_go_on() && self.random.one_in(16) {
            self.random.below(300)
        } else {
            self.random.range(1, 6)
        };
        let last = &mut self.conns[conn].passed[usize::from(up)];
        let time = (self.now + latency).max(*last);
        *last = time;
        self.at(time, 1, what);
    }

    /// The link between two nodes of a connection's way is gone: both ends notice that, each in its time.
    pub(super) fn sever(&mut self, conn: usize) {
        if std::mem::replace(&mut self.conns[conn].severed, true) {
            return;
        }
        let lost = self.random.one_in(2);
        self.cut(conn, Cut { up: true, down: true, lost, silent: false });
        let longest = if self.random.one_in(4) { LEASE / 2 } else { 300 };
        let pause = self.random.below(longest);
        self.after(pause, WorldEvent::PassedEnd(conn));
    }

    /// The connection's client is gone, at the node where it came in.
    pub(crate) fn ingress_ends(&mut self, conn: usize) {
        match (self.conns[conn].way.len(), self.conns[conn].severed) {
            (1, _) => self.up_ends(conn),
            (_, false) => self.pass(conn, WorldEvent::PassedEnd(conn)),
            (_, true) => {}
        }
    }
}
