//! Own messages that come back late, on a line that is slow and was not cut.

use super::{pair::Pair, *};

/// A node publishes, and the engine takes it.
fn published(pair: &mut Pair, node: usize) -> Vec<Publication> {
    let batch = pair.nodes[node].poll_publish(pair.now).expect("a batch");
    pair.nodes[node].publish_done(pair.now, true);
    batch
}

/// A node receives these publications. Returns what it tells.
fn come(pair: &mut Pair, node: usize, batch: &[Publication]) -> Vec<String> {
    for publication in batch {
        pair.nodes[node].received(pair.now, &publication.topic, &publication.body);
    }
    events(&mut pair.nodes[node])
}

#[test]
fn a_marker_tells_nothing_of_what_was_published_behind_it() {
    let mut pair = Pair::new();
    pair.send(0, "1");
    let first = published(&mut pair, 0);
    pair.now = 500;
    pair.nodes[0].handle_timeout(500);
    let marker = published(&mut pair, 0);
    pair.now = 550;
    pair.send(1, "x");
    let other = published(&mut pair, 1);
    pair.send(0, "2");
    let second = published(&mut pair, 0);
    assert_eq!(come(&mut pair, 0, &first), ["+1"]);
    // The second message is late too by now.
    pair.now = 1_050;
    pair.nodes[0].handle_timeout(1_050);
    assert_eq!(come(&mut pair, 0, &marker), [""; 0]);
    assert_eq!(come(&mut pair, 0, &other), [""; 0]);
    assert_eq!(come(&mut pair, 0, &second), ["x", "+2"]);
}

#[test]
fn late_messages_are_behind_all_that_came_before_a_cut() {
    let mut pair = Pair::new();
    pair.send(1, "x");
    let other = published(&mut pair, 1);
    pair.send(0, "1");
    published(&mut pair, 0);
    pair.now = 500;
    pair.nodes[0].handle_timeout(500);
    assert_eq!(come(&mut pair, 0, &other), [""; 0]);
    pair.nodes[0].cut(500);
    pair.nodes[0].whole(500);
    assert_eq!(events(&mut pair.nodes[0]), ["x"]);
    pair.run();
    assert_eq!(events(&mut pair.nodes[0]), ["+1"]);
}
