//! Messages that may be skipped, and values of which the newest counts.

use super::*;
use crate::packet::Packet;
use crate::session::droppable::WhenBehind;
#[cfg(feature = "cluster")]
use crate::session::{frame::MAX_NUMBER, machine::SendError};

/// A server half with a large outbox.
fn roomy() -> Pair {
    with(Config { outbox: 1 << 20, ..config(Role::Server) })
}

fn with(config: Config) -> Pair {
    let mut pair = Pair::opened();
    pair.server = Machine::new(config, 0);
    pair.down = pair.server.attach(0, opens(1)).expect("a new link");
    sent_frames(&mut pair.server, 0, pair.down);
    receive(&mut pair.server, 0, pair.down, [Frame::Confirm]);
    pair
}

fn droppable(machine: &mut Machine, now: u64, text: &str) -> bool {
    machine.send_as(now, &WhenBehind::Skip, Message::from(text).into()).expect("the session is open")
}

fn latest(machine: &mut Machine, now: u64, key: &str, text: &str) -> bool {
    let how = WhenBehind::Latest(key.into());
    machine.send_as(now, &how, Message::from(text).into()).expect("the session is open")
}

fn acknowledge(pair: &mut Pair, now: u64, received: u64) {
    receive(&mut pair.server, now, pair.down, [Frame::Ack { received }]);
}

#[test]
fn the_fifth_message_that_is_not_acknowledged_is_skipped() {
    let mut pair = roomy();
    let taken: Vec<bool> = (1..=6).map(|number| droppable(&mut pair.server, 1, &number.to_string())).collect();
    assert_eq!(taken, [true, true, true, true, false, false]);
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "m1:1 m2:2 m3:3 m4:4 w");
    acknowledge(&mut pair, 2, 4);
    assert_eq!(sent_text(&mut pair.server, 2, pair.down), "d5-6", "the client has caught up, and learns of the gap");
    assert!(droppable(&mut pair.server, 3, "7"));
    assert_eq!(sent_text(&mut pair.server, 3, pair.down), "m7:7");
}

#[test]
fn a_run_of_skipped_messages_is_one_gap_in_front_of_the_next_message() {
    let mut pair = roomy();
    (1..=9).for_each(|number| _ = droppable(&mut pair.server, 1, &number.to_string()));
    sent_frames(&mut pair.server, 1, pair.down);
    droppable(&mut pair.server, 2, "skipped too");
    assert_eq!(sent_text(&mut pair.server, 2, pair.down), "", "what is skipped costs nothing");
    send(&mut pair.server, "ordinary");
    assert_eq!(sent_text(&mut pair.server, 2, pair.down), "d5-10 m11:ordinary");
}

#[cfg(feature = "cluster")]
#[test]
fn what_is_lost_elsewhere_is_a_gap_at_once_unless_the_client_is_behind() {
    let mut pair = roomy();
    pair.server.miss(1, 3).unwrap();
    assert!(pair.server.take_links_need_wake());
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "d1-3");
    pair.server.miss(1, 0).unwrap();
    assert!(!pair.server.take_links_need_wake(), "nothing is lost");
    (4..=7).for_each(|number| assert!(droppable(&mut pair.server, 1, &number.to_string())));
    pair.server.miss(1, 2).unwrap();
    assert!(!pair.server.take_links_need_wake(), "it is behind");
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "m4:4 m5:5 m6:6 m7:7 w");
    pair.server.miss(1, 5).unwrap();
    acknowledge(&mut pair, 2, 7);
    assert_eq!(sent_text(&mut pair.server, 2, pair.down), "d8-14", "one run of all");
    send(&mut pair.server, "next");
    assert_eq!(sent_text(&mut pair.server, 2, pair.down), "m15:next");
}

#[cfg(feature = "cluster")]
#[test]
fn a_gap_never_uses_up_more_numbers_than_there_are() {
    let mut pair = roomy();
    assert_eq!(pair.server.miss(1, MAX_NUMBER), Err(SendError::Exhausted));
    assert_eq!(pair.server.miss(1, u64::MAX / 2), Err(SendError::Exhausted));
    pair.server.miss(1, 1 << 32).unwrap();
    send(&mut pair.server, "goes on");
    for _ in 0..100 {
        pair.server.miss(1, 1 << 32).unwrap();
        send(&mut pair.server, "it does, and what is lost between is told");
    }
    let gaps =
        pair.server.outbox.entries().filter(|entry| matches!(entry.body, crate::session::outbox::Body::Gap)).count();
    assert_eq!(gaps, 101);
    pair.server.close(CloseReason::new(3001, "over"));
    assert_eq!(pair.server.miss(1, 1), Err(SendError::Closed));
}

