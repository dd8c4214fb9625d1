//! A WebSocket of the native protocol.

use axum::http::{Request, StatusCode, header};
use futures::{SinkExt, StreamExt};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        handshake::client::generate_key,
        protocol::{CloseFrame, Role},
    },
};

use super::{
    peer::Peer,
    records::{Body, Parser, Payload, Record, Spelling},
    site::{HOST, Io, Site},
};

/// The next thing that a WebSocket received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketEvent {
    Records(Vec<Record>),
    /// The server's close frame.
    Closed(u16, String),
    /// The connection broke.
    Broken,
}

pub struct Socket {
    pub io: WebSocketStream<Box<dyn Io>>,
    parser: Parser,
}

impl Site {
    /// A WebSocket connection of a page of the same origin, on which nothing was sent yet.
    pub async fn websocket(&self, path: &str) -> Socket {
        self.websocket_as(path, &[("origin", &format!("http://{HOST}"))]).await.unwrap()
    }

    /// A WebSocket connection with these headers, or the status of the server's refusal.
    pub async fn websocket_as(&self, path: &str, headers: &[(&str, &str)]) -> Result<Socket, StatusCode> {
        let mut request = self
            .proxied(Request::get(format!("ws://{HOST}/live/{path}")))
            .header(header::HOST, HOST)
            .header(header::CONNECTION, "keep-alive, Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, generate_key());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let io = self.connect().await;
        match tokio_tungstenite::client_async(request.body(()).unwrap(), io).await {
            Ok((io, _)) => Ok(Socket::new(io)),
            Err(Error::Http(response)) => Err(response.status()),
            Err(error) => panic!("no WebSocket: {error}"),
        }
    }
}

impl Socket {
    pub async fn text(&mut self, text: impl Into<String>) {
        self.io.send(Message::text(text.into())).await.unwrap();
    }

    pub async fn body(&mut self, body: Body) {
        self.text(String::from_utf8(body.bytes).unwrap()).await;
    }

    /// The next event; empty messages and WebSocket's own pings are skipped.
    pub async fn next(&mut self) -> SocketEvent {
        loop {
            let records = match self.io.next().await {
                Some(Ok(Message::Text(text))) => self.parser.text_message(&text),
                Some(Ok(Message::Binary(bytes))) => vec![self.parser.binary_message(bytes.to_vec())],
                Some(Ok(Message::Close(Some(CloseFrame { code, reason })))) => {
                    return SocketEvent::Closed(code.into(), reason.to_string());
                }
                Some(Ok(Message::Close(None))) => return SocketEvent::Closed(1005, String::new()),
                Some(Ok(_)) => Vec::new(),
                Some(Err(_)) | None => return SocketEvent::Broken,
            };
            if !records.is_empty() {
                return SocketEvent::Records(records);
            }
        }
    }

    /// The next records; anything else is a panic.
    pub async fn records(&mut self) -> Vec<Record> {
        match self.next().await {
            SocketEvent::Records(records) => records,
            other => panic!("no records but {other:?}"),
        }
    }

    /// The server's close frame; records before it are skipped.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            match self.next().await {
                SocketEvent::Records(_) => {}
                SocketEvent::Closed(code, reason) => return (code, reason),
                SocketEvent::Broken => panic!("broken without a close frame"),
            }
        }
    }

    /// Sends every message of the peer that is not acknowledged.
    pub async fn flight(&mut self, peer: &Peer) {
        if let Some((first, _)) = peer.outbox.front() {
            self.text(format!("n{first}:")).await;
        }
        for (_, payload) in &peer.outbox {
            self.payload(payload).await;
        }
    }

    pub async fn payload(&mut self, payload: &Payload) {
        let message = match payload {
            Payload::Text(text) => Message::text(format!("m{text}")),
            Payload::Binary(bytes) => Message::binary(bytes.clone()),
        };
        self.io.send(message).await.unwrap();
    }
}

impl Peer {
    /// Opens over WebSocket.
    pub async fn open_socket(site: &Site) -> (Self, Socket) {
        Self::open_socket_with(site, &super::attempt(), "").await
    }

    pub async fn open_socket_with(site: &Site, attempt: &str, auth: &str) -> (Self, Socket) {
        let mut peer = Peer::new(site);
        let mut socket = peer.send_open(attempt, auth).await;
        peer.take(&socket.records().await);
        assert!(peer.seen, "the first record must be `s`");
        socket.text("v:").await;
        (peer, socket)
    }

    /// Connects and sends the open record with the next ordinal.
    pub async fn send_open(&mut self, attempt: &str, auth: &str) -> Socket {
        self.switch();
        let mut socket = self.site.websocket("websocket").await;
        let body = Body::new(Spelling::WebSocket).with_text('o', &[&1, &self.ordinal, &attempt], auth);
        socket.body(body).await;
        socket
    }

    /// Attaches by WebSocket with a higher ordinal and takes the `s`, then sends `v` and the outbox.
    pub async fn resume_socket(&mut self) -> Socket {
        let mut socket = self.attach_socket().await;
        self.take(&socket.records().await);
        assert!(self.seen, "the first record must be `s`");
        socket.text("v:").await;
        socket.flight(self).await;
        socket
    }

    /// Attaches by WebSocket with a higher ordinal.
    pub async fn attach_socket(&mut self) -> Socket {
        self.switch();
        let path = format!("websocket?session={}", self.id);
        let mut socket = self.site.websocket(&path).await;
        socket.body(self.resume()).await;
        socket
    }

    /// Takes records from a WebSocket until the peer has taken `count` messages in all.
    pub async fn take_until(&mut self, socket: &mut Socket, count: usize) {
        while self.got.len() < count {
            self.take(&socket.records().await);
        }
    }
}

impl Socket {
    /// The next event, or `None` if nothing comes before all tasks are idle. Needs tokio's paused clock.
    pub async fn quiet(&mut self) -> Option<SocketEvent> {
        tokio::time::timeout(std::time::Duration::from_millis(1), self.next()).await.ok()
    }
}

impl Socket {
    pub fn new(io: WebSocketStream<Box<dyn Io>>) -> Self {
        Socket { io, parser: Parser::new(Spelling::WebSocket) }
    }

    /// A WebSocket over a connection whose handshake is done.
    pub async fn over(io: Box<dyn Io>) -> Self {
        let io = WebSocketStream::from_raw_socket(io, Role::Client, None).await;
        Socket::new(io)
    }
}
