//! Transactions of a session.

use super::*;

fn send(body: &'static [u8]) -> Deferred {
    let send = Send { destination: "/a".into(), transaction: some("t"), content: content(&[], body) };
    Deferred::Send(send, some("r"))
}

fn settle(id: &str) -> Deferred {
    Deferred::Settle(Settle { positive: true, transaction: some("t"), reference: Reference::Ack(id.into()) })
}

fn message_of<T: std::fmt::Debug>(result: Result<T, Refusal>) -> String {
    result.expect_err("a refusal").message.into_owned()
}

#[test]
fn commit_gives_all_requests_in_their_order() {
    let mut all = Transactions::new(2, 10_000);
    all.begin("t").unwrap();
    all.begin("u").unwrap();
    for (name, request) in [("t", send(b"1")), ("u", send(b"2")), ("t", settle("3")), ("t", send(b"4"))] {
        all.add(name, request).unwrap();
    }
    assert_eq!(all.commit("t"), Ok(vec![send(b"1"), settle("3"), send(b"4")]));
    assert_eq!(all.commit("u"), Ok(vec![send(b"2")]));
    assert_eq!(all.held(), 0);
}

#[test]
fn abort_forgets_all() {
    let mut all = Transactions::new(2, 10_000);
    all.begin("t").unwrap();
    all.add("t", send(b"1")).unwrap();
    assert!(all.held() > 0);
    all.abort("t").unwrap();
    assert_eq!(all.held(), 0);
    // The name is free again, and nothing is left of it.
    all.begin("t").unwrap();
    assert_eq!(all.commit("t"), Ok(vec![]));
}

#[test]
fn different_transactions_have_different_names() {
    let mut all = Transactions::new(2, 10_000);
    all.begin("t").unwrap();
    assert_eq!(message_of(all.begin("t")), "transaction exists");
}

#[test]
fn commit_abort_and_requests_name_a_transaction_that_was_begun() {
    let mut all = Transactions::new(2, 10_000);
    assert_eq!(message_of(all.commit("t")), "unknown transaction");
    assert_eq!(message_of(all.abort("t")), "unknown transaction");
    assert_eq!(message_of(all.add("t", send(b""))), "unknown transaction");
    all.begin("t").unwrap();
    all.commit("t").unwrap();
    assert_eq!(message_of(all.commit("t")), "unknown transaction");
}

#[test]
fn there_are_at_most_so_many() {
    let mut all = Transactions::new(2, 10_000);
    all.begin("t").unwrap();
    all.begin("u").unwrap();
    let refusal = all.begin("v").expect_err("too many");
    assert_eq!(refusal.detail, "a session has at most 2 transactions at a time (Stomp::transactions)");
    all.abort("t").unwrap();
    all.begin("v").unwrap();
}

#[test]
fn they_hold_at_most_so_many_bytes_together() {
    let mut all = Transactions::new(2, 1000);
    all.begin("t").unwrap();
    all.begin("u").unwrap();
    all.add("t", send(&[b'x'; 400])).unwrap();
    let held = all.held();
    assert!((400..1000).contains(&held), "{held}");
    let refusal = all.add("u", send(&[b'x'; 600])).expect_err("too much");
    assert_eq!(refusal.detail, "all transactions of a session hold at most 1000 bytes (Builder::message_limit)");
    assert_eq!(all.held(), held);
    // A request without any text counts as well.
    let many = (0..).find(|_| all.add("u", settle("")).is_err()).unwrap();
    assert!((1..10).contains(&many), "{many}");
    all.abort("t").unwrap();
    all.add("u", send(&[b'x'; 300])).unwrap();
}
