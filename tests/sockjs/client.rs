//! A client of HTTP that writes its requests by hand and reads the bytes of the answers, chunk by chunk; and WebSockets.

use std::{collections::BTreeMap, time::Duration};

use anywire::{Server, SockJs};
use axum::{
    Router,
    http::{Request, header},
};
use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, handshake::client::generate_key, protocol::CloseFrame},
};

use crate::{
    services,
    support::{HOST, Io, Site, attempt},
};

/// Nothing takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone)]
pub struct Client {
    pub site: Site,
}

/// The head of an answer. The names of headers are in lower case.
#[derive(Clone, Debug)]
pub struct Head {
    pub status: u16,
    pub version: String,
    headers: BTreeMap<String, String>,
}

impl Head {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The type without spaces.
    pub fn content_type(&self) -> Option<String> {
        self.header("content-type").map(|kind| kind.replace(' ', ""))
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Got {
    pub head: Head,
    pub body: String,
}

impl Got {
    pub fn is(&self, status: u16, body: &str) {
        assert_eq!((self.head.status, &*self.body), (status, body));
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }
}

/// A connection, and the bytes that came and were not looked at yet.
pub struct Connection {
    io: Box<dyn Io>,
    came: Vec<u8>,
}

pub type Headers<'a> = &'a [(&'a str, &'a str)];

impl Connection {
    pub async fn send(&mut self, method: &str, path: &str, version: &str, headers: Headers<'_>, body: &str) {
        let mut head = format!("{method} {path} HTTP/{version}\r\nhost: {HOST}\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() || method == "POST" {
            head += &format!("content-length: {}\r\n", body.len());
        }
        self.raw(&format!("{head}\r\n{body}")).await;
    }

    pub async fn raw(&mut self, text: &str) {
        self.io.write_all(text.as_bytes()).await.unwrap();
    }

    /// Sends bytes for as long as the connection takes them. Needs tokio's paused clock.
    pub async fn flood(&mut self) {
        let some = [b'x'; 4096];
        while let Ok(Ok(_)) = tokio::time::timeout(Duration::from_millis(50), self.io.write(&some)).await {}
    }

    pub async fn head(&mut self) -> Head {
        let head = self.line_end("\r\n\r\n").await;
        let mut lines = head.split("\r\n");
        let first = lines.next().unwrap();
        let pairs = lines.filter_map(|line| line.split_once(':'));
        let headers = pairs.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect();
        Head { status: first[9..12].parse().unwrap(), version: first[5..8].to_owned(), headers }
    }

    /// The next chunk of a body; empty if it is the last.
    pub async fn chunk(&mut self) -> String {
        let length = usize::from_str_radix(&self.line_end("\r\n").await, 16).unwrap();
        let chunk = self.exactly(length).await;
        assert_eq!(self.exactly(2).await, "\r\n");
        chunk
    }

    /// This many bytes, and no more.
    pub async fn exactly(&mut self, length: usize) -> String {
        while self.came.len() < length {
            assert!(self.read().await, "the connection ended behind {:?}", String::from_utf8_lossy(&self.came));
        }
        String::from_utf8(self.came.drain(..length).collect()).unwrap()
    }

    /// The body of an answer with this head.
    pub async fn body(&mut self, head: &Head) -> String {
        if let Some(length) = head.header("content-length") {
            return self.exactly(length.parse().unwrap()).await;
        } else if head.header("transfer-encoding") == Some("chunked") {
            let mut body = String::new();
            loop {
                match self.chunk().await {
                    chunk if chunk.is_empty() => return body,
                    chunk => body += &chunk,
                }
            }
        } else if matches!(head.status, 204 | 304) {
            return String::new();
        }
        while self.read().await {}
        String::from_utf8(std::mem::take(&mut self.came)).unwrap()
    }

    /// Whether nothing more comes.
    pub async fn is_closed(&mut self) -> bool {
        self.came.is_empty() && !self.read().await
    }

    async fn line_end(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = self.came.windows(end.len()).position(|few| few == end.as_bytes()) {
                let line = self.came.drain(..at + end.len()).take(at).collect();
                return String::from_utf8(line).unwrap();
            }
            assert!(self.read().await, "the connection ended within a line");
        }
    }

    /// Whether something came.
    async fn read(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        let read = tokio::time::timeout(PATIENCE, self.io.read(&mut buffer)).await.expect("something comes");
        match read {
            Ok(length) if length > 0 => self.came.extend_from_slice(&buffer[..length]),
            _ => return false,
        }
        true
    }
}

impl Client {
    /// The services of the published suite over real sockets, or the server that the environment names.
    pub async fn real() -> Self {
        let site = match std::env::var("ANYWIRE_SOCKJS") {
            Ok(address) => Site::at(address.parse().expect("ANYWIRE_SOCKJS is an address with a port")),
            Err(_) => Site::sockets(services()).await,
        };
        Client { site }
    }

