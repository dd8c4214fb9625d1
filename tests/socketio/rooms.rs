//! One room whose members are of all families of clients, and the lists of who is there.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use anywire::{Args, EngineIo, Events, Session};
use axum::Router;
use bytes::Bytes;
use serde::{Serialize, Serializer};

use super::{
    builder,
    client::{Came, Client, RS, Socket, sid_of},
    join, raw, router,
    support::{EventClient, Lives, Site, assert_sent, at_rest, until},
};

/// A member of the room, of one family.
enum Member {
    /// A native client, which knows events or not.
    Native(EventClient),
    /// Socket.IO, or Engine.IO alone.
    Socket(Socket),
    /// The same by polls: what came and was not looked at yet stands behind the sid.
    Polls(Client, String, Vec<String>),
    Raw(raw::Client),
}

impl Member {
    /// The next message or event as it was spelled; bytes as `bytes` and their values.
    async fn next(&mut self) -> String {
        match self {
            // It is asked for acknowledgements, and pinged.
            Member::Native(client) => loop {
                match client.any().await {
                    message if message.is_binary() => return format!("bytes{:?}", message.into_data().to_vec()),
                    message => {
                        let text = message.into_text().unwrap().to_string();
                        if text.starts_with(['e', 'm']) {
                            return text;
                        }
                    }
                }
            },
            Member::Socket(socket) => match socket.next().await {
                Came::Text(text) => text,
                Came::Binary(bytes) => format!("bytes{bytes:?}"),
                other => panic!("{other:?}"),
            },
            Member::Raw(client) => match client.next().await {
                raw::Came::Text(text) => text,
                raw::Came::Binary(bytes) => format!("bytes{bytes:?}"),
                other => panic!("{other:?}"),
            },
            Member::Polls(client, sid, came) => {
                if came.is_empty() {
                    let got = client.poll(sid).await;
                    *came = split(client.revision, got.packets());
                }
                came.remove(0)
            }
        }
    }

    /// The next message or event as JSON, whatever its spelling.
    async fn json(&mut self) -> String {
        let spelled = self.next().await;
        let start = spelled.find('[').unwrap_or_else(|| panic!("{spelled}"));
        spelled[start..].to_owned()
    }
}

/// The packets of a payload of text, which is ASCII.
fn split(revision: u8, mut payload: &str) -> Vec<String> {
    if revision == 4 {
        return payload.split(RS).map(str::to_owned).collect();
    }
    let mut packets = Vec::new();
    while let Some((length, rest)) = payload.split_once(':') {
        let (packet, behind) = rest.split_at(length.parse().unwrap());
        packets.push(packet.to_owned());
        payload = behind;
    }
    packets
}

/// The routers of a server: Socket.IO, Engine.IO alone, and the others.
struct House {
    live: Lives,
    socketio: Site,
    engineio: Site,
    native: Site,
    raw: Router,
}

impl House {
    /// All sessions are in the room `a`.
    fn new() -> Self {
        let server = builder()
            .handler(async |session: Session| {
                session.join("a");
                while session.recv().await.is_some() {}
            })
            .build();
        House {
            live: Lives::of_server(&server),
            socketio: Site::of(&server, |server| router(server, EngineIo::new())),
            engineio: Site::of(&server, |server| Router::new().merge(server.engineio("/engine.io"))),
            native: Site::of(&server, |server| Router::new().nest("/live", server.routes())),
            raw: Router::new().nest("/ws", server.raw()),
        }
    }

    async fn socketio(&self, revision: u8) -> Member {
        let mut socket = Client::new(self.socketio.clone(), revision).socket().await;
        assert!(socket.text().await.starts_with("0{"));
        match revision {
            4 => join(&mut socket, "/").await,
            _ => socket.hears("40").await,
        }
        Member::Socket(socket)
    }

