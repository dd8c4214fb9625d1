//! The client's engine: its session, its heartbeat, and what it writes.

use super::{
    book::Book,
    coverage::Fact,
    encoding::write_body,
    engine::{Client, Life, Moving},
    events::{Answer, Request, Verb, WorldEvent},
    state::World,
};
use crate::codec::engineio::{Revision, tests::peer::Piece};

// The session.
impl World {
    /// Opens a session, in place of the one that is lost.
    pub(super) fn reconnect(&mut self, epoch: usize) {
        if self.client.life != Life::Gone || self.client.epoch != epoch || self.client.done {
            return;
        }
        let epoch = self.books.len();
        self.books.push(Book::default());
        let before = std::mem::take(&mut self.client);
        self.client = Client {
            epoch,
            life: Life::Opening,
            interval: self.scenario.interval,
            timeout: self.scenario.timeout,
            watch: self.now + 20_000,
            ping_at: u64::MAX,
            sent: before.sent,
            asleep_until: before.asleep_until,
            slow_until: before.slow_until,
            unread: before.unread,
            deferred: before.deferred,
            ..Client::default()
        };
        self.arm();
        let socket = self.scenario.sockets > 0 && self.random.one_in(self.scenario.sockets);
        let verb = if socket { Verb::OpenSocket } else { Verb::Open };
        let conn = self.connect(Request { verb, sid: None, body: Vec::new(), bytes: false });
        match verb {
            Verb::OpenSocket => self.client.socket = Some(conn),
            _ => self.client.get = Some(conn),
        }
    }

    /// The packet that opens the session has come.
    pub(super) fn opened(&mut self, text: &str) {
        let Ok(terms) = serde_json::from_str::<serde_json::Value>(text) else {
            return self.fail(format!("an open packet that is no JSON: {text}"));
        };
        let number = |name: &str| terms[name].as_u64().unwrap_or_default();
        let client = &mut self.client;
        client.life = Life::Open;
        client.sid = terms["sid"].as_str().map(str::to_owned);
        (client.interval, client.timeout) = (number("pingInterval"), number("pingTimeout"));
        client.max_payload = number("maxPayload") as usize;
        client.watch = self.now + client.interval + client.timeout;
        if self.scenario.revision == Revision::V3 {
            client.ping_at = self.now + client.interval;
        }
        self.note(if self.client.socket.is_some() { Fact::OpenedBySocket } else { Fact::OpenedByPoll });
        if self.client.epoch > 0 {
            self.note(Fact::ReconnectedAfterLoss);
        }
        self.arm();
        let stays = self.scenario.polls > 0 && self.random.one_in(self.scenario.polls);
        if terms["upgrades"] == serde_json::json!(["websocket"]) && !stays {
            let delay = if self.random.one_in(2) { 0 } else { self.random.below(1_000) };
            self.after(delay, WorldEvent::Probe(self.client.epoch));
        }
        self.begin_spaces();
    }

    /// The session is lost, or closed. `hangs_up`: nothing more is read or written.
    pub(super) fn lose(&mut self, why: &str, hangs_up: bool) {
        if self.client.life == Life::Gone {
            return;
        }
        let epoch = self.client.epoch;
        self.trace(|| format!("client   epoch {epoch}: {why}"));
        self.client.life = Life::Gone;
        self.books[self.client.epoch].left = true;
        let held = [self.client.get, self.client.post, self.client.socket, self.client.candidate.map(|it| it.conn)];
        if hangs_up {
            held.into_iter().flatten().for_each(|conn| self.hang_up(conn));
        } else {
            // The answers to what is under way are for nobody, and nobody reads what comes.
            for conn in held.into_iter().flatten() {
                self.conns[conn].dead |= self.conns[conn].watched;
                self.conns[conn].watched = false;
            }
        }
        let pause = self.random.range(20, 800);
        self.after(pause, WorldEvent::Reconnect(self.client.epoch));
    }

    /// Something went wrong on the wire.
    pub(super) fn transport_error(&mut self, why: &str) {
        if self.scenario.faultless && !self.may_end() {
            self.fail(format!("a client on a faultless wire: {why}"));
        }
        // The reference clients say that they close, if they can.
        let polls = self.client.socket.is_none() && self.client.sid.is_some();
        if polls && self.client.life == Life::Open && self.random.one_in(2) {
            self.post_close();
        }
        let hangs_up = self.random.one_in(2) || self.client.socket.is_some();
        self.lose(why, hangs_up);
    }

    /// Whether something besides the wire explains the end of the session: the server has closed it, or its client has
    /// committed a misdeed.
    pub(super) fn may_end(&self) -> bool {
        let book = &self.books[self.client.epoch];
        let closed = book.session.is_some_and(|session| !self.server.sessions[session].ends.is_empty());
        closed || book.misdeed || book.closed
    }
}

// The heartbeat.
impl World {
    pub(super) fn arm(&mut self) {
        let next = self.client.watch.min(self.client.ping_at);
        if (self.now..=next).contains(&self.client.armed) {
            return;
        }
        self.client.armed = next;
        let late = if self.faults_go_on() && self.random.one_in(10) { self.random.below(100) } else { 0 };
        self.at(next + late, WorldEvent::ClientTimer);
    }

