//! A client of Engine.IO that does what a test says, and nothing by itself.

use std::time::Duration;

use anywire::{EngineIo, Server, Session};
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request, header},
};
use futures::{SinkExt, StreamExt};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Error, Message, handshake::client::generate_key, protocol::CloseFrame},
};

use crate::{
    builder, router, settings,
    support::{HOST, Io, Site, echo},
};

/// The separator of packets in revision 4.
pub const RS: char = '\x1e';

#[derive(Clone)]
pub struct Client {
    pub site: Site,
    pub revision: u8,
    /// The path of the route, with the slash at its end.
    pub path: &'static str,
    /// The parameters of every request.
    pub query: String,
    pub headers: Vec<(&'static str, String)>,
}

/// An answer over HTTP.
#[derive(Debug)]
pub struct Got {
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Got {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap()
    }

    /// The answer of a poll.
    pub fn packets(&self) -> &str {
        assert_eq!(self.status, 200, "{}", self.text());
        self.text()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn is(&self, status: u16, body: &str) {
        assert_eq!((self.status, self.text()), (status, body));
    }
}

impl Client {
    pub fn new(site: Site, revision: u8) -> Self {
        Client { site, revision, path: "/engine.io/", query: format!("EIO={revision}"), headers: Vec::new() }
    }

    /// An echo in this process, over pipes, where tokio's clock may be paused.
    pub fn here(revision: u8) -> Self {
        Self::of(&builder().handler(echo).build(), revision)
    }

    /// The same, with the published suites' times of heartbeats.
    pub fn quick(revision: u8) -> Self {
        Self::quick_of(&builder().handler(echo).build(), revision)
    }

    /// A client of this server, over pipes. No ping comes while a test runs.
    pub fn of(server: &Server, revision: u8) -> Self {
        Self::new(Site::of(server, |server| router(server, EngineIo::new())), revision)
    }

    pub fn quick_of(server: &Server, revision: u8) -> Self {
        Self::new(Site::of(server, |server| router(server, settings())), revision)
    }

    pub fn of_router(router: Router, revision: u8) -> Self {
        Self::new(Site::here(router), revision)
    }

    /// An echo over real sockets, or the server that the environment names.
    pub async fn real(revision: u8) -> Self {
        let site = match std::env::var("ANYWIRE_ENGINEIO") {
            Ok(address) => Site::at(address.parse().expect("ANYWIRE_ENGINEIO is an address with a port")),
            Err(_) => Site::socket_of(&builder().handler(echo).build(), |server| router(server, settings())).await,
        };
        Self::new(site, revision)
    }

    /// A request of the route with these parameters alone.
    pub async fn ask(&self, method: Method, query: &str, body: impl Into<Body>) -> Got {
        self.ask_at(self.path, method, query, body).await
    }

    pub async fn ask_at(&self, path: &str, method: Method, query: &str, body: impl Into<Body>) -> Got {
        let mut request = Request::builder().method(method).uri(format!("{path}?{query}")).header("host", HOST);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let answer = self.site.ask(request.body(body.into()).unwrap()).await;
        Got { status: answer.status.as_u16(), headers: answer.headers, bytes: answer.body.to_vec() }
    }

    /// A GET with these parameters besides those of every request.
    pub async fn get(&self, query: &str) -> Got {
        self.ask(Method::GET, &format!("{}&{query}", self.query), "").await
    }

    pub async fn handshake(&self) -> Got {
        self.get("transport=polling").await
    }

    /// Opens a session by a poll, and returns its sid.
    pub async fn open(&self) -> String {
        sid_of(self.unframed(self.handshake().await.packets()))
    }

    pub async fn poll(&self, sid: &str) -> Got {
        self.get(&format!("transport=polling&sid={sid}")).await
    }

    pub async fn post(&self, sid: &str, body: impl Into<Body>) -> Got {
        let query = format!("{}&transport=polling&sid={sid}", self.query);
        self.ask(Method::POST, &query, body).await
    }

    /// The packets as a text payload of this revision.
    pub fn payload(&self, packets: &[&str]) -> String {
        match self.revision {
            4 => packets.join(&RS.to_string()),
            _ => packets.iter().map(|packet| format!("{}:{packet}", packet.encode_utf16().count())).collect(),
        }
    }

    /// The packets of a payload of text, which are all ASCII.
    pub fn packets(&self, payload: &str) -> Vec<String> {
        if self.revision == 4 {
            return payload.split(RS).map(str::to_owned).collect();
        }
        let (mut rest, mut packets) = (payload, Vec::new());
        while let Some((length, behind)) = rest.split_once(':') {
            let (packet, behind) = behind.split_at(length.parse().unwrap());
            packets.push(packet.to_owned());
            rest = behind;
        }
        packets
    }

    /// The only packet of a payload.
    pub fn unframed<'a>(&self, payload: &'a str) -> &'a str {
        match self.revision {
            4 => payload,
            _ => {
                let (length, packet) = payload.split_once(':').unwrap();
                assert_eq!(length, packet.encode_utf16().count().to_string());
                packet
            }
        }
    }

    /// Sends packets; they are taken.
    pub async fn say(&self, sid: &str, packets: &[&str]) {
        self.post(sid, self.payload(packets)).await.is(200, "ok");
    }

