//! A session leaves for another node, or comes from one.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use uuid::Uuid;

use super::{Closing, Credentials, Guard, Inner, Runtime, ServerParams, SharedSession};
use crate::{
    config::RateLimit,
    packed::{Malformed, Reader, put, put_bytes},
    session::{
        Config, Machine, SessionParams,
        moving::{MovedMachine, TakeError},
    },
};

/// The most pages that may have taken a session over: each is one more.
const MOST_PAGES: u64 = 1 << 53;

/// Why a session cannot leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CannotMove {
    /// It never can, or it has ended.
    Never,
    /// It has begun something that does not move, or another task is about to move it.
    Now,
}

/// The state of a session that is on its way. Times are milliseconds from now on.
#[derive(Debug)]
pub(crate) struct MovedSession {
    /// The parameters that the client was granted.
    params: SessionParams,
    credentials: Credentials,
    page: u64,
    of_former_pages: usize,
    expires_in: Option<u64>,
    /// After a close: the time in which more than this number must be acknowledged.
    closing: Option<(u64, u64)>,
    machine: MovedMachine,
}

// At the node that it leaves.
impl SharedSession {
    /// Whether the session could leave now.
    pub(crate) fn can_move(&self) -> Result<(), CannotMove> {
        self.lock().can_move(self)
    }

    /// Whether the client has shown that it has the answer to its opening.
    pub(crate) fn is_proven(&self) -> bool {
        self.look(Machine::is_proven)
    }

    /// The bytes that would leave with the session, about.
    pub(crate) fn moves_bytes(&self) -> usize {
        self.look(|machine| machine.share() + machine.outbox_bytes())
    }

    /// From now on nothing is received: the handler is to return. What it sends still counts.
    pub(crate) fn freeze(&self) -> Result<(), CannotMove> {
        let mut inner = self.lock();
        inner.can_move(self)?;
        inner.moving = true;
        if inner.receivers.wake_all() {
            inner.turn.woken();
        }
        inner.wake_idle();
        inner.wake_senders(); // One of them may wait for this.
        Ok(())
    }

    /// Ends a [`freeze`](Self::freeze), unless somebody has learned of it. Returns whether the session goes on as if nothing
    /// had been.
    pub(crate) fn thaw(&self) -> bool {
        let mut inner = self.lock();
        inner.moving &= inner.told;
        let thawed = !inner.moving;
        if thawed {
            inner.wake_receivers();
        }
        thawed
    }

    /// Whether the session is to leave, which nobody learns by this.
    pub(crate) fn moves(&self) -> bool {
        self.lock().moving
    }

    /// Whether the session is to leave. The handler learns of it by this.
    pub(crate) fn is_moving(&self) -> bool {
        let mut inner = self.lock();
        inner.told |= inner.moving;
        inner.moving
    }

    /// Whether the session is to leave, and is neither closed nor over: it does not end with its handler.
    pub(crate) fn goes_on(&self) -> bool {
        let mut inner = self.lock();
        inner.told |= inner.moving;
        inner.moving && inner.machine.close_reason().is_none()
    }

    /// Waits until the session is to leave, or is over: then it never will.
    pub(crate) fn poll_moving(&self, cx: &Context<'_>) -> Poll<bool> {
        let mut inner = self.lock();
        inner.told |= inner.moving;
        if inner.moving || inner.machine.close_reason().is_some() {
            return Poll::Ready(inner.moving);
        }
        inner.wait(cx.waker());
        Poll::Pending
    }

    /// Waits until the handler has returned.
    pub(crate) fn poll_returned(&self, cx: &Context<'_>) -> Poll<()> {
        let mut inner = self.lock();
        if inner.turn.has_no_task() {
            return Poll::Ready(());
        }
        inner.wait(cx.waker());
        Poll::Pending
    }

    /// Whether the handler has returned, or was never started.
    pub(crate) fn has_no_handler(&self) -> bool {
        self.lock().turn.has_no_task()
    }

    /// The handler starts again here: the session did not leave.
    pub(crate) fn stays(&self) {
        let mut inner = self.lock();
        (inner.moving, inner.told) = (false, false);
    }

    /// Gives the state away. The session is over here, and its links end.
    ///
    /// # Errors
    /// Fails if the session cannot leave now. Then nothing changes.
    pub(crate) fn give(&self) -> Result<MovedSession, CannotMove> {
        let mut inner = self.lock();
        let now = self.runtime.clock.now();
        inner.can_move(self)?;
        let machine = inner.machine.give(now).ok_or(CannotMove::Now)?;
        if std::mem::take(&mut inner.counted) {
            inner.held = None;
            self.runtime.session_leaves();
        }
        let moved = MovedSession {
            params: self.params.session,
            // A client that comes here meanwhile shows that it is the session's, and learns that this moves.
            credentials: inner.credentials.clone(),
            page: inner.page,
            of_former_pages: inner.of_former_pages as usize,
            expires_in: Some(inner.expires).filter(|at| *at < u64::MAX).map(|at| at.saturating_sub(now)),
            closing: inner.closing.take().map(|closing| (closing.deadline.saturating_sub(now), closing.acknowledged)),
            machine,
        };
        // Their answers go where the session goes, and nobody knows them there.
        (inner.expires, inner.chunked, inner.questions) = (u64::MAX, None, None);
        inner.wake_receivers();
        inner.wake_senders();
        inner.wake_links();
        self.settle(&mut inner);
        Ok(moved)
    }
}

