//! The handler's turn on this thread: whom its room sends wake.

use std::{cell::RefCell, task::Waker};

use super::LinkId;

/// Room for so many is kept between turns.
const KEEP: usize = 4096;

#[derive(Default)]
struct WakeBatch {
    open: bool,
    due: Vec<Waker>,
}

thread_local! {
    static BATCH: RefCell<WakeBatch> = RefCell::default();
}

/// A handler is about to be polled on this thread.
pub(super) fn begin() {
    BATCH.with_borrow_mut(|batch| batch.open = true);
}

/// Within a turn, the links are woken at its end, so that all it says to a room is one write for each member.
pub(super) fn defer(links: &mut [(LinkId, Option<Waker>)]) -> bool {
    BATCH.with_borrow_mut(|batch| {
        if batch.open {
            batch.due.extend(links.iter_mut().filter_map(|(_, waker)| waker.take()));
        }
        batch.open
    })
}

/// The handler has yielded.
pub(super) fn end() {
    let mut due = BATCH.with_borrow_mut(|batch| {
        batch.open = false;
        std::mem::take(&mut batch.due)
    });
    // Waking runs code that is not ours: nothing is borrowed meanwhile.
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
