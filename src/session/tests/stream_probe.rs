//! When a stream gets requests and padding, and when one that is held back ends.

use super::*;

#[test]
fn a_clear_path_gets_one_request_and_no_padding() {
    let mut one = Streaming::opened(20);
    assert_eq!(one.send(100, "hello"), "m1:hello w");
    one.acknowledges(120, 1);
    assert_eq!(one.server.poll_timeout(), Some(370), "the next request is for what is sent meanwhile");
    assert_eq!(one.due(), (370, String::new()));
    assert_eq!(one.server.poll_timeout(), Some(100 + HOUR), "and nothing but the heartbeat is due");
}

#[test]
fn every_message_is_verified() {
    let mut one = Streaming::opened(20);
    assert_eq!(one.send(100, "a"), "m1:a w");
    assert_eq!(one.send(105, "b"), "m2:b", "one request at a time");
    one.acknowledges(120, 1);
    assert_eq!(one.send(200, "c"), "m3:c", "not again so soon");
    assert_eq!(one.due(), (370, "w".into()));
    one.acknowledges(390, 3);
    assert_eq!(one.due(), (640, String::new()));
    assert_eq!(one.send(950, "d"), "m4:d w", "after a pause at once");
}

#[test]
fn a_busy_stream_gets_three_or_four_requests_a_second() {
    let mut one = Streaming::opened(20);
    let (mut requests, mut messages) = (0, 0);
    for now in 0..5_000 {
        one.server.handle_timeout(now);
        if now % 3 == 0 {
            messages += 1;
            send(&mut one.server, "x");
        }
        let sent = sent_text(&mut one.server, now, one.down);
        assert!(!sent.contains('i'), "{sent}");
        if sent.contains('w') {
            requests += 1;
        }
        if now % 20 == 0 {
            one.acknowledges(now, messages);
        }
    }
    assert!((13..=20).contains(&requests), "{requests} requests in 5 s");
}

#[test]
fn a_path_that_is_one_chunk_behind_is_helped_by_a_little_padding() {
    let mut one = Streaming::opened(20);
    assert_eq!(one.send(100, "a"), "m1:a w");
    assert_eq!(one.due(), (100 + 250 + 20, "i16".into()));
    one.acknowledges(441, 1);
    assert_eq!(one.send(900, "b"), "m2:b w i16", "from now on behind each flush");
    one.acknowledges(921, 2);
    assert_eq!(one.send(930, "c"), "m3:c i16");
    one.acknowledges(940, 3);
    one.ends(950);
    one.next_turn(970, LinkKind::Stream);
    assert_eq!(one.arrives(970), "sfull0 i16", "on the next turns too");
    one.ends(980);
    (one.ordinal, one.turn) = (2, 0);
    one.next_turn(1_000, LinkKind::Stream);
    assert_eq!(one.arrives(1_000), "sfull0", "a new ordinal may have a clear path");
}

#[test]
fn a_small_buffer_is_filled() {
    let mut one = Streaming::opened(20);
    assert_eq!(one.send(100, "a"), "m1:a w");
    assert_eq!(one.due(), (370, "i16".into()));
    assert_eq!(one.due(), (570, "i4096".into()));
    one.acknowledges(690, 1);
    assert_eq!(one.send(1_100, "b"), "m2:b w i4096");
    one.acknowledges(1_120, 2);
    assert_eq!(one.send(1_130, "c"), "m3:c i4096");
}

#[test]
fn padding_follows_a_request_that_is_sent_alone() {
    let mut one = Streaming::opened(20);
    one.send(100, "a");
    one.due();
    one.acknowledges(391, 1);
    assert_eq!(one.send(900, "b"), "m2:b w i16");
    assert_eq!(one.send(910, "c"), "m3:c i16");
    one.acknowledges(921, 2);
    assert_eq!(one.due(), (1_171, "w i16".into()));
    one.server.flush();
    assert_eq!(sent_text(&mut one.server, 1_180, one.down), "w i16");
}

#[test]
fn small_padding_does_not_replace_large_padding() {
    let mut one = Streaming::opened(0);
    one.send(0, "a");
    one.due();
    one.due();
    one.acknowledges(460, 1);
    assert_eq!(one.send(2_000, "b"), "m2:b w i4096");
    assert_eq!(one.due(), (2_260, "i16".into()));
    one.acknowledges(2_280, 2);
    assert_eq!(one.send(4_000, "c"), "m3:c w i4096");
}

