//! One response body for every way that carries down: polling is streaming that stops after its first flush.

#[cfg(test)]
mod tests;

use std::{
    io,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::Stream;

use super::{Link, Wrapper};
use crate::{
    codec::{BodyCodec, ContentType},
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

/// The body of an answer that ends after its first flush.
///
/// Dropping it detaches the link; what it had taken is sent again on the next.
pub(crate) struct FirstFlush<C> {
    link: Option<Link>,
    codec: C,
    wait: Wait,
    /// The handler has had the turn that the answer waits for.
    turned: bool,
    /// The length of the answer with its first frame.
    started: usize,
    body: Vec<u8>,
}

impl<C: BodyCodec> FirstFlush<C> {
    pub(crate) fn new(link: Link, codec: C, wait: Wait) -> Self {
        let turned = wait == Wait::Something;
        FirstFlush { link: Some(link), codec, wait, turned, started: 0, body: Vec::new() }
    }

    /// The body and its type. Detaches the link when it is ready, and must not be polled again then.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(Vec<u8>, ContentType)> {
        let FirstFlush { link, codec, wait, turned, started, body } = self;
        let attached = link.as_ref().expect("an answer is polled until it is ready");
        if !*turned && !attached.has_turned(cx) {
            return Poll::Pending;
        }
        *turned = true;
        let pulled = attached.pull(cx, |frame| {
            codec.write(frame, body);
            if *started == 0 {
                if *wait == Wait::Rest {
                    codec.write(Outbound::Frame(Frame::PollDelay { delay: REST }), body);
                }
                *started = body.len();
            }
            body.len() < FLUSH
        });
        if pulled == PullStatus::Drained && *wait == Wait::Something && body.len() == *started {
            return Poll::Pending;
        }
        *link = None;
        let content_type = codec.finish(body);
        Poll::Ready((std::mem::take(body), content_type))
    }
}

/// The body of a streaming answer: one chunk a flush, until the link is over or about `budget` bytes are spent, what they are wrapped in
/// not counted. `guard` goes with the link.
pub(crate) fn stream<C: BodyCodec>(
    link: Link,
    mut codec: C,
    budget: usize,
    mut wrapper: Wrapper,
    guard: impl Send,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let mut link = Some((link, guard));
    let mut spent = 0;
    let mut padding = Padding::default();
    futures::stream::poll_fn(move |cx: &mut Context<'_>| {
        if let Some(polled) = padding.poll(cx) {
            return polled.map(|bytes| Some(Ok(wrapper.wrap(bytes, link.is_none()).into())));
        }
        let Some((attached, _)) = &link else { return Poll::Ready(None) };
        let mut out = Vec::new();
        let pulled = attached.pull(cx, |saying| match saying {
            Outbound::Frame(Frame::Padding { .. }) => {
                codec.write(saying, &mut padding.bytes);
                codec.finish(&mut padding.bytes);
                false
            }
            saying => {
                codec.write(saying, &mut out);
                !wrapper.each_frame_a_chunk() && out.len() < FLUSH
            }
        });
        if !out.is_empty() {
            codec.finish(&mut out);
        }
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
