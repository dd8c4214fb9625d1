//! Socket.IO's connections, revisions 4 and 5 of its protocol: what a server must know besides the packets, which
//! are those of `head.rs`.
//!
//! | | revision 4, with Engine.IO 3 | revision 5, with Engine.IO 4 |
//! |---|---|---|
//! | the namespace `/` | opens unasked | by CONNECT |
//! | auth data | a query behind the name of the namespace | the JSON of CONNECT |
//! | CONNECT of the server | has no data | has `{"sid": ..}` |
//! | CONNECT_ERROR | the fault's data, or its text | `{"message": .., "data": .., "code": ..}` |
//! | CONNECT_ERROR for a namespace that nobody serves | `{"message":"Invalid namespace"}` | the same |
//! | a refused request | an ACK with `{"error": the fault}`, which is a convention of ours | the same |
//!
//! These end a connection, with the text `parse error` before the reason: a text that is no packet, a text while
//! attachments are owed, bytes while none are, a placeholder of an attachment that is not there, JSON that is none;
//! and by the rules of the states: CONNECT for a namespace that was asked for, and any other packet for one that is
//! not open. A packet that crosses the server's DISCONNECT or CONNECT_ERROR on its way is dropped.
//!
//! A name that only our own client reserves, as `message`, is fine here.
//!
//! Source: socket.io-protocol, revisions 4 and 5, and the decoder of the reference server.

mod assemble;
mod claim;
mod connection;
mod log;
#[cfg(feature = "msgpack")]
pub(crate) mod msgpack;
mod outgoing;
mod packet;
mod placeholders;
mod query;
#[cfg(test)]
mod tests;
mod words;

use std::fmt;

pub(crate) use assemble::Assembler;
pub(crate) use claim::{Claim, pid};
pub(crate) use connection::{Action, Connection};
pub(crate) use log::{Log, Size};
pub(crate) use outgoing::Outgoing;
pub(crate) use packet::{ClientPacket, plain_message};
pub(crate) use query::query_to_json;

/// The revision of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Revision {
    /// With Engine.IO 3: clients 1 and 2.
    R4,
    /// With Engine.IO 4: clients 3 and 4.
    R5,
}

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Violation {
    /// The client does not follow the protocol.
    Malformed(&'static str),
    /// A packet is larger than the limit of messages, with its attachments.
    TooLarge,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl Violation {
    /// The text for people, which a reason may have.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Violation::Malformed(text) => text,
            Violation::TooLarge => "message too large: a packet and its attachments",
        }
    }
}
