//! Tests of the facts that joins, leaves, removals and insertions report.

use std::sync::{Arc, Barrier};

use uuid::Uuid;

use super::{Hub, Member, Occupancy, ROOT, Remote};
#[cfg(feature = "cluster")]
use crate::config::History;
use crate::{
    pool::Pool,
    shared::{ChannelSet, tests::session_as},
};

fn member(hub: &Hub, id: u128) -> Arc<Member> {
    hub.insert(Arc::new(session_as(Uuid::from_u128(id))), Remote::default(), ChannelSet::None).unwrap()
}

fn names(rooms: &[Arc<str>]) -> Vec<String> {
    let mut names: Vec<String> = rooms.iter().map(ToString::to_string).collect();
    names.sort();
    names
}

#[tokio::test]
async fn the_first_in_and_the_last_out_are_reported() {
    let hub = Hub::default();
    let (ada, bob) = (member(&hub, 1), member(&hub, 2));
    assert_eq!(hub.join(&ada, "lobby"), Some(Occupancy::First));
    assert_eq!(hub.join(&ada, "lobby"), None, "she is in it already");
    assert_eq!(hub.join(&bob, "lobby"), Some(Occupancy::Same));
    assert_eq!(hub.join(&bob, "attic"), Some(Occupancy::First), "another room");
    assert_eq!(hub.leave(&ada, "lobby"), Some(Occupancy::Same));
    assert_eq!(hub.leave(&ada, "lobby"), None, "she is not in it");
    assert_eq!(hub.leave(&bob, "lobby"), Some(Occupancy::Last));
    assert_eq!(hub.leave(&bob, "nowhere"), None);
    assert_eq!(hub.join(&ada, "lobby"), Some(Occupancy::First), "it was empty");
}

#[cfg(feature = "cluster")]
fn interest(hub: &Hub) -> Vec<(String, bool)> {
    let mut noted: Vec<_> = hub.take_interest().map(|(room, needed)| (room.to_string(), needed)).collect();
    noted.sort();
    noted
}

#[cfg(feature = "cluster")]
#[tokio::test]
async fn a_node_notes_the_rooms_that_it_begins_or_ceases_to_need() {
    use std::task::{Context, Poll, Waker};

    let hub = Hub::new(super::Histories::new("test".to_owned(), &[("kept:*".to_owned(), History::last(2).rooms(1))]));
    let (ada, bob) = (member(&hub, 1), member(&hub, 2));
    hub.join(&ada, "before");
    assert_eq!(interest(&hub), [], "nobody asked for it");
    assert_eq!(hub.poll_interest(&Context::from_waker(Waker::noop())), Poll::Pending);
    hub.note_interest();
    assert_eq!(hub.poll_interest(&Context::from_waker(Waker::noop())), Poll::Pending);
    let yes = |room: &str| (room.to_owned(), true);
    let no = |room: &str| (room.to_owned(), false);
    hub.join(&ada, "a");
    hub.join(&ada, "b");
    assert_eq!(hub.poll_interest(&Context::from_waker(Waker::noop())), Poll::Ready(()));
    assert_eq!(interest(&hub), [yes("a"), yes("b")]);
    hub.join(&bob, "a");
    hub.leave(&ada, "a");
    hub.names("a");
    assert_eq!(interest(&hub), [], "somebody is in it before and behind");
    hub.leave(&bob, "a");
    hub.join(&bob, "a");
    assert_eq!(interest(&hub), [yes("a")], "what counts is what is so now");
    hub.remove(bob.id());
    hub.retire(&ada);
    assert_eq!(interest(&hub), [no("a"), no("b"), no("before")]);

    let eve = member(&hub, 3);
    hub.join_since(&eve, "kept:1", None, 0).unwrap();
    assert_eq!(interest(&hub), [yes("kept:1")]);
    hub.leave(&eve, "kept:1");
    assert_eq!(interest(&hub), [], "its history goes on");
    assert!(hub.next_position("kept:2").is_some());
    assert_eq!(interest(&hub), [no("kept:1"), yes("kept:2")], "there may be one without members");
}

