//! A session's part of the byte count of its server, and its end when memory is short.

use std::sync::Arc;

use super::{CloseReason, Inner, SharedSession, reason};

/// Changes of a session's memory smaller than this are not worth an atomic operation.
const ACCOUNT_GRAIN: usize = 4096;

/// The memory that the end of a session would free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Weight {
    /// The client has shown that it received the secret.
    pub(crate) proven: bool,
    /// The bytes that the session holds, with its part of what it shares with others.
    pub(crate) bytes: usize,
    /// How many of them are freed only when its connections notice the end.
    pub(crate) later: usize,
    /// For so many milliseconds the client has acknowledged nothing, has sent no further piece of an upload or
    /// attachment of a packet, or has been away.
    pub(crate) stalled: u64,
}

impl SharedSession {
    /// Updates the byte count of all sessions, once this session's part has changed by [`ACCOUNT_GRAIN`], and
    /// those of live sessions, once this one has ended, or its client has come to `/` or left it. Starts the clock
    /// of a client that may be too slow.
    pub(super) fn account(&self, inner: &mut Inner) {
        if inner.counted && inner.machine.close_reason().is_some() {
            (inner.counted, inner.held) = (false, None);
            self.runtime.session_ends(self.id);
        }
        if inner.unproven > 0 && (inner.machine.is_proven() || inner.machine.closed().is_some()) {
            self.runtime.unproven.remove(std::mem::take(&mut inner.unproven));
            inner.wake_senders(); // One of them may wait for the proof.
        }
        if inner.machine.closed().is_some() {
            inner.questions = None;
            inner.drop_unfinished();
            self.runtime.unpark(inner.take_ticket());
        }
        let lives = inner.counted || inner.is_waiting();
        let nobody = lives && inner.channels.as_ref().is_some_and(|channels| channels.is_outside_root());
        if std::mem::replace(&mut inner.nobody, nobody) != nobody {
            self.runtime.count_nobody(nobody);
        }
        self.account_bytes(inner);
    }

    /// As [`account`](Self::account), where nothing has changed but what the session holds.
    pub(super) fn account_bytes(&self, inner: &mut Inner) {
        if inner.machine.stall_clock_is_due() {
            inner.machine.start_stall_clock(self.runtime.clock.now());
            self.schedule(inner);
        }
        let bytes = if inner.forgotten { 0 } else { inner.held() };
        let before = inner.accounted;
        if bytes.abs_diff(before) >= ACCOUNT_GRAIN || (bytes == 0 && before > 0) {
            inner.accounted = bytes;
            self.runtime.pool.change(before, bytes);
            if bytes > before && self.runtime.pool.is_over() {
                self.runtime.ring();
            }
        }
    }

    /// The memory that the end of this session would free; `None` if it has ended.
    pub(crate) fn weigh(&self) -> Option<Weight> {
        let inner = self.lock();
        if inner.forgotten || inner.machine.closed().is_some() {
            return None;
        }
        let machine = &inner.machine;
        let pieces = inner.chunked.as_ref().and_then(|chunked| chunked.waits_since());
        let waits = pieces.into_iter().chain(inner.owes_since()).chain(machine.parked_since());
        let since = machine.stalled_since().into_iter().chain(waits).min();
        let stalled = since.map_or(0, |since| self.runtime.clock.now().saturating_sub(since));
        let outside = inner.held() - machine.held();
        let (bytes, later) = (machine.share() + outside, inner.under_way);
        Some(Weight { proven: machine.is_proven(), bytes, later, stalled })
    }

    /// Ends the session at once and drops what it holds.
    pub(crate) fn evict(&self, reason: CloseReason) {
        let mut inner = self.lock();
        inner.machine.evict(self.runtime.clock.now(), reason);
        inner.chunked = None;
        inner.drop_channel_events();
        inner.wake_receivers();
        inner.wake_links();
        inner.wake_senders();
        self.settle(&mut inner);
    }
}

impl Inner {
    /// The bytes that this session alone holds.
    pub(super) fn held(&self) -> usize {
        let chunked = self.chunked.as_ref().map_or(0, |chunked| chunked.bytes());
        let questions = self.questions.as_ref().map_or(0, |questions| questions.bytes());
        self.machine.held() + chunked + questions + self.under_way + self.in_channels()
    }
}

/// Bytes on their way to a session or from it, outside of its machine. They count with the session until this
/// is dropped.
#[derive(Debug)]
pub(crate) struct UnderWay {
    shared: Arc<SharedSession>,
    bytes: usize,
}

impl UnderWay {
    pub(crate) fn new(shared: Arc<SharedSession>) -> Self {
        UnderWay { shared, bytes: 0 }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// They are so many now.
    ///
    /// # Errors
    /// Fails if the session has ended, or if more than `most` are under way for it. They count all the same.
    pub(crate) fn set(&mut self, bytes: usize, most: usize) -> Result<(), CloseReason> {
        let mut inner = self.shared.lock();
        inner.under_way = inner.under_way - self.bytes + bytes;
        self.bytes = bytes;
        self.shared.account(&mut inner);
        match inner.machine.closed() {
            // A message that comes late for a session that was closed in order is still acknowledged.
            Some(reason) if reason.is_session_gone() => Err(reason.clone()),
            _ if inner.under_way > most => Err(reason::SHORT_OF_MEMORY),
            _ => Ok(()),
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let _ = self.set(0, 0);
    }
}
