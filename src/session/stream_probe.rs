//! Measures how a stream reaches the client. Something on the way may hold back what is sent: for ever, by
//! one chunk, or until some amount has come.
//!
//! Behind its messages the server sends an acknowledgement request, one at a time. While none is answered it
//! sends padding in a chunk of its own: first a little, which helps where each chunk waits for the next one,
//! then more, which fills a small buffer. Padding that has helped is sent behind each flush from then on.
//! When nothing helps the answer ends: that frees what is held back, and the client polls.
//!
//! A slow path must not be taken for one that holds back. Each term includes the round trip at least once;
//! the time that a slow line takes for the bytes under way is added; and a client that goes on with a stream
//! after such an end shows that the acknowledgement was only late, which doubles the terms.

use super::links::LinkId;

/// Padding for a path that is one chunk behind.
const SMALL: u16 = 16;
/// Padding for a path that buffers a little.
const LARGE: u16 = 4096;
/// After a request and a round trip: when the small padding is sent, when the large, and when the answer
/// ends.
const TERMS: [u64; 3] = [250, 450, 700];
/// The time from an acknowledgement to the next request.
const REQUEST_INTERVAL: u64 = 250;
/// The terms are doubled at most this often: a path that holds back is then recognised after some six
/// seconds.
const MAX_DOUBLINGS: u8 = 3;
/// No round trip counts for more: a longer one is a pause of the client, not its distance.
const LONGEST_ROUND_TRIP: u64 = 10_000;
/// Any line carries this many bytes in no time. A slow one takes a millisecond for each `SLOW_LINE` bytes
/// more.
const FEW_BYTES: usize = 4096;
const SLOW_LINE: usize = 32;
/// An incoming request may bring the acknowledgement: the end is put off in such steps, and no longer than
/// this in all.
const STEP: u64 = 100;
const LONGEST_WAIT: u64 = 10_000;
/// This many acknowledgements in a row may come too early to be an effect of the padding before them.
const MAX_EARLY: u8 = 3;

/// The measurements of the path of a session's streams. The first stream creates them, and they matter only
/// while a stream carries.
#[derive(Debug)]
pub(super) struct StreamProbe {
    /// The stream that is measured, and its ordinal.
    pub(super) link: LinkId,
    ordinal: u64,
    /// The acknowledgement request that is not answered yet.
    pending: Option<PendingRequest>,
    /// No request is sent before this time.
    next_request: u64,
    /// `next_request` is a deadline: something was sent without a request of its own.
    request_due: bool,
    /// The padding that is sent behind each flush.
    usual_padding: Padding,
    /// Something was sent since the last padding.
    sent_since_padding: bool,
    /// The length of the padding that a deadline calls for.
    padding_due: u16,
    end: End,
    /// How often the terms are doubled.
    doublings: u8,
    /// From a request to its acknowledgement; until that was measured, from the end of a turn to the next
    /// turn.
    round_trip: u64,
    measured: bool,
    /// How many acknowledgements in a row came too early to be an effect of the padding.
    early: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Padding {
    Nothing,
    Small,
    Large,
}

/// Whether the answer ends because nothing is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    No,
    Due,
    Sent,
}

#[derive(Debug)]
struct PendingRequest {
    /// An acknowledgement of this number answers it.
    number: u64,
    sent_at: u64,
    /// How many of the terms have passed.
    passed: u8,
    /// The time that the bytes under way take on a slow line, and the time added for incoming requests.
    allowance: u64,
    /// When the small padding was called for, and the large.
    padded_at: [u64; 2],
}

impl StreamProbe {
    pub(super) fn new(link: LinkId, ordinal: u64) -> Self {
        StreamProbe {
            link,
            ordinal,
            pending: None,
            next_request: 0,
            request_due: false,
            usual_padding: Padding::Nothing,
            sent_since_padding: false,
            padding_due: 0,
            end: End::No,
            doublings: 0,
            round_trip: 0,
            measured: false,
            early: 0,
        }
    }

