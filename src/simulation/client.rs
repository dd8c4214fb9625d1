//! A driver of a client half: it plays the chooser and the transports.

use std::collections::VecDeque;

use super::{
    client_under_test::ClientUnderTest,
    coverage::Fault,
    log::{Log, Sent},
    packet::Packet,
    world::{World, WorldEvent},
};
use crate::{
    broadcast::OutMessage,
    codec::native::{Head, ResumeToken, VERSION},
    message::Message,
    session::{Attach, LinkId, LinkKind, SendError, State, machine::Event},
};

/// The first flight is bounded.
const FIRST_FLIGHT: usize = 8_000;

/// A link as the client sees it.
#[derive(Debug)]
pub(crate) struct Chan {
    pub(crate) link: LinkId,
    pub(crate) conn: usize,
    pub(crate) wire: LinkKind,
    pub(crate) ordinal: u64,
    pub(crate) turn: u64,
    /// An upload's body, to be sent again as it was.
    packet: Option<Packet>,
}

pub(crate) struct Client {
    pub(crate) half: Box<dyn ClientUnderTest>,
    pub(crate) generation: u32,
    pub(crate) log: Log,
    /// The next number to arrive from the server.
    pub(crate) read: u64,
    pub(crate) chans: Vec<Chan>,
    pub(crate) next_ordinal: u64,
    turn_due: Option<(u64, u64)>,
    retry_at: u64,
    switch_at: Option<u64>,
    armed: Option<u64>,
    /// More is to come.
    pub(crate) sending: bool,
    pub(crate) sent: u64,
    pub(crate) count: u64,
    pub(crate) resend: VecDeque<Message>,
    pub(crate) asleep_until: u64,
    pub(crate) slow_until: u64,
    pub(crate) closed_seen: bool,
    /// Its session is lost, and no other follows.
    pub(crate) lost: bool,
    pub(crate) opened_before: bool,
}

impl Client {
    pub(crate) fn new(half: Box<dyn ClientUnderTest>, base: u64, generation: u32, now: u64) -> Self {
        Client {
            half,
            generation,
            log: Log::new(base),
            read: base + 1,
            chans: Vec::new(),
            next_ordinal: 1,
            turn_due: None,
            retry_at: now,
            switch_at: None,
            armed: None,
            sending: false,
            sent: 0,
            count: 0,
            resend: VecDeque::new(),
            asleep_until: 0,
            slow_until: 0,
            closed_seen: false,
            lost: false,
            opened_before: false,
        }
    }

    pub(crate) fn attempt(&self) -> String {
        format!("attempt-{}", self.generation)
    }

    /// Makes no new link before then.
    pub(crate) fn delay_retry(&mut self, until: u64) {
        self.retry_at = self.retry_at.max(until);
    }

    fn token(&self) -> Option<ResumeToken> {
        let grant = self.half.grant()?;
        Some(ResumeToken { id: grant.id.clone(), secret: grant.secret.clone(), received: self.half.received() })
    }
}

