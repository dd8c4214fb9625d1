//! A node: a process that serves until nobody holds the other end of its input, or until it is told to end.

use std::{
    env,
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Read, Write},
    net::SocketAddr,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use anywire::{Anywire, Auth, Claim, Cluster, Directory, EngineError, Redis, Server, Session, Why};
use axum::{Extension, Router, routing::get};
use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::{
    io::AsyncReadExt,
    signal::unix::{SignalKind, signal},
};

use crate::{history::Turn, told};

/// The settings of a node, which its process gets by its environment.
pub(crate) struct Settings<'a> {
    pub(crate) name: &'a str,
    pub(crate) engine: &'a str,
    /// The file in which the handlers write.
    pub(crate) diary: &'a Path,
    /// The address that the other nodes are told, if it is not the node's own.
    pub(crate) via: Option<SocketAddr>,
    /// How long the sessions have to go when it is told to end.
    pub(crate) window: Duration,
}

/// A running node, which ends with this.
pub(crate) struct Process {
    pub(crate) name: String,
    /// Where clients reach it.
    pub(crate) address: SocketAddr,
    /// Where the other nodes reach it, if they do so by a line.
    pub(crate) peers: Option<SocketAddr>,
    child: Child,
    /// Its other end must stay open: the harness of tests writes when it has run for long.
    _output: BufReader<ChildStdout>,
}

