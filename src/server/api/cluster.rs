//! The other nodes as an application learns of them.

use std::sync::Arc;

use super::{builder::Builder, hooks::RoomGap, live::Live};

/// A cluster as one of its nodes sees it, as [`Live::cluster`] returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterState {
    /// The names of the nodes that live, sorted, this one included.
    pub nodes: Vec<String>,
    /// The engine is away: the rooms of this node go on alone. What is sent meanwhile reaches the other nodes later, as
    /// far as 8 MiB go; what is beyond that is a [gap](Builder::on_room_gap) there.
    pub split: bool,
}

impl ClusterState {
    /// Whether the rooms of this node go on alone, since the engine is away.
    pub fn is_split(&self) -> bool {
        self.split
    }
}

/// # Clusters
impl Live {
    /// Returns the state of the cluster as this node sees it; `None` without a
    /// [cluster](crate::Builder::cluster). Never waits.
    pub fn cluster(&self) -> Option<ClusterState> {
        let figures = self.core.nodes()?.figures();
        Some(ClusterState { nodes: figures.names, split: figures.split })
    }
}

impl<H> Builder<H> {
    /// Calls a function when messages to a room did not come from another node of the [cluster](Self::cluster): the
    /// engine has lost them, or was away for so long that not all of them were kept. The members of the room on this node
    /// miss them, and clients that count messages are told. It must not block. A topic of the broker of
    /// [STOMP](crate::Stomp) is no room. Default: none.
    ///
    /// ```
    /// use anywire::Anywire;
    ///
    /// let builder = Anywire::builder().on_room_gap(|gap| {
    ///     eprintln!("{} messages to {:?} are lost", gap.count(), gap.room());
    /// });
    /// # let _ = builder;
    /// ```
    pub fn on_room_gap(mut self, on_room_gap: impl Fn(&RoomGap<'_>) + Send + Sync + 'static) -> Self {
        self.hooks.on_room_gap = Some(Arc::new(on_room_gap));
        self
    }
}
