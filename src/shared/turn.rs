//! The handler's turn on this thread: whom its room sends wake.

use std::{cell::RefCell, task::Waker};

use super::LinkId;

/// Room for so many is kept between turns.
const KEEP: usize = 4096;

#[derive(Default)]
struct Turn {
    open: bool,
    due: Vec<Waker>,
}

thread_local! {
    static TURN: RefCell<Turn> = RefCell::default();
}

/// A handler is about to be polled on this thread.
pub(super) fn begin() {
    TURN.with_borrow_mut(|turn| turn.open = true);
}

/// Within a turn, the links are woken at its end, so that all it says to a room is one write for each member.
pub(super) fn defer(links: &mut [(LinkId, Option<Waker>)]) -> bool {
    TURN.with_borrow_mut(|turn| {
        if turn.open {
            turn.due.extend(links.iter_mut().filter_map(|(_, waker)| waker.take()));
        }
        turn.open
    })
}

/// The handler has yielded.
pub(super) fn end() {
    let mut due = TURN.with_borrow_mut(|turn| {
        turn.open = false;
        std::mem::take(&mut turn.due)
    });
    // Waking runs code that is not ours: nothing is borrowed meanwhile.
    for waker in due.drain(..) {
        waker.wake();
    }
    due.shrink_to(KEEP);
    TURN.with_borrow_mut(|turn| {
        if turn.due.is_empty() {
            turn.due = due;
        }
    });
}
