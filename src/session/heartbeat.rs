//! Who pings, and when silence means death.

/// A cut after less silence than this is no rule of the path, but for a poll, which says nothing while it waits.
const SILENCE: u64 = 1000;
const POLL_SILENCE: u64 = 200;

/// So many cuts in succession after about the same silence are a rule of the path, and no chance.
const RULE: u8 = 3;

/// Where a poll may not even wait for so long, it is better not to wait at all.
const RESTLESS: u64 = 500;

/// After so long a rule is doubted: the device may have moved to another network. Where it still holds, one cut more confirms it.
const DOUBT: u64 = 10 * 60 * 1000;

/// The server half pings and waits; the client half watches. Times are milliseconds.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    pub(crate) interval: u64,
    pub(crate) timeout: u64,
    last_received: u64,
    last_sent: u64,
    ping: Ping,
    rtt: Option<u64>,
    /// The link that was cut last and how long it had been silent, until it is known that the client did not cut it itself.
    cut: Option<(u64, u32)>,
    /// The silence of the last cut that counts, and how many in succession were alike.
    cut_after: u32,
    alike: u8,
    /// Half of what is a rule, and when to doubt it.
    patience: u32,
    doubt_at: u64,
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
            cut: None,
            cut_after: 0,
            alike: 0,
            patience: u32::MAX,
            doubt_at: 0,
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

    /// A link that carried has gone before its end. Some times in succession after about the same silence, that is a rule of the path: from
    /// then on it is not silent for more than half as long. Whether it counts, the next link tells.
    pub(crate) fn cut(&mut self, now: u64, ordinal: u64, polling: bool) {
        let Ok(after) = u32::try_from(now.saturating_sub(self.last_received.max(self.last_sent))) else { return };
        if u64::from(after) >= if polling { POLL_SILENCE } else { SILENCE } {
            self.cut = Some((ordinal, after));
        }
    }

    /// A link comes. A client that goes on with the next turn of the link that has gone has ended that itself, as when it was woken; one
    /// to which it was cut makes another.
    pub(crate) fn attached(&mut self, now: u64, ordinal: u64) {
        if let Some((_, after)) = self.cut.take().filter(|(cut, _)| ordinal > *cut) {
            let is_alike = after.abs_diff(self.cut_after) < after / 5;
            self.alike = if is_alike { self.alike.saturating_add(1) } else { 1 };
            self.cut_after = after;
            if self.alike >= RULE {
                self.patience = self.patience.min(after / 2);
                self.doubt_at = now + DOUBT;
            }
        } else if now >= self.doubt_at {
            self.patience = self.patience.saturating_mul(2);
            self.doubt_at = now + DOUBT;
        }
    }

    /// Another page has come, and the one before it went.
    pub(crate) fn forget_cut(&mut self) {
        self.cut = None;
    }

    /// How long the path may be silent, as far as is known.
    pub(crate) fn patience(&self) -> u64 {
        u64::from(self.patience)
    }

    /// Whether the path holds nothing open.
    pub(crate) fn holds_nothing_open(&self) -> bool {
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
            Ping::Idle => self.last_received.min(self.last_sent) + self.interval.min(self.patience()),
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
