//! The side that answers other nodes: their connections, and the requests on them.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{body::Body, extract::Request, http::StatusCode, response::Response};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};

use super::{
    calls::{self, Answering, Asked},
    figures::{Counts, Warning},
    gathered::Gathered,
    greeting, internal,
    mounts::Mounts,
    preface::{Kind, Verdict},
    settings::{CONNECTION_WINDOW, GREETING, HEAD, HEADERS, PING, STRANGERS, STREAMS, WINDOW},
    tasks::Tasks,
};
use crate::{
    clock::Clock,
    cluster::{Accept, Secret, Wire},
    server::other_nodes::CameBy,
};

/// The pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// The means to serve other nodes.
pub(super) struct Serving {
    pub(super) secret: Secret,
    /// This process.
    pub(super) me: u64,
    pub(super) mounts: Arc<Mounts>,
    pub(super) counts: Arc<Counts>,
    warning: Warning,
    strangers: Arc<Semaphore>,
}

impl Serving {
    pub(super) fn new(secret: Secret, me: u64, mounts: Arc<Mounts>, counts: Arc<Counts>, clock: Clock) -> Arc<Self> {
        let strangers = Arc::new(Semaphore::new(STRANGERS));
        Arc::new(Serving { secret, me, mounts, counts, warning: Warning::new(clock), strangers })
    }

    /// Serves the connections that come. It never returns; dropped, it ends them all.
    pub(super) async fn run(self: Arc<Self>, mut accept: Box<dyn Accept>) {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = accept.accept() => accepted,
                Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            };
            match (accepted, self.strangers.clone().try_acquire_owned()) {
                (Ok(wire), Ok(place)) => drop(connections.spawn(self.clone().connection(wire, place))),
                (Ok(_), Err(_)) => self.refused("too many connections at a time have not shown the secret yet"),
                (Err(error), _) => {
                    if self.warning.may() {
                        tracing::warn!(%error, "no connection of another node could be accepted");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn refused(&self, why: &str) {
        self.counts.refused.add(1);
        if self.warning.may() {
            tracing::warn!("a connection to the port of the other nodes (Cluster::peers) was refused: {why}");
        }
    }

    /// Serves one connection until it ends.
    async fn connection(self: Arc<Self>, mut wire: Box<dyn Wire>, place: OwnedSemaphorePermit) {
        let accepted = tokio::time::timeout(GREETING, greeting::accept(&mut *wire, &self.secret, self.me)).await;
        drop(place);
        let refused = match accepted {
            Ok(Ok((Kind::Requests, from))) => return self.requests(wire, from).await,
            Ok(Ok((Kind::Tunnel, from))) => return self.tunnel(wire, from).await,
            // That is no fault of anyone: this node was started again.
            Ok(Err(Some(Verdict::SomebodyElse))) => return,
            Ok(Err(Some(Verdict::WrongVersion))) => "a node of a version that this one does not speak",
            Ok(Err(Some(Verdict::WrongSecret | Verdict::Welcome))) => "a node with another secret",
            Ok(Err(None)) => "not a node of this cluster",
            Err(_) => "no preface came in time",
        };
        self.refused(refused);
    }

    /// Serves many requests of the process `from`. They end with the connection.
    async fn requests(self: Arc<Self>, wire: Box<dyn Wire>, from: u64) {
        let tasks = Tasks::default();
        let mut builder = http2::Builder::new(tasks.executor());
        builder
            .timer(TokioTimer::new())
            .auto_date_header(false)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(HEAD)
            .max_send_buf_size(WINDOW as usize)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING)
            // Many clients may give up at the same time. Other servers take that for an attack.
            .max_pending_accept_reset_streams(STREAMS as usize)
            .max_local_error_reset_streams(None);
        let answering = Answering::new(self.mounts.clone(), self.counts.clone(), from);
        let service = service_fn(move |request: Forwarded| {
            let (serving, answering) = (self.clone(), answering.clone());
            async move {
                let (parts, calls) = request.into_parts();
                let mut answer = match calls::asked(&parts) {
                    None => serving.answer(Request::from_parts(parts, calls), from).await?,
                    Some(Asked::All) => answering.open(calls),
                    Some(Asked::Kept(number)) => answering.take(number).unwrap_or_else(refuse),
                };
                internal::strip_connection(answer.headers_mut());
                Ok::<_, Infallible>(answer)
            }
        });
        if let Err(error) = builder.serve_connection(TokioIo::new(Gathered::new(wire)), service).await {
            tracing::debug!(%error, "the connection of another node ended");
        }
    }

    /// Serves one request of the process `from`, whose connection is upgraded.
    async fn tunnel(self: Arc<Self>, wire: Box<dyn Wire>, from: u64) {
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(GREETING)
            .keep_alive(false)
            .max_headers(HEADERS)
            .auto_date_header(false);
        let service = service_fn(move |request| self.clone().answer(request, from));
        if let Err(error) = builder.serve_connection(TokioIo::new(wire), service).with_upgrades().await {
            tracing::debug!(%error, "a WebSocket of another node ended");
        }
    }

    /// Answers a request as the other node had it.
    async fn answer(self: Arc<Self>, request: Forwarded, from: u64) -> Result<Response, Infallible> {
        let (mut parts, body) = request.into_parts();
        let mount = internal::unwrap(&mut parts);
        parts.extensions.insert(CameBy(from));
        self.counts.served.add(1);
        let answer = mount.as_deref().and_then(|mount| {
            let request = Request::from_parts(parts, Body::new(body));
            self.mounts.serve(mount, request)
        });
        let Some(answer) = answer else {
            tracing::debug!(mount, "another node asked for routes that are not there");
            return Ok(refuse());
        };
        drop(self);
        let mut answer = answer.await;
        internal::put_moved(&mut answer);
        Ok(answer)
    }
}

/// The answer to a request for what is not there.
fn refuse() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    internal::mark_refused(response.headers_mut());
    response
}

/// A request of another node.
type Forwarded = hyper::Request<Incoming>;
