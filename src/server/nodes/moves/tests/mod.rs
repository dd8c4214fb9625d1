//! Moves between nodes whose sessions are texts.
#![expect(clippy::disallowed_methods, reason = "tests measure how long something takes")]

mod faults;
mod lab;
mod places;

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use bytes::Bytes;
use tokio::time::{Instant, sleep};

use self::lab::{Fake, Node, SECRET, three};
use super::words::Stays;
use crate::{server::other_nodes::Moving, sync::lock};

/// The number of requests that nodes have sent to one.
fn served(node: &Node) -> u64 {
    node.links.figures().served
}

#[tokio::test(start_paused = true)]
async fn a_session_moves_to_the_node_that_asks_for_it() {
    let (_engine, [a, b, _c]) = three().await;
    let (id, session) = a.open(1, Fake::default());
    assert!(!b.moves.brings(&id), "its node goes on");
    a.drain().await;
    assert!(b.moves.brings(&id));
    let began = Instant::now();
    b.moves.bring(&id, SECRET).await;
    assert!(b.has(session) && !b.moves.brings(&id));
    assert!(began.elapsed() < Duration::from_millis(100));
    sleep(Duration::from_millis(50)).await;
    assert!(!a.fakes.has_any(), "the session is at one node");
    assert_eq!((a.moves.moved_to(session).as_deref(), b.moves.moved_to(session)), (Some("b"), None));
    assert_eq!((a.moves.counts(), b.moves.counts()), ((1, 0), (0, 1)));
    assert_eq!((served(&a), served(&b)), (2, 0), "one question, and one word that it is done");
    assert_eq!(lock(&b.fakes.all)[&session].text, "1");
}

