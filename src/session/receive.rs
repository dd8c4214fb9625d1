//! The machine's input from the network: attach, frames, detach.

use super::{
    frame::{Attached, CloseReason, Frame, Outcome},
    heartbeat::slow_line,
    inbox::FlowState,
    links::{Attach, Link, LinkId, LinkKind, NO_DEADLINE},
    machine::{Event, Machine, Role},
    reason,
    rules::Rivals,
};

impl Machine {
    /// Whether the other half has closed the session, and believes that all was received that it had sent.
    pub(crate) fn is_closed_there(&self) -> bool {
        let closed = self.closed.as_deref().filter(|_| !self.aborted_here && self.closing.is_none());
        closed.is_some_and(|closed| *closed != reason::EXPIRED)
    }

    /// An attach has begun: grace does not end before [`cancel_attach`](Self::cancel_attach). Returns false
    /// after grace has passed: the caller has not shown the secret yet, and must not be able to extend a
    /// session for ever.
    pub(crate) fn expect_attach(&mut self, now: u64) -> bool {
        let counts = !self.has_sid() && (self.links.any_attached() || now < self.grace_end());
        self.pending_attaches += u32::from(counts);
        counts
    }

    /// An attach has succeeded or failed for which [`expect_attach`](Self::expect_attach) returned `true`.
    pub(crate) fn cancel_attach(&mut self, now: u64) {
        self.pending_attaches -= 1;
        self.attach_ended = now;
    }

    /// Attaches a link. The reason of a refusal is meant for the other half.
    pub(crate) fn attach(&mut self, now: u64, mut attach: Attach) -> Result<LinkId, CloseReason> {
        let server = self.config.role == Role::Server;
        // An answer that begins with "nothing is missing" would be wrong for a session that was aborted.
        let ended = self.aborted_here || self.has_sid();
        let aborted = self.closed.as_deref().filter(|reason| ended || reason.code / 100 == 43);
        if self.given || self.is_parked() {
            return Err(if self.given { reason::MOVING } else { reason::ENDED });
        } else if self.over || (aborted.is_some() && server && (attach.kind.carries_down() || self.has_sid())) {
            let reason = aborted.filter(|reason| !self.may_open_anew(now, reason));
            return Err(reason.cloned().unwrap_or(reason::ENDED));
        }
        self.refused = true; // It stays so if one of the checks below fails.
        if attach.kind.carries_down() {
            self.admit(now, &mut attach)?;
            self.heartbeat.idle_limit.attached(now, attach.ordinal);
            if let Some(probe) = &mut self.stream_probe {
                probe.next_turn(attach.ordinal, attach.kind == LinkKind::Stream);
            }
        }
        if server && !attach.opening {
            self.acknowledged_up_to(now, attach.received).map_err(|()| reason::ACK_BEYOND_SENT)?;
        }
        if attach.kind.has_turns() {
            self.shrink(); // No moment is idler than the one between two turns.
        }
        self.names = attach.names.unwrap_or(self.names);
        self.links.proven |= !attach.opening; // Whoever does not open has shown the secret.
        let alone = !self.links.any_attached();
        let gap =
            (alone && self.links.follows(attach.ordinal, attach.turn)).then(|| now.saturating_sub(self.detached_since));
        let link = self.links.add(attach, self.outbox.acked() + 1, FlowState::START);
        let id = link.id;
        link.reply_due = server && attach.kind == LinkKind::Upload;
        if !server && matches!(attach.kind, LinkKind::Poll { .. } | LinkKind::Stream | LinkKind::Upload) {
            self.inbox.ack_sent(); // The head of the request carries an acknowledgement.
            link.pending_outcome = Some(Outcome::Full);
        }
        link.last_ack_sent = if server || attach.opening { self.config.base } else { self.inbox.received() };
        if attach.kind.carries_down() {
            let outcome = if attach.opening { Outcome::New } else { Outcome::Full };
            link.pending_outcome = self.config.rules.announce.then_some(outcome);
            link.deadline = match attach.kind {
                LinkKind::Poll { hold } if server => now + hold.min(self.heartbeat.idle_limit.get()),
                LinkKind::Opening if server => NO_DEADLINE,
                _ if link.confirmed => NO_DEADLINE,
                _ => now + self.config.confirm_timeout,
            };
        }
        if server && (attach.seen || !self.config.rules.confirm) {
            self.confirm(now, id);
        }
        if server && attach.kind == LinkKind::Stream && self.is_numbered() {
            self.begin_stream(id, attach.ordinal, gap);
        }
        self.heartbeat.link_attached(now, alone, attach.opening);
        self.detached_since = self.detached_since.max(now);
        self.refused = false;
        self.number_waiting(now);
        Ok(id)
    }

