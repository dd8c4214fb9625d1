//! Drives a client half: plays its transports and does what it asks for.

use super::{
    coverage::Fault,
    packet::Packet,
    state::{Chan, Client, World, WorldEvent},
};
use crate::session::{LinkKind, machine::Event};

// The packets and ends of connections that arrive at the client.
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

    /// The link has ended. A request that has ended cleanly is followed by the next turn.
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
                // The shipped client begins the next turn at once, and its machine relies on that.
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

    /// Does everything that the client half asks for now.
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

    /// How late a timer fires, and whether before or after what else happens at that time.
    pub(crate) fn lateness(&mut self) -> (u64, u8) {
        let tie = if self.random.one_in(2) { 0 } else { 2 };
        if self.faults_go_on() && self.random.one_in(20) {
            self.note(Fault::TimerLate);
            return (self.random.range(1, 60), tie);
        }
        (0, tie)
    }
}

// Sessions.
impl World<'_> {
    /// The client makes a new session after one that has ended.
    pub(crate) fn next_session(&mut self, generation: u32) {
        if generation != self.client.generation {
            return;
        }
        for chan in std::mem::take(&mut self.client.chans) {
            self.hang_up(chan.conn);
        }
        if self.finale {
            return;
        }
        let half = (self.make_half)(&self.scenario, self.now, None);
        let mut next = Client::new(half, self.scenario.base, self.client.generation + 1, self.now);
        std::mem::swap(&mut next, &mut self.client);
        let mut old = next;
        self.client.sent = old.sent;
        self.client.count = old.count;
        let unknown = old.requests.lost(&old.resend);
        (0..unknown).for_each(|_| self.note(Fault::RequestUnknown));
        (self.client.requests, self.client.page) = (old.requests, old.page);
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
