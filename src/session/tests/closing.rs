use super::*;
use crate::session::{SendError, State, machine::Event, reason};

fn bye() -> CloseReason {
    CloseReason::new(3000, "bye")
}

#[test]
fn everything_sent_before_a_close_arrives_before_it() {
    let mut pair = Pair::opened();
    send_all(&mut pair.client, 1, 3);
    pair.client.close(bye());
    assert_eq!(pair.client.state(), State::Closing);
    pair.talk(1);
    assert_eq!((pair.client.closed(), pair.server.closed()), (Some(&bye()), Some(&bye())));
    assert_eq!((pair.client.state(), pair.client.unacknowledged()), (State::Closed, 0));
    assert_eq!(taken(&mut pair.server), "1 2 3");
    assert!(!pair.server.is_over(), "its acknowledgement of the close may be lost");
}

#[test]
fn a_close_is_replayed_like_a_message() {
    let mut pair = Pair::opened();
    send(&mut pair.server, "last");
    pair.server.close(bye());
    pair.cut(1);
    assert_eq!(pair.server.state(), State::Closing);
    pair.resume(2, 2);
    assert_eq!((pair.client.closed(), pair.server.closed()), (Some(&bye()), Some(&bye())));
    assert_eq!(taken(&mut pair.client), "last");
    assert!(pair.server.is_over(), "the client has answered that it is done");
}

#[test]
fn a_half_that_has_closed_goes_on_taking() {
    let mut pair = Pair::opened();
    pair.server.close(bye());
    receive(&mut pair.server, 1, pair.down, [numbered(1, "still")]);
    assert_eq!((taken(&mut pair.server).as_str(), pair.server.closed()), ("still", None));
}

#[test]
fn a_half_that_has_taken_a_close_is_done() {
    let mut pair = Pair::opened();
    send(&mut pair.server, "never sent");
    receive(&mut pair.server, 1, pair.down, [Frame::Close { number: 1, reason: bye() }, numbered(2, "behind the end")]);
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "a1 x1000");
    assert_eq!((taken(&mut pair.server).as_str(), pair.server.unacknowledged()), ("", 1));
}

#[test]
fn both_may_close_at_once() {
    let mut pair = Pair::opened();
    pair.client.close(bye());
    pair.server.close(CloseReason::new(1000, ""));
    pair.talk(1);
    assert_eq!((pair.client.state(), pair.server.state()), (State::Closed, State::Closed));
}

#[test]
fn closing_twice_keeps_the_first_reason() {
    let mut pair = Pair::opened();
    pair.client.close(bye());
    pair.client.close(CloseReason::new(1000, "again"));
    pair.talk(1);
    assert_eq!((pair.server.closed(), pair.server.received()), (Some(&bye()), 1));
    pair.client.close(CloseReason::new(1000, "after the end"));
    assert_eq!(pair.client.closed(), Some(&bye()));
}

#[test]
fn a_repeated_close_is_acknowledged_again() {
    let mut pair = Pair::opened();
    let close = || Frame::Close { number: 1, reason: bye() };
    receive(&mut pair.server, 1, pair.down, [close()]);
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "a1 x1000");
    let upload = pair.server.attach(2, upload()).expect("it is remembered for a while");
    receive(&mut pair.server, 2, upload, [close()]);
    assert_eq!(sent_text(&mut pair.server, 2, upload), "a1");
    let down = pair.server.attach(3, resume(2)).expect("it is remembered for a while");
    receive(&mut pair.server, 3, down, [close()]);
    assert_eq!(sent_text(&mut pair.server, 3, down), "sfull1 a1 x1000");
}

#[test]
fn every_link_of_a_closed_session_sends_an_acknowledgement() {
    let mut server = server();
    let low = server.attach(0, opens(1)).expect("a new link");
    let high = server.attach(0, opens(2)).expect("a new link");
    receive(&mut server, 1, high, [Frame::Close { number: 1, reason: bye() }]);
    assert_eq!(sent_text(&mut server, 1, low), "snew1 a1 x1000");
    assert_eq!(sent_text(&mut server, 1, high), "snew1 a1 x1000");
}

#[test]
fn a_replaced_link_of_a_closed_session_ends_as_replaced() {
    let mut pair = Pair::opened();
    let high = pair.server.attach(1, resume(2)).expect("a new link");
    receive(&mut pair.server, 1, high, [Frame::Confirm, Frame::Close { number: 1, reason: bye() }]);
    assert_eq!(
        sent_text(&mut pair.server, 1, pair.down),
        "a1 x4000",
        "no 41xx: the client might think its session lost"
    );
}

