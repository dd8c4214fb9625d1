//! A request that many sessions get at once, by one id, and whose answers come together in one place.

#[cfg(test)]
mod tests;

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex},
};

use tokio::sync::{
    Notify,
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};
use uuid::Uuid;

use super::{
    SendError, SharedSession, WhenBehind,
    asking::CannotAsk,
    questions::{End, Outcome, Share},
};
use crate::{
    broadcast::OutMessage,
    pool::{Held, Pool},
    sync::lock,
};

/// A request to many. Each session that it is sent to reports one [`End`] of it, so the queue of these is bounded
/// by their number.
#[derive(Debug)]
pub(crate) struct Gathering {
    id: u64,
    ends: UnboundedSender<End>,
    pool: Pool,
    state: Mutex<State>,
    /// Somebody was asked, or a send has come to its end.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Those that nobody has taken note of yet.
    members: Vec<Asked>,
    /// The number of all.
    places: usize,
    /// The sends that are to ask, as far as that is known: one for each room.
    expected: Option<usize>,
    /// Those of them that have asked, or will not.
    done: usize,
    /// One of them never came.
    lost: bool,
    /// Nobody waits any more, so that nobody is asked.
    over: bool,
    /// Those that were asked, if there may be several sends: each is asked once.
    seen: HashSet<Uuid>,
}

/// A session that the request was sent to, or the reason why it was not.
#[derive(Debug)]
struct Asked {
    session: Arc<SharedSession>,
    refused: Option<CannotAsk>,
}

impl Gathering {
    /// A request with this id, and its ends. `expected` is the number of the sends that ask, if it is known: as long as some
    /// are to come, somebody may still be asked.
    pub(crate) fn new(id: u64, pool: &Pool, expected: Option<usize>) -> (Arc<Self>, Gathered) {
        let (ends, receiver) = unbounded_channel();
        let state = Mutex::new(State { expected, ..State::default() });
        let gathering = Arc::new(Gathering { id, ends, pool: pool.clone(), state, changed: Notify::new() });
        let gathered = Gathered {
            gathering: gathering.clone(),
            ends: receiver,
            taken: VecDeque::new(),
            early: None,
            open: Vec::new(),
            left: 0,
            is_whole: false,
        };
        (gathering, gathered)
    }

    /// Sends the request to a session, and begins to wait for its answer, under one lock. The result is that of a
    /// send; a session that cannot be asked counts as one that is closed, and nothing becomes of it. Those that
    /// are closed are not among the [asked](Gathered::next), and nobody is asked once nobody waits.
    pub(crate) fn ask(
        &self,
        session: &Arc<SharedSession>,
        how: &WhenBehind,
        message: OutMessage,
    ) -> Result<bool, SendError> {
        let state = &mut *lock(&self.state);
        if state.over || (state.expected != Some(1) && !state.seen.insert(session.id())) {
            return Err(SendError::Closed);
        }
        let place = state.places;
        let share = || Share::new(place, self.ends.clone(), self.pool.clone());
        let refused = session.ask_as(self.id, how, message, share).err();
        if refused != Some(CannotAsk::Closed) {
            state.members.push(Asked { session: session.clone(), refused });
            state.places += 1;
            // It has come from another node, behind the send itself.
            if state.done > 0 {
                self.changed.notify_one();
            }
        }
        match refused {
            None => Ok(true),
            Some(CannotAsk::Skipped) => Ok(false),
            Some(CannotAsk::Outbox(error)) => Err(error),
            Some(CannotAsk::Full | CannotAsk::Closed | CannotAsk::NoEvents) => Err(SendError::Closed),
        }
    }

    /// One of the sends has reached its members.
    pub(crate) fn delivered(&self) {
        lock(&self.state).done += 1;
        self.changed.notify_one();
    }
}

// For rooms of several nodes.
#[cfg(feature = "cluster")]
impl Gathering {
    /// The id by which sessions on this node are asked.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// The number of the sends that ask.
    pub(crate) fn expect(&self, sends: usize) {
        lock(&self.state).expected = Some(sends);
        self.changed.notify_one();
    }

    /// One of the sends reaches nobody. `lost`: there may be members that it should have reached.
    pub(crate) fn not_delivered(&self, lost: bool) {
        {
            let mut state = lock(&self.state);
            state.done += 1;
            state.lost |= lost;
        }
        self.changed.notify_one();
    }
}

