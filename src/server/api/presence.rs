//! Rooms that remember: joining behind the messages that were missed, and who is there.

use std::{collections::BTreeSet, fmt, future::poll_fn, sync::Arc, task::Poll};

use super::{live::Live, session::Session};
use crate::{
    hub::{JoinError, Joined, room_key},
    server::core::Core,
};

/// # Rooms that remember
impl Session {
    /// Joins a room that has a [history](crate::Builder::rooms), behind the messages that the client lacks:
    /// those since a position, or all that are kept if it is `None`. They go into the outbox first, as
    /// ordinary messages; what is sent to the room from then on follows, without a hole and without a
    /// repetition.
    ///
    /// The position is told with each join ([`Joined::position`]) and with each
    /// [numbered](crate::To::send_numbered) message. A page keeps the last one and gives it back when it
    /// joins in a new session. A position that is not one of this room counts as `None`; any text may be
    /// given.
    ///
    /// Does not wait on a server without a cluster, nor in a room that this node follows already. Otherwise it waits until
    /// the [cluster's](crate::guide::many_nodes) engine has brought the past of the room; if that takes longer than two
    /// seconds, the session joins with what this node has, and the outcome is not
    /// [complete](Joined::complete). Cancel-safe: dropped while it waits, it has done nothing.
    ///
    /// ```
    /// use anywire::{Anywire, Auth, History, Session};
    ///
    /// async fn chat(Auth(since): Auth<String>, session: Session) {
    ///     let Ok(joined) = session.join_since("chat:1", Some(&since)).await else { return };
    ///     if !joined.complete {
    ///         let _ = session.send("some messages are too old").await;
    ///     }
    ///     while let Some(message) = session.recv().await {
    ///         session.within("chat:1").send_numbered(|position| {
    ///             format!("{position} {}", message.as_text().unwrap_or_default()).into()
    ///         });
    ///     }
    /// }
    ///
    /// let live = Anywire::builder().rooms("chat:*", History::last(50)).handler(chat).build();
    /// # let _: axum::Router = axum::Router::new().nest("/live", live.routes());
    /// ```
    ///
    /// # Errors
    /// Fails with a [`JoinError`] if the room has no history, the session is in it already or closed, or the
    /// messages do not fit into the outbox; then nothing was sent. An outbox that is at most half full takes
    /// any history.
    pub async fn join_since(&self, room: &str, position: Option<&str>) -> Result<Joined, JoinError> {
        let key = room_key(self.member.namespace(), room);
        let followed = self.core.nodes().and_then(|nodes| nodes.follow(&key));
        // Its topic is not dropped before the session is in it.
        let _followed = match followed {
            Some(followed) => Some(followed.await),
            None => None,
        };
        self.core.hub.join_since(&self.member, room, position, self.core.runtime.clock().now())
    }

    /// Joins a room, if the session is not in it, as somebody with this name, whom
    /// [`Live::presence`](crate::Live::presence) shows. Several sessions may have one name, for example the
    /// tabs of one user: it is there from the first that joins to the last that leaves. Returns whether nobody
    /// with this name was in the room. A session has one name in a room, the last one that it gave. Does not
    /// wait.
    pub fn join_as(&self, room: &str, name: &str) -> bool {
        self.core.hub.enter(&self.member, room, name)
    }
}

impl Live {
    /// Returns who is in a room on this node, of those who [joined with a name](Session::join_as).
    ///
    /// A session whose connection is interrupted is still there: it leaves when it ends, after the
    /// [grace](crate::Builder::grace) time at the latest, or when its handler returns or leaves the room.
    pub fn presence(&self, room: &str) -> Presence {
        Presence {
            core: self.core.clone(),
            room: room_key(&self.namespace, room).into_owned(),
            watcher: self.core.hub.new_watcher(),
            known: BTreeSet::new(),
        }
    }
}

/// The people in a room, as [`Live::presence`] returns them.
///
/// ```
/// use anywire::Live;
///
/// /// A task that tells a room who comes and goes.
/// async fn watch(live: Live) {
///     let mut presence = live.presence("lobby");
///     loop {
///         let change = presence.changed().await;
///         for name in change.joined {
///             live.to("lobby").send(format!("{name} is here"));
///         }
///         for name in change.left {
///             live.to("lobby").send(format!("{name} has gone"));
///         }
///     }
/// }
/// # let _ = watch;
/// ```
pub struct Presence {
    core: Arc<Core>,
    room: String,
    watcher: u64,
    /// The names that were told.
    known: BTreeSet<String>,
}

/// The names that have come to a room and gone from it since the last change, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PresenceChange {
    /// The names that have come.
    pub joined: Vec<String>,
    /// The names that have gone.
    pub left: Vec<String>,
}

impl Presence {
    /// Returns the names of those who are there now, each once, sorted.
    pub fn names(&self) -> Vec<String> {
        self.core.hub.names(&self.room).iter().map(ToString::to_string).collect()
    }

    /// Waits until others are there than this call returned before, and returns who has come and gone since.
    /// The first call returns those who are there; if nobody is, it waits for the first. A name that came and
    /// went between two calls is not told, and nothing has to be kept for a task that is slow.
    ///
    /// Cancel-safe: dropped while it waits, it has told nothing.
    pub async fn changed(&mut self) -> PresenceChange {
        let Presence { core, room, watcher, known } = self;
        let names = poll_fn(|cx| match core.hub.poll_names(room, *watcher, known, cx.waker()) {
            Some(names) => Poll::Ready(names),
            None => Poll::Pending,
        })
        .await;
        let joined = names.difference(known).cloned().collect();
        let left = known.difference(&names).cloned().collect();
        *known = names;
        PresenceChange { joined, left }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.core.hub.unwatch(&self.room, self.watcher);
    }
}

impl fmt::Debug for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presence").field("room", &self.room).field("names", &self.names()).finish()
    }
}
