//! The half of a move that takes a session: this node asks for it, claims it in the directory, and makes it anew.

use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};
use uuid::Uuid;

use super::{
    ownership::held,
    sessions::Ear,
    state::{Kept, MOUNT, PATIENCE, Place, State},
    words::{Answer, Ask, Push, SessionId, Stays, Take, Taken},
};
use crate::{
    config::millis,
    owners::{self, Deed, Taker},
    server::nodes::{membership::Membership, roster::BEAT},
    sync::lock,
};

/// The node that has a session has this time to give it: its handler has five seconds to return.
const ASKING: Duration = Duration::from_secs(8);

/// The time in milliseconds in which the directory should have said whose the session is. It is shorter than the other node waits.
const DECIDING: u64 = 4000;

/// The time between two tries to reach the directory, or the other node.
const RETRY: Duration = Duration::from_millis(200);

/// A session is asked for so often, while its rooms change or it turns out to be elsewhere.
const MOST_ASKS: usize = 4;

/// The other node is told so often that it has lost a session.
const MOST_TELLS: usize = 3;

/// For so long a place is remembered that another node or the directory has told, in milliseconds.
pub(super) const LEARNT: u64 = 60_000;

/// For so long it is remembered that a session is nowhere, in milliseconds.
pub(super) const NOWHERE: u64 = 2_000;

impl State {
    /// Takes a session over from the node with this name. Returns when that has succeeded or failed.
    pub(super) async fn take(self: &Arc<Self>, session: SessionId, from: String, secret: Option<String>) {
        let number = session.number;
        let Some(_under_way) = self.begin(number) else { return };
        let Membership { name, incarnation, .. } = &*self.membership;
        let mut take = Take { session, secret, node: name.clone(), process: *incarnation, listens: Bytes::new() };
        let (mut from, mut expected) = (from, None);
        for _ in 0..MOST_ASKS {
            if self.sessions.has(number) || !self.may_take() || from == *name {
                return;
            }
            match self.ask_for(&from, &Ask::Take(take.clone()), ASKING).await {
                None => return,
                Some(Answer::Parcel { claim, parcel }) => {
                    return self.settle(&take, &from, (&claim, parcel), expected).await;
                }
                Some(Answer::Listen(rooms)) => {
                    expected = self.sessions.expect(&rooms).await;
                    if expected.is_none() {
                        return self.keep(number, from, Stays::Busy);
                    }
                    take.listens = rooms;
                }
                Some(Answer::Moved(to)) => {
                    self.learn(number, Place::At(to.clone()), LEARNT);
                    from = to;
                }
                Some(Answer::Stays(why)) => {
                    self.keep(number, from, why);
                    return;
                }
            }
        }
    }

    /// Whether this node may take sessions now.
    pub(super) fn may_take(&self) -> bool {
        !self.sessions.is_draining() && !self.membership.living().away
    }

    /// Remembers for how long a session need not be asked for again.
    fn keep(&self, number: Uuid, node: String, why: Stays) {
        let time = match why {
            Stays::WrongSecret => return,
            Stays::Busy | Stays::Unknown => BEAT / 2,
            Stays::Never | Stays::Runs | Stays::HandlerRuns | Stays::TooLarge => LEARNT,
        };
        tracing::debug!(session = %number, node, ?why, "the session stays where it is");
        self.note_kept(number, Kept { node, why }, time);
    }

    /// Becomes the owner of a session that has come, and makes it.
    async fn settle(&self, take: &Take, from: &str, (claim, parcel): (&Bytes, Bytes), expected: Option<Ear>) {
        let number = take.session.number;
        let taken = match self.become_owner(number, claim).await {
            // It goes on where it was.
            Some(false) => return,
            None => false,
            Some(true) => match self.sessions.take(&take.session, parcel, expected).await {
                Ok(()) => true,
                Err(error) => {
                    if let Some(deed) = Deed::read(claim) {
                        self.owned.give_back(number, &deed).await;
                    }
                    self.warn(format_args!("this one cannot take it from the node {from}: {error}"));
                    false
                }
            },
        };
        if taken {
            self.forget_place(number);
            self.taken.add(1);
            tracing::debug!(session = %number, node = from, "taken");
        }
        let told = Ask::Taken(Taken { session: take.session.clone(), process: take.process, taken });
        self.tell(from.to_owned(), told);
    }

