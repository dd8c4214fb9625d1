//! Machines that are wrong on purpose: they show that the simulation notices it. All of it happens from
//! outside, round a machine that is right.

use std::{
    collections::BTreeMap,
    ops::{Deref, DerefMut},
};

use bytes::Bytes;
use bytestring::ByteString;

use crate::{
    broadcast::OutMessage,
    packet::Packet,
    payload::Payload,
    session::{
        Attach, CloseReason, Frame, LinkId, Machine, Outbound, SendError,
        links::Link,
        outbox::{Body, Outbox},
    },
};

macro_rules! sabotages {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// How a machine is wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Sabotage { $($(#[$doc])* $name),* }

        impl Sabotage {
            pub(crate) const ALL: &[Sabotage] = &[$(Sabotage::$name),*];
        }
    };
}

sabotages! {
    /// Takes a repeat as if it were new.
    NoDedup,
    /// A new link starts where the old one stopped, not at the first message that is not acknowledged.
    GoesOnWhereTheOldStopped,
    /// Frees a message as soon as it is on a link.
    FreesOnWrite,
    /// Counts as received what there was no room for.
    AcknowledgesBeforeTaking,
    /// Believes an acknowledgement of what was never sent.
    BelievesAnyAcknowledgement,
    /// Sends the close once and never again.
    ForgetsTheClose,
    /// A new link's numbers begin at 1.
    RestartsNumbers,
    /// Takes what comes behind a hole.
    CountsOnAfterAHole,
    /// A duplicate takes the place of the first.
    EqualOrdinalWins,
    /// Takes the numbers of a gap and does not report it to the application.
    HidesGaps,
    /// Gives no numbers to what it skips, so that the other half never learns of it.
    HidesSkips,
    /// A value that waits is not replaced by a newer one.
    KeepsTheOldestValue,
    /// Forgets what waits when a link ends.
    ForgetsValues,
    /// Delivers an event when its link is cut, with the attachments that came.
    DeliversHalfAnEvent,
    /// Fills in the attachments that did not come with those of the event before.
    MixesAttachments,
    /// Delivers an event in whose midst its link is cut, and takes the repeat too.
    DeliversTheRepeatToo,
    /// Sends the answer to a page's request although another page has taken over.
    AnswersAnotherPage,
    /// Sends the answers that wait for a page to the next one.
    KeepsAnswersForTheNextPage,
    /// Counts its requests anew for each page.
    CountsRequestsAnew,
    /// An answer waits in the inbox until the application has taken the events before it.
    QueuesAnswers,
}

/// An event in whose midst its link is cut.
#[derive(Clone, Debug)]
pub(crate) struct HalfEvent {
    pub(crate) number: u64,
    pub(crate) event: Packet,
    /// How many of its attachments come.
    pub(crate) came: usize,
}

/// A machine with one fault, or with none.
#[derive(Debug)]
pub(crate) struct Saboteur {
    machine: Machine,
    sabotage: Option<Sabotage>,
    /// The attachments of the last event that came.
    attachments: Vec<Bytes>,
}

impl Deref for Saboteur {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.machine
    }
}

impl DerefMut for Saboteur {
    fn deref_mut(&mut self) -> &mut Machine {
        &mut self.machine
    }
}

impl Saboteur {
    pub(crate) fn new(machine: Machine, sabotage: Option<Sabotage>) -> Self {
        Saboteur { machine, sabotage, attachments: Vec::new() }
    }

    pub(crate) fn into_inner(self) -> Machine {
        self.machine
    }

    pub(crate) fn attach(&mut self, now: u64, mut attach: Attach) -> Result<LinkId, CloseReason> {
        match self.sabotage {
            Some(Sabotage::EqualOrdinalWins) => self.forget_equal(&attach),
            Some(Sabotage::BelievesAnyAcknowledgement) => attach.received = self.believe(attach.received),
            _ => {}
        }
        let id = self.machine.attach(now, attach)?;
        if self.sabotage == Some(Sabotage::GoesOnWhereTheOldStopped) {
            let next = self.machine.outbox.sent + 1;
            self.machine.links.get_mut(id).expect("it was just attached").next_to_send = next;
        }
        Ok(id)
    }

    /// Another page takes the session over.
    pub(crate) fn take_over(&mut self, now: u64, attach: Attach, again: bool) -> Result<LinkId, CloseReason> {
        let before = self.messages_above(self.machine.acknowledged());
        let id = self.machine.take_over(now, attach, again)?;
        if self.sabotage == Some(Sabotage::KeepsAnswersForTheNextPage) {
            restore(&mut self.machine.outbox, before);
        }
        Ok(id)
    }

