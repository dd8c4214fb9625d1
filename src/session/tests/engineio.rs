//! Engine.IO: polls that may become a WebSocket, no numbers, and heartbeats of a fixed cadence.

use super::*;
use crate::session::{
    Stage, State, reason,
    rules::{ENGINE_IO_3, ENGINE_IO_4, Rules},
};

/// The times of the published suites.
const PING: u64 = 300;
const PONG: u64 = 200;

const WAITS: LinkKind = LinkKind::Poll { hold: u64::MAX };

fn engine(rules: &'static Rules) -> Machine {
    let mut server = Machine::new(Config { rules, interval: PING, timeout: PONG, ..config(Role::Server) }, 0);
    let attach = Attach { kind: LinkKind::Opening, seen: true, ..opens(1) };
    let handshake = server.attach(0, attach).expect("a new session");
    server.complete(handshake);
    server.detach(0, handshake);
    server
}

fn polled() -> Machine {
    engine(&ENGINE_IO_4)
}

/// A GET that waits.
fn poll(server: &mut Machine, now: u64) -> LinkId {
    server.attach(now, Attach { seen: true, kind: WAITS, ..resume(1) }).expect("the only poll")
}

/// The answer of the GET was handed to HTTP.
fn answered(server: &mut Machine, now: u64, poll: LinkId) -> String {
    let sent = sent_text(server, now, poll);
    server.complete(poll);
    server.detach(now, poll);
    sent
}

fn post(server: &mut Machine, now: u64, frames: impl IntoIterator<Item = Frame>) -> Result<(), CloseReason> {
    server.expect_upload(now)?;
    let link = server.attach(now, upload()).expect("an upload");
    let result = frames.into_iter().try_for_each(|frame| server.handle_frame(now, link, frame));
    server.detach(now, link);
    server.cancel_upload(now);
    result
}

/// A WebSocket that the client tries beside its polls.
fn candidate(server: &mut Machine, now: u64) -> LinkId {
    server.attach(now, resume(2)).expect("the only WebSocket")
}

/// A WebSocket that has taken the place of the polls.
fn upgraded(server: &mut Machine, now: u64) -> LinkId {
    let socket = candidate(server, now);
    receive(server, now, socket, [Frame::Probe]);
    assert_eq!(sent_text(server, now, socket), "probe");
    receive(server, now, socket, [Frame::Confirm]);
    assert_eq!(server.stage(), Stage::WebSocket);
    socket
}

fn text(text: &str) -> Frame {
    numbered(0, text)
}

fn leaves() -> Frame {
    Frame::Close { number: 0, reason: reason::CLOSED }
}

const ANSWER: Frame = Frame::Pong { id: u64::MAX, received: 0 };
const ASKS: Frame = Frame::Ping { id: u64::MAX, received: None };

#[test]
fn a_poll_carries_messages_alone_and_none_is_kept() {
    let mut server = polled();
    send_all(&mut server, 1, 2);
    let first = poll(&mut server, 10);
    assert_eq!(sent_text(&mut server, 10, first), "m1:1 m2:2", "nothing announces the link");
    assert_eq!((server.unacknowledged(), server.outbox_bytes()), (0, 0), "gone once written");
    server.complete(first);
    server.detach(10, first);
    assert_eq!((server.closed(), server.is_over()), (None, false), "the end of an answer is no cut");
    let second = poll(&mut server, 20);
    send(&mut server, "3");
    assert_eq!(answered(&mut server, 20, second), "m3:3");
    assert_eq!(post(&mut server, 30, [text("up"), text("and up")]), Ok(()));
    assert_eq!(taken(&mut server), "up and up");
    let third = poll(&mut server, 40);
    assert_eq!(sent_text(&mut server, 40, third), "", "nothing is acknowledged");
}

#[test]
fn pings_keep_their_cadence_under_traffic_and_on_polls() {
    let mut server = polled();
    let mut now = 0;
    for round in 0..4 {
        let waits = poll(&mut server, now);
        assert_eq!(server.poll_timeout(), Some(now + PING), "round {round}");
        let quiet = answered(&mut server, now + 100, waits);
        assert_eq!(quiet, "", "a ping is not due before its time");
        send(&mut server, "traffic");
        let busy = poll(&mut server, now + 110);
        assert!(answered(&mut server, now + 110, busy).ends_with(":traffic"));
        assert_eq!(post(&mut server, now + 250, [text("traffic")]), Ok(()));
        now += PING;
        server.handle_timeout(now);
        let pinged = poll(&mut server, now + 50);
        assert!(answered(&mut server, now + 50, pinged).starts_with('p'));
        now += 60;
        assert_eq!(post(&mut server, now, [ANSWER]), Ok(()));
        assert_eq!(server.rtt(), Some(10), "since it left");
    }
}

