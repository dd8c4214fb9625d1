//! The faults, and what is to become of the clients under each.

use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::{Instant, sleep};

use crate::{
    checker::{Counts, Rules, check},
    crowd::{Accounts, Crowd, Load},
    fleet::{Fleet, NOTICED},
    history::{History, Phase},
    line::State,
    option, told,
};

type Scenario = fn() -> BoxFuture<'static, ()>;

/// All faults, by their names.
pub(crate) fn all() -> Vec<(&'static str, Scenario)> {
    vec![
        ("a node is killed", || Box::pin(a_node_is_killed())),
        ("a node sleeps", || Box::pin(a_node_sleeps())),
        ("lines fail", || Box::pin(lines_fail())),
        ("the engine forgets", || Box::pin(the_engine_forgets())),
        ("the engine is away", || Box::pin(the_engine_is_away())),
        #[cfg(feature = "nats")]
        ("NATS is away", || Box::pin(nats_is_away())),
        ("nodes are replaced", || Box::pin(nodes_are_replaced())),
        #[cfg(feature = "host")]
        ("processes of one machine are replaced", || Box::pin(processes_are_replaced())),
    ]
}

/// The load of a run: at full size so many clients, otherwise a few.
fn load(clients: u64) -> Load {
    let clients = option("ANYWIRE_CHAOS_CLIENTS", 40, clients).try_into().unwrap();
    let every = Duration::from_millis(option("ANYWIRE_CHAOS_EVERY", 100, 1_000));
    Load { clients, in_a_room: 10, every, publish: option("ANYWIRE_CHAOS_PUBLISH", 3, 20) }
}

/// A time of a short run, or of a full one, in milliseconds.
async fn pause(short: u64, full: u64) {
    sleep(Duration::from_millis(if crate::full() { full } else { short })).await;
}

/// A crowd all of whose members are in their rooms.
async fn gather(fleet: &Fleet, load: Load) -> Crowd {
    let mut crowd = Crowd::begin(load, &fleet.balancer);
    crowd.greeted().await;
    crowd
}

/// The rules of a run in which all publications come.
const ALL_COME: Rules = Rules { gaps: false, one_order_from: 1 };

/// Checks what was written. Returns the history, its counts and the clients' accounts.
async fn judge(what: &str, fleet: &Fleet, crowd: Crowd, rules: Rules) -> (History, Counts, Accounts) {
    let mut accounts = crowd.stop().await;
    let mut history = fleet.history();
    accounts.join(&mut history);
    // No split belongs to these faults, but a node that gets no time for a second counts its engine as away. At full size
    // nothing else runs.
    let is_starved = rules.one_order_from == 1 && history.splits > 0 && !crate::full();
    let rules = if is_starved { Rules { gaps: true, one_order_from: Phase::MAX } } else { rules };
    println!("{what}: {} splits", history.splits);
    let counts = match check(&history, rules) {
        Ok(counts) => counts,
        Err(faults) => panic!("{what}: {} faults: {:#?}", faults.len(), &faults[..faults.len().min(10)]),
    };
    println!("{what}: {counts:?}");
    println!("{what}: links ended: {:?}", accounts.tally());
    (history, counts, accounts)
}

/// The last phase: all is well again.
async fn go_on(fleet: &Fleet, crowd: &mut Crowd, phase: u32, load: Load) {
    fleet.whole().await;
    crowd.send(phase, load);
    pause(500, 5_000).await;
    // A node says behind a second how many messages it has published to a room.
    crowd.settle(Duration::from_millis(2_000)).await;
}

/// Kills one node of three, and starts it again.
async fn a_node_is_killed() {
    let Some(mut fleet) = Fleet::on_redis(false, Duration::ZERO).await else { return };
    let load = load(5_000);
    let mut crowd = gather(&fleet, load).await;
    crowd.send(1, load);
    pause(500, 5_000).await;
    let killed = Instant::now();
    fleet.nodes[0].process.kill();
    sleep(NOTICED).await;
    fleet.rotate_without(0);
    pause(2_000, 10_000).await;
    fleet.nodes[0] = fleet.node("one", false).await;
    fleet.rotate();
    pause(500, 5_000).await;
    crowd.settle(Duration::ZERO).await;
    go_on(&fleet, &mut crowd, 2, load).await;
    let (history, counts, accounts) = judge("a node is killed", &fleet, crowd, Rules { gaps: true, ..ALL_COME }).await;
    // The sessions of the dead are lost, and no others.
    for (id, session) in &history.sessions {
        let of_the_dead = id.starts_with("one.") && session.opened == 0;
        assert_eq!(session.lost, of_the_dead, "{id}");
    }
    assert!(counts.lost > 0, "the killed node had no session");
    println!("a node is killed: {load:?}: back in {}", accounts.back(killed));
    println!("a node is killed: waits for answers: {}", accounts.waits(1));
}

