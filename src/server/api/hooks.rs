//! The hooks by which the application is asked, or told, about requests.

use std::{fmt, pin::Pin, sync::Arc};

use axum::http::request::Parts;

use super::session::Session;
use crate::session::CloseReason;

type Authorize = dyn Fn(Parts, Session) -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync;
type OnRefused = dyn Fn(&Refused<'_>) + Send + Sync;

/// The hooks of a server.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    pub(crate) authorize: Option<Arc<Authorize>>,
    pub(super) on_refused: Option<Arc<OnRefused>>,
    #[cfg(feature = "cluster")]
    pub(super) on_room_gap: Option<Arc<OnRoomGap>>,
}

/// Is told of messages to a room that did not come from another node.
#[cfg(feature = "cluster")]
pub(crate) type OnRoomGap = dyn Fn(&RoomGap<'_>) + Send + Sync;

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hooks")
    }
}

/// A request that was refused. See [`Builder::on_refused`](crate::Builder::on_refused).
#[derive(Clone, Copy, Debug)]
pub struct Refused<'a> {
    what: &'a str,
    reason: &'a CloseReason,
    parts: &'a Parts,
}

impl<'a> Refused<'a> {
    /// The name of the route that refused: the last part of the request's path, which is a transport's name,
    /// `open`, `send`, `form-post` or `jsonp-send`; for a bare WebSocket `raw`, for
    /// Engine.IO `engineio`.
    pub fn what(&self) -> &'a str {
        self.what
    }

    /// The code and the text that the client gets. The text of a rejection is the extractor's.
    pub fn reason(&self) -> &'a CloseReason {
        self.reason
    }

    /// The request as it came, secrets included: the query of a GET has that of its session.
    pub fn parts(&self) -> &'a Parts {
        self.parts
    }
}

/// Messages to a room that another node has sent, and that did not come to this one. See
/// [`Builder::on_room_gap`](crate::Builder::on_room_gap).
#[cfg(feature = "cluster")]
#[derive(Clone, Copy, Debug)]
pub struct RoomGap<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) room: Option<&'a str>,
    pub(crate) count: u64,
}

#[cfg(feature = "cluster")]
impl<'a> RoomGap<'a> {
    /// The namespace of the room; `/` are the sessions themselves.
    pub fn namespace(&self) -> &'a str {
        self.namespace
    }

    /// The name of the room; `None` if the messages were for [all](crate::Live::all).
    pub fn room(&self) -> Option<&'a str> {
        self.room
    }

    /// How many messages are missing, at least.
    pub fn count(&self) -> u64 {
        self.count
    }
}

impl Hooks {
    /// Whether the application is asked, or told, about the requests of sessions that are open.
    pub(crate) fn see_requests(&self) -> bool {
        self.authorize.is_some() || self.on_refused.is_some()
    }

    /// Keeps a copy of a request that may be refused, if somebody wants to be told.
    pub(crate) fn keep(&self, parts: &Parts) -> Option<Box<Parts>> {
        self.on_refused.is_some().then(|| Box::new(parts.clone()))
    }

    /// Tells of a refusal. `kept` is the request.
    pub(crate) fn refused(&self, what: &str, reason: &CloseReason, kept: Option<&Parts>) {
        if let (Some(on_refused), Some(parts)) = (&self.on_refused, kept) {
            on_refused(&Refused { what, reason, parts });
        }
    }
}
