//! The side that is called.

use std::{
    collections::HashMap,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
};

use axum::{
    body::{Body, Bytes, HttpBody, to_bytes},
    response::Response,
};
use bytes::BytesMut;
use futures::{
    StreamExt,
    future::{AbortHandle, Abortable, Aborted, BoxFuture},
    stream::FuturesUnordered,
};
use hyper::body::{Frame as BodyFrame, Incoming};

use super::{
    MOST_ANSWER,
    frame::{self, Kind},
    reader::{Frame, Malformed, Reader},
};
use crate::{
    server::{
        nodes::peers::{figures::Counts, internal, mounts::Mounts, settings::STREAMS, turn::Gathering},
        other_nodes::CameBy,
    },
    sync::lock,
};

/// While so many bytes of answers wait to be sent, no call is read.
const MOST_WAITING: usize = 256 * 1024;

/// The means to answer the calls of a connection.
pub(in crate::server::nodes::peers) struct Answering {
    mounts: Arc<Mounts>,
    counts: Arc<Counts>,
    /// The process that calls.
    from: u64,
    /// Answers that are asked for on streams of their own, by the numbers of their calls.
    kept: Mutex<HashMap<u32, Response>>,
}

impl Answering {
    pub(in crate::server::nodes::peers) fn new(mounts: Arc<Mounts>, counts: Arc<Counts>, from: u64) -> Arc<Self> {
        Arc::new(Answering { mounts, counts, from, kept: Mutex::default() })
    }

    /// The answer to the request that is the stream of the calls.
    pub(in crate::server::nodes::peers) fn open(self: &Arc<Self>, calls: Incoming) -> Response {
        Response::new(Body::new(Answers {
            answering: self.clone(),
            calls,
            reader: Reader::default(),
            ended: false,
            under_way: FuturesUnordered::new(),
            cancels: HashMap::new(),
            out: BytesMut::new(),
            gathering: Gathering::new(),
        }))
    }

    /// An answer that was kept; `None` if there is none.
    pub(in crate::server::nodes::peers) fn take(&self, number: u32) -> Option<Response> {
        let mut answer = lock(&self.kept).remove(&number)?;
        internal::put_moved(&mut answer);
        Some(answer)
    }

    /// Answers one call.
    fn answer(&self, number: u32, rest: Bytes) -> BoxFuture<'static, Done> {
        let now = |answer| Box::pin(std::future::ready(Done { number, answer }));
        let Some((mount, mut request)) = frame::read_call(rest) else {
            tracing::warn!("another node has sent a call that cannot be read");
            return now(Answer::Failed);
        };
        request.extensions_mut().insert(CameBy(self.from));
        self.counts.served.add(1);
        let answer = std::str::from_utf8(&mount).ok().and_then(|mount| self.mounts.serve(mount, request));
        let Some(answer) = answer else {
            tracing::debug!("another node asked for routes that are not there");
            return now(Answer::Refused);
        };
        let answer = async move {
            let answer = match without_panic(answer).await {
                Some(answer) => shorten(answer).await,
                None => Answer::Failed,
            };
            Done { number, answer }
        };
        Box::pin(answer)
    }
}

/// An answer that is to be sent.
struct Done {
    number: u32,
    answer: Answer,
}

enum Answer {
    Short(Box<Response<Bytes>>),
    Long(Box<Response>),
    Refused,
    Failed,
}

/// The answer of a route; `None` if it panics. Others are answered in the same task.
async fn without_panic(mut answer: BoxFuture<'static, Response>) -> Option<Response> {
    poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx)));
        polled.map_or(Poll::Ready(None), |polled| polled.map(Some))
    })
    .await
}

/// Reads the body of an answer, if it is short and no more is to come.
async fn shorten(answer: Response) -> Answer {
    if answer.body().size_hint().upper().is_none_or(|length| length > MOST_ANSWER) {
        return Answer::Long(Box::new(answer));
    }
    let (parts, body) = answer.into_parts();
    match to_bytes(body, MOST_ANSWER as usize).await {
        Ok(body) => Answer::Short(Box::new(Response::from_parts(parts, body))),
        Err(_) => Answer::Failed,
    }
}

