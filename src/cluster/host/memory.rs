//! The leases, claims and notes that a sequencer keeps. Times are arguments, in milliseconds of its own clock.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

/// Upper bound on the claims of all processes.
pub(super) const MOST_CLAIMS: usize = 1_000_000;

/// Upper bound on the notes of all processes.
pub(super) const MOST_NOTES: usize = 1_000_000;

/// Upper bound on the leases.
const MOST_LEASES: usize = 4096;

/// Upper bound on the bytes of all claims and leases, each with what it takes besides.
const MOST_BYTES: usize = 512 << 20;

/// The memory that one takes besides its bytes.
const OVERHEAD: usize = 150;

/// The claims over which those whose time is over are looked for.
const LOOK_AT: usize = 1024;

/// A value until its end.
struct Held {
    value: Bytes,
    until: u64,
}

/// The memory of the sequencer is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// Bytes by keys, each until its end.
struct Table {
    held: HashMap<Bytes, Held>,
    bytes: usize,
    most: usize,
    look_at: usize,
}

impl Table {
    fn new(most: usize) -> Self {
        Table { held: HashMap::new(), bytes: 0, most, look_at: LOOK_AT }
    }

    fn get(&self, now: u64, key: &[u8]) -> Option<&Held> {
        self.held.get(key).filter(|held| held.until > now)
    }

    fn set(&mut self, now: u64, key: Bytes, value: Bytes, until: u64) -> Result<(), Full> {
        if self.held.len() >= self.look_at {
            self.tidy(now);
        }
        let size = key.len() + value.len() + OVERHEAD;
        if !self.has_room(&key, size) {
            self.tidy(now);
            if !self.has_room(&key, size) {
                // The value that the key had stays.
                return Err(Full);
            }
        }
        self.remove(&key);
        self.bytes += size;
        self.held.insert(key, Held { value, until });
        Ok(())
    }

    /// Whether there is room for so many bytes in the place of what the key has.
    fn has_room(&self, key: &Bytes, size: usize) -> bool {
        let old = self.held.get(key).map(|held| key.len() + held.value.len() + OVERHEAD);
        let has_place = old.is_some() || self.held.len() < self.most;
        has_place && self.bytes - old.unwrap_or(0) + size <= MOST_BYTES
    }

    fn remove(&mut self, key: &[u8]) {
        if let Some((key, held)) = self.held.remove_entry(key) {
            self.bytes -= key.len() + held.value.len() + OVERHEAD;
        }
    }

    /// Forgets those whose time is over.
    fn tidy(&mut self, now: u64) {
        let bytes = &mut self.bytes;
        self.held.retain(|key, held| {
            let holds = held.until > now;
            *bytes -= if holds { 0 } else { key.len() + held.value.len() + OVERHEAD };
            holds
        });
        self.look_at = LOOK_AT.max(self.held.len() * 2);
    }
}

/// The bytes of a note, with what it takes besides.
fn size_of_note(key: &(Bytes, Bytes), value: &Bytes) -> usize {
    key.0.len() + key.1.len() + value.len() + OVERHEAD
}

/// The processes that live, what each has claimed, and what each has noted.
pub(super) struct Memory {
    leases: Table,
    claims: Table,
    /// By topic and process.
    notes: BTreeMap<(Bytes, Bytes), Held>,
    note_bytes: usize,
}

impl Memory {
    pub(super) fn new() -> Self {
        let (leases, claims) = (Table::new(MOST_LEASES), Table::new(MOST_CLAIMS));
        Memory { leases, claims, notes: BTreeMap::new(), note_bytes: 0 }
    }

    /// Takes notes of a process in place of those that it had of these topics.
    pub(super) fn note(
        &mut self,
        now: u64,
        id: &Bytes,
        notes: impl Iterator<Item = (Bytes, Bytes)>,
        keep: u64,
    ) -> Result<(), Full> {
        let until = now.saturating_add(keep);
        for (topic, value) in notes {
            let key = (topic, id.clone());
            if value.is_empty() {
                self.remove_note(&key);
                continue;
            }
            let size = size_of_note(&key, &value);
            if !self.has_room_for_note(&key, size) {
                self.tidy_notes(now);
                if !self.has_room_for_note(&key, size) {
                    return Err(Full);
                }
            }
            self.remove_note(&key);
            self.note_bytes += size;
            self.notes.insert(key, Held { value, until });
        }
        Ok(())
    }

    fn has_room_for_note(&self, key: &(Bytes, Bytes), size: usize) -> bool {
        let old = self.notes.get(key).map(|old| size_of_note(key, &old.value));
        let has_place = old.is_some() || self.notes.len() < MOST_NOTES;
        has_place && self.note_bytes - old.unwrap_or(0) + size <= MOST_BYTES
    }

    fn remove_note(&mut self, key: &(Bytes, Bytes)) {
        if let Some(old) = self.notes.remove(key) {
            self.note_bytes -= size_of_note(key, &old.value);
        }
    }

    /// The notes of a topic, each an id and a value.
    pub(super) fn notes(&self, now: u64, topic: &Bytes) -> Vec<Bytes> {
        let of_topic = self.notes.range((topic.clone(), Bytes::new())..).take_while(|((of, _), _)| of == topic);
        let holding = of_topic.filter(|(_, held)| held.until > now);
        holding.flat_map(|((_, id), held)| [id.clone(), held.value.clone()]).collect()
    }

    fn tidy_notes(&mut self, now: u64) {
        let bytes = &mut self.note_bytes;
        self.notes.retain(|(topic, id), held| {
            let holds = held.until > now;
            *bytes -= if holds { 0 } else { topic.len() + id.len() + held.value.len() + OVERHEAD };
            holds
        });
    }

