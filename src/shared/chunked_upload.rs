//! An upload that comes in pieces, each in a URL (PROTOCOL.md, section 3, "Parts of an upload by GET").

use crate::session::{CloseReason, reason};

/// The pieces that have come wait so many milliseconds for the next one.
const PATIENCE: u64 = 60_000;

/// One piece of an upload, number `at` of `count`; the first is 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunk<'a> {
    pub(crate) upload: u64,
    pub(crate) at: u64,
    pub(crate) count: u64,
    pub(crate) data: &'a [u8],
}

/// The state of an upload after one of its pieces.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ChunkOutcome {
    /// More pieces are to come.
    Incomplete,
    /// This piece was the last; here is the whole upload.
    Complete(Vec<u8>),
    /// This piece was the last, and has come before: its answer was lost.
    Repeated,
}

/// The upload under way, or the last one if none is. A session has at most one.
#[derive(Debug, Default)]
pub(super) struct ChunkedUpload {
    upload: u64,
    count: u64,
    /// The piece that must come next.
    next: u64,
    data: Vec<u8>,
    /// When the pieces are dropped if no further one has come.
    until: u64,
}

impl ChunkedUpload {
    pub(super) fn take(&mut self, now: u64, chunk: Chunk<'_>, limit: usize) -> Result<ChunkOutcome, CloseReason> {
        let Chunk { upload, at, count, data } = chunk;
        if at >= count {
            return Err(reason::CHUNK_OUT_OF_ORDER);
        }
        // A session's first upload may have any number.
        if upload > self.upload || self.count == 0 {
            *self = ChunkedUpload { upload, count, ..ChunkedUpload::default() };
        }
        if upload != self.upload || count != self.count {
            return Err(reason::CHUNK_OUT_OF_ORDER);
        }
        if at + 1 == self.next {
            return Ok(if self.next == count { ChunkOutcome::Repeated } else { ChunkOutcome::Incomplete });
        }
        if at != self.next {
            return Err(reason::CHUNK_OUT_OF_ORDER);
        }
        if self.data.len() + data.len() > limit {
            self.drop_pieces();
            return Err(reason::CHUNKS_TOO_LARGE);
        }
        self.data.extend_from_slice(data);
        self.until = now + PATIENCE;
        self.next += 1;
        Ok(if self.next == count {
            ChunkOutcome::Complete(std::mem::take(&mut self.data))
        } else {
            ChunkOutcome::Incomplete
        })
    }

    /// When [`expire`](Self::expire) has something to do.
    pub(super) fn deadline(&self) -> Option<u64> {
        (!self.data.is_empty()).then_some(self.until)
    }

    /// When the last of the pieces has come that wait for another one.
    pub(super) fn waits_since(&self) -> Option<u64> {
        self.deadline().map(|deadline| deadline - PATIENCE)
    }

