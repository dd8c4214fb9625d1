//! A session moves from one node to another: what is here happens at one of them.
//!
//! The node that has it asks its handler to return, and gives the state away as a [`Parcel`]. Another node takes it: the
//! session has the same id there, and its handler starts with the client's next request. If nobody takes it, the node that
//! had it takes it again, by the same way.

mod freezing;
mod parcel;
mod starting;
pub(super) mod state;
#[cfg(test)]
mod tests;

use std::{
    future::poll_fn,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use uuid::Uuid;

use freezing::Freezing;
pub(super) use freezing::NotMovable;
pub(super) use parcel::Parcel;
pub(super) use starting::{is_waiting, start_if_waiting};
use state::{Movable, Stage};

use super::{
    core::Core,
    other_nodes::{Expected, Parted},
    terms::Terms,
    timekeeper,
};
use crate::{
    hub::Member,
    pool::Held,
    session::rules::NATIVE,
    shared::{CannotMove, ChannelSet, MovedSession, ServerParams, SharedSession},
};

/// A handler has so long to return, once its session is to move.
const FREEZE: Duration = Duration::from_secs(5);

/// The part of a session's memory that its parcel has besides.
const MARGIN: usize = 1 << 20;

/// Why a session was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MoveError {
    /// No session of a node is such.
    Malformed,
    /// There is a session with its id.
    Held,
}

/// Whether a session could move, as far as is known without asking its handler to return. Its caller asks that soon.
pub(super) fn can_move(member: &Member) -> Result<(), NotMovable> {
    let movable = Movable::of(member).ok_or(NotMovable::No)?;
    member.shared.can_move().map_err(NotMovable::from)?;
    let stage = movable.state().stage;
    let ends = member.shared.moves() || member.shared.close_reason().is_some();
    let opens = stage == Stage::Runs && member.shared.has_no_handler() && !ends;
    if opens || matches!(stage, Stage::Starts | Stage::Freezes) { Err(NotMovable::Busy) } else { Ok(()) }
}

/// Asks the handler of a session to return, and then takes the session out of this node.
///
/// Waits for the handler, for five seconds at most, and for the rooms. Cancel-safe: if the handler has learned of it and returned, it starts
/// anew with the client's next request.
///
/// # Errors
/// Fails if the session cannot move. It stays here then. If its handler has learned of it and does not return, nothing
/// receives for the session until it does.
#[expect(clippy::disallowed_methods, reason = "a session that is out of its rooms must come back to them")]
pub(super) async fn freeze(core: &Arc<Core>, id: Uuid) -> Result<Frozen, NotMovable> {
    let member = core.hub.get(id).ok_or(NotMovable::Unknown)?;
    can_move(&member)?;
    let user = member.user().map_or(0, |user| user.len());
    if member.shared.moves_bytes() > parcel::MOST - MARGIN || user > parcel::MOST_TEXT {
        return Err(NotMovable::TooLarge);
    }
    // The node to which it goes has begun to collect for it, and may be ahead of this one.
    if let Some(nodes) = core.nodes()
        && !nodes.catch_up().await
    {
        return Err(NotMovable::Busy);
    }
    let freezing = Freezing::begin(&member)?;
    let returned = tokio::time::timeout(FREEZE, poll_fn(|cx| member.shared.poll_returned(cx))).await;
    if returned.is_err() && !member.shared.has_no_handler() {
        return Err(freezing.fail(core));
    }
    // It may have grown since it was measured, so that its caller looks whether it can be sent.
    tokio::spawn(leave(core.clone(), freezing)).await.map_err(|_| NotMovable::Busy)?
}

/// The session, whose handler has returned, leaves its rooms and this node.
async fn leave(core: Arc<Core>, freezing: Freezing) -> Result<Frozen, NotMovable> {
    let member = freezing.member.clone();
    // The client may have ended it meanwhile.
    if member.shared.can_move() == Err(CannotMove::Never) {
        core.hub.retire(&member);
        return Err(NotMovable::Unknown);
    }
    member.shared.can_move()?;
    let parted = part(&core, &member).await?;
    depart(&core, freezing, parted).await
}

/// The session, which has left its rooms, leaves this node.
async fn depart(core: &Arc<Core>, freezing: Freezing, parted: Option<Parted>) -> Result<Frozen, NotMovable> {
    let member = &freezing.member;
    match (member.shared.give(), parted) {
        (Ok(session), parted) => {
            let frozen = Frozen::of(core, member, &freezing.movable, session, parted);
            freezing.settle();
            Ok(frozen)
        }
        // It has begun something while it left its rooms: it comes back to them, and stays.
        (Err(CannotMove::Now), parted) => {
            if let Some(Parted { positions, back }) = parted {
                back.admit(member, &positions).await;
            }
            Err(NotMovable::Busy)
        }
        // It has ended meanwhile.
        (Err(CannotMove::Never), _) => {
            core.hub.retire(member);
            Err(NotMovable::Unknown)
        }
    }
}

