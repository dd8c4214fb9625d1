use super::*;

#[test]
fn while_no_link_is_confirmed_every_link_carries() {
    let mut server = server();
    send_all(&mut server, 1, 2);
    let low = server.attach(0, opens(1)).expect("a new link");
    let high = server.attach(0, opens(2)).expect("a new link");
    assert_eq!(sent_text(&mut server, 0, low), "snew0 m1:1 m2:2");
    assert_eq!(sent_text(&mut server, 0, high), "snew0 m1:1 m2:2");
    assert_eq!(server.carrier(), None);
}

#[test]
fn the_confirmed_link_of_the_highest_ordinal_carries() {
    let mut pair = Pair::opened();
    let high = pair.server.attach(1, resume(2)).expect("a new link");
    send(&mut pair.server, "one");
    assert_eq!(
        sent_text(&mut pair.server, 1, high),
        "sfull0",
        "an unconfirmed link sends no data while another is confirmed"
    );
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "m1:one");
    receive(&mut pair.server, 2, high, [Frame::Confirm]);
    assert_eq!(sent_text(&mut pair.server, 2, pair.down), "x4000");
    assert!(pair.server.link_is_over(pair.down));
    send(&mut pair.server, "two");
    assert_eq!(sent_text(&mut pair.server, 2, high), "m1:one m2:two", "it starts at what is not acknowledged");
}

#[test]
fn a_lower_link_that_is_confirmed_later_is_ended() {
    let mut server = server();
    let low = server.attach(0, opens(1)).expect("a new link");
    let high = server.attach(0, opens(2)).expect("a new link");
    receive(&mut server, 1, high, [Frame::Confirm]);
    receive(&mut server, 2, low, [Frame::Confirm]);
    assert_eq!(server.carrier(), Some(2));
    assert_eq!(sent_text(&mut server, 2, low), "snew0 x4000");
    assert_eq!(code(server.attach(3, resume(1))), 4002);
}

#[test]
fn the_old_link_serves_at_the_client_until_the_server_ends_it() {
    let mut pair = Pair::opened();
    let high = pair.client.attach(1, resume(2)).expect("a new link");
    let there = pair.server.attach(1, resume(2)).expect("a new link");
    let start = sent_frames(&mut pair.server, 1, there);
    receive(&mut pair.client, 1, high, start);
    assert_eq!(pair.client.carrier(), Some(2));
    assert_eq!(sent_text(&mut pair.client, 1, pair.up), "", "the client does not end it");
    pair.client.detach(2, high);
    assert_eq!(
        pair.client.carrier(),
        Some(1),
        "the new link broke before its confirmation arrived; the old one carries"
    );
    send(&mut pair.client, "still");
    assert_eq!(sent_text(&mut pair.client, 2, pair.up), "m1:still");
}

#[test]
fn a_client_gives_an_old_link_up_that_the_server_does_not_end() {
    let mut pair = Pair::opened();
    let high = pair.client.attach(1, resume(2)).expect("a new link");
    let there = pair.server.attach(1, resume(2)).expect("a new link");
    let start = sent_frames(&mut pair.server, 1, there);
    receive(&mut pair.client, 1, high, start);
    pair.client.handle_timeout(CONFIRM);
    assert!(!pair.client.link_is_over(pair.up));
    pair.client.handle_timeout(CONFIRM + 1);
    assert_eq!(sent_text(&mut pair.client, CONFIRM + 1, pair.up), "x4007");
    assert!(pair.client.link_is_over(pair.up));
}

#[test]
fn an_unconfirmed_link_has_limited_time() {
    let mut pair = Pair::opened();
    let high = pair.server.attach(1, resume(2)).expect("a new link");
    pair.server.handle_timeout(CONFIRM);
    assert_eq!(sent_text(&mut pair.server, CONFIRM, high), "sfull0");
    pair.server.handle_timeout(CONFIRM + 1);
    assert_eq!(sent_text(&mut pair.server, CONFIRM + 1, high), "x4007");
    let quiet = pair.client.attach(1, resume(2)).expect("a new link");
    pair.client.handle_timeout(CONFIRM + 1);
    assert_eq!(sent_text(&mut pair.client, CONFIRM + 1, quiet), "x4007", "the start did not come");
}