#[test]
fn padding_that_was_not_sent_yet_is_not_needed_after_an_answer_or_a_sleep() {
    let mut one = Streaming::opened(0);
    one.send(0, "a");
    one.server.handle_timeout(250);
    one.acknowledges(250, 1);
    assert_eq!(sent_text(&mut one.server, 250, one.down), "");

    let mut one = Streaming::opened(0);
    one.send(0, "a");
    one.server.handle_timeout(250);
    one.server.handle_timeout(5_000);
    assert_eq!(sent_text(&mut one.server, 5_000, one.down), "w");
}

#[test]
fn padding_follows_whatever_is_sent() {
    let mut one = Streaming::opened(20);
    one.send(100, "a");
    one.due();
    one.acknowledges(441, 1);
    one.due();
    let (now, sent) = one.due();
    assert_eq!(sent, format!("p{now} i16"), "a ping must come through");
}

#[test]
fn a_stream_that_is_held_back_ends_within_a_second_and_two_round_trips() {
    for trip in [0, 5, 60, 400, 2_000] {
        let mut one = Streaming::opened(trip);
        let (now, sent) = held(&mut one, trip);
        assert_eq!(sent, "x4008");
        // A quarter of a second may pass before the next request.
        assert!(now - trip + 250 < 1_000 + 2 * trip, "after {} ms, round trip {trip}", now - trip);
        assert!(one.server.link_is_over(one.down));
        assert_eq!(one.server.carrier(), Some(1), "the ordinal is still confirmed");
        one.ends(now);
        assert_eq!(one.server.poll_timeout(), Some(now + GRACE), "as between two turns");
        one.next_turn(now + trip, POLL);
        assert_eq!(sent_text(&mut one.server, now + trip, one.down), "sfull0 m1:void", "nothing is lost");
    }
}

#[test]
fn the_end_of_a_stream_frees_what_was_held_back_and_the_next_turn_goes_on() {
    let mut one = Streaming::opened(20);
    let mut kept = Vec::new();
    send(&mut one.server, "a");
    for _ in 0..4 {
        let now = one.server.poll_timeout().filter(|_| !kept.is_empty()).unwrap_or(100);
        one.server.handle_timeout(now);
        kept.extend(sent_frames(&mut one.server, now, one.down));
    }
    assert_eq!(notation(&kept), "m1:a w i16 i4096 x4008");
    receive(&mut one.client, 1_040, one.up, kept);
    assert!(!one.client.link_is_over(one.up), "the answer's end is what ends it");
    assert_eq!(taken(&mut one.client), "a");
    one.ends(1_040);
    send(&mut one.server, "b");
    one.next_turn(1_060, POLL);
    assert_eq!(one.arrives(1_060), "sfull0 m2:b");
    assert_eq!((one.server.acknowledged(), taken(&mut one.client)), (1, "b".into()));
}

#[test]
fn the_stream_of_an_ended_session_is_not_waited_for() {
    let mut one = Streaming::opened(0);
    one.send(0, "a");
    one.server.abort(100, CloseReason::new(4300, ""));
    assert_eq!(one.server.poll_timeout(), Some(100 + GRACE));
}

#[test]
fn the_end_waits_for_a_request_that_comes_in_but_not_for_ever() {
    let mut one = Streaming::opened(0);
    one.send(0, "a");
    assert!(one.server.expect_attach(0));
    assert_eq!(one.due(), (250, "i16".into()), "padding does not wait");
    assert_eq!(one.due(), (450, "i4096".into()));
    for step in 0..93 {
        assert_eq!(one.due(), (700 + step * 100, String::new()));
    }
    assert_eq!(one.due().1, "x4008");
    one.server.cancel_attach(10_000);
}

#[test]
fn a_pause_answers_a_request() {
    let mut one = Streaming::opened(0);
    one.send(0, "a");
    let link = one.server.attach(50, upload()).expect("an upload");
    receive(&mut one.server, 50, link, [Frame::Pause { received: 0, epoch: 1 }]);
    one.server.detach(50, link);
    assert_eq!(one.due(), (300, String::new()));
    assert_eq!(one.server.poll_timeout(), Some(HOUR));
    let link = one.server.attach(500, upload()).expect("an upload");
    receive(&mut one.server, 500, link, [Frame::Resume { received: 0, epoch: 1 }]);
    one.server.detach(500, link);
    assert_eq!(sent_text(&mut one.server, 500, one.down), "m1:a w");
}

#[test]
fn an_acknowledgement_before_the_end_is_sent_cancels_it() {
    let mut one = Streaming::opened(0);
    one.send(0, "a");
    one.due();
    one.due();
    one.server.handle_timeout(700);
    one.acknowledges(700, 1);
    assert_eq!(sent_text(&mut one.server, 700, one.down), "");
}

