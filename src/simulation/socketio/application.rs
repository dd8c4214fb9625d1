//! The server's application: the handlers of namespaces, in the one task of their session.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    book::Place,
    coverage::Fact,
    events::WorldEvent,
    handlers::{Channel, SERVED, State},
    log::{Event, place_of},
    state::World,
    tasks::Task,
};
use crate::{
    dialect::{Fault, Head, not_opened},
    message::Message,
    payload::Payload,
    session::{Arrival, CloseReason, reason},
    shared::{Arrived, ChannelAsked, SharedSession},
};

impl World {
    /// The handlers of a session run in so many milliseconds.
    pub(super) fn wake_handlers(&mut self, session: usize, delay: u64) {
        let time = self.now + delay;
        if self.server.sessions[session].handlers.due.insert(time) {
            self.at(time, WorldEvent::HandlersDue(session));
        }
    }

    pub(super) fn handlers_due(&mut self, session: usize) {
        let now = self.now;
        self.server.sessions[session].handlers.due.retain(|time| *time > now);
        self.run_task(Task::Handlers(session));
    }

    /// One turn of the task.
    pub(super) fn run_handlers(&mut self, session: usize) {
        if self.server.sessions[session].handlers.gone {
            return;
        }
        let one = &self.server.sessions[session];
        let (shared, waker) = (one.shared.clone(), one.waker.clone());
        let mut cx = Context::from_waker(&waker);
        shared.begin_turn();
        self.root(session, &shared, &cx);
        while let Poll::Ready(Some(asked)) = shared.poll_channel_asked(&cx) {
            self.begin_channel(session, asked);
        }
        for at in 0..self.server.sessions[session].handlers.channels.len() {
            self.run_channel(session, at, &shared, &mut cx);
        }
        for _ in 0..std::mem::take(&mut self.server.sessions[session].handlers.sends) {
            self.server_sends_one(session, &shared);
        }
        let handlers = &mut self.server.sessions[session].handlers;
        let now = self.now;
        let is_gone = |channel: &Channel| matches!(channel.state, State::Over { at } if at <= now);
        for channel in handlers.channels.extract_if(.., |channel| is_gone(channel)) {
            shared.close_channel(channel.number, &reason::CLOSED);
            shared.remove_channel(channel.number);
        }
        let gone = handlers.closing && handlers.channels.is_empty();
        shared.end_turn();
        if gone {
            handlers.gone = true;
            shared.close(reason::CLOSED);
            shared.finish_handler();
            self.trace(|| format!("server   the handlers of session {session} are gone"));
        }
    }

    /// The part that stays for as long as the session lives.
    fn root(&mut self, session: usize, shared: &Arc<SharedSession>, cx: &Context<'_>) {
        let patience = self.server.sessions[session].handlers.patience;
        let handlers = &mut self.server.sessions[session].handlers;
        handlers.joined |= handlers.channels.iter().any(|channel| channel.state == State::Open);
        if !handlers.joined && patience <= self.now {
            handlers.joined = true;
            self.note(Fact::NoNamespaceInTime);
            self.close_session(session, reason::NO_NAMESPACE);
        }
        let handlers = &mut self.server.sessions[session].handlers;
        if !handlers.closing && shared.poll_closed(cx).is_ready() {
            handlers.closing = true;
            shared.close(reason::CLOSED);
            shared.end_channels();
        }
    }

    pub(super) fn close_session(&mut self, session: usize, reason: CloseReason) {
        self.trace(|| format!("server   closes session {session}: {reason}"));
        let one = &mut self.server.sessions[session];
        one.ends.push(reason.clone());
        let places: Vec<Place> = one.handlers.channels.iter().map(Channel::place).collect();
        one.shared.close(reason);
        self.books[one.epoch].ended.extend(places);
    }

    fn begin_channel(&mut self, session: usize, asked: ChannelAsked) {
        let ChannelAsked { number, namespace, auth } = asked;
        self.trace(|| format!("server   session {session} is asked for {namespace} by {auth}"));
        let auth: serde_json::Value = serde_json::from_str(&auth).unwrap_or_default();
        let member = |name: &str| auth.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
        let ordinal = member("n").parse().unwrap_or(1);
        let opens = SERVED.contains(&&*namespace) && member("refuse").is_empty();
        let at = self.now + self.random.below(self.scenario.opening + 1);
        self.wake_handlers(session, at - self.now);
        self.server.sessions[session].handlers.channels.push(Channel {
            number,
            namespace,
            ordinal,
            state: State::Opening { at, opens },
            place: None,
            owed: Vec::new(),
            questions: Vec::new(),
        });
    }

