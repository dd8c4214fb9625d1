//! The oracle itself: what it lets pass where an attempt has got several sessions, and what not.

use super::{
    client_under_test::{ClientUnderTest, RustHalf},
    log::Sent,
    nodes::state::{Ask, Asker, NodeEvent, Wish},
    scenario::Scenario,
    state::{Setup, World},
};
use crate::{
    message::Message,
    payload::Payload,
    session::{Arrival, Machine, Role, tests::saboteur::Saboteur},
};

/// Longer than the lease of a node.
const LONG: u64 = 20_000;

fn half(scenario: &Scenario, now: u64, heritage: Option<u64>) -> Box<dyn ClientUnderTest> {
    let config = scenario.config(Role::Client);
    Box::new(RustHalf::new(Saboteur::new(Machine::new(config, now), None), config, heritage))
}

/// A world of several nodes in which nothing has happened yet.
fn cluster() -> World<'static> {
    let setup = Setup { make_half: &half, sabotage: None, misrule: None, script: false };
    let mut worlds = (1..).map(|seed| World::new(seed, setup, false));
    worlds.find(World::is_cluster).expect("many seeds have several nodes")
}

/// The sessions that nodes 0 and 1 have made for the client's attempt.
fn two_sessions(world: &mut World<'_>) -> [usize; 2] {
    let attempt = world.client.attempt();
    [0, 1].map(|node| world.open_session(&attempt, node, false))
}

fn message(text: &'static str) -> Payload {
    Message::Text(text.into()).into()
}

#[test]
fn a_page_that_takes_a_session_over_changes_nothing_of_what_the_other_sessions_get() {
    let mut world = cluster();
    let [taken, other] = two_sessions(&mut world);
    world.client.log.push(Sent::Message(message("of the page that opened")));
    world.server.sessions[taken].requests.taken_over(0);
    world.forget_former_page(taken);
    world.client.log.push(Sent::Message(message("of the next page")));

    for (session, right, wrong) in
        [(taken, "of the next page", "of the page that opened"), (other, "of the page that opened", "of the next page")]
    {
        let check = |text| {
            let mut next = world.scenario.base + 1;
            world.client_log(session).check(&mut next, &Arrival::Message(message(text)))
        };
        assert_eq!(check(right), Ok(()));
        assert!(check(wrong).is_err(), "session {session} has got what was not sent in it: {wrong}");
    }
}

#[test]
fn two_handlers_of_one_attempt_are_a_fault() {
    for order in [[0, 1], [1, 0]] {
        let mut world = cluster();
        let sessions = two_sessions(&mut world);
        world.check_heard(sessions[order[0]]);
        assert_eq!(world.failure, None);
        world.check_heard(sessions[order[1]]);
        assert!(world.failure.is_some());
    }
}

/// Node 1 takes the claim of the attempt from node 0, which was not heard for long.
fn take_claim(world: &mut World<'_>) {
    let (key, [from, to]) = (world.client.attempt(), [0, 1].map(|node| world.nodes.owner(node).write()));
    world.nodes.directory.claims.insert(key.clone(), from.clone());
    let process = world.nodes.all[1].process;
    world.now = LONG;
    world.nodes.beaten.insert(process, world.now);
    let asker = Asker::Opening(key.clone(), 0);
    let wish = Wish::Claim { key, from: Some(from), to };
    let ask = Ask { node: 1, process, since: world.now, wish, asker };
    world.node_event(NodeEvent::Does(ask, None));
    assert_eq!(world.failure, None);
}

#[test]
fn a_node_that_counted_as_dead_may_not_know_yet_that_another_one_has_its_attempt() {
    for order in [[0, 1], [1, 0]] {
        let mut world = cluster();
        let sessions = two_sessions(&mut world);
        take_claim(&mut world);
        order.iter().for_each(|at| world.check_heard(sessions[*at]));
        assert_eq!(world.failure, None);
    }
}

#[test]
fn a_node_that_is_heard_again_starts_nothing_that_another_one_has() {
    let mut world = cluster();
    let [slept, other] = two_sessions(&mut world);
    take_claim(&mut world);
    world.check_heard(other);
    world.nodes.beaten.insert(world.server.sessions[slept].process, world.now);
    world.check_heard(slept);
    assert!(world.failure.is_some());
}

#[test]
fn a_node_that_has_lost_a_claim_makes_no_session_by_it() {
    let mut world = cluster();
    let sessions = two_sessions(&mut world);
    take_claim(&mut world);
    let attempt = world.client.attempt();
    let third = world.open_session(&attempt, 0, false);
    world.check_heard(sessions[1]);
    world.check_heard(third);
    assert!(world.failure.is_some());
}
