//! A path that cuts what is silent.

use super::*;

const LONG: u64 = 25_000;

fn patient() -> Machine {
    Machine::new(Config { interval: LONG, grace: 60_000, ..config(Role::Server) }, 0)
}

/// A WebSocket that is confirmed at `now` and cut after `silence`. Returns when that is.
fn carries_and_is_cut(server: &mut Machine, now: u64, ordinal: u64, silence: u64) -> u64 {
    carries(server, now, ordinal);
    let link = server.links.iter().last().expect("it carries").id;
    server.detach(now + silence, link);
    now + silence
}

fn carries(server: &mut Machine, now: u64, ordinal: u64) -> LinkId {
    let link = server.attach(now, resume(ordinal)).expect("a new link");
    sent_frames(server, now, link);
    receive(server, now, link, [Frame::Confirm]);
    link
}

/// A poll that has waited for `silence` when it is cut. Returns when.
fn polls_and_is_cut(server: &mut Machine, now: u64, ordinal: u64, silence: u64) -> u64 {
    let first = server.attach(now, turn(ordinal, 0, LinkKind::Opening)).expect("a new link");
    sent_frames(server, now, first);
    server.detach(now, first);
    let poll = server.attach(now, turn(ordinal, 1, LinkKind::Poll { hold: LONG })).expect("its next turn");
    sent_frames(server, now, poll);
    server.detach(now + silence, poll);
    now + silence
}

/// How long a link that begins at `now` is left alone.
fn left_alone(server: &mut Machine, now: u64, ordinal: u64) -> u64 {
    carries(server, now, ordinal);
    server.poll_timeout().expect("it beats") - now
}

#[test]
fn two_cuts_are_no_rule() {
    let mut server = patient();
    let now = carries_and_is_cut(&mut server, 0, 1, 8_000);
    let now = carries_and_is_cut(&mut server, now, 2, 8_000);
    assert_eq!(left_alone(&mut server, now, 3), LONG);
}

#[test]
fn three_cuts_after_the_same_silence_halve_the_time_to_a_ping() {
    let mut server = patient();
    let now = carries_and_is_cut(&mut server, 0, 1, 7_900);
    let now = carries_and_is_cut(&mut server, now + 300, 2, 8_000);
    let now = carries_and_is_cut(&mut server, now + 300, 3, 7_600);
    assert_eq!(left_alone(&mut server, now, 4), 3_800);
    server.handle_timeout(now + 3_800);
    let link = server.links.iter().last().expect("it carries").id;
    assert_eq!(sent_text(&mut server, now + 3_800, link), format!("p{}", now + 3_800));
}

#[test]
fn what_was_learned_is_not_made_longer_by_other_cuts() {
    let mut server = patient();
    let mut now = 0;
    for (ordinal, silence) in [(1, 4_000), (2, 4_100), (3, 4_100), (4, 20_000), (5, 20_000), (6, 20_000)] {
        now = carries_and_is_cut(&mut server, now, ordinal, silence);
    }
    assert_eq!(left_alone(&mut server, now, 7), 2_050);
}

#[test]
fn a_rule_is_doubted_after_ten_minutes_and_confirmed_by_one_cut_more() {
    const DOUBT: u64 = 600_000;
    let mut server = patient();
    let mut now = 0;
    for ordinal in 1..=3 {
        now = carries_and_is_cut(&mut server, now, ordinal, 4_000);
    }
    assert_eq!(left_alone(&mut server, now, 4), 2_000);
    assert_eq!(left_alone(&mut server, now + DOUBT - 1, 5), 2_000);
    assert_eq!(left_alone(&mut server, now + DOUBT, 6), 4_000);
    assert_eq!(left_alone(&mut server, now + 2 * DOUBT - 1, 7), 4_000);
    let link = server.links.iter().last().expect("it carries").id;
    let cut = now + 2 * DOUBT + 4_000;
    server.detach(cut, link);
    assert_eq!(left_alone(&mut server, cut, 8), 2_000);
    for step in 1..=4 {
        carries(&mut server, cut + step * DOUBT, 8 + step);
    }
    assert_eq!(left_alone(&mut server, cut + 4 * DOUBT, 13), LONG, "it is forgotten in the end");
}

