//! Namespaces that open, end and open again, and what is said meanwhile.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use anywire::{Builder, Data, Events, Fault, History, Session, SessionHandler};
use tokio::sync::Semaphore;

use super::{
    application, builder,
    client::{Came, Client, Socket},
    join,
    support::{Lives, assert_sent, at_rest, until},
};

/// A client that has opened Engine.IO, of a server that is looked into.
async fn open(builder: Builder<SessionHandler<()>>) -> (Lives, Socket) {
    let server = builder.build();
    let mut socket = Client::of(&server, 4).socket().await;
    assert!(socket.text().await.starts_with("0{"));
    (Lives::of_server(&server), socket)
}

/// Doors that tests open: each lets one through.
#[derive(Clone)]
struct Door(Arc<Semaphore>);

impl Door {
    fn new() -> Self {
        Door(Arc::new(Semaphore::new(0)))
    }

    async fn pass(&self) {
        self.0.acquire().await.unwrap().forget();
    }

    fn open(&self) {
        self.0.add_permits(1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_namespace_is_left_and_opened_again() {
    let opened = Arc::new(AtomicUsize::new(0));
    let count = opened.clone();
    let events = Events::new().on_open(async move |session: Session| {
        session.join("room");
        count.fetch_add(1, SeqCst);
    });
    let (live, mut client) = open(application().namespace("/adm", events)).await;
    for round in 1..=3 {
        join(&mut client, "/adm").await;
        assert_eq!(opened.load(SeqCst), round);
        let adm = live.of("/adm");
        assert_eq!((adm.len(), adm.members("room").len()), (1, 1));
        client.say("41/adm,").await;
        until("it has left", || adm.is_empty() && adm.members("room").is_empty()).await;
        assert_sent(&adm.all().emit("x", ()), 0);
    }
    client.say("42/adm,[\"x\"]").await;
    client.is_closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_left_hears_nothing_of_the_handler_that_still_runs() {
    let door = Door::new();
    let waits = door.clone();
    let events = Events::new()
        .on_open(async |session: Session| {
            session.join("room");
        })
        .on("work", async move |session: Session| {
            waits.pass().await;
            assert!(session.emit("late", ()).await.is_err(), "the client has left");
        });
    let (live, mut client) = open(builder().events(Events::new()).namespace("/adm", events)).await;
    join(&mut client, "/adm").await;
    client.say("42/adm,[\"work\"]").await;
    client.say("41/adm,").await;
    client.say("40/adm,").await;
    client.is_quiet().await;
    // The former one is in its room still, and the client must not take its messages for those of the next.
    live.of("/adm").to("room").emit("tick", 1);
    live.of("/adm").all().emit("tick", 2);
    client.is_quiet().await;
    door.open();
    let answer = client.text().await;
    assert!(answer.starts_with("40/adm,{\"sid\":"), "{answer}");
    until("it is open", || live.of("/adm").members("room").len() == 1).await;
    at_rest().await;
    live.of("/adm").to("room").emit("tick", 3);
    client.hears("42/adm,[\"tick\",3]").await;
}

#[tokio::test(start_paused = true)]
async fn what_crosses_the_end_of_a_namespace_is_dropped() {
    let leave = async |session: Session| session.close(1000, "");
    let (live, mut client) = open(builder().events(Events::new().on("leave", leave))).await;
    join(&mut client, "/").await;
    // The client has sent all this before the end of the namespace reaches it.
    client.say("42[\"leave\"]").await;
    client.hears("41").await;
    client.say("42[\"message\",1]").await;
    client.say("421[\"message-with-ack\",1]").await;
    client.say("451-[\"message\",{\"_placeholder\":true,\"num\":0}]").await;
    client.say_bytes(&[1]).await;
    client.say("431[]").await;
    client.say("41").await;
    client.is_quiet().await;
    assert!(live.is_empty());
    // It opens anew, and then a packet that comes too late is one that comes too early.
    join(&mut client, "/").await;
    client.say("41").await;
    client.say("42[\"message\",1]").await;
    client.is_closed().await;
}

#[tokio::test(start_paused = true)]
async fn two_namespaces_at_once_do_not_wait_for_each_other() {
    let door = Door::new();
    let waits = door.clone();
    let slow = Events::new().on_open(async move |_: Session| waits.pass().await);
    let echo = |name: &'static str| {
        Events::new().on("echo", async move |Data(text): Data<String>, session: Session| {
            session.emit(name, text).await.unwrap();
        })
    };
    let (live, mut client) = open(
        builder().events(Events::new()).namespace("/slow", slow).namespace("/a", echo("a")).namespace("/b", echo("b")),
    )
    .await;
    client.say("40/slow,").await;
    join(&mut client, "/a").await;
    join(&mut client, "/b").await;
    client.say("42/a,[\"echo\",\"1\"]").await;
    client.say("42/b,[\"echo\",\"2\"]").await;
    let mut heard = [client.text().await, client.text().await];
    heard.sort();
    assert_eq!(heard, ["42/a,[\"a\",\"1\"]", "42/b,[\"b\",\"2\"]"]);
    assert_eq!((live.of("/slow").len(), live.of("/a").len(), live.of("/b").len()), (0, 1, 1));
    client.say("41/a,").await;
    door.open();
    assert!(client.text().await.starts_with("40/slow,{\"sid\":"));
    client.say("42/b,[\"echo\",\"3\"]").await;
    client.hears("42/b,[\"b\",\"3\"]").await;
    // A namespace that has not answered yet takes nothing.
    let (_, mut client) = open(builder().events(Events::new()).namespace("/slow", {
        let waits = door.clone();
        Events::new().on_open(async move |_: Session| waits.pass().await)
    }))
    .await;
    client.say("40/slow,").await;
    client.say("42/slow,[\"x\"]").await;
    client.is_closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_has_so_many_namespaces_besides_the_root() {
    let (_, mut client) =
        open(builder().max_namespaces(2).events(Events::new()).namespace("/room*", Events::new())).await;
    for namespace in ["/room1", "/room2", "/"] {
        join(&mut client, namespace).await;
    }
    client.say("40/room3,").await;
    let refused = client.text().await;
    assert!(refused.starts_with("44/room3,{") && refused.contains("\"code\":\"full\""), "{refused}");
    client.say("41").await;
    client.say("40/room3,").await;
    assert_eq!(client.text().await, refused, "the root takes no place and leaves none");
    client.say("41/room1,").await;
    // It counts until its handler has returned.
    client.is_quiet().await;
    join(&mut client, "/room3").await;
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_namespace_comes_before_it_is_open() {
    let door = Door::new();
    let waits = door.clone();
    let events = Events::new().on_open(async move |session: Session| -> Result<(), Fault> {
        session.join("room");
        session.send("one").await.unwrap();
        session.send(vec![2]).await.unwrap();
        session.within("room").emit("three", 3);
        session.try_send("four").unwrap();
        assert!(session.send_droppable("five").unwrap());
        waits.pass().await;
        Ok(())
    });
    let (live, mut client) = open(builder().events(events)).await;
    client.say("40").await;
    client.is_quiet().await;
    live.to("room").emit("six", 6);
    client.is_quiet().await;
    door.open();
    assert!(client.text().await.starts_with("40{\"sid\":"));
    client.hears("42[\"message\",\"one\"]").await;
    client.hears("451-[\"message\",{\"_placeholder\":true,\"num\":0}]").await;
    assert_eq!(client.next().await, Came::Binary(vec![2]));
    for event in ["42[\"three\",3]", "42[\"message\",\"four\"]", "42[\"message\",\"five\"]", "42[\"six\",6]"] {
        client.hears(event).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_history_and_a_request_to_a_room_wait_for_the_namespace_too() {
    let door = Door::new();
    let waits = door.clone();
    let events = Events::new().on_open(async move |session: Session| {
        assert_eq!(session.join_since("log", None).await.unwrap().replayed, 2);
        waits.pass().await;
    });
    let (live, mut client) = open(builder().rooms("log", History::last(9)).events(events)).await;
    live.to("log").emit("past", 1);
    live.to("log").emit("past", 2);
    client.say("40").await;
    client.is_quiet().await;
    let asked = tokio::spawn({
        let live = live.clone();
        async move { live.to("log").request::<_, _, u32>("number?", ()).await }
    });
    client.is_quiet().await;
    door.open();
    assert!(client.text().await.starts_with("40{\"sid\":"));
    client.hears("42[\"past\",1]").await;
    client.hears("42[\"past\",2]").await;
    let question = client.text().await;
    let id = question.strip_prefix("42").and_then(|rest| rest.strip_suffix("[\"number?\"]")).expect(&question);
    client.say(&format!("43{id}[5]")).await;
    assert_eq!(asked.await.unwrap().into_values().collect::<Vec<_>>(), [5]);
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_namespace_comes_if_it_is_refused() {
    let refused = Events::new().on_open(async move |session: Session| -> Result<(), Fault> {
        session.join("room");
        session.emit("early", "x".repeat(10_000)).await.unwrap();
        session.within("room").emit("early", "x".repeat(10_000));
        Err(Fault::new("no", "not today"))
    });
    let (live, mut client) = open(builder().events(Events::new()).namespace("/adm", refused)).await;
    join(&mut client, "/").await;
    let before = live.stats().bytes;
    for _ in 0..3 {
        client.say("40/adm,").await;
        client.hears("44/adm,{\"code\":\"no\",\"message\":\"not today\"}").await;
    }
    client.is_quiet().await;
    until("what was kept is dropped", || live.stats().bytes <= before + 4096).await;
    assert_eq!(live.of("/adm").members("room").len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_is_open_or_asked_for_is_not_asked_for_again() {
    let (_, mut client) = open(application()).await;
    join(&mut client, "/").await;
    client.say("40").await;
    client.is_closed().await;
    let (_, mut client) = open(application()).await;
    client.say("40/custom,").await;
    client.say("40/custom,").await;
    client.is_closed().await;
}

/// A session that has no namespace is in no list and no room, and hears nothing.
#[tokio::test(start_paused = true)]
async fn a_client_without_a_namespace_is_nobody() {
    let (live, mut client) = open(builder().events(Events::new()).namespace("/adm", Events::new())).await;
    let nobody = |live: &Lives| {
        assert_eq!((live.len(), live.is_empty(), live.sessions().len()), (0, true, 0));
        assert_sent(&live.all().send("x"), 0);
        assert_sent(&live.all().emit("x", ()), 0);
    };
    nobody(&live);
    join(&mut client, "/adm").await;
    nobody(&live);
    assert_eq!(live.of("/adm").len(), 1);
    client.is_quiet().await;
    join(&mut client, "/").await;
    assert_eq!((live.len(), live.sessions().len()), (1, 1));
    assert_sent(&live.all().send("x"), 1);
    client.hears("42[\"message\",\"x\"]").await;
    client.say("41").await;
    until("it has left", || live.sessions().is_empty()).await;
    nobody(&live);
    client.is_quiet().await;
}

/// A namespace that the client has left counts for as long as its handler runs, and the refusal says so.
#[tokio::test(start_paused = true)]
async fn a_namespace_that_was_left_counts_until_its_handler_has_returned() {
    let door = Door::new();
    let waits = door.clone();
    let events = Events::new().on("work", async move |_: Session| waits.pass().await);
    let (_, mut client) = open(builder().max_namespaces(1).events(Events::new()).namespace("/n*", events)).await;
    join(&mut client, "/n1").await;
    client.say("42/n1,[\"work\"]").await;
    client.say("41/n1,").await;
    client.say("40/n2,").await;
    let refused = client.text().await;
    let text = "a session has at most 1 namespaces, and one that was left counts while its handler runs";
    assert_eq!(refused, format!("44/n2,{{\"code\":\"full\",\"message\":\"{text}\"}}"));
    door.open();
    client.is_quiet().await;
    join(&mut client, "/n2").await;
}

/// The number of sessions is counted, and not looked for: it follows however a client comes and goes.
#[tokio::test(start_paused = true)]
async fn the_number_of_sessions_is_that_of_their_list() {
    let events = || Events::new().on("leave", async |session: Session| session.close(1000, ""));
    let server = builder().events(events()).namespace("/adm", events()).build();
    let (live, client) = (Lives::of_server(&server), Client::of(&server, 4));
    let agree = async |count: usize| {
        until("the list is so long", || live.sessions().len() == count).await;
        until(&format!("so many are counted, and not {}", live.len()), || live.len() == count).await;
    };
    let mut stays = client.socket().await;
    stays.text().await;
    join(&mut stays, "/").await;
    for end in ["41", "42[\"leave\"]", "1", "4abc", ""] {
        let mut socket = client.socket().await;
        socket.text().await;
        join(&mut socket, "/adm").await;
        agree(1).await;
        join(&mut socket, "/").await;
        agree(2).await;
        match end {
            "" => drop(socket),
            end => socket.say(end).await,
        }
        agree(1).await;
    }
    let polled = client.open().await;
    client.say(&polled, &["40", "40/adm,"]).await;
    agree(2).await;
    live.sessions().iter().for_each(Session::abort);
    agree(0).await;
    live.of("/adm").sessions().iter().for_each(|session| session.root().abort());
    agree(0).await;
}
