//! How an outbox keeps its entries.

use std::{collections::VecDeque, sync::Arc};

use crate::{
    broadcast::{Broadcast, OutMessage, OutMessageRef},
    payload::Payload,
    session::frame::CloseReason,
};

/// The bytes that an entry counts beyond its payload, so that empty messages are bounded too.
pub(crate) const ENTRY_COST: usize = 64;

/// Makes room for one element in a queue that has none. The second one makes room for four: most sessions never
/// have so many at a time, and there are many idle sessions.
pub(crate) fn reserve_first<T>(queue: &mut VecDeque<T>) {
    if queue.capacity() == 0 {
        queue.reserve_exact(1);
    }
}

/// One number of the outbox, or a run of dropped ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) body: Body<'a>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Body<'a> {
    Message(OutMessageRef<'a>),
    Gap,
    Close(&'a CloseReason),
}

/// An entry as it is kept. A message to a room puts one into each of its sessions, whose memory is not in the
/// processor's caches: so it has 16 bytes, and `first` is the lower half of its number.
#[derive(Debug)]
pub(in crate::session) enum Slot {
    Shared {
        first: u32,
        message: Arc<Broadcast>,
    },
    /// A message of the session's own, which has no [`Own`] yet: idle sessions have one message or none.
    Alone {
        first: u32,
        payload: Box<Payload>,
    },
    /// The next of [`Own`].
    Own {
        first: u32,
        index: u32,
    },
    /// It covers all numbers up to `last`.
    Gap {
        first: u32,
        last: u64,
    },
    Close {
        first: u32,
        reason: Box<CloseReason>,
    },
}

/// The messages of an outbox that no other session has, in order.
#[derive(Debug, Default)]
pub(in crate::session) struct Own {
    queue: VecDeque<Payload>,
    /// How many have left it. It wraps around.
    pub(in crate::session) gone: u32,
}

/// An entry that has left an outbox.
pub(in crate::session) enum Freed {
    Message(OutMessage),
    Gap,
    Close(Box<CloseReason>),
}

impl Slot {
    pub(super) fn first(&self) -> u32 {
        match *self {
            Slot::Shared { first, .. }
            | Slot::Alone { first, .. }
            | Slot::Own { first, .. }
            | Slot::Gap { first, .. }
            | Slot::Close { first, .. } => first,
        }
    }
}

impl Entry<'_> {
    pub(in crate::session) fn cost(&self) -> usize {
        match self.body {
            Body::Message(message) => message.len() + ENTRY_COST,
            Body::Gap | Body::Close(_) => 0,
        }
    }
}

impl Own {
    /// Returns the message's index.
    pub(super) fn push(&mut self, payload: Payload) -> u32 {
        let index = self.gone.wrapping_add(low(self.queue.len() as u64));
        reserve_first(&mut self.queue);
        self.queue.push_back(payload);
        index
    }

    pub(super) fn get(&self, index: u32) -> Option<&Payload> {
        self.queue.get(index.wrapping_sub(self.gone) as usize)
    }

    pub(super) fn pop(&mut self) -> Option<Payload> {
        self.gone = self.gone.wrapping_add(1);
        self.queue.pop_front()
    }
}

/// The lower half of a number.
pub(super) fn low(number: u64) -> u32 {
    number as u32
}
