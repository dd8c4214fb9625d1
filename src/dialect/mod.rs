//! PURE. The layer of events above the session: names, data, faults, and the packets that carry them.
//!
//! A packet is made by `write.rs` (a name and arguments) or `variant.rs` (an event as an enum), its head is
//! read by `head.rs`, and its arguments are read by `args.rs` or `variant.rs` when somebody asks for them.
//! `socketio/` has what clients of Socket.IO need besides, and `stomp/` the frames of STOMP.

mod args;
mod buffer;
mod data;
mod fault;
mod head;
mod key;
mod list;
mod name;
mod refuse;
mod reserved;
pub(crate) mod socketio;
pub(crate) mod stomp;
#[cfg(test)]
mod tests;
mod tree;
mod unit;
mod variant;
mod write;

pub use args::{Args, Data, FromArgs, IntoArgs, Reply};
pub use fault::Fault;
pub use name::{Asks, Event, Fits, Named, Request, Sends, Takes};
pub use reserved::NameError;

pub(crate) use args::read_args;
pub(crate) use head::{Head, Kind, MAX_ID, event_name};
pub(crate) use list::Arguments;
pub(crate) use reserved::{MESSAGE, check_name};
pub(crate) use variant::{event_by_variant, parse_variant};
pub(crate) use write::{ack, control, event, event_of_text, message_event, not_opened, refused};
#[cfg(feature = "cluster")]
pub(crate) use write::{request_id, with_id};
