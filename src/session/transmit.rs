//! What a link has to say next.

#[cfg(test)]
use super::sabotage::Sabotage;
use super::{
    frame::{CloseReason, Frame, Start, reason},
    inbox::Inbox,
    links::{Link, LinkId, Wire},
    machine::{Machine, Role},
    outbox::Body,
    path::Path,
};
use crate::message::Parcel;

/// What a link is to say: messages are lent, since they stay in the outbox.
#[derive(Debug)]
pub(crate) enum Saying<'a> {
    Message { number: u64, parcel: &'a Parcel },
    Frame(Frame),
}

impl Saying<'_> {
    pub(crate) fn into_frame(self) -> Frame {
        match self {
            Saying::Message { number, parcel } => Frame::Message { number, parcel: parcel.clone() },
            Saying::Frame(frame) => frame,
        }
    }
}

/// What comes next on a link.
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
    /// The next frame that this link has to say.
    pub(crate) fn poll_transmit(&mut self, now: u64, id: LinkId) -> Option<Frame> {
        self.transmit(now, id, |saying| saying.into_frame())
    }

    /// Gives `say` the next that this link has to say.
    pub(crate) fn transmit<R>(&mut self, now: u64, id: LinkId, say: impl FnOnce(Saying<'_>) -> R) -> Option<R> {
        let said = match self.next(now, id) {
            Next::Nothing => None,
            Next::Control(frame) => {
                self.note(id, &frame);
                self.path_of(id).into_iter().for_each(Path::said);
                Some(say(Saying::Frame(frame)))
            }
            Next::Data => self.transmit_data(now, id, say),
        }?;
        if self.links.get(id).is_none_or(|link| link.wire != Wire::Upload) {
            self.heartbeat.said(now);
        }
        Some(said)
    }

    /// The same of a link that has just said a message, in the same breath: what goes before messages has been said.
    pub(crate) fn transmit_run<R>(&mut self, now: u64, id: LinkId, say: impl FnOnce(Saying<'_>) -> R) -> Option<R> {
        self.transmit_data(now, id, say)
    }

    /// What a frame tells of how far we have come need not be told again.
    fn note(&mut self, id: LinkId, frame: &Frame) {
        if matches!(
            frame,
            Frame::Start(_) | Frame::Ack { .. } | Frame::Hold { .. } | Frame::Go { .. } | Frame::Pong { .. }
        ) {
            let server = self.config.role == Role::Server;
            let turns = self.links.carrier_has_turns();
            let vain =
                matches!(frame, Frame::Start(_)) && !self.links.get(id).is_some_and(|link| self.links.carries(link));
            let Some(link) = self.links.get_mut(id) else { return };
            link.told = self.inbox.received();
            // The answer of an upload left over from before a WebSocket may find nobody, nor the start of a link that another is better than:
            // what is due stays due there.
            if !vain && (!server || link.wire != Wire::Upload || turns) {
                self.inbox.ack_said();
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
            if let Some(outcome) = link.start.take() {
                return Next::Control(Frame::Start(Start { outcome, received, grant: None }));
            }
            if link.wire == Wire::Upload {
                return self.answer_upload(id).into();
            }
        } else if !link.wire.carries_up() {
            return Next::Nothing;
        } else if std::mem::take(&mut link.reply_due) {
            return Next::Control(Frame::Proof);
        }
        if let Some(closed) = &self.closed {
            let frame = last_frame(&self.inbox, link, closed, self.abort_due);
            self.abort_due &= !matches!(frame, Some(Frame::End(_)));
            return frame.into();
        }
        if let Some(reason) = link.ending.take() {
            link.finished = true;
            return Next::Control(Frame::End(reason));
        }
        let carries = self.links.get(id).is_some_and(|link| self.links.carries(link));
        match carries {
            true => self.next_control(now, id).map_or(Next::Data, Next::Control),
            false => Next::Nothing,
        }
    }

    fn next_control(&mut self, now: u64, id: LinkId) -> Option<Frame> {
        let received = self.inbox.received();
        let stage = self.inbox.stage();
        if self.path_of(id).is_some_and(Path::take_end) {
            self.links.get_mut(id)?.finished = true;
            return Some(Frame::End(reason::HELD));
        }
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
        if std::mem::take(&mut link.reply_due) || self.inbox.ack_due() {
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

    fn transmit_data<R>(&mut self, now: u64, id: LinkId, say: impl FnOnce(Saying<'_>) -> R) -> Option<R> {
        let link = self.links.get_mut(id)?;
        let acked = self.outbox.acked();
        link.cursor = link.cursor.max(acked + 1);
        let wanted = self.outbox.wanted();
        if wanted > acked && link.cursor > wanted && link.want_said < wanted {
            link.want_said = wanted;
            let said = link.cursor - 1;
            let bytes = self.outbox.bytes();
            if let Some(path) = self.path_of(id) {
                path.asked(now, said, bytes);
                path.said();
            }
            return Some(say(Saying::Frame(Frame::Want)));
        }
        let entry = if self.stage_heard.going() { self.outbox.entry(link.cursor) } else { None };
        let Some(entry) = entry else {
            return self.say_behind(now, id).map(|frame| say(Saying::Frame(frame)));
        };
        let (from, to) = (link.cursor, entry.last());
        let number = from;
        #[cfg(test)]
        let number = if self.sabotage == Some(Sabotage::RestartsNumbers) { from - acked } else { number };
        let said = match &entry.body {
            // The other half is done when it has the close: what arrived before must not look lost to it.
            Body::Close(_) if link.told < self.inbox.received() => {
                let frame = Frame::Ack { received: self.inbox.received() };
                self.note(id, &frame);
                return Some(say(Saying::Frame(frame)));
            }
            #[cfg(test)]
            Body::Close(_) if self.sabotage == Some(Sabotage::ForgetsTheClose) && self.outbox.was_sent(to) => {
                return None;
            }
            Body::Close(reason) => {
                say(Saying::Frame(Frame::Close { number: from, reason: CloseReason::clone(reason) }))
            }
            Body::Dropped { .. } => say(Saying::Frame(Frame::Dropped { from, to })),
            Body::Message(parcel) => say(Saying::Message { number, parcel }),
        };
        link.cursor = to + 1;
        self.outbox.mark_sent(to);
        self.path_of(id).into_iter().for_each(Path::said);
        Some(said)
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
