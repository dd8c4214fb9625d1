use super::*;
use crate::session::SendError;

#[test]
fn an_acknowledgement_beyond_what_was_sent_is_a_violation() {
    let mut pair = Pair::opened();
    send_all(&mut pair.server, 1, 2);
    assert_eq!(pair.server.handle_frame(1, pair.down, Frame::Ack { received: 1 }).expect_err("never left").code, 4004);
    assert_eq!(pair.server.acknowledged(), 0);
    assert_eq!(code(pair.server.attach(1, Attach { received: 3, ..resume(2) })), 4004);
    for frame in [
        Frame::Pause { received: 9, epoch: 1 },
        Frame::Resume { received: 9, epoch: 1 },
        Frame::Pong { id: 0, received: 9 },
    ] {
        let mut pair = Pair::opened();
        assert_eq!(pair.server.handle_frame(1, pair.down, frame).expect_err("beyond").code, 4004);
    }
    let start = super::super::Attached { outcome: Outcome::Full, received: 9, names: Names::default(), grant: None };
    assert_eq!(pair.client.handle_frame(1, pair.up, Frame::Attached(start)).expect_err("beyond").code, 4004);
    assert_eq!(sent_text(&mut pair.client, 1, pair.up), "x4004");
}

#[test]
fn a_late_acknowledgement_is_ignored() {
    let mut pair = Pair::opened();
    send_all(&mut pair.server, 1, 3);
    sent_frames(&mut pair.server, 1, pair.down);
    receive(&mut pair.server, 1, pair.down, [Frame::Ack { received: 3 }, Frame::Ack { received: 1 }]);
    assert_eq!((pair.server.acknowledged(), pair.server.unacknowledged()), (3, 0));
}

#[test]
fn acknowledgements_come_after_128_messages_or_32_kib_and_when_requested() {
    let mut pair = Pair::opened();
    pair.server = Machine::new(Config { inbox: 1 << 20, ..config(Role::Server) }, 0);
    pair.down = pair.server.attach(0, opens(1)).expect("a new link");
    sent_frames(&mut pair.server, 0, pair.down);
    receive(&mut pair.server, 0, pair.down, [Frame::Confirm]);
    receive(&mut pair.server, 1, pair.down, (1..=127).map(|number| numbered(number, "x")));
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "");
    receive(&mut pair.server, 1, pair.down, [numbered(128, "x")]);
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "a128");
    let large = "x".repeat(16 * 1024);
    receive(&mut pair.server, 1, pair.down, [numbered(129, &large)]);
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "");
    receive(&mut pair.server, 1, pair.down, [numbered(130, &large)]);
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "a130");
    receive(&mut pair.server, 1, pair.down, [numbered(131, "x"), Frame::AckRequest]);
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "a131");
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "");
}

#[test]
fn a_sender_requests_an_acknowledgement_when_its_outbox_is_more_than_half_full() {
    let mut pair = Pair::opened();
    let third = "x".repeat(1_400 - 64);
    send(&mut pair.client, &third);
    assert!(!sent_text(&mut pair.client, 1, pair.up).contains('w'));
    send(&mut pair.client, &third);
    assert!(sent_text(&mut pair.client, 1, pair.up).ends_with(" w"));
}

#[test]
fn no_message_is_refused_before_an_acknowledgement_was_requested() {
    let mut pair = Pair::opened();
    send(&mut pair.client, "little");
    assert_eq!(sent_text(&mut pair.client, 1, pair.up), "m1:little");
    let large = "x".repeat(4_096);
    assert_eq!(
        pair.client.send(Message::from(&*large).into()),
        Ok(()),
        "what is little need not be acknowledged first"
    );
    assert!(sent_text(&mut pair.client, 1, pair.up).ends_with(" w"));
    assert_eq!(pair.client.send(Message::from("more").into()), Err(SendError::Full));
    assert!(!pair.client.outbox_fits(0));
    receive(&mut pair.client, 1, pair.up, [Frame::Ack { received: 2 }]);
    assert_eq!(pair.client.send(Message::from(&*large).into()), Ok(()));
}

