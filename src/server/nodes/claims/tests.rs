//! Claims of what only one node may have, on an engine in this process and under a paused clock.
#![expect(clippy::disallowed_methods, reason = "tests measure how long something takes")]

use bytes::Bytes;
use tokio::{
    task::JoinSet,
    time::{Instant, advance, sleep},
};

use super::*;
use crate::cluster::{Cluster, InProcess, InProcessNode};

const ATTEMPT: Claimable<'_> = Claimable::Attempt("attempt-of-20-characters");
const NAME: Claimable<'_> = Claimable::SockJsName { path: "/echo", name: "abc" };

/// A node that beats. Dropped, it is one that was killed.
struct Node {
    claims: Claims,
    place: InProcessNode,
    _tasks: JoinSet<()>,
}

impl std::ops::Deref for Node {
    type Target = Claims;

    fn deref(&self) -> &Claims {
        &self.claims
    }
}

/// A node that has begun to beat.
fn begin(engine: &InProcess, name: &str) -> Node {
    begin_at(engine.node(), name)
}

fn begin_at(place: InProcessNode, name: &str) -> Node {
    let directory = Cluster::from(place.clone()).directory;
    let membership = Arc::new(Membership::new(name.to_owned(), directory.clone()));
    let claims = Claims::new(directory, Secret::new("secret"), membership.clone(), &Config::default());
    let mut tasks = JoinSet::new();
    let (running, address) = (claims.clone(), format!("at {name}"));
    tasks.spawn(async move { running.run().await });
    tasks.spawn(async move { membership.run(address).await });
    Node { claims, place, _tasks: tasks }
}

/// A node that has joined.
async fn node(engine: &InProcess, name: &str) -> Node {
    let node = begin(engine, name);
    node.0.membership.joined().await;
    node
}

fn elsewhere(name: &str) -> Claimed {
    Claimed::Elsewhere(name.to_owned())
}