/// Stops a node for a while. Its sessions live, if it is not away for so long that the others give it up.
async fn a_node_sleeps() {
    let Some(fleet) = Fleet::on_redis(false, Duration::ZERO).await else { return };
    let load = load(500);
    let mut crowd = gather(&fleet, load).await;
    crowd.send(1, load);
    pause(300, 2_000).await;
    fleet.nodes[1].process.signal("-STOP");
    sleep(NOTICED).await;
    fleet.rotate_without(1);
    pause(2_500, 15_000).await;
    fleet.nodes[1].process.signal("-CONT");
    fleet.rotate();
    pause(500, 5_000).await;
    crowd.settle(Duration::ZERO).await;
    go_on(&fleet, &mut crowd, 2, load).await;
    let rules = Rules { gaps: true, one_order_from: 2 };
    let (history, counts, accounts) = judge("a node sleeps", &fleet, crowd, rules).await;
    for (id, session) in &history.sessions {
        assert!(!session.lost || id.starts_with("two."), "{id} is lost");
    }
    assert!(crate::full() || counts.lost == 0, "a node is given up before its lease is over");
    println!("a node sleeps: waits for answers: {}", accounts.waits(1));
}

/// Cuts and silences the lines of nodes, one after the other.
async fn lines_fail() {
    let Some(fleet) = Fleet::on_redis(true, Duration::ZERO).await else { return };
    let load = load(500);
    let mut crowd = gather(&fleet, load).await;
    crowd.send(1, load);
    let lines: Vec<_> = fleet.nodes.iter().map(|node| node.lines.as_ref().unwrap()).collect();
    let faults = [
        ("the engine's line is cut", &lines[0].engine, State::Cut),
        ("the peers' line is cut", &lines[1].peers, State::Cut),
        ("the engine's line is silent", &lines[2].engine, State::Silent),
        ("the peers' line is silent", &lines[0].peers, State::Silent),
    ];
    for (what, line, state) in faults {
        println!("lines fail: {what}");
        line.set(state);
        pause(1_200, 8_000).await;
        line.set(State::Open);
        pause(500, 5_000).await;
    }
    crowd.settle(Duration::ZERO).await;
    go_on(&fleet, &mut crowd, 2, load).await;
    let rules = Rules { gaps: true, one_order_from: 2 };
    let (_, counts, accounts) = judge("lines fail", &fleet, crowd, rules).await;
    assert_eq!(counts.lost, 0, "all nodes live");
    println!("lines fail: waits for answers: {}", accounts.waits(1));
}

/// Stops the engine for a while, kills the connections to it, and has it forget everything.
async fn the_engine_forgets() {
    let Some(fleet) = Fleet::on_redis(false, Duration::ZERO).await else { return };
    let load = load(500);
    let mut crowd = gather(&fleet, load).await;
    crowd.send(1, load);
    fleet.redis().freeze();
    pause(1_200, 8_000).await;
    fleet.redis().thaw();
    for _ in 0..option("ANYWIRE_CHAOS_ROUNDS", 2, 10) {
        for command in ["CLIENT KILL TYPE pubsub", "CLIENT KILL TYPE normal", "FLUSHALL", "SCRIPT FLUSH"] {
            tokio::task::block_in_place(|| fleet.redis().command(command));
            pause(250, 1_000).await;
        }
    }
    pause(500, 2_000).await;
    crowd.settle(Duration::ZERO).await;
    go_on(&fleet, &mut crowd, 2, load).await;
    let rules = Rules { gaps: true, one_order_from: 2 };
    let (_, counts, _) = judge("the engine forgets", &fleet, crowd, rules).await;
    assert_eq!(counts.lost, 0, "all nodes live");
}

