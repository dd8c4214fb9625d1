//! When to ping, and when silence means that a link is dead.

use super::{idle_limit::IdleLimit, rules::Heartbeats};
use crate::config::LEAST_RATE;

/// Bytes under way on a slow line are waited for no longer than this. A message of the default limit, as base64,
/// takes less at the least rate.
const LONGEST_WAIT: u64 = 150_000;

/// Any line carries this many bytes in no time.
const FEW_BYTES: usize = 4096;

/// No round trip was measured.
const NO_RTT: u32 = u32::MAX;

/// A time in as few bytes as it needs: no round trip takes 49 days.
fn short(time: u64) -> u32 {
    u32::try_from(time).unwrap_or(u32::MAX)
}

/// The time in milliseconds for which so many bytes are waited for: what the slowest line takes.
pub(super) fn slow_line(bytes: usize) -> u64 {
    (bytes.saturating_sub(FEW_BYTES) as u64 / LEAST_RATE).min(LONGEST_WAIT)
}

/// The server half pings and awaits an answer; the client half expects traffic. Times are milliseconds.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    interval: u32,
    timeout: u32,
    rules: Heartbeats,
    /// When something came that counts as life.
    last_received: u64,
    last_sent: u64,
    ping: Ping,
    /// By how much longer than the timeout the answer to a ping may take: the time in which a slow line brings
    /// what was sent before the ping.
    credit: u32,
    /// For how long requests that are coming in were waited for since something was received.
    waited: u32,
    /// The bytes that have come since the last frame, and when the first of them came.
    partial: u64,
    partial_since: u64,
    /// The last round trip; `NO_RTT` before the first.
    rtt: u32,
    pub(super) idle_limit: IdleLimit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ping {
    Idle,
    /// It is due since this time and was not sent yet.
    Due(u64),
    /// It was sent at this time, and nothing was received since.
    Out(u64),
}

/// The meaning of a deadline that has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Fine,
    /// The other half does not answer.
    Dead,
    /// This process slept, so the silence proves nothing about the other half.
    Slept,
}

impl Heartbeat {
    pub(crate) fn new(rules: Heartbeats, interval: u64, timeout: u64, now: u64) -> Self {
        Heartbeat {
            interval: short(interval),
            timeout: short(timeout),
            rules,
            last_received: now,
            last_sent: now,
            ping: Ping::Idle,
            credit: 0,
            waited: 0,
            partial: 0,
            partial_since: now,
            rtt: NO_RTT,
            idle_limit: IdleLimit::default(),
        }
    }

    /// The time without traffic after which the server pings.
    pub(crate) fn interval(&self) -> u64 {
        self.interval.into()
    }

    /// The time after a ping in which something must come.
    pub(crate) fn timeout(&self) -> u64 {
        self.timeout.into()
    }

    /// Client: the times that the server has granted.
    pub(crate) fn set_times(&mut self, interval: u64, timeout: u64) {
        (self.interval, self.timeout) = (short(interval), short(timeout));
    }

    pub(crate) fn rtt(&self) -> Option<u64> {
        (self.rtt != NO_RTT).then(|| self.rtt.into())
    }

    /// The round trip that another machine has measured.
    #[cfg(any(feature = "cluster", test))]
    pub(super) fn recall(&mut self, rtt: Option<u64>) {
        self.rtt = rtt.map_or(NO_RTT, short);
    }

    /// Any traffic counts as life, unless only answers or pings do.
    pub(crate) fn received(&mut self, now: u64) {
        (self.partial, self.waited) = (0, 0);
        if self.rules == Heartbeats::InSilence {
            self.alive(now);
        }
    }

    /// A link attaches; `alone`, while there was none.
    pub(super) fn link_attached(&mut self, now: u64, alone: bool, opening: bool) {
        match alone && (opening || !self.decides()) {
            true => self.restart(now),
            false => self.received(now),
        }
    }

    /// The client has pinged.
    pub(crate) fn pinged(&mut self, now: u64) {
        self.last_received = now;
    }

    /// Whether the pings alone decide how long the session lives.
    pub(super) fn decides(&self) -> bool {
        matches!(self.rules, Heartbeats::Fixed | Heartbeats::ByClient)
    }

    /// Bytes of a frame have come that is not complete yet. They count as life if they come at the least rate:
    /// a large message on a slow line does, and a trickle does not.
    pub(crate) fn received_part(&mut self, now: u64, bytes: u64) {
        if self.partial == 0 {
            self.partial_since = now;
        }
        self.partial += bytes;
        if now <= self.partial_since + self.timeout() + self.partial / LEAST_RATE {
            match self.rules {
                Heartbeats::InSilence => self.alive(now),
                Heartbeats::Fixed => self.put_off(now),
                Heartbeats::ByClient => self.pinged(now),
                Heartbeats::OneWay => {}
            }
        }
    }

    /// The answer to a ping comes behind what is on the way.
    fn put_off(&mut self, now: u64) {
        match &mut self.ping {
            Ping::Idle => {}
            Ping::Due(since) | Ping::Out(since) => *since = now,
        }
    }

    fn alive(&mut self, now: u64) {
        self.last_received = now;
        if let Ping::Out(_) = self.ping {
            self.ping = Ping::Idle;
        }
    }

