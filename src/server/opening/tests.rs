//! Which openings get one session, and what is left behind of attempts.

use std::{future::Future, pin::pin, task::Context};

use axum::http::StatusCode;

use super::*;

const ID: &str = "attempt-of-20-characters";

#[test]
fn a_join_that_is_given_up_leaves_nothing_behind() {
    let attempts = Arc::new(Attempts::new(Clock::start(), 1000, 100_000));
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let known = || lock(&attempts.inner).attempts.len();
    {
        let mut first = pin!(attempts.join(ID));
        assert!(first.as_mut().poll(&mut cx).is_pending());
        {
            let mut second = pin!(attempts.join(ID));
            assert!(second.as_mut().poll(&mut cx).is_pending());
        }
        assert_eq!(known(), 1, "one still waits");
        // An opening that fails does not end the wait.
        {
            let mut claim = pin!(attempts.claim(ID, attempts.opener(&HeaderMap::new())));
            let claim = claim.as_mut().poll(&mut cx);
            assert!(matches!(claim, std::task::Poll::Ready(Ok(Found::First(_)))));
            assert!(first.as_mut().poll(&mut cx).is_pending());
        }
        assert!(first.as_mut().poll(&mut cx).is_pending());
        assert_eq!(known(), 1);
    }
    assert_eq!(known(), 0);
}

#[test]
fn rejections_are_remembered_up_to_a_number() {
    let attempts = Arc::new(Attempts::new(Clock::start(), 1000, 100_000));
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let opener = attempts.opener(&HeaderMap::new());
    let refusal = Refusal { reason: reason::ENDED, status: StatusCode::FORBIDDEN };
    for attempt in 0..MOST_REJECTED + 5 {
        let attempt = format!("attempt-{attempt:020}");
        let claim = pin!(attempts.claim(&attempt, opener)).poll(&mut cx);
        let std::task::Poll::Ready(Ok(Found::First(claim))) = claim else { panic!("{attempt} was decided") };
        claim.reject(refusal.clone());
    }
    assert_eq!(lock(&attempts.inner).attempts.len(), MOST_REJECTED);
    let again = pin!(attempts.claim(&format!("attempt-{:020}", 0), opener)).poll(&mut cx);
    assert!(matches!(again, std::task::Poll::Ready(Err(_))), "the first are remembered");
}

/// The code with which an attempt is refused, or 0 for one that may open.
fn claimed(attempts: &Arc<Attempts>, attempt: &str, headers: &[(&'static str, &str)]) -> (u16, Option<Claim>) {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, value.parse().unwrap());
    }
    let mut cx = Context::from_waker(std::task::Waker::noop());
    match pin!(attempts.claim(attempt, attempts.opener(&map))).poll(&mut cx) {
        std::task::Poll::Ready(Ok(Found::First(claim))) => (0, Some(claim)),
        std::task::Poll::Ready(Err(refusal)) => (refusal.reason.code, None),
        _ => (1, None),
    }
}

#[test]
fn an_attempt_id_is_no_guess() {
    let attempts = Arc::new(Attempts::new(Clock::start(), 1000, 100_000));
    for id in ["", "1", "1234567890123456789"] {
        assert_eq!(claimed(&attempts, id, &[]).0, 4004, "{id}");
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let joined = pin!(attempts.join(id)).poll(&mut cx);
        assert!(matches!(joined, std::task::Poll::Ready(Err(refusal)) if refusal.reason.code == 4004), "{id}");
    }
    assert_eq!(claimed(&attempts, "12345678901234567890", &[]).0, 0);
}

#[test]
fn only_the_same_credentials_open_again() {
    let attempts = Arc::new(Attempts::new(Clock::start(), 1000, 100_000));
    let ada = [("cookie", "user=ada")];
    let (_, claim) = claimed(&attempts, ID, &ada);
    let others: [&[(&'static str, &str)]; 6] = [
        &[],
        &[("cookie", "user=bob")],
        &[("cookie", "user=ada"), ("cookie", "x=1")],
        &[("cookie", "user=ada"), ("authorization", "Basic x")],
        &[("authorization", "user=ada")],
        &[("cookie", "user="), ("cookie", "ada")],
    ];
    let judge = |same: u16| {
        for headers in others {
            assert_eq!(claimed(&attempts, ID, headers).0, 4102, "{headers:?}");
        }
        assert_eq!(claimed(&attempts, ID, &ada).0, same);
        let with_more = [("cookie", "user=ada"), ("user-agent", "another"), ("x-forwarded-for", "::1")];
        assert_eq!(claimed(&attempts, ID, &with_more).0, same, "what else differs does not count");
    };
    judge(1); // It is under way.
    claim.unwrap().reject(Refusal { reason: reason::REJECTED, status: StatusCode::FORBIDDEN });
    judge(4301);
}

#[tokio::test(start_paused = true)]
async fn not_more_attempts_are_remembered_than_the_bound() {
    let attempts = Arc::new(Attempts::new(Clock::start(), 1000, 10));
    let refusal = Refusal { reason: reason::REJECTED, status: StatusCode::FORBIDDEN };
    for number in 0..30 {
        claimed(&attempts, &format!("attempt-{number:020}"), &[]).1.unwrap().reject(refusal.clone());
    }
    assert_eq!(lock(&attempts.inner).attempts.len(), 10);
    assert_eq!(lock(&attempts.inner).rejected, 10);
    assert_eq!(claimed(&attempts, &format!("attempt-{:020}", 29), &[]).0, 4301, "the last are remembered");
    assert_eq!(claimed(&attempts, &format!("attempt-{:020}", 0), &[]).0, 0);
}