    async fn socketio_by_polls(&self, revision: u8) -> Member {
        let mut client = Client::new(self.socketio.clone(), revision);
        client.query.push_str("&b64=1");
        let sid = client.open().await;
        if revision == 4 {
            client.say(&sid, &["40"]).await;
        }
        let opened = client.poll(&sid).await;
        assert!(split(revision, opened.packets())[0].starts_with("40"));
        Member::Polls(client, sid, Vec::new())
    }

    async fn engineio(&self) -> Member {
        let mut socket = Client::new(self.engineio.clone(), 4).socket().await;
        sid_of(&socket.text().await);
        Member::Socket(socket)
    }

    async fn engineio_by_polls(&self) -> Member {
        let client = Client::new(self.engineio.clone(), 4);
        let sid = client.open().await;
        Member::Polls(client, sid, Vec::new())
    }

    /// One member of each family, in the order of the tests' expectations.
    async fn members(&self) -> Vec<Member> {
        let members = vec![
            Member::Native(EventClient::open(&self.native, "events").await),
            Member::Native(EventClient::open(&self.native, "").await),
            self.socketio(4).await,
            self.socketio(3).await,
            self.socketio_by_polls(4).await,
            self.socketio_by_polls(3).await,
            Member::Raw(raw::Client::open(&self.raw).await),
            self.engineio().await,
            self.engineio_by_polls().await,
        ];
        until("all have joined", || self.live.members("a").len() == members.len()).await;
        at_rest().await;
        members
    }
}

#[tokio::test(start_paused = true)]
async fn each_member_gets_events_and_messages_in_its_own_spelling() {
    let house = House::new();
    let mut members = house.members().await;
    assert_sent(&house.live.to("a").emit("tick", Args((1, "a"))), members.len());
    assert_sent(&house.live.to("a").send("hello"), members.len());
    assert_sent(&house.live.to("a").send(Bytes::from_static(&[1, 2])), members.len());
    let json = "[\"tick\",1,\"a\"]";
    let attached = "51-[\"message\",{\"_placeholder\":true,\"num\":0}]";
    let bytes = "bytes[1, 2]";
    let socketio = |bytes: &str| {
        vec![format!("42{json}"), "42[\"message\",\"hello\"]".to_owned(), format!("4{attached}"), bytes.to_owned()]
    };
    let plain = |letter: &str, bytes: &str| vec![format!("{letter}{json}"), format!("{letter}hello"), bytes.to_owned()];
    let expected = [
        vec![format!("e2{json}"), "mhello".to_owned(), bytes.to_owned()],
        plain("m", bytes),
        socketio(bytes),
        socketio("bytes[4, 1, 2]"),
        socketio("bAQI="),
        socketio("b4AQI="),
        plain("", bytes),
        plain("4", bytes),
        plain("4", "bAQI="),
    ];
    for (member, expected) in members.iter_mut().zip(expected) {
        for expected in expected {
            assert_eq!(member.next().await, expected);
        }
    }
}

/// A long text that counts how often it is serialised.
#[derive(Clone, Default)]
struct Counted(Arc<AtomicUsize>);

const LENGTH: usize = 20_000;