#[test]
fn ordinary_messages_never_wait() {
    let mut pair = roomy();
    (1..=4).for_each(|number| assert!(latest(&mut pair.server, 1, &number.to_string(), "value")));
    latest(&mut pair.server, 1, "5", "waits");
    send_all(&mut pair.server, 6, 8);
    let sent = sent_text(&mut pair.server, 1, pair.down);
    assert!(sent.ends_with("m5:6 m6:7 m7:8"), "{sent}");
    assert_eq!(pair.server.unacknowledged(), 8, "what waits counts");
}

#[test]
fn the_third_of_four_requests_an_acknowledgement() {
    let mut pair = roomy();
    for expected in ["m1:x", "m2:x", "m3:x w", "m4:x w"] {
        droppable(&mut pair.server, 1, "x");
        assert_eq!(sent_text(&mut pair.server, 1, pair.down), expected);
    }
}

/// Sends as many as are taken now, and acknowledges them. Returns how many.
fn round(pair: &mut Pair, now: u64) -> u64 {
    let mut count = 0;
    while droppable(&mut pair.server, now, &"x".repeat(36)) {
        count += 1;
    }
    sent_frames(&mut pair.server, now, pair.down);
    acknowledge(pair, now, pair.server.last_number());
    sent_frames(&mut pair.server, now, pair.down);
    acknowledge(pair, now, pair.server.last_number());
    count
}

#[test]
fn the_mark_is_what_was_acknowledged_in_the_last_half_second() {
    let mut pair = roomy();
    let counts: Vec<u64> = (0..5).map(|step| round(&mut pair, 1_000 + step * 10)).collect();
    assert_eq!(counts, [4, 4, 8, 16, 32], "it doubles with each round trip");
    assert!((60..=64).contains(&round(&mut pair, 1_200)));
    assert_eq!(round(&mut pair, 3_000), 4, "what was acknowledged long ago does not count");
}

#[test]
fn a_long_round_trip_lengthens_the_half_second() {
    let mut pair = roomy();
    let mut counts = Vec::new();
    for step in 0..4 {
        let mut count = 0;
        while droppable(&mut pair.server, 1_000 + step * 700, "x") {
            count += 1;
        }
        sent_frames(&mut pair.server, 1_000 + step * 700, pair.down);
        let last = pair.server.last_number();
        acknowledge(&mut pair, 1_700 + step * 700, last);
        counts.push(count);
    }
    assert!(counts[3] > counts[1], "a line that is only long is not slow: {counts:?}");
}

#[test]
fn the_mark_is_at_most_so_many_bytes() {
    let large = "x".repeat(30_000);
    let mut pair = roomy();
    let taken: Vec<bool> = (0..3).map(|_| droppable(&mut pair.server, 1, &large)).collect();
    assert_eq!(taken, [true, true, false], "64 KiB");
    let mut pair = with(Config { outbox: 1 << 20, droppable_mark: 1_000, ..config(Role::Server) });
    assert!(droppable(&mut pair.server, 1, &large), "what is larger than the mark goes out alone");
    assert!(!droppable(&mut pair.server, 1, "x"));
    assert!(sent_text(&mut pair.server, 1, pair.down).ends_with(" w"));
    let mut pair = with(Config { droppable_mark: 0, ..config(Role::Server) });
    assert!(droppable(&mut pair.server, 1, "one at a time") && !droppable(&mut pair.server, 1, "x"));
}

#[test]
fn a_full_outbox_takes_no_droppable_message() {
    let mut pair = Pair::opened();
    send(&mut pair.server, &"x".repeat(2_100));
    assert!(!droppable(&mut pair.server, 1, &"x".repeat(2_000)), "no room, though below the mark");
    assert!(droppable(&mut pair.server, 1, "x"));
}

