//! The applications at both ends, which send and read.

use super::{
    coverage::{Fault, What},
    events::{Fate, Way},
    log::Sent,
    pending::is_request,
    state::{Client, World, WorldEvent},
};
use crate::{broadcast::OutMessage, session::SendError};

// The client's.
impl World<'_> {
    pub(crate) fn client_sends(&mut self) {
        let goal = self.goal;
        let through = move |client: &Client| client.sent >= goal && client.resend.is_empty();
        for _ in 0..self.random.range(1, self.scenario.burst) {
            if through(&self.client) || self.client.is_taking_over() {
                break;
            }
            let message: OutMessage = match self.client.resend.front() {
                Some(message) => message.clone().into(),
                None => {
                    self.client.count += 1;
                    let (count, id) = (self.client.count, self.client.requests.next_id());
                    if self.scenario.asks(&mut self.random) {
                        self.scenario.request(&mut self.random, 'c', count, id).into()
                    } else {
                        self.scenario.message(&mut self.random, 'c', count)
                    }
                }
            };
            if !self.client_sends_one(&message) {
                break;
            }
        }
        self.client.sending = !through(&self.client);
        if self.client.sending {
            let pause = self.random.range(1, self.scenario.client_pause * 2);
            self.after(pause, WorldEvent::ClientSends);
        }
        if self.random.one_in(8) {
            self.client.half.flush(&mut self.cover);
        }
        self.pump_client();
    }

    /// Sends one message. Returns whether another one may follow.
    fn client_sends_one(&mut self, out: &OutMessage) -> bool {
        let message = out.payload().clone();
        let may_drop = self.scenario.droppable > 0 && !is_request(&message);
        let droppable = may_drop && self.random.one_in(self.scenario.droppable);
        let result = if droppable {
            self.client.half.send_droppable(self.now, out.clone(), &mut self.cover)
        } else {
            self.client.half.send(out.clone(), &mut self.cover).map(|()| true)
        };
        match result {
            Ok(true) => {
                self.cover.fates.count(Way::Up, &message, Fate::Sent);
                if self.client.resend.is_empty() {
                    self.client.requests.sent(&message);
                }
                self.client.log.push(Sent::Message(message));
            }
            Ok(false) => {
                self.cover.fates.count(Way::Up, &message, Fate::Skipped);
                self.note(Fault::ClientGap);
                if self.client.half.numbers_skipped() {
                    self.client.log.push(Sent::Dropped);
                }
            }
            Err(SendError::Exhausted) => {
                self.fail("the client's numbers are exhausted");
                return false;
            }
            Err(SendError::Full | SendError::Closed | SendError::NoBytes) => return false,
        }
        if self.client.resend.pop_front().is_none() {
            self.client.sent += 1;
        }
        true
    }

    pub(crate) fn client_reads(&mut self) {
        if self.client.slow_until > self.now {
            let pause = self.random.range(20, 200);
            self.after(pause, WorldEvent::ClientReads);
            self.client_takes(3);
        }
        self.pump_client();
    }
}

// The server's.
impl World<'_> {
    /// The server's session that the present client has opened last.
    pub(crate) fn current(&self) -> Option<usize> {
        let lives = |session: &usize| {
            let one = &self.server.sessions[*session];
            !one.gone && !one.given && one.generation == self.client.generation && one.runs()
        };
        self.bound().filter(lives).or_else(|| (0..self.server.sessions.len()).rev().find(lives))
    }

    pub(crate) fn server_sends(&mut self) {
        self.server.sending = self.server.sent < self.goal;
        if self.server.sending {
            let pause = self.random.range(1, self.scenario.server_pause * 2);
            self.after(pause, WorldEvent::ServerSends);
        }
        let Some(session) = self.current() else { return };
        for _ in 0..self.random.range(1, self.scenario.burst) {
            if self.server.sent >= self.goal || !self.server_sends_one(session) {
                break;
            }
        }
        if self.random.one_in(8) {
            self.note_pair(session, What::Flush);
            self.server.sessions[session].machine.flush();
        }
        self.pump_server(session);
    }

    fn server_sends_one(&mut self, session: usize) -> bool {
        if self.scenario.values > 0 && self.random.one_in(self.scenario.values) {
            return self.server_sends_value(session);
        }
        if self.scenario.asks(&mut self.random) {
            return self.server_asks(session).is_some();
        }
        let out = self.scenario.message(&mut self.random, 's', self.server.count + 1);
        let message = out.payload().clone();
        let droppable = self.scenario.droppable > 0 && self.random.one_in(self.scenario.droppable);
        let machine = &mut self.server.sessions[session].machine;
        let result = if droppable { machine.send_droppable(self.now, out) } else { machine.send(out).map(|()| true) };
        let full = result == Err(SendError::Full);
        self.note_pair(
            session,
            if droppable {
                What::SendDroppable
            } else if full {
                What::SendFull
            } else {
                What::Send
            },
        );
        let sent = match result {
            Ok(true) => Sent::Message(message),
            Ok(false) => {
                self.cover.fates.count(Way::Down, &message, Fate::Skipped);
                self.note(Fault::ServerGap);
                Sent::Dropped
            }
            Err(SendError::Exhausted) => {
                self.fail("the server's numbers are exhausted");
                return false;
            }
            Err(SendError::Full | SendError::Closed | SendError::NoBytes) => return false,
        };
        self.server_sent(session, sent);
        true
    }

    /// Enters into the log what a session has got a number for.
    pub(super) fn server_sent(&mut self, session: usize, sent: Sent) {
        if let Sent::Message(message) = &sent {
            self.cover.fates.count(Way::Down, message, Fate::Sent);
        }
        self.server.sessions[session].log.push(sent);
        self.server.count += 1;
        self.server.sent += 1;
    }

    /// Sends the newest value of a key. It may wait, and then never gets a number if a newer one replaces it.
    fn server_sends_value(&mut self, session: usize) -> bool {
        let (key, out) = self.scenario.value(&mut self.random, self.server.count + 1);
        let message = out.payload().clone();
        self.note_pair(session, What::SendDroppable);
        let one = &mut self.server.sessions[session];
        match one.machine.send_latest(self.now, &key, out) {
            Ok(true) => {
                if one.values.insert(key, message).is_some() {
                    self.note(Fault::ValueReplaced);
                }
                self.note_numbered(session);
                if !self.server.sessions[session].values.is_empty() {
                    self.note(Fault::ValueWaits);
                }
            }
            Ok(false) => {
                one.log.push(Sent::Dropped);
                self.note(Fault::ServerGap);
            }
            Err(_) => return false,
        }
        self.server.count += 1;
        self.server.sent += 1;
        true
    }

    pub(crate) fn server_reads(&mut self) {
        if self.server.slow_until > self.now {
            let pause = self.random.range(20, 200);
            self.after(pause, WorldEvent::ServerReads);
        }
        for session in 0..self.server.sessions.len() {
            if !self.server.sessions[session].gone {
                self.server_takes(session, 3);
                self.pump_server(session);
            }
        }
    }
}
