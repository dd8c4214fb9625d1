//! One claim of what only one node may have.

use super::owner::{Deed, Owner};

/// A claim that changes its owner this often between two looks is left to the others.
const MOST_SWAPS: usize = 4;

/// A claim that is being made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Claiming {
    me: Owner,
    swaps: usize,
    /// The value that was found, while the directory is asked who lives, and who has its session.
    found: Option<Vec<u8>>,
}

/// The next thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// Claim the key in the directory.
    Claim,
    /// Replace this value of the key by one's own.
    Swap(Vec<u8>),
    /// Have the nodes listed again: an owner that is unknown may have come just now.
    LookAgain,
    /// Ask the directory for the deed of the session that the owner has made of its claim: it may have given that away before
    /// it ended. There is none of a session that stays. Then go on with [`Claiming::looked_for_deed`].
    LookForDeed,
    Done(Verdict),
}

/// The outcome of a claim.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Verdict {
    /// It is this node's.
    Here,
    /// This owner has it, and lives.
    Elsewhere(Owner),
    /// It changes hands all the time, or another process has this node's name.
    Unclear,
    /// The value is none that a node writes.
    Malformed,
}

impl Claiming {
    /// The first step is to claim the key with the value of `me`.
    pub(crate) fn new(me: Owner) -> Self {
        Claiming { me, swaps: 0, found: None }
    }

    /// The directory has answered a claim or a swap: the key is this node's, or has the value `held`.
    pub(crate) fn answered(&mut self, held: Option<&[u8]>, lives: impl Fn(&Owner) -> bool) -> Step {
        let Some(value) = held.filter(|value| *value != self.me.write()) else { return Step::Done(Verdict::Here) };
        if self.swaps >= MOST_SWAPS {
            return Step::Done(Verdict::Unclear);
        }
        let Some(owner) = Owner::read(value) else { return Step::Done(Verdict::Malformed) };
        if lives(&owner) {
            return Step::Done(self.of_living(owner));
        }
        self.found = Some(value.to_vec());
        Step::LookAgain
    }

    /// The nodes were listed again.
    pub(crate) fn looked_again(&mut self, lives: impl Fn(&Owner) -> bool) -> Step {
        let Some(value) = &self.found else { return Step::Done(Verdict::Unclear) };
        match Owner::read(value) {
            Some(owner) if lives(&owner) => Step::Done(self.of_living(owner)),
            _ => Step::LookForDeed,
        }
    }

    /// The directory has answered with the deed, if there is one.
    pub(crate) fn looked_for_deed(&mut self, deed: Option<&[u8]>, lives: impl Fn(&Owner) -> bool) -> Step {
        let Some(value) = self.found.take() else { return Step::Done(Verdict::Unclear) };
        match deed.and_then(Deed::read) {
            Some(Deed { owner, .. }) if owner.name != self.me.name && lives(&owner) => {
                Step::Done(Verdict::Elsewhere(owner))
            }
            _ => {
                self.swaps += 1;
                Step::Swap(value)
            }
        }
    }

    fn of_living(&self, owner: Owner) -> Verdict {
        if owner.name == self.me.name { Verdict::Unclear } else { Verdict::Elsewhere(owner) }
    }
}
