//! How long a stream may take to answer: the round trip, doubled terms, sleep, and when padding counts as
//! helpful.

use super::*;

#[test]
fn a_slow_path_does_not_hold_back() {
    let mut one = Streaming::opened(2_000);
    let mut now = 2_000;
    for number in 1..20 {
        assert_eq!(one.send(now, "x"), format!("m{number}:x w"));
        one.server.handle_timeout(now + 1_999);
        assert_eq!(sent_text(&mut one.server, now + 1_999, one.down), "");
        one.acknowledges(now + 2_000, number);
        now += 5_000;
    }
}

#[test]
fn the_round_trip_rises_fast_and_falls_slowly() {
    let mut one = Streaming::opened(20);
    assert_eq!(one.trip_answered(1_000, 1_100), 20, "the time between two turns");
    assert_eq!(one.trip_answered(2_000, 2_300), 100, "the first that was measured");
    assert_eq!(one.trip_answered(3_000, 3_040), 200, "it rises by half of the difference");
    assert_eq!(one.trip_answered(4_000, 4_180), 180, "it falls by an eighth of the difference");
    for now in [5_000, 6_000] {
        one.ends(now);
        one.next_turn(now + 500, LinkKind::Stream);
    }
    assert_eq!(one.trip(7_000), 180, "a measurement counts more than the time between two turns");
}

#[test]
fn without_a_measurement_the_round_trip_is_the_heartbeats() {
    let mut one = Streaming::opened(0);
    let link = one.server.attach(60, upload()).expect("an upload");
    receive(&mut one.server, 60, link, [Frame::Pong { id: 10, received: 0 }]);
    one.server.detach(60, link);
    assert_eq!(one.trip_answered(1_000, 1_000), 50);
    assert_eq!(one.trip(2_000), 0, "that was measured");
}

#[test]
fn no_pause_counts_for_more_than_ten_seconds() {
    assert_eq!(Streaming::opened(9_999).trip(20_000), 9_999);
    let mut one = Streaming::opened(0);
    one.ends(100);
    assert!(one.server.expect_attach(0));
    one.next_turn(20_000, LinkKind::Stream);
    assert_eq!(one.trip(30_000), 10_000);

    let mut one = Streaming::opened(9_999);
    assert_eq!(one.trip_answered(20_000, 30_200), 9_999);
    assert_eq!(one.trip(40_000), 10_000);

    let mut one = Streaming::opened(0);
    let link = one.server.attach(60_000, upload()).expect("an upload");
    receive(&mut one.server, 60_000, link, [Frame::Pong { id: 10, received: 0 }]);
    one.server.detach(60_000, link);
    assert_eq!(one.trip(60_000), 10_000);
}

#[test]
fn the_time_before_a_turn_counts_only_if_it_follows_another_turn() {
    for (ordinal, turn) in [(1, 3), (2, 1), (2, 2)] {
        let mut one = Streaming::opened(20);
        one.ends(100);
        (one.ordinal, one.turn) = (ordinal, turn - 1);
        one.next_turn(600, LinkKind::Stream);
        assert_eq!(one.trip(700), 20, "turn {turn} of {ordinal}");
    }
    let mut one = Streaming::opened(20);
    one.ends(100);
    one.next_turn(600, LinkKind::Stream);
    assert_eq!(one.trip(700), 500);

    let mut one = Streaming::opened(20);
    one.ends(100);
    one.server.attach(110, resume(2)).expect("a link that tries");
    one.next_turn(600, LinkKind::Stream);
    assert_eq!(one.trip(700), 20, "something lay between");
}

#[test]
fn the_head_of_the_next_turn_answers_no_request() {
    let mut one = Streaming::opened(20);
    send(&mut one.server, "a");
    assert_eq!(one.arrives(100), "m1:a w");
    one.ends(200);
    one.next_turn(250, LinkKind::Stream);
    assert_eq!(one.arrives(250), "sfull0");
    assert_eq!(one.trip(300), 50, "only the time between the turns is known");
}

#[test]
fn a_slow_line_gets_time_for_many_bytes() {
    let mut one = Streaming::opened(0);
    let much = "x".repeat(4_096 + 3_200);
    send(&mut one.server, &much);
    assert!(sent_text(&mut one.server, 0, one.down).ends_with(" w"));
    assert_eq!(one.due().0, 250 + (3_200 + 64) / 32);
}