    /// Renews a lease. Returns the infos of all that hold.
    pub(super) fn beat(&mut self, now: u64, id: Bytes, info: Bytes, lease: u64) -> Result<Vec<Bytes>, Full> {
        self.leases.tidy(now);
        self.leases.set(now, id, info, now.saturating_add(lease))?;
        Ok(self.leases.held.values().map(|held| held.value.clone()).collect())
    }

    pub(super) fn leave(&mut self, id: &[u8]) {
        self.leases.remove(id);
    }

    /// Gives a key the second value, if it is free or has one of the two. Returns the value of somebody else.
    pub(super) fn swap(
        &mut self,
        now: u64,
        key: Bytes,
        from: &[u8],
        to: Bytes,
        keep: u64,
    ) -> Result<Option<Bytes>, Full> {
        match self.claims.get(now, &key) {
            Some(held) if held.value != from && held.value != to => Ok(Some(held.value.clone())),
            _ => self.claims.set(now, key, to, now.saturating_add(keep)).map(|()| None),
        }
    }

    /// A process has had this claim before. Returns the value of somebody else who has it now.
    pub(super) fn tell(&mut self, now: u64, key: Bytes, value: Bytes, keep: u64) -> Result<Option<Bytes>, Full> {
        // It may have been claimed again for longer, by the same process.
        let until = self.claims.get(now, &key).map_or(0, |held| held.until);
        let from = value.clone();
        self.swap(now, key, &from, value, keep.max(until.saturating_sub(now)))
    }

    pub(super) fn look(&self, now: u64, key: &[u8]) -> Option<Bytes> {
        self.claims.get(now, key).map(|held| held.value.clone())
    }

    pub(super) fn release(&mut self, now: u64, key: &[u8], value: &[u8]) {
        if self.claims.get(now, key).is_some_and(|held| held.value == value) {
            self.claims.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &'static str) -> Bytes {
        Bytes::from(text)
    }

    #[test]
    fn a_claim_that_is_told_is_had_unless_somebody_else_has_it() {
        let mut memory = Memory::new();
        assert_eq!(memory.tell(0, bytes("key"), bytes("a"), 100), Ok(None));
        assert_eq!(memory.tell(10, bytes("key"), bytes("a"), 20), Ok(None), "an earlier word for it");
        assert_eq!(memory.look(99, b"key"), Some(bytes("a")));
        assert_eq!(memory.tell(99, bytes("key"), bytes("b"), 100), Ok(Some(bytes("a"))));
        assert_eq!(memory.look(100, b"key"), None);
        assert_eq!(memory.tell(100, bytes("key"), bytes("b"), 100), Ok(None));
        assert_eq!(memory.swap(101, bytes("key"), b"a", bytes("c"), 5), Ok(Some(bytes("b"))));
    }

    #[test]
    fn a_claim_for_which_there_is_no_room_leaves_what_was_there() {
        let mut memory = Memory::new();
        let half = Bytes::from(vec![0; MOST_BYTES / 2]);
        assert_eq!(memory.swap(0, bytes("a"), b"", bytes("of somebody"), 100), Ok(None));
        assert_eq!(memory.swap(0, bytes("b"), b"", half.clone(), 100), Ok(None));
        assert_eq!(memory.swap(1, bytes("a"), b"of somebody", half.clone(), 100), Err(Full));
        assert_eq!(memory.look(1, b"a"), Some(bytes("of somebody")));
        assert_eq!(memory.swap(100, bytes("a"), b"", half, 100), Ok(None), "the other one is over");
    }

    #[test]
    fn what_is_kept_has_bounds() {
        let mut memory = Memory::new();
        let long = Bytes::from(vec![0; MOST_BYTES / 4]);
        for key in ["a", "b", "c"] {
            assert_eq!(memory.swap(0, bytes(key), b"", long.clone(), 10), Ok(None));
        }
        assert_eq!(memory.swap(9, bytes("d"), b"", long.clone(), 10), Err(Full));
        assert_eq!(memory.swap(9, bytes("a"), &long, bytes("short"), 100), Ok(None));
        assert_eq!(memory.swap(10, bytes("d"), b"", long.clone(), 10), Ok(None), "the others are over");
        memory.release(11, b"d", &long);
        memory.claims.tidy(200);
        assert_eq!(memory.claims.bytes, 0);
        let note = |key| std::iter::once((bytes(key), long.clone()));
        for key in ["a", "b", "c"] {
            assert_eq!(memory.note(0, &bytes("id"), note(key), 10), Ok(()));
        }
        assert_eq!(memory.note(1, &bytes("id"), note("d"), 10), Err(Full));
        assert_eq!(memory.note(1, &bytes("id"), note("a"), 10), Ok(()), "in place of its own");
        assert_eq!(memory.note(11, &bytes("id"), note("d"), 10), Ok(()), "the others are over");
        assert_eq!(memory.note(11, &bytes("id"), std::iter::once((bytes("d"), Bytes::new())), 10), Ok(()));
        assert_eq!((memory.note_bytes, memory.notes.len()), (0, 0));
        for id in 0..MOST_LEASES as u64 {
            assert!(memory.beat(0, Bytes::copy_from_slice(&id.to_be_bytes()), bytes("x"), 10).is_ok());
            memory.leases.look_at = usize::MAX;
        }
        assert_eq!(memory.beat(1, bytes("one more"), bytes("x"), 10), Err(Full));
        assert_eq!(memory.beat(10, bytes("one more"), bytes("x"), 10), Ok(vec![bytes("x")]));
    }
}
