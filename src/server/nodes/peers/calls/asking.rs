//! The side that calls.

use std::{
    collections::HashMap,
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    http::Request,
    response::Response,
};
use bytes::BytesMut;
use futures::{future, stream, task::AtomicWaker};
use h2::{RecvStream, SendStream, client::SendRequest};
use tokio::sync::oneshot;

use super::{
    Asked, MOST_BODY, ask,
    frame::{self, Call, Kind},
    reader::{Frame, Reader},
};
use crate::{
    server::nodes::peers::{settings::STREAMS, turn::Gathering},
    sync::lock,
};

/// While so many bytes wait to be sent, requests have streams of their own.
const MOST_WAITING: usize = 1024 * 1024;

/// The calls on one connection to another node.
#[derive(Clone, Debug, Default)]
pub(in crate::server::nodes::peers) struct Calls(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// The task that sends what waits.
    sender: AtomicWaker,
}

#[derive(Debug, Default)]
struct State {
    /// The stream is there.
    open: bool,
    /// Those that wait for their answers, by their numbers.
    waiting: HashMap<u32, oneshot::Sender<Frame>>,
    last: u32,
    /// Frames that are to be sent.
    out: BytesMut,
}

/// How a call ended.
#[derive(Debug)]
pub(in crate::server::nodes::peers) enum Called {
    Answered(Response),
    /// The answer is kept for as long as the second part is held: the request asks for it, on the same connection.
    Kept(Request<()>, Keeping),
    /// The routes are not there.
    Refused,
}

impl Calls {
    /// Carries calls on a stream of this connection, for as long as it lasts.
    pub(in crate::server::nodes::peers) async fn run(self, mut requests: SendRequest<Bytes>) {
        let Ok((answer, stream)) = requests.send_request(ask(Asked::All), false) else { return };
        drop(requests);
        lock(&self.0.state).open = true;
        let ends = Ends(&self);
        let receiving = async {
            let answer = answer.await.ok()?;
            match answer.status().is_success() {
                true => self.receive(answer.into_body()).await,
                false => None,
            }
        };
        tokio::select! {
            _ = self.send(stream) => {}
            _ = receiving => {}
        }
        drop(ends);
    }

    /// Sends what waits. Returns at the end of the stream.
    async fn send(&self, mut stream: SendStream<Bytes>) -> Option<()> {
        let mut gathering = Gathering::new();
        loop {
            poll_fn(|cx| self.poll_waiting(&mut gathering, cx)).await;
            // The stream keeps what the other node does not take at once, and gets nothing else before.
            stream.reserve_capacity(1);
            while stream.capacity() == 0 {
                poll_fn(|cx| stream.poll_capacity(cx)).await?.ok()?;
            }
            let frames = lock(&self.0.state).out.split().freeze();
            stream.send_data(frames, false).ok()?;
        }
    }

    /// Waits until something is to be sent, and for what comes at the same time.
    fn poll_waiting(&self, gathering: &mut Gathering, cx: &mut Context<'_>) -> Poll<()> {
        self.0.sender.register(cx.waker());
        match lock(&self.0.state).out.len() {
            0 => Poll::Pending,
            length => gathering.poll(length, cx),
        }
    }

    /// Takes answers. Returns at the end of the stream.
    async fn receive(&self, mut body: RecvStream) -> Option<()> {
        let mut reader = Reader::default();
        loop {
            let chunk = body.data().await?.ok()?;
            body.flow_control().release_capacity(chunk.len()).ok()?;
            reader.feed(chunk);
            while let Some(frame) = reader.next().ok()? {
                let waits = lock(&self.0.state).waiting.remove(&frame.number);
                // Others have given up.
                if let Some(Err(Frame { kind: Kind::Kept, number, .. })) = waits.map(|waits| waits.send(frame)) {
                    self.cancel(number);
                }
            }
        }
    }

    /// Tells the other node that nobody waits for this answer any more.
    fn cancel(&self, number: u32) {
        let mut state = lock(&self.0.state);
        if state.open {
            frame::put(Kind::Cancel, number, &mut state.out);
            drop(state);
            self.0.sender.wake();
        }
    }