/// The news of a request to many.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A session was asked. It has the next place.
    #[cfg_attr(not(feature = "cluster"), expect(dead_code, reason = "only the nodes of a cluster need it"))]
    Asked(Arc<SharedSession>),
    /// A session could not be asked. It has the next place too.
    Refused(Arc<SharedSession>, CannotAsk),
    /// The session at this place has answered, or never will: `None` if it is over.
    #[cfg_attr(not(feature = "cluster"), expect(dead_code, reason = "only the nodes of a cluster need it"))]
    Ended { place: usize, session: Arc<SharedSession>, outcome: Option<Outcome>, held: Held },
    /// All sends have asked: nobody else will be, but for sessions that come from another node. `lost`: one of the sends
    /// never came.
    Whole { lost: bool },
}

/// The sessions that were asked, and their answers. Dropped, it lets them forget the request, and nobody is asked any more.
#[derive(Debug)]
pub(crate) struct Gathered {
    gathering: Arc<Gathering>,
    ends: UnboundedReceiver<End>,
    /// Those that were asked and not told yet.
    taken: VecDeque<Asked>,
    /// The end of one of them, which came first.
    early: Option<End>,
    /// By place; `None` once the request has ended there.
    open: Vec<Option<Arc<SharedSession>>>,
    left: usize,
    /// All sends have asked, and this was told.
    is_whole: bool,
}

impl Gathered {
    /// The next news of the request. `None` when all sends have asked and all sessions have ended it. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<Heard> {
        loop {
            if let Some(heard) = self.next_now() {
                return Some(heard);
            }
            if self.is_whole && self.left == 0 {
                return None;
            }
            tokio::select! {
                () = self.gathering.changed.notified() => {}
                Some(end) = self.ends.recv() => if let Some(heard) = self.end(end) { return Some(heard) },
            }
        }
    }

    /// The same, without waiting: `None` if there is none yet.
    pub(crate) fn next_now(&mut self) -> Option<Heard> {
        let (done, lost) = self.look();
        if let Some(asked) = self.taken.pop_front() {
            return Some(self.tell(asked));
        }
        if done && !std::mem::replace(&mut self.is_whole, true) {
            return Some(Heard::Whole { lost });
        }
        while let Some(end) = self.early.take().or_else(|| self.ends.try_recv().ok()) {
            if let Some(heard) = self.end(end) {
                return Some(heard);
            }
        }
        None
    }

    /// Whether [`Heard::Whole`] was told.
    pub(crate) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// The sessions that have not ended the request.
    pub(crate) fn open(&self) -> impl Iterator<Item = &Arc<SharedSession>> {
        self.open.iter().flatten()
    }

    /// Takes those that were asked. Returns whether all sends have asked, and whether one was lost.
    fn look(&mut self) -> (bool, bool) {
        let mut state = lock(&self.gathering.state);
        self.taken.extend(std::mem::take(&mut state.members));
        (state.expected.is_some_and(|expected| state.done >= expected), state.lost)
    }

    fn tell(&mut self, Asked { session, refused }: Asked) -> Heard {
        match refused {
            Some(refused) => {
                self.open.push(None);
                Heard::Refused(session, refused)
            }
            None => {
                self.open.push(Some(session.clone()));
                self.left += 1;
                Heard::Asked(session)
            }
        }
    }

    /// An end may be there before anybody was told that its session was asked: then it waits.
    fn end(&mut self, End { place, outcome, held }: End) -> Option<Heard> {
        if place >= self.open.len() {
            self.early = Some(End { place, outcome, held });
            self.look();
            return self.taken.pop_front().map(|asked| self.tell(asked));
        }
        let session = self.open[place].take()?;
        self.left -= 1;
        session.cancel_question(self.gathering.id);
        Some(Heard::Ended { place, session, outcome, held })
    }
}

impl Drop for Gathered {
    fn drop(&mut self) {
        self.ends.close();
        let asked = {
            let mut state = lock(&self.gathering.state);
            state.over = true;
            std::mem::take(&mut state.members)
        };
        let asked = asked.iter().chain(&self.taken).filter(|asked| asked.refused.is_none());
        for session in self.open.iter().flatten().chain(asked.map(|asked| &asked.session)) {
            session.cancel_question(self.gathering.id);
        }
    }
}
