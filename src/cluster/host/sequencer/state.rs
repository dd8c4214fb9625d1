//! The whole knowledge of a sequencer: its connections, who wants which topics, and what it keeps. Times are arguments.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use bytes::Bytes;

use crate::cluster::{
    engine::{Record, Recorded},
    host::{
        frames::{Answer, Ask, NO_ID, VERSION},
        memory::{Full, Memory},
        streams::{Outlet, Pushed},
    },
    records::Histories,
};

/// The time for which those who lived in the epoch before may tell what they have, in milliseconds: that of a node's lease.
pub(super) const TELLING: u64 = 10_000;

/// The time for which a question about claims waits for it, in milliseconds.
const PATIENCE: u64 = 1_000;

/// Upper bound on the questions that wait for it.
const MOST_WAITING: usize = 100_000;

/// The most bytes of records that are read at once, which nobody is held up by. Older ones are left out.
const MOST_READ: usize = 12 << 20;

/// Upper bound on the topics of one connection.
const MOST_TOPICS: usize = 4_000_000;

/// A process, as far as the engine knows one.
type Member = u64;

/// A connection, counted.
pub(super) type Number = u64;

/// The outcome of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handled {
    Good,
    /// A process has much to take. Who has published waits for a moment.
    Pressed,
    /// The epoch is over, and nothing is done any more.
    Over,
    /// The other side does not speak as a node does.
    Bad,
}

struct Connection {
    outlet: Arc<Outlet>,
    member: Option<Member>,
    /// The member has told here what it has.
    told: bool,
    topics: HashSet<Bytes>,
    /// The connections that have got something of this one, and the number of the last frame there.
    gave: HashMap<Number, u64>,
}

/// A question about claims whose answer is not known yet.
struct Waiting {
    connection: Number,
    id: u32,
    ask: Ask,
    until: u64,
}

/// The beginning of an epoch: those who lived in the one before have claims that nobody else may have.
struct Beginning {
    until: u64,
    /// The processes that have not told theirs yet.
    awaited: HashSet<Member>,
    waiting: VecDeque<Waiting>,
}

pub(super) struct State {
    last: Number,
    connections: HashMap<Number, Connection>,
    topics: HashMap<Bytes, Vec<Number>>,
    memory: Memory,
    histories: Histories,
    beginning: Option<Beginning>,
    /// The processes that do not hear what is published yet, and how long they are waited for.
    deaf: HashSet<Member>,
    carries_from: u64,
    /// The last word is said.
    over: bool,
    /// These were logged once.
    told_of_full: bool,
    told_of_conflict: bool,
}

impl State {
    /// A sequencer that begins. `awaited` are the processes that may have claims.
    pub(super) fn new(now: u64, awaited: HashSet<Member>, histories: Histories) -> Self {
        State {
            last: 0,
            connections: HashMap::new(),
            topics: HashMap::new(),
            memory: Memory::new(),
            histories,
            deaf: awaited.clone(),
            carries_from: now + PATIENCE,
            over: false,
            beginning: Some(Beginning { until: now + TELLING, awaited, waiting: VecDeque::new() }),
            told_of_full: false,
            told_of_conflict: false,
        }
    }

    pub(super) fn connected(&mut self, outlet: Arc<Outlet>) -> Number {
        self.last += 1;
        let (topics, gave) = (HashSet::new(), HashMap::new());
        self.connections.insert(self.last, Connection { outlet, member: None, told: false, topics, gave });
        if self.over {
            self.say(self.last, &Answer::Over);
        }
        self.last
    }

    /// Ends the epoch: each connection has a last word, and nothing is handled any more. Returns the connections, and the
    /// number of the word there.
    pub(super) fn end(&mut self) -> Vec<(Arc<Outlet>, u64)> {
        self.over = true;
        self.connections.keys().for_each(|number| self.say(*number, &Answer::Over));
        self.connections.values().map(|connection| (connection.outlet.clone(), connection.outlet.last())).collect()
    }

    /// The processes that may take this one's place, each with the connection on which it is asked.
    pub(super) fn heirs(&self, except: Member) -> Vec<(Member, Number)> {
        let told = self.connections.iter().filter(|(_, connection)| connection.told);
        let heirs = told.filter_map(|(number, connection)| Some((connection.member?, *number)));
        heirs.filter(|(member, _)| *member != except).collect()
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.len()
    }

    pub(super) fn disconnected(&mut self, number: Number) {
        let Some(gone) = self.connections.remove(&number) else { return };
        for topic in gone.topics {
            forget(&mut self.topics, &topic, number);
        }
        if let Some(beginning) = &mut self.beginning {
            beginning.waiting.retain(|waiting| waiting.connection != number);
        }
    }

    /// The processes that are waited for.
    pub(super) fn awaited(&self) -> Vec<Member> {
        let telling = self.beginning.iter().flat_map(|beginning| beginning.awaited.iter());
        let all: HashSet<Member> = telling.chain(&self.deaf).copied().collect();
        all.into_iter().collect()
    }

