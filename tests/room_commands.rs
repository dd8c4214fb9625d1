//! Commands for all members of rooms, and events of a room that are enums.
#![allow(clippy::disallowed_methods)]

mod support;

use anywire::{Anywire, LocalClient, Server, Session};
use support::{Log, echo};

/// A server, and the clients and sessions of as many as there are lists of rooms.
async fn members<const N: usize>(rooms: [&[&str]; N]) -> (Server, [LocalClient; N], [Session; N]) {
    let server = Anywire::builder().handler(echo).build();
    let (mut clients, mut sessions) = (Vec::new(), Vec::new());
    for rooms in rooms {
        let client = LocalClient::open(&server, (), "").await.unwrap();
        let session = server.session(client.id()).unwrap();
        assert!(rooms.iter().all(|room| session.join(room)));
        clients.push(client);
        sessions.push(session);
    }
    let Ok(clients) = clients.try_into() else { unreachable!("one for each list") };
    let Ok(sessions) = sessions.try_into() else { unreachable!("one for each list") };
    (server, clients, sessions)
}

fn sorted<'a>(sessions: impl IntoIterator<Item = &'a Session>) -> Vec<String> {
    let mut ids: Vec<String> = sessions.into_iter().map(|session| session.id().into()).collect();
    ids.sort();
    ids
}

#[tokio::test(start_paused = true)]
async fn the_sessions_of_an_audience_are_those_that_a_send_would_reach() {
    let (server, _clients, [first, both, last, outside]) = members([&["a"], &["a", "b"], &["b"], &[]]).await;
    for (to, want) in [
        (server.to("a"), vec![&first, &both]),
        (server.to("a").except(&both), vec![&first]),
        (server.to("a").except_room("b"), vec![&first]),
        (server.to_any(["a", "b", "b"]), vec![&first, &both, &last]),
        (server.to_any(["b", "a"]).except_room("a"), vec![&last]),
        (server.all(), vec![&first, &both, &last, &outside]),
        (server.all().except(&last).except_room("a"), vec![&outside]),
        (first.to("a"), vec![&both]),
        (first.within("a"), vec![&first, &both]),
        (server.to("nowhere"), vec![]),
    ] {
        let name = format!("{to:?}");
        assert_eq!(to.clone().send("x").sent, want.len(), "{name}");
        assert_eq!(sorted(&to.sessions()), sorted(want), "{name}");
    }
    both.close(1000, "");
    assert_eq!(sorted(&server.to("a").sessions()), sorted([&first]), "one that is closed is none of them");
}

#[tokio::test(start_paused = true)]
async fn members_join_and_leave_by_one_command() {
    let (server, _clients, [host, ann, bob, cat]) =
        members([&["lobby", "game"], &["lobby"], &["lobby", "watchers"], &["lobby"]]).await;
    assert_eq!(server.to("lobby").except_room("watchers").join("game"), 2, "the host is in it");
    assert_eq!(sorted(&server.members("game")), sorted([&host, &ann, &cat]));
    assert_eq!(server.to("lobby").except_room("watchers").join("game"), 0);
    assert_eq!(server.to("game").except(&host).send("ready?").sent, 2);
    assert_eq!(server.to_any(["lobby", "game"]).except(&cat).leave("lobby"), 3);
    assert_eq!(sorted(&server.members("lobby")), sorted([&cat]));
    assert_eq!(server.all().leave("game"), 3);
    assert!(server.members("game").is_empty());
    assert_eq!((bob.rooms(), ann.rooms()), (vec!["watchers".to_owned()], vec![]));
    assert_eq!(server.to("game").leave("game"), 0, "nobody is there");
    bob.abort();
    until_gone(&server, "watchers").await;
    assert_eq!(server.all().join("late"), 3, "one that has ended joins nothing");
}

async fn until_gone(server: &Server, room: &str) {
    support::until("its handler has returned", || server.members(room).is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn a_room_is_closed_behind_what_was_sent() {
    let (server, [mut ann, mut bob, mut host], [_, gone, owner]) = members([&["game"], &["game"], &["game"]]).await;
    gone.close(3000, "gone");
    server.to("game").send("the end");
    assert_eq!(server.to("game").except(&owner).close(3001, "over"), 1, "one was closed before");
    assert_eq!(ann.recv().await, Some("the end".into()));
    assert_eq!(ann.recv().await, None);
    let reason = ann.close_reason().unwrap();
    assert_eq!((reason.code(), reason.text()), (3001, "over"));
    assert_eq!(bob.recv().await, None);
    assert_eq!(bob.close_reason().unwrap().code(), 3000);
    assert!(!owner.is_closed());
    assert_eq!(host.recv().await, Some("the end".into()));
    assert_eq!((server.all().close(1000, ""), server.all().close(1000, "")), (1, 0));
    assert_eq!(host.recv().await, None);
}

#[derive(serde::Serialize)]
#[serde(rename_all = "kebab-case")]
enum Out {
    Joined(String),
    MovedTo(f64, f64),
    Over,
    Open,
}

#[tokio::test(start_paused = true)]
async fn a_room_gets_the_variants_of_an_enum_as_events() {
    let log = Log::here();
    let (server, [mut ann, mut bob], [first, _]) = members([&["a"], &["a"]]).await;
    assert_eq!(server.to("a").emit_enum(&Out::Joined("ann".to_owned())).sent, 2);
    assert_eq!(first.to("a").emit_enum(&Out::MovedTo(1.0, 2.5)).sent, 1);
    assert_eq!(server.to("a").emit_enum(&Out::Open).sent, 0, "the name is reserved");
    assert_eq!(log.lines("WARN").len(), 1);
    assert_eq!(server.to("a").latest("state").emit_enum(&Out::Over).sent, 2);
    assert_eq!(ann.recv().await, Some("[\"joined\",\"ann\"]".into()));
    assert_eq!(ann.recv().await, Some("[\"over\"]".into()));
    for event in ["[\"joined\",\"ann\"]", "[\"moved-to\",1.0,2.5]", "[\"over\"]"] {
        assert_eq!(bob.recv().await, Some(event.into()));
    }
}
