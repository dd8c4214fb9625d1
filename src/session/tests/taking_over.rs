use super::*;
use crate::packet::Packet;

fn takes(ordinal: u64, received: u64) -> Attach {
    Attach { received, ..resume(ordinal) }
}

#[test]
fn another_page_goes_on_where_the_older_one_stood() {
    let mut pair = Pair::opened();
    send_all(&mut pair.client, 1, 2);
    send_all(&mut pair.server, 1, 3);
    pair.talk(1);
    send(&mut pair.server, "4");
    send(&mut pair.client, "3");
    let late = sent_frames(&mut pair.client, 2, pair.up);
    assert_eq!(notation(&late), "m3:3");
    assert_eq!(sent_text(&mut pair.server, 2, pair.down), "m4:4");

    let new = pair.server.take_over(3, takes(2, 3), false).expect("a new link");
    assert_eq!(sent_text(&mut pair.server, 3, pair.down), "x4104");
    receive(&mut pair.server, 3, pair.down, late);
    assert_eq!(sent_text(&mut pair.server, 3, new), "snew2 m4:4", "what the older page sent meanwhile was not read");
    receive(&mut pair.server, 4, new, [Frame::Confirm, numbered(3, "three")]);
    assert_eq!(taken(&mut pair.server), "1 2 three");
    pair.server.detach(5, pair.down);
    send(&mut pair.server, "5");
    assert_eq!(sent_text(&mut pair.server, 5, new), "m5:5");
}

#[test]
fn a_link_between_its_turns_carries_no_more() {
    for kind in [POLL, LinkKind::Stream] {
        let mut server = server();
        let opening = server.attach(0, Attach { opening: true, ..turn(1, 0, LinkKind::Opening) }).expect("a new link");
        sent_frames(&mut server, 0, opening);
        server.detach(0, opening);
        let waits = server.attach(1, turn(1, 1, kind)).expect("the next turn");
        if kind == POLL {
            server.detach(2, waits);
        }
        assert_eq!(server.carrier(), Some(1));
        let new = server.take_over(3, turn(17, 0, LinkKind::Opening), false).expect("a new link");
        assert_eq!(server.carrier(), None);
        send(&mut server, "for the new page");
        assert_eq!(sent_text(&mut server, 3, waits), if kind == POLL { "" } else { "sfull0 x4104" });
        assert_eq!(sent_text(&mut server, 3, new), "snew0 m1:for the new page");
    }
}

#[test]
fn an_upload_under_way_is_not_read() {
    let mut pair = Pair::opened();
    let late = pair.server.attach(1, upload()).expect("a new link");
    let new = pair.server.take_over(1, takes(2, 0), false).expect("a new link");
    receive(&mut pair.server, 1, late, [numbered(1, "late")]);
    assert_eq!(sent_text(&mut pair.server, 1, late), "x4104");
    assert_eq!((taken(&mut pair.server).as_str(), pair.server.received()), ("", 0));
    assert_eq!(sent_text(&mut pair.server, 1, new), "snew0");
}

#[test]
fn the_same_page_is_not_fenced_from_itself() {
    let mut pair = Pair::opened();
    let first = pair.server.take_over(1, takes(18, 0), false).expect("a new link");
    let second = pair.server.take_over(1, takes(17, 0), true).expect("another link");
    send(&mut pair.server, "1");
    assert_eq!(sent_text(&mut pair.server, 1, first), "snew0 m1:1");
    assert_eq!(sent_text(&mut pair.server, 1, second), "snew0 m1:1");
    receive(&mut pair.server, 2, first, [Frame::Confirm]);
    assert_eq!(sent_text(&mut pair.server, 2, second), "x4000");
}

#[test]
fn a_pause_of_the_older_page_is_void() {
    let mut pair = Pair::opened();
    receive(&mut pair.server, 1, pair.down, [Frame::Pause { received: 0, epoch: 5 }]);
    send(&mut pair.server, "1");
    let new = pair.server.take_over(2, takes(2, 0), false).expect("a new link");
    assert_eq!(sent_text(&mut pair.server, 2, new), "snew0 m1:1");
    receive(&mut pair.server, 3, new, [Frame::Confirm, Frame::Pause { received: 0, epoch: 1 }]);
    send(&mut pair.server, "2");
    assert_eq!(sent_text(&mut pair.server, 3, new), "", "the new page counts its own");
}

fn packet(text: &str) -> Payload {
    Packet::new(text, Vec::new()).into()
}

#[test]
fn an_answer_to_the_older_page_keeps_its_number_and_loses_its_content() {
    let mut pair = Pair::opened();
    for text in ["2[\"event\"]", "31[\"reply\"]", "72{\"code\":\"no\"}", "23[\"request\"]"] {
        pair.server.send(packet(text).into()).expect("there is room");
    }
    let new = pair.server.take_over(1, takes(2, 0), false).expect("a new link");
    let again = pair.server.take_over(2, takes(3, 0), true).expect("another link");
    pair.server.send(packet("31[\"its own\"]").into()).expect("there is room");
    for link in [new, again] {
        let frames = sent_frames(&mut pair.server, 3, link);
        let texts = frames.iter().filter_map(|frame| match frame {
            Frame::Message { number, message } => match message.payload() {
                Payload::Event(packet) => Some((*number, &**packet.text())),
                Payload::Message(_) => None,
            },
            _ => None,
        });
        let expected = [(1, "2[\"event\"]"), (2, "30[]"), (3, "30[]"), (4, "23[\"request\"]"), (5, "31[\"its own\"]")];
        assert_eq!(texts.collect::<Vec<_>>(), expected);
    }
    receive(&mut pair.server, 4, new, [Frame::Confirm, Frame::Ack { received: 5 }]);
    assert_eq!((pair.server.outbox.bytes(), pair.server.unacknowledged()), (0, 0), "it counts what it holds");
}

#[test]
fn a_page_that_cannot_attach_takes_nothing_over() {
    let mut pair = Pair::opened();
    send(&mut pair.server, "1");
    assert_eq!(code(pair.server.take_over(1, takes(2, 2), false)), 4004, "it has what was never sent");
    assert_eq!(code(pair.server.take_over(1, takes(1, 0), false)), 4001, "its ordinal is taken");
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "m1:1");
    pair.server.abort(2, CloseReason::new(4310, ""));
    sent_frames(&mut pair.server, 2, pair.down);
    pair.server.detach(2, pair.down);
    pair.server.handle_timeout(3 + GRACE);
    assert!(pair.server.is_over());
    assert_eq!(code(pair.server.take_over(4 + GRACE, takes(2, 0), false)), 4310);
}