// The chooser.
impl World<'_> {
    pub(crate) fn choose(&mut self) {
        let pause = self.random.range(20, 60);
        self.after(pause, WorldEvent::Chooser);
        if self.client.lost || self.client.half.state() == State::Closed {
            return self.pump_client();
        }
        let lives = |chan: &Chan| chan.wire != LinkKind::Upload && !self.client.half.link_is_over(chan.link);
        let alive = self.client.chans.iter().any(lives);
        if let Some((ordinal, turn)) = self.client.turn_due.take() {
            self.next_turn(ordinal, turn);
        } else if !alive && self.now >= self.client.retry_at {
            self.connect_anew();
        } else if self.client.switch_at.is_some_and(|at| at <= self.now)
            || (self.faults_go_on() && self.random.one_in(60))
        {
            self.client.switch_at = None;
            self.note(Fault::Switch);
            self.connect_anew();
        }
        self.pump_client();
    }

    /// One link, or a race of two whose better one has the higher ordinal.
    fn connect_anew(&mut self) {
        let socket = self.random.below(8) < self.scenario.sockets;
        let first = self.client.next_ordinal;
        if self.random.one_in(3) {
            self.note(Fault::Race);
            self.client.next_ordinal += 2;
            let worse = self.random.one_in(4);
            if worse {
                self.note(Fault::RaceWorseHigher);
            }
            self.start(LinkKind::Duplex, first + u64::from(!worse));
            self.start(LinkKind::Opening, first + u64::from(worse));
        } else {
            self.client.next_ordinal += 1;
            self.start(if socket { LinkKind::Duplex } else { LinkKind::Opening }, first);
        }
    }

    /// Turn 0 of a new link.
    fn start(&mut self, wire: LinkKind, ordinal: u64) {
        let token = self.client.token();
        let opening = token.is_none();
        let attach =
            Attach { ordinal, turn: 0, kind: wire, opening, seen: false, received: self.client.half.received() };
        let head = match token {
            Some(token) => Head::Resume { version: VERSION, ordinal, turn: 0, seen: false, token },
            None => {
                if std::mem::replace(&mut self.client.opened_before, true) {
                    self.note(Fault::OpenRetried);
                }
                Head::Open { version: VERSION, ordinal, attempt: self.client.attempt().into(), auth: "é".into() }
            }
        };
        self.attach_client(attach, head, FIRST_FLIGHT);
    }

    fn next_turn(&mut self, ordinal: u64, turn: u64) {
        let carries = self.client.half.carrier() == Some(ordinal);
        // Who tries all the same is refused by its own half.
        if !carries && (self.script || self.random.one_in(2)) {
            return self.client.half.retire(self.now, ordinal, &mut self.cover); // A better link has taken over.
        }
        let Some(token) = self.client.token() else { return };
        let wire = if self.random.one_in(2) { LinkKind::Stream } else { LinkKind::Poll { hold: self.scenario.hold } };
        let seen = self.client.half.seen(ordinal);
        let attach = Attach { ordinal, turn, kind: wire, opening: false, seen, received: token.received };
        self.attach_client(attach, Head::Resume { version: VERSION, ordinal, turn, seen, token }, 0);
    }

    fn attach_client(&mut self, attach: Attach, head: Head, limit: usize) {
        let wire = attach.kind;
        let spelling = self.scenario.spelling(&mut self.random, wire == LinkKind::Duplex);
        let Ok(link) = self.client.half.attach(self.now, attach, spelling, &mut self.cover) else { return };
        let conn = self.connect(wire, spelling, Some(link));
        self.trace(|| format!("client   attaches {attach:?} as {link:?} on #{conn}"));
        let (ordinal, turn) = (attach.ordinal, attach.turn);
        self.client.chans.push(Chan { link, conn, wire, ordinal, turn, packet: None });
        let packet = self.client.half.transmit(self.now, link, Some(head), limit).expect("a head is something to say");
        self.ship_up(conn, packet.clone());
        if wire != LinkKind::Duplex && self.faults_go_on() && self.random.one_in(12) {
            self.note(if attach.opening { Fault::DuplicateOpen } else { Fault::DuplicateAttach });
            let wins = self.random.one_in(3);
            self.copy_request(conn, packet, wins);
        }
    }
}

