//! The checks that must hold whatever happens, and the conditions under which messages may be lost.

use super::{
    coverage::Fault,
    events::{Fate, Way},
    log::{Sent, brief},
    pending::is_answer,
    state::World,
};
use crate::{
    message::Message,
    payload::Payload,
    session::{Attach, CloseReason, Frame, LinkId, LinkKind, State, reason},
};

/// Whether this reason ends a session at once.
fn aborts(reason: &CloseReason) -> bool {
    reason.code / 100 == 43 || *reason == reason::ATTEMPT_USED
}

impl World<'_> {
    /// The server's session that the client is in.
    pub(crate) fn bound(&self) -> Option<usize> {
        let grant = self.client.half.grant()?;
        Some(grant.id.trim_start_matches("id-").parse().expect("our ids are numbered"))
    }

    /// No half has acknowledged what it has not taken.
    pub(crate) fn check_always(&mut self) {
        let in_one_piece = |session: &usize| !self.client.lost && !self.server.sessions[*session].given;
        let Some(session) = self.bound().filter(in_one_piece) else { return };
        let (client, server) = (&self.client.half, &self.server.sessions[session].machine);
        let (client_acked, server_received) = (client.acknowledged(), server.received());
        let (server_acked, client_received) = (server.acknowledged(), client.received());
        if client_acked > server_received {
            self.fail(format!("the client believes {client_acked} acknowledged, the server has {server_received}"));
        }
        if server_acked > client_received {
            self.fail(format!("the server believes {server_acked} acknowledged, the client has {client_received}"));
        }
        if self.random.one_in(32) {
            self.check_counts(session);
        }
    }

    fn check_counts(&mut self, session: usize) {
        let client = &self.client;
        if client.half.state() != State::Closed {
            let expected = client.log.messages(client.half.acknowledged(), client.log.last()).count();
            if client.half.unacknowledged() != expected {
                let counted = client.half.unacknowledged();
                return self.fail(format!("the client counts {counted} unacknowledged messages, there are {expected}"));
            }
        }
        let one = &self.server.sessions[session];
        if one.machine.closed().is_none() {
            let expected = one.log.messages(one.machine.acknowledged(), one.log.last()).count() + one.values.len();
            let counted = one.machine.unacknowledged();
            if counted != expected {
                self.fail(format!("the server counts {counted} unacknowledged messages, there are {expected}"));
            }
        }
    }

    /// Enters the values into the log that have got their numbers: each must be the newest of its key.
    pub(crate) fn note_numbered(&mut self, session: usize) {
        let one = &mut self.server.sessions[session];
        for (number, message) in one.machine.messages_above(one.log.last()) {
            let text = message.as_message().and_then(Message::as_text).unwrap_or_default();
            let key = text.split('=').next().unwrap_or_default();
            if number != one.log.last() + 1 || one.values.remove(key).as_ref() != Some(&message) {
                return self.fail(format!("{number} is {}, which is not the newest of a key", brief(&message)));
            }
            one.log.push(Sent::Message(message));
        }
    }

    /// The client's application takes at most this many arrivals.
    pub(crate) fn client_takes(&mut self, most: u64) {
        for _ in 0..most {
            let Some(arrival) = self.client.half.arrival() else { return };
            let Some(session) = self.bound() else {
                return self.fail(format!("{arrival:?} arrived before the session was opened"));
            };
            if let Err(wrong) = self.server.sessions[session].log.check(&mut self.client.read, &arrival) {
                return self.fail(format!("at the client: {wrong}"));
            }
            self.client_received(&arrival);
        }
    }

    /// The server's application takes at most this many arrivals.
    pub(crate) fn server_takes(&mut self, session: usize, most: u64) {
        if !self.server.sessions[session].runs() || self.is_given_away(session) {
            return;
        }
        for _ in 0..most {
            self.skip_answers(session);
            let Some((arrival, page)) = self.server_arrival(session) else { return };
            self.check_heard(session);
            let mut read = self.server.sessions[session].read;
            let result = self.client_log(session).check(&mut read, &arrival);
            self.server.sessions[session].read = read;
            if let Err(wrong) = result {
                return self.fail(format!("at the server: {wrong}"));
            }
            self.skip_answers(session);
            self.server_received(session, &arrival, page);
        }
    }

    /// Answers that were taken off do not arrive.
    pub(crate) fn skip_answers(&mut self, session: usize) {
        let one = &self.server.sessions[session];
        let mut read = one.read;
        self.client_log(session).skip_answers(&mut read, one.requests.taken);
        self.server.sessions[session].read = read;
    }
}

