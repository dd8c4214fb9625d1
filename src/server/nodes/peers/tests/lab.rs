//! Nodes whose links are real, and whose wires can fall silent or break.

use std::{
    collections::HashMap,
    fmt, io,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use axum::{Router, body::Body, extract::Request, response::Response};
use futures::future::BoxFuture;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf},
    sync::{
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        watch,
    },
    task::JoinHandle,
};
use tower::ServiceExt;

use super::super::PeerLinks;
use crate::{
    cluster::{Accept, NodeInfo, Secret, VERSION, Wire, Wires},
    server::{nodes::membership::Living, other_nodes::Serve},
    sync::lock,
};

/// The state of all wires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weather {
    Fine,
    /// Bytes are lost, and nobody is told.
    Silent,
    /// All connections break, and new ones are refused.
    Broken,
}

/// A network of duplex streams.
#[derive(Clone)]
pub(super) struct Net {
    listeners: Arc<Mutex<HashMap<String, UnboundedSender<Counted>>>>,
    weather: watch::Sender<Weather>,
    /// The connections that were made, and the bytes that went towards the acceptors.
    pub(super) connections: Arc<AtomicUsize>,
    /// The writes of all sides.
    pub(super) writes: Arc<AtomicUsize>,
    address: String,
}

impl Net {
    pub(super) fn new() -> Self {
        let weather = watch::Sender::new(Weather::Fine);
        Net {
            listeners: Arc::default(),
            weather,
            connections: Arc::default(),
            writes: Arc::default(),
            address: String::new(),
        }
    }

    pub(super) fn at(&self, address: &str) -> Self {
        Net { address: address.to_owned(), ..self.clone() }
    }

    pub(super) fn weather(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }

    /// Nobody listens at this address any more.
    pub(super) fn close(&self, address: &str) {
        lock(&self.listeners).remove(address);
    }
}

impl Wires for Net {
    fn listen(&self) -> BoxFuture<'_, io::Result<(Box<dyn Accept>, String)>> {
        let (sender, connections) = unbounded_channel();
        lock(&self.listeners).insert(self.address.clone(), sender);
        Box::pin(async { Ok((Box::new(Connections(connections)) as Box<dyn Accept>, self.address.clone())) })
    }

    fn connect<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Wire>>> {
        Box::pin(async move {
            let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
            let mut weather = self.weather.subscribe();
            let _ = weather.wait_for(|weather| *weather != Weather::Silent).await;
            if *weather.borrow() == Weather::Broken {
                return Err(refused());
            }
            let (here, near) = tokio::io::duplex(16 * 1024);
            let (far, there) = tokio::io::duplex(16 * 1024);
            let listener = lock(&self.listeners).get(address).cloned().ok_or_else(refused)?;
            let [here, there] = [here, there].map(|wire| Counted { wire, writes: self.writes.clone() });
            listener.send(there).map_err(|_| refused())?;
            self.connections.fetch_add(1, Relaxed);
            tokio::spawn(carry(near, far, weather));
            Ok(Box::new(here) as Box<dyn Wire>)
        })
    }
}

/// Carries bytes both ways, as the weather allows it.
async fn carry(near: DuplexStream, far: DuplexStream, mut weather: watch::Receiver<Weather>) {
    let (near_read, near_write) = tokio::io::split(near);
    let (far_read, far_write) = tokio::io::split(far);
    let mut other = weather.clone();
    tokio::select! {
        _ = weather.wait_for(|weather| *weather == Weather::Broken) => {}
        _ = async { tokio::join!(one_way(near_read, far_write, other.clone()), one_way(far_read, near_write, other.clone())) } => {}
    }
    let _ = other.borrow_and_update();
}