#[tokio::test(start_paused = true)]
async fn who_is_first_has_it() {
    let engine = InProcess::new();
    let (a, b) = (node(&engine, "a").await, node(&engine, "b").await);
    for what in [ATTEMPT, NAME] {
        assert_eq!((a.look(what).await, b.look(what).await), (None, None));
        assert_eq!(b.claim(what).await, Claimed::Here);
        assert_eq!(a.claim(what).await, elsewhere("b"));
        assert_eq!(b.claim(what).await, Claimed::Here, "it is its own");
        assert_eq!((a.look(what).await.as_deref(), b.look(what).await), (Some("b"), None));
    }
    assert_eq!(a.claim(Claimable::Attempt("another-of-20-characters")).await, Claimed::Here);
    assert_eq!(a.claim(Claimable::SockJsName { path: "/ech", name: "oabc" }).await, Claimed::Here);
    let mut racing: Vec<_> = [&a, &b, &a].map(|node| node.claim(Claimable::Attempt("a-third-of-20-characters"))).into();
    let all = futures::future::join_all(racing.drain(..)).await;
    assert_eq!(all, [Claimed::Here, elsewhere("a"), Claimed::Here]);
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_node_had_is_anybodys() {
    let engine = InProcess::new();
    let (a, b, c) = (node(&engine, "a").await, node(&engine, "b").await, node(&engine, "c").await);
    assert_eq!(c.claim(ATTEMPT).await, Claimed::Here);
    drop(c);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(a.claim(ATTEMPT).await, elsewhere("c"), "its lease has not ended");
    sleep(Duration::from_secs(7)).await;
    assert_eq!(a.look(ATTEMPT).await, None);
    assert_eq!(b.claim(ATTEMPT).await, Claimed::Here);
    assert_eq!(a.claim(ATTEMPT).await, elsewhere("b"));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_has_just_come_is_not_taken_for_a_dead_one() {
    let engine = InProcess::new();
    let a = node(&engine, "a").await;
    sleep(Duration::from_millis(200)).await;
    let b = begin(&engine, "b");
    tokio::task::yield_now().await;
    assert!(!b.0.membership.living().joined, "a does not know of it");
    assert_eq!(b.claim(ATTEMPT).await, Claimed::Here);
    assert_eq!(a.0.membership.living().nodes.len(), 1);
    let asked = Instant::now();
    assert_eq!(a.claim(ATTEMPT).await, elsewhere("b"));
    assert!(asked.elapsed() < Duration::from_millis(100), "{:?}", asked.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_never_listed_is_not_certain_of_its_claims() {
    let engine = InProcess::new();
    let a = node(&engine, "a").await;
    let b = engine.node();
    b.cut_directory();
    let b = begin_at(b, "b");
    b.0.membership.joined().await; // It serves all the same.
    b.place.heal();
    assert_eq!(b.claim(ATTEMPT).await, Claimed::Unknown, "its claim is made, but nobody knows of it");
    assert_eq!(a.claim(ATTEMPT).await, Claimed::Here, "a takes b for a dead node");
    sleep(Duration::from_secs(2)).await;
    assert_eq!(b.claim(ATTEMPT).await, elsewhere("a"), "b is listed now, and learns of it");
    assert_eq!(b.claim(NAME).await, Claimed::Here);
}

#[tokio::test(start_paused = true)]
async fn without_the_engine_nobody_knows_who_has_it() {
    let engine = InProcess::new();
    let (a, b) = (node(&engine, "a").await, node(&engine, "b").await);
    assert_eq!(b.claim(NAME).await, Claimed::Here);
    assert_eq!(a.look(NAME).await.as_deref(), Some("b"));
    a.place.cut_directory();
    assert_eq!(a.claim(ATTEMPT).await, Claimed::Unknown);
    assert_eq!(a.look(ATTEMPT).await, None);
    assert_eq!(b.claim(ATTEMPT).await, Claimed::Here);
    sleep(Duration::from_secs(300)).await;
    assert_eq!(a.look(NAME).await.as_deref(), Some("b"), "what was known of names goes on to hold");
    a.place.heal();
    sleep(Duration::from_secs(2)).await; // It is listed again.
    assert_eq!(a.claim(ATTEMPT).await, Claimed::Here, "b's claim has ended by its time");
}

#[tokio::test(start_paused = true)]
async fn a_silent_engine_is_waited_for_and_not_for_long() {
    let engine = InProcess::new();
    let a = node(&engine, "a").await;
    engine.delay(Duration::from_secs(60));
    for (patience, what) in [(PATIENCE, "at first"), (PATIENCE_WHILE_AWAY, "once it is known to be away")] {
        let asked = Instant::now();
        assert_eq!(a.claim(ATTEMPT).await, Claimed::Unknown, "{what}");
        assert_eq!(asked.elapsed(), patience, "{what}");
        sleep(Duration::from_secs(2)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_released_is_free() {
    let engine = InProcess::new();
    let (a, b) = (node(&engine, "a").await, node(&engine, "b").await);
    assert_eq!(a.claim(ATTEMPT).await, Claimed::Here);
    b.release(ATTEMPT);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(b.claim(ATTEMPT).await, elsewhere("a"), "it is not b's to release");
    a.release(ATTEMPT);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(b.claim(ATTEMPT).await, Claimed::Here);
    assert!(lock(&a.0.releases).is_empty() && lock(&b.0.releases).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_claim_behind_its_own_release_holds() {
    let engine = InProcess::new();
    let (a, b) = (node(&engine, "a").await, node(&engine, "b").await);
    assert_eq!(a.claim(ATTEMPT).await, Claimed::Here);
    // The release waits, and is not made.
    a.release(ATTEMPT);
    assert_eq!(a.claim(ATTEMPT).await, Claimed::Here);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(b.claim(ATTEMPT).await, elsewhere("a"));
    // The release is under way.
    engine.delay(Duration::from_millis(100));
    a.release(ATTEMPT);
    sleep(Duration::from_millis(50)).await;
    let asked = Instant::now();
    assert_eq!(a.claim(ATTEMPT).await, Claimed::Here);
    assert!(asked.elapsed() >= Duration::from_millis(150), "{:?}", asked.elapsed());
    sleep(Duration::from_secs(1)).await;
    assert_eq!(b.claim(ATTEMPT).await, elsewhere("a"));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_released_is_released_when_the_engine_is_back() {
    let engine = InProcess::new();
    let (a, b) = (node(&engine, "a").await, node(&engine, "b").await);
    assert_eq!((a.claim(ATTEMPT).await, a.claim(NAME).await), (Claimed::Here, Claimed::Here));
    a.place.cut_directory();
    a.release(ATTEMPT);
    a.release(NAME);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(b.claim(ATTEMPT).await, elsewhere("a"), "it lives, and nobody was told");
    a.place.heal();
    sleep(Duration::from_secs(3)).await;
    assert_eq!((b.claim(ATTEMPT).await, b.claim(NAME).await), (Claimed::Here, Claimed::Here));
    assert!(lock(&a.0.releases).is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_released_is_forgotten_with_its_claim() {
    let engine = InProcess::new();
    let a = node(&engine, "a").await;
    assert_eq!(a.claim(ATTEMPT).await, Claimed::Here);
    a.place.cut_directory();
    a.release(ATTEMPT);
    sleep(a.0.keep_attempt - Duration::from_secs(5)).await;
    assert_eq!(lock(&a.0.releases).len(), 1);
    sleep(Duration::from_secs(10)).await;
    assert!(lock(&a.0.releases).is_empty());
}

#[tokio::test(start_paused = true)]
async fn releases_that_wait_are_bounded() {
    let engine = InProcess::new();
    let a = node(&engine, "a").await;
    for at in 0..MOST_RELEASES + 100 {
        a.release(Claimable::Attempt(&format!("attempt-{at:020}")));
    }
    assert_eq!(lock(&a.0.releases).len(), MOST_RELEASES);
    sleep(Duration::from_millis(10)).await;
    assert!(lock(&a.0.releases).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_claim_ends_by_its_time_unless_it_is_renewed() {
    let engine = InProcess::new();
    let (a, b) = (node(&engine, "a").await, node(&engine, "b").await);
    let config = Config::default();
    assert_eq!((a.claim(ATTEMPT).await, a.claim(NAME).await), (Claimed::Here, Claimed::Here));
    sleep(config.grace + config.open_timeout).await;
    assert_eq!(b.claim(ATTEMPT).await, elsewhere("a"), "for as long as a client may try with it");
    sleep(config.open_timeout + MARGIN + Duration::from_secs(1)).await;
    assert_eq!(b.claim(ATTEMPT).await, Claimed::Here);
    sleep(KEEP_NAME / 2).await;
    assert_eq!(a.claim(NAME).await, Claimed::Here);
    sleep(KEEP_NAME - Duration::from_secs(1)).await;
    assert_eq!(b.claim(NAME).await, elsewhere("a"));
    sleep(Duration::from_millis(KNOWN_FOR)).await;
    assert_eq!(b.claim(NAME).await, Claimed::Here);
}

#[tokio::test(start_paused = true)]
async fn names_are_known_for_a_minute_and_only_while_their_node_lives() {
    let engine = InProcess::new();
    let (a, b) = (node(&engine, "a").await, node(&engine, "b").await);
    assert_eq!(b.claim(NAME).await, Claimed::Here);
    assert_eq!(a.claim(NAME).await, elsewhere("b"));
    engine.forget();
    assert_eq!(a.look(NAME).await.as_deref(), Some("b"), "the engine is not asked");
    sleep(Duration::from_millis(KNOWN_FOR)).await;
    assert_eq!(a.look(NAME).await, None);
    assert_eq!(b.claim(NAME).await, Claimed::Here);
    assert_eq!(a.look(NAME).await.as_deref(), Some("b"));
    drop(b);
    sleep(Duration::from_secs(12)).await;
    assert_eq!(a.look(NAME).await, None);
    assert_eq!(a.claim(NAME).await, Claimed::Here);
    assert!(lock(&a.0.known).is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_names_that_are_known_are_bounded() {
    let engine = InProcess::new();
    let (a, b) = (node(&engine, "a").await, node(&engine, "b").await);
    let names: Vec<String> = (0..MOST_KNOWN + 10).map(|at| format!("{at}")).collect();
    let named = |at: usize| Claimable::SockJsName { path: "/echo", name: &names[at] };
    for at in 0..names.len() {
        assert_eq!(b.claim(named(at)).await, Claimed::Here);
        assert_eq!(a.look(named(at)).await.as_deref(), Some("b"), "{at}");
    }
    assert_eq!(lock(&a.0.known).len(), MOST_KNOWN);
    sleep(Duration::from_millis(KNOWN_FOR)).await;
    assert_eq!(a.look(named(names.len() - 1)).await.as_deref(), Some("b"));
    assert_eq!(lock(&a.0.known).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_value_that_no_node_wrote_is_nobodys_and_not_overwritten() {
    let engine = InProcess::new();
    let a = node(&engine, "a").await;
    for (at, value) in [&b"1"[..], b"1234567", b"12345678", b"12345678a b", b"12345678\xff"].into_iter().enumerate() {
        let attempt = format!("attempt-{at:020}");
        let what = Claimable::Attempt(&attempt);
        let key = a.0.key(what);
        a.0.directory.claim(&key, value, Duration::from_secs(60)).await.unwrap();
        assert_eq!(a.claim(what).await, Claimed::Unknown, "{value:?}");
        assert_eq!(a.look(what).await, None, "{value:?}");
        assert_eq!(a.0.directory.look(&key).await.unwrap().as_deref(), Some(value));
    }
}

#[tokio::test(start_paused = true)]
async fn a_namesake_that_lives_makes_it_uncertain_and_one_that_died_does_not() {
    let engine = InProcess::new();
    let (one, other) = (node(&engine, "a").await, node(&engine, "a").await);
    assert_eq!(one.claim(ATTEMPT).await, Claimed::Here);
    assert_eq!(other.claim(ATTEMPT).await, Claimed::Unknown);
    drop(one);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(other.claim(ATTEMPT).await, Claimed::Here, "a node that starts again has no predecessor");
}

/// The directory of a process that is stopped in the middle of its first claim, while another one takes that over.
struct Stops {
    directory: Arc<dyn Directory>,
    other: Mutex<Option<Vec<u8>>>,
}

impl Directory for Stops {
    fn beat(&self, id: &[u8], info: &[u8], lease: Duration) -> BoxFuture<'_, Result<Vec<Bytes>, EngineError>> {
        self.directory.beat(id, info, lease)
    }

    fn leave(&self, id: &[u8]) -> BoxFuture<'_, Result<(), EngineError>> {
        self.directory.leave(id)
    }

    fn claim(&self, key: &[u8], value: &[u8], keep: Duration) -> BoxFuture<'_, Result<Claim, EngineError>> {
        let [key, value] = [key, value].map(<[u8]>::to_vec);
        Box::pin(async move {
            let claimed = self.directory.claim(&key, &value, keep).await;
            let other = lock(&self.other).take();
            if let Some(other) = other {
                assert_eq!(self.directory.swap(&key, &value, &other, keep).await, Ok(Claim::Mine));
                advance(Duration::from_millis(LEASE / 2)).await;
            }
            claimed
        })
    }

    fn swap(&self, key: &[u8], from: &[u8], to: &[u8], keep: Duration) -> BoxFuture<'_, Result<Claim, EngineError>> {
        self.directory.swap(key, from, to, keep)
    }

    fn look(&self, key: &[u8]) -> BoxFuture<'_, Result<Option<Bytes>, EngineError>> {
        self.directory.look(key)
    }

    fn release(&self, key: &[u8], value: &[u8]) -> BoxFuture<'_, Result<(), EngineError>> {
        self.directory.release(key, value)
    }
}

#[tokio::test(start_paused = true)]
async fn who_was_stopped_behind_its_claim_claims_again() {
    let engine = InProcess::new();
    let b = node(&engine, "b").await;
    let directory = Cluster::from(engine.node()).directory;
    let stops = Arc::new(Stops { directory: directory.clone(), other: Mutex::new(Some(b.0.mine.clone())) });
    let membership = Arc::new(Membership::new("a".to_owned(), directory));
    let a = Claims::new(stops, Secret::new("secret"), membership.clone(), &Config::default());
    let running = tokio::spawn(async move { membership.run("at a".to_owned()).await });
    a.0.membership.joined().await;
    assert_eq!(a.claim(ATTEMPT).await, elsewhere("b"));
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn a_crowd_that_looks_for_what_nobody_has_does_not_ask_all_at_once() {
    let engine = InProcess::new();
    let a = node(&engine, "a").await;
    let delay = Duration::from_millis(100);
    engine.delay(delay);
    let names: Vec<String> = (0..256).map(|number| format!("nobody {number}")).collect();
    let began = Instant::now();
    let looks = names.iter().map(|name| a.look(Claimable::SockJsName { path: "/echo", name }));
    assert!(futures::future::join_all(looks).await.iter().all(Option::is_none));
    assert!(began.elapsed() >= 4 * delay, "{:?}", began.elapsed());
}
