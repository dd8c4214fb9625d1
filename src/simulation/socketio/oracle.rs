//! The promises: what was heard was sent, and an end has a reason.

use super::{
    book::Place,
    coverage::Fact,
    engine::Life,
    events::Answer,
    namespaces::State,
    scenario::LIMIT,
    state::{Serving, World},
};
use crate::{codec::engineio::Revision, session::reason};

/// A session holds no more than this besides its inbox and outbox: a body or a read above the bounds, a packet of which
/// attachments are owed, and what waits for its connections.
const BESIDES: usize = 3 * LIMIT + 150_000;

impl World {
    pub(super) fn check_always(&mut self) {
        let sessions: Vec<usize> = self.server.sids.values().copied().collect();
        for &session in &sessions {
            self.check_ended(session);
            if self.server.sessions[session].shared.look(|machine| machine.is_paused()) {
                self.note(Fact::InboxFull);
            }
            if self.server.sessions[session].notes.lock().expect("no panic").split {
                self.note_split(session);
            }
        }
        let most = sessions.len() * (self.scenario.inbox + self.scenario.outbox + BESIDES);
        let held = self.server.pool.bytes();
        if held > most {
            self.fail(format!("{held} bytes are held by {} sessions", sessions.len()));
        }
    }

    fn note_split(&mut self, session: usize) {
        self.server.sessions[session].notes.lock().expect("no panic").split = false;
        self.note(Fact::HeadByPostRestBySocket);
    }

    /// The end of a session has a reason.
    pub(super) fn check_ended(&mut self, session: usize) {
        let one = &self.server.sessions[session];
        if one.ended.is_some() {
            return;
        }
        let Some(reason) = one.shared.look(|machine| machine.closed().cloned()) else { return };
        let notes = one.notes.lock().expect("no panic");
        let (life, closed) = (notes.life, notes.closed);
        drop(notes);
        let book = &self.books[one.epoch];
        let (interval, timeout) = (self.scenario.interval, self.scenario.timeout);
        // A server that wakes pings at once, and passes over what had answered the ping before, or takes it for the
        // answer to this one.
        let wakes = &self.server.wakes;
        let anew = |&woke: &u64| life <= woke + timeout && self.now >= woke + timeout;
        let counts = |&woke: &u64| life <= woke + interval && self.now >= woke + interval + timeout;
        let slept = wakes.iter().any(|woke| anew(woke) || counts(woke));
        let silent = self.now >= life + interval + timeout || slept;
        let socket_closed = book.left && matches!(reason.code, 1000 | 1005);
        let legal = match &reason {
            _ if book.misdeed => true,
            reason if one.ends.contains(reason) => true,
            reason if *reason == reason::CLOSED => closed || socket_closed,
            reason if *reason == reason::CUT => one.cut,
            reason if *reason == reason::HEARTBEAT_TIMEOUT => silent,
            reason if *reason == reason::BODY_BROKEN => one.broken,
            // The application has closed, and nobody has fetched that.
            reason if *reason == reason::CLOSE_UNANSWERED => !one.ends.is_empty(),
            // The client has closed by a POST while another one was under way.
            reason if *reason == reason::OVERLAP => book.left,
            _ => socket_closed,
        };
        let faultless = self.scenario.faultless && !book.misdeed && !book.left && one.ends.is_empty();
        let text = format!(
            "session {session} ended with {reason}; life at {life}, cut {}, broken {}, client left {}",
            one.cut, one.broken, book.left
        );
        self.trace(|| text.clone());
        match reason.clone() {
            reason if reason == reason::CUT => self.note(Fact::EndedByCut),
            reason if reason == reason::BODY_BROKEN => self.note(Fact::EndedByBrokenBody),
            reason if reason == reason::HEARTBEAT_TIMEOUT => self.note(Fact::PingTimedOutAtServer),
            _ => {}
        }
        self.server.sessions[session].ended = Some(reason);
        if !legal || faultless {
            self.fail(text);
        }
    }

    /// The server's application has heard all that will come in a channel.
    pub(super) fn check_drained(&mut self, session: usize, place: &Place) {
        let one = &self.server.sessions[session];
        let book = &self.books[one.epoch];
        let missing = book.missing_up(place);
        if missing == 0 || book.ended.contains(place) || book.misdeed {
            return;
        }
        let ended = one.shared.look(|machine| machine.closed().cloned());
        // Behind the client's own end of the channel, or of the session, nothing may be missing.
        let in_order = match &ended {
            None => true,
            Some(reason) => book.closed && *reason == reason::CLOSED && one.ends.is_empty(),
        };
        if in_order {
            self.fail(format!("{place:?} of session {session} is over, and {missing} events are lost: {ended:?}"));
        }
    }