#[test]
fn who_does_not_poll_is_gone_after_interval_and_timeout() {
    let mut server = polled();
    assert_eq!(server.poll_timeout(), Some(PING));
    server.handle_timeout(PING);
    assert_eq!(server.poll_timeout(), Some(PING + PONG));
    // A message is no answer, and neither is a pong that answers nothing.
    assert_eq!(post(&mut server, 450, [text("I am here"), ANSWER]), Ok(()));
    server.handle_timeout(PING + PONG - 1);
    assert_eq!(server.stage(), Stage::Polling);
    server.handle_timeout(PING + PONG);
    assert_eq!((server.stage(), server.closed()), (Stage::Over, Some(&reason::HEARTBEAT_TIMEOUT)));
    assert_eq!(code(server.attach(501, Attach { kind: WAITS, ..resume(1) })), reason::HEARTBEAT_TIMEOUT.code);
    let over = server.poll_timeout().expect("a deadline");
    assert!(over <= PING + PONG + 100, "soon forgotten: {over}");
    server.handle_timeout(over);
    assert!(server.is_over());
}

#[test]
fn a_second_poll_is_fatal_and_the_first_is_told() {
    let mut server = polled();
    let first = poll(&mut server, 10);
    assert_eq!(code(server.attach(15, Attach { kind: WAITS, ..resume(1) })), reason::OVERLAP.code);
    assert!(server.take_links_need_wake());
    assert_eq!((server.stage(), server.closed()), (Stage::Over, Some(&reason::OVERLAP)));
    assert_eq!(answered(&mut server, 15, first), "x4001");
    assert!(server.is_over());
}

#[test]
fn a_candidate_is_silent_until_it_is_confirmed_and_then_has_the_queue() {
    let mut server = polled();
    let waits = poll(&mut server, 10);
    let socket = candidate(&mut server, 10);
    assert_eq!((server.stage(), sent_text(&mut server, 10, waits)), (Stage::Polling, String::new()));
    receive(&mut server, 20, socket, [Frame::Probe]);
    assert!(server.take_links_need_wake());
    assert_eq!((server.stage(), server.transport()), (Stage::Probing, crate::config::Transport::WebSocket));
    assert!(server.link_is_over(waits), "its client waits for its end");
    send_all(&mut server, 1, 2);
    assert_eq!(answered(&mut server, 20, waits), "");
    assert_eq!(sent_text(&mut server, 20, socket), "probe");
    let late = poll(&mut server, 30);
    assert_eq!(answered(&mut server, 30, late), "m1:1 m2:2", "polls carry on until the confirmation");
    send_all(&mut server, 3, 4);
    assert_eq!(sent_text(&mut server, 30, socket), "");
    receive(&mut server, 40, socket, [Frame::Confirm, text("first on the WebSocket")]);
    assert_eq!((server.stage(), taken(&mut server)), (Stage::WebSocket, "first on the WebSocket".into()));
    assert_eq!(sent_text(&mut server, 40, socket), "m3:3 m4:4");
    assert_eq!(code(server.attach(50, Attach { kind: WAITS, ..resume(1) })), reason::LATE.code);
    assert_eq!(code(server.attach(50, resume(2))), reason::DUPLICATE.code, "there is one upgrade");
    send(&mut server, "5");
    assert_eq!(sent_text(&mut server, 50, socket), "m5:5", "and nobody was harmed");
}

#[test]
fn a_cut_ends_the_session_and_that_of_a_candidate_does_not() {
    let mut server = polled();
    let socket = candidate(&mut server, 10);
    receive(&mut server, 10, socket, [Frame::Probe]);
    server.detach(20, socket);
    assert_eq!((server.stage(), server.closed()), (Stage::Polling, None));
    let waits = poll(&mut server, 30);
    let socket = candidate(&mut server, 30);
    server.detach(40, waits);
    assert_eq!((server.closed(), server.is_over()), (Some(&reason::CUT), false), "the poll was not answered");
    assert_eq!(sent_text(&mut server, 40, socket), "x1006", "the candidate hears it");
    server.detach(41, socket);
    assert!(server.is_over());

    let mut server = polled();
    let socket = upgraded(&mut server, 10);
    server.detach(20, socket);
    assert_eq!((server.closed(), server.is_over()), (Some(&reason::CUT), true));
}

