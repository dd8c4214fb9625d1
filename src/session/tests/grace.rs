use super::*;
use crate::session::State;

#[test]
fn a_session_without_a_link_ends_when_grace_does() {
    let mut pair = Pair::opened();
    pair.cut(100);
    assert_eq!((pair.server.state(), pair.server.poll_timeout()), (State::Interrupted, Some(100 + GRACE)));
    pair.server.handle_timeout(100 + GRACE - 1);
    assert_eq!(pair.server.closed(), None);
    pair.server.handle_timeout(100 + GRACE);
    assert_eq!(pair.server.closed().map(|reason| reason.code), Some(4103));
    assert!(pair.server.is_over());
}

#[test]
fn a_link_in_time_keeps_the_session() {
    let mut pair = Pair::opened();
    pair.cut(100);
    pair.resume(GRACE, 2);
    pair.server.handle_timeout(100 + GRACE);
    assert_eq!(pair.server.closed(), None);
}

#[test]
fn an_upload_is_a_sign_of_life_but_no_link() {
    let mut pair = Pair::opened();
    pair.cut(100);
    let link = pair.server.attach(5_000, upload()).expect("an upload");
    assert_eq!(pair.server.state(), State::Interrupted);
    pair.server.detach(5_000, link);
    pair.server.handle_timeout(100 + GRACE);
    assert_eq!((pair.server.closed(), pair.server.poll_timeout()), (None, Some(5_000 + GRACE)));
}

#[test]
fn an_attach_that_has_begun_holds_off_the_end() {
    let mut pair = Pair::opened();
    pair.cut(100);
    assert!(pair.server.expect_attach(100) && pair.server.expect_attach(100));
    assert_eq!(pair.server.poll_timeout(), None);
    pair.server.handle_timeout(100 + GRACE);
    pair.server.cancel_attach(101 + GRACE);
    pair.server.handle_timeout(101 + GRACE);
    assert_eq!(pair.server.closed(), None, "another is still under way");
    assert!(!pair.server.expect_attach(101 + GRACE), "one after the other could hold it off for ever");
    pair.resume(102 + GRACE, 2);
    pair.server.cancel_attach(102 + GRACE);
    pair.cut(200 + GRACE);
    pair.server.handle_timeout(200 + 2 * GRACE - 1);
    assert_eq!(pair.server.closed(), None);
    pair.server.handle_timeout(200 + 2 * GRACE);
    assert!(pair.server.is_over());
}

#[test]
fn an_attach_of_which_only_the_id_is_known_gives_no_new_grace() {
    let mut pair = Pair::opened();
    pair.cut(100);
    assert!(pair.server.expect_attach(200));
    pair.server.cancel_attach(300);
    pair.server.handle_timeout(100 + GRACE);
    assert!(pair.server.is_over());
}

#[test]
fn an_attach_that_outlives_grace_is_not_taken_for_our_own_sleep() {
    let mut pair = Pair::opened();
    pair.cut(100);
    assert!(pair.server.expect_attach(100 + GRACE - 1));
    pair.server.handle_timeout(100 + GRACE);
    assert_eq!(pair.server.closed(), None);
    let ended = 101 + 3 * GRACE;
    pair.server.cancel_attach(ended);
    pair.server.handle_timeout(ended);
    assert!(pair.server.is_over(), "only the id was known");
    // A process that sleeps behind it is asleep all the same.
    let mut pair = Pair::opened();
    pair.cut(100);
    assert!(pair.server.expect_attach(100 + GRACE - 1));
    pair.server.cancel_attach(ended);
    pair.server.handle_timeout(ended + GRACE + 1);
    assert_eq!(pair.server.closed(), None);
}

#[test]
fn an_attach_that_was_refused_gives_a_new_grace() {
    let mut pair = Pair::opened();
    pair.cut(100);
    let late = resume(0);
    assert!(pair.server.attach(200, late).is_err());
    pair.server.handle_timeout(100 + GRACE);
    assert_eq!((pair.server.closed(), pair.server.poll_timeout()), (None, Some(100 + 2 * GRACE)));
    pair.server.handle_timeout(100 + 2 * GRACE);
    assert!(pair.server.is_over());
}

#[test]
fn a_server_that_slept_longer_than_grace_expires_no_session() {
    let mut pair = Pair::opened();
    pair.cut(100);
    let woken = 100 + 2 * GRACE + 1;
    pair.server.handle_timeout(woken);
    assert_eq!((pair.server.closed(), pair.server.poll_timeout()), (None, Some(woken + GRACE)));
    let mut pair = Pair::opened();
    pair.cut(100);
    pair.server.handle_timeout(100 + 2 * GRACE);
    assert!(pair.server.is_over(), "a timer that is merely late is no sleep");
}