    /// The client hears that the server has closed: everything before was heard.
    pub(super) fn check_close(&mut self) {
        let epoch = self.client.epoch;
        let book = &self.books[epoch];
        let Some(session) = book.session else { return self.fail("a close of no session") };
        let one = &self.server.sessions[session];
        let Some(reason) = one.ended.clone() else {
            // The machine has ended in this very instant.
            return;
        };
        let (meant, misdeed) = (one.ends.contains(&reason), book.misdeed);
        if !meant && !misdeed && self.scenario.faultless {
            return self.fail(format!("the server has closed on a faultless wire: {reason}"));
        }
        let open: Vec<Place> =
            self.client.spaces.all.iter().filter(|it| it.state == State::Open).map(|it| it.place()).collect();
        for place in open {
            let missing = self.books[epoch].missing_down(&place);
            if meant && missing > 0 {
                self.fail(format!("the server has closed, and {missing} events of {place:?} are lost"));
            } else if meant && !misdeed && self.books[epoch].ended.contains(&place) {
                self.fail(format!("the server has closed, and has not ended {place:?} before"));
            }
        }
    }

    /// The answer to a poll behind the client's close.
    pub(super) fn check_farewell(&mut self, answer: &Answer) {
        if answer.status != 200 {
            if self.scenario.faultless && self.server.sessions.len() == 1 && !self.scenario.misdeeds {
                self.fail(format!("a poll that waited for the client's close was answered {}", answer.status));
            }
            return;
        }
        let empty: &[u8] = if self.scenario.revision == Revision::V3 { b"1:6" } else { b"6" };
        if answer.body == empty {
            self.note(Fact::FarewellToWaitingPoll);
        }
    }

    /// The client has paused for so long before it moved.
    pub(super) fn check_move(&mut self, since: u64) {
        let scenario = &self.scenario;
        let trip = 2 * (scenario.latency + scenario.jitter) + 3 * scenario.lag;
        // A poll that was under way when the probe came, and one that followed it; a POST with a slow body.
        let most = 3 * trip + 400;
        if scenario.faultless && self.now > since + most {
            self.fail(format!("the client paused for {} ms before it moved", self.now - since));
        }
    }
}

// The end of a run.
impl World {
    pub(super) fn all_was_heard(&self) -> bool {
        let client = &self.client;
        let Some(book) = self.books.last().filter(|_| client.life == Life::Open) else { return false };
        let Some(session) = book.session else { return false };
        let one = &self.server.sessions[session];
        if one.epoch != client.epoch || one.shared.close_reason().is_some() || one.handlers.gone {
            return false;
        }
        let quiet = client.buffer.is_empty() && client.post.is_none() && !client.upgrading;
        let answered = client.spaces.all.iter().filter(|space| space.state == State::Open);
        let mut answered = answered.map(|space| space.asked.is_empty() && space.owed.is_empty());
        let channels = &one.handlers.channels;
        let asked = client.spaces.all.iter().any(|space| space.state == State::Asked);
        quiet
            && !asked
            && client.spaces.are_whole()
            && answered.all(|answered| answered)
            && channels.iter().all(|channel| channel.questions.is_empty() && channel.owed.is_empty())
            && client.spaces.all.iter().filter(|space| space.state == State::Open).all(|space| {
                let place = space.place();
                book.missing_up(&place) == 0 && book.missing_down(&place) == 0
            })
    }

    pub(super) fn begin_finale(&mut self) {
        self.trace(|| "finale".into());
        self.client.done = true;
        let session = self.books.last().and_then(|book| book.session);
        match session {
            Some(session) if self.random.one_in(2) => self.close_session(session, reason::CLOSED),
            _ => self.close(),
        }
    }

    pub(super) fn handlers_are_gone(&self) -> bool {
        self.server.sessions.iter().all(|one| one.handlers.gone)
    }

    /// Everything that sessions held is free.
    pub(super) fn check_end_of_run(&mut self) {
        for conn in 0..self.conns.len() {
            if !matches!(self.conns[conn].serving, Serving::Nothing) {
                self.conns[conn].serving = Serving::Nothing;
            }
        }
        let (held, live) = (self.server.pool.bytes(), self.server.runtime.live());
        if (held, live) != (0, 0) {
            self.fail(format!("{held} bytes are held for nobody, and {live} sessions count as live"));
        }
        for session in 0..self.server.sessions.len() {
            if self.server.sessions[session].ended.is_none() {
                self.fail(format!("session {session} was forgotten before it ended"));
            }
        }
    }

    pub(super) fn state_of_things(&self) -> String {
        let client = &self.client;
        let mut text = format!(
            "client {:?} of epoch {}, moving {:?}, get {:?}, post {:?}, socket {:?}, {} wait; spaces {:?}",
            client.life,
            client.epoch,
            client.moving,
            client.get,
            client.post,
            client.socket,
            client.buffer.len(),
            client.spaces.all,
        );
        for (session, one) in self.server.sessions.iter().enumerate().filter(|(_, one)| !one.forgotten) {
            let machine = one.shared.look(|machine| (machine.is_paused(), machine.held(), machine.poll_timeout()));
            text += &format!("; session {session} of epoch {}, {machine:?}, {:?}", one.epoch, one.handlers);
        }
        text
    }
}
