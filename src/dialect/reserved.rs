//! Which texts can be the name of an event.

use std::fmt;

/// The longest name of an event, in bytes.
pub(super) const MAX_NAME: usize = 256;

/// The name under which plain messages are events.
pub(crate) const MESSAGE: &str = "message";

/// Names that no event may have: what clients report of their own life by the same listeners, ours and
/// Socket.IO's.
const RESERVED: [&str; 14] = [
    "open",
    MESSAGE,
    "transport",
    "interrupted",
    "resumed",
    "closed",
    "error",
    "gap",
    "connect_error",
    "connect",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
];

/// Whether a name is reserved.
pub(crate) const fn is_reserved(name: &str) -> bool {
    let mut nth = 0;
    while nth < RESERVED.len() {
        if equal(RESERVED[nth].as_bytes(), name.as_bytes()) {
            return true;
        }
        nth += 1;
    }
    false
}

const fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut nth = 0;
    while nth < a.len() {
        if a[nth] != b[nth] {
            return false;
        }
        nth += 1;
    }
    true
}

/// Why a text cannot be the name of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// It is empty.
    Empty,
    /// It has more than 256 bytes.
    TooLong,
    /// Clients use it for events of their own, as `open` or `connect`.
    Reserved,
    /// An event that came begins with something else than a text.
    NotText,
}

impl NameError {
    pub(super) const fn text(self) -> &'static str {
        match self {
            NameError::Empty => "the name of an event is not empty",
            NameError::TooLong => "the name of an event has at most 256 bytes",
            NameError::Reserved => "this name is reserved: clients use it for events of their own",
            NameError::NotText => "the first item of an event is its name",
        }
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for NameError {}

/// Whether an event may have this name.
pub(crate) const fn check_name(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        Err(NameError::Empty)
    } else if name.len() > MAX_NAME {
        Err(NameError::TooLong)
    } else if is_reserved(name) {
        Err(NameError::Reserved)
    } else {
        Ok(())
    }
}
