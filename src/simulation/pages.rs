//! Pages: one leaves, and the next one takes its session over.

use super::{
    coverage::Fault,
    events::{Fate, Way},
    log::{Log, Sent},
    pending::is_answer,
    state::{Client, Cut, World},
};
use crate::{
    codec::native::ResumeToken,
    packet::Packet,
    session::{Attach, CloseReason, LinkId, State, reason, tests::saboteur::Sabotage},
};

impl World<'_> {
    /// The client's page is left, and another one goes on with its session.
    pub(crate) fn page_leaves(&mut self) {
        let lives = matches!(self.client.half.state(), State::Open | State::Interrupted);
        if self.script || !lives || self.client.lost || self.client.log.close().is_some() {
            return;
        }
        self.client_takes(u64::MAX);
        let Some(heritage) = self.client.token() else { return };
        self.note(Fault::PageLeft);
        self.trace(|| "client   leaves the page".into());
        for chan in std::mem::take(&mut self.client.chans) {
            self.conns[chan.conn].link = None;
            if self.random.one_in(2) {
                self.hang_up(chan.conn);
            } else {
                let (lost, silent) = (self.random.one_in(2), self.random.one_in(4));
                self.cut(chan.conn, Cut { up: true, down: true, lost, silent });
            }
        }
        let half = (self.make_half)(&self.scenario, self.now, Some(heritage.received));
        let next = Client::new(half, self.scenario.base, self.client.generation, self.now);
        let old = std::mem::replace(&mut self.client, next);
        let client = &mut self.client;
        (client.log, client.read) = (old.log, old.read);
        (client.sent, client.count, client.sending) = (old.sent, old.count, old.sending);
        (client.asleep_until, client.slow_until) = (old.asleep_until, old.slow_until);
        client.next_ordinal = old.next_ordinal + 1;
        client.page = old.page + 1;
        client.heritage = Some(heritage);
        self.pump_client();
    }

    /// The log of what the client has sent in a session. A page that takes a session over sends in that one alone. The other
    /// sessions of the attempt may still get what the page before has sent in its openings.
    pub(crate) fn client_log(&self, session: usize) -> &Log {
        let one = &self.server.sessions[session];
        match self.server.opening_logs.get(&one.generation) {
            Some(log) if one.requests.page == 0 => log,
            _ if one.generation == self.client.generation => &self.client.log,
            _ => &self.server.client_logs[one.generation as usize],
        }
    }

    /// The name by which the page repeats its request to take over.
    pub(crate) fn instance(&self) -> String {
        format!("page-{}", self.client.page)
    }

    /// A page asks to take a session over, as `attach_with` of the shared session does it.
    pub(crate) fn take_over(
        &mut self,
        conn: usize,
        session: usize,
        attach: Attach,
        instance: &str,
        token: &ResumeToken,
    ) -> Result<LinkId, CloseReason> {
        let in_url = self.conns[conn].in_url;
        let one = &mut self.server.sessions[session];
        if one.credentials.is_repeat(&token.secret, instance) {
            let link = one.machine.take_over(self.now, attach, true)?;
            self.note(Fault::TakeOverRepeated);
            return Ok(link);
        }
        one.credentials.verify(&token.secret, in_url).map_err(|_| reason::WRONG_SECRET)?;
        let link = one.machine.take_over(self.now, attach, false)?;
        one.spent = true;
        let next = super::server::secret_after(session, one.credentials.secret);
        one.credentials.take_over(&token.secret, instance, next);
        one.requests.taken_over(one.machine.arrivals());
        self.trace(|| format!("server   session {session} is taken over by {instance}"));
        self.note(Fault::TakenOver);
        self.settle(session);
        self.forget_former_page(session);
        Ok(link)
    }

    /// Nothing more comes of the messages that the page before has sent and the server has not taken, and answers to
    /// that page are sent without their content.
    pub(super) fn forget_former_page(&mut self, session: usize) {
        let one = &mut self.server.sessions[session];
        let acknowledged = one.machine.acknowledged();
        for payload in one.log.messages(acknowledged, one.log.last()) {
            self.cover.fates.count(Way::Down, payload, Fate::TakenOver);
        }
        if self.sabotage != Some(Sabotage::KeepsAnswersForTheNextPage) {
            one.log.replace_above(acknowledged, &Packet::no_answer().into(), is_answer);
        }
        if one.generation == self.client.generation {
            self.server.opening_logs.entry(one.generation).or_insert_with(|| self.client.log.clone());
            for sent in self.client.log.truncate(one.machine.received()) {
                if let Sent::Message(payload) | Sent::Answer(payload) = sent {
                    self.cover.fates.count(Way::Up, &payload, Fate::TakenOver);
                }
            }
        }
    }
}