#[test]
fn an_ended_session_is_remembered_for_the_grace_time() {
    let mut pair = Pair::opened();
    receive(&mut pair.server, 100, pair.down, [Frame::Close { number: 1, reason: bye() }]);
    sent_frames(&mut pair.server, 100, pair.down);
    pair.server.detach(100, pair.down);
    pair.server.handle_timeout(100 + GRACE - 1);
    assert!(!pair.server.is_over());
    pair.server.handle_timeout(100 + GRACE);
    assert!(pair.server.is_over());
    assert_eq!(code(pair.server.attach(100 + GRACE, resume(2))), 4103);
    pair.server.handle_timeout(100 + 9 * GRACE);
    assert!(pair.server.is_over());
}

#[test]
fn a_client_remembers_its_end_as_long() {
    let mut pair = Pair::opened();
    receive(&mut pair.client, 100, pair.up, [Frame::Close { number: 1, reason: bye() }]);
    assert_eq!(sent_text(&mut pair.client, 100, pair.up), "a1 x1000");
    pair.client.handle_timeout(100 + GRACE - 1);
    assert!(!pair.client.is_over());
    pair.client.handle_timeout(100 + GRACE);
    assert!(pair.client.is_over());
}

#[test]
fn an_abort_ends_at_once() {
    let mut pair = Pair::opened();
    send(&mut pair.server, "under way");
    pair.server.abort(1, CloseReason::new(4310, "enough"));
    assert_eq!(pair.server.unacknowledged(), 1);
    let sent = sent_frames(&mut pair.server, 1, pair.down);
    assert_eq!(notation(&sent), "a0 x4310");
    receive(&mut pair.client, 1, pair.up, sent);
    assert_eq!(pair.client.closed(), Some(&CloseReason::new(4310, "enough")));
    assert_eq!(
        code(pair.server.attach(2, resume(2)).and_then(|link| {
            let sent = sent_frames(&mut pair.server, 2, link);
            assert_eq!(notation(&sent), "sfull0 a0 x4310", "a client that comes back gets it too");
            pair.server.handle_timeout(1 + 2 * GRACE);
            pair.server.attach(2 * GRACE, resume(3))
        })),
        4310
    );
}

#[test]
fn a_client_can_abort() {
    let mut pair = Pair::opened();
    pair.client.abort(1, CloseReason::new(4310, "enough"));
    pair.talk(1);
    assert_eq!(pair.server.closed(), Some(&CloseReason::new(4310, "enough")));
    pair.client.abort(2, CloseReason::new(4310, "again"));
    assert_eq!(pair.client.closed(), Some(&CloseReason::new(4310, "enough")));
}

#[test]
fn a_link_close_that_does_not_end_the_session_leaves_it_alone() {
    for ended in [1000, 4000, 4003, 4005, 4200] {
        let mut pair = Pair::opened();
        receive(&mut pair.client, 1, pair.up, [Frame::LinkClose(CloseReason::new(ended, ""))]);
        assert_eq!((pair.client.closed(), pair.client.link_is_over(pair.up)), (None, true), "{ended}");
        receive(&mut pair.server, 1, pair.down, [Frame::LinkClose(CloseReason::new(ended, ""))]);
        assert_eq!((pair.server.closed(), pair.server.is_over()), (None, false), "{ended}");
    }
    for ended in [4300, 4301, 4311, 4400] {
        let mut pair = Pair::opened();
        receive(&mut pair.client, 1, pair.up, [Frame::LinkClose(CloseReason::new(ended, ""))]);
        assert_eq!(pair.client.closed().map(|reason| reason.code), Some(ended));
    }
}

#[test]
fn a_client_that_answers_an_abort_lets_the_server_forget() {
    let mut pair = Pair::opened();
    pair.server.abort(1, CloseReason::new(4310, ""));
    receive(&mut pair.server, 1, pair.down, [Frame::LinkClose(CloseReason::new(4310, ""))]);
    assert!(pair.server.is_over());
}

#[test]
fn a_session_that_was_aborted_is_not_resumed() {
    for code in [4310, 4311, 4105, 4005] {
        let mut pair = Pair::opened();
        pair.cut(1);
        pair.server.abort(2, CloseReason::new(code, ""));
        assert!(!pair.server.is_over(), "it is remembered");
        assert_eq!(super::code(pair.server.attach(3, resume(2))), code, "an answer would be: nothing is missing");
    }
}

