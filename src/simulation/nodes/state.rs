//! The nodes of the world, the engine between them, and what is under way: plain data.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::owners::{Answer, Claiming, Deed, Giver, Keeper, Owner, Taker};

/// How the nodes are wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misrule {
    /// They open without asking which node has the attempt.
    ForgetsTheClaim,
    /// They do not wait until a session is proven that may have lost its race.
    StartsALosersHandler,
    /// They go on with a session that another node may have taken.
    HandsOverTwice,
}

impl Misrule {
    pub(crate) const ALL: &[Misrule] =
        &[Misrule::ForgetsTheClaim, Misrule::StartsALosersHandler, Misrule::HandsOverTwice];
}

/// The state of an attempt on a node.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// It is being claimed for the first of these requests. The others wait.
    Claimed { serial: u64, claiming: Claiming, first: usize, others: Vec<usize> },
    /// It has this session.
    Session(usize),
}

/// A process as a node knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) node: usize,
    /// When it was listed last.
    pub(crate) listed: u64,
    /// When it was heard to beat last, and the beat.
    pub(crate) beaten: u64,
    pub(crate) beats: u64,
    pub(crate) draining: bool,
}

/// A node. A process that takes its place has its name and another number.
#[derive(Debug, Default)]
pub(crate) struct Node {
    pub(crate) process: u64,
    /// It does not run before this time.
    pub(crate) down_until: u64,
    pub(crate) asleep_until: u64,
    /// The engine cannot be reached from here before this time.
    pub(crate) cut_until: u64,
    /// When the engine does what it was asked for last: it keeps the order.
    pub(crate) asked_until: u64,
    pub(crate) attempts: HashMap<String, Attempt>,
    pub(crate) known: BTreeMap<u64, Known>,
    /// When the last beat began that the engine has answered.
    pub(crate) heard: u64,
    pub(crate) beats: u64,
    /// All others know of it. Before that it opens nothing and passes nothing on, for some time.
    pub(crate) joined: bool,
    /// The engine has answered a beat.
    pub(crate) has_heard: bool,
    /// The requests that wait until it has joined.
    pub(crate) joining: Vec<usize>,
    pub(crate) draining: bool,
    /// The places of sessions as it has learned them, each for a time.
    pub(crate) places: BTreeMap<usize, (u64, Learnt)>,
    /// The claims that are being given back.
    pub(crate) releases: BTreeSet<String>,
}

/// The place of a session as a node has learned it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Learnt {
    At(usize),
    Nowhere,
}

/// An entry of the list of those that live.
#[derive(Clone, Debug)]
pub(crate) struct Lease {
    pub(crate) node: usize,
    pub(crate) until: u64,
    pub(crate) beats: u64,
    /// The processes that this one knows of.
    pub(crate) knows: Vec<u64>,
    pub(crate) draining: bool,
    /// Its process has said that it leaves.
    pub(crate) left: bool,
}

/// The engine's directory.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    pub(crate) leases: BTreeMap<u64, Lease>,
    pub(crate) claims: HashMap<String, Vec<u8>>,
}

/// The nodes, and what connects them.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    pub(crate) all: Vec<Node>,
    pub(crate) directory: Directory,
    /// Between these nodes nothing passes before this time.
    pub(crate) peers_cut: BTreeMap<(usize, usize), u64>,
    /// The engine is slow until then.
    pub(crate) slow_until: u64,
    pub(crate) processes: u64,
    /// The number of claims.
    pub(crate) serials: u64,
    pub(crate) gives: BTreeMap<usize, Gives>,
    /// By node and session.
    pub(crate) takes: BTreeMap<(usize, usize), Takes>,
    /// When each process has beaten last, as the engine saw it.
    pub(crate) beaten: BTreeMap<u64, u64>,
    /// When each process was heard again behind the time of a lease.
    pub(crate) silent_until: BTreeMap<u64, u64>,
}

/// A request of a node to the engine.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) node: usize,
    pub(crate) process: u64,
    pub(crate) since: u64,
    pub(crate) wish: Wish,
    pub(crate) asker: Asker,
}

