//! A server under test: in this process over pipes in memory (so that tokio's paused clock works), or over
//! real sockets.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request, Response, StatusCode, request::Builder},
};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper_util::{rt::TokioExecutor, rt::TokioIo, service::TowerToHyperService};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use tower::ServiceExt;

use anywire::{Live, Server};

use super::{
    nodes::{draw, nodes},
    records::{Parser, Record, Spelling},
};

pub const HOST: &str = "chat.test";

pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// The place of the server.
#[derive(Clone, Debug)]
enum Place {
    Here(Vec<Router>),
    Socket(Vec<SocketAddr>),
}

/// The routes of a server, or of several nodes of one, below `/live`, and how requests get there: each request and each
/// connection to a node that is drawn for it.
#[derive(Clone, Debug)]
pub struct Site {
    place: Place,
    /// The nodes, which must have joined their cluster.
    nodes: Vec<Live>,
    /// The client's address, as a proxy in front of the server would state it.
    forwarded_for: Option<String>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub spelling: Spelling,
}

impl Answer {
    pub fn records(&self) -> Vec<Record> {
        // Refusals are always in the text spelling.
        let spelling = if self.status.is_success() { self.spelling } else { Spelling::Text };
        Parser::body(spelling, &self.body)
    }

    /// The code and text of a refusal, whose status is checked.
    pub fn refusal(&self, status: u16) -> (u16, String) {
        assert_eq!(self.status, status, "{:?}", String::from_utf8_lossy(&self.body));
        match self.records().as_slice() {
            [Record::LinkClose(code, text)] => (*code, text.clone()),
            other => panic!("not a refusal: {other:?}"),
        }
    }
}

impl Site {
    /// A server in this process. The router has the server's routes at `/live`.
    pub fn here(router: Router) -> Self {
        Site { place: Place::Here(vec![router]), nodes: Vec::new(), forwarded_for: None }
    }

