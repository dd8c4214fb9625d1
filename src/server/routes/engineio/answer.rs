//! The answers over HTTP.

use axum::{
    http::{HeaderName, HeaderValue, header},
    response::Response,
};

use super::params::Params;
use crate::{
    codec::{ContentType, engineio::EngineCodec},
    server::routes::answer,
    shared::UnderWay,
    transport::{Wrapping, wrapping},
};

/// The answer to an upload. Some browsers offer other types for download.
const OK: ContentType = ContentType("text/html");

/// The headers of every answer: nothing keeps it, delays it or guesses its type, and its URL, in which the sid
/// stands, is told to nobody.
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
];

pub(super) type Answer = answer::Answer<EngineCodec>;

impl Answer {
    /// The answer to an upload that was taken.
    pub(super) fn taken() -> Self {
        Answer::ready(respond(OK, b"ok".to_vec(), None, None))
    }
}

/// The wrapping for a client that polls by scripts.
pub(super) fn wrapping_of(params: &Params) -> Option<Box<Wrapping>> {
    params.index.as_deref().map(|index| Box::new(Wrapping::new(&wrapping::ENGINE_IO, index)))
}

/// An answer with this body.
pub(super) fn respond(
    content_type: ContentType,
    body: Vec<u8>,
    wrapping: Option<&Wrapping>,
    counter: Option<UnderWay>,
) -> Response {
    answer::with_body(&HEADERS, content_type, body, wrapping, counter)
}
