//! The things that only one node of the cluster may have: the session of an attempt, and of a name of SockJS.

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::{
    sync::{Notify, Semaphore},
    time::{error::Elapsed, sleep, timeout},
};
use uuid::Uuid;

use super::{membership::Membership, roster::LEASE};
use crate::{
    clock::Clock,
    cluster::{Claim, Directory, EngineError, HASH, Purpose, Secret},
    config::{Config, millis},
    owners::{Claiming, Owner, Step, Verdict},
    server::other_nodes::{CLAIM_HOLDS, Claimable, Claimed},
    sync::lock,
};

/// The directory has this time to answer. Behind it an opening goes on without its claim.
const PATIENCE: Duration = Duration::from_secs(2);

/// The time that it has while it does not answer anyway.
const PATIENCE_WHILE_AWAY: Duration = Duration::from_millis(200);

/// For so long a claim of an attempt is kept longer than the attempt is remembered.
const MARGIN: Duration = Duration::from_secs(10);

/// For so long a claim of a name is kept, unless it is claimed again.
const KEEP_NAME: Duration = Duration::from_secs(600);

/// The time in milliseconds for which it is not looked up again who has a name.
const KNOWN_FOR: u64 = 60_000;

/// Upper bound on the names of which it is known who has them.
const MOST_KNOWN: usize = 10_000;

/// Upper bound on the looks that ask the directory at the same time. Anybody can name what nobody has.
const MOST_LOOKS: usize = 64;

/// Upper bound on the claims that wait for their release. Those beyond it end by their time.
const MOST_RELEASES: usize = 10_000;

/// The pause before claims are given back once more that the directory has not taken.
const RETRY: Duration = Duration::from_millis(500);

const _: () = assert!(CLAIM_HOLDS <= LEASE / 2, "a claim is lost behind a lease, which begins before the claim");

type Key = [u8; HASH];

/// The claims of this node, and those that it has looked up.
#[derive(Clone)]
pub(super) struct Claims(Arc<Inner>);

struct Inner {
    directory: Arc<dyn Directory>,
    secret: Secret,
    membership: Arc<Membership>,
    me: Owner,
    /// The value of this process's claims.
    mine: Vec<u8>,
    keep_attempt: Duration,
    clock: Clock,
    known: Mutex<HashMap<Key, Known>>,
    looks: Semaphore,
    releases: Mutex<HashMap<Key, Release>>,
    /// Something is to be released.
    to_release: Notify,
    /// Something was released.
    released: Notify,
    warned: AtomicBool,
}

/// Another node has claimed a name.
struct Known {
    owner: Owner,
    /// From then on it is looked up again.
    until: u64,
}

/// A claim that is to be given back. That is tried until it succeeds, or the claim ends by its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Release {
    until: u64,
    under_way: bool,
}

impl Claims {
    pub(super) fn new(
        directory: Arc<dyn Directory>,
        secret: Secret,
        membership: Arc<Membership>,
        config: &Config,
    ) -> Self {
        let me = Owner { name: membership.name.clone(), incarnation: membership.incarnation };
        Claims(Arc::new(Inner {
            directory,
            secret,
            membership,
            mine: me.write(),
            me,
            // The extractors run before the attempt is decided, and from then on it is remembered.
            keep_attempt: config.grace + 2 * config.open_timeout + MARGIN,
            clock: Clock::start(),
            known: Mutex::default(),
            looks: Semaphore::new(MOST_LOOKS),
            releases: Mutex::default(),
            to_release: Notify::new(),
            released: Notify::new(),
            warned: AtomicBool::new(false),
        }))
    }