    /// A server in this process, or its nodes where the tests have several. `router` makes the routes of one.
    pub fn of<S: Clone + Send + Sync + 'static>(server: &Server<S>, router: impl Fn(&Server<S>) -> Router) -> Self {
        let nodes = nodes(server);
        Site { nodes: lives(&nodes), ..Self::among(nodes.iter().map(router).collect()) }
    }

    /// The same on ports of the loopback interface.
    pub async fn socket_of<S: Clone + Send + Sync + 'static>(
        server: &Server<S>,
        router: impl Fn(&Server<S>) -> Router,
    ) -> Self {
        let nodes = nodes(server);
        Site { nodes: lives(&nodes), ..Self::sockets(nodes.iter().map(router).collect()).await }
    }

    /// The same node of several for all requests.
    pub fn node(&self, nth: usize) -> Self {
        let place = match &self.place {
            Place::Here(routers) => Place::Here(vec![routers[nth].clone()]),
            Place::Socket(addresses) => Place::Socket(vec![addresses[nth]]),
        };
        Site { place, ..self.clone() }
    }

    /// Several nodes in this process, by the routes of each.
    pub fn among(routers: Vec<Router>) -> Self {
        Site { place: Place::Here(routers), nodes: Vec::new(), forwarded_for: None }
    }

    /// Several nodes on ports of the loopback interface, by the routes of each.
    pub async fn sockets(routers: Vec<Router>) -> Self {
        let mut addresses = Vec::new();
        for router in routers {
            let Site { place: Place::Socket(address), .. } = Self::socket(router).await else { unreachable!() };
            addresses.extend(address);
        }
        Site { place: Place::Socket(addresses), nodes: Vec::new(), forwarded_for: None }
    }

    /// A server on a port of the loopback interface.
    pub async fn socket(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        Site { place: Place::Socket(vec![address]), nodes: Vec::new(), forwarded_for: None }
    }

    /// A server that already listens at this address.
    pub fn at(address: SocketAddr) -> Self {
        Site { place: Place::Socket(vec![address]), nodes: Vec::new(), forwarded_for: None }
    }

    /// The same server, through a proxy that states this address.
    pub fn forwarded_for(&self, address: &str) -> Self {
        Site { forwarded_for: Some(address.to_owned()), ..self.clone() }
    }

    /// The headers that a proxy adds.
    pub fn proxied(&self, request: Builder) -> Builder {
        match &self.forwarded_for {
            Some(address) => request.header("x-forwarded-for", address),
            None => request,
        }
    }

    /// A new connection.
    pub async fn connect(&self) -> Box<dyn Io> {
        self.joined().await;
        match &self.place {
            Place::Socket(addresses) => {
                let stream = TcpStream::connect(draw(addresses)).await.unwrap();
                stream.set_nodelay(true).unwrap();
                Box::new(stream)
            }
            Place::Here(routers) => {
                let (client, server) = tokio::io::duplex(64 * 1024);
                let service = TowerToHyperService::new(draw(routers).clone());
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(server), service)
                    .with_upgrades();
                // The connection ends in an error when the client drops it without closing it, as clients do.
                tokio::spawn(async move { drop(connection.await) });
                Box::new(client)
            }
        }
    }

    /// Waits until the nodes have joined their cluster.
    async fn joined(&self) {
        for node in &self.nodes {
            node.ready().await;
        }
    }

    /// A request made by a page of the same origin.
    pub fn request(&self, method: Method, path: &str) -> Builder {
        let builder = Request::builder().method(method).uri(format!("/live/{path}")).header("host", HOST);
        self.proxied(builder.header("origin", format!("http://{HOST}")))
    }

    /// Sends a request and reads the head of its answer.
    pub async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.joined().await;
        match &self.place {
            Place::Here(routers) => draw(routers).clone().oneshot(request).await.unwrap(),
            Place::Socket(_) => {
                let io = TokioIo::new(self.connect().await);
                let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
                tokio::spawn(connection);
                let response = sender.send_request(request).await.unwrap();
                response.map(Body::new)
            }
        }
    }

    /// Sends a request and reads its answer.
    pub async fn ask(&self, request: Request<Body>) -> Answer {
        let spelling = spelling_of(request.uri().query());
        let response = self.send(request).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body, spelling }
    }

    pub async fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        self.ask(self.request(Method::POST, path).body(body.into()).unwrap()).await
    }

    /// Sends a POST and returns its answer, to be read as it comes.
    pub async fn stream(&self, path: &str, body: impl Into<Body>) -> Records {
        let request = self.request(Method::POST, path).body(body.into()).unwrap();
        let spelling = spelling_of(request.uri().query());
        let response = self.send(request).await;
        assert_eq!(response.status(), StatusCode::OK);
        Records { body: response.into_body(), parser: Parser::new(spelling) }
    }

    /// A connection of HTTP/2 with prior knowledge.
    pub async fn http2(&self) -> hyper::client::conn::http2::SendRequest<Body> {
        let io = TokioIo::new(self.connect().await);
        let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        sender
    }
}

fn lives<S: Clone + Send + Sync + 'static>(nodes: &[Server<S>]) -> Vec<Live> {
    if nodes.len() == 1 { Vec::new() } else { nodes.iter().map(Server::live).collect() }
}

fn spelling_of(query: Option<&str>) -> Spelling {
    let bytes = query.unwrap_or_default().split('&').any(|pair| pair == "bytes=1");
    if bytes { Spelling::Bytes } else { Spelling::Text }
}

/// A streaming answer.
pub struct Records {
    body: Body,
    parser: Parser,
}

impl Records {
    pub fn new(body: Body, spelling: Spelling) -> Self {
        Records { body, parser: Parser::new(spelling) }
    }

    /// The records of the next chunk; `None` at the end.
    pub async fn next(&mut self) -> Option<Vec<Record>> {
        let frame = self.body.frame().await?.unwrap();
        Some(self.parser.feed(&frame.into_data().unwrap()))
    }
}

/// Waits until `condition` holds, where there is no event to wait for. It gives up after a time that no
/// healthy run needs.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..24_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never happened: {what}");
}
