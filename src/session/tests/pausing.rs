use super::*;

fn kilobyte() -> String {
    "x".repeat(1_024 - 64)
}

/// The server's inbox takes four of these and refuses the fifth.
fn filled() -> Pair {
    let mut pair = Pair::opened();
    receive(&mut pair.server, 1, pair.down, (1..=6).map(|number| numbered(number, &kilobyte())));
    assert_eq!(pair.server.received(), 4);
    assert!(pair.server.is_paused());
    pair
}

#[test]
fn a_full_inbox_pauses_and_a_half_empty_one_resumes() {
    let mut pair = filled();
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "h4,1");
    pair.server.poll_arrival();
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "");
    pair.server.poll_arrival();
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "g4,1");
    assert!(!pair.server.is_paused());
}

#[test]
fn a_pause_that_was_never_sent_still_ends_with_a_resume() {
    let mut pair = filled();
    taken(&mut pair.server);
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "g4,1", "what was refused must be sent again");
}

#[test]
fn an_empty_inbox_takes_any_message() {
    let mut pair = Pair::opened();
    receive(&mut pair.server, 1, pair.down, [numbered(1, &"x".repeat(9_000)), numbered(2, "")]);
    assert_eq!((pair.server.received(), pair.server.is_paused()), (1, true));
}

#[test]
fn a_paused_half_sends_no_messages_and_resumes_at_what_was_not_taken() {
    let mut pair = Pair::opened();
    send_all(&mut pair.client, 1, 4);
    sent_frames(&mut pair.client, 1, pair.up);
    receive(&mut pair.client, 1, pair.up, [Frame::Pause { received: 2, epoch: 1 }]);
    send(&mut pair.client, "5");
    assert_eq!((sent_text(&mut pair.client, 1, pair.up).as_str(), pair.client.acknowledged()), ("", 2));
    receive(&mut pair.client, 1, pair.up, [Frame::Resume { received: 2, epoch: 1 }]);
    assert_eq!(sent_text(&mut pair.client, 1, pair.up), "m3:3 m4:4 m5:5");
}

#[test]
fn a_close_waits_for_a_resume() {
    let mut pair = Pair::opened();
    receive(&mut pair.client, 1, pair.up, [Frame::Pause { received: 0, epoch: 1 }]);
    pair.client.close(CloseReason::new(1000, ""));
    assert_eq!(sent_text(&mut pair.client, 1, pair.up), "");
    receive(&mut pair.client, 1, pair.up, [Frame::Resume { received: 0, epoch: 1 }]);
    assert_eq!(sent_text(&mut pair.client, 1, pair.up), "c1:1000 w");
}

#[test]
fn late_pauses_and_resumes_are_recognised_by_their_epoch() {
    let mut pair = Pair::opened();
    send(&mut pair.client, "1");
    receive(&mut pair.client, 1, pair.up, [Frame::Resume { received: 0, epoch: 2 }]);
    for late in [Frame::Pause { received: 0, epoch: 2 }, Frame::Pause { received: 0, epoch: 1 }] {
        receive(&mut pair.client, 1, pair.up, [late]);
        assert_ne!(sent_text(&mut pair.client, 1, pair.up), "x4004");
    }
    send(&mut pair.client, "2");
    assert_eq!(sent_text(&mut pair.client, 1, pair.up), "m2:2");
    receive(
        &mut pair.client,
        1,
        pair.up,
        [Frame::Pause { received: 1, epoch: 3 }, Frame::Resume { received: 0, epoch: 2 }],
    );
    send(&mut pair.client, "3");
    assert_eq!(sent_text(&mut pair.client, 1, pair.up), "", "the resume of an older pause does not end it");
}

#[test]
fn a_resume_repeats_the_request_that_a_pause_cut_short() {
    let mut pair = Pair::opened();
    send_all(&mut pair.client, 1, 2);
    pair.client.flush();
    assert_eq!(sent_text(&mut pair.client, 1, pair.up), "m1:1 m2:2 w");
    receive(
        &mut pair.client,
        1,
        pair.up,
        [Frame::Pause { received: 1, epoch: 1 }, Frame::Resume { received: 1, epoch: 1 }],
    );
    assert_eq!(sent_text(&mut pair.client, 1, pair.up), "m2:2 w");
}

#[test]
fn a_new_link_repeats_the_last_pause_or_resume() {
    let mut pair = filled();
    sent_frames(&mut pair.server, 1, pair.down);
    pair.cut(2);
    let down = pair.server.attach(2, resume(2)).expect("a new link");
    assert_eq!(sent_text(&mut pair.server, 2, down), "sfull4 h4,1");
    taken(&mut pair.server);
    assert_eq!(sent_text(&mut pair.server, 2, down), "g4,1");
    pair.cut(3);
    let down = pair.server.attach(3, resume(3)).expect("a new link");
    assert_eq!(sent_text(&mut pair.server, 3, down), "sfull4 g4,1", "the last resume may have been lost with its link");
}

