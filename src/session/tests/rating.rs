//! The rate limit: a pause, a resume, and the end of a client that stays above it.

use std::time::Duration;

use super::{super::rate::RateEvent, *};
use crate::config::RateLimit;

fn limited(limit: RateLimit) -> Pair {
    let mut pair = Pair::opened();
    pair.server.heartbeat.set_times(HOUR, pair.server.heartbeat.timeout());
    pair.server.limit_rate(limit);
    pair
}

fn messages(from: u64, to: u64) -> impl Iterator<Item = Frame> {
    (from..=to).map(|number| numbered(number, &number.to_string()))
}

#[test]
fn what_comes_in_a_second_is_taken_at_once_and_the_rest_at_the_rate() {
    let mut pair = limited(RateLimit::none().messages(10).patience(Duration::MAX));
    receive(&mut pair.server, 1, pair.down, messages(1, 25));
    assert_eq!((pair.server.received(), pair.server.is_paused()), (10, true));
    assert_eq!(pair.server.take_rate_event(), Some(RateEvent::Paused));
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "h10,1");
    taken(&mut pair.server);
    assert!(pair.server.is_paused(), "an empty inbox does not end it");
    assert_eq!(pair.server.poll_timeout(), Some(501), "half a second's worth is there");
    pair.server.handle_timeout(500);
    assert_eq!(sent_text(&mut pair.server, 500, pair.down), "");
    pair.server.handle_timeout(501);
    assert_eq!(sent_text(&mut pair.server, 501, pair.down), "g10,1");
    receive(&mut pair.server, 502, pair.down, messages(11, 25));
    assert_eq!((pair.server.received(), pair.server.is_paused()), (15, true));
}

#[test]
fn a_message_that_holds_several_counts_as_several() {
    let mut pair = limited(RateLimit::none().messages(10).patience(Duration::MAX));
    receive(&mut pair.server, 1, pair.down, messages(1, 2));
    (0..8).for_each(|_| pair.server.taken_more(1));
    receive(&mut pair.server, 2, pair.down, messages(3, 3));
    assert_eq!((pair.server.received(), pair.server.is_paused()), (2, true));
}

#[test]
fn a_long_flood_is_taken_at_the_rate() {
    for (limit, each, rate) in [
        (RateLimit::none().messages(1), 1, 1),
        (RateLimit::none().messages(3), 1, 3),
        (RateLimit::none().messages(40), 1, 40),
        (RateLimit::none().bytes(20), 2, 10),
    ] {
        let mut pair = limited(limit.patience(Duration::MAX));
        let total = rate * 8;
        let mut number = 1;
        let taken_at = {
            let (mut times, mut now) = (Vec::new(), 0);
            while number <= total {
                now += 10;
                pair.server.handle_timeout(now);
                let text = "x".repeat(each);
                let burst: Vec<Frame> = (number..=total).map(|number| numbered(number, &text)).collect();
                receive(&mut pair.server, now, pair.down, burst);
                taken(&mut pair.server);
                times.extend((number..=pair.server.received()).map(|_| now));
                number = pair.server.received() + 1;
            }
            times
        };
        for (nth, &time) in taken_at.iter().enumerate() {
            let earliest = (nth as u64 + 1).saturating_sub(rate) * 1000 / rate;
            assert!(time >= earliest, "message {nth} of {rate} a second came at {time} and not from {earliest} on");
        }
        let last = taken_at[taken_at.len() - 1];
        assert!((7_000..8_100).contains(&last), "{total} messages at {rate} a second took {last} ms");
    }
}

#[test]
fn a_message_above_a_seconds_bytes_comes_alone_and_is_paid_for() {
    let mut pair = limited(RateLimit::none().bytes(1_000).patience(Duration::MAX));
    receive(&mut pair.server, 1, pair.down, [numbered(1, &"x".repeat(3_000)), numbered(2, "y")]);
    assert_eq!(pair.server.received(), 1);
    taken(&mut pair.server);
    for now in [501, 2_001, 2_500] {
        pair.server.handle_timeout(now);
        receive(&mut pair.server, now, pair.down, [numbered(2, "y")]);
        assert_eq!(pair.server.received(), 1, "at {now}");
    }
    pair.server.handle_timeout(2_501);
    receive(&mut pair.server, 2_501, pair.down, [numbered(2, "y")]);
    assert_eq!(pair.server.received(), 2);
}

