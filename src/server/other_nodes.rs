//! The other nodes of a cluster, as the rest of the server sees them. A server without a cluster has none.

use std::{
    any::Any,
    collections::VecDeque,
    fmt,
    sync::{Arc, Weak},
};

use axum::{extract::Request, response::Response};
use bytes::Bytes;
use bytestring::ByteString;
use futures::future::BoxFuture;
use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    broadcast::OutMessage,
    hub::{Delivered, Member, Position, Target},
    packet::Packet,
    payload::Payload,
    pool::Held,
    server::{api::send_error::SendToError, connection::UpgradedStream},
    session::CloseReason,
};

/// Serves the requests that other nodes forward to one family of routes.
pub(crate) type Serve = dyn Fn(Request) -> BoxFuture<'static, Response> + Send + Sync;

/// A thing that only one node of a cluster may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claimable<'a> {
    /// The session of an attempt id.
    Attempt(&'a str),
    /// The session with this name, of the SockJS routes at this path.
    SockJsName { path: &'a str, name: &'a str },
}

/// The time in milliseconds for which a claim surely holds since it was asked for, so that what it permits is begun within it.
/// A process that sleeps, or does not reach the engine, loses its claims behind the time of a lease.
pub(crate) const CLAIM_HOLDS: u64 = 5_000;

/// The outcome of a claim.
#[cfg_attr(not(feature = "cluster"), expect(dead_code, reason = "only the nodes of a cluster have it"))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Claimed {
    /// It is this node's.
    Here,
    /// The node with this name has it.
    Elsewhere(String),
    /// The engine does not answer, so another node may have it too.
    Unknown,
}

/// A WebSocket whose handshake was answered here, and whose session is on another node.
#[cfg_attr(not(feature = "cluster"), expect(dead_code, reason = "only the nodes of a cluster have it"))]
pub(crate) struct PassedOn {
    pub(crate) connection: UpgradedStream,
    /// The messages that were read already.
    pub(crate) messages: Vec<Bytes>,
    /// The bytes that have come behind them.
    pub(crate) rest: Bytes,
}

/// A WebSocket that could not be passed on. Nothing was read from it or written to it.
pub(crate) struct NotPassedOn {
    pub(crate) reason: CloseReason,
    pub(crate) socket: PassedOn,
}

/// A request that was not forwarded.
pub(crate) struct NotForwarded {
    pub(crate) reason: CloseReason,
    /// The request, if nothing of it was read.
    pub(crate) request: Option<Box<Request>>,
}

impl From<CloseReason> for NotForwarded {
    fn from(reason: CloseReason) -> Self {
        NotForwarded { reason, request: None }
    }
}

/// The way of a request that names a session.
pub(crate) enum Way {
    /// This node answers it: it has the session, or there is none.
    Here,
    /// It is for the node with this name.
    To(String),
    /// It can be found out: the session is on its way, or only the directory knows where it is. The result is the node, or
    /// `None` for this one.
    ///
    /// Waits for the move, or for the engine, for twelve seconds at most in all. Cancel-safe. It fails if it cannot be found
    /// out now (4202).
    #[cfg_attr(not(feature = "cluster"), expect(dead_code, reason = "only the nodes of a cluster have it"))]
    Open(BoxFuture<'static, Result<Option<String>, CloseReason>>),
}

/// A request has come by the node that is this process. It is an extension of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CameBy(pub(crate) u64);

/// An answer comes from the node with this name, to which its session has moved. It is an extension of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MovedTo(pub(crate) String);

/// The state of a node among the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// The names of the nodes that live, this one included.
    pub(crate) names: Vec<String>,
    /// The rooms of this node go on alone.
    pub(crate) split: bool,
    /// Messages to rooms that the engine has taken.
    pub(crate) published: u64,
    /// Messages to rooms that came from other nodes.
    pub(crate) received: u64,
    /// Those of them that were sent while their nodes could not publish.
    pub(crate) late: u64,
    /// Messages of other nodes that did not come.
    pub(crate) missed: u64,
    /// Messages that the engine was not given, because too much waited.
    pub(crate) refused: u64,
    /// Publications that the engine brought and no node has written, and words of nodes about requests that cannot be.
    pub(crate) malformed: u64,
    /// Requests that were forwarded to other nodes.
    pub(crate) forwarded: u64,
    /// WebSockets that pass through this node now.
    pub(crate) tunnels: usize,
    /// Sessions that other nodes have taken from this one.
    pub(crate) moved: u64,
    /// Sessions that this node has taken from others.
    pub(crate) taken: u64,
}

