//! Rooms that are wanted, not wanted, and wanted again.

use super::*;

/// A node that follows these rooms, and hears of another one.
fn follower(rooms: &[&str]) -> ClusterRooms<String> {
    let mut node = ClusterRooms::new(settings(1), 0);
    node.set_others(0, &[2]);
    rooms.iter().for_each(|room| node.set_interest(0, room, true));
    while node.poll_interest(0).is_some() {
        node.interest_done(0, true);
    }
    node.whole(0);
    node
}

/// The publications of a node to its rooms.
fn published(node: &mut ClusterRooms<String>, now: u64) -> Vec<Publication> {
    let mut all = Vec::new();
    while let Some(batch) = node.poll_publish(now) {
        all.extend(batch.into_iter().filter(is_of_room));
        node.publish_done(now, true);
    }
    all
}

#[test]
fn a_room_that_is_wanted_again_before_its_topic_is_dropped_tells_no_gap() {
    let (mut node, mut other) = (follower(&["a"]), ClusterRooms::new(settings(2), 0));
    other.set_others(0, &[1]);
    other.whole(0);
    let late = 400_000;
    let mut says = |now, text: &str| {
        send(&mut other, now, "a", text);
        published(&mut other, now)
    };
    let first = says(0, "1");
    first.iter().for_each(|one| node.received(0, &one.topic, &one.body));
    assert_eq!(events(&mut node), ["1"]);
    node.set_interest(late - 5_000, "a", false);
    node.handle_timeout(late);
    let unseen = says(late, "nobody is there");
    unseen.iter().for_each(|one| node.received(late, &one.topic, &one.body));
    events(&mut node);
    node.set_interest(late, "a", true);
    assert_eq!(node.poll_interest(late), None, "the engine has the topic still");
    let next = says(late + 10, "2");
    next.iter().for_each(|one| node.received(late + 10, &one.topic, &one.body));
    // Its sender hears nobody, and says that it is late.
    assert_eq!(events(&mut node), ["~2"], "its members have come a moment ago, and miss nothing");
}

#[test]
fn a_room_that_comes_and_goes_while_the_engine_is_busy_is_forgotten() {
    let mut node = follower(&[]);
    node.set_interest(0, "a", true);
    assert!(node.poll_interest(0).is_some());
    node.set_interest(0, "b", true);
    node.set_interest(0, "b", false);
    node.handle_timeout(5_000);
    node.interest_done(5_000, true);
    assert_eq!(node.poll_interest(5_000), None);
    assert!(node.rooms.contains_key("a") && !node.rooms.contains_key("b"));
}
