//! Judges a history: exactly once and in order both ways, one order in each room, and each absence told.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use super::history::{History, Phase, Publication, Received, Session};

/// The things that a run allows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Publications may be lost between nodes, if it is told.
    pub(crate) gaps: bool,
    /// From this phase on all members of a room have one order. Before it there may have been a split.
    pub(crate) one_order_from: Phase,
}

/// The counts of a history that is right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) sessions: usize,
    pub(crate) lost: usize,
    pub(crate) sent: usize,
    pub(crate) unknown: usize,
    pub(crate) answers: usize,
    pub(crate) published: usize,
    pub(crate) room_messages: usize,
    /// Room messages that did not come.
    pub(crate) missing: u64,
    /// Room messages of which members were told that they did not come.
    pub(crate) told: u64,
}

/// Checks a history. The error says each thing that is wrong with it.
pub(crate) fn check(history: &History, rules: Rules) -> Result<Counts, Vec<String>> {
    let mut faults = Vec::new();
    let mut counts = Counts::default();
    for (id, session) in &history.sessions {
        up(id, session, &mut faults);
        down(id, session, &mut faults);
        counts.sessions += 1;
        counts.lost += usize::from(session.lost);
        counts.sent += session.sent.len();
        counts.unknown += session.unknown.len();
    }
    messages_are_of_one_session(history, &mut faults);
    for (name, room) in &rooms(history) {
        room.members(name, rules, &mut counts, &mut faults);
        room.order(name, rules, &mut faults);
    }
    for received in history.sessions.values().flat_map(|session| &session.received) {
        counts.answers += usize::from(matches!(received, Received::Answer { .. }));
        counts.room_messages += usize::from(matches!(received, Received::Published(_)));
    }
    let turns = history.sessions.values().flat_map(|session| &session.turns);
    counts.published = turns.filter(|turn| turn.published > 0).count();
    if faults.is_empty() { Ok(counts) } else { Err(faults) }
}

/// From the client to the handlers.
fn up(id: &str, session: &Session, faults: &mut Vec<String>) {
    let Session { sent, turns, lost, acknowledged, unknown, .. } = session;
    let mut by_number = BTreeMap::<u64, u64>::new();
    for turn in turns {
        if by_number.insert(turn.turn, turn.message).is_some() {
            faults.push(format!("{id}: turn {} was there twice: two handlers, or a state that was lost", turn.turn));
        }
    }
    for (expected, (turn, message)) in (1..).zip(&by_number) {
        if *turn != expected {
            faults.push(format!("{id}: turn {expected} is missing, {turn} is there"));
            break;
        }
        let sent = usize::try_from(expected - 1).ok().and_then(|at| sent.get(at));
        if sent != Some(message) {
            faults.push(format!("{id}: turn {expected} took {message}, and the client sent {sent:?}"));
            break;
        }
    }
    if !lost && by_number.len() < sent.len() {
        faults.push(format!("{id}: {} messages were sent, {} were taken", sent.len(), by_number.len()));
    }
    let expected = if *lost { sent.get(*acknowledged..) } else { Some(&[][..]) };
    if expected != Some(unknown) {
        faults.push(format!("{id}: {unknown:?} are reported as unknown, and {expected:?} are"));
    }
    let numbers: Vec<u64> = turns.iter().map(|turn| turn.published).filter(|number| *number > 0).collect();
    let distinct: BTreeSet<u64> = numbers.iter().copied().collect();
    if !distinct.iter().copied().eq((1..).take(numbers.len())) {
        faults.push(format!("{id}: its publications have the numbers {numbers:?}"));
    }
}