    /// Claims a session behind the node that has it. The result is whether this node is the owner; `None` if what came with
    /// the session is no deed.
    ///
    /// Waits for the directory without a limit: a claim that it has not answered may be done, or may be done later, and then
    /// the session is this node's. If this node gave it up, it would be nowhere.
    async fn become_owner(&self, number: Uuid, claim: &[u8]) -> Option<bool> {
        let (taker, mut take) = Taker::new(&self.owned.me(), Deed::read(claim)?);
        let late = self.clock.now() + DECIDING;
        let mut warned = false;
        loop {
            take = match take {
                owners::Take::Swap { from, to } => match self.owned.swap(number, &from.write(), to.fence).await {
                    Ok(claim) => taker.swapped(Ok(held(&claim))),
                    Err(error) => {
                        if self.clock.now() >= late && !std::mem::replace(&mut warned, true) {
                            self.warn(format_args!("the directory of the cluster does not say whose it is: {error}"));
                        }
                        taker.swapped(Err(()))
                    }
                },
                owners::Take::Pause => {
                    sleep(RETRY).await;
                    taker.again()
                }
                owners::Take::Done(taken) => return Some(matches!(taken, owners::Taken::Mine(_))),
            };
        }
    }

    /// Tells another node something, without waiting for it.
    fn tell(&self, node: String, what: Ask) {
        let (links, tasks) = (self.links.clone(), self.tasks.clone());
        tasks.start(async move {
            for _ in 0..MOST_TELLS {
                let told = links.ask(&node, MOUNT, what.write().into(), 1024);
                if timeout(ASKING, told).await.is_ok_and(|answer| answer.is_some()) {
                    return;
                }
                sleep(RETRY).await;
            }
        });
    }

    /// Another node wants this one to take a session. Waits until that has succeeded or failed. Cancel-safe: the move goes
    /// on.
    pub(super) async fn offered(self: &Arc<Self>, push: Push) -> bool {
        let number = push.session.number;
        self.bring(push.session, push.node, None).await;
        self.sessions.has(number)
    }

    /// Takes a session over in a task of its own, unless it is on its way already. Waits for it. Cancel-safe: the move goes
    /// on.
    pub(super) async fn bring(self: &Arc<Self>, session: SessionId, from: String, secret: Option<String>) {
        let number = session.number;
        let until = self.clock.now() + millis(PATIENCE);
        if !self.is_under_way(number) {
            let (done, is_done) = oneshot::channel::<()>();
            let state = self.clone();
            self.tasks.start(async move {
                state.take(session, from, secret).await;
                drop(done);
            });
            let _ = timeout(PATIENCE, is_done).await;
        }
        self.settled(number, Duration::from_millis(until.saturating_sub(self.clock.now()))).await;
    }

    /// Has another node take a session. Waits until that has succeeded or failed; returns whether it has.
    pub(super) async fn push(&self, number: Uuid) -> bool {
        let (Some(session), Some(node)) = (self.sessions.id(number), self.heir(number)) else { return false };
        if self.sessions.prepare(number, None).is_err() || !self.keep_pace(&node, millis(PATIENCE)).await {
            return false;
        }
        lock(&self.pushed).insert(number, node.clone());
        let push = Ask::Push(Push { session, node: self.me().to_owned() });
        let _ = self.ask(&node, &push, PATIENCE).await;
        lock(&self.pushed).remove(&number);
        self.settled(number, PATIENCE).await;
        !self.sessions.has(number) && matches!(self.place(number), Some(Place::At(_)))
    }

    /// The node that takes a session which nobody asks for: of those that live and stay, each session has one, and a node
    /// that comes or goes changes that for few sessions.
    fn heir(&self, number: Uuid) -> Option<String> {
        let living = self.membership.living();
        let others = living.nodes.iter().filter(|info| info.name != self.me() && !self.drains(&info.name));
        let weight = |name: &str| {
            let mut hasher = DefaultHasher::new();
            (name, number.as_bytes()).hash(&mut hasher);
            hasher.finish()
        };
        others.max_by_key(|info| (weight(&info.name), info.incarnation)).map(|info| info.name.clone())
    }
}