    /// A server in this process, where tokio's clock may be paused.
    pub fn here(router: Router) -> Self {
        Client { site: Site::here(router) }
    }

    /// The same for the SockJS routes of a server at `/echo`.
    pub fn of(server: &Server, settings: &SockJs) -> Self {
        Client { site: Site::of(server, |server| server.sockjs_with("/echo", settings.clone())) }
    }

    /// The services of the published suite in this process.
    pub fn of_services() -> Self {
        Client { site: Site::among(services()) }
    }

    pub async fn connect(&self) -> Connection {
        Connection { io: self.site.connect().await, came: Vec::new() }
    }

    pub async fn ask(&self, method: &str, path: &str, headers: Headers<'_>, body: &str) -> Got {
        let mut connection = self.connect().await;
        connection.send(method, path, "1.1", headers, body).await;
        let head = connection.head().await;
        let body = if method == "HEAD" { String::new() } else { connection.body(&head).await };
        Got { head, body }
    }

    pub async fn get(&self, path: &str) -> Got {
        self.ask("GET", path, &[], "").await
    }

    pub async fn post(&self, path: &str, body: &str) -> Got {
        self.ask("POST", path, &[], body).await
    }

    /// Begins to read an answer.
    pub async fn stream(&self, method: &str, path: &str, headers: Headers<'_>) -> (Head, Connection) {
        let mut connection = self.connect().await;
        connection.send(method, path, "1.1", headers, "").await;
        (connection.head().await, connection)
    }

    /// A request whose answer does not come yet.
    pub async fn waiting(&self, method: &str, path: &str) -> Connection {
        let mut connection = self.connect().await;
        connection.send(method, path, "1.1", &[], "").await;
        connection
    }

    /// Opens a session by a poll.
    pub async fn open(&self, service: &str) -> String {
        let url = url(service);
        self.post(&format!("{url}/xhr"), "").await.is(200, "o\n");
        url
    }

    /// Sends texts, as JSON; they are taken.
    pub async fn say(&self, url: &str, json: &str) {
        self.post(&format!("{url}/xhr_send"), json).await.is(204, "");
    }

    /// Polls, and gets this frame.
    pub async fn hear(&self, url: &str, frame: &str) {
        self.post(&format!("{url}/xhr"), "").await.is(200, &format!("{frame}\n"));
    }

    pub async fn socket(&self, path: &str) -> Socket {
        let request = Request::get(format!("ws://{HOST}{path}"))
            .header(header::HOST, HOST)
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, generate_key());
        let io = self.site.connect().await;
        let (io, _) = tokio_tungstenite::client_async(request.body(()).unwrap(), io).await.expect("101");
        Socket { io }
    }
}

/// The URL of a new session.
pub fn url(service: &str) -> String {
    format!("{service}/000/{}", attempt())
}

/// A unit that came on a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    Text(String),
    Binary(Vec<u8>),
    Closed(u16, String),
    /// The connection ended without a close frame.
    Broken,
}

pub struct Socket {
    pub io: WebSocketStream<Box<dyn Io>>,
}

impl Socket {
    pub async fn say(&mut self, text: &str) {
        self.io.send(Message::text(text.to_owned())).await.unwrap();
    }

    pub async fn next(&mut self) -> Came {
        loop {
            return match tokio::time::timeout(PATIENCE, self.io.next()).await.expect("something comes") {
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

    pub async fn hears(&mut self, text: &str) {
        assert_eq!(self.next().await, Came::Text(text.to_owned()));
    }

    pub async fn is_closed(&mut self) {
        assert!(matches!(self.next().await, Came::Closed(..) | Came::Broken));
    }
}
