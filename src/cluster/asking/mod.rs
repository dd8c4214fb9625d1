//! Requests to rooms on all nodes: who is asked where, and who has still to say what. Time is an argument.
//!
//! The request itself goes to the rooms, as an event does, so that it has its place among their other messages, and a node
//! without members gets none of it. Besides, the node that asks has each other node that lives tell it what becomes of the
//! request there ([`Question`]), and that one tells it by one answer that goes on until it is done ([`Said`]). So nobody has to
//! know who has members: a node without any says so at once, and one that dies breaks off.
//!
//! [`Desk`] is the side of those who are asked. The request and the question come in any order, or one of them never does.
//! [`Tally`] is the side of the node that asks. Whatever the others do:
//! * Each member that a node has named is told once, with its answer or with a reason.
//! * A node that has not named all its members is told once, by its name.
//! * All of that is told at the latest when the time is up.

mod desk;
mod tally;
#[cfg(test)]
mod tests;
mod words;

pub(crate) use desk::{Begun, Desk, Fate, Key};
pub(crate) use tally::{Tally, Told};
pub(crate) use words::{MOST_NAMED, Part, Question, Said, Why, Words};