// Duplicates.
impl World<'_> {
    /// The link that is attached with this ordinal and turn and is not about to end.
    pub(crate) fn holder_of(&self, session: usize, attach: &Attach) -> Option<LinkId> {
        if attach.kind == LinkKind::Upload {
            return None;
        }
        let one = &self.server.sessions[session];
        let pairs = &one.pairs;
        pairs
            .iter()
            .rev()
            .find(|(ordinal, turn, link)| {
                (*ordinal, *turn) == (attach.ordinal, attach.turn) && !one.machine.link_is_over(*link)
            })
            .map(|&(.., link)| link)
    }

    /// A poll waits for something new. Answers with the same pause or resume again and again would keep it
    /// busy.
    pub(crate) fn check_poll(&mut self, session: usize, link: LinkId, frames: &[Frame]) {
        let one = &mut self.server.sessions[session];
        let stage = frames.iter().find_map(|frame| match frame {
            Frame::Pause { epoch, .. } => Some(epoch * 2),
            Frame::Resume { epoch, .. } => Some(epoch * 2 + 1),
            _ => None,
        });
        let idle =
            frames.iter().all(|frame| matches!(frame, Frame::Attached(_) | Frame::Pause { .. } | Frame::Resume { .. }));
        let ordinal = one.pairs.iter().find(|pair| pair.2 == link).map(|pair| pair.0);
        let (Some(stage), Some(ordinal), true) = (stage, ordinal, idle) else { return };
        let again = (one.idle_polls.0, one.idle_polls.1) == (ordinal, stage);
        one.idle_polls = (ordinal, stage, if again { one.idle_polls.2 + 1 } else { 1 });
        if one.idle_polls.2 > 5 {
            self.fail(format!("polls on ordinal {ordinal} do not wait: {frames:?}"));
        }
    }

    pub(crate) fn check_duplicate(&mut self, session: usize, attach: &Attach, first: Option<LinkId>, admitted: bool) {
        let Some(first) = first else { return };
        if admitted {
            self.fail(format!("a duplicate was admitted: {attach:?}"));
        } else if self.server.sessions[session].machine.link_is_over(first) {
            self.fail(format!("a duplicate harmed the first: {attach:?}"));
        }
    }
}

