//! The faults that the world makes.

use super::{
    coverage::Fact,
    events::WorldEvent,
    state::{Serving, World},
};
use crate::simulation::state::Cut;

impl World {
    pub(super) fn fault(&mut self) {
        if !self.faults_go_on() {
            return;
        }
        let pause = self.random.range(1, self.scenario.fault_pause * 2);
        self.after(pause, WorldEvent::Fault);
        match self.random.below(40) {
            0..6 => self.cut_one(),
            6..14 => self.delay_one(),
            14..20 => self.stall_one(),
            20..24 => {
                self.note(Fact::ClientSlow);
                let until = self.now + self.random.range(100, 1_500);
                self.client.slow_until = self.client.slow_until.max(until);
            }
            24..28 => {
                self.note(Fact::ServerSlow);
                self.server.slow_until = self.now + self.random.range(100, 1_500);
            }
            28..31 => self.sleep(true),
            31..34 => self.sleep(false),
            34 => self.cut_all(),
            _ => {}
        }
    }

    /// One of the last connections that either half still uses.
    fn any_conn(&mut self) -> Option<usize> {
        let first = self.conns.len().saturating_sub(12);
        let live: Vec<usize> = (first..self.conns.len())
            .filter(|&conn| self.conns[conn].watched || !matches!(self.conns[conn].serving, Serving::Nothing))
            .collect();
        (!live.is_empty()).then(|| self.random.pick(&live))
    }

    fn random_cut(&mut self) -> Cut {
        let ways = self.random.below(4);
        let cut = Cut { up: ways != 1, down: ways != 2, lost: self.random.one_in(2), silent: self.random.one_in(4) };
        self.note(if cut.lost { Fact::CutLost } else { Fact::CutLate });
        if cut.silent {
            self.note(Fact::CutSilently);
        }
        cut
    }

    fn cut_one(&mut self) {
        if let Some(conn) = self.any_conn() {
            let cut = self.random_cut();
            self.cut(conn, cut);
        }
    }

    fn cut_all(&mut self) {
        self.note(Fact::AllCut);
        let cut = self.random_cut();
        for conn in self.conns.len().saturating_sub(12)..self.conns.len() {
            self.cut(conn, cut);
        }
    }

    fn delay_one(&mut self) {
        if let Some(conn) = self.any_conn() {
            self.note(Fact::Delayed);
            self.conns[conn].delay += self.random.below(300);
        }
    }

    fn stall_one(&mut self) {
        if let Some(conn) = self.any_conn() {
            self.note(Fact::Stalled);
            let until = self.now + self.random.below(1_200);
            let one = &mut self.conns[conn];
            (one.up.stalled_until, one.down.stalled_until) = (until, until);
        }
    }

    fn sleep(&mut self, client: bool) {
        let longest = if self.random.one_in(4) { 3 * self.scenario.interval } else { self.scenario.timeout };
        let until = self.now + self.random.range(20, longest);
        if client {
            self.note(Fact::ClientAsleep);
            self.client.asleep_until = until.max(self.client.asleep_until);
            let until = self.client.asleep_until;
            self.queue.push(until, 0, WorldEvent::ClientWakes);
        } else {
            self.note(Fact::ServerAsleep);
            self.server.asleep_until = until.max(self.server.asleep_until);
            let until = self.server.asleep_until;
            self.queue.push(until, 0, WorldEvent::ServerWakes);
        }
    }
}
