use super::*;
use crate::session::{SendError, State, machine::Event};

#[test]
fn the_first_flight_needs_no_answer_and_the_answer_carries_messages() {
    let (mut client, mut server) = (client(), server());
    send_all(&mut client, 1, 2);
    send(&mut server, "welcome");
    let up = client.attach(0, opens(1)).expect("a new link");
    let flight = sent_frames(&mut client, 0, up);
    assert_eq!(notation(&flight), "m1:1 m2:2");
    let down = server.attach(0, opens(1)).expect("a new link");
    receive(&mut server, 0, down, flight);
    let answer = sent_frames(&mut server, 0, down);
    assert_eq!(notation(&answer), "snew2 m1:welcome");
    assert_eq!(client.state(), State::Opening);
    receive(&mut client, 0, up, answer);
    assert_eq!((client.state(), client.poll_event()), (State::Open, Some(Event::Opened)));
    assert_eq!((client.acknowledged(), taken(&mut client).as_str()), (2, "welcome"));
    assert_eq!(taken(&mut server), "1 2");
    assert_eq!(sent_text(&mut client, 0, up), "v");
}

#[test]
fn what_a_client_sends_comes_behind_its_confirmation() {
    let mut pair = Pair::opened();
    pair.cut(5);
    send(&mut pair.client, "later");
    let attach = resume(2);
    pair.up = pair.client.attach(6, attach).expect("a new link");
    pair.down = pair.server.attach(6, attach).expect("a new link");
    let start = sent_frames(&mut pair.server, 6, pair.down);
    receive(&mut pair.client, 6, pair.up, start);
    assert_eq!(sent_text(&mut pair.client, 6, pair.up), "v m1:later");
}

#[test]
fn the_loser_of_a_race_of_openings_ends_only_itself() {
    let mut pair = Pair::opened();
    while pair.client.poll_event().is_some() {}
    for (ordinal, code) in [(2, 4102), (3, 4103), (4, 4310)] {
        let late = pair.client.attach(1, opens(ordinal)).expect("a new link");
        receive(&mut pair.client, 2, late, [Frame::LinkClose(CloseReason::new(code, ""))]);
        assert_eq!((pair.client.poll_event(), pair.client.state()), (None, State::Open), "{code}");
        assert!(pair.client.link_is_over(late));
    }
    receive(&mut pair.client, 2, pair.up, [Frame::LinkClose(CloseReason::new(4100, ""))]);
    assert!(matches!(pair.client.poll_event(), Some(Event::Lost(_))), "an unknown session is lost");
}

#[test]
fn an_opening_that_was_never_answered_can_be_spent_by_another() {
    let mut client = client();
    let up = client.attach(0, opens(1)).expect("a new link");
    receive(&mut client, 0, up, [Frame::LinkClose(CloseReason::new(4102, ""))]);
    assert!(matches!(client.poll_event(), Some(Event::Lost(_))));
}

#[test]
fn a_lost_session_gives_back_what_may_have_arrived_and_what_was_never_sent() {
    let mut pair = Pair::opened();
    send_all(&mut pair.client, 1, 3);
    let flight = sent_frames(&mut pair.client, 1, pair.up);
    receive(&mut pair.server, 1, pair.down, flight.into_iter().take(1));
    receive(&mut pair.client, 1, pair.up, [Frame::Ack { received: 1 }]);
    send(&mut pair.client, "4");
    let (unknown, unsent) = pair.client.salvage();
    let texts = |payloads: Vec<Payload>| {
        let texts = payloads.iter().filter_map(|payload| payload.as_message()?.as_text());
        texts.collect::<Vec<_>>().join(" ")
    };
    assert_eq!((texts(unknown).as_str(), texts(unsent).as_str()), ("2 3", "4"));
}

#[test]
fn frames_of_the_wrong_half_are_violations() {
    let start = super::super::Attached {
        outcome: Outcome::Full,
        received: 0,
        names: Names::default(),
        grant: None,
        secret: None,
    };
    for frame in [Frame::Ping { id: 1, received: None }, Frame::GoAway { delay: 1 }, Frame::Attached(start)] {
        let mut pair = Pair::opened();
        assert_eq!(pair.server.handle_frame(1, pair.down, frame).expect_err("a violation").code, 4004);
    }
    for frame in [Frame::Pong { id: 1, received: 0 }, Frame::Confirm] {
        let mut pair = Pair::opened();
        assert_eq!(pair.client.handle_frame(1, pair.up, frame).expect_err("a violation").code, 4004);
    }
    let mut pair = Pair::opened();
    assert!(pair.server.handle_frame(1, pair.down, Frame::Ping { id: 1, received: None }).is_err());
    receive(&mut pair.server, 1, pair.down, [numbered(1, "behind a violation")]);
    assert_eq!(taken(&mut pair.server), "");
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "x4004");
    assert!(pair.server.link_is_over(pair.down));
    assert_eq!(pair.server.closed(), None, "a violation ends the link, not the session");
}

#[test]
fn the_last_number_is_kept_for_a_close() {
    let config = Config { base: super::super::frame::MAX_NUMBER - 3, ..config(Role::Client) };
    let mut client = Machine::new(config, 0);
    let link = client.attach(0, opens(1)).expect("a new link");
    send_all(&mut client, 1, 2);
    assert_eq!(client.send(Message::from("3").into()), Err(SendError::Exhausted));
    assert_eq!(client.send_droppable(1, Message::from("3").into()), Err(SendError::Exhausted));
    client.close(CloseReason::new(4312, ""));
    assert_eq!(sent_text(&mut client, 0, link), "m9007199254740989:1 m9007199254740990:2 c9007199254740991:4312 w");
    for number in [0, super::super::frame::MAX_NUMBER + 1] {
        for frame in [numbered(number, ""), Frame::Close { number, reason: CloseReason::new(1000, "") }] {
            let mut server = server();
            let down = server.attach(0, opens(1)).expect("a new link");
            assert_eq!(server.handle_frame(0, down, frame).expect_err("out of range").code, 4004);
        }
    }
}

#[test]
fn the_largest_number_is_valid() {
    let max = super::super::frame::MAX_NUMBER;
    let mut server = Machine::new(Config { base: max - 1, ..config(Role::Server) }, 0);
    let down = server.attach(0, opens(1)).expect("a new link");
    assert!(server.handle_frame(0, down, numbered(max, "last")).is_ok());
    assert_eq!(taken(&mut server), "last");
    let mut server = Machine::new(Config { base: max - 2, ..config(Role::Server) }, 0);
    let down = server.attach(0, opens(1)).expect("a new link");
    assert!(server.handle_frame(0, down, Frame::Gap { from: max - 1, to: max }).is_ok());
    assert_eq!(server.received(), max);
    let mut server = Machine::new(Config { base: max - 1, ..config(Role::Server) }, 0);
    let down = server.attach(0, opens(1)).expect("a new link");
    let close = Frame::Close { number: max, reason: CloseReason::new(1000, "") };
    assert!(server.handle_frame(0, down, close).is_ok());
    assert!(server.closed().is_some());
}
