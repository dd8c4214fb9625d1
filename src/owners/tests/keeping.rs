//! A node that was not heard for long takes the claim of its session back.

use super::node;
use crate::owners::{Deed, Found, Keep, Keeper, Look, LookStep, Standing};

#[test]
fn a_claim_that_still_holds_is_made_anew_so_that_one_who_saw_its_owner_dead_comes_too_late() {
    let deed = Deed { fence: 4, owner: node(0) };
    let (mut keeper, keep) = Keeper::new(deed.clone());
    let to = Deed { fence: 5, owner: node(0) };
    assert_eq!(keep, Keep::Swap { from: deed.clone(), to: to.clone() });
    assert_eq!(keeper.swapped(Ok(None)), Keep::Done(to.clone()));
    // The other one listed the nodes before that, and its claim fails.
    let mut look = Look::default();
    assert_eq!(look.answered(Ok(Some(&deed.write())), |_| Standing::Dead), LookStep::List);
    assert_eq!(look.listed(node(1), |_| Standing::Dead), LookStep::Claim { to: deed.next(node(1)), from: deed });
    let lives = |_: &_| Standing::Lives;
    assert_eq!(look.answered(Ok(Some(&to.write())), lives), LookStep::Done(Found::At(node(0))));
}

#[test]
fn a_claim_that_was_taken_is_taken_back_from_anyone() {
    let (mut keeper, _) = Keeper::new(Deed { fence: 4, owner: node(0) });
    let taken = Deed { fence: 5, owner: node(1) };
    let to = Deed { fence: 6, owner: node(0) };
    assert_eq!(keeper.swapped(Ok(Some(&taken.write()))), Keep::Swap { from: taken, to: to.clone() });
    assert_eq!(keeper.swapped(Ok(None)), Keep::Done(to));

    // An earlier call is done late: the claim is this node's all the same.
    let late = Deed { fence: 9, owner: node(0) };
    assert_eq!(keeper.swapped(Ok(Some(&late.write()))), Keep::Done(late));
}

#[test]
fn what_is_not_known_is_left_for_later() {
    let (mut keeper, _) = Keeper::new(Deed::first(node(0)));
    assert_eq!(keeper.swapped(Err(())), Keep::Later);
    assert_eq!(keeper.swapped(Ok(Some(b"no deed"))), Keep::Later);
    // A claim that changes hands all the time.
    let (mut keeper, mut keep) = Keeper::new(Deed::first(node(0)));
    let mut swaps = 0;
    while let Keep::Swap { to, .. } = keep {
        swaps += 1;
        keep = keeper.swapped(Ok(Some(&to.next(node(1)).write())));
    }
    assert_eq!((keep, swaps), (Keep::Later, 5));
}
