//! Drives server halves: plays the server and its transports.

use std::collections::HashMap;

use uuid::Uuid;

use super::{
    coverage::{Fault, What},
    events::{Way, event_of},
    log::Log,
    packet::{Codec, Packet},
    pending::ServerRequests,
    state::{Cut, ServerSession, Waiting, World, WorldEvent},
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
    pub(crate) fn up_arrives(&mut self, conn: usize, packet: Packet) {
        if self.is_lost(conn, true) || self.conns[conn].answered {
            return;
        }
        if packet.order < self.arrived {
            self.note(Fault::OvertakingLinks);
        }
        self.arrived = self.arrived.max(packet.order);
        if self.conns[conn].waiting.is_some() {
            return self.conns[conn].backlog.push(packet);
        }
        self.trace(|| format!("server < #{conn} {packet:?}"));
        let half = packet.half.clone();
        let (head, frames) = self.conns[conn].codec.decode(packet).expect("the wire corrupts nothing");
        if let Some((session, link)) = self.conns[conn].session {
            self.feed(session, link, frames);
            if let Some(half) = half {
                self.server.sessions[session].machine.cut_in_event(self.now, link, &half);
            }
            self.pump_server(session);
        } else if let Some(head) = head {
            self.request(conn, head, frames);
        }
    }

    fn request(&mut self, conn: usize, head: Head, frames: Vec<Frame>) {
        if self.conns[conn].link.is_none() {
            self.note(if matches!(head, Head::Upload { .. }) { Fault::UploadLate } else { Fault::LateRequest });
        }
        let session = match &head {
            Head::Open { attempt, .. } => match self.server.attempts.get(&**attempt) {
                Some(&session) if self.server.sessions[session].spent => {
                    self.note(Fault::Spent);
                    return self.refuse(conn, reason::ATTEMPT_USED);
                }
                Some(&session) => session,
                None => self.open_session(attempt.to_string()),
            },
            Head::Join { .. } => unreachable!("the simulated client opens by itself"),
            Head::TakeOver { token, .. } => {
                let known = |session: &ServerSession| session.grant.id == token.id && !session.gone;
                let Some(session) = self.server.sessions.iter().position(known) else {
                    return self.refuse(conn, reason::UNKNOWN);
                };
                session
            }
            Head::Resume { token, .. } | Head::Upload { token, .. } => {
                let known = |session: &ServerSession| session.grant.id == token.id && !session.gone;
                let Some(session) = self.server.sessions.iter().position(known) else {
                    return self.refuse(conn, reason::UNKNOWN);
                };
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

    fn open_session(&mut self, attempt: String) -> usize {
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
        self.server.attempts.insert(attempt, index);
        self.cover.sessions += 1;
        index
    }

    /// A slow attach is complete.
    pub(crate) fn slow_attach(&mut self, conn: usize) {
        let Some(Waiting { session, counts, head, frames }) = self.conns[conn].waiting.take() else { return };
        let gone = self.server.sessions[session].gone;
        match self.admit_slow(conn, session, &head) {
            _ if gone => self.cancel_attach(session, counts),
            Ok(()) => {
                self.attach_server(conn, session, &head, frames);
                self.server.sessions[session].last_received = self.now;
                self.cancel_attach(session, counts);
            }
            Err(reason) => {
                self.refuse(conn, reason);
                self.cancel_unidentified(session, counts);
            }
        }
        for packet in std::mem::take(&mut self.conns[conn].backlog) {
            self.up_arrives(conn, packet);
        }
    }

    /// The credentials are checked when a link attaches: another page may have taken over meanwhile.
    fn admit_slow(&mut self, conn: usize, session: usize, head: &Head) -> Result<(), CloseReason> {
        let in_url = self.conns[conn].in_url;
        let one = &mut self.server.sessions[session];
        match head {
            Head::Open { .. } if one.spent => Err(reason::ATTEMPT_USED),
            Head::TakeOver { instance, token, .. } if !one.credentials.is_repeat(&token.secret, instance) => {
                one.credentials.verify(&token.secret, in_url).map_err(|_| reason::WRONG_SECRET)
            }
            Head::Resume { token, .. } | Head::Upload { token, .. } => self.verify(conn, session, &token.secret),
            _ => Ok(()),
        }
    }

    fn cancel_attach(&mut self, session: usize, counts: bool) {
        if !counts {
            return;
        }
        self.note_pair(session, What::CancelAttach);
        let now = self.now;
        let one = &mut self.server.sessions[session];
        one.machine.cancel_attach(self.now);
        one.begun -= 1;
        if now >= one.quiet_from + self.scenario.grace && one.machine.closed().is_none() {
            self.cover.fault(Fault::PendingAttachHoldsGrace);
        }
        self.server.sessions[session].note_quiet(now);
        self.pump_server(session);
    }

    fn attach_server(&mut self, conn: usize, session: usize, head: &Head, frames: Vec<Frame>) {
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

    fn verify(&mut self, conn: usize, session: usize, secret: &str) -> Result<(), CloseReason> {
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

    fn refuse(&mut self, conn: usize, reason: CloseReason) {
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
        if let Some(Waiting { session, counts, .. }) = self.conns[conn].waiting.take() {
            self.note(Fault::AttachCancelled);
            self.conns[conn].answered = true;
            self.cancel_unidentified(session, counts);
        }
        self.server_drops(conn);
    }

    /// The client that has begun to attach was not identified, so this was no sign of life.
    fn cancel_unidentified(&mut self, session: usize, counts: bool) {
        let before = self.server.sessions[session].quiet_from;
        self.cancel_attach(session, counts);
        let since = &mut self.server.sessions[session].quiet_since;
        *since = since.map(|since| since.min(before));
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

    /// The server process ends and starts again without its sessions.
    pub(crate) fn restart(&mut self) {
        for session in &mut self.server.sessions {
            session.gone = true;
            session.conns.clear();
        }
        self.server.attempts.clear();
        for conn in 0..self.conns.len() {
            let one = &mut self.conns[conn];
            let known = one.session.take().is_some() | one.waiting.take().is_some();
            if known {
                one.answered = true;
                let silent = self.random.one_in(4);
                let lost = self.random.one_in(2);
                self.cut(conn, Cut { up: true, down: true, lost, silent });
            }
        }
    }
}
