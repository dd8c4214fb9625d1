//! Requests to rooms, whose answers are gathered.

use std::{
    fmt,
    future::IntoFuture,
    marker::PhantomData,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{
    events::{REQUEST_TIMEOUT, RequestError, read_answer},
    sending::SendError,
    session::SessionId,
    to::To,
};
use crate::{
    dialect::{Asks, FromArgs, IntoArgs, MAX_ID, check_name, event},
    hub::Target,
    packet::Packet,
    pool::Held,
    server::core::Core,
    session::droppable::WhenBehind,
    shared::{End, Gathering, QuestionOutcome, SharedSession},
};

/// # Requests
impl To<'_> {
    /// Asks all members at once, and gathers their answers. The result is awaited; it sends the request then, as
    /// [`emit`](Self::emit) sends an event, and waits until each member that was asked has answered or is lost, but
    /// not longer than ten seconds, or what [`within`](RoomRequest::within) sets.
    ///
    /// The request is written once for all. Exactly those who are members when it is sent are asked: one who joins
    /// later is not, and one who leaves the room later may still answer. A member that knows no events, or that has
    /// 1,024 requests to answer already, is not asked, and is among the [missing](Answers::missing). A member
    /// whose outbox is full misses the request, and what becomes of its session is set by
    /// [`slow_members`](crate::Builder::slow_members). No history keeps the request.
    ///
    /// ```
    /// use anywire::{Live, Request};
    /// use std::time::Duration;
    ///
    /// const VOTE: Request<String, bool> = Request::new("vote");
    ///
    /// async fn verdict(live: Live) -> bool {
    ///     let votes = live.to("jury").request(VOTE, "guilty?").within(Duration::from_secs(60)).await;
    ///     for (session, reason) in &votes.missing {
    ///         println!("{session} has no vote: {reason}");
    ///     }
    ///     votes.missing.is_empty() && votes.values().all(|guilty| *guilty)
    /// }
    /// ```
    ///
    /// # Panics
    /// Panics if the request is [droppable](Self::droppable) or the [latest](Self::latest) of a key: an answer is
    /// wanted of each member.
    #[expect(clippy::needless_pass_by_value, reason = "so that data is given as it is at hand, by value or not")]
    pub fn request<N: Asks<D, R>, D: IntoArgs, R: FromArgs>(self, name: N, data: D) -> RoomRequest<R> {
        assert!(self.target.when_behind == WhenBehind::Keep, "a request to a room may not be skipped");
        let id = self.core.questions.fetch_add(1, Ordering::Relaxed) % MAX_ID + 1;
        let name = check_name(name.name()).map(|()| name.name()).map_err(|_| SendError::BadName);
        let packet = name.and_then(|name| event(self.namespace, Some(id), name, &data).map_err(|_| SendError::NotJson));
        let (core, namespace, target) = (self.core.clone(), self.namespace.to_owned(), self.target);
        RoomRequest { core, namespace, target, id, packet, time: REQUEST_TIMEOUT, answer: PhantomData }
    }
}

/// A request to rooms that was not sent yet, as [`To::request`] returns it. Awaited, it is sent and waits for the
/// [`Answers`]. Cancel-safe: dropped before, it was not sent; dropped later, what was answered is lost, and the
/// answers that come then are ignored.
#[must_use = "a request does nothing until it is awaited"]
pub struct RoomRequest<R> {
    core: Arc<Core>,
    namespace: String,
    target: Target,
    id: u64,
    packet: Result<Packet, SendError>,
    time: Duration,
    answer: PhantomData<fn() -> R>,
}

