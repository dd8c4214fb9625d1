//! The leases, claims and notes that a node has, which it tells the next sequencer.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex},
};

use bytes::Bytes;

use super::{
    frames::{Answer, Ask},
    link::{Link, Note},
    memory::{MOST_CLAIMS, MOST_NOTES},
};
use crate::{clock::Clock, cluster::engine::EngineError, sync::lock};

/// The claims that are told before the sequencer's answer is awaited.
const TOLD_AT_ONCE: usize = 256;

/// Upper bound on the leases of one node. A server has one.
const MOST_LEASES: usize = 64;

/// The words of this process that still hold.
pub(super) struct Own {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    leases: HashMap<Bytes, Held>,
    claims: HashMap<Bytes, Held>,
    /// By process and topic.
    notes: HashMap<(Bytes, Bytes), Held>,
    /// The claims over which those whose time is over are looked for.
    look_at: usize,
}

/// A value until its end, on this process's clock.
#[derive(Clone)]
struct Held {
    value: Bytes,
    until: u64,
}

impl Own {
    pub(super) fn new() -> Self {
        Own { clock: Clock::start(), state: Mutex::default() }
    }

    /// A lease was renewed.
    pub(super) fn beats(&self, id: Bytes, value: Bytes, lease: u64) {
        let now = self.clock.now();
        let mut state = lock(&self.state);
        state.leases.retain(|_, held| held.until > now);
        if state.leases.len() < MOST_LEASES {
            state.leases.insert(id, Held { value, until: now.saturating_add(lease) });
        }
    }

    pub(super) fn leaves(&self, id: &[u8]) {
        lock(&self.state).leases.remove(id);
    }

    /// A claim was made. One that is not remembered, as there are too many, does not outlive the sequencer.
    pub(super) fn claimed(&self, key: Bytes, value: Bytes, keep: u64) {
        let now = self.clock.now();
        let mut state = lock(&self.state);
        if state.claims.len() >= state.look_at {
            state.claims.retain(|_, held| held.until > now);
            state.look_at = 1024.max(state.claims.len() * 2);
        }
        if state.claims.len() < MOST_CLAIMS {
            state.claims.insert(key, Held { value, until: now.saturating_add(keep) });
        }
    }

    /// A claim is somebody else's, or nobody's. With `value`: unless it has another value than this one.
    pub(super) fn lost(&self, key: &[u8], value: Option<&[u8]>) {
        let mut state = lock(&self.state);
        if value.is_none_or(|value| state.claims.get(key).is_some_and(|held| held.value == value)) {
            state.claims.remove(key);
        }
    }

    /// Notes were taken. Those that are not remembered, as there are too many, do not outlive the sequencer.
    fn noted(&self, id: &Bytes, notes: impl Iterator<Item = (Bytes, Bytes)>, keep: u64) {
        let until = self.clock.now().saturating_add(keep);
        let mut state = lock(&self.state);
        for (topic, value) in notes {
            let key = (id.clone(), topic);
            state.notes.remove(&key);
            if !value.is_empty() && state.notes.len() < MOST_NOTES {
                state.notes.insert(key, Held { value, until });
            }
        }
    }

    /// Tells the sequencer everything that still holds.
    pub(super) async fn tell(&self, link: &Link) -> Result<(), EngineError> {
        let now = self.clock.now();
        let (leases, claims, notes) = {
            let mut state = lock(&self.state);
            (held(&mut state.leases, now), held(&mut state.claims, now), held(&mut state.notes, now))
        };
        for (id, Held { value, until }) in leases {
            link.done(&Ask::Beat { id, info: value, lease: until - now }).await?;
        }
        for claims in claims.chunks(TOLD_AT_ONCE) {
            for (key, Held { value, until }) in claims {
                link.say(&Ask::Tell { key: key.clone(), value: value.clone(), keep: until - now })?;
            }
            link.done(&Ask::Ping).await?;
        }
        // The claims come first, since others wait for them.
        link.done(&Ask::Told).await?;
        for notes in notes.chunks(TOLD_AT_ONCE) {
            for ((id, topic), Held { value, until }) in notes {
                let (topics, values) = (vec![topic.clone()], vec![value.clone()]);
                link.say(&Ask::Note { id: id.clone(), topics, values, keep: until - now })?;
            }
            link.done(&Ask::Ping).await?;
        }
        Ok(())
    }
}

/// The entries that still hold. The others are forgotten.
fn held<K: Clone + Eq + Hash>(all: &mut HashMap<K, Held>, now: u64) -> Vec<(K, Held)> {
    all.retain(|_, held| held.until > now);
    all.iter().map(|(key, held)| (key.clone(), held.clone())).collect()
}

/// Notes what becomes of a question, before the asker learns it: the next sequencer may be told at once.
pub(super) fn note(own: &Arc<Own>, ask: &Ask) -> Option<Note> {
    let own = own.clone();
    Some(match ask.clone() {
        Ask::Swap { key, to, keep, .. } => Box::new(move |answer| match answer {
            Answer::Value(None) => own.claimed(key, to, keep),
            Answer::Value(Some(_)) => own.lost(&key, None),
            _ => {}
        }),
        Ask::Release { key, value } => Box::new(move |_| own.lost(&key, Some(&value))),
        Ask::Beat { id, info, lease } => Box::new(move |answer| {
            if matches!(answer, Answer::List(_)) {
                own.beats(id, info, lease);
            }
        }),
        Ask::Note { id, topics, values, keep } => Box::new(move |answer| {
            if matches!(answer, Answer::Done) {
                own.noted(&id, topics.into_iter().zip(values), keep);
            }
        }),
        Ask::Leave { id } => Box::new(move |_| own.leaves(&id)),
        _ => return None,
    })
}
