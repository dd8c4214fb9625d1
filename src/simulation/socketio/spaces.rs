//! The namespaces of the client, and the packets of Socket.IO that it reads.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    coverage::Fact,
    events::WorldEvent,
    log::{Event, place_of},
    namespaces::{Space, State},
    state::World,
};
use crate::{
    codec::engineio::{Revision, tests::peer::Piece},
    dialect::{Head, Kind},
};

impl World {
    /// The session is open: revision 4 of Socket.IO has `/` unasked, and revision 5 asks for it.
    pub(super) fn begin_spaces(&mut self) {
        if self.scenario.revision == Revision::V3 {
            self.client.spaces.all.push(Space {
                namespace: "/".to_owned(),
                ordinal: 1,
                state: State::Asked,
                asked: BTreeMap::new(),
                owed: Vec::new(),
                spent: false,
            });
        } else if !self.random.one_in(16) {
            self.ask_for("/", false);
        }
    }

    /// Sends a CONNECT.
    pub(super) fn ask_for(&mut self, namespace: &str, refused: bool) {
        let spaces = &mut self.client.spaces;
        if spaces.find(namespace).is_none() {
            spaces.all.push(Space {
                namespace: namespace.to_owned(),
                ordinal: 0,
                state: State::Ended,
                asked: BTreeMap::new(),
                owed: Vec::new(),
                spent: false,
            });
        }
        let Some(space) = spaces.find(namespace) else { return };
        space.ordinal += 1;
        space.state = State::Asked;
        (space.asked, space.owed) = (BTreeMap::new(), Vec::new());
        let (ordinal, again) = (space.ordinal, space.ordinal > 1);
        if again {
            self.note(Fact::ConnectedAgain);
        }
        let text = match self.scenario.revision {
            Revision::V3 if refused => format!("40{namespace}?n={ordinal}&refuse=yes,"),
            Revision::V3 => format!("40{namespace}?n={ordinal},"),
            Revision::V4 => {
                let name = if namespace == "/" { String::new() } else { format!("{namespace},") };
                let refuse = if refused { ",\"refuse\":\"yes\"" } else { "" };
                format!("40{name}{{\"n\":\"{ordinal}\"{refuse}}}")
            }
        };
        self.send(Piece::Text(text));
    }

    /// A text message has come.
    pub(super) fn message(&mut self, text: &str) {
        if !self.client.spaces.are_whole() {
            return self.fail(format!("a text where an attachment is owed: {text}"));
        }
        let head = match Head::parse(text) {
            Ok(head) => head,
            Err(_) if text.starts_with("4\"") || text.starts_with("4/") => return self.refused_by_text(text),
            Err(wrong) => return self.fail(format!("{text}: {wrong}")),
        };
        if head.attachments > 0 {
            self.client.spaces.owing = Some((text.to_owned(), head.attachments, Vec::new()));
            return;
        }
        self.whole(head, Vec::new());
    }

    /// Revision 4 refuses with a text, which is no object.
    fn refused_by_text(&mut self, text: &str) {
        let namespace = text[1..].split_once(',').map_or("/", |(namespace, _)| namespace);
        self.refused(if namespace.starts_with('/') { namespace } else { "/" }, text);
    }

    pub(super) fn attachment(&mut self, bytes: &[u8]) {
        let Some((text, count, mut attachments)) = self.client.spaces.owing.take() else {
            return self.fail("bytes where no attachment is owed");
        };
        attachments.push(Bytes::copy_from_slice(bytes));
        if attachments.len() < count {
            self.client.spaces.owing = Some((text, count, attachments));
            return;
        }
        let head = Head::parse(&text).expect("it was read before");
        self.whole(head, attachments);
    }

    fn whole(&mut self, head: Head<'_>, attachments: Vec<Bytes>) {
        let event = Event { data: head.data.to_owned(), attachments };
        match head.kind {
            Kind::Connect => self.connected(&head),
            Kind::ConnectError => self.refused(head.namespace, head.data),
            Kind::Disconnect => self.ended(head.namespace),
            Kind::Event | Kind::BinaryEvent => self.heard(&head, &event),
            Kind::Ack | Kind::BinaryAck => self.answered(&head, &event),
            Kind::Refused => self.fail("a packet of our own to a client of Socket.IO"),
        }
    }

    /// A client that has broken the rules may not know what is open.
    fn fail_if_honest(&mut self, what: impl Into<String>) {
        if !self.books[self.client.epoch].misdeed {
            self.fail(what);
        }
    }

