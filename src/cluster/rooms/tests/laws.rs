//! The laws that hold whatever an engine does.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    history::{History, Id, Note, ROOMS},
    *,
};

/// All laws at the end of a run.
pub(super) fn judge(history: &History, order: Order) -> Result<(), String> {
    if let Some(fault) = &history.fault {
        return Err(fault.clone());
    }
    for ((node, room), notes) in &history.notes {
        let place = |text: String| format!("node {node}, room {room:?}: {text}");
        own(history, *node, room, notes).map_err(place)?;
        foreign(notes).map_err(place)?;
        losses(history, *node, room, notes).map_err(place)?;
    }
    if order == Order::Total { one_order(history) } else { Ok(()) }
}

/// A node's members get each of its own messages once, and in its order.
fn own(history: &History, node: u64, room: &'static str, notes: &[Note]) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    let mut last = None;
    for note in notes {
        let (Note::Own(id) | Note::OwnAtSplit(id) | Note::AtOnce(id)) = *note else { continue };
        if !seen.insert(id.sequence) {
            return Err(format!("{id} was delivered twice"));
        }
        // A message that is said now may overtake those that wait.
        if history.sending(id).when == When::InOrder {
            if last >= Some(id.sequence) {
                return Err(format!("{id} was delivered behind {last:?}"));
            }
            last = Some(id.sequence);
        }
    }
    let sent = history.senders.get(&(node, room)).map_or(0, |sender| sender.sent.len());
    match (0..sent).find(|sequence| !seen.contains(sequence)) {
        Some(missing) if !history.dead.contains(&node) => Err(format!("own message {missing} was never delivered")),
        _ => Ok(()),
    }
}

/// Messages of others come at most once, and in their order, as long as a topic is wanted.
fn foreign(notes: &[Note]) -> Result<(), String> {
    let mut last = BTreeMap::new();
    for note in notes {
        if *note == Note::Dropped {
            last.clear();
        }
        let Note::Foreign(id, _) = *note else { continue };
        if last.insert(id.publisher, id.sequence).is_some_and(|last| last >= id.sequence) {
            return Err(format!("{id} came twice or too late"));
        }
    }
    Ok(())
}

/// The knowledge of a publisher while a topic is wanted: the first and the next message that it must have, and those
/// that it got.
#[derive(Debug)]
struct Known {
    first: usize,
    next: usize,
    got: usize,
}

/// Each absence is told, and nothing else is.
fn losses(history: &History, node: u64, room: &'static str, notes: &[Note]) -> Result<(), String> {
    let mut intervals = notes.split(|note| *note == Note::Dropped).peekable();
    while let Some(notes) = intervals.next() {
        let is_last = intervals.peek().is_none() && !history.dead.contains(&node) && history.has_members(node, room);
        let mut known: BTreeMap<u64, Known> = BTreeMap::new();
        let (mut gaps, mut doubts) = (0, 0);
        for note in notes {
            match *note {
                Note::Foreign(id, _) => {
                    let index = history.sending(id).index.ok_or_else(|| format!("{id} was not to be published"))?;
                    let known = known.entry(id.publisher).or_insert(Known { first: index, next: index, got: 0 });
                    // Messages that were held are told behind the position that came meanwhile.
                    known.first = known.first.min(index);
                    known.next = known.next.max(index + 1);
                    known.got += 1;
                }
                Note::Known(publisher, index) if publisher != node => {
                    let known = known.entry(publisher).or_insert(Known { first: index, next: index, got: 0 });
                    known.next = known.next.max(index);
                }
                Note::Gap(count) => gaps += count,
                Note::Doubt => doubts += 1,
                _ => {}
            }
        }
        let mut missing = 0;
        for (publisher, known) in &mut known {
            if is_last && !history.dead.contains(publisher) {
                known.next = history.senders[&(*publisher, room)].numbered;
            }
            let all = known.next - known.first;
            let absent = all.checked_sub(known.got);
            missing += absent.ok_or_else(|| format!("more came of {publisher} than it sent: {known:?}"))? as u64;
        }
        // Messages from before a publisher forgot its numbers cannot be counted by a node that was away meanwhile.
        let told = if history.forgets { missing.min(1) } else { missing };
        if gaps < told {
            return Err(format!("{missing} messages are missing, and only {gaps} are told: {known:?}"));
        }
        // Messages before the first one that is known may be a hole too.
        let unknown: usize = known.values().map(|known| known.first).sum();
        let others = history.senders.len() as u64;
        if gaps > missing + doubts * others + unknown as u64 {
            return Err(format!("{gaps} are told to be missing, and {missing} are: {known:?}"));
        }
    }
    Ok(())
}

/// All nodes deliver in one order what was said in order.
fn one_order(history: &History) -> Result<(), String> {
    for room in ROOMS {
        let orders: Vec<(u64, Vec<Id>)> = history
            .notes
            .iter()
            .filter(|((_, of), _)| *of == room)
            .map(|((node, _), notes)| (*node, notes.iter().filter_map(|note| in_order(history, note)).collect()))
            .collect();
        for (one, first) in &orders {
            let places: BTreeMap<Id, usize> = first.iter().enumerate().map(|(place, id)| (*id, place)).collect();
            for (other, second) in orders.iter().filter(|(other, _)| other > one) {
                let common: Vec<(usize, Id)> = second.iter().filter_map(|id| Some((*places.get(id)?, *id))).collect();
                if let Some(pair) = common.windows(2).find(|pair| pair[0].0 >= pair[1].0) {
                    let (before, behind) = (pair[0].1, pair[1].1);
                    return Err(format!("room {room:?}: {before} is before {behind} at {other}, and not at {one}"));
                }
            }
        }
    }
    Ok(())
}

pub(super) fn in_order(history: &History, note: &Note) -> Option<Id> {
    match *note {
        Note::Own(id) if history.refused.contains(&id.publisher) => None,
        Note::Own(id) => (!history.misplaced.contains(&id)).then_some(id),
        Note::Foreign(id, false) => (!history.again.contains(&id)).then_some(id),
        _ => None,
    }
}
