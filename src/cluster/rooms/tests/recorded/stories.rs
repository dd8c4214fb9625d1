//! Stories of a node that follows a room.

use std::time::Duration;

use super::{
    super::{super::recording::Recording, *},
    engine::Engine,
};
use crate::cluster::{
    engine::{Past, Place, RECORDED, Recorded, Retention},
    rooms::Keeping,
};

const KEEP: Retention = Retention::new(3, Duration::from_secs(60));

struct Story {
    now: u64,
    node: ClusterRooms<String>,
    other: ClusterRooms<String>,
    engine: Engine,
}

fn recorded(publisher: u64, others: u64) -> ClusterRooms<String> {
    let keeping = Keeping::new(|room| room.starts_with('h').then_some(KEEP));
    let mut node = ClusterRooms::new(RoomSettings { keeping, ..settings(publisher) }, 0);
    node.set_others(0, &[others]);
    node.set_interest(0, "h", true);
    while node.poll_interest(0).is_some() {
        node.interest_done(0, true);
    }
    node.whole(0);
    node
}

impl Story {
    fn new() -> Self {
        let (node, other) = (recorded(1, 2), recorded(2, 1));
        let mut story = Story { now: 0, node, other, engine: Engine::new(3, 1) };
        story.answer();
        let other = std::iter::from_fn(|| story.other.poll_history(0)).last().expect("it asks too");
        story.other.history_done(0, other.number, Some(story.engine.past(other.after)));
        assert_eq!(story.events(), ["past 0"]);
        story
    }

    /// The other node says something, and the engine has it.
    fn said(&mut self, text: &str) -> Recorded {
        send(&mut self.other, self.now, "h", text);
        let mut told = None;
        while self.other.poll_publish(self.now).is_some() {
            for record in self.other.records() {
                told = self.engine.append(&record);
            }
            self.other.publish_done(self.now, true);
        }
        let told = told.expect("it was published");
        self.other.recorded(self.now, told.clone());
        told
    }

    fn recorded(&mut self, record: &Recorded) {
        self.node.recorded(self.now, record.clone());
    }

    /// The engine answers.
    fn answer(&mut self) -> usize {
        let asks: Vec<_> = std::iter::from_fn(|| self.node.poll_history(self.now)).collect();
        for ask in &asks {
            assert_eq!((ask.keep, ask.topic.starts_with(RECORDED)), (KEEP, true));
            self.node.history_done(self.now, ask.number, Some(self.engine.past(ask.after)));
        }
        asks.len()
    }

    /// The time of the next thing to do comes nearer, and the engine takes all that is published and answers no question. Returns
    /// how many were asked.
    fn step_without_answers(&mut self) -> usize {
        let next = self.node.next_timeout().expect("there is always one");
        self.now = next.clamp(self.now, self.now + 100);
        self.node.handle_timeout(self.now);
        let asks: Vec<_> = std::iter::from_fn(|| self.node.poll_history(self.now)).collect();
        asks.iter().for_each(|ask| self.node.history_done(self.now, ask.number, None));
        // The line is there.
        self.node.line.heard = self.now;
        while let Some(batch) = self.node.poll_publish(self.now) {
            for record in self.node.records() {
                self.engine.append(&record);
            }
            batch.iter().for_each(|one| self.node.received(self.now, &one.topic, &one.body));
            self.node.publish_done(self.now, true);
        }
        asks.len()
    }

    fn events(&mut self) -> Vec<String> {
        // The line is looked at by other tests.
        let events = events(&mut self.node).into_iter().filter(|event| !event.starts_with("split"));
        events.map(|event| event.trim_start_matches('~').to_owned()).collect()
    }

    fn recording(&self) -> &Recording {
        self.node.rooms["h"].recording.as_ref().expect("it is recorded")
    }
}

#[test]
fn a_hole_is_filled_before_anything_newer() {
    let mut story = Story::new();
    let records = ["1", "2", "3", "4"].map(|text| story.said(text));
    story.recorded(&records[0]);
    assert_eq!(story.events(), ["1"]);
    story.recorded(&records[2]);
    story.recorded(&records[3]);
    assert_eq!(story.events(), [""; 0], "they wait for the one before them");
    assert_eq!(story.answer(), 1);
    assert_eq!(story.events(), ["2", "3", "4"]);
    records.iter().for_each(|record| story.recorded(record));
    assert_eq!((story.events(), story.answer()), (vec![], 0), "all of it is known");
    assert_eq!(story.node.counters().holes, 0);
}

