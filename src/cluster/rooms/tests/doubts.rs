//! A publisher that a node hears for the first time behind a cut: is anything of it missing?

use super::{pair::Pair, *};

/// Longer than a batch may be under way.
const LONG: u64 = 500;

/// Two nodes of which the first has published to a room that the second has members in only since then.
fn unheard() -> Pair {
    let mut pair = Pair::new();
    send(&mut pair.nodes[0], pair.now, "b", "before");
    pair.run();
    // The position that follows a last message tells others of it.
    pair.wait(2_000);
    pair.nodes[1].set_interest(pair.now, "b", true);
    pair.wait(LONG);
    pair.events();
    pair
}

fn cut(pair: &mut Pair, nodes: &[usize]) {
    for node in nodes {
        pair.connected[*node] = false;
        pair.nodes[*node].cut(pair.now);
    }
}

fn whole(pair: &mut Pair, nodes: &[usize]) {
    for node in nodes {
        pair.connected[*node] = true;
        pair.nodes[*node].whole(pair.now);
    }
}

/// The first node says something before it has told its positions, which the other one asks for.
fn says(pair: &mut Pair, text: &str) -> String {
    send(&mut pair.nodes[0], pair.now, "b", text);
    pair.publish(0, |_| [true; 2]);
    events(&mut pair.nodes[1]).join(" ")
}

#[test]
fn what_was_said_before_a_topic_was_wanted_is_no_gap_behind_a_cut() {
    for nodes in [&[0, 1][..], &[1]] {
        let mut pair = unheard();
        cut(&mut pair, nodes);
        pair.now += LONG;
        whole(&mut pair, nodes);
        assert_eq!(says(&mut pair, "behind"), "behind", "{nodes:?} were cut");
        pair.wait(LONG);
        assert_eq!(pair.events(), ["", ""], "the positions tell of nothing more");
    }
}

#[test]
fn what_was_said_during_a_cut_is_a_gap() {
    let mut pair = unheard();
    cut(&mut pair, &[1]);
    pair.now += LONG;
    send(&mut pair.nodes[0], pair.now, "b", "missed");
    pair.publish(0, |_| [true; 2]);
    pair.now += LONG;
    whole(&mut pair, &[1]);
    assert_eq!(says(&mut pair, "behind"), "!1 behind");
}

/// A batch may be under way for a moment, and what is said next says nothing of that.
#[test]
fn what_was_said_a_moment_before_a_cut_may_be_a_gap() {
    let mut pair = unheard();
    send(&mut pair.nodes[0], pair.now, "b", "missed");
    pair.publish(0, |_| [true, false]);
    // Something else has come behind it.
    pair.send(0, "heard");
    pair.now += 10;
    pair.publish(0, |_| [true; 2]);
    pair.events();
    cut(&mut pair, &[1]);
    pair.now += LONG;
    whole(&mut pair, &[1]);
    assert_eq!(says(&mut pair, "behind"), "!1 behind");
}
