//! The server: its public face in `api`, the opening of sessions in `gateway`, and the URLs in `routes`.

mod api;
mod connection;
mod core;
mod counters;
mod eviction;
mod gateway;
mod opening;
mod origin;
mod parked_requests;
mod refusal;
mod relief;
mod remote;
mod routes;
mod timekeeper;

pub use api::{
    auth::{Auth, AuthRejection},
    builder::{Anywire, Builder, Server, SessionHandler},
    handler::{Handler, Returned},
    live::{Live, To},
    local::LocalClient,
    presence::{Presence, PresenceChange},
    receiving::{Incoming, Received},
    sending::{Outgoing, SendError, TrySendError},
    serve::{Serve, bind, serve},
    session::{Session, SessionId},
    stats::Stats,
};