    fn admit(&mut self, now: u64, attach: &mut Attach) -> Result<(), CloseReason> {
        match &self.config.rules.rivals {
            Rivals::HigherOrdinalWins => self.links.admit(attach.ordinal, attach.turn),
            Rivals::Refuse(reason) if self.links.any_attached() => Err(reason.clone()),
            Rivals::Refuse(_) => Ok(()),
            Rivals::CloseBoth => self.admit_beside(now, attach),
        }
    }

    /// Server: a page resumes the session that an older page has left, and is answered as if it had opened
    /// it. The older page's links end, a pause that it has sent is void, and answers to its requests are sent
    /// without their content. With `again` the same page has done all this before.
    pub(crate) fn take_over(&mut self, now: u64, attach: Attach, again: bool) -> Result<LinkId, CloseReason> {
        self.heartbeat.idle_limit.forget_cut();
        let id = self.attach(now, attach)?;
        if let Some(link) = self.links.get_mut(id) {
            link.pending_outcome = Some(Outcome::New);
        }
        if !again {
            let before = self.links.carrier();
            self.links.fence(id);
            self.flow_received = FlowState::START;
            self.outbox.void_answers();
            if self.links.carrier() != before {
                self.carrier_changed(now);
            }
        }
        Ok(id)
    }

    /// The link is gone.
    pub(crate) fn detach(&mut self, now: u64, id: LinkId) {
        if self.config.role == Role::Client {
            self.resend_upload(id);
        }
        let before = self.links.carrier();
        if self.config.role == Role::Server
            && let Some(link) = self.links.get(id)
            && link.is_open()
            && !link.answer_due
            && link.kind != LinkKind::Upload
            && before == Some(link.ordinal)
        {
            let (silence, polling) = (self.heartbeat.silence(now), matches!(link.kind, LinkKind::Poll { .. }));
            self.heartbeat.idle_limit.cut(link.ordinal, silence, polling);
        }
        // Most of an answer can still be on its way to the client, which makes its next request when it has all.
        let turns = self.links.get(id).is_some_and(|link| link.kind.has_turns());
        let cut = self.links.get(id).is_some_and(Link::is_cut_if_gone);
        self.under_way = if turns { slow_line(self.outbox.bytes()) } else { 0 };
        self.links.detach(id);
        if self.links.carrier() != before {
            self.carrier_changed(now);
        }
        if cut && self.config.rules.cut_ends {
            self.cut(now, reason::CUT); // A reason that was there before stands.
        }
        if self.links.any_attached() {
            return;
        }
        if self.closed.is_some() && self.config.rules.cut_ends {
            self.over = !self.farewell_due && !self.config.rules.repeats_close;
        } else if self.closed.is_none() {
            self.detached_since = now;
            self.refused = false; // Grace begins anew anyway.
        }
    }

    /// Client: what an upload without an answer has sent may be lost, and is sent again.
    fn resend_upload(&mut self, id: LinkId) {
        let unanswered = |link: &&Link| link.kind == LinkKind::Upload && link.pending_outcome.is_some();
        if self.links.get(id).filter(unanswered).is_some() {
            self.flow_sent = FlowState::START;
            self.inbox.request_ack();
            self.abort_due = self.aborted_here;
        }
    }

    /// Takes a frame. A violation ends the link and is returned.
    pub(crate) fn handle_frame(&mut self, now: u64, id: LinkId, frame: Frame) -> Result<(), CloseReason> {
        let Some(link) = self.links.get_mut(id) else {
            return Ok(()); // The link was replaced meanwhile.
        };
        if link.superseded {
            // The link does not count any more, but its client exists.
            self.detached_since = self.detached_since.max(now);
        }
        if link.ignores_input {
            return Ok(());
        }
        if link.kind == LinkKind::Upload && !matches!(frame, Frame::LinkClose(_)) {
            link.pending_outcome = None;
        }
        self.unanswered = 0;
        // A client watches its downlink, and the answer to an upload is no sign of life there.
        if self.config.role == Role::Server || link.kind != LinkKind::Upload {
            self.heartbeat.received(now);
        }
        let owed = self.inbox.owes_ack();
        let result = match self.is_candidate(id) {
            true => self.take_from_candidate(now, id, frame),
            false => self.dispatch(now, id, frame),
        };
        self.schedule_ack(now, owed);
        if let Err(violation) = &result {
            self.end(now, id, violation.clone());
        }
        result
    }