#[test]
fn repeats_and_holes_are_not_counted_and_acknowledgements_and_pongs_are_taken_meanwhile() {
    let mut pair = limited(RateLimit::none().messages(2));
    send(&mut pair.server, "kept");
    sent_frames(&mut pair.server, 1, pair.down);
    receive(&mut pair.server, 1, pair.down, (0..50).map(|_| numbered(9, "a hole")));
    assert!(!pair.server.is_paused());
    receive(&mut pair.server, 1, pair.down, messages(1, 1));
    receive(&mut pair.server, 1, pair.down, (0..50).flat_map(|_| messages(1, 1)));
    assert!(!pair.server.is_paused());
    receive(&mut pair.server, 1, pair.down, messages(2, 3));
    assert!(pair.server.is_paused());
    receive(&mut pair.server, 2, pair.down, [Frame::Ack { received: 1 }]);
    assert_eq!(pair.server.acknowledged(), 1);
    receive(&mut pair.server, 3, pair.down, [Frame::AckRequest]);
    assert_eq!(sent_text(&mut pair.server, 3, pair.down), "h2,1", "which acknowledges");
    let link = pair.server.attach(4, upload()).expect("an upload");
    receive(&mut pair.server, 4, link, messages(3, 3));
    assert_eq!(sent_text(&mut pair.server, 4, link), "h2,1", "an upload is answered, and its messages come again");
}

/// Floods until the session is over or `until`; returns when it was.
fn flood(pair: &mut Pair, until: u64, pause: u64) -> Option<u64> {
    let mut now = 0;
    while now < until {
        now += pause;
        pair.server.handle_timeout(now);
        let next = pair.server.received() + 1;
        receive(&mut pair.server, now, pair.down, messages(next, next + 5));
        taken(&mut pair.server);
        if pair.server.close_reason().is_some() {
            return Some(now);
        }
    }
    None
}

#[test]
fn a_client_that_stays_above_the_limit_loses_its_session_after_patience() {
    let mut pair = limited(RateLimit::none().messages(10).patience(Duration::from_secs(3)));
    assert_eq!(flood(&mut pair, 20_000, 50), Some(3_100), "the limit was passed at 100");
    assert_eq!(pair.server.take_rate_event(), Some(RateEvent::Ended));
    let reason = pair.server.closed().expect("it is over");
    assert_eq!((reason.code(), reason.text()), (4203, "too fast: more than 10 messages a second for 3 s (rate_limit)"));
    let received = pair.server.received();
    let text = sent_text(&mut pair.server, 3_100, pair.down);
    assert!(text.ends_with(&format!("a{received} x4203")), "all that was taken is acknowledged: {text}");
    assert_eq!(code(pair.server.attach(3_200, resume(2))), 4203, "come back later");
    assert_eq!(code(pair.server.attach(8_099, resume(3))), 4203);
    assert_eq!(code(pair.server.attach(8_100, resume(4))), 4103, "open a new one");
}

#[test]
fn a_client_that_calms_down_for_a_second_keeps_its_session() {
    let mut pair = limited(RateLimit::none().messages(10).patience(Duration::from_secs(3)));
    for start in (0..60_000).step_by(4_000) {
        let next = pair.server.received() + 1;
        receive(&mut pair.server, start, pair.down, messages(next, next + 15));
        assert!(pair.server.is_paused());
        taken(&mut pair.server);
        pair.server.handle_timeout(start + 600);
        let next = pair.server.received() + 1;
        receive(&mut pair.server, start + 601, pair.down, messages(next, next + 3));
        taken(&mut pair.server);
    }
    assert_eq!(pair.server.closed(), None);
    let mut pair = limited(RateLimit::none().messages(100).patience(Duration::ZERO));
    assert_eq!(flood(&mut pair, 30_000, 100), None, "60 a second");
    let mut pair = limited(RateLimit::none().messages(10).patience(Duration::ZERO));
    assert_eq!(flood(&mut pair, 30_000, 100), Some(200), "no patience");
}

#[test]
fn the_application_may_choose_how_it_ends() {
    let limit = RateLimit::none().bytes(4).patience(Duration::from_secs(1)).close(3008, "too much");
    let mut pair = limited(limit);
    send(&mut pair.server, "before");
    assert!(flood(&mut pair, 20_000, 50).is_some());
    assert_eq!(pair.server.state(), super::super::State::Closing);
    let text = sent_text(&mut pair.server, 2_000, pair.down);
    assert!(text.contains("m1:before c2:3008"), "{text}");
}
