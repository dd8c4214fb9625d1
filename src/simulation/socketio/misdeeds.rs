//! The misdeeds of clients, and what they get for them. A misdeed is done in the client's own session, or
//! beside it with its sid.

use super::{
    coverage::Fact,
    encoding::{Said, frame},
    engine::Life,
    events::{Answer, Due, Request, Verb, WorldEvent},
    namespaces::State,
    state::World,
};
use crate::{
    codec::engineio::{Revision, tests::peer::Piece},
    session::reason,
};

/// One in so many second WebSockets is tried while the first one is not confirmed.
const EARLY: u64 = 3;

impl World {
    pub(super) fn misdeed(&mut self) {
        let pause = self.random.range(200, 3_000);
        self.after(pause, WorldEvent::Misdeed);
        if self.client.life != Life::Open || self.calm.is_some() || self.books[self.client.epoch].misdeed {
            return;
        }
        match self.random.below(20) {
            0 => self.unknown_sid(),
            1 | 2 => self.second_socket(),
            3 => self.get_after_upgrade(),
            4..7 => self.second_request(),
            7..13 => self.wrong_body(),
            13 => self.wrong_bytes(),
            _ => self.wrong_packet(),
        }
    }

    /// From now on the session may end for the client's own fault.
    fn commit(&mut self, fact: Fact) {
        self.note(fact);
        self.trace(|| format!("client   commits {fact:?}"));
        self.books[self.client.epoch].misdeed = true;
    }

    /// A request that is none of the honest client's.
    fn request_beside(&mut self, verb: Verb, sid: Option<String>, body: &[u8], due: Due) -> usize {
        let conn = self.connect(Request { verb, sid, body: body.to_vec(), bytes: false });
        self.conns[conn].watched = false;
        self.conns[conn].due = Some(due);
        conn
    }

    /// The answer to such a request has come.
    pub(super) fn answers_misdeed(&mut self, conn: usize, answer: &Answer) -> bool {
        let Some(due) = self.conns[conn].due else { return false };
        let is = match due {
            Due::Error(code) => answer.status == 400 && answer.body == format!("{{\"code\":{code}}}").into_bytes(),
            Due::Status(status) => answer.status == status && answer.body.is_empty(),
            Due::Either if answer.status == 200 => {
                if self.conns[conn].epoch == self.client.epoch {
                    self.lose("it has confused itself", true);
                }
                return true;
            }
            // Or it comes behind the move to the WebSocket.
            Due::Either => answer.status == 400 && (answer.body.is_empty() || answer.body == b"{\"code\":3}"),
            Due::Closed => {
                self.conns[conn].open = answer.status == 101;
                return true;
            }
        };
        // The session may have ended meanwhile, and the client with it.
        let book = &self.books[self.conns[conn].epoch];
        let session = book.session.map(|session| &self.server.sessions[session]);
        // The honest client's POST may have been there at once.
        let overlaps = session.is_some_and(|session| session.ended == Some(reason::OVERLAP));
        // It may also have come behind the honest client's move to its WebSocket.
        let late = self.client.socket.is_some() && answer.body == b"{\"code\":3}";
        let gone = book.left || overlaps || late || answer.body == b"{\"code\":1}";
        if !is && !gone && self.scenario.faultless {
            self.fail(format!("{:?} was answered {answer:?}, {due:?} was due", self.conns[conn].request));
        }
        true
    }

    /// The server says something on a WebSocket that is none of the honest client's.
    pub(super) fn misdeed_answered(&mut self, conn: usize, said: &Said) {
        if self.conns[conn].due != Some(Due::Closed) {
            return;
        }
        if *said != Said::Close {
            return self.fail(format!("{said:?} on a WebSocket too many"));
        }
        self.conns[conn].watched = true;
        self.hang_up(conn);
    }
}

// Harmless ones: the session goes on.
impl World {
    fn unknown_sid(&mut self) {
        self.note(Fact::UnknownSid);
        let verb = self.random.pick(&[Verb::Get, Verb::Post, Verb::Upgrade]);
        let sid = format!("node.{:032x}{:032x}", 0xabc, self.now);
        self.request_beside(verb, Some(sid), b"4x", Due::Error(1));
    }

    /// A second WebSocket, beside one that is there. It is closed, and the first goes on.
    fn second_socket(&mut self) {
        let first = self.client.socket.or(self.client.candidate.map(|it| it.conn));
        let upgraded =
            first.is_some_and(|conn| self.conns[conn].request.verb == Verb::Upgrade && self.conns[conn].open);
        let moved = self.client.socket.is_some() || self.random.one_in(EARLY);
        if !upgraded || !moved || !self.scenario.faultless {
            return;
        }
        self.note(Fact::SecondSocket);
        let sid = self.client.sid.clone();
        let conn = self.request_beside(Verb::Upgrade, sid, b"", Due::Closed);
        self.trace(|| format!("client   tries #{conn} too"));
    }

    /// Sometimes the client probes twice. The server answers once more at most.
    pub(super) fn probe_again(&mut self, conn: usize) {
        if self.scenario.misdeeds && self.random.one_in(8) {
            self.note(Fact::SecondProbe);
            self.client.again = true;
            self.write_up(conn, &Piece::Text("2probe".into()));
        }
    }

