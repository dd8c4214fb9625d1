//! Two nodes, and an engine that does what a test says.

use super::{
    super::envelope::{self, Word},
    *,
};

/// An engine that hands everything to everybody, unless it is told otherwise.
pub(super) struct Pair {
    pub(super) now: u64,
    pub(super) nodes: [ClusterRooms<String>; 2],
    /// Those that the engine reaches, and that reach it.
    pub(super) connected: [bool; 2],
    /// The publications that the engine gave to nobody.
    lost: Vec<Publication>,
}

impl Pair {
    /// Both nodes have members in the room `a`.
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl Fn(&mut RoomSettings)) -> Self {
        let node = |publisher| {
            let mut settings = settings(publisher);
            change(&mut settings);
            ClusterRooms::new(settings, 0)
        };
        let mut pair = Pair { now: 0, nodes: [node(1), node(2)], connected: [true; 2], lost: Vec::new() };
        for (node, other) in [(0, 2), (1, 1)] {
            pair.nodes[node].set_others(0, &[other]);
            pair.nodes[node].set_interest(0, "a", true);
            pair.nodes[node].whole(0);
        }
        pair.run();
        assert_eq!([events(&mut pair.nodes[0]), events(&mut pair.nodes[1])], [[""; 0]; 2]);
        pair
    }

    /// Publishes and confirms all that is there, until nothing is.
    pub(super) fn run(&mut self) {
        let mut busy = true;
        while busy {
            busy = false;
            for node in 0..2 {
                busy |= self.confirm(node);
                busy |= self.publish(node, |_| [true; 2]);
            }
        }
    }

    fn confirm(&mut self, node: usize) -> bool {
        let has_topics = self.nodes[node].has_topics(self.now);
        let calls = self.nodes[node].poll_interest(self.now);
        if calls.is_some() {
            assert!(has_topics, "nobody would have looked for these topics");
            self.nodes[node].interest_done(self.now, true);
        }
        calls.is_some()
    }

    /// Publishes one batch of a node. `to` says who gets a publication of a room.
    pub(super) fn publish(&mut self, node: usize, to: impl Fn(&Publication) -> [bool; 2]) -> bool {
        let has_publications = self.nodes[node].has_publications();
        let Some(batch) = self.nodes[node].poll_publish(self.now) else { return false };
        assert!(has_publications, "nobody would have looked for this batch");
        if !self.connected[node] {
            self.nodes[node].publish_done(self.now, false);
            return true;
        }
        for publication in batch {
            let to = if is_of_room(&publication) { to(&publication) } else { [true; 2] };
            for ((to, connected), node) in to.into_iter().zip(self.connected).zip(&mut self.nodes) {
                if to && connected {
                    node.received(self.now, &publication.topic, &publication.body);
                }
            }
            if to == [false; 2] {
                self.lost.push(publication);
            }
        }
        self.nodes[node].publish_done(self.now, true);
        true
    }

    /// Time goes on. The engine works.
    pub(super) fn wait(&mut self, time: u64) {
        let end = self.now + time;
        self.run();
        for left in (0..100_000).rev() {
            let due = self.nodes.iter().filter_map(ClusterRooms::next_timeout).min().expect("there is always one");
            if due > end {
                break;
            }
            assert!(left > 0, "a timeout at {due} is not over at {}", self.now);
            self.now = self.now.max(due);
            self.nodes.iter_mut().for_each(|node| node.handle_timeout(self.now));
            self.run();
        }
        self.now = end;
    }

    pub(super) fn send(&mut self, node: usize, text: &str) -> Sent {
        send(&mut self.nodes[node], self.now, "a", text)
    }

    pub(super) fn events(&mut self) -> [String; 2] {
        [events(&mut self.nodes[0]).join(" "), events(&mut self.nodes[1]).join(" ")]
    }
}

pub(super) const LATER: Sent = Sent { deliver_now: false, published: true, n: None };
pub(super) const AT_ONCE: Sent = Sent { deliver_now: true, published: true, n: None };
const ALONE: Sent = Sent { deliver_now: true, published: false, n: None };

