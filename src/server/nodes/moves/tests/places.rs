//! Where sessions are that are not where their ids say.

use std::time::Duration;

use tokio::time::sleep;

use super::{
    Moving,
    lab::{Fake, Node, SECRET, three},
};
use crate::owners::Deed;

#[tokio::test(start_paused = true)]
async fn a_session_that_was_never_here_is_looked_for_and_found_nowhere() {
    let (engine, [a, b, _c]) = three().await;
    let (id, session) = a.open(1, Fake::default());
    assert_eq!(b.clear_way(&id, false).as_deref(), Some("a"), "its node lives");
    let unknown = "a.00000000000000000000000000000009";
    assert_eq!(a.found(unknown, false).await, Ok(None), "it may have moved");
    assert_eq!(a.moves.moved_to(uuid::Uuid::from_u128(9)), None);
    assert_eq!(a.clear_way(unknown, false), None, "that is known for a while");
    sleep(Duration::from_secs(3)).await;
    engine.cut();
    let refused = a.found(unknown, false).await;
    assert_eq!(refused.unwrap_err().code, 4202, "a session that may live is not given up");
    assert!(a.has(session));
    for garbage in ["", "a", "a.b", ".00000000000000000000000000000009", "a b.00000000000000000000000000000009"] {
        assert!(a.clear_way(garbage, true).is_none() && !a.moves.brings(garbage), "{garbage}");
        a.moves.bring(garbage, SECRET).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_started_again_finds_what_it_had() {
    let (engine, [a, b, c]) = three().await;
    let (id, session) = a.open(1, Fake::default());
    a.drain().await;
    b.moves.bring(&id, SECRET).await;
    a.membership.leave().await;
    drop(a);
    let a = Node::new(&engine, "a").await;
    assert_eq!(a.found(&id, false).await, Ok(Some("b".to_owned())), "it may have moved");
    assert_eq!(a.moves.moved_to(session).as_deref(), Some("b"));
    // It moves on, and those who know the old place learn of the new one.
    b.drain().await;
    c.moves.learn(session, "b");
    c.moves.bring(&id, SECRET).await;
    assert!(c.has(session) && !b.has(session));
    b.membership.leave().await;
    drop(b);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(a.moves.lost(session, "b").await, Ok(Some("c".to_owned())));
    assert_eq!(a.moves.moved_to(session).as_deref(), Some("c"));
}

#[tokio::test(start_paused = true)]
async fn claims_are_renewed_while_the_session_lives() {
    let (_engine, [a, b, c]) = three().await;
    let (id, session) = a.open(1, Fake::default());
    a.drain().await;
    b.moves.bring(&id, SECRET).await;
    drop(a);
    sleep(Duration::from_secs(1_000)).await;
    assert_eq!(c.moves.lost(session, "a").await, Ok(Some("b".to_owned())));
    b.fakes.end(session);
    sleep(Duration::from_secs(61)).await;
    assert_eq!(c.moves.lost(session, "b").await, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn a_session_comes_back_to_a_node_that_it_has_left() {
    let (_engine, [a, b, c]) = three().await;
    let (id, session) = a.open(1, Fake::default());
    a.drain().await;
    b.moves.bring(&id, SECRET).await;
    assert!(b.has(session));
    // It waits for its client, whose next link lands elsewhere, and then here again.
    for _ in 0..3 {
        for (to, from) in [(&c, &b), (&b, &c)] {
            to.moves.learn(session, &from.name);
            to.moves.bring(&id, SECRET).await;
            sleep(Duration::from_millis(50)).await;
            assert!(to.has(session) && !from.has(session));
            assert_eq!((to.moves.moved_to(session), from.moves.moved_to(session)), (None, Some(to.name.clone())));
        }
    }
}

/// A session has moved from a node that is dead by now to the second of these; the third has never heard of it.
async fn moved_away_from_a_dead_node() -> (crate::cluster::InProcess, [Node; 2], String, uuid::Uuid) {
    let (engine, [a, b, c]) = three().await;
    let (id, session) = a.open(1, Fake::default());
    a.drain().await;
    b.moves.bring(&id, SECRET).await;
    assert!(b.has(session));
    drop(a);
    sleep(Duration::from_secs(12)).await;
    (engine, [b, c], id, session)
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_has_forgotten_ends_no_session() {
    let (engine, [_b, c], id, session) = moved_away_from_a_dead_node().await;
    engine.forget();
    assert_eq!(c.found(&id, false).await.unwrap_err().code, 4202, "not all nodes have told it again what they have");
    sleep(Duration::from_secs(3)).await;
    assert_eq!(c.found(&id, false).await, Ok(Some("b".to_owned())));
    assert_eq!(c.moves.lost(uuid::Uuid::from_u128(9), "a").await, Ok(None), "by now one that nobody has is gone");
    assert_eq!(c.moves.moved_to(session).as_deref(), Some("b"));
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_was_away_for_longer_than_it_keeps_claims_ends_no_session() {
    let (engine, [_b, c], id, _session) = moved_away_from_a_dead_node().await;
    engine.cut();
    sleep(Duration::from_secs(300)).await;
    engine.heal();
    while c.membership.living().away {
        assert_eq!(c.found(&id, false).await.unwrap_err().code, 4202);
        sleep(Duration::from_millis(10)).await;
    }
    for _ in 0..30 {
        let found = c.moves.lost(uuid::Uuid::from_u128(1), "a").await;
        assert!(found.is_err() || found == Ok(Some("b".to_owned())), "{found:?}");
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(c.clear_way(&id, false).as_deref(), Some("b"));
}

/// Another node may have taken what a node had that counted as dead.
#[tokio::test(start_paused = true)]
async fn a_node_that_hears_the_directory_again_tells_it_at_once_what_it_has() {
    let (_engine, [b, c], _id, session) = moved_away_from_a_dead_node().await;
    let directory = crate::cluster::Cluster::from(c.place.clone()).directory;
    let key = b.moves.state.owned.key(session);
    let claim = directory.look(&key).await.unwrap().unwrap();
    b.place.cut_directory();
    sleep(Duration::from_secs(5)).await;
    directory.release(&key, &claim).await.unwrap();
    b.place.heal();
    sleep(Duration::from_secs(3)).await;
    let [before, after] =
        [claim, directory.look(&key).await.unwrap().unwrap()].map(|claim| Deed::read(&claim).unwrap());
    assert_eq!(after.owner, before.owner);
    assert!(after.fence > before.fence, "a claim that another node has begun to make is too late");
}

/// It says that a session is gone whose node it could not reach for long, and so has claimed it.
#[tokio::test(start_paused = true)]
async fn a_claim_that_another_node_has_taken_comes_back_to_the_node_that_has_the_session() {
    let (_engine, [b, c], id, session) = moved_away_from_a_dead_node().await;
    b.place.cut_directory();
    sleep(Duration::from_secs(12)).await;
    assert_eq!(c.found(&id, false).await, Ok(None), "its node counts as dead");
    b.place.heal();
    sleep(Duration::from_secs(5)).await;
    assert!(b.has(session));
    assert_eq!(c.found(&id, false).await, Ok(Some("b".to_owned())));
    // It is the deed under which it moves on.
    b.drain().await;
    c.moves.bring(&id, SECRET).await;
    assert!(c.has(session) && !b.has(session));
}
