use super::*;

#[test]
fn a_new_link_starts_at_the_first_message_that_is_not_acknowledged() {
    let mut pair = Pair::opened();
    send_all(&mut pair.server, 1, 5);
    let sent = sent_frames(&mut pair.server, 1, pair.down);
    receive(&mut pair.client, 1, pair.up, sent.into_iter().take(3));
    pair.cut(2);
    send(&mut pair.server, "6");
    let attach = Attach { received: pair.client.received(), ..resume(2) };
    let down = pair.server.attach(3, attach).expect("a new link");
    assert_eq!(sent_text(&mut pair.server, 3, down), "sfull0 m4:4 m5:5 m6:6");
    assert_eq!(pair.server.acknowledged(), 3);
}

#[test]
fn a_repeat_is_dropped_and_acknowledged_again() {
    let mut pair = Pair::opened();
    receive(&mut pair.server, 1, pair.down, [numbered(1, "a"), numbered(2, "b"), numbered(1, "a"), numbered(2, "b")]);
    assert_eq!(taken(&mut pair.server), "a b");
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "a2");
}

#[test]
fn nothing_is_taken_behind_a_hole() {
    let mut pair = Pair::opened();
    receive(&mut pair.server, 1, pair.down, [numbered(2, "b"), Frame::Gap { from: 3, to: 4 }, numbered(1, "a")]);
    assert_eq!((taken(&mut pair.server).as_str(), pair.server.received()), ("a", 1));
    let close = Frame::Close { number: 3, reason: CloseReason::new(1000, "") };
    receive(&mut pair.server, 1, pair.down, [close]);
    assert_eq!((pair.server.closed(), pair.server.received()), (None, 1));
}

#[test]
fn messages_keep_their_kind_and_may_be_empty() {
    let mut pair = Pair::opened();
    let all = [Message::from(""), Message::from(vec![]), Message::from("x"), Message::from(vec![0, 255])];
    for message in &all {
        pair.client.send(message.clone().into()).expect("there is room");
    }
    pair.talk(1);
    let arrived: Vec<Arrival> = std::iter::from_fn(|| pair.server.poll_arrival()).collect();
    assert_eq!(arrived, all.map(|message| Arrival::Message(message.into())));
}

#[test]
fn a_run_of_skipped_messages_can_be_acknowledged_in_part() {
    let mut pair = Pair::opened();
    let large = "x".repeat(1_900);
    send(&mut pair.server, &large);
    send(&mut pair.server, &large);
    for _ in 0..3 {
        assert_eq!(pair.server.send_droppable(1, Message::from(&*large).into()), Ok(false));
    }
    pair.server.flush();
    let sent = sent_frames(&mut pair.server, 1, pair.down);
    assert_eq!(notation(&sent[2..]), "d3-5 w");
    assert_eq!(pair.server.unacknowledged(), 2, "what was dropped is not counted");
    receive(&mut pair.client, 1, pair.up, sent);
    assert_eq!(taken(&mut pair.client), format!("{large} {large} 3-5"));
    receive(&mut pair.server, 1, pair.down, [Frame::Ack { received: 4 }]);
    pair.cut(2);
    let down = pair.server.attach(3, Attach { received: 4, ..resume(2) }).expect("a new link");
    assert_eq!(sent_text(&mut pair.server, 3, down), "sfull0 d5-5 w");
    assert_eq!(pair.server.outbox_bytes(), 0);
}

#[test]
fn a_malformed_gap_is_a_violation() {
    for (from, to) in [(0, 1), (2, 1), (1, super::super::frame::MAX_NUMBER + 1)] {
        let mut pair = Pair::opened();
        let result = pair.client.handle_frame(1, pair.up, Frame::Gap { from, to });
        assert_eq!(result.expect_err("malformed").code, 4004);
    }
}

#[test]
fn both_directions_survive_any_number_of_cuts() {
    let mut pair = Pair::opened();
    let mut expected = Vec::new();
    for round in 1..=20 {
        send(&mut pair.client, &round.to_string());
        send(&mut pair.server, &round.to_string());
        expected.push(round.to_string());
        if round % 2 == 0 {
            pair.cut(round);
            pair.resume(round, round);
        }
    }
    assert_eq!(taken(&mut pair.client), expected.join(" "));
    assert_eq!(taken(&mut pair.server), expected.join(" "));
}

#[test]
fn messages_in_a_run_are_the_same_as_one_by_one() {
    let mut pair = Pair::opened();
    send_all(&mut pair.server, 1, 4);
    let mut sent = Vec::new();
    for most in [1, 3, 4] {
        let more = pair.server.transmit(1, pair.down, |outbound| {
            sent.push(outbound.into_frame());
            sent.len() < most
        });
        assert_eq!((sent.len(), more), (most, Some(false)));
    }
    assert_eq!(notation(&sent), "m1:1 m2:2 m3:3 m4:4");
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "");
}

#[test]
fn messages_in_a_run_end_where_an_acknowledgement_is_requested() {
    let mut pair = Pair::opened();
    send_all(&mut pair.server, 1, 2);
    pair.server.flush();
    send_all(&mut pair.server, 3, 5);
    let mut flush = || {
        let mut sent = Vec::new();
        let more = pair.server.transmit_behind(1, pair.down, |outbound| {
            sent.push(outbound.into_frame());
            true
        });
        (notation(&sent), more)
    };
    assert_eq!(flush(), ("m1:1 m2:2".into(), Some(true)));
    assert_eq!(flush(), ("w".into(), Some(true)));
    assert_eq!(flush(), ("m3:3 m4:4 m5:5".into(), Some(true)));
    assert_eq!(flush(), (String::new(), None));
}

#[test]
fn a_timeout_loses_nothing() {
    let mut pair = Pair::opened();
    send(&mut pair.server, "down");
    receive(&mut pair.server, 1, pair.down, [numbered(1, "up")]);
    pair.server.handle_timeout(1);
    assert_eq!(
        (taken(&mut pair.server).as_str(), sent_text(&mut pair.server, 1, pair.down).as_str()),
        ("up", "m1:down")
    );
}

#[test]
fn messages_behind_a_run_of_dropped_ones_are_found() {
    let mut pair = Pair::opened();
    send(&mut pair.server, &"x".repeat(3_500));
    for _ in 0..2 {
        assert_eq!(pair.server.send_droppable(1, Message::from("x".repeat(1_000)).into()), Ok(false));
    }
    send(&mut pair.server, "a");
    send(&mut pair.server, "b");
    assert_eq!(notation(&sent_frames(&mut pair.server, 1, pair.down)[1..]), "w d2-3 m4:a m5:b");
}

#[test]
fn a_link_that_lags_goes_on_behind_what_was_acknowledged_elsewhere() {
    let mut server = server();
    send_all(&mut server, 1, 3);
    let low = server.attach(0, opens(1)).expect("a new link");
    let high = server.attach(0, opens(2)).expect("a new link");
    sent_frames(&mut server, 0, low);
    receive(&mut server, 1, low, [Frame::Ack { received: 3 }]);
    send(&mut server, "4");
    assert_eq!(sent_text(&mut server, 1, high), "snew0 m4:4");
}
