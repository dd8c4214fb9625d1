//! Clients of seven kinds in one room, with one handler: each gets an event in its own words, which are made once for all
//! clients of its kind. Debug builds trace each encoding of a message.
#![allow(clippy::disallowed_methods)]

mod support;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use anywire::{Anywire, Builder, Data, Delivered, Events, Origins, Server, Session, Stomp};
use axum::Router;
use futures::StreamExt;
use support::{EventClient, Site, Socket};
use tokio_tungstenite::tungstenite::Message;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

const OF_EACH: usize = 3;

/// A kind of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    NativeEvents,
    Native,
    Bare,
    SockJs,
    EngineIo,
    SocketIo,
    Stomp,
}

const KINDS: [Kind; 7] =
    [Kind::NativeEvents, Kind::Native, Kind::Bare, Kind::SockJs, Kind::EngineIo, Kind::SocketIo, Kind::Stomp];

impl Kind {
    /// Opens a client of this kind, which is in the room when this returns.
    async fn open(self, site: &Site) -> Socket {
        match self {
            Kind::NativeEvents => EventClient::open(site, "events").await.socket,
            Kind::Native => EventClient::open(site, "").await.socket,
            Kind::Bare => site.websocket("bare").await,
            Kind::SockJs => begun(site.websocket("sockjs/000/abcdefgh/websocket").await, "o").await,
            Kind::EngineIo => begun(site.websocket("engine/?EIO=4&transport=websocket").await, "0{").await,
            Kind::SocketIo => {
                let mut socket = begun(site.websocket("socket/?EIO=4&transport=websocket").await, "0{").await;
                socket.text("40").await;
                begun(socket, "40{").await
            }
            Kind::Stomp => {
                let mut socket = site.websocket("stomp").await;
                socket.text("CONNECT\naccept-version:1.2\nhost:x\n\n\0").await;
                let mut socket = begun(socket, "CONNECTED\n").await;
                socket.text("SUBSCRIBE\nid:s\ndestination:/topic/lobby\nreceipt:r\n\n\0").await;
                begun(socket, "RECEIPT\n").await
            }
        }
    }

    /// The words in which a client of this kind says the event `say`.
    fn says(self) -> &'static str {
        match self {
            Kind::NativeEvents => "e2[\"say\",\"hello\"]",
            Kind::Native => "m[\"say\",\"hello\"]",
            Kind::Bare => "[\"say\",\"hello\"]",
            Kind::SockJs => "[\"[\\\"say\\\",\\\"hello\\\"]\"]",
            Kind::EngineIo => "4[\"say\",\"hello\"]",
            Kind::SocketIo => "42[\"say\",\"hello\"]",
            Kind::Stomp => "SEND\ndestination:/app/say\n\nhello\0",
        }
    }

    /// The words in which it hears the event `said`.
    fn hears(self) -> &'static str {
        match self {
            Kind::NativeEvents => "e2[\"said\",\"hello\"]",
            Kind::Native => "m[\"said\",\"hello\"]",
            Kind::Bare => "[\"said\",\"hello\"]",
            Kind::SockJs => "a[\"[\\\"said\\\",\\\"hello\\\"]\"]",
            Kind::EngineIo => "4[\"said\",\"hello\"]",
            Kind::SocketIo => "42[\"said\",\"hello\"]",
            Kind::Stomp => "\"hello\"\0",
        }
    }
}

/// Reads up to a message that begins so.
async fn begun(mut socket: Socket, beginning: &str) -> Socket {
    while !text(&mut socket).await.starts_with(beginning) {}
    socket
}

async fn text(socket: &mut Socket) -> String {
    loop {
        match socket.io.next().await.expect("it is open").expect("it is well") {
            Message::Text(text) => return text.to_string(),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Counts the encodings of messages, by their cells.
#[derive(Clone, Default)]
struct Encodings(Arc<Mutex<BTreeMap<u64, usize>>>);

impl Visit for Encodings {
    fn record_u64(&mut self, _: &Field, cell: u64) {
        *self.0.lock().unwrap().entry(cell).or_default() += 1;
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

impl Subscriber for Encodings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "anywire::encoding"
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn server(set: impl Fn(Builder) -> Builder, delivered: impl Fn(Delivered) + Clone + Send + Sync + 'static) -> Server {
    let events = Events::new()
        .on_open(async |session: Session| {
            session.join("lobby");
        })
        .on("say", move |Data(text): Data<String>, session: Session| {
            delivered(session.within("lobby").emit("said", text));
            std::future::ready(())
        });
    set(Anywire::builder().origins(Origins::Any)).events(events).build()
}

fn site(server: &Server) -> Site {
    let router = Router::new()
        .nest("/live", server.routes())
        .nest("/live/bare", server.raw())
        .merge(server.sockjs("/live/sockjs"))
        .merge(server.engineio("/live/engine"))
        .merge(server.socketio("/live/socket"))
        .merge(server.stomp_with("/live/stomp", Stomp::new().topic("lobby")));
    Site::here(router)
}

/// One client of each kind speaks, and all hear it. Each event is written once for each kind, on each node.
async fn talk(clients: &mut [(Kind, Socket)], nodes: usize) {
    for sender in 0..KINDS.len() {
        let encodings = Encodings::default();
        let counting = tracing::subscriber::set_default(encodings.clone());
        let (kind, socket) = &mut clients[sender * OF_EACH];
        let says = kind.says();
        socket.text(says).await;
        for (kind, socket) in &mut *clients {
            loop {
                let heard = text(socket).await;
                if heard.contains("said") {
                    assert!(heard.contains(kind.hears()), "{kind:?} heard {heard:?}");
                    break;
                }
            }
        }
        drop(counting);
        let counts = encodings.0.lock().unwrap().clone();
        assert_eq!(counts.len(), KINDS.len(), "{says}: {counts:?}");
        assert!(counts.values().all(|&count| count == nodes), "{says}: {counts:?}");
    }
}

#[tokio::test]
async fn seven_kinds_of_clients_are_in_one_room_and_each_event_is_written_once_for_each_kind() {
    let server = server(|builder| builder, |delivered| assert_eq!(delivered.sent, KINDS.len() * OF_EACH));
    let site = site(&server);
    let mut clients = Vec::new();
    for kind in KINDS {
        for _ in 0..OF_EACH {
            clients.push((kind, kind.open(&site).await));
        }
    }
    support::until("all are in the room", || server.members("lobby").len() == clients.len()).await;
    talk(&mut clients, 1).await;
}

#[cfg(feature = "cluster")]
#[tokio::test]
async fn they_are_in_one_room_on_three_nodes_and_each_event_is_written_once_for_each_kind_on_each_node() {
    let engine = anywire::InProcess::new();
    let node = || {
        server(
            |builder| builder.cluster(engine.clone()),
            |delivered| assert!(delivered.published && delivered.sent == 0, "{delivered:?}"),
        )
    };
    let servers = [node(), node(), node()];
    for server in &servers {
        server.live().ready().await;
    }
    let sites = servers.each_ref().map(site);
    let mut clients = Vec::new();
    for kind in KINDS {
        for at in 0..OF_EACH {
            clients.push((kind, kind.open(&sites[at % sites.len()]).await));
        }
    }
    support::until("all are in the room", || {
        servers.iter().map(|server| server.members("lobby").len()).sum::<usize>() == clients.len()
    })
    .await;
    support::until("all know each other", || {
        servers.iter().all(|server| server.live().cluster().unwrap().nodes.len() == servers.len())
    })
    .await;
    // The topics are asked for.
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    talk(&mut clients, servers.len()).await;
}
