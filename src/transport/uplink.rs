//! One reader for every request body, and what becomes of it.

use axum::body::BodyDataStream;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;

use super::{Link, write};
use crate::{
    codec::native::{Reader, Record, Spelling, Writer},
    shared::{CloseReason, reason},
};

/// A request's body, read and not yet understood.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) reader: Reader,
    pub(crate) rest: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    TooLarge,
    /// The connection broke, or HTTP was violated.
    Broken,
}

/// Reads a body of at most `limit` bytes. Copies only if it comes in pieces.
pub(crate) async fn read_body(mut stream: BodyDataStream, limit: usize) -> Result<Bytes, BodyError> {
    let mut whole: Option<Bytes> = None;
    let mut pieces = BytesMut::new();
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|_| BodyError::Broken)?;
        let had = whole.as_ref().map_or(pieces.len(), Bytes::len);
        if had + piece.len() > limit {
            return Err(BodyError::TooLarge);
        }
        match whole.take() {
            None if pieces.is_empty() => whole = Some(piece),
            first => {
                pieces.extend_from_slice(&first.unwrap_or_default());
                pieces.extend_from_slice(&piece);
            }
        }
    }
    Ok(whole.unwrap_or_else(|| pieces.freeze()))
}

/// Hands the records behind the head over to the session. What was read before a malformed record stays read.
pub(crate) fn take(link: &Link, body: &mut Body) -> Result<(), CloseReason> {
    link.input(|| match body.reader.read(&mut body.rest)? {
        None => Ok(None),
        Some(Record::Frame(frame)) => Ok(Some(frame)),
        Some(Record::Head(_)) => Err(reason::UNEXPECTED),
    })
}

/// The answer to an upload: how far we have come.
pub(crate) fn upload_answer(link: &Link, spelling: Spelling) -> Vec<u8> {
    let mut writer = Writer::new(spelling);
    let mut out = Vec::new();
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    link.pull(&mut cx, |saying| {
        write(&mut writer, saying, &mut out);
        true
    });
    out
}