    /// Drops an upload of which no further piece has come for a minute.
    pub(super) fn expire(&mut self, now: u64) {
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            self.drop_pieces();
        }
    }

    fn drop_pieces(&mut self) {
        self.data = Vec::new();
        self.next = u64::MAX; // No piece has this number.
    }

    /// The bytes that count as this session's memory.
    pub(super) fn bytes(&self) -> usize {
        self.data.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(upload: u64, at: u64, count: u64, data: &str) -> Chunk<'_> {
        Chunk { upload, at, count, data: data.as_bytes() }
    }

    #[test]
    fn pieces_make_a_whole() {
        let mut chunked = ChunkedUpload::default();
        assert_eq!(chunked.take(0, chunk(7, 0, 3, "a"), 9), Ok(ChunkOutcome::Incomplete));
        assert_eq!(chunked.take(0, chunk(7, 0, 3, "a"), 9), Ok(ChunkOutcome::Incomplete), "repeated");
        assert_eq!(chunked.take(0, chunk(7, 1, 3, "b"), 9), Ok(ChunkOutcome::Incomplete));
        assert_eq!(chunked.take(0, chunk(7, 0, 3, "a"), 9), Err(reason::CHUNK_OUT_OF_ORDER), "long ago");
        assert_eq!(chunked.take(0, chunk(7, 2, 4, "c"), 9), Err(reason::CHUNK_OUT_OF_ORDER), "of another count");
        assert_eq!(chunked.take(0, chunk(7, 2, 3, "c"), 9), Ok(ChunkOutcome::Complete(b"abc".to_vec())));
        assert_eq!(chunked.take(0, chunk(7, 2, 3, "c"), 9), Ok(ChunkOutcome::Repeated));
        assert_eq!(chunked.take(0, chunk(7, 3, 3, "d"), 9), Err(reason::CHUNK_OUT_OF_ORDER));
        assert_eq!(chunked.bytes(), 0);
        assert_eq!(chunked.take(0, chunk(8, 0, 1, "x"), 9), Ok(ChunkOutcome::Complete(b"x".to_vec())));
    }

    #[test]
    fn a_higher_upload_takes_the_place_of_another() {
        let mut chunked = ChunkedUpload::default();
        assert_eq!(chunked.take(0, chunk(0, 0, 2, "a"), 9), Ok(ChunkOutcome::Incomplete));
        assert_eq!(chunked.take(0, chunk(1, 0, 2, "b"), 9), Ok(ChunkOutcome::Incomplete));
        assert_eq!(chunked.take(0, chunk(0, 1, 2, "a"), 9), Err(reason::CHUNK_OUT_OF_ORDER), "late");
        assert_eq!(chunked.take(0, chunk(1, 1, 2, "c"), 9), Ok(ChunkOutcome::Complete(b"bc".to_vec())));
        assert_eq!(chunked.take(0, chunk(2, 1, 2, "d"), 9), Err(reason::CHUNK_OUT_OF_ORDER), "the first is missing");
        assert_eq!(chunked.take(0, chunk(2, 0, 2, "d"), 9), Ok(ChunkOutcome::Incomplete));
    }

    #[test]
    fn what_is_too_large_is_dropped() {
        let mut chunked = ChunkedUpload::default();
        assert_eq!(chunked.take(0, chunk(1, 0, 9, "abc"), 5), Ok(ChunkOutcome::Incomplete));
        assert_eq!(chunked.take(0, chunk(1, 1, 9, "def"), 5), Err(reason::CHUNKS_TOO_LARGE));
        assert_eq!(chunked.bytes(), 0);
        assert_eq!(chunked.take(0, chunk(1, 1, 9, "d"), 5), Err(reason::CHUNK_OUT_OF_ORDER));
        assert_eq!(chunked.take(0, chunk(2, 0, 1, "abcde"), 5), Ok(ChunkOutcome::Complete(b"abcde".to_vec())));
    }

    #[test]
    fn pieces_that_are_not_completed_are_dropped() {
        let mut chunked = ChunkedUpload::default();
        assert_eq!(chunked.take(10, chunk(1, 0, 3, "abc"), 9), Ok(ChunkOutcome::Incomplete));
        assert_eq!(chunked.take(50, chunk(1, 1, 3, "def"), 9), Ok(ChunkOutcome::Incomplete));
        assert_eq!(chunked.deadline(), Some(50 + PATIENCE), "each piece gives the next one its time");
        assert_eq!(chunked.waits_since(), Some(50));
        chunked.expire(49 + PATIENCE);
        assert!(chunked.bytes() >= 6);
        chunked.expire(50 + PATIENCE);
        assert_eq!((chunked.bytes(), chunked.deadline()), (0, None));
        assert_eq!(chunked.take(60 + PATIENCE, chunk(1, 2, 3, "ghi"), 9), Err(reason::CHUNK_OUT_OF_ORDER));
        assert_eq!(chunked.take(60 + PATIENCE, chunk(2, 0, 1, "ok"), 9), Ok(ChunkOutcome::Complete(b"ok".to_vec())));
    }
}