    fn connected(&mut self, head: &Head<'_>) {
        let has_sid = head.data.starts_with("{\"sid\":\"");
        if has_sid != (self.scenario.revision == Revision::V4) {
            return self.fail_if_honest(format!("a CONNECT of another revision: {}", head.data));
        }
        let root = self.scenario.revision == Revision::V3 && head.namespace == "/";
        let Some(space) = self.client.spaces.find(head.namespace) else {
            return self.fail_if_honest(format!("{} was opened and nobody has asked", head.namespace));
        };
        let place = space.place();
        match space.state {
            State::Asked => space.state = State::Open,
            State::Left if space.spent => return self.note(Fact::StragglerIgnored),
            state => return self.fail_if_honest(format!("{place:?} was opened while it was {state:?}")),
        }
        self.note(if root { Fact::RootUnasked } else { Fact::Connected });
        if self.books[self.client.epoch].verdicts.get(&place) != Some(&true) {
            self.fail_if_honest(format!("{place:?} is open to the client, and the server has not opened it"));
        }
    }

    fn refused(&mut self, namespace: &str, data: &str) {
        let full = data.contains("at most");
        let unknown = data.contains("Invalid namespace");
        let Some(space) = self.client.spaces.find(namespace) else {
            return self.fail_if_honest(format!("{namespace} was refused and nobody has asked"));
        };
        let place = space.place();
        match space.state {
            State::Asked => space.state = State::Ended,
            State::Left if space.spent => return self.note(Fact::StragglerIgnored),
            state => return self.fail_if_honest(format!("{place:?} was refused while it was {state:?}")),
        }
        self.note(match () {
            () if full => Fact::RefusedFull,
            () if unknown => Fact::RefusedUnknown,
            () => Fact::Refused,
        });
        if !full && self.books[self.client.epoch].verdicts.get(&place) != Some(&false) {
            self.fail_if_honest(format!("{place:?} is refused to the client, and not by the server's application"));
        }
    }

    /// The server has ended a namespace: everything before was heard.
    fn ended(&mut self, namespace: &str) {
        let Some(space) = self.client.spaces.find(namespace) else {
            return self.fail_if_honest(format!("{namespace} was ended and was never open"));
        };
        let place = space.place();
        match space.state {
            State::Open => space.state = State::Ended,
            // The two ends have crossed.
            State::Left | State::Asked => return self.note(Fact::EndCrossed),
            State::Ended => return self.fail_if_honest(format!("{place:?} was ended twice")),
        }
        let book = &self.books[self.client.epoch];
        if book.missing_down(&place) > 0 {
            return self
                .fail_if_honest(format!("{place:?} was ended, and {} events are lost", book.missing_down(&place)));
        }
        let left = book.session.is_some_and(|session| self.server.sessions[session].shared.close_reason().is_some());
        if !book.ended.contains(&place) && !left {
            self.fail_if_honest(format!("{place:?} was ended by nobody"));
        }
    }

    fn heard(&mut self, head: &Head<'_>, event: &Event) {
        let tag = event.tag().to_owned();
        let Some((namespace, ordinal)) = place_of(&tag) else {
            return self.fail_if_honest(format!("an event that nobody has sent: {}", event.brief()));
        };
        if namespace != head.namespace {
            return self.fail_if_honest(format!("{tag} came in {}", head.namespace));
        }
        let now = self.now;
        let Some(space) = self.client.spaces.find(namespace) else {
            return self.fail_if_honest(format!("{tag} came, and the namespace was never asked for"));
        };
        let place = space.place();
        match space.state {
            // It was on its way when the client left.
            _ if ordinal < space.ordinal && space.state != State::Open => return self.note(Fact::StragglerIgnored),
            State::Left => return self.note(Fact::StragglerIgnored),
            State::Open => {}
            State::Asked => return self.fail_if_honest(format!("{tag} came before {place:?} was open")),
            State::Ended => return self.fail_if_honest(format!("{tag} came behind the end of {place:?}")),
        }
        if let Some(id) = head.id {
            let delay = if self.random.one_in(2) { 0 } else { self.random.below(150) };
            if let Some(space) = self.client.spaces.find(namespace) {
                space.owed.push((id, tag.clone(), now + delay));
            }
            self.after(delay, WorldEvent::ClientAnswers);
        }
        self.note(if event.attachments.is_empty() { Fact::EventDown } else { Fact::BinaryDown });
        if let Err(wrong) = self.books[self.client.epoch].heard_down(&place, event) {
            self.fail_if_honest(format!("the client at {place:?} {wrong}"));
        }
    }

    fn answered(&mut self, head: &Head<'_>, event: &Event) {
        let tag = event.tag().to_owned();
        let epoch = self.client.epoch;
        let Some(space) = self.client.spaces.find(head.namespace) else {
            return self.fail(format!("an answer in {}, which is not open", head.namespace));
        };
        let (state, ordinal) = (space.state, space.ordinal);
        let expected = head.id.and_then(|id| space.asked.remove(&id));
        if !self.books[epoch].answered.insert(tag.clone()) {
            return self.fail(format!("{tag} was answered twice"));
        }
        let former = place_of(&tag).is_some_and(|(_, number)| number < ordinal);
        match expected {
            Some(expected) if expected == tag => {}
            None if former || state != State::Open => self.note(Fact::AckLate),
            other => self.fail(format!("{other:?} was answered by {}", event.brief())),
        }
    }
}