    pub(crate) fn sent(&mut self, now: u64) {
        self.last_sent = now;
    }

    /// The connection has taken bytes that had waited for it: the other half reads them, and whatever waits
    /// behind them comes later.
    pub(crate) fn wrote(&mut self, now: u64) {
        self.last_sent = now;
        self.put_off(now);
    }

    /// A new link carries: what came before does not count.
    pub(crate) fn restart(&mut self, now: u64) {
        (self.partial, self.waited) = (0, 0);
        self.last_received = now;
        self.last_sent = now;
        self.ping = Ping::Idle;
    }

    /// How long nothing has been sent or received.
    pub(super) fn silence(&self, now: u64) -> u64 {
        now.saturating_sub(self.last_received.max(self.last_sent))
    }

    /// The ping that is due, if one is. Its answer is awaited from now on; `before` bytes may still be on the
    /// way before it.
    pub(crate) fn poll_ping(&mut self, now: u64, before: usize) -> Option<u64> {
        let Ping::Due(_) = self.ping else { return None };
        self.ping = if self.rules == Heartbeats::OneWay { Ping::Idle } else { Ping::Out(now) };
        self.credit = short(slow_line(before));
        // The id is the time at which the ping leaves, so that the round trip needs no table.
        Some(now)
    }

    /// The answer to the ping with this id. Where only answers count it has none, and one that answers nothing
    /// is passed over: the client could put the next ping off for ever.
    pub(crate) fn handle_pong(&mut self, now: u64, id: u64) {
        match (self.rules, self.ping) {
            (Heartbeats::InSilence, _) if id <= now => self.rtt = short(now - id),
            (Heartbeats::Fixed, Ping::Out(since)) => {
                self.rtt = short(now.saturating_sub(since));
                self.alive(now);
            }
            _ => {}
        }
    }

    /// When the server half must check again.
    pub(crate) fn deadline(&self) -> u64 {
        match (self.rules, self.ping) {
            (Heartbeats::ByClient, _) => self.last_received + self.interval() + self.timeout(),
            (Heartbeats::Fixed, Ping::Idle) => self.last_received + self.interval(),
            (Heartbeats::OneWay, Ping::Idle) => self.last_sent + self.interval(),
            // Whoever does not fetch its ping does not answer it either.
            (Heartbeats::Fixed, Ping::Due(since)) | (_, Ping::Out(since)) => since + self.timeout(),
            (_, Ping::Idle) => self.last_received.min(self.last_sent) + self.interval().min(self.idle_limit.get()),
            (_, Ping::Due(since)) => since + self.interval() + self.timeout(),
        }
    }

    /// The server half's check: a ping may become due, or the other half may be dead. `incoming`: a request of
    /// the client is coming in, and over HTTP the answer to the ping follows behind it.
    pub(crate) fn check(&mut self, now: u64, incoming: bool) -> Verdict {
        let deadline = self.deadline();
        if now < deadline {
            return Verdict::Fine;
        }
        let late = now - deadline;
        if self.rules == Heartbeats::ByClient {
            return self.check_client(now, late, incoming);
        }
        match self.ping {
            Ping::Idle => {
                self.ping = Ping::Due(now);
                Verdict::Fine
            }
            Ping::Due(_) | Ping::Out(_) if late > self.timeout() => {
                self.last_received = now;
                self.ping = Ping::Due(now);
                Verdict::Slept
            }
            // It is spent in steps: a deadline that lies far ahead would also put off the ping that is due
            // after an answer.
            Ping::Out(since) if u64::from(self.credit) > late => {
                let step = self.credit.min(short(late + self.timeout().max(1)));
                self.credit -= step;
                self.ping = Ping::Out(since + u64::from(step));
                Verdict::Fine
            }
            Ping::Out(since) if incoming && u64::from(self.waited) < LONGEST_WAIT => {
                let step = late + self.timeout().max(1);
                self.waited = self.waited.saturating_add(short(step));
                self.ping = Ping::Out(since + step);
                Verdict::Fine
            }
            Ping::Due(_) | Ping::Out(_) => Verdict::Dead,
        }
    }

    /// The same where the client pings: its ping has not come in time.
    fn check_client(&mut self, now: u64, late: u64, incoming: bool) -> Verdict {
        if late > self.timeout() {
            self.last_received = now;
            return Verdict::Slept;
        }
        if incoming && u64::from(self.waited) < LONGEST_WAIT {
            let step = late + self.timeout().max(1);
            self.waited = self.waited.saturating_add(short(step));
            self.last_received += step;
            return Verdict::Fine;
        }
        Verdict::Dead
    }

    /// When the client half must check again; `span` is how long silence is normal.
    pub(crate) fn watch_deadline(&self, span: u64) -> u64 {
        self.last_received + span
    }

    /// The client half's check.
    pub(crate) fn watch(&mut self, now: u64, span: u64) -> Verdict {
        let deadline = self.watch_deadline(span);
        if now < deadline {
            return Verdict::Fine;
        }
        if now - deadline > self.timeout() {
            // The other half gets one more timeout, in which it can answer a probe.
            self.last_received = (now + self.timeout()).saturating_sub(span);
            return Verdict::Slept;
        }
        Verdict::Dead
    }
}