impl Serialize for Counted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.fetch_add(1, SeqCst);
        serializer.serialize_str(&"x".repeat(LENGTH))
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_is_serialised_once_for_all_families() {
    let house = House::new();
    let mut members = house.members().await;
    let value = Counted::default();
    assert_sent(&house.live.to("a").emit("tick", value.clone()), members.len());
    let expected = format!("[\"tick\",\"{}\"]", "x".repeat(LENGTH));
    for member in &mut members {
        assert_eq!(member.json().await, expected);
    }
    assert_eq!(value.0.load(SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_of_all_families_see_one_order_of_the_events_of_two_senders() {
    const EACH: usize = 200;
    let house = House::new();
    let members = house.members().await;
    let senders = [0, 1].map(|sender| {
        let live = house.live.clone();
        tokio::spawn(async move {
            for number in 0..EACH {
                live.to("a").emit("sent", Args((sender, number)));
                if number % 16 == 0 {
                    tokio::task::yield_now().await;
                }
            }
        })
    });
    let orders = members.into_iter().map(|mut member| async move {
        let mut got = Vec::new();
        while got.len() < 2 * EACH {
            got.push(member.json().await);
        }
        got
    });
    let orders = futures::future::join_all(orders).await;
    for sender in senders {
        sender.await.unwrap();
    }
    for order in &orders {
        assert_eq!(order, &orders[0], "one order for all");
    }
    for sender in [0, 1] {
        let own = orders[0].iter().filter(|json| json.starts_with(&format!("[\"sent\",{sender},")));
        assert!(own.eq(&(0..EACH).map(|number| format!("[\"sent\",{sender},{number}]")).collect::<Vec<_>>()));
    }
}

#[tokio::test(start_paused = true)]
async fn the_lists_and_the_exceptions_know_members_of_all_families() {
    let house = House::new();
    let members = house.members().await;
    let live = &house.live;
    let all = live.sessions();
    assert_eq!((all.len(), live.len(), live.of("/").len()), (members.len(), members.len(), members.len()));
    for session in &all {
        assert_eq!((session.namespace(), session.rooms()), ("/", vec!["a".to_owned()]));
        assert_eq!(live.session(session.id()).unwrap().rooms(), session.rooms());
        assert_eq!(live.to("a").except(session).send("x").sent, members.len() - 1);
        assert_eq!(live.all().except(session).send("x").sent, members.len() - 1);
        assert_eq!(session.to("a").send("x").sent, members.len() - 1);
        assert_eq!(session.within("a").send("x").sent, members.len());
    }
    assert_eq!(live.to("a").except_room("a").send("x").sent, 0);
    // A session with no namespace is nobody.
    let mut nobody = Client::new(house.socketio.clone(), 4).socket().await;
    assert!(nobody.text().await.starts_with("0{"));
    assert_eq!((live.sessions().len(), live.len(), live.members("a").len()), (all.len(), all.len(), all.len()));
    assert_eq!((live.all().send("x").sent, live.to("a").send("x").sent), (all.len(), all.len()));
    nobody.is_quiet().await;
    // By command, too.
    assert_eq!(live.all().join("b"), all.len());
    assert_eq!(live.to("b").send("x").sent, all.len());
    for session in &all {
        session.close(1000, "over");
    }
    assert!(live.sessions().is_empty() && live.is_empty(), "{}", live.len());
    assert_eq!(live.all().send("x").sent, 0);
}

#[tokio::test(start_paused = true)]
async fn rooms_of_two_namespaces_are_two_rooms() {
    let join_room = || {
        Events::new().on_open(async |session: Session| {
            session.join("a");
        })
    };
    let server = builder().events(join_room()).namespace("/adm", join_room()).build();
    let live = Lives::of_server(&server);
    let mut client = Client::of(&server, 4).socket().await;
    client.text().await;
    join(&mut client, "/adm").await;
    at_rest().await;
    assert_sent(&live.to("a").send("x"), 0);
    assert_sent(&live.of("/adm").to("a").send("adm"), 1);
    client.hears("42/adm,[\"message\",\"adm\"]").await;
    join(&mut client, "/").await;
    at_rest().await;
    let session = live.sessions().remove(0);
    assert_sent(&live.to("a").except(&session).send("x"), 0);
    assert_sent(&live.of("/adm").to("a").emit("tick", ()), 1);
    client.hears("42/adm,[\"tick\"]").await;
    assert_sent(&live.to("a").emit("tick", ()), 1);
    client.hears("42[\"tick\"]").await;
    session.close(1000, "");
    client.hears("41").await;
    assert_eq!((live.members("a").len(), live.of("/adm").members("a").len()), (0, 1));
}
