//! A session whose connection is its link is parked when that is cut, if its client can come back on a new connection:
//! the link of another session then.

use bytestring::ByteString;
use smallvec::SmallVec;

use super::{
    frame::CloseReason,
    links::{Link, LinkId, LinkKind, Links, NO_DEADLINE},
    machine::{Machine, NEVER, NO_PING},
    reason,
};
use crate::broadcast::OutMessage;

#[cfg(doc)]
use super::rules::Rules;

impl Machine {
    /// From now on a cut does not end the session: it is parked. This is for rules by which a
    /// [cut ends](Rules::cut_ends) it.
    pub(crate) fn park_when_cut(&mut self) {
        self.parks = true;
    }

    /// Whether the session has no connection, and waits for [another](Self::go_on_with). Nothing attaches, and
    /// what is sent has no way to the client. Somebody else decides how long that lasts.
    pub(crate) fn is_parked(&self) -> bool {
        self.parked.is_some()
    }

    /// Since when the session is parked.
    pub(crate) fn parked_since(&self) -> Option<u64> {
        self.is_parked().then_some(self.detached_since)
    }

    /// The connection is lost: the session is parked, or it ends.
    pub(crate) fn cut(&mut self, now: u64, reason: CloseReason) {
        let parks = self.parks && self.closed.is_none() && self.closing.is_none();
        match parks {
            true if self.is_parked() => {}
            true => self.park(now, reason),
            false => self.finish(now, reason),
        }
    }

    fn park(&mut self, now: u64, reason: CloseReason) {
        self.parked = Some(Box::new(reason));
        self.detached_since = now;
        self.links.renew();
        self.links_need_wake = true;
        self.heartbeat.restart(now);
        (self.pong_due, self.probe_due, self.go_away_due, self.uploading) = (NO_PING, false, None, false);
        (self.unanswered, self.stalled_since) = (0, NEVER);
        self.shrink();
    }

    /// Ends a parked session with the reason of its cut: its client will not come back.
    pub(crate) fn give_up(&mut self, now: u64) {
        if let Some(reason) = self.parked.take() {
            self.finish(now, *reason);
            self.over = !self.farewell_due;
        }
    }

    /// Takes all that was not written, in order, with the key of what is the newest value of one. Their numbers count as
    /// acknowledged.
    pub(crate) fn take_unwritten(&mut self) -> Vec<(Option<ByteString>, OutMessage)> {
        let mut unwritten: Vec<_> = self.outbox.take_messages().into_iter().map(|message| (None, message)).collect();
        if let Some(mut droppables) = self.droppables.take() {
            while let Some((key, message)) = droppables.values.pop_with_key() {
                unwritten.push((Some(key), message));
            }
        }
        unwritten
    }

    /// The client goes on with this session, which is parked, on the connection of `other`, which ends here. If that is
    /// a WebSocket, its link there and here is returned. A client that polls has no link until its next poll.
    pub(crate) fn go_on_with(&mut self, now: u64, other: &mut Machine) -> Option<(LinkId, LinkId)> {
        self.parked = None;
        self.config = other.config.clone();
        self.names = other.names;
        self.transport = other.transport;
        std::mem::swap(&mut self.heartbeat, &mut other.heartbeat);
        (self.farewell_due, self.detached_since) = (false, now);
        for (_, message) in other.take_unwritten() {
            self.push(message);
        }
        let next = self.outbox.acked() + 1;
        if let Some(polls) = other.links.take(|link| link.kind.has_turns()) {
            // A poll that waits there is answered there, and the next one comes here.
            self.links.put(Link {
                next_to_send: next,
                attached: false,
                finished: true,
                deadline: NO_DEADLINE,
                ..polls
            });
        }
        let moved = other.links.take(|link| link.kind == LinkKind::Duplex && link.is_open()).map(|link| {
            let before = link.id;
            (before, self.links.put(Link { next_to_send: next, ..link }))
        });
        self.links.proven = true;
        other.finish(now, reason::MOVED);
        other.over = true;
        other.links.renew();
        moved
    }
}

impl Links {
    /// Drops all links. No id is used twice all the same.
    fn renew(&mut self) {
        (self.all, self.highest_confirmed) = (SmallVec::new(), 0);
    }

    fn take(&mut self, is: impl Fn(&Link) -> bool) -> Option<Link> {
        let at = self.all.iter().position(is)?;
        Some(self.all.remove(at))
    }
}