    /// A process is gone.
    pub(super) fn gone(&mut self, now: u64, member: Member) {
        self.deaf.remove(&member);
        self.told(now, member);
    }

    /// Whether all who should hear what is published do, or were waited for. Nothing is published before.
    pub(super) fn carries(&mut self, now: u64) -> bool {
        if now >= self.carries_from {
            self.deaf.clear();
        }
        self.deaf.is_empty()
    }

    /// The connections that have got what this one has published since this was asked, and the number of the last frame there.
    pub(super) fn gave(&mut self, number: Number) -> Vec<(Arc<Outlet>, u64)> {
        let gave = self.connections.get_mut(&number).map(|connection| std::mem::take(&mut connection.gave));
        let gave = gave.into_iter().flatten();
        gave.filter_map(|(to, last)| Some((self.connections.get(&to)?.outlet.clone(), last))).collect()
    }

    /// A process has told all, or is gone.
    fn told(&mut self, now: u64, member: Member) {
        if let Some(beginning) = &mut self.beginning {
            beginning.awaited.remove(&member);
        }
        self.tick(now);
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, now: u64) {
        let Some(beginning) = &mut self.beginning else { return };
        if beginning.awaited.is_empty() || beginning.until <= now {
            let silent = beginning.awaited.len();
            if silent > 0 {
                tracing::warn!(
                    silent,
                    "processes of this machine's cluster do not answer: what they had claimed is free"
                );
            }
            let waiting = std::mem::take(&mut beginning.waiting);
            self.beginning = None;
            for Waiting { connection, id, ask, .. } in waiting {
                let answer = self.decide(now, ask);
                self.answer(connection, id, &answer);
            }
            return;
        }
        // They wait in the order of their times.
        let late = beginning.waiting.partition_point(|waiting| waiting.until <= now);
        let late: Vec<Waiting> = beginning.waiting.drain(..late).collect();
        for Waiting { connection, id, .. } in late {
            self.answer(connection, id, &refusal("a process that may have claimed it does not answer"));
        }
    }

    /// Says something that nobody has asked for.
    pub(super) fn say(&self, number: Number, word: &Answer) {
        self.answer(number, NO_ID, word);
    }

    fn answer(&self, number: Number, id: u32, answer: &Answer) {
        let Some(connection) = self.connections.get(&number) else { return };
        let frame = answer.write(id).or_else(|| refusal("the answer is longer than the engine carries").write(id));
        if let Some(frame) = frame {
            self.push(connection, frame);
        }
    }

    fn push(&self, connection: &Connection, frame: Bytes) {
        if connection.outlet.push(frame) == Pushed::Full {
            warn_of_slow();
        }
    }

    /// Does what a node asks for.
    pub(super) fn handle(&mut self, now: u64, number: Number, id: u32, ask: Ask) -> Handled {
        if self.over {
            return Handled::Over;
        }
        let Some(connection) = self.connections.get_mut(&number) else { return Handled::Bad };
        let answer = match (connection.member, ask) {
            (None, Ask::Hello { version: VERSION, member }) => {
                connection.member = Some(member);
                Answer::Done
            }
            (None, Ask::Hello { version, .. }) => refusal(&format!(
                "the sequencer of this machine speaks version {VERSION} of the engine, and this process {version}"
            )),
            (None, _) | (_, Ask::Hello { .. }) => return Handled::Bad,
            (_, Ask::Publish { topic, body }) => {
                let frame = (Answer::Publication { topic: topic.clone(), body }).write(NO_ID);
                return self.carry(number, &topic, frame);
            }
            (_, Ask::Append(record)) => return self.append(now, number, record),
            (_, Ask::History { topic, keep, after }) => {
                Answer::Past(self.histories.past(now, &topic, keep, after, MOST_READ))
            }
            (_, Ask::Tell { key, value, keep }) => {
                self.tell(now, key, value, keep);
                return Handled::Good;
            }
            (_, Ask::Ping) => Answer::Done,
            (_, Ask::Interest { add, drop }) => self.interest(number, add, drop),
            (_, Ask::Begun) => return Handled::Good,
            // Nothing is published while there are some that do not listen.
            (Some(member), Ask::Listens) if self.deaf.remove(&member) => Answer::InTime,
            (_, Ask::Listens) => Answer::Done,
            (Some(member), Ask::Told) => {
                connection.told = true;
                self.told(now, member);
                Answer::Done
            }
            (_, Ask::Leave { id }) => {
                self.memory.leave(&id);
                Answer::Done
            }
            (_, Ask::Beat { id, info, lease }) => match self.memory.beat(now, id, info, lease) {
                Ok(nodes) => Answer::List(nodes),
                Err(Full) => self.full(),
            },
            (_, Ask::Note { id, topics, values, keep }) => {
                match self.memory.note(now, &id, topics.into_iter().zip(values), keep) {
                    Ok(()) => Answer::Done,
                    Err(Full) => self.full(),
                }
            }
            (_, Ask::Notes { topic }) => Answer::List(self.memory.notes(now, &topic)),
            (_, ask) => match self.decide_or_wait(now, number, id, ask) {
                Some(answer) => answer,
                None => return Handled::Good,
            },
        };
        self.answer(number, id, &answer);
        Handled::Good
    }

