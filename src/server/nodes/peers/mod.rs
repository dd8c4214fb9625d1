//! The links between this node and the others.

mod calls;
mod connection;
mod copying;
mod fault;
mod figures;
mod frames;
mod gathered;
mod greeting;
mod internal;
mod mounts;
mod peer;
mod pool;
mod preface;
mod serving;
mod settings;
mod tasks;
#[cfg(test)]
mod tests;
mod tunnel;
mod turn;
mod uploading;

use std::{
    fmt,
    sync::{Arc, Weak, atomic::Ordering::Relaxed},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::Request,
    http::{Extensions, Method, request::Parts},
    response::Response,
};
use futures::future::BoxFuture;
use hyper::upgrade::OnUpgrade;
use tokio::sync::watch;

use self::{
    calls::{Begun, Call, Short},
    connection::{NotAnswered, Stream},
    fault::Fault,
    figures::{Counts, Warning},
    mounts::Mounts,
    peer::Line,
    pool::Pool,
    serving::Serving,
};
pub(super) use self::{
    figures::PeerFigures,
    tasks::{Executor, Tasks},
};
use super::membership::{Living, Membership};
use crate::{
    clock::Clock,
    cluster::{Accept, Secret, Wires},
    server::other_nodes::{NotForwarded, NotPassedOn, PassedOn, Serve},
    session::{CloseReason, reason},
    transport::handshake,
};

/// The pause before this node tries to listen again.
const LISTEN_PAUSE: Duration = Duration::from_secs(1);

/// Connections that nobody needs are closed this often.
const TIDY: Duration = Duration::from_secs(15);

/// The links to the other nodes, and what this node serves to them.
pub(super) struct PeerLinks {
    wires: Arc<dyn Wires>,
    secret: Secret,
    me: u64,
    clock: Clock,
    mounts: Arc<Mounts>,
    client: Arc<Client>,
    /// They end with the links.
    _tasks: Tasks,
    /// It closes with the links.
    open: watch::Sender<()>,
}

/// The means to have requests answered by other nodes.
struct Client {
    living: watch::Receiver<Arc<Living>>,
    pool: Pool,
    counts: Arc<Counts>,
    tasks: Executor,
    unreachable: Warning,
    loops: Warning,
}

/// A place for one request on its way to these routes of a node.
struct Place<'a> {
    node: &'a str,
    mount: &'a str,
    hops: u8,
    stream: Stream,
}

impl PeerLinks {
    pub(super) fn new(wires: Arc<dyn Wires>, secret: Secret, membership: &Membership) -> Self {
        Self::of_process(wires, secret, membership.incarnation, membership.watch())
    }

    fn of_process(wires: Arc<dyn Wires>, secret: Secret, me: u64, living: watch::Receiver<Arc<Living>>) -> Self {
        let (clock, tasks) = (Clock::start(), Tasks::default());
        let line = Line { wires: wires.clone(), secret: secret.clone(), me, clock, tasks: tasks.executor() };
        let client = Arc::new(Client {
            living,
            pool: Pool::new(line),
            counts: Arc::default(),
            tasks: tasks.executor(),
            unreachable: Warning::new(clock),
            loops: Warning::new(clock),
        });
        PeerLinks {
            wires,
            secret,
            me,
            clock,
            mounts: Arc::default(),
            client,
            _tasks: tasks,
            open: watch::Sender::new(()),
        }
    }

    /// Listens for the other nodes, again and again until that succeeds. Returns the address at which they reach this
    /// node, and the future that serves them for as long as the server lives.
    pub(super) async fn listen(&self) -> (String, impl Future<Output = ()> + Send + use<>) {
        let (accept, address) = self.bind().await;
        let counts = self.client.counts.clone();
        let serving = Serving::new(self.secret.clone(), self.me, self.mounts.clone(), counts, self.clock);
        let client = self.client.clone();
        let tidying = async move {
            loop {
                tokio::time::sleep(TIDY).await;
                let living = client.living();
                client.pool.tidy(&living);
            }
        };
        (address, async move { tokio::join!(serving.run(accept), tidying).0 })
    }

    async fn bind(&self) -> (Box<dyn Accept>, String) {
        let mut warned = false;
        loop {
            match self.wires.listen().await {
                Ok(listening) => return listening,
                Err(error) => {
                    if !std::mem::replace(&mut warned, true) {
                        tracing::warn!(%error, wires = ?self.wires, "this node cannot listen for the other nodes yet");
                    }
                    tokio::time::sleep(LISTEN_PAUSE).await;
                }
            }
        }
    }

    /// Serves what is forwarded to the routes with this name, while they live.
    pub(super) fn mount(&self, name: &str, serve: Weak<Serve>) {
        self.mounts.add(name, serve);
    }

