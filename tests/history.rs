//! Rooms with a history: who joins later gets what was missed, without a hole and without a repetition. And who
//! is in a room.
#![allow(clippy::disallowed_methods)]

mod support;

use std::time::Duration;

use anywire::{Anywire, Delivered, History, JoinError, LocalClient, Server, Session};
use support::until;

async fn stay(session: Session) {
    while session.recv().await.is_some() {}
}

fn server(history: History) -> Server {
    Anywire::builder().outbox(100_000).rooms("chat:*", history).rooms("lobby", History::last(1)).handler(stay).build()
}

async fn open(server: &Server) -> (LocalClient, Session) {
    let client = LocalClient::open(server, (), "").await.unwrap();
    let session = server.session(client.id()).unwrap();
    (client, session)
}

fn texts(client: &mut LocalClient) -> Vec<String> {
    std::iter::from_fn(|| client.try_recv()).map(|message| message.as_text().unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_session_that_joins_later_gets_the_last_messages_and_then_the_live_ones() {
    let server = server(History::last(3));
    for text in ["a", "b", "c", "d"] {
        server.to("chat:1").send(text);
    }
    server.to("chat:1").droppable().send("fresh only");
    server.to("chat:1").latest("key").send("fresh only");
    server.all().send("for all that are here");
    let (mut client, session) = open(&server).await;
    let joined = session.join_since("chat:1", None).await.unwrap();
    assert_eq!((joined.replayed, joined.complete), (3, false));
    session.within("chat:1").send("e");
    assert_eq!(texts(&mut client), ["b", "c", "d", "e"]);
    assert_eq!(session.join_since("chat:1", None).await, Err(JoinError::Member));
    assert!(texts(&mut client).is_empty());

    let (mut later, session) = open(&server).await;
    let since = session.join_since("chat:1", Some(joined.position.as_str())).await.unwrap();
    assert_eq!((since.replayed, since.complete), (1, true));
    assert_eq!(texts(&mut later), ["e"]);
    session.leave("chat:1");
    let again = session.join_since("chat:1", Some(since.position.as_str())).await.unwrap();
    assert_eq!((again.replayed, again.complete, &again.position), (0, true, &since.position));
    for foreign in ["", "nonsense", "1", "other.0.3"] {
        session.leave("chat:1");
        let joined = session.join_since("chat:1", Some(foreign)).await.unwrap();
        assert_eq!((joined.replayed, joined.complete), (3, false), "{foreign:?}");
    }
    assert_eq!(session.join_since("elsewhere", None).await, Err(JoinError::NoHistory));
    assert!(session.join_since("lobby", None).await.unwrap().complete, "nothing was sent there");
    session.close(1000, "");
    assert_eq!(session.join_since("chat:2", None).await, Err(JoinError::Closed));
}

#[tokio::test(start_paused = true)]
async fn several_rooms_and_excluded_members_find_the_message_in_each_history() {
    let server = server(History::last(9));
    let (mut client, session) = open(&server).await;
    session.join("chat:1");
    session.to("chat:1").send("from me");
    server.to_any(["chat:1", "chat:2", "no history"]).send("to both");
    assert_eq!(texts(&mut client), ["to both"]);
    session.leave("chat:1");
    session.join_since("chat:1", None).await.unwrap();
    session.join_since("chat:2", None).await.unwrap();
    assert_eq!(texts(&mut client), ["from me", "to both", "to both"]);
}

#[tokio::test(start_paused = true)]
async fn a_numbered_message_tells_the_position_behind_it() {
    let server = server(History::last(9));
    server.to("chat:1").send("a");
    let mut positions = Vec::new();
    for _ in 0..2 {
        let mut tries = 0;
        let delivered = server.to("chat:1").send_numbered(|position| {
            tries += 1;
            if tries == 1 {
                server.to("chat:1").send("overtakes it");
            }
            positions.push(position.clone());
            position.as_str().into()
        });
        assert_eq!((delivered.sent, tries), (0, 2));
    }
    let (mut client, session) = open(&server).await;
    assert!(session.join_since("chat:1", Some(positions[1].as_str())).await.unwrap().complete);
    assert_eq!(texts(&mut client), ["overtakes it".to_owned(), positions[3].to_string()]);
}

#[tokio::test(start_paused = true)]
async fn without_a_history_no_message_is_numbered() {
    let server = server(History::last(9));
    let sends: [fn(&Server) -> Delivered; 3] = [
        |server| server.to("elsewhere").send_numbered(|_| "x".into()),
        |server| server.all().send_numbered(|_| "x".into()),
        |server| server.to("chat:1").droppable().send_numbered(|_| "x".into()),
    ];
    for send in sends {
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| send(&server)));
        let text = *panicked.unwrap_err().downcast::<String>().unwrap();
        assert!(text.ends_with("has no history in which a message has a position"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_history_that_does_not_fit_is_not_replayed_in_part() {
    let server = server(History::last(9).bytes(1 << 20));
    for _ in 0..5 {
        server.to("chat:1").send("x".repeat(30_000));
    }
    let (mut client, session) = open(&server).await;
    client.cut();
    session.try_send("y".repeat(60_000)).unwrap();
    assert_eq!(session.join_since("chat:1", None).await, Err(JoinError::Full));
    assert!(session.rooms().is_empty());
    client.resume().unwrap();
    assert_eq!(texts(&mut client).len(), 1);
    assert_eq!(session.join_since("chat:1", None).await.unwrap().replayed, 5, "an empty outbox takes all of it");
    assert_eq!(texts(&mut client).len(), 5);
}

#[tokio::test(start_paused = true)]
async fn old_messages_and_the_oldest_rooms_without_members_are_forgotten() {
    let server = server(History::last(9).age(Duration::from_secs(60)).rooms(2));
    server.to("chat:1").send("old");
    tokio::time::sleep(Duration::from_secs(40)).await;
    server.to("chat:1").send("young");
    tokio::time::sleep(Duration::from_secs(40)).await;
    let (mut client, session) = open(&server).await;
    let first = session.join_since("chat:1", None).await.unwrap();
    assert_eq!((texts(&mut client), first.complete), (vec!["young".to_owned()], false));
    for room in ["chat:2", "chat:3", "chat:4"] {
        server.to(room).send(room);
    }
    let kept = async |room: &str| {
        let joined = session.join_since(room, None).await.unwrap();
        session.leave(room);
        joined.replayed
    };
    assert_eq!((kept("chat:4").await, kept("chat:3").await, kept("chat:2").await), (1, 0, 0));
    session.leave("chat:1");
    assert!(!session.join_since("chat:1", Some("unknown")).await.unwrap().complete);
}

#[tokio::test]
async fn who_joins_while_others_send_has_no_hole_and_no_repetition() {
    const MESSAGES: usize = 500;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    let all = runtime.spawn(async {
        let server = Anywire::builder().rooms("r", History::last(MESSAGES)).handler(stay).build();
        let sender = tokio::spawn({
            let live = server.live();
            async move {
                for number in 0..MESSAGES {
                    live.to("r").send(number.to_string());
                    tokio::task::yield_now().await;
                }
            }
        });
        let joiners: Vec<_> = (0..8)
            .map(|_| {
                let server = server.clone();
                tokio::spawn(async move {
                    let (mut client, session) = open(&server).await;
                    let mut got = Vec::new();
                    let mut since = None;
                    while got.len() < MESSAGES {
                        let joined = session.join_since("r", since.as_deref()).await.unwrap();
                        assert!(joined.complete);
                        for _ in 0..20 {
                            tokio::task::yield_now().await;
                        }
                        session.leave("r");
                        // The messages that were replayed, and those that came until it left.
                        let new = texts(&mut client);
                        let (name, count) = joined.position.as_str().rsplit_once('.').unwrap();
                        let live = new.len() - joined.replayed;
                        since = Some(format!("{name}.{}", count.parse::<usize>().unwrap() + live));
                        got.extend(new);
                    }
                    got
                })
            })
            .collect();
        sender.await.unwrap();
        let expected: Vec<String> = (0..MESSAGES).map(|number| number.to_string()).collect();
        for joiner in joiners {
            assert_eq!(joiner.await.unwrap(), expected);
        }
    });
    let joined = all.await;
    runtime.shutdown_background();
    joined.unwrap();
}

#[tokio::test(start_paused = true)]
async fn presence_tells_the_first_that_comes_and_the_last_that_goes_of_each_name() {
    let server = server(History::last(1));
    let mut presence = server.presence("r");
    assert!(presence.names().is_empty());
    let (mut tab, first) = open(&server).await;
    let (mut other_tab, second) = open(&server).await;
    let (mut bob, third) = open(&server).await;
    assert!(first.join_as("r", "ada"));
    assert!(!second.join_as("r", "ada"), "she is there");
    assert!(!second.join_as("r", "ada"), "with this tab too");
    assert!(third.join("r"));
    assert_eq!(presence.names(), ["ada"], "who joins without a name is not shown");
    let change = presence.changed().await;
    assert_eq!((change.joined, change.left.len()), (vec!["ada".to_owned()], 0));
    assert!(third.join_as("r", "bob"));
    assert!(third.join_as("r", "rob"), "he has one name");
    let change = presence.changed().await;
    assert_eq!((change.joined, change.left.len()), (vec!["rob".to_owned()], 0));
    assert_eq!(server.to("r").send("x").sent, 3, "they are members");

    // An interruption is no leave, and neither is one of two tabs.
    bob.cut();
    tab.close(1000, "");
    tab.idle().await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(server.presence("r").names(), ["ada", "rob"]);
    tokio::time::sleep(Duration::from_secs(40)).await;
    until("grace is over", || server.presence("r").names() == ["ada"]).await;
    assert_eq!(presence.changed().await.left, ["rob"]);
    let waiting = tokio::spawn(async move { presence.changed().await });
    other_tab.close(1000, "");
    other_tab.idle().await;
    assert_eq!(waiting.await.unwrap().left, ["ada"]);
    assert!(!second.join_as("r", "ada"), "its handler has returned");
    assert!(server.presence("r").names().is_empty());
}

#[tokio::test(start_paused = true)]
async fn many_watchers_of_an_empty_room_are_all_woken() {
    let server = server(History::last(1));
    let watchers: Vec<_> = (0..3)
        .map(|_| {
            let mut presence = server.presence("r");
            tokio::spawn(async move { presence.changed().await.joined })
        })
        .collect();
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    let (_client, session) = open(&server).await;
    session.join_as("r", "ada");
    for watcher in watchers {
        assert_eq!(watcher.await.unwrap(), ["ada"]);
    }
}

#[test]
#[should_panic(expected = "a `*` stands at the end of a pattern of rooms, not as in \"a*b\"")]
fn a_pattern_has_its_star_at_the_end() {
    let _ = Anywire::builder().rooms("a*b", History::last(1));
}
