//! Whether a node hears all that is published, from one epoch of the sequencer to the next.
//!
//! An epoch that ends in good order has a last word, behind all that was published in it. If the next one then publishes
//! nothing before this node listens, the node has missed nothing, and is told of nothing.

use std::{sync::Mutex, time::Duration};

use tokio::time::sleep;

use crate::{
    cluster::engine::{BusEvent, BusInbox},
    sync::lock,
};

/// The next epoch is waited for for so long. The sequencer waits for a node for as long.
const PATIENCE: Duration = Duration::from_secs(1);

/// A node's inbox, and what it believes.
pub(super) struct Hearing {
    inbox: BusInbox,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Publications are missing, as the inbox knows, or there were none yet.
    Cut,
    /// All come.
    Whole,
    /// All of the epoch with this number have come, and none of the next one.
    Between(u64),
}

impl Hearing {
    pub(super) fn new(inbox: BusInbox) -> Self {
        Hearing { inbox, state: Mutex::new(State::Cut) }
    }

    /// Something was published.
    pub(super) fn take(&self, event: BusEvent) {
        // The next epoch has not waited for this node.
        self.give_up();
        self.inbox.tell(event);
    }

    /// All topics are asked for, in this epoch. `in_time`: nothing was published in it before.
    pub(super) fn listens(&self, epoch: u64, in_time: bool) {
        let before = std::mem::replace(&mut *lock(&self.state), State::Whole);
        match before {
            State::Between(last) if in_time && last.checked_add(1) == Some(epoch) => return,
            State::Between(_) => self.inbox.cut(),
            State::Cut | State::Whole => {}
        }
        self.inbox.whole();
    }

    /// The connection is lost. `over`: behind the last word of the epoch with this number.
    pub(super) fn lost(&self, over: Option<u64>) {
        let (before, after) = {
            let mut state = lock(&self.state);
            let after = match (*state, over) {
                (State::Whole, Some(epoch)) => State::Between(epoch),
                // Of the epoch behind that one it has not heard all.
                _ => State::Cut,
            };
            (std::mem::replace(&mut *state, after), after)
        };
        if before != State::Cut && after == State::Cut {
            self.inbox.cut();
        }
    }

    /// The next epoch is waited for no longer.
    fn give_up(&self) {
        let is_cut = {
            let mut state = lock(&self.state);
            let is_between = matches!(*state, State::Between(_));
            if is_between {
                *state = State::Cut;
            }
            is_between
        };
        if is_cut {
            self.inbox.cut();
        }
    }

    /// Whether the next epoch is waited for.
    pub(super) fn is_between(&self) -> bool {
        matches!(*lock(&self.state), State::Between(_))
    }

    /// Gives the next epoch up if it is waited for too long. Never returns.
    pub(super) async fn bound(&self) -> std::convert::Infallible {
        if self.is_between() {
            sleep(PATIENCE).await;
            self.give_up();
        }
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn hearing() -> (Hearing, Arc<Mutex<Vec<BusEvent>>>) {
        let told = Arc::<Mutex<Vec<BusEvent>>>::default();
        let tells = told.clone();
        (Hearing::new(BusInbox::new(move |event| lock(&tells).push(event))), told)
    }

    #[test]
    fn an_epoch_that_ends_in_good_order_is_no_cut() {
        let (hearing, told) = hearing();
        hearing.lost(None);
        assert_eq!(*lock(&told), [], "it has heard nothing yet");
        hearing.listens(3, false);
        for epoch in 3..6 {
            hearing.lost(Some(epoch));
            assert!(hearing.is_between());
            hearing.listens(epoch + 1, true);
        }
        assert_eq!(*lock(&told), [BusEvent::Whole]);
        hearing.lost(None);
        hearing.listens(7, true);
        assert_eq!(*lock(&told), [BusEvent::Whole, BusEvent::Cut, BusEvent::Whole]);
    }

    #[test]
    fn what_may_be_missing_is_told_before_anything_comes() {
        type Next = fn(&Hearing);
        let event = || BusEvent::Received("topic".into(), "body".into());
        let cases: [(&str, Next); 5] = [
            ("the next epoch did not wait", |hearing| hearing.listens(2, false)),
            ("there was one in between", |hearing| hearing.listens(3, true)),
            ("the connection to the next one is lost", |hearing| (hearing.lost(None), hearing.listens(2, true)).1),
            ("that one ends too", |hearing| (hearing.lost(Some(2)), hearing.listens(3, true)).1),
            ("it is given up", |hearing| (hearing.give_up(), hearing.listens(2, true)).1),
        ];
        for (what, next) in cases {
            let (hearing, told) = hearing();
            hearing.listens(1, false);
            hearing.lost(Some(1));
            next(&hearing);
            assert_eq!(*lock(&told), [BusEvent::Whole, BusEvent::Cut, BusEvent::Whole], "{what}");
        }
        let (hearing, told) = hearing();
        hearing.listens(1, false);
        hearing.lost(Some(1));
        hearing.take(event());
        hearing.listens(2, false);
        assert_eq!(*lock(&told), [BusEvent::Whole, BusEvent::Cut, event(), BusEvent::Whole]);
    }
}
