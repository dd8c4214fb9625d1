//! The client's application: what it sends, and which namespaces it uses.

use super::{
    book::Place,
    coverage::Fact,
    engine::{Life, Moving},
    events::WorldEvent,
    handlers::SERVED,
    log::{ACK, EVENT, Event},
    namespaces::{Space, State},
    state::World,
};
use crate::codec::engineio::{Revision, tests::peer::Piece};

impl World {
    pub(super) fn client_sends(&mut self) {
        let pause = self.random.range(1, self.scenario.client_pause * 2);
        self.after(pause, WorldEvent::ClientSends);
        if self.client.life != Life::Open || self.calm.is_some() || self.client.buffer.len() > self.scenario.waiting {
            return;
        }
        for _ in 0..self.random.range(1, self.scenario.burst) {
            self.client_sends_one();
        }
        match self.random.below(80) {
            0..8 => self.ask_for_one(),
            8..10 => self.leave_one(),
            10 if self.random.one_in(4) => self.close(),
            _ => {}
        }
    }

    fn client_sends_one(&mut self) {
        // Revision 4 opens `/` unasked, and some clients do not wait for that.
        let unasked = self.scenario.revision == Revision::V3;
        let early =
            |space: &Space| unasked && space.namespace == "/" && space.ordinal == 1 && space.state == State::Asked;
        let spaces = self.client.spaces.all.iter();
        let open: Vec<Place> =
            spaces.filter(|space| space.state == State::Open || early(space)).map(Space::place).collect();
        if open.is_empty() {
            return;
        }
        let place = open[self.random.below(open.len() as u64) as usize].clone();
        self.client.sent += 1;
        let tag = format!("c{}@{}#{}", self.client.sent, place.0, place.1);
        let plain = place.0 == "/" && self.random.one_in(6);
        let event = if plain {
            let bytes = self.random.one_in(2);
            Event::message(&mut self.random, &tag, self.scenario.large, bytes)
        } else {
            let attachments = self.scenario.attachments(&mut self.random);
            Event::new(&mut self.random, &tag, self.scenario.large, attachments)
        };
        let mut id = None;
        if !plain && self.scenario.asks(&mut self.random) {
            self.client.spaces.ids += 1;
            id = Some(self.client.spaces.ids);
        }
        let Some(space) = self.client.spaces.find(&place.0) else { return };
        let early = space.state == State::Asked;
        if let Some(id) = id {
            space.asked.insert(id, tag);
        }
        if early {
            self.note(Fact::RootBeforeAnswer);
        }
        self.trace(|| format!("client   sends {} to {place:?}", event.brief()));
        self.books[self.client.epoch].sent_up(&place, event.clone());
        self.cover.sent[0] += 1;
        self.emit(&event, EVENT, &place.0, id);
    }

    /// Writes a packet, and each of its attachments behind it, as the reference clients do.
    fn emit(&mut self, event: &Event, kinds: [char; 2], namespace: &str, id: Option<u64>) {
        self.send(Piece::Text(format!("4{}", event.packet(kinds, namespace, id))));
        for attachment in &event.attachments {
            self.send(Piece::Bytes(attachment.to_vec()));
        }
        let split = !event.attachments.is_empty() && self.client.socket.is_none();
        if split && self.client.moving == Moving::Pausing && self.client.writing > 0 {
            self.note(Fact::HeadByPostRestBySocket);
        }
    }

    /// Sends the answers whose time has come.
    pub(super) fn client_answers(&mut self) {
        if self.client.life != Life::Open {
            return;
        }
        if self.scenario.faultless && self.client.buffer.len() > self.scenario.waiting {
            // The answer to a ping would come too late behind very many answers.
            return self.after(40, WorldEvent::ClientAnswers);
        }
        let now = self.now;
        let mut due = Vec::new();
        for space in self.client.spaces.all.iter_mut().filter(|space| space.state == State::Open) {
            let name = space.namespace.clone();
            due.extend(space.owed.extract_if(.., |owed| owed.2 <= now).map(|(id, tag, _)| (name.clone(), id, tag)));
        }
        for (namespace, id, tag) in due {
            let attachments = self.random.pick(&[0, 0, 1, 3]);
            let event = Event::answer(&mut self.random, &tag, attachments);
            self.emit(&event, ACK, &namespace, Some(id));
        }
    }

    fn ask_for_one(&mut self) {
        let names = [&SERVED[..], &["/nowhere"]].concat();
        let namespace = self.random.pick(&names);
        let space = self.client.spaces.find(namespace);
        let may = space.is_none_or(|space| matches!(space.state, State::Left | State::Ended) && !space.spent);
        if may {
            let refused = self.random.one_in(6);
            self.ask_for(namespace, refused);
        }
    }

    fn leave_one(&mut self) {
        let count = self.client.spaces.all.len() as u64;
        if count == 0 {
            return;
        }
        let at = self.random.below(count) as usize;
        let space = &mut self.client.spaces.all[at];
        let place = space.place();
        match space.state {
            State::Open => self.note(Fact::ClientLeft),
            State::Asked => {
                space.spent = true;
                self.note(Fact::LeftWhileAsked);
            }
            State::Left | State::Ended => return,
        }
        self.client.spaces.all[at].state = State::Left;
        self.trace(|| format!("client   leaves {place:?}"));
        let text = if place.0 == "/" { "41".to_owned() } else { format!("41{},", place.0) };
        self.send(Piece::Text(text));
    }
}
