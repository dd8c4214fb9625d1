//! Tests of which waiters are woken, and of which one may receive.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::Wake,
};

use super::*;

#[derive(Default)]
struct Task(AtomicUsize);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// Three tasks, each with the count of its wakes.
fn tasks() -> [(Arc<Task>, Waker); 3] {
    std::array::from_fn(|_| {
        let task = Arc::new(Task::default());
        (task.clone(), Waker::from(task))
    })
}

fn wakes(tasks: &[(Arc<Task>, Waker); 3]) -> [usize; 3] {
    [0, 1, 2].map(|nth| tasks[nth].0.0.load(Relaxed))
}

#[test]
fn the_first_is_woken_once_and_then_the_next() {
    let tasks = tasks();
    let mut receivers = Receivers::default();
    let mut places = [None; 3];
    for (nth, place) in places.iter_mut().enumerate() {
        receivers.wait(place, &tasks[nth].1, false);
    }
    receivers.wake_first();
    receivers.wake_first();
    assert_eq!(wakes(&tasks), [1, 0, 0], "it was not polled since");
    assert!(receivers.may_receive(places[0], &tasks[0].1));
    assert!(!receivers.may_receive(places[1], &tasks[1].1));
    assert!(!receivers.may_receive(None, &tasks[2].1), "whoever comes later waits too");
    receivers.leave(places[0].unwrap());
    receivers.wake_first();
    assert_eq!(wakes(&tasks), [1, 1, 0]);
    receivers.leave(places[2].unwrap());
    receivers.leave(places[1].unwrap());
    assert!(receivers.may_receive(None, Waker::noop()), "nobody waits");
    assert!(receivers.others.get().is_none(), "the memory is given back");
}

#[test]
fn a_task_that_waits_twice_may_receive_with_either_future() {
    let tasks = tasks();
    let mut receivers = Receivers::default();
    receivers.wait(&mut None, &tasks[0].1, true);
    let mut second = None;
    receivers.wait(&mut second, &tasks[0].1, true);
    receivers.wake_first();
    assert!(receivers.may_receive(second, &tasks[0].1));
    assert!(!receivers.may_receive(None, &tasks[1].1));
    receivers.wake_first();
    assert_eq!(wakes(&tasks), [2, 0, 0], "the task was polled, so it is woken again");
}

#[test]
fn a_place_is_kept_from_poll_to_poll_whatever_the_waker() {
    let tasks = tasks();
    let mut receivers = Receivers::default();
    let (mut first, mut second) = (None, None);
    receivers.wait(&mut first, &tasks[0].1, false);
    receivers.wait(&mut second, &tasks[1].1, false);
    let before = first;
    receivers.wait(&mut first, &tasks[2].1, true);
    assert_eq!(first, before);
    assert!(receivers.any_waits());
    assert!(receivers.wake_all(), "the handler is among them");
    assert!(!receivers.any_waits(), "it was woken");
    assert_eq!(wakes(&tasks), [0, 1, 1]);
    receivers.wait(&mut first, &tasks[2].1, true);
    assert!(receivers.any_waits(), "it was polled and waits again");
}