    fn run_channel(&mut self, session: usize, at: usize, shared: &Arc<SharedSession>, cx: &mut Context<'_>) {
        let channel = &mut self.server.sessions[session].handlers.channels[at];
        match channel.state.clone() {
            State::Opening { at: due, .. } if due > self.now => {}
            State::Opening { opens: true, .. } => self.open_channel(session, at, shared),
            State::Opening { opens: false, .. } => {
                let known = SERVED.contains(&&*channel.namespace);
                let fault = if known { Fault::new("no", "not you") } else { Fault::unknown_namespace() };
                let place = channel.place();
                channel.state = State::Over { at: self.now };
                if shared.refuse_channel(channel.number) {
                    channel.state = State::Refusing(fault);
                }
                let epoch = self.server.sessions[session].epoch;
                self.books[epoch].verdicts.insert(place, false);
            }
            _ => {}
        }
        let channel = &mut self.server.sessions[session].handlers.channels[at];
        if let State::Refusing(fault) = channel.state.clone() {
            let packet = not_opened(&channel.namespace, &fault);
            match shared.send(Payload::from(packet).into()) {
                Err((crate::session::SendError::Full, _)) => self.wake_handlers(session, 20),
                _ => channel.state = State::Over { at: self.now },
            }
        }
        if self.server.sessions[session].handlers.channels[at].state == State::Open {
            self.receive(session, at, shared, cx);
            self.answer_due(session, at, shared);
            self.look_for_answers(session, at, shared, cx);
        }
    }

    fn open_channel(&mut self, session: usize, at: usize, shared: &Arc<SharedSession>) {
        let epoch = self.server.sessions[session].epoch;
        let channel = &mut self.server.sessions[session].handlers.channels[at];
        let place = channel.place();
        if shared.accept_channel(channel.number) {
            channel.state = State::Open;
            self.trace(|| format!("server   session {session} opens {place:?}"));
            self.books[epoch].verdicts.insert(place, true);
        } else {
            channel.state = State::Over { at: self.now };
            self.note(Fact::ConnectedWhileLeft);
        }
    }

    /// Receives what has come, a little if the application is slow.
    fn receive(&mut self, session: usize, at: usize, shared: &Arc<SharedSession>, cx: &Context<'_>) {
        let slow = self.server.slow_until > self.now;
        for taken in 0.. {
            if slow && taken == 2 {
                return self.wake_handlers(session, 60);
            }
            let channel = &mut self.server.sessions[session].handlers.channels[at];
            let (number, place) = (channel.number, channel.place());
            match shared.poll_channel_arrival(number, cx, &mut channel.place) {
                Poll::Pending => return,
                Poll::Ready(Some(Arrived { arrival, .. })) => self.received(session, at, &place, &arrival),
                Poll::Ready(None) => {
                    self.check_drained(session, &place);
                    let delay = if self.random.one_in(3) { self.random.below(200) } else { 0 };
                    self.server.sessions[session].handlers.channels[at].state = State::Over { at: self.now + delay };
                    return self.wake_handlers(session, delay);
                }
            }
        }
    }

    fn received(&mut self, session: usize, at: usize, place: &Place, arrival: &Arrival) {
        let (event, id) = match arrival {
            Arrival::Message(Payload::Event(packet)) => {
                let Ok(head) = Head::parse(packet.text()) else { return self.fail("an arrival that is no packet") };
                if head.namespace != place.0 {
                    return self.fail(format!("{} arrived at {place:?}", packet.text()));
                }
                (Event { data: head.data.to_owned(), attachments: packet.attachments().to_vec() }, head.id)
            }
            Arrival::Message(Payload::Message(message)) => {
                self.note(Fact::MessageUp);
                (event_of(message), None)
            }
            Arrival::Gap { .. } => return self.fail("a gap in a session of Engine.IO"),
        };
        self.trace(|| format!("server   hears {} at {place:?}", event.brief()));
        let epoch = self.server.sessions[session].epoch;
        if self.books[epoch].misdeed && place_of(event.tag()).is_none() {
            return;
        }
        self.note(if event.attachments.is_empty() { Fact::EventUp } else { Fact::BinaryUp });
        if let Err(wrong) = self.books[epoch].heard_up(place, &event) {
            return self.fail(format!("the server at {place:?} {wrong}"));
        }
        if let Some(id) = id {
            self.owe(session, at, id, event.tag());
        }
    }
}

/// A plain message as the event that its client has sent.
pub(super) fn event_of(message: &Message) -> Event {
    match message {
        Message::Text(text) => {
            let text = serde_json::to_string(&**text).expect("a text is JSON");
            Event { data: format!("[\"message\",{text}]"), attachments: Vec::new() }
        }
        Message::Binary(bytes) => {
            Event { data: r#"["message",{"_placeholder":true,"num":0}]"#.to_owned(), attachments: vec![bytes.clone()] }
        }
    }
}