#[test]
fn what_the_history_does_not_have_any_more_is_a_gap() {
    let mut story = Story::new();
    let records = ["1", "2", "3", "4", "5", "6"].map(|text| story.said(text));
    story.recorded(&records[0]);
    story.recorded(&records[5]);
    story.answer();
    assert_eq!(story.events(), ["1", "!2", "4", "5", "6"]);
}

#[test]
fn what_a_short_history_has_dropped_while_it_was_asked_for_is_told_if_it_has_come() {
    let mut story = Story::new();
    let records = ["1", "2", "3", "4", "5", "6", "7"].map(|text| story.said(text));
    story.recorded(&records[0]);
    records[2..].iter().for_each(|record| story.recorded(record));
    story.answer();
    assert_eq!(story.events(), ["1", "!1", "3", "4", "5", "6", "7"], "the engine keeps three");

    story.node.set_interest(0, "h", false);
    story.now = 5_000;
    story.node.handle_timeout(5_000);
    assert!(story.node.poll_interest(5_000).is_some());
    story.node.interest_done(5_000, true);
    story.node.set_interest(5_000, "h", true);
    assert!(story.node.poll_interest(5_000).is_some());
    story.node.interest_done(5_000, true);
    let news = ["8", "9", "10", "11", "12"].map(|text| story.said(text));
    news.iter().for_each(|record| story.recorded(record));
    assert_eq!(story.answer(), 1);
    assert_eq!(story.events(), ["forgotten", "past 0", "8", "9", "10", "11", "12"]);
}

#[test]
fn what_came_behind_a_cut_is_asked_for() {
    let mut story = Story::new();
    let first = story.said("1");
    story.recorded(&first);
    story.node.cut(0);
    story.said("2");
    story.now = 10;
    story.node.whole(10);
    assert_eq!(story.answer(), 1);
    assert_eq!(story.events(), ["1", "2"]);
}

#[test]
fn what_was_appended_before_a_room_is_followed_is_its_past() {
    let mut story = Story::new();
    story.node.set_interest(0, "h", false);
    story.node.handle_timeout(5_000);
    assert_eq!(story.events(), ["forgotten"]);
    while story.node.poll_interest(5_000).is_some() {
        story.node.interest_done(5_000, true);
    }
    let before = ["1", "2"].map(|text| story.said(text));
    story.recorded(&before[0]);
    assert_eq!(story.events(), [""; 0], "nobody wants it");
    story.node.set_interest(5_000, "h", true);
    while story.node.poll_interest(5_000).is_some() {
        story.node.interest_done(5_000, true);
    }
    let news = story.said("3");
    story.recorded(&news);
    story.now = 5_000;
    assert_eq!(story.answer(), 1);
    assert_eq!(story.events(), ["past 2", "3"], "the last one has come since its topic is wanted");
}

#[test]
fn a_room_that_is_wanted_again_before_its_topic_is_dropped_is_loaded_anew() {
    let mut story = Story::new();
    let first = story.said("1");
    story.recorded(&first);
    story.node.set_interest(0, "h", false);
    story.now = 5_000;
    story.node.handle_timeout(5_000);
    assert_eq!(story.events(), ["1", "forgotten"]);
    let unseen = story.said("2");
    story.recorded(&unseen);
    // The engine is busy with another call.
    story.node.set_interest(5_000, "h", true);
    assert_eq!(story.node.poll_interest(5_000), None, "the engine has the topic still");
    assert_eq!((story.answer(), story.events()), (1, vec!["past 2".to_owned()]));
    let next = story.said("3");
    story.recorded(&next);
    assert_eq!(story.events(), ["3"]);
}

#[test]
fn an_engine_that_has_lost_all_begins_anew() {
    let mut story = Story::new();
    let first = story.said("1");
    story.recorded(&first);
    story.engine.lose_all();
    let records = ["2", "3"].map(|text| story.said(text));
    story.recorded(&records[0]);
    assert_eq!(story.events(), ["1", "2"], "it is the first of a new life");
    story.engine.lose_all();
    let records = ["4", "5"].map(|text| story.said(text));
    story.recorded(&records[1]);
    assert_eq!(story.events(), [""; 0]);
    story.answer();
    // The numbers tell that 3 is missing.
    assert_eq!(story.events(), ["!1", "4", "5"]);
}