#[test]
fn the_newest_value_of_a_key_takes_the_place_of_the_older_one() {
    let mut pair = roomy();
    (1..=4).for_each(|number| assert!(droppable(&mut pair.server, 1, &number.to_string())));
    for (key, value) in [("a", "a1"), ("b", "b1"), ("a", "a2"), ("c", "c1"), ("a", "a3")] {
        assert!(latest(&mut pair.server, 1, key, value), "it waits");
    }
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "m1:1 m2:2 m3:3 m4:4 w");
    acknowledge(&mut pair, 2, 2);
    assert_eq!(sent_text(&mut pair.server, 2, pair.down), "m5:a3 m6:b1 w", "no gap for what was replaced");
    acknowledge(&mut pair, 3, 6);
    assert_eq!(sent_text(&mut pair.server, 3, pair.down), "m7:c1");
}

#[test]
fn a_key_that_changes_often_gets_its_turn() {
    let mut pair = roomy();
    let mut arrived = Vec::new();
    for step in 1..=200_u64 {
        // Ten keys change in turn, and at every tenth change the client acknowledges one message.
        latest(&mut pair.server, step, &(step % 10).to_string(), &(step % 10).to_string());
        if step % 10 == 0 {
            arrived.extend(sent_frames(&mut pair.server, step, pair.down));
            let acked = pair.server.acknowledged() + 1;
            acknowledge(&mut pair, step, acked);
        }
    }
    let arrived = notation(&arrived);
    for key in 0..10 {
        assert!(arrived.contains(&format!(":{key}")), "{key} in {arrived}");
    }
}

#[test]
fn a_droppable_message_does_not_overtake_a_value_that_waits() {
    let mut pair = roomy();
    (1..=4).for_each(|number| assert!(droppable(&mut pair.server, 1, &number.to_string())));
    assert!(latest(&mut pair.server, 1, "a", &"a".repeat(80_000)), "larger than the mark");
    sent_frames(&mut pair.server, 1, pair.down);
    acknowledge(&mut pair, 2, 3);
    assert!(!droppable(&mut pair.server, 2, "small"));
    acknowledge(&mut pair, 3, 4);
    assert!(sent_text(&mut pair.server, 3, pair.down).starts_with("d5-5 m6:aaa"));
}

#[test]
fn a_value_waits_no_longer_than_what_was_sent_before_it() {
    let mut pair = roomy();
    // Ordinary messages keep the client above the mark for ever.
    let chunk = "x".repeat(40_000);
    send(&mut pair.server, &chunk);
    send(&mut pair.server, &chunk);
    assert!(latest(&mut pair.server, 1, "a", "value"));
    assert!(!droppable(&mut pair.server, 1, "x"));
    send(&mut pair.server, &chunk);
    send(&mut pair.server, &chunk);
    sent_frames(&mut pair.server, 1, pair.down);
    acknowledge(&mut pair, 2, 1);
    assert_eq!(sent_text(&mut pair.server, 2, pair.down), "");
    acknowledge(&mut pair, 3, 2);
    assert_eq!(sent_text(&mut pair.server, 3, pair.down), "m6:value");
}

#[test]
fn while_a_session_is_interrupted_only_the_newest_values_are_kept() {
    let mut pair = roomy();
    pair.cut(10);
    for step in 0..100 {
        assert!(!droppable(&mut pair.server, 20 + step, "frame"));
        assert!(latest(&mut pair.server, 20 + step, "a", &format!("a{step}")));
    }
    assert_eq!((pair.server.outbox_bytes(), pair.server.unacknowledged()), (64 + 1 + 3, 1));
    pair.down = pair.server.attach(200, resume(2)).expect("a new link");
    assert_eq!(sent_text(&mut pair.server, 200, pair.down), "sfull0 d1-100 m101:a99");
}

#[test]
fn between_two_polls_a_session_is_not_interrupted() {
    let mut pair = roomy();
    let link = pair.server.attach(1, turn(2, 0, POLL)).expect("a poll");
    receive(&mut pair.server, 1, pair.down, [Frame::LinkClose(CloseReason::new(4000, ""))]);
    pair.server.detach(2, pair.down);
    pair.server.detach(2, link);
    assert_eq!(pair.server.state(), crate::session::State::Interrupted);
    assert!(droppable(&mut pair.server, 100, "the next poll brings it"));
    assert!(!droppable(&mut pair.server, 9_000, "no poll comes"));
}

