//! The state of the world: plain data, which the other files of the simulation work on.

use std::collections::{HashMap, VecDeque};

use bytestring::ByteString;

use super::{
    client_under_test::ClientUnderTest,
    coverage::Coverage,
    log::Log,
    nodes::state::{Kept, Learnt, Misrule, NodeEvent, Nodes},
    packet::{Codec, Packet},
    pending::{PageRequests, ServerRequests},
    queue::Queue,
    random::Random,
    scenario::Scenario,
};
use crate::{
    codec::native::Spelling,
    codec::native::{Head, ResumeToken},
    owners::{Claiming, Deed, Look},
    payload::Payload,
    session::{
        CloseReason, Frame, Grant, LinkId, LinkKind,
        tests::saboteur::{Sabotage, Saboteur},
    },
    shared::Credentials,
};

#[derive(Debug)]
pub(crate) enum WorldEvent {
    /// A packet comes to a node: to the first of the connection's way, or to that behind so many others.
    Up(usize, usize, Packet),
    UpEnd(usize),
    /// The last node of a connection's way learns that it has ended.
    PassedEnd(usize),
    /// Bytes of the last node come to one on the way to the client.
    PassedDown(usize, usize, Packet),
    PassedDownEnd(usize, usize),
    Down(usize, Packet),
    DownEnd(usize, bool),
    SlowAttach(usize),
    ClientTimer,
    ServerTimer(usize),
    ClientSends,
    ServerSends,
    ClientReads,
    ServerReads,
    Chooser,
    /// The link, the client's half, and how often the upload was tried again before.
    UploadDue(LinkId, u64, u64),
    NextSession(u32),
    ClientAnswers,
    ServerAnswers(usize),
    AskTimeout(usize, u64),
    ClientWakes,
    NodeWakes(usize),
    Node(NodeEvent),
    Fault,
}

/// Makes the client half of a generation, at a time. If it is a page that takes a session over, the last number is
/// given that the page before it has received.
pub(crate) type MakeHalf<'a> = &'a dyn Fn(&Scenario, u64, Option<u64>) -> Box<dyn ClientUnderTest>;

/// Which halves are run.
#[derive(Clone, Copy)]
pub(crate) struct Setup<'a> {
    pub(crate) make_half: MakeHalf<'a>,
    /// How both halves are wrong, if they are.
    pub(crate) sabotage: Option<Sabotage>,
    /// How the nodes are wrong, if they are.
    pub(crate) misrule: Option<Misrule>,
    /// The client half is the shipped script, which reads encoded packets only.
    pub(crate) script: bool,
}

/// A server machine and a client machine, all that is between them, and an oracle.
pub(crate) struct World<'a> {
    pub(crate) now: u64,
    pub(super) queue: Queue<WorldEvent>,
    pub(crate) random: Random,
    pub(crate) scenario: Scenario,
    pub(crate) cover: Coverage,
    pub(crate) failure: Option<String>,
    pub(super) trace: Option<Vec<String>>,
    pub(crate) conns: Vec<Conn>,
    pub(crate) client: Client,
    pub(crate) server: Server,
    pub(crate) nodes: Nodes,
    pub(crate) make_half: MakeHalf<'a>,
    pub(crate) sabotage: Option<Sabotage>,
    pub(crate) misrule: Option<Misrule>,
    pub(crate) script: bool,
    /// The time since which no fault occurs.
    pub(crate) calm: Option<u64>,
    pub(super) calm_at: Option<u64>,
    /// When this many messages were sent each way, all must arrive before more are sent.
    pub(crate) goal: u64,
    pub(crate) fault_queued: bool,
    pub(crate) finale: bool,
    pub(crate) sockets_blocked: bool,
    pub(crate) http_blocked: bool,
    /// The number with which the client has answered each request of the server, by the request's id.
    pub(crate) answers: HashMap<u64, u64>,
    /// The reasons with which the client's sessions were closed or aborted.
    pub(crate) client_ends: HashMap<u32, Vec<CloseReason>>,
    pub(crate) flushed: bool,
    pub(super) progress: [u64; 5],
    pub(super) progress_at: u64,
    pub(crate) shipped: u64,
    pub(crate) arrived: u64,
    pub(super) client_deferred: Vec<WorldEvent>,
    /// The events that wait until each node wakes.
    pub(super) node_deferred: Vec<Vec<WorldEvent>>,
}

/// A link as the client sees it.
#[derive(Debug)]
pub(crate) struct Chan {
    pub(crate) link: LinkId,
    pub(crate) conn: usize,
    pub(crate) wire: LinkKind,
    pub(crate) ordinal: u64,
    pub(crate) turn: u64,
    /// An upload's body, to be sent again unchanged.
    pub(super) packet: Option<Packet>,
    /// How often that was done.
    pub(super) tries: u64,
}

