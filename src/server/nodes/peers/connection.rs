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
    http::{HeaderMap, HeaderValue, Version, header},
    response::Response,
};
use h2::{
    PingPong, Reason, RecvStream,
    client::{Builder, SendRequest},
};
use hyper::body::{Frame, SizeHint};
use tokio::time::{sleep, timeout};

use super::{
    calls::{Begun, Call, Called, Calls},
    fault::Fault,
    figures::Counted,
    gathered::Gathered,
    settings::{CONNECTION_WINDOW, HEAD, PING, STREAMS, WINDOW},
    tasks::{Executor, Tasks},
    uploading::Upload,
};
use crate::cluster::Wire;

/// A connection. When it is dropped, the requests that it carries end.
///
/// It speaks HTTP/2 without a client of HTTP around it: that one would start a task for each request, which the request's own
/// task would wait for.
#[derive(Debug)]
pub(super) struct Connection {
    requests: SendRequest<Bytes>,
    streams: Arc<AtomicUsize>,
    /// It has ended, or a request could not be sent.
    broken: Arc<AtomicBool>,
    /// When it had its last request, in milliseconds.
    used: AtomicU64,
    calls: Calls,
    tasks: Tasks,
}

/// A place for one request on a connection.
pub(super) struct Stream {
    requests: SendRequest<Bytes>,
    broken: Arc<AtomicBool>,
    counted: Counted,
    calls: Calls,
    tasks: Executor,
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
        let mut builder = Builder::new();
        builder
            .enable_push(false)
            .initial_window_size(WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .initial_max_send_streams(STREAMS as usize)
            .max_header_list_size(HEAD)
            .max_send_buffer_size(WINDOW as usize)
            // Requests that clients give up are no faults of the other node.
            .max_concurrent_reset_streams(STREAMS as usize)
            .max_local_error_reset_streams(None);
        let (requests, mut connection) = builder.handshake(Gathered::new(wire)).await.map_err(|_| Fault::Broken)?;
        let pings = connection.ping_pong().expect("nobody has taken it before");
        let (streams, broken, tasks) = (Arc::default(), Arc::<AtomicBool>::default(), Tasks::default());
        let ends = broken.clone();
        tasks.start(async move {
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(%error, "the connection to another node ended");
                },
                () = silence(pings) => tracing::debug!("another node gives no sign of life"),
            }
            ends.store(true, Relaxed);
        });
        let calls = Calls::default();
        tasks.start(calls.clone().run(requests.clone()));
        Ok(Connection { requests, streams, broken, used: AtomicU64::new(now), calls, tasks })
    }

    /// Whether it can carry no more requests.
    pub(super) fn is_closed(&self) -> bool {
        self.broken.load(Relaxed)
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
        let (requests, calls) = (self.requests.clone(), self.calls.clone());
        Stream { requests, broken: self.broken.clone(), counted, calls, tasks: self.tasks.executor() }
    }
}

/// Asks the other node for signs of life. Returns when there is none.
async fn silence(mut pings: PingPong) {
    loop {
        sleep(PING).await;
        if !matches!(timeout(PING, pings.ping(h2::Ping::opaque())).await, Ok(Ok(_))) {
            return;
        }
    }
}

impl Stream {
    /// Sends a request as a call. The result is `None` if it cannot be one.
    pub(super) fn begin(&self, call: Call<'_>) -> Option<Begun> {
        self.calls.begin(call)
    }

    /// Waits for the head of the answer to a call, whose body may come later. The result is `None` if the other node does not
    /// have the routes. Dropped, the other node learns that nobody waits.
    pub(super) async fn finish(self, begun: Begun) -> Result<Option<Response>, NotAnswered> {
        match begun.answer().await.ok_or(NotAnswered::Cut)? {
            Called::Answered(answer) => Ok(Some(answer)),
            Called::Refused => Ok(None),
            Called::Kept(ask, keeping) => {
                let answer = self.send(ask.map(|()| Body::empty())).await?;
                drop(keeping);
                Ok(Some(answer))
            }
        }
    }

    /// Sends a request. Waits for the head of its answer, whose body comes as it is read. Dropped, the other node learns
    /// that nobody waits.
    pub(super) async fn send(self, request: Request) -> Result<Response, NotAnswered> {
        let mut requests = match self.requests.ready().await {
            Ok(requests) => requests,
            Err(error) => {
                tracing::debug!(%error, "a request was not sent to another node");
                self.broken.store(true, Relaxed);
                return Err(NotAnswered::Unsent(Box::new(request)));
            }
        };
        let cut = |error: h2::Error| {
            tracing::debug!(%error, "a request was not answered by another node");
            NotAnswered::Cut
        };
        let (parts, body) = request.into_parts();
        let mut head = axum::http::Request::from_parts(parts, ());
        // A request of this version may name no host, which the other node does not need.
        *head.version_mut() = Version::HTTP_11;
        let ends = body.is_end_stream();
        put_length(head.headers_mut(), body.size_hint().exact().filter(|_| !ends));
        let (answer, stream) = requests.send_request(head, ends).map_err(cut)?;
        let mut upload = if ends { Upload::none() } else { Upload::new(body, stream) };
        let (parts, body) = upload.until(answer).await.map_err(cut)?.into_parts();
        upload.go_on(&self.tasks);
        let left = length(&parts.headers);
        let mut answer = Response::from_parts(parts, Body::new(Answer { body, left, _counted: self.counted }));
        *answer.version_mut() = Version::HTTP_11;
        Ok(answer)
    }
}

/// Tells the length of a body that has one, unless the headers do.
fn put_length(headers: &mut HeaderMap, length: Option<u64>) {
    if let Some(length) = length {
        headers.entry(header::CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
    }
}

/// The length of the body, as the headers tell it.
fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The body of an answer, whose connection is in use for as long as it goes on. HTTP/2 ends it with an empty chunk, which
/// the other node has not made.
struct Answer {
    body: RecvStream,
    /// The bytes that are still to come, if that is known.
    left: Option<u64>,
    _counted: Counted,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        loop {
            let chunk = match ready!(self.body.poll_data(cx)) {
                Some(Ok(chunk)) => chunk,
                // So it ends where the other node needed no more of the request.
                Some(Err(error)) if error.reason() == Some(Reason::NO_ERROR) => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            };
            if chunk.is_empty() {
                continue;
            }
            self.left = self.left.map(|left| left.saturating_sub(chunk.len() as u64));
            // This fails only when the stream has failed, as the next look at it tells.
            let _ = self.body.flow_control().release_capacity(chunk.len());
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