    fn get_after_upgrade(&mut self) {
        if self.client.socket.is_none() {
            return;
        }
        let sid = self.client.sid.clone();
        let verb = self.random.pick(&[Verb::Get, Verb::Post]);
        // Before the server has read the confirmation it would be a request of a session that is polled.
        if self.confirmed() {
            self.note(Fact::GetAfterUpgrade);
            self.request_beside(verb, sid, b"4x", Due::Error(3));
        }
    }

    /// Whether the server has read that the session has moved.
    fn confirmed(&self) -> bool {
        let session = self.books[self.client.epoch].session;
        session.is_some_and(|session| {
            let one = &self.server.sessions[session];
            let moved = one.notes.lock().expect("no panic").confirmations > 0;
            moved && one.shared.close_reason().is_none()
        })
    }

    /// Sometimes the client confirms twice. The second confirmation changes nothing.
    pub(super) fn confirm_again(&mut self, conn: usize) {
        if self.scenario.misdeeds && self.random.one_in(3) {
            self.note(Fact::SecondConfirmation);
            self.write_up(conn, &Piece::Text("5".into()));
        }
    }
}

// Those that end the session.
impl World {
    /// A second GET or POST at once.
    fn second_request(&mut self) {
        let sid = self.client.sid.clone();
        let post = self.client.post.is_some();
        if self.client.socket.is_some() || self.client.upgrading || (self.client.get.is_none() && !post) {
            return;
        }
        let (verb, fact) =
            if post && self.random.one_in(2) { (Verb::Post, Fact::SecondPost) } else { (Verb::Get, Fact::SecondGet) };
        self.commit(fact);
        self.books[self.client.epoch].deaf = verb == Verb::Get;
        self.request_beside(verb, sid, b"4x", Due::Either);
    }

    /// A body that is no payload.
    fn wrong_body(&mut self) {
        if self.client.socket.is_some() || self.client.upgrading || self.client.post.is_some() {
            return;
        }
        let sid = self.client.sid.clone();
        let large = format!("4{}", "x".repeat(super::scenario::LIMIT + 1));
        let large = match self.scenario.revision {
            Revision::V3 => format!("{}:{large}", large.len()),
            Revision::V4 => large,
        };
        let (fact, body, status): (Fact, &[u8], u16) = match self.random.below(3) {
            0 => (
                Fact::Delimiters,
                if self.scenario.revision == Revision::V3 { b"0:0:0:" } else { b"\x1e\x1e\x1e" },
                400,
            ),
            1 => (Fact::Nonsense, b"abc", 400),
            _ => (Fact::TooLarge, large.as_bytes(), 413),
        };
        self.commit(fact);
        self.request_beside(Verb::Post, sid, body, Due::Status(status));
    }

    /// Bytes on the WebSocket that are no frame, or none of a client.
    fn wrong_bytes(&mut self) {
        let Some(conn) = self.client.socket.filter(|&conn| self.conns[conn].open) else { return };
        self.commit(Fact::BrokenFrame);
        let bytes = match self.random.below(3) {
            0 => vec![0x81, 0x01, b'x'],
            1 => frame(0xf1, b"4x"),
            _ => frame(0x81, &[b'4', 0xff, 0xfe]),
        };
        self.write_bytes(conn, &bytes);
    }

    /// A packet that is against the rules where it comes.
    fn wrong_packet(&mut self) {
        if let Some(candidate) = self.client.candidate.filter(|candidate| self.conns[candidate.conn].open)
            && !candidate.answered
        {
            self.commit(Fact::CandidateTalks);
            return self.write_up(candidate.conn, &Piece::Text("42[\"too early\"]".into()));
        }
        let revision4 = self.scenario.revision == Revision::V4;
        let head = |count: usize| format!("45{count}-[\"x\",{{\"_placeholder\":true,\"num\":0}}]");
        let (fact, texts): (Fact, Vec<Piece>) = match self.random.below(8) {
            0 => (Fact::BytesUnasked, vec![Piece::Bytes(vec![7])]),
            1 => (Fact::EndlessAttachments, [Piece::Text(head(2))].into_iter().chain(many(40)).collect()),
            2 => (Fact::TooManyAttachments, vec![Piece::Text(head(11))]),
            3 => (Fact::UnknownNamespace, vec![Piece::Text("42/never,[\"x\"]".into())]),
            4 => (Fact::TextWhileOwed, vec![Piece::Text(head(1)), Piece::Text("42[\"x\"]".into())]),
            5 => (Fact::WrongHeartbeat, vec![Piece::Text(if revision4 { "2" } else { "3" }.into())]),
            6 if revision4 && self.client.spaces.find("/").is_some_and(|root| root.state != State::Ended) => {
                let again = || Piece::Text("40{\"n\":\"99\"}".into());
                (Fact::ConnectTwice, vec![again(), again()])
            }
            _ => (Fact::Nonsense, vec![Piece::Text("4abc".into())]),
        };
        self.commit(fact);
        texts.into_iter().for_each(|text| self.send(text));
    }
}

fn many(count: usize) -> impl Iterator<Item = Piece> {
    (0..count).map(|_| Piece::Bytes(vec![1; 1_000]))
}