/// Too many requests to rooms wait for other nodes already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyAsked;

/// Something that becomes of a request to rooms on other nodes.
#[cfg_attr(not(feature = "cluster"), expect(dead_code, reason = "only the nodes of a cluster have it"))]
#[derive(Debug)]
pub(crate) enum ToldElsewhere {
    /// The session with this id has answered. The bytes of the answer count until `held` is dropped.
    Answered { session: ByteString, packet: Packet, held: Held },
    /// The session with this id has no answer.
    Missing { session: ByteString, why: Absent },
    /// Members of the node with this name may not have been asked.
    Unreached(String),
}

/// Why a session of another node has no answer.
#[cfg_attr(not(feature = "cluster"), expect(dead_code, reason = "only the nodes of a cluster have it"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absent {
    /// Too many requests are not answered.
    Full,
    OutboxFull,
    NoEvents,
    Closed,
    /// Another page has taken it over.
    Unknown,
    Timeout,
    /// Its node is gone, or cannot be reached any more.
    Unreachable,
}

/// A request to rooms that other nodes were asked for. Dropped, they forget it.
pub(crate) trait AskedElsewhere: Send {
    /// The next news of it; `None` when all is told. Waits for the other nodes. Cancel-safe.
    fn next(&mut self) -> BoxFuture<'_, Option<ToldElsewhere>>;

    /// All that is still to be told, now that nobody waits any longer.
    fn give_up(&mut self) -> VecDeque<ToldElsewhere>;
}

/// Sessions that move from node to node. An id is that which clients know: the name of the node on which the session was
/// born, a dot, and its number.
pub(crate) trait Moving: Send + Sync {
    /// The node that has a session, if that is known to be another one than its id names.
    fn moved_to(&self, session: Uuid) -> Option<String>;

    /// Whether no node has a session, as the engine has said just now.
    fn is_nowhere(&self, session: Uuid) -> bool;

    /// The way to a session. `forwarded`: another node has sent the request here.
    fn way(&self, id: &str, forwarded: bool) -> Way;

    /// Whether a session is to be asked for when its client makes a new link at this node.
    fn brings(&self, id: &str) -> bool;

    /// Asks for a session whose client has shown this secret. Waits until it is here, or stays where it is, for 12 seconds at
    /// most. Cancel-safe: the session moves all the same.
    fn bring(&self, id: &str, secret: &str) -> BoxFuture<'static, ()>;

    /// Another node has told where a session is.
    fn learn(&self, session: Uuid, node: &str);

    /// The node `tried` was thought to have a session, and does not have it, or was not reached. Returns the node that has it
    /// as far as the directory knows, which may be the same; `None` if none has. Waits for the engine, for some seconds at
    /// most. Cancel-safe.
    ///
    /// # Errors
    /// Fails if that cannot be found out now (4202).
    fn lost(&self, session: Uuid, tried: &str) -> BoxFuture<'static, Result<Option<String>, CloseReason>>;

    /// Whether a session of this node may move, as far as it is known.
    fn may_leave(&self, session: Uuid) -> bool;

    /// Whether a session is on its way from here.
    fn any_leaves(&self) -> bool;

    /// Has another node take a session of this one. Waits until it has, or will not, for some seconds at most; returns whether
    /// it has. Cancel-safe: the session moves all the same.
    fn push(&self, session: Uuid) -> BoxFuture<'static, bool>;
}

