//! Counts which faults occurred, and what happened to each half in each state.

use super::events::Fates;
use crate::session::{Frame, Role, State};

/// Declares an enum whose members can be counted and printed.
macro_rules! counted {
    ($(#[$doc:meta])* $name:ident { $($member:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name { $($member),* }

        impl $name {
            pub(crate) const ALL: &[$name] = &[$($name::$member),*];
        }
    };
}
pub(crate) use counted;

/// The counts of a run, which are added up over the seeds.
pub(crate) trait Tally: Send {
    fn none() -> Self;
    fn add(&mut self, other: &Self);
}

impl Tally for Coverage {
    fn none() -> Self {
        Coverage::new()
    }

    fn add(&mut self, other: &Self) {
        for (sum, one) in self.faults.iter_mut().zip(&other.faults) {
            *sum += one;
        }
        for (sum, one) in self.pairs.iter_mut().zip(&other.pairs) {
            *sum += one;
        }
        self.fates.add(&other.fates);
        self.sent[0] += other.sent[0];
        self.sent[1] += other.sent[1];
        self.sessions += other.sessions;
    }
}

counted! {
    /// A fault that the world makes.
    Fault {
        CutUp, CutDown, CutBoth, CutSilently, CutTailLost, CutTailLate, Delay, Stall, HttpBlocked, SocketsBlocked,
        DuplicateOpen, DuplicateAttach, DuplicateUpload, DuplicateWins, LateRequest, ResponseLost, PollLost,
        UploadRepeated, UploadRebatched, UploadLate, OvertakingLinks,
        Race, RaceWorseHigher, Switch, OpenRetried, TimerExact, TimerAfter, TimerLate,
        ClientAsleep, ServerAsleep, ClientSlow, ServerSlow,
        ClientGap, ServerGap, ValueWaits, ValueReplaced, ClientCloses, ServerCloses, BothClose, ClientAborts, ServerAborts,
        GoAway, Restart, LostUnknown, LostUnsent, Expired, SlowAttach, AttachCancelled, PendingAttachHoldsGrace,
        Spent, Lie, LateRefused, SecretRotated, FormerSecret, SpentSecret, DuplicateRefused, UploadCarrierChanged, OtherSession,
        StreamHeld, StreamBehind, StreamBuffered, AckRequested, Padded, HeldBack, HeldBackGoesOn,
        HandlerAsks, AskTimedOut, AskedFormerPage, AnswerToFormerPage, RequestUnknown,
        PageLeft, TakenOver, TakeOverRepeated, FormerPageRefused,
        PeersCut, EngineCut, EngineSlow, EngineSilent, NodeKilled, Unreached, NotNow, LookedUp, WrittenOff,
        ForwardedOpening, ForwardedResume, ForwardedUpload, OpeningUnknown, OnProof, StartedOnProof, StartedBlind, LoserUnproven, LostItsRace,
        ClaimOfTheDead, ClaimReleased, TookClaimBack,
        Drained, Pushed, StaysThere, NotGiven, Moved, Revived, GiverUnsure, TakerUnsure, TakenBackFirst, ParcelUnwanted,
        WordLost, WaitsForAMove,
    }
}

counted! {
    /// An input, a frame or a command that happens to a machine.
    What {
        Attach, AttachRefused, Detach, Timeout,
        Attached, Message, Gap, Ack, AckRequest, Pause, Resume, Ping, Pong, Confirm, Close, GoAwayFrame, PollDelay,
        Padding, LinkClose, Violation,
        Send, SendFull, SendDroppable, Flush, CloseCalled, Abort, GoAway, ExpectAttach, CancelAttach, Retire,
    }
}

impl What {
    pub(crate) fn of(frame: &Frame) -> What {
        match frame {
            Frame::Attached(_) => What::Attached,
            Frame::Message { .. } => What::Message,
            Frame::Gap { .. } => What::Gap,
            Frame::Ack { .. } => What::Ack,
            Frame::AckRequest => What::AckRequest,
            Frame::Pause { .. } => What::Pause,
            Frame::Resume { .. } => What::Resume,
            Frame::Ping { .. } => What::Ping,
            Frame::Pong { .. } => What::Pong,
            Frame::Confirm => What::Confirm,
            Frame::Close { .. } => What::Close,
            Frame::GoAway { .. } => What::GoAwayFrame,
            Frame::PollDelay { .. } => What::PollDelay,
            Frame::Padding { .. } => What::Padding,
            Frame::LinkClose(_) => What::LinkClose,
            Frame::Probe | Frame::Noop => unreachable!("a frame of Engine.IO in a native session"),
        }
    }
}

const STATES: [State; 5] = [State::Opening, State::Open, State::Interrupted, State::Closing, State::Closed];
const ROLES: [Role; 2] = [Role::Client, Role::Server];

/// Pairs that can occur but are so rare that no run requires them, and how each occurs.
const RARE: [((Role, State, What), &str); 1] =
    [((Role::Server, State::Interrupted, What::Confirm), "a link that was given up answers all the same")];

#[derive(Clone, Debug)]
pub(crate) struct Coverage {
    faults: Vec<u64>,
    pairs: Vec<u64>,
    /// The fates of events.
    pub(crate) fates: Fates,
    pub(crate) sent: [u64; 2],
    pub(crate) sessions: u64,
}

impl Coverage {
    pub(crate) fn new() -> Self {
        let pairs = ROLES.len() * STATES.len() * What::ALL.len();
        Coverage {
            faults: vec![0; Fault::ALL.len()],
            pairs: vec![0; pairs],
            fates: Fates::default(),
            sent: [0; 2],
            sessions: 0,
        }
    }

    pub(crate) fn fault(&mut self, fault: Fault) {
        self.faults[fault as usize] += 1;
    }

    pub(crate) fn pair(&mut self, role: Role, state: State, what: What) {
        self.pairs[slot(role, state, what)] += 1;
    }

    /// The faults and pairs that can occur and did not, and the pairs that did and cannot.
    pub(crate) fn shortcomings(&self) -> Vec<String> {
        let mut found = self.fates.shortcomings();
        for &fault in Fault::ALL {
            if self.faults[fault as usize] == 0 {
                found.push(format!("never occurred: {fault:?}"));
            }
        }
        for_each_pair(|role, state, what| {
            let count = self.pairs[slot(role, state, what)];
            if RARE.iter().any(|&(pair, _)| pair == (role, state, what)) {
                return;
            }
            match (impossible(role, state, what), count) {
                (None, 0) => found.push(format!("never occurred: {what:?} at a {role:?} that is {state:?}")),
                (Some(why), 1..) => found.push(format!("occurred: {what:?} at a {role:?} that is {state:?}: {why}")),
                _ => {}
            }
        });
        found
    }

    pub(crate) fn table(&self) -> String {
        let mut out = String::from("faults:\n");
        for faults in Fault::ALL.chunks(5) {
            for &fault in faults {
                out += &format!("  {:<20}{:>9}", format!("{fault:?}"), self.faults[fault as usize]);
            }
            out.push('\n');
        }
        for role in ROLES {
            out += &format!("{:<16}", format!("{role:?}"));
            for state in STATES {
                out += &format!("{:>12}", format!("{state:?}"));
            }
            out.push('\n');
            for &what in What::ALL {
                out += &format!("  {:<14}", format!("{what:?}"));
                for state in STATES {
                    let count = self.pairs[slot(role, state, what)];
                    let cell = if count == 0 && impossible(role, state, what).is_some() {
                        "-".to_owned()
                    } else {
                        count.to_string()
                    };
                    out += &format!("{cell:>12}");
                }
                out.push('\n');
            }
        }
        out + &self.fates.table()
    }
}

fn slot(role: Role, state: State, what: What) -> usize {
    let role = usize::from(role == Role::Server);
    (role * STATES.len() + state as usize) * What::ALL.len() + what as usize
}

fn for_each_pair(mut visit: impl FnMut(Role, State, What)) {
    for role in ROLES {
        for state in STATES {
            for &what in What::ALL {
                visit(role, state, what);
            }
        }
    }
}

/// Why this pair cannot occur; `None` if it can, so that a run must show it.
fn impossible(role: Role, state: State, what: What) -> Option<&'static str> {
    match (role, state, what) {
        (Role::Server, State::Opening, _) => Some("a server half is born open"),
        (Role::Client, _, What::Pong | What::Confirm) => Some("only a client sends it"),
        (_, _, What::PollDelay) => Some("no machine sends it"),
        (Role::Server, _, What::Attached | What::Ping | What::GoAwayFrame | What::Padding) => {
            Some("only a server sends it")
        }
        (Role::Client, _, What::GoAway | What::ExpectAttach | What::CancelAttach) => Some("only a server is asked to"),
        (Role::Server, _, What::Retire) => Some("only a client gives a link up"),
        (_, State::Closing | State::Closed, What::SendFull) => Some("a closed half refuses before it looks for room"),
        (Role::Client, State::Opening, What::AttachRefused) => Some("nothing is proven yet, so nothing comes late"),
        (
            Role::Client,
            State::Opening,
            What::Message
            | What::Gap
            | What::AckRequest
            | What::Pause
            | What::Resume
            | What::Ping
            | What::Close
            | What::GoAwayFrame
            | What::Padding,
        ) => Some("the start comes first on every link"),
        (Role::Client, State::Interrupted, What::Timeout) => Some("a client without a link waits for nothing"),
        (
            Role::Client,
            State::Interrupted,
            What::Attached
            | What::Message
            | What::Gap
            | What::AckRequest
            | What::Resume
            | What::Ping
            | What::Close
            | What::GoAwayFrame
            | What::Padding,
        ) => Some("comes on a downlink only, and none is attached"),
        _ => None,
    }
}
