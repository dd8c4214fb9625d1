use super::*;

#[test]
fn silence_is_pinged_and_the_answer_measured() {
    let mut pair = Pair::opened();
    assert_eq!(pair.server.poll_timeout(), Some(INTERVAL));
    pair.server.handle_timeout(INTERVAL - 1);
    assert_eq!(sent_text(&mut pair.server, INTERVAL - 1, pair.down), "");
    pair.server.handle_timeout(INTERVAL);
    let ping = sent_frames(&mut pair.server, INTERVAL + 5, pair.down);
    assert_eq!(notation(&ping), "p1005", "its answer is awaited from when it leaves");
    assert_eq!(pair.server.poll_timeout(), Some(INTERVAL + 5 + TIMEOUT));
    receive(&mut pair.client, INTERVAL + 20, pair.up, ping);
    let pong = sent_frames(&mut pair.client, INTERVAL + 20, pair.up);
    assert_eq!(notation(&pong), "q1005,0");
    receive(&mut pair.server, INTERVAL + 45, pair.down, pong);
    assert_eq!(pair.server.rtt(), Some(40));
    assert_eq!(pair.server.poll_timeout(), Some(INTERVAL + 5 + INTERVAL));
}

#[test]
fn a_pong_from_the_future_measures_nothing() {
    let mut pair = Pair::opened();
    receive(&mut pair.server, 10, pair.down, [Frame::Pong { id: 11, received: 0 }]);
    assert_eq!(pair.server.rtt(), None);
    receive(&mut pair.server, 10, pair.down, [Frame::Pong { id: 10, received: 0 }]);
    assert_eq!(pair.server.rtt(), Some(0));
}

#[test]
fn a_link_that_does_not_answer_is_ended() {
    let mut pair = Pair::opened();
    pair.server.handle_timeout(INTERVAL);
    sent_frames(&mut pair.server, INTERVAL, pair.down);
    pair.server.handle_timeout(INTERVAL + TIMEOUT - 1);
    assert_eq!(sent_text(&mut pair.server, INTERVAL + TIMEOUT - 1, pair.down), "");
    pair.server.handle_timeout(INTERVAL + TIMEOUT);
    assert_eq!(sent_text(&mut pair.server, INTERVAL + TIMEOUT, pair.down), "x4003");
    assert!(pair.server.link_is_over(pair.down));
    assert_eq!(pair.server.closed(), None);
}

#[test]
fn any_traffic_counts_as_life() {
    let mut pair = Pair::opened();
    pair.server.handle_timeout(INTERVAL);
    sent_frames(&mut pair.server, INTERVAL, pair.down);
    receive(&mut pair.server, INTERVAL + TIMEOUT - 1, pair.down, [numbered(1, "here")]);
    pair.server.handle_timeout(INTERVAL + TIMEOUT);
    assert!(!pair.server.link_is_over(pair.down));
}

#[test]
fn a_ping_that_cannot_leave_does_not_wait_for_ever() {
    let mut pair = Pair::opened();
    pair.server.handle_timeout(INTERVAL);
    assert_eq!(pair.server.poll_timeout(), Some(INTERVAL + INTERVAL + TIMEOUT));
    pair.server.handle_timeout(2 * INTERVAL + TIMEOUT);
    assert_eq!(sent_text(&mut pair.server, 2 * INTERVAL + TIMEOUT, pair.down), "x4003");
}

#[test]
fn a_server_that_slept_pings_before_it_judges() {
    let mut pair = Pair::opened();
    pair.server.handle_timeout(INTERVAL);
    sent_frames(&mut pair.server, INTERVAL, pair.down);
    let woken = INTERVAL + 2 * TIMEOUT + 1;
    pair.server.handle_timeout(woken);
    assert_eq!(sent_text(&mut pair.server, woken, pair.down), format!("p{woken}"));
    pair.server.handle_timeout(woken + TIMEOUT);
    assert_eq!(sent_text(&mut pair.server, woken + TIMEOUT, pair.down), "x4003");
}

