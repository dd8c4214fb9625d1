//! A node keeps the claim of a session that it has.
//!
//! While it counted as dead, another node may have taken the claim, to say that the session is gone: that node does not have
//! the session, nor does anybody else, since a session goes to another node only by its owner. So the owner takes the claim
//! back when it is heard again, whatever the directory has.

use super::owner::Deed;

/// A claim that changes hands this often between two answers is left alone until the next time.
const MOST_SWAPS: usize = 4;

/// A claim that is being renewed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Keeper {
    to: Deed,
    swaps: usize,
}

/// The next thing to do. Before each step the session must be here, and not be on its way to another node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Keep {
    /// Replace the first deed by the second in the directory.
    Swap { from: Deed, to: Deed },
    /// The session is this node's, under this deed.
    Done(Deed),
    /// It is not known. Try again later.
    Later,
}

impl Keeper {
    /// `deed`: the one under which this node has the session. It is replaced even if it still holds: the claim of another
    /// node which saw this one dead may be under way, and comes too late then.
    pub(crate) fn new(deed: Deed) -> (Self, Keep) {
        let to = deed.next(deed.owner.clone());
        (Keeper { to: to.clone(), swaps: 0 }, Keep::Swap { from: deed, to })
    }

    /// The directory has answered: the key has this node's deed, or the value `held`. An error is that it did not answer, so
    /// that it may do later what it was asked for.
    pub(crate) fn swapped(&mut self, answer: Result<Option<&[u8]>, ()>) -> Keep {
        let held = match answer {
            Ok(None) => return Keep::Done(self.to.clone()),
            Ok(Some(held)) => Deed::read(held),
            Err(()) => None,
        };
        match held {
            Some(held) if held.owner == self.to.owner => Keep::Done(held),
            Some(held) if self.swaps < MOST_SWAPS => {
                self.swaps += 1;
                self.to = held.next(self.to.owner.clone());
                Keep::Swap { from: held, to: self.to.clone() }
            }
            _ => Keep::Later,
        }
    }
}
