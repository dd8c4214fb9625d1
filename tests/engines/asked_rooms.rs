//! Requests to rooms of whole servers, on real engines: whatever is cut, each member is asked once at most, and who asks is told
//! of each once, or of its node.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use anywire::{Answers, Anywire, Cluster, Live, LocalClient, Server, Session};
use futures::future::join_all;
use tokio::{
    task::AbortHandle,
    time::{sleep, timeout},
};

/// A time that is over only if nothing else happens.
const LONG: Duration = Duration::from_secs(60);

/// The number by which a request asks whether all members are there.
const READY: u32 = u32::MAX;

/// A member of the room that answers each number with itself.
pub struct Member {
    id: String,
    /// The numbers that it was asked.
    asked: Arc<Mutex<Vec<u32>>>,
    answering: AbortHandle,
}

pub struct Node {
    pub server: Server,
    name: String,
    members: Vec<Member>,
}

async fn juror(session: Session) {
    session.join("jury");
    while session.recv().await.is_some() {}
}

impl Node {
    pub async fn new(cluster: Cluster, name: &str, members: usize) -> Self {
        let server = Anywire::builder().cluster(cluster).node(name).handler(juror).build();
        server.live().ready().await;
        let mut node = Node { server, name: name.to_owned(), members: Vec::new() };
        for _ in 0..members {
            let client = LocalClient::open(&node.server, (), "").await.unwrap();
            node.members.push(Member::new(client));
        }
        node
    }

    pub fn live(&self) -> Live {
        self.server.live()
    }
}

impl Member {
    fn new(mut client: LocalClient) -> Self {
        let (id, asked) = (client.id().to_string(), Arc::<Mutex<Vec<u32>>>::default());
        let list = asked.clone();
        let answering = tokio::spawn(async move {
            while let Some(event) = client.recv_event().await {
                let number = event.data().unwrap();
                if number != READY {
                    list.lock().unwrap().push(number);
                }
                client.reply(event, number);
            }
        });
        Member { id, asked, answering: answering.abort_handle() }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.answering.abort();
    }
}

async fn ask(live: Live, number: u32) -> Answers<u32> {
    live.to("jury").request("n?", number).within(LONG).await
}

