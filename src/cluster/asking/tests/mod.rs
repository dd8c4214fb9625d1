//! Stories of requests to rooms on several nodes; `hostile` has them in any order.

mod hostile;
mod judge;

use bytes::Bytes;

use super::{Begun, Desk, Fate, MOST_NAMED, Part, Question, Said, Tally, Told, Why, Words};
use crate::{packed::Malformed, packet::Packet};

const KEY: (u64, u64) = (7, 1);

fn part(room: &str, n: u64) -> Part {
    Part { room: room.into(), n }
}

fn packet(text: &str) -> Packet {
    Packet::new(text, Vec::new())
}

fn said(all: &[Said]) -> Vec<u8> {
    let mut out = Vec::new();
    all.iter().for_each(|said| said.put(&mut out));
    out
}

fn named(ids: &[&str]) -> Said {
    Said::Asked(ids.iter().map(|id| ((*id).into(), None)).collect())
}

fn told(tally: &mut Tally) -> Vec<Told> {
    std::iter::from_fn(|| tally.poll()).collect()
}

/// A desk whose requests are counted.
fn desk() -> Desk<u32, u32> {
    Desk::new()
}

#[test]
fn words_are_read_in_any_pieces_and_nothing_else_is() {
    let why = [Why::Full, Why::OutboxFull, Why::NoEvents, Why::Closed, Why::Unknown];
    let mut all = vec![named(&["a.1"]), Said::Asked(vec![("b.2".into(), Some(Why::Full)), ("c.3".into(), None)])];
    all.extend(why.map(|why| Said::Missing { place: 300, why }));
    let attached = Packet::new("61-7[{\"_placeholder\":true,\"num\":0}]", vec![Bytes::from_static(b"bytes")]);
    all.extend([Said::Whole, Said::Lost]);
    all.extend([packet("37[true]"), packet("77{}"), attached].map(|packet| Said::Answered { place: 0, packet }));
    let bytes = said(&all);
    for size in [1, 3, 7, bytes.len()] {
        let (mut words, mut read) = (Words::new(1_000), Vec::new());
        for piece in bytes.chunks(size) {
            words.push(piece);
            while let Some(said) = words.next().unwrap() {
                read.push(said);
            }
        }
        assert_eq!(read, all);
    }
    let too_many = Said::Asked(vec![("a".into(), None); MOST_NAMED + 1]);
    let event = Said::Answered { place: 0, packet: packet("2[\"no answer\"]") };
    let long = Said::Answered { place: 0, packet: packet(&format!("37[\"{}\"]", "x".repeat(1_000))) };
    let unspoken = Said::Missing { place: 0, why: Why::Timeout };
    for wrong in [too_many, event, long, unspoken, named(&[""]), named(&[&"x".repeat(513)])] {
        let mut words = Words::new(1_000);
        words.push(&said(&[wrong]));
        assert_eq!(words.next(), Err(Malformed));
    }
    for wrong in [&b"\0\0\0\0"[..], b"\0\0\0\x01\x09", b"\0\0\0\x02\x03\x00", b"\xff\xff\xff\xff"] {
        let mut words = Words::new(1_000);
        words.push(wrong);
        assert_eq!(words.next(), Err(Malformed), "{wrong:?}");
    }
}

#[test]
fn a_question_is_read_as_it_was_written() {
    let question = Question { publisher: u64::MAX, id: 1 << 53, parts: vec![part("a", 0), part("\0all", 1 << 40)] };
    let bytes = question.write();
    assert_eq!(Question::read(&bytes), Ok(question.clone()));
    let none = Question { parts: Vec::new(), ..question };
    assert_eq!(Question::read(&none.write()), Err(Malformed));
    for end in 0..bytes.len() {
        assert_eq!(Question::read(&bytes.slice(..end)), Err(Malformed), "{end}");
    }
    assert_eq!(Question::read(&[&bytes[..], b"\0"].concat().into()), Err(Malformed));
}

#[test]
fn all_is_told_once_and_a_node_is_over_when_it_has_named_all_and_all_have_ended() {
    let mut tally = Tally::new(2, false);
    tally.said(0, named(&["a", "b"])).unwrap();
    let answer = |place, text| Said::Answered { place, packet: packet(text) };
    tally.said(0, answer(1, "37[1]")).unwrap();
    tally.said(0, Said::Whole).unwrap();
    assert!(!tally.is_node_over(0));
    assert_eq!(tally.said(0, answer(1, "37[2]")), Err(Malformed), "it has answered");
    assert_eq!(tally.said(0, answer(2, "37[2]")), Err(Malformed), "nobody is there");
    tally.said(0, Said::Missing { place: 0, why: Why::Closed }).unwrap();
    assert!(tally.is_node_over(0) && !tally.is_over());
    assert_eq!(tally.said(0, named(&["late"])), Err(Malformed));
    tally.said(1, Said::Whole).unwrap();
    assert!(tally.is_over());
    let missing = |session: &str, why| Told::Missing { session: session.into(), why };
    let answered = Told::Answered { session: "b".into(), packet: packet("37[1]") };
    assert_eq!(told(&mut tally), [answered, missing("a", Why::Closed)]);
    tally.times_up();
    assert_eq!(told(&mut tally), []);
}

