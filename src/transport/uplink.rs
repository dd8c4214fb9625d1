//! One reader for every request body, and what becomes of it.

use axum::body::BodyDataStream;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;

use super::Link;
use crate::{
    codec::{BodyCodec, Codec, ContentType},
    shared::CloseReason,
};

/// A request's body, read and not yet understood.
#[derive(Debug)]
pub(crate) struct Body<C> {
    pub(crate) codec: C,
    pub(crate) rest: Option<Bytes>,
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

/// Hands the frames of a body over to the session. The frames before a malformed one are taken.
pub(crate) fn take<C: Codec>(link: &Link, body: &mut Body<C>) -> Result<(), CloseReason> {
    // A body that was read is taken whole: it is bounded, and its answer waits meanwhile.
    while link.input(|| body.codec.read(&mut body.rest))? {}
    Ok(())
}

/// The answer to an upload: how far we have come.
pub(crate) fn upload_answer<C: BodyCodec>(link: &Link, mut codec: C) -> (Vec<u8>, ContentType) {
    let mut out = Vec::new();
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    link.pull(&mut cx, |saying| {
        codec.write(saying, &mut out);
        true
    });
    let content_type = codec.finish(&mut out);
    (out, content_type)
}
