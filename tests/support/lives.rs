//! The nodes of a server, as a test asks about all of them.

use std::{ops::Deref, time::Duration};

use anywire::{Delivered, Live, Server, Session};
use futures::future::join_all;

use super::nodes::{count, nodes};

/// The nodes of a server, or the server. What is asked here is asked of all of them, and what is sent goes out at the first.
#[derive(Clone, Debug)]
pub struct Lives(Vec<Live>);

/// The figures of all nodes together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sums {
    pub bytes: usize,
    pub parked: usize,
    pub skipped_total: u64,
    pub slow_total: u64,
    pub stomp_queued: usize,
    pub stomp_dropped_total: u64,
}

impl Lives {
    pub fn of_server<S: Clone + Send + Sync + 'static>(server: &Server<S>) -> Self {
        Lives(nodes(server).iter().map(Server::live).collect())
    }

    pub fn of(&self, namespace: &str) -> Self {
        Lives(self.0.iter().map(|live| live.of(namespace)).collect())
    }

    pub fn len(&self) -> usize {
        self.0.iter().map(Live::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Live::is_empty)
    }

    pub fn sessions(&self) -> Vec<Session> {
        self.0.iter().flat_map(Live::sessions).collect()
    }

    pub fn session(&self, id: impl AsRef<str>) -> Option<Session> {
        self.0.iter().find_map(|live| live.session(&id))
    }

    pub fn members(&self, room: &str) -> Vec<Session> {
        self.0.iter().flat_map(|live| live.members(room)).collect()
    }

    /// All nodes end at once.
    pub async fn shut_down(&self) {
        join_all(self.0.iter().map(|live| live.shutdown(Duration::ZERO))).await;
    }

    pub fn stats(&self) -> Sums {
        let mut sums = Sums::default();
        for stats in self.0.iter().map(Live::stats) {
            sums.bytes += stats.bytes;
            sums.parked += stats.parked;
            sums.skipped_total += stats.skipped_total;
            sums.slow_total += stats.slow_total;
            sums.stomp_queued += stats.stomp_queued;
            sums.stomp_dropped_total += stats.stomp_dropped_total;
        }
        sums
    }
}

impl Deref for Lives {
    type Target = Live;

    fn deref(&self) -> &Live {
        &self.0[0]
    }
}

/// A send has reached so many members of a server. Where that is several nodes, it goes through their engine, and nobody
/// knows yet.
#[track_caller]
pub fn assert_sent(delivered: &Delivered, members: usize) {
    let mut expected = Delivered::default();
    (expected.sent, expected.published) = if count() == 1 { (members, false) } else { (0, true) };
    assert_eq!(*delivered, expected);
}

/// Waits until all tasks are idle: among several nodes the interest in a room, which follows a join, is known then. Needs
/// tokio's paused clock.
pub async fn at_rest() {
    if count() > 1 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