async fn one_way(
    mut from: tokio::io::ReadHalf<DuplexStream>,
    mut to: tokio::io::WriteHalf<DuplexStream>,
    mut weather: watch::Receiver<Weather>,
) {
    let mut buffer = [0; 4096];
    loop {
        let _ = weather.wait_for(|weather| *weather == Weather::Fine).await;
        let length = from.read(&mut buffer).await.unwrap_or(0);
        let _ = weather.wait_for(|weather| *weather == Weather::Fine).await;
        if length == 0 || to.write_all(&buffer[..length]).await.is_err() {
            let _ = to.shutdown().await;
            return;
        }
    }
}

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Net").field("address", &self.address).finish_non_exhaustive()
    }
}

/// A side of a connection, whose writes are counted.
struct Counted {
    wire: DuplexStream,
    writes: Arc<AtomicUsize>,
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.wire).poll_write(cx, buf));
        self.writes.fetch_add(1, Relaxed);
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}

struct Connections(UnboundedReceiver<Counted>);

impl Accept for Connections {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Box<dyn Wire>>> {
        Box::pin(async {
            match self.0.recv().await {
                Some(stream) => Ok(Box::new(stream) as Box<dyn Wire>),
                None => std::future::pending().await,
            }
        })
    }
}

/// A node of the laboratory.
pub(super) struct Node {
    pub(super) links: Arc<PeerLinks>,
    pub(super) living: watch::Sender<Arc<Living>>,
    pub(super) info: Arc<NodeInfo>,
    serving: JoinHandle<()>,
    served: Vec<Arc<Serve>>,
}

impl Node {
    pub(super) async fn new(net: &Net, name: &str, incarnation: u64) -> Self {
        Self::over(Arc::new(net.at(&format!("host-{name}"))), name, incarnation, "one secret of the tests").await
    }

    pub(super) async fn over(wires: Arc<dyn Wires>, name: &str, incarnation: u64, secret: &str) -> Self {
        let living = watch::Sender::new(Arc::new(Living { joined: true, ..Living::default() }));
        let links = Arc::new(PeerLinks::of_process(wires, Secret::new(secret), incarnation, living.subscribe()));
        let (address, serving) = links.listen().await;
        let info = NodeInfo {
            window: 0,
            name: name.to_owned(),
            incarnation,
            address,
            version: VERSION,
            draining: false,
            knows: vec![],
            left: false,
            beats: 0,
        };
        Node { links, living, info: Arc::new(info), serving: tokio::spawn(serving), served: Vec::new() }
    }

    /// Serves what other nodes forward to the routes `m`.
    pub(super) fn serve(&mut self, router: Router) {
        let serve: Arc<Serve> = Arc::new(move |request| {
            let router = router.clone();
            Box::pin(async move { router.oneshot(request).await.unwrap() })
        });
        self.links.mount("m", Arc::downgrade(&serve));
        self.served.push(serve);
    }

    /// The routes are gone.
    pub(super) fn unmount(&mut self) {
        self.served.clear();
    }

    /// Knows these nodes, and itself.
    pub(super) fn knows(&self, nodes: &[&Node]) {
        let nodes = nodes.iter().map(|node| node.info.clone()).chain([self.info.clone()]).collect();
        self.living.send_replace(Arc::new(Living { nodes, joined: true, away: false, listed: true }));
    }

    /// Forwards a request to the node `b`.
    pub(super) async fn forward(&self, request: Request) -> Result<Response, crate::session::CloseReason> {
        self.links.forward("b", "m", request).await
    }

    /// Ends the process.
    pub(super) fn stop(self) {
        self.serving.abort();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Two nodes: the second serves this router, and the first knows it.
pub(super) async fn pair(router: Router) -> (Net, Node, Node) {
    let net = Net::new();
    let a = Node::new(&net, "a", 1).await;
    let mut b = Node::new(&net, "b", 2).await;
    b.serve(router);
    a.knows(&[&b]);
    (net, a, b)
}

pub(super) fn get(path: &str) -> Request {
    Request::get(path).body(Body::empty()).unwrap()
}

pub(super) async fn text(response: Response) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}