    /// A client's half: it goes on with the session of another page, which has received so much.
    pub(crate) fn follow(&mut self, received: u64) {
        self.machine.inbox.received = received;
    }

    /// A client's half that has taken over, and has sent nothing: its numbers follow this one.
    pub(crate) fn number_from(&mut self, last: u64) {
        self.machine.outbox = Outbox::new(last, self.machine.config.outbox);
        for link in self.machine.links.iter_mut() {
            (link.next_to_send, link.ack_request_sent_for) = (last + 1, last);
        }
    }

    /// Whether what comes on this link still counts.
    pub(crate) fn reads(&self, link: LinkId) -> bool {
        self.machine.closed().is_none() && self.machine.links.get(link).is_some_and(|link| !link.ignores_input)
    }

    /// Whether another link has its place.
    pub(crate) fn is_superseded(&self, link: LinkId) -> bool {
        self.machine.links.get(link).is_some_and(|link| link.superseded)
    }

    pub(crate) fn take_control(&mut self) -> Option<Packet> {
        if self.sabotage == Some(Sabotage::QueuesAnswers) {
            return None;
        }
        let packet = self.machine.set_aside(false)?;
        self.machine.release_aside(packet.len());
        Some(packet)
    }

    /// The link is cut in the midst of an event. A machine that is right waits for the whole of it.
    pub(crate) fn cut_in_event(&mut self, now: u64, link: LinkId, half: &HalfEvent) {
        let mut attachments = half.event.attachments().to_vec();
        match self.sabotage {
            Some(Sabotage::DeliversHalfAnEvent) => attachments.truncate(half.came),
            Some(Sabotage::MixesAttachments) => {
                let missing = attachments.iter_mut().skip(half.came);
                missing.zip(&self.attachments).for_each(|(missing, other)| missing.clone_from(other));
            }
            Some(Sabotage::DeliversTheRepeatToo) => {}
            _ => return,
        }
        let before = self.machine.inbox.received;
        let event = Packet::new(half.event.text().clone(), attachments);
        let frame = Frame::Message { number: half.number, message: Payload::from(event).into() };
        let _ = self.machine.handle_frame(now, link, frame);
        if self.sabotage == Some(Sabotage::DeliversTheRepeatToo) {
            self.machine.inbox.received = before;
        }
    }

    pub(crate) fn handle_frame(&mut self, now: u64, link: LinkId, mut frame: Frame) -> Result<(), CloseReason> {
        if let Frame::Message { message, .. } = &frame
            && let Payload::Event(packet) = message.payload()
            && !packet.attachments().is_empty()
        {
            self.attachments = packet.attachments().to_vec();
        }
        let before = self.machine.inbox.received;
        let numbers = numbers_of(&frame);
        match (self.sabotage, numbers) {
            (None, _) => return self.machine.handle_frame(now, link, frame),
            (Some(Sabotage::NoDedup), Some((from, to))) if to <= before => self.machine.inbox.received = from - 1,
            (Some(Sabotage::CountsOnAfterAHole), Some((from, _))) if from > before => {
                self.machine.inbox.received = from - 1;
            }
            (Some(Sabotage::HidesGaps), Some((from, to)))
                if from <= before + 1 && matches!(frame, Frame::Gap { .. }) =>
            {
                self.machine.inbox.received = before.max(to);
                return Ok(());
            }
            (Some(Sabotage::BelievesAnyAcknowledgement), None) => {
                if let Frame::Ack { received }
                | Frame::Pause { received, .. }
                | Frame::Resume { received, .. }
                | Frame::Pong { received, .. } = &mut frame
                {
                    *received = self.believe(*received);
                }
            }
            _ => {}
        }
        let result = self.machine.handle_frame(now, link, frame);
        let received = &mut self.machine.inbox.received;
        *received = before.max(*received);
        if let (Some(Sabotage::AcknowledgesBeforeTaking), Some((from, to))) = (self.sabotage, numbers)
            && from <= before + 1
            && self.machine.is_paused()
            && self.machine.closed().is_none()
        {
            self.machine.inbox.received = before.max(to); // Either there was no room for it, or it was taken.
        }
        result
    }

    pub(crate) fn send_droppable(&mut self, now: u64, message: OutMessage) -> Result<bool, SendError> {
        let result = self.machine.send_droppable(now, message);
        if self.sabotage == Some(Sabotage::HidesSkips) {
            self.machine.forget_skipped();
        }
        result
    }

