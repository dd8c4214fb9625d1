//! The way of a request to the node that has its session.

use super::node;
use crate::owners::{Deed, Found, Known, Look, LookStep, Owner, Place, Seek, Standing, Take, Taken, Taker, seek};

const STANDINGS: [Standing; 4] = [Standing::Me, Standing::Lives, Standing::Dead, Standing::Unclear];

#[test]
fn a_session_is_gone_only_if_the_directory_says_so() {
    for forwarded in [false, true] {
        for birth in STANDINGS {
            for known in STANDINGS.map(|standing| Some(Known::At(standing))).into_iter().chain([None]) {
                let next = seek(Place::Absent, known, birth, forwarded);
                assert_ne!(next, Seek::Gone, "{known:?} {birth:?} {forwarded}");
            }
            for known in [None, Some(Known::Nowhere), Some(Known::At(Standing::Lives))] {
                assert_eq!(seek(Place::Here, known, birth, forwarded), Seek::Serve);
                assert_eq!(seek(Place::Unclear, known, birth, forwarded), Seek::Wait);
            }
        }
        let nowhere = |birth| seek(Place::Absent, Some(Known::Nowhere), birth, forwarded);
        assert_eq!([Standing::Me, Standing::Dead].map(nowhere), [Seek::Gone; 2]);
        assert_eq!(nowhere(Standing::Unclear), Seek::NotNow, "it was perhaps never given away");
    }
    assert_eq!(seek(Place::Absent, Some(Known::Nowhere), Standing::Lives, false), Seek::ToBirth);
    assert_eq!(seek(Place::Absent, Some(Known::Nowhere), Standing::Lives, true), Seek::Gone);
}

#[test]
fn a_request_goes_to_the_node_of_birth_and_on_to_the_owner() {
    assert_eq!(seek(Place::Absent, None, Standing::Lives, false), Seek::ToBirth);
    for birth in STANDINGS {
        for forwarded in [false, true] {
            let known = Some(Known::At(Standing::Lives));
            assert_eq!(seek(Place::Absent, known, birth, forwarded), Seek::ToOwner);
        }
    }
    assert_eq!(seek(Place::Absent, None, Standing::Unclear, false), Seek::NotNow);
}

#[test]
fn a_node_looks_for_what_one_of_its_name_may_have_given_away() {
    assert_eq!(seek(Place::Absent, None, Standing::Me, true), Seek::Look);
    assert_eq!(seek(Place::Absent, None, Standing::Dead, false), Seek::Look);
    assert_eq!(seek(Place::Absent, Some(Known::At(Standing::Dead)), Standing::Me, true), Seek::Look);
    assert_eq!(seek(Place::Absent, None, Standing::Lives, true), Seek::Look, "who has sent it here is mistaken");
}

fn only(lives: &Owner) -> impl Fn(&Owner) -> Standing {
    let lives = lives.clone();
    move |owner| if *owner == lives { Standing::Lives } else { Standing::Dead }
}

#[test]
fn an_owner_that_lives_is_found_at_once() {
    let (deed, mut look) = (Deed::first(node(1)).write(), Look::default());
    assert_eq!(look.answered(Ok(Some(&deed)), only(&node(1))), LookStep::Done(Found::At(node(1))));
    assert_eq!(look.answered(Ok(None), only(&node(1))), LookStep::Done(Found::Nowhere));
    let of_another_version = look.answered(Ok(Some(b"none")), only(&node(1)));
    assert_eq!(of_another_version, LookStep::Done(Found::Unclear), "somebody has claimed it");
    assert_eq!(look.answered(Ok(Some(&deed)), |_| Standing::Me), LookStep::Done(Found::Nowhere));
    assert_eq!(look.answered(Err(()), only(&node(1))), LookStep::Done(Found::Unclear));
}

/// The answer of the directory is older than the knowledge that its owner has ended, or the session is on its way yet.
#[test]
fn what_a_dead_owner_has_given_away_is_gone_only_if_nobody_can_take_it_any_more() {
    let first = Deed::first(node(1));
    let claim = LookStep::Claim { from: first.clone(), to: first.next(node(0)) };
    let mut look = Look::default();
    assert_eq!(look.answered(Ok(Some(&first.write())), only(&node(2))), LookStep::List);
    assert_eq!(look.listed(node(0), only(&node(2))), claim);
    let mut other = look.clone();
    let taken = first.next(node(2)).write();
    assert_eq!(look.answered(Ok(Some(&taken)), only(&node(2))), LookStep::Done(Found::At(node(2))));
    assert_eq!(other.answered(Ok(None), only(&node(2))), LookStep::Done(Found::Nowhere));
    // The node that was given it comes too late.
    let (taker, _) = Taker::new(&node(2), first.clone());
    let held = first.next(node(0)).write();
    assert_eq!(taker.swapped(Ok(Some(&held))), Take::Done(Taken::Refused));
}

#[test]
fn an_owner_that_has_come_just_now_is_found() {
    let mut look = Look::default();
    assert_eq!(look.answered(Ok(Some(&Deed::first(node(1)).write())), |_| Standing::Dead), LookStep::List);
    assert_eq!(look.listed(node(0), only(&node(1))), LookStep::Done(Found::At(node(1))));
}

#[test]
fn an_owner_that_may_live_loses_nothing() {
    let mut look = Look::default();
    assert_eq!(look.answered(Ok(Some(&Deed::first(node(1)).write())), |_| Standing::Unclear), LookStep::List);
    assert_eq!(look.listed(node(0), |_| Standing::Unclear), LookStep::Done(Found::Unclear));
    assert_eq!(look.listed(node(0), |_| Standing::Dead), LookStep::Done(Found::Unclear), "nothing was found");
}

#[test]
fn a_session_that_goes_from_one_dead_node_to_the_next_is_not_looked_for_for_ever() {
    let (mut look, mut deed, mut looks) = (Look::default(), Deed::first(node(1)), 0);
    let mut step = LookStep::Look;
    let found = loop {
        step = match step {
            LookStep::Look | LookStep::Claim { .. } => {
                (deed, looks) = (deed.next(node(1)), looks + 1);
                assert!(looks < 10);
                look.answered(Ok(Some(&deed.write())), |_| Standing::Dead)
            }
            LookStep::List => look.listed(node(0), |_| Standing::Dead),
            LookStep::Done(found) => break found,
        }
    };
    assert_eq!(found, Found::Unclear);
}
