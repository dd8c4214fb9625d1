//! Why an opening was refused.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::StreamExt;

use crate::{
    message::truncate,
    session::{CloseReason, reason},
};

/// A rejection's text is cut to this many bytes.
const MOST_TEXT: usize = 1024;

/// Seconds after which a client that was refused for want of room may try again; it spreads its tries itself.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// Why an open was refused: what the client is told, and the status where the carrier has one.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) reason: CloseReason,
    pub(super) status: StatusCode,
}

impl Refusal {
    /// What an extractor's rejection becomes.
    async fn of_rejection(rejection: Response) -> Self {
        let status = match rejection.status() {
            status if status.is_client_error() || status.is_server_error() => status,
            _ => StatusCode::FORBIDDEN,
        };
        let mut body = rejection.into_body().into_data_stream();
        let mut text = Vec::new();
        while let (true, Some(Ok(data))) = (text.len() < MOST_TEXT, body.next().await) {
            text.extend_from_slice(&data);
        }
        let text = String::from_utf8_lossy(&text);
        let text = match truncate(&text, MOST_TEXT) {
            "" => status.canonical_reason().unwrap_or("rejected"),
            text => text,
        };
        Refusal { reason: CloseReason::new(reason::REJECTED.code, text), status }
    }

    /// Gives an answer this refusal's status, and with 503 the time after which to try again.
    pub(super) fn apply(&self, response: &mut Response) {
        *response.status_mut() = self.status;
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
        }
    }
}

/// Why a session was not opened.
#[derive(Debug)]
pub(super) enum OpenError {
    /// The server refused: an origin, a limit, a time.
    Refused(Refusal),
    /// An extractor rejected, with this answer. It is boxed because it is large.
    Rejected(Box<Response>),
}

impl From<CloseReason> for OpenError {
    fn from(reason: CloseReason) -> Self {
        OpenError::Refused(reason.into())
    }
}

impl OpenError {
    /// The same as a close reason and a status. Reads the text of a rejection's body, which may wait for it.
    pub(super) async fn into_refusal(self) -> Refusal {
        match self {
            OpenError::Refused(refusal) => refusal,
            OpenError::Rejected(response) => Refusal::of_rejection(*response).await,
        }
    }
}

/// For a client that reads answers of HTTP: a rejection is the extractor's own answer, a refusal a status and a text.
impl IntoResponse for OpenError {
    fn into_response(self) -> Response {
        let refusal = match self {
            OpenError::Rejected(response) => return *response,
            OpenError::Refused(refusal) => refusal,
        };
        let mut response = Response::new(Body::from(refusal.reason.text.to_string()));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        refusal.apply(&mut response);
        response
    }
}

impl From<CloseReason> for Refusal {
    fn from(reason: CloseReason) -> Self {
        let status = StatusCode::from_u16(reason::status_of(reason.code)).expect("the table has statuses of HTTP");
        Refusal { reason, status }
    }
}
