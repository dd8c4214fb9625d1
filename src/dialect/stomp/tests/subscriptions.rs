//! The subscriptions of a session, and the ACKs that are due.

use super::*;
use AckMode::{Auto, Client, ClientIndividual};

const MAX: usize = 3;
const MOST_DUE: usize = 4;

fn none() -> Subscriptions {
    Subscriptions::new(MAX, MOST_DUE)
}

fn queue() -> Source {
    Source::Queue("q".into())
}

fn room(key: &str) -> Source {
    Source::Room(key.to_owned().into())
}

/// A table with one subscription, `s` of the queue `q`.
fn one(ack: AckMode) -> (Subscriptions, u64) {
    let mut all = none();
    let number = all.add(subscribe("s", "/queue/q", ack), queue()).unwrap();
    (all, number)
}

/// Sends a message whose body is its tag. Returns the frame.
fn deliver(all: &mut Subscriptions, number: u64, tag: u64) -> Option<String> {
    let content = content(&[], tag.to_string().as_bytes()).encode();
    all.deliver(V1_2, number, &content, Some(false), Some(tag), &[]).map(|message| shown(&message))
}

/// The value of a header of a frame.
fn header_of<'a>(frame: &'a str, name: &str) -> Option<&'a str> {
    frame.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

fn ack(id: u64) -> Settle {
    Settle { positive: true, transaction: None, reference: Reference::Ack(id.to_string().into()) }
}

fn ack_1_1(id: u64, subscription: &str) -> Settle {
    let reference = Reference::Message { id: id.to_string().into(), subscription: some(subscription) };
    Settle { positive: true, transaction: None, reference }
}

fn tags(settled: Result<Vec<Delivery>, Refusal>) -> Vec<u64> {
    settled.unwrap().iter().map(|delivery| delivery.tag.unwrap()).collect()
}

#[test]
fn different_subscriptions_have_different_ids() {
    let mut all = none();
    all.add(subscribe("s", "/topic/a", Auto), room("a")).unwrap();
    let refusal = all.add(subscribe("s", "/topic/b", Auto), room("b")).expect_err("taken");
    assert_eq!(refusal.message, "subscription exists");
    // The id is free again behind UNSUBSCRIBE, and the number is another one.
    all.remove("s").unwrap();
    assert_eq!(all.add(subscribe("s", "/topic/b", Auto), room("b")), Ok(2));
    // The same destination may be subscribed to twice.
    assert_eq!(all.add(subscribe("t", "/topic/b", Auto), room("b")), Ok(3));
}

#[test]
fn there_are_at_most_so_many_subscriptions() {
    let mut all = none();
    for id in ["a", "b", "c"] {
        all.add(subscribe(id, "/topic/a", Auto), room("a")).unwrap();
    }
    let refusal = all.add(subscribe("d", "/topic/a", Auto), room("a")).expect_err("too many");
    assert_eq!(refusal.detail, "a session has at most 3 subscriptions (Stomp::subscriptions)");
    all.remove("b").unwrap();
    assert!(all.add(subscribe("d", "/topic/a", Auto), room("a")).is_ok());
    assert!(all.find("d").is_some() && all.find("b").is_none());
}

#[test]
fn at_most_sixteen_subscriptions_are_to_one_destination() {
    let mut all = Subscriptions::new(100, 9);
    for id in 0..16 {
        all.add(subscribe(&id.to_string(), "/topic/a", Auto), room("a")).unwrap();
    }
    let refusal = all.add(subscribe("x", "/topic/a", Auto), room("a")).expect_err("too many");
    assert_eq!(refusal.detail, "a session has at most 16 subscriptions to one destination");
    assert!(all.add(subscribe("x", "/topic/b", Auto), room("b")).is_ok());
}

#[test]
fn unsubscribe_matches_an_existing_subscription() {
    let (mut all, number) = one(Auto);
    assert!(all.remove("/queue/q").is_none());
    let (removed, due) = all.remove("s").unwrap();
    assert_eq!((removed.number, &removed.destination[..], due), (number, "/queue/q", vec![]));
    assert!(all.remove("s").is_none());
    // Nothing is sent to it any more.
    assert!(!all.may_deliver(number));
    assert_eq!(deliver(&mut all, number, 1), None);
}

