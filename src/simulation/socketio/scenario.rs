//! The sizes, times and odds that a seed decides before the world begins.

use crate::{
    codec::engineio::Revision,
    session::{
        Config, Role,
        rules::{ENGINE_IO_3, ENGINE_IO_4, Takes},
    },
    simulation::random::Random,
};

/// Each side sends at least this many events.
const EVENTS: u64 = 60;

/// The largest message.
pub(super) const LIMIT: usize = 20_000;

#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) revision: Revision,
    /// The wire delays, and does nothing worse. Nobody sleeps or is slow.
    pub(super) faultless: bool,
    /// A client commits a misdeed now and then.
    pub(super) misdeeds: bool,
    /// Revision 3: the client reads no bytes over HTTP.
    pub(super) base64: bool,
    /// One session in this many is a WebSocket from the start; 0: none is.
    pub(super) sockets: u64,
    /// One session in this many is polled for ever; 0: none is.
    pub(super) polls: u64,
    pub(super) interval: u64,
    pub(super) timeout: u64,
    pub(super) upgrade_timeout: u64,
    /// A session without a namespace ends after this time.
    pub(super) patience: u64,
    pub(super) grace: u64,
    pub(super) inbox: usize,
    pub(super) outbox: usize,
    /// The most namespaces of a session besides `/`.
    pub(super) namespaces: usize,
    pub(super) latency: u64,
    pub(super) jitter: u64,
    /// The longest time before a task of the server runs that was woken.
    pub(super) lag: u64,
    /// The longest time that the server takes to open a namespace.
    pub(super) opening: u64,
    pub(super) target: u64,
    pub(super) client_pause: u64,
    pub(super) server_pause: u64,
    pub(super) burst: u64,
    /// The longest filler of most texts and attachments.
    pub(super) large: u64,
    pub(super) fault_pause: u64,
    /// The most bytes that are under way to a client on a WebSocket.
    pub(super) window: usize,
    /// The bytes that a client of revision 4 puts into one body.
    pub(super) max_payload: usize,
    /// The client sends nothing more while so many packets wait: the answer to a ping comes behind them.
    pub(super) waiting: usize,
    /// One event in this many is a request; 0: none is.
    pub(super) requests: u64,
    /// One chunk of a WebSocket in this many is cut in its midst; 0: none is.
    pub(super) torn: u64,
}

impl Scenario {
    pub(super) fn new(random: &mut Random) -> Self {
        let faultless = random.one_in(4);
        Scenario {
            revision: random.pick(&[Revision::V3, Revision::V4, Revision::V4]),
            faultless,
            misdeeds: random.one_in(3),
            base64: random.one_in(2),
            sockets: random.pick(&[0, 3, 8]),
            polls: random.pick(&[0, 3, 8]),
            interval: random.range(300, 2_500),
            timeout: if faultless { random.range(2_000, 3_000) } else { random.range(200, 1_500) },
            upgrade_timeout: if faultless { random.range(900, 2_000) } else { random.range(200, 2_000) },
            patience: random.range(2_000, 6_000),
            grace: random.range(1_500, 5_000),
            inbox: random.pick(&[3_000, 12_000, 64_000]),
            outbox: random.pick(&[3_000, 12_000, 64_000]),
            namespaces: random.pick(&[1, 2, 3]),
            latency: random.range(1, 40),
            jitter: random.range(0, 30),
            lag: random.pick(&[0, 0, 2, 12]),
            opening: random.pick(&[0, 20, 300]),
            target: EVENTS + random.below(40),
            client_pause: random.range(10, 120),
            server_pause: random.range(10, 120),
            burst: random.range(1, 6),
            large: random.pick(&[20, 100, 600]),
            fault_pause: random.range(100, 900),
            window: if faultless { 64_000 } else { random.pick(&[100, 2_000, 64_000]) },
            max_payload: if faultless { LIMIT } else { random.pick(&[200, 1_000, LIMIT]) },
            waiting: if faultless { 2 } else { random.pick(&[2, 40]) },
            requests: random.pick(&[0, 2, 4]),
            torn: random.pick(&[0, 30, 100]),
        }
    }

    pub(super) fn config(&self) -> Config {
        Config {
            role: Role::Server,
            rules: match self.revision {
                Revision::V3 => &ENGINE_IO_3,
                Revision::V4 => &ENGINE_IO_4,
            },
            interval: self.interval,
            timeout: self.timeout,
            grace: self.grace,
            confirm_timeout: self.upgrade_timeout,
            takes: Takes::All,
            inbox: self.inbox,
            outbox: self.outbox,
            droppable_mark: 0,
            floor: usize::MAX,
            base: 0,
        }
    }

    pub(super) fn asks(&self, random: &mut Random) -> bool {
        self.requests > 0 && random.one_in(self.requests)
    }

    /// How many attachments the next event has.
    pub(super) fn attachments(&self, random: &mut Random) -> usize {
        random.pick(&[0, 0, 0, 1, 2, 5])
    }
}