#[test]
fn a_close_comes_behind_the_messages_also_if_nobody_polls() {
    let mut server = polled();
    send_all(&mut server, 1, 2);
    server.close(CloseReason::new(3000, "bye"));
    assert_eq!((server.state(), server.stage()), (State::Closing, Stage::Polling));
    let waits = poll(&mut server, 100);
    // A client may handle the end before the messages of the same answer.
    assert_eq!(answered(&mut server, 100, waits), "m1:1 m2:2");
    assert_eq!((server.state(), server.stage()), (State::Closing, Stage::Polling));
    let waits = poll(&mut server, 110);
    assert_eq!(answered(&mut server, 110, waits), "x3000");
    assert_eq!((server.state(), server.unacknowledged(), server.is_over()), (State::Closed, 0, true));

    let mut server = polled();
    server.close(CloseReason::new(3000, "bye"));
    for now in [PING, PING + PONG] {
        server.handle_timeout(now);
    }
    assert_eq!(server.closed(), Some(&reason::HEARTBEAT_TIMEOUT), "nobody came to fetch it");
}

#[test]
fn a_close_of_the_client_empties_the_poll_that_waits() {
    let mut server = polled();
    send(&mut server, "too late");
    let waits = poll(&mut server, 10);
    assert_eq!(post(&mut server, 10, [text("the last"), leaves(), text("behind it")]), Ok(()));
    assert_eq!(server.closed(), Some(&reason::CLOSED));
    assert_eq!(taken(&mut server), "the last");
    assert_eq!(answered(&mut server, 10, waits), "", "it is not told what it knows");
    assert!(server.is_over() && !server.take_farewell());
}

#[test]
fn a_poll_that_crosses_the_clients_close_is_answered_once() {
    let mut server = polled();
    assert_eq!(post(&mut server, 10, [leaves()]), Ok(()));
    assert_eq!((server.stage(), server.is_over()), (Stage::Over, false));
    assert!(server.take_farewell() && !server.take_farewell());
    server.handle_timeout(server.poll_timeout().expect("a deadline"));
    assert!(server.is_over());

    let mut server = polled();
    let socket = upgraded(&mut server, 10);
    receive(&mut server, 20, socket, [leaves()]);
    assert!(!server.take_farewell(), "there are no polls any more");
    assert_eq!(sent_text(&mut server, 20, socket), "x1000");
}

#[test]
fn two_uploads_at_once_are_fatal() {
    let mut server = polled();
    let waits = poll(&mut server, 10);
    assert_eq!(server.expect_upload(10), Ok(()));
    assert_eq!(server.expect_upload(11), Err(reason::OVERLAP));
    assert_eq!(answered(&mut server, 11, waits), "x4001");
    assert_eq!(server.expect_upload(12), Err(reason::OVERLAP), "it is over");
}

#[test]
fn a_violation_in_an_upload_ends_the_session() {
    let mut server = polled();
    let waits = poll(&mut server, 10);
    assert_eq!(post(&mut server, 10, [text("before"), Frame::AckRequest, Frame::Probe]), Err(reason::UNEXPECTED));
    assert_eq!((server.stage(), taken(&mut server)), (Stage::Over, "before".into()));
    assert_eq!(answered(&mut server, 10, waits), "x4004");
}

#[test]
fn anything_else_on_a_candidate_ends_it_alone() {
    for frame in [text("too early"), ANSWER, leaves(), Frame::Noop] {
        let mut server = polled();
        let waits = poll(&mut server, 10);
        let socket = candidate(&mut server, 10);
        assert_eq!(server.handle_frame(20, socket, frame.clone()), Err(reason::UNEXPECTED), "{frame:?}");
        receive(&mut server, 20, socket, [Frame::Confirm]);
        assert_eq!((server.stage(), sent_text(&mut server, 20, socket)), (Stage::Polling, "x4004".into()));
        server.detach(21, socket);
        send(&mut server, "on the poll");
        assert_eq!((answered(&mut server, 30, waits), taken(&mut server)), ("m1:on the poll".into(), String::new()));
        let socket = upgraded(&mut server, 40);
        receive(&mut server, 50, socket, [Frame::Noop, Frame::Confirm]);
        assert_eq!(server.stage(), Stage::WebSocket, "and the next one may come");
    }
}

#[test]
fn a_candidate_has_its_time() {
    let mut server = polled();
    server.heartbeat.set_times(HOUR, server.heartbeat.timeout());
    let waits = poll(&mut server, 10);
    let socket = candidate(&mut server, 10);
    receive(&mut server, 20, socket, [Frame::Probe]);
    assert_eq!(answered(&mut server, 20, waits), "");
    assert_eq!(sent_text(&mut server, 20, socket), "probe");
    assert_eq!(server.poll_timeout(), Some(10 + CONFIRM));
    server.handle_timeout(10 + CONFIRM);
    assert_eq!(sent_text(&mut server, 10 + CONFIRM, socket), "x4007");
    assert_eq!((server.stage(), server.closed()), (Stage::Polling, None), "polls may wait again");
    let socket_gone = poll(&mut server, 11 + CONFIRM);
    assert!(!server.link_is_over(socket_gone));
}

