//! How far a member has got with what each publisher says to a room. It travels with a member that goes to another node.

use std::collections::BTreeMap;

use super::types::{Event, MemberId, Publisher};
use crate::packed::{Malformed, Reader, put};

/// The most ranges of one publisher that are told. What is beyond them counts as had: a gap, and no repetition.
const RANGES: usize = 256;

/// How far a member has got with the numbers of one publisher.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reached {
    /// It has all numbers below this one.
    pub(super) next: u64,
    /// The ranges behind it that it has too, in order, each from a number to before another one.
    pub(super) also: Vec<(u64, u64)>,
    /// The time since the publisher was heard, in milliseconds.
    pub(super) ago: u64,
    /// The first number that the publisher used, as far as it remembers. Other nodes are not told.
    pub(super) base: u64,
}

impl Reached {
    pub(super) fn to(next: u64, ago: u64) -> Self {
        Reached { next, also: Vec::new(), ago, base: 0 }
    }

    /// Whether it has this number.
    pub(super) fn has(&self, n: u64) -> bool {
        n < self.next || self.also.iter().any(|(from, to)| (*from..*to).contains(&n))
    }

    /// All its numbers are below this one.
    pub(super) fn end(&self) -> u64 {
        self.also.last().map_or(self.next, |(_, to)| *to)
    }

    /// It has none of these numbers, though those around them.
    pub(super) fn lacks(&mut self, from: u64, to: u64) {
        if from >= to {
            return;
        }
        let mut left = Vec::with_capacity(self.also.len() + 1);
        if from < self.next {
            left.push((to, self.next));
            self.next = from;
        }
        for (first, end) in self.also.drain(..) {
            left.push((first, end.min(from)));
            left.push((first.max(to), end));
        }
        left.retain(|(first, end)| first < end);
        self.also = left;
    }

    /// It has what another one has, too.
    pub(super) fn add(&mut self, other: &Reached) {
        self.next = self.next.max(other.next);
        let mut all: Vec<(u64, u64)> = self.also.drain(..).chain(other.also.iter().copied()).collect();
        all.sort_unstable();
        for (from, to) in all {
            match self.also.last_mut() {
                _ if from <= self.next => self.next = self.next.max(to),
                Some((_, end)) if from <= *end => *end = to.max(*end),
                _ => self.also.push((from, to)),
            }
        }
    }

    /// How many numbers of a range it lacks.
    pub(super) fn lacking(&self, from: u64, to: u64) -> u64 {
        let (from, mut lacking) = (from.max(self.next), to.saturating_sub(from.max(self.next)));
        for (first, end) in &self.also {
            lacking -= to.min(*end).saturating_sub(from.max(*first));
        }
        lacking
    }

    /// How many of its numbers another one lacks.
    pub(super) fn beyond(&self, other: &Reached) -> u64 {
        let also: u64 = self.also.iter().map(|(from, to)| other.lacking(*from, *to)).sum();
        other.lacking(self.base, self.next) + also
    }
}

/// How far a member has got in a room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Positions {
    /// For so many milliseconds all publishers were heard, at least.
    pub(super) heard_for: u64,
    pub(super) publishers: BTreeMap<Publisher, Reached>,
}

impl Positions {
    /// The members have not been told of this event yet.
    pub(crate) fn without<M>(&mut self, me: Publisher, event: &Event<M>) {
        let (publisher, n, count) = match event {
            Event::Own { n: Some(n), .. } => (me, *n, 1),
            Event::Foreign { message, .. } => (message.publisher, message.n, 1),
            Event::Gap { publisher, n, count, .. } => (*publisher, *n, *count),
            _ => return,
        };
        if let Some(reached) = self.publishers.get_mut(&publisher) {
            reached.lacks(n, n.saturating_add(count));
        }
    }

    /// Writes them behind other bytes.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        put(out, self.heard_for);
        put(out, self.publishers.len() as u64);
        for (publisher, reached) in &self.publishers {
            out.extend_from_slice(&publisher.to_be_bytes());
            put(out, reached.next);
            put(out, reached.ago);
            let told = reached.also.len().min(RANGES);
            put(out, told as u64);
            for (at, (from, to)) in reached.also.iter().take(told).enumerate() {
                let to = if at + 1 == RANGES { reached.end() } else { *to };
                put(out, *from);
                put(out, to);
            }
        }
    }

    /// Reads what `write` has written.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let heard_for = reader.number()?;
        let count = reader.length(11)?;
        let mut publishers = BTreeMap::new();
        for _ in 0..count {
            let publisher = Publisher::from_be_bytes(*reader.array()?);
            let (next, ago) = (reader.number()?, reader.number()?);
            let ranges = reader.length(2)?;
            if ranges > RANGES {
                return Err(Malformed);
            }
            let mut reached = Reached::to(next, ago);
            for _ in 0..ranges {
                let (from, to) = (reader.number()?, reader.number()?);
                if from < reached.end() || from >= to {
                    return Err(Malformed);
                }
                reached.also.push((from, to));
            }
            publishers.insert(publisher, reached);
        }
        Ok(Positions { heard_for, publishers })
    }
}

impl<M> Event<M> {
    /// A member is not told of it, if it has all of it.
    pub(super) fn exempt(&mut self, me: Publisher, member: MemberId, has: &Positions) {
        let (publisher, n, count, exempt) = match self {
            Event::Own { n: Some(n), exempt, .. } => (me, *n, 1, exempt),
            Event::Foreign { message, exempt, .. } => (message.publisher, message.n, 1, exempt),
            Event::Gap { publisher, n, count, exempt, .. } => (*publisher, *n, *count, exempt),
            _ => return,
        };
        if has.publishers.get(&publisher).is_some_and(|has| has.lacking(n, n.saturating_add(count)) == 0) {
            let others = exempt.iter().flat_map(|others| others.iter().copied());
            *exempt = Some(others.chain([member]).collect());
        }
    }
}
