//! The URLs of each family of clients, in one file or folder for each family.

mod accept_encoding;
mod answer;
mod client;
mod elsewhere;
pub(super) mod engineio;
pub(super) mod native;
pub(super) mod raw;
pub(super) mod socketio;
pub(super) mod sockjs;
pub(super) mod stomp;
mod upload;
mod whole;
