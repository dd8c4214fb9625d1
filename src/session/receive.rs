//! What the network did: attach, frames, detach.

use super::{
    frame::{CloseReason, Frame, MAX_NUMBER, Outcome, Start, reason, reason::HELD},
    inbox::{Stage, Taken},
    links::{Attach, Link, LinkId, Wire},
    machine::{Event, Machine, Role},
};
use crate::message::{Message, Parcel};

impl Machine {
    /// An attach has begun: grace does not end before [`abandon`](Self::abandon). Returns whether that is so: who begins does not know
    /// the secret yet, and one after the other could hold the end off for ever, so that none does beyond it.
    pub(crate) fn begin(&mut self, now: u64) -> bool {
        let counts = self.links.any_attached() || now < self.alone_since + self.config.grace;
        self.begun += u32::from(counts);
        counts
    }

    /// A begun attach that counted has come to its end, well or ill.
    pub(crate) fn abandon(&mut self) {
        self.begun -= 1;
    }

    /// Attaches a link; a refusal's reason is for the other half.
    pub(crate) fn attach(&mut self, now: u64, attach: Attach) -> Result<LinkId, CloseReason> {
        let server = self.config.role == Role::Server;
        if self.over {
            let aborted = self.closed.clone().filter(|reason| reason.code / 100 == 43);
            return Err(aborted.unwrap_or(reason::ENDED));
        }
        self.refused = true; // Until it is attached, below.
        if attach.wire.carries_down() {
            self.links.admit(attach.ordinal, attach.turn)?;
            self.heartbeat.attached(now, attach.ordinal);
            if let Some(path) = &mut self.path {
                path.turn(attach.ordinal, attach.wire == Wire::Stream);
            }
        }
        if server && !attach.opening {
            self.acknowledged_up_to(now, attach.received).map_err(|()| reason::BEYOND)?;
        }
        if attach.wire.has_turns() {
            self.shrink(); // Between two turns is the idlest moment that there is.
        }
        let alone = !self.links.any_attached();
        let gap =
            (alone && self.links.follows(attach.ordinal, attach.turn)).then(|| now.saturating_sub(self.alone_since));
        let cursor = self.outbox.acked() + 1;
        #[cfg(test)]
        let cursor = match self.sabotage {
            Some(super::sabotage::Sabotage::GoesOnWhereTheOldStopped) => self.outbox.sent_up_to() + 1,
            _ => cursor,
        };
        let link = self.links.add(attach, cursor, Stage::START);
        let id = link.id;
        link.reply_due = server && attach.wire == Wire::Upload;
        if !server && matches!(attach.wire, Wire::Poll { .. } | Wire::Stream | Wire::Upload) {
            self.inbox.ack_said(); // The head of the request says how far we have come.
            link.start = Some(Outcome::Full);
        }
        link.told = if server || attach.opening { self.config.base } else { self.inbox.received() };
        if attach.wire.carries_down() {
            link.start = Some(if attach.opening { Outcome::New } else { Outcome::Full });
            link.deadline = match attach.wire {
                Wire::Poll { hold } if server => Some(now + hold.min(self.heartbeat.patience())),
                Wire::Opening if server => None,
                _ => (!link.proven).then_some(now + self.config.proof),
            };
        }
        if server && attach.seen {
            self.prove(now, id);
        }
        if server && attach.wire == Wire::Stream {
            self.begin_path(id, attach.ordinal, gap);
        }
        if alone {
            self.heartbeat.restart(now);
        } else {
            self.heartbeat.heard(now);
        }
        self.alone_since = self.alone_since.max(now);
        self.refused = false;
        Ok(id)
    }

    /// Server: a page that knows of the session from the one before goes on with it, and so begins as if it opened it. Unless it is
    /// here already (`again`), the older page's links end and nothing of what that page said of holding stands.
    pub(crate) fn take_over(&mut self, now: u64, attach: Attach, again: bool) -> Result<LinkId, CloseReason> {
        self.heartbeat.forget_cut();
        let id = self.attach(now, attach)?;
        if let Some(link) = self.links.get_mut(id) {
            link.start = Some(Outcome::New);
        }
        if !again {
            let before = self.links.carrier();
            self.links.fence(id);
            self.stage_heard = Stage::START;
            if self.links.carrier() != before {
                self.carrier_changed(now);
            }
        }
        Ok(id)
    }

    /// The link has gone.
    pub(crate) fn detach(&mut self, now: u64, id: LinkId) {
        if self.config.role == Role::Client {
            self.unsay(id);
        }
        let before = self.links.carrier();
        if self.config.role == Role::Server
            && let Some(link) = self.links.get(id)
            && link.is_open()
            && link.wire != Wire::Upload
            && before == Some(link.ordinal)
        {
            self.heartbeat.cut(now, link.ordinal, matches!(link.wire, Wire::Poll { .. }));
        }
        self.links.detach(id);
        if self.links.carrier() != before {
            self.carrier_changed(now);
        }
        if self.closed.is_none() && !self.links.any_attached() {
            self.alone_since = now;
            self.refused = false; // Grace starts anew as it is.
        }
    }

