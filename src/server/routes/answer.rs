//! The answer to a request of a family of clients, at once or later.

use std::{
    future::poll_fn,
    task::{Poll, ready},
};

use axum::response::Response;

use crate::{
    codec::{BodyCodec, ContentType},
    shared::UnderWay,
    transport::{FirstFlush, Wrapping},
};

/// Makes an answer with this body, of which the last argument counts the bytes.
pub(super) type Respond = fn(ContentType, Vec<u8>, Option<&Wrapping>, Option<UnderWay>) -> Response;

/// The answer to a request, or its source.
pub(super) enum Answer<C> {
    /// It is boxed, so that a parked poll does not carry the room for it.
    Ready(Box<Response>),
    /// The session sends it next. It is wrapped for a client that cannot read it as it is.
    Flush { flush: FirstFlush<C>, wrapping: Option<Box<Wrapping>> },
}

impl<C: BodyCodec> Answer<C> {
    pub(super) fn ready(response: Response) -> Self {
        Answer::Ready(Box::new(response))
    }

    /// Waits for the answer. An `async fn` would hold much of it twice.
    pub(super) fn finish(mut self, respond: Respond) -> impl Future<Output = Response> + Send {
        poll_fn(move |cx| {
            Poll::Ready(match &mut self {
                Answer::Ready(response) => std::mem::take(&mut **response),
                Answer::Flush { flush, wrapping } => {
                    let (body, content_type, counter) = ready!(flush.poll(cx));
                    respond(content_type, body, wrapping.as_deref(), counter)
                }
            })
        })
    }
}
