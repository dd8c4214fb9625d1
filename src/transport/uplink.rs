//! Reads the bodies of requests, and answers uploads.

#[cfg(test)]
mod tests;

use std::{
    future::poll_fn,
    task::{Context, Poll, Waker},
    time::Duration,
};

use axum::body::BodyDataStream;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;

use super::{Link, batch::MOST_FRAMES, pace::Pace};
use crate::{
    codec::{BodyCodec, Codec, ContentType},
    shared::{CloseReason, Frame, reason},
};

/// The body of a request of which the codec has read a part.
#[derive(Debug)]
pub(crate) struct Body<C> {
    pub(crate) codec: C,
    pub(crate) rest: Option<Bytes>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// It may not grow further.
    Refused(CloseReason),
    /// The connection broke, or the client violated HTTP.
    Broken,
    /// Nothing came for too long, or too little in all.
    TooSlow,
}

/// A piece of a body is a part of the buffer that its connection reads into, which has up to twice as many bytes.
const PART: usize = 32 * 1024;

/// A body that may wait for its session, or of which messages are slices that may. A small one is copied, since it would
/// otherwise hold much more than counts.
pub(crate) fn apart(body: Bytes) -> Bytes {
    if body.len() < PART { Bytes::copy_from_slice(&body) } else { body }
}

/// Reads a body. If it comes in one piece, it is a part of the buffer of its connection, and not to be kept
/// ([`apart`]); otherwise it is copied. It may be silent for `allowance`, and must
/// come at the least rate once that time has passed. With each piece `grow` is called with the beginning of the
/// body and its length so far, and may refuse that.
pub(crate) async fn read_body(
    mut stream: BodyDataStream,
    allowance: Duration,
    mut grow: impl FnMut(&[u8], usize) -> Result<(), CloseReason>,
) -> Result<Bytes, BodyError> {
    let mut pace = Pace::new(allowance);
    let mut whole: Option<Bytes> = None;
    let mut pieces = BytesMut::new();
    while let Some(piece) = pace.next(stream.next()).await.map_err(|_| BodyError::TooSlow)? {
        let piece = piece.map_err(|_| BodyError::Broken)?;
        pace.received(piece.len());
        let had = whole.as_deref().unwrap_or(&pieces);
        let beginning = if had.is_empty() { &piece[..] } else { had };
        grow(beginning, had.len() + piece.len()).map_err(BodyError::Refused)?;
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
///
/// Other tasks get their turn after each [`MOST_FRAMES`]. While the session can take no more, it waits: a body of very
/// many tiny messages would fill the memory otherwise. Not cancel-safe: the frames that were read are taken.
pub(crate) async fn take<C: Codec>(link: &Link, body: &mut Body<C>) -> Result<(), CloseReason> {
    loop {
        let mut left = MOST_FRAMES;
        let stopped = link.input(|| {
            let frame = if left > 0 { body.codec.read(&mut body.rest)? } else { None };
            left -= u32::from(frame.is_some());
            Ok(frame)
        })?;
        if stopped {
            poll_fn(|cx| if link.reading_stops(cx) { Poll::Pending } else { Poll::Ready(()) }).await;
        } else if left > 0 {
            return Ok(());
        }
        tokio::task::yield_now().await;
    }
}

/// Waits until the session has room for more, and its handler has had the turn that the input has caused: its
/// answers are there then, all of them. Cancel-safe.
pub(crate) async fn settled(link: &Link) {
    let poll = |cx: &mut Context<'_>| match link.reading_stops(cx) || link.awaits_turn(cx) {
        true => Poll::Pending,
        false => Poll::Ready(()),
    };
    poll_fn(poll).await;
}

/// As [`take`], for the first messages of a session: together they may have `most` bytes.
pub(crate) fn take_first<C: Codec>(link: &Link, body: &mut Body<C>, most: usize) -> Result<(), CloseReason> {
    let mut left = most;
    let mut read = || {
        let frame = body.codec.read(&mut body.rest)?;
        if let Some(Frame::Message { message, .. }) = &frame {
            left = left.checked_sub(message.len()).ok_or(reason::FIRST_FLIGHT_TOO_LARGE)?;
        }
        Ok(frame)
    };
    while link.input(&mut read)? {}
    Ok(())
}

/// The answer to an upload, which acknowledges what was received.
pub(crate) fn upload_answer<C: BodyCodec>(link: &Link, mut codec: C) -> (Vec<u8>, ContentType) {
    let mut out = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    link.pull(&mut cx, |frame| {
        codec.write(frame, &mut out);
        true
    });
    let content_type = codec.finish(&mut out);
    (out, content_type)
}
