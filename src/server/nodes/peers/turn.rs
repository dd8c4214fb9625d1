//! The turns of the runtime, after which what was gathered leaves.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker, ready},
};

use futures::task::AtomicWaker;
use tokio::task::yield_now;

/// The most turns that bytes wait while more come in each.
const MOST_TURNS: u8 = 4;

/// A wait until the runtime has nothing else to do, or has done much else.
pub(super) struct Turn {
    end: Arc<End>,
    waker: Waker,
    begun: bool,
}

/// The end of a turn.
#[derive(Default)]
struct End {
    has_come: AtomicBool,
    task: AtomicWaker,
}

impl Wake for End {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.has_come.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl Turn {
    pub(super) fn new() -> Self {
        let end = Arc::<End>::default();
        let waker = Waker::from(end.clone());
        Turn { end, waker, begun: false }
    }

    /// Waits for the end of the turn, which begins with the first poll. It stays ended until the next one is asked for.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.end.task.register(cx.waker());
        if !self.begun {
            self.begun = true;
            self.end.has_come.store(false, Ordering::Relaxed);
            // It wakes when this runtime's worker would sleep. Others that wake this task do not end the turn.
            let _ = pin!(yield_now()).poll(&mut Context::from_waker(&self.waker));
        }
        match self.end.has_come.load(Ordering::Acquire) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    /// The next poll begins another turn.
    pub(super) fn next(&mut self) {
        self.begun = false;
    }
}

/// A wait while more comes in each turn.
pub(super) struct Gathering {
    turn: Turn,
    turns: u8,
    length: usize,
}

impl Gathering {
    pub(super) fn new() -> Self {
        Gathering { turn: Turn::new(), turns: 0, length: 0 }
    }

    /// Waits until a turn has brought nothing to what has this length now.
    pub(super) fn poll(&mut self, length: usize, cx: &mut Context<'_>) -> Poll<()> {
        if self.turns == 0 {
            (self.turns, self.length) = (1, length);
        }
        loop {
            ready!(self.turn.poll(cx));
            self.turn.next();
            if length == self.length || self.turns == MOST_TURNS {
                self.turns = 0;
                return Poll::Ready(());
            }
            (self.turns, self.length) = (self.turns + 1, length);
        }
    }
}
