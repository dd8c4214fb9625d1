//! Queues by single cases; `simulation` drives them at random against a model.

mod model;
mod simulation;
mod wrong;

use super::*;

const LIMITS: QueueLimits = QueueLimits { queues: 2, messages: 4, bytes: 10, failures: 3 };

/// Consumers: Ann and Bob acknowledge, Eve does not.
const ANN: u32 = 1;
const BOB: u32 = 2;
const EVE: u32 = 3;

/// A queue `jobs` with these messages and no consumer.
fn jobs(messages: &[&str]) -> Queues<u32> {
    let mut queues = Queues::new(LIMITS);
    for &message in messages {
        queues.push("jobs", message.into()).expect("there is room");
    }
    queues
}

fn add(queues: &mut Queues<u32>, consumer: u32, credit: usize) {
    queues.subscribe("jobs", consumer, consumer != EVE, credit).expect("the queue exists");
}

/// The next consumer and its message, and whether it comes again.
fn next(queues: &mut Queues<u32>) -> Option<(u32, String, bool)> {
    tagged(queues).map(|(_, consumer, text, again)| (consumer, text, again))
}

fn tagged(queues: &mut Queues<u32>) -> Option<(u64, u32, String, bool)> {
    let Handed { consumer, tag, message, redelivered } = queues.next("jobs")?;
    Some((tag, consumer, message.as_text().expect("a text").to_owned(), redelivered))
}

fn tag(queues: &mut Queues<u32>) -> u64 {
    queues.next("jobs").expect("a message waits and somebody is ready").tag
}

fn first(consumer: u32, text: &str) -> Option<(u32, String, bool)> {
    Some((consumer, text.to_owned(), false))
}

fn again(consumer: u32, text: &str) -> Option<(u32, String, bool)> {
    Some((consumer, text.to_owned(), true))
}

#[test]
fn consumers_take_turns_and_messages_keep_their_order() {
    let mut queues = jobs(&["a", "b", "c"]);
    assert_eq!(next(&mut queues), None, "nobody is there");
    add(&mut queues, ANN, 10);
    add(&mut queues, BOB, 10);
    let all: Vec<_> = std::iter::from_fn(|| next(&mut queues)).collect();
    assert_eq!(all, [first(ANN, "a"), first(BOB, "b"), first(ANN, "c")].map(Option::unwrap));
}

#[test]
fn a_consumer_whose_credit_is_used_up_gets_more_when_it_acknowledges() {
    let mut queues = jobs(&["a", "b"]);
    add(&mut queues, ANN, 1);
    let a = tag(&mut queues);
    assert_eq!(next(&mut queues), None);
    assert!(queues.ack("jobs", a));
    assert_eq!(next(&mut queues), first(ANN, "b"));
}

#[test]
fn a_credit_of_nothing_gets_nothing() {
    let mut queues = jobs(&["a"]);
    add(&mut queues, ANN, 0);
    assert_eq!(next(&mut queues), None);
}

#[test]
fn a_consumer_without_acknowledgements_is_done_with_what_it_was_handed() {
    let mut queues = jobs(&["a", "b", "c"]);
    add(&mut queues, EVE, 0);
    assert_eq!([next(&mut queues), next(&mut queues)], [first(EVE, "a"), first(EVE, "b")]);
    queues.unsubscribe("jobs", EVE);
    add(&mut queues, ANN, 10);
    assert_eq!([next(&mut queues), next(&mut queues)], [first(ANN, "c"), None]);
}

#[test]
fn what_is_given_back_comes_first_and_does_not_count_as_delivered() {
    for consumer in [ANN, EVE] {
        let mut queues = jobs(&["a", "b"]);
        add(&mut queues, consumer, 10);
        let a = tag(&mut queues);
        assert!(queues.give_back("jobs", a));
        assert!(!queues.give_back("jobs", a), "it is back already");
        assert_eq!(next(&mut queues), None, "its consumer is blocked");
        queues.unblock("jobs", consumer);
        queues.unblock("jobs", consumer);
        assert_eq!([next(&mut queues), next(&mut queues)], [first(consumer, "a"), first(consumer, "b")]);
    }
}

#[test]
fn another_consumer_takes_what_was_given_back() {
    let mut queues = jobs(&["a", "b"]);
    add(&mut queues, ANN, 10);
    add(&mut queues, BOB, 10);
    let a = tag(&mut queues);
    assert!(queues.give_back("jobs", a));
    assert_eq!([next(&mut queues), next(&mut queues)], [first(BOB, "a"), first(BOB, "b")]);
}

#[test]
fn a_blocked_consumer_stays_blocked_when_it_acknowledges() {
    let mut queues = jobs(&["a", "b"]);
    add(&mut queues, ANN, 10);
    let (a, b) = (tag(&mut queues), tag(&mut queues));
    assert!(queues.give_back("jobs", b) && queues.ack("jobs", a));
    assert_eq!(next(&mut queues), None);
}

