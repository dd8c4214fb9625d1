//! Recorded transcripts of real clients, replayed against a server of ours whose application does what the recorded
//! one did.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use anywire::{Args, Builder, EngineIo, Events, Fault, Reply, Server, Session, SocketIo, concurrent};
use axum::Router;
use bytes::Bytes;
use serde_json::json;
use tokio::sync::mpsc;

use super::{
    any::Any,
    builder,
    client::Client,
    recording::event,
    replay::Replay,
    support::{Lives, Site, until},
};

/// The way in which a transcript is replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Over TCP.
    Sockets,
    /// Over TCP, with the parser of MessagePack.
    Packed,
    /// Over pipes, where the clock goes on when nothing else does.
    Clock,
    /// Each answer as it is, by `by_hand.rs`.
    ByHand,
    /// Not here, for this reason.
    LeftOut(&'static str),
}

const RECOVERY: Way = Way::LeftOut("connection state recovery has tests of its own");

const TABLE: [(&str, Way); 26] = [
    ("by-hand", Way::ByHand),
    ("client1-polling", Way::Sockets),
    ("client1-upgrade", Way::Sockets),
    ("client1-websocket", Way::Sockets),
    ("client2-heartbeat-polling", Way::Clock),
    ("client2-heartbeat-websocket", Way::Clock),
    ("client2-namespaces", Way::Sockets),
    ("client2-polling", Way::Sockets),
    ("client2-upgrade", Way::Sockets),
    ("client2-upgrade-busy", Way::Sockets),
    ("client2-websocket", Way::Sockets),
    ("client3-polling", Way::Sockets),
    ("client3-upgrade", Way::Sockets),
    ("client3-websocket", Way::Sockets),
    ("client4-broadcast-ack", Way::Sockets),
    ("client4-heartbeat-polling", Way::Clock),
    ("client4-heartbeat-websocket", Way::Clock),
    ("client4-msgpack", Way::Packed),
    ("client4-namespaces", Way::Sockets),
    ("client4-polling", Way::Sockets),
    ("client4-recovery", RECOVERY),
    ("client4-recovery-hazards", RECOVERY),
    ("client4-retries", Way::Sockets),
    ("client4-upgrade", Way::Sockets),
    ("client4-upgrade-busy", Way::Sockets),
    ("client4-websocket", Way::Sockets),
];

/// A line of the server that is another one here, and why. Differences that a client could notice are in the tables of
/// the guide too.
pub struct Difference {
    /// The transcript, or the exchanges of the one made by hand, with spaces between them.
    pub place: &'static str,
    pub recorded: &'static str,
    pub ours: &'static str,
    pub why: &'static str,
}

pub const fn difference(
    place: &'static str,
    recorded: &'static str,
    ours: &'static str,
    why: &'static str,
) -> Difference {
    Difference { place, recorded, ours, why }
}

const CLOSE: &str = "a server that goes down says so by the code of RFC 6455; the reason in the client is the same";

const OF_HEARTBEATS: [Difference; 2] = [
    difference("client2-heartbeat-websocket", "Closed(Some(1005))", "Closed(Some(1001))", CLOSE),
    difference("client4-heartbeat-websocket", "Closed(Some(1005))", "Closed(Some(1001))", CLOSE),
];

const CODE: &str = "the code is the one that the application closes with; the client has heard of the end before";

const DIFFERENCES: [Difference; 3] = [
    difference("client2-namespaces", "Closed(Some(1005))", "Closed(Some(1000))", CODE),
    difference("client4-namespaces", "Closed(Some(1005))", "Closed(Some(1000))", CODE),
    difference(
        "client4-namespaces",
        "44/refuses,{\"message\":\"not you\",\"data\":{\"code\":7}}",
        "44/refuses,{\"code\":\"no\",\"data\":{\"code\":7},\"message\":\"not you\"}",
        "a refusal has the fault's code beside the data, which clients do not hand out",
    ),
];

/// The differences, and those that were met.
pub struct Differences {
    known: &'static [Difference],
    met: BTreeSet<(usize, String)>,
}

impl Differences {
    pub fn new(known: &'static [Difference]) -> Self {
        Differences { known, met: BTreeSet::new() }
    }

    /// The line that is here in place of a recorded one.
    pub fn expected(&mut self, place: &str, recorded: &str) -> String {
        let is_it = |known: &Difference| known.recorded == recorded && known.place.split(' ').any(|it| it == place);
        let found = self.known.iter().position(is_it);
        self.met.extend(found.map(|at| (at, place.to_owned())));
        found.map_or(recorded, |at| self.known[at].ours).to_owned()
    }

    /// A difference that is no longer there must leave the table.
    pub fn all_met(&self) {
        for (at, known) in self.known.iter().enumerate() {
            for place in known.place.split(' ') {
                let is_met = self.met.contains(&(at, place.to_owned()));
                assert!(is_met, "nothing differs any more in {place}: {} ({})", known.recorded, known.why);
            }
        }
    }
}