    /// Client: what an upload without an answer has said may be lost, and is said again.
    fn unsay(&mut self, id: LinkId) {
        let unanswered = |link: &&Link| link.wire == Wire::Upload && link.start.is_some();
        if self.links.get(id).filter(unanswered).is_some() {
            self.stage_told = Stage::START;
            self.inbox.want_ack();
            self.abort_due = self.aborted_here;
        }
    }

    #[cfg(test)]
    /// Client: no further turn of this ordinal will come.
    pub(crate) fn retire(&mut self, ordinal: u64) {
        self.links.retire(ordinal);
    }

    /// Takes a frame. A violation ends the link, not the session.
    pub(crate) fn handle_frame(&mut self, now: u64, id: LinkId, frame: Frame) -> Result<(), CloseReason> {
        let Some(link) = self.links.get_mut(id) else {
            return Ok(()); // Late: the link was replaced meanwhile.
        };
        if link.dead {
            self.alone_since = self.alone_since.max(now); // It is no link any more, but its client is there.
        }
        if link.deaf {
            return Ok(());
        }
        if link.wire == Wire::Upload && !matches!(frame, Frame::End(_)) {
            link.start = None;
        }
        // An upload says nothing of the downlink that the client watches.
        if self.config.role == Role::Server || link.wire != Wire::Upload {
            self.heartbeat.heard(now);
        }
        let result = self.dispatch(now, id, frame);
        if let Err(violation) = &result {
            self.end(id, violation.clone());
        }
        result
    }

    /// The transport found what it cannot read: the link ends, the session lives.
    pub(crate) fn end(&mut self, id: LinkId, reason: CloseReason) {
        self.end_link(id, reason);
        if let Some(link) = self.links.get_mut(id) {
            link.deaf = true;
        }
    }

    fn dispatch(&mut self, now: u64, id: LinkId, frame: Frame) -> Result<(), CloseReason> {
        let server = self.config.role == Role::Server;
        match frame {
            Frame::Message { number, parcel } => self.take_message(number, parcel),
            Frame::Dropped { from, to } => self.take_dropped(from, to),
            Frame::Close { number, reason } => self.take_close(now, number, reason),
            Frame::Ack { received } => self.acknowledged_up_to(now, received).map_err(|()| reason::BEYOND),
            Frame::Want => {
                self.stir = true;
                self.inbox.want_ack();
                // The start that a poll begins with is no answer: it waits for something to say.
                if let Some(link) = self.links.get_mut(id).filter(|link| matches!(link.wire, Wire::Poll { .. })) {
                    link.reply_due = server;
                }
                Ok(())
            }
            Frame::Hold { received, epoch } => self.hear_stage(now, received, Stage::new(epoch, false)),
            Frame::Go { received, epoch } => self.hear_stage(now, received, Stage::new(epoch, true)),
            Frame::Pong { id, received } if server => {
                self.heartbeat.handle_pong(now, id);
                self.acknowledged_up_to(now, received).map_err(|()| reason::BEYOND)
            }
            Frame::Proof if server => {
                self.prove(now, id);
                Ok(())
            }
            Frame::Start(start) if !server => self.hear_start(now, id, &start),
            Frame::Ping { id } if !server => {
                self.pong_due = Some(id);
                Ok(())
            }
            Frame::Away { delay } if !server => {
                self.events.push_back(Event::Away(delay));
                Ok(())
            }
            // Nobody says it to us but a server, and its client has not learned to rest.
            Frame::Pad { .. } | Frame::Rest { .. } if !server => Ok(()),
            Frame::End(reason) => {
                self.hear_end(now, id, reason);
                Ok(())
            }
            Frame::Pong { .. }
            | Frame::Proof
            | Frame::Start(_)
            | Frame::Ping { .. }
            | Frame::Away { .. }
            | Frame::Pad { .. }
            | Frame::Rest { .. } => Err(reason::UNEXPECTED),
        }
    }
}

impl Machine {
    /// Says why the link ends, where this half can.
    pub(super) fn end_link(&mut self, id: LinkId, reason: CloseReason) {
        let client = self.config.role == Role::Client;
        if let Some(link) = self.links.get_mut(id) {
            link.end(reason);
            link.finished |= client && link.wire != Wire::Duplex;
        }
    }