#[test]
fn a_refused_message_goes_to_another_consumer_that_is_ready() {
    let mut queues = jobs(&["a"]);
    add(&mut queues, ANN, 10);
    let a = tag(&mut queues);
    add(&mut queues, BOB, 10);
    assert!(queues.nack("jobs", a));
    assert_eq!(next(&mut queues), again(BOB, "a"));
    let mut queues = jobs(&["a"]);
    add(&mut queues, ANN, 10);
    let a = tag(&mut queues);
    assert!(queues.nack("jobs", a));
    assert_eq!(next(&mut queues), again(ANN, "a"), "there is no other");
}

#[test]
fn messages_of_a_consumer_that_leaves_come_again_in_order_before_newer_ones() {
    let mut queues = jobs(&["a", "b", "c", "d"]);
    add(&mut queues, ANN, 3);
    let (_a, b, _c) = (tag(&mut queues), tag(&mut queues), tag(&mut queues));
    assert!(queues.ack("jobs", b));
    queues.unsubscribe("jobs", ANN);
    add(&mut queues, BOB, 10);
    let all: Vec<_> = std::iter::from_fn(|| next(&mut queues)).collect();
    assert_eq!(all, [again(BOB, "a"), again(BOB, "c"), first(BOB, "d")].map(Option::unwrap));
}

#[test]
fn a_tag_is_of_one_delivery() {
    let mut queues = jobs(&["a"]);
    add(&mut queues, ANN, 10);
    let a = tag(&mut queues);
    queues.unsubscribe("jobs", ANN);
    add(&mut queues, BOB, 10);
    let b = tag(&mut queues);
    assert!(!queues.ack("jobs", a) && !queues.nack("jobs", a) && !queues.give_back("jobs", a), "it is Bob's now");
    assert!(!queues.ack("other", b) && !queues.ack("jobs", b + 1));
    assert!(queues.ack("jobs", b));
    assert!(!queues.ack("jobs", b), "it is done with");
    assert_eq!((queues.len(), queues.bytes()), (0, 0));
}

#[test]
fn a_message_that_was_delivered_too_often_is_dropped_and_counted() {
    let mut queues = jobs(&["a", "b"]);
    add(&mut queues, ANN, 10);
    for again in [false, true] {
        let (tag, _, text, redelivered) = tagged(&mut queues).expect("it comes again");
        assert_eq!((&*text, redelivered), ("a", again));
        assert!(queues.nack("jobs", tag));
    }
    let a = tag(&mut queues);
    assert_eq!((queues.dropped(), queues.len()), (0, 2));
    assert!(queues.nack("jobs", a));
    assert_eq!((queues.dropped(), queues.len(), queues.bytes()), (1, 1, 1));
    assert_eq!(next(&mut queues), first(ANN, "b"));
}

#[test]
fn unacknowledged_messages_count_for_the_bounds() {
    let mut queues = jobs(&["1", "2", "3", "4"]);
    add(&mut queues, ANN, 10);
    let full = Err(QueueError::Full { messages: 4, bytes: 10 });
    let one = tag(&mut queues);
    assert_eq!(queues.push("jobs", "5".into()), full, "too many messages");
    assert!(queues.ack("jobs", one));
    assert_eq!(queues.push("jobs", "12345678".into()), full, "too many bytes");
    assert_eq!(queues.push("jobs", "1234567".into()), Ok(()));
    assert_eq!((queues.len(), queues.bytes()), (4, 10));
}

#[test]
fn a_queue_exists_while_it_has_messages_or_consumers() {
    let mut queues = jobs(&["a"]);
    let shared = queues.subscribe("other", BOB, true, 1).expect("there may be two");
    assert_eq!(&*shared, "other");
    let too_many = QueueError::TooManyQueues { most: 2 };
    assert_eq!(queues.push("third", "x".into()), Err(too_many));
    assert_eq!(queues.subscribe("third", ANN, true, 1), Err(too_many));
    queues.unsubscribe("other", BOB);
    assert_eq!(queues.push("third", "x".into()), Ok(()));
    assert_eq!(queues.subscribe("other", ANN, true, 1), Err(too_many), "the last message keeps `jobs`");
    add(&mut queues, ANN, 1);
    let a = tag(&mut queues);
    assert!(queues.ack("jobs", a));
    assert!(queues.queues.contains_key("jobs"), "Ann keeps it");
    queues.unsubscribe("jobs", ANN);
    assert!(!queues.queues.contains_key("jobs"));
}

#[test]
fn a_message_that_no_queue_can_hold_leaves_no_queue_behind() {
    let mut queues: Queues<u32> = Queues::new(LIMITS);
    assert_eq!(queues.push("jobs", "12345678901".into()), Err(QueueError::Full { messages: 4, bytes: 10 }));
    assert!(queues.queues.is_empty());
}

#[test]
fn what_is_not_there_is_left_alone() {
    let mut queues = jobs(&["a"]);
    queues.unsubscribe("jobs", ANN);
    queues.unsubscribe("other", ANN);
    queues.unblock("jobs", ANN);
    queues.unblock("other", ANN);
    assert!(queues.next("other").is_none());
    assert_eq!((queues.len(), queues.bytes(), queues.queues.len()), (1, 1, 1));
}
