//! The tasks that wait for something to receive, in order of waiting. The methods wake; the caller holds the
//! session's lock.

use std::{collections::VecDeque, task::Waker};

use crate::seldom::Seldom;

/// The place of a task that waits. It keeps the place until it has received something, or gives it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(u32);

/// A task that waits for something to receive.
#[derive(Debug)]
struct Receiver {
    place: Place,
    waker: Waker,
    /// The task was woken and was not polled since.
    woken: bool,
    /// The task is the handler's own: when it is woken, a turn comes.
    is_handler: bool,
}

/// The queue of those who wait. Almost always there is at most one, and then nothing is allocated.
#[derive(Debug, Default)]
pub(super) struct Receivers {
    first: Option<Receiver>,
    others: Seldom<VecDeque<Receiver>>,
    next: u32,
}

impl Receivers {
    /// A task that wants to receive is being polled. Returns whether it may now: it is the first of the
    /// queue, or nobody waits, or the first is of the same task, as with two branches of one `select!`.
    pub(super) fn may_receive(&mut self, place: Option<Place>, waker: &Waker) -> bool {
        let Some(first) = &mut self.first else { return true };
        let may = Some(first.place) == place || first.waker.will_wake(waker);
        if may {
            first.woken = false;
        }
        may
    }

    /// Keeps the waker of a task that waits, at its place or at a new one at the end.
    pub(super) fn wait(&mut self, place: &mut Option<Place>, waker: &Waker, is_handler: bool) {
        if let Some(known) = place.and_then(|place| self.find(place)) {
            if !known.waker.will_wake(waker) {
                known.waker.clone_from(waker);
            }
            (known.woken, known.is_handler) = (false, is_handler);
            return;
        }
        let new = Place(self.next);
        self.next = self.next.wrapping_add(1);
        *place = Some(new);
        let receiver = Receiver { place: new, waker: waker.clone(), woken: false, is_handler };
        match self.first {
            None => self.first = Some(receiver),
            Some(_) => self.others.make().push_back(receiver),
        }
    }

    /// Gives a place up.
    pub(super) fn leave(&mut self, place: Place) {
        if self.first.as_ref().is_some_and(|first| first.place == place) {
            self.first = self.others.get_mut().and_then(VecDeque::pop_front);
        } else if let Some(others) = self.others.get_mut() {
            others.retain(|other| other.place != place);
        }
        if self.others.get().is_some_and(VecDeque::is_empty) {
            self.others.clear();
        }
    }

    /// Wakes the first. Returns whether the handler was woken.
    pub(super) fn wake_first(&mut self) -> bool {
        self.first.as_mut().is_some_and(Receiver::wake)
    }

    /// Wakes all. Returns whether the handler was woken.
    pub(super) fn wake_all(&mut self) -> bool {
        self.all().fold(false, |handler, receiver| receiver.wake() | handler)
    }

    /// Whether a task waits that was not woken.
    pub(super) fn any_waits(&self) -> bool {
        self.first.as_ref().is_some_and(|first| !first.woken)
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Receiver> {
        self.first.iter_mut().chain(self.others.get_mut().into_iter().flatten())
    }

    fn find(&mut self, place: Place) -> Option<&mut Receiver> {
        self.all().find(|receiver| receiver.place == place)
    }
}

impl Receiver {
    /// Wakes the task, once until it is polled. Returns whether it is the handler's.
    fn wake(&mut self) -> bool {
        if self.woken {
            return false;
        }
        self.woken = true;
        self.waker.wake_by_ref();
        self.is_handler
    }
}

#[cfg(test)]
mod tests;
