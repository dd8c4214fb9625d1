//! Whole servers on a server of Redis or NATS: their rooms, and what becomes of them when it fails.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anywire::{Anywire, Cluster, LocalClient, Message, Order, Server as Node, Session};
use tokio::time::sleep;

use super::{
    asked_rooms::{
        self, all_nodes_ask, each_node_asks_its_own_while_the_engine_is_away, nodes_ask_while_the_engine_is_cut,
    },
    kept_rooms::one_history,
};

/// A server that is the engine of a cluster.
trait Engine: Sized {
    /// Starts one, if the program is there.
    async fn start() -> Option<Self>;
    fn cluster(&self) -> Cluster;
    fn kill(&mut self);
    fn start_again(&mut self);
    /// Cuts the connections by which nodes receive.
    fn cut(&self);
}

#[cfg(feature = "redis")]
impl Engine for super::server::Server {
    async fn start() -> Option<Self> {
        Self::start(&[])
    }
    fn cluster(&self) -> Cluster {
        self.engine().into()
    }
    fn kill(&mut self) {
        self.kill();
    }
    fn start_again(&mut self) {
        self.start_again();
    }
    fn cut(&self) {
        self.command("CLIENT KILL TYPE pubsub");
    }
}

/// A server of NATS, and the way to it.
#[cfg(feature = "nats")]
struct OnNats(super::nats_server::Server, super::proxy::Proxy);

#[cfg(feature = "nats")]
impl Engine for OnNats {
    async fn start() -> Option<Self> {
        let server = super::nats_server::Server::start("")?;
        let proxy = super::proxy::Proxy::new(server.port).await;
        Some(OnNats(server, proxy))
    }
    fn cluster(&self) -> Cluster {
        anywire::Nats::new(&self.1.url()).unwrap().into()
    }
    fn kill(&mut self) {
        self.0.kill();
    }
    fn start_again(&mut self) {
        self.0.start_again();
    }
    fn cut(&self) {
        self.1.cut();
    }
}

macro_rules! on_servers {
    ($($case:ident),* $(,)?) => {
        #[cfg(feature = "nats")]
        mod of_nats {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case::<super::OnNats>().await;
            })*
        }
        #[cfg(feature = "redis")]
        mod of_redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case::<super::super::server::Server>().await;
            })*
        }
    };
}

on_servers![
    a_room_has_one_order_on_all_nodes,
    rooms_go_on_while_the_server_is_away,
    no_loss_is_silent,
    a_history_is_one_on_all_nodes_whatever_is_cut,
    a_room_is_asked_on_all_nodes,
    a_room_is_asked_whatever_is_cut,
    a_room_is_asked_while_the_server_is_away,
];

async fn member(session: Session) {
    session.join("room");
    while session.recv().await.is_some() {}
}

/// A node, a client in its room, and the messages that the room was told to have missed.
struct Seat {
    node: Node,
    client: LocalClient,
    missed: Arc<AtomicU64>,
}

impl Seat {
    async fn new(server: &impl Engine, name: &str) -> Self {
        let missed = Arc::<AtomicU64>::default();
        let count = missed.clone();
        let node: Node = Anywire::builder()
            .cluster(joined(server))
            .node(name)
            .outbox(16 << 20)
            .on_room_gap(move |gap| {
                count.fetch_add(gap.count(), Ordering::Relaxed);
            })
            .handler(member)
            .build();
        node.live().ready().await;
        let client = LocalClient::open(&node, (), "").await.unwrap();
        Seat { node, client, missed }
    }

    fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    fn is_split(&self) -> bool {
        self.node.live().cluster().unwrap().split
    }

    async fn recv(&mut self) -> Message {
        let received = tokio::time::timeout(Duration::from_secs(20), self.client.recv()).await;
        received.expect("nothing comes").expect("the session lives")
    }

    async fn texts(&mut self, count: usize) -> Vec<String> {
        let mut texts = Vec::new();
        while texts.len() < count {
            texts.push(self.recv().await.as_text().unwrap().to_owned());
        }
        texts
    }
}

