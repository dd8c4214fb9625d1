//! An upload that comes in pieces, since each is a URL (PROTOCOL.md, section 3, "Parts of an upload by GET").

use super::{CloseReason, Shared};

const OUT_OF_TURN: CloseReason = CloseReason::fixed(4004, "not the next piece of this upload");
const TOO_LARGE: CloseReason = CloseReason::fixed(4006, "the pieces are too large together");

/// One piece, `at` of `count`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece<'a> {
    pub(crate) upload: u64,
    pub(crate) at: u64,
    pub(crate) count: u64,
    pub(crate) data: &'a [u8],
}

/// What a piece makes of its upload.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Gathered {
    /// More is to come.
    Part,
    /// This was the last.
    Whole(Vec<u8>),
    /// This was the last, and has been before: its answer was lost.
    Again,
}

/// The upload under way, of which a session has one at most, or what is known of the one that came last.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    upload: u64,
    count: u64,
    /// The next piece.
    next: u64,
    data: Vec<u8>,
}

impl Pieces {
    fn take(&mut self, piece: Piece<'_>, limit: usize) -> Result<Gathered, CloseReason> {
        let Piece { upload, at, count, data } = piece;
        if at >= count {
            return Err(OUT_OF_TURN);
        }
        // The first of all may have any number.
        if upload > self.upload || self.count == 0 {
            *self = Pieces { upload, count, ..Pieces::default() };
        }
        if upload != self.upload || count != self.count {
            return Err(OUT_OF_TURN);
        }
        if at + 1 == self.next {
            return Ok(if self.next == count { Gathered::Again } else { Gathered::Part });
        }
        if at != self.next {
            return Err(OUT_OF_TURN);
        }
        if self.data.len() + data.len() > limit {
            self.data = Vec::new();
            self.next = u64::MAX; // Nothing follows that.
            return Err(TOO_LARGE);
        }
        self.data.extend_from_slice(data);
        self.next += 1;
        Ok(if self.next == count { Gathered::Whole(std::mem::take(&mut self.data)) } else { Gathered::Part })
    }

    /// What it takes of the memory that is counted.
    pub(super) fn bytes(&self) -> usize {
        self.data.capacity()
    }
}

impl Shared {
    /// Takes a piece of an upload of at most `limit` bytes.
    pub(crate) fn take_piece(&self, secret: &str, piece: Piece<'_>, limit: usize) -> Result<Gathered, CloseReason> {
        let mut inner = self.lock();
        inner.keys.unlock(secret)?;
        if inner.forgotten {
            return Err(super::reason::ENDED);
        }
        let gathered = inner.pieces.get_or_insert_default().take(piece, limit);
        self.account(&mut inner);
        gathered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(upload: u64, at: u64, count: u64, data: &str) -> Piece<'_> {
        Piece { upload, at, count, data: data.as_bytes() }
    }

    #[test]
    fn pieces_make_a_whole() {
        let mut pieces = Pieces::default();
        assert_eq!(pieces.take(piece(7, 0, 3, "a"), 9), Ok(Gathered::Part));
        assert_eq!(pieces.take(piece(7, 0, 3, "a"), 9), Ok(Gathered::Part), "repeated");
        assert_eq!(pieces.take(piece(7, 1, 3, "b"), 9), Ok(Gathered::Part));
        assert_eq!(pieces.take(piece(7, 0, 3, "a"), 9), Err(OUT_OF_TURN), "long ago");
        assert_eq!(pieces.take(piece(7, 2, 4, "c"), 9), Err(OUT_OF_TURN), "of another count");
        assert_eq!(pieces.take(piece(7, 2, 3, "c"), 9), Ok(Gathered::Whole(b"abc".to_vec())));
        assert_eq!(pieces.take(piece(7, 2, 3, "c"), 9), Ok(Gathered::Again));
        assert_eq!(pieces.take(piece(7, 3, 3, "d"), 9), Err(OUT_OF_TURN));
        assert_eq!(pieces.bytes(), 0);
        assert_eq!(pieces.take(piece(8, 0, 1, "x"), 9), Ok(Gathered::Whole(b"x".to_vec())));
    }

    #[test]
    fn a_higher_upload_takes_the_place_of_another() {
        let mut pieces = Pieces::default();
        assert_eq!(pieces.take(piece(0, 0, 2, "a"), 9), Ok(Gathered::Part));
        assert_eq!(pieces.take(piece(1, 0, 2, "b"), 9), Ok(Gathered::Part));
        assert_eq!(pieces.take(piece(0, 1, 2, "a"), 9), Err(OUT_OF_TURN), "late");
        assert_eq!(pieces.take(piece(1, 1, 2, "c"), 9), Ok(Gathered::Whole(b"bc".to_vec())));
        assert_eq!(pieces.take(piece(2, 1, 2, "d"), 9), Err(OUT_OF_TURN), "the first is missing");
        assert_eq!(pieces.take(piece(2, 0, 2, "d"), 9), Ok(Gathered::Part));
    }

    #[test]
    fn what_is_too_large_is_dropped() {
        let mut pieces = Pieces::default();
        assert_eq!(pieces.take(piece(1, 0, 9, "abc"), 5), Ok(Gathered::Part));
        assert_eq!(pieces.take(piece(1, 1, 9, "def"), 5), Err(TOO_LARGE));
        assert_eq!(pieces.bytes(), 0);
        assert_eq!(pieces.take(piece(1, 1, 9, "d"), 5), Err(OUT_OF_TURN));
        assert_eq!(pieces.take(piece(2, 0, 1, "abcde"), 5), Ok(Gathered::Whole(b"abcde".to_vec())));
    }
}
