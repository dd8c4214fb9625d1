//! The promises of a directory.

use std::{collections::BTreeSet, time::Duration};

use anywire::{Claim, Cluster};
use axum::body::Bytes;
use futures::future::join_all;
use tokio::time::sleep;

use super::node::{Node, in_time};

type Make<'a> = &'a dyn Fn() -> Cluster;

const LONG: Duration = Duration::from_secs(60);
/// Longer than a busy machine takes from one call to the next.
const SHORT: Duration = Duration::from_secs(3);

/// Waits until something has ended with its time.
async fn until_over(what: &str, is_over: impl AsyncFn() -> bool) {
    let over = async {
        while !is_over().await {
            sleep(Duration::from_millis(50)).await;
        }
    };
    in_time(what, over).await;
}

fn held(value: &'static str) -> Claim {
    Claim::Held(Bytes::from(value))
}

async fn beat(node: &Node, id: &str, info: &str, lease: Duration) -> BTreeSet<Bytes> {
    node.directory.beat(id.as_bytes(), info.as_bytes(), lease).await.unwrap().into_iter().collect()
}

fn set(infos: &[&'static str]) -> BTreeSet<Bytes> {
    infos.iter().map(|info| Bytes::from(*info)).collect()
}

pub async fn leases_are_renewed_and_end(make: Make<'_>) {
    let (a, b) = (Node::new(make()), Node::new(make()));
    assert_eq!(beat(&a, "a", "first of a", LONG).await, set(&["first of a"]));
    assert_eq!(beat(&b, "b", "of b", SHORT).await, set(&["first of a", "of b"]));
    assert_eq!(beat(&a, "a", "of a, with spaces", LONG).await, set(&["of a, with spaces", "of b"]));
    // Beats within the lease keep it, as others see it.
    for _ in 0..4 {
        sleep(SHORT / 3).await;
        assert_eq!(beat(&a, "a", "of a", LONG).await, set(&["of a", "of b"]));
        beat(&b, "b", "of b", SHORT).await;
    }
    until_over("a lease", async || beat(&a, "a", "of a", LONG).await == set(&["of a"])).await;
    assert_eq!(beat(&b, "b", "back", LONG).await, set(&["of a", "back"]));
}

pub async fn a_node_leaves(make: Make<'_>) {
    let (a, b) = (Node::new(make()), Node::new(make()));
    beat(&a, "a", "of a", LONG).await;
    assert_eq!(beat(&b, "b", "of b", LONG).await.len(), 2);
    b.directory.leave(b"b").await.unwrap();
    b.directory.leave(b"never there").await.unwrap();
    assert_eq!(beat(&a, "a", "of a", LONG).await, set(&["of a"]));
}

pub async fn one_of_many_claims_is_first(make: Make<'_>) {
    let nodes: Vec<_> = (0..5).map(|_| Node::new(make())).collect();
    for round in 0..10 {
        let key = format!("attempt {round}");
        let claims = (0..50).map(|n: usize| {
            let (directory, key) = (nodes[n % nodes.len()].directory.clone(), key.clone());
            tokio::spawn(async move { directory.claim(key.as_bytes(), n.to_string().as_bytes(), LONG).await.unwrap() })
        });
        let claims: Vec<Claim> = join_all(claims).await.into_iter().map(|claim| claim.unwrap()).collect();
        let first: Vec<usize> = (0..50).filter(|&n| claims[n] == Claim::Mine).collect();
        let [first] = first[..] else { panic!("{first:?} have the same claim") };
        let winner = Claim::Held(Bytes::from(first.to_string()));
        assert!(claims.iter().enumerate().all(|(n, claim)| n == first || *claim == winner), "{claims:?}");
    }
}

pub async fn a_claim_is_kept_for_its_time(make: Make<'_>) {
    let (a, b) = (Node::new(make()), Node::new(make()));
    assert_eq!(a.directory.look(b"key").await.unwrap(), None);
    assert_eq!(a.directory.claim(b"key", b"a", SHORT).await.unwrap(), Claim::Mine);
    assert_eq!(b.directory.claim(b"key", b"b", SHORT).await.unwrap(), held("a"));
    assert_eq!(b.directory.look(b"key").await.unwrap(), Some(Bytes::from("a")));
    // Its owner claims it for longer.
    assert_eq!(a.directory.claim(b"key", b"a", SHORT * 2).await.unwrap(), Claim::Mine);
    sleep(SHORT + Duration::from_millis(100)).await;
    assert_eq!(b.directory.claim(b"key", b"b", SHORT).await.unwrap(), held("a"));
    until_over("a claim", async || b.directory.look(b"key").await.unwrap().is_none()).await;
    assert_eq!(b.directory.claim(b"key", b"b", Duration::MAX).await.unwrap(), Claim::Mine);
    assert_eq!(a.directory.claim(b"key", b"a", LONG).await.unwrap(), held("b"));
    // The shortest time is one too.
    assert_eq!(a.directory.claim(b"brief", b"a", Duration::ZERO).await.unwrap(), Claim::Mine);
}

pub async fn a_claim_is_swapped_by_who_knows_its_value(make: Make<'_>) {
    let node = Node::new(make());
    let swap = |from: &'static str, to: &'static str| node.directory.swap(b"key", from.as_bytes(), to.as_bytes(), LONG);
    assert_eq!(swap("nobody", "a").await.unwrap(), Claim::Mine, "a free key");
    assert_eq!(swap("c", "b").await.unwrap(), held("a"));
    assert_eq!(swap("a", "b").await.unwrap(), Claim::Mine);
    assert_eq!(swap("a", "b").await.unwrap(), Claim::Mine, "asked for again, as its answer was lost");
    assert_eq!(swap("a", "c").await.unwrap(), held("b"));
    // Of two that find the same dead node one has its claim.
    let (first, second) = tokio::join!(swap("b", "x"), swap("b", "y"));
    let outcomes = [first.unwrap(), second.unwrap()];
    assert!(outcomes == [Claim::Mine, held("x")] || outcomes == [held("y"), Claim::Mine], "{outcomes:?}");
}

pub async fn a_claim_is_released_by_its_owner(make: Make<'_>) {
    let node = Node::new(make());
    node.directory.claim(b"key", b"a", LONG).await.unwrap();
    node.directory.release(b"key", b"b").await.unwrap();
    assert_eq!(node.directory.claim(b"key", b"b", LONG).await.unwrap(), held("a"));
    node.directory.release(b"key", b"a").await.unwrap();
    node.directory.release(b"key", b"a").await.unwrap();
    assert_eq!(node.directory.claim(b"key", b"b", LONG).await.unwrap(), Claim::Mine);
}

pub async fn keys_and_values_are_bytes(make: Make<'_>) {
    let node = Node::new(make());
    let all: Vec<u8> = (0..=255).rev().collect();
    for (key, value) in [(&all[..], &all[..]), (b"", b""), (b"\r\n", b"1e3"), (b"long", &[7; 100_000])] {
        assert_eq!(node.directory.claim(key, value, LONG).await.unwrap(), Claim::Mine);
        assert_eq!(node.directory.look(key).await.unwrap().as_deref(), Some(value));
        assert_eq!(
            node.directory.claim(key, b"other", LONG).await.unwrap(),
            Claim::Held(Bytes::copy_from_slice(value))
        );
        let infos = node.directory.beat(key, value, LONG).await.unwrap();
        assert!(infos.iter().any(|info| info == value));
    }
}

async fn note(node: &Node, id: &str, notes: &[(&'static str, &'static str)], keep: Duration) {
    let notes = notes.iter().map(|(topic, value)| (Bytes::from(*topic), Bytes::from(*value))).collect();
    node.directory.note(id.as_bytes(), notes, keep).await.unwrap();
}

/// The notes of a topic, each as `id value`.
async fn notes(node: &Node, topic: &str) -> BTreeSet<String> {
    let notes = node.directory.notes(topic.as_bytes()).await.unwrap();
    notes.iter().map(|(id, value)| format!("{} {}", id.escape_ascii(), value.escape_ascii())).collect()
}

fn texts(all: &[&str]) -> BTreeSet<String> {
    all.iter().map(ToString::to_string).collect()
}

pub async fn notes_of_all_nodes_are_read_together(make: Make<'_>) {
    let (a, b) = (Node::new(make()), Node::new(make()));
    assert_eq!(notes(&a, "room").await, texts(&[]));
    note(&a, "a", &[("room", "1"), ("roo", "x"), ("room2", "y"), ("", "none")], LONG).await;
    note(&b, "b", &[("room", "2")], LONG).await;
    assert_eq!(notes(&a, "room").await, texts(&["a 1", "b 2"]));
    assert_eq!(notes(&b, "").await, texts(&["a none"]));
    // A note takes the place of the one before, of that node alone, and the last of a call counts.
    note(&a, "a", &[("room", "3"), ("room", "4")], LONG).await;
    assert_eq!(notes(&b, "room").await, texts(&["a 4", "b 2"]));
    note(&a, "a", &[("room", ""), ("never there", "")], LONG).await;
    assert_eq!(notes(&b, "room").await, texts(&["b 2"]));
    assert_eq!(notes(&b, "never there").await, texts(&[]));
    note(&b, "b", &[], LONG).await;
    let claimed = b.directory.claim(b"room", b"claim", LONG).await.unwrap();
    assert_eq!((claimed, notes(&b, "room").await.len()), (Claim::Mine, 1), "a claim is another thing");
}

pub async fn a_note_is_kept_for_its_time(make: Make<'_>) {
    let node = Node::new(make());
    note(&node, "a", &[("room", "short")], SHORT).await;
    note(&node, "b", &[("room", "long")], LONG).await;
    note(&node, "c", &[("room", "short")], SHORT).await;
    assert_eq!(notes(&node, "room").await.len(), 3);
    // One that is noted again lasts longer.
    note(&node, "a", &[("room", "again")], LONG).await;
    let is_over = async || !notes(&node, "room").await.contains("c short");
    until_over("a note", is_over).await;
    assert_eq!(notes(&node, "room").await, texts(&["a again", "b long"]));
    // A short one does not end the others of its topic.
    note(&node, "c", &[("room", "short")], Duration::from_millis(400)).await;
    until_over("a second note", is_over).await;
    assert_eq!(notes(&node, "room").await, texts(&["a again", "b long"]));
}

pub async fn notes_are_bytes_and_many(make: Make<'_>) {
    let node = Node::new(make());
    let all: Vec<u8> = (0..=255).rev().collect();
    for (topic, value) in [(&all[..], &all[..]), (b"\r\n", b"1 e3"), (b"long", &[7; 100_000])] {
        let one = vec![(Bytes::copy_from_slice(topic), Bytes::copy_from_slice(value))];
        node.directory.note(topic, one, LONG).await.unwrap();
        let [(id, noted)] = &node.directory.notes(topic).await.unwrap()[..] else { panic!("there is one note") };
        assert!(id == topic && noted == value);
    }
    let many = (0..512).map(|n: u32| (Bytes::from(format!("many {n}")), Bytes::from(n.to_string()))).collect();
    node.directory.note(b"a", many, LONG).await.unwrap();
    for n in [0, 1, 255, 511] {
        assert_eq!(notes(&node, &format!("many {n}")).await, texts(&[&format!("a {n}")]));
    }
}