    /// The transport could not read the input: the link ends. The session goes on, unless it ends with its
    /// link.
    pub(crate) fn end(&mut self, now: u64, id: LinkId, reason: CloseReason) {
        self.end_link(now, id, reason);
        if let Some(link) = self.links.get_mut(id) {
            link.ignores_input = true;
        }
    }

    fn dispatch(&mut self, now: u64, id: LinkId, frame: Frame) -> Result<(), CloseReason> {
        let server = self.config.role == Role::Server;
        match frame {
            Frame::Message { number, message } => self.take_message(now, number, message),
            Frame::Gap { from, to } => self.take_gap(now, from, to),
            Frame::Close { number, reason } => self.take_close(now, number, reason),
            Frame::Ack { received } => self.acknowledged_up_to(now, received).map_err(|()| reason::ACK_BEYOND_SENT),
            Frame::AckRequest => {
                self.links_need_wake = true;
                self.inbox.request_ack();
                // The first frame of a poll is no answer: the poll waits for more.
                if let Some(link) = self.links.get_mut(id).filter(|link| matches!(link.kind, LinkKind::Poll { .. })) {
                    link.reply_due = server;
                }
                Ok(())
            }
            Frame::Pause { received, epoch } => self.handle_flow(now, received, FlowState::new(epoch, true)),
            Frame::Resume { received, epoch } => self.handle_flow(now, received, FlowState::new(epoch, false)),
            Frame::Pong { id, received } if server => {
                self.heartbeat.handle_pong(now, id);
                self.acknowledged_up_to(now, received).map_err(|()| reason::ACK_BEYOND_SENT)
            }
            Frame::Confirm if server => {
                self.confirm(now, id);
                Ok(())
            }
            Frame::Ping { id, .. } if server && self.client_pings() => self.answer_ping(now, id),
            Frame::Noop if self.has_sid() => Ok(()),
            Frame::Attached(start) if !server => self.handle_attached(now, id, &start),
            Frame::Ping { id, received } if !server => {
                self.pong_due = id;
                self.acknowledged_up_to(now, received.unwrap_or_default()).map_err(|()| reason::ACK_BEYOND_SENT)
            }
            Frame::GoAway { delay } if !server => {
                // Both halves must know what has arrived before there is a new link.
                self.inbox.request_ack();
                self.outbox.request_ack();
                self.events.make().push_back(Event::GoAway(delay));
                Ok(())
            }
            // The machine of a client has no use for them.
            Frame::Padding { .. } | Frame::PollDelay { .. } if !server => Ok(()),
            Frame::LinkClose(reason) => {
                self.handle_link_close(now, id, reason);
                Ok(())
            }
            Frame::Pong { .. }
            | Frame::Confirm
            | Frame::Attached(_)
            | Frame::Ping { .. }
            | Frame::GoAway { .. }
            | Frame::Padding { .. }
            | Frame::PollDelay { .. }
            | Frame::Probe
            | Frame::Noop => Err(reason::UNEXPECTED),
        }
    }
}

impl Machine {
    /// Ends a link. The reason is sent where this half can send on it.
    pub(super) fn end_link(&mut self, now: u64, id: LinkId, reason: CloseReason) {
        let client = self.config.role == Role::Client;
        let Some(link) = self.links.get_mut(id) else { return };
        link.end(reason.clone());
        link.finished |= client && link.kind != LinkKind::Duplex;
        if self.config.rules.cut_ends && link.confirmed {
            self.finish(now, reason);
        }
    }

    fn acknowledged_up_to(&mut self, now: u64, received: u64) -> Result<(), ()> {
        let (ack_requested, bytes) = (self.outbox.ack_requested(), self.outbox.bytes());
        if self.outbox.acknowledge(received)? {
            self.droppables_acknowledged(now, bytes - self.outbox.bytes());
            self.progressed(now);
        }
        // An acknowledgement of what is left must be requested too.
        self.links_need_wake |= self.outbox.ack_requested() != ack_requested;
        if let Some(probe) = &mut self.stream_probe {
            // The next request has a deadline.
            self.links_need_wake |= probe.acknowledged(now, self.outbox.acked(), self.heartbeat.rtt());
        }
        self.finish_closing(now);
        Ok(())
    }