/// From the handlers to the client. Room messages are the business of the rooms.
fn down(id: &str, session: &Session, faults: &mut Vec<String>) {
    let taken: BTreeMap<u64, u64> = session.turns.iter().map(|turn| (turn.turn, turn.message)).collect();
    let answers = session.received.iter().filter_map(|received| match received {
        Received::Answer { turn, message } => Some((*turn, *message)),
        _ => None,
    });
    let mut next = 1;
    for (turn, message) in answers {
        if turn != next {
            let fault = if turn < next { "came again or too late" } else { "came too early" };
            faults.push(format!("{id}: the answer of turn {turn} {fault}, {next} was the next"));
            return;
        }
        if taken.get(&turn) != Some(&message) {
            faults.push(format!("{id}: the answer of turn {turn} is to {message}, the turn to {:?}", taken.get(&turn)));
        }
        next += 1;
    }
    if !session.lost && next <= taken.len() as u64 {
        faults.push(format!("{id}: answers came up to turn {}, and there were {} turns", next - 1, taken.len()));
    }
}

/// A client sends no message in two sessions: those that are unknown are reported and not sent again.
fn messages_are_of_one_session(history: &History, faults: &mut Vec<String>) {
    let mut seen = BTreeMap::new();
    for (id, session) in &history.sessions {
        for message in &session.sent {
            if let Some(other) = seen.insert((session.client, *message), id) {
                faults.push(format!("client {}: message {message} was sent in {other} and in {id}", session.client));
            }
        }
    }
}

/// A room: what its sessions published, and what they received.
struct Room<'a> {
    sessions: BTreeMap<&'a str, &'a Session>,
    /// The phase of each publication, in the order of their numbers.
    published: BTreeMap<&'a str, BTreeMap<u64, Phase>>,
}

fn rooms(history: &History) -> BTreeMap<&str, Room<'_>> {
    let mut rooms = BTreeMap::new();
    for (id, session) in &history.sessions {
        let empty = || Room { sessions: BTreeMap::new(), published: BTreeMap::new() };
        let room = rooms.entry(session.room.as_str()).or_insert_with(empty);
        let published = session.turns.iter().filter(|turn| turn.published > 0);
        room.published.insert(id, published.map(|turn| (turn.published, turn.phase)).collect());
        room.sessions.insert(id, session);
    }
    rooms
}

fn publications(session: &Session) -> impl Iterator<Item = &Publication> {
    session.received.iter().filter_map(|received| match received {
        Received::Published(publication) => Some(publication),
        _ => None,
    })
}

/// Whether more is missing than these gaps tell. A gap of one may stand for all that is missing of one node: one that the
/// member's node had not heard before tells that it has spoken, and not since when it was to be heard.
fn untold(missing: &[(&str, u64)], gaps: &[u64]) -> bool {
    let mut by_node = BTreeMap::<&str, u64>::new();
    for (publisher, _) in missing {
        *by_node.entry(publisher.split('.').next().unwrap_or_default()).or_default() += 1;
    }
    let mut by_node: Vec<u64> = by_node.into_values().collect();
    by_node.sort_unstable_by(|one, other| other.cmp(one));
    let ones = gaps.iter().filter(|gap| **gap == 1).count().min(by_node.len());
    let told: u64 = gaps.iter().sum();
    by_node[ones..].iter().sum::<u64>() > told - ones as u64
}

