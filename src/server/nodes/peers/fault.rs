//! Why a node was not reached.

use std::{fmt, io};

/// Why there is no connection to another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Another process is at its address, or its address has refused for so long that the process is gone.
    Dead,
    /// Nobody listens at its address.
    Refused,
    /// One of the two has another secret.
    WrongSecret,
    /// One of the two is too old for the other.
    WrongVersion,
    /// It did not answer in time.
    Silent,
    /// The connection broke, or something else than a node is there.
    Broken,
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Fault::Refused,
            io::ErrorKind::TimedOut => Fault::Silent,
            _ => Fault::Broken,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Dead => "the process is gone",
            Fault::Refused => "the connection was refused",
            Fault::WrongSecret => "it has another secret: all nodes of a cluster share one (Cluster::peers)",
            Fault::WrongVersion => "its version is too far from this one's",
            Fault::Silent => "it does not answer",
            Fault::Broken => "the connection broke",
        })
    }
}