#[tokio::test(start_paused = true)]
async fn its_rooms_are_listened_to_before_it_is_frozen() {
    let (_engine, [a, b, _c]) = three().await;
    let rooms = Bytes::from_static(b"one and two");
    let (id, session) = a.open(1, Fake { rooms: rooms.clone(), ..Fake::default() });
    a.drain().await;
    let expected = b.fakes.clone();
    let also = rooms.clone();
    *lock(&a.fakes.when_frozen) = Some(Box::new(move || assert_eq!(*lock(&expected.expected), also)));
    b.moves.bring(&id, SECRET).await;
    assert!(b.has(session));
    sleep(Duration::from_millis(50)).await;
    assert_eq!(served(&a), 3);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_cannot_listen_to_its_rooms_does_not_take_it() {
    let (_engine, [a, b, _c]) = three().await;
    let (id, session) = a.open(1, Fake { rooms: Bytes::from_static(b"one"), ..Fake::default() });
    a.drain().await;
    b.fakes.deaf.store(true, Relaxed);
    b.moves.bring(&id, SECRET).await;
    assert!(a.has(session) && !b.has(session) && served(&a) == 1);
    b.fakes.deaf.store(false, Relaxed);
    sleep(Duration::from_secs(1)).await;
    b.moves.bring(&id, SECRET).await;
    assert!(b.has(session));
}

#[tokio::test(start_paused = true)]
async fn who_asks_second_learns_where_it_went() {
    let (_engine, [a, b, c]) = three().await;
    let (id, session) = a.open(1, Fake { lingers: Duration::from_secs(3), ..Fake::default() });
    a.drain().await;
    // Many at once, at two nodes.
    tokio::join!(
        b.moves.bring(&id, SECRET),
        c.moves.bring(&id, SECRET),
        b.moves.bring(&id, SECRET),
        c.moves.bring(&id, SECRET),
    );
    assert!(b.has(session) != c.has(session));
    assert!(!a.has(session));
    let loser = if b.has(session) { &c } else { &b };
    // The session waits for its client, and goes where that comes.
    sleep(Duration::from_secs(2)).await;
    loser.moves.bring(&id, SECRET).await;
    assert!(loser.has(session), "the other one has said where it is");
    assert_eq!(a.moves.counts().0, 1);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_it_at_its_node_goes_on_when_it_is_gone() {
    let (_engine, [a, b, _c]) = three().await;
    let (id, session) = a.open(1, Fake { lingers: Duration::from_secs(3), ..Fake::default() });
    assert_eq!(a.clear_way(&id, false), None, "it is here");
    a.drain().await;
    let waits = async {
        sleep(Duration::from_secs(1)).await;
        let found = a.found(&id, false).await;
        assert_eq!(found.as_ref().ok(), Some(&a.moves.moved_to(session)));
        found.unwrap()
    };
    let (_, went) = tokio::join!(b.moves.bring(&id, SECRET), waits);
    assert_eq!(went.as_deref(), Some("b"));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_move_is_asked_for_once() {
    let (_engine, [a, b, _c]) = three().await;
    for (number, why) in [Stays::Never, Stays::Busy, Stays::HandlerRuns].into_iter().enumerate() {
        a.open(number as u64, Fake { stays: Some(why), ..Fake::default() });
    }
    a.drain().await;
    let id = |number: u64| format!("a.{}", uuid::Uuid::from_u128(number.into()).simple());
    for number in 0..3 {
        b.moves.bring(&id(number), SECRET).await;
        assert!(!b.moves.brings(&id(number)), "it is known to stay");
    }
    assert_eq!(served(&a), 3);
    sleep(Duration::from_secs(1)).await;
    assert_eq!([0, 1, 2].map(|number| b.moves.brings(&id(number))), [false, true, false], "one was only busy");
    sleep(Duration::from_secs(60)).await;
    assert!(b.moves.brings(&id(0)));
}

#[tokio::test(start_paused = true)]
async fn the_secret_must_be_right() {
    let (_engine, [a, b, _c]) = three().await;
    let (id, session) = a.open(1, Fake::default());
    a.drain().await;
    b.moves.bring(&id, "another").await;
    assert!(a.has(session) && !b.has(session));
    b.moves.bring(&id, SECRET).await;
    assert!(b.has(session), "who is wrong spoils nothing");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_shuts_down_takes_nothing() {
    let (_engine, [a, b, c]) = three().await;
    let (id, session) = a.open(1, Fake::default());
    a.drain().await;
    b.drain().await;
    assert!(!b.moves.brings(&id));
    b.moves.bring(&id, SECRET).await;
    assert!(a.has(session));
    assert!(a.moves.push(session).await, "there is one that goes on");
    assert!(c.has(session));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_nobody_asks_for_is_pushed_and_waits_for_its_client() {
    let (_engine, [a, b, c]) = three().await;
    let sessions: Vec<_> = (0..20).map(|number| a.open(number, Fake::default())).collect();
    let (_, stays) = a.open(99, Fake { stays: Some(Stays::Never), ..Fake::default() });
    a.drain().await;
    for (_, session) in &sessions {
        assert!(a.moves.may_leave(*session) && a.moves.push(*session).await);
    }
    assert!(!a.moves.may_leave(stays) && !a.moves.push(stays).await && a.has(stays));
    let at_b = sessions.iter().filter(|(_, session)| b.has(*session)).count();
    let at_c = sessions.iter().filter(|(_, session)| c.has(*session)).count();
    assert!(at_b + at_c == 20 && at_b > 3 && at_c > 3, "{at_b} and {at_c}");
    // Their client comes to a node that does not know where its session is.
    drop(a);
    sleep(Duration::from_secs(12)).await;
    for (id, session) in &sessions {
        let (has, other) = if b.has(*session) { (&b, &c) } else { (&c, &b) };
        assert_eq!(other.found(id, false).await, Ok(Some(has.name.clone())), "its node is gone");
        assert_eq!(other.moves.moved_to(*session).as_deref(), Some(&*has.name));
        assert!(other.moves.brings(id), "it may wait for its client");
        lock(&has.fakes.all).get_mut(session).unwrap().waits = session.as_u128() % 2 == 0;
        other.moves.bring(id, SECRET).await;
        assert_eq!(other.has(*session), session.as_u128() % 2 == 0, "one that runs stays");
        assert!(!other.moves.brings(id));
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_takes_what_was_not_offered() {
    let (_engine, [a, b, _c]) = three().await;
    let (_, session) = a.open(1, Fake::default());
    a.drain().await;
    // It asks without the client's secret, and was not chosen.
    let state = b.moves.state.clone();
    let id = super::words::SessionId { born: "a".to_owned(), number: session };
    state.bring(id, "a".to_owned(), None).await;
    assert!(a.has(session) && !b.has(session));
}
