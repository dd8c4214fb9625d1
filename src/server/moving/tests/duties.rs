//! Handlers and extractors as a session moves: what they do, and what they do not.

use axum::http::StatusCode;

use super::*;
use crate::server::api::{auth::Auth, moving::SaveError};

#[tokio::test(start_paused = true)]
async fn a_handler_that_was_told_and_stays_is_not_moved_before_it_returns() {
    let log = Log::default();
    let (a, b) = two({
        let log = log.clone();
        move |session: Session| {
            let log = log.clone();
            async move {
                while session.recv().await.is_some() {}
                tokio::time::sleep(Duration::from_secs(8)).await;
                log.add(format!("returns {:?}", session.why()));
            }
        }
    });
    let mut client = open(&a).await;
    let id = client.shared.id();
    assert_eq!(freeze(&a.core, id).await.err(), Some(NotMovable::HandlerStays));
    let member = a.core.hub.get(id).unwrap();
    assert!(!is_waiting(&member), "its handler runs");
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(log.take(), "returns New");
    // Nobody has taken it. The client's next request starts the handler.
    assert!(is_waiting(&member));
    client.comes_to(&member).unwrap();
    start_if_waiting(&a, &member, parts(), ()).await.unwrap();
    settle().await;
    assert!(!is_waiting(&member) && !member.shared.is_moving());
    assert_eq!(freeze(&a.core, id).await.err(), Some(NotMovable::HandlerStays));
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(log.take(), "returns Moved");
    // By now it can.
    moves(&a, &b, id).await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_was_not_told_goes_on_as_if_nothing_had_been() {
    let log = Log::default();
    let (a, _) = two({
        let log = log.clone();
        move |session: Session| {
            let log = log.clone();
            async move {
                tokio::time::sleep(Duration::from_secs(20)).await;
                log.add(session.recv().await.unwrap().as_text().unwrap());
                log.add(format!("{}", session.recv().await.is_none() && session.is_moving()));
            }
        }
    });
    let client = open(&a).await;
    client.says(1, "one");
    assert_eq!(freeze(&a.core, client.shared.id()).await.err(), Some(NotMovable::Busy));
    tokio::time::sleep(Duration::from_secs(16)).await;
    assert_eq!(log.take(), "one");
    freeze(&a.core, client.shared.id()).await.expect("it waits to receive").given();
    assert_eq!(log.take(), "true");
}

#[tokio::test(start_paused = true)]
async fn a_move_that_is_given_up_leaves_the_session() {
    let log = Log::default();
    let (a, _) = two(counting(&log));
    let mut client = open(&a).await;
    let id = client.shared.id();
    let core = a.core.clone();
    let task = tokio::spawn(async move { freeze(&core, id).await.map(Frozen::given) });
    settle().await;
    assert_eq!(freeze(&a.core, id).await.err(), Some(NotMovable::Busy), "somebody else moves it");
    task.abort();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let member = a.core.hub.get(id).unwrap();
    assert!(is_waiting(&member));
    log.take();
    client.comes_to(&member).unwrap();
    start_if_waiting(&a, &member, parts(), ()).await.unwrap();
    client.says(1, "one");
    settle().await;
    assert_eq!(log.take(), "Moved 100 Some(\"red\") | one");
}

#[tokio::test(start_paused = true)]
async fn who_only_sends_waits_for_the_move() {
    let log = Log::default();
    let (a, b) = two({
        let log = log.clone();
        move |session: Session| {
            let log = log.clone();
            async move { log.add(format!("{}", session.moving().await)) }
        }
    });
    let client = open(&a).await;
    let moved = moves(&a, &b, client.shared.id()).await;
    assert_eq!(log.take(), "true");
    start_if_waiting(&b, &moved, parts(), ()).await.unwrap();
    settle().await;
    moved.shared.close(reason::CLOSED);
    settle().await;
    assert_eq!(log.take(), "false");
}

#[tokio::test(start_paused = true)]
async fn what_was_saved_is_of_its_type_and_not_too_large() {
    let log = Log::default();
    let (a, b) = two({
        let log = log.clone();
        move |session: Session| {
            let log = log.clone();
            async move {
                let none: Option<u64> = session.restored().unwrap_or(Some(0));
                log.add(format!("{none:?}"));
                if session.why() == Why::New {
                    session.save("a text").unwrap();
                    let error = session.save(&"x".repeat(256 * 1024)).unwrap_err();
                    assert!(matches!(error, SaveError::TooLarge(262_146)), "{error}");
                } else {
                    let error = session.restored::<u64>().unwrap_err().to_string();
                    assert!(error.contains("not of this type: invalid type: string"), "{error}");
                    assert_eq!(session.restored::<String>().unwrap().as_deref(), Some("a text"));
                }
                while session.recv().await.is_some() {}
            }
        }
    });
    let client = open(&a).await;
    let moved = moves(&a, &b, client.shared.id()).await;
    start_if_waiting(&b, &moved, parts(), ()).await.unwrap();
    settle().await;
    assert_eq!(log.take(), "None | Some(0)");
    // It goes along again, although nobody has saved it here.
    let again = moves(&b, &a, moved.id()).await;
    start_if_waiting(&a, &again, parts(), ()).await.unwrap();
    settle().await;
    assert_eq!(log.take(), "Some(0)");
}

#[tokio::test(start_paused = true)]
async fn the_extractors_judge_again() {
    let (a, b) = two(|headers: axum::http::HeaderMap, Auth(key): Auth<String>, session: Session| async move {
        assert_eq!((key.as_str(), headers.len()), ("key", 2));
        while session.recv().await.is_some() {}
    });
    let mut client = open(&a).await;
    let expected = expected(&a, &b, client.shared.id()).await;
    let frozen = freeze(&a.core, client.shared.id()).await.unwrap();
    let strict = node(&InProcess::new(), movable(), |_: Reject, _: Session| async {});
    let (bytes, id) = (frozen.bytes(), frozen.member.id());
    let rejected = take(&strict.core, ("a", id), read(&strict, &bytes).unwrap()).unwrap();
    client.comes_to(&rejected).unwrap();
    let Err(error) = start_if_waiting(&strict, &rejected, parts(), ()).await else { panic!("it starts") };
    assert_eq!(error.reason().code, 4301);
    assert_eq!(client.pulls(), "full 0 x4301");
    // A gateway for what other nodes forward has no handler; a later request starts it.
    let moved = carried(frozen, &b, expected).await;
    assert!(start_if_waiting(&b.forwarded(), &moved, parts(), ()).await.is_err() && is_waiting(&moved));
    start_if_waiting(&b, &moved, parts(), ()).await.unwrap();
    assert!(!is_waiting(&moved));
}

/// Rejects each request.
struct Reject;

impl<S: Sync> axum::extract::FromRequestParts<S> for Reject {
    type Rejection = StatusCode;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Err(StatusCode::UNAUTHORIZED)
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_begins_something_as_it_leaves_its_rooms_stays() {
    let log = Log::default();
    let (a, b) = two(counting(&log));
    let mut client = open(&a).await;
    let member = a.core.hub.get(client.shared.id()).unwrap();
    let freezing = Freezing::begin(&member).unwrap();
    poll_fn(|cx| member.shared.poll_returned(cx)).await;
    let parted = part(&a.core, &member).await.unwrap();
    assert!(member.rooms().is_empty());
    let piece = crate::shared::Chunk { upload: 1, at: 0, count: 2, data: b"half" };
    client.shared.take_chunk(&client.secret, piece, 100).unwrap();
    assert_eq!(depart(&a.core, freezing, parted).await.err(), Some(NotMovable::Busy));
    assert_eq!((member.rooms(), member.shared.close_reason()), (vec!["room".to_owned()], None));
    // Its handler starts again, and can join rooms.
    client.comes_to(&member).unwrap();
    start_if_waiting(&a, &member, parts(), ()).await.unwrap();
    settle().await;
    a.core.hub.join(&member, "another");
    assert_eq!(member.rooms().len(), 2);
    client.shared.take_chunk(&client.secret, crate::shared::Chunk { at: 1, ..piece }, 100).unwrap();
    assert_eq!(moves(&a, &b, member.id()).await.rooms().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_move_says_so() {
    let engine = InProcess::new();
    let fixed = node(&engine, Config::default(), counting(&Log::default()));
    let client = open(&fixed).await;
    assert_eq!(freeze(&fixed.core, client.shared.id()).await.err(), Some(NotMovable::No));
    assert_eq!(freeze(&fixed.core, crate::ids::random()).await.err(), Some(NotMovable::Unknown));

    let (a, b) = two(counting(&Log::default()));
    let client = open(&a).await;
    let id = client.shared.id();
    let part = crate::shared::Chunk { upload: 1, at: 0, count: 2, data: b"half" };
    client.shared.take_chunk(&client.secret, part, 100).unwrap();
    assert_eq!(freeze(&a.core, id).await.err(), Some(NotMovable::Busy), "a piece of an upload waits for the other");
    client.shared.take_chunk(&client.secret, crate::shared::Chunk { at: 1, ..part }, 100).unwrap();
    // One that the application has closed moves, so that its client gets the rest; no handler runs for it again.
    client.shared.close(reason::CLOSED);
    let moved = moves(&a, &b, id).await;
    assert!(!is_waiting(&moved));
    let mut client = client;
    client.comes_to(&moved).unwrap();
    assert_eq!(client.pulls(), "full 0 c1000");
    client.shared.abort(reason::ABORTED);
    assert_eq!(freeze(&b.core, id).await.err(), Some(NotMovable::No), "it has ended");
}

/// Sends much when it was told to return.
fn bulky(user: &str, megabytes: usize) -> impl Handler<(), ()> + use<> {
    let user = user.to_owned();
    move |session: Session| {
        let user = user.clone();
        async move {
            session.set_user(&user);
            while session.recv().await.is_some() {}
            for _ in 0..megabytes {
                session.try_send("x".repeat(1 << 20)).unwrap();
            }
        }
    }
}

/// More than a session may have that moves.
const MOST_MEGABYTES: usize = (parcel::MOST >> 20) + 1;

#[tokio::test(start_paused = true)]
async fn a_session_that_turns_out_to_be_too_large_goes_on_where_it_was() {
    let config = || Config { outbox: 64 << 20, message_limit: 2 << 20, ..movable() };
    for (user, megabytes) in [("ada", MOST_MEGABYTES), (&*"x".repeat(100_000), 0)] {
        let a = node(&InProcess::new(), config(), bulky(user, megabytes));
        let mut client = open(&a).await;
        let id = client.shared.id();
        drop(freeze(&a.core, id).await);
        settle().await;
        let member = a.core.hub.get(id).expect("it is there");
        assert_eq!(member.shared.close_reason(), None, "it lives");
        assert_eq!(member.user().as_deref(), Some(user));
        client.comes_to(&member).unwrap();
        start_if_waiting(&a, &member, parts(), ()).await.unwrap();
        settle().await;
        assert!(client.pulls().len() >= megabytes << 20, "nothing of it is lost");
    }
}

fn parts_of(address: &str) -> Parts {
    let mut parts = parts();
    let address: std::net::SocketAddr = address.parse().unwrap();
    parts.extensions.insert(axum::extract::ConnectInfo(address));
    parts
}

async fn open_from(gateway: &Gateway<()>, attempt: &str) -> Result<Arc<SharedSession>, u16> {
    let parts = parts_of("198.51.100.7:1234");
    let opening = gateway.open(parts, (), Page::OWN, &attempt.into(), "\"key\"".into()).await;
    match opening {
        Ok(Opening::Here(mut opened)) => {
            opened.start();
            settle().await;
            Ok(opened.shared.clone())
        }
        Ok(_) => panic!("no other node has it"),
        Err(error) => Err(error.reason.code),
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_counts_for_its_address_where_it_has_come() {
    let config = || Config { by_address: crate::Limits::default().sessions(1), ..movable() };
    let waits = || |session: Session| async move { while session.recv().await.is_some() {} };
    let engine = InProcess::new();
    let (a, b) = (node(&engine, config(), waits()), node(&engine, config(), waits()));
    let session = open_from(&a, "a first attempt of this test").await.unwrap();
    assert_eq!(open_from(&a, "a second attempt of this test").await.err(), Some(4200));
    // It comes back.
    drop(freeze(&a.core, session.id()).await.unwrap());
    settle().await;
    assert_eq!(open_from(&a, "a third attempt of this test").await.err(), Some(4200));
    let moved = moves(&a, &b, session.id()).await;
    assert_eq!(open_from(&b, "a fourth attempt of this test").await.err(), Some(4200));
    assert!(open_from(&a, "a fifth attempt of this test").await.is_ok(), "it is gone from here");
    moved.shared.abort(reason::ABORTED);
    settle().await;
    assert!(open_from(&b, "a sixth attempt of this test").await.is_ok());
}
