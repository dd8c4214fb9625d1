//! The requests that the applications make of each other, and their answers. Each is answered once, or its asker
//! learns that nobody knows.
//!
//! The machine and the [`Questions`] that take an answer off are the server's own. The applications here decide which
//! page an arrival is of, and which page an answer is for, by the rules of `src/shared` and of the server's events.

use tokio::sync::oneshot::{self, error::TryRecvError};

use super::{
    coverage::{Fault, What},
    events::{Fate, Sort, Way},
    log::Sent,
    pending::{Asked, Key, Question, answer, known, request},
    state::{World, WorldEvent},
};
use crate::{
    packet::Packet,
    payload::Payload,
    session::{Arrival, SendError, tests::saboteur::Sabotage},
    shared::questions::{Asker, Outcome, Questions},
};

// The client's application.
impl World<'_> {
    /// Something has arrived at the client.
    pub(crate) fn client_received(&mut self, arrival: &Arrival) {
        let Arrival::Message(payload) = arrival else { return };
        let Some((kind, id, key)) = known(payload) else { return };
        if !kind.is_event() {
            // The server empties an answer to a page that is gone.
            if id > 0 && self.client.requests.waiting.remove(&id).as_ref() != Some(&key) {
                self.fail(format!("the answer to {key} has come as the one to request {id}, which is another"));
            }
            return;
        }
        let requests = &mut self.client.requests;
        requests.owed.push_back(Asked { id, key, page: 0 });
        if !std::mem::replace(&mut requests.answering, true) {
            let pause = self.random.below(150);
            self.after(pause, WorldEvent::ClientAnswers);
        }
    }

    pub(crate) fn client_answers(&mut self) {
        self.client.requests.answering = false;
        while let Some(asked) = self.client.requests.owed.front() {
            let payload = answer(&mut self.random, asked);
            let (id, out) = (asked.id, payload.clone().into());
            match self.client.half.send(out, &mut self.cover) {
                Ok(()) => {
                    self.cover.fates.count(Way::Up, &payload, Fate::Sent);
                    self.client.log.push(Sent::Answer(payload));
                    self.answers.insert(id, self.client.log.last());
                    self.client.requests.owed.pop_front();
                }
                Err(SendError::Full) => {
                    self.client.requests.answering = true;
                    let pause = self.random.range(20, 100);
                    self.after(pause, WorldEvent::ClientAnswers);
                    break;
                }
                Err(_) => self.client.requests.owed.clear(),
            }
        }
        self.pump_client();
    }
}

