//! The state of a server in figures.

use std::{collections::BTreeMap, sync::atomic::Ordering::Relaxed, time::Duration};

use super::live::Live;
use crate::{
    server::{
        counters::{ACCEPT_ERRORS, CONNECTIONS_REFUSED, WRITE_TIMEOUTS},
        other_nodes::Figures,
    },
    session::{Machine, State},
};

/// The state of a server in figures, as [`Live::stats`] returns it. What ends in `total` only grows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Sessions with a connection, by the name of their transport.
    pub connected: BTreeMap<&'static str, usize>,
    /// Sessions whose connection is interrupted, and that wait for another.
    pub interrupted: usize,
    /// Of these, sessions that wait for a client of Socket.IO to [recover](crate::SocketIo::recovery).
    pub parked: usize,
    /// Messages in queues of [STOMP](crate::Stomp), those included that wait for their acknowledgement.
    pub stomp_queued: usize,
    /// Bytes in all inboxes and outboxes: what [`max_bytes`](crate::Builder::max_bytes) bounds.
    pub bytes: usize,
    /// Bytes in all outboxes: what clients have not acknowledged.
    pub unacknowledged_bytes: usize,
    /// Messages that clients have not acknowledged.
    pub unacknowledged: usize,
    /// How long the slowest client has acknowledged nothing, of those with more waiting than their session's floor.
    pub acknowledgement_lag: Duration,
    /// Nodes of the [cluster](crate::guide::many_nodes) that live, this one included; 0 without a cluster.
    pub cluster_nodes: usize,
    /// The rooms of this node go on alone, since the cluster's engine is away.
    pub cluster_split: bool,
    /// WebSockets that pass through this node to another one, which has their sessions.
    pub cluster_tunnels: usize,
    /// The last round trip of each session that has measured one, in no order.
    pub round_trips: Vec<Duration>,
    /// Sessions that opened.
    pub openings_total: u64,
    /// Links to sessions that this server had, by which they went on.
    pub resumes_total: u64,
    /// Requests and connections for sessions that this server did not have, or had no more.
    pub lost_resumes_total: u64,
    /// Pages that went on with the session of the page before them.
    pub take_overs_total: u64,
    /// Namespaces of clients of Socket.IO that [recovered](crate::SocketIo::recovery).
    pub recovered_total: u64,
    /// Namespaces that did not recover, though their clients wanted it: something was missing, or they were gone.
    pub not_recovered_total: u64,
    /// Openings and links that were refused, by code; [`protocol`](crate::protocol), section 7, lists them.
    pub refusals_total: BTreeMap<u16, u64>,
    /// Sends to rooms and to all.
    pub room_sends_total: u64,
    /// Messages of room sends that a member missed, because it was behind.
    pub skipped_total: u64,
    /// Sessions that ended because their client was too slow for what it was sent.
    pub slow_total: u64,
    /// How often clients were asked to pause, because they sent faster than the
    /// [rate limit](crate::Builder::rate_limit).
    pub rate_pauses_total: u64,
    /// Sessions that ended because their clients went on sending faster than the rate limit.
    pub rate_ends_total: u64,
    /// Sessions that ended because places or memory were short: [`max_sessions`](crate::Builder::max_sessions) or
    /// [`max_bytes`](crate::Builder::max_bytes) was reached.
    pub evicted_total: u64,
    /// The bytes that were freed by that, for the sake of memory.
    pub evicted_bytes_total: u64,
    /// Handlers that panicked.
    pub handler_panics_total: u64,
    /// [Events](crate::Events) that ended with a fault: wrong data, a name that nobody handles, or what a handler
    /// returned.
    pub event_faults_total: u64,
    /// Frames of clients of [STOMP](crate::Stomp) that were read and not sent on, because a queue was full, for example.
    pub stomp_refused_total: u64,
    /// Messages of queues of [STOMP](crate::Stomp) that were dropped: 16 consumers have refused one, or have left with
    /// it as the first that they had not acknowledged; or bytes for a client that takes texts alone.
    pub stomp_dropped_total: u64,
    /// Messages to rooms that the cluster's engine has taken of this node.
    pub cluster_published_total: u64,
    /// Messages to rooms that came from other nodes.
    pub cluster_received_total: u64,
    /// Those of them that came late: they were sent while their nodes could not publish.
    pub cluster_late_total: u64,
    /// Messages of other nodes to rooms that did not come, at least: [gaps](crate::guide::many_nodes).
    pub cluster_missed_total: u64,
    /// Messages to rooms that other nodes do not get, because too much waited for the cluster's engine.
    pub cluster_refused_total: u64,
    /// Publications that the cluster's engine brought and that were written by no node that this one understands, and words
    /// of other nodes about a [request to rooms](crate::To::request) that cannot be.
    pub cluster_malformed_total: u64,
    /// Requests that were forwarded to the nodes of their sessions.
    pub cluster_forwarded_total: u64,
    /// Sessions that other nodes have taken from this one.
    pub cluster_moved_total: u64,
    /// Sessions that this node has taken from others.
    pub cluster_taken_total: u64,
    /// Of all servers of [`serve`](crate::serve) in this process: connections that could not be accepted.
    pub accept_errors_total: u64,
    /// Of all servers of [`serve`](crate::serve) in this process: connections that were closed because there
    /// were too many.
    pub connections_refused_total: u64,
    /// Of all servers of [`serve`](crate::serve) in this process: connections that ended because the client took
    /// too little of what was written to it.
    pub write_timeouts_total: u64,
}

