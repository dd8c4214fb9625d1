use super::*;
use crate::session::State;

#[test]
fn an_equal_pair_is_refused_without_harm_to_the_first() {
    let mut pair = Pair::opened();
    assert_eq!(code(pair.server.attach(1, resume(1))), 4001);
    assert!(!pair.server.link_is_over(pair.down));
    send(&mut pair.server, "on");
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "m1:on");
}

#[test]
fn a_websocket_has_no_second_turn() {
    let mut pair = Pair::opened();
    assert_eq!(code(pair.server.attach(1, turn(1, 1, LinkKind::Duplex))), 4002);
    pair.server.detach(1, pair.down);
    assert_eq!(code(pair.server.attach(1, resume(1))), 4002, "it was confirmed and is gone");
    assert!(pair.server.attach(1, resume(2)).is_ok());
}

#[test]
fn a_higher_turn_takes_the_place_of_the_one_before_and_a_lower_one_is_late() {
    let mut server = server();
    server.attach(0, Attach { kind: LinkKind::Opening, ..opens(3) }).expect("a new link");
    let first = server.attach(1, turn(3, 1, POLL)).expect("the next turn");
    assert_eq!(server.carrier(), Some(3));
    let third = server.attach(2, turn(3, 3, POLL)).expect("a turn may be skipped");
    assert!(server.link_is_over(first));
    assert!(!server.link_is_over(third));
    assert_eq!(code(server.attach(3, turn(3, 2, POLL))), 4002);
    assert_eq!(code(server.attach(3, turn(3, 3, POLL))), 4001);
    assert_eq!(code(server.attach(3, turn(2, 9, POLL))), 4002, "a lower ordinal is late whatever its turn");
    assert!(!server.link_is_over(third));
}

#[test]
fn a_duplicate_of_a_turn_that_has_ended_is_refused_too() {
    let mut server = server();
    let first = server.attach(0, Attach { kind: LinkKind::Opening, ..opens(3) }).expect("a new link");
    assert_eq!(sent_text(&mut server, 0, first), "snew0");
    server.detach(0, first);
    assert_eq!(code(server.attach(1, Attach { kind: LinkKind::Opening, ..opens(3) })), 4001);
}

#[test]
fn a_link_over_http_is_alive_between_its_turns() {
    let mut server = server();
    let first = server.attach(0, Attach { kind: LinkKind::Opening, ..opens(1) }).expect("a new link");
    sent_frames(&mut server, 0, first);
    server.detach(0, first);
    let second = server.attach(1, turn(1, 1, LinkKind::Stream)).expect("the next turn");
    server.detach(2, second);
    assert_eq!((server.carrier(), server.state()), (Some(1), State::Interrupted));
    let other = server.attach(3, resume(2)).expect("a new link");
    send(&mut server, "held");
    assert_eq!(sent_text(&mut server, 3, other), "sfull0", "not confirmed, and the old one counts as alive");
    receive(&mut server, 4, other, [Frame::Confirm]);
    assert_eq!(sent_text(&mut server, 4, other), "m1:held");
    server.detach(5, other);
    assert_eq!(server.carrier(), None, "what was replaced does not come back");
}

#[test]
fn a_client_gives_up_a_link_whose_next_turn_will_not_come() {
    let mut client = client();
    let link = client.attach(0, Attach { kind: LinkKind::Opening, ..opens(1) }).expect("a new link");
    let start = super::super::Attached {
        outcome: Outcome::New,
        received: 0,
        names: Names::default(),
        grant: None,
        secret: None,
    };
    receive(&mut client, 0, link, [Frame::Attached(start)]);
    assert!(client.seen(1) && !client.seen(2));
    client.detach(1, link);
    assert_eq!(client.carrier(), Some(1));
    client.retire(1);
    assert_eq!(client.carrier(), None);
    assert!(!client.seen(1));
}

