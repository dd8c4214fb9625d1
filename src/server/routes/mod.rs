//! One file or folder for each family of clients: its URLs, and what they pair.

mod accept_encoding;
mod client;
pub(super) mod native;
