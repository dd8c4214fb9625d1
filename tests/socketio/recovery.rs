//! Clients of Socket.IO 4 that come back on a new connection.

use std::time::Duration;

use anywire::{Args, EngineIo, Events, History, Live, Reply, RequestError, Server, Session, SocketIo};
use axum::Router;
use bytes::Bytes;
use serde_json::Value;

use super::{
    builder,
    client::{Came, Client, Socket, sid_of},
    support::until,
};

/// The time within which clients come back in these tests.
pub(super) const TIME: Duration = Duration::from_secs(120);

pub(super) fn settings() -> SocketIo {
    SocketIo::new().engine(EngineIo::new()).recovery(TIME)
}

pub(super) fn serve(server: &Server, settings: SocketIo) -> Router {
    Router::new().merge(server.socketio_with("/engine.io", settings)).nest("/live", server.routes())
}

/// The channel that a client has opened: its id and its pid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Opened {
    pub(super) sid: String,
    pub(super) pid: String,
}

impl Opened {
    /// Reads the answer to a CONNECT of this namespace, as it is written on the wire.
    pub(super) fn read(packet: &str, namespace: &str) -> Self {
        let data = packet.strip_prefix(&connect(namespace, "")).unwrap_or_else(|| panic!("{packet}"));
        let data: Value = serde_json::from_str(data).unwrap_or_else(|_| panic!("{packet}"));
        let text = |key: &str| data[key].as_str().unwrap_or_else(|| panic!("{packet}")).to_owned();
        assert_eq!(data.as_object().unwrap().len(), 2, "{packet}");
        Opened { sid: text("sid"), pid: text("pid") }
    }

    /// The CONNECT of a client that comes back.
    pub(super) fn claim(&self, namespace: &str, offset: Option<&str>) -> String {
        let offset = offset.map_or_else(String::new, |offset| format!(",\"offset\":\"{offset}\""));
        connect(namespace, &format!("{{\"pid\":\"{}\"{offset}}}", self.pid))
    }
}

pub(super) fn connect(namespace: &str, data: &str) -> String {
    match namespace {
        "/" => format!("40{data}"),
        _ => format!("40{namespace},{data}"),
    }
}

/// The offset at the end of an event that a client hears, whose list begins so.
pub(super) fn offset(packet: &str, beginning: &str) -> String {
    let rest = packet.strip_prefix(beginning).and_then(|rest| rest.strip_prefix(",\""));
    rest.and_then(|rest| rest.strip_suffix("\"]")).unwrap_or_else(|| panic!("{packet} and not {beginning}")).to_owned()
}

impl Socket {
    pub(super) async fn joins(&mut self, namespace: &str) -> Opened {
        self.say(&connect(namespace, "")).await;
        Opened::read(&self.text().await, namespace)
    }

    /// Hears an event whose list begins so. Returns its offset.
    pub(super) async fn hears_event(&mut self, beginning: &str) -> String {
        offset(&self.text().await, beginning)
    }

    /// The channel goes on.
    pub(super) async fn recovers(&mut self, opened: &Opened, namespace: &str) {
        assert_eq!(Opened::read(&self.text().await, namespace), *opened);
    }

    /// The client has lost what it had in this channel.
    pub(super) async fn starts_anew(&mut self, opened: &Opened, namespace: &str) -> Opened {
        let anew = Opened::read(&self.text().await, namespace);
        assert!(anew.sid != opened.sid && anew.pid != opened.pid, "{anew:?}");
        anew
    }
}

/// A WebSocket of Engine.IO on which nothing was said yet.
pub(super) async fn socket(client: &Client) -> Socket {
    let mut socket = client.socket().await;
    sid_of(&socket.text().await);
    socket
}

/// An application whose clients are in a room, and a client of it.
pub(super) fn house() -> (Live, Client) {
    house_of(settings())
}