/// A deed of the recorded application that no line of a client has caused.
#[derive(Clone, Copy, Debug)]
pub enum Cue {
    /// It emits an event to all.
    Hello,
    /// It asks all for their answer.
    Ask(u64),
    /// It shuts down.
    Down,
}

impl Cue {
    pub fn of_comment(comment: &str) -> Option<Self> {
        match comment {
            "the server asks all, both answer: one id for all" => Some(Cue::Ask(1)),
            "one does not answer in time" => Some(Cue::Ask(2)),
            "the server goes down: io.close()" => Some(Cue::Down),
            _ => None,
        }
    }

    pub fn of_packet(packet: &str) -> Option<Self> {
        (packet == "42[\"echo\",\"from server\"]").then_some(Cue::Hello)
    }
}

/// The things that the application saw: the id of a session, and what happened in it.
type Log = Arc<Mutex<Vec<(String, String)>>>;

/// The recorded application, as one of ours.
pub struct Application {
    pub server: Server,
    log: Log,
    answers: mpsc::UnboundedReceiver<String>,
    tell: mpsc::UnboundedSender<String>,
}

impl Application {
    pub fn new() -> Self {
        Self::of(builder())
    }

    pub fn of(builder: Builder) -> Self {
        let log = Log::default();
        let refuses = async |_: Session| -> Result<(), Fault> {
            Err(Fault::new("no", "not you").with_data(json!({ "code": 7 })))
        };
        let server = builder
            .events(events(&log))
            .namespace("/admin", events(&log))
            .namespace("/refuses", Events::new().on_open(refuses))
            .build();
        let (tell, answers) = mpsc::unbounded_channel();
        Application { server, log, answers, tell }
    }

    pub async fn cue(&self, cue: Cue) {
        let live = Lives::of_server(&self.server);
        match cue {
            Cue::Hello => drop(live.all().emit("echo", "from server")),
            Cue::Ask(number) => drop(tokio::spawn(ask_all(live, number, self.tell.clone()))),
            Cue::Down => drop(tokio::spawn(async move { live.shut_down().await })),
        }
    }

    /// A comment says what the recorded application saw; ours sees the same.
    pub async fn expects(&mut self, comment: &str) {
        if let Some(seen) = comment.strip_prefix("server: ") {
            assert_eq!(self.answers.recv().await.as_deref(), Some(seen));
        }
    }

    /// The events of a session that the application saw, and the namespaces that it opened.
    fn saw(&self, sid: &str) -> (Vec<String>, Vec<String>) {
        let log = self.log.lock().unwrap();
        let of_session = log.iter().filter(|(id, _)| sid.starts_with(id)).map(|(_, seen)| seen.clone());
        let (ends, rest): (Vec<_>, Vec<_>) = of_session.partition(|seen| seen.ends_with(" ends"));
        let (opens, events): (Vec<_>, Vec<_>) = rest.into_iter().partition(|seen| seen.ends_with(" opens"));
        assert_eq!(ends.len(), opens.len(), "{ends:?} of {opens:?}");
        (events, opens)
    }
}

async fn ask_all(live: Lives, number: u64, tell: mpsc::UnboundedSender<String>) {
    let asked = live.all().request::<_, _, Args<Vec<Any>>>("q", number).within(Duration::from_secs(1)).await;
    let all = asked.values().count() == live.len();
    let mut first: Vec<String> =
        asked.into_values().map(|Args(values)| serde_json::to_string(&values[0]).unwrap()).collect();
    first.sort();
    let list = format!("[{}]", first.join(","));
    let _ = tell.send(if all { list } else { format!("operation has timed out {list}") });
}