#[test]
fn each_message_has_an_id_of_its_own() {
    let (mut all, queue) = one(Client);
    let topic = all.add(subscribe("t", "/topic/a", Auto), room("a")).unwrap();
    let frames = [queue, topic, queue, topic].map(|number| deliver(&mut all, number, 9).unwrap());
    assert_eq!(frames.each_ref().map(|frame| header_of(frame, "message-id").unwrap()), ["1", "2", "3", "4"]);
    assert_eq!(frames.each_ref().map(|frame| header_of(frame, "subscription").unwrap()), ["s", "t", "s", "t"]);
    assert_eq!(frames.each_ref().map(|frame| header_of(frame, "ack")), [Some("1"), None, Some("3"), None]);
    assert_eq!(header_of(&frames[1], "destination"), Some("/topic/a"));
}

#[test]
fn a_subscription_without_id_is_not_named() {
    let mut all = none();
    let ask = Subscribe { has_id: false, ..subscribe("/topic/a", "/topic/a", Auto) };
    let number = all.add(ask, room("a")).unwrap();
    let frame = all.deliver(V1_0, number, &content(&[], b"").encode(), None, None, &[]).unwrap();
    assert_eq!(shown(&frame), "MESSAGE\ndestination:/topic/a\nmessage-id:1\ncontent-length:0\n\n^");
}

#[test]
fn in_the_mode_client_an_ack_is_of_all_before_it() {
    let (mut all, number) = one(Client);
    (1..=4).for_each(|tag| drop(deliver(&mut all, number, tag)));
    assert_eq!(tags(all.settle(&ack(3))), [1, 2, 3]);
    assert_eq!(all.due(), 1);
    assert_eq!(tags(all.settle(&ack(4))), [4]);
}

#[test]
fn a_nack_is_of_as_many_as_an_ack() {
    for (mode, settled) in [(Client, &[1, 2][..]), (ClientIndividual, &[2])] {
        let (mut all, number) = one(mode);
        (1..=3).for_each(|tag| drop(deliver(&mut all, number, tag)));
        assert_eq!(tags(all.settle(&Settle { positive: false, ..ack(2) })), settled);
    }
}

#[test]
fn in_the_mode_client_individual_an_ack_is_of_one() {
    let (mut all, number) = one(ClientIndividual);
    (1..=4).for_each(|tag| drop(deliver(&mut all, number, tag)));
    for (id, due) in [(3, 3), (1, 2), (4, 1), (2, 0)] {
        assert_eq!((tags(all.settle(&ack(id))), all.due()), (vec![id], due));
    }
}

#[test]
fn an_ack_is_of_one_subscription_alone() {
    let (mut all, first) = one(Client);
    let second = all.add(subscribe("t", "/queue/q", Client), queue()).unwrap();
    // The ids 1 and 3 are of the first, 2 and 4 of the second.
    [first, second, first, second].iter().zip(1..).for_each(|(&number, tag)| drop(deliver(&mut all, number, tag)));
    assert_eq!(tags(all.settle(&ack(4))), [2, 4]);
    assert_eq!(tags(all.settle(&ack(3))), [1, 3]);
}

#[test]
fn in_1_1_an_ack_names_the_subscription_of_its_message() {
    let (mut all, number) = one(ClientIndividual);
    all.add(subscribe("t", "/queue/q", Client), queue()).unwrap();
    deliver(&mut all, number, 7);
    for other in ["t", "u", ""] {
        let refusal = all.settle(&ack_1_1(1, other)).expect_err(other);
        assert_eq!(refusal.detail, "an ACK or NACK names a message of another subscription");
    }
    assert_eq!(tags(all.settle(&ack_1_1(1, "s"))), [7]);
}

#[test]
fn an_ack_of_what_was_never_sent_is_refused() {
    let (mut all, number) = one(Client);
    deliver(&mut all, number, 1);
    for id in ["0", "2", "", "01", "+1", "-1", "x", "1 ", "18446744073709551616"] {
        let settle = Settle { reference: Reference::Ack(id.into()), ..ack(0) };
        assert_eq!(all.settle(&settle).expect_err(id).message, "unknown message");
    }
    assert_eq!(all.due(), 1);
}

#[test]
fn an_ack_that_changes_nothing_is_taken() {
    let (mut all, number) = one(Client);
    let topic = all.add(subscribe("t", "/topic/a", Client), room("a")).unwrap();
    deliver(&mut all, number, 1);
    deliver(&mut all, topic, 2);
    // The ids are those of a topic, of one that was settled, and of one whose subscription has gone.
    assert!(tags(all.settle(&ack(2))).is_empty());
    assert_eq!((tags(all.settle(&ack(1))), tags(all.settle(&ack(1)))), (vec![1], vec![]));
    deliver(&mut all, number, 3);
    assert_eq!(all.remove("s").unwrap().1.len(), 1);
    assert!(tags(all.settle(&ack_1_1(3, "s"))).is_empty());
}