pub(super) fn events() -> Events {
    Events::new()
        .on_open(async |session: Session| {
            session.join("room");
        })
        .on("leave", async |session: Session| session.close(1000, ""))
        .on("echo", async |Args(all): Args<Vec<Value>>| Reply(Args(all)))
}

pub(super) fn house_of(settings: SocketIo) -> (Live, Client) {
    let server = builder().events(events()).namespace("/adm", events()).build();
    let client = Client::of_router(serve(&server, settings), 4);
    (server.live(), client)
}

/// All sessions are interrupted.
pub(super) async fn away(live: &Live) {
    until("nobody is connected", || live.sessions().iter().all(|session| !session.is_connected())).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_was_cut_hears_what_it_has_missed() {
    let (live, client) = house();
    let mut first = socket(&client).await;
    let opened = first.joins("/").await;
    live.to("room").emit("news", 1);
    let heard = first.hears_event("42[\"news\",1").await;
    drop(first);
    away(&live).await;
    live.to("room").emit("news", 2);
    let session = live.sessions().remove(0);
    session.emit("own", Bytes::from_static(&[7])).await.unwrap();
    live.all().emit("news", Args(("x", 3)));
    assert_eq!(live.len(), 1);
    let mut second = socket(&client).await;
    second.say(&opened.claim("/", Some(&heard))).await;
    second.recovers(&opened, "/").await;
    second.hears_event("42[\"news\",2").await;
    second.hears_event("451-[\"own\",{\"_placeholder\":true,\"num\":0}").await;
    assert_eq!(second.next().await, Came::Binary(vec![7]));
    second.hears_event("42[\"news\",\"x\",3").await;
    live.to("room").emit("news", 4);
    second.hears_event("42[\"news\",4").await;
    second.say("421[\"echo\",\"here\"]").await;
    second.hears("431[\"here\"]").await;
    assert!(session.is_connected());
    assert_eq!((live.len(), live.members("room").len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_heard_nothing_gets_all() {
    let (live, client) = house();
    let mut first = socket(&client).await;
    let opened = first.joins("/").await;
    drop(first);
    away(&live).await;
    live.to("room").emit("news", 1);
    live.to("room").send("plain");
    let mut second = socket(&client).await;
    second.say(&opened.claim("/", None)).await;
    second.recovers(&opened, "/").await;
    second.hears_event("42[\"news\",1").await;
    let heard = second.hears_event("42[\"message\",\"plain\"").await;
    // It comes back again, and has missed nothing.
    drop(second);
    away(&live).await;
    let mut third = socket(&client).await;
    third.say(&opened.claim("/", Some(&heard))).await;
    third.recovers(&opened, "/").await;
    third.is_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_polls_recovers_and_moves_to_its_websocket() {
    // The WebSocket is opened before the client asks for its namespace, when it has, or when it was answered.
    for probes in 0..4 {
        let (live, client) = house();
        let sid = client.open().await;
        client.say(&sid, &["40"]).await;
        let opened = Opened::read(client.poll(&sid).await.packets(), "/");
        live.to("room").emit("news", 1);
        let heard = offset(client.poll(&sid).await.packets(), "42[\"news\",1");
        // By polling a client is away when it does not answer a ping.
        client.say(&sid, &["1"]).await;
        away(&live).await;
        live.to("room").emit("news", 2);
        let sid = client.open().await;
        let mut candidate = None;
        if probes == 0 {
            let mut socket = client.beside(&sid).await;
            socket.say("2probe").await;
            socket.hears("3probe").await;
            candidate = Some(socket);
        }
        let (waiting, told) = tokio::join!(client.poll(&sid), async {
            tokio::task::yield_now().await;
            client.say(&sid, &[&opened.claim("/", Some(&heard))]).await;
        });
        let () = told;
        if probes == 1 {
            let mut socket = client.beside(&sid).await;
            socket.say("2probe").await;
            socket.hears("3probe").await;
            candidate = Some(socket);
        }
        let mut came: Vec<String> = waiting.packets().split('\u{1e}').map(str::to_owned).collect();
        // A poll that waits is answered, and the client polls again. One that waits for the client's move to its
        // WebSocket has the rest.
        if probes == 0 {
            assert_eq!(came.len(), 2, "{came:?}");
        } else {
            assert_eq!(came, ["6"]);
            came.clear();
        }
        let mut polls = 0;
        while came.len() < 2 && candidate.is_none() {
            came.extend(client.poll(&sid).await.packets().split('\u{1e}').map(str::to_owned));
            polls += 1;
            assert!(polls < 5, "{came:?}");
        }
        if probes == 2 {
            candidate = Some(client.beside(&sid).await);
            candidate.as_mut().unwrap().say("2probe").await;
            candidate.as_mut().unwrap().hears("3probe").await;
        }
        match candidate {
            Some(mut socket) => {
                socket.say("5").await;
                while came.len() < 2 {
                    came.push(socket.text().await);
                }
                live.to("room").emit("news", 3);
                socket.hears_event("42[\"news\",3").await;
                socket.say("421[\"echo\",5]").await;
                socket.hears("431[5]").await;
                assert_eq!(client.poll(&sid).await.status, 400);
            }
            None => {
                client.say(&sid, &["421[\"echo\",5]"]).await;
                client.hear(&sid, &["431[5]"]).await;
            }
        }
        assert_eq!(Opened::read(&came[0], "/"), opened, "{probes}");
        offset(&came[1], "42[\"news\",2");
        assert_eq!(live.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn each_namespace_recovers_by_its_own_pid() {
    let (live, client) = house();
    let mut first = socket(&client).await;
    let (root, adm) = (first.joins("/").await, first.joins("/adm").await);
    assert!(root.sid == adm.sid && root.pid != adm.pid);
    live.of("/adm").to("room").emit("news", 1);
    let heard = first.hears_event("42/adm,[\"news\",1").await;
    drop(first);
    away(&live).await;
    live.to("room").emit("news", 2);
    live.of("/adm").to("room").emit("news", 3);
    let mut second = socket(&client).await;
    // A page asks for all of its namespaces at once.
    second.say(&root.claim("/", None)).await;
    second.say(&adm.claim("/adm", Some(&heard))).await;
    second.recovers(&root, "/").await;
    second.hears_event("42[\"news\",2").await;
    second.recovers(&adm, "/adm").await;
    second.hears_event("42/adm,[\"news\",3").await;
    drop(second);
    away(&live).await;
    // One after the other, and what is sent meanwhile waits for the one that is not there yet.
    let mut third = socket(&client).await;
    third.say(&adm.claim("/adm", Some(&heard))).await;
    third.recovers(&adm, "/adm").await;
    third.hears_event("42/adm,[\"news\",3").await;
    live.to("room").emit("news", 4);
    third.is_quiet().await;
    third.say(&root.claim("/", None)).await;
    third.recovers(&root, "/").await;
    third.hears_event("42[\"news\",2").await;
    third.hears_event("42[\"news\",4").await;
    assert_eq!((live.len(), live.of("/adm").len()), (1, 1));
    // Without its pid a namespace begins anew, in the same session.
    drop(third);
    away(&live).await;
    let mut fourth = socket(&client).await;
    fourth.say(&adm.claim("/adm", Some(&heard))).await;
    fourth.recovers(&adm, "/adm").await;
    fourth.hears_event("42/adm,[\"news\",3").await;
    let anew = fourth.joins("/").await;
    assert!(anew.sid == root.sid && anew.pid != root.pid);
    assert_eq!(live.members("room").len(), 1);
    live.to("room").emit("news", 5);
    fourth.hears_event("42[\"news\",5").await;
    // A pid is of one namespace alone.
    fourth.say("41/adm,").await;
    fourth.say(&anew.claim("/adm", None)).await;
    assert_ne!(Opened::read(&fourth.text().await, "/adm").pid, anew.pid);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_lost_unnoticed_is_taken_over() {
    let (live, client) = house();
    let mut first = socket(&client).await;
    let opened = first.joins("/").await;
    live.to("room").emit("news", 1);
    let heard = first.hears_event("42[\"news\",1").await;
    live.to("room").emit("news", 2);
    first.hears_event("42[\"news\",2").await;
    // The client says that it has not heard the second.
    let mut second = socket(&client).await;
    second.say(&opened.claim("/", Some(&heard))).await;
    second.recovers(&opened, "/").await;
    let heard = second.hears_event("42[\"news\",2").await;
    first.is_closed().await;
    // Two at once: the later one has it.
    let (mut third, mut fourth) = (socket(&client).await, socket(&client).await);
    third.say(&opened.claim("/", Some(&heard))).await;
    fourth.say(&opened.claim("/", Some(&heard))).await;
    third.recovers(&opened, "/").await;
    fourth.recovers(&opened, "/").await;
    second.is_closed().await;
    third.is_closed().await;
    live.to("room").emit("news", 3);
    fourth.hears_event("42[\"news\",3").await;
    until("there is one", || live.len() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_answers_no_ping_is_away() {
    for polls in [false, true] {
        let server = builder().events(events()).build();
        let engine = super::settings();
        let client = Client::of_router(serve(&server, settings().engine(engine)), 4);
        let live = server.live();
        let opened = if polls {
            let sid = client.open().await;
            client.say(&sid, &["40"]).await;
            Opened::read(client.poll(&sid).await.packets(), "/")
        } else {
            let mut first = socket(&client).await;
            let opened = first.joins("/").await;
            first.hears("2").await;
            first.is_closed().await;
            opened
        };
        away(&live).await;
        until("it is parked", || live.len() == 1).await;
        tokio::time::sleep(TIME / 2).await;
        live.to("room").emit("news", 1);
        let mut second = socket(&client).await;
        second.say(&opened.claim("/", None)).await;
        second.recovers(&opened, "/").await;
        second.hears_event("42[\"news\",1").await;
    }
}

#[tokio::test(start_paused = true)]
async fn requests_end_as_unknown_or_reach_the_client_when_it_is_back() {
    let (live, client) = house();
    let mut first = socket(&client).await;
    let opened = first.joins("/").await;
    let session = live.sessions().remove(0);
    let ask = |name: &'static str| {
        let session = session.clone();
        tokio::spawn(async move { session.request::<_, _, u32>(name, ()).within(Duration::from_secs(60)).await })
    };
    let asked = ask("first?");
    let packet = first.text().await;
    assert!(packet.ends_with("[\"first?\"]"), "a request has no offset: {packet}");
    drop(first);
    away(&live).await;
    assert_eq!(asked.await.unwrap(), Err(RequestError::Unknown));
    live.to("room").emit("before", ());
    let asked = ask("second?");
    let votes = tokio::spawn(live.to("room").request::<_, _, u32>("third?", ()).into_future());
    tokio::task::yield_now().await;
    live.to("room").emit("behind", ());
    let mut second = socket(&client).await;
    second.say(&opened.claim("/", None)).await;
    second.recovers(&opened, "/").await;
    second.hears_event("42[\"before\"").await;
    let id = |packet: String, json: &str| packet.strip_prefix("42").unwrap().strip_suffix(json).unwrap().to_owned();
    let first = id(second.text().await, "[\"second?\"]");
    let other = id(second.text().await, "[\"third?\"]");
    second.hears_event("42[\"behind\"").await;
    second.say(&format!("43{first}[2]")).await;
    second.say(&format!("43{other}[3]")).await;
    assert_eq!(asked.await.unwrap(), Ok(2));
    assert_eq!(votes.await.unwrap().values().copied().collect::<Vec<_>>(), [3]);
}

#[tokio::test(start_paused = true)]
async fn the_answers_to_what_came_before_are_dropped() {
    let door = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let waits = door.clone();
    let work = async move |session: Session| {
        waits.acquire().await.unwrap().forget();
        session.emit("done", ()).await.unwrap();
        Reply(1)
    };
    let server = builder().events(Events::new().on("work", work)).build();
    let (client, live) = (Client::of_router(serve(&server, settings()), 4), server.live());
    let mut first = socket(&client).await;
    let opened = first.joins("/").await;
    first.say("427[\"work\"]").await;
    first.say("428[\"work\"]").await;
    first.is_quiet().await;
    // The attachments of a third never come.
    first.say("451-[\"work\",{\"_placeholder\":true,\"num\":0}]").await;
    first.is_quiet().await;
    drop(first);
    away(&live).await;
    door.add_permits(1);
    let mut second = socket(&client).await;
    second.say(&opened.claim("/", None)).await;
    second.recovers(&opened, "/").await;
    second.hears_event("42[\"done\"").await;
    door.add_permits(1);
    // The second began before the client was cut, too.
    second.hears_event("42[\"done\"").await;
    door.add_permits(1);
    second.say("427[\"work\"]").await;
    second.hears_event("42[\"done\"").await;
    second.hears("437[1]").await;
}

#[tokio::test(start_paused = true)]
async fn what_may_be_skipped_is_and_of_values_the_newest_is_kept() {
    let (live, client) = house_of(settings().recovery_log(4, 1 << 16));
    let mut first = socket(&client).await;
    let opened = first.joins("/").await;
    live.to("room").droppable().emit("frame", "a text");
    let heard = first.hears_event("42[\"frame\",\"a text\"").await;
    drop(first);
    away(&live).await;
    assert_eq!(live.to("room").droppable().emit("frame", "b").skipped, 1);
    live.to("room").emit("news", 1);
    for price in 0..100 {
        live.to("room").latest("price").emit("price", price);
    }
    live.to("room").emit("news", 2);
    let mut second = socket(&client).await;
    second.say(&opened.claim("/", Some(&heard))).await;
    second.recovers(&opened, "/").await;
    second.hears_event("42[\"news\",1").await;
    second.hears_event("42[\"price\",99").await;
    second.hears_event("42[\"news\",2").await;
}

#[tokio::test(start_paused = true)]
async fn what_a_history_replays_is_not_what_was_heard_before() {
    let events = Events::new().on("again", async |session: Session| {
        session.leave("room");
        session.emit("between", ()).await.unwrap();
        session.join_since("room", None).await.unwrap();
    });
    let events = events.on_open(async |session: Session| session.join_since("room", None).await.map(drop).unwrap());
    let server = builder().rooms("room", History::last(10)).events(events).build();
    let (live, client) = (server.live(), Client::of_router(serve(&server, settings()), 4));
    live.to("room").emit("news", 1);
    let mut first = socket(&client).await;
    let opened = first.joins("/").await;
    first.hears_event("42[\"news\",1").await;
    live.to("room").emit("news", 2);
    let heard = first.hears_event("42[\"news\",2").await;
    first.say("42[\"again\"]").await;
    let between = first.hears_event("42[\"between\"").await;
    first.hears_event("42[\"news\",1").await;
    let again = first.hears_event("42[\"news\",2").await;
    assert_ne!(heard, again);
    drop(first);
    away(&live).await;
    // It has not heard all of it, and then all but the last.
    let mut second = socket(&client).await;
    second.say(&opened.claim("/", Some(&between))).await;
    second.recovers(&opened, "/").await;
    let first_again = second.hears_event("42[\"news\",1").await;
    second.hears_event("42[\"news\",2").await;
    drop(second);
    away(&live).await;
    let mut third = socket(&client).await;
    third.say(&opened.claim("/", Some(&first_again))).await;
    third.recovers(&opened, "/").await;
    third.hears_event("42[\"news\",2").await;
    third.is_quiet().await;
}
