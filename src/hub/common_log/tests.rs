//! Positions that are good on all nodes, and what is replayed behind them.

#![cfg(feature = "cluster")]

use std::time::Duration;

use super::*;
use crate::message::Message;

const ME: u64 = 0xa;
const OTHER: u64 = 0xb;

fn name(publisher: u64, n: u64) -> Name {
    Name { publisher, n, late: false, settled: true }
}

fn own(n: u64) -> Name {
    Name { settled: false, ..name(ME, n) }
}

fn message(text: &str) -> OutMessage {
    Message::from(text).into()
}

fn past(all: &[(u64, Name, &str)]) -> Vec<PastMessage> {
    let one = |(offset, name, text): &(u64, Name, &str)| PastMessage {
        name: *name,
        offset: *offset,
        time: 0,
        message: message(text),
    };
    all.iter().map(one).collect()
}

fn log(history: History) -> CommonLog {
    CommonLog::new(history, "room")
}

fn loaded(behind: (u64, u64), all: &[(u64, Name, &str)]) -> CommonLog {
    let mut log = log(History::last(9));
    log.load(0, 1, Some(behind), past(all));
    log
}

fn since(log: &mut CommonLog, position: Option<&str>) -> (String, bool) {
    let (messages, complete) = log.since(0, position);
    let text = |message: &OutMessage| message.payload().as_message().unwrap().as_text().unwrap().to_owned();
    (messages.map(text).collect(), complete)
}

fn at(publisher: u64, n: u64) -> String {
    position_in("room", publisher, n).to_string()
}

#[test]
fn a_position_is_that_of_a_message_on_all_nodes() {
    let mut one = loaded((7, 0), &[(1, name(ME, 0), "a"), (2, name(OTHER, 5), "b")]);
    one.record(0, name(ME, 1), message("c"));
    let mut two = log(History::last(9));
    two.load(0, 3, Some((7, 0)), vec![]);
    for (name, text) in [(name(ME, 0), "a"), (name(OTHER, 5), "b"), (name(ME, 1), "c")] {
        two.record(0, name, message(text));
    }
    assert_eq!((one.position(), one.position().to_string()), (two.position(), at(ME, 1)));
    for log in [&mut one, &mut two] {
        for (position, expected) in [(at(ME, 0), "bc"), (at(OTHER, 5), "c"), (at(ME, 1), "")] {
            assert_eq!(since(log, Some(&position)), (expected.to_owned(), true), "{position}");
        }
        assert_eq!(since(log, None), ("abc".to_owned(), true));
        let elsewhere = position_in("other room", ME, 0).to_string();
        for foreign in ["", "a", ".", "a.b", "a.b.c", "+", "a.+", "-a.1.1", &at(ME, 2), &at(1, 1), &elsewhere] {
            assert_eq!(since(log, Some(foreign)), ("abc".to_owned(), false), "{foreign}");
        }
    }
}

#[test]
fn a_room_that_is_not_loaded_is_not_complete() {
    let mut log = log(History::last(9));
    let position = log.position().to_string();
    log.record(0, own(0), message("mine"));
    assert_eq!((since(&mut log, None), log.loaded()), (("mine".to_owned(), false), None));
    assert!(!since(&mut log, Some(&position)).1);
    log.load(0, 4, Some((1, 0)), past(&[(1, name(OTHER, 0), "a")]));
    assert_eq!((since(&mut log, None), log.loaded()), (("amine".to_owned(), true), Some(4)));
    assert!(!since(&mut log, Some(&position)).1);
    log.load(0, 5, None, vec![]);
    assert_eq!(since(&mut log, None), ("mine".to_owned(), false), "the engine could not be asked");
    log.clear();
    assert_eq!((since(&mut log, None), log.loaded(), log.bytes), ((String::new(), false), None, 0));
}

#[test]
fn the_place_before_the_first_message_is_a_position_too() {
    let mut log = loaded((7, 0), &[]);
    let position = log.position().to_string();
    assert_eq!(since(&mut log, Some(&position)), (String::new(), true));
    log.record(0, name(ME, 0), message("a"));
    assert_eq!(since(&mut log, Some(&position)), ("a".to_owned(), true));
    let mut other = loaded((7, 0), &[(1, name(ME, 0), "a"), (2, name(ME, 1), "b")]);
    assert_eq!(since(&mut other, Some(&position)), ("ab".to_owned(), true));
    let mut anew = loaded((8, 0), &[(1, name(ME, 0), "a")]);
    assert_eq!(since(&mut anew, Some(&position)), ("a".to_owned(), false), "the engine has lost what was before");
    // All messages before the sixth are too old.
    let old = loaded((7, 5), &[]).position().to_string();
    let mut later = loaded((7, 4), &[(5, name(ME, 4), "e"), (6, name(ME, 5), "f")]);
    assert_eq!(since(&mut later, Some(&old)), ("f".to_owned(), true));
    later.record(0, name(ME, 6), message("g"));
    assert_eq!(since(&mut later, Some(&old)), ("fg".to_owned(), true));
    let mut short = loaded((7, 6), &[(7, name(ME, 6), "g")]);
    assert_eq!(since(&mut short, Some(&old)), ("g".to_owned(), false));
    // It cannot know which of those that came since are behind it.
    let mut unknown = loaded((7, 0), &[]);
    unknown.record(0, name(ME, 4), message("e"));
    assert_eq!(since(&mut unknown, Some(&old)), ("e".to_owned(), false));
}

