//! What a link has to say next.

use super::{
    frame::{CloseReason, Frame, Start, reason},
    inbox::Inbox,
    links::{Link, LinkId, Wire},
    machine::{Machine, Role},
    outbox::Body,
};

impl Machine {
    /// The next frame that this link has to say.
    pub(crate) fn poll_transmit(&mut self, now: u64, id: LinkId) -> Option<Frame> {
        let frame = self.next_frame(now, id)?;
        self.note(id, &frame);
        if self.links.get(id).is_none_or(|link| link.wire != Wire::Upload) {
            self.heartbeat.said(now);
        }
        Some(frame)
    }

    /// What a frame tells of how far we have come need not be told again.
    fn note(&mut self, id: LinkId, frame: &Frame) {
        if matches!(
            frame,
            Frame::Start(_) | Frame::Ack { .. } | Frame::Hold { .. } | Frame::Go { .. } | Frame::Pong { .. }
        ) {
            let server = self.config.role == Role::Server;
            let turns = self.links.carrier_has_turns();
            let Some(link) = self.links.get_mut(id) else { return };
            link.told = self.inbox.received();
            // The answer of an upload left over from before a WebSocket may find nobody: what is due there stays due.
            if !server || link.wire != Wire::Upload || turns {
                self.inbox.ack_said();
            }
        }
    }

    /// The next frame of a link that has just said a message, in the same breath: what goes before messages has been said.
    pub(crate) fn poll_run(&mut self, id: LinkId) -> Option<Frame> {
        let frame = self.next_data(id)?;
        self.note(id, &frame);
        Some(frame)
    }

    fn next_frame(&mut self, now: u64, id: LinkId) -> Option<Frame> {
        let server = self.config.role == Role::Server;
        let received = self.inbox.received();
        let link = self.links.get_mut(id)?;
        if link.finished || !link.attached {
            return None;
        }
        if server {
            if let Some(outcome) = link.start.take() {
                return Some(Frame::Start(Start { outcome, received, grant: None }));
            }
            if link.wire == Wire::Upload {
                return self.answer_upload(id);
            }
        } else if !link.wire.carries_up() {
            return None;
        } else if std::mem::take(&mut link.reply_due) {
            return Some(Frame::Proof);
        }
        if let Some(closed) = &self.closed {
            let frame = last_frame(&self.inbox, link, closed, self.abort_due);
            self.abort_due &= !matches!(frame, Some(Frame::End(_)));
            return frame;
        }
        if let Some(reason) = link.ending.take() {
            link.finished = true;
            return Some(Frame::End(reason));
        }
        let link = self.links.get(id)?;
        if !self.links.carries(link) {
            return None;
        }
        self.next_control(now, id).or_else(|| self.next_data(id))
    }

    fn next_control(&mut self, now: u64, id: LinkId) -> Option<Frame> {
        let received = self.inbox.received();
        let stage = self.inbox.stage();
        let link = self.links.get_mut(id)?;
        if link.stage_said < stage {
            link.stage_said = stage;
            let turns = if link.stage_turns.0 == stage { link.stage_turns.1 } else { 0 };
            link.stage_turns = (stage, turns + 1);
            self.stage_told = stage;
            let epoch = stage.epoch();
            return Some(if stage.going() { Frame::Go { received, epoch } } else { Frame::Hold { received, epoch } });
        }
        if let Some(id) = self.pong_due.take() {
            return Some(Frame::Pong { id, received });
        }
        if self.inbox.ack_due() {
            return Some(Frame::Ack { received });
        }
        // Once: a client that has made its new link to this same server would make another, and another.
        if let Some(delay) = self.away.take() {
            return Some(Frame::Away { delay });
        }
        if std::mem::take(&mut self.probe_due) {
            return Some(Frame::Want);
        }
        if self.config.role == Role::Server && link.wire.beats() {
            return self.heartbeat.poll_ping(now).map(|id| Frame::Ping { id });
        }
        None
    }

    fn next_data(&mut self, id: LinkId) -> Option<Frame> {
        let link = self.links.get_mut(id)?;
        let acked = self.outbox.acked();
        link.cursor = link.cursor.max(acked + 1);
        let wanted = self.outbox.wanted();
        if wanted > acked && link.cursor > wanted && link.want_said < wanted {
            link.want_said = wanted;
            return Some(Frame::Want);
        }
        if !self.stage_heard.going() {
            return None;
        }
        let entry = self.outbox.entry(link.cursor)?;
        if matches!(entry.body, Body::Close(_)) && link.told < self.inbox.received() {
            // The other half is done when it has the close: what arrived before must not look lost to it.
            return Some(Frame::Ack { received: self.inbox.received() });
        }
        let (from, to) = (link.cursor, entry.last);
        let frame = match &entry.body {
            Body::Message(parcel) => Frame::Message { number: from, parcel: parcel.clone() },
            Body::Dropped => Frame::Dropped { from, to },
            Body::Close(reason) => Frame::Close { number: from, reason: reason.clone() },
        };
        #[cfg(test)]
        let frame = match self.sabotage {
            Some(super::sabotage::Sabotage::ForgetsTheClose)
                if matches!(frame, Frame::Close { .. }) && self.outbox.was_sent(to) =>
            {
                return None;
            }
            Some(super::sabotage::Sabotage::RestartsNumbers) => renumbered(frame, acked),
            _ => frame,
        };
        link.cursor = to + 1;
        self.outbox.mark_sent(to);
        Some(frame)
    }

    /// Server: an upload's answer is always how far we have come.
    fn answer_upload(&mut self, id: LinkId) -> Option<Frame> {
        let received = self.inbox.received();
        let stage = self.inbox.stage();
        let link = self.links.get_mut(id)?;
        if let Some(reason) = link.ending.take() {
            link.finished = true;
            return Some(Frame::End(reason));
        }
        if !std::mem::take(&mut link.reply_due) {
            link.finished = true;
            return None;
        }
        Some(if stage.going() { Frame::Ack { received } } else { Frame::Hold { received, epoch: stage.epoch() } })
    }
}

/// Of a closed session a link only says how far we have come, and ends. Every link says so: another may have been lost with it.
fn last_frame(inbox: &Inbox, link: &mut Link, closed: &CloseReason, abort_due: bool) -> Option<Frame> {
    let first = !std::mem::replace(&mut link.farewell, true);
    if inbox.ack_due() || (first && link.wire != Wire::Upload) {
        return Some(Frame::Ack { received: inbox.received() });
    }
    if link.wire == Wire::Upload {
        return abort_due.then(|| Frame::End(closed.clone())); // It ends with its answer.
    }
    link.finished = true;
    let aborted = matches!(closed.code / 100, 40 | 43);
    match link.wire {
        _ if aborted => Some(Frame::End(closed.clone())),
        // What was replaced is told so: the answer that ends the session may be on its way on another link.
        _ => Some(Frame::End(link.ending.take().unwrap_or(reason::CLOSED))),
    }
}

#[cfg(test)]
fn renumbered(frame: Frame, acked: u64) -> Frame {
    match frame {
        Frame::Message { number, parcel } => Frame::Message { number: number - acked, parcel },
        other => other,
    }
}
