//! The life of a node among others, on an engine in this process and under a paused clock.
#![expect(clippy::disallowed_methods, reason = "tests measure how long something takes")]

use super::*;
use crate::cluster::{Cluster, InProcess};

/// Nodes that beat.
struct Lab {
    engine: InProcess,
    tasks: tokio::task::JoinSet<()>,
}

impl Lab {
    fn new() -> Self {
        Lab { engine: InProcess::new(), tasks: tokio::task::JoinSet::new() }
    }

    fn node(&mut self, name: &str) -> Arc<Membership> {
        self.start(name).0
    }

    fn start(&mut self, name: &str) -> (Arc<Membership>, tokio::task::AbortHandle) {
        let directory = Cluster::from(self.engine.node()).directory;
        let node = Arc::new(Membership::new(name.to_owned(), directory));
        let (running, address) = (node.clone(), format!("at {name}"));
        let task = self.tasks.spawn(async move { running.run(address).await });
        (node, task)
    }
}

fn names(node: &Membership) -> Vec<String> {
    node.living().nodes.iter().map(|info| info.name.clone()).collect()
}

async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// The time until a node's view is so.
async fn until(node: &Membership, what: &str, so: impl Fn(&Living) -> bool) -> Duration {
    let began = node.clock.now();
    let mut living = node.watch();
    let waited = timeout(Duration::from_secs(60), living.wait_for(|living| so(living))).await;
    assert!(waited.is_ok(), "never: {what}");
    Duration::from_millis(node.clock.now() - began)
}