// The server's application.
impl World<'_> {
    /// The next arrival of a session, and the page that sent it.
    pub(crate) fn server_arrival(&mut self, session: usize) -> Option<(Arrival, u64)> {
        let one = &mut self.server.sessions[session];
        if one.requests.handler.is_some() {
            return None;
        }
        let arrival = one.machine.poll_arrival()?;
        let requests = &mut one.requests;
        let page = requests.page - u64::from(requests.of_former_pages > 0);
        requests.of_former_pages = requests.of_former_pages.saturating_sub(1);
        Some((arrival, page))
    }

    /// Something has arrived at the server's application.
    pub(crate) fn server_received(&mut self, session: usize, arrival: &Arrival, page: u64) {
        let Arrival::Message(payload) = arrival else { return };
        if let Payload::Event(packet) = payload
            && packet.is_answer()
        {
            self.server.sessions[session].requests.questions.answer(packet.clone());
            return self.settle(session);
        }
        if let Some((id, key)) = request(payload) {
            let requests = &mut self.server.sessions[session].requests;
            requests.owed.push_back(Asked { id, key, page });
            if !std::mem::replace(&mut requests.answering, true) {
                let most = self.random.pick(&[20, 200, 3_000]);
                let pause = self.random.below(most);
                self.after(pause, WorldEvent::ServerAnswers(session));
            }
        }
        let asks_back = self.faults_go_on()
            && self.scenario.requests > 0
            && self.scenario.asks_back > 0
            && Sort::of(payload).is_some()
            && self.random.one_in(self.scenario.asks_back);
        if asks_back && let Some(id) = self.server_asks(session) {
            self.note(Fault::HandlerAsks);
            self.server.sessions[session].requests.handler = Some(id);
            let limit = self.random.range(1_500, 5_000);
            self.after(limit, WorldEvent::AskTimeout(session, id));
        }
    }

    /// Makes a request of the client. Returns its id if there was room.
    pub(crate) fn server_asks(&mut self, session: usize) -> Option<u64> {
        let one = &mut self.server.sessions[session];
        let anew = self.sabotage == Some(Sabotage::CountsRequestsAnew);
        let ids = if anew { &mut one.requests.asked } else { &mut self.server.asked };
        *ids += 1;
        let id = *ids;
        let payload = self.scenario.request(&mut self.random, 's', self.server.count + 1, id);
        let (_, key) = request(&payload).expect("it is a request");
        let (sender, answer) = oneshot::channel();
        one.requests.questions.open.insert(id, Asker::One { sender, is_handler: false });
        let result = one.machine.send(payload.clone().into());
        self.note_pair(session, if result == Err(SendError::Full) { What::SendFull } else { What::Send });
        let one = &mut self.server.sessions[session];
        if result.is_err() {
            one.requests.questions.open.remove(&id);
            return None;
        }
        one.requests.waiting.insert(id, Question { key, answer, page: one.requests.page });
        self.server_sent(session, Sent::Message(payload));
        Some(id)
    }

    /// Takes off what has just come, if it is an answer.
    pub(crate) fn take_answer(&mut self, session: usize) {
        let one = &mut self.server.sessions[session];
        let Some(packet) = one.machine.take_control() else { return };
        let mut taken = one.requests.taken;
        let log = self.client_log(session);
        let checked = log.check_answer(&mut taken, &Payload::Event(packet.clone()));
        let one = &mut self.server.sessions[session];
        one.requests.taken = taken;
        one.requests.questions.answer(packet);
        if let Err(wrong) = checked {
            return self.fail(format!("at the server: {wrong}"));
        }
        self.settle(session);
    }

    /// Ends the requests whose outcome is known.
    pub(crate) fn settle(&mut self, session: usize) {
        let requests = &mut self.server.sessions[session].requests;
        let (page, mut outcomes) = (requests.page, Vec::new());
        requests.waiting.retain(|&id, question| {
            let outcome = question.answer.try_recv();
            let waits = matches!(outcome, Err(TryRecvError::Empty));
            if !waits {
                outcomes.push((id, question.page, question.key.clone(), outcome));
            }
            waits
        });
        for (id, asked_by, key, outcome) in outcomes {
            let requests = &mut self.server.sessions[session].requests;
            requests.handler = requests.handler.filter(|&waits| waits != id);
            match outcome {
                Ok(Outcome::Answered(packet)) => self.check_outcome(id, &key, &packet),
                Ok(Outcome::Unknown) if asked_by < page => self.note(Fault::AskedFormerPage),
                _ => self.fail(format!("the server's request {id} was given up by page {page} without need")),
            }
        }
    }

    fn check_outcome(&mut self, id: u64, key: &Key, packet: &Packet) {
        let answered = known(&Payload::from(packet.clone()));
        if answered.is_none_or(|(_, answered, echo)| (answered, &echo) != (id, key)) {
            self.fail(format!("request {id} is {key}, and {:.40} was taken for its answer", packet.text()));
        }
    }

    /// The handler has waited long enough for an answer.
    pub(crate) fn ask_timeout(&mut self, session: usize, id: u64) {
        let one = &mut self.server.sessions[session];
        if one.gone || one.requests.handler != Some(id) {
            return;
        }
        let came = self.answers.get(&id).is_some_and(|&number| number <= one.machine.received());
        if came {
            return self.fail(format!("the answer to {id} has come, and waits behind events that wait for it"));
        }
        one.requests.questions.open.remove(&id);
        one.requests.waiting.remove(&id);
        one.requests.handler = None;
        self.note(Fault::AskTimedOut);
        self.pump_server(session);
    }

    /// Answers some of the requests that were received, in any order.
    pub(crate) fn server_answers(&mut self, session: usize) {
        if self.server.sessions[session].given && !self.server.sessions[session].gone {
            // The handler goes on at the next node.
            return self.after(100, WorldEvent::ServerAnswers(session));
        }
        self.server.sessions[session].requests.answering = false;
        if self.server.sessions[session].gone {
            return;
        }
        let count = self.server.sessions[session].requests.owed.len();
        for _ in 0..self.random.range(1, count.max(1) as u64) {
            let requests = &mut self.server.sessions[session].requests;
            let at = self.random.below(requests.owed.len().max(1) as u64) as usize;
            let Some(asked) = requests.owed.remove(at) else { break };
            if asked.page != requests.page && self.sabotage != Some(Sabotage::AnswersAnotherPage) {
                self.note(Fault::AnswerToFormerPage);
                continue;
            }
            let payload = answer(&mut self.random, &asked);
            match self.server.sessions[session].machine.send(payload.clone().into()) {
                Ok(()) => {
                    self.cover.fates.count(Way::Down, &payload, Fate::Sent);
                    self.server.sessions[session].log.push(Sent::Message(payload));
                }
                Err(SendError::Full) => self.server.sessions[session].requests.owed.push_front(asked),
                Err(_) => {}
            }
        }
        let requests = &mut self.server.sessions[session].requests;
        requests.answering = !requests.owed.is_empty();
        if requests.answering {
            let pause = self.random.range(1, 200);
            self.after(pause, WorldEvent::ServerAnswers(session));
        }
        self.pump_server(session);
    }

    /// The session is over: its requests end without an answer.
    pub(crate) fn end_requests(&mut self, session: usize) {
        let requests = &mut self.server.sessions[session].requests;
        requests.questions = Questions::default();
        requests.waiting.clear();
        requests.owed.clear();
        requests.handler = None;
    }
}