#[test]
fn a_close_that_is_never_taken_ends_with_grace_too() {
    let mut pair = Pair::opened();
    send(&mut pair.server, "lost");
    pair.server.close(CloseReason::new(1000, ""));
    pair.cut(100);
    pair.server.handle_timeout(100 + GRACE);
    assert_eq!(pair.server.closed().map(|reason| reason.code), Some(4103));
    assert_eq!(pair.server.unacknowledged(), 1);
}

#[test]
fn a_dead_link_does_not_count_even_if_its_transport_does_not_notice() {
    let mut pair = Pair::opened();
    pair.server.handle_timeout(INTERVAL);
    sent_frames(&mut pair.server, INTERVAL, pair.down);
    let dead = INTERVAL + TIMEOUT;
    pair.server.handle_timeout(dead);
    let end = dead + INTERVAL + TIMEOUT + GRACE;
    assert_eq!(pair.server.poll_timeout(), Some(end));
    pair.server.handle_timeout(end - 1);
    assert_eq!(pair.server.closed(), None);
    pair.server.handle_timeout(end);
    assert!(pair.server.is_over());
}

/// A link whose transport did not notice that another one has replaced it. That one is gone too since 200.
fn replaced() -> (Pair, LinkId) {
    let mut pair = Pair::opened();
    let stuck = pair.down;
    let link = pair.server.attach(100, resume(2)).expect("a new link");
    sent_frames(&mut pair.server, 100, link);
    receive(&mut pair.server, 100, link, [Frame::Confirm]);
    pair.server.detach(200, link);
    (pair, stuck)
}

#[test]
fn a_replaced_link_does_not_count_even_if_its_transport_does_not_notice() {
    let (mut pair, stuck) = replaced();
    assert!(pair.server.links.get(stuck).is_some_and(|link| link.attached));
    assert_eq!((pair.server.state(), pair.server.poll_timeout()), (State::Interrupted, Some(200 + GRACE)));
    pair.server.handle_timeout(200 + GRACE);
    assert!(pair.server.is_over());
}

#[test]
fn input_on_a_replaced_link_is_a_sign_of_life() {
    let (mut pair, stuck) = replaced();
    receive(&mut pair.server, 5_000, stuck, [numbered(1, "late")]);
    pair.server.handle_timeout(200 + GRACE);
    assert_eq!((pair.server.closed(), pair.server.poll_timeout()), (None, Some(5_000 + GRACE)));
}

// A session that moves to another machine keeps the time that its client has.

fn moved(pair: &mut Pair, now: u64) -> Machine {
    let moved = pair.server.give(now).expect("it can move");
    Machine::taken(config(Role::Server), None, moved, now).expect("the same family")
}

#[test]
fn an_attach_that_was_refused_gives_a_new_grace_at_the_next_machine_too() {
    let mut pair = Pair::opened();
    pair.cut(100);
    assert!(pair.server.attach(200, resume(0)).is_err());
    let mut server = moved(&mut pair, 300);
    assert_eq!(server.poll_timeout(), Some(300 + GRACE));
    server.handle_timeout(300 + GRACE);
    assert!(server.is_over(), "once");
}

#[test]
fn an_attach_that_has_begun_when_its_session_moves_gives_a_new_grace() {
    let mut pair = Pair::opened();
    pair.cut(100);
    assert!(pair.server.expect_attach(200));
    let now = 100 + 5 * GRACE;
    assert_eq!(moved(&mut pair, now).poll_timeout(), Some(now + GRACE));
}

#[test]
fn a_dead_link_whose_transport_does_not_notice_gives_as_much_time_at_the_next_machine() {
    let mut pair = Pair::opened();
    pair.server.handle_timeout(INTERVAL);
    sent_frames(&mut pair.server, INTERVAL, pair.down);
    let dead = INTERVAL + TIMEOUT;
    pair.server.handle_timeout(dead);
    let end = dead + INTERVAL + TIMEOUT + GRACE;
    assert_eq!(pair.server.poll_timeout(), Some(end));
    assert_eq!(moved(&mut pair, dead + 10).poll_timeout(), Some(end));
}

#[test]
fn what_a_slow_line_needs_is_carried_along() {
    let mut pair = Pair::opened();
    pair.cut(100);
    pair.server.under_way = 5_000;
    for now in [200, 3_000, 20_000] {
        let mut server = moved(&mut pair, now);
        assert_eq!(server.poll_timeout(), Some(100 + 5_000 + GRACE), "moved at {now}");
        std::mem::swap(&mut pair.server, &mut server);
    }
}