    /// Claims it, or learns which node has it. A claim of one's own is renewed.
    pub(super) fn claim(&self, what: Claimable<'_>) -> BoxFuture<'static, Claimed> {
        let (inner, key, keep) = (self.0.clone(), self.0.key(what), self.0.keep(what));
        let attempt = match what {
            Claimable::Attempt(attempt) => Some(attempt.to_owned()),
            Claimable::SockJsName { .. } => None,
        };
        Box::pin(async move {
            if attempt.is_none()
                && let Some(node) = inner.known(&key)
            {
                return Claimed::Elsewhere(node);
            }
            loop {
                let asked = inner.clock.now();
                let claimed = timeout(inner.patience(), inner.claim(&key, keep, attempt.as_deref())).await;
                let claimed = claimed.unwrap_or_else(|_| Err(EngineError::new("it takes too long")));
                let claimed = claimed.unwrap_or_else(|error| {
                    inner.warn(&error);
                    Claimed::Unknown
                });
                // This process may have slept meanwhile. Then it counted as dead, and another one may have its claim.
                if claimed == Claimed::Unknown || inner.clock.now() - asked < CLAIM_HOLDS {
                    return claimed;
                }
            }
        })
    }

    /// The node that has claimed it, if it is another one that lives.
    pub(super) fn look(&self, what: Claimable<'_>) -> BoxFuture<'static, Option<String>> {
        let (inner, key) = (self.0.clone(), self.0.key(what));
        let is_name = matches!(what, Claimable::SockJsName { .. });
        Box::pin(async move {
            if is_name && let Some(node) = inner.known(&key) {
                return Some(node);
            }
            let look = async {
                let _place = inner.looks.acquire().await;
                let Some(value) = inner.directory.look(&key).await? else { return Ok(None) };
                let owner = inner.claimant(&value).await;
                if let Some(owner) = owner.as_ref().filter(|_| is_name) {
                    inner.learn(key, owner);
                }
                Ok(owner.map(|owner| owner.name))
            };
            let looked = timeout(inner.patience(), look).await;
            looked.unwrap_or_else(|_| Err(EngineError::new("it takes too long"))).unwrap_or_else(|error| {
                inner.warn(&error);
                None
            })
        })
    }

    /// Gives a claim of this node back, so that another one may have it: now, or when the directory can be asked again. Never
    /// waits.
    pub(super) fn release(&self, what: Claimable<'_>) {
        let key = self.0.key(what);
        let mut releases = lock(&self.0.releases);
        if releases.len() < MOST_RELEASES {
            let until = self.0.clock.now() + millis(self.0.keep(what));
            releases.entry(key).or_insert(Release { until, under_way: false });
            self.0.to_release.notify_one();
        }
    }

    /// Gives back what is released, for as long as the server lives.
    pub(super) async fn run(&self) {
        let inner = &self.0;
        loop {
            let waiting: Vec<Key> = {
                let mut releases = lock(&inner.releases);
                let waiting = releases.iter_mut().filter(|(_, release)| !release.under_way).take(64);
                waiting.map(|(key, release)| (release.under_way = true, *key).1).collect()
            };
            if waiting.is_empty() {
                inner.to_release.notified().await;
                continue;
            }
            let each = waiting.iter().map(|key| timeout(PATIENCE, inner.directory.release(key, &inner.mine)));
            let released = futures::future::join_all(each).await;
            let failed = inner.note_released(&waiting, &released);
            inner.released.notify_waiters();
            if failed {
                sleep(RETRY).await;
            }
        }
    }

    /// The number of the session that opens with this attempt id.
    pub(super) fn session_id(&self, attempt: &str) -> Uuid {
        self.0.secret.session_id(attempt)
    }
}

impl Inner {
    /// Notes which of the claims were given back. Returns whether some were not, which are tried again: a claim whose node
    /// lives, and makes no session of it, would keep others from that.
    fn note_released<T>(&self, waiting: &[Key], released: &[Result<Result<T, EngineError>, Elapsed>]) -> bool {
        let now = self.clock.now();
        let mut releases = lock(&self.releases);
        let mut failed = false;
        for (key, released) in waiting.iter().zip(released) {
            match releases.get_mut(key).filter(|release| !matches!(released, Ok(Ok(_))) && release.until > now) {
                Some(release) => (release.under_way, failed) = (false, true),
                None => drop(releases.remove(key)),
            }
        }
        failed
    }

    fn key(&self, what: Claimable<'_>) -> Key {
        match what {
            Claimable::Attempt(attempt) => self.secret.hash(Purpose::Attempt, attempt.as_bytes()),
            Claimable::SockJsName { path, name } => {
                let length = (path.len() as u64).to_be_bytes();
                self.secret.hash(Purpose::SockJsName, &[&length[..], path.as_bytes(), name.as_bytes()].concat())
            }
        }
    }

    /// The key of the deed that the session of an attempt has once it has moved.
    fn deed_key(&self, attempt: &str) -> Key {
        self.secret.session_key(self.secret.session_id(attempt))
    }

    fn keep(&self, what: Claimable<'_>) -> Duration {
        match what {
            Claimable::Attempt(_) => self.keep_attempt,
            Claimable::SockJsName { .. } => KEEP_NAME,
        }
    }

    fn patience(&self) -> Duration {
        if self.membership.living().away { PATIENCE_WHILE_AWAY } else { PATIENCE }
    }

    /// `attempt`: what is claimed, if it is no name.
    async fn claim(&self, key: &Key, keep: Duration, attempt: Option<&str>) -> Result<Claimed, EngineError> {
        self.hold(key).await;
        let mut claiming = Claiming::new(self.me.clone());
        let mut step = Step::Claim;
        loop {
            let claim = match step {
                Step::Claim => self.directory.claim(key, &self.mine, keep).await?,
                Step::Swap(from) => self.directory.swap(key, &from, &self.mine, keep).await?,
                Step::LookAgain => {
                    self.membership.look_again().await;
                    step = claiming.looked_again(|owner| self.lives(owner));
                    continue;
                }
                Step::LookForDeed => {
                    let deed = match attempt {
                        Some(attempt) => self.directory.look(&self.deed_key(attempt)).await?,
                        None => None,
                    };
                    step = claiming.looked_for_deed(deed.as_deref(), |owner| self.lives(owner));
                    continue;
                }
                Step::Done(verdict) => return Ok(self.claimed(key, verdict, attempt.is_none())),
            };
            step = match claim {
                Claim::Mine => claiming.answered(None, |owner| self.lives(owner)),
                Claim::Held(value) => claiming.answered(Some(&value), |owner| self.lives(owner)),
            };
        }
    }

    fn claimed(&self, key: &Key, verdict: Verdict, is_name: bool) -> Claimed {
        match verdict {
            // A node that is not listed counts as dead, so that its claim is anybody's.
            Verdict::Here if self.membership.living().listed => Claimed::Here,
            Verdict::Here | Verdict::Unclear => Claimed::Unknown,
            Verdict::Elsewhere(owner) => {
                if is_name {
                    self.learn(*key, &owner);
                }
                Claimed::Elsewhere(owner.name)
            }
            Verdict::Malformed => {
                self.warn(&EngineError::new("it has a claim that is none of a node"));
                Claimed::Unknown
            }
        }
    }

    /// A key that waits for its release is not released, since it is claimed again. Waits for a release that is under
    /// way, which would end the new claim.
    async fn hold(&self, key: &Key) {
        loop {
            let mut released = pin!(self.released.notified());
            released.as_mut().enable();
            {
                let mut releases = lock(&self.releases);
                if releases.get(key).is_none_or(|release| !release.under_way) {
                    releases.remove(key);
                    return;
                }
            }
            released.await;
        }
    }

    /// The owner of a claim, if it is another node that lives. One that is unknown may have come just now, so that the
    /// directory is asked.
    async fn claimant(&self, value: &[u8]) -> Option<Owner> {
        let Some(owner) = Owner::read(value) else {
            self.warn(&EngineError::new("it has a claim that is none of a node"));
            return None;
        };
        if owner != self.me && !self.lives(&owner) {
            self.membership.look_again().await;
        }
        (owner.name != self.me.name && self.lives(&owner)).then_some(owner)
    }

    fn lives(&self, owner: &Owner) -> bool {
        self.membership.living().nodes.iter().any(|info| info.incarnation == owner.incarnation)
    }

    /// The node that is known to have a name. Where the directory cannot be asked, what was known goes on to hold.
    fn known(&self, key: &Key) -> Option<String> {
        let mut known = lock(&self.known);
        let found = known.get(key)?;
        let holds = found.until > self.clock.now() || self.membership.living().away;
        if holds && self.lives(&found.owner) {
            return Some(found.owner.name.clone());
        }
        known.remove(key);
        None
    }

    fn learn(&self, key: Key, owner: &Owner) {
        let now = self.clock.now();
        let mut known = lock(&self.known);
        if known.len() >= MOST_KNOWN {
            known.retain(|_, known| known.until > now);
        }
        if known.len() < MOST_KNOWN {
            known.insert(key, Known { owner: owner.clone(), until: now + KNOWN_FOR });
        }
    }

    /// Logs once that claims do not work. That the directory does not answer is logged elsewhere.
    fn warn(&self, error: &EngineError) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!("a claim in the directory of the cluster has failed: {error}");
        }
    }
}