fn events(log: &Log) -> Events {
    let note = |session: &Session, seen: String| (session.root().id().to_string(), seen);
    let noted = |name: &'static str| {
        let log = log.clone();
        move |session: &Session, asks: bool, values: &[Any]| {
            let all = Any::List([&[Any::Text(name.to_owned())], values].concat());
            log.lock().unwrap().push(note(session, event(session.namespace(), asks, &all)));
        }
    };
    let (opened, ended) = (log.clone(), log.clone());
    let (echo, ask, call) = (noted("echo"), noted("ask"), noted("call me"));
    let (kick, cut, order) = (noted("kick me"), noted("cut me"), noted("order"));
    let first = Arc::new(AtomicBool::new(true));
    Events::new()
        .on_open(async move |session: Session| {
            opened.lock().unwrap().push(note(&session, format!("{} opens", session.namespace())));
        })
        .on_end(async move |session: Session| {
            ended.lock().unwrap().push(note(&session, format!("{} ends", session.namespace())));
        })
        .on("echo", async move |Args(all): Args<Vec<Any>>, session: Session| {
            echo(&session, false, &all);
            session.emit("echo", Args(all)).await.unwrap();
        })
        .on("ask", async move |Args(all): Args<Vec<Any>>, session: Session| {
            ask(&session, true, &all);
            Reply(Args(all))
        })
        .on("call me", async move |session: Session| {
            call(&session, false, &[]);
            let question = Args((1, Bytes::from_static(&[7])));
            let answer = session.request::<_, _, Args<Vec<Any>>>("question", question).await.unwrap();
            session.emit("you said", answer).await.unwrap();
        })
        .on("kick me", async move |session: Session| {
            kick(&session, false, &[]);
            session.close(1000, "");
        })
        .on("cut me", async move |session: Session| {
            cut(&session, false, &[]);
            session.root().close(1000, "");
        })
        .on(
            "order",
            concurrent(8, async move |Args((number,)): Args<(i64,)>, session: Session| {
                // The recorded client sends the fourth without a request.
                order(&session, number != 4, &[Any::Whole(number)]);
                if first.swap(false, Relaxed) {
                    std::future::pending::<()>().await;
                }
                Reply(Args(("ok", number)))
            }),
        )
}

fn settings(quick: bool) -> EngineIo {
    let time = Duration::from_millis(150);
    if quick { EngineIo::new().ping_interval(time).ping_timeout(time) } else { EngineIo::new() }
}

/// Replays a transcript. Returns the number of lines that were compared.
async fn replay(name: &str, way: Way, differences: Differences) -> (usize, Differences) {
    let application = Application::new();
    let settings = SocketIo::new().engine(settings(way == Way::Clock));
    #[cfg(feature = "msgpack")]
    let settings = if way == Way::Packed { settings.parser(anywire::Parser::MsgPack) } else { settings };
    let router = |server: &anywire::Server| Router::new().merge(server.socketio_with("/socket.io", settings.clone()));
    let site = match way {
        Way::Clock => Site::of(&application.server, router),
        _ => Site::socket_of(&application.server, router).await,
    };
    let client = Client { path: "/socket.io/", ..Client::new(site, 4) };
    let live = Lives::of_server(&application.server);
    let replay = Replay::new(client, way == Way::Packed, application, differences);
    let (seen, compared, differences, application) = replay.run(name).await;
    until(&format!("the sessions of {name} are over"), || live.is_empty() && live.stats().bytes == 0).await;
    for seen in &seen {
        assert_eq!(seen.heard[1], seen.heard[0], "{name}");
        let (events, opens) = application.saw(&seen.sid);
        let is_event = |said: &&String| matches!(said.split(' ').nth(1), Some("event" | "request"));
        let said = seen.said.iter().filter(is_event).cloned().collect::<Vec<_>>();
        assert_eq!(events, said, "{name}");
        let heard = seen.heard[0].iter().filter(|heard| heard.ends_with(" opens")).cloned().collect::<Vec<_>>();
        assert_eq!(opens, heard, "{name}");
    }
    assert!(!seen.is_empty() && compared > 0, "{name}");
    (compared, differences)
}

async fn replay_all(ways: &[Way], known: &'static [Difference]) -> (usize, usize) {
    let (mut files, mut compared, mut differences) = (0, 0, Differences::new(known));
    for (name, way) in TABLE.iter().filter(|(_, way)| ways.contains(way)) {
        let (lines, met) = replay(name, *way, differences).await;
        (files, compared, differences) = (files + 1, compared + lines, met);
    }
    differences.all_met();
    (files, compared)
}

#[tokio::test]
async fn transcripts_over_sockets_are_the_same_here() {
    let ways = if cfg!(feature = "msgpack") { &[Way::Sockets, Way::Packed][..] } else { &[Way::Sockets] };
    let (files, compared) = replay_all(ways, &DIFFERENCES).await;
    assert!(files >= 18 && compared >= 330, "{compared} lines of {files} transcripts");
}

#[tokio::test(start_paused = true)]
async fn heartbeats_of_the_transcripts_are_the_same_here() {
    let (files, compared) = replay_all(&[Way::Clock], &OF_HEARTBEATS).await;
    assert!(files == 4 && compared >= 30, "{compared} lines of {files} transcripts");
}

#[test]
fn each_transcript_is_in_the_table() {
    let folder = format!("{}/tests/vectors/socketio", env!("CARGO_MANIFEST_DIR"));
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<_> = files.collect();
    let table: BTreeSet<_> = TABLE.iter().map(|(name, _)| format!("{name}.txt")).collect();
    assert_eq!(files, table);
    let left_out = TABLE.iter().filter(|(_, way)| matches!(way, Way::LeftOut(_)));
    assert!(left_out.clone().count() < 4, "{:?}", left_out.collect::<Vec<_>>());
}