// Uploads.
impl World<'_> {
    fn begin_upload(&mut self) {
        let Some(token) = self.client.token() else { return };
        let attach = Attach {
            ordinal: 0,
            turn: 0,
            kind: LinkKind::Upload,
            opening: false,
            seen: false,
            received: token.received,
        };
        let spelling = self.scenario.spelling(&mut self.random, false);
        let Ok(link) = self.client.half.attach(self.now, attach, spelling, &mut self.cover) else { return };
        let conn = self.connect(LinkKind::Upload, spelling, Some(link));
        let head = Head::Upload { version: VERSION, token };
        let limit = self.scenario.upload_limit;
        let packet = self.client.half.transmit(self.now, link, Some(head), limit).expect("a head is something to say");
        let mut packet = packet;
        if self.faults_go_on() && self.random.one_in(60) {
            self.note(Fault::Lie);
            packet.append_ack(self.scenario.base + 9_000);
        }
        let kept = Some(packet.clone());
        self.client.chans.push(Chan { link, conn, wire: LinkKind::Upload, ordinal: 0, turn: 0, packet: kept });
        self.ship_up(conn, packet.clone());
        self.watch_upload(link);
        if self.faults_go_on() && self.random.one_in(12) {
            self.note(Fault::DuplicateUpload);
            let wins = self.random.one_in(3);
            self.copy_request(conn, packet, wins);
        }
    }

    fn watch_upload(&mut self, link: LinkId) {
        let patience = self.random.range(200, 900);
        self.after(patience, WorldEvent::UploadDue(link, self.client.generation));
    }

    /// An upload has taken too long.
    pub(crate) fn upload_due(&mut self, link: LinkId, generation: u32) {
        if generation == self.client.generation {
            self.retry_upload(link);
            self.pump_client();
        }
    }

    fn retry_upload(&mut self, link: LinkId) {
        let Some(at) = self.client.chans.iter().position(|chan| chan.link == link) else { return };
        let old = self.client.chans[at].conn;
        self.conns[old].link = None;
        let carrier = self.client.half.carrier();
        if self.client.chans.iter().any(|chan| Some(chan.ordinal) == carrier && chan.wire == LinkKind::Duplex) {
            self.note(Fault::UploadCarrierChanged);
        }
        if self.random.below(4) < self.scenario.repeats {
            self.note(Fault::UploadRepeated);
            let packet = self.client.chans[at].packet.clone().expect("an upload's body is kept");
            let conn = self.connect(LinkKind::Upload, self.conns[old].spelling, Some(link));
            self.client.chans[at].conn = conn;
            self.ship_up(conn, packet);
            self.watch_upload(link);
        } else {
            self.note(Fault::UploadRebatched);
            self.client.chans.remove(at);
            self.client.half.detach(self.now, link, &mut self.cover);
        }
    }
}

// What comes down.
impl World<'_> {
    pub(crate) fn down_arrives(&mut self, conn: usize, packet: Packet) {
        let Some(link) = self.conns[conn].link else { return };
        if self.is_lost(conn, false) {
            return;
        }
        self.trace(|| format!("client < #{conn} {packet:?}"));
        self.client.half.receive(self.now, link, packet, &mut self.cover);
        self.pump_client();
    }

    pub(crate) fn down_ends(&mut self, conn: usize, clean: bool) {
        let Some(link) = self.conns[conn].link.take() else { return };
        let Some(at) = self.client.chans.iter().position(|chan| chan.link == link) else { return };
        self.trace(|| format!("client < #{conn} ends, clean: {clean}"));
        if self.client.chans[at].wire == LinkKind::Upload && !clean {
            self.retry_upload(link);
        } else {
            self.drop_chan(at, clean);
        }
        self.pump_client();
    }

    /// The link is over; a request that ended well is followed by the next turn.
    fn drop_chan(&mut self, at: usize, clean: bool) {
        let chan = self.client.chans.remove(at);
        let over = self.client.half.link_is_over(chan.link);
        self.client.half.detach(self.now, chan.link, &mut self.cover);
        if self.conns[chan.conn].link.is_some() {
            self.hang_up(chan.conn);
        }
        if !chan.wire.has_turns() {
            if chan.wire == LinkKind::Duplex {
                self.client.retry_at = self.now + self.random.below(150);
            }
            return;
        }
        if !clean && matches!(chan.wire, LinkKind::Poll { .. }) {
            self.note(Fault::PollLost);
        }
        if clean && !over && self.client.half.carrier() == Some(chan.ordinal) {
            let before = self.client.turn_due.replace((chan.ordinal, chan.turn + 1));
            if let Some((ordinal, _)) = before.filter(|&(ordinal, _)| ordinal != chan.ordinal) {
                self.client.half.retire(self.now, ordinal, &mut self.cover);
            }
            if self.script {
                // The shipped driver leaves no time between two turns, and its machine knows of none.
                let due = self.client.turn_due.take();
                due.into_iter().for_each(|(ordinal, turn)| self.next_turn(ordinal, turn));
            }
        } else {
            self.client.half.retire(self.now, chan.ordinal, &mut self.cover);
            self.client.retry_at = self.now + self.random.below(150);
        }
    }

    pub(crate) fn client_timer(&mut self) {
        self.client.armed = None;
        let Some(deadline) = self.client.half.deadline() else { return };
        if deadline <= self.now {
            self.note(if deadline == self.now { Fault::TimerExact } else { Fault::TimerAfter });
        }
        self.client.half.timeout(self.now, &mut self.cover);
        self.pump_client();
        if self.client.half.deadline().is_some_and(|deadline| deadline <= self.now) {
            self.fail("a client's deadline that does not move");
        }
    }

    /// Does all that the client half now asks for.
    pub(crate) fn pump_client(&mut self) {
        if self.now < self.client.asleep_until || self.client.lost {
            return;
        }
        while let Some(at) = self.client.chans.iter().position(|chan| self.client.half.link_is_over(chan.link)) {
            self.drop_chan(at, false);
        }
        for at in 0..self.client.chans.len() {
            let Chan { link, conn, wire, .. } = self.client.chans[at];
            if wire == LinkKind::Duplex && self.conns[conn].up.stalled_until <= self.now {
                while let Some(packet) = self.client.half.transmit(self.now, link, None, 6_000) {
                    self.ship_up(conn, packet);
                }
            }
        }
        let uploading = self.client.chans.iter().any(|chan| chan.wire == LinkKind::Upload);
        if !uploading && self.client.half.wants_upload() {
            self.begin_upload();
        }
        while let Some(event) = self.client.half.event() {
            self.trace(|| format!("client   {event:?}"));
            match event {
                Event::Opened => {}
                Event::GoAway(delay) => self.client.switch_at = Some(self.now + delay),
                Event::Lost(reason) => return self.session_lost(&reason),
            }
        }
        if self.client.slow_until <= self.now {
            self.client_takes(u64::MAX);
        }
        self.check_client_closed();
        self.arm_client();
    }

    fn arm_client(&mut self) {
        let Some(deadline) = self.client.half.deadline() else { return };
        if self.client.armed.is_none_or(|armed| armed > deadline) {
            self.client.armed = Some(deadline);
            let (late, tie) = self.lateness();
            self.at(deadline + late, tie, WorldEvent::ClientTimer);
        }
    }

    /// Timers fire before or after whatever else happens at that time, and some fire late.
    pub(crate) fn lateness(&mut self) -> (u64, u8) {
        let tie = if self.random.one_in(2) { 0 } else { 2 };
        if self.faults_go_on() && self.random.one_in(20) {
            self.note(Fault::TimerLate);
            return (self.random.range(1, 60), tie);
        }
        (0, tie)
    }
}