#[test]
fn a_client_gives_a_silent_link_up() {
    let mut pair = Pair::opened();
    let dead = INTERVAL + TIMEOUT;
    assert_eq!(pair.client.poll_timeout(), Some(dead));
    pair.client.handle_timeout(dead - 1);
    assert!(!pair.client.link_is_over(pair.up));
    pair.client.handle_timeout(dead);
    assert!(pair.client.link_is_over(pair.up));
    assert_eq!(pair.client.poll_timeout(), None);
}

#[test]
fn a_client_that_slept_requests_a_sign_of_life() {
    let mut pair = Pair::opened();
    let woken = INTERVAL + 2 * TIMEOUT + 1;
    pair.client.handle_timeout(woken);
    assert_eq!(sent_text(&mut pair.client, woken, pair.up), "w");
    assert_eq!(pair.client.poll_timeout(), Some(woken + TIMEOUT));
    receive(&mut pair.client, woken + 30, pair.up, [Frame::Ack { received: 0 }]);
    pair.client.handle_timeout(woken + TIMEOUT);
    assert!(!pair.client.link_is_over(pair.up));
    assert_eq!(pair.client.poll_timeout(), Some(woken + 30 + INTERVAL + TIMEOUT));
}

#[test]
fn a_lower_link_that_carries_again_gets_its_own_time() {
    let mut pair = Pair::opened();
    let high = pair.client.attach(0, resume(2)).expect("a new link");
    let start = super::super::Attached {
        outcome: Outcome::Full,
        received: 0,
        names: Names::default(),
        grant: None,
        secret: None,
    };
    receive(&mut pair.client, 0, high, [Frame::Attached(start)]);
    let dead = INTERVAL + TIMEOUT;
    pair.client.handle_timeout(dead);
    assert!(pair.client.link_is_over(high) && !pair.client.link_is_over(pair.up));
    assert_eq!((pair.client.carrier(), pair.client.poll_timeout()), (Some(1), Some(CONFIRM)));
}

#[test]
fn polls_have_no_heartbeat_and_a_timeout_of_their_own() {
    let (mut client, mut server) = (client(), server());
    let up = client.attach(0, Attach { kind: LinkKind::Opening, ..opens(1) }).expect("a new link");
    let down = server.attach(0, Attach { kind: LinkKind::Opening, ..opens(1) }).expect("a new link");
    let start = sent_frames(&mut server, 0, down);
    receive(&mut client, 0, up, start);
    client.detach(0, up);
    server.detach(0, down);
    assert_eq!(client.poll_timeout(), None, "nothing is awaited between two turns");
    client.attach(100, turn(1, 1, POLL)).expect("the next turn");
    let poll = server.attach(100, turn(1, 1, POLL)).expect("the next turn");
    assert_eq!(client.poll_timeout(), Some(100 + 5_000 + TIMEOUT));
    server.handle_timeout(100 + 3 * INTERVAL);
    assert_eq!(sent_text(&mut server, 100 + 3 * INTERVAL, poll), "sfull0");
}

#[test]
fn the_client_learns_its_heartbeat_from_the_server() {
    let mut client = client();
    let up = client.attach(0, opens(1)).expect("a new link");
    let grant = super::super::Grant {
        id: "id".into(),
        secret: "secret".into(),
        params: super::super::SessionParams {
            interval: 7_000,
            timeout: 3_000,
            grace: 1,
            limit: 1,
            batch: 1,
            hold: 1,
            spread: 1,
        },
    };
    let start = super::super::Attached {
        outcome: Outcome::New,
        received: 0,
        names: Names::default(),
        grant: Some(Box::new(grant)),
        secret: None,
    };
    receive(&mut client, 5, up, [Frame::Attached(start)]);
    assert_eq!(client.poll_timeout(), Some(5 + 10_000));
}

#[test]
fn a_check_that_is_late_by_less_than_a_timeout_still_ends_the_link() {
    let mut pair = Pair::opened();
    pair.server.handle_timeout(INTERVAL);
    sent_frames(&mut pair.server, INTERVAL, pair.down);
    pair.server.handle_timeout(INTERVAL + 2 * TIMEOUT);
    assert_eq!(sent_text(&mut pair.server, INTERVAL + 2 * TIMEOUT, pair.down), "x4003");
    let mut pair = Pair::opened();
    pair.client.handle_timeout(INTERVAL + 2 * TIMEOUT);
    assert!(pair.client.link_is_over(pair.up));
}

