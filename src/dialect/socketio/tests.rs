//! Socket.IO's clients, by the texts of their packets.

use bytes::Bytes;
use bytestring::ByteString;

use super::{Action, Claim, ClientPacket, Connection, Outgoing, Revision, Violation, plain_message};
use crate::{
    dialect::{Fault, Head, Kind, control, not_opened, refused},
    packet::Packet,
};

mod fuzz;
#[cfg(feature = "msgpack")]
mod msgpack;
mod packets;
mod recovery;
mod states;
mod transcripts;

use Revision::{R4, R5};

const LIMIT: usize = 200;
const MOST: usize = 3;

fn packet(text: &str, attachments: &[&[u8]]) -> Packet {
    let attachments = attachments.iter().map(|bytes| Bytes::copy_from_slice(bytes)).collect();
    Packet::new(text, attachments)
}

fn connection(revision: Revision) -> Connection {
    Connection::new(revision, LIMIT, MOST)
}

/// The server opens a namespace. Returns what the client hears of it.
fn open(connection: &mut Connection, namespace: &str) -> Outgoing {
    connection.outgoing(&control(Kind::Connect, namespace, "{\"sid\":\"abc\"}"))
}

/// A connection whose namespaces `/` and `/admin` are open.
fn joined(revision: Revision) -> Connection {
    let mut connection = connection(revision);
    connection.start();
    if revision == R5 {
        connection.text("0".into()).unwrap();
    }
    open(&mut connection, "/");
    connection.text("0/admin,".into()).unwrap();
    open(&mut connection, "/admin");
    connection
}

fn connect(namespace: &str, auth: &str) -> Action {
    Action::Connect { namespace: namespace.into(), auth: auth.into() }
}
