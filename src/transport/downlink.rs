//! One response body for every way that carries down: polling is streaming that stops after its first flush.

use std::{
    future::poll_fn,
    io,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::Stream;

use super::{Link, Wrapper, write};
use crate::{
    codec::native::{Spelling, Writer, write_rest},
    shared::{Frame, Outbound, PullStatus},
};

/// One flush is about this large at most; more follows in the next.
const FLUSH: usize = 64 * 1024;

/// Milliseconds for which a client rests that may not wait.
const REST: u64 = 2000;

/// What an answer of one flush waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// For something beyond the start, until the link's hold time is over.
    Something,
    /// For the handler's first words only.
    Nothing,
    /// The same; and the client is asked to rest before it comes again, since many answers wait in its browser.
    Rest,
}

/// The records of an answer that ends after its first flush.
///
/// Cancel-safe: dropping it detaches the link, and what it had taken is said again on the next.
pub(crate) async fn answer(link: Link, spelling: Spelling, wait: Wait) -> Vec<u8> {
    let mut writer = Writer::new(spelling);
    let mut out = Vec::new();
    if wait != Wait::Something {
        poll_fn(|cx| if link.has_turned(cx) { Poll::Ready(()) } else { Poll::Pending }).await;
    }
    let mut started = 0;
    poll_fn(|cx| {
        let pulled = link.pull(cx, |saying| {
            write(&mut writer, saying, &mut out);
            if started == 0 {
                if wait == Wait::Rest {
                    write_rest(REST, &mut out);
                }
                started = out.len();
            }
            out.len() < FLUSH
        });
        match pulled {
            PullStatus::Drained if wait == Wait::Something && out.len() == started => Poll::Pending,
            _ => Poll::Ready(()),
        }
    })
    .await;
    out
}

/// The body of a streaming answer: one chunk a flush, until the link is over or about `budget` bytes are spent, what they are wrapped in
/// not counted. `guard` goes with the link.
pub(crate) fn stream(
    link: Link,
    spelling: Spelling,
    budget: usize,
    mut wrapper: Wrapper,
    guard: impl Send,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let mut link = Some((link, guard));
    let mut writer = Writer::new(spelling);
    let mut spent = 0;
    let mut padding = Padding::default();
    futures::stream::poll_fn(move |cx: &mut Context<'_>| {
        if let Some(polled) = padding.poll(cx) {
            return polled.map(|bytes| Some(Ok(wrapper.wrap(bytes, link.is_none()).into())));
        }
        let Some((attached, _)) = &link else { return Poll::Ready(None) };
        let mut out = Vec::new();
        let pulled = attached.pull(cx, |saying| match saying {
            Outbound::Frame(frame @ Frame::Padding { .. }) => {
                writer.write(&frame, &mut padding.bytes);
                false
            }
            saying => {
                write(&mut writer, saying, &mut out);
                out.len() < FLUSH
            }
        });
        spent += out.len() + padding.bytes.len();
        if pulled == PullStatus::Over || spent >= budget {
            link = None;
        }
        match pulled {
            PullStatus::Drained if out.is_empty() => Poll::Pending,
            _ if out.is_empty() => match padding.poll(cx) {
                Some(polled) => polled.map(|bytes| Some(Ok(wrapper.wrap(bytes, link.is_none()).into()))),
                None => Poll::Ready(wrapper.end().map(|end| Ok(end.into()))),
            },
            _ => Poll::Ready(Some(Ok(wrapper.wrap(out, link.is_none() && padding.bytes.is_empty()).into()))),
        }
    })
}

/// Padding of a stream waits here for the flush before it: it is to push that through whatever keeps the last chunk back, so it must
/// not share a chunk with it, nor a write.
#[derive(Default)]
struct Padding {
    bytes: Vec<u8>,
    yields: u8,
}

impl Padding {
    /// `None` if there is none. HTTP writes what it has when a body has nothing ready, and looks once more in the same breath; so
    /// there is nothing ready, twice.
    fn poll(&mut self, cx: &Context<'_>) -> Option<Poll<Vec<u8>>> {
        if self.bytes.is_empty() {
            return None;
        }
        self.yields += 1;
        if self.yields <= 2 {
            cx.waker().wake_by_ref();
            return Some(Poll::Pending);
        }
        self.yields = 0;
        Some(Poll::Ready(std::mem::take(&mut self.bytes)))
    }
}
