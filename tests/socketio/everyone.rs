//! The example `everyone`: clients of every kind in one room, over real sockets.

#[path = "../../examples/everyone/main.rs"]
mod example;

use std::collections::VecDeque;

use serde_json::json;

use crate::{
    client::{Client, Socket, sid_of},
    support::{EventClient, Site},
};

/// One client, which is in the room.
enum Voice {
    Native(Box<EventClient>),
    /// A WebSocket, and what stands in front of a message and of an event.
    Socket(Socket, &'static str, &'static str),
    /// Polls of Engine.IO 3, and the packets that have come and were not heard yet.
    Polls {
        client: Client,
        sid: String,
        came: VecDeque<String>,
    },
}

impl Voice {
    async fn native(site: &Site) -> Self {
        Voice::Native(Box::new(EventClient::open(site, "events").await))
    }

    async fn bare(site: &Site) -> Self {
        let socket = at(site, "/ws", 4).try_socket("").await.unwrap();
        Voice::Socket(socket, "", "")
    }

    async fn engine_io(site: &Site) -> Self {
        let mut socket = at(site, "/engine.io/", 4).socket().await;
        sid_of(&socket.text().await);
        Voice::Socket(socket, "4", "4")
    }

    async fn socket_io_4(site: &Site) -> Self {
        let mut socket = at(site, "/socket.io/", 4).socket().await;
        sid_of(&socket.text().await);
        socket.say("40").await;
        let answer = socket.text().await;
        assert!(answer.starts_with("40{\"sid\":"), "{answer}");
        Voice::Socket(socket, "42", "42")
    }

    async fn socket_io_2(site: &Site) -> Self {
        let client = at(site, "/socket.io/", 3);
        let mut came = packets(client.handshake().await.packets());
        let sid = sid_of(&came.pop_front().unwrap());
        let mut voice = Voice::Polls { client, sid, came };
        assert_eq!(voice.next().await, "40", "`/` is open unasked");
        voice
    }

    async fn say(&mut self, text: &str) {
        match self {
            Voice::Native(client) => client.send(&format!("m{text}")).await,
            Voice::Socket(socket, "42", _) => socket.say(&format!("42{}", json!(["message", text]))).await,
            Voice::Socket(socket, prefix, _) => socket.say(&format!("{prefix}{text}")).await,
            Voice::Polls { client, sid, .. } => client.say(sid, &[&format!("42{}", json!(["message", text]))]).await,
        }
    }

    async fn next(&mut self) -> String {
        match self {
            Voice::Native(client) => client.event().await,
            Voice::Socket(socket, ..) => socket.text().await,
            Voice::Polls { client, sid, came } => loop {
                match came.pop_front() {
                    Some(packet) => return packet,
                    None => *came = packets(client.poll(sid).await.packets()),
                }
            },
        }
    }

    /// The next that it gets is this line.
    async fn hears(&mut self, line: &str) {
        let prefix = match self {
            Voice::Native(_) => "e2",
            Voice::Socket(_, _, prefix) => prefix,
            Voice::Polls { .. } => "42",
        };
        assert_eq!(self.next().await, format!("{prefix}{line}"));
    }
}

fn at(site: &Site, path: &'static str, revision: u8) -> Client {
    Client { path, ..Client::new(site.clone(), revision) }
}

/// The packets of a payload of revision 3, which are ASCII here.
fn packets(mut payload: &str) -> VecDeque<String> {
    let mut packets = VecDeque::new();
    while let Some((length, rest)) = payload.split_once(':') {
        let (packet, rest) = rest.split_at(length.parse().unwrap());
        packets.push_back(packet.to_owned());
        payload = rest;
    }
    packets
}

#[tokio::test]
async fn everyone_hears_everyone() {
    let site = Site::socket(example::app()).await;
    let line = |kind: &str, transport: &str, text: &str| json!(["said", kind, transport, text]).to_string();
    let mut bare = Voice::bare(&site).await;
    // Nothing tells it that it is in the room, but its own line does.
    bare.say("first").await;
    bare.hears(&line("WebSocket", "websocket", "first")).await;

    let mut voices = [
        (bare, "WebSocket", "websocket"),
        (Voice::native(&site).await, "Anywire", "websocket"),
        (Voice::engine_io(&site).await, "Engine.IO", "websocket"),
        (Voice::socket_io_4(&site).await, "Socket.IO 3 or 4", "websocket"),
        (Voice::socket_io_2(&site).await, "Socket.IO 1 or 2", "polling"),
    ];
    for nth in 0..voices.len() {
        let (voice, kind, transport) = &mut voices[nth];
        let text = format!("line {nth}");
        let line = line(kind, transport, &text);
        voice.say(&text).await;
        for (voice, ..) in &mut voices {
            voice.hears(&line).await;
        }
    }
}

/// The script that pages load as Socket.IO's speaks the native protocol, and is told apart.
#[tokio::test]
async fn the_kinds_are_told_by_the_opening_request() {
    for (uri, kind) in [
        ("/live", "Anywire"),
        ("/socket.io/anywire?x=1", "Anywire's io()"),
        ("/socket.io/?transport=polling&EIO=4", "Socket.IO 3 or 4"),
        ("/socket.io?EIO=3&transport=polling", "Socket.IO 1 or 2"),
        ("/socket.io/?EIO=41", "Socket.IO 1 or 2"),
        ("/engine.io/?EIO=4", "Engine.IO"),
        ("/ws", "WebSocket"),
    ] {
        assert_eq!(example::kind(&uri.parse().unwrap()).0, kind, "{uri}");
    }
}
