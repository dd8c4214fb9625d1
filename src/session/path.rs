//! The way of a stream to the client, measured: something on it may keep back what is said, for ever, by one chunk, or until some
//! amount has come.
//!
//! Behind what it says the server asks for an acknowledgement, once at a time. While none comes it says padding in a chunk of its
//! own, first a little, which helps where each chunk waits for the next, then more, which fills a small buffer; what has helped is
//! said behind each flush from then on. When nothing helps the answer ends: that frees what is kept, and the client polls.
//!
//! A slow path must not be taken for one that holds. The round trip counts once or more in every term; what a slow line takes for
//! the bytes under way is added; and whoever goes on with a stream after such an end says that the acknowledgement was only late,
//! which doubles the terms.

use super::{
    frame::Frame,
    links::{LinkId, LinkKind},
    machine::{Machine, Role},
};

/// Padding for a path that is one chunk behind.
const SMALL: u16 = 16;
/// Padding for a path that buffers a little.
const LARGE: u16 = 4096;
/// So long after an ask, and a round trip, the small padding is said, the large, and the end.
const TERMS: [u64; 3] = [250, 450, 700];
/// From an acknowledgement to the next ask.
const PAUSE: u64 = 250;
/// The terms are doubled so often at most: a path that holds is then known after some six seconds.
const MOST_PATIENCE: u8 = 3;
/// No round trip counts for more: what takes longer is a pause of the client, not its distance.
const LONGEST_TRIP: u64 = 10_000;
/// So many bytes under way are nothing to any line; what is beyond takes a millisecond for each `SLOW_LINE` bytes.
const FEW_BYTES: usize = 4096;
const SLOW_LINE: usize = 32;
/// A request that comes in may bring the acknowledgement: the end waits for it in such steps, and so long in all.
const STEP: u64 = 100;
const LONGEST_WAIT: u64 = 10_000;
/// So many acknowledgements in a row may be too early for the padding that was said before them.
const MOST_DOUBTS: u8 = 3;

/// What a session knows of the path of its streams. Of interest only while one of them carries; made with the first.
#[derive(Debug)]
pub(super) struct Path {
    /// The stream that is measured, and its ordinal.
    pub(super) link: LinkId,
    ordinal: u64,
    ask: Option<Ask>,
    /// No ask before.
    next: u64,
    /// `next` is a deadline: who says something before it does not ask.
    waiting: bool,
    level: Level,
    /// Something was said since the last padding.
    bare: bool,
    /// Padding that a deadline calls for.
    nudge: u16,
    end: End,
    /// How often the terms are doubled.
    patience: u8,
    /// The round trip, from an ask to its acknowledgement; until one was measured, from the end of a turn to the next.
    rtt: u64,
    measured: bool,
    /// How many acknowledgements in a row came sooner after padding than it could be answered.
    doubts: u8,
}

/// What is said behind each flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Nothing,
    Small,
    Large,
}

/// Whether the answer ends since nothing is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    No,
    Due,
    Said,
}

/// What was asked and is not answered.
#[derive(Debug)]
struct Ask {
    /// Acknowledged when this number is.
    number: u64,
    at: u64,
    /// How many of the terms have passed.
    passed: u8,
    /// What the bytes under way take on a slow line, and what was granted to a request that came in.
    allowance: u64,
    /// When the small padding was called for, and the large.
    nudged: [u64; 2],
}

impl Path {
    pub(super) fn new(link: LinkId, ordinal: u64) -> Self {
        Path {
            link,
            ordinal,
            ask: None,
            next: 0,
            waiting: false,
            level: Level::Nothing,
            bare: false,
            nudge: 0,
            end: End::No,
            patience: 0,
            rtt: 0,
            measured: false,
            doubts: 0,
        }
    }

    /// A request has taken the place of an ordinal's turn: what its head acknowledges answers no ask, and whether it is a stream tells
    /// what the client thinks of an end that it was told.
    pub(super) fn turn(&mut self, ordinal: u64, stream: bool) {
        if ordinal != self.ordinal {
            return;
        }
        if self.end == End::Said && stream {
            self.patience = (self.patience + 1).min(MOST_PATIENCE);
        }
        self.ask = None;
        self.end = End::No;
    }

