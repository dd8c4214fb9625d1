//! Who pings, and when silence means death.

/// A cut after less silence than this is no rule of the path, but for a poll, which says nothing while it waits.
const SILENCE: u64 = 1000;
const POLL_SILENCE: u64 = 200;

/// Where a poll may not even wait for so long, it is better not to wait at all.
const RESTLESS: u64 = 500;

/// The server half pings and waits; the client half watches. Times are milliseconds.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    pub(crate) interval: u64,
    pub(crate) timeout: u64,
    heard: u64,
    said: u64,
    ping: Ping,
    rtt: Option<u64>,
    /// How long the link that was cut last had been silent; half of what the path has cut twice.
    cut_after: u32,
    patience: u32,
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
            heard: now,
            said: now,
            ping: Ping::Idle,
            rtt: None,
            cut_after: 0,
            patience: u32::MAX,
        }
    }

    pub(crate) fn rtt(&self) -> Option<u64> {
        self.rtt
    }

    /// Any traffic counts as life.
    pub(crate) fn heard(&mut self, now: u64) {
        self.heard = now;
        if let Ping::Out(_) = self.ping {
            self.ping = Ping::Idle;
        }
    }

    pub(crate) fn said(&mut self, now: u64) {
        self.said = now;
    }

    /// A new link begins with a clean slate.
    pub(crate) fn restart(&mut self, now: u64) {
        self.heard = now;
        self.said = now;
        self.ping = Ping::Idle;
    }

    /// A link that carried was cut. Twice in succession after about the same silence, that is a rule of the path: from then on it is not silent
    /// for more than half as long.
    pub(crate) fn cut(&mut self, now: u64, polling: bool) {
        let Ok(after) = u32::try_from(now.saturating_sub(self.heard.max(self.said))) else { return };
        if u64::from(after) < if polling { POLL_SILENCE } else { SILENCE } {
            return;
        }
        if after.abs_diff(self.cut_after) < after / 5 {
            self.patience = self.patience.min(after / 2);
        }
        self.cut_after = after;
    }

    /// How long the path may be silent, as far as is known.
    pub(crate) fn patience(&self) -> u64 {
        u64::from(self.patience)
    }

    /// Whether the path holds nothing open.
    pub(crate) fn is_restless(&self) -> bool {
        self.patience() < RESTLESS
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
            Ping::Idle => self.heard.min(self.said) + self.interval.min(self.patience()),
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
                self.heard = now;
                self.ping = Ping::Due(now);
                Verdict::Slept
            }
            Ping::Due(_) | Ping::Out(_) => Verdict::Dead,
        }
    }

    /// When the client half must look again; `span` is how long silence is normal.
    pub(crate) fn watch_deadline(&self, span: u64) -> u64 {
        self.heard + span
    }

    /// The client half looks.
    pub(crate) fn watch(&mut self, now: u64, span: u64) -> Verdict {
        let deadline = self.watch_deadline(span);
        if now < deadline {
            return Verdict::Fine;
        }
        if now - deadline > self.timeout {
            // Wait for one more timeout, in which the other half can answer a probe.
            self.heard = (now + self.timeout).saturating_sub(span);
            return Verdict::Slept;
        }
        Verdict::Dead
    }
}
