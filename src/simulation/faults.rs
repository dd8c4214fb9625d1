//! The faults that the world makes.

use super::{
    coverage::{Fault, What},
    log::Sent,
    state::{Cut, World, WorldEvent},
};
use crate::session::{CloseReason, LinkKind, State};

impl World<'_> {
    pub(crate) fn fault(&mut self) {
        self.fault_queued = self.faults_go_on();
        if !self.fault_queued {
            return;
        }
        let pause = self.random.range(1, self.scenario.fault_pause * 2);
        self.after(pause, WorldEvent::Fault);
        if self.is_cluster() && self.random.one_in(6) {
            return self.node_fault();
        }
        match self.random.below(68) {
            0..20 => self.cut_one(),
            20..22 => self.keep_one(),
            22..28 => self.delay_one(),
            28..34 => self.stall_one(),
            34..37 => self.block(),
            37..40 => self.slow_client(),
            40..43 => self.slow_server(),
            43..45 => self.client_sleeps(),
            45..47 => {
                let node = self.any_node();
                self.node_sleeps(node);
            }
            47..51 => self.lie(),
            51..53 => self.go_away(),
            53 => self.restart_server(),
            54..60 => self.end_session(),
            60..64 => self.cut_all(),
            _ => self.page_leaves(),
        }
    }

    /// One of the last connections that either half still holds.
    fn any_conn(&mut self) -> Option<usize> {
        let first = self.conns.len().saturating_sub(24);
        let live: Vec<usize> = (first..self.conns.len())
            .filter(|&conn| self.conns[conn].link.is_some() || self.conns[conn].session.is_some())
            .collect();
        (!live.is_empty()).then(|| self.random.pick(&live))
    }

    fn random_cut(&mut self) -> Cut {
        let ways = self.random.below(4);
        let cut = Cut { up: ways != 1, down: ways != 2, lost: self.random.one_in(2), silent: self.random.one_in(4) };
        self.note(match (cut.up, cut.down) {
            (true, false) => Fault::CutUp,
            (false, true) => Fault::CutDown,
            _ => Fault::CutBoth,
        });
        if cut.silent {
            self.note(Fault::CutSilently);
        }
        self.note(if cut.lost { Fault::CutTailLost } else { Fault::CutTailLate });
        cut
    }

    fn cut_one(&mut self) {
        let Some(conn) = self.any_conn() else { return };
        let cut = self.random_cut();
        if !cut.lost {
            self.conns[conn].add_delay(self.random.below(800));
        }
        self.cut(conn, cut);
    }

    /// Something on the way begins or ceases to hold a stream back.
    fn keep_one(&mut self) {
        if self.scenario.keeping > 0
            && let Some(conn) = self.any_conn().filter(|&conn| self.conns[conn].wire == LinkKind::Stream)
        {
            self.keep(conn);
        }
    }

    /// The network fails for all connections.
    fn cut_all(&mut self) {
        let cut = self.random_cut();
        for conn in self.conns.len().saturating_sub(24)..self.conns.len() {
            if self.conns[conn].link.is_some() || self.conns[conn].session.is_some() {
                self.cut(conn, cut);
            }
        }
        if self.random.one_in(4) {
            // Sometimes that is long enough for grace to end.
            let until = self.now + self.random.below(self.scenario.grace * 2);
            self.client.delay_retry(until);
        }
    }

    fn delay_one(&mut self) {
        if let Some(conn) = self.any_conn() {
            self.note(Fault::Delay);
            let delay = self.random.below(600);
            self.conns[conn].add_delay(delay);
        }
    }

    fn stall_one(&mut self) {
        if let Some(conn) = self.any_conn() {
            self.note(Fault::Stall);
            let until = self.now + self.random.below(2_000);
            let one = &mut self.conns[conn];
            one.up.stalled_until = until;
            one.down.stalled_until = until;
        }
    }

    /// New connections of one kind or of both fail.
    fn block(&mut self) {
        self.sockets_blocked = self.random.one_in(2);
        self.http_blocked = self.random.one_in(4);
        if self.sockets_blocked {
            self.note(Fault::SocketsBlocked);
        }
        if self.http_blocked {
            self.note(Fault::HttpBlocked);
        }
    }

    fn slow_client(&mut self) {
        self.note(Fault::ClientSlow);
        self.client.slow_until = self.now + self.random.range(300, 3_000);
        self.after(0, WorldEvent::ClientReads);
    }

    fn slow_server(&mut self) {
        self.note(Fault::ServerSlow);
        self.server.slow_until = self.now + self.random.range(300, 3_000);
        self.after(0, WorldEvent::ServerReads);
    }

    pub(super) fn nap(&mut self) -> u64 {
        let longest = if self.random.one_in(4) { self.scenario.grace * 3 } else { self.scenario.timeout * 3 };
        self.now + self.random.range(50, longest)
    }

    fn client_sleeps(&mut self) {
        self.note(Fault::ClientAsleep);
        let until = self.nap().max(self.client.asleep_until);
        self.client.asleep_until = until;
        self.at(until, 0, WorldEvent::ClientWakes);
    }

    /// One half acknowledges what the other has never sent: that violation ends the link.
    fn lie(&mut self) {
        let Some(conn) = self.any_conn() else { return };
        let up = self.random.one_in(2);
        if self.conns[conn].wire != LinkKind::Duplex && up {
            return;
        }
        self.note(Fault::Lie);
        let mut packet = self.empty_packet(conn);
        packet.append_ack(self.client.log.last().max(self.scenario.base) + 9_000);
        if up { self.ship_up(conn, packet) } else { self.ship_down(conn, packet) }
    }

    fn go_away(&mut self) {
        let Some(session) = self.current() else { return };
        self.note(Fault::GoAway);
        self.note_pair(session, What::GoAway);
        let delay = self.random.below(500);
        self.server.sessions[session].machine.go_away(delay, 0);
        self.pump_server(session);
    }

    fn restart_server(&mut self) {
        if self.random.one_in(3) {
            self.note(Fault::Restart);
            let node = self.any_node();
            self.kill(node);
        }
    }

    fn end_session(&mut self) {
        let Some(session) = self.current() else { return };
        match self.random.below(24) {
            0 | 1 => {
                self.note(Fault::ClientCloses);
                self.client_closes();
            }
            2 | 3 => {
                self.note(Fault::ServerCloses);
                self.server_closes(session);
            }
            4 => {
                self.note(Fault::BothClose);
                self.client_closes();
                self.server_closes(session);
            }
            5 => self.client_aborts(),
            6 => self.server_aborts(session),
            _ => {}
        }
    }

    pub(crate) fn client_closes(&mut self) {
        if self.client.is_taking_over() {
            return; // Its close would have no number yet.
        }
        let generation = self.client.generation;
        let reason = CloseReason::new(1000, format!("client {generation} closes at {}", self.now));
        let first = !matches!(self.client.half.state(), State::Closed) && self.client.log.close().is_none();
        self.client.half.close(self.now, reason.clone(), &mut self.cover);
        if first {
            self.trace(|| format!("client   {reason}"));
            self.client.log.push(Sent::Close);
            self.client_ends.entry(generation).or_default().push(reason);
        }
        self.pump_client();
    }

    pub(crate) fn server_closes(&mut self, session: usize) {
        let reason = CloseReason::new(3000, format!("server {session} closes at {}", self.now));
        self.note_pair(session, What::CloseCalled);
        let one = &mut self.server.sessions[session];
        let first = one.machine.closed().is_none() && one.log.close().is_none();
        one.machine.close(reason.clone());
        self.note_numbered(session);
        let one = &mut self.server.sessions[session];
        if first {
            one.log.push(Sent::Close);
            one.ends.push(reason.clone());
            self.trace(|| format!("server   {reason}"));
        }
        self.pump_server(session);
    }

    fn client_aborts(&mut self) {
        if self.client.is_taking_over() {
            return;
        }
        self.note(Fault::ClientAborts);
        let generation = self.client.generation;
        let reason = CloseReason::new(4310, format!("client {generation} aborts at {}", self.now));
        self.client_ends.entry(generation).or_default().push(reason.clone());
        self.trace(|| format!("client   {reason}"));
        self.client.half.abort(self.now, reason, &mut self.cover);
        self.pump_client();
    }

    fn server_aborts(&mut self, session: usize) {
        self.note(Fault::ServerAborts);
        let reason = CloseReason::new(4310, format!("server {session} aborts at {}", self.now));
        self.note_pair(session, What::Abort);
        self.trace(|| format!("server   {reason}"));
        let one = &mut self.server.sessions[session];
        one.ends.push(reason.clone());
        one.machine.abort(self.now, reason);
        self.pump_server(session);
    }
}
