//! Requests to rooms on all nodes: the others tell what becomes of them by the links between nodes.

mod elsewhere;
mod serving;

use std::sync::{Arc, atomic::AtomicUsize};

use self::elsewhere::{Elsewhere, MOUNT, UnderWay};
use super::{
    membership::Membership,
    peers::PeerLinks,
    rooms::{AskedOthers, NodeRooms},
};
use crate::{
    broadcast::OutMessage,
    cluster::asking::Question,
    hub::Target,
    server::{
        core::Core,
        other_nodes::{AskedElsewhere, Serve, TooManyAsked},
    },
    session::CloseReason,
};

/// The requests of this node to rooms, and those of others to its own.
pub(super) struct Asking {
    links: Arc<PeerLinks>,
    membership: Arc<Membership>,
    rooms: Arc<NodeRooms>,
    under_way: Arc<AtomicUsize>,
    /// Other nodes ask this one for as long as it is there.
    _serve: Arc<Serve>,
}

impl Asking {
    pub(super) fn new(
        core: &Arc<Core>,
        links: &Arc<PeerLinks>,
        membership: &Arc<Membership>,
        rooms: &Arc<NodeRooms>,
    ) -> Self {
        let serve = serving::serve(core, rooms);
        links.mount(MOUNT, Arc::downgrade(&serve));
        Asking {
            links: links.clone(),
            membership: membership.clone(),
            rooms: rooms.clone(),
            under_way: Arc::default(),
            _serve: serve,
        }
    }

    /// Sends a request to rooms on all nodes. `id` is that of its packet.
    pub(super) fn ask(
        &self,
        core: &Core,
        id: u64,
        target: &Target,
        message: &OutMessage,
        slow: &CloseReason,
        at_once: bool,
    ) -> Result<Option<Box<dyn AskedElsewhere>>, TooManyAsked> {
        let place = UnderWay::begin(&self.under_way)?;
        let living = self.membership.watch();
        let (parts, lost) = match self.rooms.ask(target, message, slow, at_once) {
            AskedOthers::None => return Ok(None),
            AskedOthers::Away => (Vec::new(), true),
            AskedOthers::Asked { parts, lost } => (parts, lost),
        };
        let question = Question { publisher: self.membership.incarnation, id, parts };
        let pool = core.runtime.pool().clone();
        let asked = self.rooms.asked().clone();
        let elsewhere =
            Elsewhere::new(&self.links, living, &question, lost, pool, core.config.message_limit, asked, place);
        Ok(Some(Box::new(elsewhere)))
    }
}
