//! A session moves from one node to another: its machine gives its state away, and a machine elsewhere goes on with it.
//!
//! The numbers of both directions go on, and so does all that they stand for: what is not acknowledged, what was taken and
//! not received, the pauses of both halves, a close under way. Links do not move. They end, and the client attaches to the
//! new machine as it does after a cut. The machine measures anew what takes a moment: how far the client is behind, what
//! its streams are like. A request to make a new link is the old node's own.

mod code;

use std::{collections::VecDeque, sync::Arc};

use bytestring::ByteString;

use super::{
    frame::{CloseReason, Names},
    idle_limit::LearnedLimit,
    inbox::{Arrival, FlowState},
    links::{Attach, Link, LinkKind, Links, NO_DEADLINE},
    machine::{Config, Machine, NEVER, NO_PING, Role},
    outbox::{Body, ENTRY_COST, Entry},
    rate::RateLeft,
    reason,
};
use crate::{
    config::{RateLimit, Transport},
    packed::Malformed,
    payload::Payload,
};

/// The state of a machine that has given it away.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct MovedMachine {
    outgoing: Outgoing,
    incoming: Incoming,
    names: Names,
    links: MovedLinks,
    rtt: Option<u64>,
    idle_limit: Option<LearnedLimit>,
    /// For how long there has been no link; and the time that a slow line may need besides.
    away: Option<(u64, u64)>,
    /// For how long the client has made no progress, if that counts.
    stalled: Option<u64>,
    rate: Option<RateLeft>,
}

/// The numbers that this half has given, and what has them. An entry is of all numbers from the one before it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Outgoing {
    acked: u64,
    sent: u64,
    ack_requested: u64,
    entries: Vec<Kept>,
    /// The values that wait: the key, the value, and the last number that was given before.
    values: Vec<(ByteString, Payload, u64)>,
    skipped: u64,
    last_droppable: u64,
    /// The last pause or resume of the other half.
    flow: Flow,
}

/// The content of a number, or of a run of them.
#[derive(Clone, Debug, PartialEq)]
enum Kept {
    Message(Payload),
    /// A run of this many numbers that were dropped.
    Gap(u64),
    /// Nothing comes behind it.
    Close(CloseReason),
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Incoming {
    received: u64,
    arrivals: VecDeque<Arrival>,
    flow: Flow,
    /// The rate limit has paused the other half.
    held: bool,
}

/// The count of pauses, and whether the last one is in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Flow {
    epoch: u64,
    paused: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct MovedLinks {
    transport: Transport,
    highest_confirmed: u64,
    proven: bool,
    /// Those between two turns: a client that goes on with one has lost nothing.
    turns: Vec<Turned>,
}

/// A link between two of its turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Turned {
    ordinal: u64,
    turn: u64,
    kind: LinkKind,
    confirmed: bool,
    flow: Flow,
    flow_turns: u8,
}

/// Why a machine cannot go on with the state of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TakeError {
    /// The state is not one that a machine has.
    Malformed,
    /// Sessions of this family do not move.
    Family,
}

impl Default for MovedLinks {
    fn default() -> Self {
        MovedLinks { transport: Transport::WebSocket, highest_confirmed: 0, proven: false, turns: Vec::new() }
    }
}

impl From<Malformed> for TakeError {
    fn from(_: Malformed) -> Self {
        TakeError::Malformed
    }
}

impl Flow {
    fn of(state: FlowState) -> Self {
        Flow { epoch: state.epoch(), paused: state.is_paused() }
    }

    fn state(self) -> FlowState {
        FlowState::new(self.epoch, self.paused)
    }
}

impl Machine {
    /// Whether another machine could go on with this session: its messages are numbered, and it has not ended.
    pub(crate) fn can_move(&self) -> bool {
        let native = self.is_numbered() && !self.config.rules.cut_ends && self.config.role == Role::Server;
        // The application has set something aside, and does not move.
        let aside = self.inbox.bytes() > self.inbox.queue.iter().map(cost).sum();
        native && !aside && !self.is_parked() && self.closed.is_none() && !self.over
    }

