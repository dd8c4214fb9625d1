//! Attaches that are slow at the server.

use super::{
    coverage::{Fault, What},
    state::{Waiting, World},
};
use crate::{
    codec::native::Head,
    session::{CloseReason, reason},
};

impl World<'_> {
    /// A slow attach is complete.
    pub(crate) fn slow_attach(&mut self, conn: usize) {
        let Some(Waiting { session, counts, head, frames }) = self.conns[conn].waiting.take() else { return };
        let gone = self.server.sessions[session].gone;
        match self.admit_slow(conn, session, &head) {
            _ if gone => self.cancel_attach(session, counts),
            Ok(()) => {
                self.attach_server(conn, session, &head, frames);
                self.server.sessions[session].last_received = self.now;
                self.cancel_attach(session, counts);
            }
            Err(reason) => {
                self.refuse(conn, reason);
                self.cancel_unidentified(session, counts);
            }
        }
        for packet in std::mem::take(&mut self.conns[conn].backlog) {
            self.up_arrives(conn, self.conns[conn].way.len() - 1, packet);
        }
    }

    /// The credentials are checked when a link attaches: another page may have taken over meanwhile.
    fn admit_slow(&mut self, conn: usize, session: usize, head: &Head) -> Result<(), CloseReason> {
        let in_url = self.conns[conn].in_url;
        let one = &mut self.server.sessions[session];
        match head {
            Head::Open { .. } if one.spent => Err(reason::ATTEMPT_USED),
            Head::TakeOver { instance, token, .. } if !one.credentials.is_repeat(&token.secret, instance) => {
                one.credentials.verify(&token.secret, in_url).map_err(|_| reason::WRONG_SECRET)
            }
            Head::Resume { token, .. } | Head::Upload { token, .. } => self.verify(conn, session, &token.secret),
            _ => Ok(()),
        }
    }

    fn cancel_attach(&mut self, session: usize, counts: bool) {
        if !counts {
            return;
        }
        self.note_pair(session, What::CancelAttach);
        let now = self.now;
        let one = &mut self.server.sessions[session];
        one.machine.cancel_attach(self.now);
        one.begun -= 1;
        if now >= one.quiet_from + self.scenario.grace && one.machine.closed().is_none() {
            self.cover.fault(Fault::PendingAttachHoldsGrace);
        }
        self.server.sessions[session].note_quiet(now);
        self.pump_server(session);
    }

    /// The client that has begun to attach was not identified, so this was no sign of life.
    pub(super) fn cancel_unidentified(&mut self, session: usize, counts: bool) {
        let before = self.server.sessions[session].quiet_from;
        self.cancel_attach(session, counts);
        let since = &mut self.server.sessions[session].quiet_since;
        *since = since.map(|since| since.min(before));
    }
}