#[test]
fn a_node_alone_publishes_nothing_of_its_rooms() {
    let mut node = ClusterRooms::new(settings(1), 0);
    node.set_interest(0, "a", true);
    let (mut topics, _) = node.poll_interest(0).expect("topics are asked for even so");
    topics.sort();
    assert_eq!(topics, [EVERYBODY, CONTROL, "a"].map(|topic| Bytes::from_static(topic.as_bytes())));
    node.interest_done(0, true);
    node.whole(0);
    for text in ["1", "2"] {
        assert!(node.is_straight("a"));
        assert_eq!(send(&mut node, 0, "a", text), ALONE);
    }
    assert!(node.poll_publish(0).is_some_and(|batch| !batch.iter().any(is_of_room)));
    assert_eq!(events(&mut node), [""; 0]);
    assert_eq!(node.counters(), RoomCounters::default());
}

#[test]
fn what_a_node_sends_comes_back_in_the_order_of_all() {
    let mut pair = Pair::new();
    assert_eq!(pair.send(0, "1"), LATER);
    assert_eq!(pair.send(1, "x"), LATER);
    assert_eq!(pair.send(0, "2"), LATER);
    assert_eq!(pair.events(), ["", ""]);
    // Alone, it still waits for what it has sent before.
    pair.nodes[0].set_others(0, &[]);
    assert!(!pair.nodes[0].is_straight("a") && pair.nodes[0].is_straight("b"));
    pair.nodes[0].set_others(0, &[2]);
    // The second node is faster.
    pair.publish(1, |_| [true; 2]);
    pair.run();
    assert_eq!(pair.events(), ["x +1 +2", "+x 1 2"]);
    assert_eq!(pair.nodes[0].counters().published, 2);
}

#[test]
fn what_waits_together_is_one_publication() {
    let mut pair = Pair::new();
    let options = Arc::new(Options { except: vec![[7; 16]], ..Options::default() });
    for text in ["1", "2"] {
        pair.send(0, text);
    }
    pair.nodes[0].send(0, "a", &options, &payload("3"), || "3".to_owned(), When::InOrder);
    pair.nodes[0].send(0, "b", &Arc::default(), &payload("4"), || "4".to_owned(), When::InOrder);
    pair.send(0, "5");
    let batch = pair.nodes[0].poll_publish(0).expect("all that waits");
    let topics: Vec<_> = batch.iter().map(|publication| publication.topic.clone()).collect();
    assert_eq!(topics, ["a", "a", "a", "b"]);
    assert_eq!(pair.nodes[0].poll_publish(0), None, "one batch at a time");
}

#[test]
fn without_members_and_for_now_nothing_is_waited_for() {
    let mut pair = Pair::new();
    let now = pair.nodes[0].send(0, "a", &Arc::default(), &payload("1"), || "1".to_owned(), When::Now);
    assert_eq!((now.n, Sent { n: None, ..now }), (Some(0), AT_ONCE));
    assert_eq!(send(&mut pair.nodes[0], 0, "elsewhere", "2"), AT_ONCE);
    pair.run();
    assert_eq!(pair.events(), ["", "1"]);
    let mut pair = Pair::with(|settings| settings.order = Order::Sender);
    assert_eq!(pair.send(0, "1"), AT_ONCE);
    pair.run();
    assert_eq!(pair.events(), ["", "1"]);
}

#[test]
fn a_hole_is_told_by_the_next_message_or_by_the_position() {
    let mut pair = Pair::new();
    pair.send(0, "1");
    pair.run();
    for text in ["2", "3"] {
        pair.send(0, text);
        pair.publish(0, |_| [true, false]);
    }
    pair.send(0, "4");
    pair.run();
    assert_eq!(pair.events(), ["+1 +2 +3 +4", "1 !2 4"]);
    pair.send(0, "5");
    pair.publish(0, |_| [true, false]);
    pair.wait(999);
    assert_eq!(pair.events(), ["+5", ""]);
    pair.wait(1);
    assert_eq!(pair.events(), ["", "!1"]);
    pair.wait(400_000);
    assert_eq!(pair.events(), ["", ""]);
    assert_eq!(pair.nodes[1].counters().holes, 3);
}

