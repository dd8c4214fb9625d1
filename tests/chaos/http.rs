//! The requests of clients, as a balancer passes them on: over connections that it keeps, to any node that counts as up.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, RwLock},
    time::Duration,
};

use axum::http::{Request, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1::SendRequest};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

use crate::{
    random::Random,
    support::{HOST, Parser, Record, Socket, Spelling},
};

/// No answer's head is awaited for longer, but that of a poll.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// A connection or a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken;

/// An answer that was read to its end.
pub(crate) struct Answer {
    pub(crate) records: Vec<Record>,
    pub(crate) status: u16,
    /// The `Retry-After`.
    pub(crate) wait: Duration,
}

type Sender = SendRequest<Full<Bytes>>;

/// Gives each request to any of the nodes.
#[derive(Default)]
pub(crate) struct Balancer {
    nodes: RwLock<Vec<SocketAddr>>,
    kept: Mutex<HashMap<SocketAddr, Vec<Sender>>>,
}

impl Balancer {
    pub(crate) fn set(&self, nodes: Vec<SocketAddr>) {
        self.kept.lock().unwrap().retain(|node, _| nodes.contains(node));
        *self.nodes.write().unwrap() = nodes;
    }

    fn draw(&self, random: &mut Random) -> SocketAddr {
        let nodes = self.nodes.read().unwrap();
        nodes[random.below(nodes.len() as u64) as usize]
    }

    /// Sends a request; the answer, and the connection that it comes over.
    async fn send(&self, node: SocketAddr, path: &str, body: Vec<u8>) -> Result<(Response<Incoming>, Sender), Broken> {
        let request = Request::post(format!("/live/{path}"))
            .header("host", HOST)
            .header("origin", format!("http://{HOST}"))
            .body(Full::from(body))
            .unwrap();
        let kept = || self.kept.lock().unwrap().get_mut(&node).and_then(Vec::pop);
        let mut sender = loop {
            match kept() {
                Some(sender) if sender.is_closed() => {}
                Some(sender) => break sender,
                None => break Self::connect(node).await?,
            }
        };
        sender.ready().await.map_err(|_| Broken)?;
        let response = sender.send_request(request).await.map_err(|_| Broken)?;
        Ok((response, sender))
    }

    async fn connect(node: SocketAddr) -> Result<Sender, Broken> {
        let stream = timeout(PATIENCE, TcpStream::connect(node)).await.map_err(|_| Broken)?.map_err(|_| Broken)?;
        stream.set_nodelay(true).map_err(|_| Broken)?;
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|_| Broken)?;
        // Its errors are those of its requests.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    /// Asks any node, and reads the whole answer within this time.
    pub(crate) fn ask(
        self: &Arc<Self>,
        random: &mut Random,
        path: String,
        body: Vec<u8>,
        time: Duration,
    ) -> impl Future<Output = Result<Answer, Broken>> + Send + 'static {
        let (node, balancer) = (self.draw(random), self.clone());
        async move {
            let asked = async {
                let (response, sender) = balancer.send(node, &path, body).await?;
                let (head, body) = response.into_parts();
                let body = body.collect().await.map_err(|_| Broken)?.to_bytes();
                balancer.kept.lock().unwrap().entry(node).or_default().push(sender);
                let wait = head.headers.get("retry-after").and_then(|wait| wait.to_str().ok()?.parse().ok());
                let wait = Duration::from_secs(wait.unwrap_or(0));
                Ok(Answer { records: Parser::body(Spelling::Text, &body), status: head.status.as_u16(), wait })
            };
            timeout(time, asked).await.unwrap_or(Err(Broken))
        }
    }

    /// Asks any node for an answer that is read as it comes.
    pub(crate) fn stream(
        self: &Arc<Self>,
        random: &mut Random,
        path: String,
        body: Vec<u8>,
    ) -> impl Future<Output = Result<Stream, Broken>> + Send + 'static {
        let (node, balancer) = (self.draw(random), self.clone());
        async move {
            let sent = timeout(PATIENCE, balancer.send(node, &path, body)).await.map_err(|_| Broken)?;
            let (response, sender) = sent?;
            Ok(Stream { body: response.into_body(), parser: Parser::new(Spelling::Text), _sender: sender })
        }
    }

    /// A WebSocket to any node.
    pub(crate) fn socket(
        self: &Arc<Self>,
        random: &mut Random,
        path: String,
    ) -> impl Future<Output = Result<Socket, Broken>> + Send + 'static {
        let node = self.draw(random);
        async move {
            let connecting = async {
                let request = Request::get(format!("ws://{HOST}/live/{path}"))
                    .header("host", HOST)
                    .header("origin", format!("http://{HOST}"))
                    .header("connection", "Upgrade")
                    .header("upgrade", "websocket")
                    .header("sec-websocket-version", "13")
                    .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
                    .body(())
                    .unwrap();
                let stream = TcpStream::connect(node).await.map_err(|_| Broken)?;
                stream.set_nodelay(true).map_err(|_| Broken)?;
                let io: Box<dyn crate::support::Io> = Box::new(stream);
                let (io, _) = tokio_tungstenite::client_async(request, io).await.map_err(|_| Broken)?;
                Ok(Socket::new(io))
            };
            timeout(PATIENCE, connecting).await.unwrap_or(Err(Broken))
        }
    }
}

/// An answer that is read as it comes.
pub(crate) struct Stream {
    body: Incoming,
    parser: Parser,
    _sender: Sender,
}

impl Stream {
    /// The records of the next chunk; `None` at the end, also where it breaks off.
    pub(crate) async fn next(&mut self) -> Option<Vec<Record>> {
        let frame = self.body.frame().await?.ok()?;
        Some(frame.into_data().map(|data| self.parser.feed(&data)).unwrap_or_default())
    }
}