    /// A stream begins. `gap` is the time since the turn before it ended, if nothing else lay between.
    pub(super) fn begin(&mut self, link: LinkId, ordinal: u64, gap: Option<u64>) {
        if ordinal != self.ordinal {
            // A new way, perhaps a clear one.
            self.level = Level::Nothing;
        }
        if let (Some(gap), false) = (gap, self.measured) {
            self.rtt = gap.min(LONGEST_TRIP);
        }
        let Path { level, patience, rtt, measured, doubts, .. } = *self;
        *self = Path { level, patience, rtt, measured, doubts, ..Path::new(link, ordinal) };
    }

    /// Whether there is to be an ask behind `said`, the last number said here.
    pub(super) fn asks(&self, now: u64, said: u64, acked: u64) -> bool {
        said > acked && self.ask.is_none() && self.end == End::No && now >= self.next
    }

    /// An ask is said. One at a time is waited for: another, since the application flushed, is none of ours.
    pub(super) fn asked(&mut self, now: u64, number: u64, bytes: usize) {
        if self.ask.is_none() && self.end == End::No {
            let allowance = (bytes.saturating_sub(FEW_BYTES) / SLOW_LINE) as u64;
            self.ask = Some(Ask { number, at: now, passed: 0, allowance, nudged: [0; 2] });
            self.waiting = false;
        }
    }

    /// The other half has come so far. Returns whether that answers the ask.
    pub(super) fn acknowledged(&mut self, now: u64, acked: u64, heartbeat: Option<u64>) -> bool {
        let Some(ask) = self.ask.take_if(|ask| ask.number <= acked) else { return false };
        match ask.passed {
            0 => {
                self.measure(now.saturating_sub(ask.at));
                self.doubts = 0;
            }
            1 | 2 => self.helped(now, &ask, heartbeat),
            _ => {} // It came too late.
        }
        self.pause(now);
        true
    }

    /// The acknowledgement came after padding: because of it, or the path is slower than we thought.
    fn helped(&mut self, now: u64, ask: &Ask, heartbeat: Option<u64>) {
        let trip = self.trip(heartbeat);
        let [small, large] = ask.nudged.map(|at| now.saturating_sub(at));
        if small * 2 < trip && self.doubts < MOST_DOUBTS {
            // Sooner than padding can be answered. Not for ever: where it does help, a longer term makes later acknowledgements.
            self.doubts += 1;
            self.measure(now.saturating_sub(ask.at));
            self.level = Level::Nothing;
            return;
        }
        let large_helped = ask.passed == 2 && large * 4 >= trip * 3;
        let (level, since) = if large_helped { (Level::Large, large) } else { (Level::Small, small) };
        self.level = self.level.max(level);
        // The way there and back takes no less, whatever has helped.
        self.rtt = if self.doubts > 0 { since } else { trip.max(since) };
        self.doubts = 0;
    }

    /// The client has no room, so what was said is not taken. That it says so is an answer.
    pub(super) fn held(&mut self, now: u64) {
        if self.ask.take().is_some() {
            self.pause(now);
        }
    }

    fn pause(&mut self, now: u64) {
        self.nudge = 0;
        if self.end == End::Due {
            self.end = End::No;
        }
        self.next = now + PAUSE;
        self.waiting = true;
    }

    fn measure(&mut self, sample: u64) {
        let sample = sample.min(LONGEST_TRIP);
        self.rtt = match self.rtt {
            _ if !self.measured => sample,
            // Up fast and down slowly: an end that need not have been costs more than one that comes late.
            rtt if sample > rtt => rtt.midpoint(sample),
            rtt => rtt - (rtt - sample) / 8,
        };
        self.measured = true;
    }

    fn trip(&self, heartbeat: Option<u64>) -> u64 {
        match self.rtt {
            0 if !self.measured => heartbeat.unwrap_or(0).min(LONGEST_TRIP),
            rtt => rtt,
        }
    }

    /// When a term of the ask passes; none when all have.
    fn term(&self, ask: &Ask, heartbeat: Option<u64>) -> Option<u64> {
        let trip = self.trip(heartbeat);
        let length = TERMS.get(usize::from(ask.passed))? << self.patience;
        // The end leaves the large padding more of the time that its answer takes.
        let more = if ask.passed == 2 { trip / 2 } else { 0 };
        Some(ask.at + ask.allowance + length + trip + more)
    }