    /// The figures of the links so far.
    pub(super) fn figures(&self) -> PeerFigures {
        self.client.counts.figures()
    }

    /// Has a request answered by another node.
    pub(super) fn forward(
        &self,
        node: &str,
        mount: &str,
        request: Request,
    ) -> BoxFuture<'static, Result<Response, CloseReason>> {
        let (client, node, mount) = (self.client.clone(), node.to_owned(), mount.to_owned());
        Box::pin(async move { client.forward(&node, &mount, request).await.map_err(|failed| failed.reason) })
    }

    /// The same. A request of which nothing was read is given back.
    pub(super) fn forward_or_return(
        &self,
        node: &str,
        mount: &str,
        request: Request,
    ) -> impl Future<Output = Result<Response, NotForwarded>> {
        self.client.forward(node, mount, request)
    }

    /// Asks the routes with this name on another node something. The result is its answer; `None` if it cannot be reached,
    /// refuses, or answers more than `most` bytes.
    ///
    /// Waits for the answer, without an end. Dropped, the other node learns that nobody waits.
    pub(super) fn ask(&self, node: &str, mount: &str, what: Bytes, most: usize) -> BoxFuture<'static, Option<Bytes>> {
        let answer = self.open(node, mount, what);
        Box::pin(async move { to_bytes(answer.await?, most).await.ok() })
    }

    /// Asks as [`ask`](Self::ask) does. The result is the answer as it comes, which may go on for long; dropped, the other
    /// node learns that nobody waits.
    pub(super) fn open(&self, node: &str, mount: &str, what: Bytes) -> BoxFuture<'static, Option<Body>> {
        let (client, node, mount) = (self.client.clone(), node.to_owned(), mount.to_owned());
        let mut request = Request::new(Body::from(what));
        *request.method_mut() = Method::POST;
        Box::pin(async move {
            let (place, request) = client.place(&node, &mount, request).await.ok()?;
            let answer = client.exchange(place, request).await.ok()?;
            answer.status().is_success().then(|| answer.into_body())
        })
    }

    /// Passes a WebSocket on to another node.
    pub(super) fn pass_on(
        &self,
        node: &str,
        mount: &str,
        request: Request,
        socket: PassedOn,
    ) -> BoxFuture<'static, Result<(), Box<NotPassedOn>>> {
        let (client, node, mount) = (self.client.clone(), node.to_owned(), mount.to_owned());
        let mut open = self.open.subscribe();
        let mut parts = request.into_parts().0;
        Box::pin(async move {
            tunnel::prepare_again(&mut parts);
            let reason = match client.shake(&node, &mount, parts).await {
                Err(reason) => reason,
                Ok(mut answer) => match tunnel::accepted(&mut answer) {
                    None => of_refusal(&answer),
                    Some(upgrade) => {
                        let copying = Box::pin(tunnel::run_behind(socket, upgrade, client.counts.clone()));
                        drop(client);
                        tokio::select! {
                            () = copying => {}
                            _ = open.changed() => {}
                        }
                        return Ok(());
                    }
                },
            };
            Err(Box::new(NotPassedOn { reason, socket }))
        })
    }
}

impl Client {
    fn living(&self) -> Arc<Living> {
        self.living.borrow().clone()
    }

    async fn forward(&self, node: &str, mount: &str, request: Request) -> Result<Response, NotForwarded> {
        let (parts, body) = request.into_parts();
        if handshake::is_asked(&parts) {
            return Ok(self.forward_socket(node, mount, parts).await?);
        }
        let (place, request) = self.place(node, mount, Request::from_parts(parts, body)).await?;
        let (parts, body) = request.into_parts();
        let answer = match calls::shorten(body).await {
            Short::Broken => return Err(reason::BODY_BROKEN.into()),
            Short::Rest(body) => self.exchange(place, Request::from_parts(parts, body)).await?,
            Short::Whole(body) => {
                let begun = place.stream.begin(Call { mount, hops: place.hops, parts: &parts, body: &body });
                match begun {
                    None => self.exchange(place, Request::from_parts(parts, Body::from(body))).await?,
                    Some(begun) => {
                        // They are slices of what its connection has read, and the answer may take long.
                        drop((parts, body));
                        let answer = self.finish(place, begun).await?;
                        self.counts.calls.add(1);
                        answer
                    }
                }
            }
        };
        self.counts.forwarded.add(1);
        Ok(answer)
    }

