//! The progress that transports report besides frames.

use super::{frame::Names, links::LinkId, machine::Machine};
use crate::config::Transport;

impl Machine {
    /// The transport that has made a downlink.
    pub(crate) fn set_transport(&mut self, id: LinkId, transport: Transport) {
        let carrier = self.links.carrier();
        let Some(link) = self.links.get_mut(id) else { return };
        link.transport = Some(transport);
        if carrier.is_none_or(|ordinal| ordinal == link.ordinal) {
            self.transport = transport;
        }
    }

    /// The transport that has made this downlink.
    pub(crate) fn link_transport(&self, id: LinkId) -> Option<Transport> {
        self.links.get(id)?.transport
    }

    pub(crate) fn is_confirmed(&self, id: LinkId) -> bool {
        self.links.get(id).is_some_and(|link| link.confirmed)
    }

    /// The names of the client's last attach.
    pub(crate) fn names(&self) -> Names {
        self.names
    }

    /// The transport has read bytes of a frame that is not complete yet.
    pub(crate) fn handle_part(&mut self, now: u64, id: LinkId, bytes: usize) {
        if self.counts(id) {
            self.heartbeat.received_part(now, bytes as u64);
        }
    }

    /// A message has come that is only a piece of what the inbox takes: more pieces follow. It is a sign of life.
    pub(crate) fn handle_piece(&mut self, now: u64) {
        self.heartbeat.received(now);
    }

    /// The connection has taken bytes that had waited for it.
    pub(crate) fn handle_write(&mut self, now: u64, id: LinkId) {
        if self.counts(id) {
            self.heartbeat.wrote(now);
            self.progressed(now);
        }
    }

    /// Whether the transport must stop reading: the inbox is full, and a message cannot be refused.
    pub(crate) fn reading_stops(&self) -> bool {
        !self.is_numbered() && self.is_paused()
    }

    /// Whether what happens on this link is a sign of life.
    fn counts(&self, id: LinkId) -> bool {
        self.links.get(id).is_some_and(|link| !link.superseded && !link.ignores_input)
    }
}
