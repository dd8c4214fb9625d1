//! The checker finds what is wrong: histories that are right but for one thing.

use crate::{
    checker::{Counts, Rules, check},
    history::{History, Publication, Received, Session, Turn},
};

const STRICT: Rules = Rules { gaps: false, one_order_from: 0 };
const WITH_GAPS: Rules = Rules { gaps: true, one_order_from: 0 };

fn published(session: &str, number: u64) -> Received {
    Received::Published(Publication { session: session.to_owned(), number })
}

fn answer(turn: u64, message: u64) -> Received {
    Received::Answer { turn, message }
}

fn turn(turn: u64, message: u64, published: u64) -> Turn {
    Turn { turn, message, phase: 1, published }
}

/// Two clients in one room: each sent three messages, of which two were published.
fn right() -> History {
    let session = |client: u32, first: u64| Session {
        client,
        room: "lobby".to_owned(),
        sent: vec![first, first + 1, first + 2],
        acknowledged: 3,
        received: vec![
            published("a.1", 1),
            answer(1, first),
            published("b.1", 1),
            answer(2, first + 1),
            published("b.1", 2),
            published("a.1", 2),
            answer(3, first + 2),
        ],
        turns: vec![turn(1, first, 1), turn(2, first + 1, 0), turn(3, first + 2, 2)],
        ..Session::default()
    };
    History { sessions: [("a.1".to_owned(), session(1, 10)), ("b.1".to_owned(), session(2, 20))].into(), splits: 0 }
}

/// The same, but the session of the second client was lost behind its second turn. The client goes on in another one.
fn with_a_loss() -> History {
    let mut history = right();
    let lost = history.sessions.get_mut("b.1").unwrap();
    lost.lost = true;
    (lost.acknowledged, lost.unknown) = (1, vec![21, 22]);
    lost.turns.truncate(2);
    lost.received.truncate(3);
    let other = history.sessions.get_mut("a.1").unwrap();
    other.received.retain(|received| *received != published("b.1", 2));
    let next = Session { client: 2, room: "lobby".to_owned(), opened: 1, ..Session::default() };
    history.sessions.insert("c.1".to_owned(), next);
    history
}

fn of<'a>(history: &'a mut History, id: &str) -> &'a mut Session {
    history.sessions.get_mut(id).unwrap()
}

/// Each change of a right history is found, by a text that holds this.
#[track_caller]
fn is_found(base: fn() -> History, rules: Rules, text: &str, change: impl FnOnce(&mut History)) {
    let mut history = base();
    assert!(check(&history, rules).is_ok(), "{:?}", check(&history, rules));
    change(&mut history);
    let faults = check(&history, rules).expect_err(text);
    assert!(faults.iter().any(|fault| fault.contains(text)), "{text:?} is not among {faults:?}");
}

#[test]
fn a_right_history_is_counted() {
    let counts = Counts { sessions: 2, sent: 6, answers: 6, published: 4, room_messages: 8, ..Counts::default() };
    assert_eq!(check(&right(), STRICT), Ok(counts));
    let counts = check(&with_a_loss(), STRICT).unwrap();
    assert_eq!((counts.sessions, counts.lost, counts.unknown), (3, 1, 2));
}

#[test]
fn a_message_to_the_server_is_lost() {
    is_found(right, STRICT, "3 messages were sent, 2 were taken", |history| {
        of(history, "a.1").turns.pop();
    });
    is_found(right, STRICT, "turn 2 is missing", |history| {
        of(history, "a.1").turns.remove(1);
    });
    is_found(right, STRICT, "turn 2 took 12", |history| {
        of(history, "a.1").turns.remove(1);
        of(history, "a.1").turns[1].turn = 2;
    });
}

