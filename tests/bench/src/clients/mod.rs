//! The protocols of the clients. Every client is a state machine without I/O: bytes in, bytes out.

pub(crate) mod engineio;
mod event;
mod http;
mod native;
pub(crate) mod native_http;
pub(crate) mod native_ways;
pub(crate) mod native_ws;
pub(crate) mod raw;
pub(crate) mod sockjs;
mod websocket;
mod wrapping;

use anyhow::Result;
use std::net::SocketAddr;

/// How clients send their texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Talk {
    /// As the plainest that their protocol has: a message, or with Socket.IO an event.
    Messages,
    /// As the only value of an event.
    Events,
    /// As the only value of a request, whose answer has it too.
    Requests,
}

/// The server to connect to.
#[derive(Clone, Debug)]
pub(crate) struct Dial {
    pub(crate) address: SocketAddr,
    /// The value of `Host`, and of `Origin` behind `http://`.
    pub(crate) host: String,
    pub(crate) talk: Talk,
}

impl Dial {
    pub(crate) fn new(address: SocketAddr, talk: Talk) -> Self {
        Self { address, host: address.to_string(), talk }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Opening,
    Open,
    Closing,
    Closed,
}

/// The bytes to be written on each of the client's connections. A connection is made for its first bytes.
#[derive(Default)]
pub(crate) struct Outputs(pub(crate) [Vec<u8>; 2]);

/// The application's messages that one read brought, one after the other.
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
    /// Writes the first request.
    fn open(&mut self, outputs: &mut Outputs);
    /// Consumes the complete part of `input` and returns its length; the rest comes again, with more bytes.
    fn received(&mut self, connection: usize, input: &[u8], outputs: &mut Outputs, inbox: &mut Inbox) -> Result<usize>;
    /// The server has closed a connection.
    fn ended(&mut self, connection: usize) -> Result<()>;
    /// Whether connection 1 has a request under way.
    fn is_uploading(&self) -> bool {
        false
    }
    /// Queues a message. Payloads are ASCII letters, digits and punctuation without quotes or backslashes.
    fn send(&mut self, payload: &[u8]);
    /// Begins to close the session.
    fn close(&mut self);
    /// Called at the end of each turn: writes the queued messages and what the protocol requires.
    fn flush(&mut self, outputs: &mut Outputs);
}