/// Kills the engine for a while: rooms go on inside each node.
async fn the_engine_is_away() {
    let Some(fleet) = Fleet::on_redis(false, Duration::ZERO).await else { return };
    an_engine_is_away("the engine is away", fleet, Rules { gaps: true, one_order_from: 2 }).await;
}

/// The same on NATS, where each sender has an order and the room has none.
#[cfg(feature = "nats")]
async fn nats_is_away() {
    let Some(fleet) = Fleet::on_nats(Duration::ZERO).await else { return };
    an_engine_is_away("NATS is away", fleet, Rules { gaps: true, one_order_from: u32::MAX }).await;
}

async fn an_engine_is_away(what: &str, mut fleet: Fleet, rules: Rules) {
    let load = load(500);
    let mut crowd = gather(&fleet, load).await;
    crowd.send(1, load);
    pause(500, 5_000).await;
    let before = fleet.memory();
    fleet.kill_engine();
    pause(3_000, 30_000).await;
    let away = fleet.memory();
    fleet.start_engine_again();
    pause(500, 5_000).await;
    crowd.settle(Duration::ZERO).await;
    go_on(&fleet, &mut crowd, 2, load).await;
    let after = fleet.memory();
    let (_, counts, accounts) = judge(what, &fleet, crowd, rules).await;
    assert_eq!(counts.lost, 0, "all nodes live");
    println!("{what}: resident MB of the nodes: {before:?} before, {away:?} at its end, {after:?} after");
    println!("{what}: waits for answers: {}", accounts.waits(1));
    let grown = before.iter().zip(&away).map(|(before, away)| away.saturating_sub(*before)).max().unwrap();
    assert!(grown < 100, "a node has grown by {grown} MB");
}

/// The time that the sessions of a node have to go when it is replaced.
fn window() -> Duration {
    if crate::full() { Duration::from_secs(10) } else { Duration::from_secs(3) }
}

async fn nodes_are_replaced() {
    let Some(fleet) = Fleet::on_redis(false, window()).await else { return };
    all_are_replaced("nodes are replaced", fleet, ALL_COME).await;
}

/// The same without a server of Redis. Each process gives all publications their order until it is replaced, and then
/// there is a split.
#[cfg(feature = "host")]
async fn processes_are_replaced() {
    let rules = Rules { gaps: true, one_order_from: 3 };
    all_are_replaced("processes of one machine are replaced", Fleet::on_host(window()).await, rules).await;
}

/// Replaces all nodes, one after the other, by new ones.
async fn all_are_replaced(what: &str, mut fleet: Fleet, rules: Rules) {
    let load = load(2_000);
    let mut crowd = gather(&fleet, load).await;
    crowd.send(1, load);
    pause(1_000, 30_000).await;
    crowd.settle(Duration::ZERO).await;
    crowd.send(2, load);
    let begun = Instant::now();
    for (nth, name) in ["four", "five", "six"].into_iter().enumerate() {
        let next = fleet.node(name, false).await;
        let mut old = std::mem::replace(&mut fleet.nodes[nth], next).process;
        fleet.rotate();
        told::tell_of(&old.name, "is told to end");
        old.signal("-TERM");
        while !old.has_ended() {
            assert!(begun.elapsed() < Duration::from_secs(120), "{} does not end", old.name);
            sleep(Duration::from_millis(20)).await;
        }
    }
    println!("{what}: it took {:.1} s", begun.elapsed().as_secs_f64());
    pause(300, 5_000).await;
    crowd.settle(Duration::ZERO).await;
    go_on(&fleet, &mut crowd, 3, load).await;
    let (_, counts, accounts) = judge(what, &fleet, crowd, rules).await;
    println!("{what}: {load:?}, {} sessions lost", counts.lost);
    assert_eq!(counts.lost, 0, "a session that is cut with its node is lost");
    for (how, phase) in [("without", 1), ("with", 2)] {
        println!("{what}: longest silences {how} a deploy: {}", accounts.silences(phase));
        println!("{what}: waits for answers {how} a deploy: {}", accounts.waits(phase));
    }
}