#[test]
fn a_batch_that_comes_twice_is_delivered_once() {
    let mut pair = Pair::new();
    pair.send(0, "1");
    let batch = pair.nodes[0].poll_publish(0).expect("a batch");
    pair.nodes.iter_mut().for_each(|node| node.received(0, &batch[0].topic, &batch[0].body));
    pair.nodes[0].publish_done(0, false);
    pair.send(0, "2");
    assert_eq!(pair.nodes[0].poll_publish(0), None, "not at once");
    pair.wait(50);
    assert_eq!(pair.events(), ["+1 +2", "1 2"]);
    assert_eq!(pair.nodes[1].counters().duplicates, 1);
}

#[test]
fn an_own_message_that_is_lost_on_its_way_back_is_delivered_all_the_same() {
    let mut pair = Pair::new();
    pair.send(0, "1");
    pair.publish(0, |_| [false, true]);
    pair.wait(499);
    assert_eq!(pair.events(), ["", "1"]);
    pair.wait(1);
    assert_eq!(pair.events(), ["+1", ""]);
}

#[test]
fn behind_a_cut_own_messages_take_the_place_that_they_have_for_others() {
    let mut pair = Pair::new();
    pair.send(0, "1");
    pair.publish(0, |_| [false, true]);
    pair.nodes[0].cut(10);
    pair.send(0, "2");
    pair.now = 20;
    assert_eq!(pair.nodes[0].poll_publish(20), None, "its return would be lost");
    pair.nodes[0].whole(20);
    pair.send(1, "x");
    // It comes before the answer to the question whether the first one is lost.
    pair.publish(1, |_| [true; 2]);
    assert_eq!(pair.events(), ["", "1 +x"]);
    pair.run();
    assert_eq!(pair.events(), ["+1 x +2", "2"]);
}

#[test]
fn what_does_not_fit_is_a_hole() {
    let mut pair = Pair::with(|settings| settings.pending = 300);
    let sent: Vec<bool> = (0..6).map(|_| pair.send(0, "12345678").published).collect();
    assert_eq!(sent, [true, true, true, true, false, false]);
    pair.run();
    assert_eq!(pair.send(0, "last"), LATER);
    pair.run();
    let [own, other] = pair.events();
    assert_eq!(own, "+12345678 ".repeat(6) + "+last");
    assert_eq!(other, "12345678 ".repeat(4) + "!2 last");
    assert_eq!(pair.nodes[0].counters().refused, 2);
}

#[test]
fn a_publication_waits_for_the_interest_in_its_room() {
    let mut pair = Pair::new();
    pair.nodes[0].set_interest(0, "new", true);
    assert!(pair.nodes[0].poll_interest(0).is_some());
    assert_eq!(send(&mut pair.nodes[0], 0, "new", "1"), LATER);
    assert_eq!(pair.nodes[0].poll_publish(0), None);
    pair.nodes[0].interest_done(0, true);
    pair.run();
    assert_eq!(pair.events(), ["+1", ""]);
    // A room that is left and joined again within a few seconds stays.
    pair.nodes[0].set_interest(0, "new", false);
    pair.wait(4_000);
    pair.nodes[0].set_interest(pair.now, "new", true);
    pair.wait(4_000);
    assert_eq!(pair.nodes[0].poll_interest(pair.now), None);
    pair.nodes[0].set_interest(pair.now, "new", false);
    pair.now += 5_000;
    pair.nodes[0].handle_timeout(pair.now);
    assert_eq!(pair.nodes[0].poll_interest(pair.now), Some((vec![], vec![Bytes::from_static(b"new")])));
}

#[test]
fn a_node_that_hears_nothing_of_itself_is_deaf() {
    let mut pair = Pair::new();
    pair.now = 5_000;
    pair.nodes[0].handle_timeout(5_000);
    assert!(pair.nodes[0].poll_publish(5_000).is_some_and(|batch| batch.len() == 1), "a word to itself");
    pair.nodes[0].publish_done(5_000, true);
    pair.nodes[0].handle_timeout(10_000);
    assert_eq!(pair.events(), ["deaf split true", ""]);
    // It says more such words. When one of them comes back, it is no longer deaf.
    pair.wait(10_000);
    assert_eq!(pair.events(), ["split false", ""]);
}