impl Room<'_> {
    /// Each member: no publication twice, those of one session in order, and as many told as are missing.
    fn members(&self, name: &str, rules: Rules, counts: &mut Counts, faults: &mut Vec<String>) {
        // Of a publisher that was lost nobody knows whether its last publications went out, but who has seen one.
        let mut seen = BTreeMap::<&str, u64>::new();
        for publication in self.sessions.values().flat_map(|session| publications(session)) {
            let last = seen.entry(&publication.session).or_default();
            *last = publication.number.max(*last);
        }
        for (id, session) in &self.sessions {
            let mut got = BTreeMap::<&str, Vec<u64>>::new();
            for Publication { session: publisher, number } in publications(session) {
                let known = self.published.get(publisher.as_str()).is_some_and(|all| all.contains_key(number));
                if !known {
                    faults.push(format!("{name}: {id} received {publisher} {number}, which nobody published there"));
                }
                got.entry(publisher).or_default().push(*number);
            }
            let mut missing = Vec::new();
            for (publisher, published) in &self.published {
                let got = got.get(publisher).map_or(&[][..], Vec::as_slice);
                if let Some(pair) = got.windows(2).find(|pair| pair[0] >= pair[1]) {
                    faults.push(format!("{name}: {id} received {publisher} {} behind {}", pair[1], pair[0]));
                }
                let last = match session.lost {
                    true => got.last().copied(),
                    false if self.sessions[publisher].lost => seen.get(publisher).copied(),
                    false => published.keys().next_back().copied(),
                };
                let is_due = |number: u64, phase: Phase| {
                    let begun = phase > session.opened || got.first().is_some_and(|first| number >= *first);
                    begun && last.is_some_and(|last| number <= last)
                };
                let got: BTreeSet<u64> = got.iter().copied().collect();
                let absent =
                    published.iter().filter(|(number, phase)| is_due(**number, **phase) && !got.contains(number));
                missing.extend(absent.map(|(number, _)| (*publisher, *number)));
            }
            let gaps = session.received.iter().filter_map(|received| match received {
                Received::Gap(count) => Some(*count),
                _ => None,
            });
            let gaps: Vec<u64> = gaps.collect();
            let told: u64 = gaps.iter().sum();
            counts.told += told;
            counts.missing += missing.len() as u64;
            if untold(&missing, &gaps) {
                let some: Vec<_> = missing.iter().take(5).collect();
                faults.push(format!("{name}: {id} misses {} and was told of {gaps:?}: {some:?}", missing.len()));
            } else if told > 0 && !rules.gaps {
                faults.push(format!("{name}: {id} was told that {told} are missing, and {} are", missing.len()));
            }
        }
    }

    /// One order of all publications agrees with what each member received. It exists if nobody is before itself.
    fn order(&self, name: &str, rules: Rules, faults: &mut Vec<String>) {
        let counts = |publication: &&Publication| {
            let published = self.published.get(publication.session.as_str());
            published.and_then(|all| all.get(&publication.number)).is_some_and(|phase| *phase >= rules.one_order_from)
        };
        let mut behind = HashMap::<&Publication, BTreeSet<&Publication>>::new();
        let mut before = HashMap::<&Publication, usize>::new();
        for session in self.sessions.values() {
            let received: Vec<&Publication> = publications(session).filter(counts).collect();
            received.iter().for_each(|publication| *before.entry(publication).or_default() += 0);
            for pair in received.windows(2) {
                if behind.entry(pair[0]).or_default().insert(pair[1]) {
                    *before.entry(pair[1]).or_default() += 1;
                }
            }
        }
        let mut free: VecDeque<&Publication> =
            before.iter().filter(|(_, count)| **count == 0).map(|(publication, _)| *publication).collect();
        while let Some(publication) = free.pop_front() {
            before.remove(publication);
            for next in behind.remove(publication).unwrap_or_default() {
                let count = before.get_mut(next).expect("whoever is behind another is not taken yet");
                *count -= 1;
                if *count == 0 {
                    free.push_back(next);
                }
            }
        }
        if let Some(one) = before.keys().min() {
            let (count, pair) = (before.len(), self.two_orders(&counts));
            faults
                .push(format!("{name}: no one order: {count} publications are before themselves, as {one:?}; {pair}"));
        }
    }

    /// Two members that received two publications in two orders, and which these are, for the reader.
    fn two_orders(&self, counts: &impl Fn(&&Publication) -> bool) -> String {
        let place = |(id, session): (&&str, &&'_ Session)| {
            let all: Vec<Publication> = publications(session).filter(counts).cloned().collect();
            let places: HashMap<Publication, usize> = (0..).zip(&all).map(|(at, one)| (one.clone(), at)).collect();
            ((*id).to_owned(), all, places)
        };
        let members: Vec<_> = self.sessions.iter().map(place).collect();
        for (one, all, _) in &members {
            for (other, _, places) in &members {
                let both: Vec<_> = all.iter().filter(|publication| places.contains_key(publication)).collect();
                if let Some(pair) = both.windows(2).find(|pair| places[pair[0]] > places[pair[1]]) {
                    return format!("{one} has {:?} before {:?}, {other} behind it", pair[0], pair[1]);
                }
            }
        }
        "no two members differ".to_owned()
    }
}