#[test]
fn own_messages_wait_behind_all_others_until_they_have_their_places() {
    let mut log = loaded((7, 0), &[(1, name(OTHER, 0), "a")]);
    log.record(0, own(0), message("1"));
    log.record(0, own(1), message("2"));
    assert_eq!(log.position().to_string(), at(OTHER, 0));
    log.record(0, name(OTHER, 1), message("b"));
    assert_eq!(since(&mut log, None).0, "ab12");
    // Somebody who has got the first own one has not got what came behind it, though it is before it in the history.
    assert_eq!(since(&mut log, Some(&at(ME, 0))), ("b2".to_owned(), true));
    log.settle(0, Name { late: true, ..name(ME, 0) }, message("1"));
    log.settle(0, Name { late: true, ..name(ME, 0) }, message("1"));
    assert_eq!((since(&mut log, None).0, log.position().to_string()), ("ab12".to_owned(), at(OTHER, 1)));
    assert_eq!(since(&mut log, Some(&at(OTHER, 1))), ("12".to_owned(), true));
    assert_eq!(since(&mut log, Some(&at(ME, 0))), ("ab12".to_owned(), false), "it may lack any of them");
    log.record(0, name(OTHER, 2), message("c"));
    assert_eq!(since(&mut log, None).0, "ab1c2");
    // One that the engine was never given is forgotten with the next one that it has.
    log.settle(0, name(ME, 2), message("3"));
    assert_eq!(since(&mut log, None).0, "ab1c3");
}

#[test]
fn who_comes_from_before_a_gap_is_told_that_it_is_not_complete() {
    let mut log = loaded((7, 0), &[(1, name(ME, 0), "a"), (2, name(ME, 1), "b")]);
    log.miss();
    log.record(0, name(ME, 9), message("c"));
    for (n, expected) in [(0, ("bc", false)), (1, ("c", false)), (9, ("", true))] {
        let (text, complete) = since(&mut log, Some(&at(ME, n)));
        assert_eq!((text.as_str(), complete), expected, "{n}");
    }
    assert_eq!(since(&mut log, None), ("abc".to_owned(), false));
    log.record(0, name(ME, 10), message("d"));
    assert_eq!(since(&mut log, Some(&at(ME, 9))), ("d".to_owned(), true));
}

#[test]
fn what_is_kept_is_bounded_by_number_bytes_and_age() {
    let four: Vec<_> = (0..4).map(|n| (n + 1, name(ME, n), "x")).collect();
    for (history, kept) in [(History::last(2), 2), (History::last(9).bytes(3), 3), (History::last(0), 0)] {
        let mut log = log(history);
        log.load(0, 1, Some((7, 0)), past(&four));
        assert_eq!(since(&mut log, None), ("x".repeat(kept), false));
        assert_eq!(since(&mut log, Some(&at(ME, 3))), (String::new(), true), "the last one is known for longer");
        for n in 0..3 {
            let complete = n + 1 >= 4 - kept as u64;
            assert_eq!(since(&mut log, Some(&at(ME, n))).1, complete, "{n} of {kept}");
        }
        log.record(0, own(4), message("y"));
        assert_eq!(since(&mut log, None).0.len(), kept.min(log.settled.len() + log.own.len()));
        assert_eq!(log.bytes, log.settled.len() + log.own.len());
    }
    let mut log = log(History::last(9).age(Duration::from_secs(10)));
    let mut old = past(&four);
    // It was sent before this server began.
    old[0].time = -9_000;
    log.load(0, 1, Some((7, 0)), old);
    assert_eq!(since(&mut log, None), ("xxxx".to_owned(), true));
    let (young, complete) = log.since(2_000, None);
    assert_eq!((young.count(), complete), (3, false));
    log.record(3_000, own(4), message("y"));
    assert_eq!(log.since(14_000, None).0.count(), 0);
    assert_eq!(log.bytes, 0);
}
