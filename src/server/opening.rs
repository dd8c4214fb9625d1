//! Opening is idempotent: raced or retried openings with one attempt id get one session, and the application
//! sees one.

#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, Weak},
};

use axum::http::{HeaderMap, header};
use tokio::sync::watch;
use uuid::Uuid;

use super::refusal::Refusal;
use crate::{clock::Clock, hub::Member, ids, session::reason, sync::lock};

/// An attempt id is at least this long. A shorter one could be guessed.
const LEAST_ID: usize = 20;

/// Upper bound on remembered rejections. Above it a retried attempt runs the extractors again.
const MOST_REJECTED: usize = 10_000;

/// The recent openings, by attempt id.
#[derive(Debug)]
pub(crate) struct Attempts {
    inner: Mutex<Inner>,
    clock: Clock,
    /// The time for which an attempt is remembered, in milliseconds: a client may still try with it.
    remembered: u64,
    /// No more attempts are remembered than this. Beyond it the oldest is forgotten: a late copy of it opens
    /// another session.
    most: usize,
    /// Without it nobody can find other credentials with the same hash.
    key: Uuid,
}

/// A hash of the credentials that an opening came with: whoever repeats it shows the same ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opener(u64);

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
    /// An opening is under way. Where others wait for it, the channel closes when it is decided.
    Opening(Opener, Option<watch::Sender<()>>),
    Open(Opener, Weak<Member>),
    Rejected(Opener, Box<Refusal>),
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
    opener: Opener,
    decided: bool,
}

impl Claim {
    pub(super) fn open(mut self, member: &Arc<Member>) {
        self.decide(Attempt::Open(self.opener, Arc::downgrade(member)));
    }

    /// Remembers the application's rejection, which raced openings get too.
    pub(super) fn reject(mut self, refusal: Refusal) {
        if lock(&self.attempts.inner).rejected >= MOST_REJECTED {
            return;
        }
        self.decide(Attempt::Rejected(self.opener, Box::new(refusal)));
    }

    fn decide(&mut self, attempt: Attempt) {
        self.decided = true;
        let again = self.attempts.clock.now() + self.attempts.remembered;
        let mut inner = lock(&self.attempts.inner);
        inner.rejected += usize::from(matches!(attempt, Attempt::Rejected(..)));
        match inner.attempts.get_mut(&self.attempt) {
            Some(slot) => *slot = attempt,
            // This cannot happen: it was inserted when it was claimed.
            None => drop(inner.attempts.insert(self.attempt.clone(), attempt)),
        }
        inner.purge.push_back((again, self.attempt.clone()));
        if inner.purge.len() > self.attempts.most
            && let Some((_, oldest)) = inner.purge.pop_front()
        {
            inner.forget(&oldest);
        }
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
    pub(super) fn new(clock: Clock, remembered: u64, most: usize) -> Self {
        Attempts { inner: Mutex::default(), clock, remembered, most, key: ids::random() }
    }

    /// Returns who opens with these headers, as far as the policy lets them through.
    pub(super) fn opener(&self, headers: &HeaderMap) -> Opener {
        let mut hasher = DefaultHasher::new();
        self.key.hash(&mut hasher);
        for name in [header::AUTHORIZATION, header::COOKIE] {
            let values: Vec<&[u8]> = headers.get_all(name).iter().map(|value| value.as_bytes()).collect();
            values.hash(&mut hasher);
        }
        Opener(hasher.finish())
    }

    /// Finds the session of this attempt, or the right to make it. Waits for an opening that is under way.
    /// Cancel-safe.
    ///
    /// # Errors
    /// Fails if the id is too short, if the attempt was rejected or used, or if somebody else opens with it:
    /// their session is not for this opener, whose own rights nobody has judged.
    pub(super) async fn claim(self: &Arc<Self>, attempt: &str, opener: Opener) -> Result<Found, Refusal> {
        check(attempt)?;
        // The timekeeper purges only while sessions exist, so purge here too.
        self.purge();
        let attempt: Arc<str> = attempt.into();
        loop {
            let mut waiting = {
                let mut inner = lock(&self.inner);
                match inner.look(&attempt, Some(opener))? {
                    Progress::Open(member) => return Ok(Found::Session(member)),
                    Progress::Opening(waiting) => waiting,
                    Progress::Unknown => {
                        // The insertion drops the sender on which requests wait that want to join, which
                        // wakes them.
                        inner.attempts.insert(attempt.clone(), Attempt::Opening(opener, None));
                        return Ok(Found::First(Claim { attempts: self.clone(), attempt, opener, decided: false }));
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
        check(attempt)?;
        self.purge();
        let attempt: Arc<str> = attempt.into();
        loop {
            let mut waiting = {
                let mut inner = lock(&self.inner);
                let receiver = match inner.look(&attempt, None)? {
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
                Some(slot @ Attempt::Open(..)) => {
                    let claimed = match slot {
                        Attempt::Open(_, member) => member.upgrade().is_none_or(|member| member.shared.is_claimed()),
                        _ => false,
                    };
                    if claimed {
                        *slot = Attempt::Spent;
                    }
                    inner.purge.push_back((now + self.remembered, attempt));
                }
                _ => inner.forget(&attempt),
            }
        }
    }
}

/// Fails if an attempt id is so short that it can be guessed.
fn check(attempt: &str) -> Result<(), Refusal> {
    if attempt.len() < LEAST_ID { Err(reason::SHORT_ATTEMPT.into()) } else { Ok(()) }
}

/// The state of an attempt for a request that brings its id.
enum Progress {
    /// No opening has begun.
    Unknown,
    Opening(watch::Receiver<()>),
    Open(Arc<Member>),
}

impl Inner {
    /// `opener` is `None` for a request that joins, which is no opening: its id is all that it shows.
    fn look(&mut self, attempt: &str, opener: Option<Opener>) -> Result<Progress, Refusal> {
        let Some(slot) = self.attempts.get_mut(attempt) else { return Ok(Progress::Unknown) };
        match slot {
            Attempt::Awaited(_) => Ok(Progress::Unknown),
            Attempt::Opening(first, _) | Attempt::Open(first, _) | Attempt::Rejected(first, _)
                if opener.is_some_and(|opener| opener != *first) =>
            {
                Err(reason::ANOTHER_OPENER.into())
            }
            Attempt::Opening(_, waiting) => {
                Ok(Progress::Opening(waiting.get_or_insert_with(|| watch::Sender::new(())).subscribe()))
            }
            Attempt::Rejected(_, refusal) => Err(Refusal::clone(refusal)),
            Attempt::Spent => Err(reason::ATTEMPT_USED.into()),
            Attempt::Open(_, member) => match member.upgrade() {
                Some(member) if !member.shared.is_claimed() => Ok(Progress::Open(member)),
                _ => {
                    *slot = Attempt::Spent;
                    Err(reason::ATTEMPT_USED.into())
                }
            },
        }
    }

    /// Forgets an attempt that was decided.
    fn forget(&mut self, attempt: &str) {
        let gone = self.attempts.remove(attempt);
        self.rejected -= usize::from(matches!(gone, Some(Attempt::Rejected(..))));
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
