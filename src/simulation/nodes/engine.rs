//! The engine, its faults, and what each node knows of the others by it.

use super::state::{Ask, Asker, Found, Known, Lease, NodeEvent, Wish};
use crate::{
    owners::{Answer, Deed, Owner},
    simulation::{
        coverage::Fault,
        state::{ServerSession, World, WorldEvent},
    },
};

/// The times of the server's roster and claims.
const BEAT: u64 = 1_000;
pub(super) const LEASE: u64 = 10_000;
const REPLACED: u64 = 3 * BEAT;
const HASTE: u64 = 100;
pub(super) const PATIENCE: u64 = 2_000;
const PATIENCE_WHILE_AWAY: u64 = 200;

impl World<'_> {
    pub(crate) fn node_event(&mut self, event: NodeEvent) {
        match event {
            NodeEvent::Does(ask, back) => self.engine_does(ask, back),
            NodeEvent::Answers(ask, answer) => self.engine_answers(ask, answer),
            NodeEvent::Beat(node, process) => self.beat(node, process),
            NodeEvent::Told { from, to, process, what } => self.told(from, to, process, what),
            NodeEvent::Frozen(session, serial) => self.frozen(session, serial),
            NodeEvent::NotConfirmed(session, serial) => self.taker_answers(session, serial, Answer::Unclear),
            NodeEvent::GivesAgain(session, serial) => self.gives(session, serial, |giver, _| giver.again()),
            NodeEvent::TakesAgain(node, serial, session) => self.takes_again(node, serial, session),
            NodeEvent::AskedLong(node, session, serial) => self.asked_long(node, session, serial),
            NodeEvent::Pushes(node, process) => self.pushes(node, process),
            NodeEvent::DrainEnds(node, process) => self.drain_ends(node, process),
            NodeEvent::Joins(conn) => {
                let here = self.here(conn);
                let joining = &mut self.nodes.all[here].joining;
                let before = joining.len();
                joining.retain(|other| *other != conn);
                // It has gone on otherwise.
                if joining.len() < before {
                    self.route(conn);
                }
            }
        }
    }

    /// A node asks the engine for something. The answer comes as [`NodeEvent::Answers`], within the time that a node waits.
    pub(super) fn ask(&mut self, node: usize, wish: Wish, asker: Asker) {
        let ask = Ask { node, process: self.nodes.all[node].process, since: self.now, wish, asker };
        let slow = self.now < self.nodes.slow_until;
        let latency = |world: &mut Self| if slow { world.random.range(200, 2_500) } else { world.random.range(1, 8) };
        let (there, back) = (latency(self), latency(self));
        let patience = if self.is_away(node) { PATIENCE_WHILE_AWAY } else { PATIENCE };
        if self.now < self.nodes.all[node].cut_until {
            let pause = self.random.range(1, patience);
            return self.after(pause, WorldEvent::Node(NodeEvent::Answers(ask, Err(()))));
        }
        let there = there.max(self.nodes.all[node].asked_until.saturating_sub(self.now));
        self.nodes.all[node].asked_until = self.now + there;
        if there + back > patience {
            self.after(patience, WorldEvent::Node(NodeEvent::Answers(ask.clone(), Err(()))));
            return self.after(there, WorldEvent::Node(NodeEvent::Does(ask, None)));
        }
        self.after(there, WorldEvent::Node(NodeEvent::Does(ask, Some(back))));
    }

    fn engine_does(&mut self, ask: Ask, back: Option<u64>) {
        let cut = self.now < self.nodes.all[ask.node].cut_until;
        // A wish that was under way when the connection was cut is done or not.
        if cut && self.random.one_in(2) {
            return self.answer(ask, back, Err(()));
        }
        let directory = &mut self.nodes.directory;
        let found = match &ask.wish {
            &Wish::Beat { beats, ref knows, draining } => {
                let lease = Lease {
                    node: ask.node,
                    until: self.now + LEASE,
                    beats,
                    knows: knows.clone(),
                    draining,
                    left: false,
                };
                directory.leases.insert(ask.process, lease);
                directory.leases.retain(|_, lease| lease.until > self.now);
                let before = self.nodes.beaten.insert(ask.process, self.now);
                // A node that could not join serves all the same behind some time, and may do so before it is listed.
                if before.is_none_or(|before| self.now - before + 2 * BEAT >= LEASE) {
                    self.nodes.silent_until.insert(ask.process, self.now);
                }
                Found::List(directory.leases.iter().map(|(process, lease)| (*process, lease.clone())).collect())
            }
            Wish::Claim { key, from, to } => match directory.claims.get(key) {
                Some(held) if Some(held) != from.as_ref() && held != to => Found::Held(Some(held.clone())),
                _ => {
                    directory.claims.insert(key.clone(), to.clone());
                    Found::Held(None)
                }
            },
            Wish::Look { key } => {
                let value = directory.claims.get(key).cloned();
                if matches!(ask.asker, Asker::Seeking(_)) { Found::Held(value) } else { Found::Deed(value) }
            }
            Wish::Release { key, value } => {
                if directory.claims.get(key) == Some(value) {
                    directory.claims.remove(key);
                }
                Found::Done
            }
        };
        if let Wish::Claim { from: Some(from), .. } = &ask.wish
            && matches!(found, Found::Held(None))
        {
            self.check_swapped(&ask, &from.clone());
        }
        self.answer(ask, back, if cut { Err(()) } else { Ok(found) });
    }

    fn answer(&mut self, ask: Ask, back: Option<u64>, answer: Result<Found, ()>) {
        if let Some(back) = back {
            self.after(back, WorldEvent::Node(NodeEvent::Answers(ask, answer)));
        }
    }

    fn engine_answers(&mut self, ask: Ask, answer: Result<Found, ()>) {
        if self.nodes.all[ask.node].process != ask.process {
            return;
        }
        if let Ok(Found::List(list)) = &answer {
            self.heard(ask.node, ask.since, list);
        }
        let answer = answer.inspect_err(|()| self.cover.fault(Fault::EngineSilent));
        // The node has slept, as in the server: it may have counted as dead.
        let is_old = self.now - ask.since >= LEASE / 2 && answer.is_ok();
        match ask.asker {
            Asker::Nobody => {
                if let Wish::Release { key, .. } = &ask.wish {
                    self.released(ask.node, key);
                }
            }
            Asker::Beat => {
                let away = self.is_away(ask.node);
                let one = &mut self.nodes.all[ask.node];
                one.joined |= away && !one.has_heard;
                let pause = match answer {
                    Ok(_) if one.joined => BEAT,
                    Ok(_) => HASTE,
                    Err(()) => BEAT / 2,
                };
                self.after(pause, WorldEvent::Node(NodeEvent::Beat(ask.node, ask.process)));
            }
            Asker::Opening(attempt, serial) if is_old => self.claim_anew(ask.node, (&attempt, serial)),
            Asker::Proven(session) if is_old => self.prove_anew(session),
            Asker::Opening(attempt, serial) => self.claim_answered(ask.node, (&attempt, serial), answer),
            Asker::Proven(session) => self.proof_answered(session, answer),
            Asker::Giving(session, serial) => self.give_answered(session, serial, &answer),
            Asker::Taking(session, serial) => self.take_answered(ask.node, session, serial, &answer),
            Asker::Seeking(conn) => self.looked(ask.node, conn, &answer),
            Asker::Keeping(session) => self.keep_answered(ask.node, session, &answer),
        }
    }

    fn beat(&mut self, node: usize, process: u64) {
        if self.nodes.all[node].process == process {
            self.beat_now(node, Asker::Beat);
        }
    }

    /// A node beats, and so learns who lives.
    pub(super) fn beat_now(&mut self, node: usize, asker: Asker) {
        let one = &mut self.nodes.all[node];
        one.beats += 1;
        let (beats, knows, draining) = (one.beats, one.known.keys().copied().collect(), one.draining);
        self.ask(node, Wish::Beat { beats, knows, draining }, asker);
    }

    /// The rules of the server's roster, as far as they decide who lives.
    fn heard(&mut self, node: usize, now: u64, list: &[(u64, Lease)]) {
        let one = &mut self.nodes.all[node];
        // Nobody could be heard to beat in a long silence.
        if !one.has_heard || now.saturating_sub(one.heard) >= LEASE / 2 {
            one.joined = false;
            one.known.values_mut().for_each(|known| (known.listed, known.beaten) = (now, now));
            let owned =
                self.server.sessions.iter_mut().filter(|session| session.node == node && session.deed.is_some());
            owned.for_each(|session| session.claim_kept.due = Some(self.now));
        }
        (one.heard, one.has_heard) = (now.max(one.heard), true);
        one.known.retain(|process, _| list.iter().all(|(other, lease)| other != process || !lease.left));
        for &(process, ref lease) in list.iter().filter(|(process, lease)| *process != one.process && !lease.left) {
            let Lease { node, beats, draining, .. } = *lease;
            let known = one.known.entry(process).or_insert(Known { node, listed: now, beaten: now, beats, draining });
            (known.listed, known.draining) = (now, draining);
            if known.beats != beats {
                (known.beats, known.beaten) = (beats, now);
            }
        }
        let listed = |process: &u64| list.iter().any(|(other, _)| other == process);
        one.known.retain(|process, known| listed(process) || now.saturating_sub(known.beaten) < LEASE);
        let mine = one.process;
        let knows = |process: &u64| {
            let lease = list.iter().find(|(other, _)| other == process);
            lease.is_some_and(|(_, lease)| lease.knows.contains(&mine))
        };
        let known: Vec<u64> = self.nodes.all[node].known.keys().copied().collect();
        let strangers = known.iter().any(|process| self.believes_alive(node, *process) && !knows(process));
        let one = &mut self.nodes.all[node];
        one.joined |= !strangers;
        if one.joined {
            let joining = std::mem::take(&mut one.joining);
            joining.into_iter().for_each(|conn| self.route(conn));
        }
        self.keep_claims(node);
    }

    /// Whether a node that is not listed does not live: only who has joined, and hears, can tell.
    pub(super) fn can_tell(&self, node: usize) -> bool {
        self.nodes.all[node].joined && !self.is_away(node)
    }

    /// The engine has not answered for so long that those that lived last count as living.
    fn is_away(&self, node: usize) -> bool {
        // A process that is not up yet hears from then on.
        self.now.saturating_sub(self.nodes.all[node].heard) >= 2 * BEAT
    }

    /// Whether the engine lists a node and answers it. Otherwise others may take its claims for those of a dead one.
    pub(super) fn is_listed(&self, node: usize) -> bool {
        self.nodes.all[node].has_heard && !self.is_away(node)
    }

    /// Whether this node believes that a process lives.
    pub(super) fn believes_alive(&self, node: usize, process: u64) -> bool {
        let one = &self.nodes.all[node];
        let Some(known) = one.known.get(&process) else { return process == one.process };
        let silent = one.heard.saturating_sub(known.beaten) >= REPLACED;
        let mut namesakes = one.known.iter().filter(|(other, _)| **other != process);
        let replaced = silent
            && (known.node == node
                || namesakes
                    .any(|(_, other)| other.node == known.node && one.heard.saturating_sub(other.beaten) < REPLACED));
        !replaced
    }

    /// Whether this node believes that a process with the name of another node lives.
    pub(super) fn believes_node_alive(&self, node: usize, other: usize) -> bool {
        let known = &self.nodes.all[node].known;
        node == other || known.iter().any(|(process, known)| known.node == other && self.believes_alive(node, *process))
    }

    /// Whether a node may count as dead: it has not beaten for about the time of a lease, or its process has ended.
    pub(crate) fn may_count_as_dead(&self, process: u64) -> bool {
        let lives = self.nodes.all.iter().any(|node| node.process == process && node.down_until <= self.now);
        let beaten = self.nodes.beaten.get(&process);
        // The others learn that it beats again with their next beats.
        let silent_until = self.nodes.silent_until.get(&process);
        if silent_until.is_some_and(|until| self.now < until + 3 * BEAT) {
            return true;
        }
        !lives || beaten.is_none_or(|beaten| self.now - beaten + 2 * BEAT >= LEASE)
    }

    /// A claim was taken from the process that had it: only from one that may count as dead, or by the node that has the
    /// session. The deed of a session changes hands in a move too.
    fn check_swapped(&mut self, ask: &Ask, from: &[u8]) {
        let owner = match ask.asker {
            Asker::Taking(session, _) => return self.server.sessions[session].heir = Some(ask.process),
            Asker::Giving(..) => return,
            Asker::Seeking(_) | Asker::Keeping(_) => Deed::read(from).map(|deed| deed.owner),
            _ => Owner::read(from),
        };
        let Some(owner) = owner.filter(|owner| owner.incarnation != ask.process) else { return };
        if let Asker::Keeping(session) = ask.asker {
            let one = &self.server.sessions[session];
            if one.process != ask.process || one.given || one.gone {
                self.fail(format!("node {} took the claim of session {session}, which it does not have", ask.node));
            }
        } else if self.may_count_as_dead(owner.incarnation) {
            self.note(Fault::ClaimOfTheDead);
            self.outlive(ask, owner.incarnation);
        } else {
            self.fail(format!("the claim of {owner:?} was taken although it lives"));
        }
    }

    /// A process has lost the claim of an attempt. If it lives it does not know that, and its session may go on beside the one
    /// that is made now: its client may have that one.
    fn outlive(&mut self, ask: &Ask, process: u64) {
        let Wish::Claim { key, .. } = &ask.wish else { return };
        let number = key.strip_prefix("attempt-").and_then(|number| number.parse::<u32>().ok());
        let Some(generation) = number else { return };
        let outlived = |one: &&mut ServerSession| one.process == process && one.generation == generation;
        self.server.sessions.iter_mut().filter(outlived).for_each(|one| one.outlived = true);
    }
}
