//! The machine's part in measuring its streams (see [`stream_probe`](super::stream_probe)).

use super::{
    frame::Frame,
    links::{LinkId, LinkKind},
    machine::{Machine, Role},
    stream_probe::StreamProbe,
};

impl Machine {
    /// A stream was attached. `gap`: between this turn and the one before it.
    pub(super) fn begin_stream(&mut self, link: LinkId, ordinal: u64, gap: Option<u64>) {
        let probe = self.stream_probe.get_or_insert_with(|| Box::new(StreamProbe::new(link, ordinal)));
        probe.begin_stream(link, ordinal, gap);
    }

    /// The probe, if this link is the stream that it measures.
    pub(super) fn probe_of(&mut self, id: LinkId) -> Option<&mut StreamProbe> {
        self.stream_probe.as_deref_mut().filter(|probe| probe.link == id)
    }

    /// Whether the measured stream carries.
    fn probed_stream_carries(&self, probe: &StreamProbe) -> bool {
        self.config.role == Role::Server
            && self.closed.is_none()
            && self.links.get(probe.link).is_some_and(|link| link.confirmed && self.links.carries(link))
    }

    pub(super) fn stream_deadline(&self) -> Option<u64> {
        let probe = self.stream_probe.as_deref().filter(|probe| self.probed_stream_carries(probe))?;
        probe.deadline(self.heartbeat.rtt())
    }

    pub(super) fn check_stream(&mut self, now: u64) {
        if self.stream_probe.as_deref().is_some_and(|probe| self.probed_stream_carries(probe)) {
            let (heartbeat, incoming) = (self.heartbeat.rtt(), self.pending_attaches > 0);
            self.stream_probe.iter_mut().for_each(|probe| probe.check(now, heartbeat, incoming));
        }
    }

    /// The frame that is sent behind all others on a stream: an acknowledgement request, then padding.
    pub(super) fn probe_frame(&mut self, now: u64, id: LinkId) -> Option<Frame> {
        let probe = self.stream_probe.as_deref_mut().filter(|probe| probe.link == id)?;
        let link = self.links.get(id).filter(|link| link.confirmed && link.kind == LinkKind::Stream)?;
        let sent = link.next_to_send - 1;
        if !self.flow_received.is_paused() && probe.wants_request(now, sent, self.outbox.acked()) {
            probe.request_sent(now, sent, self.outbox.bytes());
            probe.frame_sent();
            return Some(Frame::AckRequest);
        }
        probe.take_padding().map(|length| Frame::Padding { length })
    }
}
