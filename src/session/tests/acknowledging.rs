use super::*;
use crate::session::{
    SendError,
    inbox::{ACK_DELAY, ACK_QUIET},
};

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
    let start = super::super::Attached {
        outcome: Outcome::Full,
        received: 9,
        names: Names::default(),
        grant: None,
        secret: None,
    };
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
    assert_eq!((pair.server.last_number(), pair.server.arrivals(), pair.server.held()), (0, 0, 0));
    send_all(&mut pair.server, 1, 3);
    receive(&mut pair.server, 1, pair.down, [numbered(1, "ab"), numbered(2, "c")]);
    assert_eq!((pair.server.last_number(), pair.server.arrivals()), (3, 2));
    assert_eq!(pair.server.held(), 5 * 64 + 3 + 3);
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

/// The frames that a half sends when it is asked at each of these times.
fn at_times(machine: &mut Machine, link: LinkId, times: &[u64]) -> Vec<String> {
    let sent = |&time: &u64| {
        machine.handle_timeout(time);
        sent_text(machine, time, link)
    };
    times.iter().map(sent).collect()
}

#[test]
fn a_server_acknowledges_within_a_second_of_the_first_message() {
    let mut pair = Pair::opened();
    pair.server.heartbeat.set_times(HOUR, pair.server.heartbeat.timeout());
    receive(&mut pair.server, 100, pair.down, [numbered(1, "x")]);
    assert_eq!(pair.server.poll_timeout(), Some(100 + ACK_DELAY));
    assert!(pair.server.take_deadline_is_nearer(), "the caller must ask for the deadline");
    receive(&mut pair.server, 300, pair.down, [numbered(2, "y")]);
    assert!(!pair.server.take_deadline_is_nearer(), "it is the same deadline");
    assert_eq!(sent_text(&mut pair.server, 599, pair.down), "");
    assert_eq!(at_times(&mut pair.server, pair.down, &[1_100, 1_101, 5_000]), ["a2", "", ""]);
    assert_eq!(pair.server.poll_timeout().map(|deadline| deadline > HOUR), Some(true));
    receive(&mut pair.server, 6_000, pair.down, [numbered(3, "z")]);
    assert_eq!(pair.server.poll_timeout(), Some(6_000 + ACK_DELAY), "each first message anew");
}

#[test]
fn an_acknowledgement_that_is_nearly_due_goes_with_what_is_sent() {
    let mut pair = Pair::opened();
    receive(&mut pair.server, 100, pair.down, [numbered(1, "x")]);
    send_all(&mut pair.server, 1, 1);
    assert_eq!(sent_text(&mut pair.server, 100 + ACK_DELAY / 2 - 1, pair.down), "m1:1");
    send_all(&mut pair.server, 2, 2);
    assert_eq!(sent_text(&mut pair.server, 100 + ACK_DELAY / 2, pair.down), "a1 m2:2");
    assert_eq!(at_times(&mut pair.server, pair.down, &[100 + ACK_DELAY]), ["p1100"], "and no other one follows");
}

#[test]
fn a_client_acknowledges_when_it_is_quiet() {
    let mut pair = Pair::opened();
    pair.client.heartbeat.set_times(HOUR, pair.client.heartbeat.timeout());
    for (number, now) in [(1, 0), (2, 1_000), (3, 2_000)] {
        assert_eq!(at_times(&mut pair.client, pair.up, &[now]), [""]);
        receive(&mut pair.client, now, pair.up, [numbered(number, "x")]);
    }
    assert_eq!(pair.client.poll_timeout(), Some(2_000 + ACK_QUIET));
    assert_eq!(at_times(&mut pair.client, pair.up, &[3_249, 3_250, 3_251]), ["", "a3", ""]);
}

#[test]
fn an_acknowledgement_waits_for_a_link() {
    let mut pair = Pair::opened();
    receive(&mut pair.server, 0, pair.down, [numbered(1, "x")]);
    pair.server.detach(1, pair.down);
    assert_eq!(pair.server.poll_timeout(), Some(1 + GRACE));
    pair.server.handle_timeout(2_000);
    let down = pair.server.attach(2_000, resume(2)).expect("a new link");
    assert_eq!(sent_text(&mut pair.server, 2_000, down), "sfull1");
}

#[test]
fn a_ping_acknowledges_where_the_client_knows_it() {
    for (names, ping) in [(&b""[..], "p1001"), (b"cred", "p1001"), (b"ping.cred", "p1001,1")] {
        let mut server = server();
        let attach = Attach { names: Some(Names::parse(names)), ..opens(1) };
        let down = server.attach(0, attach).expect("a new link");
        receive(&mut server, 0, down, [numbered(1, "x"), Frame::AckRequest]);
        assert_eq!(sent_text(&mut server, 0, down), "snew1");
        assert_eq!(at_times(&mut server, down, &[1, 1_001]), ["", ping]);
        // It counts as an acknowledgement, and the names of the last attach are those in force.
        receive(&mut server, 1_500, down, [numbered(2, "y")]);
        let attach = Attach { names: Some(Names::PING), received: 0, ..resume(2) };
        let down = server.attach(1_500, attach).expect("a new link");
        receive(&mut server, 1_500, down, [Frame::Confirm]);
        assert_eq!(sent_text(&mut server, 1_500, down), "sfull2");
        assert_eq!(at_times(&mut server, down, &[2_500]), ["p2500,2"]);
    }
}

#[test]
fn a_client_frees_what_a_ping_acknowledges() {
    let mut pair = Pair::opened();
    send_all(&mut pair.client, 1, 2);
    sent_frames(&mut pair.client, 1, pair.up);
    receive(&mut pair.client, 2, pair.up, [Frame::Ping { id: 2, received: Some(2) }]);
    assert_eq!(pair.client.unacknowledged(), 0);
    let beyond = Frame::Ping { id: 3, received: Some(3) };
    assert_eq!(pair.client.handle_frame(3, pair.up, beyond).expect_err("beyond what was sent").code, 4004);
}

#[test]
fn both_halves_acknowledge_before_the_server_goes_away() {
    let mut pair = Pair::opened();
    send_all(&mut pair.client, 1, 2);
    send_all(&mut pair.server, 1, 1);
    pair.talk(1);
    assert_eq!((pair.client.unacknowledged(), pair.server.unacknowledged()), (2, 1));
    pair.server.go_away(3_000, 0);
    let last = sent_frames(&mut pair.server, 2, pair.down);
    assert_eq!(notation(&last), "a2 z3000");
    receive(&mut pair.client, 2, pair.up, last);
    assert_eq!(pair.client.unacknowledged(), 0);
    send_all(&mut pair.client, 3, 3);
    pair.client.flush();
    assert_eq!(sent_text(&mut pair.client, 3, pair.up), "a1 m3:3 w");
}
