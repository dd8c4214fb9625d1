//! A bare WebSocket: no numbers, no acknowledgements, one link.

use super::*;
use crate::session::{SendError, State, reason, rules::RAW};

fn raw_config() -> Config {
    Config { rules: &RAW, ..config(Role::Server) }
}

/// A server half that a bare WebSocket has just opened.
fn raw() -> (Machine, LinkId) {
    let mut server = Machine::new(raw_config(), 0);
    let link = server.attach(0, opens(1)).expect("the first link");
    (server, link)
}

/// A message as a codec without numbers reads it.
fn plain(text: &str) -> Frame {
    numbered(0, text)
}

fn pong(id: u64) -> Frame {
    Frame::Pong { id, received: 0 }
}

#[test]
fn a_message_is_done_once_it_is_on_the_link() {
    let (mut server, link) = raw();
    assert_eq!((server.state(), server.carrier()), (State::Open, Some(1)), "confirmed without a word");
    send_all(&mut server, 1, 3);
    server.flush();
    assert_eq!((server.acknowledged(), server.unacknowledged()), (0, 3));
    let first = server.poll_transmit(10, link).expect("a message");
    assert_eq!(notation(&[first]), "m1:1");
    assert_eq!((server.acknowledged(), server.unacknowledged()), (1, 2), "acknowledged at the write");
    assert_eq!(sent_text(&mut server, 10, link), "m2:2 m3:3", "and nothing is requested of the client");
    assert_eq!((server.acknowledged(), server.outbox_bytes()), (3, 0));
}

#[test]
fn nothing_is_ever_acknowledged() {
    let (mut server, link) = raw();
    server.heartbeat.set_times(HOUR, server.heartbeat.timeout());
    assert!(server.handle_frame(10, link, plain("x")).is_ok());
    assert!(!server.take_deadline_is_nearer());
    assert_eq!(server.poll_timeout().map(|deadline| deadline >= HOUR), Some(true));
    server.handle_timeout(5_000);
    assert_eq!(sent_text(&mut server, 5_000, link), "");
}

#[test]
fn whatever_comes_is_taken_even_beyond_the_limit() {
    let (mut server, link) = raw();
    let long = "x".repeat(1_500);
    for number in 1..=5 {
        assert!(server.handle_frame(10, link, plain(&long)).is_ok());
        assert_eq!(server.is_paused(), number > 2, "the third is over the limit of 4,096 bytes");
    }
    assert_eq!(sent_text(&mut server, 10, link), "", "no pause is sent; the transport stops reading");
    assert_eq!((server.arrivals(), server.received()), (5, 5));
    assert_eq!(taken(&mut server).split(' ').collect::<Vec<_>>(), [&*long; 5], "nothing is lost");
}

#[test]
fn reading_resumes_when_half_of_the_inbox_is_free() {
    let (mut server, link) = raw();
    let long = "x".repeat(1_500);
    receive(&mut server, 10, link, (0..3).map(|_| plain(&long)));
    server.poll_arrival();
    assert!(server.is_paused());
    server.poll_arrival();
    assert!(!server.is_paused());
    receive(&mut server, 20, link, [plain("more")]);
    assert_eq!(taken(&mut server), format!("{long} more"));
    assert_eq!(sent_text(&mut server, 20, link), "");
}

#[test]
fn a_second_link_is_refused_without_harm_to_the_first() {
    let (mut server, link) = raw();
    for ordinal in [1, 2] {
        assert_eq!(code(server.attach(10, opens(ordinal))), reason::DUPLICATE.code);
    }
    receive(&mut server, 20, link, [plain("still here")]);
    assert_eq!((taken(&mut server), server.state()), ("still here".into(), State::Open));
}

#[test]
fn a_cut_ends_the_session_and_counts_the_messages_that_were_not_sent() {
    let (mut server, link) = raw();
    send(&mut server, "sent");
    assert_eq!(sent_text(&mut server, 10, link), "m1:sent");
    send(&mut server, "not sent");
    receive(&mut server, 10, link, [plain("the last")]);
    server.detach(20, link);
    assert_eq!((server.closed(), server.is_over()), (Some(&reason::CUT), true));
    assert_eq!(server.unacknowledged(), 1);
    assert_eq!(taken(&mut server), "the last", "what came before is still received");
    assert_eq!(code(server.attach(30, opens(2))), reason::ENDED.code);
    assert_eq!(server.send(Message::from("late").into()), Err(SendError::Closed));
}