/// The session leaves its rooms. One that was closed is in none.
async fn part(core: &Core, member: &Arc<Member>) -> Result<Option<Parted>, NotMovable> {
    let Some(nodes) = core.nodes().filter(|_| member.shared.close_reason().is_none()) else { return Ok(None) };
    nodes.part(member).await.map(Some).ok_or(NotMovable::Busy)
}

/// A session that has left its node, and is at none. Dropped, it is [revived](Self::revive).
pub(super) struct Frozen {
    core: Arc<Core>,
    member: Arc<Member>,
    parcel: Bytes,
    /// By this it comes back to its rooms.
    back: Option<Box<dyn Expected>>,
    settled: bool,
    _held: Held,
}

impl Frozen {
    fn of(
        core: &Arc<Core>,
        member: &Arc<Member>,
        movable: &Movable,
        session: MovedSession,
        parted: Option<Parted>,
    ) -> Self {
        let (rooms, back) = parted.map_or_else(Default::default, |parted| (parted.positions, Some(parted.back)));
        let (auth, saved) = {
            let state = movable.state();
            (state.auth.clone(), state.latest())
        };
        let pool = core.runtime.pool();
        let parcel = Parcel {
            session,
            remote: member.remote.again(pool),
            user: member.user().map(|user| (*user).to_owned().into()),
            auth,
            saved,
            rooms,
            questions: core.questions.load(Ordering::Relaxed),
        };
        let parcel = parcel.encode();
        let held = pool.hold(parcel.len());
        Frozen { core: core.clone(), member: member.clone(), parcel, back, settled: false, _held: held }
    }

    /// The session in bytes.
    pub(super) fn bytes(&self) -> Bytes {
        self.parcel.clone()
    }

    /// Another node has it now: it is forgotten here.
    pub(super) fn given(mut self) {
        self.settled = true;
        tracing::debug!(session = %self.member.id(), "moved away");
        self.core.hub.remove(self.member.id());
        self.member.shared.forget();
        self.core.hub.retire(&self.member);
    }

    /// Nobody has taken it: it goes on here, with links that are to come and a handler that starts with the client's next
    /// request.
    pub(super) fn revive(self) {}
}

impl Drop for Frozen {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        let pool = self.core.runtime.pool();
        let parcel = Parcel::read_back(&self.parcel, pool).map_err(|_| MoveError::Malformed);
        let place = (self.member.shared.node(), self.member.id());
        let rooms = parcel.as_ref().map(|parcel| parcel.rooms().clone()).unwrap_or_default();
        match (parcel.and_then(|parcel| put(&self.core, place, parcel, true)), self.back.take()) {
            (Err(error), _) => {
                tracing::error!(session = %self.member.id(), ?error, "a session was lost as it came back")
            }
            // It is done although nobody waits for it.
            (Ok(member), Some(back)) => drop(back.admit(&member, &rooms)),
            (Ok(_), None) => {}
        }
    }
}

/// Takes a session that another node has given, under the id that it has had there: the name of a node, and a number. It
/// has no link, and its handler does not run yet. Unless its [rooms](Parcel::rooms) are empty, it is apart from the others
/// until the caller has it [admitted](Expected::admit).
///
/// # Errors
/// Fails if there is such a session.
pub(super) fn take(core: &Arc<Core>, id: (&str, Uuid), parcel: Parcel) -> Result<Arc<Member>, MoveError> {
    timekeeper::ensure(core);
    let member = put(core, id, parcel, false)?;
    tracing::debug!(session = %member.id(), "moved here");
    Ok(member)
}

/// Puts a session into the hub; with `again`, in the place of the one that did not leave after all.
fn put(core: &Arc<Core>, (node, id): (&str, Uuid), parcel: Parcel, again: bool) -> Result<Arc<Member>, MoveError> {
    let Parcel { session, remote, user, auth, saved, rooms, questions } = parcel;
    let session_params = session.params();
    let times = (session_params.interval, session_params.timeout, session_params.grace);
    let terms = Terms { interval: times.0, timeout: times.1, grace: times.2, ..core.terms(&NATIVE) };
    let spread = core.params.spread.load(Ordering::Relaxed);
    let params = ServerParams { node: node.to_owned(), session: session_params, spread: spread.into() };
    let (config, rate) = (core.machine_config(terms), core.config.rate_limit.clone());
    let shared = SharedSession::taken(id, session, config, rate, Arc::new(params), core.runtime.clone());
    let shared = Arc::new(shared.map_err(|_| MoveError::Malformed)?);
    shared.hold(core.admission.add(core.runtime.clock().now(), remote.address));
    let apart = !rooms.is_empty();
    let member = match again {
        true => core.hub.replace(shared, remote, apart),
        false if apart => core.hub.insert_apart(shared, remote, ChannelSet::None).map_err(|_| MoveError::Held)?,
        false => core.hub.insert(shared, remote, ChannelSet::None).map_err(|_| MoveError::Held)?,
    };
    Movable::new(auth, saved, true, core.runtime.pool()).keep(&member);
    core.questions.fetch_max(questions, Ordering::Relaxed);
    if let Some(user) = user {
        core.hub.set_user(&member, &user);
    }
    Ok(member)
}