/// The rooms of a session that comes from another node: their messages are collected until it is there. Dropped, they are
/// not any more.
#[cfg_attr(not(feature = "cluster"), expect(dead_code, reason = "only the nodes of a cluster have it"))]
pub(crate) trait Expected: fmt::Debug + Send + Sync {
    /// The session joins its rooms, behind what it has not got of them yet; what is missing is told as a gap. `positions` is
    /// what the node that it comes from said when it [left](OtherNodes::part). The session was inserted apart from the
    /// others, and is not any more. Returns whether that was done: it is not if the positions are not of our making, or the
    /// server ends.
    ///
    /// Waits for the deliveries that are under way. It is done also if the future is dropped.
    fn admit(self: Box<Self>, member: &Arc<Member>, positions: &Bytes) -> BoxFuture<'static, bool>;
}

/// The rooms of a session that has left them for another node.
#[cfg_attr(not(feature = "cluster"), expect(dead_code, reason = "only the nodes of a cluster have it"))]
#[derive(Debug)]
pub(crate) struct Parted {
    /// How far it has got in its rooms.
    pub(crate) positions: Bytes,
    /// By this it comes back, if the other node does not take it.
    pub(crate) back: Box<dyn Expected>,
}

/// The other nodes of a cluster.
pub(crate) trait OtherNodes: fmt::Debug + Send + Sync {
    /// Joins the cluster, unless that has begun. It needs a runtime of tokio. Never waits.
    fn start(&self);

    /// Waits until this node has joined the cluster. Cancel-safe.
    fn ready(&self) -> BoxFuture<'_, ()>;

    /// Serves requests that other nodes forward to the routes with this name, for as long as those routes live. All nodes
    /// have the same names. The first of several routes with one name counts.
    fn mount(&self, name: &str, serve: Weak<Serve>);

