//! The server: its public face in `api`, the opening of sessions in `gateway`, and the URLs in `routes`.

mod admission;
mod api;
mod connection;
mod core;
mod counters;
mod eviction;
mod forwarded;
mod gateway;
mod limits;
mod network;
mod opening;
mod origin;
mod parked_requests;
mod refusal;
mod relief;
mod remote;
mod routes;
mod timekeeper;
mod tombstones;

pub use api::{
    auth::{Auth, AuthRejection},
    builder::{Anywire, Builder, SessionHandler},
    handler::{Handler, Returned},
    hooks::Refused,
    live::{Live, To},
    local::LocalClient,
    presence::{Presence, PresenceChange},
    receiving::{Incoming, Received},
    sending::{Outgoing, SendError, TrySendError},
    serve::{Serve, bind, serve},
    server::Server,
    session::{Session, SessionId},
    stats::Stats,
};