/// A client whose acknowledgements take `trip` ms and that goes on with a stream after each end. Returns how
/// often its stream was ended.
fn ends_of_a_slow_path(trip: u64) -> usize {
    let mut one = Streaming::opened(0);
    let (mut asked, mut ends, mut next) = (None, 0, None);
    for now in 0..120_000 {
        if next.is_some_and(|at| at <= now) {
            // Its head acknowledges all that the ended answer has sent.
            one.client = client();
            next = None;
            let turn = one.turn + 1;
            one.turn = turn;
            let received = one.server.acknowledged().max(asked.take().map_or(0, |(_, number)| number));
            let attach = Attach { received, ..super::turn(1, turn, LinkKind::Stream) };
            one.down = one.server.attach(now, attach).expect("the next turn");
        }
        one.server.handle_timeout(now);
        if now % 5_000 == 0 && next.is_none() {
            send(&mut one.server, "x");
        }
        let sent = sent_text(&mut one.server, now, one.down);
        if sent.contains('w') {
            asked = Some((now + trip, one.server.last_number()));
        }
        if sent.contains("x4008") {
            ends += 1;
            one.server.detach(now, one.down);
            next = Some(now + trip / 10);
        }
        if let Some((_, number)) = asked.filter(|(at, _)| *at == now && next.is_none()) {
            asked = None;
            one.acknowledges(now, number);
        }
    }
    ends
}

#[test]
fn a_slow_uploader_settles() {
    for (trip, most) in [(500, 0), (1_000, 1), (2_000, 2), (4_000, 3), (6_000, 3)] {
        let ends = ends_of_a_slow_path(trip);
        assert!(ends <= most, "{ends} ends where an acknowledgement takes {trip} ms");
    }
}

#[test]
fn an_end_without_need_doubles_the_terms() {
    let mut one = Streaming::opened(0);
    let mut now = 0;
    for length in [700, 1_400, 2_800, 5_600, 5_600] {
        let (end, sent) = held(&mut one, now);
        assert_eq!((end - now, sent), (length, "x4008".into()));
        one.ends(end);
        let received = one.server.last_number();
        one.turn += 1;
        one.down = one
            .server
            .attach(end, Attach { received, ..turn(1, one.turn, LinkKind::Stream) })
            .expect("the next turn of the client");
        sent_text(&mut one.server, end, one.down);
        now = end;
    }
}

#[test]
fn an_end_that_was_not_sent_doubles_nothing() {
    let mut one = Streaming::opened(0);
    one.send(0, "a");
    one.due();
    one.due();
    one.server.handle_timeout(700);
    one.ends(700);
    one.next_turn(700, LinkKind::Stream);
    assert_eq!(one.arrives(700), "sfull0 m1:a w");
    assert_eq!(one.due(), (950, "i16".into()));
}

#[test]
fn a_client_that_polls_after_an_end_doubles_nothing() {
    let mut one = Streaming::opened(0);
    let (end, _) = held(&mut one, 0);
    one.ends(end);
    one.client = client();
    one.turn += 1;
    let received = one.server.last_number();
    let attach = Attach { received, ..turn(1, one.turn, POLL) };
    one.down = one.server.attach(end, attach).expect("a poll");
    one.server.detach(end + 1, one.down);
    one.turn += 1;
    let attach = Attach { received, ..turn(1, one.turn, LinkKind::Stream) };
    one.down = one.server.attach(end + 1, attach).expect("a stream, later");
    sent_text(&mut one.server, end + 1, one.down);
    assert_eq!(held(&mut one, end + 1), (end + 1 + 700, "x4008".into()));
}

#[test]
fn after_a_sleep_the_request_is_sent_again() {
    for (passed, (most, sent)) in [(250, "i4096"), (200, "i4096"), (250, "x4008")].into_iter().enumerate() {
        for (late, sent) in [(most, sent), (most + 1, "w")] {
            let mut one = Streaming::opened(20);
            one.send(100, "a");
            for _ in 0..passed {
                one.due();
            }
            let now = one.server.poll_timeout().expect("a deadline") + late;
            one.server.handle_timeout(now);
            assert_eq!(sent_text(&mut one.server, now, one.down), sent, "{passed} terms had passed, {late} ms late");
            if sent == "w" {
                assert_eq!(one.server.poll_timeout(), Some(now + 270));
            }
        }
    }
}

