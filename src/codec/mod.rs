//! Frame <-> bytes, pure. One file for each family of clients.

pub(crate) mod native;
pub(crate) mod websocket_frames;
