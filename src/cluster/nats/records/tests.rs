//! The answers of a server of NATS about a history.

use super::*;
use crate::cluster::engine::RECORDED;

const KEEP: Retention = Retention::new(5, Duration::from_secs(10));

fn kept(numbers: &[u64]) -> Kept {
    numbers.iter().map(|number| (*number, 1_000, Bytes::from(number.to_string()))).collect()
}

/// A history is read at this time, of which 0 is the beginning of its epoch.
fn past(numbers: &[u64], now: i64, after: Option<u64>) -> (u64, u64, Vec<u64>) {
    let last = numbers.last().copied().unwrap_or_default();
    let seen = Seen { now, epoch: 7, begun: 0, last, end: 90, written: 90 };
    let past = past_of(kept(numbers), &seen, KEEP, after.map(|offset| Place::new(7, offset)));
    assert_eq!(past.epoch, 7);
    assert!(past.records.iter().all(|(_, age, _)| *age == u64::try_from(now - 1_000).unwrap()));
    (past.last, past.before, past.records.into_iter().map(|(number, _, _)| number).collect())
}

#[test]
fn nothing_is_said_to_be_there_that_may_be_missing() {
    assert_eq!(past(&[], 2_000, None), (0, 0, vec![]));
    assert_eq!(past(&[20, 30], 2_000, None), (30, 0, vec![20, 30]), "nothing was ever dropped");
    assert_eq!(past(&[20, 30], 10_000, None), (30, 19, vec![20, 30]), "older ones may have been too old");
    assert_eq!(past(&[20, 30, 40, 50, 60], 2_000, None), (60, 19, vec![20, 30, 40, 50, 60]), "they may be too many");
    assert_eq!(past(&[20, 30], 50_000, Some(20)), (30, 20, vec![30]));
    assert_eq!(past(&[30], 50_000, Some(30)), (30, 30, vec![]));
    assert_eq!(past(&[30], 50_000, Some(20)), (30, 29, vec![30]), "the one at the place is gone");
    assert_eq!(past(&[], 50_000, Some(20)), (90, 90, vec![]), "and so may be others");
}

#[test]
fn so_much_is_read_at_once_and_no_more() {
    let body = Bytes::from(vec![0; MOST_READ / 2]);
    let kept = (1..=4).map(|number| (number, 0, body.clone())).collect();
    let seen = Seen { now: 0, epoch: 7, begun: 0, last: 4, end: 4, written: 4 };
    let past = past_of(kept, &seen, KEEP, None);
    assert_eq!((past.last, past.before, past.records.len()), (4, 2, 2));
}

#[test]
fn a_record_is_told_apart_from_what_others_publish() {
    let topic = Bytes::from_static(RECORDED);
    let read = |headers: &str| recorded(&topic, headers.as_bytes(), &Bytes::from("x"));
    let all = "NATS/1.0\r\nAnywire-Epoch: 7\r\nNats-Sequence: 20\r\nNats-Last-Sequence: 0\r\n\r\n";
    let expected = Recorded::new(topic.clone(), "x", Place::new(7, 20), 0);
    assert_eq!(read(all), Some(expected));
    for wrong in [
        "",
        "NATS/1.0\r\nAnywire-Epoch: 7\r\nNats-Sequence: 20\r\n\r\n",
        "NATS/1.0\r\nAnywire-Epoch: x\r\nNats-Sequence: 20\r\nNats-Last-Sequence: 0\r\n\r\n",
        "NATS/1.0\r\nNats-Sequence: 20\r\nNats-Last-Sequence: 0\r\n\r\n",
    ] {
        assert_eq!(read(wrong), None, "{wrong}");
    }
}

/// On one server all records are under way at once; in a cluster one of each topic.
#[test]
fn records_of_a_topic_are_written_in_their_order() {
    let records = || -> Vec<Appending> {
        let asking = |topic: &str, n| Asking { subject: format!("{topic} {n}"), headers: vec![], body: Bytes::new() };
        let all = [("a", 1), ("b", 1), ("a", 2), ("a", 3), ("b", 2)];
        all.map(|(topic, n)| Appending { topic: topic.into(), keep: KEEP, asking: asking(topic, n) }).into()
    };
    let subjects = |apart| -> Vec<Vec<String>> {
        let of_wave = |wave: Vec<Appending>| wave.into_iter().map(|record| record.asking.subject).collect();
        waves(records(), apart).into_iter().map(of_wave).collect()
    };
    assert_eq!(subjects(false), [vec!["a 1", "b 1", "a 2", "a 3", "b 2"]]);
    assert_eq!(subjects(true), [vec!["a 1", "b 1"], vec!["a 2", "b 2"], vec!["a 3"]]);
}
