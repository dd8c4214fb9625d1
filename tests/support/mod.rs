//! A client of the native protocol that shares no code with the library, and servers for it to talk to.
#![allow(dead_code, unused_imports, unreachable_pub, clippy::disallowed_methods)]

mod event_client;
mod handlers;
mod lives;
mod log;
mod nodes;
mod peer;
mod records;
mod site;
mod socket;
mod unwrap;

pub use event_client::EventClient;
pub use handlers::{echo, site};
pub use lives::{Lives, assert_sent, at_rest};
pub use log::Log;
pub use nodes::{Everywhere, count, draw, nodes};
pub use peer::{Peer, attempt};
pub use records::{Body, Grant, MAX, Parser, Payload, Record, Spelling};
pub use site::{Answer, HOST, Io, Records, Site, until};
pub use socket::{Socket, SocketEvent};
pub use unwrap::{CALLBACK, DOWNLINKS, Wrap, Wrapped, encode, form};
