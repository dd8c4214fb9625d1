//! A name from its claim until it is free again.

use super::*;

const REMEMBERED: u64 = 100;

fn names(most: usize) -> Arc<Names> {
    Arc::new(Names::new(REMEMBERED, most))
}

fn open(names: &Arc<Names>, now: u64, name: &str, session: Uuid) {
    match names.claim(now, name, |_| true) {
        Found::Free(claim) => claim.open(now, session),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_name_is_claimed_once_and_is_free_again_if_no_session_was_made() {
    let names = names(10);
    let Found::Free(claim) = names.claim(0, "a", |_| true) else { panic!("it is free") };
    assert!(matches!(names.claim(0, "a", |_| true), Found::Opening));
    assert_eq!(names.session("a"), None, "nothing can be sent yet");
    drop(claim);
    open(&names, 0, "a", Uuid::from_u128(1));
    assert!(matches!(names.claim(1, "a", |_| true), Found::Session(id) if id == Uuid::from_u128(1)));
    assert_eq!((names.session("a"), names.session("b")), (Some(Uuid::from_u128(1)), None));
}

#[test]
fn a_name_whose_session_is_gone_is_remembered_and_then_free() {
    let names = names(10);
    open(&names, 0, "a", Uuid::from_u128(1));
    let at = |now, is_there: bool| names.claim(now, "a", move |_| is_there);
    assert!(matches!(at(REMEMBERED, true), Found::Session(_)));
    assert!(matches!(at(REMEMBERED + 1, false), Found::Session(_)), "the caller looks whether it is there");
    assert!(matches!(at(2 * REMEMBERED, false), Found::Gone));
    assert!(matches!(at(3 * REMEMBERED - 1, false), Found::Gone));
    assert!(matches!(at(3 * REMEMBERED, false), Found::Free(_)));
}

#[test]
fn too_many_names_are_forgotten_but_not_those_of_sessions_that_live() {
    let names = names(4);
    let lives = |id: Uuid| id.as_u128() < 2;
    for number in 0..100 {
        let found = names.claim(0, &number.to_string(), lives);
        let Found::Free(claim) = found else { panic!("{found:?}") };
        claim.open(0, Uuid::from_u128(number));
        let inner = lock(&names.inner);
        assert!(inner.names.len() <= 5 && inner.order.len() == inner.names.len(), "{number}");
    }
    assert!([0, 1].iter().all(|number| names.session(&number.to_string()).is_some()));
    let openings: Vec<Found> = (200..220).map(|number| names.claim(0, &number.to_string(), |_| true)).collect();
    assert!(openings.iter().all(|found| matches!(found, Found::Free(_))), "it ends also if nothing can be forgotten");
}
