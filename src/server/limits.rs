//! The sessions and bytes that each address, and each key of the application, has at a time. Pure but for the lock
//! of [`Shares`].

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex},
};

use crate::{config::Limits, sync::lock};

/// Openings are counted on a finer clock than that of the sessions: in microseconds.
const MICROS: u64 = 1000;

/// As many openings may come at once as in this time, in microseconds.
const BURST: u64 = 1_000_000;

/// Idle entries are looked for when there are so many more than at the last time.
const MANY: usize = 1024;

/// The share of one holder.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    sessions: usize,
    bytes: usize,
    /// The time, in microseconds, by which all openings so far have had their turn at the rate of the limit.
    openings_until: u64,
}

impl Share {
    fn is_idle(&self, now: u64) -> bool {
        self.sessions == 0 && self.bytes == 0 && self.openings_until <= now * MICROS
    }
}

/// The limit that an opening, a connection or a body exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exceeded {
    Sessions(usize),
    Openings(u32),
    Bytes(usize),
}

/// The share of each holder: an address, or a key. Time is an argument, in milliseconds.
#[derive(Debug)]
struct Table<K> {
    limits: Limits,
    shares: HashMap<K, Share>,
    /// The number of entries at which idle ones are looked for.
    sweep_at: usize,
}

impl<K: Eq + Hash + Clone> Table<K> {
    fn new(limits: Limits) -> Self {
        Table { limits, shares: HashMap::new(), sweep_at: MANY }
    }

    fn share(&mut self, now: u64, key: &K) -> &mut Share {
        if self.shares.len() >= self.sweep_at && !self.shares.contains_key(key) {
            self.shares.retain(|_, share| !share.is_idle(now));
            self.sweep_at = 2 * self.shares.len() + MANY;
        }
        self.shares.entry(key.clone()).or_default()
    }

    /// Counts an opening, and its session until [`end`](Self::end).
    fn open(&mut self, now: u64, key: &K) -> Result<(), Exceeded> {
        let Limits { sessions, openings, .. } = self.limits;
        let now_in_micros = now * MICROS;
        let share = self.share(now, key);
        let until = share.openings_until.max(now_in_micros) + BURST / u64::from(openings.max(1));
        if until > now_in_micros + BURST {
            return Err(Exceeded::Openings(openings));
        }
        share.openings_until = until;
        if share.sessions >= sessions {
            return Err(Exceeded::Sessions(sessions));
        }
        share.sessions += 1;
        Ok(())
    }

    /// Counts a session until [`end`](Self::end), also one beyond the limit.
    #[cfg(feature = "cluster")]
    fn add(&mut self, now: u64, key: &K) {
        self.share(now, key).sessions += 1;
    }

    fn change(&mut self, key: &K, change: impl FnOnce(&mut Share)) {
        if let Some(share) = self.shares.get_mut(key) {
            change(share);
        }
    }
}

/// The shares of all holders of one kind.
#[derive(Debug)]
pub(crate) struct Shares<K>(Mutex<Table<K>>);

/// The place of a session in its holder's share, until this is dropped.
#[derive(Debug)]
pub(crate) struct SessionShare<K: Eq + Hash + Clone> {
    shares: Arc<Shares<K>>,
    key: K,
}

/// Bytes that count in their holder's share, until this is dropped.
#[derive(Debug)]
pub(crate) struct ByteShare<K: Eq + Hash + Clone> {
    shares: Arc<Shares<K>>,
    key: K,
    bytes: usize,
}

impl<K: Eq + Hash + Clone> Shares<K> {
    pub(crate) fn new(limits: Limits) -> Self {
        Shares(Mutex::new(Table::new(limits)))
    }

    /// Counts an opening and its session.
    pub(crate) fn open(self: &Arc<Self>, now: u64, key: K) -> Result<SessionShare<K>, Exceeded> {
        lock(&self.0).open(now, &key)?;
        Ok(SessionShare { shares: self.clone(), key })
    }

    /// Counts a session that was opened elsewhere: it may be one more than its holder may open here.
    #[cfg(feature = "cluster")]
    pub(crate) fn add(self: &Arc<Self>, now: u64, key: K) -> SessionShare<K> {
        lock(&self.0).add(now, &key);
        SessionShare { shares: self.clone(), key }
    }

    /// Counts bytes that are under way: none yet.
    pub(crate) fn begin(self: &Arc<Self>, key: K) -> ByteShare<K> {
        ByteShare { shares: self.clone(), key, bytes: 0 }
    }
}

impl<K: Eq + Hash + Clone> ByteShare<K> {
    /// The bytes that are under way are so many now: not fewer than before.
    pub(crate) fn grow(&mut self, now: u64, length: usize) -> Result<(), Exceeded> {
        let more = length.saturating_sub(self.bytes);
        let mut table = lock(&self.shares.0);
        let most = table.limits.bytes;
        let share = table.share(now, &self.key);
        if share.bytes.saturating_add(more) > most {
            return Err(Exceeded::Bytes(most));
        }
        share.bytes += more;
        self.bytes += more;
        Ok(())
    }
}

impl<K: Eq + Hash + Clone> Drop for SessionShare<K> {
    fn drop(&mut self) {
        lock(&self.shares.0).change(&self.key, |share| share.sessions -= 1);
    }
}

impl<K: Eq + Hash + Clone> Drop for ByteShare<K> {
    fn drop(&mut self) {
        if self.bytes > 0 {
            lock(&self.shares.0).change(&self.key, |share| share.bytes -= self.bytes);
        }
    }
}
