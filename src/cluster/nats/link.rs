//! The side of a connection that others see: they write to it, and wait for what comes back.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{Notify, oneshot},
    time::timeout,
};

use super::protocol::{Message, put_question, status};
use crate::{cluster::engine::EngineError, sync::lock};

/// The time within which the server answers.
pub(super) const ANSWER: Duration = Duration::from_secs(3);

/// The most questions that wait for their answers.
const QUESTIONS: usize = 65_536;
/// The most bytes of the headers of a question.
const HEADERS: usize = 1_024;
/// The most answers to one question.
const ANSWERS: usize = 4_096;
/// The status that nobody listens to a question.
pub(super) const NOBODY: u16 = 503;

/// A connection that others use while its driver runs.
#[derive(Clone)]
pub(super) struct Link(Arc<Shared>);

struct Shared {
    /// The most bytes of a payload.
    max_payload: usize,
    /// Answers come to subjects of which this is all but the last word.
    inbox: String,
    state: Mutex<State>,
    has_more: Notify,
    is_bad: Notify,
    /// It grows whenever bytes are written or read.
    moved: AtomicU64,
}

#[derive(Default)]
struct State {
    /// The bytes to write.
    out: Vec<u8>,
    /// Those that wait until the server has taken all that was written before.
    flushes: VecDeque<oneshot::Sender<Result<(), EngineError>>>,
    questions: HashMap<u64, Question>,
    asked: u64,
    /// The server has refused something that was written lately.
    refused: Option<EngineError>,
    /// The reason why the connection is of no use any more.
    bad: Option<EngineError>,
    is_closed: bool,
}

struct Question {
    /// It has several answers, of which the last has a status.
    has_many: bool,
    answers: Vec<Answer>,
    done: oneshot::Sender<Result<Vec<Answer>, EngineError>>,
}

/// A question that is written with others.
#[derive(Clone, Debug)]
pub(super) struct Asking {
    pub(super) subject: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
}

/// An answer to a question.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) headers: Bytes,
    pub(super) body: Bytes,
}

impl Answer {
    /// Whether nobody listens to the question.
    pub(super) fn is_of_nobody(&self) -> bool {
        status(&self.headers) == Some(NOBODY)
    }
}

impl Link {
    pub(super) fn new(max_payload: usize, inbox: String) -> Self {
        Link(Arc::new(Shared {
            max_payload,
            inbox,
            state: Mutex::default(),
            has_more: Notify::new(),
            is_bad: Notify::new(),
            moved: AtomicU64::new(0),
        }))
    }

    pub(super) fn max_payload(&self) -> usize {
        self.0.max_payload
    }

    /// Somebody has found that the connection is of no use any more.
    pub(super) fn set_bad(&self, why: &EngineError) {
        lock(&self.0.state).bad.get_or_insert_with(|| why.clone());
        self.0.is_bad.notify_one();
    }

    /// Waits until the connection is of no use any more. Tells why.
    pub(super) async fn bad(&self) -> EngineError {
        self.0.is_bad.notified().await;
        lock(&self.0.state).bad.take().unwrap_or_else(lost)
    }

    fn is_silent(&self) -> EngineError {
        let error = EngineError::new("the server does not answer");
        self.set_bad(&error);
        error
    }

    /// Writes something. It leaves as soon as it can, behind what was written before.
    pub(super) fn write(&self, write: impl FnOnce(&mut Vec<u8>)) {
        {
            let mut state = lock(&self.0.state);
            if !state.is_closed {
                write(&mut state.out);
            }
        }
        self.0.has_more.notify_one();
    }

    /// Waits until the server has taken all that was written, for as long as bytes move. Fails if it has refused some of
    /// it.
    pub(super) async fn flush(&self) -> Result<(), EngineError> {
        let (done, mut flushed) = oneshot::channel();
        {
            let mut state = lock(&self.0.state);
            if state.is_closed {
                return Err(lost());
            }
            state.out.extend_from_slice(b"PING\r\n");
            state.flushes.push_back(done);
        }
        self.0.has_more.notify_one();
        let flushed = self.while_moving(&mut flushed).await.ok_or_else(|| self.is_silent())?;
        flushed.unwrap_or_else(|_| Err(lost()))
    }

    /// Waits for something that comes back, for as long as bytes move; `None` if none do.
    async fn while_moving<T>(
        &self,
        awaited: &mut oneshot::Receiver<T>,
    ) -> Option<Result<T, oneshot::error::RecvError>> {
        loop {
            let moved = self.0.moved.load(Ordering::Relaxed);
            match timeout(ANSWER, &mut *awaited).await {
                Ok(done) => return Some(done),
                Err(_) if self.0.moved.load(Ordering::Relaxed) != moved => {}
                Err(_) => return None,
            }
        }
    }

    /// Publishes a question, and waits for its answer.
    pub(super) async fn ask(
        &self,
        subject: &str,
        headers: &[(&str, String)],
        body: &[u8],
    ) -> Result<Answer, EngineError> {
        let mut answers = self.answers(subject, headers, body, false).await?;
        answers.pop().ok_or_else(lost)
    }

    /// Publishes questions, one behind the other, and waits for the answers to all of them, for as long as bytes move.
    pub(super) async fn ask_each(&self, questions: &[Asking]) -> Result<Vec<Answer>, EngineError> {
        let mut begun = Vec::with_capacity(questions.len());
        {
            let mut state = lock(&self.0.state);
            for Asking { subject, headers, body } in questions {
                self.check_size(body)?;
                begun.push(self.begin(&mut state, subject, headers, body, false)?);
            }
        }
        self.0.has_more.notify_one();
        let mut answers = Vec::with_capacity(begun.len());
        for (_, answered) in &mut begun {
            match self.while_moving(answered).await {
                Some(answered) => answers.extend(answered.unwrap_or_else(|_| Err(lost()))?.pop()),
                None => {
                    let mut state = lock(&self.0.state);
                    begun.iter().for_each(|(number, _)| drop(state.questions.remove(number)));
                    drop(state);
                    return Err(self.is_silent());
                }
            }
        }
        Ok(answers)
    }

