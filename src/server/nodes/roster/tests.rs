//! The nodes that count as living, by lists that are written by hand.

use super::*;

fn info(name: &str, incarnation: u64, knows: &[u64]) -> NodeInfo {
    NodeInfo {
        window: 0,
        name: name.to_owned(),
        incarnation,
        address: format!("10.0.0.{incarnation}:7946"),
        version: 1,
        draining: false,
        left: false,
        beats: 1,
        knows: knows.to_vec(),
    }
}

/// The node with incarnation 1, whose name is `a`.
fn roster() -> Roster {
    Roster::new(0, info("a", 1, &[]))
}

fn list(infos: &[&NodeInfo]) -> Vec<Bytes> {
    infos.iter().map(|info| info.write().into()).collect()
}

fn processes(roster: &Roster) -> Vec<u64> {
    roster.living().nodes.iter().map(|info| info.incarnation).collect()
}

/// Hears of these nodes once a second from `from` to `to`, each of which beats.
fn hear(roster: &mut Roster, from: u64, to: u64, infos: &[NodeInfo]) -> Vec<Fault> {
    let times = (from..=to).step_by(1000);
    let beats = |time: u64| infos.iter().map(move |info| NodeInfo { beats: 100 + time, ..info.clone() }.write().into());
    times.flat_map(|time| roster.heard(time, &beats(time).collect::<Vec<Bytes>>())).collect()
}

#[test]
fn a_node_alone_has_joined_at_once() {
    let mut roster = roster();
    assert!(!roster.living().joined);
    assert_eq!(roster.heard(5, &list(&[&info("a", 1, &[])])), []);
    assert_eq!((roster.living().joined, roster.living().away, roster.pause()), (true, false, BEAT));
    assert_eq!(processes(&roster), [1]);
}

#[test]
fn a_node_has_joined_when_all_others_know_of_it() {
    let mut roster = roster();
    roster.heard(5, &list(&[&info("b", 2, &[3]), &info("c", 3, &[2])]));
    assert_eq!((roster.living().joined, roster.pause()), (false, HASTE));
    assert_eq!(roster.beat(false, false).knows, [2, 3]);
    roster.heard(100, &list(&[&info("b", 2, &[1, 3]), &info("c", 3, &[2])]));
    assert!(!roster.living().joined);
    roster.heard(200, &list(&[&info("b", 2, &[1, 3]), &info("c", 3, &[1, 2])]));
    assert!(roster.living().joined);
    // One that comes later waits itself, and is told soon that it is known.
    roster.heard(1200, &list(&[&info("b", 2, &[1, 3]), &info("c", 3, &[1, 2]), &info("d", 4, &[])]));
    assert_eq!((roster.living().joined, roster.pause()), (true, HASTE));
    assert_eq!(roster.beat(false, false).knows, [2, 3, 4]);
    assert_eq!(roster.pause(), BEAT);
    // One that gives this node up must learn anew that it lives.
    roster.heard(2200, &list(&[&info("b", 2, &[3]), &info("c", 3, &[1, 2]), &info("d", 4, &[])]));
    assert!(!roster.living().joined);
}

#[test]
fn who_never_says_that_it_knows_of_a_node_holds_it_up_for_one_lease() {
    let mut roster = roster();
    assert_eq!(hear(&mut roster, 0, LEASE - 1000, &[info("b", 2, &[])]), []);
    assert!(!roster.living().joined);
    let faults = hear(&mut roster, LEASE, LEASE + 5000, &[info("b", 2, &[])]);
    assert_eq!(faults, [Fault::Unacknowledged { name: "b".to_owned(), address: "10.0.0.2:7946".to_owned() }]);
    assert!(roster.living().joined);
}

#[test]
fn a_node_dies_one_lease_behind_its_last_beat_and_no_sooner() {
    let mut roster = roster();
    let dies = info("b", 2, &[1]);
    hear(&mut roster, 0, 3000, &[dies.clone(), info("c", 3, &[1])]);
    let last = NodeInfo { beats: 3100, ..dies };
    for time in (4000..13_000).step_by(1000) {
        roster.heard(time, &list(&[&last, &NodeInfo { beats: time, ..info("c", 3, &[1]) }]));
    }
    assert_eq!(processes(&roster), [1, 2, 3], "it is listed");
    hear(&mut roster, 13_000, 13_000, &[info("c", 3, &[1])]);
    assert_eq!(processes(&roster), [1, 3]);
}

