//! This node among the nodes of its cluster.

mod asking;
mod claims;
mod counts;
mod membership;
mod movable;
mod moves;
mod peers;
mod rooms;
mod roster;
mod sends;
mod ways;

use std::{
    any::Any,
    fmt,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{extract::Request, response::Response};
use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::{runtime::Handle, sync::watch, task::JoinSet};
use uuid::Uuid;

use self::{
    asking::Asking, claims::Claims, counts::Counts, membership::Membership, movable::Movable, moves::Moves,
    peers::PeerLinks, rooms::NodeRooms, ways::Ways,
};
use super::{
    api::{hooks::OnRoomGap, send_error::SendToError},
    core::Core,
    other_nodes::{
        AskedElsewhere, Claimable, Claimed, Expected, Figures, Moving, NotForwarded, NotPassedOn, OtherNodes, Parted,
        PassedOn, Serve, TooManyAsked,
    },
};
use crate::{
    broadcast::OutMessage,
    cluster::{Cluster, Peers},
    hub::{Delivered, Member, Position, Target},
    payload::Payload,
    session::CloseReason,
    sync::lock,
};

/// A node: who the others are, the links to them, what they have claimed, and the rooms of all.
pub(crate) struct Nodes {
    membership: Arc<Membership>,
    links: Arc<PeerLinks>,
    claims: Claims,
    rooms: Arc<NodeRooms>,
    counts: Arc<Counts>,
    asking: Asking,
    core: Weak<Core>,
    /// Other nodes send to sessions of this one for as long as it is there.
    _sends: Arc<Serve>,
    moves: Moves,
    ways: Ways,
    /// Sessions may move.
    any_moves: bool,
    started: AtomicBool,
    /// They end with the server.
    tasks: Mutex<JoinSet<()>>,
}

impl Nodes {
    /// A node of this cluster, which has not joined it yet.
    ///
    /// # Panics
    /// Panics if it is not set how the nodes reach each other.
    pub(crate) fn new(core: &Arc<Core>, cluster: Cluster, on_room_gap: Option<Arc<OnRoomGap>>) -> Arc<Self> {
        let Cluster { bus, directory, peers, .. } = cluster;
        let Some(Peers { wires, secret }) = peers else {
            panic!("the nodes of a cluster reach each other: set Cluster::peers(address, secret)")
        };
        let membership = Arc::new(Membership::new(core.config.node.clone(), directory.clone()));
        let links = Arc::new(PeerLinks::new(wires, secret.clone(), &membership));
        let counts = Counts::new(core, directory.clone(), membership.clone());
        let sends = sends::serve(core);
        links.mount(sends::MOUNT, Arc::downgrade(&sends));
        let moves = Moves::new(&links, directory.clone(), secret.clone(), &membership, Movable::new(core));
        let claims = Claims::new(directory, secret, membership.clone(), &core.config);
        let rooms = Arc::new(NodeRooms::new(core, bus, membership.clone(), on_room_gap));
        let asking = Asking::new(core, &links, &membership, &rooms);
        Arc::new(Nodes {
            ways: Ways::new(core, &membership),
            membership,
            links,
            claims,
            rooms,
            counts,
            asking,
            core: Arc::downgrade(core),
            _sends: sends,
            moves,
            any_moves: core.config.movable,
            started: AtomicBool::new(false),
            tasks: Mutex::default(),
        })
    }
}

impl OtherNodes for Nodes {
    fn start(&self) {
        if self.started.load(Ordering::Relaxed) || self.started.swap(true, Ordering::Relaxed) {
            return;
        }
        let (membership, links) = (self.membership.clone(), self.links.clone());
        let (claims, counts, moves) = (self.claims.clone(), self.counts.clone(), self.moves.run());
        let mut tasks = lock(&self.tasks);
        tasks.spawn(async move { claims.run().await });
        self.rooms.start(&mut tasks);
        tasks.spawn(async move { counts.run().await });
        tasks.spawn(moves);
        tasks.spawn(self.ways.run());
        tasks.spawn(async move {
            // The others must be able to reach this node before they learn of it.
            let (address, serving) = links.listen().await;
            tokio::join!(serving, membership.run(address));
        });
    }

    fn ready(&self) -> BoxFuture<'_, ()> {
        self.start();
        Box::pin(self.membership.joined())
    }

    fn mount(&self, name: &str, serve: Weak<Serve>) {
        self.links.mount(name, serve);
    }

    fn forward<'a>(
        &'a self,
        node: &'a str,
        mount: &'a str,
        request: Request,
    ) -> BoxFuture<'a, Result<Response, NotForwarded>> {
        Box::pin(self.links.forward_or_return(node, mount, request))
    }

    fn pass_on(
        &self,
        node: &str,
        mount: &str,
        request: Request,
        socket: PassedOn,
    ) -> BoxFuture<'static, Result<(), Box<NotPassedOn>>> {
        self.links.pass_on(node, mount, request, socket)
    }

    fn claim(&self, what: Claimable<'_>) -> BoxFuture<'static, Claimed> {
        self.claims.claim(what)
    }

    fn look(&self, what: Claimable<'_>) -> BoxFuture<'static, Option<String>> {
        self.claims.look(what)
    }

    fn release(&self, what: Claimable<'_>) {
        self.claims.release(what);
    }

    fn losses(&self) -> watch::Receiver<u64> {
        self.moves.losses()
    }

    fn session_id(&self, attempt: &str) -> Uuid {
        self.claims.session_id(attempt)
    }

    fn send(&self, target: &Target, message: &OutMessage, slow: &CloseReason, at_once: bool) -> Delivered {
        // A process that only sends joins with the first message.
        if !self.started.load(Ordering::Relaxed) && Handle::try_current().is_ok() {
            self.start();
        }
        self.rooms.send(target, message, slow, at_once)
    }

    fn ask(
        &self,
        id: u64,
        target: &Target,
        message: &OutMessage,
        slow: &CloseReason,
        at_once: bool,
    ) -> Result<Option<Box<dyn AskedElsewhere>>, TooManyAsked> {
        self.start();
        match self.core.upgrade() {
            Some(core) => self.asking.ask(&core, id, target, message, slow, at_once),
            None => Ok(None),
        }
    }

    fn next_position(&self, room: &str) -> Option<Position> {
        self.rooms.next_position(room)
    }

    fn follow(&self, room: &str) -> Option<BoxFuture<'static, Box<dyn Any + Send>>> {
        self.start();
        let followed = self.rooms.follow_history(room)?;
        Some(Box::pin(async move { Box::new(followed.await) as Box<dyn Any + Send> }))
    }

    fn count(&self, room: &str) -> BoxFuture<'static, usize> {
        let (counts, room) = (self.counts.clone(), room.to_owned());
        self.start();
        Box::pin(async move { counts.of_others(&room).await })
    }

    fn send_to(
        &self,
        node: &str,
        session: &str,
        namespace: &str,
        payload: &Payload,
    ) -> BoxFuture<'static, Result<(), SendToError>> {
        self.start();
        sends::send(&self.links, node, session, namespace, payload)
    }

    fn moving(&self) -> Option<&dyn Moving> {
        self.any_moves.then_some(&self.moves)
    }

    fn rooms_of(&self, member: &Member) -> Bytes {
        NodeRooms::rooms_of(member)
    }

    fn hears(&self, rooms: &Bytes) -> bool {
        self.rooms.hears(rooms)
    }

    fn expect(&self, rooms: &Bytes) -> BoxFuture<'static, Option<Box<dyn Expected>>> {
        let (node, rooms) = (self.rooms.clone(), rooms.clone());
        Box::pin(async move { node.expect(&rooms).await.map(|expected| Box::new(expected) as Box<dyn Expected>) })
    }

    fn catch_up(&self) -> BoxFuture<'static, bool> {
        let node = self.rooms.clone();
        Box::pin(async move { node.catch_up().await })
    }

    fn part(&self, member: &Arc<Member>) -> BoxFuture<'static, Option<Parted>> {
        let (node, member) = (self.rooms.clone(), member.clone());
        Box::pin(async move {
            let (positions, back) = node.part(&member).await?;
            Some(Parted { positions, back: Box::new(back) })
        })
    }

    fn figures(&self) -> Figures {
        let living = self.membership.living();
        let mut names: Vec<String> = living.nodes.iter().map(|node| node.name.clone()).collect();
        names.sort_unstable();
        names.dedup();
        let links = self.links.figures();
        let (moved, taken) = self.moves.counts();
        let (forwarded, tunnels) = (links.forwarded, links.tunnels_open);
        Figures { names, forwarded, tunnels, moved, taken, ..self.rooms.figures() }
    }

    fn drain(&self, window: u64) {
        self.membership.drain(window);
    }

    fn leaves(&self, by: u64) -> Option<u64> {
        self.ways.delay(by)
    }

    fn leave(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.membership.leave())
    }
}

impl fmt::Debug for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nodes").field("membership", &self.membership).finish_non_exhaustive()
    }
}