#[test]
fn a_node_that_breaks_off_is_told_and_those_that_it_has_named_are_missing() {
    let mut tally = Tally::new(4, false);
    tally.said(0, named(&["a"])).unwrap();
    tally.said(1, named(&["b"])).unwrap();
    tally.said(1, Said::Whole).unwrap();
    tally.said(2, Said::Lost).unwrap();
    tally.said(2, named(&["c"])).unwrap();
    tally.gone(0);
    tally.gone(1);
    tally.gone(1);
    tally.times_up();
    let missing = |session: &str, why| Told::Missing { session: session.into(), why };
    let all = [
        Told::Unreached(2),
        missing("a", Why::Unreachable),
        Told::Unreached(0),
        missing("b", Why::Unreachable),
        missing("c", Why::Timeout),
        Told::Unreached(3),
    ];
    assert_eq!(told(&mut tally), all);
    assert!(tally.is_over());
    let mut lost = Tally::new(1, true);
    lost.said(0, Said::Whole).unwrap();
    assert_eq!((told(&mut lost), lost.is_over()), (vec![Told::Unreached(0)], true), "a part of it was not sent");
}

#[test]
fn a_request_and_its_question_find_each_other_in_both_orders() {
    let coming = |_: &Part| Fate::Coming;
    let mut desk = desk();
    assert_eq!(desk.reached(0, KEY, "a", false, || (1, 1)), Some(1));
    let begun = desk.wait(10, KEY, vec![part("a", 0), part("b", 0)], coming, || (2, 2));
    assert_eq!(begun, Some(Begun { ask: 1, answers: 1, sends: 2, lost: 0 }));
    assert_eq!(desk.reached(20, KEY, "b", false, || (3, 3)), Some(1));
    assert_eq!(desk.reached(20, KEY, "b", false, || (3, 3)), None, "it has come");
    assert_eq!(desk.reached(20, KEY, "c", false, || (3, 3)), None, "it was not asked for");
    let again = desk.wait(30, KEY, vec![part("a", 0)], coming, || (4, 4));
    assert_eq!(again, None, "one node asks for it once");
    let begun = desk.wait(30, (7, 2), vec![part("a", 1)], coming, || (5, 5));
    assert_eq!(begun, Some(Begun { ask: 5, answers: 5, sends: 1, lost: 0 }));
    assert_eq!(desk.reached(30, (7, 2), "a", true, || (6, 6)), Some(5), "also one that was held up");
}

#[test]
fn nobody_is_asked_for_a_request_that_nobody_waits_for() {
    let mut desk = desk();
    assert_eq!(desk.reached(0, KEY, "a", true, || (1, 1)), None, "it was held up, and its question has not come");
    assert_eq!(desk.reached(0, KEY, "a", false, || (1, 1)), Some(1));
    assert_eq!((desk.next_timeout(), desk.expire(4_999)), (Some(5_000), vec![]));
    assert_eq!(desk.expire(5_000), [1], "no question came");
    assert_eq!(desk.wait(5_001, KEY, vec![part("a", 0)], |_| Fate::Coming, || (2, 2)), None);
    assert!(desk.wait(5_001, (7, 2), vec![part("a", 1)], |_| Fate::Coming, || (2, 2)).is_some());
    desk.leave(5_002, (7, 2));
    assert_eq!(desk.reached(5_003, (7, 2), "a", false, || (3, 3)), None);
    assert_eq!(desk.next_timeout(), Some(65_000));
    desk.expire(65_002);
    assert_eq!(desk.next_timeout(), None, "all is forgotten");
}

#[test]
fn what_does_not_come_is_decided_by_a_look() {
    let mut desk = desk();
    let parts = vec![part("a", 0), part("b", 0), part("c", 0), part("d", 0)];
    let first = |part: &Part| match &*part.room {
        "a" => Fate::Nobody,
        "b" => Fate::Lost,
        _ => Fate::Coming,
    };
    let begun = desk.wait(0, KEY, parts, first, || (1, 1));
    assert_eq!(begun, Some(Begun { ask: 1, answers: 1, sends: 2, lost: 1 }));
    assert_eq!(desk.reached(1, KEY, "b", false, || (2, 2)), None, "it was told as lost");
    assert_eq!(desk.next_timeout(), Some(250));
    assert_eq!(desk.look(249, |_, _| Fate::Lost), []);
    assert_eq!(desk.look(250, |_, _| Fate::Coming), []);
    let second = |publisher, part: &Part| match (publisher, &*part.room) {
        (7, "c") => Fate::Lost,
        _ => Fate::Nobody,
    };
    assert_eq!(desk.look(500, second), [(1, true), (1, false)]);
    assert_eq!((desk.next_timeout(), desk.reached(501, KEY, "c", false, || (3, 3))), (None, None));
}

#[test]
fn there_is_a_most() {
    let mut desk: Desk<u32, u32> = Desk::of(2);
    let wait = |desk: &mut Desk<u32, u32>, id| {
        desk.wait(0, (7, id), vec![part("a", id)], |_| Fate::Coming, || (1, 1)).is_some()
    };
    assert!(wait(&mut desk, 1) && wait(&mut desk, 2));
    assert!(!wait(&mut desk, 3));
    assert_eq!(desk.reached(0, (7, 4), "a", false, || (1, 1)), None);
    desk.leave(0, (7, 1));
    assert!(wait(&mut desk, 3), "one that is over gives way");
    assert!(!wait(&mut desk, 4));
}
