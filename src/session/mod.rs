//! The state of one client's session, pure: no clock, no I/O, no lock, no randomness.
//!
//! [`Machine`](machine::Machine) is one half of a session. `handle_*` takes what the network or the clock
//! did, `poll_*` returns what the caller must do now, and time is an argument in milliseconds.

mod behind;
pub(crate) mod droppable;
pub(crate) mod frame;
pub(crate) mod heartbeat;
mod idle_limit;
pub(crate) mod inbox;
mod intake;
pub(crate) mod links;
pub(crate) mod machine;
#[cfg(any(feature = "cluster", test))]
pub(crate) mod moving;
pub(crate) mod outbox;
mod parking;
mod pressure;
mod progress;
mod rate;
pub(crate) mod reason;
mod receive;
pub(crate) mod rules;
mod send;
mod stream_probe;
mod streams;
mod timers;
mod transmit;
mod upgrade;

#[cfg(test)]
mod client;
#[cfg(test)]
pub(crate) mod tests;

pub use frame::CloseReason;
pub(crate) use frame::{Attached, Frame, Grant, Names, Outbound, Outcome, SessionParams};
pub(crate) use inbox::Arrival;
pub(crate) use links::{Attach, LinkId, LinkKind};
pub(crate) use machine::{Config, Machine, Role, SendError, State};
pub(crate) use outbox::reserve_first;
pub(crate) use rate::RateEvent;
pub(crate) use upgrade::Stage;