#[test]
fn an_acknowledgement_is_repeated_on_the_link_that_carries_now() {
    let mut pair = Pair::opened();
    let high = pair.server.attach(1, resume(2)).expect("a new link");
    sent_frames(&mut pair.server, 1, high);
    receive(&mut pair.server, 1, high, [numbered(1, "a"), Frame::AckRequest]);
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "a1", "the old link still carries, and may be dead");
    receive(&mut pair.server, 2, high, [Frame::Confirm]);
    assert_eq!(sent_text(&mut pair.server, 2, high), "a1");
}

#[test]
fn an_acknowledgement_request_is_repeated_on_a_new_link() {
    let mut pair = Pair::opened();
    send(&mut pair.client, "a");
    pair.client.flush();
    assert_eq!(sent_text(&mut pair.client, 1, pair.up), "m1:a w");
    assert_eq!(sent_text(&mut pair.client, 1, pair.up), "", "once on each link");
    pair.client.detach(2, pair.up);
    let up = pair.client.attach(2, resume(2)).expect("a new link");
    assert_eq!(sent_text(&mut pair.client, 2, up), "m1:a w");
}

#[test]
fn the_server_can_send_the_client_to_a_new_link() {
    let mut pair = Pair::opened();
    pair.server.go_away(250, 0);
    let sent = sent_frames(&mut pair.server, 1, pair.down);
    assert_eq!(notation(&sent), "a0 z250");
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "");
    while pair.client.poll_event().is_some() {}
    receive(&mut pair.client, 1, pair.up, sent);
    assert_eq!(pair.client.poll_event(), Some(super::super::machine::Event::GoAway(250)));
}

#[test]
fn a_go_away_for_a_link_waits_until_that_link_carries() {
    let mut pair = Pair::opened();
    let next = pair.server.attach(1, resume(2)).expect("a new link");
    pair.server.go_away(250, 2);
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "a0", "the old link would lose it");
    assert_eq!(sent_text(&mut pair.server, 1, next), "sfull0");
    receive(&mut pair.server, 2, next, [Frame::Confirm]);
    assert_eq!(sent_text(&mut pair.server, 2, next), "z250");
    assert_eq!(sent_text(&mut pair.server, 3, next), "", "once");
}

#[test]
fn a_link_that_has_ended_ends_once() {
    let mut pair = Pair::opened();
    let high = pair.server.attach(1, resume(2)).expect("a new link");
    receive(&mut pair.server, 1, pair.down, [Frame::LinkClose(CloseReason::new(1000, ""))]);
    receive(&mut pair.server, 2, high, [Frame::Confirm]);
    assert_eq!(sent_text(&mut pair.server, 2, pair.down), "", "the client has left it already");
    let higher = pair.server.attach(3, resume(3)).expect("a new link");
    assert!(pair.server.handle_frame(3, high, Frame::Ping { id: 1, received: None }).is_err());
    receive(&mut pair.server, 4, higher, [Frame::Confirm]);
    assert_eq!(sent_text(&mut pair.server, 4, high), "sfull0 x4004", "the first reason stands");
    assert_eq!(sent_text(&mut pair.server, 4, high), "");
}

#[test]
fn a_transport_that_cannot_write_learns_why_its_link_ends() {
    let mut pair = Pair::opened();
    assert_eq!(pair.server.link_ending(pair.down), None);
    let high = pair.server.attach(1, resume(2)).expect("a new link");
    receive(&mut pair.server, 1, high, [Frame::Confirm]);
    assert_eq!(pair.server.link_ending(pair.down).map(|reason| reason.code), Some(4000));
    assert_eq!(pair.server.link_ending(high), None);
    pair.server.close(CloseReason::new(1000, ""));
    receive(&mut pair.server, 2, high, [Frame::Close { number: 1, reason: CloseReason::new(3000, "") }]);
    assert_eq!(pair.server.link_ending(high), None, "it still has to acknowledge");
    pair.server.detach(3, pair.down);
    assert_eq!(pair.server.link_ending(pair.down).map(|reason| reason.code), Some(4000), "it is gone");
    let mut pair = Pair::opened();
    pair.server.abort(1, CloseReason::new(4310, ""));
    assert_eq!(pair.server.link_ending(pair.down).map(|reason| reason.code), Some(4310));
}

