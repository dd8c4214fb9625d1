//! Claims, and what is written into the directory.

use super::node;
use crate::owners::{Claiming, Deed, Owner, Step, Verdict};

fn nobody(_: &Owner) -> bool {
    false
}

#[test]
fn a_free_key_and_ones_own_are_claimed() {
    let mut claiming = Claiming::new(node(0));
    assert_eq!(claiming.answered(None, nobody), Step::Done(Verdict::Here));
    assert_eq!(claiming.answered(Some(&node(0).write()), nobody), Step::Done(Verdict::Here));
}

#[test]
fn an_owner_is_dead_only_if_it_is_not_listed_a_second_time() {
    let (value, listed) = (node(1).write(), |owner: &Owner| *owner == node(1));
    let mut claiming = Claiming::new(node(0));
    assert_eq!(claiming.answered(Some(&value), listed), Step::Done(Verdict::Elsewhere(node(1))));
    assert_eq!(claiming.answered(Some(&value), nobody), Step::LookAgain);
    assert_eq!(claiming.looked_again(listed), Step::Done(Verdict::Elsewhere(node(1))), "it has come just now");
    assert_eq!(claiming.answered(Some(&value), nobody), Step::LookAgain);
    assert_eq!(claiming.looked_again(nobody), Step::LookForDeed);
    assert_eq!(claiming.looked_for_deed(None, nobody), Step::Swap(value));
    assert_eq!(claiming.answered(None, nobody), Step::Done(Verdict::Here));
}

#[test]
fn what_a_dead_owner_has_given_away_is_where_it_went() {
    let (value, given) = (node(1).write(), Deed::first(node(1)).next(node(2)));
    let look = || {
        let mut claiming = Claiming::new(node(0));
        assert_eq!(claiming.answered(Some(&value), nobody), Step::LookAgain);
        assert_eq!(claiming.looked_again(nobody), Step::LookForDeed);
        claiming
    };
    let elsewhere = Step::Done(Verdict::Elsewhere(node(2)));
    assert_eq!(look().looked_for_deed(Some(&given.write()), |owner| *owner == node(2)), elsewhere);
    let swap = Step::Swap(value.clone());
    assert_eq!(look().looked_for_deed(Some(&given.write()), nobody), swap, "who got it has died too");
    let here = given.next(node(0));
    assert_eq!(look().looked_for_deed(Some(&here.write()), |_| true), swap, "it has come here, where it is known");
    assert_eq!(look().looked_for_deed(Some(b"no deed"), |_| true), swap);
    assert_eq!(Claiming::new(node(0)).looked_for_deed(None, nobody), Step::Done(Verdict::Unclear), "nothing was found");
}

#[test]
fn what_is_strange_or_never_stays_is_not_ones_own() {
    let mut claiming = Claiming::new(node(0));
    assert_eq!(claiming.answered(Some(b"???"), nobody), Step::Done(Verdict::Malformed));
    assert_eq!(claiming.looked_again(nobody), Step::Done(Verdict::Unclear), "nothing was found");
    let namesake = Owner { incarnation: 99, ..node(0) };
    assert_eq!(claiming.answered(Some(&namesake.write()), |_| true), Step::Done(Verdict::Unclear));
    let mut swaps = 0;
    let end = loop {
        match claiming.answered(Some(&node(1).write()), nobody) {
            Step::LookAgain => {
                assert_eq!(claiming.looked_again(nobody), Step::LookForDeed);
                assert!(matches!(claiming.looked_for_deed(None, nobody), Step::Swap(_)));
            }
            end => break end,
        }
        swaps += 1;
        assert!(swaps < 100, "it swaps for ever");
    };
    assert_eq!(end, Step::Done(Verdict::Unclear));
}

#[test]
fn values_are_read_as_they_were_written_and_others_are_not() {
    let deed = Deed::first(node(1)).next(node(2));
    assert_eq!(Deed::read(&deed.write()), Some(deed.clone()));
    assert_eq!(Owner::read(&node(1).write()), Some(node(1)));
    let written = deed.write();
    for length in 0..17 {
        assert_eq!(Deed::read(&written[..length.min(16)]), None, "{length} bytes");
    }
    assert_eq!(Deed::read(&[&written[..16], &[0xff, 0xfe]].concat()), None);
    assert_eq!(Owner::read(b"12345678no name"), None);
    assert_eq!(Owner::read(b""), None);
}
