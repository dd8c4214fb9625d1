//! The memory of sessions and the pool for a request to many, which its public interface does not show.

use std::sync::Arc;

use super::{Gathering, WhenBehind};
use crate::{
    config::Transport,
    packet::Packet,
    payload::Payload,
    pool::Pool,
    shared::{
        Attach, CannotAsk, Credential, LinkKind, Names, QuestionOutcome, SendError, SharedSession, questions::Waiter,
        reason, tests::session_as,
    },
};

fn opened(names: Option<Names>) -> Arc<SharedSession> {
    let session = session_as(uuid::Uuid::nil());
    let attach = Attach { ordinal: 1, turn: 0, kind: LinkKind::Duplex, opening: true, seen: false, received: 0, names };
    session.attach(Credential::Attempt, attach, Transport::WebSocket).unwrap();
    Arc::new(session)
}

fn packet(text: &str) -> Packet {
    Packet::new(text, Vec::new())
}

fn ask(gathering: &Gathering, session: &Arc<SharedSession>) -> Result<bool, SendError> {
    gathering.ask(session, &WhenBehind::Keep, Payload::from(packet("27[\"n?\"]")).into())
}

/// The number of requests that a session keeps; `None` if it has nothing in which to keep them.
fn open(session: &SharedSession) -> Option<usize> {
    session.lock().questions.as_ref().map(|questions| questions.open.len())
}

fn answer(session: &SharedSession, text: &str) -> bool {
    let mut inner = session.lock();
    inner.questions.as_mut().is_some_and(|questions| questions.answer(packet(text)) != Waiter::Nobody)
}

#[tokio::test]
async fn an_answer_counts_until_it_is_dropped_and_the_session_keeps_nothing_of_it() {
    let pool = Pool::new(usize::MAX, 1);
    let (gathering, mut ends) = Gathering::new(7, &pool);
    let session = opened(Some(Names::EVENTS));
    assert_eq!((ask(&gathering, &session), open(&session)), (Ok(true), Some(1)));
    assert!(!answer(&session, "38[1]"), "an answer to another request");
    assert!(answer(&session, "37[1]"));
    assert!(!answer(&session, "37[2]"), "it has answered already");
    assert_eq!(pool.bytes(), "37[1]".len());
    let end = ends.try_recv().unwrap();
    assert!(matches!(end.outcome, Some(QuestionOutcome::Answered(packet)) if packet.text() == "37[1]"));
    assert_eq!((end.place, pool.bytes()), (0, "37[1]".len()));
    drop(end.held);
    session.cancel_question(7);
    assert_eq!((pool.bytes(), open(&session)), (0, None));
    assert!(ends.try_recv().is_err(), "one end for each session");
}

#[tokio::test]
async fn an_answer_that_nobody_waits_for_any_more_counts_nowhere() {
    let pool = Pool::new(usize::MAX, 1);
    let (gathering, ends) = Gathering::new(7, &pool);
    let session = opened(Some(Names::EVENTS));
    assert_eq!(ask(&gathering, &session), Ok(true));
    drop(ends);
    assert!(!answer(&session, "37[1]"));
    assert_eq!(pool.bytes(), 0);
}

#[tokio::test]
async fn each_session_that_is_asked_ends_once_and_others_keep_nothing() {
    let (gathering, mut ends) = Gathering::new(7, &Pool::new(usize::MAX, 1));
    let [over, plain, aborted, taken] =
        [Some(Names::EVENTS), None, Some(Names::EVENTS), Some(Names::EVENTS)].map(opened);
    over.abort(reason::ABORTED);
    assert_eq!((ask(&gathering, &over), open(&over)), (Err(SendError::Closed), None));
    assert_eq!((ask(&gathering, &plain), open(&plain)), (Err(SendError::Closed), None));
    assert_eq!((ask(&gathering, &aborted), ask(&gathering, &taken)), (Ok(true), Ok(true)));
    aborted.abort(reason::ABORTED);
    assert_eq!(open(&aborted), None);
    taken.lock().questions.take().unwrap().give_up();
    let asked: Vec<_> = gathering.take_asked().into_iter().map(|asked| asked.refused).collect();
    assert_eq!(asked, [Some(CannotAsk::NoEvents), None, None], "one that is over is not among them");
    let (first, second) = (ends.try_recv().unwrap(), ends.try_recv().unwrap());
    assert_eq!((first.place, second.place), (1, 2));
    assert!(first.outcome.is_none() && matches!(second.outcome, Some(QuestionOutcome::Unknown)));
    assert!(ends.try_recv().is_err(), "nothing else");
}
