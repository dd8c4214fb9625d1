//! A session of a transcript: its client's links, and what came on them.

use std::collections::{BTreeMap, VecDeque};

use axum::http::Method;
use tokio::task::JoinHandle;

use super::{
    client::{Came, Client, Got, Socket},
    recording::{Packet, Said, meaning, packets, parts},
};

/// A session of Engine.IO.
pub struct Session {
    pub client: Client,
    pub packed: bool,
    /// The URL of its polls behind the path.
    pub query: String,
    pub poll: Option<JoinHandle<Got>>,
    pub socket: Option<Socket>,
    /// Polls are over.
    pub moved: bool,
    /// Packets that came and are not in the recording yet.
    pub came: VecDeque<Packet>,
    /// The ids that requests of the server have here, by those of the recording.
    pub ids: BTreeMap<u64, u64>,
    /// The packets of the server: recorded, and of ours.
    pub heard: [Vec<Packet>; 2],
    /// Those of the client.
    pub said: Vec<Packet>,
}

/// The events of a session, as both sides saw them.
pub struct Seen {
    pub sid: String,
    /// The server's packets as a client's application sees them: recorded, and of ours.
    pub heard: [Vec<String>; 2],
    /// The client's packets as the server's application sees them.
    pub said: Vec<String>,
}

/// The packets in a binary message.
pub fn packets_of(packed: bool, message: &[u8]) -> Vec<Packet> {
    if packed { unpacked(message) } else { vec![Packet::Bytes(message.to_vec())] }
}

/// A packet in MessagePack as one in JSON.
#[cfg(feature = "msgpack")]
fn unpacked(message: &[u8]) -> Vec<Packet> {
    super::msgpack::unpacked(message)
}

#[cfg(not(feature = "msgpack"))]
fn unpacked(_: &[u8]) -> Vec<Packet> {
    unreachable!("nobody replays it")
}

pub fn is_noop(packet: &Packet) -> bool {
    *packet == Packet::Text("6".into())
}

impl Session {
    pub fn new(client: Client, packed: bool, socket: Option<Socket>) -> Self {
        Session {
            client,
            packed,
            query: String::new(),
            poll: None,
            moved: socket.is_some(),
            socket,
            came: VecDeque::new(),
            ids: BTreeMap::new(),
            heard: [Vec::new(), Vec::new()],
            said: Vec::new(),
        }
    }

    pub fn start_poll(&mut self) {
        let (client, query) = (self.client.clone(), self.query.clone());
        self.poll = Some(tokio::spawn(async move { client.ask(Method::GET, &query, "").await }));
    }

    /// The message in a binary message of a WebSocket.
    pub fn message_of<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        match self.client.revision {
            4 => bytes,
            _ => bytes.strip_prefix(&[4]).expect("the type of a message"),
        }
    }

    /// Notes what the client says, and gives an answer the id that its request has here.
    pub fn say(&mut self, packet: &mut Packet) {
        self.said.push(packet.clone());
        let Packet::Text(text) = packet else { return };
        if let Some((head, Some(id), data)) = parts(text)
            && matches!(head.as_bytes()[1], b'3' | b'6')
            && let Some(ours) = self.ids.get(&id)
        {
            *text = format!("{head}{ours}{data}");
        }
    }

    pub async fn say_by_socket(&mut self, said: &Said) {
        match said {
            Said::Bytes(bytes) => {
                self.said.extend(packets_of(self.packed, self.message_of(bytes)));
                self.socket.as_mut().unwrap().say_bytes(bytes).await;
            }
            Said::Text(text) => match text.strip_prefix("close ") {
                Some(code) => self.socket.as_mut().unwrap().close(code.parse().unwrap()).await,
                None => {
                    let mut packet = Packet::Text(text.clone());
                    self.say(&mut packet);
                    self.moved |= text == "5";
                    let Packet::Text(text) = packet else { unreachable!() };
                    self.socket.as_mut().unwrap().say(&text).await;
                }
            },
        }
    }

    /// The recorded packet with the id that ours has, if both are requests of the server.
    pub fn with_id_of(&mut self, recorded: &str, ours: &str) -> String {
        if let (Some((head, Some(id), data)), Some((_, Some(here), _))) = (parts(recorded), parts(ours))
            && matches!(head.as_bytes()[1], b'2' | b'5')
        {
            self.ids.insert(id, here);
            return format!("{head}{here}{data}");
        }
        recorded.to_owned()
    }

    /// The next packet of the server, on whatever carries it.
    pub async fn next(&mut self) -> Packet {
        loop {
            if let Some(packet) = self.came.pop_front() {
                return packet;
            }
            if self.poll.is_none() && !self.moved {
                self.start_poll();
            }
            let Session { poll, socket, .. } = self;
            tokio::select! {
                biased;
                got = async { poll.as_mut().unwrap().await }, if poll.is_some() => {
                    self.poll = None;
                    let got = got.unwrap();
                    self.polled(&got);
                }
                came = async { socket.as_mut().unwrap().next().await }, if socket.is_some() => {
                    let packets = match came {
                        Came::Text(text) => vec![Packet::Text(text)],
                        Came::Binary(bytes) => packets_of(self.packed, self.message_of(&bytes)),
                        Came::Closed(code) => vec![Packet::Closed(Some(code))],
                        Came::Broken => vec![Packet::Closed(None)],
                    };
                    self.came.extend(packets);
                }
            }
        }
    }

    pub async fn wait_for_poll(&mut self) {
        if let Some(poll) = self.poll.take() {
            let got = poll.await.unwrap();
            self.polled(&got);
        }
    }

    pub fn polled(&mut self, got: &Got) {
        assert_eq!(got.status, 200, "{}", got.text());
        for packet in packets(self.client.revision, got.text()).into_iter().filter(|packet| !is_noop(packet)) {
            match packet {
                Packet::Bytes(bytes) => self.came.extend(packets_of(self.packed, &bytes)),
                other => self.came.push_back(other),
            }
        }
    }

    /// The recording is over: nothing more has come.
    pub async fn end(mut self, sid: String) -> Seen {
        assert!(self.came.is_empty(), "{:?} is not recorded", self.came);
        if let Some(poll) = self.poll.take_if(|poll| poll.is_finished()) {
            let got = poll.await.unwrap();
            let rest = packets(self.client.revision, got.text());
            assert!(got.status == 200 && rest.iter().all(is_noop), "{} {rest:?} is not recorded", got.status);
        }
        let Session { heard, said, .. } = self;
        Seen { sid, heard: heard.map(|packets| meaning(&packets)), said: meaning(&said) }
    }
}