    pub(super) fn client_timer(&mut self) {
        if self.client.life == Life::Gone {
            return;
        }
        self.client.armed = 0;
        if self.client.watch > self.now && self.client.ping_at > self.now {
            return self.arm();
        }
        if self.client.watch <= self.now {
            self.note(Fact::PingTimedOutAtClient);
            let explained = self.may_end() || self.client.moving == Moving::Stuck;
            if self.scenario.faultless && !explained {
                self.fail("no heartbeat came on a faultless wire");
            }
            let hangs_up = self.random.one_in(2);
            return self.lose("ping timeout", hangs_up);
        }
        if self.client.ping_at <= self.now {
            self.client.ping_at = u64::MAX;
            self.client.watch = self.now + self.client.timeout;
            self.note(Fact::PingFromClient);
            self.send(Piece::Text("2".into()));
            self.arm();
        }
    }

    /// The server pings, as in revision 4.
    pub(super) fn pinged(&mut self) {
        self.note(if self.client.traffic { Fact::PingUnderTraffic } else { Fact::PingFromServer });
        self.client.traffic = false;
        self.client.watch = self.now + self.client.interval + self.client.timeout;
        self.arm();
        self.send(Piece::Text("3".into()));
    }

    /// The server answers a ping, as in revision 3.
    pub(super) fn ponged(&mut self) {
        self.client.ping_at = self.now + self.client.interval;
        self.arm();
    }

    /// Whatever comes is a sign of life to clients of revision 3.
    pub(super) fn heartbeat(&mut self) {
        if self.scenario.revision == Revision::V3 && self.client.life != Life::Opening {
            self.client.watch = self.now + self.client.interval + self.client.timeout;
            self.arm();
        }
    }
}

// Writing.
impl World {
    pub(super) fn send(&mut self, packet: Piece) {
        if self.client.life == Life::Gone {
            return;
        }
        self.client.buffer.push_back(packet);
        self.flush();
    }

    /// Writes what waits, if it may.
    pub(super) fn flush(&mut self) {
        if self.client.buffer.is_empty() || self.client.upgrading || self.client.life == Life::Gone {
            return;
        }
        if let Some(conn) = self.client.socket {
            if self.conns[conn].open {
                for packet in std::mem::take(&mut self.client.buffer) {
                    self.write_up(conn, &packet);
                }
                self.finish_closing();
            }
            return;
        }
        if self.client.post.is_some() || self.client.sid.is_none() {
            return;
        }
        let count = self.batch();
        let packets: Vec<Piece> = self.client.buffer.iter().take(count).cloned().collect();
        if count > 1 {
            self.note(Fact::PostSeveral);
        }
        self.client.writing = count;
        self.client.post = Some(self.post(&packets));
    }

    /// How many packets go into the next body: in revision 3 all, in revision 4 as many as the server has asked for.
    fn batch(&self) -> usize {
        let buffer = &self.client.buffer;
        if self.scenario.revision == Revision::V3 {
            return buffer.len();
        }
        let mut size = 1;
        for (at, packet) in buffer.iter().enumerate() {
            size += match packet {
                Piece::Text(text) => text.len() - 1,
                Piece::Bytes(bytes) => bytes.len() * 133 / 100,
            };
            if at > 0 && size > self.client.max_payload {
                return at;
            }
            size += 2;
        }
        buffer.len()
    }

    pub(super) fn post(&mut self, packets: &[Piece]) -> usize {
        let (body, bytes) = write_body(self.scenario.revision, self.scenario.base64, packets);
        if bytes {
            self.note(Fact::PostBytes);
        }
        self.connect(Request { verb: Verb::Post, sid: self.client.sid.clone(), body, bytes })
    }

    fn post_close(&mut self) {
        let conn = self.post(&[Piece::Text("1".into())]);
        self.conns[conn].watched = false;
    }

    /// The answer to a POST has come.
    pub(super) fn post_answered(&mut self, answer: &Answer) {
        self.client.post = None;
        if answer.status != 200 || answer.body != b"ok" {
            return self.transport_error(&format!("a POST was answered {}", answer.status));
        }
        let written = std::mem::take(&mut self.client.writing);
        self.client.buffer.drain(..written);
        if self.client.moving == Moving::Pausing {
            return self.move_on();
        }
        if self.client.buffer.is_empty() { self.finish_closing() } else { self.flush() }
    }

    /// Closes in order, behind all that waits.
    pub(super) fn close(&mut self) {
        if self.client.life != Life::Open {
            return;
        }
        self.trace(|| "client   closes".into());
        self.client.life = Life::Closing;
        self.finish_closing();
    }

    pub(super) fn finish_closing(&mut self) {
        let busy = !self.client.buffer.is_empty() || self.client.upgrading || self.client.post.is_some();
        if self.client.life != Life::Closing || busy {
            return;
        }
        self.books[self.client.epoch].closed = true;
        match self.client.socket {
            Some(conn) => {
                self.note(Fact::ClientClosedSocket);
                self.close_socket(conn);
            }
            None => {
                self.note(Fact::ClientClosedPolling);
                self.post_close();
            }
        }
        self.lose("closed", false);
    }
}
