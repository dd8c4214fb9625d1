//! Why an opening was refused.

use axum::{http::StatusCode, response::Response};
use futures::StreamExt;

use crate::{message::truncate, session::CloseReason};

/// A rejection's text is cut to this many bytes.
const MOST_TEXT: usize = 1024;

/// Why an open was refused: what the client is told, and the status where the carrier has one.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) reason: CloseReason,
    pub(super) status: StatusCode,
}

impl Refusal {
    /// What an extractor's rejection becomes.
    pub(super) async fn of_rejection(rejection: Response) -> Self {
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
        Refusal { reason: CloseReason::new(4301, text), status }
    }
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
