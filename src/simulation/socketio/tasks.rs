//! The tasks of the server, which run when they are woken.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    task::{Wake, Waker},
};

/// A task of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// It serves a connection.
    Connection(usize),
    /// It runs the handlers of a session.
    Handlers(usize),
}

/// The tasks that were woken and did not run since.
#[derive(Clone, Debug, Default)]
pub(super) struct Woken(Arc<Mutex<VecDeque<Task>>>);

struct Alarm {
    task: Task,
    woken: Woken,
}

impl Woken {
    pub(super) fn waker(&self, task: Task) -> Waker {
        Arc::new(Alarm { task, woken: self.clone() }).into()
    }

    pub(super) fn next(&self) -> Option<Task> {
        self.0.lock().expect("no panic").pop_front()
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        let mut woken = self.woken.0.lock().expect("no panic");
        if !woken.contains(&self.task) {
            woken.push_back(self.task);
        }
    }
}
