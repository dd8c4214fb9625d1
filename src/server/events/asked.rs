//! A request of the client, and the way of its answer.

use futures::future::{BoxFuture, Either, Ready, ready};

use super::reply::{Answer, packet};
use crate::{
    dialect::Fault,
    packet::Packet,
    server::api::{send_error::SendError, session::Session},
};

/// Puts an answer into a session's outbox without waiting, unless the page that asked is gone: the number says
/// which page of the session that was. If the outbox is full, the packet comes back.
pub(crate) type Offer = fn(&Session, u64, Packet) -> Result<(), (SendError, Packet)>;

/// An answer that is sent at once, or waits for room.
pub(super) type Sending<'a> = Either<Ready<Result<(), SendError>>, BoxFuture<'a, Result<(), SendError>>>;

/// A request that was not answered yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// The number that the client gave it.
    pub(crate) id: u64,
    /// The number of the page that asked: each take-over of the session makes a new one.
    pub(crate) page: u64,
    pub(crate) offer: Offer,
}

impl Asked {
    /// Sends the answer. An answer above the message limit is replaced by a fault with the code `reply`.
    ///
    /// The future waits while the outbox is full, as [`Session::send`] does. Cancel-safe: dropped while it waits, it
    /// has sent nothing. It hardly ever waits, so it is small otherwise.
    pub(super) fn answer(self, session: &Session, answer: Answer) -> Sending<'_> {
        match self.offer(session, packet(session.namespace(), self.id, answer)) {
            Err((SendError::Full, packet)) => Either::Right(Box::pin(self.wait(session, packet))),
            Err((error, _)) => Either::Left(ready(Err(error))),
            Ok(()) => Either::Left(ready(Ok(()))),
        }
    }

    async fn wait(self, session: &Session, mut waiting: Packet) -> Result<(), SendError> {
        loop {
            session.wait_for_room(waiting.len()).await?;
            waiting = match self.offer(session, waiting) {
                Err((SendError::Full, packet)) => packet,
                Err((error, _)) => return Err(error),
                Ok(()) => return Ok(()),
            };
        }
    }

    /// Sends the answer if there is room. Never waits.
    pub(super) fn answer_now(self, session: &Session, answer: Answer) {
        if let Err((error, _)) = self.offer(session, packet(session.namespace(), self.id, answer)) {
            tracing::debug!(session = %session.id(), id = self.id, %error, "an answer was not sent");
        }
    }

    fn offer(self, session: &Session, answer: Packet) -> Result<(), (SendError, Packet)> {
        match (self.offer)(session, self.page, answer) {
            Err((SendError::TooLarge, _)) => {
                tracing::warn!(session = %session.id(), id = self.id, "an answer is above the message limit");
                let fault = Fault::new("reply", "the answer is above the message limit");
                (self.offer)(session, self.page, packet(session.namespace(), self.id, Err(fault)))
            }
            offered => offered,
        }
    }
}
