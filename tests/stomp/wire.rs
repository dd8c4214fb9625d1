//! The carriers of STOMP, each written by hand: a bare WebSocket, two transports of SockJS, and our own session.

use std::collections::VecDeque;

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use futures::{SinkExt, StreamExt};
use http_body_util::BodyExt;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, handshake::client::generate_key, protocol::CloseFrame},
};

use crate::support::{Body as NativeBody, HOST, Io, Payload, Record, Site, Socket, SocketEvent, Spelling, attempt};

/// A unit that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    Text(String),
    Binary(Vec<u8>),
    /// The session is over, with this code and text.
    Closed(u16, String),
    /// The connection ended without a word.
    Broken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    WebSocket,
    SockJsWebSocket,
    SockJsStream,
    Native,
}

pub const CARRIERS: [Carrier; 4] =
    [Carrier::WebSocket, Carrier::SockJsWebSocket, Carrier::SockJsStream, Carrier::Native];

type Io1 = WebSocketStream<Box<dyn Io>>;

/// A connection of one of them.
pub enum Wire {
    WebSocket(Box<Io1>),
    SockJsWebSocket(Box<Io1>, VecDeque<Came>),
    SockJsStream(Stream),
    Native(Box<Native>),
}

/// `xhr_streaming` and `xhr_send`.
pub struct Stream {
    site: Site,
    url: String,
    answer: Body,
    /// The bytes that came and are no whole line yet.
    rest: Vec<u8>,
    came: VecDeque<Came>,
}

/// A session of our own, over its WebSocket.
pub struct Native {
    site: Site,
    socket: Socket,
    id: String,
    secret: String,
    ordinal: u64,
    /// How many messages it has received, and sent.
    received: u64,
    sent: u64,
    /// How many of them the server has acknowledged.
    taken: u64,
    came: VecDeque<Came>,
}

impl Wire {
    /// The mount is at `/live`.
    pub async fn open(site: &Site, carrier: Carrier) -> Self {
        let url = format!("000/{}", attempt());
        match carrier {
            Carrier::WebSocket => Wire::WebSocket(Box::new(socket(site, "/live", "v12.stomp").await)),
            Carrier::SockJsWebSocket => {
                let io = socket(site, &format!("/live/{url}/websocket"), "").await;
                let mut wire = Wire::SockJsWebSocket(Box::new(io), VecDeque::new());
                assert_eq!(wire.next().await, Came::Text("o".to_owned()));
                wire
            }
            Carrier::SockJsStream => {
                let request = site.request(Method::POST, &format!("{url}/xhr_streaming")).body(Body::empty()).unwrap();
                let answer = site.send(request).await.into_body();
                let stream = Stream { site: site.clone(), url, answer, rest: Vec::new(), came: VecDeque::new() };
                let mut wire = Wire::SockJsStream(stream);
                assert_eq!(wire.next().await, Came::Text("o".to_owned()));
                wire
            }
            Carrier::Native => Wire::Native(Box::new(Native::open(site).await)),
        }
    }

    pub async fn text(&mut self, text: &str) {
        match self {
            Wire::WebSocket(io) => drop(io.send(Message::text(text.to_owned())).await),
            Wire::SockJsWebSocket(io, _) => drop(io.send(Message::text(json(text))).await),
            Wire::SockJsStream(stream) => {
                let request = stream.site.request(Method::POST, &format!("{}/xhr_send", stream.url));
                stream.site.send(request.body(json(text).into()).unwrap()).await;
            }
            Wire::Native(native) => native.send(Message::text(format!("m{text}"))).await,
        }
    }

    /// Panics over SockJS, which carries texts alone.
    pub async fn binary(&mut self, bytes: &[u8]) {
        match self {
            Wire::WebSocket(io) => drop(io.send(Message::binary(bytes.to_vec())).await),
            Wire::Native(native) => native.send(Message::binary(bytes.to_vec())).await,
            _ => panic!("SockJS carries texts alone"),
        }
    }

    /// The next unit. SockJS's own heart-beats and its `o` before anything else are skipped.
    pub async fn next(&mut self) -> Came {
        match self {
            Wire::WebSocket(io) => unit(io).await,
            Wire::SockJsWebSocket(io, came) => loop {
                if let Some(next) = came.pop_front() {
                    return next;
                }
                match unit(io).await {
                    Came::Text(frame) => came.extend(sockjs(&frame)),
                    other => return other,
                }
            },
            Wire::SockJsStream(stream) => stream.next().await,
            Wire::Native(native) => native.next().await,
        }
    }
}

impl Stream {
    async fn next(&mut self) -> Came {
        loop {
            if let Some(next) = self.came.pop_front() {
                return next;
            }
            let Some(chunk) = self.answer.frame().await else { return Came::Broken };
            let Ok(Ok(chunk)) = chunk.map(|frame| frame.into_data()) else { return Came::Broken };
            self.rest.extend_from_slice(&chunk);
            while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).take(end).collect();
                self.came.extend(sockjs(std::str::from_utf8(&line).unwrap()));
            }
        }
    }
}

