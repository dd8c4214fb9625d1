//! A server in a process of its own, so that its resident memory can be read.
// Two test programs use it, and each needs a part.
#![allow(dead_code)]

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use anywire::{Anywire, Live, Message, Session};
use axum::Router;
use tokio::io::AsyncReadExt;

use crate::support::{Peer, Site, attempt};

pub(crate) const MAX_BYTES: usize = 64 << 20;

/// The promise: resident memory is at most one and a half times `max_bytes`, and this much besides.
const BESIDES: usize = 40_000_000;
const A_CONNECTION: usize = 20_000;

pub(crate) struct Target {
    process: Child,
    /// Its other end must stay open: the harness of tests writes when it has run for long.
    _output: BufReader<ChildStdout>,
    pub(crate) site: Site,
    pub(crate) address: SocketAddr,
}

impl Target {
    /// Starts this same program anew, as a server.
    pub(crate) fn start() -> Self {
        Self::run(program("serves", None))
    }

    /// Starts it with this grace, in seconds.
    pub(crate) fn with_grace(seconds: u64) -> Self {
        let mut program = program("serves", None);
        program.env("ANYWIRE_GRACE", seconds.to_string());
        Self::run(program)
    }

    /// Starts it on this CPU, or on any. Clients come to it through a proxy.
    pub(crate) fn behind_a_proxy(cpu: Option<usize>) -> Self {
        let mut program = program("serves", cpu);
        program.env("ANYWIRE_PROXY", "127.0.0.1");
        Self::run(program)
    }

    fn run(mut program: Command) -> Self {
        let mut process = program.spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        // The harness writes on the same line.
        let mut lines = output.by_ref().lines().map_while(Result::ok);
        let address = lines.find_map(|line| Some(line.split_once("listens at ")?.1.trim().to_owned()));
        let address = address.expect("the server tells its address").parse().unwrap();
        Target { process, _output: output, site: Site::at(address), address }
    }

    /// The sessions that live in it, and its tasks.
    pub(crate) async fn left(&self) -> [usize; 2] {
        let request = self.site.request(axum::http::Method::GET, "").uri("/state");
        let answer = self.site.ask(request.body(axum::body::Body::empty()).unwrap()).await;
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        let numbers: Vec<usize> = text.split(' ').map(|number| number.parse().unwrap()).collect();
        numbers.try_into().unwrap()
    }

    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.process.id())).unwrap().count()
    }

    /// A field of the process's status, in bytes.
    pub(crate) fn status(&self, field: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    }

    /// Checks that the promise was kept all the time.
    pub(crate) fn check(&self, attack: &str, connections: usize) {
        let (peak, now) = (self.status("VmHWM"), self.status("VmRSS"));
        let most = MAX_BYTES / 2 * 3 + BESIDES + A_CONNECTION * connections;
        let mb = |bytes: usize| bytes / 1_000_000;
        println!("{attack}: {} MB at the peak, {} MB now; {} MB may be", mb(peak), mb(now), mb(most));
        assert!(peak < most, "{attack}");
    }

    /// Opens a session whose secret has been used.
    pub(crate) async fn open(&self) -> Peer {
        let mut peer = Peer::open(&self.site).await;
        peer.upload().await;
        peer
    }

    /// Closes a session, and waits for its end.
    pub(crate) async fn leave(&self, peer: &mut Peer) {
        let body = peer.upload_head().with_text('c', &[&(peer.last + 1), &1000], "");
        assert_eq!(self.site.post(&peer.path("send"), body.bytes).await.status, 200);
        while self.left().await[0] > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Opens a session, unless that is refused.
    pub(crate) async fn try_open(&self) -> Option<Peer> {
        let mut peer = Peer::new(&self.site);
        let answer = peer.post_open(&attempt(), "").await;
        if answer.status.is_success() {
            peer.take(&answer.records());
            return Some(peer);
        }
        assert_eq!(answer.refusal(503).0, 4201);
        None
    }

    /// A session sends and receives.
    pub(crate) async fn check_honest(&self, peer: &mut Peer) {
        let count = peer.got.len() + 1;
        peer.send("hello").await;
        while peer.got.len() < count {
            peer.poll().await;
        }
    }
}

/// This same program, to run one of its tests that are parts of others: on this CPU, or on any.
pub(crate) fn program(part: &str, cpu: Option<usize>) -> Command {
    let this = std::env::current_exe().unwrap();
    let mut command = match cpu {
        Some(cpu) => {
            let mut pinned = Command::new("taskset");
            pinned.arg("-c").arg(cpu.to_string()).arg(this);
            pinned
        }
        None => Command::new(this),
    };
    command.args(["--exact", part, "--ignored", "--nocapture"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    command
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Obeys: `send 5` sends five bytes, `join it` enters the room, `room 5` sends five bytes to it, `away now`
/// receives nothing any more.
/// Anything else is echoed.
async fn obey(session: Session, live: Live) {
    while let Some(message) = session.recv().await {
        let (command, number) = message.as_text().and_then(|text| text.split_once(' ')).unwrap_or_default();
        let bytes = || vec![b'x'; number.parse().unwrap_or(0)];
        let sent = match command {
            "join" => session.join("room"),
            "send" => session.try_send(bytes()).is_ok(),
            "room" => live.to("room").send(bytes()).slow == 0,
            "away" => std::future::pending().await,
            _ => session.send(Message::clone(&message)).await.is_ok(),
        };
        if !sent {
            break;
        }
    }
}

/// Serves until nobody holds the other end of the input.
pub(crate) async fn serve() {
    let handler = |axum::Extension(live): axum::Extension<std::sync::Arc<std::sync::OnceLock<Live>>>,
                   session: Session| async move {
        let live = live.get().expect("it is set before the server listens").clone();
        obey(session, live).await;
    };
    let server = Anywire::builder()
        .trusted_proxies(std::env::var("ANYWIRE_PROXY"))
        .grace(Duration::from_secs(std::env::var("ANYWIRE_GRACE").map_or(60, |grace| grace.parse().unwrap())))
        .max_bytes(MAX_BYTES)
        .max_sessions(4_096)
        .open_timeout(Duration::from_secs(30))
        .handler(handler)
        .build();
    let live = std::sync::Arc::new(std::sync::OnceLock::new());
    live.set(server.live()).expect("it is set once");
    let state = {
        let live = server.live();
        async move || format!("{} {}", live.len(), tokio::runtime::Handle::current().metrics().num_alive_tasks())
    };
    let app = Router::new()
        .nest("/live", server.routes())
        .route("/state", axum::routing::get(state))
        .layer(axum::Extension(live));
    let listener = anywire::bind("127.0.0.1:0").await.unwrap();
    println!("listens at {}", listener.local_addr().unwrap());
    let closed = async {
        let _ = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
    };
    tokio::select! {
        _ = anywire::serve(listener, app) => {}
        () = closed => {}
    }
}
