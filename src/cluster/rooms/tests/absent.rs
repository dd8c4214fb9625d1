//! Messages that were sent while the engine was away wait for the nodes that are back later.

use super::{
    pair::{AT_ONCE, LATER, Pair},
    *,
};

const EACH: usize = 50;

/// Two nodes that are split, each of which has said something since.
fn split() -> Pair {
    let mut pair = Pair::new();
    pair.send(0, "a");
    pair.send(1, "b");
    pair.run();
    assert_eq!(pair.events(), ["+a b", "a +b"]);
    pair.connected = [false; 2];
    pair.nodes.iter_mut().for_each(|node| node.cut(0));
    pair.wait(1_500);
    assert_eq!(pair.events(), ["split true", "split true"]);
    for n in 0..EACH {
        assert_eq!([pair.send(0, &format!("a{n}")), pair.send(1, &format!("b{n}"))], [AT_ONCE; 2]);
        pair.wait(10);
    }
    pair
}

fn whole(pair: &mut Pair, node: usize) {
    pair.connected[node] = true;
    pair.nodes[node].whole(pair.now);
    pair.run();
}

fn late(name: &str) -> String {
    (0..EACH).map(|n| format!("~{name}{n}")).collect::<Vec<_>>().join(" ")
}

fn holes(pair: &Pair) -> [u64; 2] {
    pair.nodes.each_ref().map(|node| node.counters().holes)
}

#[test]
fn without_an_engine_rooms_go_on_and_the_others_hear_it_later() {
    let mut pair = Pair::new();
    pair.send(0, "1");
    pair.run();
    pair.events();
    pair.nodes[0].cut(0);
    pair.send(0, "2");
    pair.nodes[0].handle_timeout(999);
    assert_eq!(pair.events(), ["", ""]);
    assert_eq!(pair.nodes[0].next_timeout(), Some(1_000));
    pair.now = 1_000;
    pair.nodes[0].handle_timeout(1_000);
    assert!(pair.nodes[0].is_split());
    assert_eq!(pair.events(), ["split true +2", ""]);
    assert_eq!(pair.send(0, "3"), AT_ONCE);
    assert_eq!(pair.nodes[0].poll_publish(1_000), None, "the others may be away too");
    pair.now = 5_000;
    pair.nodes[0].whole(5_000);
    pair.run();
    assert_eq!(pair.events(), ["split false", "~2 ~3"]);
    assert_eq!(pair.send(0, "4"), LATER);
    pair.wait(60_000);
    assert_eq!(pair.events(), ["+4", "4"]);
    assert_eq!(pair.nodes[1].counters().late, 2);
}

#[test]
fn the_node_that_is_back_first_waits_for_the_other_one() {
    let mut pair = split();
    whole(&mut pair, 0);
    pair.wait(1_000);
    // More is said meanwhile, and follows.
    assert_eq!(pair.send(0, "more"), AT_ONCE);
    assert_eq!(pair.events(), ["", ""]);
    whole(&mut pair, 1);
    pair.wait(1_100);
    let [first, second] = pair.events();
    assert_eq!(first.replace("split false", "").trim(), late("b"));
    assert_eq!(second.replace("split false", "").trim(), late("a") + " ~more");
    assert!(pair.nodes.iter().all(|node| !node.is_split()));
    pair.send(0, "end");
    pair.wait(60_000);
    assert_eq!(pair.events(), ["+end", "end"]);
    assert_eq!(holes(&pair), [0, 0]);
}

#[test]
fn a_node_that_does_not_come_back_is_waited_for_three_seconds() {
    let mut pair = split();
    whole(&mut pair, 0);
    pair.wait(2_999);
    assert!(pair.nodes[0].is_split());
    assert_eq!(pair.nodes[0].counters().published, 1);
    pair.wait(1);
    assert_eq!(pair.events(), ["split false", ""]);
    assert_eq!(pair.nodes[0].counters().published, 1 + EACH as u64);
    whole(&mut pair, 1);
    pair.wait(10_000);
    assert_eq!(pair.events(), [late("b"), format!("!{EACH} split false")]);
}

#[test]
fn a_node_that_nobody_knows_any_more_is_waited_for_all_the_same() {
    let mut pair = split();
    pair.nodes[0].set_others(pair.now, &[]);
    whole(&mut pair, 0);
    pair.wait(1_000);
    pair.nodes[0].set_others(pair.now, &[2]);
    whole(&mut pair, 1);
    pair.wait(1_100);
    assert_eq!(pair.events()[1].replace("split false", "").trim(), late("a"));
}

#[test]
fn short_cuts_do_not_make_it_wait_for_longer() {
    let mut pair = split();
    whole(&mut pair, 0);
    for _ in 0..14 {
        pair.wait(200);
        pair.connected[0] = false;
        pair.nodes[0].cut(pair.now);
        pair.wait(20);
        whole(&mut pair, 0);
    }
    assert_eq!(pair.nodes[0].counters().published, 1 + EACH as u64);
    // A long one does.
    pair.connected[0] = false;
    pair.nodes[0].cut(pair.now);
    pair.wait(2_000);
    pair.send(0, "more");
    whole(&mut pair, 0);
    pair.wait(2_000);
    assert!(pair.nodes[0].is_split());
    assert_eq!(pair.nodes[0].counters().published, 1 + EACH as u64);
}

/// A batch that has failed before is held like what waits.
#[test]
fn a_batch_that_failed_waits_too() {
    let mut pair = Pair::new();
    pair.connected = [false; 2];
    assert_eq!(send(&mut pair.nodes[0], 0, "elsewhere", "1"), AT_ONCE);
    pair.nodes[1].set_interest(0, "elsewhere", true);
    pair.wait(10);
    pair.nodes.iter_mut().for_each(|node| node.cut(10));
    pair.wait(1_500);
    whole(&mut pair, 0);
    pair.wait(1_000);
    assert_eq!(pair.nodes[0].counters().published, 0);
    whole(&mut pair, 1);
    pair.wait(1_100);
    assert_eq!(pair.events(), ["split true split false", "split true ~1 split false"]);
}