pub(crate) struct Client {
    pub(crate) half: Box<dyn ClientUnderTest>,
    pub(crate) generation: u32,
    pub(crate) log: Log,
    /// The next number to arrive from the server.
    pub(crate) read: u64,
    pub(crate) chans: Vec<Chan>,
    pub(crate) next_ordinal: u64,
    pub(super) turn_due: Option<(u64, u64)>,
    pub(super) retry_at: u64,
    pub(super) switch_at: Option<u64>,
    pub(super) armed: Option<u64>,
    /// More is to come.
    pub(crate) sending: bool,
    pub(crate) sent: u64,
    pub(crate) count: u64,
    pub(crate) resend: VecDeque<Payload>,
    pub(crate) asleep_until: u64,
    pub(crate) slow_until: u64,
    pub(crate) closed_seen: bool,
    /// Its session is lost.
    pub(crate) lost: bool,
    pub(crate) opened_before: bool,
    pub(crate) requests: PageRequests,
    /// The number of the page.
    pub(crate) page: u64,
    /// The credentials of the page before, whose session this one takes over.
    pub(crate) heritage: Option<ResumeToken>,
}

impl Client {
    pub(crate) fn new(half: Box<dyn ClientUnderTest>, base: u64, generation: u32, now: u64) -> Self {
        Client {
            half,
            generation,
            log: Log::new(base),
            read: base + 1,
            chans: Vec::new(),
            next_ordinal: 1,
            turn_due: None,
            retry_at: now,
            switch_at: None,
            armed: None,
            sending: false,
            sent: 0,
            count: 0,
            resend: VecDeque::new(),
            asleep_until: 0,
            slow_until: 0,
            closed_seen: false,
            lost: false,
            opened_before: false,
            requests: PageRequests::default(),
            page: 0,
            heritage: None,
        }
    }

    /// Which of the client's halves this is: each session and each page has another one.
    pub(crate) fn half_number(&self) -> u64 {
        u64::from(self.generation) + self.page
    }

    /// Whether it has not got the session yet that it takes over.
    pub(crate) fn is_taking_over(&self) -> bool {
        self.heritage.is_some() && self.half.grant().is_none()
    }

    pub(crate) fn attempt(&self) -> String {
        format!("attempt-{}", self.generation)
    }

    /// The client makes no new link before this time.
    pub(crate) fn delay_retry(&mut self, until: u64) {
        self.retry_at = self.retry_at.max(until);
    }

    pub(super) fn token(&self) -> Option<ResumeToken> {
        let grant = self.half.grant()?;
        Some(ResumeToken { id: grant.id.clone(), secret: grant.secret.clone(), received: self.half.received() })
    }
}

pub(crate) struct ServerSession {
    pub(crate) machine: Saboteur,
    pub(crate) grant: Grant,
    pub(crate) credentials: Credentials,
    pub(super) spent: bool,
    /// The client has attached by the secret, or confirmed a link: it keeps the session for the whole grace time.
    pub(crate) proven: bool,
    /// Its process has ended.
    pub(crate) gone: bool,
    /// The node that has it, and its process.
    pub(crate) node: usize,
    pub(crate) process: u64,
    /// The node where it began, whose name its id has.
    pub(crate) born: usize,
    /// Its handler starts when it is proven: another node may have made a session for the same attempt.
    pub(crate) on_proof: bool,
    /// It is proven, and its attempt is claimed once more.
    pub(crate) claiming: Option<Claiming>,
    /// The engine did not answer even then.
    pub(crate) blind: bool,
    /// Its handler has received something.
    pub(crate) heard: bool,
    /// It was given away, and no node has it yet.
    pub(crate) given: bool,
    /// The process that has its deed since it was given away: it is lost with that one.
    pub(crate) heir: Option<u64>,
    pub(crate) deed: Option<Deed>,
    /// Its node was not heard for long: it takes the claim back, or has done so at the time.
    pub(crate) claim_kept: Kept,
    /// Its node counted as dead, and another one has taken the claim of its attempt.
    pub(crate) outlived: bool,
    /// Others were told that it is gone, since its node counted as dead.
    pub(crate) written_off: bool,
    /// The client's generation that has opened it.
    pub(crate) generation: u32,
    pub(crate) log: Log,
    /// The newest value of each key that has no number yet.
    pub(crate) values: HashMap<ByteString, Payload>,
    pub(crate) requests: ServerRequests,
    /// The next number to arrive from the client.
    pub(crate) read: u64,
    pub(crate) conns: Vec<usize>,
    pub(crate) begun: u32,
    /// How many links are attached, not counting uploads.
    pub(super) downlinks: u32,
    /// The time since which no link is attached and no attach has begun.
    pub(crate) quiet_since: Option<u64>,
    pub(crate) quiet_from: u64,
    /// When something was last received from the client.
    pub(crate) last_received: u64,
    pub(crate) armed: Option<u64>,
    /// The reasons with which the application has closed or aborted.
    pub(crate) ends: Vec<CloseReason>,
    pub(crate) closed_seen: bool,
    /// The polls in a row that were answered with nothing but the same pause or resume: the ordinal, the
    /// pause or resume, and how many.
    pub(crate) idle_polls: (u64, u64, u32),
    /// The turn that was last ended because its stream was held back.
    pub(crate) held_back: Option<LinkId>,
    /// The links that were attached, each with its ordinal and turn.
    pub(crate) pairs: Vec<(u64, u64, LinkId)>,
}