    fn take_message(&mut self, number: u64, parcel: Parcel) -> Result<(), CloseReason> {
        if number == 0 || number > MAX_NUMBER {
            return Err(reason::MALFORMED);
        }
        if self.closed.is_none() {
            let message: Message = match parcel {
                Parcel::Own(message) => message,
                Parcel::Shared(_) => parcel.message().clone(),
            };
            self.inbox.take(number, message);
        } else if number <= self.inbox.received() {
            self.inbox.want_ack();
        }
        Ok(())
    }

    fn take_dropped(&mut self, from: u64, to: u64) -> Result<(), CloseReason> {
        if from == 0 || from > to || to > MAX_NUMBER {
            return Err(reason::MALFORMED);
        }
        if self.closed.is_none() {
            self.inbox.take_gap(from, to);
        }
        Ok(())
    }

    fn take_close(&mut self, now: u64, number: u64, reason: CloseReason) -> Result<(), CloseReason> {
        if number == 0 || number > MAX_NUMBER {
            return Err(reason::MALFORMED);
        }
        if self.closed.is_none() {
            if self.inbox.take_close(number) == Taken::New {
                self.finish(now, reason);
            }
        } else if number <= self.inbox.received() {
            self.inbox.want_ack();
        }
        Ok(())
    }

    fn acknowledged_up_to(&mut self, now: u64, received: u64) -> Result<(), ()> {
        let wanted = self.outbox.wanted();
        self.outbox.acknowledge(received)?;
        // What is behind it has to be asked for too.
        self.stir |= self.outbox.wanted() != wanted;
        if let Some(path) = &mut self.path {
            // The next ask has a deadline.
            self.stir |= path.acknowledged(now, self.outbox.acked(), self.heartbeat.rtt());
        }
        if let (Some(reason), true) = (&self.closing, self.closed.is_none() && self.outbox.is_empty()) {
            self.finish(now, reason.clone());
        }
        Ok(())
    }

    fn hear_stage(&mut self, now: u64, received: u64, stage: Stage) -> Result<(), CloseReason> {
        self.acknowledged_up_to(now, received).map_err(|()| reason::BEYOND)?;
        if stage > self.stage_heard {
            self.stir = true;
            self.stage_heard = stage;
            if let Some(path) = &mut self.path {
                path.held(now);
            }
            // What was said beyond was not taken.
            for link in self.links.iter_mut() {
                link.cursor = link.cursor.min(received + 1);
                link.want_said = link.want_said.min(received);
            }
        }
        Ok(())
    }

    fn hear_start(&mut self, now: u64, id: LinkId, start: &Start) -> Result<(), CloseReason> {
        self.acknowledged_up_to(now, start.received).map_err(|()| reason::BEYOND)?;
        if let Some(link) = self.links.get_mut(id) {
            link.start = None;
            link.deadline = None;
            link.reply_due = link.wire == Wire::Duplex;
        }
        if let Some(grant) = &start.grant {
            self.heartbeat.interval = grant.interval;
            self.heartbeat.timeout = grant.timeout;
        }
        if !std::mem::replace(&mut self.opened, true) {
            self.events.push_back(Event::Opened);
        }
        self.prove(now, id);
        Ok(())
    }

    fn prove(&mut self, now: u64, id: LinkId) {
        let before = self.links.carrier();
        let client = self.config.role == Role::Client;
        self.links.prove(id, client.then_some(now + self.config.proof));
        if self.links.carrier() != before {
            self.carrier_changed(now);
        }
    }

    fn carrier_changed(&mut self, now: u64) {
        self.stir = true;
        self.heartbeat.restart(now);
        let carrier = self.links.carrier();
        let mut links = self.links.iter().filter(|link| Some(link.ordinal) == carrier && link.wire.carries_down());
        // What was acknowledged elsewhere may be lost with the link that said it.
        if links.any(|link| link.attached && link.told < self.inbox.told()) {
            self.inbox.want_ack();
        }
    }

    fn hear_end(&mut self, now: u64, id: LinkId, reason: CloseReason) {
        let server = self.config.role == Role::Server;
        // An upload that ends the session is still answered.
        let only_turn = !server && reason.code == HELD.code;
        if let Some(link) = self.links.get_mut(id).filter(|link| !server || link.wire != Wire::Upload) {
            // The end of a turn alone: that of the answer is behind it, and the next turn follows.
            link.finished |= !(only_turn && link.wire.has_turns());
        }
        // The loser of a race of openings comes too late, or to a session that is no more; the winner's session lives.
        let loser = !server && self.opened && self.links.get(id).is_some_and(|link| link.start == Some(Outcome::New));
        match reason.code / 100 {
            41 | 43 | 44 if loser => {}
            43 | 44 if self.closed.is_none() => self.finish(now, reason),
            41 if !server && self.closed.is_none() => self.events.push_back(Event::Lost(reason)),
            10 | 43 if self.closed.is_some() => self.over = server,
            _ => {}
        }
    }
}