// The application.
impl World<'_> {
    pub(crate) fn client_sends(&mut self) {
        let goal = self.goal;
        let through = move |client: &Client| client.sent >= goal && client.resend.is_empty();
        for _ in 0..self.random.range(1, self.scenario.burst) {
            if through(&self.client) {
                break;
            }
            let message: OutMessage = match self.client.resend.front() {
                Some(message) => message.clone().into(),
                None => {
                    self.client.count += 1;
                    self.scenario.message(&mut self.random, 'c', self.client.count)
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

    /// Whether another one may follow.
    fn client_sends_one(&mut self, out: &OutMessage) -> bool {
        let message = out.as_message().clone();
        let droppable = self.scenario.droppable > 0 && self.random.one_in(self.scenario.droppable);
        let result = if droppable {
            self.client.half.send_droppable(out.clone(), &mut self.cover)
        } else {
            self.client.half.send(out.clone(), &mut self.cover).map(|()| true)
        };
        match result {
            Ok(true) => self.client.log.push(Sent::Message(message)),
            Ok(false) => {
                self.note(Fault::ClientGap);
                self.client.log.push(Sent::Dropped);
            }
            Err(SendError::Exhausted) => {
                self.fail("the client's numbers are exhausted");
                return false;
            }
            Err(SendError::Full | SendError::Closed) => return false,
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

    /// A new session after the one that has ended.
    pub(crate) fn next_session(&mut self, generation: u32) {
        if generation != self.client.generation || self.finale {
            return;
        }
        for chan in std::mem::take(&mut self.client.chans) {
            self.hang_up(chan.conn);
        }
        let half = (self.make_half)(&self.scenario, self.now);
        let mut next = Client::new(half, self.scenario.base, self.client.generation + 1, self.now);
        std::mem::swap(&mut next, &mut self.client);
        let old = next;
        self.client.sent = old.sent;
        self.client.count = old.count;
        self.client.resend = old.resend;
        self.client.asleep_until = old.asleep_until;
        self.client.slow_until = old.slow_until;
        self.server.client_logs.push(old.log);
        self.note(Fault::OtherSession);
        self.trace(|| "client   makes a new session".into());
        self.client.sending = old.sending;
        self.resume_sending();
        self.pump_client();
    }
}
