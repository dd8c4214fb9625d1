//! The records that histories in memory keep, and for how long.

use super::*;

const AGE: u64 = 100_000;

fn keep(records: u32) -> Retention {
    Retention::new(records, Duration::from_millis(AGE))
}

fn record(topic: &str, publisher: u64, number: u64, keep: Retention) -> Record {
    Record::new(topic.to_owned(), format!("{publisher} {number}"), publisher, number, keep)
}

fn offsets(past: &Past) -> Vec<u64> {
    past.records.iter().map(|(offset, _, _)| *offset).collect()
}

#[test]
fn the_last_records_are_kept_and_the_oldest_go() {
    let mut histories = Histories { epoch: 40, ..Histories::default() };
    for n in 1..=5 {
        let place = histories.append(n, &record("room", 1, n, keep(3)));
        assert_eq!(place, Some(Place::new(41, n)));
    }
    let past = histories.past(10, b"room", keep(3), None, MOST_READ);
    assert_eq!((past.epoch, past.last, past.before), (41, 5, 2));
    let expected = [(3, 7, "1 3"), (4, 6, "1 4"), (5, 5, "1 5")].map(|(n, age, text)| (n, age, Bytes::from(text)));
    assert_eq!(past.records, expected);
    let behind = |offset| histories.past(10, b"room", keep(3), Some(Place::new(41, offset)), MOST_READ);
    assert_eq!((behind(1).before, offsets(&behind(1))), (2, vec![3, 4, 5]), "one is missing");
    assert_eq!((behind(3).before, offsets(&behind(3))), (3, vec![4, 5]));
    assert_eq!((behind(5).before, offsets(&behind(5))), (5, vec![]));
    assert_eq!(offsets(&histories.past(10, b"room", keep(3), Some(Place::new(40, 5)), MOST_READ)), [3, 4, 5]);
    assert_eq!(histories.past(10, b"other", keep(3), None, MOST_READ), Past::default());
}

#[test]
fn a_record_goes_at_its_age_and_a_history_with_the_last_one() {
    let mut histories = Histories::default();
    histories.append(0, &record("room", 1, 1, keep(9)));
    histories.append(AGE / 2, &record("room", 1, 2, keep(9)));
    assert_eq!(offsets(&histories.past(AGE - 1, b"room", keep(9), None, MOST_READ)), [1, 2]);
    let past = histories.past(AGE, b"room", keep(9), None, MOST_READ);
    assert_eq!((past.before, offsets(&past)), (1, vec![2]));
    histories.append(AGE, &record("room", 1, 3, keep(9)));
    assert_eq!(histories.topics[&b"room"[..]].records.len(), 2, "it is dropped, and not only left out");
    assert_eq!(histories.past(2 * AGE, b"room", keep(9), None, MOST_READ), Past::default());
    let anew = histories.append(2 * AGE, &record("room", 1, 1, keep(9)));
    assert_eq!(anew, Some(Place::new(2, 1)), "it has another epoch, and knows no numbers of before");
    histories.append(4 * AGE, &record("other", 1, 1, keep(9)));
    assert_eq!((histories.topics.len(), histories.by_write.len()), (1, 1), "nobody asks for it any more");
    histories.forget();
    assert_eq!(histories.past(0, b"other", keep(9), None, MOST_READ), Past::default());
    assert_eq!(histories.append(0, &record("other", 1, 1, keep(9))), Some(Place::new(4, 1)));
}

/// A record that is appended again comes to a history that is younger than its age, or than a minute.
#[test]
fn a_short_age_does_not_let_a_record_in_twice() {
    let short = Retention::new(9, Duration::from_millis(10));
    let mut histories = Histories::default();
    assert!(histories.append(0, &record("room", 1, 1, short)).is_some());
    assert!(histories.append(SHORTEST_LIFE - 1, &record("room", 1, 1, short)).is_none());
    let past = histories.past(10, b"room", short, None, MOST_READ);
    assert_eq!((past.last, past.before, past.records.len()), (1, 1, 0));
}

#[test]
fn what_a_publisher_has_appended_already_is_left_out() {
    let mut histories = Histories::default();
    for (publisher, number, is_new) in [(1, 5, true), (1, 5, false), (1, 4, false), (2, 4, true), (1, 6, true)] {
        assert_eq!(histories.append(0, &record("room", publisher, number, keep(9))).is_some(), is_new);
    }
    assert_eq!(histories.past(0, b"room", keep(9), None, MOST_READ).last, 3);
    // Those that came last are known.
    let most = MOST_PUBLISHERS as u64;
    for publisher in most..5 * most {
        assert!(histories.append(0, &record("room", publisher, 1, keep(9))).is_some());
        let earlier = publisher.saturating_sub(most / 4).max(most);
        assert!(histories.append(0, &record("room", earlier, 1, keep(9))).is_none());
        assert!(histories.topics[&b"room"[..]].publishers.len() <= MOST_PUBLISHERS);
    }
}

