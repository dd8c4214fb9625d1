//! The state of a client that speaks STOMP.

use std::task::Waker;

use bytestring::ByteString;

use crate::dialect::stomp::{Subscriptions, Version};

/// The bytes that a subscription, or a request, counts besides its texts.
pub(super) const COST: usize = 128;

/// The state of a client that speaks STOMP.
#[derive(Debug)]
pub(in crate::shared) struct Stomp {
    /// It is known with CONNECT.
    pub(super) version: Option<Version>,
    pub(super) subscriptions: Subscriptions,
    /// The receipts of requests that the handler has not answered, by the ids of the requests.
    pub(super) receipts: Vec<(u64, ByteString)>,
    /// The number of requests so far.
    pub(super) requests: u64,
    /// The bytes of the texts of subscriptions and receipts.
    pub(super) held: usize,
    /// The bytes of events that the handler has not received.
    pub(super) queued: usize,
    /// The subscriptions to queues for whose messages the outbox had no room, and the length for which it had none.
    pub(super) blocked: Vec<(u64, usize)>,
    /// Those for whose messages too many others were not acknowledged.
    pub(super) unacknowledged: Vec<u64>,
    /// The session's task, which waits for a reason to do something.
    pub(super) task: Option<Waker>,
    pub(super) beats: Beats,
}

/// A client that is silent for so many of its intervals is gone.
const PATIENCE: u64 = 2;

/// The heart-beats of both sides. Times are milliseconds, and an interval of 0 means none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beats {
    pub(super) sends: u64,
    pub(super) wants: u64,
    pub(super) sent_at: u64,
    pub(super) received_at: u64,
    /// CONNECTED was sent: before it nobody sends heart-beats.
    pub(super) begun: bool,
}

impl Beats {
    pub(super) fn none(now: u64) -> Self {
        Self::new(now, 0, 0)
    }

    pub(super) fn new(now: u64, sends: u64, wants: u64) -> Self {
        Beats { sends, wants, sent_at: now, received_at: now, begun: false }
    }

    /// CONNECTED is sent.
    pub(super) fn begin(&mut self, now: u64) {
        (self.begun, self.received_at) = (true, now);
    }

    /// The heart-beats that both sides have agreed on, as the server states them.
    pub(super) fn agreed(&self) -> (u64, u64) {
        (self.sends, self.wants)
    }

    pub(super) fn next_sent(&self) -> Option<u64> {
        (self.begun && self.sends > 0).then(|| self.sent_at + self.sends)
    }

    pub(super) fn silent_at(&self) -> Option<u64> {
        (self.begun && self.wants > 0).then(|| self.received_at + PATIENCE * self.wants)
    }
}

impl Stomp {
    pub(super) fn new(subscriptions: Subscriptions, now: u64) -> Self {
        Stomp {
            version: None,
            subscriptions,
            receipts: Vec::new(),
            requests: 0,
            held: 0,
            queued: 0,
            blocked: Vec::new(),
            unacknowledged: Vec::new(),
            task: None,
            beats: Beats::none(now),
        }
    }

    /// The client is gone: no request is answered any more. What it has acknowledged before, the session's task may not
    /// have read yet.
    pub(in crate::shared) fn drop_receipts(&mut self) {
        for (_, receipt) in std::mem::take(&mut self.receipts) {
            self.held -= COST + receipt.len();
        }
    }

    /// The session's task has ended, and has told the queues.
    pub(in crate::shared) fn clear(&mut self) {
        drop(self.subscriptions.clear());
        self.receipts = Vec::new();
        self.held = 0;
    }

    /// The bytes of subscriptions, of receipts, and of messages that are not acknowledged.
    pub(in crate::shared) fn bytes(&self) -> usize {
        self.held + self.subscriptions.due() * COST
    }

    /// Notes the receipt of a request. Returns the request's id.
    pub(super) fn new_request(&mut self, receipt: ByteString) -> u64 {
        self.requests += 1;
        self.held += COST + receipt.len();
        self.receipts.push((self.requests, receipt));
        self.requests
    }

    /// The receipt of a request that is answered.
    pub(super) fn take_receipt(&mut self, id: u64) -> Option<ByteString> {
        let at = self.receipts.iter().position(|(request, _)| *request == id)?;
        let (_, receipt) = self.receipts.remove(at);
        self.held -= COST + receipt.len();
        Some(receipt)
    }

    pub(super) fn version(&self) -> Version {
        self.version.unwrap_or(Version::V1_0)
    }
}
