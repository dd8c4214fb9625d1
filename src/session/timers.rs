//! The machine's deadlines.

use super::{
    heartbeat::Verdict,
    inbox::{ACK_DELAY, ACK_QUIET},
    links::{Link, LinkKind, NO_DEADLINE},
    machine::{Config, Machine, Role},
    reason,
};

impl Machine {
    /// When [`handle_timeout`](Self::handle_timeout) has something to do. The docs of [`Machine`] tell which
    /// calls bring that nearer.
    pub(crate) fn poll_timeout(&self) -> Option<u64> {
        if self.over {
            return Some(0);
        }
        let links = self.links.iter().map(|link| link.deadline).filter(|deadline| *deadline < NO_DEADLINE).min();
        let own = match self.config.role {
            _ if self.closed.is_some() => Some(self.detached_since + self.remembered()),
            _ if self.is_parked() => None,
            Role::Server if self.heartbeat.decides() => Some(self.heartbeat.deadline()),
            Role::Server if !self.links.any_attached() => (self.pending_attaches == 0).then(|| self.grace_end()),
            Role::Server => self.links.needs_heartbeat().then(|| self.heartbeat.deadline()),
            Role::Client => self.watch_span().map(|span| self.heartbeat.watch_deadline(span)),
        };
        let rate = self.rate_deadline();
        [links, own, self.stream_deadline(), self.ack_deadline(), self.stall_deadline(), rate]
            .into_iter()
            .flatten()
            .min()
    }

    /// Handles every deadline that has passed. An early or repeated call does no harm.
    pub(crate) fn handle_timeout(&mut self, now: u64) {
        if self.over {
            return;
        }
        self.check_links(now);
        self.check_stream(now);
        self.check_ack(now);
        self.check_stall(now);
        self.end_rate_pause(now);
        match self.config.role {
            Role::Server => self.check_server(now),
            Role::Client => self.check_client(now),
        }
        self.shrink();
        self.links.shrink();
    }

    /// Gives unused memory of empty boxes back.
    pub(super) fn shrink(&mut self) {
        self.outbox.shrink();
        self.inbox.shrink();
    }

    /// Whether a frame since the last call has brought the next deadline nearer.
    pub(crate) fn take_deadline_is_nearer(&mut self) -> bool {
        std::mem::take(&mut self.deadline_is_nearer)
    }

    /// Whether there is a link of this ordinal, attached or between two of its turns.
    pub(crate) fn has_link(&self, ordinal: u64) -> bool {
        self.links.iter().any(|link| link.ordinal == ordinal && link.kind.carries_down())
    }

    /// Whether the client has shown that it received the session's secret, or that it needs none.
    pub(crate) fn is_proven(&self) -> bool {
        self.links.proven
    }

    /// How long the session is kept without a link. A client that has not come back once has no more time than
    /// an opening: it may never come.
    pub(super) fn grace(&self) -> u64 {
        let Config { role, grace, confirm_timeout, .. } = *self.config;
        if role == Role::Server && !self.is_proven() { grace.min(confirm_timeout) } else { grace }
    }

    /// The round trip of the last heartbeat in milliseconds.
    pub(crate) fn rtt(&self) -> Option<u64> {
        self.heartbeat.rtt()
    }

    /// Whether the client's path keeps no idle request open, so that the client must poll without waiting.
    pub(crate) fn idle_limit_is_zero(&self) -> bool {
        self.heartbeat.idle_limit.is_zero()
    }

    /// Server: whether a connection both ways carries the session, or is about to.
    #[cfg(feature = "cluster")]
    pub(crate) fn has_connection(&self) -> bool {
        self.links.iter().any(|link| link.kind == LinkKind::Duplex && link.attached)
    }

    /// Server: ends the answers of the links over HTTP. Their clients go on with the next turn.
    #[cfg(feature = "cluster")]
    pub(crate) fn end_answers(&mut self) {
        for link in self.links.iter_mut().filter(|link| link.attached) {
            link.answer_due |= matches!(link.kind, LinkKind::Poll { .. } | LinkKind::Stream);
        }
    }

    fn check_links(&mut self, now: u64) {
        let due = |link: &&Link| link.deadline < NO_DEADLINE && link.deadline <= now;
        loop {
            let Some(id) = self.links.iter().find(due).map(|link| link.id) else { return };
            let Some(link) = self.links.get_mut(id) else { return };
            link.deadline = NO_DEADLINE;
            if self.config.role == Role::Server && matches!(link.kind, LinkKind::Poll { .. }) {
                link.answer_due = true;
            } else {
                self.end_link(now, id, reason::NOT_CONFIRMED);
            }
        }
    }