#[test]
fn the_last_words_of_a_dead_publisher_are_a_gap_if_they_are_in_doubt() {
    let mut pair = Pair::new();
    pair.send(1, "1");
    pair.run();
    pair.nodes[0].cut(0);
    pair.nodes[0].whole(0);
    // The other node is dead, and answers nothing.
    pair.nodes[1] = ClusterRooms::new(settings(3), 0);
    pair.nodes[0].set_others(0, &[]);
    pair.wait(9_999);
    assert_eq!(pair.events()[0], "1");
    pair.wait(1);
    assert_eq!(pair.events()[0], "!1");
}

#[test]
fn rooms_of_which_there_is_nothing_to_know_take_no_memory() {
    let mut pair = Pair::new();
    for room in 0..500 {
        let room = format!("room {room}");
        send(&mut pair.nodes[0], 0, &room, "x");
        pair.nodes[1].set_interest(0, &room, true);
        pair.nodes[1].set_interest(0, &room, false);
    }
    pair.wait(700_000);
    assert_eq!(pair.nodes.each_ref().map(|node| node.rooms.len()), [3, 3]);
    assert!(pair.nodes[0].timers.is_empty() && pair.nodes[1].timers.is_empty());
    // Numbers are never used again.
    pair.send(0, "2");
    pair.run();
    assert_eq!(pair.events(), ["+2", "2"]);
    assert_eq!(pair.nodes[0].floor, 1);
}

/// Node 0 misses what node 1 sends last, and its position.
fn pair_with_a_hole() -> Pair {
    let mut pair = Pair::new();
    pair.send(1, "1");
    pair.run();
    pair.nodes[0].cut(pair.now);
    for text in ["2", "3"] {
        pair.send(1, text);
    }
    pair.publish(1, |_| [false, true]);
    pair.now = 1_000;
    pair.nodes[1].handle_timeout(1_000);
    assert!(pair.publish(1, |_| [false, true]));
    assert_eq!(pair.events(), ["1", "+1 +2 +3"]);
    pair
}

#[test]
fn behind_a_cut_the_others_are_asked_for_what_is_missing() {
    let mut pair = pair_with_a_hole();
    pair.nodes[0].whole(pair.now);
    pair.run();
    assert_eq!(pair.events(), ["!2", ""]);
    assert_eq!(pair.nodes[0].asking.unanswered, [0; 0]);
    // They are not asked once more.
    pair.wait(60_000);
    assert_eq!(pair.events(), ["", ""]);
}

#[test]
fn those_that_do_not_answer_are_asked_again() {
    let mut pair = pair_with_a_hole();
    let now = pair.now;
    pair.nodes[0].whole(now);
    let question = pair.nodes[0].poll_publish(now).expect("a question to all");
    pair.nodes[0].received(now, &question[0].topic, &question[0].body);
    pair.nodes[0].publish_done(now, true);
    assert_eq!(pair.nodes[0].asking.unanswered, [2]);
    // Those that are not named do not answer.
    pair.nodes[1].set_others(now, &[1, 7]);
    let word = Word { number: 9, ask: true, answer: false };
    pair.nodes[1].received(now, CONTROL.as_bytes(), &envelope::control(1, word, &[7]));
    assert_eq!(pair.nodes[1].answer_due.or(pair.nodes[1].answered), None);
    pair.wait(4_999);
    assert_eq!(pair.events(), ["", ""]);
    pair.wait(1);
    assert_eq!(pair.events(), ["!2", ""]);
}

#[test]
fn what_a_publisher_has_forgotten_is_a_gap_of_unknown_length() {
    let mut pair = Pair::with(|settings| settings.forget_after = 3_000);
    pair.send(1, "1");
    pair.run();
    pair.nodes[0].cut(pair.now);
    pair.send(1, "2");
    pair.publish(1, |_| [false, true]);
    pair.events();
    for _ in 0..5 {
        pair.now += 1_000;
        let now = pair.now;
        pair.nodes[1].handle_timeout(now);
        pair.publish(1, |_| [false, true]);
    }
    assert!(pair.nodes[1].rooms["a"].sending.numbers.is_none());
    pair.nodes[0].whole(pair.now);
    pair.run();
    assert_eq!(pair.events()[0], "!1");
}
