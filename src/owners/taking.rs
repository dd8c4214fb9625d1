//! A session comes to this node from another one.

use super::owner::{Deed, Owner};

/// A session that has come, and is not this node's yet: nothing of it may be seen before it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Taker {
    from: Deed,
    to: Deed,
}

/// The next thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Take {
    /// Replace the first deed by the second in the directory.
    Swap {
        from: Deed,
        to: Deed,
    },
    /// Wait a while, then go on with [`Taker::again`]. Nobody knows yet who has the session, so that the node which gives
    /// it is not told that it is refused.
    Pause,
    Done(Taken),
}

/// Whether the session has been taken.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Taken {
    /// It is this node's, under this deed.
    Mine(Deed),
    /// Its owner has taken it back, or another node has it: what has come is worth nothing.
    Refused,
}

impl Taker {
    /// A session has come with the deed `from`, and could be made. One that could not be is refused without this.
    pub(crate) fn new(me: &Owner, from: Deed) -> (Self, Take) {
        let taker = Taker { to: from.next(me.clone()), from };
        let take = taker.again();
        (taker, take)
    }

    /// The pause is over.
    pub(crate) fn again(&self) -> Take {
        Take::Swap { from: self.from.clone(), to: self.to.clone() }
    }

    /// The directory has answered: the key has this node's deed, or the value `held`. An error is that it did not answer, so
    /// that it may have done what it was asked for or not, or may do it later.
    pub(crate) fn swapped(&self, answer: Result<Option<&[u8]>, ()>) -> Take {
        match answer {
            Ok(None) => Take::Done(Taken::Mine(self.to.clone())),
            Ok(Some(held)) if held == self.to.write() => Take::Done(Taken::Mine(self.to.clone())),
            Ok(Some(_)) => Take::Done(Taken::Refused),
            Err(()) => Take::Pause,
        }
    }
}