#[test]
fn a_record_that_was_held_while_the_engine_lost_all_is_told_and_not_asked_for_again() {
    let mut story = Story::new();
    let records = ["1", "2", "3"].map(|text| story.said(text));
    story.recorded(&records[0]);
    story.recorded(&records[2]);
    story.engine.lose_all();
    assert_eq!((story.answer(), story.answer()), (1, 0));
    assert_eq!(story.events(), ["1", "!1", "3"]);
    let next = story.said("4");
    story.recorded(&next);
    assert_eq!(story.events(), ["4"]);
}

#[test]
fn an_engine_that_does_not_answer_is_not_waited_for_without_end() {
    let mut story = Story::new();
    let records = ["1", "2", "3"].map(|text| story.said(text));
    story.recorded(&records[0]);
    story.recorded(&records[2]);
    let mut questions = 0;
    while story.recording().question.is_some() {
        assert!(story.now <= 12_000);
        questions += story.step_without_answers();
    }
    assert!((8..40).contains(&questions), "{questions}");
    assert_eq!(story.events(), ["1", "!1", "3"]);
}

#[test]
fn an_own_message_that_does_not_come_makes_nobody_wait_for_longer() {
    let mut story = Story::new();
    send(&mut story.node, 0, "h", "own");
    let records = ["1", "2", "3"].map(|text| story.said(text));
    story.recorded(&records[0]);
    story.recorded(&records[2]);
    assert_eq!(story.events(), ["1"]);
    let mut told = Vec::new();
    while story.now <= 12_000 {
        story.step_without_answers();
        told.extend(story.events());
    }
    // The engine has the own one, and does not bring it.
    assert_eq!(told, ["!1", "3", "+own"]);
    let next = story.said("4");
    story.recorded(&next);
    assert_eq!(story.step_without_answers(), 1, "what is missing before it is asked for once");
    assert_eq!(story.events(), ["4"], "and is not waited for again");
}

#[test]
fn a_busy_room_waits_no_longer_than_a_quiet_one_and_asks_no_faster() {
    let mut story = Story::new();
    let first = story.said("1");
    story.said("2");
    story.recorded(&first);
    let (mut questions, mut told, mut given_up) = (0, Vec::new(), None);
    while story.now <= 15_000 {
        let record = story.said(&format!("{:0>60000}", story.now));
        story.recorded(&record);
        questions += story.step_without_answers();
        told.extend(story.events());
        if given_up.is_none() && story.node.counters().holes > 0 {
            given_up = Some(story.now);
        }
    }
    assert!(given_up.is_some_and(|at| at <= 12_000), "{given_up:?}");
    assert!(questions < 60, "{questions}");
    let last = told.last().and_then(|text| text.parse::<u64>().ok());
    assert!(last.is_some_and(|at| at > 14_000), "it goes on: {last:?}");
}

#[test]
fn what_is_held_has_a_bound_and_nothing_is_lost_by_it() {
    let mut story = Story::new();
    story.engine.most = 1_000;
    let records: Vec<_> = (0..40).map(|n| story.said(&format!("{n:0>60000}"))).collect();
    records[1..].iter().for_each(|record| story.recorded(record));
    assert!(story.recording().held.len() < 20, "at most a megabyte");
    while story.answer() > 0 {}
    let told = story.events();
    let numbers: Vec<usize> = told.iter().map(|text| text.trim_start_matches('0').parse().unwrap_or(0)).collect();
    assert_eq!(numbers, (0..40).collect::<Vec<_>>());
    assert!(story.recording().held.is_empty());
}

#[test]
fn what_is_no_envelope_is_told_and_passed_over() {
    let mut story = Story::new();
    let topic = story.said("1").topic;
    for (offset, body) in [(2, "nonsense"), (3, "")] {
        let place = Place::new(1, offset);
        story.recorded(&Recorded::new(topic.clone(), body.as_bytes().to_vec(), place, offset - 1));
    }
    let past = Past::new(1, 3, 0, vec![(1, 0, story.engine.kept[0].1.clone()), (2, 0, Bytes::from("x"))]);
    let ask = story.node.poll_history(0).expect("the first one is missing");
    story.node.history_done(0, ask.number, Some(past));
    assert_eq!(story.events(), ["1", "malformed"]);
    assert_eq!(story.node.counters().malformed, 1);
}
