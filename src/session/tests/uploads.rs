use super::*;

/// A client whose link is a stream over HTTP, and its server.
fn streaming() -> (Machine, Machine, LinkId, LinkId) {
    let (mut client, mut server) = (client(), server());
    let up = client.attach(0, Attach { kind: LinkKind::Opening, ..opens(1) }).expect("a new link");
    let down = server.attach(0, Attach { kind: LinkKind::Opening, ..opens(1) }).expect("a new link");
    let start = sent_frames(&mut server, 0, down);
    receive(&mut client, 0, up, start);
    client.detach(0, up);
    server.detach(0, down);
    let up = client.attach(0, turn(1, 1, LinkKind::Stream)).expect("the next turn");
    let down = server.attach(0, turn(1, 1, LinkKind::Stream)).expect("the next turn");
    let start = sent_frames(&mut server, 0, down);
    receive(&mut client, 0, up, start);
    assert_eq!((client.carrier(), server.carrier()), (Some(1), Some(1)));
    (client, server, up, down)
}

/// One upload: the body, and the server's answer to it.
fn post(client: &mut Machine, server: &mut Machine, now: u64) -> (LinkId, String, Vec<Frame>) {
    let link = client.attach(now, upload()).expect("an upload");
    let body = sent_frames(client, now, link);
    let sent = notation(&body);
    let there = server.attach(now, Attach { received: client.received(), ..upload() }).expect("an upload");
    receive(server, now, there, body);
    let answer = sent_frames(server, now, there);
    assert!(server.link_is_over(there), "an answer is one frame");
    server.detach(now, there);
    (link, sent, answer)
}

#[test]
fn the_answer_to_an_upload_is_an_acknowledgement() {
    let (mut client, mut server, ..) = streaming();
    assert!(!client.wants_upload());
    send_all(&mut client, 1, 3);
    assert!(client.wants_upload());
    let (link, body, answer) = post(&mut client, &mut server, 1);
    assert_eq!((body.as_str(), notation(&answer).as_str()), ("m1:1 m2:2 m3:3", "a3"));
    receive(&mut client, 1, link, answer);
    client.detach(1, link);
    assert!(!client.wants_upload());
    assert_eq!(taken(&mut server), "1 2 3");
    let (_, body, answer) = post(&mut client, &mut server, 2);
    assert_eq!((body.as_str(), notation(&answer).as_str()), ("", "a3"), "an empty one is answered as well");
}

#[test]
fn an_upload_is_sent_again_with_more_and_nothing_is_taken_twice() {
    let (mut client, mut server, ..) = streaming();
    send_all(&mut client, 1, 2);
    let (lost, ..) = post(&mut client, &mut server, 1);
    client.detach(2, lost);
    send(&mut client, "3");
    let (link, body, answer) = post(&mut client, &mut server, 2);
    assert_eq!((body.as_str(), notation(&answer).as_str()), ("m1:1 m2:2 m3:3", "a3"));
    receive(&mut client, 2, link, answer);
    assert_eq!(client.acknowledged(), 3);
    assert_eq!(taken(&mut server), "1 2 3");
}

#[test]
fn an_upload_that_begins_beyond_is_not_taken() {
    let (_, mut server, ..) = streaming();
    let link = server.attach(1, upload()).expect("an upload");
    receive(&mut server, 1, link, [numbered(3, "c"), numbered(4, "d")]);
    assert_eq!(sent_text(&mut server, 1, link), "a0");
    assert_eq!(taken(&mut server), "");
}

#[test]
fn what_an_unanswered_upload_sent_is_sent_again() {
    let (mut client, mut server, up, down) = streaming();
    send(&mut server, "a");
    server.flush();
    let sent = sent_frames(&mut server, 1, down);
    receive(&mut client, 1, up, sent);
    assert!(client.wants_upload(), "an acknowledgement is requested");
    let (lost, ..) = post(&mut client, &mut server, 1);
    assert!(!client.wants_upload(), "it is on its way");
    client.detach(2, lost);
    assert!(client.wants_upload(), "and may be lost");
    let (link, _, answer) = post(&mut client, &mut server, 3);
    receive(&mut client, 3, link, answer);
    client.detach(3, link);
    assert!(!client.wants_upload());
    assert_eq!(server.acknowledged(), 1);
}

#[test]
fn a_refusal_is_no_answer() {
    let (mut client, mut server, up, down) = streaming();
    send(&mut server, "a");
    server.flush();
    let sent = sent_frames(&mut server, 1, down);
    receive(&mut client, 1, up, sent);
    let link = client.attach(1, upload()).expect("an upload");
    receive(&mut client, 1, link, [Frame::LinkClose(CloseReason::new(4007, ""))]);
    assert!(client.link_is_over(link));
    client.detach(1, link);
    assert!(client.wants_upload());
}

