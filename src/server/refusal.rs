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

/// Upper bound on the text of a rejection, in bytes.
const MOST_TEXT: usize = 1024;

/// The time in seconds after which a client may try again that was refused for lack of room. Clients spread
/// their tries themselves. Where a server shuts down there is no such time: another one takes over, and the
/// client's own back-off finds it sooner.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// As [`RETRY_AFTER`], where the session is on another node that is not reached now.
const RETRY_SOON: HeaderValue = HeaderValue::from_static("1");

/// The reason why an opening was refused, and its status where the transport has one.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) reason: CloseReason,
    pub(super) status: StatusCode,
}

impl Refusal {
    /// Converts an extractor's rejection: its status stays, and its text becomes the reason's.
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

    /// Logs the refusal. The text of a rejection is the application's, and may quote what is secret.
    pub(super) fn log(&self) {
        let text = if self.reason.code == reason::REJECTED.code { &reason::REJECTED.text } else { &self.reason.text };
        tracing::debug!(code = self.reason.code, reason = &**text, "refused");
    }

    /// Sets this refusal's status on an answer, and with 503 the time after which to try again.
    pub(super) fn apply(&self, response: &mut Response) {
        *response.status_mut() = self.status;
        let retry_after = match self.status {
            StatusCode::SERVICE_UNAVAILABLE if self.reason == reason::UNREACHABLE => RETRY_SOON,
            StatusCode::SERVICE_UNAVAILABLE if self.reason.code != reason::DRAINING.code => RETRY_AFTER,
            _ => return,
        };
        response.headers_mut().insert(header::RETRY_AFTER, retry_after);
    }
}

/// The reason why a session was not opened.
#[derive(Debug)]
pub(super) enum OpenError {
    /// The server refused, because of an origin, a limit or a timeout.
    Refused(Refusal),
    /// An extractor rejected with this answer. The answer is boxed because it is large.
    Rejected(Box<Response>),
}

impl From<CloseReason> for OpenError {
    fn from(reason: CloseReason) -> Self {
        OpenError::Refused(reason.into())
    }
}

impl OpenError {
    /// Converts the error to a close reason and a status. Waits for a rejection's body, of which it reads the
    /// text.
    pub(super) async fn into_refusal(self) -> Refusal {
        match self {
            OpenError::Refused(refusal) => refusal,
            OpenError::Rejected(response) => Refusal::of_rejection(*response).await,
        }
    }
}

impl OpenError {
    /// The code, and the text if it is not that of an extractor's answer, which is not read.
    pub(super) fn reason(&self) -> CloseReason {
        match self {
            OpenError::Refused(refusal) => refusal.reason.clone(),
            OpenError::Rejected(_) => reason::REJECTED,
        }
    }
}

/// The HTTP answer: a rejection is the extractor's own answer, and a refusal is a status and a text.
impl IntoResponse for OpenError {
    fn into_response(self) -> Response {
        let refusal = match self {
            OpenError::Rejected(response) => return *response,
            OpenError::Refused(refusal) => refusal,
        };
        let mut response = Response::new(Body::from(refusal.reason.text.to_string()));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        refusal.apply(&mut response);
        guarded(response)
    }
}

/// Adds the headers of every answer to one that has none of its own: nothing keeps it, and no browser guesses
/// its type.
pub(super) fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    response
}

impl From<CloseReason> for Refusal {
    fn from(reason: CloseReason) -> Self {
        let status = StatusCode::from_u16(reason::status_of(reason.code)).expect("the table has statuses of HTTP");
        Refusal { reason, status }
    }
}
