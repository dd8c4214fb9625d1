//! All that the oracle knows of one session of the client: what was sent in each channel, and what became of it.

use std::collections::{BTreeMap, BTreeSet};

use super::log::{Event, Log};

/// A namespace, and which of its channels in this session: each CONNECT asks for the next one.
pub(super) type Place = (String, u64);

#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) up: BTreeMap<Place, Log>,
    pub(super) down: BTreeMap<Place, Log>,
    /// Whether the server has opened a channel, if it has decided.
    pub(super) verdicts: BTreeMap<Place, bool>,
    /// The channels that the server's application has ended, or its handler has left.
    pub(super) ended: BTreeSet<Place>,
    /// The answers that were heard, by the tags of their requests.
    pub(super) answered: BTreeSet<String>,
    /// The server's session.
    pub(super) session: Option<usize>,
    /// The client has closed in order, behind all that it had sent.
    pub(super) closed: bool,
    /// The client is gone, however.
    pub(super) left: bool,
    /// The client has broken the rules in this session.
    pub(super) misdeed: bool,
    /// The client has polled twice at once, and what the second poll is told it does not hear.
    pub(super) deaf: bool,
}

impl Book {
    pub(super) fn sent_up(&mut self, place: &Place, event: Event) {
        self.up.entry(place.clone()).or_default().push(event);
    }

    pub(super) fn sent_down(&mut self, place: &Place, event: Event) {
        self.down.entry(place.clone()).or_default().push(event);
    }

    /// The server's application hears an event.
    pub(super) fn heard_up(&mut self, place: &Place, event: &Event) -> Result<(), String> {
        self.up.entry(place.clone()).or_default().hear(event)
    }

    /// The client's application hears an event.
    pub(super) fn heard_down(&mut self, place: &Place, event: &Event) -> Result<(), String> {
        if self.deaf {
            return Ok(());
        }
        self.down.entry(place.clone()).or_default().hear(event)
    }

    /// How many events of a channel the server's application has not heard.
    pub(super) fn missing_up(&self, place: &Place) -> usize {
        self.up.get(place).map_or(0, Log::missing)
    }

    /// How many events of a channel the client's application has not heard.
    pub(super) fn missing_down(&self, place: &Place) -> usize {
        let missing = self.down.get(place).map_or(0, Log::missing);
        if self.deaf { 0 } else { missing }
    }

    /// How much of everything was heard.
    pub(super) fn heard(&self) -> usize {
        self.up.values().chain(self.down.values()).map(Log::heard).sum::<usize>() + self.answered.len()
    }
}
