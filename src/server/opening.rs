//! Opening is idempotent: raced or retried opens with one attempt id get one session, and the application sees one.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, Weak},
};

use tokio::sync::watch;

use super::refusal::Refusal;
use crate::{clock::Clock, hub::Member, session::reason, sync::lock};

/// So many rejections are remembered at most: who makes more with attempts of his own is asked for his auth data anew.
const MOST_REJECTED: usize = 10_000;

/// The openings of late, by attempt id.
#[derive(Debug)]
pub(crate) struct Attempts {
    inner: Mutex<Inner>,
    clock: Clock,
    /// Milliseconds for which an attempt is remembered: as long as a client may still be trying with it.
    remembered: u64,
}

#[derive(Debug, Default)]
struct Inner {
    attempts: HashMap<Arc<str>, Attempt>,
    /// When to look at an attempt again, in order.
    purge: VecDeque<(u64, Arc<str>)>,
    rejected: usize,
}

#[derive(Debug)]
enum Attempt {
    /// Not begun; those who would join it wait, and the channel closes when it begins.
    Awaited(watch::Sender<()>),
    /// Under way; the channel closes when it is decided.
    Opening(watch::Receiver<()>),
    Open(Weak<Member>),
    Rejected(Box<Refusal>),
    /// Used; remembered so that a late copy does not open another session.
    Spent,
}

/// What an open finds.
pub(super) enum Found {
    /// It is the first: it opens the session, or lets the next one try by dropping this.
    First(Claim),
    /// The session that an open with this attempt id got.
    Session(Arc<Member>),
}

/// The right to open a session.
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

    /// The application's own word: an open that was raced gets the same.
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

    /// Finds the session of this attempt, or the right to open it. Waits for an open that is under way. Cancel-safe.
    pub(super) async fn claim(self: &Arc<Self>, attempt: &str) -> Result<Found, Refusal> {
        // Who is always rejected opens no session, whose deadlines would see to it.
        self.purge();
        let attempt: Arc<str> = attempt.into();
        loop {
            let mut waiting = {
                let mut inner = lock(&self.inner);
                match inner.look(&attempt)? {
                    Stands::Open(member) => return Ok(Found::Session(member)),
                    Stands::Opening(waiting) => waiting,
                    Stands::Unknown => {
                        let (sender, receiver) = watch::channel(());
                        // Those who wait to join it are woken by what this drops.
                        inner.attempts.insert(attempt.clone(), Attempt::Opening(receiver));
                        let claim = Claim { attempts: self.clone(), attempt, decided: false, _waiting: sender };
                        return Ok(Found::First(claim));
                    }
                }
            };
            // An error says that the claim was decided or dropped.
            let _ = waiting.changed().await;
        }
    }

    /// The session that another request opens, or will open, with this attempt. Waits for it without end. Cancel-safe.
    pub(super) async fn join(&self, attempt: &str) -> Result<Arc<Member>, Refusal> {
        self.purge();
        let attempt: Arc<str> = attempt.into();
        loop {
            let mut waiting = {
                let mut inner = lock(&self.inner);
                let receiver = match inner.look(&attempt)? {
                    Stands::Open(member) => return Ok(member),
                    Stands::Opening(waiting) => waiting,
                    Stands::Unknown => inner.await_opening(&attempt),
                };
                Joining { attempts: self, attempt: &attempt, receiver }
            };
            let _ = waiting.receiver.changed().await;
        }
    }

    /// Forgets attempts that have been spent for long enough.
    pub(super) fn purge(&self) {
        let now = self.clock.now();
        let mut inner = lock(&self.inner);
        while inner.purge.front().is_some_and(|(time, _)| *time <= now) {
            let Some((_, attempt)) = inner.purge.pop_front() else { return };
            match inner.attempts.get_mut(&attempt) {
                // From now on it is remembered once more as long.
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

/// How an attempt stands for a request that bears it.
enum Stands {
    /// It has not begun.
    Unknown,
    Opening(watch::Receiver<()>),
    Open(Arc<Member>),
}

impl Inner {
    fn look(&mut self, attempt: &str) -> Result<Stands, Refusal> {
        let Some(slot) = self.attempts.get_mut(attempt) else { return Ok(Stands::Unknown) };
        match slot {
            Attempt::Awaited(_) => Ok(Stands::Unknown),
            Attempt::Opening(waiting) => Ok(Stands::Opening(waiting.clone())),
            Attempt::Rejected(refusal) => Err(Refusal::clone(refusal)),
            Attempt::Spent => Err(reason::ATTEMPT_USED.into()),
            Attempt::Open(member) => match member.upgrade() {
                Some(member) if !member.shared.is_claimed() => Ok(Stands::Open(member)),
                _ => {
                    *slot = Attempt::Spent;
                    Err(reason::ATTEMPT_USED.into())
                }
            },
        }
    }

    /// What tells when the attempt begins.
    fn await_opening(&mut self, attempt: &Arc<str>) -> watch::Receiver<()> {
        let slot = self.attempts.entry(attempt.clone()).or_insert_with(|| Attempt::Awaited(watch::Sender::new(())));
        match slot {
            Attempt::Awaited(sender) => sender.subscribe(),
            // It was unknown under this same lock.
            _ => watch::channel(()).1,
        }
    }
}

/// Waits to join; the last that gives up leaves nothing behind.
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
    fn who_gives_up_a_join_leaves_nothing_behind() {
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
            // An opening that comes to nothing is waited out.
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