#[test]
fn a_ping_goes_out_in_silence_and_any_answer_is_life() {
    let (mut server, link) = raw();
    assert_eq!(server.poll_timeout(), Some(INTERVAL));
    server.handle_timeout(INTERVAL);
    assert_eq!(sent_text(&mut server, INTERVAL, link), format!("p{INTERVAL}"));
    assert_eq!(server.poll_timeout(), Some(INTERVAL + TIMEOUT));
    receive(&mut server, INTERVAL + 30, link, [pong(INTERVAL)]);
    assert_eq!((server.rtt(), server.acknowledged()), (Some(30), 0));
    assert_eq!(server.poll_timeout(), Some(2 * INTERVAL));
    receive(&mut server, 2 * INTERVAL - 1, link, [plain("a message is life too")]);
    server.handle_timeout(2 * INTERVAL);
    assert_eq!(sent_text(&mut server, 2 * INTERVAL, link), format!("p{}", 2 * INTERVAL), "nothing was sent so long");
    receive(&mut server, 2 * INTERVAL + 20, link, [plain("and so it is an answer")]);
    assert!(server.poll_timeout() > Some(2 * INTERVAL + TIMEOUT));
}

#[test]
fn a_client_that_answers_no_ping_is_gone_at_once() {
    let (mut server, link) = raw();
    send(&mut server, "one");
    assert_eq!(sent_text(&mut server, 0, link), "m1:one");
    server.handle_timeout(INTERVAL);
    assert_eq!(sent_text(&mut server, INTERVAL, link), format!("p{INTERVAL}"));
    send(&mut server, "two");
    server.handle_timeout(INTERVAL + TIMEOUT);
    assert_eq!((server.closed(), server.unacknowledged()), (Some(&reason::HEARTBEAT_TIMEOUT), 1), "no grace");
    assert_eq!(server.link_ending(link), Some(reason::HEARTBEAT_TIMEOUT), "even where nothing can be written");
    assert_eq!(sent_text(&mut server, INTERVAL + TIMEOUT, link), "x4003");
    server.detach(INTERVAL + TIMEOUT + 1, link);
    assert_eq!((server.closed(), server.is_over()), (Some(&reason::HEARTBEAT_TIMEOUT), true));
}

#[test]
fn a_close_goes_behind_all_messages_and_ends_the_session_when_it_is_written() {
    let (mut server, link) = raw();
    send_all(&mut server, 1, 2);
    server.close(CloseReason::new(3000, "bye"));
    assert_eq!(server.send(Message::from("late").into()), Err(SendError::Closed));
    assert_eq!((server.state(), server.closed()), (State::Closing, None));
    assert_eq!(
        sent_text(&mut server, 10, link),
        "m1:1 m2:2 x3000",
        "one close of the WebSocket, and nothing behind it"
    );
    assert_eq!((server.state(), server.unacknowledged()), (State::Closed, 0));
    assert!(server.link_is_over(link) && !server.is_over(), "the connection may still write");
    receive(&mut server, 20, link, [plain("too late"), Frame::LinkClose(CloseReason::new(3000, ""))]);
    assert_eq!((taken(&mut server), server.closed().map(|reason| &*reason.text)), (String::new(), Some("bye")));
    server.detach(30, link);
    assert!(server.is_over());
}

#[test]
fn the_clients_close_ends_the_session_with_its_own_code() {
    for code in [1000, 1001, 1005, 1009, 3000, 3999, 4000, 4100, 4310, 4999] {
        let (mut server, link) = raw();
        send(&mut server, "not sent");
        let close = CloseReason::new(code, "bye");
        receive(&mut server, 10, link, [plain("the last"), Frame::LinkClose(close.clone())]);
        assert_eq!((server.closed(), server.unacknowledged()), (Some(&close), 1));
        assert_eq!(taken(&mut server), "the last");
        assert_eq!(sent_text(&mut server, 10, link), "", "the transport answers the close frame itself");
        server.detach(20, link);
        assert_eq!((server.closed(), server.is_over()), (Some(&close), true));
    }
}

