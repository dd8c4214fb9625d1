//! The bodies of answers that carry frames to a client: a stream, and a poll, which is a stream that ends
//! after its first flush.

#[cfg(test)]
mod tests;

use std::{
    io,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures::Stream;

use super::{Link, Wrapper};
use crate::{
    codec::{BodyCodec, ContentType},
    shared::{Frame, Outbound, PullStatus, UnderWay},
};

/// A flush ends with the frame that brings it to this many bytes. The rest follows in the next.
const FLUSH: usize = 64 * 1024;

/// A larger flush of a stream is cut into chunks of this many bytes.
const CHUNK: usize = 128 * 1024;

/// The delay, in milliseconds, before the next poll of a client whose polls may not wait.
const REST: u64 = 2000;

/// An answer of more bytes counts until its connection has taken it.
const COUNTED: usize = 16 * 1024;

/// The event for which an answer of one flush waits before it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// A frame behind the first, or the end of the time for which the link may wait.
    Something,
    /// Any frame, where no link begins with one that every answer has.
    Anything,
    /// Only the handler's first turn, so that what it sends there is part of the answer.
    Nothing,
    /// The same. The client is also asked to delay its next poll, since many answers wait in its browser or
    /// its path holds none open.
    Rest,
}

/// The body of an answer that ends after its first flush.
///
/// Dropping it detaches the link. What it had taken is sent again on the next link, where messages are kept
/// until they are acknowledged.
pub(crate) struct FirstFlush<C> {
    link: Option<Link>,
    codec: C,
    wait: Wait,
    /// The handler has had the first turn that the answer waits for.
    turned: bool,
    /// The answer has waited for a turn that was due. It waits for no second one.
    waited: bool,
    /// The number of packets that may follow, if the client takes only so many.
    packets_left: Option<u8>,
    /// The length of the answer with its first frame.
    started: usize,
    body: Vec<u8>,
}

impl<C: BodyCodec> FirstFlush<C> {
    pub(crate) fn new(link: Link, codec: C, wait: Wait) -> Self {
        let turned = matches!(wait, Wait::Something | Wait::Anything);
        let (started, body) = (0, Vec::new());
        FirstFlush { link: Some(link), codec, wait, turned, waited: false, packets_left: None, started, body }
    }

    /// The answer has no more packets than this, an attachment being one. It must be enough for one message.
    pub(crate) fn of_at_most(mut self, packets: Option<u8>) -> Self {
        self.packets_left = packets;
        self
    }

    /// The body and its type, and what counts the body if it is large. The link is detached when they are ready,
    /// and this must not be polled again then.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(Vec<u8>, ContentType, Option<UnderWay>)> {
        let FirstFlush { link, codec, wait, turned, waited, packets_left, started, body } = self;
        let attached = link.as_ref().expect("an answer is polled until it is ready");
        if !*turned && !attached.has_turned(cx) {
            return Poll::Pending;
        }
        *turned = true;
        // The acknowledgement and the handler's answer to what it acknowledges are one answer, not two.
        if *wait == Wait::Something && !*waited && attached.awaits_turn(cx) {
            *waited = true;
            return Poll::Pending;
        }
        let pulled = attached.pull(cx, |frame| {
            if let Some(left) = packets_left {
                *left = left.saturating_sub(frame.packets());
            }
            codec.write(frame, body);
            if *started == 0 && *wait != Wait::Anything {
                if *wait == Wait::Rest {
                    codec.write(Outbound::Frame(Frame::PollDelay { delay: REST }), body);
                }
                *started = body.len();
            }
            body.len() < FLUSH && !codec.is_full() && packets_left.is_none_or(|left| left >= Outbound::MOST_PACKETS)
        });
        let waits = matches!(wait, Wait::Something | Wait::Anything);
        if pulled == PullStatus::Drained && waits && body.len() == *started {
            *waited = false;
            return Poll::Pending;
        }
        let counted = (body.len() > COUNTED).then(|| attached.under_way());
        link.take().into_iter().for_each(Link::complete);
        let content_type = codec.finish(body);
        Poll::Ready((std::mem::take(body), content_type, counted))
    }
}

