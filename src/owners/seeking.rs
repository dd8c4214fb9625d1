//! The way of a request to the node that has its session.

use super::owner::{Deed, Owner};

/// The most nodes that a request passes through on its way to the one that answers it: where it has come in, the one that had
/// its session last as far as is known, or whose name the session has, and those to which it has moved from there.
pub(crate) const MOST_HOPS: u8 = 3;

/// A directory that names owners which do not live is asked so often for one request.
const MOST_LOOKS: usize = 4;

/// The state of a node as another one, or itself, knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Standing {
    Me,
    Lives,
    Dead,
    /// It does not live as far as this node knows, which may not have heard of it yet.
    Unclear,
}

/// Whether a session is on this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    Here,
    /// It is on its way from here or to here, and nobody knows yet whether it will be here.
    Unclear,
    Absent,
}

/// The place of a session that is absent, as this node has learned it some time ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Known {
    /// It was on a node of this standing.
    At(Standing),
    /// The directory knew of no node that lives and has it.
    Nowhere,
}

/// The next thing to do with a request that names a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Seek {
    /// The session is here.
    Serve,
    /// Wait until it is known whether the session is here, and seek again.
    Wait,
    /// Pass the request on to the node where the session began.
    ToBirth,
    /// Pass it on to the node where the session is known to be.
    ToOwner,
    /// Ask the directory who has the session, by a [`Look`]; learn its place by that, and seek again.
    Look,
    /// There is no such session any more (4100).
    Gone,
    /// Nobody can say now (4202): the client comes back.
    NotNow,
}

/// Where to go with a request that names a session. `known`: the place that this node has learned. `birth`: the standing of
/// the node whose name the session has. `forwarded`: another node has sent the request here.
pub(crate) fn seek(place: Place, known: Option<Known>, birth: Standing, forwarded: bool) -> Seek {
    match (known, birth) {
        _ if place == Place::Here => Seek::Serve,
        _ if place == Place::Unclear => Seek::Wait,
        (Some(Known::At(Standing::Lives)), _) => Seek::ToOwner,
        // It may have moved on, or come back and ended.
        (Some(Known::At(Standing::Me | Standing::Dead)), _) => Seek::Look,
        // It was never given away then.
        (None | Some(Known::Nowhere), Standing::Lives) if !forwarded => Seek::ToBirth,
        (Some(Known::At(Standing::Unclear)), _) | (None | Some(Known::Nowhere), Standing::Unclear) => Seek::NotNow,
        // Another process may have had this node's name, and have given the session away.
        (None, _) => Seek::Look,
        (Some(Known::Nowhere), _) => Seek::Gone,
    }
}

/// A look for the owner of a session in the directory.
///
/// An owner that does not live may have given the session away before it ended: the answer that names it may be older than
/// that, and who was given the session may claim it yet. So this node takes the session's claim before it says that the
/// session is gone. If another one has been quicker, that one has the session; otherwise nobody gets it any more.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct Look {
    looks: usize,
    /// The deed of an owner that does not live, while the nodes are listed again.
    found: Option<Deed>,
}

/// The next thing to do in a look.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LookStep {
    /// Ask the directory for the deed of the session.
    Look,
    /// Have the nodes listed again: an owner that is unknown may have come just now. Then go on with [`Look::listed`].
    List,
    /// Replace the first deed by the second, which is this node's.
    Claim {
        from: Deed,
        to: Deed,
    },
    Done(Found),
}

/// The outcome of a look.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Found {
    /// This owner has it, and lives; it is another one than this node.
    At(Owner),
    /// No node has claimed it, or only this one.
    Nowhere,
    /// Nobody can say now.
    Unclear,
}

impl Look {
    /// The directory has answered with the value of the session's claim, or that it is this node's or nobody's. An error is
    /// that it did not answer.
    pub(crate) fn answered(
        &mut self,
        answer: Result<Option<&[u8]>, ()>,
        standing: impl Fn(&Owner) -> Standing,
    ) -> LookStep {
        let Ok(value) = answer else { return LookStep::Done(Found::Unclear) };
        let Some(value) = value else { return LookStep::Done(Found::Nowhere) };
        // A node of another version may have written it: somebody has the session.
        let Some(deed) = Deed::read(value) else { return LookStep::Done(Found::Unclear) };
        self.looks += 1;
        match standing(&deed.owner) {
            Standing::Lives => LookStep::Done(Found::At(deed.owner)),
            Standing::Me => LookStep::Done(Found::Nowhere),
            Standing::Dead | Standing::Unclear if self.looks > MOST_LOOKS => LookStep::Done(Found::Unclear),
            Standing::Dead | Standing::Unclear => {
                self.found = Some(deed);
                LookStep::List
            }
        }
    }

    /// The nodes were listed again for this node.
    pub(crate) fn listed(&mut self, me: Owner, standing: impl Fn(&Owner) -> Standing) -> LookStep {
        let Some(deed) = self.found.take() else { return LookStep::Done(Found::Unclear) };
        match standing(&deed.owner) {
            Standing::Lives => LookStep::Done(Found::At(deed.owner)),
            Standing::Me => LookStep::Done(Found::Nowhere),
            Standing::Dead => LookStep::Claim { to: deed.next(me), from: deed },
            Standing::Unclear => LookStep::Done(Found::Unclear),
        }
    }
}
