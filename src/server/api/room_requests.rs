//! Requests to rooms, whose answers are gathered.

use std::{
    fmt,
    future::IntoFuture,
    marker::PhantomData,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use futures::future::{Either, select};

use super::{
    events::{REQUEST_TIMEOUT, RequestError, read_answer},
    send_error::SendError,
    session::SessionId,
    to::{Reach, To},
};
use crate::{
    dialect::{Asks, FromArgs, IntoArgs, check_name, event},
    hub::Target,
    packet::Packet,
    pool::Held,
    server::{
        core::Core,
        other_nodes::{AskedElsewhere, ToldElsewhere},
    },
    session::droppable::WhenBehind,
    shared::{Gathered, Gathering, Heard, QuestionOutcome},
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
    /// In a [cluster](crate::guide::many_nodes) the members on all nodes are asked: those who are members when the request
    /// comes to their node, where it has its place among the room's messages. A node that died, is cut off, or that the
    /// request did not reach is named in [`unreached`](Answers::unreached), unless it had named all its members: then these
    /// are among the missing. While the cluster's engine is away, that are all other nodes. A session that is just moving
    /// from one node to another may be left out, or be asked when it has come. With [`local`](Self::local) the members on this
    /// node alone are asked. At most 1,024 requests of one node wait for others at a time.
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
    ///     votes.is_complete() && votes.values().all(|guilty| *guilty)
    /// }
    /// ```
    ///
    /// # Panics
    /// Panics if the request is [droppable](Self::droppable) or the [latest](Self::latest) of a key: an answer is
    /// wanted of each member.
    #[expect(clippy::needless_pass_by_value, reason = "so that data is given as it is at hand, by value or not")]
    pub fn request<N: Asks<D, R>, D: IntoArgs, R: FromArgs>(self, name: N, data: D) -> RoomRequest<R> {
        assert!(self.target.when_behind == WhenBehind::Keep, "a request to a room may not be skipped");
        let id = self.core.question();
        let name = check_name(name.name()).map(|()| name.name()).map_err(|_| SendError::BadName);
        let packet = name.and_then(|name| event(self.namespace, Some(id), name, &data).map_err(|_| SendError::NotJson));
        let (core, namespace, target, reach) = (self.core.clone(), self.namespace.to_owned(), self.target, self.reach);
        RoomRequest { core, namespace, target, reach, id, packet, time: REQUEST_TIMEOUT, answer: PhantomData }
    }
}

/// A request to rooms that was not sent yet, as [`To::request`] returns it. Awaited, it is sent and waits for the
/// [`Answers`]. Cancel-safe: dropped before, it was not sent; dropped later, what was answered is lost, all nodes forget
/// the request, and the answers that come then are ignored.
#[must_use = "a request does nothing until it is awaited"]
pub struct RoomRequest<R> {
    core: Arc<Core>,
    namespace: String,
    target: Target,
    reach: Reach,
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

    async fn gathered(self) -> Answers<R> {
        let RoomRequest { core, namespace, mut target, reach, id, packet, time, .. } = self;
        let mut answers = Answers::new();
        let packet = match packet {
            Ok(packet) => packet,
            Err(error) => return Answers { not_sent: Some(error), ..answers },
        };
        let mut time = pin!(tokio::time::sleep(time));
        if let Some(nodes) = core.nodes().filter(|_| reach != Reach::Local) {
            // Before this node has joined, it does not know whom to ask.
            if let Either::Right(_) = select(nodes.ready(), &mut time).await {
                answers.unreached.push(core.config.node.clone());
                return answers;
            }
        }
        let (gathering, here) = Gathering::new(id, core.runtime.pool(), Some(1));
        target.gathering = Some(gathering);
        let asked = To { core: &core, namespace: &namespace, target, reach }.ask_payload(id, packet.into());
        let elsewhere = match asked {
            Ok(elsewhere) => elsewhere,
            Err(error) => return Answers { not_sent: Some(error), ..answers },
        };
        let mut asked = Asked { core: &core, here: Some(here), elsewhere, held: Vec::new() };
        let is_late = {
            let all = pin!(asked.all(&mut answers));
            matches!(select(all, time).await, Either::Right(_))
        };
        if is_late {
            asked.give_up(&mut answers);
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

/// Those who were asked, on this node and on others. Dropped, they forget the request.
struct Asked<'a> {
    core: &'a Core,
    /// `None` once all is heard; likewise `elsewhere`.
    here: Option<Gathered>,
    elsewhere: Option<Box<dyn AskedElsewhere>>,
    /// The bytes of the answers count for as long as others are waited for.
    held: Vec<Held>,
}

impl Asked<'_> {
    /// Waits until all have answered or are lost.
    async fn all<R: FromArgs>(&mut self, answers: &mut Answers<R>) {
        loop {
            tokio::select! {
                heard = heard(&mut self.here), if self.here.is_some() => match heard {
                    Some(heard) => self.hear(heard, answers),
                    None => self.here = None,
                },
                told = told(&mut self.elsewhere), if self.elsewhere.is_some() => match told {
                    Some(told) => self.learn(told, answers),
                    None => self.elsewhere = None,
                },
                else => return,
            }
            self.core.relieve();
        }
    }

    /// The time has passed: answers that have come meanwhile still count, and the others are missing.
    fn give_up<R: FromArgs>(&mut self, answers: &mut Answers<R>) {
        while let Some(heard) = self.here.as_mut().and_then(Gathered::next_now) {
            self.hear(heard, answers);
        }
        for told in self.elsewhere.as_mut().map(|elsewhere| elsewhere.give_up()).unwrap_or_default() {
            self.learn(told, answers);
        }
        if let Some(here) = &self.here {
            for session in here.open() {
                answers.miss(SessionId::new(session), RequestError::Timeout);
            }
            if !here.is_whole() {
                answers.unreached.push(self.core.config.node.clone());
            }
        }
    }

    fn hear<R: FromArgs>(&mut self, heard: Heard, answers: &mut Answers<R>) {
        match heard {
            Heard::Asked(_) => {}
            Heard::Refused(session, why) => answers.miss(SessionId::new(&session), RequestError::of(why)),
            Heard::Whole { lost } => {
                if lost {
                    answers.unreached.push(self.core.config.node.clone());
                }
            }
            Heard::Ended { session, outcome, held, .. } => {
                let session = SessionId::new(&session);
                match outcome {
                    Some(QuestionOutcome::Answered(packet)) => {
                        self.held.push(held);
                        answers.answers.push((session, read_answer(&packet)));
                    }
                    Some(QuestionOutcome::Unknown) => answers.miss(session, RequestError::Unknown),
                    None => answers.miss(session, RequestError::Closed),
                }
            }
        }
    }

    fn learn<R: FromArgs>(&mut self, told: ToldElsewhere, answers: &mut Answers<R>) {
        match told {
            ToldElsewhere::Answered { session, packet, held } => {
                self.held.push(held);
                answers.answers.push((SessionId::elsewhere(session), read_answer(&packet)));
            }
            ToldElsewhere::Missing { session, why } => {
                answers.miss(SessionId::elsewhere(session), RequestError::elsewhere(why));
            }
            ToldElsewhere::Unreached(node) => answers.unreached.push(node),
        }
    }
}

async fn heard(here: &mut Option<Gathered>) -> Option<Heard> {
    here.as_mut()?.next().await
}

async fn told(elsewhere: &mut Option<Box<dyn AskedElsewhere>>) -> Option<ToldElsewhere> {
    elsewhere.as_mut()?.next().await
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
    /// answers ([`RequestError::Full`]), or its node is gone ([`RequestError::Unreachable`]). Members that were over or
    /// closed when the request was sent are not here.
    pub missing: Vec<(SessionId, RequestError)>,
    /// The names of the nodes that have not told all their members, if they have any: members there may not have been asked,
    /// and those whose answers are not here are not all among the missing. Only a [cluster](crate::guide::many_nodes) has
    /// such nodes. The name of this node is here if the request did not come back from the cluster's engine in time, or if
    /// the node had not joined the cluster.
    pub unreached: Vec<String>,
    /// The reason why nobody was asked: no event may have the name, the values cannot be written, the request is
    /// above the message limit, or 1,024 requests of this node wait for others already ([`SendError::Full`]).
    pub not_sent: Option<SendError>,
}

impl<R> Answers<R> {
    fn new() -> Self {
        Answers { answers: Vec::new(), missing: Vec::new(), unreached: Vec::new(), not_sent: None }
    }

    /// Whether all members were asked and have answered, or refused.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.unreached.is_empty() && self.not_sent.is_none()
    }

    /// The values that were answered, in the order in which they came.
    pub fn values(&self) -> impl Iterator<Item = &R> {
        self.answers.iter().filter_map(|(_, answer)| answer.as_ref().ok())
    }

    /// The values that were answered, in the order in which they came.
    pub fn into_values(self) -> impl Iterator<Item = R> {
        self.answers.into_iter().filter_map(|(_, answer)| answer.ok())
    }

    fn miss(&mut self, session: SessionId, reason: RequestError) {
        self.missing.push((session, reason));
    }
}
