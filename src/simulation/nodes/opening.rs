//! Openings: of all that have one attempt id, on whichever nodes, one makes the session.

use super::state::{Asker, Attempt, Found, Misrule, Wish, deed_key, node_of};
use crate::{
    owners::{Claiming, Step, Verdict},
    session::reason,
    simulation::{coverage::Fault, state::World},
};

impl World<'_> {
    /// An opening has come to a node, or was passed on to it.
    pub(super) fn open_at(&mut self, conn: usize, attempt: &str) {
        let node = self.here(conn);
        let (forwarded, draining) = (self.conns[conn].way.len() > 1, self.nodes.all[node].draining);
        let used = forwarded && self.has_session_of(node, attempt);
        match self.nodes.all[node].attempts.get_mut(attempt) {
            Some(Attempt::Session(_)) => return self.serve_parked(conn),
            Some(Attempt::Claimed { others, .. }) => return others.push(conn),
            None if used => {
                self.note(Fault::Spent);
                return self.refuse_parked(conn, reason::ATTEMPT_USED);
            }
            None if forwarded => {
                self.note(Fault::OpeningUnknown);
                return self.refuse_parked(conn, reason::NOT_HERE);
            }
            None if draining => return self.refuse_parked(conn, reason::DRAINING),
            None => {}
        }
        let claiming = Claiming::new(self.nodes.owner(node));
        self.nodes.serials += 1;
        let serial = self.nodes.serials;
        let claimed = Attempt::Claimed { serial, claiming, first: conn, others: Vec::new() };
        let released = !self.nodes.all[node].releases.contains(attempt);
        self.nodes.all[node].attempts.insert(attempt.to_owned(), claimed);
        if !self.is_cluster() || self.misrule == Some(Misrule::ForgetsTheClaim) {
            self.make_session(node, attempt, false);
        } else if released {
            self.claim_step(node, attempt, Step::Claim);
        }
    }

    fn claim_step(&mut self, node: usize, attempt: &str, step: Step) {
        let (key, to) = (attempt.to_owned(), self.nodes.owner(node).write());
        let Some(&Attempt::Claimed { serial, .. }) = self.nodes.all[node].attempts.get(attempt) else { return };
        let asker = Asker::Opening(attempt.to_owned(), serial);
        match step {
            Step::Claim => self.ask(node, Wish::Claim { key, from: None, to }, asker),
            Step::Swap(from) => self.ask(node, Wish::Claim { key, from: Some(from), to }, asker),
            Step::LookAgain => self.beat_now(node, asker),
            Step::LookForDeed => match self.deed_of(attempt) {
                Some(key) => self.ask(node, Wish::Look { key }, asker),
                None => self.claim_answered(node, (attempt, serial), Ok(Found::Deed(None))),
            },
            Step::Done(Verdict::Here) => self.make_session(node, attempt, !self.is_listed(node)),
            Step::Done(Verdict::Unclear | Verdict::Malformed) => self.make_session(node, attempt, true),
            Step::Done(Verdict::Elsewhere(owner)) => {
                let to = node_of(&owner.name);
                let Some(Attempt::Claimed { first, others, .. }) = self.nodes.all[node].attempts.remove(attempt) else {
                    return;
                };
                self.forward(first, to);
                others.into_iter().for_each(|conn| self.route(conn));
            }
        }
    }

    /// Whether a node has the session of an attempt, which may have come from another node.
    fn has_session_of(&self, node: usize, attempt: &str) -> bool {
        let mut sessions = self.server.sessions.iter();
        sessions.any(|one| one.node == node && !one.gone && !one.given && one.attempt() == attempt)
    }

    /// The key of the deed of an attempt's session. In the server all sessions of an attempt have one number, and so one key.
    fn deed_of(&self, attempt: &str) -> Option<String> {
        let moved = |session: &usize| {
            let one = &self.server.sessions[*session];
            one.deed.is_some() && one.attempt() == attempt
        };
        (0..self.server.sessions.len()).rev().find(moved).map(deed_key)
    }

    /// The engine has answered a claim, or listed who lives.
    pub(super) fn claim_answered(&mut self, node: usize, (attempt, of): (&str, u64), answer: Result<Found, ()>) {
        let Some(Attempt::Claimed { claiming, serial, .. }) = self.nodes.all[node].attempts.get(attempt) else {
            return;
        };
        if *serial != of {
            return; // It was given up.
        }
        let mut claiming = claiming.clone();
        let alive = |owner: &crate::owners::Owner| self.believes_alive(node, owner.incarnation);
        let step = match answer {
            Err(()) => Step::Done(Verdict::Unclear),
            Ok(Found::Held(held)) => claiming.answered(held.as_deref(), alive),
            Ok(Found::Deed(deed)) => claiming.looked_for_deed(deed.as_deref(), alive),
            Ok(Found::List(_) | Found::Done) => claiming.looked_again(alive),
        };
        if let Some(Attempt::Claimed { claiming: slot, .. }) = self.nodes.all[node].attempts.get_mut(attempt) {
            *slot = claiming;
        }
        self.claim_step(node, attempt, step);
    }

    /// A claim was answered too long ago to count.
    pub(super) fn claim_anew(&mut self, node: usize, (attempt, of): (&str, u64)) {
        let anew = Claiming::new(self.nodes.owner(node));
        if let Some(Attempt::Claimed { claiming, serial, .. }) = self.nodes.all[node].attempts.get_mut(attempt)
            && *serial == of
        {
            *claiming = anew;
            self.claim_step(node, attempt, Step::Claim);
        }
    }

    /// `on_proof`: another node may have made a session for this attempt.
    fn make_session(&mut self, node: usize, attempt: &str, on_proof: bool) {
        if on_proof {
            self.note(Fault::OnProof);
        }
        let session = self.open_session(attempt, node, on_proof);
        let before = self.nodes.all[node].attempts.insert(attempt.to_owned(), Attempt::Session(session));
        let Some(Attempt::Claimed { first, others, .. }) = before else { return };
        for conn in [first].into_iter().chain(others) {
            self.serve_parked(conn);
        }
    }

    /// A request that waits for its opening is gone. If the opening was its own, the next one makes the session.
    pub(crate) fn opening_gone(&mut self, conn: usize, attempt: &str) {
        let node = self.here(conn);
        let Some(Attempt::Claimed { first, others, .. }) = self.nodes.all[node].attempts.get_mut(attempt) else {
            return;
        };
        if *first != conn {
            return others.retain(|other| *other != conn);
        }
        let others = std::mem::take(others);
        self.note(Fault::ClaimReleased);
        self.nodes.all[node].attempts.remove(attempt);
        let value = self.nodes.owner(node).write();
        self.nodes.all[node].releases.insert(attempt.to_owned());
        self.ask(node, Wish::Release { key: attempt.to_owned(), value }, Asker::Nobody);
        others.into_iter().for_each(|conn| self.route(conn));
    }

    /// A session that may have lost its race is proven: its attempt is claimed once more before its handler starts.
    pub(crate) fn see_to_proof(&mut self, session: usize) {
        let one = &self.server.sessions[session];
        let proven = one.machine.is_proven() || one.machine.is_closed_there();
        if !one.on_proof || one.claiming.is_some() || !proven {
            return;
        }
        let node = one.node;
        self.server.sessions[session].claiming = Some(Claiming::new(self.nodes.owner(node)));
        self.proof_step(session, Step::Claim);
    }

    pub(super) fn prove_anew(&mut self, session: usize) {
        let node = self.server.sessions[session].node;
        self.server.sessions[session].claiming = Some(Claiming::new(self.nodes.owner(node)));
        self.proof_step(session, Step::Claim);
    }

    fn proof_step(&mut self, session: usize, step: Step) {
        let one = &self.server.sessions[session];
        let (node, key) = (one.node, one.attempt());
        let (to, asker) = (self.nodes.owner(node).write(), Asker::Proven(session));
        match step {
            Step::Claim => self.ask(node, Wish::Claim { key, from: None, to }, asker),
            Step::Swap(from) => self.ask(node, Wish::Claim { key, from: Some(from), to }, asker),
            Step::LookAgain => self.beat_now(node, asker),
            Step::LookForDeed => match self.deed_of(&key) {
                Some(key) => self.ask(node, Wish::Look { key }, asker),
                None => self.proof_answered(session, Ok(Found::Deed(None))),
            },
            Step::Done(Verdict::Elsewhere(_)) if self.server.sessions[session].machine.close_reason().is_none() => {
                self.note(Fault::LostItsRace);
                let one = &mut self.server.sessions[session];
                one.ends.push(reason::ATTEMPT_USED);
                one.machine.abort(self.now, reason::ATTEMPT_USED);
                self.pump_server(session);
            }
            Step::Done(verdict) => {
                let blind = verdict != Verdict::Here || !self.is_listed(node);
                self.note(if blind { Fault::StartedBlind } else { Fault::StartedOnProof });
                let one = &mut self.server.sessions[session];
                (one.on_proof, one.blind) = (false, blind);
                self.pump_server(session);
            }
        }
    }

    pub(super) fn proof_answered(&mut self, session: usize, answer: Result<Found, ()>) {
        let node = self.server.sessions[session].node;
        let Some(mut claiming) = self.server.sessions[session].claiming.clone() else { return };
        let alive = |owner: &crate::owners::Owner| self.believes_alive(node, owner.incarnation);
        let step = match answer {
            Err(()) => Step::Done(Verdict::Unclear),
            Ok(Found::Held(held)) => claiming.answered(held.as_deref(), alive),
            Ok(Found::Deed(deed)) => claiming.looked_for_deed(deed.as_deref(), alive),
            Ok(Found::List(_) | Found::Done) => claiming.looked_again(alive),
        };
        self.server.sessions[session].claiming = Some(claiming);
        self.proof_step(session, step);
    }

    /// A claim was given back, or could not be. Who waited for that claims it anew.
    pub(super) fn released(&mut self, node: usize, attempt: &str) {
        self.nodes.all[node].releases.remove(attempt);
        if let Some(Attempt::Claimed { .. }) = self.nodes.all[node].attempts.get(attempt) {
            self.claim_step(node, attempt, Step::Claim);
        }
    }
}

// Handlers.
impl World<'_> {
    /// The handler of a session receives something: of all sessions of one attempt only one may have a handler that does,
    /// but for those whose process has ended, or counted as dead when another one took its claim.
    pub(crate) fn check_heard(&mut self, session: usize) {
        if std::mem::replace(&mut self.server.sessions[session].heard, true) {
            return;
        }
        let one = &self.server.sessions[session];
        // Its client has it, or its node has slept and does not know yet that it counted as dead.
        let may = one.machine.is_proven() || self.may_count_as_dead(one.process);
        if one.blind || one.outlived && may {
            return;
        }
        let mut others = self.server.sessions.iter().enumerate().filter(|(at, other)| {
            let counts = other.heard && !other.gone && !other.written_off && !other.blind && !other.outlived;
            *at != session && other.generation == one.generation && counts
        });
        if let Some(other) = others.next().map(|(at, _)| at) {
            self.fail(format!("the handlers of sessions {other} and {session} have seen the messages of one attempt"));
        }
    }
}
