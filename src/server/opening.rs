//! Opening is idempotent: raced or retried openings with one attempt id get one session, and the application
//! sees one.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, Weak},
};

use tokio::sync::watch;

use super::refusal::Refusal;
use crate::{clock::Clock, hub::Member, session::reason, sync::lock};

/// Upper bound on remembered rejections. Above it a retried attempt runs the extractors again.
const MOST_REJECTED: usize = 10_000;

/// The recent openings, by attempt id.
#[derive(Debug)]
pub(crate) struct Attempts {
    inner: Mutex<Inner>,
    clock: Clock,
    /// The time for which an attempt is remembered, in milliseconds: a client may still try with it.
    remembered: u64,
}

#[derive(Debug, Default)]
struct Inner {
    attempts: HashMap<Arc<str>, Attempt>,
    /// The times at which attempts are looked at again, in order.
    purge: VecDeque<(u64, Arc<str>)>,
    rejected: usize,
}

#[derive(Debug)]
enum Attempt {
    /// No opening has begun. Requests that want to join it wait, and the channel closes when it begins.
    Awaited(watch::Sender<()>),
    /// An opening is under way, and the channel closes when it is decided.
    Opening(watch::Receiver<()>),
    Open(Weak<Member>),
    Rejected(Box<Refusal>),
    /// The attempt was used. It is remembered so that a late copy does not open another session.
    Spent,
}

/// The result of claiming an attempt.
pub(super) enum Found {
    /// This opening is the first. It makes the session, or lets the next opening try when it drops the claim.
    First(Claim),
    /// An opening with this attempt id has made this session.
    Session(Arc<Member>),
}

/// The right to make the session of an attempt.
pub(super) struct Claim {
    attempts: Arc<Attempts>,
    attempt: Arc<str>,
    decided: bool,
    _waiting: watch::Sender<()>,
}

impl Claim {
    pub(super) fn open(mut self, member: &Arc<Member>) {
        self.decide(Attempt::Open(Arc::downgrade(member)));
    }

    /// Remembers the application's rejection, which raced openings get too.
    pub(super) fn reject(mut self, refusal: Refusal) {
        if lock(&self.attempts.inner).rejected >= MOST_REJECTED {
            return;
        }
        self.decide(Attempt::Rejected(Box::new(refusal)));
    }

    fn decide(&mut self, attempt: Attempt) {
        self.decided = true;
        let again = self.attempts.clock.now() + self.attempts.remembered;
        let mut inner = lock(&self.attempts.inner);
        inner.rejected += usize::from(matches!(attempt, Attempt::Rejected(_)));
        inner.attempts.insert(self.attempt.clone(), attempt);
        inner.purge.push_back((again, self.attempt.clone()));
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.decided {
            lock(&self.attempts.inner).attempts.remove(&self.attempt);
        }
    }
}

impl Attempts {
    pub(super) fn new(clock: Clock, remembered: u64) -> Self {
        Attempts { inner: Mutex::default(), clock, remembered }
    }

    /// Finds the session of this attempt, or the right to make it. Waits for an opening that is under way.
    /// Cancel-safe.
    pub(super) async fn claim(self: &Arc<Self>, attempt: &str) -> Result<Found, Refusal> {
        // The timekeeper purges only while sessions exist, so purge here too.
        self.purge();
        let attempt: Arc<str> = attempt.into();
        loop {
            let mut waiting = {
                let mut inner = lock(&self.inner);
                match inner.look(&attempt)? {
                    Progress::Open(member) => return Ok(Found::Session(member)),
                    Progress::Opening(waiting) => waiting,
                    Progress::Unknown => {
                        let (sender, receiver) = watch::channel(());
                        // The insertion drops the sender on which requests wait that want to join, which
                        // wakes them.
                        inner.attempts.insert(attempt.clone(), Attempt::Opening(receiver));
                        let claim = Claim { attempts: self.clone(), attempt, decided: false, _waiting: sender };
                        return Ok(Found::First(claim));
                    }
                }
            };
            // An error means that the claim was decided or dropped.
            let _ = waiting.changed().await;
        }
    }

    /// Finds the session that another request opens, or will open, with this attempt. Waits for it without a
    /// limit. Cancel-safe.
    pub(super) async fn join(&self, attempt: &str) -> Result<Arc<Member>, Refusal> {
        self.purge();
        let attempt: Arc<str> = attempt.into();
        loop {
            let mut waiting = {
                let mut inner = lock(&self.inner);
                let receiver = match inner.look(&attempt)? {
                    Progress::Open(member) => return Ok(member),
                    Progress::Opening(waiting) => waiting,
                    Progress::Unknown => inner.await_opening(&attempt),
                };
                Joining { attempts: self, attempt: &attempt, receiver }
            };
            let _ = waiting.receiver.changed().await;
        }
    }