#[test]
fn a_server_that_slept_in_quiet_pings() {
    let mut pair = Pair::opened();
    pair.server.handle_timeout(50 * INTERVAL);
    assert_eq!(sent_text(&mut pair.server, 50 * INTERVAL, pair.down), "p50000");
}

#[test]
fn sending_alone_does_not_put_a_ping_off() {
    let mut pair = Pair::opened();
    send(&mut pair.server, "into the void");
    sent_frames(&mut pair.server, INTERVAL - 1, pair.down);
    assert_eq!(pair.server.poll_timeout(), Some(INTERVAL), "nothing was received");
    receive(&mut pair.server, INTERVAL - 1, pair.down, [numbered(1, "x")]);
    assert_eq!(pair.server.poll_timeout(), Some(2 * INTERVAL - 1));
}

#[test]
fn a_link_after_none_starts_without_a_pending_ping() {
    let mut pair = Pair::opened();
    pair.server.handle_timeout(INTERVAL);
    pair.server.detach(INTERVAL, pair.down);
    let now = 8 * INTERVAL;
    let down = pair.server.attach(now, Attach { kind: LinkKind::Opening, ..resume(2) }).expect("a new link");
    assert_eq!(sent_text(&mut pair.server, now, down), "sfull0", "the ping that was due is not sent");
    pair.server.detach(now, down);
    let stream = pair.server.attach(now, turn(2, 1, LinkKind::Stream)).expect("the next turn");
    assert_eq!(sent_text(&mut pair.server, now, stream), "sfull0");
    assert_eq!(pair.server.poll_timeout(), Some(now + INTERVAL));
}

#[test]
fn a_link_that_is_about_to_end_needs_no_heartbeat() {
    let mut pair = Pair::opened();
    assert!(pair.server.handle_frame(1, pair.down, Frame::Ping { id: 1, received: None }).is_err());
    assert_eq!(pair.server.poll_timeout(), None, "the reason is still to be sent");
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "x4004");
    assert_eq!(pair.server.poll_timeout(), None, "the transport still has to drop the link");
}

#[test]
fn a_link_after_none_is_not_blamed_for_the_silence_before_it() {
    let mut pair = Pair::opened();
    pair.server.detach(10, pair.down);
    pair.server.attach(8 * INTERVAL, resume(2)).expect("a new link");
    assert_eq!(pair.server.poll_timeout(), Some(9 * INTERVAL));
}

#[test]
fn a_link_beside_another_is_a_sign_of_life_and_restarts_nothing() {
    let mut pair = Pair::opened();
    pair.server.attach(400, resume(2)).expect("a new link");
    assert_eq!(pair.server.poll_timeout(), Some(INTERVAL), "nothing was sent since 0");
}

#[test]
fn a_link_that_does_not_carry_does_not_die_with_the_one_that_does() {
    let mut pair = Pair::opened();
    let high = pair.server.attach(1, resume(2)).expect("a new link");
    sent_frames(&mut pair.server, 1, high);
    pair.server.handle_timeout(1 + INTERVAL);
    sent_frames(&mut pair.server, 1 + INTERVAL, pair.down);
    pair.server.handle_timeout(1 + INTERVAL + TIMEOUT);
    assert_eq!(pair.server.link_ending(pair.down).map(|reason| reason.code), Some(4003));
    assert_eq!(pair.server.link_ending(high), None, "it has its own time to be confirmed");
}

#[test]
fn a_ping_goes_by_a_link_that_stays_open_for_its_answer() {
    let mut server = server();
    let opening = server.attach(0, Attach { kind: LinkKind::Opening, ..opens(1) }).expect("a new link");
    let socket = server.attach(0, opens(2)).expect("a new link");
    sent_frames(&mut server, 0, opening);
    sent_frames(&mut server, 0, socket);
    server.handle_timeout(INTERVAL);
    assert_eq!(sent_text(&mut server, INTERVAL, opening), "");
    assert_eq!(sent_text(&mut server, INTERVAL, socket), "p1000");
}