    /// Ends the session if this half has closed it and nothing is left in the outbox.
    pub(super) fn finish_closing(&mut self, now: u64) {
        if let (Some(reason), true) = (self.closing.as_deref(), self.closed.is_none() && self.outbox.is_empty()) {
            self.finish(now, reason.clone());
        }
    }

    fn handle_flow(&mut self, now: u64, received: u64, flow: FlowState) -> Result<(), CloseReason> {
        self.acknowledged_up_to(now, received).map_err(|()| reason::ACK_BEYOND_SENT)?;
        if flow > self.flow_received {
            self.links_need_wake = true;
            self.flow_received = flow;
            if let Some(probe) = &mut self.stream_probe {
                probe.paused(now);
            }
            // The messages beyond this number were not taken, and must be sent again.
            for link in self.links.iter_mut() {
                link.next_to_send = link.next_to_send.min(received + 1);
                link.ack_request_sent_for = link.ack_request_sent_for.min(received);
            }
        }
        Ok(())
    }

    fn handle_attached(&mut self, now: u64, id: LinkId, start: &Attached) -> Result<(), CloseReason> {
        self.acknowledged_up_to(now, start.received).map_err(|()| reason::ACK_BEYOND_SENT)?;
        if let Some(link) = self.links.get_mut(id) {
            link.pending_outcome = None;
            link.deadline = NO_DEADLINE;
            link.reply_due = link.kind == LinkKind::Duplex;
        }
        if let Some(grant) = &start.grant {
            self.heartbeat.set_times(grant.params.interval, grant.params.timeout);
        }
        if !std::mem::replace(&mut self.opened, true) {
            self.events.make().push_back(Event::Opened);
        }
        self.confirm(now, id);
        Ok(())
    }

    pub(super) fn confirm(&mut self, now: u64, id: LinkId) {
        let before = self.links.carrier();
        let client = self.config.role == Role::Client;
        self.links.confirm(id, client.then_some(now + self.config.confirm_timeout));
        if self.links.carrier() != before {
            self.carrier_changed(now);
        }
    }

    fn carrier_changed(&mut self, now: u64) {
        self.links_need_wake = true;
        if !self.heartbeat.decides() {
            self.heartbeat.restart(now);
        }
        let carrier = self.links.carrier();
        let carries = |link: &&Link| Some(link.ordinal) == carrier && link.kind.carries_down();
        if let Some(transport) = self.links.iter().find(carries).and_then(|link| link.transport) {
            self.transport = transport;
        }
        let mut links = self.links.iter().filter(carries);
        // An acknowledgement that was sent on another link may be lost with that link.
        if links.any(|link| link.attached && link.last_ack_sent < self.inbox.last_ack_sent()) {
            self.inbox.request_ack();
        }
    }

    pub(super) fn handle_link_close(&mut self, now: u64, id: LinkId, reason: CloseReason) {
        let server = self.config.role == Role::Server;
        // An upload whose frames end the session is still answered.
        let only_turn = !server && reason.code == reason::HELD.code;
        if let Some(link) = self.links.get_mut(id).filter(|link| !server || link.kind != LinkKind::Upload) {
            // Only the turn ends: its answer is about to end, and the next turn follows.
            link.finished |= !(only_turn && link.kind.has_turns());
        }
        // The loser of a race of openings came too late, or to a session that has ended. The winner's session
        // lives.
        let loser =
            !server && self.opened && self.links.get(id).is_some_and(|link| link.pending_outcome == Some(Outcome::New));
        match reason.code / 100 {
            _ if self.is_candidate(id) => {}
            _ if self.config.rules.cut_ends => self.cut(now, reason),
            41 | 43 | 44 if loser => {}
            // A client has no other code to abort with.
            43 | 44 if self.closed.is_none() && (!server || reason.code == reason::ABORTED.code) => {
                self.finish(now, reason);
            }
            41 if !server && self.closed.is_none() => self.events.make().push_back(Event::Lost(reason)),
            10 | 43 if self.closed.is_some() => self.over = server,
            _ => {}
        }
    }
}
