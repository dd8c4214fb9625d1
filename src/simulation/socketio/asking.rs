//! The server's application sends: events, requests and answers.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    book::Place,
    coverage::Fact,
    events::WorldEvent,
    handlers::{Owed, Question, State},
    log::{ACK, EVENT, Event},
    state::World,
};
use crate::{
    broadcast::OutMessage,
    dialect::Head,
    message::Message,
    packet::Packet,
    payload::Payload,
    session::{SendError, reason},
    shared::{QuestionOutcome, SharedSession},
};

/// How long the application waits for an answer.
const PATIENCE: u64 = 1_500;

impl World {
    pub(super) fn owe(&mut self, session: usize, at: usize, id: u64, tag: &str) {
        self.note(Fact::RequestUp);
        let delay = if self.random.one_in(2) { 0 } else { self.random.below(120) };
        let owed = Owed { id, tag: tag.to_owned(), at: self.now + delay };
        self.server.sessions[session].handlers.channels[at].owed.push(owed);
        if delay > 0 {
            self.wake_handlers(session, delay);
        }
    }

    /// Sends the answers whose time has come.
    pub(super) fn answer_due(&mut self, session: usize, at: usize, shared: &Arc<SharedSession>) {
        let now = self.now;
        let channel = &mut self.server.sessions[session].handlers.channels[at];
        let namespace = channel.namespace.to_string();
        let first = channel.owed.first().map(|owed| owed.id);
        let due: Vec<Owed> = channel.owed.extract_if(.., |owed| owed.at <= now).collect();
        for owed in due {
            let attachments = self.random.pick(&[0, 0, 1, 2]);
            let event = Event::answer(&mut self.random, &owed.tag, attachments);
            let packet = Packet::new(event.packet(ACK, &namespace, Some(owed.id)), event.attachments);
            match shared.send(Payload::from(packet).into()) {
                Ok(()) => {
                    self.note(if attachments == 0 { Fact::AckDown } else { Fact::BinaryAckDown });
                    if first != Some(owed.id) {
                        self.note(Fact::AnswerOutOfOrder);
                    }
                }
                Err((SendError::Full, _)) => {
                    let owed = Owed { at: now + 20, ..owed };
                    self.server.sessions[session].handlers.channels[at].owed.push(owed);
                    self.wake_handlers(session, 20);
                }
                Err(_) => {}
            }
        }
    }

    /// Looks whether the client has answered.
    pub(super) fn look_for_answers(
        &mut self,
        session: usize,
        at: usize,
        shared: &Arc<SharedSession>,
        cx: &mut Context<'_>,
    ) {
        let mut questions = std::mem::take(&mut self.server.sessions[session].handlers.channels[at].questions);
        questions.retain_mut(|question| match shared.poll_answer(cx, question.id, &mut question.answer) {
            Poll::Pending if question.deadline <= self.now => {
                shared.cancel_question(question.id);
                self.note(Fact::AckTimedOut);
                false
            }
            Poll::Pending => true,
            Poll::Ready(Ok(QuestionOutcome::Answered(packet))) => {
                self.check_answer(question, &packet);
                false
            }
            Poll::Ready(Ok(QuestionOutcome::Unknown)) => {
                self.fail("a request is unknown, and no page has taken over");
                false
            }
            Poll::Ready(Err(_)) => false,
        });
        self.server.sessions[session].handlers.channels[at].questions = questions;
    }

    fn check_answer(&mut self, question: &Question, packet: &Packet) {
        let head = Head::parse(packet.text()).expect("an answer is a packet");
        let event = Event { data: head.data.to_owned(), attachments: packet.attachments().to_vec() };
        self.note(if event.attachments.is_empty() { Fact::AckUp } else { Fact::BinaryAckUp });
        if event.tag() != question.tag || head.id != Some(question.id) {
            self.fail(format!("the request {} was answered by {}", question.tag, packet.text()));
        }
    }
}

// Sending.
impl World {
    pub(super) fn server_sends(&mut self) {
        let pause = self.random.range(1, self.scenario.server_pause * 2);
        self.after(pause, WorldEvent::ServerSends);
        let Some(session) = self.books.last().and_then(|book| book.session) else { return };
        if self.calm.is_some() || self.server.sessions[session].forgotten {
            return;
        }
        let burst = self.random.range(1, self.scenario.burst);
        let shared = self.server.sessions[session].shared.clone();
        if self.random.one_in(2) {
            // The handlers send in their turn, and other tasks at any time.
            self.server.sessions[session].handlers.sends += burst;
            self.wake_handlers(session, 0);
        } else {
            (0..burst).for_each(|_| self.server_sends_one(session, &shared));
        }
        if self.random.one_in(40) {
            self.end_one(session, &shared);
        }
        if self.random.one_in(250) {
            self.close_session(session, reason::CLOSED);
        }
    }

