//! The public face: builder, handlers, sessions, rooms, the test client and the plain server.

pub(super) mod auth;
pub(super) mod builder;
pub(super) mod events;
pub(super) mod handler;
pub(super) mod handlers;
pub(super) mod hooks;
mod identity;
mod limits;
pub(super) mod live;
pub(super) mod local;
pub(super) mod local_events;
mod namespace;
pub(super) mod presence;
pub(super) mod receiving;
pub(super) mod room_requests;
pub(super) mod sending;
pub(super) mod serve;
pub(super) mod server;
pub(super) mod session;
pub(super) mod stats;
pub(super) mod stomp;
pub(super) mod to;