    /// A request has taken the place of an ordinal's turn. The acknowledgement in its head answers no
    /// acknowledgement request of ours. If the request is a stream, the client did not agree with the end
    /// that it was sent.
    pub(super) fn next_turn(&mut self, ordinal: u64, stream: bool) {
        if ordinal != self.ordinal {
            return;
        }
        if self.end == End::Sent && stream {
            self.doublings = (self.doublings + 1).min(MAX_DOUBLINGS);
        }
        self.pending = None;
        self.end = End::No;
    }

    /// A stream begins. `gap` is the time since the turn before it ended, if nothing else lay between.
    pub(super) fn begin_stream(&mut self, link: LinkId, ordinal: u64, gap: Option<u64>) {
        if ordinal != self.ordinal {
            // Another path, perhaps a clear one.
            self.usual_padding = Padding::Nothing;
        }
        if let (Some(gap), false) = (gap, self.measured) {
            self.round_trip = gap.min(LONGEST_ROUND_TRIP);
        }
        let StreamProbe { usual_padding, doublings, round_trip, measured, early, .. } = *self;
        *self =
            StreamProbe { usual_padding, doublings, round_trip, measured, early, ..StreamProbe::new(link, ordinal) };
    }

    /// Whether an acknowledgement request must follow `sent`, the last number that was sent here.
    pub(super) fn wants_request(&self, now: u64, sent: u64, acked: u64) -> bool {
        sent > acked && self.pending.is_none() && self.end == End::No && now >= self.next_request
    }

    /// An acknowledgement request is sent. The probe waits for one at a time: another one, because the
    /// application waits for an acknowledgement, is not measured.
    pub(super) fn request_sent(&mut self, now: u64, number: u64, bytes: usize) {
        if self.pending.is_none() && self.end == End::No {
            let allowance = (bytes.saturating_sub(FEW_BYTES) / SLOW_LINE) as u64;
            self.pending = Some(PendingRequest { number, sent_at: now, passed: 0, allowance, padded_at: [0; 2] });
            self.request_due = false;
        }
    }

    /// The other half has acknowledged this number. Returns whether that answers the request.
    pub(super) fn acknowledged(&mut self, now: u64, acked: u64, heartbeat: Option<u64>) -> bool {
        let Some(request) = self.pending.take_if(|request| request.number <= acked) else { return false };
        match request.passed {
            0 => {
                self.measure(now.saturating_sub(request.sent_at));
                self.early = 0;
            }
            1 | 2 => self.acknowledged_after_padding(now, &request, heartbeat),
            _ => {} // It came too late.
        }
        self.answered(now);
        true
    }

    /// The acknowledgement came after padding: either the padding has helped, or the path is slower than we
    /// thought.
    fn acknowledged_after_padding(&mut self, now: u64, request: &PendingRequest, heartbeat: Option<u64>) {
        let round_trip = self.round_trip(heartbeat);
        let [small, large] = request.padded_at.map(|at| now.saturating_sub(at));
        if small * 2 < round_trip && self.early < MAX_EARLY {
            // It came sooner than an answer to the padding can. This is believed a few times only: where
            // padding does help, a longer term makes later acknowledgements.
            self.early += 1;
            self.measure(now.saturating_sub(request.sent_at));
            self.usual_padding = Padding::Nothing;
            return;
        }
        let large_helped = request.passed == 2 && large * 4 >= round_trip * 3;
        let (padding, since) = if large_helped { (Padding::Large, large) } else { (Padding::Small, small) };
        self.usual_padding = self.usual_padding.max(padding);
        // The round trip takes no less time, whatever has helped.
        self.round_trip = if self.early > 0 { since } else { round_trip.max(since) };
        self.early = 0;
    }