impl Process {
    /// Starts this same program anew, as a node. Waits until it listens.
    pub(crate) fn start(settings: &Settings<'_>) -> Process {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "node", "--ignored", "--nocapture"]);
        command.env("CHAOS_NAME", settings.name).env("CHAOS_ENGINE", settings.engine);
        command.env("CHAOS_DIARY", settings.diary).env("CHAOS_WINDOW", settings.window.as_millis().to_string());
        command.env("CHAOS_VIA", settings.via.map(|via| via.to_string()).unwrap_or_default());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        // The harness writes on the same lines.
        let mut told = |words: &str| {
            let mut lines = output.by_ref().lines().map_while(Result::ok);
            let address = lines.find_map(|line| Some(line.split_once(words)?.1.trim().to_owned()));
            address.expect("a node tells its address").parse().unwrap()
        };
        let peers = settings.via.map(|_| told("peers come to "));
        let address = told("listens at ");
        Process { name: settings.name.to_owned(), address, peers, child, _output: output }
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// A field of the process's status, in bytes.
    pub(crate) fn status(&self, field: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended is an error that says nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The file of a node's handlers. A line is one write, so that it is there when the process is killed.
#[derive(Clone)]
struct Diary(Arc<File>);

impl Diary {
    fn write(&self, line: &str) {
        (&*self.0).write_all(line.as_bytes()).unwrap();
    }
}

/// The state of a session's handler, which moves with the session.
#[derive(Clone, Copy, Default, serde::Serialize, serde::Deserialize)]
struct State {
    turns: u64,
    published: u64,
}

/// Answers each message with the count of its turn. A message is its number, its phase, and `p` if it is to be published
/// to the room, which is the client's auth text.
async fn answers(Auth(room): Auth<String>, Extension(diary): Extension<Diary>, session: Session) {
    let id = session.id().to_string();
    let mut state: State = session.restored().unwrap().unwrap_or_default();
    if session.why() == Why::New {
        session.join(&room);
    }
    while let Some(message) = session.recv().await {
        let fields: Vec<&str> = message.as_text().unwrap().split(' ').collect();
        let [number, phase, kind] = fields[..] else { panic!("a message is {message:?}") };
        let is_published = kind == "p";
        state.turns += 1;
        state.published += u64::from(is_published);
        let State { turns, published } = state;
        let (number, phase) = (number.parse().unwrap(), phase.parse().unwrap());
        let turn = Turn { turn: turns, message: number, phase, published: if is_published { published } else { 0 } };
        diary.write(&turn.line(&id));
        if is_published {
            session.within(&room).send(format!("r {id} {published}"));
        }
        if session.send(format!("a {turns} {number}")).await.is_err() {
            break;
        }
        session.save(&state).unwrap();
    }
}

fn cluster(url: &str) -> Cluster {
    #[cfg(feature = "host")]
    if let Some(folder) = url.strip_prefix("host:") {
        return anywire::Host::at(folder).unwrap().into();
    }
    let engine = match url {
        #[cfg(feature = "nats")]
        url if url.starts_with("nats:") => Cluster::from(anywire::Nats::new(url).unwrap()),
        url => Cluster::from(Redis::new(url).unwrap()),
    };
    let cluster = match env::var("CHAOS_VIA").unwrap().parse() {
        Ok(via) => {
            let directory = Via { directory: engine.directory(), via, told: Mutex::default() };
            Cluster::new(engine.bus(), Arc::new(directory))
        }
        Err(_) => engine,
    };
    cluster.peers("127.0.0.1:0", "a secret of the tests")
}

/// The body of the process.
pub(crate) async fn serve() {
    let set = |name: &str| env::var(name).unwrap();
    let diary = Diary(Arc::new(OpenOptions::new().create(true).append(true).open(set("CHAOS_DIARY")).unwrap()));
    let notes = diary.clone();
    told::tell(&set("CHAOS_NAME"), move || notes.write("split\n"));
    let server: Server = Anywire::builder()
        .cluster(cluster(&set("CHAOS_ENGINE")))
        .node(&set("CHAOS_NAME"))
        .heartbeat_interval(Duration::from_secs(3))
        .heartbeat_timeout(Duration::from_secs(3))
        .grace(Duration::from_secs(30))
        .hold(Duration::from_secs(5))
        .max_sessions(20_000)
        .movable()
        .on_room_gap(|gap| eprintln!("{} messages to {:?} are lost", gap.count(), gap.room()))
        .handler(answers)
        .build();
    let live = server.live();
    let listener = anywire::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let state = {
        let live = live.clone();
        async move || {
            let cluster = live.cluster().unwrap();
            format!("{} {} {}", cluster.nodes.len(), u8::from(cluster.split), live.len())
        }
    };
    let app = Router::new().nest("/live", server.routes()).route("/state", get(state)).layer(Extension(diary));
    live.ready().await;
    println!("listens at {address}");
    let mut term = signal(SignalKind::terminate()).unwrap();
    let told = async move {
        term.recv().await;
    };
    let window = Duration::from_millis(set("CHAOS_WINDOW").parse().unwrap());
    let orphaned = async {
        let _ = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
    };
    tokio::select! {
        served = anywire::serve(listener, app).with_graceful_shutdown(told).sessions(&live, window) => served.unwrap(),
        () = orphaned => {}
    }
    // A thread waits for the input still.
    std::process::exit(0);
}

/// A directory that gives another address of this node than its own.
struct Via {
    directory: Arc<dyn Directory>,
    via: SocketAddr,
    told: Mutex<bool>,
}

impl Via {
    /// The info of this node as the others shall read it.
    fn info(&self, info: &[u8]) -> Vec<u8> {
        let mut info: serde_json::Value = serde_json::from_slice(info).unwrap();
        if !std::mem::replace(&mut *self.told.lock().unwrap(), true) {
            println!("peers come to {}", info["address"].as_str().unwrap());
        }
        info["address"] = self.via.to_string().into();
        info.to_string().into_bytes()
    }
}

impl Directory for Via {
    fn beat(&self, id: &[u8], info: &[u8], lease: Duration) -> BoxFuture<'_, Result<Vec<Bytes>, EngineError>> {
        self.directory.beat(id, &self.info(info), lease)
    }

    fn leave(&self, id: &[u8]) -> BoxFuture<'_, Result<(), EngineError>> {
        self.directory.leave(id)
    }

    fn claim(&self, key: &[u8], value: &[u8], keep: Duration) -> BoxFuture<'_, Result<Claim, EngineError>> {
        self.directory.claim(key, value, keep)
    }

    fn swap(&self, key: &[u8], from: &[u8], to: &[u8], keep: Duration) -> BoxFuture<'_, Result<Claim, EngineError>> {
        self.directory.swap(key, from, to, keep)
    }

    fn look(&self, key: &[u8]) -> BoxFuture<'_, Result<Option<Bytes>, EngineError>> {
        self.directory.look(key)
    }

    fn release(&self, key: &[u8], value: &[u8]) -> BoxFuture<'_, Result<(), EngineError>> {
        self.directory.release(key, value)
    }

    fn note(&self, id: &[u8], notes: Vec<(Bytes, Bytes)>, keep: Duration) -> BoxFuture<'_, Result<(), EngineError>> {
        self.directory.note(id, notes, keep)
    }

    fn notes(&self, topic: &[u8]) -> BoxFuture<'_, Result<Vec<(Bytes, Bytes)>, EngineError>> {
        self.directory.notes(topic)
    }
}
