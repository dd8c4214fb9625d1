//! Reads the bodies of requests, and answers uploads.

#[cfg(test)]
mod tests;

use std::time::Duration;

use axum::body::BodyDataStream;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;

use super::{Link, pace::Pace};
use crate::{
    codec::{BodyCodec, Codec, ContentType},
    shared::CloseReason,
};

/// The body of a request of which the codec has read a part.
#[derive(Debug)]
pub(crate) struct Body<C> {
    pub(crate) codec: C,
    pub(crate) rest: Option<Bytes>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    TooLarge,
    /// There is no room for it now.
    NoRoom,
    /// The connection broke, or the client violated HTTP.
    Broken,
    /// Nothing came for too long, or too little in all.
    TooSlow,
}

/// Reads a body of at most `limit` bytes. It is copied only if it comes in several pieces. It may be silent for
/// `allowance`, and must come at the least rate once that time has passed. `keep` is asked for each piece whether
/// so many bytes more may be kept.
pub(crate) async fn read_body(
    mut stream: BodyDataStream,
    limit: usize,
    allowance: Duration,
    mut keep: impl FnMut(usize) -> bool,
) -> Result<Bytes, BodyError> {
    let mut pace = Pace::new(allowance);
    let mut whole: Option<Bytes> = None;
    let mut pieces = BytesMut::new();
    while let Some(piece) = pace.next(stream.next()).await.map_err(|_| BodyError::TooSlow)? {
        let piece = piece.map_err(|_| BodyError::Broken)?;
        pace.received(piece.len());
        let had = whole.as_ref().map_or(pieces.len(), Bytes::len);
        if had + piece.len() > limit {
            return Err(BodyError::TooLarge);
        } else if !keep(piece.len()) {
            return Err(BodyError::NoRoom);
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
    // The whole body is taken even where the session asks to stop: it is bounded, and so is the excess.
    while link.input(|| body.codec.read(&mut body.rest))? {}
    Ok(())
}

/// The answer to an upload, which acknowledges what was received.
pub(crate) fn upload_answer<C: BodyCodec>(link: &Link, mut codec: C) -> (Vec<u8>, ContentType) {
    let mut out = Vec::new();
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    link.pull(&mut cx, |frame| {
        codec.write(frame, &mut out);
        true
    });
    let content_type = codec.finish(&mut out);
    (out, content_type)
}
