//! The memory of sessions and the pool for a request to many, which its public interface does not show.

#![cfg(feature = "cluster")]

use std::sync::Arc;

use super::{Gathered, Gathering, Heard, WhenBehind};
use crate::{
    config::Transport,
    packet::Packet,
    payload::Payload,
    pool::Pool,
    shared::{
        Attach, Credential, LinkKind, Names, QuestionOutcome, SendError, SharedSession, questions::Waiter, reason,
        tests::session_as,
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

fn gathering(pool: &Pool) -> (Arc<Gathering>, Gathered) {
    Gathering::new(7, pool, Some(1))
}

#[tokio::test]
async fn an_answer_counts_until_it_is_dropped_and_the_session_keeps_nothing_of_it() {
    let pool = Pool::new(usize::MAX, 1);
    let (gathering, mut gathered) = gathering(&pool);
    let session = opened(Some(Names::EVENTS));
    assert_eq!((ask(&gathering, &session), open(&session)), (Ok(true), Some(1)));
    assert!(!answer(&session, "38[1]"), "an answer to another request");
    assert!(answer(&session, "37[1]"));
    assert!(!answer(&session, "37[2]"), "it has answered already");
    assert_eq!(pool.bytes(), "37[1]".len());
    assert!(matches!(gathered.next().await, Some(Heard::Asked(_))), "it is told first whom the answer is from");
    let Some(Heard::Ended { place: 0, outcome: Some(outcome), held, .. }) = gathered.next().await else { panic!() };
    assert!(matches!(outcome, QuestionOutcome::Answered(packet) if packet.text() == "37[1]"));
    assert_eq!((pool.bytes(), open(&session)), ("37[1]".len(), None));
    drop(held);
    assert_eq!(pool.bytes(), 0);
    assert!(gathered.next_now().is_none(), "one end for each session");
    gathering.delivered();
    assert!(matches!(gathered.next().await, Some(Heard::Whole { lost: false })));
    assert!(gathered.next().await.is_none(), "all is told");
}

#[tokio::test]
async fn an_answer_that_nobody_waits_for_any_more_counts_nowhere() {
    let pool = Pool::new(usize::MAX, 1);
    let (gathering, gathered) = gathering(&pool);
    let (asked, late) = (opened(Some(Names::EVENTS)), opened(Some(Names::EVENTS)));
    assert_eq!(ask(&gathering, &asked), Ok(true));
    drop(gathered);
    assert_eq!(open(&asked), None, "it has forgotten the request");
    assert!(!answer(&asked, "37[1]"));
    assert_eq!(pool.bytes(), 0);
    assert_eq!((ask(&gathering, &late), open(&late)), (Err(SendError::Closed), None), "nobody else is asked");
}

#[tokio::test]
async fn each_session_that_is_asked_ends_once_and_others_keep_nothing() {
    let (gathering, mut gathered) = gathering(&Pool::new(usize::MAX, 1));
    let [over, plain, aborted, taken] =
        [Some(Names::EVENTS), None, Some(Names::EVENTS), Some(Names::EVENTS)].map(opened);
    over.abort(reason::ABORTED);
    assert_eq!((ask(&gathering, &over), open(&over)), (Err(SendError::Closed), None));
    assert_eq!((ask(&gathering, &plain), open(&plain)), (Err(SendError::Closed), None));
    assert_eq!((ask(&gathering, &aborted), ask(&gathering, &taken)), (Ok(true), Ok(true)));
    gathering.delivered();
    aborted.abort(reason::ABORTED);
    assert_eq!(open(&aborted), None);
    taken.lock().questions.take().unwrap().give_up();
    let mut told = Vec::new();
    while let Some(heard) = gathered.next().await {
        told.push(match heard {
            Heard::Asked(_) => "asked".to_owned(),
            Heard::Refused(_, why) => format!("{why:?}"),
            Heard::Ended { place, outcome, .. } => format!("{place} {outcome:?}"),
            Heard::Whole { lost } => format!("whole, lost: {lost}"),
        });
    }
    let all = ["NoEvents", "asked", "asked", "whole, lost: false", "1 None", "2 Some(Unknown)"];
    assert_eq!(told, all, "one that is over is not among them");
}

#[tokio::test]
async fn who_is_in_several_rooms_is_asked_once_and_all_sends_are_waited_for() {
    let (gathering, mut gathered) = Gathering::new(7, &Pool::new(usize::MAX, 1), None);
    let (both, one) = (Arc::new(session_as(uuid::Uuid::from_u128(1))), Arc::new(session_as(uuid::Uuid::from_u128(2))));
    let answers = [ask(&gathering, &both), ask(&gathering, &both), ask(&gathering, &one)];
    assert_eq!(answers, [Err(SendError::Closed); 3], "neither knows events yet");
    gathering.delivered();
    gathering.not_delivered(true);
    let mut refused = 0;
    while let Some(Heard::Refused(..)) = gathered.next_now() {
        refused += 1;
    }
    assert_eq!((refused, gathered.is_whole()), (2, false), "it is not known how many sends ask");
    gathering.expect(2);
    assert!(matches!(gathered.next().await, Some(Heard::Whole { lost: true })));
    assert!(gathered.next().await.is_none() && gathered.is_whole());
}