/// Lets the server look at its deadlines until this time, as the timekeeper does.
fn watch_until(pair: &mut Pair, time: u64) {
    while let Some(due) = pair.server.poll_timeout().filter(|due| *due <= time) {
        pair.server.handle_timeout(due);
        sent_frames(&mut pair.server, due, pair.down);
        if pair.server.link_is_over(pair.down) {
            return;
        }
    }
}

#[test]
fn a_message_that_comes_slowly_is_life() {
    let mut pair = Pair::opened();
    for second in 1..=100 {
        watch_until(&mut pair, second * 1000);
        pair.server.handle_part(second * 1000, pair.down, 10_000);
    }
    assert!(!pair.server.link_is_over(pair.down), "it comes at the least rate");
    receive(&mut pair.server, 100_000, pair.down, [numbered(1, "all of it")]);
    watch_until(&mut pair, 100_000 + INTERVAL + TIMEOUT - 1);
    assert!(!pair.server.link_is_over(pair.down));
    watch_until(&mut pair, 100_000 + INTERVAL + TIMEOUT);
    assert!(pair.server.link_is_over(pair.down), "and silence behind it is silence");
}

#[test]
fn a_trickle_is_no_life() {
    let mut pair = Pair::opened();
    let mut second = 0;
    while !pair.server.link_is_over(pair.down) {
        second += 1;
        assert!(second < 100, "it holds its place for ever");
        watch_until(&mut pair, second * 1000);
        pair.server.handle_part(second * 1000, pair.down, 100);
    }
}

#[test]
fn a_link_that_was_replaced_brings_no_life() {
    let mut pair = Pair::opened();
    pair.server.handle_timeout(INTERVAL);
    sent_frames(&mut pair.server, INTERVAL, pair.down);
    pair.server.handle_timeout(INTERVAL + TIMEOUT);
    assert_eq!(sent_text(&mut pair.server, INTERVAL + TIMEOUT, pair.down), "x4003");
    let before = pair.server.poll_timeout();
    pair.server.handle_part(INTERVAL + TIMEOUT + 1, pair.down, 1 << 20);
    pair.server.handle_write(INTERVAL + TIMEOUT + 1, pair.down);
    assert_eq!(pair.server.poll_timeout(), before);
}

#[test]
fn a_ping_behind_a_large_message_has_the_time_that_a_slow_line_takes() {
    let mut pair = Pair::opened();
    let message = "x".repeat(200 * TIMEOUT as usize);
    let cost = message.len() as u64 + 64;
    pair.server.send(crate::message::Message::from(message).into()).unwrap();
    sent_frames(&mut pair.server, 0, pair.down);
    let dead = INTERVAL + TIMEOUT + (cost - 4096) / 10;
    watch_until(&mut pair, dead - 1);
    assert!(!pair.server.link_is_over(pair.down));
    watch_until(&mut pair, dead);
    assert!(pair.server.link_is_over(pair.down));
}

#[test]
fn a_write_that_goes_on_is_life_while_the_ping_cannot_leave() {
    let mut pair = Pair::opened();
    pair.server.handle_timeout(INTERVAL);
    for step in 1..10 {
        pair.server.handle_timeout(INTERVAL + step * TIMEOUT);
        pair.server.handle_write(INTERVAL + step * TIMEOUT, pair.down);
    }
    let last = INTERVAL + 9 * TIMEOUT;
    assert_eq!(pair.server.poll_timeout(), Some(last + INTERVAL + TIMEOUT));
    pair.server.handle_timeout(last + INTERVAL + TIMEOUT);
    assert_eq!(sent_text(&mut pair.server, last + INTERVAL + TIMEOUT, pair.down), "x4003", "it has stopped");
}

#[test]
fn an_upload_that_is_coming_in_is_waited_for() {
    let mut pair = Pair::opened();
    assert!(pair.server.expect_attach(0));
    watch_until(&mut pair, 100_000);
    assert!(!pair.server.link_is_over(pair.down));
    watch_until(&mut pair, 300_000);
    assert!(pair.server.link_is_over(pair.down), "but not for ever");
}