#[test]
fn a_directory_that_forgets_ends_nobody() {
    let mut roster = roster();
    let others = [info("b", 2, &[1]), info("c", 3, &[1])];
    hear(&mut roster, 0, 3000, &others);
    hear(&mut roster, 4000, 4000, &[]);
    assert_eq!((processes(&roster), roster.living().joined), (vec![1, 2, 3], true));
    hear(&mut roster, 5000, 12_000, &others[..1]);
    assert_eq!(processes(&roster), [1, 2, 3]);
    hear(&mut roster, 13_000, 13_000, &others[..1]);
    assert_eq!(processes(&roster), [1, 2], "it did not come back");
}

#[test]
fn a_silent_directory_ends_nobody_and_the_nodes_get_to_know_each_other_again() {
    let mut roster = roster();
    hear(&mut roster, 0, 3000, &[info("b", 2, &[1])]);
    roster.missed(4000);
    assert!(!roster.living().away);
    roster.missed(5000);
    assert_eq!((roster.living().away, roster.living().joined, processes(&roster)), (true, true, vec![1, 2]));
    roster.missed(60_000);
    hear(&mut roster, 61_000, 61_000, &[]);
    assert_eq!((roster.living().away, processes(&roster)), (false, vec![1, 2]), "it has its time to come back");
    assert!(roster.living().joined, "what it said last was that it knows of this node");
    hear(&mut roster, 62_000, 62_000, &[info("b", 2, &[])]);
    assert!(!roster.living().joined, "it has given this node up");
    hear(&mut roster, 63_000, 63_000, &[info("b", 2, &[1])]);
    assert!(roster.living().joined);
}

#[test]
fn without_a_directory_a_node_serves_by_itself_and_joins_later() {
    let mut roster = roster();
    roster.missed(PATIENCE - 1);
    assert!(!roster.living().joined);
    roster.missed(PATIENCE);
    assert_eq!((roster.living().joined, roster.living().away, processes(&roster)), (true, true, vec![1]));
    roster.heard(9000, &list(&[&info("b", 2, &[])]));
    assert_eq!((roster.living().joined, roster.living().away), (false, false));
    roster.heard(9100, &list(&[&info("b", 2, &[1])]));
    assert!(roster.living().joined);
}

#[test]
fn who_leaves_is_gone_at_once() {
    let mut roster = roster();
    hear(&mut roster, 0, 2000, &[info("b", 2, &[1])]);
    let leaves = NodeInfo { left: true, draining: true, ..info("b", 2, &[1]) };
    hear(&mut roster, 3000, 3000, std::slice::from_ref(&leaves));
    assert_eq!(processes(&roster), [1]);
    hear(&mut roster, 4000, 5000, &[leaves]);
    assert_eq!(processes(&roster), [1]);
    let me = roster.beat(true, true);
    assert!(me.draining && me.left && me.beats == 2);
}

#[test]
fn a_node_that_starts_again_has_no_predecessor() {
    let mut roster = roster();
    let same_address = NodeInfo { address: info("a", 1, &[]).address, ..info("a", 2, &[]) };
    let same_name = info("a", 3, &[]);
    let predecessors = list(&[&same_address, &same_name]);
    roster.heard(0, &predecessors);
    assert_eq!(processes(&roster), [1, 3], "who had the address cannot live, who has the name may");
    let times = (1000..9000).step_by(1000);
    let faults: Vec<Fault> = times.flat_map(|time| roster.heard(time, &predecessors)).collect();
    assert_eq!((faults, processes(&roster)), (vec![], vec![1]));
    assert!(roster.living().joined);
}

