//! The requests that are refused, and how clients are told.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{
    server::refusal::{Refusal, guarded},
    session::{CloseReason, reason},
};

/// Why a request is refused.
#[derive(Debug)]
pub(super) struct EngineRefusal {
    /// The reason as the library counts it. Its text is the message where the protocol has none of its own.
    pub(super) reason: CloseReason,
    status: StatusCode,
    /// The error's number in the protocol. Without one the answer has no body.
    code: Option<u8>,
    /// Whether the answer has a header `Retry-After`.
    refusal: Option<Refusal>,
}

/// The messages of the errors, by their numbers.
const MESSAGES: [&str; 6] = [
    "Transport unknown",
    "Session ID unknown",
    "Bad handshake method",
    "Bad request",
    "Forbidden",
    "Unsupported protocol version",
];

const FORBIDDEN: u8 = 4;

impl EngineRefusal {
    fn protocol(code: u8, reason: CloseReason) -> Self {
        EngineRefusal { reason, status: StatusCode::BAD_REQUEST, code: Some(code), refusal: None }
    }

    pub(super) fn unknown_transport() -> Self {
        Self::protocol(0, reason::NOT_SERVED)
    }

    pub(super) fn unknown_sid() -> Self {
        Self::protocol(1, reason::UNKNOWN)
    }

    pub(super) fn handshake_method() -> Self {
        Self::protocol(2, CloseReason::malformed("a handshake is a GET"))
    }

    pub(super) fn bad_request(what: &'static str) -> Self {
        Self::protocol(3, CloseReason::malformed(what))
    }

    pub(super) fn version() -> Self {
        Self::protocol(5, reason::VERSION_NOT_SPOKEN)
    }

    /// The page may not do this.
    pub(super) fn forbidden(reason: CloseReason) -> Self {
        EngineRefusal { reason, status: StatusCode::FORBIDDEN, code: Some(FORBIDDEN), refusal: None }
    }

    /// The opening was refused: by an extractor, which counts as forbidden, or because of a limit.
    pub(super) fn of_opening(refusal: Refusal) -> Self {
        let code = if refusal.reason.code / 100 == 43 { FORBIDDEN } else { 3 };
        let (reason, status) = (refusal.reason.clone(), refusal.status);
        EngineRefusal { reason, status, code: Some(code), refusal: Some(refusal) }
    }

    /// An answer without a body.
    pub(super) fn empty(status: StatusCode, reason: CloseReason) -> Self {
        EngineRefusal { reason, status, code: None, refusal: None }
    }

    /// The reference server answers 500, which looks like a fault of the server.
    pub(super) fn wrong_method() -> Self {
        Self::empty(StatusCode::METHOD_NOT_ALLOWED, CloseReason::malformed("a session is polled by GET and POST"))
    }

    fn message(&self, code: u8) -> &str {
        match self.reason.code / 100 {
            42 | 43 => &self.reason.text,
            _ => MESSAGES[usize::from(code)],
        }
    }

    /// The answer; `upgrade`: to a request for a WebSocket, of which the reference server ends the connection.
    pub(super) fn respond(self, upgrade: bool) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        if let Some(code) = self.code {
            let message = self.message(code);
            let (content_type, body) = match upgrade {
                true => ("text/html", message.to_owned()),
                false => ("application/json", json!({ "code": code, "message": message }).to_string()),
            };
            *response.body_mut() = Body::from(body);
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        if upgrade {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, POST"));
        }
        if let Some(refusal) = &self.refusal {
            refusal.log();
            refusal.apply(&mut response);
        }
        guarded(response.into_response())
    }
}