    /// Has a request answered by the routes with this name on another node: also one that asks for a WebSocket, whose
    /// connection is then passed on.
    ///
    /// # Errors
    /// Fails if the node is gone, and its sessions with it (4100), or if it cannot be reached (4202).
    fn forward<'a>(
        &'a self,
        node: &'a str,
        mount: &'a str,
        request: Request,
    ) -> BoxFuture<'a, Result<Response, NotForwarded>>;

    /// Passes a WebSocket on to the node that has its session. `request` is its handshake.
    ///
    /// Waits until the connection has ended.
    ///
    /// # Errors
    /// Fails as [`forward`](Self::forward) does, and gives the connection back.
    fn pass_on(
        &self,
        node: &str,
        mount: &str,
        request: Request,
        socket: PassedOn,
    ) -> BoxFuture<'static, Result<(), Box<NotPassedOn>>>;

    /// Claims what only one node may have, or learns which node has it. A claim that this node has already is renewed.
    ///
    /// Waits for the engine, for two seconds at most. Cancel-safe: the claim may be made then.
    fn claim(&self, what: Claimable<'_>) -> BoxFuture<'static, Claimed>;

    /// The node that has claimed it, if it is another one that lives. It is `None` also if the engine does not answer within
    /// two seconds. Cancel-safe.
    fn look(&self, what: Claimable<'_>) -> BoxFuture<'static, Option<String>>;

    /// Gives a claim of this node back, so that another one may have it. Never waits.
    fn release(&self, what: Claimable<'_>);

    /// It is counted how often the engine may have lost the claims of this node, so that they are to be made again now.
    fn losses(&self) -> watch::Receiver<u64>;

    /// The number of the session that opens with this attempt id.
    fn session_id(&self, attempt: &str) -> Uuid;

    /// Sends to the members of rooms on all nodes. `at_once`: those on this node get it now, and do not wait until it has
    /// come back from the engine. A message for one position of a history is always sent so.
    fn send(&self, target: &Target, message: &OutMessage, slow: &CloseReason, at_once: bool) -> Delivered;

    /// Sends a request, which has this id, to the members of rooms on all nodes: those on this node as by
    /// [`send`](Self::send). The target says where their answers go. The result is what becomes of it on the other nodes, if
    /// there are any. Never waits.
    ///
    /// # Errors
    /// Fails if too many requests wait for other nodes. Then nobody is asked.
    fn ask(
        &self,
        id: u64,
        target: &Target,
        message: &OutMessage,
        slow: &CloseReason,
        at_once: bool,
    ) -> Result<Option<Box<dyn AskedElsewhere>>, TooManyAsked>;

    /// The position that the next message to the room with this key will have on all nodes; `None` if each node has a
    /// history of its own.
    fn next_position(&self, room: &str) -> Option<Position>;

    /// Follows the room with this key until the result is dropped, and waits until its past is here; `None` if each node has
    /// a history of its own.
    ///
    /// Waits for the engine, for two seconds at most. Cancel-safe.
    fn follow(&self, room: &str) -> Option<BoxFuture<'static, Box<dyn Any + Send>>>;

    /// The members of the room with this key on all other nodes that live, as far as the directory knows; if it is away, those
    /// that it knew last. Waits for the directory, for two seconds at most. Cancel-safe.
    fn count(&self, room: &str) -> BoxFuture<'static, usize>;

    /// Sends to a session that another node has. `session` is its id, and the namespace is that of one of its channels.
    ///
    /// Waits for the other node, without a limit: its caller has one. Cancel-safe: it may be sent then.
    ///
    /// # Errors
    /// Fails if the other node has no such session, or has not sent it, or cannot be reached.
    fn send_to(
        &self,
        node: &str,
        session: &str,
        namespace: &str,
        payload: &Payload,
    ) -> BoxFuture<'static, Result<(), SendToError>>;

    /// The sessions that move; `None` if none does.
    fn moving(&self) -> Option<&dyn Moving>;

    /// The rooms of a session, for [`expect`](Self::expect) on the node to which it is about to go. They are none if it cannot
    /// go.
    #[cfg_attr(not(feature = "cluster"), expect(dead_code, reason = "only the nodes of a cluster have it"))]
    fn rooms_of(&self, member: &Member) -> Bytes;

    /// Whether all that is published to these rooms comes to this node.
    #[cfg_attr(not(feature = "cluster"), expect(dead_code, reason = "only the nodes of a cluster have it"))]
    fn hears(&self, rooms: &Bytes) -> bool;

    /// Expects a session of another node, which is in these rooms: the result is there when all that is published to them from
    /// then on comes to this node.
    ///
    /// It is `None` if the engine does not confirm that within two seconds, if too many sessions are expected already, or if
    /// the rooms are not of our making. Cancel-safe.
    #[cfg_attr(not(feature = "cluster"), expect(dead_code, reason = "only the nodes of a cluster have it"))]
    fn expect(&self, rooms: &Bytes) -> BoxFuture<'static, Option<Box<dyn Expected>>>;

    /// Waits until this node has received from the engine all that another node had by now, or knows what it has missed, for
    /// two seconds at most. A session that leaves for that node misses nothing in between then. Returns whether that is so.
    ///
    /// Cancel-safe.
    #[cfg_attr(not(feature = "cluster"), expect(dead_code, reason = "only the nodes of a cluster have it"))]
    fn catch_up(&self) -> BoxFuture<'static, bool>;

    /// Takes a session out of its rooms, and apart from the others, so that no message to them reaches it here any more. It is
    /// `None`, and nothing has changed, if the session is over or has channels, or if the engine is away.
    ///
    /// Waits for the deliveries that are under way.
    #[cfg_attr(not(feature = "cluster"), expect(dead_code, reason = "only the nodes of a cluster have it"))]
    fn part(&self, member: &Arc<Member>) -> BoxFuture<'static, Option<Parted>>;

    /// The state of this node among the others.
    fn figures(&self) -> Figures;

    /// This node shuts down. Its sessions have so many milliseconds to go.
    fn drain(&self, window: u64);

    /// The delay in milliseconds after which a client is to come by another way, if the process by which it comes shuts down.
    fn leaves(&self, by: u64) -> Option<u64>;

    /// This node is about to end: it leaves the cluster. Waits for the engine, not for long.
    fn leave(&self) -> BoxFuture<'_, ()>;
}