    pub(crate) fn send_latest(&mut self, now: u64, key: &ByteString, message: OutMessage) -> Result<bool, SendError> {
        if self.sabotage == Some(Sabotage::KeepsTheOldestValue) && self.machine.waits(key) {
            return Ok(true);
        }
        self.machine.send_latest(now, key, message)
    }

    pub(crate) fn detach(&mut self, now: u64, link: LinkId) {
        self.machine.detach(now, link);
        if self.sabotage == Some(Sabotage::ForgetsValues) {
            self.machine.forget_values();
        }
    }

    /// The messages above a number, with theirs.
    pub(crate) fn messages_above(&self, number: u64) -> Vec<(u64, Payload)> {
        let above = self.machine.outbox.entries().rev().take_while(|entry| entry.last > number);
        let messages = above.filter_map(|entry| match entry.body {
            Body::Message(message) => Some((entry.first, message.payload().clone())),
            _ => None,
        });
        let mut messages: Vec<_> = messages.collect();
        messages.reverse();
        messages
    }

    pub(crate) fn poll_transmit(&mut self, now: u64, link: LinkId) -> Option<Frame> {
        let sent = self.machine.outbox.sent;
        let frame = self.machine.poll_transmit(now, link)?;
        self.spoil(sent, frame)
    }

    /// As [`Machine::transmit`], or behind a message as [`Machine::transmit_behind`], until `takes_more` returns false
    /// for a frame. Returns the frames.
    pub(crate) fn transmit(
        &mut self,
        now: u64,
        link: LinkId,
        behind: bool,
        mut takes_more: impl FnMut(&Frame) -> bool,
    ) -> Vec<Frame> {
        let before = self.machine.outbox.sent;
        let mut frames = Vec::new();
        let send = |outbound: Outbound<'_>| {
            let frame = outbound.into_frame();
            let more = takes_more(&frame);
            frames.push(frame);
            more
        };
        match behind {
            true => self.machine.transmit_behind(now, link, send),
            false => self.machine.transmit(now, link, send),
        };
        frames.into_iter().filter_map(|frame| self.spoil(before, frame)).collect()
    }

    /// `sent`: the last number that had been put on a link before this frame.
    fn spoil(&mut self, sent: u64, mut frame: Frame) -> Option<Frame> {
        match (self.sabotage, &mut frame) {
            (Some(Sabotage::FreesOnWrite), _) => free_sent(&mut self.machine.outbox),
            (Some(Sabotage::ForgetsTheClose), Frame::Close { number, .. }) if *number <= sent => return None,
            (Some(Sabotage::RestartsNumbers), Frame::Message { number, .. }) => *number -= self.machine.acknowledged(),
            _ => {}
        }
        Some(frame)
    }

    /// Makes an acknowledgement of what was never sent valid.
    fn believe(&mut self, received: u64) -> u64 {
        let outbox = &mut self.machine.outbox;
        let believed = received.min(outbox.last());
        outbox.sent = outbox.sent.max(believed);
        believed
    }

    /// The link that an attach would be a duplicate of.
    fn forget_equal(&mut self, attach: &Attach) {
        let links = &mut self.machine.links;
        let is_equal =
            |link: &Link| link.kind.carries_down() && (link.ordinal, link.turn) == (attach.ordinal, attach.turn);
        if attach.kind.carries_down() && links.all.iter().any(is_equal) {
            links.all.retain(|link| !is_equal(link));
            links.highest_confirmed = links.highest_confirmed.min(attach.ordinal - 1);
        }
    }
}

fn numbers_of(frame: &Frame) -> Option<(u64, u64)> {
    match *frame {
        Frame::Message { number, .. } | Frame::Close { number, .. } => Some((number, number)),
        Frame::Gap { from, to } => Some((from, to)),
        _ => None,
    }
}

fn free_sent(outbox: &mut Outbox) {
    let sent = outbox.sent;
    while outbox.entries().next().is_some_and(|entry| entry.last <= sent) {
        outbox.pop();
    }
}

/// Gives these numbers their first content again.
fn restore(outbox: &mut Outbox, messages: Vec<(u64, Payload)>) {
    let is_answer = |payload: &Payload| matches!(payload, Payload::Event(packet) if packet.is_answer());
    let answers: BTreeMap<_, _> = messages.into_iter().filter(|(_, payload)| is_answer(payload)).collect();
    outbox.replace(|number, message| answers.get(&number).map_or(message, |payload| payload.clone().into()));
}