    /// Publishes a question, and waits for all answers to it. The last has a status.
    pub(super) async fn ask_for_all(&self, subject: &str, body: &[u8]) -> Result<Vec<Answer>, EngineError> {
        self.answers(subject, &[], body, true).await
    }

    async fn answers(
        &self,
        subject: &str,
        headers: &[(&str, String)],
        body: &[u8],
        has_many: bool,
    ) -> Result<Vec<Answer>, EngineError> {
        self.check_size(body)?;
        let (number, answered) = self.begin(&mut lock(&self.0.state), subject, headers, body, has_many)?;
        self.0.has_more.notify_one();
        let answered = timeout(ANSWER, answered).await;
        answered.map_or_else(
            |_| {
                lock(&self.0.state).questions.remove(&number);
                Err(self.is_silent())
            },
            |answered| answered.unwrap_or_else(|_| Err(lost())),
        )
    }
}

/// A question that is written.
type Begun = (u64, oneshot::Receiver<Result<Vec<Answer>, EngineError>>);

impl Link {
    /// Whether the server takes a question with this body. The headers are a few short ones.
    pub(super) fn takes(&self, body: &[u8]) -> bool {
        body.len() + HEADERS <= self.0.max_payload
    }

    fn check_size(&self, body: &[u8]) -> Result<(), EngineError> {
        if self.takes(body) {
            return Ok(());
        }
        let (size, most) = (body.len(), self.0.max_payload);
        Err(EngineError::new(format_args!(
            "{size} bytes are too many for the server, which takes messages of {most} (its `max_payload`)"
        )))
    }

    /// Writes a question.
    fn begin(
        &self,
        state: &mut State,
        subject: &str,
        headers: &[(&str, String)],
        body: &[u8],
        has_many: bool,
    ) -> Result<Begun, EngineError> {
        if state.is_closed {
            return Err(lost());
        }
        if state.questions.len() >= QUESTIONS {
            return Err(EngineError::new("too many questions wait for the server"));
        }
        let (done, answered) = oneshot::channel();
        state.asked += 1;
        let number = state.asked;
        let reply = format!("{}.{number}", self.0.inbox);
        put_question(&mut state.out, subject, &reply, headers, body);
        state.questions.insert(number, Question { has_many, answers: Vec::new(), done });
        Ok((number, answered))
    }
}

/// The driver calls these.
impl Link {
    /// The next bytes to write.
    pub(super) async fn next_bytes(&self) -> Vec<u8> {
        loop {
            let bytes = std::mem::take(&mut lock(&self.0.state).out);
            if !bytes.is_empty() {
                return bytes;
            }
            self.0.has_more.notified().await;
        }
    }

    /// Bytes were written or read.
    pub(super) fn has_moved(&self) {
        self.0.moved.fetch_add(1, Ordering::Relaxed);
    }

    /// The server has taken all that was written before the oldest flush.
    pub(super) fn flushed(&self) {
        let mut state = lock(&self.0.state);
        let done = match state.refused.take() {
            Some(error) => Err(error),
            None => Ok(()),
        };
        let flush = state.flushes.pop_front();
        drop(state);
        if let Some(flush) = flush {
            // The one that waited may be gone.
            let _ = flush.send(done);
        }
    }

    /// The server has refused something, perhaps a question: nobody knows which.
    pub(super) fn refused(&self, text: &str) {
        let error = says(text);
        let mut state = lock(&self.0.state);
        state.refused = Some(error.clone());
        let questions = std::mem::take(&mut state.questions);
        drop(state);
        for (_, question) in questions {
            let _ = question.done.send(Err(error.clone()));
        }
    }

    /// The server has closed the connection.
    pub(super) fn why_closed(&self) -> EngineError {
        let refused = lock(&self.0.state).refused.take();
        refused.unwrap_or_else(|| EngineError::new("the server has closed the connection"))
    }

    /// An answer has come.
    pub(super) fn answered(&self, message: Message) {
        let name = message.subject.strip_prefix(self.0.inbox.as_bytes()).and_then(|rest| rest.strip_prefix(b"."));
        let number = name.and_then(|name| std::str::from_utf8(name).ok()?.parse::<u64>().ok());
        let Some(number) = number else { return };
        let mut state = lock(&self.0.state);
        let Some(question) = state.questions.get_mut(&number) else { return };
        let is_last = !question.has_many || status(&message.headers).is_some_and(|status| status != 100);
        question.answers.push(Answer { headers: message.headers, body: message.body });
        if (is_last || question.answers.len() > ANSWERS)
            && let Some(question) = state.questions.remove(&number)
        {
            drop(state);
            let many = || EngineError::new("the server has too many answers");
            let _ = question.done.send(if is_last { Ok(question.answers) } else { Err(many()) });
        }
    }

    /// Nothing comes any more.
    pub(super) fn close(&self) {
        let mut state = lock(&self.0.state);
        let was = std::mem::replace(&mut *state, State { is_closed: true, ..State::default() });
        drop(state);
        drop(was);
    }
}

/// The server has refused something.
pub(super) fn says(text: &str) -> EngineError {
    EngineError::new(format_args!("the server says: {text}"))
}

fn lost() -> EngineError {
    EngineError::new("the connection to the server is lost")
}

#[cfg(test)]
mod tests;
