//! SockJS over HTTP: one answer after the other, and a session that lives between them for a while.

use super::*;
use crate::{
    broadcast::OutMessage,
    packet::Packet,
    payload::Payload,
    session::{
        Outbound, SendError, State,
        droppable::WhenBehind,
        reason,
        rules::{SOCKJS, Takes},
    },
};

const DELAY: u64 = 5_000;

/// How long a poll waits.
const HOLD: u64 = INTERVAL;

fn sockjs_config() -> Config {
    Config { rules: &SOCKJS, grace: DELAY, takes: Takes::Texts, ..config(Role::Server) }
}

/// A server half that is opened by a poll, and told its client so.
fn polled() -> Machine {
    let mut server = Machine::new(sockjs_config(), 0);
    let first = server.attach(0, Attach { kind: LinkKind::Opening, ..opens(1) }).expect("a new session");
    assert_eq!(answered(&mut server, 0, first), "snew0");
    server
}

/// A server half that is opened by a stream.
fn streamed() -> (Machine, LinkId) {
    let mut server = Machine::new(sockjs_config(), 0);
    let stream = server.attach(0, Attach { kind: LinkKind::Stream, ..opens(1) }).expect("a new session");
    assert_eq!(sent_text(&mut server, 0, stream), "snew0");
    (server, stream)
}

fn receives(kind: LinkKind) -> Attach {
    Attach { seen: true, kind, ..resume(1) }
}

fn poll(server: &mut Machine, now: u64) -> LinkId {
    server.attach(now, receives(LinkKind::Poll { hold: HOLD })).expect("the only one")
}

/// HTTP has the answer, which is what was sent.
fn answered(server: &mut Machine, now: u64, link: LinkId) -> String {
    let sent = sent_text(server, now, link);
    server.complete(link);
    server.detach(now, link);
    sent
}

fn post(server: &mut Machine, now: u64, texts: &[&str]) {
    let link = server.attach(now, upload()).expect("an upload");
    receive(server, now, link, texts.iter().map(|text| numbered(0, text)));
    server.detach(now, link);
}

#[test]
fn one_answer_follows_the_other() {
    let mut server = polled();
    post(&mut server, 10, &["up", "and up"]);
    assert_eq!(taken(&mut server), "up and up");
    send_all(&mut server, 1, 2);
    let second = poll(&mut server, 20);
    assert_eq!(answered(&mut server, 20, second), "sfull2 m1:1 m2:2");
    assert_eq!((server.unacknowledged(), server.state()), (0, State::Interrupted), "gone once written");
    let stream = server.attach(30, receives(LinkKind::Stream)).expect("another transport");
    send(&mut server, "3");
    assert_eq!(sent_text(&mut server, 30, stream), "sfull2 m3:3");
}

#[test]
fn a_second_receiver_is_refused_without_harm_to_the_first() {
    let mut server = polled();
    let waits = poll(&mut server, 10);
    for kind in [LinkKind::Stream, LinkKind::Poll { hold: HOLD }] {
        assert_eq!(code(server.attach(20, receives(kind))), reason::DUPLICATE.code);
    }
    send(&mut server, "x");
    assert_eq!(answered(&mut server, 30, waits), "sfull0 m1:x");
    poll(&mut server, 40);
}

#[test]
fn a_client_may_be_away_for_its_delay_between_two_answers() {
    let mut server = polled();
    server.handle_timeout(DELAY - 1);
    let second = poll(&mut server, DELAY - 1);
    send(&mut server, "x");
    answered(&mut server, DELAY - 1, second);
    assert_eq!(server.poll_timeout(), Some(2 * DELAY - 1));
    server.handle_timeout(2 * DELAY - 1);
    assert_eq!((server.closed(), server.is_over()), (Some(&reason::EXPIRED), true));
}

#[test]
fn a_cut_ends_the_session_and_the_end_of_a_stream_does_not() {
    for cut in [true, false] {
        let (mut server, stream) = streamed();
        if !cut {
            server.complete(stream);
        }
        server.detach(10, stream);
        assert_eq!(server.closed(), cut.then_some(&reason::CUT));
        if cut {
            assert_eq!(sent_of(&mut server, 20), "x1006");
        } else {
            poll(&mut server, 20);
        }
    }
    let mut server = polled();
    let waits = poll(&mut server, 10);
    server.detach(20, waits);
    assert_eq!(server.closed(), Some(&reason::CUT));
}

/// The answer to another poll.
fn sent_of(server: &mut Machine, now: u64) -> String {
    let poll = poll(server, now);
    answered(server, now, poll).trim_start_matches("sfull0 ").to_owned()
}