    pub(super) fn deadline(&self, heartbeat: Option<u64>) -> Option<u64> {
        match &self.ask {
            Some(ask) => self.term(ask, heartbeat),
            None => self.waiting.then_some(self.next),
        }
    }

    /// Looks at the deadlines that have passed. `incoming`: a request is on its way in.
    pub(super) fn check(&mut self, now: u64, heartbeat: Option<u64>, incoming: bool) {
        while let Some(deadline) = self.deadline(heartbeat).filter(|&deadline| deadline <= now) {
            self.pass(now, deadline, incoming);
        }
    }

    fn pass(&mut self, now: u64, deadline: u64, incoming: bool) {
        let patience = self.patience;
        let Some(ask) = &mut self.ask else {
            self.waiting = false;
            return;
        };
        let passed = usize::from(ask.passed);
        let before = if passed == 0 { 0 } else { TERMS[passed - 1] };
        if now - deadline > (TERMS[passed] - before) << patience {
            // We slept: nobody can be blamed. Asked again.
            self.ask = None;
            self.nudge = 0;
            self.next = now;
            return;
        }
        if passed == 2 && incoming && now < ask.at + LONGEST_WAIT {
            ask.allowance += now - deadline + STEP;
            return;
        }
        ask.passed += 1;
        match passed {
            0 => (self.nudge, ask.nudged[0]) = (SMALL, now),
            1 => (self.nudge, ask.nudged[1]) = (LARGE, now),
            _ => self.end = End::Due,
        }
    }

    /// Whether the answer shall end. Once.
    pub(super) fn take_end(&mut self) -> bool {
        let due = self.end == End::Due;
        if due {
            self.end = End::Said;
        }
        due
    }

    /// Something was said on the stream.
    pub(super) fn said(&mut self) {
        self.bare = true;
    }

    /// The padding that is due behind what was said.
    pub(super) fn take_padding(&mut self) -> Option<u64> {
        let usual = match self.level {
            Level::Small if self.bare => SMALL,
            Level::Large if self.bare => LARGE,
            _ => 0,
        };
        let length = usual.max(std::mem::take(&mut self.nudge));
        self.bare = false;
        (length > 0).then_some(u64::from(length))
    }
}

impl Machine {
    /// A stream was attached. `gap`: between this turn and the one before it.
    pub(super) fn begin_path(&mut self, link: LinkId, ordinal: u64, gap: Option<u64>) {
        self.path.get_or_insert_with(|| Box::new(Path::new(link, ordinal))).begin(link, ordinal, gap);
    }

    /// The path, if this link is the stream that is measured.
    pub(super) fn path_of(&mut self, id: LinkId) -> Option<&mut Path> {
        self.path.as_deref_mut().filter(|path| path.link == id)
    }

    /// Whether the measured stream carries.
    fn path_carries(&self, path: &Path) -> bool {
        self.config.role == Role::Server
            && self.closed.is_none()
            && self.links.get(path.link).is_some_and(|link| link.confirmed && self.links.carries(link))
    }

    pub(super) fn path_deadline(&self) -> Option<u64> {
        let path = self.path.as_deref().filter(|path| self.path_carries(path))?;
        path.deadline(self.heartbeat.rtt())
    }

    pub(super) fn check_path(&mut self, now: u64) {
        if self.path.as_deref().is_some_and(|path| self.path_carries(path)) {
            let (heartbeat, incoming) = (self.heartbeat.rtt(), self.pending_attaches > 0);
            self.path.iter_mut().for_each(|path| path.check(now, heartbeat, incoming));
        }
    }

    /// What is said behind all else on a stream: an ask, and padding.
    pub(super) fn say_behind(&mut self, now: u64, id: LinkId) -> Option<Frame> {
        let path = self.path.as_deref_mut().filter(|path| path.link == id)?;
        let link = self.links.get(id).filter(|link| link.confirmed && link.kind == LinkKind::Stream)?;
        let said = link.next_to_send - 1;
        if !self.flow_received.is_paused() && path.asks(now, said, self.outbox.acked()) {
            path.asked(now, said, self.outbox.bytes());
            path.said();
            return Some(Frame::AckRequest);
        }
        path.take_padding().map(|length| Frame::Padding { length })
    }
}