#[derive(Default)]
pub(crate) struct Server {
    pub(crate) sessions: Vec<ServerSession>,
    /// The logs of what the client sent in its earlier sessions.
    pub(crate) client_logs: Vec<Log>,
    /// All that the pages have sent which opened, by generation, where another page has taken a session over.
    pub(crate) opening_logs: HashMap<u32, Log>,
    /// More is to come.
    pub(crate) sending: bool,
    pub(crate) sent: u64,
    pub(super) count: u64,
    /// The number of requests that all sessions have made.
    pub(crate) asked: u64,
    pub(crate) slow_until: u64,
}

impl ServerSession {
    /// The attempt by which it was opened.
    pub(crate) fn attempt(&self) -> String {
        format!("attempt-{}", self.generation)
    }

    /// Whether its handler has started.
    pub(crate) fn runs(&self) -> bool {
        !self.on_proof
    }

    pub(super) fn note_quiet(&mut self, now: u64) {
        let busy = self.begun > 0 || self.downlinks > 0;
        self.quiet_since = match self.quiet_since {
            _ if busy => None,
            Some(since) => Some(since),
            None => Some(now),
        };
    }
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    /// When its last packet arrives.
    pub(crate) last: u64,
    /// It takes nothing more.
    pub(crate) closed: bool,
    /// Packets that are under way do not arrive either.
    pub(crate) lost: bool,
    pub(crate) stalled_until: u64,
}

/// The way in which a proxy holds back a stream's chunks. All of them pass when the answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeping {
    Passes,
    /// It holds all until the end.
    Held,
    /// It holds each chunk until the next one comes.
    Behind,
    /// It holds chunks until they have this many bytes.
    Buffered(usize),
}

/// An attach that is slow at the server.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) session: usize,
    /// It holds off the end of grace.
    pub(crate) counts: bool,
    pub(crate) head: Head,
    pub(crate) frames: Vec<Frame>,
}

/// A request whose node is not known yet, as it came.
#[derive(Debug)]
pub(crate) struct Parked {
    pub(crate) packet: Packet,
    pub(crate) head: Head,
    pub(crate) frames: Vec<Frame>,
    pub(crate) since: u64,
    /// The session was asked for, and does not come.
    pub(crate) stays: bool,
    pub(crate) look: Look,
    /// The place that the node knew when the look began.
    pub(crate) before: Option<Learnt>,
    /// The node that was not reached.
    pub(crate) failed: Option<usize>,
}

#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) wire: LinkKind,
    /// The nodes that it passes through: where it comes in, and at last the one that answers it.
    pub(crate) way: Vec<usize>,
    /// A link between the nodes of its way is gone.
    pub(crate) severed: bool,
    /// When the last packet arrives that nodes pass on, down and up.
    pub(crate) passed: [u64; 2],
    pub(crate) parked: Option<Parked>,
    pub(crate) spelling: Option<Spelling>,
    /// The client's link; `None` once the client has given it up, and on copies that belong to no link.
    pub(crate) link: Option<LinkId>,
    /// The server's session and link.
    pub(crate) session: Option<(usize, LinkId)>,
    pub(crate) waiting: Option<Waiting>,
    /// The request shows the secret in its URL.
    pub(crate) in_url: bool,
    pub(crate) backlog: Vec<Packet>,
    /// The server is done with it.
    pub(crate) answered: bool,
    /// The codec at the server's end.
    pub(crate) codec: Codec,
    /// The frames that a poll's answer contains so far.
    pub(crate) held: Vec<Frame>,
    pub(crate) budget: usize,
    pub(crate) up: Lane,
    pub(crate) down: Lane,
    pub(crate) keeping: Keeping,
    pub(super) kept: Vec<Packet>,
    pub(super) delay: u64,
}

/// How a connection is cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) up: bool,
    pub(crate) down: bool,
    /// Packets that are under way are lost; otherwise they arrive, perhaps late.
    pub(crate) lost: bool,
    /// The two halves do not notice the cut.
    pub(crate) silent: bool,
}

impl Conn {
    pub(crate) fn add_delay(&mut self, delay: u64) {
        self.delay += delay;
    }
}
