//! A WebSocket while it carries a session, and its end.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures::future::Either;

use super::{
    ByteStream, Socket,
    decode::{Ended, Unread},
};
use crate::{codec::Codec, shared::CloseReason, transport::Link};

/// A connection that carries a session. An `async` block would keep its state behind all else: here the fields come in the
/// order in which a message to a room needs them, as those of [`Socket`] do.
#[repr(C)]
struct Running<I, C, F, E> {
    /// There until the connection ends.
    link: Option<Link>,
    /// The input that came before. Boxed: few connections have any.
    early: Option<Box<Unread>>,
    /// Nothing was sent yet.
    first: bool,
    /// The end of the connection. Boxed: an open link need not carry the room for it.
    ending: Option<Pin<Box<E>>>,
    /// There until the connection ends.
    socket: Option<Socket<I>>,
    codec: C,
    end: F,
}

impl<I: ByteStream> Socket<I> {
    /// Carries the session until the connection or the link ends. Where the first message was read before,
    /// `rest` is what the codec has left of it, and `early` came behind it.
    pub(crate) fn run<C: Codec>(
        self,
        link: Link,
        codec: C,
        rest: Option<Bytes>,
        early: Vec<u8>,
    ) -> impl Future<Output = ()> {
        let is_early = rest.is_some() || !early.is_empty();
        let early = is_early.then(|| Box::new(Unread { text: rest, bytes: early.into() }));
        let (link, socket) = (Some(link), Some(self));
        let mut running = Running { link, early, first: true, ending: None, socket, codec, end: Self::end::<C> };
        poll_fn(move |cx| running.poll(cx))
    }

    /// Closes the connection with this reason, or answers the client's closing.
    fn end<C: Codec>(self, reason: Option<CloseReason>) -> impl Future<Output = ()> {
        match reason {
            Some(reason) => Either::Left(self.close::<C>(reason)),
            None => Either::Right(self.finish(false)),
        }
    }
}

impl<I, C, F, E> Running<I, C, F, E>
where
    I: ByteStream,
    C: Codec,
    F: Fn(Socket<I>, Option<CloseReason>) -> E,
    E: Future<Output = ()>,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(ending) = &mut self.ending {
            return ending.as_mut().poll(cx);
        }
        let ended = ready!(self.poll_link(cx));
        self.link = None;
        let (socket, reason) = match (self.socket.take(), ended) {
            (None, _) | (_, Ended::Broken) => return Poll::Ready(()),
            (Some(socket), Ended::Theirs) => (socket, None),
            (Some(socket), Ended::Ours(reason)) => (socket, Some(reason)),
        };
        self.ending.insert(Box::pin((self.end)(socket, reason))).as_mut().poll(cx)
    }

    fn poll_link(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let (Some(link), Some(socket)) = (&mut self.link, &mut self.socket) else { return Poll::Ready(Ended::Broken) };
        if let Some(early) = self.early.take() {
            let Unread { text, bytes } = *early;
            if let Err(ended) = socket.input(link, &mut self.codec, text, &bytes, Some(&bytes)) {
                return Poll::Ready(ended);
            }
        }
        // The first messages of the handler, and its answers to the first flight, share the first write.
        if self.first && (!link.has_turned(cx) || link.awaits_turn(cx)) {
            return Poll::Pending;
        }
        self.first = false;
        socket.poll_turns(cx, link, &mut self.codec)
    }
}