#[test]
fn an_upload_into_a_full_inbox_is_answered_with_a_pause() {
    let mut pair = filled();
    let link = pair.server.attach(1, upload()).expect("an upload");
    receive(&mut pair.server, 1, link, [numbered(5, &kilobyte())]);
    assert_eq!(sent_text(&mut pair.server, 1, link), "h4,1");
}

#[test]
fn the_inbox_is_bounded_to_the_byte() {
    let mut pair = filled();
    assert_eq!(pair.server.held(), 4_096);
    receive(&mut pair.server, 1, pair.down, [numbered(5, "")]);
    assert_eq!(pair.server.received(), 4, "an empty message needs room too");
    pair.server.poll_arrival();
    assert_eq!(pair.server.held(), 3_072);
    receive(&mut pair.server, 1, pair.down, [numbered(5, &kilobyte())]);
    assert_eq!((pair.server.received(), pair.server.arrivals()), (5, 4), "what fits is taken even during a pause");
    assert!(pair.server.is_paused());
}

#[test]
fn a_gap_takes_room_of_its_own() {
    let mut pair = Pair::opened();
    let gaps_and_messages =
        (0..70).flat_map(|at| [Frame::Gap { from: at * 10 + 1, to: at * 10 + 9 }, numbered(at * 10 + 10, "")]);
    receive(&mut pair.server, 1, pair.down, gaps_and_messages);
    let room = pair.server.held();
    assert!(room <= 4_096 && room > 4_096 - 128, "{room}");
    pair.server.poll_arrival();
    assert_eq!(pair.server.held(), room - 64);
}

#[test]
fn gaps_in_succession_are_one() {
    let mut pair = Pair::opened();
    receive(&mut pair.server, 1, pair.down, (0..70).map(|at| Frame::Gap { from: at * 10 + 1, to: at * 10 + 10 }));
    assert_eq!((pair.server.received(), pair.server.held()), (700, 64));
    assert_eq!(taken(&mut pair.server), "1-700");
}

#[test]
fn gaps_are_acknowledged_like_messages() {
    let mut pair = Pair::opened();
    pair.server = Machine::new(Config { inbox: 1 << 20, ..config(Role::Server) }, 0);
    pair.down = pair.server.attach(0, opens(1)).expect("a new link");
    sent_frames(&mut pair.server, 0, pair.down);
    receive(&mut pair.server, 0, pair.down, [Frame::Confirm]);
    receive(&mut pair.server, 1, pair.down, (1..=127).map(|at| Frame::Gap { from: at, to: at }));
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "");
    receive(&mut pair.server, 1, pair.down, [Frame::Gap { from: 128, to: 200 }]);
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "a200");
}

#[test]
fn a_gap_that_overlaps_what_was_taken_is_taken_from_there() {
    let mut pair = Pair::opened();
    receive(&mut pair.server, 1, pair.down, [Frame::Gap { from: 1, to: 3 }, Frame::Gap { from: 2, to: 5 }]);
    receive(&mut pair.server, 1, pair.down, [Frame::Gap { from: 1, to: 5 }, numbered(6, "next")]);
    assert_eq!(taken(&mut pair.server), "1-5 next");
}

#[test]
fn the_turns_of_one_link_repeat_a_resume_three_times() {
    let mut pair = filled();
    taken(&mut pair.server);
    pair.server.detach(1, pair.down);
    let mut sent = Vec::new();
    for at in 0..6 {
        let link = pair.server.attach(2, turn(2, at, if at == 0 { LinkKind::Opening } else { POLL })).expect("a turn");
        sent.push(sent_text(&mut pair.server, 2, link));
        pair.server.detach(2, link);
    }
    assert_eq!(sent, ["sfull4 g4,1", "sfull4 g4,1", "sfull4 g4,1", "sfull4", "sfull4", "sfull4"]);
}

#[test]
fn a_resume_that_comes_twice_repeats_nothing() {
    let mut pair = Pair::opened();
    send_all(&mut pair.client, 1, 3);
    sent_frames(&mut pair.client, 1, pair.up);
    let go = || Frame::Resume { received: 2, epoch: 1 };
    receive(&mut pair.client, 1, pair.up, [Frame::Pause { received: 2, epoch: 1 }, go()]);
    assert_eq!(sent_text(&mut pair.client, 1, pair.up), "m3:3");
    receive(&mut pair.client, 1, pair.up, [go()]);
    assert_eq!(sent_text(&mut pair.client, 1, pair.up), "");
}

#[test]
fn each_pause_has_an_epoch_of_its_own() {
    let mut pair = filled();
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "h4,1");
    taken(&mut pair.server);
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "g4,1");
    receive(&mut pair.server, 1, pair.down, (5..=9).map(|number| numbered(number, &kilobyte())));
    assert_eq!(sent_text(&mut pair.server, 1, pair.down), "h8,2");
}