    /// Sends a call. The result is `None` if the request is no call, because it is too long or there is no stream.
    pub(in crate::server::nodes::peers) fn begin(&self, call: Call<'_>) -> Option<Begun> {
        let mut state = lock(&self.0.state);
        if !state.open || state.out.len() > MOST_WAITING || state.waiting.len() >= STREAMS as usize {
            return None;
        }
        let mut number = state.last.wrapping_add(1);
        while state.waiting.contains_key(&number) {
            number = number.wrapping_add(1);
        }
        let is_first = state.out.is_empty();
        frame::put_call(number, call, &mut state.out)?;
        state.last = number;
        let (sender, answer) = oneshot::channel();
        state.waiting.insert(number, sender);
        drop(state);
        if is_first {
            self.0.sender.wake();
        }
        Some(Begun { answer, number, calls: self.clone() })
    }
}

/// Ends all calls when it is dropped.
struct Ends<'a>(&'a Calls);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        let ended = std::mem::take(&mut *lock(&self.0.0.state));
        drop(ended);
    }
}

/// A call that waits for its answer. Dropped, it is cancelled if there is none yet.
#[derive(Debug)]
pub(in crate::server::nodes::peers) struct Begun {
    answer: oneshot::Receiver<Frame>,
    number: u32,
    calls: Calls,
}

impl Begun {
    /// Waits for the answer, without an end. The result is `None` if the connection broke, or the other node has failed.
    /// Dropped, the other node learns that nobody waits.
    pub(in crate::server::nodes::peers) async fn answer(mut self) -> Option<Called> {
        let Frame { kind, number, rest } = (&mut self.answer).await.ok()?;
        match kind {
            Kind::Answer => frame::read_answer(rest).map(Called::Answered),
            Kind::Kept => Some(Called::Kept(ask(Asked::Kept(number)), Keeping { calls: self.calls.clone(), number })),
            Kind::Refused => Some(Called::Refused),
            Kind::Call | Kind::Cancel | Kind::Failed => None,
        }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let waits = lock(&self.calls.0.state).waiting.remove(&self.number).is_some();
        // The other node keeps an answer that nobody has looked at.
        if waits || matches!(self.answer.try_recv(), Ok(Frame { kind: Kind::Kept, .. })) {
            self.calls.cancel(self.number);
        }
    }
}

/// An answer that the other node keeps for as long as this is held.
#[derive(Debug)]
pub(in crate::server::nodes::peers) struct Keeping {
    calls: Calls,
    number: u32,
}

impl Drop for Keeping {
    fn drop(&mut self) {
        self.calls.cancel(self.number);
    }
}

/// The body of a request, as far as it is here.
pub(in crate::server::nodes::peers) enum Short {
    /// It is short, and all of it has come.
    Whole(Bytes),
    /// It is long, or comes late.
    Rest(Body),
    /// It has broken off.
    Broken,
}

/// Reads a body that is short. One that does not come at once is not waited for, since its sender may be slow.
pub(in crate::server::nodes::peers) async fn shorten(mut body: Body) -> Short {
    let Some(length) = body.size_hint().exact().filter(|length| *length <= MOST_BODY) else { return Short::Rest(body) };
    if length == 0 {
        return Short::Whole(Bytes::new());
    }
    let mut waited = false;
    let frame = poll_fn(|cx| match Pin::new(&mut body).poll_frame(cx) {
        Poll::Ready(frame) => Poll::Ready(Some(frame)),
        Poll::Pending if waited => Poll::Ready(None),
        Poll::Pending => {
            // The connection gives what it has read already once it is asked for it.
            waited = true;
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    });
    match frame.await {
        None => Short::Rest(body),
        Some(None | Some(Err(_))) => Short::Broken,
        Some(Some(Ok(frame))) => {
            let data = frame.into_data().unwrap_or_default();
            match u64::try_from(data.len()) == Ok(length) {
                true => Short::Whole(data),
                false => Short::Rest(Body::from_stream(futures::StreamExt::chain(
                    stream::once(future::ready(Ok(data))),
                    body.into_data_stream(),
                ))),
            }
        }
    }
}
