//! Namespaces: channels of a session, each with handlers, rooms and values of its own.
#![allow(unreachable_pub, clippy::disallowed_methods)]

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anywire::{Anywire, Auth, Builder, Data, Events, Fault, Received, Reply, Session, SessionHandler};
use axum::{Router, http::HeaderMap};
use support::{EventClient as Client, Lives, Site, assert_sent, until};
use tokio::sync::{Notify, mpsc};

fn site(builder: Builder<SessionHandler<()>>) -> (Site, Lives) {
    let server = builder.build();
    (Site::of(&server, |server| Router::new().nest("/live", server.routes())), Lives::of_server(&server))
}

/// Opens a namespace, and returns what the server sends.
async fn open(client: &mut Client, packet: &str) -> String {
    client.send(packet).await;
    client.event().await
}

/// Acknowledges the close of the session, which ends it.
async fn acknowledge_close(client: &mut Client, code: u16) {
    let code = format!(",{code},");
    loop {
        let text = client.next().await;
        if let Some((_, close)) = text.split_once('c')
            && let Some((number, _)) = close.split_once(&code)
        {
            return client.send(&format!("a{number}:")).await;
        }
    }
}

/// A client that reads nothing asks for namespaces that are refused: no more of them wait to be told than it may have,
/// and one that asks on is too slow for the answers.
#[tokio::test(start_paused = true)]
async fn refusals_that_nobody_reads_are_bounded() {
    let judged = Arc::new(AtomicUsize::new(0));
    let count = judged.clone();
    let refused = Events::new().on_open(async move |_: Session| -> Result<(), Fault> {
        count.fetch_add(1, Ordering::Relaxed);
        Err(Fault::new("no", "not today"))
    });
    let builder = Anywire::builder().outbox(4096).events(Events::new()).namespace("/n*", refused);
    let (site, live) = site(builder);
    let mut client = Client::open(&site, "events").await;
    for nth in 0..5_000 {
        client.send(&format!("e0/n{nth},")).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(live.stats().slow_total, 1, "it has ended as too slow");
    assert_eq!(live.len(), 0);
    let judged = judged.load(Ordering::Relaxed);
    assert!((32..200).contains(&judged), "{judged}");
}

async fn echo(Data(text): Data<String>, session: Session) -> Reply<String> {
    Reply(format!("{} {text}", session.namespace()))
}

#[derive(serde::Deserialize)]
struct Login {
    token: String,
}

#[derive(Clone, Debug, PartialEq)]
struct User(String);

async fn login(headers: HeaderMap, Auth(login): Auth<Login>, session: Session) -> Result<(), Fault> {
    assert!(headers.contains_key("host"), "the request that opened the session");
    if login.token != "sesame" {
        return Err(Fault::new("login", "unknown token").with_data(7));
    }
    session.insert(User(login.token));
    session.join("operators");
    Ok(())
}

#[tokio::test]
async fn a_namespace_has_handlers_rooms_and_values_of_its_own() {
    let root = Events::new().on("echo", echo).on_open(async |session: Session| {
        session.join("operators");
    });
    let admin =
        Events::new().on_open(login).on("echo", echo).on("say", async |Data(text): Data<String>, session: Session| {
            session.within("operators").emit("said", text);
        });
    let (site, live) = site(Anywire::builder().events(root).namespace("/admin", admin));
    let mut client = Client::open(&site, "events").await;
    let refused = open(&mut client, "e0/admin,{\"token\":\"open\"}").await;
    assert_eq!(refused, "e4/admin,{\"code\":\"login\",\"message\":\"unknown token\",\"data\":7}");
    assert!(open(&mut client, "e0/admin,{\"tok\":1}").await.starts_with("e4/admin,{\"code\":\"refused\""));
    assert!(open(&mut client, "e0/nothing").await.starts_with("e4/nothing,{\"code\":\"unknown\""));
    assert!(live.of("/admin").is_empty());

    // Events may follow at once, and wait for the channel.
    client.send("e0/admin,{\"token\":\"sesame\"}").await;
    client.send("e2/admin,1[\"echo\",\"a\"]").await;
    let id = live.sessions()[0].id();
    assert_eq!(client.event().await, format!("e0/admin,{{\"sid\":\"{id}\"}}"));
    assert_eq!(client.event().await, "e3/admin,1[\"/admin a\"]");
    client.send("e21[\"echo\",\"b\"]").await;
    assert_eq!(client.event().await, "e31[\"/ b\"]");
    client.send("e2/other,4[\"echo\",\"b\"]").await;
    assert!(client.event().await.starts_with("e7/other,4{\"code\":\"unknown\""));

    // Rooms and values.
    client.send("e2/admin,[\"say\",\"hi\"]").await;
    assert_eq!(client.event().await, "e2/admin,[\"said\",\"hi\"]");
    assert_sent(&live.to("operators").emit("x", ()), 1);
    assert_eq!(client.event().await, "e2[\"x\"]");
    let channel = live.of("/admin").session(&id).unwrap();
    assert_eq!(channel.get::<User>(), Some(User("sesame".to_owned())));
    assert_eq!((channel.root().get::<User>(), channel.root().namespace()), (None, "/"));
    assert_eq!((channel.rooms(), live.of("/admin").members("operators").len()), (vec!["operators".to_owned()], 1));
    // A message is the event `message`.
    assert_sent(&live.of("/admin").all().send("text"), 1);
    assert_eq!(client.event().await, "e2/admin,[\"message\",\"text\"]");
    channel.send(vec![1, 2]).await.unwrap();
    assert_eq!(client.event().await, "e51-/admin,[\"message\",{\"_placeholder\":true,\"num\":0}]");
    assert_eq!(client.any().await.into_data(), b"\x01\x02"[..]);
    assert_eq!(live.of("/admin").len(), 1);
    assert_sent(&live.of("/none").all().emit("x", ()), 0);
    // The server asks in the channel.
    let asked = tokio::spawn(async move { channel.request::<_, _, u32>("number?", ()).await });
    let question = client.event().await;
    let id = question.strip_prefix("e2/admin,").and_then(|rest| rest.strip_suffix("[\"number?\"]")).expect(&question);
    client.send(&format!("e3/admin,{id}[5]")).await;
    assert_eq!(asked.await.unwrap(), Ok(5));
    // A request ends with its channel.
    let channel = live.of("/admin").sessions().remove(0);
    let asked = tokio::spawn(async move { channel.request::<_, _, u32>("number?", ()).await });
    assert!(client.event().await.starts_with("e2/admin,"));
    client.send("e1/admin,").await;
    assert_eq!(asked.await.unwrap(), Err(anywire::RequestError::Closed));
}

#[tokio::test]
async fn a_channel_ends_by_either_side_and_by_the_end_of_the_session() {
    let (ended, mut ends) = mpsc::unbounded_channel();
    let room = Events::new()
        .on("close", async |session: Session| session.close(3001, "kicked"))
        .on("stop", async |session: Session| session.root().close(3002, "over"))
        .on_end(move |session: Session| {
            ended.send((session.namespace().to_owned(), session.close_reason().map(|reason| reason.code()))).unwrap();
            async {}
        });
    let (site, live) = site(Anywire::builder().events(Events::new()).namespace("/room-*", room));
    let mut client = Client::open(&site, "events").await;
    let id = live.sessions()[0].id();
    for name in ["/room-1", "/room-2", "/room-3"] {
        assert_eq!(open(&mut client, &format!("e0{name},")).await, format!("e0{name},{{\"sid\":\"{id}\"}}"));
    }
    assert_eq!(open(&mut client, "e0/room-2,").await, format!("e0/room-2,{{\"sid\":\"{id}\"}}"), "it is open already");
    let kept = live.of("/room-2").session(&id).unwrap();
    client.send("e1/room-1,").await;
    assert_eq!(ends.recv().await.unwrap(), ("/room-1".to_owned(), Some(1000)));
    client.send("e2/room-2,[\"close\"]").await;
    assert_eq!(client.event().await, "e1/room-2,{\"code\":3001,\"message\":\"kicked\"}");
    assert_eq!(ends.recv().await.unwrap(), ("/room-2".to_owned(), Some(3001)));
    assert_eq!(kept.closed().await.code(), 3001);
    assert!(kept.send("x").await.is_err() && !kept.join("a") && !kept.root().is_closed());
    // Both open again, with nothing of what they were.
    for name in ["/room-1", "/room-2"] {
        assert_eq!(open(&mut client, &format!("e0{name},")).await, format!("e0{name},{{\"sid\":\"{id}\"}}"));
    }
    assert!(kept.is_closed());
    client.send("e2/room-3,[\"stop\"]").await;
    acknowledge_close(&mut client, 3002).await;
    let mut names = Vec::new();
    for _ in 0..3 {
        let (name, code) = ends.recv().await.unwrap();
        assert_eq!(code, Some(3002), "{name}");
        names.push(name);
    }
    names.sort();
    assert_eq!(names, ["/room-1", "/room-2", "/room-3"]);
    until("the channel ends", || live.of("/room-1").is_empty()).await;
}

#[tokio::test]
async fn the_handler_of_the_session_ends_its_channels_which_run_to_their_end() {
    let (ended, mut ends) = mpsc::unbounded_channel();
    let room = async move |session: Session| {
        while let Some(received) = session.recv_any().await {
            let Received::Event(event) = received else { panic!("{received:?}") };
            ended.send(event.name().to_owned()).unwrap();
        }
        ended.send(format!("{:?}", session.close_reason().map(|reason| reason.code()))).unwrap();
    };
    let root = async |session: Session| {
        session.recv().await;
    };
    let (site, _) = site(Anywire::builder().handler(root).namespace_handler("/room", room));
    let mut client = Client::open(&site, "events").await;
    assert!(open(&mut client, "e0/room,").await.starts_with("e0/room,{"));
    client.send("e2/room,[\"a\"]").await;
    client.send("mend").await;
    assert_eq!(ends.recv().await.as_deref(), Some("a"));
    assert_eq!(ends.recv().await.as_deref(), Some("Some(1000)"));
}

#[tokio::test]
async fn a_panic_in_a_channel_closes_the_session_and_the_others_end_in_order() {
    let (ended, mut ends) = mpsc::unbounded_channel();
    let end = |name: &'static str| {
        let ended = ended.clone();
        move || {
            ended.send(name).unwrap();
            async {}
        }
    };
    let root = Events::new().on_end(end("root"));
    let room = Events::new().on("panic", async || -> () { panic!("the handler's own") }).on_end(end("room"));
    let other = Events::new().on_end(end("other"));
    let builder = Anywire::builder().events(root).namespace("/room", room).namespace("/other", other);
    let (site, live) = site(builder);
    let mut client = Client::open(&site, "events").await;
    assert!(open(&mut client, "e0/room,").await.starts_with("e0/room,{"));
    assert!(open(&mut client, "e0/other,").await.starts_with("e0/other,{"));
    let session = live.sessions()[0].clone();
    client.send("e2/room,[\"panic\"]").await;
    assert_eq!(session.closed().await.code(), 1011);
    acknowledge_close(&mut client, 1011).await;
    let mut all = [ends.recv().await.unwrap(), ends.recv().await.unwrap(), ends.recv().await.unwrap()];
    all.sort_unstable();
    assert_eq!((all, session.closed().await.code()), (["other", "room", "root"], 1011));
}

