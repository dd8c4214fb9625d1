//! The messages of records.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    envelope::{self, About, Head, Malformed, Numbered, Reader},
    state::{ClusterRooms, Room},
    types::{Event, Foreign, Options},
};

impl<M> ClusterRooms<M> {
    pub(super) fn take(&mut self, now: u64, name: &Arc<str>, body: &Bytes) {
        if let Some(recording) = self.rooms.get_mut(name).and_then(|room| room.recording.as_mut()) {
            recording.at = now;
        }
        if self.take_record(now, name, body).is_err() {
            self.malformed();
        }
    }

    pub(super) fn malformed(&mut self) {
        self.counters.malformed += 1;
        self.events.push_back(Event::Malformed);
    }

    fn take_record(&mut self, now: u64, name: &Arc<str>, body: &Bytes) -> Result<(), Malformed> {
        let (head, about, reader) = read(body)?;
        if head.publisher != self.settings.publisher {
            return self.foreign(now, name, head.publisher, &about, reader);
        }
        let messages = self.messages(&head, &about, reader)?;
        // Own messages before it are not in the history.
        self.release(name, about.n, false);
        let is_awaited = self.is_awaited(name, body);
        self.release(name, about.n + about.count, true);
        if !is_awaited {
            let returned = messages.into_iter().map(|message| Event::Returned { room: name.clone(), message });
            self.events.extend(returned);
        }
        Ok(())
    }

    /// Whether it is an own message that the members wait for.
    pub(super) fn is_awaited(&self, name: &str, body: &Bytes) -> bool {
        let Ok((head, about, _)) = read(body) else { return false };
        let is_own = head.publisher == self.settings.publisher;
        let awaits = |room: &Room<M>| {
            let mut published = room.sending.kept.iter().filter(|kept| kept.refused.is_none());
            published.any(|kept| (about.n..about.n + about.count).contains(&kept.n))
        };
        is_own && self.rooms.get(name).is_some_and(awaits)
    }

    /// The numbers of what is past are known from here on.
    pub(super) fn remember(&mut self, at: u64, name: &str, body: &Bytes) -> Result<Vec<Foreign>, Malformed> {
        let (head, about, reader) = read(body)?;
        let messages = self.messages(&head, &about, reader)?;
        if head.publisher != self.settings.publisher
            && let Some(room) = self.rooms.get_mut(name)
        {
            room.hear(at, head.publisher, &about);
        }
        Ok(messages)
    }

    fn messages(&self, head: &Head, about: &Numbered, mut reader: Reader<'_>) -> Result<Vec<Foreign>, Malformed> {
        let options = reader.options()?.unwrap_or_else(|| self.plain.clone());
        let base = about.n - about.back;
        let one = |n| {
            let (payload, options): (_, Arc<Options>) = (reader.message(self.settings.message_limit)?, options.clone());
            Ok(Foreign { publisher: head.publisher, n, base, options, payload, late: about.late })
        };
        let messages = (about.n..about.n + about.count).map(one).collect::<Result<_, _>>()?;
        reader.end()?;
        Ok(messages)
    }
}

fn read(body: &Bytes) -> Result<(Head, Numbered, Reader<'_>), Malformed> {
    let (head, reader) = envelope::read(body)?;
    match head.about {
        About::Room(about) if about.count > 0 => Ok((head, about, reader)),
        _ => Err(Malformed),
    }
}
