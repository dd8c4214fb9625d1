//! The body of a request on its way to another node.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};

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
