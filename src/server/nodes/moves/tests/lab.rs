//! Nodes whose sessions are texts, on an engine in this process and under a paused clock.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::{task::JoinSet, time::sleep};
use uuid::Uuid;

use crate::{
    cluster::{Cluster, InProcess, InProcessNode, Peers},
    hub::Member,
    server::{
        nodes::{
            membership::Membership,
            moves::{Moves, sessions::*, words::*},
            peers::PeerLinks,
        },
        other_nodes::{Expected, Moving, Way},
    },
    session::CloseReason,
    sync::lock,
};

pub(super) const SECRET: &str = "the client's secret";

/// A session that is a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fake {
    pub born: String,
    pub text: String,
    pub rooms: Bytes,
    pub waits: bool,
    /// It was frozen, and is to be revived or given.
    pub frozen: bool,
    pub stays: Option<Stays>,
    /// For so long its handler does not return.
    pub lingers: Duration,
}

/// An order that is carried out at a moment of a move.
pub(super) type Order = Box<dyn FnMut() + Send>;

/// The sessions of a node.
#[derive(Clone, Default)]
pub(super) struct Fakes(Arc<Shared>);

#[derive(Default)]
pub(super) struct Shared {
    pub all: Mutex<HashMap<Uuid, Fake>>,
    pub draining: AtomicBool,
    /// The rooms that were listened to.
    pub expected: Mutex<Bytes>,
    /// The node cannot listen to rooms now.
    pub deaf: AtomicBool,
    /// The order for when a session is frozen, and for when one is taken.
    pub when_frozen: Mutex<Option<Order>>,
    pub when_taken: Mutex<Option<Order>>,
    /// The node takes no session.
    pub refuses: AtomicBool,
    pub revived: Mutex<usize>,
}

impl Fakes {
    pub(super) fn end(&self, session: Uuid) {
        lock(&self.all).remove(&session);
    }

    pub(super) fn has_any(&self) -> bool {
        !lock(&self.all).is_empty()
    }
}

impl std::ops::Deref for Fakes {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

fn obey(order: &Mutex<Option<Order>>) {
    if let Some(order) = &mut *lock(order) {
        order();
    }
}

impl Sessions for Fakes {
    fn has(&self, session: Uuid) -> bool {
        lock(&self.all).contains_key(&session)
    }

    fn id(&self, session: Uuid) -> Option<SessionId> {
        lock(&self.all).get(&session).map(|fake| SessionId { born: fake.born.clone(), number: session })
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    fn prepare(&self, session: Uuid, secret: Option<&str>) -> Result<Prepared, Stays> {
        let all = lock(&self.all);
        let fake = all.get(&session).ok_or(Stays::Unknown)?;
        match fake.stays {
            Some(why) => Err(why),
            None if secret.is_some_and(|secret| secret != SECRET) => Err(Stays::WrongSecret),
            None => Ok(Prepared { rooms: fake.rooms.clone(), waits: fake.waits }),
        }
    }

    fn freeze(&self, session: Uuid) -> BoxFuture<'static, Result<Box<dyn Frozen>, Stays>> {
        let fakes = self.clone();
        Box::pin(async move {
            let lingers = lock(&fakes.all).get(&session).map(|fake| fake.lingers).unwrap_or_default();
            sleep(lingers).await;
            {
                let mut all = lock(&fakes.all);
                let fake = all.get_mut(&session).ok_or(Stays::Unknown)?;
                assert!(!fake.frozen, "frozen twice");
                fake.frozen = true;
            }
            obey(&fakes.when_frozen);
            Ok(Box::new(FrozenFake { fakes, session }) as Box<dyn Frozen>)
        })
    }

    fn expect(&self, rooms: &Bytes) -> BoxFuture<'static, Option<Ear>> {
        *lock(&self.expected) = rooms.clone();
        let deaf = self.deaf.load(Relaxed);
        Box::pin(std::future::ready((!deaf).then(|| Box::new(FakeEar) as Ear)))
    }

    fn take(
        &self,
        session: &SessionId,
        parcel: Bytes,
        expected: Option<Ear>,
    ) -> BoxFuture<'static, Result<(), String>> {
        obey(&self.when_taken);
        let (fakes, session) = (self.clone(), session.clone());
        Box::pin(async move {
            if fakes.refuses.load(Relaxed) {
                return Err("this node has no place".to_owned());
            }
            let text = String::from_utf8(parcel.to_vec()).map_err(|error| error.to_string())?;
            assert_eq!(expected.is_some(), text.starts_with("in rooms"));
            let fake = Fake { born: session.born, text, waits: true, ..Fake::default() };
            assert_eq!(lock(&fakes.all).insert(session.number, fake), None, "taken twice");
            Ok(())
        })
    }
}

