//! A connection to another node that carries many requests.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
    http::{Uri, Version, uri},
    response::Response,
};
use hyper::{
    body::{Frame, Incoming, SizeHint},
    client::conn::http2::{Builder, SendRequest},
};
use hyper_util::rt::{TokioIo, TokioTimer};

use super::{
    fault::Fault,
    figures::Counted,
    gathered::Gathered,
    settings::{CONNECTION_WINDOW, HEAD, PING, STREAMS, WINDOW},
    tasks::Tasks,
};
use crate::cluster::Wire;

/// A connection. When it is dropped, the requests that it carries end.
#[derive(Debug)]
pub(super) struct Connection {
    requests: SendRequest<Body>,
    streams: Arc<AtomicUsize>,
    /// A request could not be sent.
    broken: Arc<AtomicBool>,
    /// When it had its last request, in milliseconds.
    used: AtomicU64,
    _tasks: Tasks,
}

/// A place for one request on a connection.
pub(super) struct Stream {
    requests: SendRequest<Body>,
    broken: Arc<AtomicBool>,
    counted: Counted,
}

/// Why a request has no answer.
pub(super) enum NotAnswered {
    /// Nothing of it was sent.
    Unsent(Box<Request>),
    /// The connection broke before the answer came.
    Cut,
}

impl Connection {
    /// Begins to speak HTTP/2.
    pub(super) async fn open(wire: Box<dyn Wire>, now: u64) -> Result<Self, Fault> {
        let tasks = Tasks::default();
        let mut builder = Builder::new(tasks.executor());
        builder
            .timer(TokioTimer::new())
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .initial_max_send_streams(STREAMS as usize)
            .max_header_list_size(HEAD)
            .max_send_buf_size(WINDOW as usize)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING)
            .keep_alive_while_idle(true)
            // Requests that clients give up are no faults of the other node.
            .max_concurrent_reset_streams(STREAMS as usize)
            .max_local_error_reset_streams(None);
        let (requests, connection) =
            builder.handshake(TokioIo::new(Gathered::new(wire))).await.map_err(|_| Fault::Broken)?;
        tasks.start(async {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the connection to another node ended");
            }
        });
        let (streams, broken) = (Arc::default(), Arc::default());
        Ok(Connection { requests, streams, broken, used: AtomicU64::new(now), _tasks: tasks })
    }

    /// Whether it can carry no more requests.
    pub(super) fn is_closed(&self) -> bool {
        self.requests.is_closed() || self.broken.load(Relaxed)
    }

    /// The number of requests that are under way.
    pub(super) fn streams(&self) -> usize {
        self.streams.load(Relaxed)
    }

    /// When it had its last request, if it has none now.
    pub(super) fn idle_since(&self) -> Option<u64> {
        (self.streams() == 0).then(|| self.used.load(Relaxed))
    }

    /// A place for one request.
    pub(super) fn stream(&self, now: u64) -> Stream {
        self.used.store(now, Relaxed);
        let counted = Counted::new(&self.streams);
        Stream { requests: self.requests.clone(), broken: self.broken.clone(), counted }
    }
}

impl Stream {
    /// Sends a request. Waits for the head of its answer, whose body comes as it is read. Dropped, the other node learns
    /// that nobody waits.
    pub(super) async fn send(mut self, mut request: Request) -> Result<Response, NotAnswered> {
        let mut whole = uri::Parts::default();
        (whole.scheme, whole.authority) =
            (Some(uri::Scheme::HTTP), Some(uri::Authority::from_static("node.anywire.internal")));
        whole.path_and_query = request.uri().path_and_query().cloned();
        *request.uri_mut() = Uri::from_parts(whole).unwrap_or_default();
        *request.version_mut() = Version::HTTP_2;
        match self.requests.try_send_request(request).await {
            Ok(answer) => {
                let counted = self.counted;
                let mut answer = answer.map(|body| Body::new(Counting { body, _counted: counted }));
                *answer.version_mut() = Version::HTTP_11;
                Ok(answer)
            }
            Err(mut error) => {
                tracing::debug!(error = %error.error(), "a request was not answered by another node");
                match error.take_message() {
                    None => Err(NotAnswered::Cut),
                    Some(request) => {
                        self.broken.store(true, Relaxed);
                        Err(NotAnswered::Unsent(Box::new(request)))
                    }
                }
            }
        }
    }
}

/// The body of an answer, whose connection is in use for as long as it goes on. HTTP/2 ends it with an empty chunk, which
/// the other node has not made.
struct Counting {
    body: Incoming,
    _counted: Counted,
}

impl HttpBody for Counting {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        loop {
            let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
            match &frame {
                Some(Ok(chunk)) if chunk.data_ref().is_some_and(Bytes::is_empty) => {}
                _ => return Poll::Ready(frame),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
