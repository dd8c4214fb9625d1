//! A path that cuts what is silent.

use super::*;

const LONG: u64 = 25_000;

fn patient() -> Machine {
    Machine::new(Config { interval: LONG, grace: 60_000, ..config(Role::Server) }, 0)
}

/// A WebSocket that is proven at `now` and cut after `silence`. Returns when.
fn carries_and_is_cut(server: &mut Machine, now: u64, ordinal: u64, silence: u64) -> u64 {
    carries(server, now, ordinal);
    let link = server.links.iter().last().expect("it carries").id;
    server.detach(now + silence, link);
    now + silence
}

fn carries(server: &mut Machine, now: u64, ordinal: u64) -> LinkId {
    let link = server.attach(now, resume(ordinal)).expect("a new link");
    says(server, now, link);
    hear(server, now, link, [Frame::Proof]);
    link
}

/// A poll that has waited for `silence` when it is cut. Returns when.
fn polls_and_is_cut(server: &mut Machine, now: u64, ordinal: u64, silence: u64) -> u64 {
    let first = server.attach(now, turn(ordinal, 0, Wire::Opening)).expect("a new link");
    says(server, now, first);
    server.detach(now, first);
    let poll = server.attach(now, turn(ordinal, 1, Wire::Poll { hold: LONG })).expect("its next turn");
    says(server, now, poll);
    server.detach(now + silence, poll);
    now + silence
}

/// How long a link that begins at `now` is left alone.
fn left_alone(server: &mut Machine, now: u64, ordinal: u64) -> u64 {
    carries(server, now, ordinal);
    server.poll_timeout().expect("it beats") - now
}

#[test]
fn one_cut_teaches_nothing() {
    let mut server = patient();
    let now = carries_and_is_cut(&mut server, 0, 1, 8_000);
    assert_eq!(left_alone(&mut server, now, 2), LONG);
}

#[test]
fn two_cuts_after_the_same_silence_teach_to_ping_in_half_the_time() {
    let mut server = patient();
    let now = carries_and_is_cut(&mut server, 0, 1, 8_000);
    let now = carries_and_is_cut(&mut server, now + 300, 2, 7_600);
    assert_eq!(left_alone(&mut server, now, 3), 3_800);
    server.handle_timeout(now + 3_800);
    let link = server.links.iter().last().expect("it carries").id;
    assert_eq!(spoken(&mut server, now + 3_800, link), format!("p{}", now + 3_800));
}

#[test]
fn what_was_learned_is_never_unlearned_and_never_made_longer() {
    let mut server = patient();
    let mut now = 0;
    for (ordinal, silence) in [(1, 4_000), (2, 4_100), (3, 20_000), (4, 20_000)] {
        now = carries_and_is_cut(&mut server, now, ordinal, silence);
    }
    assert_eq!(left_alone(&mut server, now, 5), 2_050);
}

#[test]
fn cuts_after_unlike_silences_are_chance() {
    let mut server = patient();
    let mut now = 0;
    for (ordinal, silence) in [(1, 10_000), (2, 8_000), (3, 10_000), (4, 2_000), (5, 1_600)] {
        now = carries_and_is_cut(&mut server, now, ordinal, silence);
    }
    assert_eq!(left_alone(&mut server, now, 6), LONG, "a fifth is unlike");
}

#[test]
fn a_link_that_was_talking_was_not_cut_for_its_silence() {
    let mut server = patient();
    let mut now = 0;
    for ordinal in 1..=3 {
        now = carries_and_is_cut(&mut server, now, ordinal, 999);
    }
    assert_eq!(left_alone(&mut server, now, 4), LONG);
}

#[test]
fn a_link_that_another_has_replaced_was_not_cut() {
    let mut server = patient();
    let mut old = carries(&mut server, 0, 1);
    for ordinal in 2..=4 {
        let now = (ordinal - 1) * 5_000;
        let new = carries(&mut server, now, ordinal);
        says(&mut server, now, old);
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
    assert!(!server.is_restless());
    let first = server.attach(now, turn(3, 0, Wire::Opening)).expect("a new link");
    says(&mut server, now, first);
    server.detach(now, first);
    let poll = server.attach(now, turn(3, 1, Wire::Poll { hold: LONG })).expect("its next turn");
    says(&mut server, now, poll);
    assert_eq!(server.poll_timeout(), Some(now + 1_500));
    server.handle_timeout(now + 1_500);
    assert!(server.link_is_over(poll));
}

#[test]
fn where_nothing_may_wait_polls_do_not() {
    let mut server = patient();
    let now = polls_and_is_cut(&mut server, 0, 1, 400);
    assert!(!server.is_restless());
    polls_and_is_cut(&mut server, now, 2, 420);
    assert!(server.is_restless());
    let mut server = patient();
    let now = polls_and_is_cut(&mut server, 0, 1, 199);
    polls_and_is_cut(&mut server, now, 2, 199);
    assert!(!server.is_restless(), "so soon it is something else");
}

#[test]
fn a_poll_that_is_answered_was_not_cut() {
    let mut server = patient();
    let mut now = 0;
    for ordinal in 1..=3 {
        let first = server.attach(now, turn(ordinal, 0, Wire::Opening)).expect("a new link");
        says(&mut server, now, first);
        server.detach(now, first);
        let poll = server.attach(now, turn(ordinal, 1, Wire::Poll { hold: 600 })).expect("its next turn");
        says(&mut server, now, poll);
        now += 600;
        server.handle_timeout(now);
        assert!(server.link_is_over(poll));
        server.detach(now, poll);
    }
    assert!(!server.is_restless());
    assert_eq!(left_alone(&mut server, now, 4), LONG);
}
