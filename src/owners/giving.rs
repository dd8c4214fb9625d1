//! A session goes from this node to another one.
//!
//! The session is at one place at a time: its owner freezes it only under a deed that the directory has, and goes on with
//! it only if no other node has taken it, nor can take it any more.

use super::owner::{Deed, Owner};

/// A session that is being given away.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Giver {
    deed: Deed,
    stage: Stage,
    /// The node that was to take the session, and has said that it will not have it.
    refused_by: Option<Owner>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stage {
    Claims,
    Freezes,
    Sends,
    TakesBack,
    Over,
}

/// The next thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Give {
    /// Claim the session with this deed.
    Claim(Deed),
    Freeze,
    /// Send the frozen session, and this deed, to the node that takes it. Once only.
    Send(Deed),
    /// Replace the first deed by the second in the directory.
    TakeBack {
        from: Deed,
        to: Deed,
    },
    /// Wait a while, then go on with [`Giver::again`]. Nobody knows yet who has the session.
    Pause,
    Done(Given),
}

/// The end of an attempt to give a session away.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Given {
    /// The session was not frozen, or could not be: nothing has been given.
    Not,
    /// This node has it.
    To(Owner),
    /// It is back: it goes on here under this deed.
    Back(Deed),
}

/// The answer of the node that was to take the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    Taken,
    /// That node will never have it, even if its claim was done.
    Refused,
    /// No answer has come, or none that can be understood.
    Unclear,
}

impl Answer {
    /// The answer of a node that says whether it has taken a session.
    #[cfg(feature = "cluster")]
    pub(crate) fn of(taken: bool) -> Self {
        if taken { Answer::Taken } else { Answer::Refused }
    }
}

impl Giver {
    /// `deed`: the one under which this node has the session. A session that was never given away has none yet.
    pub(crate) fn new(me: &Owner, deed: Option<Deed>) -> (Self, Give) {
        let deed = deed.unwrap_or_else(|| Deed::first(me.clone()));
        (Giver { deed: deed.clone(), stage: Stage::Claims, refused_by: None }, Give::Claim(deed))
    }

    /// The directory has answered the claim: the key has this node's deed, or the value `held`. An error is that it did not
    /// answer: then no move begins.
    pub(crate) fn claimed(&mut self, answer: Result<Option<&[u8]>, ()>) -> Give {
        let held = match answer {
            Ok(held) => held.map(Deed::read),
            Err(()) => return self.end(Given::Not),
        };
        match held {
            None => {}
            Some(Some(held)) if held.owner == self.deed.owner => self.deed = held,
            Some(Some(held)) => return self.end(Given::To(held.owner)),
            Some(None) => return self.end(Given::Not),
        }
        self.stage = Stage::Freezes;
        Give::Freeze
    }

    /// The session is frozen, or cannot be.
    pub(crate) fn frozen(&mut self, frozen: bool) -> Give {
        if !frozen {
            return self.end(Given::Not);
        }
        self.stage = Stage::Sends;
        Give::Send(self.deed.clone())
    }

    /// The node `to` has answered.
    pub(crate) fn answered(&mut self, to: &Owner, answer: Answer) -> Give {
        match answer {
            Answer::Taken => self.end(Given::To(to.clone())),
            Answer::Refused | Answer::Unclear => {
                self.stage = Stage::TakesBack;
                self.refused_by = (answer == Answer::Refused).then(|| to.clone());
                self.again()
            }
        }
    }

    /// The pause is over.
    pub(crate) fn again(&self) -> Give {
        Give::TakeBack { from: self.deed.clone(), to: self.deed.back() }
    }

    /// The directory has answered [`Give::TakeBack`]: the key has the second deed, or the value `held`. An error is that it
    /// did not answer.
    pub(crate) fn taken_back(&mut self, answer: Result<Option<&[u8]>, ()>) -> Give {
        let Ok(held) = answer else { return Give::Pause };
        match held.map(Deed::read) {
            None => self.end(Given::Back(self.deed.back())),
            Some(Some(held)) if held.owner == self.deed.owner => self.end(Given::Back(held)),
            // Its claim was done before it gave the session up.
            Some(Some(held))
                if Some(&held.owner) == self.refused_by.as_ref() && held.fence == self.deed.fence.saturating_add(1) =>
            {
                Give::TakeBack { from: held, to: self.deed.back() }
            }
            Some(Some(held)) => self.end(Given::To(held.owner)),
            Some(None) => Give::Pause,
        }
    }

    fn end(&mut self, given: Given) -> Give {
        self.stage = Stage::Over;
        Give::Done(given)
    }
}
