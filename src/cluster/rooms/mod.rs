//! Rooms on all nodes: what a node publishes, what it receives, and what it finds missing. Time is an argument.
//!
//! [`ClusterRooms`] is a machine without I/O. Its caller tells it what the engine's bus did, and then asks what is to be
//! delivered ([`ClusterRooms::poll_event`]), to be published ([`ClusterRooms::poll_publish`]), and which topics are wanted
//! ([`ClusterRooms::poll_interest`]).
//!
//! Whatever the engine does:
//! * A node's members get each of its own messages once.
//! * They get those of another node at most once, in its order. What is missing is told, as soon as something shows it: the
//!   next message, the position that follows the last one, or the answer to a question behind a cut.
//! * With an engine of total order, all nodes deliver in one order what was published in order. A split, `When::Now` and a
//!   batch that is published again are the exceptions: a node that missed the batch at first gets it at a later place.
//! * What is sent during a split is published behind it, as soon as each other node has said a word, or 3 seconds later.
//!   A node that comes back within that time misses none of it.
//! * Memory is bounded: by `pending` for what waits, by `forget_after` and the interest for numbers.
//!
//! A member may go to another node: it takes its [`Positions`] along, and gets there what it has not got, once, in the order
//! of that node ([`Arrival`], [`ClusterRooms::follow`]). What that node does not have either is told.
//!
//! The bus may lose something and say nothing. Such a loss shows by the next envelope; it does not if nothing follows.

mod absent;
mod arrival;
mod carried;
mod envelope;
mod followers;
mod forgetting;
mod interest;
mod line;
mod positions;
mod publisher;
mod questions;
mod reading;
mod receiver;
mod recorded;
mod recording;
mod state;
#[cfg(test)]
mod tests;
mod times;
mod types;

pub(crate) use arrival::{Arrival, Item, Number, What};
pub(crate) use carried::{Carried, read_keys, write_keys};
pub(crate) use positions::Positions;
pub(crate) use state::ClusterRooms;
pub(crate) use types::{
    Behind, EVERYBODY, Event, Exempt, Foreign, Keeping, Loaded, Options, Publisher, RoomSettings, Sent, When,
};