#[test]
fn a_link_of_a_session_that_fell_behind_ends_with_its_code() {
    let mut pair = Pair::opened();
    send(&mut pair.client, "taken");
    let sent = sent_frames(&mut pair.client, 1, pair.up);
    receive(&mut pair.server, 1, pair.down, sent);
    pair.server.abort(2, reason::FELL_BEHIND);
    assert_eq!(sent_text(&mut pair.server, 2, pair.down), "a1 x4105");
    assert_eq!(pair.server.link_ending(pair.down), Some(reason::FELL_BEHIND), "a link that cannot write ends too");
    receive(&mut pair.client, 3, pair.up, [Frame::Ack { received: 1 }, Frame::LinkClose(reason::FELL_BEHIND)]);
    let lost = std::iter::from_fn(|| pair.client.poll_event()).last();
    assert_eq!(lost, Some(Event::Lost(reason::FELL_BEHIND)), "the client may open another one");
}

#[test]
fn a_reason_reads_as_its_code_and_its_text() {
    assert_eq!(bye().to_string(), "3000 bye");
    assert_eq!(CloseReason::new(1000, "").to_string(), "1000");
}

#[test]
fn a_page_that_went_away_has_its_code() {
    assert!(CloseReason::new(1001, "").is_page_gone());
    assert!(!bye().is_page_gone());
}

#[test]
fn links_that_leave_an_ended_session_do_not_prolong_its_memory() {
    let mut pair = Pair::opened();
    receive(&mut pair.server, 100, pair.down, [Frame::Close { number: 1, reason: bye() }]);
    for _ in 0..2 {
        assert_eq!(pair.server.poll_timeout(), Some(100 + GRACE));
        pair.server.detach(500, pair.down);
    }
}

#[test]
fn a_close_is_sent_behind_an_acknowledgement_of_what_was_taken() {
    let mut pair = Pair::opened();
    receive(&mut pair.server, 1, pair.down, [numbered(1, "too little to acknowledge")]);
    pair.server.close(bye());
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "a1 c1:3000 w", "it must not look lost to the client");
}

#[test]
fn nothing_is_sent_behind_a_close() {
    let mut pair = Pair::opened();
    pair.client.close(bye());
    assert_eq!(pair.client.send(Message::from("late").into()), Err(SendError::Closed));
    assert_eq!(sent_text(&mut pair.client, 1, pair.up), "c1:3000 w");
}

#[test]
fn only_a_client_whose_session_is_open_can_lose_it() {
    let lost = || Frame::LinkClose(CloseReason::new(4100, ""));
    let mut pair = Pair::opened();
    while pair.client.poll_event().is_some() {}
    receive(&mut pair.server, 1, pair.down, [lost()]);
    assert_eq!((pair.server.poll_event(), pair.server.closed()), (None, None));
    receive(&mut pair.client, 1, pair.up, [Frame::Close { number: 1, reason: bye() }, lost()]);
    assert_eq!((pair.client.poll_event(), pair.client.closed()), (None, Some(&bye())));
}

#[test]
fn a_client_closes_with_a_code_of_its_own_only() {
    for code in [0, 1, 999, 1002, 1005, 1006, 1011, 2999, 4000, 4004, 4310, 4999, 65_535] {
        let mut pair = Pair::opened();
        let close = Frame::Close { number: 1, reason: CloseReason::new(code, "bye") };
        assert_eq!(pair.server.handle_frame(1, pair.down, close).expect_err("not a client's").code, 4004, "{code}");
        assert_eq!((pair.server.closed(), pair.server.received()), (None, 0), "{code}");
        assert_eq!(sent_text(&mut pair.server, 1, pair.down), "x4004", "{code}: only the link ends");
    }
    for code in [1000, 1001, 3000, 3999] {
        let mut pair = Pair::opened();
        receive(&mut pair.server, 1, pair.down, [Frame::Close { number: 1, reason: CloseReason::new(code, "bye") }]);
        assert_eq!(pair.server.closed().map(|reason| reason.code), Some(code));
    }
    let mut pair = Pair::opened();
    receive(&mut pair.client, 1, pair.up, [Frame::Close { number: 1, reason: CloseReason::new(1011, "") }]);
    assert_eq!(pair.client.closed().map(|reason| reason.code), Some(1011), "a server has more codes");
}

#[test]
fn a_client_aborts_with_one_code_only() {
    for code in [0, 1000, 4004, 4100, 4300, 4301, 4311, 4400, 65_535] {
        let mut pair = Pair::opened();
        receive(&mut pair.server, 1, pair.down, [Frame::LinkClose(CloseReason::new(code, "x"))]);
        assert_eq!(pair.server.closed(), None, "{code} ends the link");
        assert!(pair.server.link_is_over(pair.down), "{code}");
    }
}
