//! The front: knows URLs, users, clocks and tasks.

mod builder;
mod core;
mod handler;
mod live;
mod local;
mod opening;
mod origin;
mod parked_requests;
mod remote;
mod routes;
mod serve;
mod session;
mod timekeeper;

pub use builder::{Anywire, Builder, Server, SessionHandler};
pub use handler::{Auth, AuthRejection, Handler};
pub use live::{Live, SendError, SessionHandle, To};
pub use local::LocalClient;
pub use serve::{serve, serve_until};
pub use session::{Incoming, Outgoing, Received, Session};
