//! Connections: each direction is ordered, and different connections are independent.

use super::{
    coverage::Fact,
    encoding::{frame, write_frame},
    events::{Answer, Request, Verb, WorldEvent},
    state::{Conn, Serving, World},
    tasks::Task,
};
use crate::{
    codec::engineio::tests::peer::Piece,
    simulation::state::{Cut, Lane},
};

impl World {
    /// The client makes a request on a connection of its own.
    pub(super) fn connect(&mut self, request: Request) -> usize {
        let conn = self.conns.len();
        let delay = if self.faults_go_on() && self.random.one_in(8) { self.random.below(200) } else { 0 };
        self.trace(|| format!("client   #{conn} {:?} {}", request.verb, short(&request.body)));
        let body = (request.verb == Verb::Post).then_some(request.body.len());
        self.conns.push(Conn {
            epoch: self.client.epoch,
            request,
            up: Lane::default(),
            down: Lane::default(),
            delay,
            watched: true,
            due: None,
            dead: false,
            open: false,
            came: Vec::new(),
            session: None,
            serving: Serving::Nothing,
            waker: self.woken.waker(Task::Connection(conn)),
            pipe: None,
        });
        self.ship(conn, true, WorldEvent::Request(conn));
        if let Some(length) = body {
            let breaks = self.faults_go_on() && length > 2 && self.random.one_in(80);
            if self.random.one_in(6) {
                self.conns[conn].delay += self.random.below(120);
            }
            self.ship(conn, true, WorldEvent::Body(conn, !breaks));
            if breaks {
                self.note(Fact::CutInBody);
                self.cut(conn, Cut { up: true, down: true, lost: false, silent: false });
            }
        }
        conn
    }

    /// The client writes on a WebSocket.
    pub(super) fn write_up(&mut self, conn: usize, packet: &Piece) {
        self.trace(|| format!("client   #{conn} > {}", brief(packet)));
        let bytes = write_frame(self.scenario.revision, packet);
        self.write_bytes(conn, &bytes);
    }

    pub(super) fn write_bytes(&mut self, conn: usize, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let most =
                if self.random.one_in(4) { self.random.range(1, rest.len() as u64) as usize } else { rest.len() };
            let (mut chunk, behind) = rest.split_at(most);
            let torn = self.tears();
            if torn {
                chunk = &chunk[..self.random.below(chunk.len() as u64) as usize];
            }
            self.ship(conn, true, WorldEvent::Up(conn, chunk.to_vec()));
            if torn {
                return self.cut_in_frame(conn);
            }
            rest = behind;
        }
    }

    /// Ships what the server has written on a WebSocket.
    pub(super) fn ship_written(&mut self, conn: usize) {
        let Some(pipe) = self.conns[conn].pipe.clone() else { return };
        let mut bytes = pipe.leaves();
        if bytes.is_empty() {
            return;
        }
        if self.conns[conn].down.closed {
            return pipe.arrived(bytes.len());
        }
        let torn = self.tears();
        if torn {
            let left = self.random.below(bytes.len() as u64) as usize;
            pipe.arrived(bytes.len() - left);
            bytes.truncate(left);
        }
        self.ship(conn, false, WorldEvent::Down(conn, bytes));
        if torn {
            self.cut_in_frame(conn);
        }
    }

    fn tears(&mut self) -> bool {
        let torn = self.scenario.torn;
        torn > 0 && self.faults_go_on() && self.random.one_in(torn)
    }

    fn cut_in_frame(&mut self, conn: usize) {
        self.note(Fact::CutInFrame);
        let silent = self.random.one_in(6);
        self.cut(conn, Cut { up: true, down: true, lost: false, silent });
    }

    /// The server answers. The client may never get it.
    pub(super) fn answer(&mut self, conn: usize, answer: Answer) {
        self.trace(|| format!("server   #{conn} answers {} {}", answer.status, short(&answer.body)));
        let upgrades = answer.status == 101;
        if !upgrades && self.faults_go_on() && self.random.one_in(60) {
            self.note(if self.conns[conn].request.sid.is_none() { Fact::OpeningLost } else { Fact::AnswerLost });
            let silent = self.random.one_in(3);
            self.cut(conn, Cut { up: true, down: true, lost: true, silent });
        }
        self.ship(conn, false, WorldEvent::Answer(conn, answer));
        if !upgrades {
            self.conns[conn].down.closed = true;
        }
    }

    /// The client closes a WebSocket in order.
    pub(super) fn close_socket(&mut self, conn: usize) {
        self.trace(|| format!("client   #{conn} closes"));
        let payload: &[u8] = if self.random.one_in(2) { &[] } else { &1000_u16.to_be_bytes() };
        let bytes = frame(super::encoding::CLOSE, payload);
        self.ship(conn, true, WorldEvent::Up(conn, bytes));
        self.conns[conn].watched = false;
        self.conns[conn].delay += 300;
        self.ship(conn, true, WorldEvent::UpEnd(conn));
        self.conns[conn].up.closed = true;
    }

    /// The client gives a connection up.
    pub(super) fn hang_up(&mut self, conn: usize) {
        if !std::mem::replace(&mut self.conns[conn].watched, false) {
            return;
        }
        self.trace(|| format!("client   hangs up #{conn}"));
        self.ship(conn, true, WorldEvent::UpEnd(conn));
        self.conns[conn].up.closed = true;
    }

    /// The server gives a connection up.
    pub(super) fn end_down(&mut self, conn: usize) {
        self.ship(conn, false, WorldEvent::DownEnd(conn));
        self.conns[conn].down.closed = true;
    }

    fn ship(&mut self, conn: usize, up: bool, what: WorldEvent) {
        let (now, latency) = (self.now, self.scenario.latency + self.random.below(self.scenario.jitter + 1));
        let one = &mut self.conns[conn];
        let time = now + latency + one.delay;
        let lane = if up { &mut one.up } else { &mut one.down };
        if lane.closed {
            return;
        }
        lane.last = time.max(lane.last).max(lane.stalled_until);
        let time = lane.last;
        self.at(time, what);
    }

    pub(super) fn cut(&mut self, conn: usize, cut: Cut) {
        self.trace(|| format!("cut      #{conn} {cut:?}"));
        let one = &mut self.conns[conn];
        for (lane, hit) in [(&mut one.up, cut.up), (&mut one.down, cut.down)] {
            lane.closed |= hit;
            lane.lost |= hit && cut.lost;
        }
        if cut.silent {
            return;
        }
        let (up, down) = (one.up.last.max(self.now), one.down.last.max(self.now));
        let (first, second) = (self.random.below(150), self.random.below(150));
        self.at(up + first, WorldEvent::UpEnd(conn));
        self.at(down + second, WorldEvent::DownEnd(conn));
    }

    /// All cuts are noticed.
    pub(super) fn end_faults(&mut self) {
        for conn in 0..self.conns.len() {
            let one = &mut self.conns[conn];
            (one.up.stalled_until, one.down.stalled_until) = (0, 0);
            if one.up.closed || one.down.closed {
                let (up, down) = (one.up.last.max(self.now) + 1, one.down.last.max(self.now) + 1);
                self.at(up, WorldEvent::UpEnd(conn));
                self.at(down, WorldEvent::DownEnd(conn));
            }
        }
    }
}

pub(super) fn brief(packet: &Piece) -> String {
    match packet {
        Piece::Text(text) => text.chars().take(60).collect(),
        Piece::Bytes(bytes) => format!("{} bytes {}", bytes.len(), short(&bytes[..bytes.len().min(16)])),
    }
}

fn short(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(100)].escape_ascii().to_string()
}
