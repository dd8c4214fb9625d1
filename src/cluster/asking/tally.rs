//! The nodes that have still to say something of a request, and the answers of all.

use std::collections::VecDeque;

use bytestring::ByteString;

use super::words::{Said, Why};
use crate::{packed::Malformed, packet::Packet};

/// The most members that one node may name.
const MOST_MEMBERS: usize = 1 << 20;

/// Something to tell the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Answered {
        session: ByteString,
        packet: Packet,
    },
    Missing {
        session: ByteString,
        why: Why,
    },
    /// Members of the node at this place may not have been asked.
    Unreached(usize),
}

/// The nodes that were asked, by their places.
#[derive(Debug)]
pub(crate) struct Tally {
    nodes: Vec<Node>,
    told: VecDeque<Told>,
    /// The nodes that have still to say something.
    left: usize,
}

#[derive(Debug, Default)]
struct Node {
    /// By place; `None` once it is told of one.
    members: Vec<Option<ByteString>>,
    /// Those that it is not told of yet.
    open: usize,
    /// It has named all.
    is_whole: bool,
    /// It was told that some may not have been asked.
    is_unreached: bool,
    is_over: bool,
}

impl Tally {
    /// A request of which so many nodes are to say what becomes of it. `lost`: a part of it goes to none of them.
    pub(crate) fn new(nodes: usize, lost: bool) -> Self {
        let mut tally = Tally {
            nodes: std::iter::repeat_with(Node::default).take(nodes).collect(),
            told: VecDeque::new(),
            left: nodes,
        };
        if lost {
            (0..nodes).for_each(|node| tally.unreached(node));
        }
        tally
    }

    /// A node says something.
    ///
    /// # Errors
    /// Fails if it has nothing to say, or says what cannot be. Nothing has changed then.
    pub(crate) fn said(&mut self, at: usize, said: Said) -> Result<(), Malformed> {
        let node = self.nodes.get_mut(at).filter(|node| !node.is_over).ok_or(Malformed)?;
        match said {
            Said::Asked(sessions) => {
                if node.members.len() + sessions.len() > MOST_MEMBERS {
                    return Err(Malformed);
                }
                for (session, why) in sessions {
                    match why {
                        None => {
                            node.members.push(Some(session));
                            node.open += 1;
                        }
                        Some(why) => {
                            node.members.push(None);
                            self.told.push_back(Told::Missing { session, why });
                        }
                    }
                }
            }
            Said::Answered { place, packet } => {
                let session = node.take(place)?;
                self.told.push_back(Told::Answered { session, packet });
            }
            Said::Missing { place, why } => {
                let session = node.take(place)?;
                self.told.push_back(Told::Missing { session, why });
            }
            Said::Whole => node.is_whole = true,
            Said::Lost => self.unreached(at),
        }
        let node = &mut self.nodes[at];
        if node.is_whole && node.open == 0 {
            node.is_over = true;
            self.left -= 1;
        }
        Ok(())
    }

    /// A node says nothing any more: it is gone, or has said what cannot be.
    pub(crate) fn gone(&mut self, at: usize) {
        self.end(at, Why::Unreachable);
    }

    /// The time is up for all.
    pub(crate) fn times_up(&mut self) {
        (0..self.nodes.len()).for_each(|at| self.end(at, Why::Timeout));
    }

    fn end(&mut self, at: usize, why: Why) {
        let Some(node) = self.nodes.get_mut(at).filter(|node| !node.is_over) else { return };
        node.is_over = true;
        node.open = 0;
        self.left -= 1;
        let open = std::mem::take(&mut node.members).into_iter().flatten();
        self.told.extend(open.map(|session| Told::Missing { session, why }));
        if !node.is_whole {
            self.unreached(at);
        }
    }

    fn unreached(&mut self, at: usize) {
        if !std::mem::replace(&mut self.nodes[at].is_unreached, true) {
            self.told.push_back(Told::Unreached(at));
        }
    }

    /// The next thing to tell.
    pub(crate) fn poll(&mut self) -> Option<Told> {
        self.told.pop_front()
    }

    /// Whether this node has nothing more to say.
    pub(crate) fn is_node_over(&self, at: usize) -> bool {
        self.nodes.get(at).is_none_or(|node| node.is_over)
    }

    /// Whether no node has anything more to say.
    pub(crate) fn is_over(&self) -> bool {
        self.left == 0
    }
}

impl Node {
    fn take(&mut self, place: u64) -> Result<ByteString, Malformed> {
        let place = usize::try_from(place).map_err(|_| Malformed)?;
        let session = self.members.get_mut(place).and_then(Option::take).ok_or(Malformed)?;
        self.open -= 1;
        Ok(session)
    }
}