impl Native {
    async fn open(site: &Site) -> Self {
        let mut socket = site.websocket("anywire/websocket").await;
        let (ordinal, came) = (1, VecDeque::new());
        let opening = NativeBody::new(Spelling::WebSocket).with_text('o', &[&1, &ordinal, &attempt()], "");
        socket.body(opening).await;
        let records = socket.records().await;
        let [Record::New(0, grant), ..] = records.as_slice() else { panic!("{records:?}") };
        let (id, secret) = (grant.id.clone(), grant.secret.clone());
        let site = site.clone();
        let mut native = Native { site, socket, id, secret, ordinal, received: 0, sent: 0, taken: 0, came };
        native.take(&records[1..]);
        native.socket.text("v:").await;
        native.socket.text("n1:").await;
        native
    }

    /// Waits until the server has taken all messages, and resumes.
    pub async fn resume_when_taken(&mut self) {
        self.socket.text("w:").await;
        while self.taken < self.sent {
            let records = self.socket.records().await;
            self.take(&records);
        }
        self.resume().await;
    }

    /// The connection breaks, and the session goes on with another. The server must have taken all messages.
    pub async fn resume(&mut self) {
        self.ordinal += 1;
        self.socket = self.site.websocket(&format!("anywire/websocket?session={}", self.id)).await;
        let body = NativeBody::new(Spelling::WebSocket);
        let fields = [&1 as &dyn std::fmt::Display, &self.ordinal, &0, &0, &self.id, &self.secret, &self.received];
        self.socket.body(body.record('r', &fields)).await;
        let records = self.socket.records().await;
        assert!(matches!(records[0], Record::Full(sent) if sent == self.sent), "{records:?}");
        self.take(&records[1..]);
        self.socket.text("v:").await;
        self.socket.text(format!("n{}:", self.sent + 1)).await;
    }

    async fn send(&mut self, message: Message) {
        self.sent += 1;
        drop(self.socket.io.send(message).await);
    }

    async fn next(&mut self) -> Came {
        loop {
            if let Some(next) = self.came.pop_front() {
                return next;
            }
            match self.socket.next().await {
                SocketEvent::Records(records) => self.take(&records),
                SocketEvent::Closed(code, text) => return Came::Closed(code, text),
                SocketEvent::Broken => return Came::Broken,
            }
        }
    }

    fn take(&mut self, records: &[Record]) {
        for record in records {
            let (number, came) = match record {
                Record::Message(number, Payload::Text(text)) => (number, Came::Text(text.clone())),
                Record::Message(number, Payload::Binary(bytes)) => (number, Came::Binary(bytes.clone())),
                Record::Close(number, code, text) => (number, Came::Closed(*code, text.clone())),
                Record::Ack(taken) | Record::PingAck(_, taken) => {
                    self.taken = *taken;
                    continue;
                }
                _ => continue,
            };
            assert_eq!(*number, self.received + 1);
            self.received += 1;
            self.came.push_back(came);
        }
    }
}

/// A text as an array of JSON.
fn json(text: &str) -> String {
    serde_json::to_string(&[text]).unwrap()
}

/// The units in a frame of SockJS.
fn sockjs(frame: &str) -> Vec<Came> {
    match frame.split_at_checked(1) {
        Some(("a", texts)) => {
            serde_json::from_str::<Vec<String>>(texts).expect(frame).into_iter().map(Came::Text).collect()
        }
        Some(("c", reason)) => {
            let (code, text) = serde_json::from_str(reason).expect(frame);
            vec![Came::Closed(code, text)]
        }
        Some(("o", "")) => vec![Came::Text("o".to_owned())],
        _ => Vec::new(),
    }
}

async fn unit(io: &mut Io1) -> Came {
    loop {
        return match io.next().await {
            Some(Ok(Message::Text(text))) => Came::Text(text.to_string()),
            Some(Ok(Message::Binary(bytes))) => Came::Binary(bytes.to_vec()),
            Some(Ok(Message::Close(Some(CloseFrame { code, reason })))) => {
                Came::Closed(code.into(), reason.to_string())
            }
            Some(Ok(Message::Close(None))) => Came::Closed(1005, String::new()),
            Some(Ok(_)) => continue,
            Some(Err(_)) | None => Came::Broken,
        };
    }
}

/// A WebSocket that offers a sub-protocol, if it is not empty.
async fn socket(site: &Site, path: &str, protocol: &str) -> Io1 {
    let mut request = Request::get(format!("ws://{HOST}{path}"))
        .header(header::HOST, HOST)
        .header(header::ORIGIN, format!("http://{HOST}"))
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, generate_key());
    if !protocol.is_empty() {
        request = request.header(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    let io = site.connect().await;
    tokio_tungstenite::client_async(request.body(()).unwrap(), io).await.expect("101").0
}
