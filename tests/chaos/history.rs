//! The history of a run: what every client and every handler wrote down. Nothing here knows a clock or a socket.

use std::collections::BTreeMap;

/// The place of a message in time: the phase of the run in which it was made. A phase ends when everything of it has come.
pub(crate) type Phase = u32;

/// A run, by the ids of its sessions.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) sessions: BTreeMap<String, Session>,
    /// How often the rooms of a node went on alone.
    pub(crate) splits: usize,
}

/// A session: the half of its client, and that of its handlers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Session {
    pub(crate) client: u32,
    pub(crate) room: String,
    /// The phase in which it opened.
    pub(crate) opened: Phase,
    /// The client was told that the session is gone.
    pub(crate) lost: bool,
    /// The messages that the client sent, each by a number that it uses once: the first is number 1 of the session.
    pub(crate) sent: Vec<u64>,
    /// How many of them the server has acknowledged.
    pub(crate) acknowledged: usize,
    /// The messages that the client reported as unknown when the session was lost.
    pub(crate) unknown: Vec<u64>,
    /// The messages that the client received, in order.
    pub(crate) received: Vec<Received>,
    /// The messages that handlers took, as they wrote it down: those of one node in order, behind each other.
    pub(crate) turns: Vec<Turn>,
}

/// A message that a client received, or what it was told instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// The handler's answer to one message: its turn, and the message.
    Answer { turn: u64, message: u64 },
    /// A publication to the room of the session, by the session that published and its count.
    Published(Publication),
    /// The count of messages that did not come, as the client was told.
    Gap(u64),
}

/// The name of a publication: the first one of a session is number 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Publication {
    pub(crate) session: String,
    pub(crate) number: u64,
}

/// The turn of a handler that took one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    /// The count of the session's turns, which moves with the session from handler to handler.
    pub(crate) turn: u64,
    pub(crate) message: u64,
    pub(crate) phase: Phase,
    /// The publication that was made of the message; 0 for none.
    pub(crate) published: u64,
}

impl History {
    /// Reads the diary of a node: a line for each turn of a handler. A line that its end cut short is left out.
    pub(crate) fn read_diary(&mut self, diary: &str) {
        for line in diary.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            self.splits += usize::from(line == "split");
            let mut fields = line.split(' ');
            let (Some("turn"), Some(id)) = (fields.next(), fields.next()) else { continue };
            let numbers: Vec<u64> = fields.map(|field| field.parse().expect("a diary holds numbers")).collect();
            let [turn, message, phase, published] = numbers[..] else { panic!("a diary's line is {line:?}") };
            let phase = phase.try_into().expect("phases are few");
            self.sessions.entry(id.to_owned()).or_default().turns.push(Turn { turn, message, phase, published });
        }
    }

    /// The half of a client, with the diary's half that may be there already.
    pub(crate) fn add_client(&mut self, id: &str, session: Session) {
        let known = self.sessions.entry(id.to_owned()).or_default();
        let turns = std::mem::take(&mut known.turns);
        *known = Session { turns, ..session };
    }
}

impl Turn {
    /// The line of a diary.
    pub(crate) fn line(&self, id: &str) -> String {
        let Turn { turn, message, phase, published } = self;
        format!("turn {id} {turn} {message} {phase} {published}\n")
    }
}
