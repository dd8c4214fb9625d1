//! The acts of the application, and the faults of the engine.

use super::{
    history::ROOMS,
    node::Told,
    world::{HEALED, World},
    *,
};

/// A node finds out within this time that it hears nothing.
const DEAF: u64 = 12_000;

impl World {
    /// The application, or chance, does something.
    pub(super) fn act(&mut self) {
        let alive: Vec<usize> = (0..self.nodes.len()).filter(|at| self.nodes[*at].alive).collect();
        let at = self.random.pick(&alive);
        let is_fault = self.calm > 0 && self.now < HEALED && self.random.one_in(self.calm);
        if is_fault {
            self.fault(at, alive.len());
        } else if self.random.one_in(12) {
            let room = self.random.pick(&ROOMS[..2]);
            let joins = !self.history.has_members(self.nodes[at].publisher, room);
            self.log(|| format!("{at} {} {room:?}", if joins { "joins" } else { "leaves" }));
            self.history.set_members(self.nodes[at].publisher, room, joins);
            self.interest(at, room);
        } else {
            for _ in 0..self.random.range(1, 3) {
                self.send(at);
            }
        }
        self.follow(at);
    }

    fn send(&mut self, at: usize) {
        let room = self.random.pick(&ROOMS);
        let when = if self.random.one_in(8) { When::Now } else { When::InOrder };
        let options = match self.random.below(4) {
            0 => Options { except: vec![[1; 16]], ..Options::default() },
            _ => Options::default(),
        };
        let node = &mut self.nodes[at];
        let id = self.history.next(node.publisher, room);
        let refused = node.machine.counters().refused;
        let sent = node.machine.send(self.now, room, &Arc::new(options), &payload(&id.to_string()), || id, when);
        let refused = node.machine.counters().refused > refused;
        let publisher = node.publisher;
        self.history.sent(id, sent, refused, when);
        if sent.deliver_now {
            let number = sent.n.map(|n| Number { publisher, n, base: n });
            self.tell_movers(at, room, number, super::history::Note::AtOnce(id), None);
        }
    }

    fn fault(&mut self, at: usize, alive: usize) {
        let length = self.random.pick(&[5, 300, 900, 2_000, 7_000, 13_000]);
        let end = (self.now + length).min(HEALED);
        let kind = self.random.below(10);
        self.log(|| format!("fault {kind} at {at} until {end}"));
        let node = &mut self.nodes[at];
        match kind {
            0 | 1 => self.cut(at, end),
            2 => {
                node.failing_until = end;
                if self.random.one_in(2) {
                    self.cut(at, end);
                }
            }
            3 => node.slow_until = end,
            4 => node.lose = self.random.range(1, 3),
            // A shorter time would be found out by nobody.
            5 if self.now + DEAF < HEALED && self.settings.forget_after > DEAF => node.deaf_until = self.now + DEAF,
            6 if alive > 1 => self.die(at),
            7 if alive < 3 => self.start(),
            8 => node.late_until = end,
            _ => {
                // The engine is away for all.
                for at in 0..self.nodes.len() {
                    self.nodes[at].failing_until = end;
                    self.cut(at, end);
                }
            }
        }
    }

    fn die(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        node.alive = false;
        node.inbox.clear();
        self.history.died(node.publisher);
        self.movers_die(at);
        let all: Vec<u64> = self.nodes.iter().filter(|node| node.alive).map(|node| node.publisher).collect();
        let after = self.random.pick(&[20, 3_000, 10_000]);
        for at in 0..self.nodes.len() {
            let due = self.now + after + self.delay(1_000);
            self.views.insert((due, at), all.clone());
        }
    }

    pub(super) fn cut(&mut self, at: usize, end: u64) {
        let noticed = self.delay(300);
        let node = &mut self.nodes[at];
        if !node.alive || !node.connected {
            return;
        }
        node.connected = false;
        node.topics.clear();
        // Publications on their way are lost from some place on.
        let keep = self.random.below(node.inbox.len() as u64 + 1) as usize;
        for (_, told) in node.inbox.drain(keep..) {
            if let Told::Received(publication) = told {
                self.history.lost(node.publisher, &publication);
            }
        }
        let due = node.inbox.back().map_or(self.now, |(due, _)| *due).max(self.now + noticed);
        node.inbox.push_back((due, Told::Cut));
        node.whole_at = Some(due.max(end));
    }
}
