//! Chooses the next frame that a link sends.

use super::{
    frame::{Attached, CloseReason, Frame, Names, Outbound},
    inbox::Inbox,
    links::{Link, LinkId, LinkKind},
    machine::{Machine, NO_PING, Role},
    outbox::Body,
    reason,
    rules::{Delivery, Heartbeats, Rules},
    stream_probe::StreamProbe,
};

/// The kind of the next frame that a link sends.
enum Next {
    Nothing,
    Control(Frame),
    Data,
}

impl From<Option<Frame>> for Next {
    fn from(frame: Option<Frame>) -> Self {
        frame.map_or(Next::Nothing, Next::Control)
    }
}

impl Machine {
    /// The next frame to send on this link.
    pub(crate) fn poll_transmit(&mut self, now: u64, id: LinkId) -> Option<Frame> {
        let mut frame = None;
        self.transmit(now, id, |outbound| {
            frame = Some(outbound.into_frame());
            false
        });
        frame
    }

    /// Gives `send` what the link sends next: one frame, or the messages that follow each other, until it returns
    /// false. Returns what it has returned last; `None` if there is nothing to send now.
    pub(crate) fn transmit(
        &mut self,
        now: u64,
        id: LinkId,
        mut send: impl FnMut(Outbound<'_>) -> bool,
    ) -> Option<bool> {
        let more = match self.next(now, id) {
            Next::Nothing => None,
            Next::Control(frame) => {
                self.note(id, &frame);
                self.probe_of(id).into_iter().for_each(StreamProbe::frame_sent);
                Some(send(Outbound::Frame(frame)))
            }
            Next::Data => self.transmit_data(now, id, false, send),
        }?;
        if self.links.get(id).is_none_or(|link| link.kind != LinkKind::Upload) {
            self.heartbeat.sent(now);
        }
        Some(more)
    }

    /// As [`transmit`](Self::transmit), right behind a message and under the same lock: no control frame can
    /// be due, so only data is looked at.
    pub(crate) fn transmit_behind(
        &mut self,
        now: u64,
        id: LinkId,
        send: impl FnMut(Outbound<'_>) -> bool,
    ) -> Option<bool> {
        if self.has_sent_all(id) {
            return None;
        }
        self.transmit_data(now, id, true, send)
    }

    /// Whether the link has sent all messages, and nothing can be due behind them.
    fn has_sent_all(&self, id: LinkId) -> bool {
        let all = |link: &Link| link.next_to_send > self.outbox.last();
        self.stream_probe.is_none()
            && self.outbox.ack_requested() <= self.outbox.acked()
            && self.links.get(id).is_none_or(all)
    }

    /// Why the transport must give the link up although it cannot write all that it has.
    pub(crate) fn link_ending(&self, id: LinkId) -> Option<CloseReason> {
        let aborted = self.closed.as_deref().filter(|reason| self.over || matches!(reason.code / 100, 40..=43));
        match self.links.get(id) {
            None => Some(reason::REPLACED),
            Some(_) if aborted.is_some() => aborted.cloned(),
            Some(link) => link.ending.as_deref().cloned(),
        }
    }

    /// Whether the transport, to which [`transmit`](Self::transmit) gives nothing more, must flush what it has and drop
    /// the link.
    pub(crate) fn link_is_over(&self, id: LinkId) -> bool {
        let ends = |link: &Link| link.finished || !link.attached || link.answer_due || self.must_not_wait(link);
        self.links.get(id).is_none_or(ends)
    }

    /// A frame that carries an acknowledgement is sent: the same need not be sent again.
    fn note(&mut self, id: LinkId, frame: &Frame) {
        if matches!(
            frame,
            Frame::Attached(_)
                | Frame::Ack { .. }
                | Frame::Pause { .. }
                | Frame::Resume { .. }
                | Frame::Ping { received: Some(_), .. }
                | Frame::Pong { .. }
        ) {
            let server = self.config.role == Role::Server;
            let turns = self.links.carrier_has_turns();
            let unread =
                matches!(frame, Frame::Attached(_)) && !self.links.get(id).is_some_and(|link| self.links.carries(link));
            let Some(link) = self.links.get_mut(id) else { return };
            link.last_ack_sent = self.inbox.received();
            // The client may have moved to a WebSocket and never read the answer to an older upload, or the
            // first frame of a link that does not carry. The acknowledgement stays due then.
            if !unread && (!server || link.kind != LinkKind::Upload || turns) {
                self.inbox.ack_sent();
            }
        }
    }

    fn next(&mut self, now: u64, id: LinkId) -> Next {
        let server = self.config.role == Role::Server;
        let received = self.inbox.received();
        let Some(link) = self.links.get_mut(id) else { return Next::Nothing };
        if link.finished || !link.attached {
            return Next::Nothing;
        }
        if server {
            if let Some(outcome) = link.pending_outcome.take() {
                return Next::Control(Frame::Attached(Attached {
                    outcome,
                    received,
                    names: self.names,
                    grant: None,
                    secret: None,
                }));
            }
            if link.kind == LinkKind::Upload {
                return self.answer_upload(id).into();
            }
            if link.probed && std::mem::take(&mut link.reply_due) {
                return Next::Control(Frame::Probe);
            }
        } else if !link.kind.carries_up() {
            return Next::Nothing;
        } else if std::mem::take(&mut link.reply_due) {
            return Next::Control(Frame::Confirm);
        }
        if let Some(closed) = &self.closed {
            let frame = last_frame(&self.inbox, link, closed, self.abort_due, self.config.rules);
            self.abort_due &= !matches!(frame, Some(Frame::LinkClose(_)));
            return frame.into();
        }
        if let Some(reason) = link.ending.take() {
            link.finished = true;
            return Next::Control(Frame::LinkClose(*reason));
        }
        let carries = self.links.get(id).is_some_and(|link| self.links.carries(link));
        match carries {
            true => self.next_control(now, id).map_or(Next::Data, Next::Control),
            false => Next::Nothing,
        }
    }

    fn next_control(&mut self, now: u64, id: LinkId) -> Option<Frame> {
        let received = self.inbox.received();
        let flow = self.inbox.flow();
        if self.probe_of(id).is_some_and(StreamProbe::take_end) {
            self.links.get_mut(id)?.finished = true;
            return Some(Frame::LinkClose(reason::HELD));
        }
        let numbered = self.is_numbered();
        let ack_rides = self.ack_rides(now);
        let link = self.links.get_mut(id)?;
        if link.flow_sent < flow && numbered {
            link.flow_sent = flow;
            let turns = if link.flow_turned == flow { link.flow_turns } else { 0 };
            (link.flow_turned, link.flow_turns) = (flow, turns + 1);
            self.flow_sent = flow;
            let epoch = flow.epoch();
            return Some(if flow.is_paused() {
                Frame::Pause { received, epoch }
            } else {
                Frame::Resume { received, epoch }
            });
        }
        if self.pong_due != NO_PING {
            return Some(Frame::Pong { id: std::mem::replace(&mut self.pong_due, NO_PING), received });
        }
        if std::mem::take(&mut link.reply_due) || self.inbox.ack_due() || ack_rides {
            return Some(Frame::Ack { received });
        }
        if let Some(due) = self.go_away_due.take_if(|due| link.ordinal >= due.ordinal) {
            return Some(Frame::GoAway { delay: due.delay });
        }
        if std::mem::take(&mut self.probe_due) {
            return Some(Frame::AckRequest);
        }
        let pings = link.kind.needs_heartbeat() || self.config.rules.heartbeat == Heartbeats::Fixed;
        if self.config.role == Role::Server && pings {
            let before = if numbered { self.outbox.bytes() } else { self.unanswered };
            let acknowledges = self.names.contains(Names::PING);
            return self
                .heartbeat
                .poll_ping(now, before)
                .map(|id| Frame::Ping { id, received: acknowledges.then_some(received) });
        }
        None
    }

    /// `behind`: it is right behind a message.
    fn transmit_data(
        &mut self,
        now: u64,
        id: LinkId,
        behind: bool,
        mut send: impl FnMut(Outbound<'_>) -> bool,
    ) -> Option<bool> {
        let link = self.links.get_mut(id)?;
        let acked = self.outbox.acked();
        link.next_to_send = link.next_to_send.max(acked + 1);
        let from = link.next_to_send;
        let numbered = self.is_numbered();
        if numbered && self.requests_ack(now, id, from) {
            return Some(send(Outbound::Frame(Frame::AckRequest)));
        }
        let link = self.links.get_mut(id)?;
        // The common case is that all was sent.
        let may_send = from <= self.outbox.last() && !self.flow_received.is_paused();
        let at = if may_send { self.outbox.place(from) } else { 0 };
        let entry = self.outbox.entries_at(at).next().filter(|entry| may_send && entry.first <= from);
        let Some(entry) = entry else {
            return self.probe_frame(now, id).map(|frame| send(Outbound::Frame(frame)));
        };
        let to = entry.last;
        let more = match entry.body {
            Body::Message(_) => return self.transmit_messages(now, id, at, send),
            // The other half is done when it has the close, and what it sent before must not look lost to it.
            Body::Close(_) if numbered && link.last_ack_sent < self.inbox.received() => {
                let frame = Frame::Ack { received: self.inbox.received() };
                self.note(id, &frame);
                return Some(send(Outbound::Frame(frame)));
            }
            // Clients handle the end of the session before the messages of the same answer, or read one frame of it.
            Body::Close(_) if link.wrote && link.kind.has_one_flush() && self.config.rules.cut_ends => {
                link.finished = true;
                return None;
            }
            Body::Close(_) if behind && link.kind == LinkKind::Stream && self.config.rules.cut_ends => return None,
            Body::Close(reason) if self.config.rules.cut_ends => {
                link.finished = true;
                send(Outbound::Frame(Frame::LinkClose(reason.clone())))
            }
            Body::Close(reason) => send(Outbound::Frame(Frame::Close { number: from, reason: reason.clone() })),
            Body::Gap => send(Outbound::Frame(Frame::Gap { from, to })),
        };
        link.wrote_up_to(to);
        self.transmitted(now, id, to, 0);
        Some(more)
    }

    /// Gives `send` the messages that follow each other from this place on, until it returns false. All else is looked at
    /// once for all of them, so they end where something else comes in between.
    fn transmit_messages(
        &mut self,
        now: u64,
        id: LinkId,
        at: usize,
        mut send: impl FnMut(Outbound<'_>) -> bool,
    ) -> Option<bool> {
        let link = self.links.get_mut(id)?;
        let (mut to, mut cost, mut more) = (link.next_to_send, 0, true);
        for entry in self.outbox.entries_at(at) {
            let Body::Message(message) = entry.body else { break };
            to = entry.first;
            cost += entry.cost();
            more = send(Outbound::message(to, message, self.names));
            // An acknowledgement is requested right behind this one.
            if !more || to == self.outbox.ack_requested() {
                break;
            }
        }
        link.wrote_up_to(to);
        self.transmitted(now, id, to, cost);
        Some(more)
    }

    /// The link has sent all up to this number: messages that cost so much, or something else.
    fn transmitted(&mut self, now: u64, id: LinkId, to: u64, cost: usize) {
        self.outbox.mark_sent(to);
        if self.is_numbered() {
            self.probe_of(id).into_iter().for_each(StreamProbe::frame_sent);
            return;
        }
        self.unanswered = (self.unanswered + cost).min(self.config.outbox);
        let bytes = self.outbox.bytes();
        self.outbox.acknowledge(to).expect("it was just marked as sent");
        self.droppables_acknowledged(now, bytes - self.outbox.bytes());
        self.progressed(now);
        self.finish_closing(now);
    }

    /// Whether the link sends a request for the acknowledgement that the application waits for, behind everything of
    /// which it is.
    fn requests_ack(&mut self, now: u64, id: LinkId, next_to_send: u64) -> bool {
        let requested = self.outbox.ack_requested();
        let bytes = self.outbox.bytes();
        let open = requested > self.outbox.acked() && next_to_send > requested;
        let Some(link) = self.links.get_mut(id).filter(|link| open && link.ack_request_sent_for < requested) else {
            return false;
        };
        link.ack_request_sent_for = requested;
        if let Some(droppables) = &mut self.droppables {
            droppables.request_sent(now, requested);
        }
        if let Some(probe) = self.probe_of(id) {
            probe.request_sent(now, next_to_send - 1, bytes);
            probe.frame_sent();
        }
        true
    }

    /// Server: the answer to an upload is always an acknowledgement.
    fn answer_upload(&mut self, id: LinkId) -> Option<Frame> {
        let received = self.inbox.received();
        let flow = self.inbox.flow();
        let link = self.links.get_mut(id)?;
        if let Some(reason) = link.ending.take() {
            link.finished = true;
            return Some(Frame::LinkClose(*reason));
        }
        if !std::mem::take(&mut link.reply_due) {
            link.finished = true;
            return None;
        }
        Some(if flow.is_paused() { Frame::Pause { received, epoch: flow.epoch() } } else { Frame::Ack { received } })
    }
}

/// On a link of a closed session only an acknowledgement and the end are sent. Every link sends them: those
/// that another link has sent may be lost.
fn last_frame(inbox: &Inbox, link: &mut Link, closed: &CloseReason, abort_due: bool, rules: &Rules) -> Option<Frame> {
    let numbered = rules.delivery == Delivery::UntilAcknowledged;
    let first = !std::mem::replace(&mut link.final_ack_sent, true) && numbered;
    if inbox.ack_due() || (first && link.kind != LinkKind::Upload) {
        return Some(Frame::Ack { received: inbox.received() });
    }
    if link.kind == LinkKind::Upload {
        return abort_due.then(|| Frame::LinkClose(closed.clone())); // It ends with its answer anyway.
    }
    link.finished = true;
    let aborted = rules.cut_ends || matches!(closed.code / 100, 40..=43);
    match link.kind {
        _ if aborted => Some(Frame::LinkClose(closed.clone())),
        // A link that was replaced gets that reason: the frame that ends the session may be under way on
        // another link.
        _ => Some(Frame::LinkClose(link.ending.take().map_or(reason::CLOSED, |reason| *reason))),
    }
}