    /// For how long no link is attached, and for how long grace does not begin yet. The client of an attach that was refused, or
    /// that has begun, exists: its grace begins anew.
    fn away(&self, now: u64) -> (u64, u64) {
        let tries = self.refused || self.pending_attaches > 0;
        let since = if tries { self.detached_since.max(now) } else { self.detached_since };
        (now.saturating_sub(since), since.saturating_sub(now).saturating_add(self.under_way))
    }

    /// Gives the state away, if it [can](Self::can_move). The session is over here: nothing is taken or sent any more, and
    /// the links end with code 4000. The caller forgets the machine when another one has the state for good.
    pub(crate) fn give(&mut self, now: u64) -> Option<MovedMachine> {
        if !self.can_move() {
            return None;
        }
        let moved = MovedMachine {
            outgoing: self.give_outgoing(),
            incoming: Incoming {
                received: self.inbox.received(),
                flow: Flow::of(self.inbox.flow()),
                held: self.inbox.is_held(),
                arrivals: std::mem::take(&mut self.inbox.queue),
            },
            names: self.names,
            links: self.links.give(self.transport),
            rtt: self.heartbeat.rtt(),
            idle_limit: self.heartbeat.idle_limit.learned(now),
            away: (!self.links.any_attached()).then(|| self.away(now)),
            stalled: self.stalled_since().map(|since| now.saturating_sub(since)),
            rate: self.rate.take().map(|rate| rate.left(now)),
        };
        self.leave(now);
        Some(moved)
    }

