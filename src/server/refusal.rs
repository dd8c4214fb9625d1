//! Why an opening was refused.

use axum::{http::StatusCode, response::Response};
use futures::StreamExt;

use crate::session::{CloseReason, reason};

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
        let mut end = text.len().min(MOST_TEXT);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text = if end == 0 { status.canonical_reason().unwrap_or("rejected") } else { &text[..end] };
        Refusal { reason: CloseReason::new(reason::REJECTED.code, text), status }
    }
}

impl From<CloseReason> for Refusal {
    fn from(reason: CloseReason) -> Self {
        let status = StatusCode::from_u16(reason::status_of(reason.code)).expect("the table has statuses of HTTP");
        Refusal { reason, status }
    }
}
