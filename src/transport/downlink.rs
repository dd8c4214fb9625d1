//! One response body for every way that carries down: polling is streaming that stops after its first flush.

use std::{
    future::poll_fn,
    io,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::Stream;

use super::{Link, write};
use crate::{codec::native::Writer, message::Spelling, shared::Pulled};

/// One flush is about this large at most; more follows in the next.
const FLUSH: usize = 64 * 1024;

/// The body of an answer that ends after its first flush. With `wait` it waits for something beyond the start, until the link's
/// hold time is over; without it, for the handler's first words only.
///
/// Cancel-safe: dropping it detaches the link, and what it had taken is said again on the next.
pub(crate) async fn answer(link: Link, spelling: Spelling, wait: bool) -> Vec<u8> {
    let mut writer = Writer::new(spelling);
    let mut out = Vec::new();
    if !wait {
        poll_fn(|cx| if link.has_turned(cx) { Poll::Ready(()) } else { Poll::Pending }).await;
    }
    let mut started = 0;
    poll_fn(|cx| {
        let pulled = link.pull(cx, |saying| {
            write(&mut writer, saying, &mut out);
            if started == 0 {
                started = out.len();
            }
            out.len() < FLUSH
        });
        match pulled {
            Pulled::Drained if wait && out.len() == started => Poll::Pending,
            _ => Poll::Ready(()),
        }
    })
    .await;
    out
}

/// The body of a streaming answer: one chunk a flush, until the link is over or about `budget` bytes are spent.
pub(crate) fn stream(link: Link, spelling: Spelling, budget: usize) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let mut link = Some(link);
    let mut writer = Writer::new(spelling);
    let mut spent = 0;
    futures::stream::poll_fn(move |cx: &mut Context<'_>| {
        let Some(attached) = &link else { return Poll::Ready(None) };
        let mut out = Vec::new();
        let pulled = attached.gather(cx, &mut writer, &mut out, FLUSH);
        spent += out.len();
        if pulled == Pulled::Over || spent >= budget {
            link = None;
        }
        match pulled {
            Pulled::Drained if out.is_empty() => Poll::Pending,
            _ if out.is_empty() => Poll::Ready(None),
            _ => Poll::Ready(Some(Ok(Bytes::from(out)))),
        }
    })
}
