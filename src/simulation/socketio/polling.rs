//! The client reads: answers, frames of a WebSocket, and the packets in them.

use super::{
    coverage::Fact,
    encoding::{Said, read_body, take_frame},
    engine::{Life, Moving},
    events::{Answer, Request, Verb, WorldEvent},
    state::World,
    wire::brief,
};
use crate::codec::engineio::{Revision, tests::peer::Piece};

impl World {
    pub(super) fn answer_arrives(&mut self, conn: usize, answer: &Answer) {
        if self.conns[conn].down.lost {
            return;
        }
        if self.answers_misdeed(conn, answer) {
            return;
        }
        let watched = self.conns[conn].watched && self.conns[conn].epoch == self.client.epoch;
        match self.conns[conn].request.verb {
            Verb::OpenSocket | Verb::Upgrade if answer.status == 101 => {
                self.conns[conn].open = true;
                if watched && self.client.candidate.is_some_and(|candidate| candidate.conn == conn) {
                    self.write_up(conn, &Piece::Text("2probe".into()));
                    self.probe_again(conn);
                }
                self.take_frames(conn);
            }
            Verb::Upgrade if watched => self.candidate_failed(conn),
            Verb::Post if watched && self.client.post == Some(conn) => self.post_answered(answer),
            Verb::Open | Verb::Get if watched && self.client.get == Some(conn) => self.poll_answered(conn, answer),
            Verb::Get if self.books[self.conns[conn].epoch].closed => self.check_farewell(answer),
            _ if watched => self.transport_error("a refusal"),
            _ => {}
        }
    }

    fn poll_answered(&mut self, conn: usize, answer: &Answer) {
        self.conns[conn].watched = false;
        self.client.get = None;
        if answer.status != 200 {
            return self.transport_error(&format!("a GET was answered {}", answer.status));
        }
        let packets = match read_body(self.scenario.revision, &answer.body) {
            Ok(packets) => packets,
            Err(wrong) => return self.fail(wrong),
        };
        let epoch = self.client.epoch;
        for packet in packets {
            let close = packet == Piece::Text("1".into());
            if close && self.client.epoch == epoch && self.client.life != Life::Gone {
                return self.closed_by_server();
            }
            self.packet(&packet);
            if self.client.life == Life::Gone || self.client.epoch != epoch {
                return;
            }
        }
        match self.client.moving {
            Moving::Pausing => self.move_on(),
            Moving::Stuck => {}
            Moving::No => self.poll_again(),
        }
    }

    fn closed_by_server(&mut self) {
        self.note(Fact::ServerClosedPolling);
        self.check_close();
        self.lose("the server has closed", false);
    }

    fn poll_again(&mut self) {
        let request = Request { verb: Verb::Get, sid: self.client.sid.clone(), body: Vec::new(), bytes: false };
        self.client.get = Some(self.connect(request));
    }

    /// Bytes of a WebSocket have come.
    pub(super) fn client_reads(&mut self, conn: usize, bytes: Vec<u8>) {
        if self.is_slow() {
            return self.client.unread.push_back(WorldEvent::Down(conn, bytes));
        }
        if self.conns[conn].dead {
            return;
        }
        if let Some(pipe) = &self.conns[conn].pipe {
            pipe.arrived(bytes.len());
        }
        if self.conns[conn].down.lost {
            return;
        }
        self.conns[conn].came.extend(bytes);
        self.take_frames(conn);
    }

    /// Whether the client does not read its WebSockets now. What has come stays on the way.
    fn is_slow(&mut self) -> bool {
        let slow = self.client.slow_until > self.now;
        if slow && self.client.unread.is_empty() {
            let until = self.client.slow_until;
            self.at(until, WorldEvent::ClientReads);
        }
        slow || !self.client.unread.is_empty()
    }

    /// The client reads again.
    pub(super) fn read_on(&mut self) {
        if self.client.slow_until > self.now {
            let until = self.client.slow_until;
            return self.at(until, WorldEvent::ClientReads);
        }
        for unread in std::mem::take(&mut self.client.unread) {
            match unread {
                WorldEvent::Down(conn, bytes) => self.client_reads(conn, bytes),
                WorldEvent::DownEnd(conn) => self.down_ends(conn),
                _ => {}
            }
        }
    }

    fn take_frames(&mut self, conn: usize) {
        while self.conns[conn].open && self.failure.is_none() {
            let taken = match take_frame(self.scenario.revision, &mut self.conns[conn].came) {
                Ok(taken) => taken,
                Err(wrong) => return self.fail(wrong),
            };
            let Some(said) = taken else { return };
            let candidate = self.client.candidate.filter(|candidate| candidate.conn == conn);
            let watched = self.conns[conn].watched && self.conns[conn].epoch == self.client.epoch;
            match (said, candidate) {
                (said, _) if !watched => self.misdeed_answered(conn, &said),
                (Said::Close, Some(_)) => self.candidate_failed(conn),
                (Said::Close, None) => self.socket_closed(conn),
                (Said::Packet(packet), Some(_)) => self.candidate_said(&packet),
                (Said::Packet(packet), None) => self.packet(&packet),
            }
        }
    }

    fn socket_closed(&mut self, conn: usize) {
        self.note(Fact::ServerClosedSocket);
        self.check_close();
        self.lose("the server has closed", false);
        self.hang_up(conn);
    }

    /// The server's end of a connection is gone.
    pub(super) fn down_ends(&mut self, conn: usize) {
        if self.conns[conn].open && self.is_slow() {
            return self.client.unread.push_back(WorldEvent::DownEnd(conn));
        }
        self.conns[conn].down.lost = true;
        if !std::mem::replace(&mut self.conns[conn].watched, false) || self.conns[conn].epoch != self.client.epoch {
            return;
        }
        if self.client.candidate.is_some_and(|candidate| candidate.conn == conn) {
            return self.candidate_failed(conn);
        }
        let held = [self.client.get, self.client.post, self.client.socket];
        if held.contains(&Some(conn)) {
            self.transport_error("the connection is gone");
        }
    }

    /// A packet that is no close.
    fn packet(&mut self, packet: &Piece) {
        if self.client.life == Life::Gone {
            return;
        }
        self.trace(|| format!("client   < {}", brief(packet)));
        self.heartbeat();
        let Piece::Text(text) = packet else {
            let Piece::Bytes(bytes) = packet else { return };
            return self.attachment(bytes);
        };
        // Bytes come as text to clients that read no others.
        let base64 = match self.scenario.revision {
            Revision::V3 => text.strip_prefix("b4"),
            Revision::V4 => text.strip_prefix('b'),
        };
        if let Some(base64) = base64 {
            use base64::{Engine, engine::general_purpose::STANDARD};
            return match STANDARD.decode(base64) {
                Ok(bytes) => self.attachment(&bytes),
                Err(_) => self.fail(format!("bad base64: {text}")),
            };
        }
        match (text.split_at_checked(1), self.scenario.revision) {
            (Some(("0", open)), _) if self.client.life == Life::Opening => self.opened(open),
            (Some(("2", "")), Revision::V4) => self.pinged(),
            (Some(("3", "")), Revision::V3) => self.ponged(),
            (Some(("4", message)), _) => {
                self.client.traffic = true;
                self.message(message);
            }
            (Some(("6", "")), _) => {}
            (Some(("3", "probe")), _) if self.client.again => {}
            _ => self.fail(format!("a packet that no server sends here: {text}")),
        }
    }
}
