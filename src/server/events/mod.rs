//! Events: a session's messages by name, with handlers, replies and faults.

mod asked;
mod beside;
mod extract;
mod handler;
mod incoming;
mod layer;
mod opening;
mod reply;
mod router;
mod run;
mod table;
#[cfg(test)]
mod tests;

pub use extract::{EventName, FromEvent};
pub use handler::{Concurrent, EventHandler, concurrent};
pub use incoming::Incoming;
pub use layer::Next;
pub use opening::{OpenHandler, OpenOutcome};
pub use reply::{Answer, Answered, IntoAnswer};
pub use router::Events;
