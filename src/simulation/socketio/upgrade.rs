//! The client's move from its polls to a WebSocket.

use super::{
    coverage::Fact,
    engine::{Candidate, Life, Moving},
    events::{Request, Verb},
    state::World,
};
use crate::codec::engineio::tests::peer::Piece;

impl World {
    pub(super) fn begin_upgrade(&mut self, epoch: usize) {
        let polls = self.client.socket.is_none() && self.client.candidate.is_none();
        if self.client.epoch != epoch || self.client.life != Life::Open || !polls {
            return;
        }
        let request = Request { verb: Verb::Upgrade, sid: self.client.sid.clone(), body: Vec::new(), bytes: false };
        let conn = self.connect(request);
        self.client.candidate = Some(Candidate { conn, answered: false, since: self.now });
    }

    /// The server says something on the WebSocket that is tried.
    pub(super) fn candidate_said(&mut self, packet: &Piece) {
        let Some(candidate) = &mut self.client.candidate else { return };
        let probe = *packet == Piece::Text("3probe".into());
        if probe && candidate.answered && self.client.again {
            return;
        }
        if !probe || candidate.answered {
            return self.fail(format!("{packet:?} on a WebSocket that is not confirmed"));
        }
        candidate.answered = true;
        candidate.since = self.now;
        self.note(Fact::ProbeAnswered);
        if self.client.life != Life::Open && self.client.life != Life::Closing {
            return;
        }
        self.client.upgrading = true;
        self.client.moving = Moving::Pausing;
        if self.client.get.is_some() {
            self.note(Fact::PausedForPoll);
        }
        if self.client.post.is_some() {
            self.note(Fact::PausedForPost);
        }
        self.move_on();
    }

    /// Moves, if neither a poll nor a POST is under way.
    pub(super) fn move_on(&mut self) {
        if self.client.get.is_some() || self.client.post.is_some() {
            return;
        }
        let Some(candidate) = self.client.candidate.take() else {
            self.client.moving = Moving::Stuck;
            return;
        };
        self.check_move(candidate.since);
        self.note(Fact::Upgraded);
        self.trace(|| "client   moves".into());
        self.client.moving = Moving::No;
        self.client.upgrading = false;
        self.client.socket = Some(candidate.conn);
        self.write_up(candidate.conn, &Piece::Text("5".into()));
        self.confirm_again(candidate.conn);
        self.flush();
        self.finish_closing();
    }

    /// The WebSocket that was tried is of no use. The polls go on, unless they have paused.
    pub(super) fn candidate_failed(&mut self, conn: usize) {
        let Some(candidate) = self.client.candidate.take_if(|candidate| candidate.conn == conn) else { return };
        self.trace(|| format!("client   #{conn} is of no use"));
        self.note(Fact::UpgradeFailed);
        self.hang_up(conn);
        if self.now >= candidate.since + self.scenario.upgrade_timeout {
            self.note(Fact::CandidateTimedOut);
        }
        if self.scenario.faultless && !self.may_end() {
            self.fail("a WebSocket failed on a faultless wire");
        }
        if self.client.moving == Moving::Pausing {
            self.client.moving = Moving::Stuck;
        }
    }
}