#[test]
fn a_message_to_the_server_comes_twice_or_in_another_order() {
    is_found(right, STRICT, "turn 3 took 11", |history| {
        of(history, "a.1").turns[2].message = 11;
    });
    is_found(right, STRICT, "turn 4 took 12", |history| of(history, "a.1").turns.push(turn(4, 12, 0)));
    is_found(right, STRICT, "turn 1 took 11", |history| {
        (of(history, "a.1").turns[0].message, of(history, "a.1").turns[1].message) = (11, 10);
    });
}

/// Two nodes have handed a session over to each other, and both go on with it.
#[test]
fn two_handlers_take_messages_of_one_session() {
    is_found(right, STRICT, "turn 3 was there twice", |history| of(history, "a.1").turns.push(turn(3, 12, 0)));
}

#[test]
fn an_answer_is_lost_doubled_reordered_or_made_up() {
    is_found(right, STRICT, "came up to turn 2", |history| {
        of(history, "a.1").received.pop();
    });
    is_found(right, STRICT, "the answer of turn 3 came too early, 2", |history| {
        of(history, "a.1").received.remove(3);
    });
    is_found(right, STRICT, "the answer of turn 1 came again", |history| {
        of(history, "a.1").received.insert(2, answer(1, 10));
    });
    is_found(right, STRICT, "the answer of turn 2 is to 12", |history| {
        of(history, "a.1").received[3] = answer(2, 12);
    });
    is_found(right, STRICT, "the answer of turn 4 is to 13", |history| {
        of(history, "a.1").received.push(answer(4, 13));
    });
}

#[test]
fn the_unknown_messages_are_exactly_those_in_doubt() {
    is_found(with_a_loss, STRICT, "are reported as unknown", |history| {
        of(history, "b.1").unknown.pop();
    });
    is_found(with_a_loss, STRICT, "are reported as unknown", |history| of(history, "b.1").unknown.insert(0, 20));
    is_found(right, STRICT, "are reported as unknown", |history| of(history, "a.1").unknown.push(12));
    is_found(with_a_loss, STRICT, "message 22 was sent in b.1 and in c.1", |history| {
        of(history, "c.1").sent.push(22);
        of(history, "c.1").turns.push(turn(1, 22, 0));
        of(history, "c.1").received.push(answer(1, 22));
    });
}

#[test]
fn an_acknowledged_message_is_lost_with_its_node_alone() {
    // The handler has not come to it: that is what a session in the memory of one node promises.
    let mut history = with_a_loss();
    let lost = of(&mut history, "b.1");
    (lost.acknowledged, lost.unknown) = (3, Vec::new());
    assert!(check(&history, STRICT).is_ok());
    of(&mut history, "b.1").lost = false;
    assert!(check(&history, STRICT).is_err());
}

#[test]
fn a_hole_in_a_room_is_silent() {
    is_found(right, WITH_GAPS, "b.1 misses 1 and was told of []", |history| {
        of(history, "b.1").received.remove(0);
    });
    // Its tail too.
    is_found(right, WITH_GAPS, "a.1 misses 1 and was told of []", |history| {
        of(history, "a.1").received.retain(|received| *received != published("a.1", 2));
    });
    // And a publisher of whom nothing came.
    is_found(right, WITH_GAPS, "b.1 misses 2 and was told of []", |history| {
        let of_other = |received: &Received| matches!(received, Received::Published(by) if by.session == "a.1");
        of(history, "b.1").received.retain(|received| !of_other(received));
    });
}

/// A gap of one stands for a whole node, and for no other one.
#[test]
fn a_gap_of_one_tells_of_one_node() {
    let of_both = |history: &mut History| {
        let member = of(history, "a.1");
        member.received.retain(|received| matches!(received, Received::Answer { .. }));
        member.received.insert(0, Received::Gap(1));
    };
    is_found(right, WITH_GAPS, "a.1 misses 4 and was told of [1]", of_both);
    let mut history = right();
    of_both(&mut history);
    of(&mut history, "a.1").received.insert(0, Received::Gap(1));
    assert_eq!(check(&history, WITH_GAPS).unwrap().missing, 4);
}