#[test]
fn a_turn_that_the_client_ends_itself_is_no_cut() {
    let mut server = patient();
    let first = server.attach(0, turn(1, 0, LinkKind::Opening)).expect("a new link");
    sent_frames(&mut server, 0, first);
    server.detach(0, first);
    for index in 1..=8 {
        let now = index * 600;
        let poll = server.attach(now, turn(1, index, LinkKind::Poll { hold: LONG })).expect("its next turn");
        assert_eq!(server.poll_timeout(), Some(now + LONG));
        sent_frames(&mut server, now, poll);
        server.detach(now + 600, poll);
    }
    assert_eq!(left_alone(&mut server, 6_000, 2), LONG);
}

#[test]
fn a_link_that_another_page_ends_is_no_cut() {
    let mut server = patient();
    let mut now = 0;
    for ordinal in 1..=3 {
        now = carries_and_is_cut(&mut server, now, ordinal * 2, 4_000);
        let page = server.take_over(now, resume(ordinal * 2 + 1), false).expect("another page");
        server.detach(now, page);
    }
    assert_eq!(left_alone(&mut server, now, 8), LONG);
}

#[test]
fn cuts_after_different_silences_are_chance() {
    let mut server = patient();
    let mut now = 0;
    for (ordinal, silence) in [(1, 10_000), (2, 8_000), (3, 10_000), (4, 10_000), (5, 2_000), (6, 2_000), (7, 1_600)] {
        now = carries_and_is_cut(&mut server, now, ordinal, silence);
    }
    assert_eq!(left_alone(&mut server, now, 8), LONG, "a fifth is unlike");
}

#[test]
fn a_link_that_was_talking_was_not_cut_for_its_silence() {
    let mut server = patient();
    let mut now = 0;
    for ordinal in 1..=4 {
        now = carries_and_is_cut(&mut server, now, ordinal, 999);
    }
    assert_eq!(left_alone(&mut server, now, 5), LONG);
}

#[test]
fn a_link_that_another_has_replaced_was_not_cut() {
    let mut server = patient();
    let mut old = carries(&mut server, 0, 1);
    for ordinal in 2..=4 {
        let now = (ordinal - 1) * 5_000;
        let new = carries(&mut server, now, ordinal);
        sent_frames(&mut server, now, old);
        server.detach(now, old);
        old = new;
    }
    let now = 20_000;
    assert_eq!(left_alone(&mut server, now, 5), LONG);
}

#[test]
fn polls_that_are_cut_wait_half_as_long() {
    let mut server = patient();
    let now = polls_and_is_cut(&mut server, 0, 1, 3_000);
    let now = polls_and_is_cut(&mut server, now, 2, 3_000);
    let now = polls_and_is_cut(&mut server, now, 3, 3_000);
    let first = server.attach(now, turn(4, 0, LinkKind::Opening)).expect("a new link");
    assert!(!server.idle_limit_is_zero());
    sent_frames(&mut server, now, first);
    server.detach(now, first);
    let poll = server.attach(now, turn(4, 1, LinkKind::Poll { hold: LONG })).expect("its next turn");
    sent_frames(&mut server, now, poll);
    assert_eq!(server.poll_timeout(), Some(now + 1_500));
    server.handle_timeout(now + 1_500);
    assert!(server.link_is_over(poll));
}

#[test]
fn polls_do_not_wait_where_the_idle_limit_is_zero() {
    let mut server = patient();
    let mut now = 0;
    for (ordinal, silence) in [(1, 400), (2, 420), (3, 400)] {
        now = polls_and_is_cut(&mut server, now, ordinal, silence);
        assert!(!server.idle_limit_is_zero());
    }
    server.attach(now, turn(4, 0, LinkKind::Opening)).expect("a new link");
    assert!(server.idle_limit_is_zero());
    let mut server = patient();
    let mut now = 0;
    for ordinal in 1..=4 {
        now = polls_and_is_cut(&mut server, now, ordinal, 199);
    }
    assert!(!server.idle_limit_is_zero(), "a cut after less silence has another cause");
}

#[test]
fn a_poll_that_is_answered_was_not_cut() {
    let mut server = patient();
    let mut now = 0;
    for ordinal in 1..=3 {
        let first = server.attach(now, turn(ordinal, 0, LinkKind::Opening)).expect("a new link");
        sent_frames(&mut server, now, first);
        server.detach(now, first);
        let poll = server.attach(now, turn(ordinal, 1, LinkKind::Poll { hold: 600 })).expect("its next turn");
        sent_frames(&mut server, now, poll);
        now += 600;
        server.handle_timeout(now);
        assert!(server.link_is_over(poll));
        server.detach(now, poll);
    }
    assert!(!server.idle_limit_is_zero());
    assert_eq!(left_alone(&mut server, now, 4), LONG);
}
