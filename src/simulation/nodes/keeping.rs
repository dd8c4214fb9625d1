//! A node that was not heard for long takes the claims of its sessions back.

use super::state::{Asker, Found, Wish, deed_key};
use crate::{
    owners::{Keep, Keeper},
    simulation::{coverage::Fault, state::World},
};

impl World<'_> {
    /// The engine has answered: claims that are to be taken back are.
    pub(super) fn keep_claims(&mut self, node: usize) {
        for session in 0..self.server.sessions.len() {
            if !self.has_quietly(node, session) {
                continue;
            }
            let one = &mut self.server.sessions[session];
            if one.claim_kept.due.is_none() || one.claim_kept.keeper.is_some() {
                continue;
            }
            let Some(deed) = one.deed.clone() else { continue };
            let (keeper, keep) = Keeper::new(deed);
            one.claim_kept.keeper = Some(keeper);
            self.keep_step(node, session, keep);
        }
    }

    /// Whether a session is on this node, and is not about to leave it.
    fn has_quietly(&self, node: usize, session: usize) -> bool {
        let one = &self.server.sessions[session];
        one.node == node && !one.gone && !one.given && !self.nodes.gives.contains_key(&session)
    }

    fn keep_step(&mut self, node: usize, session: usize, keep: Keep) {
        let now = self.now;
        match keep {
            Keep::Swap { from, to } => {
                let wish = Wish::Claim { key: deed_key(session), from: Some(from.write()), to: to.write() };
                self.ask(node, wish, Asker::Keeping(session));
            }
            Keep::Done(deed) => {
                self.note(Fault::TookClaimBack);
                let one = &mut self.server.sessions[session];
                one.deed = Some(deed);
                (one.claim_kept.due, one.claim_kept.keeper, one.claim_kept.done) = (None, None, Some(now));
            }
            Keep::Later => self.server.sessions[session].claim_kept.keeper = None,
        }
    }

    pub(super) fn keep_answered(&mut self, node: usize, session: usize, answer: &Result<Found, ()>) {
        let here = self.has_quietly(node, session);
        let Some(mut keeper) = self.server.sessions[session].claim_kept.keeper.take().filter(|_| here) else { return };
        let keep = match answer {
            Ok(Found::Held(held)) => keeper.swapped(Ok(held.as_deref())),
            _ => keeper.swapped(Err(())),
        };
        self.server.sessions[session].claim_kept.keeper = Some(keeper);
        self.keep_step(node, session, keep);
    }
}