/// # Figures
impl Live {
    /// Returns the state of the server in figures. It looks at each session for a moment, one after the other:
    /// some ten milliseconds for 100,000 sessions. Never waits.
    ///
    /// With the feature `metrics` [`record_metrics`](Self::record_metrics) hands the same to the recorder of the
    /// crate `metrics`.
    pub fn stats(&self) -> Stats {
        let mut stats = self.counted();
        let now = self.core.runtime.clock().now();
        for member in self.core.hub.all() {
            member.shared.look(|machine| stats.add(now, machine));
        }
        if let Some(nodes) = self.core.nodes() {
            stats.add_cluster(&nodes.figures());
        }
        stats
    }

    fn counted(&self) -> Stats {
        let counters = &self.core.counters;
        Stats {
            parked: self.core.runtime.parked.len(),
            bytes: self.core.runtime.pool().bytes(),
            openings_total: counters.openings.get(),
            resumes_total: counters.resumes.get(),
            lost_resumes_total: counters.lost_resumes.get(),
            take_overs_total: counters.take_overs.get(),
            recovered_total: self.core.runtime.recoveries[0].load(Relaxed),
            not_recovered_total: self.core.runtime.recoveries[1].load(Relaxed),
            refusals_total: counters.refusals(),
            room_sends_total: counters.room_sends.get(),
            skipped_total: counters.skipped.get(),
            slow_total: counters.slow.get() + self.core.runtime.slow.load(Relaxed),
            rate_pauses_total: self.core.runtime.rate_pauses.load(Relaxed),
            rate_ends_total: self.core.runtime.rate_ends.load(Relaxed),
            evicted_total: counters.evicted.get(),
            evicted_bytes_total: counters.evicted_bytes.get(),
            handler_panics_total: counters.handler_panics.get(),
            event_faults_total: counters.event_faults.get(),
            stomp_queued: counters.queued.load(Relaxed),
            stomp_refused_total: counters.sends_refused.get(),
            stomp_dropped_total: counters.queues_dropped.get(),
            accept_errors_total: ACCEPT_ERRORS.get(),
            connections_refused_total: CONNECTIONS_REFUSED.get(),
            write_timeouts_total: WRITE_TIMEOUTS.get(),
            ..Stats::default()
        }
    }