#[test]
fn an_ack_is_checked_before_its_transaction_is_committed() {
    let (mut all, number) = one(Client);
    deliver(&mut all, number, 1);
    assert_eq!((all.check(&ack(1)), all.check(&ack_1_1(1, "s"))), (Ok(()), Ok(())));
    assert_eq!(all.check(&ack(2)).expect_err("never sent").message, "unknown message");
    assert_eq!(all.check(&ack_1_1(1, "t")).expect_err("of another").message, "unknown message");
    // A check settles nothing.
    assert_eq!(tags(all.settle(&ack(1))), [1]);
    assert_eq!(all.check(&ack(1)), Ok(()));
}

#[test]
fn in_the_mode_auto_no_ack_is_due() {
    let (mut all, number) = one(Auto);
    for tag in 1..=9 {
        assert!(all.may_deliver(number));
        assert_eq!(header_of(&deliver(&mut all, number, tag).unwrap(), "ack"), None);
    }
    assert_eq!(all.due(), 0);
}

#[test]
fn a_queue_waits_when_too_many_acks_are_due() {
    let (mut all, number) = one(ClientIndividual);
    let (auto, topic) = (
        all.add(subscribe("a", "/queue/q", Auto), queue()).unwrap(),
        all.add(subscribe("t", "/topic/a", Client), room("a")).unwrap(),
    );
    for tag in 1..=4 {
        assert!(deliver(&mut all, number, tag).is_some());
    }
    assert!(!all.may_deliver(number));
    assert_eq!(deliver(&mut all, number, 5), None);
    // All others go on.
    assert!(deliver(&mut all, auto, 6).is_some() && deliver(&mut all, topic, 7).is_some());
    all.settle(&ack(2)).unwrap();
    // The message that was not sent has taken no id.
    assert_eq!(header_of(&deliver(&mut all, number, 8).unwrap(), "message-id"), Some("7"));
}

#[test]
fn what_is_due_comes_back_in_its_order() {
    let (mut all, number) = one(ClientIndividual);
    let other = all.add(subscribe("t", "/queue/r", Client), Source::Queue("r".into())).unwrap();
    (1..=3).for_each(|tag| drop(deliver(&mut all, number, tag)));
    deliver(&mut all, other, 9);
    all.settle(&ack(2)).unwrap();
    let (_, due) = all.remove("s").unwrap();
    let delivery = |id, tag| Delivery { id, subscription: number, tag: Some(tag), queue: some("q") };
    assert_eq!(due, [delivery(1, 1), delivery(3, 3)]);
    assert_eq!(all.due(), 1);
    let rest = all.clear();
    assert_eq!(rest, [Delivery { id: 4, subscription: other, tag: Some(9), queue: some("r") }]);
    assert!(all.due() == 0 && all.find("t").is_none());
    assert_eq!(all.clear(), []);
}

#[test]
fn subscriptions_are_found_by_their_source() {
    let mut all = Subscriptions::new(9, 9);
    let sources = [("a", room("a")), ("b", room("b")), ("c", room("a")), ("d", queue())];
    for (id, source) in sources {
        all.add(subscribe(id, &format!("/x/{id}"), Auto), source).unwrap();
    }
    for (id, destination) in [("e", "/user/queue/x"), ("f", "/user/queue/y"), ("g", "/user/queue/x")] {
        all.add(subscribe(id, destination, Auto), Source::User).unwrap();
    }
    let rooms = |keys: &[&str]| all.of_room(keys).collect::<Vec<_>>();
    assert_eq!(rooms(&["a"]), [1, 3]);
    assert_eq!(rooms(&["b", "a", "a"]), [1, 2, 3]);
    assert!(rooms(&["q", "/x/a"]).is_empty());
    assert_eq!(all.of_user("/user/queue/x").collect::<Vec<_>>(), [5, 7]);
    assert_eq!(all.of_user("/x/a").count(), 0);
    assert_eq!(all.get(4).unwrap().queue().map(|key| &key[..]), Some("q"));
    assert_eq!(all.find("f").unwrap().number, 6);
    assert!(all.get(8).is_none() && all.find("x").is_none());
}
