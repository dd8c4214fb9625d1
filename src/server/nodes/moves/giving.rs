//! The half of a move that gives a session away: another node asks for it, gets it, and says that it has it. Where that is
//! not said, the directory decides who has it.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};

use super::{
    ownership::held,
    sessions::{Frozen, Prepared},
    state::{Place, State, UnderWay},
    words::{Answer, MOST_PARCEL, MOST_WORDS, Stays, Take, Taken},
};
use crate::{
    owners::{self, Give, Given, Giver, Owner},
    sync::lock,
};

/// The node that was given a session has this time to say that it has it.
const CONFIRM: Duration = Duration::from_secs(6);

/// The time between two tries to learn who has a session.
const RETRY: Duration = Duration::from_millis(500);

/// A node that asks for a session waits so long for its turn, in milliseconds, if many leave for it. Behind that it asks again.
const TURN: u64 = 1_000;

/// The time in milliseconds in which the directory should have said who has a session that may have been taken.
const DECIDING: u64 = 4_000;

/// For so long it is remembered where a session went, in milliseconds. Behind that the directory knows.
pub(super) const REMEMBERED: u64 = 600_000;

/// The directory has something that is no deed of this version.
const UNREADABLE: &str = "its claim was written by no node of this version";

/// A session that is about to leave.
struct Leaving {
    take: Take,
    giver: Giver,
    frozen: Box<dyn Frozen>,
}

impl State {
    /// Another node asks for a session.
    ///
    /// Waits for its handler. Cancel-safe: the move goes on.
    pub(super) async fn asked_for(self: &Arc<Self>, take: Take) -> Answer {
        let (answer, answered) = oneshot::channel();
        let state = self.clone();
        self.tasks.start(async move { state.give(take, answer).await });
        answered.await.unwrap_or(Answer::Stays(Stays::Busy))
    }

    async fn give(self: &Arc<Self>, take: Take, answer: oneshot::Sender<Answer>) {
        // A node that pushes sessions has kept the pace before. Until it is its turn the session is served here.
        if !self.is_pushed(&take) && !self.keep_pace(&take.node, TURN).await {
            return drop(answer.send(Answer::Stays(Stays::Busy)));
        }
        let number = take.session.number;
        let Some(under_way) = self.begin(number) else { return drop(answer.send(Answer::Stays(Stays::Busy))) };
        // A place is needed until the session has left.
        let Ok(_place) = self.leaving.try_acquire() else { return drop(answer.send(Answer::Stays(Stays::Busy))) };
        let (leaving, parcel) = match self.get_ready(take).await {
            Ok(ready) => ready,
            Err(refused) => return drop(answer.send(refused)),
        };
        let (told, hears) = oneshot::channel();
        lock(&self.sent_off).insert(number, told);
        let taken = match answer.send(parcel) {
            Ok(()) => timeout(CONFIRM, hears).await.ok().and_then(Result::ok),
            // Nobody has got it.
            Err(_) => Some(false),
        };
        lock(&self.sent_off).remove(&number);
        self.decide(leaving, taken, under_way).await;
    }

    /// Whether this node has chosen the one that asks.
    fn is_pushed(&self, take: &Take) -> bool {
        lock(&self.pushed).get(&take.session.number) == Some(&take.node)
    }

    /// All that is done before a session is sent off: it is claimed, so that the directory can decide, and frozen.
    async fn get_ready(&self, take: Take) -> Result<(Leaving, Answer), Answer> {
        let number = take.session.number;
        if !self.sessions.has(number)
            && let Some(Place::At(node)) = self.place(number)
        {
            return Err(Answer::Moved(node));
        }
        let Prepared { rooms, waits } = self.sessions.prepare(number, take.secret.as_deref()).map_err(Answer::Stays)?;
        if !self.sessions.is_draining() && !waits {
            return Err(Answer::Stays(Stays::Runs));
        } else if take.secret.is_none() && !self.is_pushed(&take) {
            return Err(Answer::Stays(Stays::WrongSecret));
        } else if rooms.len() > MOST_WORDS / 2 {
            return Err(Answer::Stays(Stays::TooLarge));
        } else if rooms != take.listens {
            return Err(Answer::Listen(rooms));
        }
        let (mut giver, give) = Giver::new(&self.owned.me(), self.owned.deed(number));
        let Give::Claim(deed) = give else { return Err(Answer::Stays(Stays::Busy)) };
        let claim = self.owned.swap(number, &deed.write(), deed.fence).await.map_err(|error| {
            self.warn(format_args!("the directory of the cluster is asked first, and: {error}"));
            Answer::Stays(Stays::Busy)
        })?;
        if giver.claimed(Ok(held(&claim))) != Give::Freeze {
            self.warn(format_args!("another node has claimed it"));
            return Err(Answer::Stays(Stays::Busy));
        }
        let frozen = self.sessions.freeze(number).await.map_err(Answer::Stays)?;
        let parcel = frozen.bytes();
        if parcel.len() > MOST_PARCEL {
            self.warn(format_args!("its inbox and its outbox hold {} bytes, more than a move carries", parcel.len()));
            frozen.revive();
            return Err(Answer::Stays(Stays::TooLarge));
        }
        let Give::Send(deed) = giver.frozen(true) else { return Err(Answer::Stays(Stays::Busy)) };
        Ok((Leaving { take, giver, frozen }, Answer::Parcel { claim: deed.write().into(), parcel }))
    }

    /// Learns whether a session was taken, and lets it go or go on. `taken` is what the other node has said.
    ///
    /// A session is revived only when the directory has it as this node's own, under a fence that is higher than that which
    /// the other node may still claim it with.
    async fn decide(&self, leaving: Leaving, taken: Option<bool>, under_way: UnderWay) {
        let Leaving { take, mut giver, frozen } = leaving;
        let number = take.session.number;
        let to = Owner { name: take.node.clone(), incarnation: take.process };
        let mut give = giver.answered(&to, taken.map_or(owners::Answer::Unclear, owners::Answer::of));
        let (late, mut warned) = (self.clock.now() + DECIDING, false);
        let given = loop {
            give = match give {
                Give::TakeBack { from, to } => {
                    let answer = self.owned.swap(number, &from.write(), to.fence).await;
                    let next = giver.taken_back(answer.as_ref().map(held).map_err(|_| ()));
                    if next == Give::Pause && self.clock.now() >= late && !std::mem::replace(&mut warned, true) {
                        let why = answer.map_or_else(|error| error.to_string(), |_| UNREADABLE.to_owned());
                        self.warn(format_args!("the directory does not say whose it is, and nobody serves it: {why}"));
                    }
                    next
                }
                Give::Done(given) => break given,
                _ => {
                    sleep(RETRY).await;
                    giver.again()
                }
            };
        };
        if let Given::To(owner) = given {
            tracing::debug!(session = %number, node = owner.name, "moved");
            self.learn(number, Place::At(owner.name), REMEMBERED);
            frozen.given();
            self.moved.add(1);
            drop(under_way);
            self.owned.give(number).await;
        } else {
            frozen.revive();
            self.warn(format_args!("the node {} has not taken it, so it goes on here", take.node));
        }
    }

    /// Another node says what became of a session that it was given.
    pub(super) fn told(&self, taken: &Taken) {
        if let Some(waits) = lock(&self.sent_off).remove(&taken.session.number) {
            let _ = waits.send(taken.taken);
        }
    }
}
