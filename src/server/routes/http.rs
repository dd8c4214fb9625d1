//! Answers of the HTTP routes.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};

use crate::{codec::native::write_refusal, message::Spelling, server::opening::Refusal, session::CloseReason};

/// Seconds after which a client that was refused for want of room may try again; it spreads its tries itself.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// An answer of records.
pub(super) fn answer(spelling: Spelling, body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.reserve(6);
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(match spelling {
            Spelling::Bytes => "application/octet-stream",
            _ => "text/plain; charset=utf-8",
        }),
    );
    // Neither caches nor compressing or buffering proxies may touch it, nor browsers guess its type.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A refusal: a status, and one record that says why.
pub(super) fn refuse(Refusal { reason, status }: &Refusal) -> Response {
    tracing::debug!(code = reason.code, reason = &*reason.text, "refused");
    let mut response = answer(Spelling::Text, Body::from(write_refusal(reason)));
    *response.status_mut() = *status;
    if *status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    }
    response
}

impl From<CloseReason> for Refusal {
    fn from(reason: CloseReason) -> Self {
        Refusal { status: status(reason.code), reason }
    }
}

/// The status of a code (PROTOCOL.md, section 7).
fn status(code: u16) -> StatusCode {
    match code {
        4004 => StatusCode::BAD_REQUEST,
        4006 => StatusCode::PAYLOAD_TOO_LARGE,
        4007 => StatusCode::REQUEST_TIMEOUT,
        4000..=4099 => StatusCode::CONFLICT,
        4200..=4299 => StatusCode::SERVICE_UNAVAILABLE,
        4300 => StatusCode::FORBIDDEN,
        4400..=4499 => StatusCode::BAD_REQUEST,
        _ => StatusCode::GONE,
    }
}
