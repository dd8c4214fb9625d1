//! The memory of a session, a shortage of it, and a client that makes no progress.

use super::*;
use crate::{broadcast::OutMessage, pool::Pool};

const FLOOR: usize = 1_000;
const PATIENCE: u64 = 60_000;

fn of_server() -> Config {
    Config { floor: FLOOR, interval: 1 << 40, outbox: 1 << 20, ..config(Role::Server) }
}

fn machine() -> Machine {
    Machine::new(of_server(), 0)
}

/// A machine that has a confirmed WebSocket.
fn open() -> (Machine, LinkId) {
    connect(machine())
}

fn connect(mut machine: Machine) -> (Machine, LinkId) {
    let link = machine.attach(0, opens(1)).expect("the first link");
    receive(&mut machine, 0, link, [Frame::Confirm]);
    sent_frames(&mut machine, 0, link);
    (machine, link)
}

/// Does what is due until a time, and returns when the session has ended, and the code.
fn run(machine: &mut Machine, until: u64) -> Option<(u64, u16)> {
    while let Some(due) = machine.poll_timeout().filter(|due| *due <= until) {
        machine.handle_timeout(due);
        if let Some(reason) = machine.closed() {
            return Some((due, reason.code));
        }
    }
    None
}

#[test]
fn a_shared_message_is_a_part_of_all_who_hold_it_and_its_whole_length_bounds_each_outbox() {
    let pool = Pool::new(0, 0);
    let (mut first, mut second) = (machine(), machine());
    let message = OutMessage::shared(Message::from("x".repeat(3_000)), &pool);
    first.send(message.clone()).expect("there is room");
    second.send(message).expect("there is room");
    send(&mut first, "1234");
    assert_eq!((first.outbox_bytes(), first.held(), first.share()), (3_132, 132, 1_632));
    assert_eq!((second.outbox_bytes(), second.held(), second.share()), (3_064, 64, 1_564));
    assert_eq!(pool.bytes(), 3_000);
    let link = first.attach(0, opens(1)).expect("the first link");
    sent_frames(&mut first, 0, link);
    receive(&mut first, 0, link, [Frame::Ack { received: 1 }]);
    assert_eq!((first.outbox_bytes(), first.held(), first.share()), (68, 68, 68));
    assert_eq!(second.share(), 3_064, "the other half is its too now");
    second.abort(0, CloseReason::new(4310, ""));
    assert_eq!((second.held(), second.share(), pool.bytes()), (0, 0, 0));
}

#[test]
fn values_that_wait_are_shared_too() {
    let pool = Pool::new(0, 0);
    let mut machine = machine();
    for length in [500, 700] {
        let message = OutMessage::shared(Message::from("x".repeat(length)), &pool);
        machine.send_latest(0, &"key".into(), message).expect("there is room");
        assert_eq!(machine.outbox_bytes(), length + 64 + 3);
        assert_eq!((machine.held(), machine.share()), (67, length + 67));
    }
    assert_eq!(pool.bytes(), 700, "the newer value has replaced the other");
    machine.close(CloseReason::new(1000, ""));
    assert_eq!((machine.outbox_bytes(), machine.held(), machine.share()), (764, 64, 764));
}

#[test]
fn while_memory_is_short_an_inbox_takes_no_more_than_a_little() {
    let (mut machine, link) = open();
    machine.press(100);
    let text = "x".repeat(2_000);
    receive(&mut machine, 0, link, [numbered(1, &text), numbered(2, "b"), Frame::Ack { received: 0 }]);
    assert_eq!((machine.received(), machine.is_paused()), (1, true), "an empty one takes any message");
    assert_eq!(sent_text(&mut machine, 0, link), "h1,1");
    assert_eq!(taken(&mut machine), text);
    assert_eq!(sent_text(&mut machine, 0, link), "g1,1");
    receive(&mut machine, 0, link, [numbered(2, "b"), numbered(3, "c")]);
    assert_eq!(machine.received(), 2, "two would be more");
    machine.press(usize::MAX);
    assert_eq!(taken(&mut machine), "b");
    receive(&mut machine, 0, link, [numbered(3, "c"), numbered(4, "d")]);
    assert_eq!(taken(&mut machine), "c d");
}

