//! What the clients say on the wire. Every client is a machine without I/O: bytes in, bytes out.

pub(crate) mod engineio;
mod http;
mod native;
pub(crate) mod native_http;
pub(crate) mod native_ws;
pub(crate) mod raw;
mod websocket;

use anyhow::Result;
use std::net::SocketAddr;

/// Whom to call.
#[derive(Clone, Debug)]
pub(crate) struct Dial {
    pub(crate) address: SocketAddr,
    /// What `Host` says, and `Origin` behind `http://`.
    pub(crate) host: String,
}

impl Dial {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, host: address.to_string() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Opening,
    Open,
    Closing,
    Closed,
}

/// What is to be written on the client's connections. A connection is made when there is first something to write.
#[derive(Default)]
pub(crate) struct Wires(pub(crate) [Vec<u8>; 2]);

/// The application's messages that one read brought, one behind the other.
#[derive(Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Inbox {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub(crate) fn push(&mut self, payload: &[u8]) {
        self.bytes.extend_from_slice(payload);
        self.ends.push(self.bytes.len());
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end])
    }
}

/// One session's client.
pub(crate) trait Client {
    fn phase(&self) -> Phase;
    /// Says the first words.
    fn open(&mut self, wires: &mut Wires);
    /// Takes what it understands of `input` and says how much that was; the rest will come again with more.
    fn received(&mut self, wire: usize, input: &[u8], wires: &mut Wires, inbox: &mut Inbox) -> Result<usize>;
    /// The server has closed a connection.
    fn ended(&mut self, wire: usize) -> Result<()>;
    /// Whether wire 1 has something under way.
    fn is_uploading(&self) -> bool {
        false
    }
    /// Queues a message. Payloads are ASCII letters, digits and punctuation without quotes or backslashes.
    fn send(&mut self, payload: &[u8]);
    /// Asks for the end of the session.
    fn close(&mut self);
    /// Called at the end of each turn: puts on the wires what was queued and what the protocol wants said.
    fn flush(&mut self, wires: &mut Wires);
}
