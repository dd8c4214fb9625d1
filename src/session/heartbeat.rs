//! When to ping, and when silence means that a link is dead.

use super::idle_limit::IdleLimit;

/// The server half pings and waits; the client half watches. Times are milliseconds.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    pub(crate) interval: u64,
    pub(crate) timeout: u64,
    last_received: u64,
    last_sent: u64,
    ping: Ping,
    rtt: Option<u64>,
    pub(super) idle_limit: IdleLimit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ping {
    Idle,
    /// Wants to leave since then.
    Due(u64),
    /// Left then, and nothing was heard since.
    Out(u64),
}

/// What a deadline that has passed means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Fine,
    /// Nobody answers.
    Dead,
    /// We slept ourselves; nobody can be blamed.
    Slept,
}

impl Heartbeat {
    pub(crate) fn new(interval: u64, timeout: u64, now: u64) -> Self {
        Heartbeat {
            interval,
            timeout,
            last_received: now,
            last_sent: now,
            ping: Ping::Idle,
            rtt: None,
            idle_limit: IdleLimit::new(),
        }
    }

    pub(crate) fn rtt(&self) -> Option<u64> {
        self.rtt
    }

    /// Any traffic counts as life.
    pub(crate) fn received(&mut self, now: u64) {
        self.last_received = now;
        if let Ping::Out(_) = self.ping {
            self.ping = Ping::Idle;
        }
    }

    pub(crate) fn sent(&mut self, now: u64) {
        self.last_sent = now;
    }

    /// A new link begins with a clean slate.
    pub(crate) fn restart(&mut self, now: u64) {
        self.last_received = now;
        self.last_sent = now;
        self.ping = Ping::Idle;
    }

    /// How long nothing has been sent or received.
    pub(super) fn silence(&self, now: u64) -> u64 {
        now.saturating_sub(self.last_received.max(self.last_sent))
    }

    /// The ping that wants to leave. Its answer is awaited from now on.
    pub(crate) fn poll_ping(&mut self, now: u64) -> Option<u64> {
        let Ping::Due(_) = self.ping else { return None };
        self.ping = Ping::Out(now);
        // The id carries the time at which it left, so that the round trip needs no table.
        Some(now)
    }

    pub(crate) fn handle_pong(&mut self, now: u64, id: u64) {
        if id <= now {
            self.rtt = Some(now - id);
        }
    }

    /// When the server half must look again.
    pub(crate) fn deadline(&self) -> u64 {
        match self.ping {
            Ping::Idle => self.last_received.min(self.last_sent) + self.interval.min(self.idle_limit.get()),
            Ping::Due(since) => since + self.interval + self.timeout,
            Ping::Out(since) => since + self.timeout,
        }
    }

    /// The server half looks: a ping may become due, or the other half be dead.
    pub(crate) fn check(&mut self, now: u64) -> Verdict {
        let deadline = self.deadline();
        if now < deadline {
            return Verdict::Fine;
        }
        let late = now - deadline;
        match self.ping {
            Ping::Idle => {
                self.ping = Ping::Due(now);
                Verdict::Fine
            }
            Ping::Due(_) | Ping::Out(_) if late > self.timeout => {
                self.last_received = now;
                self.ping = Ping::Due(now);
                Verdict::Slept
            }
            Ping::Due(_) | Ping::Out(_) => Verdict::Dead,
        }
    }

    /// When the client half must look again; `span` is how long silence is normal.
    pub(crate) fn watch_deadline(&self, span: u64) -> u64 {
        self.last_received + span
    }

    /// The client half looks.
    pub(crate) fn watch(&mut self, now: u64, span: u64) -> Verdict {
        let deadline = self.watch_deadline(span);
        if now < deadline {
            return Verdict::Fine;
        }
        if now - deadline > self.timeout {
            // Wait for one more timeout, in which the other half can answer a probe.
            self.last_received = (now + self.timeout).saturating_sub(span);
            return Verdict::Slept;
        }
        Verdict::Dead
    }
}