    /// A question about claims. It waits, and the result is `None`, while some have not told theirs.
    fn decide_or_wait(&mut self, now: u64, connection: Number, id: u32, ask: Ask) -> Option<Answer> {
        match &mut self.beginning {
            None => Some(self.decide(now, ask)),
            Some(beginning) if beginning.waiting.len() < MOST_WAITING => {
                beginning.waiting.push_back(Waiting { connection, id, ask, until: now + PATIENCE });
                None
            }
            Some(_) => Some(refusal("too many questions wait for processes that do not answer")),
        }
    }

    /// A question about claims.
    fn decide(&mut self, now: u64, ask: Ask) -> Answer {
        match ask {
            Ask::Swap { key, from, to, keep } => match self.memory.swap(now, key, &from, to, keep) {
                Ok(held) => Answer::Value(held),
                Err(Full) => self.full(),
            },
            Ask::Look { key } => Answer::Value(self.memory.look(now, &key)),
            Ask::Release { key, value } => {
                self.memory.release(now, &key, &value);
                Answer::Done
            }
            _ => refusal("this is no question about claims"),
        }
    }

    fn tell(&mut self, now: u64, key: Bytes, value: Bytes, keep: u64) {
        match self.memory.tell(now, key, value, keep) {
            Ok(None) => {}
            Ok(Some(_)) if std::mem::replace(&mut self.told_of_conflict, true) => {}
            Ok(Some(_)) => tracing::warn!("a process was silent for so long that another one has what it had claimed"),
            Err(Full) => drop(self.full()),
        }
    }

    fn full(&mut self) -> Answer {
        if !std::mem::replace(&mut self.told_of_full, true) {
            tracing::warn!("the sequencer of this machine's nodes keeps as many claims, leases or notes as it may");
        }
        refusal("the sequencer keeps as many claims, leases or notes as it may")
    }

    fn interest(&mut self, number: Number, add: Vec<Bytes>, drop: Vec<Bytes>) -> Answer {
        let Some(connection) = self.connections.get_mut(&number) else { return Answer::Done };
        for topic in drop {
            if connection.topics.remove(&topic) {
                forget(&mut self.topics, &topic, number);
            }
        }
        if connection.topics.len() + add.len() > MOST_TOPICS {
            return refusal("a process has an interest in more topics than it may");
        }
        for topic in add {
            if connection.topics.insert(topic.clone()) {
                self.topics.entry(topic).or_default().push(number);
            }
        }
        Answer::Done
    }

    fn append(&mut self, now: u64, from: Number, record: Record) -> Handled {
        // Its publisher did not learn that it was taken.
        let Some(place) = self.histories.append(now, &record) else { return Handled::Good };
        let Record { topic, body, .. } = record;
        let recorded = Recorded { topic: topic.clone(), body, place, before: place.offset - 1 };
        self.carry(from, &topic, Answer::Recorded(recorded).write(NO_ID))
    }

    /// Gives what was published to all who want it.
    fn carry(&mut self, from: Number, topic: &Bytes, frame: Option<Bytes>) -> Handled {
        let (Some(numbers), Some(frame)) = (self.topics.get(topic), frame) else { return Handled::Good };
        let mut is_pressed = false;
        let mut gave = Vec::with_capacity(numbers.len());
        for number in numbers {
            let Some(connection) = self.connections.get(number) else { continue };
            self.push(connection, frame.clone());
            is_pressed |= connection.outlet.is_pressed();
            gave.push((*number, connection.outlet.last()));
        }
        if let Some(publisher) = self.connections.get_mut(&from) {
            publisher.gave.extend(gave);
        }
        if is_pressed { Handled::Pressed } else { Handled::Good }
    }

    pub(super) fn is_pressed(&self) -> bool {
        self.connections.values().any(|connection| connection.outlet.is_pressed())
    }

    /// Cuts off the processes that have much to take still, so that nobody waits for them any longer.
    pub(super) fn cut_off(&self) {
        for connection in self.connections.values().filter(|connection| connection.outlet.is_pressed()) {
            connection.outlet.close();
            warn_of_slow();
        }
    }
}

fn warn_of_slow() {
    tracing::warn!("a process takes what is published too slowly, and is cut off: its members have a gap");
}

fn refusal(why: &str) -> Answer {
    Answer::Refused(Bytes::copy_from_slice(why.as_bytes()))
}

fn forget(topics: &mut HashMap<Bytes, Vec<Number>>, topic: &Bytes, number: Number) {
    let Some(numbers) = topics.get_mut(topic) else { return };
    numbers.retain(|other| *other != number);
    if numbers.is_empty() {
        topics.remove(topic);
    }
}

#[cfg(test)]
mod tests;