#[test]
fn an_abort_sends_its_reason_and_nothing_else() {
    let (mut server, link) = raw();
    send_all(&mut server, 1, 2);
    receive(&mut server, 10, link, [plain("hello")]);
    server.abort(10, reason::TOO_SLOW);
    assert_eq!((server.unacknowledged(), server.link_ending(link)), (2, Some(reason::TOO_SLOW)));
    assert_eq!(sent_text(&mut server, 10, link), "x4311");
    server.detach(20, link);
    assert_eq!((server.closed(), server.is_over()), (Some(&reason::TOO_SLOW), true));
}

#[test]
fn what_the_transport_cannot_read_ends_the_session_with_that_reason() {
    let (mut server, link) = raw();
    server.end(10, link, reason::TOO_LARGE);
    assert_eq!(server.closed(), Some(&reason::TOO_LARGE));
    assert_eq!(sent_text(&mut server, 10, link), "x4006");
    receive(&mut server, 11, link, [plain("behind it")]);
    server.detach(20, link);
    assert_eq!(taken(&mut server), "");
    assert_eq!((server.closed(), server.is_over()), (Some(&reason::TOO_LARGE), true));
}

#[test]
fn no_frame_of_our_own_protocol_is_ever_sent() {
    // A stream would be probed, were its messages numbered.
    for kind in [LinkKind::Duplex, LinkKind::Stream] {
        let mut server = Machine::new(raw_config(), 0);
        let link = server.attach(0, Attach { kind, ..opens(1) }).expect("the first link");
        let mut frames = Vec::new();
        for round in 0..400 {
            let now = round * 100;
            receive(&mut server, now, link, [plain(&"x".repeat(500)), pong(0)]);
            send(&mut server, &"y".repeat(3_000));
            server.flush();
            if round % 5 == 0 {
                server.handle_timeout(now);
                taken(&mut server);
            }
            frames.extend(sent_frames(&mut server, now, link));
        }
        server.go_away(100, 0);
        frames.extend(sent_frames(&mut server, 40_000, link));
        let sent = notation(&frames);
        let count = |letter: char| sent.split(' ').filter(|one| one.starts_with(letter)).count();
        assert_eq!((count('m'), count('x'), frames.len()), (400, 1, 401), "{kind:?}");
        assert!(sent.ends_with("x1001"), "a server that goes away closes");
        assert_eq!(server.closed(), Some(&reason::GOING_AWAY));
    }
}

#[test]
fn a_full_outbox_refuses_and_drops_without_a_gap() {
    let (mut server, link) = raw();
    let long = Message::from("x".repeat(1_900));
    while server.send(long.clone().into()).is_ok() {}
    assert_eq!(server.send(long.clone().into()), Err(SendError::Full));
    assert_eq!(server.send_droppable(1, long.clone().into()), Ok(false));
    assert!(!server.outbox_fits(1_900));
    let frames = sent_frames(&mut server, 10, link);
    assert!(frames.len() == 2 && frames.iter().all(|frame| matches!(frame, Frame::Message { .. })), "{frames:?}");
    assert!(server.outbox_fits(1_900), "the write has made room");
    send(&mut server, "next");
    assert_eq!(sent_text(&mut server, 20, link), "m3:next");
}

#[test]
fn a_client_whose_answer_is_not_read_is_not_taken_for_dead() {
    let (mut server, link) = raw();
    let long = "x".repeat(1_500);
    receive(&mut server, 0, link, (0..3).map(|_| plain(&long)));
    assert!(server.reading_stops());
    for round in 1..5 {
        let now = server.poll_timeout().expect("a deadline");
        server.handle_timeout(now);
        sent_text(&mut server, now, link);
        assert_eq!((server.closed(), server.state()), (None, State::Open), "round {round}");
    }
    taken(&mut server);
    assert!(!server.reading_stops());
    for _ in 0..3 {
        let now = server.poll_timeout().expect("a deadline");
        server.handle_timeout(now);
        sent_text(&mut server, now, link);
    }
    assert_eq!(server.closed(), Some(&reason::HEARTBEAT_TIMEOUT), "it is read again, and nothing comes");
}
