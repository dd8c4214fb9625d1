//! The answer to a request of a family of clients, at once or later.

use std::{
    future::poll_fn,
    task::{Poll, ready},
};

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, header},
    response::Response,
};

use crate::{
    codec::{BodyCodec, ContentType},
    shared::UnderWay,
    transport::{self, FirstFlush, Wrapping},
};

/// The room for headers that an answer gets later.
const MORE_HEADERS: usize = 4;

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

/// An answer with this body, of which the counter counts the bytes, and with the headers of all answers of a family.
pub(super) fn with_body(
    family: &[(HeaderName, HeaderValue)],
    content_type: ContentType,
    body: Vec<u8>,
    wrapping: Option<&Wrapping>,
    counter: Option<UnderWay>,
) -> Response {
    let wrapped = wrapping.and_then(Wrapping::content_type);
    let body = match wrapping {
        Some(wrapping) => wrapping.whole(body),
        None => body,
    };
    let content_type = match wrapped {
        Some(wrapped) => HeaderValue::from_str(&wrapped).ok(),
        None => Some(HeaderValue::from_static(content_type.0)),
    };
    let mut response = Response::new(Body::from(transport::counted(body, counter)));
    let headers = response.headers_mut();
    headers.reserve(family.len() + 1 + MORE_HEADERS);
    headers.extend(family.iter().cloned());
    headers.extend(content_type.map(|content_type| (header::CONTENT_TYPE, content_type)));
    response
}