#[tokio::test]
async fn a_slow_channel_holds_up_no_other_and_all_share_the_inbox() {
    let open_gate = Arc::new(Notify::new());
    let gate = open_gate.clone();
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = seen.clone();
    let slow = Events::new().on("wait", move || {
        let (gate, counted) = (gate.clone(), counted.clone());
        async move {
            gate.notified().await;
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let fast = Events::new().on("echo", echo);
    let builder =
        Anywire::builder().inbox(4_096).events(Events::new()).namespace("/slow", slow).namespace("/fast", fast);
    let (site, _) = site(builder);
    let mut client = Client::open(&site, "events").await;
    for name in ["/slow", "/fast"] {
        assert!(open(&mut client, &format!("e0{name},")).await.starts_with(&format!("e0{name},{{")));
    }
    for number in 0..20 {
        client.send("e2/slow,[\"wait\"]").await;
        client.send(&format!("e2/fast,{number}[\"echo\",\"x\"]")).await;
        assert_eq!(client.event().await, format!("e3/fast,{number}[\"/fast x\"]"));
    }
    // The inbox is full in the end: the client is asked to pause.
    let paused = async {
        for _ in 0..100 {
            client.send("e2/slow,[\"wait\"]").await;
        }
        loop {
            let text = client.next().await;
            if text.starts_with('h') {
                break text;
            }
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), paused).await.is_ok());
    let before = seen.load(Ordering::Relaxed);
    // Once the slow one goes on, the client is asked to go on.
    let release = async {
        loop {
            open_gate.notify_one();
            tokio::task::yield_now().await;
        }
    };
    let resumed = async {
        loop {
            let text = client.next().await;
            if text.starts_with('g') {
                break;
            }
        }
    };
    tokio::select! {
        () = release => {}
        () = resumed => {}
        () = tokio::time::sleep(Duration::from_secs(20)) => panic!("the client stays paused"),
    }
    assert!(seen.load(Ordering::Relaxed) > before);
}

#[tokio::test]
async fn the_channels_of_a_session_are_bounded_and_an_end_frees_a_place() {
    let builder =
        Anywire::builder().max_namespaces(2).events(Events::new()).namespace("/*", Events::new().on("echo", echo));
    let (site, live) = site(builder);
    let mut client = Client::open(&site, "events").await;
    assert!(open(&mut client, "e0/a,").await.starts_with("e0/a,{"));
    assert!(open(&mut client, "e0/b,").await.starts_with("e0/b,{"));
    let full = open(&mut client, "e0/c,").await;
    assert_eq!(
        full,
        "e4/c,{\"code\":\"full\",\"message\":\"a session has at most 2 namespaces, and one that was left counts while its \
         handler runs\"}"
    );
    client.send("e1/a,").await;
    until("the channel ends", || live.of("/a").is_empty()).await;
    // One that is left and opened at once begins anew, behind the end of the former.
    for packet in ["e1/b,", "e0/b,", "e2/b,1[\"echo\",\"again\"]"] {
        client.send(packet).await;
    }
    assert!(client.event().await.starts_with("e0/b,{"));
    assert_eq!(client.event().await, "e3/b,1[\"/b again\"]");
    assert!(open(&mut client, "e0/c,").await.starts_with("e0/c,{"));
    // The session itself is no channel, whatever the pattern.
    for packet in ["e0", "e0{}", "e0/", "e0/,{}", "e1", "e1/,"] {
        client.send(packet).await;
    }
    // Without handlers nothing opens, and nothing is kept.
    let longest = format!("e0/{},", "n".repeat(300));
    client.send(&longest).await;
    client.send("e2/none,[\"x\"]").await;
    client.send("e1/none,").await;
    client.send("e4/none,{}").await;
    assert_eq!(open(&mut client, "e2/c,9[\"echo\",\"y\"]").await, "e3/c,9[\"/c y\"]");
    assert_eq!(live.of("/b").sessions().len() + live.of("/c").sessions().len(), 2);
}

#[tokio::test]
async fn what_a_full_channel_holds_is_freed_when_it_ends() {
    let never = Events::new().on("wait", std::future::pending::<()>);
    let (site, live) =
        site(Anywire::builder().grace(Duration::from_millis(100)).events(Events::new()).namespace("/slow", never));
    let mut client = Client::open(&site, "events").await;
    assert!(open(&mut client, "e0/slow,").await.starts_with("e0/slow,{"));
    let text = format!("e2/slow,[\"wait\",\"{}\"]", "x".repeat(100_000));
    for _ in 0..5 {
        client.send(&text).await;
    }
    until("it holds the events", || live.stats().bytes > 300_000).await;
    live.sessions()[0].abort();
    until("it holds nothing", || live.stats().bytes < 10_000).await;
}

#[tokio::test]
async fn a_page_that_takes_over_finds_its_channels_and_no_end_of_what_the_page_before_had() {
    let opened = Arc::new(AtomicUsize::new(0));
    let counted = opened.clone();
    let room = Events::new().on("echo", echo).on_open(async move |_: Session| {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let (site, live) = site(Anywire::builder().events(Events::new()).namespace("/room", room));
    let mut former = Client::open(&site, "events").await;
    assert!(open(&mut former, "e0/room,").await.starts_with("e0/room,{"));
    assert!(open(&mut former, "e0/none,").await.starts_with("e4/none,{"));
    let mut next = former.take_over(&site).await;
    next.confirm().await;
    assert_eq!(next.event().await, "e30[]", "in the place of the refusal, which it was not to get");
    assert!(open(&mut next, "e0/room,").await.starts_with("e0/room,{"));
    assert_eq!(open(&mut next, "e2/room,1[\"echo\",\"x\"]").await, "e3/room,1[\"/room x\"]");
    assert_eq!((opened.load(Ordering::Relaxed), live.of("/room").len()), (1, 1), "it lived on");
}

#[tokio::test]
async fn a_channel_gets_nothing_that_is_sent_to_everybody_before_it_is_open() {
    let (asked, judged) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (told, waited) = (asked.clone(), judged.clone());
    let admin = Events::new().on_open(move |Auth(login): Auth<Login>, _: Session| {
        let (told, waited) = (told.clone(), waited.clone());
        async move {
            told.notify_one();
            waited.notified().await;
            if login.token == "sesame" { Ok(()) } else { Err(Fault::new("login", "unknown token")) }
        }
    });
    let (site, live) = site(Anywire::builder().events(Events::new()).namespace("/admin", admin));
    let mut client = Client::open(&site, "events").await;
    for (token, answer) in [("open", "e4/admin,{\"code\":\"login\""), ("sesame", "e0/admin,{\"sid\":")] {
        client.send(&format!("e0/admin,{{\"token\":\"{token}\"}}")).await;
        asked.notified().await;
        assert!(live.of("/admin").is_empty(), "it is not open yet");
        live.of("/admin").all().emit("secret", token);
        judged.notify_one();
        let first = client.event().await;
        assert!(first.starts_with(answer), "{first}");
    }
    live.of("/admin").all().emit("secret", "told");
    assert_eq!(client.event().await, "e2/admin,[\"secret\",\"told\"]");
}