#[tokio::test(start_paused = true)]
async fn nodes_join_within_little_more_than_a_beat() {
    let mut lab = Lab::new();
    let a = lab.node("a");
    assert!(until(&a, "a joins", |living| living.joined).await < Duration::from_millis(10));
    let b = lab.node("b");
    assert!(!b.living().joined);
    let took = until(&b, "b joins", |living| living.joined).await;
    assert!(took <= Duration::from_millis(1300), "{took:?}");
    let c = lab.node("c");
    c.joined().await;
    for node in [&a, &b, &c] {
        assert_eq!(names(node), ["a", "b", "c"]);
        assert!(node.living().joined && !node.living().away);
    }
    // From here on nothing changes, and nobody is told of anything.
    seconds(2).await;
    let mut watch = a.watch();
    watch.mark_unchanged();
    seconds(30).await;
    assert!(!watch.has_changed().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_killed_node_is_gone_when_its_lease_has_ended() {
    let mut lab = Lab::new();
    let a = lab.node("a");
    let (b, task) = lab.start("b");
    b.joined().await;
    seconds(3).await;
    task.abort();
    let took = until(&a, "b dies", |living| living.nodes.len() == 1).await;
    assert!((Duration::from_secs(9)..Duration::from_millis(11_100)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_forgets_ends_no_node() {
    let mut lab = Lab::new();
    let (a, b) = (lab.node("a"), lab.node("b"));
    b.joined().await;
    seconds(2).await;
    let mut watch = a.watch();
    watch.mark_unchanged();
    lab.engine.forget();
    seconds(30).await;
    assert!(!watch.has_changed().unwrap(), "{:?}", a.living());
    let c = lab.node("c");
    c.joined().await;
    assert_eq!(names(&c), ["a", "b", "c"], "they are listed again");
    assert_eq!(names(&b), ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn while_the_directory_is_away_the_last_list_holds() {
    let mut lab = Lab::new();
    let (a, b) = (lab.node("a"), lab.node("b"));
    b.joined().await;
    seconds(2).await;
    lab.engine.cut();
    let took = until(&a, "it is away", |living| living.away).await;
    assert!((Duration::from_secs(1)..Duration::from_secs(4)).contains(&took), "{took:?}");
    seconds(60).await;
    assert_eq!((names(&a), a.living().joined), (vec!["a".to_owned(), "b".to_owned()], true));
    lab.engine.forget();
    lab.engine.heal();
    let took = until(&a, "it is back", |living| !living.away).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    seconds(20).await;
    assert_eq!((names(&a), names(&b)), (vec!["a".to_owned(), "b".to_owned()], vec!["a".to_owned(), "b".to_owned()]));
    assert!(a.living().joined && b.living().joined);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_starts_without_the_directory_serves_after_a_second() {
    let mut lab = Lab::new();
    lab.engine.cut();
    let (a, b) = (lab.node("a"), lab.node("b"));
    let took = until(&a, "it serves", |living| living.joined).await;
    assert!((Duration::from_millis(900)..Duration::from_millis(1600)).contains(&took), "{took:?}");
    assert!(a.living().away);
    b.joined().await;
    lab.engine.heal();
    let both = |living: &Living| living.joined && !living.away && living.nodes.len() == 2;
    until(&a, "a and b are a cluster", both).await;
    until(&b, "b and a are a cluster", both).await;
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_never_answers_holds_nobody_up() {
    let mut lab = Lab::new();
    lab.engine.delay(Duration::from_secs(3600));
    let a = lab.node("a");
    assert!(until(&a, "it serves", |living| living.joined && living.away).await <= Duration::from_millis(1100));
    let leaving = tokio::time::Instant::now();
    a.leave().await;
    assert!(leaving.elapsed() <= LEAVING);
}

#[tokio::test(start_paused = true)]
async fn a_slow_directory_is_waited_for() {
    let mut lab = Lab::new();
    lab.engine.delay(Duration::from_millis(700));
    let (a, b) = (lab.node("a"), lab.node("b"));
    until(&b, "they know of each other", |living| living.joined && living.nodes.len() == 2).await;
    seconds(3).await;
    let mut watch = a.watch();
    watch.mark_unchanged();
    seconds(10).await;
    assert!(!watch.has_changed().unwrap(), "{:?}", a.living());
    assert!(!a.living().away && a.living().joined);
}

#[tokio::test(start_paused = true)]
async fn who_drains_and_who_leaves_is_seen_within_a_beat() {
    let mut lab = Lab::new();
    let (a, b) = (lab.node("a"), lab.node("b"));
    b.joined().await;
    seconds(2).await;
    b.drain(7_000);
    let drains = |living: &Living| living.nodes.iter().any(|info| info.name == "b" && info.draining);
    assert!(until(&a, "b drains", drains).await <= Duration::from_millis(1100));
    b.leave().await;
    assert!(until(&a, "b is gone", |living| living.nodes.len() == 1).await <= Duration::from_millis(1100));
    seconds(5).await;
    let c = lab.node("c");
    c.joined().await;
    assert_eq!(names(&c), ["a", "c"], "its entry has ended");
    // The last one to leave leaves nothing.
    for node in [&c, &a] {
        node.leave().await;
        seconds(2).await;
    }
    let d = lab.node("d");
    d.joined().await;
    assert_eq!(names(&d), ["d"]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_never_began_leaves_at_once() {
    let membership = Membership::new("a".to_owned(), Cluster::from(InProcess::new()).directory);
    membership.drain(7_000);
    membership.leave().await;
    timeout(Duration::from_secs(1), membership.run("at a".to_owned())).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_look_finds_who_has_come_since_the_last_beat() {
    let mut lab = Lab::new();
    let a = lab.node("a");
    a.joined().await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let _b = lab.node("b");
    tokio::task::yield_now().await;
    assert_eq!(names(&a), ["a"]);
    let began = tokio::time::Instant::now();
    a.look_again().await;
    tokio::task::yield_now().await;
    assert_eq!(names(&a), ["a", "b"]);
    assert!(began.elapsed() < Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn a_restarted_node_replaces_the_one_before_it() {
    let mut lab = Lab::new();
    let a = lab.node("a");
    let (_, killed) = lab.start("b");
    seconds(3).await;
    killed.abort();
    seconds(1).await;
    // It has the address of the one before, which therefore is dead, and holds it up no more than any other node would.
    let b = lab.node("b");
    assert!(until(&b, "it joins", |living| living.joined).await <= Duration::from_millis(1300));
    assert_eq!(names(&b), ["a", "b"]);
    let took = until(&a, "the old one is gone", |living| living.nodes.len() == 2).await;
    assert!(took <= Duration::from_secs(4), "{took:?}");
    assert!(a.living().nodes.iter().any(|info| info.incarnation == b.incarnation));
}
