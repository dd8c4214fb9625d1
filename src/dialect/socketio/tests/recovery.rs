//! The log of a channel, and what a client claims that comes back.

use crate::{
    dialect::socketio::{Claim, Log, Size, claim::Last, pid},
    packet::Offset,
};

fn offset(number: u64) -> Option<Offset> {
    Offset::new(number)
}

fn last(number: u64) -> Last {
    Last::Event(offset(number).unwrap())
}

fn size(bytes: u32) -> Size {
    Size { bytes, own: bytes }
}

/// A log of at most four messages and 100 bytes that has got these numbers, of ten bytes each.
fn log(numbers: impl IntoIterator<Item = u64>) -> Log<u64> {
    let mut log = Log::new(4, 100);
    numbers.into_iter().for_each(|number| log.push(offset(number), size(10), number));
    log
}

fn missed(mut log: Log<u64>, last: Last) -> Option<Vec<u64>> {
    log.find(last).map(|heard| log.take_behind(heard).collect())
}

#[test]
fn what_follows_the_last_event_was_missed() {
    assert_eq!(missed(log(1..=3), last(1)), Some(vec![2, 3]));
    assert_eq!(missed(log(1..=3), last(3)), Some(vec![]));
    assert_eq!(missed(log(1..=3), Last::Nothing), Some(vec![1, 2, 3]));
    assert_eq!(missed(log([]), Last::Nothing), Some(vec![]));
    assert_eq!(missed(log(1..=3), last(4)), None);
    assert_eq!(missed(log(1..=3), Last::Unknown), None);
    // Members of two rooms may get two events in another order than that in which they were made.
    assert_eq!(missed(log([5, 2, 9, 3]), last(9)), Some(vec![3]));
}

#[test]
fn nobody_goes_on_behind_what_is_not_kept() {
    assert_eq!(missed(log(1..=6), Last::Nothing), None, "two of six are gone");
    assert_eq!(missed(log(1..=6), last(1)), None);
    assert_eq!(missed(log(1..=6), last(2)), Some(vec![3, 4, 5, 6]), "all that follow are kept");
    assert_eq!(missed(log(1..=6), last(3)), Some(vec![4, 5, 6]));
}

#[test]
fn the_bytes_are_bounded_too() {
    let mut log = log(1..=3);
    log.push(offset(4), size(95), 4);
    assert_eq!(log.find(last(2)), None);
    assert_eq!(log.find(last(3)), Some(0));
    assert!(log.held() >= 95 && log.held() < 95 + 200, "{}", log.held());
    log.push(offset(5), size(101), 5);
    assert_eq!((log.find(last(4)), log.find(last(5))), (None, Some(0)), "it is too large to be kept");
    assert_eq!(log.held(), 0);
    log.push(offset(6), size(1), 6);
    assert_eq!(missed(log, last(5)), Some(vec![6]));
}

#[test]
fn a_client_comes_back_more_than_once() {
    let mut log = log(1..=3);
    let heard = log.find(last(2)).unwrap();
    assert_eq!(log.take_behind(heard).collect::<Vec<_>>(), [3]);
    assert_eq!((log.held(), log.find(Last::Nothing), log.find(last(1))), (0, None, None));
    assert_eq!(log.find(last(2)), Some(0), "nothing was written since");
    log.push(offset(3), size(10), 3);
    assert_eq!((log.find(last(2)), log.find(last(3))), (Some(0), Some(1)));
    assert_eq!(log.take_behind(1).count(), 0);
    assert_eq!((log.find(last(2)), log.find(last(3))), (None, Some(0)));
}

#[test]
fn a_client_that_has_heard_nothing_comes_back_more_than_once() {
    let mut log = log([]);
    assert_eq!(log.take_behind(0).count(), 0);
    log.push(offset(1), size(10), 1);
    assert_eq!(missed(log, Last::Nothing), Some(vec![1]));
}

#[test]
fn requests_stand_at_their_place() {
    let mut log = log(1..=2);
    log.push(None, size(10), 100);
    log.push(offset(3), size(10), 3);
    assert_eq!(log.find(last(3)), Some(4));
    log.push(offset(4), size(10), 4);
    log.push(offset(5), size(10), 5);
    assert_eq!(log.find(last(2)), Some(0));
    log.push(offset(6), size(10), 6);
    assert_eq!((log.find(last(2)), log.find(Last::Nothing)), (None, None), "the request is gone");
    assert_eq!(missed(log, last(3)), Some(vec![4, 5, 6]));
}

#[test]
fn of_the_values_of_a_key_the_newest_is_kept_in_the_place_of_the_first() {
    let mut log = log(1..=1);
    for number in 2..100 {
        log.put("price", offset(number), size(10), number);
    }
    log.put("other", offset(100), size(10), 100);
    log.put("price", offset(101), size(20), 101);
    assert_eq!(log.held(), 40 + 3 * 128);
    assert_eq!(missed(log, last(1)), Some(vec![101, 100]));
}

#[test]
fn a_claim_names_a_channel_its_secret_and_the_last_event() {
    let pid = pid("node.0123", 7, "sesame");
    assert_eq!(pid, "node.0123.7.sesame");
    let claim = |last| Claim { session: "node.0123".into(), channel: 7, secret: "sesame".into(), last };
    for (data, last) in [
        (format!("{{\"pid\":\"{pid}\"}}"), Last::Nothing),
        (format!("{{\"pid\":\"{pid}\",\"offset\":\"z\",\"token\":{{\"pid\":1}}}}"), last(35)),
        (format!("{{\"offset\":null,\"pid\":\"{pid}\"}}"), Last::Nothing),
        (format!("{{\"offset\":\"just a text\",\"pid\":\"{pid}\"}}"), Last::Unknown),
        (format!("{{\"offset\":7,\"pid\":\"{pid}\"}}"), Last::Unknown),
        (format!("{{\"offset\":[\"z\"],\"pid\":\"{pid}\"}}"), Last::Unknown),
        (format!("{{\"offset\":\"{}\",\"pid\":\"{pid}\"}}", "z".repeat(1_000_000)), Last::Unknown),
        (format!("{{\"pid\":7,\"p\\u0069d\":\"{pid}\"}}"), Last::Nothing),
    ] {
        assert_eq!(Claim::read(&data), Some(claim(last)), "{}", &data[..data.len().min(100)]);
    }
}

#[test]
fn other_data_claim_nothing() {
    let long = format!("{{\"pid\":\"{}.1.2\"}}", "x".repeat(300));
    let deep = format!("{{\"pid\":{}1{}}}", "[".repeat(1000), "]".repeat(1000));
    for data in [
        "",
        "{}",
        "{\"offset\":\"z\"}",
        "{\"pid\":null}",
        "{\"pid\":1}",
        "{\"pid\":\"\"}",
        "{\"pid\":\"nonsense\"}",
        "{\"pid\":\"a.b\"}",
        "{\"pid\":\"a.b.c\"}",
        "{\"pid\":\"a.-1.c\"}",
        "{\"pid\":\"a.99999999999999999999.c\"}",
        "{\"pid\":\"a.1.c\",\"pid\":2}",
        &long,
        &deep,
    ] {
        assert_eq!(Claim::read(data), None, "{}", &data[..data.len().min(100)]);
    }
}