    /// Hands [`stats`](Self::stats) to the recorder of the crate `metrics`, as gauges, counters and one
    /// histogram; the guide's chapter on operating lists the names. Call it before each scrape, or every few
    /// seconds. Never waits.
    #[cfg(feature = "metrics")]
    pub fn record_metrics(&self) {
        use metrics::{counter, gauge, histogram};

        use crate::config::Transport;

        let stats = self.stats();
        for transport in Transport::ALL {
            let sessions = stats.connected.get(transport.name()).copied().unwrap_or_default();
            let labels = [("state", "connected"), ("transport", transport.name())];
            gauge!("anywire_sessions", &labels).set(sessions as f64);
        }
        let labels = [("state", "interrupted"), ("transport", "none")];
        gauge!("anywire_sessions", &labels).set(stats.interrupted as f64);
        gauge!("anywire_parked_sessions").set(stats.parked as f64);
        gauge!("anywire_stomp_queued_messages").set(stats.stomp_queued as f64);
        gauge!("anywire_bytes").set(stats.bytes as f64);
        gauge!("anywire_unacknowledged_bytes").set(stats.unacknowledged_bytes as f64);
        gauge!("anywire_unacknowledged_messages").set(stats.unacknowledged as f64);
        gauge!("anywire_acknowledgement_lag_seconds").set(stats.acknowledgement_lag.as_secs_f64());
        let round_trips = histogram!("anywire_round_trip_seconds");
        stats.round_trips.iter().for_each(|trip| round_trips.record(trip.as_secs_f64()));
        for (code, count) in &stats.refusals_total {
            counter!("anywire_refusals_total", "code" => code.to_string()).absolute(*count);
        }
        counter!("anywire_resumes_total", "outcome" => "resumed").absolute(stats.resumes_total);
        counter!("anywire_resumes_total", "outcome" => "lost").absolute(stats.lost_resumes_total);
        counter!("anywire_recoveries_total", "outcome" => "recovered").absolute(stats.recovered_total);
        counter!("anywire_recoveries_total", "outcome" => "lost").absolute(stats.not_recovered_total);
        for (counter, count) in [
            (counter!("anywire_openings_total"), stats.openings_total),
            (counter!("anywire_take_overs_total"), stats.take_overs_total),
            (counter!("anywire_room_sends_total"), stats.room_sends_total),
            (counter!("anywire_skipped_total"), stats.skipped_total),
            (counter!("anywire_slow_total"), stats.slow_total),
            (counter!("anywire_rate_pauses_total"), stats.rate_pauses_total),
            (counter!("anywire_rate_ends_total"), stats.rate_ends_total),
            (counter!("anywire_evicted_total"), stats.evicted_total),
            (counter!("anywire_evicted_bytes_total"), stats.evicted_bytes_total),
            (counter!("anywire_handler_panics_total"), stats.handler_panics_total),
            (counter!("anywire_event_faults_total"), stats.event_faults_total),
            (counter!("anywire_stomp_refused_total"), stats.stomp_refused_total),
            (counter!("anywire_stomp_dropped_total"), stats.stomp_dropped_total),
            (counter!("anywire_accept_errors_total"), stats.accept_errors_total),
            (counter!("anywire_connections_refused_total"), stats.connections_refused_total),
            (counter!("anywire_write_timeouts_total"), stats.write_timeouts_total),
        ] {
            counter.absolute(count);
        }
        if self.core.nodes().is_some() {
            stats.record_cluster();
        }
    }
}

impl Stats {
    fn add_cluster(&mut self, figures: &Figures) {
        self.cluster_nodes = figures.names.len();
        self.cluster_split = figures.split;
        self.cluster_tunnels = figures.tunnels;
        self.cluster_published_total = figures.published;
        self.cluster_received_total = figures.received;
        self.cluster_late_total = figures.late;
        self.cluster_missed_total = figures.missed;
        self.cluster_refused_total = figures.refused;
        self.cluster_malformed_total = figures.malformed;
        self.cluster_forwarded_total = figures.forwarded;
        self.cluster_moved_total = figures.moved;
        self.cluster_taken_total = figures.taken;
    }

    #[cfg(feature = "metrics")]
    fn record_cluster(&self) {
        use metrics::{counter, gauge};

        gauge!("anywire_cluster_nodes").set(self.cluster_nodes as f64);
        gauge!("anywire_cluster_split").set(f64::from(u8::from(self.cluster_split)));
        gauge!("anywire_cluster_tunnels").set(self.cluster_tunnels as f64);
        for (counter, count) in [
            (counter!("anywire_cluster_published_total"), self.cluster_published_total),
            (counter!("anywire_cluster_received_total"), self.cluster_received_total),
            (counter!("anywire_cluster_late_total"), self.cluster_late_total),
            (counter!("anywire_cluster_missed_total"), self.cluster_missed_total),
            (counter!("anywire_cluster_refused_total"), self.cluster_refused_total),
            (counter!("anywire_cluster_malformed_total"), self.cluster_malformed_total),
            (counter!("anywire_cluster_forwarded_total"), self.cluster_forwarded_total),
            (counter!("anywire_cluster_moved_total"), self.cluster_moved_total),
            (counter!("anywire_cluster_taken_total"), self.cluster_taken_total),
        ] {
            counter.absolute(count);
        }
    }

    fn add(&mut self, now: u64, machine: &Machine) {
        match machine.state() {
            State::Open => *self.connected.entry(machine.transport().name()).or_default() += 1,
            State::Interrupted | State::Opening => self.interrupted += 1,
            State::Closing | State::Closed => {}
        }
        self.unacknowledged_bytes += machine.outbox_bytes();
        self.unacknowledged += machine.unacknowledged();
        let lag = machine.stalled_since().map_or(0, |since| now.saturating_sub(since));
        self.acknowledgement_lag = self.acknowledgement_lag.max(Duration::from_millis(lag));
        self.round_trips.extend(machine.rtt().map(Duration::from_millis));
    }
}
