//! A session of Engine.IO that is parked when it is cut, and goes on with the connection of another one.

use super::*;
use crate::session::{Stage, State, reason, rules::ENGINE_IO_4};

fn config() -> Config {
    Config { rules: &ENGINE_IO_4, interval: 300, timeout: 200, ..super::config(Role::Server) }
}

/// A session that is one WebSocket, opened at this time.
fn socket(now: u64) -> (Machine, LinkId) {
    let mut server = Machine::new(config(), now);
    server.park_when_cut();
    let link = server.attach(now, Attach { seen: true, ..opens(1) }).expect("a new session");
    (server, link)
}

/// A session that is polled; nothing polls now.
fn polled(now: u64) -> Machine {
    let mut server = Machine::new(config(), now);
    server.park_when_cut();
    let attach = Attach { kind: LinkKind::Opening, seen: true, ..opens(1) };
    let handshake = server.attach(now, attach).expect("a new session");
    server.complete(handshake);
    server.detach(now, handshake);
    server
}

fn poll(server: &mut Machine, now: u64) -> Result<LinkId, CloseReason> {
    server.attach(now, Attach { seen: true, kind: LinkKind::Poll { hold: u64::MAX }, ..resume(1) })
}

fn unwritten(server: &mut Machine) -> Vec<String> {
    let text =
        |message: crate::broadcast::OutMessage| message.into_payload().into_message().as_text().map(str::to_owned);
    server.take_unwritten().into_iter().filter_map(|(_, message)| text(message)).collect()
}

#[test]
fn a_cut_parks_and_nothing_attaches() {
    let (mut server, link) = socket(0);
    send(&mut server, "written");
    assert_eq!(sent_text(&mut server, 0, link), "m1:written");
    send(&mut server, "not");
    server.detach(10, link);
    assert!(server.is_parked() && server.closed().is_none());
    assert_eq!((server.state(), server.stage(), server.parked_since()), (State::Interrupted, Stage::Over, Some(10)));
    assert_eq!(server.poll_timeout(), None, "somebody else decides how long it waits");
    server.handle_timeout(1_000_000);
    assert!(server.is_parked());
    assert_eq!(poll(&mut server, 20), Err(reason::ENDED));
    assert_eq!(server.attach(20, resume(2)), Err(reason::ENDED));
    assert_eq!(server.expect_upload(20), Err(reason::ENDED));
    assert_eq!(unwritten(&mut server), ["not"]);
    assert_eq!((server.unacknowledged(), server.acknowledged()), (0, 2));
    server.give_up(30);
    assert_eq!((server.closed(), server.is_over(), server.is_parked()), (Some(&reason::CUT), true, false));
}

#[test]
fn each_loss_of_the_connection_parks_and_what_the_server_ends_does_not() {
    type Loss = fn(&mut Machine, LinkId);
    let losses: [(Loss, bool); 8] = [
        (|server, link| server.detach(5, link), true),
        (|server, link| receive(server, 5, link, [Frame::LinkClose(reason::NO_STATUS)]), true),
        (|server, link| receive(server, 5, link, [Frame::Close { number: 0, reason: reason::CLOSED }]), true),
        (
            |server, link| {
                server.handle_timeout(300);
                assert_eq!(sent_text(server, 300, link), "p300");
                server.handle_timeout(500);
            },
            true,
        ),
        (|server, _| server.abort(5, reason::ABORTED), false),
        (|server, link| server.end(5, link, reason::MALFORMED), false),
        (
            |server, link| {
                server.close(reason::CLOSED);
                server.detach(5, link);
            },
            false,
        ),
        (|server, link| assert!(server.handle_frame(5, link, Frame::Ping { id: 1, received: None }).is_err()), false),
    ];
    for (at, (loss, parks)) in losses.into_iter().enumerate() {
        let (mut server, link) = socket(0);
        loss(&mut server, link);
        assert_eq!((server.is_parked(), server.closed().is_some()), (parks, !parks), "{at}");
        assert!(!parks || server.link_is_over(link), "{at}: its transport is dropped");
        server.detach(600, link);
        assert_eq!(server.is_parked(), parks, "{at}");
    }
    let mut server = polled(0);
    server.handle_timeout(300);
    server.handle_timeout(500);
    assert!(server.is_parked(), "a ping that nobody fetches");
}

#[test]
fn it_goes_on_with_a_websocket_and_its_heartbeat() {
    let (mut former, link) = socket(0);
    former.detach(10, link);
    let (mut server, new) = socket(1_000);
    server.handle_timeout(1_300);
    assert_eq!(sent_text(&mut server, 1_300, new), "p1300");
    send(&mut server, "of the connection");
    let (before, here) = former.go_on_with(1_310, &mut server).expect("a WebSocket");
    assert_eq!(before, new);
    assert_ne!(here, link, "an id is used once");
    send(&mut former, "next");
    assert_eq!(sent_text(&mut former, 1_310, here), "m1:of the connection m2:next");
    assert_eq!((former.state(), former.stage()), (State::Open, Stage::WebSocket));
    assert!(server.link_is_over(new) && server.is_over() && server.closed() == Some(&reason::MOVED));
    assert_eq!(server.attach(1_310, resume(2)), Err(reason::MOVED));
    server.detach(1_320, new);
    receive(&mut former, 1_400, here, [Frame::Pong { id: u64::MAX, received: 0 }]);
    assert_eq!(former.poll_timeout(), Some(1_700), "the next ping is that of the connection");
    former.detach(1_410, here);
    assert!(former.is_parked());
}

#[test]
fn it_goes_on_with_polls_that_move_to_a_websocket() {
    for probed in [false, true] {
        let (mut former, link) = socket(0);
        former.detach(10, link);
        let mut server = polled(1_000);
        let waits = poll(&mut server, 1_000).unwrap();
        let candidate = probed.then(|| server.attach(1_000, resume(2)).unwrap());
        if let Some(candidate) = candidate {
            receive(&mut server, 1_000, candidate, [Frame::Probe]);
        }
        let moved = former.go_on_with(1_010, &mut server);
        assert_eq!(moved.map(|(before, _)| before), candidate);
        assert_eq!(sent_text(&mut server, 1_010, waits), "", "the poll is answered empty");
        assert!(server.link_is_over(waits));
        send(&mut former, "missed");
        let socket = match moved {
            Some((_, here)) => here,
            None => {
                let here = former.attach(1_020, resume(2)).unwrap();
                receive(&mut former, 1_020, here, [Frame::Probe]);
                here
            }
        };
        assert_eq!(sent_text(&mut former, 1_020, socket), "probe", "it carries nothing before it is confirmed");
        assert_eq!(former.stage(), Stage::Probing);
        receive(&mut former, 1_030, socket, [Frame::Confirm]);
        assert_eq!(sent_text(&mut former, 1_030, socket), "m1:missed");
        assert_eq!(poll(&mut former, 1_040), Err(reason::LATE));
    }
    // It is polled on.
    let (mut former, link) = socket(0);
    former.detach(10, link);
    assert!(former.go_on_with(1_010, &mut polled(1_000)).is_none());
    send(&mut former, "missed");
    let waits = poll(&mut former, 1_020).unwrap();
    assert_eq!(sent_text(&mut former, 1_020, waits), "m1:missed");
    former.complete(waits);
    former.detach(1_030, waits);
    assert!(!former.is_parked());
}