    /// A place for a request to another node. A request that has none is given back.
    async fn place<'a>(
        &self,
        node: &'a str,
        mount: &'a str,
        request: Request,
    ) -> Result<(Place<'a>, Request), NotForwarded> {
        let hops = self.next_hop(request.extensions(), node, mount)?;
        match self.pool.stream(&self.living(), node).await {
            Ok(stream) => Ok((Place { node, mount, hops, stream }, request)),
            Err(fault) => Err(NotForwarded { reason: self.failed(node, fault), request: Some(Box::new(request)) }),
        }
    }

    /// Waits for the answer to a call.
    async fn finish(&self, Place { node, stream, .. }: Place<'_>, begun: Begun) -> Result<Response, CloseReason> {
        match stream.finish(begun).await {
            Ok(Some(answer)) => received(answer),
            Ok(None) => Err(reason::UNREACHABLE),
            Err(_) => Err(self.failed(node, Fault::Broken)),
        }
    }

    /// Has a request answered by another node on a stream of its own.
    async fn exchange(&self, place: Place<'_>, request: Request) -> Result<Response, CloseReason> {
        let Place { node, mount, hops, mut stream } = place;
        let (mut parts, body) = request.into_parts();
        internal::wrap(&mut parts, mount, hops).ok_or(reason::NOT_SERVED)?;
        let (body, broken) = uploading::watch(body);
        let mut request = Request::from_parts(parts, body);
        let mut tried = false;
        let answer = loop {
            match stream.send(request).await {
                Ok(answer) => break answer,
                // A connection may end while a request is on its way to it.
                Err(NotAnswered::Unsent(unsent)) if !tried => (request, tried) = (*unsent, true),
                Err(_) if broken.load(Relaxed) => return Err(reason::BODY_BROKEN),
                Err(_) => return Err(self.failed(node, Fault::Broken)),
            }
            stream = self.pool.stream(&self.living(), node).await.map_err(|fault| self.failed(node, fault))?;
        };
        received(answer)
    }

    /// Has a WebSocket served by another node. Waits for its answer; then a task copies bytes.
    async fn forward_socket(&self, node: &str, mount: &str, mut parts: Parts) -> Result<Response, CloseReason> {
        let version = parts.version;
        let upgrade = parts.extensions.remove::<OnUpgrade>().ok_or(reason::NO_UPGRADE)?;
        tunnel::prepare(&mut parts);
        let mut answer = self.shake(node, mount, parts).await?;
        match tunnel::accepted(&mut answer) {
            None => internal::strip_connection(answer.headers_mut()),
            Some(node) => {
                tunnel::accept_client(&mut answer, version);
                self.tasks.start(tunnel::run(upgrade, node, self.counts.clone()));
            }
        }
        self.counts.forwarded.add(1);
        Ok(answer)
    }

    /// Repeats the handshake of a WebSocket at another node.
    async fn shake(&self, node: &str, mount: &str, mut parts: Parts) -> Result<Response, CloseReason> {
        let hops = self.next_hop(&parts.extensions, node, mount)?;
        internal::wrap(&mut parts, mount, hops).ok_or(reason::NOT_SERVED)?;
        let wire = self.pool.tunnel(&self.living(), node).await.map_err(|fault| self.failed(node, fault))?;
        let shaken = tunnel::shake(wire, parts, &self.tasks).await;
        received(shaken.map_err(|tunnel::Cut| self.failed(node, Fault::Broken))?)
    }

    /// Counts how often a request is forwarded, which is not too often.
    fn next_hop(&self, extensions: &Extensions, node: &str, mount: &str) -> Result<u8, CloseReason> {
        internal::next_hop(extensions).ok_or_else(|| {
            if self.loops.may() {
                tracing::warn!(node, mount, "a request was forwarded from node to node too often");
            }
            reason::UNREACHABLE
        })
    }

    /// The reason for a client whose session is on a node that was not reached.
    fn failed(&self, node: &str, fault: Fault) -> CloseReason {
        if fault == Fault::Dead {
            return reason::UNKNOWN;
        }
        self.counts.unreachable.add(1);
        if self.unreachable.may() {
            tracing::warn!(node, "another node was not reached: {fault}");
        }
        reason::UNREACHABLE
    }
}

/// Takes an answer of another node, unless no route there has made it.
fn received(mut answer: Response) -> Result<Response, CloseReason> {
    if internal::take_refused(answer.headers_mut()) {
        return Err(reason::UNREACHABLE);
    }
    internal::take_moved(&mut answer);
    Ok(answer)
}

/// Why another node has refused a WebSocket whose handshake was answered here: its session is gone, or it is to come back.
fn of_refusal(answer: &Response) -> CloseReason {
    tracing::debug!(status = %answer.status(), "another node refused a WebSocket");
    if answer.status().as_u16() == reason::status_of(reason::UNKNOWN.code) {
        reason::UNKNOWN
    } else {
        reason::UNREACHABLE
    }
}

impl fmt::Debug for PeerLinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerLinks").field("figures", &self.figures()).finish_non_exhaustive()
    }
}
