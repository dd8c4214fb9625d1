//! Drives server halves: plays the server and its transports.

use std::collections::HashMap;

use uuid::Uuid;

use super::{
    coverage::{Fault, What},
    events::{Way, event_of},
    log::Log,
    nodes::state::{Attempt, Kept, Misrule},
    packet::{Codec, Packet},
    pending::ServerRequests,
    state::{Parked, ServerSession, Waiting, World, WorldEvent},
};
use crate::{
    codec::native::{Head, Spelling},
    session::{
        Attach, CloseReason, Frame, Grant, LinkId, LinkKind, Machine, Names, Role, SessionParams, reason,
        tests::saboteur::Saboteur,
    },
    shared::Credentials,
};

/// The secret that takes the place of this one.
pub(super) fn secret_after(session: usize, before: Uuid) -> Uuid {
    secret_of(session, before.as_u128() as u64 + 1)
}

/// The secret of a session after so many rotations.
fn secret_of(session: usize, rotations: u64) -> Uuid {
    Uuid::from_u64_pair(session as u64 + 1, rotations)
}

// Requests.
impl World<'_> {
    pub(crate) fn up_arrives(&mut self, conn: usize, hop: usize, packet: Packet) {
        if (hop == 0 && self.is_lost(conn, true)) || (hop > 0 && self.conns[conn].severed) || self.conns[conn].answered
        {
            return;
        }
        if hop == 0 {
            if packet.order < self.arrived {
                self.note(Fault::OvertakingLinks);
            }
            self.arrived = self.arrived.max(packet.order);
        }
        if hop + 1 < self.conns[conn].way.len() {
            return self.pass(conn, WorldEvent::Up(conn, hop + 1, packet));
        }
        if self.conns[conn].waiting.is_some() || self.conns[conn].parked.is_some() {
            return self.conns[conn].backlog.push(packet);
        }
        self.trace(|| format!("server < #{conn} {packet:?}"));
        let half = packet.half.clone();
        let as_it_came = packet.clone();
        let (head, frames) = self.conns[conn].codec.decode(packet).expect("the wire corrupts nothing");
        if let Some((session, link)) = self.conns[conn].session {
            self.feed(session, link, frames);
            if let Some(half) = half {
                self.server.sessions[session].machine.cut_in_event(self.now, link, &half);
            }
            self.pump_server(session);
        } else if let Some(head) = head {
            if hop == 0 && self.conns[conn].link.is_none() {
                self.note(if matches!(head, Head::Upload { .. }) { Fault::UploadLate } else { Fault::LateRequest });
            }
            self.request(conn, head, frames, as_it_came);
        }
    }

    /// Answers a request that was parked, on the node that has its session.
    pub(crate) fn serve_parked(&mut self, conn: usize) {
        let Some(Parked { head, frames, .. }) = self.conns[conn].parked.take() else { return };
        self.serve(conn, head, frames);
        if self.conns[conn].waiting.is_none() {
            for packet in std::mem::take(&mut self.conns[conn].backlog) {
                self.up_arrives(conn, self.conns[conn].way.len() - 1, packet);
            }
        }
    }

    pub(crate) fn refuse_parked(&mut self, conn: usize, reason: CloseReason) {
        if self.conns[conn].parked.take().is_some() {
            self.refuse(conn, reason);
        }
    }

    fn serve(&mut self, conn: usize, head: Head, frames: Vec<Frame>) {
        let known = |world: &Self, id: &str| {
            let mut sessions = world.server.sessions.iter();
            sessions.position(|session| &*session.grant.id == id && !session.gone)
        };
        let session = match &head {
            Head::Open { attempt, .. } => {
                let node = self.here(conn);
                match self.nodes.all[node].attempts.get(&**attempt) {
                    Some(&Attempt::Session(session)) if self.server.sessions[session].spent => {
                        self.note(Fault::Spent);
                        return self.refuse(conn, reason::ATTEMPT_USED);
                    }
                    Some(&Attempt::Session(session)) => session,
                    _ => unreachable!("an opening is served when it has its session"),
                }
            }
            Head::Join { .. } => unreachable!("the simulated client opens by itself"),
            Head::TakeOver { token, .. } => {
                let Some(session) = known(self, &token.id) else { return self.refuse(conn, reason::UNKNOWN) };
                session
            }
            Head::Resume { token, .. } | Head::Upload { token, .. } => {
                let Some(session) = known(self, &token.id) else { return self.refuse(conn, reason::UNKNOWN) };
                if let Err(reason) = self.verify(conn, session, &token.secret) {
                    return self.refuse(conn, reason);
                }
                self.server.sessions[session].spent = true;
                session
            }
        };
        if self.faults_go_on() && self.random.one_in(16) && !matches!(head, Head::Upload { .. }) {
            self.note(Fault::SlowAttach);
            self.note_pair(session, What::ExpectAttach);
            let one = &mut self.server.sessions[session];
            let counts = one.machine.expect_attach(self.now);
            one.begun += u32::from(counts);
            one.note_quiet(self.now);
            self.conns[conn].waiting = Some(Waiting { session, counts, head, frames });
            let delay =
                if self.random.one_in(4) { self.random.below(self.scenario.grace * 2) } else { self.random.below(300) };
            return self.after(delay, WorldEvent::SlowAttach(conn));
        }
        self.attach_server(conn, session, &head, frames);
    }

    pub(super) fn open_session(&mut self, attempt: &str, node: usize, on_proof: bool) -> usize {
        let index = self.server.sessions.len();
        let scenario = &self.scenario;
        let grant = Grant {
            id: format!("id-{index}").into(),
            secret: secret_of(index, 0).simple().to_string().into(),
            params: SessionParams {
                interval: scenario.interval,
                timeout: scenario.timeout,
                grace: scenario.grace,
                limit: 100_000,
                batch: 100_000,
                hold: scenario.hold,
                spread: 100,
            },
        };
        let machine = Saboteur::new(Machine::new(scenario.config(Role::Server), self.now), self.sabotage);
        let generation = attempt.trim_start_matches("attempt-").parse().expect("our attempts are numbered");
        self.server.sessions.push(ServerSession {
            machine,
            grant,
            credentials: Credentials::new(secret_of(index, 0)),
            spent: false,
            proven: false,
            gone: false,
            node,
            process: self.nodes.all[node].process,
            born: node,
            on_proof: on_proof && self.misrule != Some(Misrule::StartsALosersHandler),
            claiming: None,
            blind: false,
            given: false,
            heir: None,
            deed: None,
            claim_kept: Kept::default(),
            heard: false,
            outlived: false,
            written_off: false,
            generation,
            log: Log::new(scenario.base),
            values: HashMap::new(),
            requests: ServerRequests::new(scenario.base),
            read: scenario.base + 1,
            conns: Vec::new(),
            begun: 0,
            downlinks: 0,
            quiet_since: Some(self.now),
            quiet_from: self.now,
            last_received: self.now,
            armed: None,
            ends: Vec::new(),
            closed_seen: false,
            idle_polls: (0, 0, 0),
            held_back: None,
            pairs: Vec::new(),
        });
        self.cover.sessions += 1;
        index
    }

    pub(super) fn attach_server(&mut self, conn: usize, session: usize, head: &Head, frames: Vec<Frame>) {
        let wire = self.conns[conn].wire;
        let attach = match *head {
            Head::Open { ordinal, names, .. } => {
                let (received, names) = (self.scenario.base, Some(names));
                Attach { ordinal, turn: 0, kind: wire, opening: true, seen: false, received, names }
            }
            Head::Resume { ordinal, turn, seen, ref token, names, .. } => {
                let (received, names) = (token.received, Some(names));
                Attach { ordinal, turn, kind: wire, opening: false, seen, received, names }
            }
            Head::Upload { ref token, .. } => {
                let received = token.received;
                Attach { ordinal: 0, turn: 0, kind: wire, opening: false, seen: false, received, names: None }
            }
            Head::TakeOver { ordinal, ref token, names, .. } => {
                let (received, names) = (token.received, Some(names));
                Attach { ordinal, turn: 0, kind: wire, opening: false, seen: false, received, names }
            }
            Head::Join { .. } => unreachable!("it was refused before"),
        };
        let first = self.holder_of(session, &attach);
        let state = self.server.sessions[session].machine.state();
        let result = match head {
            Head::TakeOver { instance, token, .. } => self.take_over(conn, session, attach, instance, token),
            _ => self.server.sessions[session].machine.attach(self.now, attach),
        };
        self.trace(|| format!("server   session {session} attaches {attach:?} on #{conn}: {result:?}"));
        self.check_duplicate(session, &attach, first, result.is_ok());
        match result {
            Err(reason) => {
                self.cover.pair(Role::Server, state, What::AttachRefused);
                match reason.code {
                    4001 => self.note(Fault::DuplicateRefused),
                    4002 => self.note(Fault::LateRefused),
                    4103 => self.check_server_closed(session), // It may have ended just now.
                    _ => {}
                }
                self.refuse(conn, reason);
            }
            Ok(link) => {
                self.cover.pair(Role::Server, state, What::Attach);
                if matches!(head, Head::Resume { names, .. } if names.contains(Names::ROTATE)) {
                    self.renew_secret(conn, session, link);
                }
                let one = &mut self.server.sessions[session];
                one.proven |= !attach.opening;
                if wire == LinkKind::Upload && one.quiet_since.is_some() {
                    one.quiet_since = Some(self.now);
                }
                one.conns.push(conn);
                if wire != LinkKind::Upload {
                    one.downlinks += 1;
                    one.note_quiet(self.now);
                    let before = one.pairs.iter().find(|pair| (pair.0, pair.1 + 1) == (attach.ordinal, attach.turn));
                    let goes_on = before.is_some_and(|pair| one.held_back == Some(pair.2));
                    one.pairs.push((attach.ordinal, attach.turn, link));
                    if goes_on {
                        self.cover.fault(Fault::HeldBackGoesOn);
                    }
                }
                self.conns[conn].session = Some((session, link));
                self.feed(session, link, frames);
                self.pump_server(session);
            }
        }
    }

    pub(super) fn verify(&mut self, conn: usize, session: usize, secret: &str) -> Result<(), CloseReason> {
        let one = &mut self.server.sessions[session];
        let former = one.credentials.secret.simple().to_string() != secret;
        let verified = one.credentials.verify(secret, self.conns[conn].in_url);
        match &verified {
            Ok(()) if former => self.note(Fault::FormerSecret),
            Ok(()) => {}
            Err(reason) => {
                // Requests of a page that is gone come late.
                let former = *reason == reason::WRONG_SECRET && self.conns[conn].link.is_none();
                assert!(former || *reason == reason::LATE, "the client has another session's secret");
                self.note(if former { Fault::FormerPageRefused } else { Fault::SpentSecret });
            }
        }
        verified
    }

    fn renew_secret(&mut self, conn: usize, session: usize, link: LinkId) {
        if self.conns[conn].in_url {
            return;
        }
        let one = &mut self.server.sessions[session];
        let before = one.credentials.secret;
        let next = || secret_after(session, before);
        one.credentials.renew((self.conns[conn].wire == LinkKind::Duplex).then_some(link), next);
        if one.credentials.secret != before {
            self.note(Fault::SecretRotated);
        }
    }

    pub(super) fn refuse(&mut self, conn: usize, reason: CloseReason) {
        self.trace(|| format!("server   refuses #{conn}: {reason}"));
        self.conns[conn].answered = true;
        // A refusal is always encoded as text. Its words are ASCII, which is the same in all encodings.
        let spelling = self.conns[conn].spelling.map(|spelling| match spelling {
            Spelling::Bytes => Spelling::Text,
            other => other,
        });
        let packet = Codec::new(spelling).encode(None, vec![Frame::LinkClose(reason)]);
        self.ship_down(conn, packet);
        self.end_down(conn);
    }

    fn feed(&mut self, session: usize, link: LinkId, frames: Vec<Frame>) {
        let now = self.now;
        self.server.sessions[session].last_received = now;
        for frame in frames {
            self.note_pair(session, What::of(&frame));
            let confirms = matches!(frame, Frame::Confirm);
            let one = &mut self.server.sessions[session];
            let (before, event) = (one.machine.received(), event_of(&frame));
            let live = one.machine.reads(link);
            let result = one.machine.handle_frame(now, link, frame);
            // A confirmation on a link that counts no longer proves nothing.
            one.proven |= confirms && one.machine.is_proven();
            if let Some((number, event)) = event {
                if live {
                    let after = self.server.sessions[session].machine.received();
                    self.cover.fates.arrived(Way::Up, number, &event, before, after);
                }
                self.take_answer(session);
            }
            if result.is_err() {
                self.note_pair(session, What::Violation);
                break;
            }
        }
        let one = &mut self.server.sessions[session];
        if one.credentials.awaits_confirmation(link) && one.machine.is_confirmed(link) {
            one.credentials.spend();
        }
    }

    pub(crate) fn up_ends(&mut self, conn: usize) {
        if let Some(Parked { head, .. }) = self.conns[conn].parked.take() {
            self.conns[conn].answered = true;
            if let Head::Open { attempt, .. } = head {
                self.opening_gone(conn, &attempt);
            }
        }
        if let Some(Waiting { session, counts, .. }) = self.conns[conn].waiting.take() {
            self.note(Fault::AttachCancelled);
            self.conns[conn].answered = true;
            self.cancel_unidentified(session, counts);
        }
        self.server_drops(conn);
    }

    /// The server is done with a connection.
    pub(crate) fn server_drops(&mut self, conn: usize) {
        self.conns[conn].answered = true;
        let Some((session, link)) = self.conns[conn].session.take() else { return };
        self.trace(|| format!("server   drops #{conn}"));
        self.note_pair(session, What::Detach);
        let upload = self.conns[conn].wire == LinkKind::Upload;
        let one = &mut self.server.sessions[session];
        one.machine.detach(self.now, link);
        one.conns.retain(|&other| other != conn);
        if !upload {
            one.quiet_from = self.now;
            one.downlinks -= 1;
            one.note_quiet(self.now);
        }
        self.pump_server(session);
    }

    pub(crate) fn note_pair(&mut self, session: usize, what: What) {
        let one = &self.server.sessions[session];
        if !one.gone {
            self.cover.pair(Role::Server, one.machine.state(), what);
        }
    }
}