#[test]
fn a_hole_that_is_told_is_none() {
    let mut history = right();
    let member = of(&mut history, "b.1");
    member.received[0] = Received::Gap(1);
    let counts = check(&history, WITH_GAPS).unwrap();
    assert_eq!((counts.missing, counts.told), (1, 1));
    assert!(check(&history, STRICT).unwrap_err()[0].contains("was told that 1 are missing"));
}

/// A member that opened in the last phase may have come behind the first publications. Those of a publisher that is gone
/// count as far as somebody has seen them.
#[test]
fn a_member_that_came_later_misses_nothing() {
    let mut history = right();
    of(&mut history, "b.1").opened = 1;
    of(&mut history, "b.1").received.remove(0);
    assert!(check(&history, STRICT).is_ok());
    of(&mut history, "b.1").received.retain(|received| *received != published("b.1", 2));
    assert!(check(&history, STRICT).is_err(), "it had received b.1 1");
    let mut history = with_a_loss();
    of(&mut history, "b.1").turns.push(turn(3, 22, 2));
    assert!(check(&history, STRICT).is_ok(), "nobody has seen b.1 2");
}

#[test]
fn a_publication_comes_twice_in_another_order_or_from_nowhere() {
    is_found(right, STRICT, "received a.1 1 behind 2", |history| {
        of(history, "b.1").received.push(published("a.1", 1));
    });
    is_found(right, STRICT, "received a.1 2 behind 2", |history| {
        of(history, "b.1").received.push(published("a.1", 2));
    });
    is_found(right, STRICT, "received a.1 3, which nobody published", |history| {
        of(history, "b.1").received.push(published("a.1", 3));
    });
    is_found(right, STRICT, "received b.1 1, which nobody published there", |history| {
        of(history, "a.1").room = "other".to_owned();
    });
    is_found(right, STRICT, "its publications have the numbers", |history| {
        of(history, "a.1").turns[2].published = 1;
    });
}

#[test]
fn two_members_have_two_orders() {
    is_found(right, STRICT, "behind it", |history| of(history, "b.1").received.swap(4, 5));
    // During a split there may be two.
    let mut history = right();
    of(&mut history, "b.1").received.swap(4, 5);
    assert!(check(&history, Rules { gaps: false, one_order_from: 2 }).is_ok());
}

/// Three members of whom each two agree.
#[test]
fn a_circle_of_three_is_no_order() {
    let publisher = |client: u32| Session {
        client,
        room: "lobby".to_owned(),
        sent: vec![1],
        acknowledged: 1,
        received: vec![answer(1, 1)],
        turns: vec![turn(1, 1, 1)],
        opened: 1,
        ..Session::default()
    };
    let mut history = History::default();
    for (client, id) in (1..).zip(["a.1", "b.1", "c.1"]) {
        history.sessions.insert(id.to_owned(), publisher(client));
    }
    for (member, pair) in [("a.1", ["a.1", "b.1"]), ("b.1", ["b.1", "c.1"]), ("c.1", ["c.1", "a.1"])] {
        of(&mut history, member).received.extend(pair.map(|session| published(session, 1)));
    }
    assert!(check(&history, STRICT).unwrap_err()[0].contains("no one order"));
    of(&mut history, "c.1").received.pop();
    assert!(check(&history, STRICT).is_ok());
}

#[test]
fn a_diary_is_read_as_it_was_written() {
    let mut history = History::default();
    let written = turn(7, 12, 3);
    history.read_diary(&format!("begin a.1 new\nsplit\n{}turn a.1 8 1", written.line("a.1")));
    assert_eq!((history.splits, &of(&mut history, "a.1").turns), (1, &vec![written]));
    history.add_client("a.1", Session { client: 5, ..Session::default() });
    assert_eq!((of(&mut history, "a.1").client, of(&mut history, "a.1").turns.len()), (5, 1));
}
