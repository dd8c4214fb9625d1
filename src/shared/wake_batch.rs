//! The links that a handler's sends to other sessions wake, gathered until its turn on this thread ends.

use std::{cell::RefCell, task::Waker};

use super::link_wakers::LinkWakers;

/// Room for this many wakers is kept between turns.
const KEEP: usize = 4096;

#[derive(Default)]
struct WakeBatch {
    /// The address of the session whose handler is being polled.
    turn: Option<usize>,
    due: Vec<Waker>,
}

thread_local! {
    static BATCH: RefCell<WakeBatch> = RefCell::default();
}

/// The handler of the session at this address is about to be polled on this thread.
pub(super) fn begin(session: usize) {
    BATCH.with_borrow_mut(|batch| batch.turn = Some(session));
}

/// Whether this code runs in a turn of the session at this address.
pub(super) fn is_turn_of(session: usize) -> bool {
    BATCH.with_borrow(|batch| batch.turn == Some(session))
}

/// Within a turn, keeps the wakers of these links until its end, so that all messages which the handler sends
/// to a room in one turn are one write for each member. Returns whether a turn is under way.
pub(super) fn defer(links: &mut LinkWakers) -> bool {
    BATCH.with_borrow_mut(|batch| {
        if batch.turn.is_some() {
            batch.due.extend(links.take());
        }
        batch.turn.is_some()
    })
}

/// Runs something that sends to many sessions, and wakes their links behind it: each once.
#[cfg(feature = "cluster")]
pub(crate) fn gather_wakes<R>(work: impl FnOnce() -> R) -> R {
    /// Wakes them also if there is a panic.
    struct Gathered;
    impl Drop for Gathered {
        fn drop(&mut self) {
            end();
        }
    }
    // No session has this address.
    let begun = BATCH.with_borrow_mut(|batch| batch.turn.is_none() && batch.turn.replace(0).is_none());
    let _gathered = begun.then_some(Gathered);
    work()
}

/// The handler has yielded.
pub(super) fn end() {
    let mut due = BATCH.with_borrow_mut(|batch| {
        batch.turn = None;
        std::mem::take(&mut batch.due)
    });
    // A waker runs code that is not ours, so the batch is not borrowed meanwhile.
    for waker in due.drain(..) {
        waker.wake();
    }
    due.shrink_to(KEEP);
    BATCH.with_borrow_mut(|batch| {
        if batch.due.is_empty() {
            batch.due = due;
        }
    });
}
