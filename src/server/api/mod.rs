//! The public face: builder, handlers, sessions, rooms, the test client and the plain server.

mod anywhere;
pub(super) mod auth;
pub(super) mod bind;
pub(super) mod builder;
#[cfg(feature = "cluster")]
pub(super) mod cluster;
pub(super) mod events;
pub(super) mod handler;
pub(super) mod handlers;
pub(super) mod hooks;
mod identity;
#[cfg(feature = "cluster")]
mod lab;
mod limits;
pub(super) mod live;
pub(super) mod local;
pub(super) mod local_events;
#[cfg(feature = "cluster")]
pub(super) mod moving;
mod namespace;
pub(super) mod presence;
pub(super) mod receiving;
pub(super) mod room_requests;
pub(super) mod send_error;
pub(super) mod sending;
pub(super) mod serve;
pub(super) mod server;
pub(super) mod session;
pub(super) mod shutdown;
pub(super) mod stats;
pub(super) mod stomp;
pub(super) mod to;
