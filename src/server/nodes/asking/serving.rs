//! Another node learns what becomes of its request to rooms of this one.

use std::{
    convert::Infallible,
    sync::{Arc, Weak},
};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::Request,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use bytestring::ByteString;
use futures::stream;

use crate::{
    cluster::asking::{Key, MOST_NAMED, Question, Said, Why},
    server::{
        core::Core,
        nodes::rooms::{AskedHere, NodeRooms},
        other_nodes::Serve,
    },
    shared::{CannotAsk, Gathered, Gathering, Heard, QuestionOutcome, SendError},
};

/// The longest question, in bytes.
const MOST_QUESTION: usize = 1 << 20;

/// The bytes of words that are said together.
const TOGETHER: usize = 32 * 1024;

/// Tells other nodes what becomes of their requests, while the server lives.
pub(super) fn serve(core: &Arc<Core>, rooms: &Arc<NodeRooms>) -> Arc<Serve> {
    let (core, rooms) = (Arc::downgrade(core), Arc::downgrade(rooms));
    Arc::new(move |request| Box::pin(answer(core.clone(), rooms.clone(), request)))
}

async fn answer(core: Weak<Core>, rooms: Weak<NodeRooms>, request: Request) -> Response {
    let question = to_bytes(request.into_body(), MOST_QUESTION).await.ok().and_then(|body| Question::read(&body).ok());
    let Some(Question { publisher, id, parts }) = question else { return StatusCode::BAD_REQUEST.into_response() };
    let (Some(strong), Some(rooms)) = (core.upgrade(), rooms.upgrade()) else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let make = || {
        let id = strong.question();
        Gathering::new(id, strong.runtime.pool(), None)
    };
    let (asked, key) = (rooms.asked().clone(), (publisher, id));
    let fate = |part: &_| rooms.fate(&strong, publisher, part);
    let Some(gathered) = asked.wait(key, parts, fate, make) else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let telling = Telling { core, asked, key, gathered };
    let words = stream::unfold(telling, async |mut telling| {
        let words = telling.next().await?;
        Some((Ok::<_, Infallible>(words), telling))
    });
    Body::from_stream(words).into_response()
}

/// The news of a request, as they are told. Dropped, the request is forgotten.
struct Telling {
    core: Weak<Core>,
    asked: Arc<AskedHere>,
    key: Key,
    gathered: Gathered,
}

impl Telling {
    /// All that there is to say, as soon as there is something; `None` when all is said.
    async fn next(&mut self) -> Option<Bytes> {
        let mut words = Together::default();
        let mut heard = Some(self.gathered.next().await?);
        while let Some(next) = heard {
            words.add(next);
            heard = if words.out.len() < TOGETHER { self.gathered.next_now() } else { None };
        }
        words.name();
        if let Some(core) = self.core.upgrade() {
            core.relieve();
        }
        Some(words.out.into())
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.asked.leave(self.key);
    }
}

/// Words that are said together.
#[derive(Default)]
struct Together {
    out: Vec<u8>,
    /// Sessions that are not named yet.
    asked: Vec<(ByteString, Option<Why>)>,
}

impl Together {
    fn add(&mut self, heard: Heard) {
        match heard {
            Heard::Asked(session) => self.asked.push((session.public_id(), None)),
            Heard::Refused(session, why) => self.asked.push((session.public_id(), Some(of_refused(why)))),
            Heard::Whole { lost } => {
                self.name();
                if lost {
                    Said::Lost.put(&mut self.out);
                }
                Said::Whole.put(&mut self.out);
            }
            Heard::Ended { place, outcome, .. } => {
                self.name();
                let place = place as u64;
                let said = match outcome {
                    Some(QuestionOutcome::Answered(packet)) => Said::Answered { place, packet },
                    Some(QuestionOutcome::Unknown) => Said::Missing { place, why: Why::Unknown },
                    None => Said::Missing { place, why: Why::Closed },
                };
                said.put(&mut self.out);
            }
        }
        if self.asked.len() >= MOST_NAMED {
            self.name();
        }
    }

    /// Names the sessions that were asked.
    fn name(&mut self) {
        if !self.asked.is_empty() {
            Said::Asked(std::mem::take(&mut self.asked)).put(&mut self.out);
        }
    }
}

fn of_refused(why: CannotAsk) -> Why {
    match why {
        CannotAsk::Full => Why::Full,
        CannotAsk::NoEvents | CannotAsk::Outbox(SendError::NoBytes) => Why::NoEvents,
        CannotAsk::Skipped | CannotAsk::Outbox(SendError::Full) => Why::OutboxFull,
        CannotAsk::Closed | CannotAsk::Outbox(SendError::Closed | SendError::Exhausted) => Why::Closed,
    }
}
