//! The sessions of this node, as the moves between nodes see them.

use bytes::Bytes;
use futures::future::BoxFuture;
use uuid::Uuid;

use super::words::{SessionId, Stays};
use crate::server::other_nodes::Expected;

/// The facts that matter before a session moves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::server::nodes) struct Prepared {
    /// Its rooms, in the words of the rooms of a cluster.
    pub(in crate::server::nodes) rooms: Bytes,
    /// Its handler has not started here yet: it waits for its client, wherever that comes.
    pub(in crate::server::nodes) waits: bool,
}

/// The ear that a node has for rooms of a session that is on its way to it.
pub(in crate::server::nodes) type Ear = Box<dyn Expected>;

/// The sessions of this node.
pub(in crate::server::nodes) trait Sessions: Send + Sync + 'static {
    /// Whether this node has a session.
    fn has(&self, session: Uuid) -> bool;

    /// The whole id of a session that this node has.
    fn id(&self, session: Uuid) -> Option<SessionId>;

    /// This node shuts down.
    fn is_draining(&self) -> bool;

    /// Whether a session may move, and what is to be done before. `secret` is what its client has shown.
    ///
    /// # Errors
    /// Fails with the reason for which it stays.
    fn prepare(&self, session: Uuid, secret: Option<&str>) -> Result<Prepared, Stays>;

    /// Has a session's handler return, and takes all of the session. Waits for the handler, not without an end.
    ///
    /// # Errors
    /// Fails with the reason for which it stays.
    fn freeze(&self, session: Uuid) -> BoxFuture<'static, Result<Box<dyn Frozen>, Stays>>;

    /// Begins to keep what is published to these rooms; `None` if that cannot be now. Waits for the engine.
    fn expect(&self, rooms: &Bytes) -> BoxFuture<'static, Option<Ear>>;

    /// Makes a session of what another node has given, which is a member of the rooms that were listened to. Its handler
    /// starts when its client comes.
    ///
    /// # Errors
    /// Fails with a text for the log.
    fn take(&self, session: &SessionId, parcel: Bytes, expected: Option<Ear>)
    -> BoxFuture<'static, Result<(), String>>;
}

/// A session that is about to leave this node. Dropped, it goes on here.
pub(in crate::server::nodes) trait Frozen: Send {
    /// All of it.
    fn bytes(&self) -> Bytes;

    /// Another node has it.
    fn given(self: Box<Self>);

    /// It goes on here.
    fn revive(self: Box<Self>);
}