impl Inner {
    fn can_move(&self, session: &SharedSession) -> Result<(), CannotMove> {
        let plain = session.dialect.get().is_none() && self.channels.is_none();
        if !plain || self.machine.closed().is_some() || self.forgotten {
            return Err(CannotMove::Never);
        }
        let pieces = self.chunked.as_ref().is_some_and(|chunked| chunked.deadline().is_some());
        if pieces || !self.machine.can_move() { Err(CannotMove::Now) } else { Ok(()) }
    }
}

// At the node that it comes to.
impl SharedSession {
    /// A session that goes on with the state of another node's, under the id that this had. It has no link, and its handler
    /// has not started. If it was closed, it has none any more.
    ///
    /// # Errors
    /// Fails if sessions with this `config` do not move.
    pub(crate) fn taken(
        id: Uuid,
        moved: MovedSession,
        config: Arc<Config>,
        rate: Option<RateLimit>,
        params: Arc<ServerParams>,
        runtime: Arc<Runtime>,
    ) -> Result<Self, TakeError> {
        let now = runtime.clock().now();
        let machine = Machine::taken(config, rate, moved.machine, now)?;
        let shared = SharedSession::new(id, Uuid::nil(), machine, params, runtime);
        let mut inner = shared.lock();
        inner.credentials = moved.credentials;
        inner.page = moved.page;
        let former = moved.of_former_pages.min(inner.machine.arrivals());
        inner.of_former_pages = u32::try_from(former).unwrap_or(u32::MAX);
        inner.expires = moved.expires_in.map_or(u64::MAX, |time| now.saturating_add(time));
        inner.closing = moved
            .closing
            .map(|(time, acknowledged)| Box::new(Closing { deadline: now.saturating_add(time), acknowledged }));
        if inner.machine.close_reason().is_some() {
            inner.turn.finish();
        } else {
            inner.counted = true;
            shared.runtime.session_begins();
            if !inner.machine.is_proven() {
                inner.unproven = shared.runtime.unproven.add(id);
            }
        }
        shared.settle(&mut inner);
        drop(inner);
        Ok(shared)
    }

    /// A session that was taken drops `held` when it ends.
    pub(crate) fn hold(&self, held: Option<Guard>) {
        let mut inner = self.lock();
        if inner.counted {
            inner.held = held;
        }
    }
}

impl MovedSession {
    pub(crate) fn params(&self) -> SessionParams {
        self.params
    }

    /// Writes it.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let SessionParams { interval, timeout, grace, limit, batch, hold, spread } = self.params;
        [interval, timeout, grace, limit, batch, hold, spread].into_iter().for_each(|value| put(out, value));
        self.credentials.put(out);
        put(out, self.page);
        put(out, self.of_former_pages as u64);
        put(out, self.expires_in.map_or(0, |time| time.saturating_add(1)));
        let (time, number) = self.closing.unwrap_or_default();
        put(out, self.closing.map_or(0, |_| time.saturating_add(1)));
        put(out, number);
        put_bytes(out, &self.machine.encode());
    }

    /// Reads what [`put`](Self::put) has written.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut values = [0; 7];
        for value in &mut values {
            // Times are added to others. This is 34 years, which is longer than any of them.
            *value = reader.number().and_then(|value| if value <= 1 << 40 { Ok(value) } else { Err(Malformed) })?;
        }
        let [interval, timeout, grace, limit, batch, hold, spread] = values;
        if interval == 0 || timeout == 0 {
            return Err(Malformed);
        }
        let params = SessionParams { interval, timeout, grace, limit, batch, hold, spread };
        let credentials = Credentials::read(reader)?;
        let page = reader.number().and_then(|page| if page <= MOST_PAGES { Ok(page) } else { Err(Malformed) })?;
        let of_former_pages = usize::try_from(reader.number()?).map_err(|_| Malformed)?;
        if of_former_pages > 0 && page == 0 {
            return Err(Malformed);
        }
        let expires_in = reader.number()?.checked_sub(1);
        let (closing, number) = (reader.number()?.checked_sub(1), reader.number()?);
        let closing = closing.map(|time| (time, number));
        let machine: Bytes = reader.slice()?;
        let machine = MovedMachine::decode(&machine)?;
        Ok(MovedSession { params, credentials, page, of_former_pages, expires_in, closing, machine })
    }
}