#[test]
fn pongs_and_signs_of_life_go_by_upload() {
    let (mut client, mut server, up, down) = streaming();
    server.handle_timeout(INTERVAL);
    let ping = sent_frames(&mut server, INTERVAL, down);
    assert_eq!(notation(&ping), "p1000");
    receive(&mut client, INTERVAL + 30, up, ping);
    assert!(client.wants_upload());
    let (_, body, _) = post(&mut client, &mut server, INTERVAL + 60);
    assert_eq!(body, "q1000,0");
    assert_eq!(server.rtt(), Some(60));
}

#[test]
fn a_violation_in_an_upload_ends_the_upload() {
    let (_, mut server, _, down) = streaming();
    let link = server.attach(1, upload()).expect("an upload");
    assert_eq!(server.handle_frame(1, link, Frame::Ack { received: 7 }).expect_err("beyond").code, 4004);
    assert_eq!(sent_text(&mut server, 1, link), "x4004");
    assert!(server.link_is_over(link) && !server.link_is_over(down));
    assert_eq!(code(server.attach(1, Attach { received: 7, ..upload() })), 4004);
}

#[test]
fn an_abort_goes_by_upload() {
    let (mut client, mut server, _, down) = streaming();
    client.abort(1, CloseReason::new(4310, "enough"));
    assert!(client.wants_upload());
    let (lost, body, _) = post(&mut client, &mut super::server(), 1);
    assert_eq!(body, "x4310");
    assert!(!client.wants_upload());
    client.detach(2, lost);
    assert!(client.wants_upload(), "the answer did not come");
    let (link, body, answer) = post(&mut client, &mut server, 2);
    assert_eq!((body.as_str(), notation(&answer).as_str()), ("x4310", "a0"));
    receive(&mut client, 2, link, answer);
    client.detach(2, link);
    assert!(!client.wants_upload());
    assert_eq!(server.closed().map(|reason| reason.code), Some(4310));
    assert_eq!(sent_text(&mut server, 2, down), "a0 x4310");
}

#[test]
fn a_poll_is_answered_at_its_deadline() {
    let mut server = server();
    server.attach(0, Attach { kind: LinkKind::Opening, ..opens(1) }).expect("a new link");
    let poll = server.attach(10, turn(1, 1, POLL)).expect("the next turn");
    assert_eq!(sent_text(&mut server, 10, poll), "sfull0");
    server.handle_timeout(5_009);
    assert!(!server.link_is_over(poll));
    assert_eq!(server.poll_timeout(), Some(5_010));
    server.handle_timeout(5_010);
    assert!(server.link_is_over(poll));
    assert_eq!(server.closed(), None);
}

#[test]
fn a_request_for_a_downlink_sends_nothing_up() {
    let (mut client, _, up, _) = streaming();
    send(&mut client, "waits for an upload");
    client.abort(1, CloseReason::new(4310, ""));
    assert_eq!(sent_text(&mut client, 1, up), "");
}

#[test]
fn the_answer_of_a_late_upload_takes_nothing_from_a_websocket() {
    let mut pair = Pair::opened();
    let late = pair.server.attach(1, upload()).expect("an upload");
    receive(&mut pair.server, 1, pair.down, [numbered(1, "a"), Frame::AckRequest]);
    assert_eq!(sent_text(&mut pair.server, 1, late), "a1");
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "a1", "a request is answered on its own link");
}

#[test]
fn an_upload_is_a_sign_of_life_for_the_server_alone() {
    let (mut client, mut server, _, down) = streaming();
    let link = client.attach(100, upload()).expect("an upload");
    let there = server.attach(100, upload()).expect("an upload");
    server.handle_timeout(INTERVAL);
    assert_eq!(sent_text(&mut server, INTERVAL, down), "p1000");
    receive(&mut server, INTERVAL + TIMEOUT - 1, there, [numbered(1, "here")]);
    server.handle_timeout(INTERVAL + TIMEOUT);
    assert!(!server.link_is_over(down));
    let before = client.poll_timeout();
    receive(&mut client, INTERVAL, link, [Frame::Ack { received: 0 }]);
    assert_eq!(client.poll_timeout(), before, "the stream may be dead all the same");
}

#[test]
fn a_client_that_is_done_acknowledges_a_repeat_and_nothing_else() {
    let close = |number| Frame::Close { number, reason: CloseReason::new(1000, "") };
    for (beyond, repeat) in [(numbered(3, "behind the end"), numbered(1, "a")), (close(3), close(2))] {
        let (mut client, mut server, up, down) = streaming();
        send(&mut server, "a");
        server.close(CloseReason::new(1000, ""));
        let sent = sent_frames(&mut server, 1, down);
        receive(&mut client, 1, up, sent);
        assert!(client.wants_upload());
        let (link, _, answer) = post(&mut client, &mut server, 1);
        receive(&mut client, 1, link, answer);
        client.detach(1, link);
        receive(&mut client, 2, up, [beyond]);
        assert!(!client.wants_upload());
        receive(&mut client, 2, up, [repeat]);
        assert!(client.wants_upload(), "the server has not received the acknowledgement");
    }
}
