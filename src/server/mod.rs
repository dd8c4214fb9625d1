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
mod grace_hold;
mod kept_request;
mod limits;
#[cfg(feature = "cluster")]
mod moving;
mod namespaces;
mod network;
mod node_claim;
#[cfg(feature = "cluster")]
mod nodes;
mod opened;
mod opening;
mod origin;
mod other_nodes;
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

#[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos"))))]
pub use api::bind::bind_shared;
pub use api::{
    auth::{Auth, AuthRejection},
    bind::bind,
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
    send_error::{SendError, SendToError, TrySendError},
    sending::Outgoing,
    serve::{Serve, serve},
    server::Server,
    session::{Session, SessionId},
    shutdown::ShutDown,
    stats::Stats,
    stomp::{Stomp, StompTopic},
    to::To,
};
#[cfg(feature = "cluster")]
pub use api::{
    cluster::ClusterState,
    hooks::RoomGap,
    moving::{RestoreError, SaveError, Why},
};
