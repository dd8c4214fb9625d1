//! The first packet of a session.

use super::{Revision, payload3, payload3::Framing};

/// The terms that a client is told when its session opens. Times are milliseconds, sizes are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenPacket<'a> {
    pub(crate) sid: &'a str,
    /// The transports to which the client may upgrade.
    pub(crate) upgrades: &'a [&'a str],
    pub(crate) ping_interval: u64,
    pub(crate) ping_timeout: u64,
    /// How much a client of revision 4 puts into one request, if it has several packets.
    pub(crate) max_payload: usize,
}

impl OpenPacket<'_> {
    /// The packet: a message of a WebSocket.
    pub(crate) fn to_text(self) -> String {
        let OpenPacket { sid, upgrades, ping_interval, ping_timeout, max_payload } = self;
        let (sid, upgrades) = (serde_json::Value::from(sid), serde_json::Value::from(upgrades));
        format!(
            "0{{\"sid\":{sid},\"upgrades\":{upgrades},\"pingInterval\":{ping_interval},\
             \"pingTimeout\":{ping_timeout},\"maxPayload\":{max_payload}}}"
        )
    }

    /// Appends the packet as the whole of a body.
    pub(crate) fn write(self, revision: Revision, body: &mut Vec<u8>) {
        let text = self.to_text();
        match revision {
            Revision::V3 => payload3::put_text("", &text, Framing::Text, body),
            Revision::V4 => body.extend_from_slice(text.as_bytes()),
        }
    }
}
