//! PURE. Which node of a cluster has what: the decisions of a node that claims something in the directory, gives a session
//! to another node, takes one, or seeks one.
//!
//! A caller asks the directory and the other nodes what a machine tells it to ask, and tells the machine what they answer.
//! The server does so in its tasks, the simulation in its own time.

mod claiming;
mod giving;
mod keeping;
mod owner;
mod seeking;
mod taking;

#[cfg(test)]
mod tests;

pub(crate) use claiming::{Claiming, Step, Verdict};
pub(crate) use giving::{Answer, Give, Given, Giver};
pub(crate) use keeping::{Keep, Keeper};
pub(crate) use owner::{Deed, Owner};
pub(crate) use seeking::{Found, Known, Look, LookStep, MOST_HOPS, Place, Seek, Standing, seek};
pub(crate) use taking::{Take, Taken, Taker};
