//! One file or folder for each family of clients: its URLs, and what they pair.

mod client;
pub(super) mod native;