/// Bytes that count until the connection has taken them, if there is something to count them.
pub(crate) fn counted(bytes: Vec<u8>, counter: Option<UnderWay>) -> Bytes {
    let Some(mut counter) = counter else { return bytes.into() };
    // The link tells too that the session has ended.
    let _ = counter.set(bytes.len(), usize::MAX);
    Bytes::from_owner(Counted { bytes, _counter: counter })
}

struct Counted {
    bytes: Vec<u8>,
    _counter: UnderWay,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The body of a streamed answer: one chunk for each flush, until the link is over or about `budget` bytes
/// were sent. The bytes of the wrapping are not counted. `guard` is dropped with the link.
///
/// A flush with a large message is several chunks: when the server asks for the next one, the connection has
/// taken some, which shows that a slow client reads.
pub(crate) fn stream<C: BodyCodec>(
    link: Link,
    codec: C,
    budget: usize,
    wrapper: Wrapper,
    guard: impl Send,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let mut flushes =
        Flushes { link: Some((link, guard)), codec, budget, spent: 0, wrapper, padding: Padding::default() };
    let mut flush = Bytes::new();
    futures::stream::poll_fn(move |cx: &mut Context<'_>| {
        if flush.is_empty() {
            let Some((next, counter)) = ready!(flushes.poll(cx)) else { return Poll::Ready(None) };
            flush = counted(next, counter);
        } else if let Some((link, _)) = &flushes.link {
            link.wrote();
        }
        Poll::Ready(Some(Ok(flush.split_to(flush.len().min(CHUNK)))))
    })
}

/// The flushes of a streamed answer.
struct Flushes<C, G> {
    /// `None` behind the last flush.
    link: Option<(Link, G)>,
    codec: C,
    budget: usize,
    spent: usize,
    wrapper: Wrapper,
    padding: Padding,
}

impl<C: BodyCodec, G> Flushes<C, G> {
    /// The next flush as it is written, and what counts it if it is large.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<(Vec<u8>, Option<UnderWay>)>> {
        let mut counter = None;
        let flush = ready!(self.flush(cx, &mut counter));
        Poll::Ready(flush.map(|flush| (flush, counter)))
    }

    fn flush(&mut self, cx: &mut Context<'_>, counter: &mut Option<UnderWay>) -> Poll<Option<Vec<u8>>> {
        let Flushes { link, codec, budget, spent, wrapper, padding } = self;
        if let Some(prelude) = wrapper.take_prelude() {
            return Poll::Ready(Some(prelude));
        }
        if let Some(polled) = padding.poll(cx) {
            return polled.map(|bytes| Some(wrapper.wrap(bytes, link.is_none())));
        }
        let Some((attached, _)) = link else { return Poll::Ready(None) };
        let mut out = Vec::new();
        let pulled = attached.pull(cx, |frame| match frame {
            Outbound::Frame(Frame::Padding { .. }) => {
                codec.write(frame, &mut padding.bytes);
                codec.finish(&mut padding.bytes);
                false
            }
            frame => {
                codec.write(frame, &mut out);
                out.len() < FLUSH && !codec.is_full()
            }
        });
        if !out.is_empty() {
            codec.finish(&mut out);
        }
        *counter = (out.len() > COUNTED).then(|| attached.under_way());
        *spent += out.len() + padding.bytes.len();
        if pulled == PullStatus::Over {
            *link = None;
        } else if *spent >= *budget {
            link.take().into_iter().for_each(|(link, _)| link.complete());
        }
        match pulled {
            PullStatus::Drained if out.is_empty() => Poll::Pending,
            _ if out.is_empty() => match padding.poll(cx) {
                Some(polled) => polled.map(|bytes| Some(wrapper.wrap(bytes, link.is_none()))),
                None => Poll::Ready(wrapper.end()),
            },
            _ => Poll::Ready(Some(wrapper.wrap(out, link.is_none() && padding.bytes.is_empty()))),
        }
    }
}

/// Padding of a stream waits here until the flush before it was written. It must push that flush through a
/// proxy that holds the last chunk back, so the two must share neither a chunk nor a write.
#[derive(Default)]
struct Padding {
    bytes: Vec<u8>,
    yields: u8,
}

impl Padding {
    /// The padding, if there is any. Hyper writes what it has when a body is pending, and polls the body
    /// once more before that; so the padding stays pending for two polls to get a write of its own.
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