#[test]
fn all_of_them_together_have_bounds() {
    let mut histories = Histories { bounds: Bounds { topics: 3, bytes: 10_000 }, ..Histories::default() };
    for topic in ["a", "b", "c", "a", "d"] {
        histories.append(0, &record(topic, 1, histories.writes + 1, keep(9)));
    }
    let there = |histories: &Histories, topic: &str| histories.past(0, topic.as_bytes(), keep(9), None, MOST_READ).last;
    let lasts = ["a", "b", "c", "d"].map(|topic| there(&histories, topic));
    assert_eq!(lasts, [2, 0, 1, 1], "the one that was not written to for the longest time is gone");
    let large = |number, size| Record::new("large", vec![0; size], 1, number, keep(9));
    histories.append(0, &large(1, 4_000));
    histories.append(0, &large(2, 4_000));
    assert_eq!((there(&histories, "a"), there(&histories, "d"), there(&histories, "large")), (2, 1, 2));
    histories.append(0, &large(3, 4_000));
    assert_eq!((histories.topics.len(), there(&histories, "large")), (1, 3));
    assert_eq!(offsets(&histories.past(0, b"large", keep(9), None, MOST_READ)), [2, 3]);
    histories.append(0, &large(4, 20_000));
    let past = histories.past(0, b"large", keep(9), None, MOST_READ);
    assert_eq!((past.last, past.before, past.records.len()), (4, 4, 0), "it is carried, and not kept");
    histories.remove(&Bytes::from("large"));
    assert_eq!((histories.bytes, histories.by_write.len()), (0, 0));
}

#[test]
fn histories_whose_time_is_over_go_before_one_that_lasts() {
    let mut histories = Histories { bounds: Bounds { topics: 3, bytes: 10_000 }, ..Histories::default() };
    let long = Retention::new(9, Duration::from_millis(100 * AGE));
    histories.append(0, &record("long", 1, 1, long));
    for (at, topic) in [(0, "a"), (0, "b"), (2 * AGE, "c")] {
        histories.append(at, &record(topic, 1, 1, keep(9)));
    }
    assert_eq!(histories.past(2 * AGE, b"long", long, None, MOST_READ).last, 1, "there is room by what is over");
    assert_eq!((histories.topics.len(), histories.by_write.len(), histories.by_end.len()), (2, 2, 2));
    // One that was written to again goes at its new end.
    histories.append(2 * AGE + AGE / 2, &record("c", 1, 2, keep(9)));
    histories.append(3 * AGE, &record("d", 1, 1, keep(9)));
    assert_eq!(histories.topics.len(), 3);
    histories.append(4 * AGE, &record("long", 1, 2, long));
    assert_eq!((histories.topics.len(), histories.by_end.len()), (1, 1));
    histories.remove(&Bytes::from("long"));
    assert_eq!((histories.bytes, histories.by_end.len()), (0, 0));
}

#[test]
fn no_more_bytes_are_kept_than_a_node_has_a_use_for() {
    let mut histories = Histories::default();
    let keep = keep(1_000).bytes(2 << 20);
    for number in 1..=20 {
        histories.append(0, &Record::new("room", vec![0; 1_000_000], 1, number, keep));
        assert!(histories.bytes <= (2 << 20) + UNDER_WAY + 1_000, "{}", histories.bytes);
    }
    assert_eq!(offsets(&histories.past(0, b"room", keep, None, MOST_READ)), (15..=20).collect::<Vec<_>>());
    histories.append(0, &Record::new("room", vec![0; 10_000_000], 1, 21, keep));
    assert_eq!(histories.topics[&b"room"[..]].records.len(), 1, "the last one stays");
    let place = |bytes| most_read(keep.bytes(bytes), Some(Place::new(1, 1)), MOST_READ);
    assert_eq!((place(0), place(usize::MAX)), (MOST_READ, MOST_READ), "a hole is filled whatever it has");
}

#[test]
fn so_much_is_read_at_once_and_no_more() {
    let mut histories = Histories::default();
    for number in 1..=5 {
        histories.append(0, &Record::new("room", vec![0; MOST_READ / 3], 1, number, keep(9)));
    }
    let past = histories.past(0, b"room", keep(9), Some(Place::new(1, 1)), MOST_READ);
    assert_eq!((past.last, past.before, offsets(&past)), (5, 2, vec![3, 4, 5]));
}