#[derive(Debug)]
struct FakeEar;

impl Expected for FakeEar {
    fn admit(self: Box<Self>, _: &Arc<Member>, _: &Bytes) -> BoxFuture<'static, bool> {
        Box::pin(std::future::ready(true))
    }
}

struct FrozenFake {
    fakes: Fakes,
    session: Uuid,
}

impl Frozen for FrozenFake {
    fn bytes(&self) -> Bytes {
        lock(&self.fakes.all)[&self.session].text.clone().into()
    }

    fn given(self: Box<Self>) {
        lock(&self.fakes.all).remove(&self.session);
    }

    fn revive(self: Box<Self>) {
        *lock(&self.fakes.revived) += 1;
        if let Some(fake) = lock(&self.fakes.all).get_mut(&self.session) {
            fake.frozen = false;
        }
    }
}

/// A node that beats and serves others. Dropped, it is one that was killed.
pub(super) struct Node {
    pub name: String,
    pub place: InProcessNode,
    pub fakes: Fakes,
    pub moves: Moves,
    pub links: Arc<PeerLinks>,
    pub membership: Arc<Membership>,
    _tasks: JoinSet<()>,
}

impl Node {
    pub(super) async fn new(engine: &InProcess, name: &str) -> Self {
        let place = engine.node();
        let Cluster { directory, peers, .. } = Cluster::from(place.clone());
        let Some(Peers { wires, secret }) = peers else { panic!("nodes in one process reach each other") };
        let membership = Arc::new(Membership::new(name.to_owned(), directory.clone()));
        let links = Arc::new(PeerLinks::new(wires, secret.clone(), &membership));
        let fakes = Fakes::default();
        let moves = Moves::new(&links, directory, secret, &membership, Arc::new(fakes.clone()));
        let mut tasks = JoinSet::new();
        tasks.spawn(moves.run());
        let (listening, beating) = (links.clone(), membership.clone());
        tasks.spawn(async move {
            let (address, serving) = listening.listen().await;
            tokio::join!(serving, beating.run(address));
        });
        membership.joined().await;
        Node { name: name.to_owned(), place, fakes, moves, links, membership, _tasks: tasks }
    }

    /// Whether it has a session that is not about to leave.
    pub(super) fn has(&self, session: Uuid) -> bool {
        lock(&self.fakes.all).get(&session).is_some_and(|fake| !fake.frozen)
    }

    /// The node that a request is for, where that is clear: `None` is this one.
    pub(super) fn clear_way(&self, id: &str, forwarded: bool) -> Option<String> {
        match self.moves.way(id, forwarded) {
            Way::Here => None,
            Way::To(node) => Some(node),
            Way::Open(_) => panic!("it is not clear where {id} is"),
        }
    }

    /// The same where it must be found out.
    pub(super) async fn found(&self, id: &str, forwarded: bool) -> Result<Option<String>, CloseReason> {
        match self.moves.way(id, forwarded) {
            Way::Open(find) => find.await,
            Way::Here | Way::To(_) => panic!("it is clear where {id} is"),
        }
    }

    pub(super) fn open(&self, number: u64, fake: Fake) -> (String, Uuid) {
        let session = Uuid::from_u128(number.into());
        let text = if fake.rooms.is_empty() { format!("{number}") } else { format!("in rooms {number}") };
        lock(&self.fakes.all).insert(session, Fake { born: self.name.clone(), text, ..fake });
        (format!("{}.{}", self.name, session.simple()), session)
    }

    /// This node shuts down, which the others know when this returns.
    pub(super) async fn drain(&self) {
        self.fakes.draining.store(true, Relaxed);
        self.membership.drain(60_000);
        sleep(Duration::from_secs(2)).await;
    }
}

/// Three nodes.
pub(super) async fn three() -> (InProcess, [Node; 3]) {
    let engine = InProcess::new();
    let nodes = [Node::new(&engine, "a").await, Node::new(&engine, "b").await, Node::new(&engine, "c").await];
    sleep(Duration::from_secs(2)).await;
    (engine, nodes)
}