    /// The client has no room, so it does not take the messages that were sent. Its pause frame counts as the
    /// answer to an acknowledgement request.
    pub(super) fn paused(&mut self, now: u64) {
        if self.pending.take().is_some() {
            self.answered(now);
        }
    }

    fn answered(&mut self, now: u64) {
        self.padding_due = 0;
        if self.end == End::Due {
            self.end = End::No;
        }
        self.next_request = now + REQUEST_INTERVAL;
        self.request_due = true;
    }

    fn measure(&mut self, sample: u64) {
        let sample = sample.min(LONGEST_ROUND_TRIP);
        self.round_trip = match self.round_trip {
            _ if !self.measured => sample,
            // It rises fast and falls slowly: an end without need costs more than one that comes late.
            before if sample > before => before.midpoint(sample),
            before => before - (before - sample) / 8,
        };
        self.measured = true;
    }

    fn round_trip(&self, heartbeat: Option<u64>) -> u64 {
        match self.round_trip {
            0 if !self.measured => heartbeat.unwrap_or(0).min(LONGEST_ROUND_TRIP),
            round_trip => round_trip,
        }
    }

    /// When the next term of the request passes; `None` when all have.
    fn term(&self, request: &PendingRequest, heartbeat: Option<u64>) -> Option<u64> {
        let round_trip = self.round_trip(heartbeat);
        let length = TERMS.get(usize::from(request.passed))? << self.doublings;
        // The end leaves the large padding more of the time that its answer takes.
        let more = if request.passed == 2 { round_trip / 2 } else { 0 };
        Some(request.sent_at + request.allowance + length + round_trip + more)
    }

    pub(super) fn deadline(&self, heartbeat: Option<u64>) -> Option<u64> {
        match &self.pending {
            Some(request) => self.term(request, heartbeat),
            None => self.request_due.then_some(self.next_request),
        }
    }

    /// Handles the deadlines that have passed. `incoming`: a request of the client is on its way in.
    pub(super) fn check(&mut self, now: u64, heartbeat: Option<u64>, incoming: bool) {
        while let Some(deadline) = self.deadline(heartbeat).filter(|&deadline| deadline <= now) {
            self.pass(now, deadline, incoming);
        }
    }

    fn pass(&mut self, now: u64, deadline: u64, incoming: bool) {
        let doublings = self.doublings;
        let Some(request) = &mut self.pending else {
            self.request_due = false;
            return;
        };
        let passed = usize::from(request.passed);
        let before = if passed == 0 { 0 } else { TERMS[passed - 1] };
        if now - deadline > (TERMS[passed] - before) << doublings {
            // This process slept, so the path is not to blame. The request is sent again.
            self.pending = None;
            self.padding_due = 0;
            self.next_request = now;
            return;
        }
        if passed == 2 && incoming && now < request.sent_at + LONGEST_WAIT {
            request.allowance += now - deadline + STEP;
            return;
        }
        request.passed += 1;
        match passed {
            0 => (self.padding_due, request.padded_at[0]) = (SMALL, now),
            1 => (self.padding_due, request.padded_at[1]) = (LARGE, now),
            _ => self.end = End::Due,
        }
    }

    /// Whether the answer must end now. Returns `true` once.
    pub(super) fn take_end(&mut self) -> bool {
        let due = self.end == End::Due;
        if due {
            self.end = End::Sent;
        }
        due
    }

    /// Something other than padding was sent on the stream.
    pub(super) fn frame_sent(&mut self) {
        self.sent_since_padding = true;
    }

    /// The length of the padding that is due behind what was sent.
    pub(super) fn take_padding(&mut self) -> Option<u64> {
        let usual = match self.usual_padding {
            Padding::Small if self.sent_since_padding => SMALL,
            Padding::Large if self.sent_since_padding => LARGE,
            _ => 0,
        };
        let length = usual.max(std::mem::take(&mut self.padding_due));
        self.sent_since_padding = false;
        (length > 0).then_some(u64::from(length))
    }
}
