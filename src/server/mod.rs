//! The server: its public face in `api`, the opening of sessions in `gateway`, and the URLs in `routes`.

mod admission;
mod api;
mod catch;
mod connection;
mod core;
mod counters;
mod events;
mod eviction;
mod forwarded;
mod gateway;
mod kept_request;
mod limits;
mod namespaces;
mod network;
mod opening;
mod origin;
mod parked_requests;
mod recovery;
mod refusal;
mod relief;
mod remote;
mod routes;
mod stomp;
mod terms;
mod timekeeper;
mod tombstones;

pub use events::{
    Answer, Answered, Concurrent, EventHandler, EventName, Events, FromEvent, Incoming, IntoAnswer, Next, OpenHandler,
    OpenOutcome, concurrent,
};

pub use api::{
    auth::{Auth, AuthRejection},
    builder::{Anywire, Builder},
    events::{RequestError, Requesting},
    handler::{Handler, Returned},
    handlers::SessionHandler,
    hooks::Refused,
    live::Live,
    local::LocalClient,
    local_events::{LocalEvent, LocalRequest},
    presence::{Presence, PresenceChange},
    receiving::{Messages, Received},
    room_requests::{Answers, RoomRequest},
    sending::{Outgoing, SendError, TrySendError},
    serve::{Serve, bind, serve},
    server::Server,
    session::{Session, SessionId},
    stats::Stats,
    stomp::{Stomp, StompTopic},
    to::To,
};