    /// Forgets attempts that were used long enough ago.
    pub(super) fn purge(&self) {
        let now = self.clock.now();
        let mut inner = lock(&self.inner);
        while inner.purge.front().is_some_and(|(time, _)| *time <= now) {
            let Some((_, attempt)) = inner.purge.pop_front() else { return };
            match inner.attempts.get_mut(&attempt) {
                // A used attempt is remembered for the same time once more.
                Some(slot @ Attempt::Open(_)) => {
                    let claimed = match slot {
                        Attempt::Open(member) => member.upgrade().is_none_or(|member| member.shared.is_claimed()),
                        _ => false,
                    };
                    if claimed {
                        *slot = Attempt::Spent;
                    }
                    inner.purge.push_back((now + self.remembered, attempt));
                }
                _ => {
                    let gone = inner.attempts.remove(&attempt);
                    inner.rejected -= usize::from(matches!(gone, Some(Attempt::Rejected(_))));
                }
            }
        }
    }
}

/// The state of an attempt for a request that brings its id.
enum Progress {
    /// No opening has begun.
    Unknown,
    Opening(watch::Receiver<()>),
    Open(Arc<Member>),
}

impl Inner {
    fn look(&mut self, attempt: &str) -> Result<Progress, Refusal> {
        let Some(slot) = self.attempts.get_mut(attempt) else { return Ok(Progress::Unknown) };
        match slot {
            Attempt::Awaited(_) => Ok(Progress::Unknown),
            Attempt::Opening(waiting) => Ok(Progress::Opening(waiting.clone())),
            Attempt::Rejected(refusal) => Err(Refusal::clone(refusal)),
            Attempt::Spent => Err(reason::ATTEMPT_USED.into()),
            Attempt::Open(member) => match member.upgrade() {
                Some(member) if !member.shared.is_claimed() => Ok(Progress::Open(member)),
                _ => {
                    *slot = Attempt::Spent;
                    Err(reason::ATTEMPT_USED.into())
                }
            },
        }
    }

    /// Returns a channel that closes when the attempt begins.
    fn await_opening(&mut self, attempt: &Arc<str>) -> watch::Receiver<()> {
        let slot = self.attempts.entry(attempt.clone()).or_insert_with(|| Attempt::Awaited(watch::Sender::new(())));
        match slot {
            Attempt::Awaited(sender) => sender.subscribe(),
            // This cannot happen: the attempt was unknown under this same lock. The channel closes at once.
            _ => watch::channel(()).1,
        }
    }
}

/// A request that waits to join. When the last one of an attempt gives up, the attempt is removed.
struct Joining<'a> {
    attempts: &'a Attempts,
    attempt: &'a str,
    receiver: watch::Receiver<()>,
}

impl Drop for Joining<'_> {
    fn drop(&mut self) {
        let mut inner = lock(&self.attempts.inner);
        let alone = |attempt: &Attempt| matches!(attempt, Attempt::Awaited(sender) if sender.receiver_count() <= 1);
        if inner.attempts.get(self.attempt).is_some_and(alone) {
            inner.attempts.remove(self.attempt);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::Future, pin::pin, task::Context};

    use axum::http::StatusCode;

    use super::*;

    #[test]
    fn a_join_that_is_given_up_leaves_nothing_behind() {
        let attempts = Arc::new(Attempts::new(Clock::start(), 1000));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let known = || lock(&attempts.inner).attempts.len();
        {
            let mut first = pin!(attempts.join("a"));
            assert!(first.as_mut().poll(&mut cx).is_pending());
            {
                let mut second = pin!(attempts.join("a"));
                assert!(second.as_mut().poll(&mut cx).is_pending());
            }
            assert_eq!(known(), 1, "one still waits");
            // An opening that fails does not end the wait.
            {
                let mut claim = pin!(attempts.claim("a"));
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
        let attempts = Arc::new(Attempts::new(Clock::start(), 1000));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let refusal = Refusal { reason: reason::ENDED, status: StatusCode::FORBIDDEN };
        for attempt in 0..MOST_REJECTED + 5 {
            let attempt = attempt.to_string();
            let claim = pin!(attempts.claim(&attempt)).poll(&mut cx);
            let std::task::Poll::Ready(Ok(Found::First(claim))) = claim else { panic!("{attempt} was decided") };
            claim.reject(refusal.clone());
        }
        assert_eq!(lock(&attempts.inner).attempts.len(), MOST_REJECTED);
        let again = pin!(attempts.claim("0")).poll(&mut cx);
        assert!(matches!(again, std::task::Poll::Ready(Err(_))), "the first are remembered");
    }
}