#[test]
fn a_session_that_is_evicted_holds_nothing() {
    let (mut machine, link) = open();
    send(&mut machine, "there");
    receive(&mut machine, 0, link, [numbered(1, "back")]);
    machine.evict(5, super::super::reason::EVICTED);
    assert_eq!((machine.held(), machine.arrivals(), machine.unacknowledged()), (0, 0, 1));
    assert_eq!(sent_text(&mut machine, 5, link), "a1 x4105");
    assert!(machine.attach(6, resume(2)).is_err_and(|reason| reason.code == 4105));
}

#[test]
fn an_outbox_above_the_floor_without_progress_ends_the_session() {
    let (mut machine, link) = open();
    send(&mut machine, &"x".repeat(FLOOR - 64));
    assert!(!machine.stall_clock_is_due());
    sent_frames(&mut machine, 0, link);
    assert_eq!(run(&mut machine, 10 * PATIENCE), None, "at the floor it may stay");

    let now = 10 * PATIENCE;
    send(&mut machine, "y");
    assert!(machine.stall_clock_is_due());
    machine.start_stall_clock(now);
    assert!(!machine.stall_clock_is_due());
    sent_frames(&mut machine, now, link);
    assert_eq!(run(&mut machine, now + PATIENCE - 1), None);
    assert_eq!(run(&mut machine, now + PATIENCE), Some((now + PATIENCE, 4105)));
    assert_eq!(sent_text(&mut machine, now + PATIENCE, link), "a0 x4105");
}

#[test]
fn each_progress_restarts_the_clock() {
    let (mut machine, link) = open();
    for _ in 0..9 {
        send(&mut machine, &"x".repeat(FLOOR));
    }
    sent_frames(&mut machine, 0, link);
    machine.start_stall_clock(0);
    let mut now = 0;
    for received in 1..=8 {
        now += PATIENCE;
        assert_eq!(run(&mut machine, now - 2), None, "{received}");
        receive(&mut machine, now - 1, link, [Frame::Ack { received }]);
    }
    // Bytes that a connection takes are progress; the same acknowledgement again is none.
    machine.handle_write(now, link);
    receive(&mut machine, now + PATIENCE - 1, link, [Frame::Ack { received: 8 }, numbered(1, "b")]);
    let slow = machine.poll_timeout().expect("a deadline");
    assert_eq!(run(&mut machine, slow), Some((now + PATIENCE, 4105)));
}

#[test]
fn a_slow_line_has_the_time_that_it_needs_and_so_has_a_session_whose_grace_is_longer() {
    let (mut machine, link) = open();
    send(&mut machine, &"x".repeat(504_032));
    sent_frames(&mut machine, 0, link);
    machine.start_stall_clock(0);
    assert_eq!(run(&mut machine, 1 << 30), Some((PATIENCE + 50_000, 4105)), "at 10 kB a second");

    let (mut machine, _) = connect(Machine::new(Config { grace: 600_000, ..of_server() }, 0));
    send(&mut machine, &"x".repeat(FLOOR));
    machine.start_stall_clock(0);
    assert_eq!(run(&mut machine, 1 << 30), Some((600_000, 4105)), "not before the grace time");
}

#[test]
fn an_outbox_that_is_acknowledged_stops_the_clock() {
    let (mut machine, link) = open();
    send(&mut machine, &"x".repeat(FLOOR));
    sent_frames(&mut machine, 0, link);
    machine.start_stall_clock(0);
    receive(&mut machine, PATIENCE - 1, link, [Frame::Ack { received: 1 }]);
    assert_eq!(machine.stalled_since(), None);
    assert_eq!(run(&mut machine, 10 * PATIENCE), None);
    // Without a call the clock starts with the next deadline of any kind.
    send(&mut machine, &"x".repeat(FLOOR));
    machine.handle_timeout(11 * PATIENCE);
    assert_eq!(machine.stalled_since(), Some(11 * PATIENCE));
}