    pub(super) fn server_sends_one(&mut self, session: usize, shared: &Arc<SharedSession>) {
        let epoch = self.server.sessions[session].epoch;
        let channels = self.server.sessions[session].handlers.channels.iter().enumerate();
        let live: Vec<usize> = channels
            .filter(|(_, channel)| matches!(channel.state, State::Open | State::Opening { .. }))
            .map(|(at, _)| at)
            .collect();
        if live.is_empty() {
            return;
        }
        let at = self.random.pick(&live);
        let channel = &self.server.sessions[session].handlers.channels[at];
        let (place, state) = (channel.place(), channel.state.clone());
        self.server.sent += 1;
        let tag = format!("s{}@{}#{}", self.server.sent, place.0, place.1);
        if state == State::Open && self.scenario.asks(&mut self.random) {
            return self.ask(session, at, &place, tag, shared);
        }
        let large = self.scenario.large;
        let (event, payload) = if place.0 == "/" && self.random.one_in(6) {
            let bytes = self.random.one_in(2);
            self.note(Fact::MessageDown);
            let event = Event::message(&mut self.random, &tag, large, bytes);
            let message = message_of(&event);
            (event, Payload::from(message))
        } else {
            let attachments = self.scenario.attachments(&mut self.random);
            let event = Event::new(&mut self.random, &tag, large, attachments);
            let packet = Packet::new(event.packet(EVENT, &place.0, None), event.attachments.clone());
            (event, packet.into())
        };
        let is_shared = self.random.one_in(3);
        let out = if is_shared { OutMessage::shared(payload, &self.server.pool) } else { payload.into() };
        match shared.send(out) {
            Ok(()) => {
                self.trace(|| format!("server   sends {} to {place:?} of epoch {epoch}", event.brief()));
                if is_shared {
                    self.note(Fact::SharedDown);
                }
                match state {
                    State::Opening { opens: true, .. } => self.note(Fact::SentEarly),
                    State::Opening { .. } => self.note(Fact::SentEarlyRefused),
                    _ => {}
                }
                self.books[epoch].sent_down(&place, event);
                self.cover.sent[1] += 1;
            }
            Err((SendError::Full, _)) => self.note(Fact::OutboxFull),
            Err(_) => {}
        }
    }

    fn ask(&mut self, session: usize, at: usize, place: &Place, tag: String, shared: &Arc<SharedSession>) {
        self.server.asked += 1;
        let id = self.server.asked;
        let Ok(answer) = shared.ask(id) else { return };
        let attachments = self.scenario.attachments(&mut self.random);
        let event = Event::new(&mut self.random, &tag, self.scenario.large, attachments);
        let packet = Packet::new(event.packet(EVENT, &place.0, Some(id)), event.attachments.clone());
        if shared.send(Payload::from(packet).into()).is_err() {
            return shared.cancel_question(id);
        }
        self.note(Fact::RequestDown);
        let epoch = self.server.sessions[session].epoch;
        self.trace(|| format!("server   asks {} at {place:?} of epoch {epoch}", event.brief()));
        self.books[epoch].sent_down(place, event);
        self.cover.sent[1] += 1;
        let patience = if self.random.one_in(6) { self.random.below(200) } else { PATIENCE };
        let question = Question { id, tag, answer, deadline: self.now + patience };
        self.server.sessions[session].handlers.channels[at].questions.push(question);
        self.wake_handlers(session, patience);
        self.wake_handlers(session, 0);
    }

    /// The application ends a channel.
    fn end_one(&mut self, session: usize, shared: &Arc<SharedSession>) {
        let channels = &mut self.server.sessions[session].handlers.channels;
        let Some(channel) = channels.iter_mut().find(|channel| channel.state == State::Open) else { return };
        let place = channel.place();
        if shared.close_channel(channel.number, &reason::CLOSED) {
            let epoch = self.server.sessions[session].epoch;
            self.note(Fact::ServerEnded);
            self.trace(|| format!("server   ends {place:?} of epoch {epoch}"));
            self.books[epoch].ended.insert(place);
        }
        self.wake_handlers(session, 0);
    }
}

fn message_of(event: &Event) -> Message {
    match event.attachments.first() {
        Some(bytes) => Message::Binary(bytes.clone()),
        None => {
            let (_, text): (String, String) = serde_json::from_str(&event.data).expect("an event with one text");
            Message::from(text)
        }
    }
}