#[derive(Clone, Debug)]
pub(crate) enum Wish {
    Beat {
        beats: u64,
        knows: Vec<u64>,
        draining: bool,
    },
    /// Gives the key the second value if it is free, or has the first one.
    Claim {
        key: String,
        from: Option<Vec<u8>>,
        to: Vec<u8>,
    },
    Look {
        key: String,
    },
    Release {
        key: String,
        value: Vec<u8>,
    },
}

/// The one that waits for the engine's answer.
#[derive(Clone, Debug)]
pub(crate) enum Asker {
    Nobody,
    /// The beat of every second.
    Beat,
    /// The opening with this attempt, and the number of its claim.
    Opening(String, u64),
    /// A session that is proven.
    Proven(usize),
    /// The request on this connection.
    Seeking(usize),
    /// The owner of a session, which takes its claim back.
    Keeping(usize),
    /// The owner of a session, and the number of the move.
    Giving(usize, u64),
    Taking(usize, u64),
}

/// The claim of a session whose node was not heard for so long that others may have taken it.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Since when it is to be taken back.
    pub(crate) due: Option<u64>,
    pub(crate) keeper: Option<Keeper>,
    /// When it was taken back last.
    pub(crate) done: Option<u64>,
}

/// A session that its owner gives away.
#[derive(Debug)]
pub(crate) struct Gives {
    pub(crate) serial: u64,
    pub(crate) node: usize,
    pub(crate) giver: Giver,
    pub(crate) to: Owner,
    /// The requests that wait until it is known where it is.
    pub(crate) conns: Vec<usize>,
    /// The bytes that go, once it is frozen.
    pub(crate) parcel: Option<Vec<u8>>,
    /// The node that was to take it has answered, or nobody waits for that any more.
    pub(crate) answered: bool,
}

/// A session that a node is about to get.
#[derive(Debug)]
pub(crate) struct Takes {
    pub(crate) serial: u64,
    pub(crate) stage: Stage,
    pub(crate) conns: Vec<usize>,
}

#[derive(Debug)]
pub(crate) enum Stage {
    Asked,
    Takes { taker: Taker, giver: Owner, parcel: Vec<u8> },
}

/// A word of a node to another one.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    /// It asks for a session.
    Ask {
        session: usize,
        serial: u64,
        /// No client has shown the secret.
        pushed: bool,
    },
    Stays {
        session: usize,
        serial: u64,
    },
    Parcel {
        session: usize,
        serial: u64,
        deed: Deed,
        parcel: Vec<u8>,
    },
    Answer {
        session: usize,
        serial: u64,
        answer: Answer,
    },
    /// It wants the other one to take a session.
    Push {
        session: usize,
    },
}

/// The engine's answer.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    /// The value of the key, if it is not the asker's.
    Held(Option<Vec<u8>>),
    /// The deed of a session that an opening has looked for.
    Deed(Option<Vec<u8>>),
    List(Vec<(u64, Lease)>),
    Done,
}

/// An event of the nodes.
#[derive(Debug)]
pub(crate) enum NodeEvent {
    /// The engine does what it is asked for. The answer takes this time; `None`: it is lost.
    Does(Ask, Option<u64>),
    /// It has answered, or has not in time.
    Answers(Ask, Result<Found, ()>),
    /// A process beats.
    Beat(usize, u64),
    /// A request has waited long enough for its node to join.
    Joins(usize),
    /// A node is told something by another one.
    Told {
        from: usize,
        to: usize,
        process: u64,
        what: Told,
    },
    /// The steps of a move: the session, and the number of the move.
    Frozen(usize, u64),
    NotConfirmed(usize, u64),
    GivesAgain(usize, u64),
    /// The node, the number of the move, and the session.
    TakesAgain(usize, u64, usize),
    AskedLong(usize, usize, u64),
    /// A node that drains pushes the sessions without a link, and ends.
    Pushes(usize, u64),
    DrainEnds(usize, u64),
}

impl Nodes {
    pub(crate) fn owner(&self, node: usize) -> Owner {
        Owner { name: name(node), incarnation: self.all[node].process }
    }
}

/// The key of the claim of a session.
pub(crate) fn deed_key(session: usize) -> String {
    format!("session-{session}")
}

pub(crate) fn name(node: usize) -> String {
    format!("node-{node}")
}

/// The node with this name.
pub(crate) fn node_of(name: &str) -> usize {
    name.trim_start_matches("node-").parse().expect("our nodes are numbered")
}
