//! A server of Redis, the nodes on it, and the lines between them.

use std::{env, fs, path::PathBuf, sync::Arc, sync::atomic::AtomicU32, sync::atomic::Ordering, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

#[cfg(feature = "nats")]
use crate::nats;
use crate::{
    history::History,
    http::Balancer,
    line::Line,
    node::{Process, Settings},
    server::Server,
};

/// The time that a balancer needs to notice that a node is gone.
pub(crate) const NOTICED: Duration = Duration::from_millis(300);

/// The engine of a fleet.
pub(crate) enum Engine {
    Redis(Server),
    #[cfg(feature = "nats")]
    Nats(nats::Server),
    /// A folder, which the nodes have in common.
    #[cfg(feature = "host")]
    Host(PathBuf),
}

pub(crate) struct Fleet {
    engine: Engine,
    pub(crate) nodes: Vec<Node>,
    pub(crate) balancer: Arc<Balancer>,
    folder: PathBuf,
    diaries: Vec<PathBuf>,
    window: Duration,
}

pub(crate) struct Node {
    pub(crate) process: Process,
    pub(crate) lines: Option<Lines>,
}

/// The lines of a node: to the engine, and from the other nodes.
pub(crate) struct Lines {
    pub(crate) engine: Line,
    pub(crate) peers: Line,
}

impl Fleet {
    /// Starts a server of Redis and three nodes; `None` if there is no Redis.
    pub(crate) async fn on_redis(with_lines: bool, window: Duration) -> Option<Fleet> {
        let redis = tokio::task::block_in_place(|| Server::start(&[]))?;
        Some(Self::on(Engine::Redis(redis), with_lines, window).await)
    }

    /// Starts a server of NATS and three nodes; `None` if there is no NATS.
    #[cfg(feature = "nats")]
    pub(crate) async fn on_nats(window: Duration) -> Option<Fleet> {
        let nats = tokio::task::block_in_place(|| nats::Server::start(""))?;
        Some(Self::on(Engine::Nats(nats), false, window).await)
    }

    /// Starts three nodes that have a folder in common.
    #[cfg(feature = "host")]
    pub(crate) async fn on_host(window: Duration) -> Fleet {
        let folder = env::temp_dir().join(format!("anywire-chaos-host-{}", std::process::id()));
        Self::on(Engine::Host(folder), false, window).await
    }

    async fn on(engine: Engine, with_lines: bool, window: Duration) -> Fleet {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("anywire-chaos-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        let (nodes, balancer) = (Vec::new(), Arc::default());
        let mut fleet = Fleet { engine, nodes, balancer, folder, diaries: Vec::new(), window };
        for name in ["one", "two", "three"] {
            let node = fleet.node(name, with_lines).await;
            fleet.nodes.push(node);
        }
        fleet.whole().await;
        fleet.rotate();
        fleet
    }

    /// Starts a node.
    pub(crate) async fn node(&mut self, name: &str, with_lines: bool) -> Node {
        let (lines, engine) = match &self.engine {
            Engine::Redis(redis) => {
                let redis = ([127, 0, 0, 1], redis.port).into();
                let lines = match with_lines {
                    true => Some(Lines { engine: Line::to(Some(redis)).await, peers: Line::to(None).await }),
                    false => None,
                };
                let address = lines.as_ref().map_or(redis, |lines| lines.engine.address);
                (lines, format!("redis://{address}"))
            }
            #[cfg(feature = "nats")]
            Engine::Nats(nats) => (None, nats.url()),
            #[cfg(feature = "host")]
            Engine::Host(folder) => (None, format!("host:{}", folder.display())),
        };
        let diary = self.folder.join(format!("{}-{name}", self.diaries.len()));
        let settings = Settings {
            name,
            engine: &engine,
            diary: &diary,
            via: lines.as_ref().map(|lines| lines.peers.address),
            window: self.window,
        };
        let process = tokio::task::block_in_place(|| Process::start(&settings));
        self.diaries.push(diary);
        if let Some(lines) = &lines {
            lines.peers.lead_to(process.peers.expect("a node with lines tells where its peers come to"));
        }
        Node { process, lines }
    }

    /// Kills the engine's server, as a power cut does.
    pub(crate) fn kill_engine(&mut self) {
        tokio::task::block_in_place(|| match &mut self.engine {
            Engine::Redis(redis) => redis.kill(),
            #[cfg(feature = "nats")]
            Engine::Nats(nats) => nats.kill(),
            #[cfg(feature = "host")]
            Engine::Host(_) => panic!("the engine has no process of its own"),
        });
    }

    /// Starts it again where it was, without its data.
    pub(crate) fn start_engine_again(&mut self) {
        tokio::task::block_in_place(|| match &mut self.engine {
            Engine::Redis(redis) => redis.start_again(),
            #[cfg(feature = "nats")]
            Engine::Nats(nats) => nats.start_again(),
            #[cfg(feature = "host")]
            Engine::Host(_) => panic!("the engine has no process of its own"),
        });
    }

    pub(crate) fn redis(&self) -> &Server {
        match &self.engine {
            Engine::Redis(redis) => redis,
            #[cfg(any(feature = "nats", feature = "host"))]
            _ => panic!("the engine is another one"),
        }
    }

    /// Has the balancer give requests to all nodes.
    pub(crate) fn rotate(&self) {
        self.balancer.set(self.nodes.iter().map(|node| node.process.address).collect());
    }

    /// Has the balancer give requests to all nodes but this one.
    pub(crate) fn rotate_without(&self, nth: usize) {
        let others = self.nodes.iter().enumerate().filter(|(other, _)| *other != nth);
        self.balancer.set(others.map(|(_, node)| node.process.address).collect());
    }

    /// Waits until all nodes know each other, and none is split off.
    pub(crate) async fn whole(&self) {
        let begun = Instant::now();
        for node in &self.nodes {
            loop {
                let state = timeout(Duration::from_secs(1), state(&node.process)).await.ok().flatten();
                if state.as_ref().is_some_and(|[nodes, split, _]| *nodes == self.nodes.len() && *split == 0) {
                    break;
                }
                assert!(begun.elapsed() < Duration::from_secs(60), "{}: {state:?}", node.process.name);
                sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// The resident memory of each node, in MB.
    pub(crate) fn memory(&self) -> Vec<usize> {
        self.nodes.iter().map(|node| node.process.status("VmRSS") / 1_000_000).collect()
    }

    /// The handlers' half of the history.
    pub(crate) fn history(&self) -> History {
        let mut history = History::default();
        for diary in &self.diaries {
            history.read_diary(&fs::read_to_string(diary).unwrap());
        }
        history
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
        #[cfg(feature = "host")]
        if let Engine::Host(folder) = &self.engine {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// The nodes that a node knows of, whether it is split off, and its sessions.
async fn state(process: &Process) -> Option<[usize; 3]> {
    let mut stream = TcpStream::connect(process.address).await.ok()?;
    stream.write_all(b"GET /state HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\r\n").await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let numbers: Vec<usize> =
        answer.split_once("\r\n\r\n")?.1.split(' ').filter_map(|text| text.parse().ok()).collect();
    numbers.try_into().ok()
}