#[test]
fn a_ping_that_polls_carried_may_be_answered_on_the_websocket() {
    let mut server = polled();
    server.handle_timeout(PING);
    let waits = poll(&mut server, PING);
    assert_eq!(answered(&mut server, PING, waits), format!("p{PING}"));
    let socket = upgraded(&mut server, PING + 100);
    assert_eq!(server.poll_timeout(), Some(PING + PONG), "the upgrade is no answer");
    receive(&mut server, PING + 150, socket, [ANSWER]);
    assert_eq!(server.poll_timeout(), Some(PING + 150 + PING));
    server.handle_timeout(PING + 150 + PING);
    assert_eq!(sent_text(&mut server, PING + 150 + PING, socket), format!("p{}", PING + 150 + PING));
    server.handle_timeout(PING + 150 + PING + PONG);
    assert_eq!(sent_text(&mut server, PING + 150 + PING + PONG, socket), "x4003");
}

#[test]
fn a_client_that_pings_is_answered_and_lives_by_its_pings() {
    let mut server = engine(&ENGINE_IO_3);
    assert_eq!(server.poll_timeout(), Some(PING + PONG));
    assert_eq!(post(&mut server, 400, [text("no ping")]), Ok(()));
    assert_eq!(server.poll_timeout(), Some(PING + PONG), "only pings count");
    let waits = poll(&mut server, 410);
    assert_eq!(sent_text(&mut server, 410, waits), "");
    assert_eq!(post(&mut server, 450, [ASKS]), Ok(()));
    assert!(server.take_links_need_wake());
    assert_eq!(answered(&mut server, 450, waits), format!("q{},1", u64::MAX));
    assert_eq!(server.poll_timeout(), Some(450 + PING + PONG));
    server.handle_timeout(450 + PING + PONG - 1);
    assert_eq!(server.stage(), Stage::Polling);
    server.handle_timeout(450 + PING + PONG);
    assert_eq!(server.closed(), Some(&reason::HEARTBEAT_TIMEOUT));
}

#[test]
fn a_ping_in_the_wrong_direction_ends_the_session() {
    let mut server = polled();
    assert_eq!(post(&mut server, 10, [ASKS]), Err(reason::UNEXPECTED));
    assert_eq!(server.stage(), Stage::Over);
}

#[test]
fn what_comes_slowly_puts_the_end_off() {
    for (rules, dead) in [(&ENGINE_IO_4, PING + PONG), (&ENGINE_IO_3, PING + PONG)] {
        let mut server = engine(rules);
        assert_eq!(server.expect_upload(0), Ok(()), "a POST comes in, and the answer behind it");
        server.handle_timeout(PING);
        let waits = poll(&mut server, PING);
        answered(&mut server, PING, waits);
        server.handle_timeout(dead);
        assert_eq!(server.stage(), Stage::Polling);
        server.cancel_upload(dead + 1);
        server.handle_timeout(server.poll_timeout().expect("a deadline"));
        assert_eq!(server.closed(), Some(&reason::HEARTBEAT_TIMEOUT), "nothing comes in any more");
    }
}

#[test]
fn a_process_that_slept_gives_another_chance() {
    for rules in [&ENGINE_IO_4, &ENGINE_IO_3] {
        let mut server = engine(rules);
        server.handle_timeout(PING);
        let woke = 10_000;
        server.handle_timeout(woke);
        assert_eq!(server.stage(), Stage::Polling, "the silence was ours");
        for _ in 0..3 {
            server.handle_timeout(server.poll_timeout().expect("a deadline"));
        }
        assert_eq!(server.closed(), Some(&reason::HEARTBEAT_TIMEOUT));
    }
}

#[test]
fn a_session_may_be_a_websocket_from_the_start() {
    let mut server = Machine::new(Config { rules: &ENGINE_IO_4, ..config(Role::Server) }, 0);
    let socket = server.attach(0, Attach { seen: true, ..opens(1) }).expect("a new session");
    assert_eq!((server.stage(), server.is_proven()), (Stage::WebSocket, true));
    send(&mut server, "1");
    assert_eq!(sent_text(&mut server, 0, socket), "m1:1");
    assert_eq!(code(server.attach(10, resume(2))), reason::DUPLICATE.code);
    assert_eq!(code(server.attach(10, Attach { kind: WAITS, ..resume(1) })), reason::LATE.code);
    server.go_away(100, 0);
    assert_eq!(sent_text(&mut server, 20, socket), "x1001");
}

#[test]
fn an_abort_is_told_to_whoever_waits() {
    let mut server = polled();
    let waits = poll(&mut server, 10);
    send(&mut server, "lost");
    server.abort(10, reason::TOO_SLOW);
    assert_eq!(answered(&mut server, 10, waits), "x4311");
    assert_eq!((server.unacknowledged(), server.is_over()), (1, true));
}