#[cfg(feature = "cluster")]
#[tokio::test]
async fn an_interest_wakes_the_task_that_waits_for_it() {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        task::{Context, Wake, Waker},
    };

    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let hub = Hub::default();
    hub.note_interest();
    let ada = member(&hub, 1);
    let count = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(count.clone());
    assert!(hub.poll_interest(&Context::from_waker(&waker)).is_pending());
    hub.join(&ada, "a");
    hub.join(&ada, "b");
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn leaving_all_reports_the_rooms_that_became_empty() {
    let hub = Hub::default();
    let (ada, bob) = (member(&hub, 1), member(&hub, 2));
    for room in ["a", "b", "c"] {
        hub.join(&ada, room);
    }
    hub.join(&bob, "b");
    assert_eq!(names(&hub.leave_all(&ada)), ["a", "c"]);
    assert_eq!(names(&hub.leave_all(&ada)), [""; 0]);
    assert!(ada.rooms().is_empty());
    assert_eq!(hub.members(ROOT, "b").len(), 1);
    assert_eq!(hub.join(&ada, "a"), Some(Occupancy::First), "she has left and may come back");
}

#[tokio::test]
async fn a_removed_session_reports_its_rooms_and_joins_no_more() {
    let hub = Hub::default();
    let (ada, bob) = (member(&hub, 1), member(&hub, 2));
    hub.join(&ada, "a");
    hub.join(&ada, "b");
    hub.join(&bob, "b");
    let (removed, emptied) = hub.remove(ada.id()).unwrap();
    assert!(Arc::ptr_eq(&removed, &ada));
    assert_eq!(names(&emptied), ["a"]);
    assert!(hub.remove(ada.id()).is_none());
    assert_eq!(hub.join(&ada, "a"), None);
    assert!(hub.members(ROOT, "a").is_empty());
    assert_eq!(hub.len(), 1);
}

#[tokio::test]
async fn an_id_that_is_taken_is_refused() {
    let hub = Hub::default();
    let ada = member(&hub, 1);
    hub.join(&ada, "lobby");
    let address = Some([127, 0, 0, 1].into());
    let refused =
        hub.insert(Arc::new(session_as(ada.id())), Remote::new(address, [], &Pool::new(0, 0)), ChannelSet::None);
    assert_eq!(refused.unwrap_err().address, address, "what was brought is given back");
    assert_eq!(hub.len(), 1);
    assert!(Arc::ptr_eq(&hub.get(ada.id()).unwrap(), &ada), "the one that was there has stayed");
    assert_eq!(hub.members(ROOT, "lobby").len(), 1);
    hub.remove(ada.id()).unwrap();
    assert!(
        hub.insert(Arc::new(session_as(ada.id())), Remote::default(), ChannelSet::None).is_ok(),
        "the id is free again"
    );
}

#[tokio::test]
async fn of_those_that_race_one_is_first_and_one_is_last() {
    const RACERS: usize = 4;
    let hub = Hub::default();
    let members: Vec<Arc<Member>> = (1..=RACERS as u128).map(|id| member(&hub, id)).collect();
    let start = Barrier::new(RACERS);
    for _ in 0..200 {
        let reports: Vec<_> = std::thread::scope(|scope| {
            let race = |member| {
                let (hub, start) = (&hub, &start);
                move || {
                    start.wait();
                    let joined = hub.join(member, "lobby");
                    start.wait();
                    (joined, hub.leave(member, "lobby"))
                }
            };
            let racers: Vec<_> = members.iter().map(|member| scope.spawn(race(member))).collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        assert_eq!(reports.iter().filter(|(joined, _)| *joined == Some(Occupancy::First)).count(), 1);
        assert_eq!(reports.iter().filter(|(_, left)| *left == Some(Occupancy::Last)).count(), 1);
        assert!(reports.iter().all(|(joined, left)| joined.is_some() && left.is_some()));
    }
}