#[test]
fn with_doubled_terms_a_longer_delay_is_no_sleep() {
    let mut one = Streaming::opened(0);
    held(&mut one, 0);
    one.ends(700);
    one.next_turn(700, LinkKind::Stream);
    assert_eq!(one.arrives(700), "sfull0 m1:void w");
    one.server.handle_timeout(700 + 500 + 399);
    assert_eq!(one.arrives(1_599), "i16");
}

#[test]
fn terms_that_passed_together_pass_together() {
    let mut one = Streaming::opened(0);
    one.send(0, "a");
    one.server.handle_timeout(480);
    assert_eq!(one.server.poll_timeout(), Some(700));
    assert_eq!(sent_text(&mut one.server, 480, one.down), "i4096");
}

#[test]
fn a_late_acknowledgement_is_no_effect_of_the_padding() {
    let mut one = Streaming::opened(200);
    one.send(1_000, "a");
    assert_eq!(one.due(), (1_450, "i16".into()));
    one.acknowledges(1_470, 1);
    assert_eq!(one.send(2_000, "b"), "m2:b w", "it came too soon after the padding");
    assert_eq!(one.server.poll_timeout(), Some(2_000 + 250 + 470), "so the path is slow");
}

#[test]
fn padding_that_may_not_have_helped_is_sent_no_more() {
    let mut one = Streaming::opened(200);
    one.send(1_000, "a");
    one.due();
    one.acknowledges(1_600, 1);
    assert_eq!(one.send(3_000, "b"), "m2:b w i16");
    assert_eq!(one.due(), (3_450, "i16".into()));
    one.acknowledges(3_470, 2);
    assert_eq!(one.send(5_000, "c"), "m3:c w");
}

#[test]
fn padding_has_helped_if_there_was_time_to_answer_it() {
    for (answered, sent) in [(409, "m2:b w"), (410, "m2:b w i16")] {
        let mut one = Streaming::opened(40);
        one.send(100, "a");
        assert_eq!(one.due(), (390, "i16".into()));
        one.acknowledges(answered, 1);
        assert_eq!(one.send(1_000, "b"), sent, "acknowledged at {answered}");
    }
    let mut one = Streaming::opened(40);
    assert_eq!(one.trip_answered(100, 410), 40);
    assert_eq!(one.trip(1_000), 40, "the round trip takes no less for it");
}

#[test]
fn large_padding_has_helped_after_three_quarters_of_a_round_trip() {
    for (answered, sent) in [(2_149, "m2:b w i16"), (2_150, "m2:b w i4096")] {
        let mut one = Streaming::opened(400);
        one.send(1_000, "a");
        assert_eq!(one.due(), (1_650, "i16".into()));
        assert_eq!(one.due(), (1_850, "i4096".into()));
        assert_eq!(one.server.poll_timeout(), Some(1_000 + 700 + 400 + 200), "half a trip more before the end");
        one.acknowledges(answered, 1);
        assert_eq!(one.send(3_000, "b"), sent, "acknowledged at {answered}");
    }
}

#[test]
fn an_answer_that_always_follows_the_padding_is_its_effect() {
    let mut one = Streaming::opened(200);
    for (now, trip) in [(1_000, 200), (3_000, 470), (5_000, 605)] {
        assert_eq!(one.trip_answered(now, now + 250 + trip + 20), trip);
    }
    one.ends(7_000);
    one.next_turn(7_000, LinkKind::Stream);
    assert_eq!(one.arrives(7_000), "sfull0", "three times the path may just have been slow");
    assert_eq!(one.trip_answered(8_000, 8_000 + 250 + 740 + 20), 740);
    assert_eq!(one.send(10_000, "e"), "m5:e w i16");
    assert_eq!(one.due(), (10_270, "i16".into()), "an answer that soon is a measurement");
    one.acknowledges(10_275, 5);
    assert_eq!(one.send(12_000, "f"), "m6:f w", "the count begins again");
}

#[test]
fn an_answer_in_time_resets_the_count_of_early_ones() {
    let mut one = Streaming::opened(200);
    assert_eq!(one.trip_answered(1_000, 1_470), 200);
    assert_eq!(one.trip_answered(3_000, 3_470), 470);
    for (now, trip) in [(5_000, 470), (7_000, 605), (9_000, 740)] {
        assert_eq!(one.trip_answered(now, now + 250 + trip + 20), trip);
    }
    assert_eq!(one.send(11_000, "f"), "m6:f w", "three in a row may be chance");
}
