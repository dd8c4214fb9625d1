//! The body of a request on its way to another node.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use axum::body::{Body, Bytes, HttpBody};
use futures::future::BoxFuture;
use h2::{Reason, SendStream};
use hyper::body::{Frame, SizeHint};

use super::tasks::Executor;

/// A body that notes whether it has broken off. Then it is the client that has no answer, and not the other node that
/// gives none.
struct Uploading {
    body: Body,
    broken: Arc<AtomicBool>,
}

/// Watches a body. The second result is set when it breaks off.
pub(super) fn watch(body: Body) -> (Body, Arc<AtomicBool>) {
    let broken = Arc::<AtomicBool>::default();
    let watched = match body.is_end_stream() {
        true => body,
        false => Body::new(Uploading { body, broken: broken.clone() }),
    };
    (watched, broken)
}

impl HttpBody for Uploading {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if matches!(frame, Some(Err(_))) {
            self.broken.store(true, Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body that is being sent. Dropped, it is not sent to its end.
pub(super) struct Upload(Option<BoxFuture<'static, ()>>);

impl Upload {
    /// Sends a body.
    pub(super) fn new(body: Body, stream: SendStream<Bytes>) -> Self {
        Upload(Some(Box::pin(send(body, stream))))
    }

    /// There is no body to send.
    pub(super) fn none() -> Self {
        Upload(None)
    }

    /// Waits for the answer to a request, and sends its body meanwhile.
    pub(super) async fn until<T>(&mut self, answer: impl Future<Output = T>) -> T {
        let mut answer = pin!(answer);
        poll_fn(|cx| {
            if self.0.as_mut().is_some_and(|sending| sending.as_mut().poll(cx).is_ready()) {
                self.0 = None;
            }
            answer.as_mut().poll(cx)
        })
        .await
    }

    /// A task sends the rest, if there is one: the other node may answer before it has the whole request.
    pub(super) fn go_on(self, tasks: &Executor) {
        if let Some(sending) = self.0 {
            tasks.start(sending);
        }
    }
}

/// Sends a body to its end, or until the other node wants no more of it.
async fn send(mut body: Body, mut stream: SendStream<Bytes>) {
    let mut ended = false;
    while !ended {
        let chunk = match poll_fn(|cx| poll_chunk(&mut body, &mut stream, cx)).await {
            Next::Chunk(chunk) => chunk,
            Next::End => Bytes::new(),
            Next::Broken => return stream.send_reset(Reason::INTERNAL_ERROR),
            Next::Unwanted => return,
        };
        ended = chunk.is_empty() || body.is_end_stream();
        if !chunk.is_empty() {
            // The stream keeps what the other node does not take at once of a chunk, and gets no other chunk before.
            stream.reserve_capacity(1);
            while stream.capacity() == 0 {
                if !matches!(poll_fn(|cx| stream.poll_capacity(cx)).await, Some(Ok(_))) {
                    return;
                }
            }
        }
        if stream.send_data(chunk, ended).is_err() {
            return;
        }
    }
}

/// The next part of a body.
enum Next {
    /// It is not empty.
    Chunk(Bytes),
    End,
    Broken,
    /// The other node has ended the stream.
    Unwanted,
}

fn poll_chunk(body: &mut Body, stream: &mut SendStream<Bytes>, cx: &mut Context<'_>) -> Poll<Next> {
    if stream.poll_reset(cx).is_ready() {
        return Poll::Ready(Next::Unwanted);
    }
    loop {
        let frame = match ready!(Pin::new(&mut *body).poll_frame(cx)) {
            None => return Poll::Ready(Next::End),
            Some(Err(_)) => return Poll::Ready(Next::Broken),
            Some(Ok(frame)) => frame,
        };
        // No route reads trailers.
        if let Ok(chunk) = frame.into_data()
            && !chunk.is_empty()
        {
            return Poll::Ready(Next::Chunk(chunk));
        }
    }
}