/// Compares two lists. Says where they differ, and not all of them.
#[track_caller]
fn assert_same(left: &[String], right: &[String]) {
    let first = left.iter().zip(right).position(|(left, right)| left != right);
    if let Some(first) = first {
        let near = first.saturating_sub(2)..;
        let show = |list: &[String]| list[near.clone()].iter().take(6).cloned().collect::<Vec<_>>();
        panic!("they differ at {first}: {:?} and {:?}", show(left), show(right));
    }
    assert_eq!(left.len(), right.len());
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Nodes that know each other, and each of which hears the others.
async fn seats(server: &impl Engine, count: usize) -> Vec<Seat> {
    let mut seats = Vec::new();
    for n in 0..count {
        seats.push(Seat::new(server, &format!("node-{n}")).await);
    }
    until("all nodes know each other", || {
        seats.iter().all(|seat| seat.node.live().cluster().unwrap().nodes.len() == count)
    })
    .await;
    for from in 0..count {
        // Interest is asked for beside the join: what is sent before it is there is no loss.
        for to in 0..count {
            loop {
                seats[from].node.to("room").send("hello");
                if let Some(message) = seats[to].client.recv_within(Duration::from_millis(300)).await {
                    assert_eq!(message, "hello".into());
                    break;
                }
            }
        }
    }
    // Everything that a node has under way has come when the last of it has.
    for (n, seat) in seats.iter().enumerate() {
        seat.node.to("room").send(format!("begin {n}"));
    }
    for seat in &mut seats {
        let mut begun = 0;
        while begun < count {
            begun += usize::from(seat.recv().await != "hello".into());
        }
    }
    seats
}

async fn a_room_has_one_order_on_all_nodes<E: Engine>() {
    const EACH: usize = 300;
    let Some(server) = E::start().await else { return };
    let mut seats = seats(&server, 3).await;
    let sending: Vec<_> = seats
        .iter()
        .enumerate()
        .map(|(n, seat)| {
            let node = seat.node.clone();
            tokio::spawn(async move {
                for i in 0..EACH {
                    node.to("room").send(format!("{n} {i}"));
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for sent in sending {
        sent.await.unwrap();
    }
    let is_total = server.cluster().bus().order() == Order::Total;
    let mut first = None;
    for seat in &mut seats {
        let texts = seat.texts(3 * EACH).await;
        for n in 0..3 {
            let of_one: Vec<String> = texts.iter().filter(|text| text.starts_with(&format!("{n} "))).cloned().collect();
            let expected: Vec<String> = (0..EACH).map(|i| format!("{n} {i}")).collect();
            assert_same(&of_one, &expected);
        }
        let first = first.get_or_insert_with(|| texts.clone());
        if is_total {
            assert_same(&texts, first);
        }
    }
    assert!(seats.iter().all(|seat| seat.missed() == 0));
}

/// Messages that are sent while the server is away reach the own members at once, and the others when it is back.
async fn rooms_go_on_while_the_server_is_away<E: Engine>() {
    let Some(mut server) = E::start().await else { return };
    let mut seats = seats(&server, 2).await;
    server.kill();
    until("the nodes notice", || seats.iter().all(Seat::is_split)).await;
    for n in 0..50 {
        for (seat, name) in seats.iter().zip(["a", "b"]) {
            seat.node.to("room").send(format!("{name} {n}"));
        }
    }
    let own = |name: &str| (0..50).map(|n| format!("{name} {n}")).collect::<Vec<_>>();
    assert_same(&seats[0].texts(50).await, &own("a"));
    assert_same(&seats[1].texts(50).await, &own("b"));
    server.start_again();
    // The node that is back first waits for the other one with what it has to say.
    assert_same(&seats[0].texts(50).await, &own("b"));
    assert_same(&seats[1].texts(50).await, &own("a"));
    assert!(seats.iter().all(|seat| seat.missed() == 0));
    until("they are together again", || !seats.iter().any(Seat::is_split)).await;
    seats[0].node.to("room").send("end");
    for seat in &mut seats {
        assert_eq!(seat.recv().await, "end".into());
    }
}

async fn a_history_is_one_on_all_nodes_whatever_is_cut<E: Engine>() {
    let Some(server) = E::start().await else { return };
    one_history(|| joined(&server), || server.cut()).await;
}

fn joined(server: &impl Engine) -> Cluster {
    server.cluster().peers("127.0.0.1:0", "a secret of the tests")
}

async fn jury(server: &impl Engine) -> Vec<asked_rooms::Node> {
    vec![
        asked_rooms::Node::new(joined(server), "node-0", 1).await,
        asked_rooms::Node::new(joined(server), "node-1", 2).await,
    ]
}

async fn a_room_is_asked_on_all_nodes<E: Engine>() {
    let Some(server) = E::start().await else { return };
    all_nodes_ask(|| joined(&server)).await;
}

async fn a_room_is_asked_whatever_is_cut<E: Engine>() {
    let Some(server) = E::start().await else { return };
    nodes_ask_while_the_engine_is_cut(jury(&server).await, || server.cut()).await;
}

async fn a_room_is_asked_while_the_server_is_away<E: Engine>() {
    let Some(server) = E::start().await else { return };
    let (jury, server) = (jury(&server).await, std::cell::RefCell::new(server));
    let (away, back) = (|| server.borrow_mut().kill(), || server.borrow_mut().start_again());
    each_node_asks_its_own_while_the_engine_is_away(jury, away, back).await;
}

/// Every message is received once or told to be missed, however often connections are killed.
async fn no_loss_is_silent<E: Engine>() {
    const ALL: usize = 2_000;
    let Some(server) = E::start().await else { return };
    let mut seats = seats(&server, 2).await;
    let node = seats[0].node.clone();
    let sending = tokio::spawn(async move {
        for n in 0..ALL {
            node.to("room").send(n.to_string());
            sleep(Duration::from_micros(500)).await;
        }
    });
    while !sending.is_finished() {
        server.cut();
        sleep(Duration::from_millis(150)).await;
    }
    sending.await.unwrap();
    // The sender's own members miss nothing.
    let own = seats[0].texts(ALL).await;
    assert_same(&own, &(0..ALL).map(|n| n.to_string()).collect::<Vec<_>>());
    let mut received = Vec::new();
    let begun = Instant::now();
    while received.len() + usize::try_from(seats[1].missed()).unwrap() < ALL {
        let heard = (received.len(), seats[1].missed());
        assert!(begun.elapsed() < Duration::from_secs(30), "{heard:?} of {ALL} were received or told");
        if let Some(message) = seats[1].client.recv_within(Duration::from_millis(100)).await {
            received.push(message.as_text().unwrap().parse::<usize>().unwrap());
        }
    }
    assert!(received.is_sorted_by(|a, b| a < b), "received twice or out of order");
    println!("{} received, {} told", received.len(), seats[1].missed());
    assert_eq!(received.len() + usize::try_from(seats[1].missed()).unwrap(), ALL);
    assert_eq!(seats[0].missed(), 0);
}