#[test]
fn too_many_links_push_the_lowest_unconfirmed_one_out() {
    let mut pair = Pair::opened();
    let waiting: Vec<LinkId> = (2..=8).map(|at| pair.server.attach(1, resume(at)).expect("a new link")).collect();
    assert!(waiting.iter().all(|&link| !pair.server.link_is_over(link)), "eight in all");
    for _ in 0..20 {
        let link = pair.server.attach(1, upload()).expect("uploads are no links of that kind");
        pair.server.detach(1, link);
    }
    pair.server.attach(1, resume(9)).expect("a new link");
    assert_eq!(sent_text(&mut pair.server, 1, waiting[0]), "sfull0 x4000", "it ends with a reason");
    assert!(pair.server.link_is_over(waiting[0]));
    assert!(waiting[1..].iter().all(|&link| !pair.server.link_is_over(link)));
    assert!(!pair.server.link_is_over(pair.down), "the confirmed one stays");
    // Transports that never send are forgotten: the server keeps as many of them as of others.
    for ordinal in 10..100 {
        pair.server.attach(1, resume(ordinal)).expect("a new link");
    }
    assert!(pair.server.links.iter().count() <= 16 + 1, "{}", pair.server.links.iter().count());
}

#[test]
fn a_link_that_was_pushed_out_waits_for_nothing() {
    let mut pair = Pair::opened();
    let links: Vec<LinkId> = (2..=9).map(|at| pair.client.attach(1, resume(at)).expect("a new link")).collect();
    let newest = pair.server.attach(1, resume(9)).expect("a new link");
    let start = sent_frames(&mut pair.server, 1, newest);
    receive(&mut pair.client, 1, links[7], start);
    assert_eq!(pair.client.carrier(), Some(9));
    let deadlines: Vec<_> =
        pair.client.links.iter().map(|link| (link.ordinal, link.superseded, link.deadline < u64::MAX)).collect();
    let serves = |ordinal| (ordinal, false, true);
    let mut expected = vec![serves(1), (2, true, false)];
    expected.extend((3..9).map(serves));
    expected.push((9, false, false));
    assert_eq!(deadlines, expected, "the old ones serve until then, but for the one that was pushed out");
}

#[test]
fn input_on_a_link_that_was_replaced_is_ignored() {
    let mut server = server();
    let first = server.attach(0, Attach { kind: LinkKind::Opening, ..opens(1) }).expect("a new link");
    server.attach(1, turn(1, 1, POLL)).expect("the next turn");
    assert!(server.handle_frame(2, first, Frame::Ack { received: 99 }).is_ok());
    assert!(server.handle_frame(2, first, numbered(1, "late")).is_ok());
    assert_eq!(taken(&mut server), "");
}

#[test]
fn ordinals_may_begin_at_0() {
    let mut server = server();
    let link = server.attach(0, opens(0)).expect("a new link");
    assert_eq!(sent_text(&mut server, 0, link), "snew0");
    assert_eq!(code(server.attach(0, opens(0))), 4001);
}

#[test]
fn the_received_number_of_an_attach_is_for_the_server_only() {
    let mut client = client();
    assert!(client.attach(0, Attach { received: 3, ..resume(1) }).is_ok());
}

#[test]
fn an_answer_whose_time_is_over_has_all_that_an_answer_must_have() {
    let mut server = server();
    let opening = server.attach(0, Attach { kind: LinkKind::Opening, ..opens(1) }).expect("a new link");
    sent_frames(&mut server, 0, opening);
    server.detach(0, opening);
    // Its time may be over before the transport asks for its first frame: another thread keeps the time.
    let at_once = server.attach(1, turn(1, 1, LinkKind::Poll { hold: 0 })).expect("the next turn");
    send(&mut server, "a");
    server.handle_timeout(1);
    assert!(server.link_is_over(at_once), "it waits for nothing");
    assert_eq!(sent_text(&mut server, 1, at_once), "sfull0 m1:a");
    assert!(server.link_is_over(at_once));
    server.detach(1, at_once);

    let held = server.attach(2, Attach { received: 1, ..turn(1, 2, POLL) }).expect("the next turn");
    assert_eq!(sent_text(&mut server, 2, held), "sfull0");
    assert!(!server.link_is_over(held));
    server.handle_timeout(5_002);
    assert!(server.link_is_over(held));
    assert_eq!(sent_text(&mut server, 5_002, held), "");
}