#[test]
fn a_restart_of_another_node_is_seen_in_three_beats() {
    let mut roster = roster();
    hear(&mut roster, 0, 2000, &[info("b", 2, &[1])]);
    let old = NodeInfo { beats: 2100, ..info("b", 2, &[1]) };
    for time in [3000, 4000, 5000] {
        assert!(processes(&roster).contains(&2), "{time}");
        let new = NodeInfo { beats: time, ..info("b", 3, &[1]) };
        let faults = roster.heard(time, &list(&[&old, &new]));
        assert_eq!(faults, [], "{time}");
    }
    assert_eq!(processes(&roster), [1, 3]);
}

#[test]
fn two_processes_with_one_name_both_live_and_are_told_of_once() {
    let mut roster = roster();
    let (one, other) = (info("b", 2, &[1]), info("b", 3, &[1]));
    hear(&mut roster, 0, 2000, std::slice::from_ref(&one));
    let faults = hear(&mut roster, 3000, 20_000, &[one, other]);
    let addresses = ["10.0.0.2:7946".to_owned(), "10.0.0.3:7946".to_owned()];
    assert_eq!(faults, [Fault::Namesakes { name: "b".to_owned(), addresses }]);
    assert_eq!(processes(&roster), [1, 3, 2], "who came last is first");
    let faults = hear(&mut roster, 21_000, 25_000, &[info("a", 4, &[1])]);
    assert!(matches!(&faults[..], [Fault::Namesakes { name, .. }] if name == "a"), "{faults:?}");
    assert!(processes(&roster).starts_with(&[4, 1]));
}

/// Its sessions are looked for at the new process, which does not have them.
#[test]
fn a_namesake_of_one_that_drains_is_told_of_once() {
    let mut roster = roster();
    let old = NodeInfo { draining: true, ..info("b", 2, &[1]) };
    let faults = hear(&mut roster, 0, 9000, &[old, info("b", 3, &[1])]);
    assert!(matches!(&faults[..], [Fault::Successor { name, .. }] if name == "b"), "{faults:?}");
    assert!(roster.living().nodes.iter().any(|info| info.draining));
}

#[test]
fn an_address_that_two_living_processes_give_is_told_of() {
    let mut roster = roster();
    let other = NodeInfo { address: info("a", 1, &[]).address, ..info("b", 2, &[1]) };
    let faults = hear(&mut roster, 0, 9000, &[other]);
    assert!(matches!(&faults[..], [Fault::SameAddress { name, .. }] if name == "b"), "{faults:?}");
    assert_eq!(processes(&roster), [1, 2]);
}

#[test]
fn what_is_no_node_is_skipped_and_told_of_once() {
    let mut roster = roster();
    let bad_name = NodeInfo { name: "b b".to_owned(), ..info("b", 2, &[]) };
    let long_address = NodeInfo { address: "x".repeat(MOST_ADDRESS + 1), ..info("b", 2, &[]) };
    let knows_all = NodeInfo { knows: (0..=MOST_NODES as u64).collect(), ..info("b", 2, &[]) };
    let bad = list(&[&bad_name, &long_address, &knows_all]);
    let garbage = ["", "{}", "no node"].map(Bytes::from);
    let all: Vec<Bytes> = bad.into_iter().chain(garbage).chain(list(&[&info("c", 3, &[1])])).collect();
    assert_eq!(roster.heard(0, &all), [Fault::Malformed]);
    assert_eq!(roster.heard(1000, &all), []);
    assert_eq!(processes(&roster), [1, 3]);
    let ours = NodeInfo { name: "x".to_owned(), address: "elsewhere".to_owned(), ..info("a", 1, &[]) };
    roster.heard(2000, &list(&[&ours]));
    assert_eq!(roster.living().nodes[0].name, "a", "nobody speaks for this process");
}

#[test]
fn a_directory_cannot_list_nodes_without_an_end() {
    let mut roster = roster();
    let many: Vec<Bytes> =
        (0..MOST_NODES as u64 + 10).map(|at| info(&format!("n{at}"), 10 + at, &[1]).write().into()).collect();
    assert_eq!(roster.heard(0, &many), [Fault::TooMany]);
    assert_eq!(processes(&roster).len(), MOST_NODES + 1);
}