    fn check_server(&mut self, now: u64) {
        let grace = self.grace();
        if self.closed.is_some() {
            self.over = now >= self.detached_since + self.remembered();
        } else if self.is_parked() {
            // Its client has as much time as somebody else gives it.
        } else if !self.heartbeat.decides() && !self.links.any_attached() {
            let deadline = self.grace_end();
            if self.pending_attaches == 0 && now >= deadline {
                // The end was held off, if at all, until the last attach ended that had begun.
                let held_off = deadline.max(self.attach_ended);
                if now - held_off > grace || std::mem::take(&mut self.refused) {
                    // This process slept: the client may have been trying all the time.
                    self.detached_since = now;
                } else {
                    self.finish(now, reason::EXPIRED);
                    self.over = true;
                }
            }
        } else if (self.heartbeat.decides() || self.links.needs_heartbeat())
            && self.heartbeat.check(now, self.pending_attaches > 0) == Verdict::Dead
        {
            if self.reading_stops() {
                self.heartbeat.restart(now); // The answer may have come and is not read.
                return;
            }
            self.end_silent_links();
            self.heartbeat.restart(now);
            if self.config.rules.cut_ends {
                self.cut(now, reason::HEARTBEAT_TIMEOUT);
            } else if !self.links.any_attached() {
                // The transport may not notice the end. The client notices it after this time.
                self.detached_since = now + self.config.interval + self.config.timeout;
            }
        }
    }

    fn check_client(&mut self, now: u64) {
        if self.closed.is_some() {
            self.over = now >= self.detached_since + self.remembered();
            return;
        }
        let Some(span) = self.watch_span() else { return };
        match self.heartbeat.watch(now, span) {
            Verdict::Fine => {}
            Verdict::Slept => self.probe_due = true,
            Verdict::Dead => {
                let carrier = self.links.carrier();
                for link in self.links.iter_mut().filter(|link| Some(link.ordinal) == carrier) {
                    link.finished = true;
                }
                // A lower link that still serves gets the full time.
                self.heartbeat.restart(now);
            }
        }
    }

    fn end_silent_links(&mut self) {
        let carrier = self.links.carrier();
        for link in self.links.iter_mut() {
            if link.kind.needs_heartbeat() && carrier.is_none_or(|ordinal| ordinal == link.ordinal) {
                link.supersede(reason::HEARTBEAT_TIMEOUT);
            }
        }
    }

    /// Client: how long the carrying link may be silent.
    fn watch_span(&self) -> Option<u64> {
        let carrier = self.links.carrier();
        let link = self.links.iter().find(|link| Some(link.ordinal) == carrier && link.kind.carries_down())?;
        match link.kind {
            _ if !link.is_open() => None,
            LinkKind::Poll { hold } => Some(hold + self.config.timeout),
            _ => Some(self.heartbeat.interval() + self.heartbeat.timeout()),
        }
    }
}

// Acknowledgements that nobody requests.
impl Machine {
    /// Sets the time of the next acknowledgement. `owed`: one was owed before this frame.
    pub(super) fn schedule_ack(&mut self, now: u64, owed: bool) {
        match self.config.role {
            Role::Server if !owed && self.inbox.owes_ack() => {
                self.ack_at = now + ACK_DELAY;
                self.deadline_is_nearer = true;
            }
            Role::Server => {}
            Role::Client => self.ack_at = now + ACK_QUIET,
        }
    }

    /// Server: whether an acknowledgement is nearly due, so that it goes with what else is sent and needs no
    /// write of its own.
    pub(super) fn ack_rides(&self, now: u64) -> bool {
        self.config.role == Role::Server && self.inbox.owes_ack() && self.ack_at <= now + ACK_DELAY / 2
    }

    fn check_ack(&mut self, now: u64) {
        if self.ack_deadline().is_some_and(|deadline| deadline <= now) {
            self.inbox.request_ack();
            self.links_need_wake = true;
        }
    }

    /// When an acknowledgement is due of what was taken. Without a link that carries there is none: the next one
    /// begins with it.
    fn ack_deadline(&self) -> Option<u64> {
        (self.inbox.owes_ack() && self.links.any_attached() && self.closed.is_none()).then_some(self.ack_at)
    }
}
