//! The sessions of a server as those that may move.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use futures::future::{BoxFuture, ready};
use uuid::Uuid;

use super::moves::{Ear, Frozen, Prepared, SessionId, Sessions, Stays};
use crate::server::{
    core::Core,
    moving::{self, MoveError, NotMovable, Parcel},
};

/// The sessions of a server.
pub(super) struct Movable(Weak<Core>);

impl Movable {
    pub(super) fn new(core: &Arc<Core>) -> Arc<Self> {
        Arc::new(Movable(Arc::downgrade(core)))
    }
}

impl From<NotMovable> for Stays {
    fn from(why: NotMovable) -> Self {
        match why {
            NotMovable::Unknown => Stays::Unknown,
            NotMovable::No => Stays::Never,
            NotMovable::Busy => Stays::Busy,
            NotMovable::HandlerStays => Stays::HandlerRuns,
            NotMovable::TooLarge => Stays::TooLarge,
        }
    }
}

impl Sessions for Movable {
    fn has(&self, session: Uuid) -> bool {
        self.0.upgrade().is_some_and(|core| core.hub.get(session).is_some())
    }

    fn id(&self, session: Uuid) -> Option<SessionId> {
        SessionId::read(&self.0.upgrade()?.hub.get(session)?.shared.public_id())
    }

    fn is_draining(&self) -> bool {
        self.0.upgrade().is_none_or(|core| core.is_draining())
    }

    fn prepare(&self, session: Uuid, secret: Option<&str>) -> Result<Prepared, Stays> {
        let core = self.0.upgrade().ok_or(Stays::Unknown)?;
        let member = core.hub.get(session).ok_or(Stays::Unknown)?;
        if secret.is_some_and(|secret| !member.shared.knows(secret)) {
            return Err(Stays::WrongSecret);
        }
        // A client without the answer to its opening may open once more, and this node alone knows that attempt.
        if secret.is_none() && !member.shared.is_proven() {
            return Err(Stays::Busy);
        }
        moving::can_move(&member)?;
        let nodes = core.nodes();
        let rooms = nodes.map(|nodes| nodes.rooms_of(&member)).unwrap_or_default();
        if nodes.is_some_and(|nodes| !nodes.hears(&rooms)) {
            return Err(Stays::Busy);
        }
        Ok(Prepared { rooms, waits: moving::is_waiting(&member) })
    }

    fn freeze(&self, session: Uuid) -> BoxFuture<'static, Result<Box<dyn Frozen>, Stays>> {
        let Some(core) = self.0.upgrade() else { return Box::pin(ready(Err(Stays::Unknown))) };
        Box::pin(async move {
            let frozen = moving::freeze(&core, session).await?;
            Ok(Box::new(Leaving(frozen)) as Box<dyn Frozen>)
        })
    }

    fn expect(&self, rooms: &Bytes) -> BoxFuture<'static, Option<Ear>> {
        let core = self.0.upgrade();
        match core.as_ref().and_then(|core| core.nodes()) {
            Some(nodes) => nodes.expect(rooms),
            None => Box::pin(ready(None)),
        }
    }

    fn take(&self, session: &SessionId, parcel: Bytes, ear: Option<Ear>) -> BoxFuture<'static, Result<(), String>> {
        let Some(core) = self.0.upgrade() else { return Box::pin(ready(Err("the server is gone".to_owned()))) };
        let session = session.clone();
        Box::pin(async move { take(&core, &session, &parcel, ear).await })
    }
}

/// Makes a session that another node has given, in all its rooms.
async fn take(core: &Arc<Core>, session: &SessionId, parcel: &Bytes, ear: Option<Ear>) -> Result<(), String> {
    let malformed = || "another version of this program has written it".to_owned();
    core.admit_new().and_then(|()| core.make_room()).map_err(|reason| reason.to_string())?;
    let parcel = Parcel::read(parcel, core.runtime.pool()).map_err(|_| malformed())?;
    let rooms = parcel.rooms().clone();
    let taken = moving::take(core, (&session.born, session.number), parcel);
    let member = taken.map_err(|error| match error {
        MoveError::Malformed => malformed(),
        MoveError::Held => "there is such a session here".to_owned(),
    })?;
    // One that is closed has left its rooms.
    let is_member = match (rooms.is_empty(), ear) {
        (true, _) => true,
        (false, Some(ear)) => ear.admit(&member, &rooms).await,
        (false, None) => false,
    };
    if !is_member {
        core.hub.remove(session.number);
        member.shared.forget();
        return Err("this node does not listen to its rooms".to_owned());
    }
    Ok(())
}

struct Leaving(moving::Frozen);

impl Frozen for Leaving {
    fn bytes(&self) -> Bytes {
        self.0.bytes()
    }

    fn given(self: Box<Self>) {
        self.0.given();
    }

    fn revive(self: Box<Self>) {
        self.0.revive();
    }
}