impl<R: FromArgs> RoomRequest<R> {
    /// Sets the time within which the answers must come, from the moment on which this is awaited. The default is
    /// ten seconds.
    pub fn within(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    async fn gathered(mut self) -> Answers<R> {
        let mut answers = Answers { answers: Vec::new(), missing: Vec::new(), not_sent: None };
        let packet = match self.packet {
            Ok(packet) => packet,
            Err(error) => return Answers { not_sent: Some(error), ..answers },
        };
        let (gathering, mut ends) = Gathering::new(self.id, self.core.runtime.pool());
        self.target.gathering = Some(gathering.clone());
        let delivered =
            To { core: &self.core, namespace: &self.namespace, target: self.target }.send_payload(packet.into());
        if delivered.too_large {
            answers.not_sent = Some(SendError::TooLarge);
        }
        let mut asked = Waiting { id: self.id, open: Vec::new(), left: 0, held: Vec::new() };
        for member in gathering.take_asked() {
            match member.refused {
                Some(refused) => {
                    answers.miss(&member.session, RequestError::of(refused));
                    asked.open.push(None);
                }
                None => {
                    asked.left += 1;
                    asked.open.push(Some(member.session));
                }
            }
        }
        let all = async {
            while asked.left > 0 {
                let Some(end) = ends.recv().await else { break };
                asked.take(end, &mut answers);
                self.core.relieve();
            }
        };
        // The time has passed: answers that have come meanwhile still count, and the others are missing.
        if tokio::time::timeout(self.time, all).await.is_err() {
            while let Ok(end) = ends.try_recv() {
                asked.take(end, &mut answers);
            }
        }
        for session in asked.open.iter().flatten() {
            answers.miss(session, RequestError::Timeout);
        }
        answers
    }
}

impl<R: FromArgs + Send + 'static> IntoFuture for RoomRequest<R> {
    type Output = Answers<R>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.gathered())
    }
}

impl<R> fmt::Debug for RoomRequest<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoomRequest").field("id", &self.id).field("within", &self.time).finish_non_exhaustive()
    }
}

/// The sessions that were asked and have not answered. Dropped, it lets them forget the request.
struct Waiting {
    id: u64,
    /// By place; `None` once the request has ended there.
    open: Vec<Option<Arc<SharedSession>>>,
    left: usize,
    /// The bytes of the answers count for as long as others are waited for.
    held: Vec<Held>,
}

impl Waiting {
    fn take<R: FromArgs>(&mut self, end: End, answers: &mut Answers<R>) {
        let Some(session) = self.open.get_mut(end.place).and_then(Option::take) else { return };
        self.left -= 1;
        session.cancel_question(self.id);
        match end.outcome {
            Some(QuestionOutcome::Answered(packet)) => {
                self.held.push(end.held);
                answers.answers.push((SessionId::new(&session), read_answer(&packet)));
            }
            Some(QuestionOutcome::Unknown) => answers.miss(&session, RequestError::Unknown),
            None => answers.miss(&session, RequestError::Closed),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        for session in self.open.iter().flatten() {
            session.cancel_question(self.id);
        }
    }
}

/// The answers of the members of rooms to a [request](To::request), and who is without one.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Answers<R> {
    /// The answers, in the order in which they came. One is an error if the member has refused the request
    /// ([`RequestError::Refused`]), or if it has answered with other values ([`RequestError::Data`]).
    pub answers: Vec<(SessionId, Result<R, RequestError>)>,
    /// The members without an answer, and the reason. It did not come in time ([`RequestError::Timeout`]), the
    /// session has ended meanwhile ([`RequestError::Closed`]), another page has taken it over
    /// ([`RequestError::Unknown`]), or the member could not be asked: it knows no events
    /// ([`SendError::NoEvents`]), its outbox is full ([`SendError::Full`]), or too many requests wait for its
    /// answers ([`RequestError::Full`]). Members that were over or closed when the request was sent are not here.
    pub missing: Vec<(SessionId, RequestError)>,
    /// The reason why nobody was asked: no event may have the name, the values cannot be written, or the request is
    /// above the message limit.
    pub not_sent: Option<SendError>,
}

impl<R> Answers<R> {
    /// The values that were answered, in the order in which they came.
    pub fn values(&self) -> impl Iterator<Item = &R> {
        self.answers.iter().filter_map(|(_, answer)| answer.as_ref().ok())
    }

    /// The values that were answered, in the order in which they came.
    pub fn into_values(self) -> impl Iterator<Item = R> {
        self.answers.into_iter().filter_map(|(_, answer)| answer.ok())
    }

    fn miss(&mut self, session: &SharedSession, reason: RequestError) {
        self.missing.push((SessionId::new(session), reason));
    }
}