// The end of a session.
impl World<'_> {
    pub(crate) fn check_server_closed(&mut self, session: usize) {
        let one = &self.server.sessions[session];
        let Some(reason) = one.machine.closed().cloned() else { return };
        let asks = one.on_proof && one.claiming.is_some() && !one.ends.contains(&reason);
        if one.closed_seen || asks || one.given || self.is_given_away(session) {
            return; // Or it is not decided yet whether its handler starts.
        }
        let unproven = one.on_proof && !one.runs();
        self.server.sessions[session].closed_seen = true;
        if unproven {
            self.note(Fault::LoserUnproven);
        }
        self.end_requests(session);
        self.server_takes(session, u64::MAX);
        let one = &self.server.sessions[session];
        let ours = one.ends.contains(&reason);
        let theirs = self.ends_of(one.generation).contains(&reason);
        let unacknowledged = one.log.messages(one.machine.acknowledged(), one.log.last()).count();
        let wrong = if reason == reason::EXPIRED {
            let (grace, confirm_timeout) = (self.scenario.grace, self.scenario.confirm_timeout);
            let grace = if one.proven { grace } else { grace.min(confirm_timeout) };
            // A link on which no ping is answered does not count, whether or not its transport has noticed.
            let silent = one.begun == 0 && self.now >= one.last_received + grace;
            let legal = silent || one.quiet_since.is_some_and(|since| self.now >= since + grace);
            (!legal).then(|| {
                format!(
                    "expired, but quiet only since {:?}, grace is {grace}; begun {}, last received at {}",
                    one.quiet_since, one.begun, one.last_received
                )
            })
        } else if aborts(&reason) && (ours || theirs) {
            None
        } else if ours {
            (one.machine.acknowledged() != one.log.last()).then(|| "its close was not acknowledged".to_owned())
        } else if theirs {
            let close = self.client_log(session).close();
            (Some(one.read) != close).then(|| format!("the client closed with {close:?}, {} is next", one.read))
        } else {
            Some("nobody has closed it".to_owned())
        };
        if one.machine.unacknowledged() < unacknowledged {
            let counted = one.machine.unacknowledged();
            self.fail(format!("a closed server half counts {counted} unacknowledged, there are {unacknowledged}"));
        }
        self.trace(|| format!("server   session {session} is closed: {reason}"));
        if reason == reason::EXPIRED {
            self.note(Fault::Expired);
        }
        if let Some(wrong) = wrong {
            self.fail(format!("server session {session} ended with {reason}: {wrong}"));
        }
    }

    pub(crate) fn check_client_closed(&mut self) {
        let Some(reason) = self.client.half.closed() else { return };
        if std::mem::replace(&mut self.client.closed_seen, true) {
            return;
        }
        self.client_takes(u64::MAX);
        let client = &self.client;
        let ours = self.ends_of(client.generation).contains(&reason);
        let mut sessions = self.server.sessions.iter();
        let one = sessions.find(|one| one.generation == client.generation && one.ends.contains(&reason));
        let wrong = if aborts(&reason) && (ours || one.is_some()) {
            None
        } else if ours {
            (client.half.acknowledged() != client.log.last()).then(|| "its close was not acknowledged".to_owned())
        } else if let Some(one) = one {
            let close = one.log.close();
            (Some(client.read) != close).then(|| format!("the server closed with {close:?}, {} is next", client.read))
        } else {
            Some("nobody has closed it".to_owned())
        };
        let unacknowledged = client.log.messages(client.half.acknowledged(), client.log.last()).count();
        if client.half.unacknowledged() < unacknowledged && !client.is_taking_over() {
            let counted = client.half.unacknowledged();
            self.fail(format!("a closed client half counts {counted} unacknowledged, there are {unacknowledged}"));
        }
        self.trace(|| format!("client   is closed: {reason}"));
        // The client sends it on every link, and one of them may have opened another session meanwhile.
        self.client_ends.entry(self.client.generation).or_default().push(reason.clone());
        if let Some(wrong) = wrong {
            self.fail(format!("the client's session ended with {reason}: {wrong}"));
        }
        let pause = self.random.below(1500);
        self.after(pause, super::state::WorldEvent::NextSession(self.client.generation));
    }

    /// The reasons with which the client of a generation has closed or aborted.
    fn ends_of(&self, generation: u32) -> &[CloseReason] {
        self.client_ends.get(&generation).map_or(&[], Vec::as_slice)
    }

    /// The client has learned that its session is lost.
    pub(crate) fn session_lost(&mut self, reason: &CloseReason) {
        let bound = self.bound();
        let generation = self.client.generation;
        // A client that does not know its session yet may learn this of any session that it has opened.
        let mut mine = self.server.sessions.iter().enumerate().filter(|(at, session)| match bound {
            Some(bound) => *at == bound,
            None => session.generation == generation,
        });
        let legal = mine.any(|(_, session)| match reason.code {
            4100 => session.gone || session.written_off || (session.machine.is_over() && !session.given),
            4103 => session.machine.is_over(),
            4102 => session.on_proof && session.machine.closed().is_some(),
            _ => false,
        });
        if !legal {
            return self.fail(format!("the client's session was lost without need: {reason}"));
        }
        self.trace(|| format!("client   has lost its session: {reason}"));
        self.client_takes(u64::MAX);
        let (sent, acked) = (self.client.half.last_sent(), self.client.half.acknowledged());
        let (unknown, unsent) = self.client.half.salvage();
        let log = &self.client.log;
        let expected: Vec<&Payload> = log.messages(acked, sent).collect();
        let never: Vec<&Payload> = log.messages(sent.max(acked), log.last()).collect();
        // The shipped client opens no other session after a close, so nothing could send what is left.
        let over = self.script && log.close().is_some();
        let matters = !over && !self.client.is_taking_over();
        if matters && (unknown.iter().ne(expected) || unsent.iter().ne(never)) {
            return self.fail(format!(
                "salvaged {} unknown and {} unsent messages wrongly",
                unknown.len(),
                unsent.len()
            ));
        }
        if !unknown.is_empty() {
            self.cover.fault(Fault::LostUnknown);
        }
        if !unsent.is_empty() {
            self.cover.fault(Fault::LostUnsent);
        }
        unknown.iter().for_each(|message| self.cover.fates.count(Way::Up, message, Fate::Lost));
        unsent.iter().for_each(|message| self.cover.fates.count(Way::Up, message, Fate::Unsent));
        if let Some(session) = bound {
            let one = &self.server.sessions[session];
            for message in one.log.messages(self.client.half.received(), one.log.last()) {
                self.cover.fates.count(Way::Down, message, Fate::Lost);
            }
        }
        // Another session has other requests, so an answer of this one is no answer there.
        for message in unsent.into_iter().filter(|message| !is_answer(message)).rev() {
            self.client.resend.push_front(message);
        }
        (self.client.closed_seen, self.client.lost) = (true, true);
        self.next_session(self.client.generation);
    }
}

