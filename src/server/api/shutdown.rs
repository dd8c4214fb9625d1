//! A server that shuts down, and what becomes of its sessions.

use std::{future::ready, sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::live::Live;
use crate::{
    config::millis,
    ids,
    server::other_nodes::Moving,
    session::{Machine, reason},
    shared::SharedSession,
};

/// The time that handlers have to return when the server shuts down.
const LAST_HANDLERS: Duration = Duration::from_secs(5);

/// The other nodes learn within this time that one shuts down.
const KNOWN: u64 = 1_000;

/// The sessions that other nodes are to take by themselves are handed out in the last part of the window, and in no more than
/// this time.
const LAST_PART: u32 = 4;
const LAST_MOVES: Duration = Duration::from_secs(10);

/// The sessions that are handed out at the same time.
const AT_A_TIME: usize = 64;

/// The pause before sessions that nobody has taken are handed out once more.
const AGAIN: Duration = Duration::from_millis(250);

/// Behind the window, sessions are handed out for no longer than this, and only while others take them.
const LONGER: Duration = Duration::from_secs(30);

/// The fate of the sessions of a server that has shut down: [`Live::shutdown`] returns it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutDown {
    /// Sessions that go on at other nodes of the [cluster](crate::guide::many_nodes).
    pub moved: usize,
    /// Sessions that ended by themselves meanwhile: the handler returned, or the client left.
    pub ended: usize,
    /// Sessions that were there when the window was over, and ended with code 4005.
    pub cut: usize,
}

/// # Shutting down
impl Live {
    /// Shuts down gracefully. From now on no new session opens (503, code 4202). Every client is asked to
    /// make a new link, each at its own moment within `window`; those of other protocols are closed then, and come
    /// back by themselves. When the window is over, all links end with
    /// code 4005 and all sessions with them. Returns what became of the sessions.
    ///
    /// In a [cluster](crate::guide::many_nodes) a session that may move does so when its client makes the new link at
    /// another node. Clients of such sessions are asked in the first three quarters of the window. In the last quarter, and
    /// in its last ten seconds at most, the sessions that are left are handed to other nodes, also those whose clients have
    /// no link just now. They leave at 500 a second for each node at most. Where the window is too short for that, it is
    /// made longer, by 30 seconds at most, while other nodes take sessions or one is on its way; the sessions are served
    /// until then. One that no node takes, as while the engine is away, is tried again until the window is over, and is cut
    /// then.
    ///
    /// Waits for the window, then until the handlers have returned, for at most five seconds more; a node of a cluster then
    /// leaves it, which takes at most another second. Not
    /// cancel-safe: dropped, it leaves a server that takes no new sessions.
    pub async fn shutdown(&self, window: Duration) -> ShutDown {
        let (there, moved) = (self.open_sessions(), self.moved());
        self.core.drain(millis(window));
        let clock = self.core.runtime.clock();
        let end = clock.instant(clock.now() + millis(window));
        tokio::join!(close_in_time(self.ask_to_go(window)), self.hand_out(window, end));
        sleep_until(end).await;
        let cut = self.open_sessions();
        for member in self.core.hub.all() {
            // The client of one that has ended shall learn how, also if it comes late.
            if member.shared.close_reason().is_none() {
                member.shared.abort(reason::SHUT_DOWN);
            }
        }
        let _ = timeout(LAST_HANDLERS, self.core.runtime.handlers_ended()).await;
        let moved = self.moved() - moved;
        if let Some(nodes) = self.core.nodes() {
            nodes.leave().await;
        }
        let ended = there.saturating_sub(moved).saturating_sub(cut);
        let shut_down = ShutDown { moved, ended, cut };
        tracing::info!(moved, ended, cut, "shut down");
        shut_down
    }

    fn open_sessions(&self) -> usize {
        self.core.hub.all().iter().filter(|member| member.shared.close_reason().is_none()).count()
    }

    /// The number of sessions that have moved from this node so far.
    fn moved(&self) -> usize {
        self.core.nodes().map_or(0, |nodes| usize::try_from(nodes.figures().moved).unwrap_or(usize::MAX))
    }

    fn moving(&self) -> Option<&dyn Moving> {
        self.core.nodes()?.moving()
    }

    /// Asks all clients to make a new link: first those whose sessions may move with it, since others can take them only while
    /// there is time. Returns those that cannot be asked, and when each of them is to be closed, by which it learns the same.
    fn ask_to_go(&self, window: Duration) -> Vec<(Instant, Arc<SharedSession>)> {
        let clock = self.core.runtime.clock();
        let mut others = Vec::new();
        let last = millis(window - window / LAST_PART);
        let first = KNOWN.min(last / 2);
        for member in self.core.hub.all() {
            let delay = match self.moving().is_some_and(|moving| moving.may_leave(member.id())) {
                true => first + ids::below(last - first),
                false => ids::below(millis(window)),
            };
            match member.shared.look(Machine::ends_with_its_links) {
                false => member.shared.go_away(delay, 0),
                true => others.push((clock.instant(clock.now() + delay), member.shared.clone())),
            }
        }
        others.sort_by_key(|(moment, _)| *moment);
        others
    }

    /// Hands the sessions that may move, and that no other node has asked for by then, to other nodes until the window is over,
    /// and behind it for as long as others take them or one is on its way.
    async fn hand_out(&self, window: Duration, end: Instant) {
        let Some(moving) = self.moving() else { return };
        sleep_until(end - (window / LAST_PART).min(LAST_MOVES)).await;
        let clock = self.core.runtime.clock();
        let handed = async {
            loop {
                let goes_on = self.hand_out_once(moving).await > 0 || moving.any_leaves();
                if !goes_on && clock.instant(clock.now()) >= end {
                    break;
                }
                // Those that are left cannot move now, or wait here again. Others come back meanwhile.
                sleep(AGAIN).await;
            }
        };
        // A session that is on its way goes on to be.
        let _ = timeout_at(end + LONGER, handed).await;
    }

    /// Hands out each session that may move now. Returns how many were taken.
    async fn hand_out_once(&self, moving: &dyn Moving) -> usize {
        let left = self.core.hub.all().into_iter().map(|member| member.id());
        let left: Vec<_> = left.filter(|session| moving.may_leave(*session)).collect();
        let taken = stream::iter(left).map(|session| moving.push(session)).buffer_unordered(AT_A_TIME);
        taken.filter(|taken| ready(*taken)).count().await
    }
}

/// Closes each at its moment.
async fn close_in_time(sessions: Vec<(Instant, Arc<SharedSession>)>) {
    for (moment, shared) in sessions {
        sleep_until(moment).await;
        shared.go_away(0, 0);
    }
}