/// The calls of a connection, and the body that has their answers. Dropped, the calls end.
struct Answers {
    answering: Arc<Answering>,
    calls: Incoming,
    reader: Reader,
    /// No further calls come.
    ended: bool,
    under_way: FuturesUnordered<Abortable<BoxFuture<'static, Done>>>,
    cancels: HashMap<u32, AbortHandle>,
    out: BytesMut,
    gathering: Gathering,
}

impl Answers {
    /// Reads what has come.
    fn poll_calls(&mut self, cx: &mut Context<'_>) -> Result<(), Malformed> {
        while !self.ended && self.out.len() < MOST_WAITING {
            let Poll::Ready(frame) = Pin::new(&mut self.calls).poll_frame(cx) else { break };
            let Some(Ok(frame)) = frame else {
                self.ended = true;
                break;
            };
            self.reader.feed(frame.into_data().unwrap_or_default());
            while let Some(frame) = self.reader.next()? {
                self.take(frame, cx)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, Frame { kind, number, rest }: Frame, cx: &mut Context<'_>) -> Result<(), Malformed> {
        match kind {
            Kind::Call => {
                let (cancel, cancelled) = AbortHandle::new_pair();
                if self.cancels.len() >= STREAMS as usize || self.cancels.insert(number, cancel).is_some() {
                    return Err(Malformed);
                }
                self.under_way.push(Abortable::new(self.answering.answer(number, rest), cancelled));
            }
            Kind::Cancel => {
                // A call that came with its cancellation begins all the same: a session sees that its client is gone.
                self.poll_answers(cx);
                match self.cancels.remove(&number) {
                    Some(cancel) => cancel.abort(),
                    // Its answer may be kept.
                    None => drop(self.answering.take(number)),
                }
            }
            Kind::Answer | Kind::Kept | Kind::Refused | Kind::Failed => return Err(Malformed),
        }
        Ok(())
    }

    /// Writes the answers that are ready.
    fn poll_answers(&mut self, cx: &mut Context<'_>) {
        while self.out.len() < MOST_WAITING {
            match self.under_way.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(done))) => self.put(done),
                Poll::Ready(Some(Err(Aborted))) => {}
                Poll::Ready(None) | Poll::Pending => return,
            }
        }
    }

    fn put(&mut self, Done { number, answer }: Done) {
        self.cancels.remove(&number);
        match answer {
            Answer::Short(answer) => {
                let (parts, body) = answer.into_parts();
                if frame::put_answer(number, &parts, &body, &mut self.out).is_none() {
                    self.keep(number, Response::from_parts(parts, Body::from(body)));
                }
            }
            Answer::Long(answer) => self.keep(number, *answer),
            Answer::Refused => frame::put(Kind::Refused, number, &mut self.out),
            Answer::Failed => frame::put(Kind::Failed, number, &mut self.out),
        }
    }

    fn keep(&mut self, number: u32, answer: Response) {
        lock(&self.answering.kept).insert(number, answer);
        frame::put(Kind::Kept, number, &mut self.out);
    }
}

impl HttpBody for Answers {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, std::io::Error>>> {
        if let Err(Malformed) = self.poll_calls(cx) {
            tracing::warn!("what another node has sent are no calls: those of its connection end");
            return Poll::Ready(Some(Err(std::io::ErrorKind::InvalidData.into())));
        }
        self.poll_answers(cx);
        let length = self.out.len();
        if length > 0 {
            // Those that come at the same time leave together.
            ready!(self.gathering.poll(length, cx));
            return Poll::Ready(Some(Ok(BodyFrame::data(self.out.split().freeze()))));
        }
        match self.ended {
            true => Poll::Ready(None),
            false => Poll::Pending,
        }
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        lock(&self.answering.kept).clear();
    }
}