    /// Polls, and gets these packets.
    pub async fn hear(&self, sid: &str, packets: &[&str]) {
        self.poll(sid).await.is(200, &self.payload(packets));
    }

    /// A WebSocket, or the refusal of its handshake.
    pub async fn try_socket(&self, query: &str) -> Result<Socket, Got> {
        let mut request = Request::get(format!("ws://{HOST}{}?{query}", self.path))
            .header(header::HOST, HOST)
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, generate_key());
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let io = self.site.connect().await;
        match tokio_tungstenite::client_async(request.body(()).unwrap(), io).await {
            Ok((io, response)) => Ok(Socket { io, cookie: response.headers().get("set-cookie").cloned() }),
            Err(Error::Http(response)) => {
                let (parts, body) = response.into_parts();
                let bytes = body.unwrap_or_default();
                Err(Got { status: parts.status.as_u16(), headers: parts.headers, bytes })
            }
            Err(error) => panic!("no WebSocket: {error}"),
        }
    }

    /// A session that is a WebSocket, whose first packet is yet to come.
    pub async fn socket(&self) -> Socket {
        self.try_socket(&format!("{}&transport=websocket", self.query)).await.expect("101")
    }

    /// A WebSocket beside the polls of a session.
    pub async fn beside(&self, sid: &str) -> Socket {
        self.try_socket(&format!("{}&transport=websocket&sid={sid}", self.query)).await.expect("101")
    }

    /// A WebSocket that has taken the place of the polls.
    pub async fn upgrade(&self, sid: &str) -> Socket {
        let mut socket = self.beside(sid).await;
        socket.say("2probe").await;
        socket.hears("3probe").await;
        socket.say("5").await;
        socket
    }
}

/// The sid in an open packet.
pub fn sid_of(packet: &str) -> String {
    let open: serde_json::Value = serde_json::from_str(packet.strip_prefix('0').unwrap()).unwrap();
    open["sid"].as_str().unwrap().to_owned()
}

/// A unit that came on a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    Text(String),
    Binary(Vec<u8>),
    Closed(u16),
    /// The connection ended without a close frame.
    Broken,
}

pub struct Socket {
    io: WebSocketStream<Box<dyn Io>>,
    pub cookie: Option<axum::http::HeaderValue>,
}

impl Socket {
    pub async fn say(&mut self, text: &str) {
        self.io.send(Message::text(text.to_owned())).await.unwrap();
    }

    pub async fn say_bytes(&mut self, bytes: &[u8]) {
        self.io.send(Message::binary(bytes.to_vec())).await.unwrap();
    }

    /// Closes it with this code; 1005 means none.
    pub async fn close(&mut self, code: u16) {
        let frame = (code != 1005).then(|| CloseFrame { code: code.into(), reason: "".into() });
        self.io.send(Message::Close(frame)).await.unwrap();
    }

    pub async fn next(&mut self) -> Came {
        loop {
            return match self.io.next().await {
                Some(Ok(Message::Text(text))) => Came::Text(text.to_string()),
                Some(Ok(Message::Binary(bytes))) => Came::Binary(bytes.to_vec()),
                Some(Ok(Message::Close(Some(CloseFrame { code, .. })))) => Came::Closed(code.into()),
                Some(Ok(Message::Close(None))) => Came::Closed(1005),
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => Came::Broken,
            };
        }
    }

    pub async fn text(&mut self) -> String {
        match self.next().await {
            Came::Text(text) => text,
            other => panic!("no text but {other:?}"),
        }
    }

    pub async fn hears(&mut self, text: &str) {
        assert_eq!(self.next().await, Came::Text(text.to_owned()));
    }

    /// It is closed; what comes before, as a ping, is skipped.
    pub async fn is_closed(&mut self) {
        while matches!(self.next().await, Came::Text(_) | Came::Binary(_)) {}
    }

    /// Nothing comes before all tasks are idle. Needs tokio's paused clock.
    pub async fn is_quiet(&mut self) {
        assert_eq!(tokio::time::timeout(Duration::from_millis(1), self.next()).await.ok(), None);
    }
}

/// Names the transport of the session at each message.
pub async fn transport(session: Session) {
    while session.recv().await.is_some() {
        let _ = session.send(session.transport().name()).await;
    }
}

/// The code and the text with which sessions end.
pub type Ends = tokio::sync::mpsc::UnboundedReceiver<(u16, String)>;

/// A server that echoes, and how its sessions end.
pub fn ending() -> (Server, Ends) {
    ending_of(builder())
}

pub fn ending_of(builder: anywire::Builder) -> (Server, Ends) {
    let (tell, ends) = tokio::sync::mpsc::unbounded_channel();
    let handler = async move |session: Session| {
        echo(session.clone()).await;
        let reason = session.closed().await;
        let _ = tell.send((reason.code(), reason.text().to_owned()));
    };
    (builder.handler(handler).build(), ends)
}

/// Whether a future is still pending when it is polled once more.
pub async fn is_pending<F: Future + Unpin>(future: &mut F) -> bool {
    std::future::poll_fn(|cx| std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_pending())).await
}
