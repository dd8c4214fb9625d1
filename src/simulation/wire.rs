//! Connections: each direction is ordered, and different connections are independent.

use super::{
    coverage::Fault,
    events::{Fate, Way},
    packet::{Codec, Packet},
    state::{Conn, Cut, Keeping, Lane, World, WorldEvent},
};
use crate::{
    codec::native::Spelling,
    session::{LinkId, LinkKind},
};

impl World<'_> {
    /// An empty packet, encoded as this connection is.
    pub(crate) fn empty_packet(&self, conn: usize) -> Packet {
        Codec::new(self.conns[conn].spelling).encode(None, Vec::new())
    }

    pub(crate) fn connect(&mut self, wire: LinkKind, spelling: Option<Spelling>, link: Option<LinkId>) -> usize {
        let blocked = if wire == LinkKind::Duplex { self.sockets_blocked } else { self.http_blocked };
        let node = self.any_node();
        let is_down = self.now < self.nodes.all[node].down_until;
        if is_down {
            self.after(5, WorldEvent::DownEnd(self.conns.len(), false));
        }
        let blocked = blocked || is_down;
        let lane = || Lane { closed: blocked, lost: blocked, ..Lane::default() };
        let delay = if self.random.one_in(8) { self.random.below(200) } else { 0 };
        let keeping = self.keeping(wire);
        let in_url = wire != LinkKind::Duplex && self.random.one_in(3);
        self.conns.push(Conn {
            wire,
            way: vec![node],
            severed: false,
            passed: [0; 2],
            parked: None,
            spelling,
            link,
            session: None,
            waiting: None,
            in_url,
            backlog: Vec::new(),
            answered: false,
            codec: Codec::new(spelling),
            held: Vec::new(),
            budget: self.scenario.stream_budget,
            up: lane(),
            down: lane(),
            keeping,
            kept: Vec::new(),
            delay,
        });
        self.conns.len() - 1
    }

    pub(crate) fn ship_up(&mut self, conn: usize, mut packet: Packet) {
        self.shipped += 1;
        packet.order = self.shipped;
        self.trace(|| format!("client   #{conn} -> {packet:?}"));
        let torn = self.tear(&mut packet, Way::Up);
        self.ship(conn, true, WorldEvent::Up(conn, 0, packet));
        self.end_torn(conn, torn);
    }

    /// Sometimes a connection is cut on a packet with events: before one of them, in it, or behind it. Returns
    /// whether it is.
    fn tear(&mut self, packet: &mut Packet, way: Way) -> bool {
        let torn = self.scenario.torn;
        if torn == 0 || !packet.has_events() || !self.faults_go_on() || !self.random.one_in(torn) {
            return false;
        }
        let fate = self.random.pick(&[Fate::CutBefore, Fate::CutIn, Fate::CutIn, Fate::CutBehind]);
        let event = packet.tear(&mut self.random, fate);
        if let Some(event) = &event {
            self.cover.fates.count(way, event, fate);
        }
        event.is_some()
    }

    /// The connection is cut behind a torn packet, the rest of which arrives.
    fn end_torn(&mut self, conn: usize, torn: bool) {
        if torn {
            let silent = self.random.one_in(4);
            self.cut(conn, Cut { up: true, down: true, lost: false, silent });
        }
    }

    pub(crate) fn ship_down(&mut self, conn: usize, packet: Packet) {
        self.trace(|| format!("server   #{conn} -> {packet:?}"));
        self.passed_down(conn, self.conns[conn].way.len() - 1, packet);
    }

    /// A packet for the client is at this place of the connection's way, and goes on.
    pub(crate) fn passed_down(&mut self, conn: usize, hop: usize, mut packet: Packet) {
        if hop > 0 {
            return self.pass(conn, WorldEvent::PassedDown(conn, hop - 1, packet));
        }
        if self.conns[conn].keeping == Keeping::Passes {
            let torn = !self.conns[conn].down.closed && self.tear(&mut packet, Way::Down);
            self.ship(conn, false, WorldEvent::Down(conn, packet));
            return self.end_torn(conn, torn);
        }
        self.conns[conn].kept.push(packet);
        self.release(conn, false);
    }

    /// Chooses how the answer of a new connection is held back on the way.
    fn keeping(&mut self, wire: LinkKind) -> Keeping {
        if wire == LinkKind::Stream && self.scenario.keeping > 0 && self.random.one_in(self.scenario.keeping) {
            self.some_keeping()
        } else {
            Keeping::Passes
        }
    }

    fn some_keeping(&mut self) -> Keeping {
        match self.random.below(4) {
            0 => {
                self.note(Fault::StreamBehind);
                Keeping::Behind
            }
            1 => {
                self.note(Fault::StreamBuffered);
                Keeping::Buffered(self.random.pick(&[200, 2_000, 20_000]))
            }
            _ => {
                self.note(Fault::StreamHeld);
                Keeping::Held
            }
        }
    }

    /// Something begins or ceases to hold an answer back in the middle.
    pub(crate) fn keep(&mut self, conn: usize) {
        self.conns[conn].keeping =
            if self.conns[conn].keeping == Keeping::Passes { self.some_keeping() } else { Keeping::Passes };
        self.release(conn, false);
    }

    /// Sends on what may pass of what was held back: at the end, all.
    fn release(&mut self, conn: usize, end: bool) {
        let one = &mut self.conns[conn];
        let size = || one.kept.iter().map(Packet::size).sum::<usize>();
        let count = match one.keeping {
            _ if end => one.kept.len(),
            Keeping::Passes => one.kept.len(),
            Keeping::Held => 0,
            Keeping::Behind => one.kept.len().saturating_sub(1),
            Keeping::Buffered(bytes) => {
                if size() >= bytes {
                    one.kept.len()
                } else {
                    0
                }
            }
        };
        for packet in self.conns[conn].kept.drain(..count).collect::<Vec<_>>() {
            self.ship(conn, false, WorldEvent::Down(conn, packet));
        }
    }

    /// The answer has ended.
    pub(crate) fn end_down(&mut self, conn: usize) {
        self.passed_down_end(conn, self.conns[conn].way.len() - 1);
    }

    pub(crate) fn passed_down_end(&mut self, conn: usize, hop: usize) {
        if hop > 0 {
            return self.pass(conn, WorldEvent::PassedDownEnd(conn, hop - 1));
        }
        self.release(conn, true);
        self.ship(conn, false, WorldEvent::DownEnd(conn, true));
        self.conns[conn].down.closed = true;
    }

    /// The client has given the connection up.
    pub(crate) fn hang_up(&mut self, conn: usize) {
        self.trace(|| format!("client   hangs up #{conn}"));
        self.conns[conn].link = None;
        self.ship(conn, true, WorldEvent::UpEnd(conn));
        self.conns[conn].up.closed = true;
    }

    fn ship(&mut self, conn: usize, up: bool, what: WorldEvent) {
        let one = &self.conns[conn];
        let lane = if up { &one.up } else { &one.down };
        if lane.closed {
            return;
        }
        let floor = lane.last.max(lane.stalled_until);
        let mut time = self.now + self.scenario.latency + self.random.below(self.scenario.jitter + 1) + one.delay;
        if self.faults_go_on() && self.random.one_in(self.scenario.snap) {
            time = self.snapped(conn, up, time);
        }
        let time = time.max(floor);
        let one = &mut self.conns[conn];
        let lane = if up { &mut one.up } else { &mut one.down };
        lane.last = time;
        self.at(time, 1, what);
    }

    /// The receiver's next deadline or the moment after it, if that is soon.
    fn snapped(&self, conn: usize, up: bool, time: u64) -> u64 {
        let deadline = if up {
            self.conns[conn].session.and_then(|(session, _)| self.server.sessions[session].machine.poll_timeout())
        } else {
            self.client.half.deadline()
        };
        let tie = time % 2;
        deadline.filter(|&deadline| deadline >= time && deadline < time + 2_000).map_or(time, |deadline| deadline + tie)
    }

    /// Whether what comes on this lane is lost.
    pub(crate) fn is_lost(&self, conn: usize, up: bool) -> bool {
        if up { self.conns[conn].up.lost } else { self.conns[conn].down.lost }
    }

    pub(crate) fn cut(&mut self, conn: usize, cut: Cut) {
        self.trace(|| format!("cut      #{conn} {cut:?}"));
        let one = &mut self.conns[conn];
        for (lane, hit) in [(&mut one.up, cut.up), (&mut one.down, cut.down)] {
            lane.closed |= hit;
            lane.lost |= hit && cut.lost;
        }
        let (up_last, down_last) = (one.up.last, one.down.last);
        if !cut.silent {
            let (first, second) = (self.random.below(150), self.random.below(150));
            let (first, second) = if cut.lost {
                (first, second)
            } else {
                (first.max(up_last.saturating_sub(self.now)), second.max(down_last.saturating_sub(self.now)))
            };
            self.after(first, WorldEvent::UpEnd(conn));
            self.after(second, WorldEvent::DownEnd(conn, false));
        }
    }

    /// Makes a copy of a request, which arrives later. With `wins` the client reads the answer to the copy,
    /// not to the first.
    pub(crate) fn copy_request(&mut self, conn: usize, packet: Packet, wins: bool) {
        let (wire, spelling, link) = (self.conns[conn].wire, self.conns[conn].spelling, self.conns[conn].link);
        let copy = self.connect(wire, spelling, None);
        self.trace(|| format!("request #{conn} is copied as #{copy}{}", if wins { ", which wins" } else { "" }));
        if wins {
            self.note(Fault::DuplicateWins);
            self.conns[conn].link = None;
            self.conns[copy].link = link;
            if let Some(chan) = self.client.chans.iter_mut().find(|chan| Some(chan.link) == link) {
                chan.conn = copy;
            }
        }
        self.conns[copy].delay = self.random.below(600);
        self.ship(copy, true, WorldEvent::Up(copy, 0, packet));
    }

    /// All cuts are noticed, and nothing is blocked any more.
    pub(crate) fn end_faults(&mut self) {
        (self.sockets_blocked, self.http_blocked) = (false, false);
        self.end_node_faults();
        for conn in 0..self.conns.len() {
            let one = &mut self.conns[conn];
            one.up.stalled_until = 0;
            one.down.stalled_until = 0;
            if one.up.closed || one.down.closed {
                self.at(one_later(self.conns[conn].up.last, self.now), 1, WorldEvent::UpEnd(conn));
                self.at(one_later(self.conns[conn].down.last, self.now), 1, WorldEvent::DownEnd(conn, false));
            }
        }
        for session in 0..self.server.sessions.len() {
            self.pump_server(session);
        }
        self.pump_client();
    }
}

fn one_later(last: u64, now: u64) -> u64 {
    last.max(now) + 1
}