    fn give_outgoing(&mut self) -> Outgoing {
        let kept = |entry: Entry<'_>| match entry.body {
            Body::Message(message) => Kept::Message(message.payload().clone()),
            Body::Gap => Kept::Gap(entry.last - entry.first + 1),
            Body::Close(reason) => Kept::Close(reason.clone()),
        };
        let droppables = self.droppables.as_ref();
        let values = droppables.into_iter().flat_map(|droppables| droppables.values.iter());
        Outgoing {
            acked: self.outbox.acked,
            sent: self.outbox.sent,
            ack_requested: self.outbox.ack_requested,
            entries: self.outbox.entries().map(kept).collect(),
            values: values.map(|(key, value, behind)| (key.clone(), value.payload().clone(), behind)).collect(),
            skipped: droppables.map_or(0, |droppables| droppables.skipped),
            last_droppable: droppables.map_or(0, |droppables| droppables.last),
            flow: Flow::of(self.flow_received),
        }
    }

    /// The state is gone, and the links end.
    fn leave(&mut self, now: u64) {
        let reason = CloseReason::new(reason::REPLACED.code, "the session goes on at another node");
        self.links.all.retain(|link| link.attached);
        for link in &mut self.links.all {
            (link.ignores_input, link.superseded, link.final_ack_sent) = (true, true, true);
            (link.pending_outcome, link.deadline, link.reply_due) = (None, NO_DEADLINE, false);
            link.end(reason.clone());
        }
        (self.inbox.bytes, self.stream_probe, self.closing) = (0, None, None);
        (self.pong_due, self.probe_due, self.go_away_due, self.abort_due) = (NO_PING, false, None, false);
        self.outbox.acked = self.outbox.last;
        self.inbox.ack_sent();
        self.finish(now, reason);
        (self.unacknowledged, self.given) = (0, true);
    }

    /// A machine that goes on with the state of another. It has no link. `rate` is the limit here.
    ///
    /// # Errors
    /// Fails if sessions with this `config` do not move.
    pub(crate) fn taken(
        config: impl Into<Arc<Config>>,
        rate: Option<RateLimit>,
        moved: MovedMachine,
        now: u64,
    ) -> Result<Machine, TakeError> {
        let mut machine = Machine::new(config, now);
        if !machine.can_move() {
            return Err(TakeError::Family);
        }
        let MovedMachine { outgoing, incoming, links, .. } = moved;
        machine.take_incoming(incoming);
        machine.take_outgoing(outgoing);
        (machine.names, machine.transport) = (moved.names, links.transport);
        machine.links.take_moved(links, machine.outbox.acked + 1);
        machine.heartbeat.recall(moved.rtt);
        if let Some(learned) = moved.idle_limit {
            machine.heartbeat.idle_limit.learn(now, learned);
        }
        if let Some((away, under_way)) = moved.away {
            (machine.detached_since, machine.under_way) = (now.saturating_sub(away), under_way);
        }
        machine.stalled_since = moved.stalled.map_or(NEVER, |stalled| now.saturating_sub(stalled));
        if let Some(limit) = rate {
            machine.limit_rate(limit);
        }
        match (&mut machine.rate, moved.rate) {
            (Some(rate), Some(left)) => rate.go_on(now, left),
            (None, _) if machine.inbox.is_held() => machine.inbox.release(),
            _ => {}
        }
        Ok(machine)
    }

    fn take_incoming(&mut self, incoming: Incoming) {
        let inbox = &mut self.inbox;
        (inbox.received, inbox.last_ack_sent) = (incoming.received, incoming.received);
        (inbox.epoch, inbox.paused, inbox.held) = (incoming.flow.epoch, incoming.flow.paused, incoming.held);
        inbox.bytes = incoming.arrivals.iter().map(cost).sum();
        inbox.queue = incoming.arrivals;
        // The last one that was sent may be lost with its link.
        inbox.request_ack();
    }

    fn take_outgoing(&mut self, outgoing: Outgoing) {
        self.flow_received = outgoing.flow.state();
        let outbox = &mut self.outbox;
        (outbox.acked, outbox.last) = (outgoing.acked, outgoing.acked);
        for kept in outgoing.entries {
            match kept {
                Kept::Message(payload) => outbox.push(payload.into()),
                Kept::Gap(count) => outbox.push_gap(count),
                Kept::Close(reason) => {
                    self.closing = Some(Box::new(reason.clone()));
                    outbox.push_close(reason);
                }
            }
        }
        (outbox.sent, outbox.ack_requested) = (outgoing.sent, outgoing.ack_requested);
        if outgoing.skipped > 0 || outgoing.last_droppable > 0 || !outgoing.values.is_empty() {
            let droppables = self.droppables.get_or_insert_default();
            (droppables.skipped, droppables.last) = (outgoing.skipped, outgoing.last_droppable);
            for (key, value, behind) in outgoing.values {
                droppables.values.put(&key, value.into(), behind, usize::MAX);
            }
        }
    }
}

/// The bytes that an arrival counts.
fn cost(arrival: &Arrival) -> usize {
    ENTRY_COST
        + match arrival {
            Arrival::Message(payload) => payload.len(),
            Arrival::Gap { .. } => 0,
        }
}

impl Links {
    fn give(&self, transport: Transport) -> MovedLinks {
        let between = self.all.iter().filter(|link| link.kind.has_turns() && !link.attached);
        let turned = |link: &Link| Turned {
            ordinal: link.ordinal,
            turn: link.turn,
            kind: link.kind,
            confirmed: link.confirmed,
            flow: Flow::of(link.flow_turned),
            flow_turns: link.flow_turns,
        };
        let turns = between.map(turned).collect();
        MovedLinks { transport, highest_confirmed: self.highest_confirmed, proven: self.proven, turns }
    }

    fn take_moved(&mut self, moved: MovedLinks, next_to_send: u64) {
        (self.highest_confirmed, self.proven) = (moved.highest_confirmed, moved.proven);
        for turned in moved.turns {
            let attach = Attach {
                ordinal: turned.ordinal,
                turn: turned.turn,
                kind: turned.kind,
                opening: false,
                seen: turned.confirmed,
                received: 0,
                names: None,
            };
            let link = self.add(attach, next_to_send, FlowState::START);
            (link.attached, link.finished, link.confirmed) = (false, true, turned.confirmed);
            (link.flow_turned, link.flow_turns) = (turned.flow.state(), turned.flow_turns);
        }
    }
}