/// Asks until all members are asked and answer: the nodes have learned of each other, and of their members.
pub async fn all_answer(nodes: &[Node]) {
    let members = nodes.iter().map(|node| node.members.len()).sum::<usize>();
    for node in nodes {
        let complete = async {
            loop {
                let answers = ask(node.live(), READY).await;
                if answers.is_complete() && answers.answers.len() == members {
                    break;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(LONG, complete).await.expect("all members answer in the end");
    }
}

/// Each member is told of once at most, and one that is not told of is on a node that is named.
pub fn assert_told(nodes: &[Node], number: u32, answers: &Answers<u32>) {
    assert_eq!(answers.not_sent, None);
    let mut told = BTreeMap::<&str, usize>::new();
    for (session, answer) in &answers.answers {
        assert_eq!(*answer, Ok(number), "an answer to another request: {answers:?}");
        *told.entry(session.as_str()).or_default() += 1;
    }
    for (session, _) in &answers.missing {
        *told.entry(session.as_str()).or_default() += 1;
    }
    let named: BTreeSet<&String> = answers.unreached.iter().collect();
    assert_eq!(named.len(), answers.unreached.len(), "a node is named twice: {answers:?}");
    for node in nodes {
        for member in &node.members {
            match told.remove(&*member.id) {
                Some(times) => assert_eq!(times, 1, "it is told of {times} times: {answers:?}"),
                None => assert!(named.contains(&node.name), "nothing is told of {}: {answers:?}", member.id),
            }
        }
    }
    assert!(told.is_empty(), "nobody knows these: {told:?}");
}

/// No member was asked the same twice. Returns the numbers that each was asked.
pub fn assert_asked_once(nodes: &[Node]) -> Vec<BTreeSet<u32>> {
    let mut all = Vec::new();
    for member in nodes.iter().flat_map(|node| &node.members) {
        let asked = member.asked.lock().unwrap();
        let numbers: BTreeSet<u32> = asked.iter().copied().collect();
        assert_eq!(numbers.len(), asked.len(), "asked twice: {asked:?}");
        all.push(numbers);
    }
    all
}

/// All nodes ask at the same time.
pub async fn all_nodes_ask(cluster: impl Fn() -> Cluster) {
    const EACH: u32 = 50;
    let mut nodes = Vec::new();
    for (name, members) in [("node-0", 1), ("node-1", 2), ("node-2", 1)] {
        nodes.push(Node::new(cluster(), name, members).await);
    }
    all_answer(&nodes).await;
    let numbers = 0..EACH * 3;
    let asking = numbers.clone().map(|number| {
        let live = nodes[number as usize % 3].live();
        tokio::spawn(ask(live, number))
    });
    for (number, answers) in numbers.clone().zip(join_all(asking).await) {
        let answers = answers.unwrap();
        assert!(answers.is_complete(), "{number}: {answers:?}");
        assert_told(&nodes, number, &answers);
    }
    assert!(assert_asked_once(&nodes).into_iter().all(|asked| asked.into_iter().eq(numbers.clone())));
}

/// All nodes ask, one request behind the other, while `cut` cuts what is between them and the engine.
pub async fn nodes_ask_while_the_engine_is_cut(nodes: Vec<Node>, mut cut: impl FnMut()) {
    all_answer(&nodes).await;
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let asking: Vec<_> = (0..)
        .zip(&nodes)
        .map(|(nth, node)| {
            let (live, stop) = (node.live(), stop.clone());
            tokio::spawn(async move {
                let mut all = Vec::new();
                for number in (nth..).step_by(16) {
                    all.push((number, ask(live.clone(), number).await));
                    if stop.load(std::sync::atomic::Ordering::Relaxed) {
                        break;
                    }
                }
                all
            })
        })
        .collect();
    // The cuts fall somewhere into the asking: they are faults at a moment, and wait for nothing.
    for _ in 0..3 {
        sleep(Duration::from_millis(200)).await;
        cut();
    }
    sleep(Duration::from_millis(200)).await;
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let (mut requests, mut complete) = (0, 0);
    for asked in asking {
        for (number, answers) in timeout(2 * LONG, asked).await.expect("a request is told of in time").unwrap() {
            assert_told(&nodes, number, &answers);
            requests += 1;
            complete += usize::from(answers.is_complete());
        }
    }
    println!("{complete} of {requests} requests were complete");
    all_answer(&nodes).await;
    assert_asked_once(&nodes);
}

/// While the engine is away each node asks its own members and names the others, whose members are never asked later.
pub async fn each_node_asks_its_own_while_the_engine_is_away(
    nodes: Vec<Node>,
    away: impl FnOnce(),
    back: impl FnOnce(),
) {
    all_answer(&nodes).await;
    away();
    let split = async {
        while !nodes.iter().all(|node| node.live().cluster().unwrap().is_split()) {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, split).await.expect("the nodes notice");
    for (number, node) in (0..).zip(&nodes) {
        let answers = ask(node.live(), number).await;
        assert_told(&nodes, number, &answers);
        assert_eq!((answers.answers.len(), answers.missing.len()), (node.members.len(), 0), "{answers:?}");
        assert_eq!(answers.unreached.len(), nodes.len() - 1, "{answers:?}");
    }
    back();
    all_answer(&nodes).await;
    let own = (0..).zip(&nodes).flat_map(|(number, node)| node.members.iter().map(move |_| BTreeSet::from([number])));
    assert_eq!(assert_asked_once(&nodes), own.collect::<Vec<_>>());
}

#[cfg(all(unix, feature = "host"))]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_of_one_machine_ask_all_members() {
    let folder = super::folder::Folder::new();
    all_nodes_ask(|| folder.engine().into()).await;
}

/// The process that carries what the others say ends, and another one takes its place.
#[cfg(all(unix, feature = "host"))]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_of_one_machine_ask_while_their_sequencers_end() {
    let folder = super::folder::Folder::new();
    let mut sequencers = Vec::new();
    for name in ["first", "second", "third"] {
        sequencers.push(Node::new(folder.engine().into(), name, 0).await);
    }
    let nodes = vec![
        Node::new(folder.engine().into(), "node-0", 1).await,
        Node::new(folder.engine().into(), "node-1", 2).await,
    ];
    sequencers.reverse();
    nodes_ask_while_the_engine_is_cut(nodes, || drop(sequencers.pop())).await;
}