#[test]
fn a_close_comes_behind_the_messages_and_to_everyone_who_asks_for_the_delay() {
    let mut server = polled();
    send(&mut server, "last");
    server.close(CloseReason::new(3000, "Go away!"));
    assert_eq!(sent_of(&mut server, 10), "m1:last", "a poll is one frame");
    for now in [20, 30, 40] {
        assert_eq!(sent_of(&mut server, now), "x3000");
        assert!(!server.is_over());
    }
    post(&mut server, 50, &["late"]);
    assert_eq!(taken(&mut server), "", "nobody receives it");
    assert_eq!(server.poll_timeout(), Some(50 + DELAY), "from the last request on");
    server.handle_timeout(50 + DELAY);
    assert!(server.is_over());
    assert_eq!(code(server.attach(50 + DELAY, receives(LinkKind::Stream))), reason::ENDED.code);
}

#[test]
fn a_stream_carries_the_close_in_a_flush_of_its_own() {
    let (mut server, stream) = streamed();
    send_all(&mut server, 1, 2);
    server.close(CloseReason::new(3000, "Go away!"));
    let mut flush = Vec::new();
    let mut send = |outbound: Outbound<'_>| {
        flush.push(outbound.into_frame());
        true
    };
    assert_eq!(server.transmit(10, stream, &mut send), Some(true));
    assert_eq!(server.transmit_behind(10, stream, &mut send), None);
    assert_eq!((notation(&flush), server.link_is_over(stream)), ("m1:1 m2:2".into(), false));
    assert_eq!(sent_text(&mut server, 20, stream), "x3000");
    assert!(server.link_is_over(stream));
}

#[test]
fn an_abort_is_told_to_the_link_and_refuses_those_that_come_later() {
    let mut server = polled();
    let waits = poll(&mut server, 10);
    send(&mut server, "lost");
    server.abort(20, reason::ABORTED);
    assert_eq!(answered(&mut server, 20, waits), "sfull0 x4310");
    assert_eq!(code(server.attach(30, receives(LinkKind::Stream))), reason::ABORTED.code);
    server.handle_timeout(20 + DELAY);
    assert!(server.is_over());
}

#[test]
fn heartbeats_go_out_in_silence_and_nobody_answers() {
    let (mut server, stream) = streamed();
    let mut now = 0;
    for _ in 0..50 {
        assert_eq!(server.poll_timeout(), Some(now + INTERVAL));
        now += INTERVAL;
        server.handle_timeout(now);
        assert_eq!(sent_text(&mut server, now, stream), format!("p{now}"));
    }
    now += INTERVAL - 1;
    send(&mut server, "x");
    assert_eq!(sent_text(&mut server, now, stream), "m1:x");
    server.handle_timeout(now + 1);
    assert_eq!(sent_text(&mut server, now + 1, stream), "", "it was not silent");
    post(&mut server, now + 2, &["what comes does not count"]);
    server.handle_timeout(now + INTERVAL);
    assert_eq!(sent_text(&mut server, now + INTERVAL, stream), format!("p{}", now + INTERVAL));
    assert_eq!(server.closed(), None);
}

#[test]
fn a_stream_that_takes_no_heartbeat_ends() {
    let (mut server, stream) = streamed();
    server.handle_timeout(INTERVAL);
    server.handle_timeout(2 * INTERVAL + TIMEOUT - 1);
    assert_eq!(server.closed(), None);
    server.handle_timeout(2 * INTERVAL + TIMEOUT);
    assert_eq!(server.closed(), Some(&reason::HEARTBEAT_TIMEOUT));
    assert_eq!(server.link_ending(stream), Some(reason::HEARTBEAT_TIMEOUT));
}

#[test]
fn a_poll_is_answered_empty_when_it_has_waited_for_an_interval() {
    let mut server = polled();
    let waits = poll(&mut server, 10);
    assert_eq!(sent_text(&mut server, 10, waits), "sfull0");
    assert_eq!(server.poll_timeout(), Some(10 + HOLD));
    server.handle_timeout(10 + HOLD);
    assert!(server.link_is_over(waits));
    assert_eq!(answered(&mut server, 10 + HOLD, waits), "");
    assert_eq!(server.closed(), None);
}

#[test]
fn bytes_are_refused_as_the_setting_says() {
    let bytes = || OutMessage::from(Message::from(vec![1]));
    let attached = || OutMessage::from(Payload::from(Packet::new("51-[\"x\",{}]", vec![vec![1].into()])));
    let event = || OutMessage::from(Payload::from(Packet::new("2[\"x\"]", Vec::new())));
    for (takes, taken) in [
        (Takes::All, [true, true, true]),
        (Takes::NoAttachments, [true, false, true]),
        (Takes::Texts, [false, false, true]),
    ] {
        let mut server = Machine::new(Config { takes, ..sockjs_config() }, 0);
        for (message, taken) in [bytes(), attached(), event()].into_iter().zip(taken) {
            let expected = if taken { Ok(()) } else { Err(SendError::NoBytes) };
            assert_eq!(server.send(message.clone()), expected);
            assert_eq!(server.send_all(vec![event(), message.clone()]), expected);
            for how in [WhenBehind::Keep, WhenBehind::KeepOrSkip, WhenBehind::Skip, WhenBehind::Latest("key".into())] {
                assert_eq!(server.send_as(0, &how, message.clone()).map(|_| ()), expected, "{how:?}");
            }
        }
    }
}