#[test]
fn a_flush_does_not_change_a_request_that_is_pending() {
    let mut one = Streaming::opened(0);
    one.send(0, "a");
    send(&mut one.server, "b");
    one.server.flush();
    assert_eq!(sent_text(&mut one.server, 100, one.down), "m2:b w");
    assert_eq!(one.server.poll_timeout(), Some(250));
    one.acknowledges(120, 1);
    assert_eq!(one.server.poll_timeout(), Some(370), "the first is answered");
}

#[test]
fn the_request_of_a_flush_is_measured_too() {
    let mut one = Streaming::opened(0);
    send(&mut one.server, "a");
    one.server.flush();
    assert_eq!(sent_text(&mut one.server, 0, one.down), "m1:a w");
    assert_eq!(one.due(), (250, "i16".into()));
    one.acknowledges(260, 1);
    assert_eq!(one.server.poll_timeout(), Some(510), "it requests what was sent before it");
}

#[test]
fn the_answer_to_a_request_wakes_the_stream() {
    let mut one = Streaming::opened(0);
    one.send(0, "a");
    one.send(5, "b");
    one.server.take_links_need_wake();
    one.acknowledges(20, 1);
    assert!(one.server.take_links_need_wake(), "the next request has a deadline");
    one.acknowledges(30, 2);
    assert!(!one.server.take_links_need_wake(), "nothing was requested");
}

#[test]
fn a_link_that_is_not_confirmed_is_not_measured() {
    let mut server = server();
    let opening = server.attach(0, Attach { kind: LinkKind::Opening, ..opens(1) }).expect("a new link");
    sent_text(&mut server, 0, opening);
    server.detach(10, opening);
    send(&mut server, "a");
    let stream = server.attach(20, turn(2, 0, LinkKind::Stream)).expect("a client that has received nothing yet");
    assert_eq!(sent_text(&mut server, 20, stream), "sfull0 m1:a");
    server.flush();
    assert_eq!(sent_text(&mut server, 20, stream), "w", "the application's");
    assert_eq!(server.poll_timeout(), Some(20 + INTERVAL));
}

#[test]
fn only_a_server_sends_padding_and_poll_delays() {
    for frame in [Frame::Padding { length: 16 }, Frame::PollDelay { delay: 250 }] {
        let mut pair = Pair::opened();
        assert_eq!(pair.client.handle_frame(10, pair.up, frame.clone()), Ok(()));
        let why = pair.server.handle_frame(10, pair.down, frame).expect_err("not from a client");
        assert_eq!(why.code, 4004);
    }
}

#[test]
fn only_the_end_of_a_held_turn_leaves_the_link_alone() {
    let end = |code| Frame::LinkClose(CloseReason::new(code, ""));
    for (code, over) in [(4008, false), (4000, true)] {
        let mut one = Streaming::opened(20);
        receive(&mut one.client, 100, one.up, [end(code)]);
        assert_eq!(one.client.link_is_over(one.up), over, "a stream that gets {code}");
        let mut pair = Pair::opened();
        receive(&mut pair.client, 100, pair.up, [end(code)]);
        assert!(pair.client.link_is_over(pair.up), "a socket that gets {code}");
        let mut server = server();
        let opening = server.attach(0, Attach { kind: LinkKind::Opening, ..opens(1) }).expect("a new link");
        receive(&mut server, 0, opening, [end(code)]);
        assert!(server.link_is_over(opening), "a server that gets {code}");
    }
}

#[test]
fn only_a_stream_that_carries_is_measured() {
    let mut pair = Pair::opened();
    assert_eq!(pair.server.stream_probe.as_ref().map(|_| ()), None);
    send(&mut pair.server, "a");
    assert_eq!(sent_text(&mut pair.server, 0, pair.down), "m1:a");

    let mut one = Streaming::opened(0);
    one.ends(10);
    one.next_turn(20, POLL);
    assert_eq!(one.send(30, "a"), "sfull0 m1:a");

    let mut one = Streaming::opened(0);
    one.send(0, "a");
    let socket = one.server.attach(10, resume(2)).expect("a better link");
    receive(&mut one.server, 20, socket, [Frame::Confirm]);
    assert_eq!(sent_text(&mut one.server, 20, one.down), "x4000");
    assert_eq!(sent_text(&mut one.server, 20, socket), "sfull0 m1:a");
    assert_eq!(one.server.poll_timeout(), Some(20 + HOUR));
}

#[test]
fn a_session_without_a_stream_pays_one_pointer() {
    assert!(std::mem::size_of::<Option<Box<crate::session::stream_probe::StreamProbe>>>() <= 8);
    assert!(std::mem::size_of::<crate::session::stream_probe::StreamProbe>() <= 144);
}
