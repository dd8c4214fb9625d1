//! Sessions and rooms on whatever node of a cluster they are.

use std::time::Duration;

use tokio::time::timeout;
use uuid::Uuid;

use super::{
    live::Live,
    send_error::{SendError, SendToError},
    sending::{payload_in, send_or_find},
};
use crate::{hub::room_key, message::Message, payload::Payload};

/// A session may move while it is looked for, so many times.
const MOVES: usize = 3;

/// A message to one session has so long, wherever that is, and however often it moves.
const PATIENCE: Duration = Duration::from_secs(10);

/// # On all nodes
impl Live {
    /// Returns the number of a room's members on all nodes of a [cluster](crate::guide::many_nodes).
    ///
    /// Those on this node are counted now. The other nodes note theirs in the engine when they change, at most once a
    /// second, so a member that has just come, gone, or moved to another node may be missing or counted twice for so long.
    /// A node that has died is counted until its lease is over, which takes some seconds. While the engine is away, the members on
    /// other nodes are those that this node read last for this room, and none if it has read none.
    ///
    /// Waits for the engine, for two seconds at most, and not at all without a cluster. Cancel-safe.
    ///
    /// ```
    /// use anywire::Live;
    ///
    /// async fn tell(live: &Live) {
    ///     let count = live.count("lobby").await;
    ///     live.to("lobby").latest("count").send(format!("{count} are here"));
    /// }
    /// # let _ = tell;
    /// ```
    pub async fn count(&self, room: &str) -> usize {
        let room = room_key(&self.namespace, room);
        let others = match self.core.nodes() {
            Some(nodes) => nodes.count(&room).await,
            None => 0,
        };
        self.core.hub.count(&room) + others
    }

    /// Sends a message to the session with this id, on whatever node of a [cluster](crate::guide::many_nodes) it is.
    ///
    /// On this node it is sent as [`Session::try_send`](crate::Session::try_send) sends it. Another node is asked to do the
    /// same, by its link. Messages that one task sends to one session, each behind the outcome of the one before, come in
    /// that order.
    ///
    /// Waits for the other node, and for a session that is on its way between two, for ten seconds at most in all, but not for
    /// room in the outbox. Cancel-safe: dropped while it waits, it may have sent the message or not.
    ///
    /// # Errors
    /// Fails with a [`SendToError`]: there is no such session, or it takes the message not, or its node is not reached. Only
    /// in the last case the message may have been sent all the same.
    ///
    /// ```
    /// use anywire::{Live, SendToError};
    ///
    /// async fn invite(live: &Live, id: &str) -> bool {
    ///     match live.send_to(id, "come to the lobby").await {
    ///         Ok(()) => true,
    ///         Err(SendToError::Unknown) => false,
    ///         Err(error) => {
    ///             eprintln!("{id} was not invited: {error}");
    ///             false
    ///         }
    ///     }
    /// }
    /// # let _ = invite;
    /// ```
    pub async fn send_to(&self, id: impl AsRef<str>, message: impl Into<Message>) -> Result<(), SendToError> {
        let (id, payload) = (id.as_ref(), payload_in(&self.namespace, message.into()));
        if payload.len() > self.core.config.message_limit {
            return Err(SendToError::NotSent(SendError::TooLarge));
        }
        let sent = timeout(PATIENCE, self.send_wherever(id, &payload)).await;
        sent.unwrap_or(Err(SendToError::Unreachable))
    }

    async fn send_wherever(&self, id: &str, payload: &Payload) -> Result<(), SendToError> {
        for _ in 0..MOVES {
            let Some(node) = send_or_find(&self.core, id, &self.namespace, payload, false).await? else {
                return Ok(());
            };
            let Some(nodes) = self.core.nodes() else { return Err(SendToError::Unknown) };
            match nodes.send_to(&node, id, &self.namespace, payload).await {
                Err(SendToError::Unknown) if self.has_moved(id, &node).await? => {}
                outcome => return outcome,
            }
        }
        Err(SendToError::Unreachable)
    }

    /// Whether a session that is not at the node where it was looked for is on another one.
    async fn has_moved(&self, id: &str, node: &str) -> Result<bool, SendToError> {
        let (Some(moving), Some(number)) = (self.core.nodes().and_then(|nodes| nodes.moving()), number(id)) else {
            return Ok(false);
        };
        let found = moving.lost(number, node).await.map_err(|_| SendToError::Unreachable)?;
        Ok(found.is_some_and(|other| other != node))
    }
}

/// The number in the id of a session.
fn number(id: &str) -> Option<Uuid> {
    Uuid::try_parse(id.rsplit_once('.')?.1).ok()
}
