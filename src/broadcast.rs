//! A message on its way to one session or to many. A broadcast is encoded once in each form that its
//! receivers need.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::message::Message;

/// Names one encoding of a message. Each codec declares a constant for each of its forms; no two are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell(pub(crate) u8);

/// A message for many sessions, whose outboxes share it together with its encodings.
///
/// Most rooms need one encoding, so the first is stored here. Each further one is a box behind the one
/// before it.
#[derive(Debug)]
pub(crate) struct Broadcast {
    message: Message,
    first: OnceLock<Encoded>,
}

#[derive(Debug)]
struct Encoded {
    cell: Cell,
    bytes: Bytes,
    next: OnceLock<Box<Encoded>>,
}

impl Broadcast {
    /// The encoding that `cell` names; `encode` makes it the first time.
    pub(crate) fn encoded(&self, cell: Cell, encode: impl Fn(&Message) -> Bytes) -> &Bytes {
        let make = || Encoded { cell, bytes: encode(&self.message), next: OnceLock::new() };
        let mut found = self.first.get_or_init(make);
        while found.cell != cell {
            found = found.next.get_or_init(|| Box::new(make()));
        }
        &found.bytes
    }
}

/// A message on its way out: a session's own, or one shared with others.
#[derive(Clone, Debug)]
pub(crate) enum OutMessage {
    Own(Message),
    Shared(Arc<Broadcast>),
}

impl OutMessage {
    /// A message whose clones share its encodings.
    pub(crate) fn shared(message: Message) -> Self {
        OutMessage::Shared(Arc::new(Broadcast { message, first: OnceLock::new() }))
    }

    pub(crate) fn as_message(&self) -> &Message {
        match self {
            OutMessage::Own(message) => message,
            OutMessage::Shared(broadcast) => &broadcast.message,
        }
    }
}

impl From<Message> for OutMessage {
    fn from(message: Message) -> Self {
        OutMessage::Own(message)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering::Relaxed},
        thread,
    };

    use super::*;

    fn broadcast(text: &str) -> Arc<Broadcast> {
        match OutMessage::shared(text.into()) {
            OutMessage::Shared(broadcast) => broadcast,
            OutMessage::Own(_) => unreachable!("it is shared"),
        }
    }

    #[test]
    fn each_encoding_is_made_once_and_kept_apart() {
        let (broadcast, made) = (broadcast("hi"), AtomicUsize::new(0));
        for round in 0..3 {
            for cell in [7, 0, 255, 3] {
                let bytes = broadcast.encoded(Cell(cell), |message| {
                    made.fetch_add(1, Relaxed);
                    format!("{cell}:{}", message.as_text().unwrap()).into()
                });
                assert_eq!(bytes, &format!("{cell}:hi"), "{round}");
            }
        }
        assert_eq!(made.into_inner(), 4);
    }

    #[test]
    fn threads_that_need_different_encodings_at_once_get_their_own() {
        for _ in 0..200 {
            let (broadcast, made) = (broadcast("hi"), AtomicUsize::new(0));
            thread::scope(|scope| {
                for worker in 0..4_u8 {
                    let (broadcast, made) = (&broadcast, &made);
                    scope.spawn(move || {
                        let bytes = broadcast.encoded(Cell(worker % 2), |_| {
                            made.fetch_add(1, Relaxed);
                            vec![worker % 2].into()
                        });
                        assert_eq!(bytes, &[worker % 2][..]);
                    });
                }
            });
            assert_eq!(made.into_inner(), 2);
        }
    }

    #[test]
    fn a_broadcast_with_one_encoding_is_small() {
        assert!(size_of::<Broadcast>() <= size_of::<Message>() + 64, "{}", size_of::<Broadcast>());
    }
}