#[test]
fn an_opening_over_http_is_answered_at_once_and_must_be_confirmed_in_time() {
    let (mut client, mut server) = (client(), server());
    let up = client.attach(0, Attach { kind: LinkKind::Opening, ..opens(1) }).expect("a new link");
    server.attach(0, Attach { kind: LinkKind::Opening, ..opens(1) }).expect("a new link");
    assert_eq!((client.poll_timeout(), server.poll_timeout()), (Some(CONFIRM), None));
    client.handle_timeout(CONFIRM - 1);
    assert!(!client.link_is_over(up));
    client.handle_timeout(CONFIRM);
    assert!(client.link_is_over(up), "a request cannot send why it ends");
}

#[test]
fn an_opening_acknowledges_nothing() {
    for (attach, expected) in [(opens(2), "v a1"), (resume(2), "v")] {
        let mut pair = Pair::opened();
        send(&mut pair.server, "a");
        pair.server.flush();
        pair.talk(1);
        let high = pair.client.attach(2, attach).expect("a new link");
        let start = super::super::Attached {
            outcome: Outcome::New,
            received: 0,
            names: Names::default(),
            grant: None,
            secret: None,
        };
        receive(&mut pair.client, 2, high, [Frame::Attached(start)]);
        assert_eq!(sent_text(&mut pair.client, 2, high), expected);
    }
}

#[test]
fn a_link_that_is_over_stays_so() {
    let mut pair = Pair::opened();
    receive(&mut pair.server, 1, pair.down, [Frame::LinkClose(CloseReason::new(1000, ""))]);
    assert!(pair.server.link_is_over(pair.down));
    pair.server.end(0, pair.down, CloseReason::new(4004, "what came behind its end"));
    assert!(pair.server.link_is_over(pair.down));
}

#[test]
fn a_link_that_has_acknowledged_all_repeats_nothing_when_it_carries() {
    let mut pair = Pair::opened();
    let slow = pair.server.attach(1, resume(2)).expect("a new link");
    sent_frames(&mut pair.server, 1, slow);
    receive(&mut pair.server, 1, pair.down, [numbered(1, "a"), Frame::AckRequest]);
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "a1");
    let high = pair.server.attach(2, resume(3)).expect("a new link");
    assert_eq!(sent_text(&mut pair.server, 2, high), "sfull1");
    receive(&mut pair.server, 2, high, [Frame::Confirm]);
    assert_eq!(sent_text(&mut pair.server, 2, high), "");
}

#[test]
fn a_request_that_was_answered_is_not_repeated_on_a_new_link() {
    let mut pair = Pair::opened();
    send(&mut pair.server, "a");
    pair.server.flush();
    pair.talk(1);
    assert_eq!(pair.server.acknowledged(), 1);
    pair.cut(2);
    let down = pair.server.attach(3, Attach { received: 1, ..resume(2) }).expect("a new link");
    assert_eq!(sent_text(&mut pair.server, 3, down), "sfull0");
}

#[test]
fn the_first_frame_of_a_link_that_does_not_carry_acknowledges_nothing() {
    let mut pair = Pair::opened();
    receive(&mut pair.server, 1, pair.down, [numbered(1, "asked"), Frame::AckRequest]);
    // The connection takes nothing just now, and the client tries another link, which is lost.
    let other = pair.server.attach(2, resume(2)).expect("a new link");
    assert_eq!(sent_text(&mut pair.server, 2, other), "sfull1");
    pair.server.detach(3, other);
    assert_eq!(sent_text(&mut pair.server, 4, pair.down), "a1");
}
