//! The claims of sessions that have moved: the directory knows which node has each, and decides where it is not clear.
//!
//! The value of a claim has a number that grows with each owner, the fence. Who wants to own a session replaces the value that
//! it knows: of several that try, one succeeds.

use std::{
    collections::HashMap,
    future::ready,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use uuid::Uuid;

use super::witness::{Told, Witness};
use crate::{
    clock::Clock,
    cluster::{Claim, Directory, EngineError, HASH, Secret},
    config::millis,
    owners::{Deed, Found, Keep, Keeper, Look, LookStep, Owner, Standing},
    server::nodes::{membership::Membership, roster::LEASE},
    sync::lock,
};

/// The directory has this time to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// For so long the directory knows who has a session, unless that is renewed.
const KEEP: Duration = Duration::from_secs(180);

/// The claims are renewed this often, in milliseconds, and at once when the directory may have lost them.
const RENEW: u64 = 60_000;

/// This often it is asked whether the directory has lost them.
const PACE: Duration = Duration::from_secs(1);

/// The pause behind a renewal that has failed, or that an engine needs which is slow to answer.
const RETRY: Duration = Duration::from_secs(5);

/// One call replaces no more values of a directory that are older than this node's deed.
const MOST_OLD: usize = 3;

/// The claims that are renewed at the same time.
const AT_A_TIME: usize = 64;

/// The claims of sessions, as this node makes them.
pub(super) struct Ownership {
    directory: Arc<dyn Directory>,
    secret: Secret,
    membership: Arc<Membership>,
    witness: Witness,
    /// The sessions that this node has claimed, each with its fence.
    owned: Mutex<HashMap<Uuid, u64>>,
    /// It is counted how often the directory may have lost what it was told.
    losses: watch::Sender<u64>,
}

impl Ownership {
    pub(super) fn new(directory: Arc<dyn Directory>, secret: Secret, membership: Arc<Membership>) -> Self {
        let witness = Witness::new(directory.clone(), membership.clone());
        Ownership { directory, secret, membership, witness, owned: Mutex::default(), losses: watch::Sender::new(0) }
    }

    /// Tells each time that the directory may have lost what it was told.
    pub(super) fn losses(&self) -> watch::Receiver<u64> {
        self.losses.subscribe()
    }

    /// The key of a session's claim.
    pub(super) fn key(&self, session: Uuid) -> [u8; HASH] {
        self.secret.session_key(session)
    }

    /// This process, as it claims sessions.
    pub(super) fn me(&self) -> Owner {
        let Membership { name, incarnation, .. } = &*self.membership;
        Owner { name: name.clone(), incarnation: *incarnation }
    }

    /// The deed under which this node has a session, if it was ever claimed.
    pub(super) fn deed(&self, session: Uuid) -> Option<Deed> {
        let fence = lock(&self.owned).get(&session).copied()?;
        Some(Deed { fence, owner: self.me() })
    }

    fn value(&self, fence: u64) -> Bytes {
        Deed { fence, owner: self.me() }.write().into()
    }

    /// Becomes the owner of a session behind another one, whose claim has the value `from`. It is also done by a repetition
    /// of a call whose outcome is not known.
    pub(super) async fn swap(&self, session: Uuid, from: &[u8], fence: u64) -> Result<Claim, EngineError> {
        let claim = self.replace(session, from, fence).await?;
        if claim == Claim::Mine {
            lock(&self.owned).insert(session, fence);
        }
        Ok(claim)
    }

    /// The same, without a note of it. A directory that has lost its newest values, or was told older ones when it began anew,
    /// may have a deed below `from`: who had that has given the session away, and so it is replaced.
    async fn replace(&self, session: Uuid, from: &[u8], fence: u64) -> Result<Claim, EngineError> {
        let (key, to) = (self.key(session), self.value(fence));
        let (known, mut from) = (Deed::read(from).map_or(0, |deed| deed.fence), Bytes::copy_from_slice(from));
        let replaced = async {
            for _ in 0..MOST_OLD {
                match self.directory.swap(&key, &from, &to, KEEP).await? {
                    Claim::Held(held) if Deed::read(&held).is_some_and(|deed| deed.fence < known) => from = held,
                    claim => return Ok(claim),
                }
            }
            Err(EngineError::new("its values are old, and change"))
        };
        timeout(PATIENCE, replaced).await.unwrap_or_else(|_| Err(EngineError::new("it takes too long")))
    }

    /// A session that this node has claimed, and cannot take after all, goes back to its owner, which may not know of that yet.
    /// Waits for the directory, not for long.
    pub(super) async fn give_back(&self, session: Uuid, from: &Deed) {
        let claimed = lock(&self.owned).remove(&session);
        if let Some(fence) = claimed {
            let (key, mine, back) = (self.key(session), self.value(fence), from.back().write());
            let _ = timeout(PATIENCE, self.directory.swap(&key, &mine, &back, KEEP)).await;
        }
    }

    /// Another node has the session now: its claim is the other's. Waits until the directory has forgotten this node's, which an
    /// engine may have to tell anew otherwise; not for long.
    pub(super) async fn give(&self, session: Uuid) {
        let given = lock(&self.owned).remove(&session);
        if let Some(fence) = given {
            let (key, value) = (self.key(session), self.value(fence));
            let _ = timeout(PATIENCE, self.directory.release(&key, &value)).await;
        }
    }

    /// The node that has claimed a session, as the directory says. The claim of a node that is dead becomes this node's, so
    /// that nobody takes the session behind it. While the directory lacks what other nodes have told it, a session that it
    /// does not know may be anywhere.
    ///
    /// # Errors
    /// Fails if the directory does not answer.
    pub(super) async fn look(&self, session: Uuid) -> Result<Found, EngineError> {
        let looked = async {
            let (key, mut look, mut step) = (self.key(session), Look::default(), LookStep::Look);
            loop {
                step = match step {
                    LookStep::Look => {
                        let value = self.directory.look(&key).await?;
                        look.answered(Ok(value.as_deref()), |owner| self.standing(owner))
                    }
                    LookStep::Claim { from, to } => {
                        let claim = self.directory.swap(&key, &from.write(), &to.write(), KEEP).await?;
                        look.answered(Ok(held(&claim)), |owner| self.standing(owner))
                    }
                    LookStep::List => {
                        self.membership.look_again().await;
                        look.listed(self.me(), |owner| self.standing(owner))
                    }
                    LookStep::Done(Found::Nowhere) if !self.witness.of_all().await => return Ok(Found::Unclear),
                    LookStep::Done(found) => return Ok(found),
                };
            }
        };
        timeout(PATIENCE, looked).await.unwrap_or_else(|_| Err(EngineError::new("it takes too long")))
    }

    fn standing(&self, owner: &Owner) -> Standing {
        let living = self.membership.living();
        match () {
            () if owner.incarnation == self.membership.incarnation => Standing::Me,
            () if living.nodes.iter().any(|info| info.incarnation == owner.incarnation) => Standing::Lives,
            () if living.joined && !living.away => Standing::Dead,
            () => Standing::Unclear,
        }
    }

    /// Renews the claims of the sessions that live, and ends those of the others, for as long as the server lives. `stays`:
    /// whether a session lives, and is not on its way to another node.
    pub(super) async fn run(&self, lives: impl Fn(Uuid) -> bool, stays: impl Fn(Uuid) -> bool) {
        let clock = Clock::start();
        let (mut times, mut doubt) = (Renewals::default(), false);
        loop {
            let told = self.witness.look().await;
            doubt |= told != Told::All;
            let mut pause = PACE;
            if times.is_due(clock.now(), told, doubt) {
                let anew = std::mem::take(&mut doubt);
                if anew {
                    self.losses.send_modify(|losses| *losses += 1);
                }
                let began = clock.now();
                let renewed = self.renew_all(&lives, &stays, anew).await;
                // The word that all is told ends before the first of what was told does.
                let keep = KEEP.saturating_sub(Duration::from_millis(clock.now() - began) + PACE);
                let done = renewed && self.witness.tell(keep).await;
                (times, pause) = if done { (Renewals::after(clock.now()), PACE) } else { (Renewals::default(), RETRY) };
            }
            let wakes = clock.now() + millis(pause);
            sleep(pause).await;
            // A process that has slept for long may have counted as dead, and its sessions as anybody's.
            doubt |= clock.now().saturating_sub(wakes) >= LEASE / 2;
        }
    }

    /// Returns whether the directory has taken all of it. With `anew`, claims are made again that may be other nodes' by now.
    async fn renew_all(&self, lives: impl Fn(Uuid) -> bool, stays: impl Fn(Uuid) -> bool, anew: bool) -> bool {
        let owned: Vec<(Uuid, u64)> = lock(&self.owned).iter().map(|(session, fence)| (*session, *fence)).collect();
        let renewals = owned.into_iter().map(async |(session, fence)| match (lives(session), anew) {
            (true, true) => self.keep(session, fence, &stays).await,
            (true, false) => self.renew(session, fence, &stays).await,
            (false, _) => self.end(session, fence).await,
        });
        stream::iter(renewals).buffer_unordered(AT_A_TIME).fold(true, |all, renewed| ready(all && renewed)).await
    }

    /// Returns false if the directory has not answered.
    async fn renew(&self, session: Uuid, fence: u64, stays: impl Fn(Uuid) -> bool) -> bool {
        match self.replace(session, &self.value(fence), fence).await {
            Ok(Claim::Held(_)) => self.keep(session, fence, stays).await,
            renewed => renewed.is_ok(),
        }
    }

    /// Makes the claim of a session anew that this node has. Returns false if the directory has not answered.
    async fn keep(&self, session: Uuid, fence: u64, stays: impl Fn(Uuid) -> bool) -> bool {
        let key = self.key(session);
        let (mut keeper, mut keep) = Keeper::new(Deed { fence, owner: self.me() });
        loop {
            keep = match keep {
                // It has been given to another node meanwhile, or is being given, which decides itself whose it is.
                Keep::Swap { .. } if !stays(session) || lock(&self.owned).get(&session) != Some(&fence) => return true,
                Keep::Swap { from, to } => {
                    let swapped = timeout(PATIENCE, self.directory.swap(&key, &from.write(), &to.write(), KEEP)).await;
                    let answer = swapped.ok().and_then(Result::ok);
                    keeper.swapped(answer.as_ref().map(held).ok_or(()))
                }
                Keep::Done(deed) => {
                    let mut owned = lock(&self.owned);
                    owned.entry(session).and_modify(|known| *known = deed.fence.max(*known));
                    return true;
                }
                Keep::Later => return false,
            };
        }
    }

    /// Ends the claim of a session that has ended.
    async fn end(&self, session: Uuid, fence: u64) -> bool {
        let (key, value) = (self.key(session), self.value(fence));
        // A claim that could not be given back ends by its time.
        let _ = timeout(PATIENCE, self.directory.release(&key, &value)).await;
        let mut owned = lock(&self.owned);
        if owned.get(&session) == Some(&fence) {
            owned.remove(&session);
        }
        true
    }
}

/// The times of the next renewal, in milliseconds.
#[derive(Clone, Copy, Default)]
struct Renewals {
    /// From then on, if there is a doubt whether the directory has all.
    in_doubt: u64,
    /// From then on in any case.
    surely: u64,
}

impl Renewals {
    fn after(now: u64) -> Self {
        Renewals { in_doubt: now + millis(RETRY), surely: now + RENEW }
    }

    /// A directory that does not answer is not asked for more.
    fn is_due(self, now: u64, told: Told, doubt: bool) -> bool {
        let in_time = now >= self.surely || (doubt && now >= self.in_doubt);
        told == Told::Lacks || (told == Told::All && in_time)
    }
}

/// The value of a key that another node has claimed; `None` if it is this node's.
pub(super) fn held(claim: &Claim) -> Option<&[u8]> {
    match claim {
        Claim::Mine => None,
        Claim::Held(value) => Some(value),
    }
}
