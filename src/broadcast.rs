//! A message on its way to one session or to many. A broadcast is encoded once in each form that its
//! receivers need.

#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::{message::Message, packet::Offset, payload::Payload, pool::Pool};

/// Names one encoding of a message. Each codec declares a constant for each of its forms; no two are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell(pub(crate) u8);

/// The offset of a message stands among its encodings, since few messages have one.
pub(crate) const OFFSET: Cell = Cell(u8::MAX);

/// A message for many sessions, whose outboxes share it together with its encodings.
///
/// Most rooms need one encoding, so the first is stored here. Each further one is a box behind the one
/// before it. Message and encodings count in the pool until the last session has dropped them.
#[derive(Debug)]
pub(crate) struct Broadcast {
    payload: Payload,
    first: OnceLock<Encoded>,
    pool: Pool,
}

#[derive(Debug)]
struct Encoded {
    cell: Cell,
    bytes: Bytes,
    next: OnceLock<Box<Encoded>>,
}

impl Broadcast {
    /// The encoding that `cell` names; `encode` makes it the first time.
    pub(crate) fn encoded(&self, cell: Cell, encode: impl Fn(&Payload) -> Bytes) -> &Bytes {
        let make = || {
            // A test counts how often.
            #[cfg(debug_assertions)]
            tracing::trace!(target: "anywire::encoding", cell = cell.0);
            let bytes = encode(&self.payload);
            self.pool.change(0, bytes.len());
            Encoded { cell, bytes, next: OnceLock::new() }
        };
        let mut found = self.first.get_or_init(make);
        while found.cell != cell {
            found = found.next.get_or_init(|| Box::new(make()));
        }
        &found.bytes
    }

    /// Gives it the offset that `next` makes, unless it has one.
    pub(crate) fn stamp(&self, next: impl Fn() -> Offset) {
        self.encoded(OFFSET, |_| next().to_string().into());
    }

    /// The offset that it was given.
    pub(crate) fn offset(&self) -> Option<Offset> {
        let all = std::iter::successors(self.first.get(), |encoded| encoded.next.get().map(AsRef::as_ref));
        let found = all.into_iter().find(|encoded| encoded.cell == OFFSET)?;
        Offset::parse(std::str::from_utf8(&found.bytes).ok()?)
    }

    pub(crate) fn payload(&self) -> &Payload {
        &self.payload
    }

    /// The part of it that one session has, if all have equal parts.
    pub(crate) fn share(self: &Arc<Self>) -> usize {
        self.held() / Arc::strong_count(self)
    }

    /// The bytes of the message and its encodings.
    fn held(&self) -> usize {
        let mut held = self.payload.len();
        let mut next = self.first.get();
        while let Some(encoded) = next {
            held += encoded.bytes.len();
            next = encoded.next.get().map(AsRef::as_ref);
        }
        held
    }
}

impl Drop for Broadcast {
    fn drop(&mut self) {
        self.pool.change(self.held(), 0);
    }
}

/// A message on its way out: a session's own, or one shared with others.
#[derive(Clone, Debug)]
pub(crate) enum OutMessage {
    Own(Payload),
    Shared(Arc<Broadcast>),
}

impl OutMessage {
    /// A message whose clones share its encodings. It counts once in the pool.
    pub(crate) fn shared(payload: impl Into<Payload>, pool: &Pool) -> Self {
        let payload = payload.into();
        pool.change(0, payload.len());
        OutMessage::Shared(Arc::new(Broadcast { payload, first: OnceLock::new(), pool: pool.clone() }))
    }

    /// The bytes that others count: those of a shared message.
    pub(crate) fn shared_len(&self) -> usize {
        match self {
            OutMessage::Own(_) => 0,
            OutMessage::Shared(broadcast) => broadcast.payload.len(),
        }
    }

    /// The part of a shared message that this is, if its clones have equal parts of it.
    pub(crate) fn share(&self) -> usize {
        match self {
            OutMessage::Own(_) => 0,
            OutMessage::Shared(broadcast) => broadcast.share(),
        }
    }

    pub(crate) fn borrowed(&self) -> OutMessageRef<'_> {
        match self {
            OutMessage::Own(payload) => OutMessageRef::Own(payload),
            OutMessage::Shared(broadcast) => OutMessageRef::Shared(broadcast),
        }
    }

    pub(crate) fn payload(&self) -> &Payload {
        self.borrowed().payload()
    }

    /// The payload; a copy if others share it.
    pub(crate) fn into_payload(self) -> Payload {
        match self {
            OutMessage::Own(payload) => payload,
            OutMessage::Shared(broadcast) => broadcast.payload.clone(),
        }
    }

    /// Whether it is an event, or an answer to one.
    pub(crate) fn is_event(&self) -> bool {
        self.payload().as_message().is_none()
    }

    /// Its length in bytes, which limits count.
    pub(crate) fn len(&self) -> usize {
        self.payload().len()
    }
}

/// An [`OutMessage`] that is borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum OutMessageRef<'a> {
    Own(&'a Payload),
    Shared(&'a Arc<Broadcast>),
}

impl<'a> OutMessageRef<'a> {
    pub(crate) fn payload(self) -> &'a Payload {
        match self {
            OutMessageRef::Own(payload) => payload,
            OutMessageRef::Shared(broadcast) => &broadcast.payload,
        }
    }

    /// Its length in bytes, which limits count.
    pub(crate) fn len(self) -> usize {
        self.payload().len()
    }

    pub(crate) fn to_owned(self) -> OutMessage {
        match self {
            OutMessageRef::Own(payload) => OutMessage::Own(payload.clone()),
            OutMessageRef::Shared(broadcast) => OutMessage::Shared(broadcast.clone()),
        }
    }
}

impl From<Message> for OutMessage {
    fn from(message: Message) -> Self {
        OutMessage::Own(message.into())
    }
}

impl From<Payload> for OutMessage {
    fn from(payload: Payload) -> Self {
        OutMessage::Own(payload)
    }
}
