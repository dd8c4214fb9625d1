//! A request that many sessions get at once, by one id, and whose answers come together in one place.

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{
    SendError, SharedSession, WhenBehind,
    asking::CannotAsk,
    questions::{End, Share},
};
use crate::{broadcast::OutMessage, pool::Pool, sync::lock};

/// A request to many. Each session that it is sent to reports one [`End`] of it, so the queue of these is bounded
/// by their number.
#[derive(Debug)]
pub(crate) struct Gathering {
    id: u64,
    ends: UnboundedSender<End>,
    pool: Pool,
    members: Mutex<Vec<Asked>>,
}

/// A session that the request was sent to, or the reason why it was not.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) session: Arc<SharedSession>,
    pub(crate) refused: Option<CannotAsk>,
}

impl Gathering {
    /// A request with this id, and its ends.
    pub(crate) fn new(id: u64, pool: &Pool) -> (Arc<Self>, UnboundedReceiver<End>) {
        let (ends, receiver) = unbounded_channel();
        (Arc::new(Gathering { id, ends, pool: pool.clone(), members: Mutex::default() }), receiver)
    }

    /// Sends the request to a session, and begins to wait for its answer, under one lock. The result is that of a
    /// send; a session that cannot be asked counts as one that is closed, and nothing becomes of it. Those that
    /// are closed are not among the [asked](Self::take_asked).
    pub(crate) fn ask(
        &self,
        session: &Arc<SharedSession>,
        how: &WhenBehind,
        message: OutMessage,
    ) -> Result<bool, SendError> {
        let mut members = lock(&self.members);
        let place = members.len();
        let share = || Share::new(place, self.ends.clone(), self.pool.clone());
        let refused = session.ask_as(self.id, how, message, share).err();
        if refused != Some(CannotAsk::Closed) {
            members.push(Asked { session: session.clone(), refused });
        }
        match refused {
            None => Ok(true),
            Some(CannotAsk::Skipped) => Ok(false),
            Some(CannotAsk::Outbox(error)) => Err(error),
            Some(CannotAsk::Full | CannotAsk::Closed | CannotAsk::NoEvents) => Err(SendError::Closed),
        }
    }

    /// The sessions that were in the audience when the request was sent.
    pub(crate) fn take_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut lock(&self.members))
    }
}