// The end of a run.
impl World<'_> {
    pub(crate) fn all_has_arrived(&mut self) -> bool {
        let all_sent = self.client.sent >= self.goal && self.server.sent >= self.goal && self.client.resend.is_empty();
        let (Some(session), true) = (self.current(), all_sent) else { return false };
        let one = &self.server.sessions[session];
        let client = &self.client;
        let lives = self.bound() == Some(session)
            && matches!(client.half.state(), State::Open | State::Interrupted)
            && one.machine.closed().is_none()
            && one.log.close().is_none();
        if !lives || client.read != one.log.last() + 1 || one.read != client.log.last() + 1 {
            return false;
        }
        // Each request is answered.
        if !client.requests.is_idle() || !one.requests.is_idle() {
            return false;
        }
        let acknowledged =
            client.half.acknowledged() == client.log.last() && one.machine.acknowledged() == one.log.last();
        let waits = !one.values.is_empty();
        if (!acknowledged || waits) && !std::mem::replace(&mut self.flushed, true) {
            self.client.half.flush(&mut self.cover);
            self.server.sessions[session].machine.flush();
            self.pump_server(session);
            self.pump_client();
            return false;
        }
        // Without a link nobody has seen yet that a value got its number.
        if acknowledged && waits && self.server.sessions[session].machine.unacknowledged() == 0 {
            self.fail("a value that waited never got a number");
        }
        acknowledged && !waits
    }

    pub(crate) fn begin_finale(&mut self) {
        let session = self.current().expect("all has arrived in a session");
        let who = self.random.below(3);
        if who != 1 {
            self.client_closes();
        }
        if who != 0 {
            self.server_closes(session);
        }
    }

    pub(crate) fn what_is_stuck(&self) -> String {
        let client = &self.client;
        let mut text = format!(
            "client {:?}, sent {}, next to read {}, last {}, acknowledged {}, carrier {:?}, chans {:?}",
            client.half.state(),
            client.sent,
            client.read,
            client.log.last(),
            client.half.acknowledged(),
            client.half.carrier(),
            client.chans.iter().map(|chan| (chan.conn, chan.wire, chan.ordinal, chan.turn)).collect::<Vec<_>>(),
        );
        for (at, one) in self.server.sessions.iter().enumerate().filter(|(_, one)| !one.gone && !one.machine.is_over())
        {
            text += &format!(
                "; server session {at} {:?}, sent {}, next to read {}, last {}, acknowledged {}, carrier {:?}, conns {:?}",
                one.machine.state(),
                self.server.sent,
                one.read,
                one.log.last(),
                one.machine.acknowledged(),
                one.machine.carrier(),
                one.conns,
            );
        }
        text
    }
}
