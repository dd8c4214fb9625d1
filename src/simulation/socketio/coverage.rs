//! Counts how often each interesting thing has happened.

use crate::simulation::coverage::{Tally, counted};

counted! {
    /// Something that a run must have seen.
    Fact {
        // Sessions and their transports.
        OpenedByPoll, OpenedBySocket, ProbeAnswered, PausedForPoll, PausedForPost, Upgraded, UpgradeFailed,
        CandidateTimedOut, PollReleased, PollMeetsProbe, PollWaitsForMove, PollTooLate, PollEmpty, PollBytes,
        PostBytes, PostSeveral, PostWaits, ReconnectedAfterLoss, PingFromServer, PingFromClient, PingTimedOutAtServer,
        PingTimedOutAtClient, PingUnderTraffic,
        // Namespaces.
        Connected, ConnectedAgain, ConnectedWhileLeft, Refused, RefusedFull, RefusedUnknown, ClientLeft, ServerEnded,
        LeftWhileAsked, EndCrossed, SentEarly, SentEarlyRefused, NoNamespaceInTime, RootUnasked, RootBeforeAnswer,
        // Events.
        EventUp, EventDown, BinaryUp, BinaryDown, MessageUp, MessageDown, SharedDown, RequestUp, RequestDown, AckUp,
        AckDown, BinaryAckUp, BinaryAckDown, AckTimedOut, AckLate, AnswerOutOfOrder, HeadByPostRestBySocket,
        OutboxFull, InboxFull, StragglerIgnored,
        // Ends.
        ClientClosedPolling, ClientClosedSocket, FarewellToWaitingPoll, ServerClosedPolling, ServerClosedSocket,
        EndedByCut, EndedByBrokenBody, UnknownSession,
        // Faults of the wire and of the two halves.
        CutLost, CutLate, CutSilently, CutInBody, CutInFrame, AnswerLost, Delayed, Stalled, ClientAsleep, ServerAsleep,
        ClientSlow, ServerSlow, AllCut, OpeningLost,
        // Misdeeds of clients.
        SecondGet, SecondPost, UnknownSid, BytesUnasked, SecondConfirmation, SecondProbe, SecondSocket, Delimiters,
        EndlessAttachments, TooManyAttachments, UnknownNamespace, TextWhileOwed, WrongHeartbeat, CandidateTalks,
        BrokenFrame, ConnectTwice, GetAfterUpgrade, TooLarge, Nonsense,
    }
}

#[derive(Clone, Debug)]
pub(super) struct Coverage {
    facts: Vec<u64>,
    pub(super) sent: [u64; 2],
    pub(super) sessions: u64,
}

impl Coverage {
    pub(super) fn note(&mut self, fact: Fact) {
        self.facts[fact as usize] += 1;
    }

    pub(super) fn shortcomings(&self) -> Vec<String> {
        let never = Fact::ALL.iter().filter(|fact| self.facts[**fact as usize] == 0);
        never.map(|fact| format!("never occurred: {fact:?}")).collect()
    }

    pub(super) fn table(&self) -> String {
        let mut out = String::new();
        for facts in Fact::ALL.chunks(4) {
            for &fact in facts {
                out += &format!("  {:<23}{:>8}", format!("{fact:?}"), self.facts[fact as usize]);
            }
            out.push('\n');
        }
        out
    }
}

impl Tally for Coverage {
    fn none() -> Self {
        Coverage { facts: vec![0; Fact::ALL.len()], sent: [0; 2], sessions: 0 }
    }

    fn add(&mut self, other: &Self) {
        for (sum, one) in self.facts.iter_mut().zip(&other.facts) {
            *sum += one;
        }
        self.sent[0] += other.sent[0];
        self.sent[1] += other.sent[1];
        self.sessions += other.sessions;
    }
}