#[test]
fn a_close_and_a_flush_come_behind_what_waits() {
    let mut pair = roomy();
    pair.cut(10);
    latest(&mut pair.server, 20, "a", "a1");
    pair.server.flush();
    latest(&mut pair.server, 20, "a", "a2");
    droppable(&mut pair.server, 20, "skipped");
    pair.server.close(CloseReason::new(1000, ""));
    pair.down = pair.server.attach(200, resume(2)).expect("a new link");
    assert_eq!(sent_text(&mut pair.server, 200, pair.down), "sfull0 m1:a1 d2-2 m3:a2 c4:1000 w");
}

#[test]
fn what_waits_is_bounded() {
    let mut pair = Pair::opened();
    pair.cut(1);
    let value = "x".repeat(1_000 - 64 - 1);
    assert!(latest(&mut pair.server, 1, "a", &value) && latest(&mut pair.server, 1, "b", &value));
    assert!(!latest(&mut pair.server, 1, "c", &value), "more than half an outbox");
    assert!(latest(&mut pair.server, 1, "a", &value), "a newer one needs no more room");
    assert_eq!(pair.server.outbox_bytes(), 2_000);
    assert!(pair.server.outbox_fits(4_096), "ordinary messages have their own room");
    let mut pair = with(Config { outbox: 1 << 30, ..config(Role::Server) });
    pair.cut(1);
    for key in 0..1_024 {
        assert!(latest(&mut pair.server, 1, &key.to_string(), "x"), "{key}");
    }
    assert!(!latest(&mut pair.server, 1, "one more", "x"));
    pair.down = pair.server.attach(2, resume(2)).expect("a new link");
    let mut arrived = 0;
    while pair.server.unacknowledged() > 0 {
        arrived += sent_frames(&mut pair.server, 3, pair.down).len();
        let last = pair.server.last_number();
        acknowledge(&mut pair, 3, last);
    }
    assert!(arrived > 1_024, "{arrived}");
}

#[test]
fn the_end_of_a_session_counts_what_waits() {
    let mut pair = roomy();
    pair.cut(1);
    latest(&mut pair.server, 1, "a", "x");
    pair.server.abort(2, CloseReason::new(4310, ""));
    assert_eq!((pair.server.unacknowledged(), pair.server.outbox_bytes()), (1, 0));
}

#[test]
fn a_full_outbox_can_leave_a_gap() {
    let mut pair = Pair::opened();
    send(&mut pair.server, &"x".repeat(4_000));
    let how = WhenBehind::KeepOrSkip;
    assert_eq!(pair.server.send_as(1, &how, Message::from("no room").into()), Ok(false));
    sent_frames(&mut pair.server, 1, pair.down);
    acknowledge(&mut pair, 1, 1);
    assert_eq!(pair.server.send_as(1, &how, Message::from("room").into()), Ok(true));
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "d2-2 m3:room");
}

#[test]
fn what_a_link_without_acknowledgements_has_written_makes_room() {
    let config = Config { rules: &rules::RAW, ..config(Role::Server) };
    let mut server = Machine::new(config, 0);
    let link = server.attach(0, opens(1)).expect("a new link");
    (1..=4).for_each(|number| assert!(droppable(&mut server, 1, &number.to_string())));
    assert!(!droppable(&mut server, 1, "skipped") && latest(&mut server, 1, "a", "value"));
    let sent = sent_text(&mut server, 1, link);
    assert_eq!(sent, "m1:1 m2:2 m3:3 m4:4 m5:value", "the value follows in the same turn, and no gap is told");
}

#[test]
fn a_gap_does_not_cover_an_answer_that_was_taken_off() {
    let mut pair = Pair::opened();
    let answer = Packet::new("31[]", Vec::new());
    let answer = Frame::Message { number: 3, message: Payload::from(answer).into() };
    receive(&mut pair.server, 1, pair.down, [Frame::Gap { from: 1, to: 2 }, answer]);
    assert!(pair.server.set_aside(false).is_some());
    receive(&mut pair.server, 1, pair.down, [Frame::Gap { from: 4, to: 5 }, Frame::Gap { from: 6, to: 6 }]);
    assert_eq!(taken(&mut pair.server), "1-2 4-6");
}