#[test]
fn more_than_half_an_outbox_after_an_acknowledgement_requests_another() {
    let mut pair = Pair::opened();
    send(&mut pair.server, "flushed");
    pair.server.flush();
    send_all_of(&mut pair.server, &["x".repeat(1_500), "y".repeat(1_500)]);
    assert!(sent_text(&mut pair.server, 1, pair.down).starts_with("m1:flushed w m2:"));
    pair.server.take_links_need_wake();
    receive(&mut pair.server, 1, pair.down, [Frame::Ack { received: 1 }]);
    assert!(pair.server.take_links_need_wake(), "over HTTP another link brings the acknowledgement");
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "w");
    receive(&mut pair.server, 1, pair.down, [Frame::Ack { received: 2 }]);
    assert!(!pair.server.take_links_need_wake(), "less than half is left");
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "");
}

fn send_all_of(machine: &mut Machine, texts: &[String]) {
    texts.iter().for_each(|text| send(machine, text));
}

#[test]
fn the_outbox_is_bounded_to_the_byte() {
    let mut pair = Pair::opened();
    send(&mut pair.client, &"x".repeat(2_048 - 64));
    assert_eq!(pair.client.outbox_bytes(), 2_048);
    assert!(pair.client.outbox_fits(4_096), "half full takes any");
    send(&mut pair.client, "");
    assert_eq!(pair.client.outbox_bytes(), 2_112);
    assert!(pair.client.outbox_fits(4_096 - 2_112 - 64));
    assert!(!pair.client.outbox_fits(4_096 - 2_112 - 63));
}

#[test]
fn at_its_end_a_session_counts_the_messages_that_are_not_acknowledged() {
    let mut pair = Pair::opened();
    send_all(&mut pair.client, 1, 5);
    sent_frames(&mut pair.client, 1, pair.up);
    receive(&mut pair.client, 1, pair.up, [Frame::Ack { received: 2 }]);
    assert_eq!(pair.client.unacknowledged(), 3);
    pair.client.close(CloseReason::new(1000, ""));
    assert_eq!(pair.client.unacknowledged(), 3, "the close is no message");
    receive(&mut pair.client, 1, pair.up, [Frame::LinkClose(CloseReason::new(4310, ""))]);
    assert_eq!((pair.client.unacknowledged(), pair.client.outbox_bytes()), (3, 0));
    assert_eq!(pair.client.send(Message::from("late").into()), Err(SendError::Closed));
}

#[test]
fn exactly_half_is_not_more_than_half() {
    let mut pair = Pair::opened();
    send(&mut pair.client, &"x".repeat(2_048 - 64));
    assert!(!sent_text(&mut pair.client, 1, pair.up).ends_with('w'));
    send(&mut pair.client, "");
    assert!(sent_text(&mut pair.client, 1, pair.up).ends_with(" w"));
    send(&mut pair.client, "");
    assert_eq!(sent_text(&mut pair.client, 1, pair.up), "m3:", "one request at a time");
}

#[test]
fn the_getters_of_a_machine() {
    let mut pair = Pair::opened();
    assert_eq!((pair.server.last_number(), pair.server.arrivals(), pair.server.buffered()), (0, 0, 0));
    send_all(&mut pair.server, 1, 3);
    receive(&mut pair.server, 1, pair.down, [numbered(1, "ab"), numbered(2, "c")]);
    assert_eq!((pair.server.last_number(), pair.server.arrivals()), (3, 2));
    assert_eq!(pair.server.buffered(), 5 * 64 + 3 + 3);
    assert_eq!(pair.server.outbox_bytes(), 3 * 64 + 3);
}

#[test]
fn links_are_woken_once_for_what_concerns_them() {
    let mut pair = Pair::opened();
    while pair.server.take_links_need_wake() {}
    receive(&mut pair.server, 1, pair.down, [numbered(1, "nothing for other links")]);
    assert!(!pair.server.take_links_need_wake());
    for frame in [
        Frame::AckRequest,
        Frame::Pause { received: 0, epoch: 1 },
        Frame::Resume { received: 0, epoch: 1 },
        Frame::Close { number: 2, reason: CloseReason::new(1000, "") },
    ] {
        receive(&mut pair.server, 1, pair.down, [frame]);
        assert!(pair.server.take_links_need_wake() && !pair.server.take_links_need_wake());
    }
}
