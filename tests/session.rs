//! The session and its clones: who receives what, when the session ends, what it keeps.
#![allow(clippy::disallowed_methods)]

mod support;

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex},
    task::Poll,
};

use anywire::{Anywire, LocalClient, Message, Received, SendError, Server, Session};
use futures::StreamExt;
use support::{Log, echo};

fn server<F, Fut>(handler: F) -> Server
where
    F: FnOnce(Session) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    Anywire::builder().handler(handler).build()
}

/// A handler that never returns.
async fn stay(session: Session) {
    session.closed().await;
    std::future::pending::<()>().await;
}

async fn open(server: &Server) -> (LocalClient, Session) {
    let client = LocalClient::open(server, (), "").await.unwrap();
    let session = server.session(client.id()).unwrap();
    (client, session)
}

fn text(message: Option<Message>) -> String {
    message.map_or("the end".to_owned(), |message| message.as_text().unwrap().to_owned())
}

/// Polls once.
async fn waits(future: &mut (impl Future + Unpin)) -> bool {
    std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx).is_pending())).await
}

async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn each_message_goes_to_the_task_that_has_waited_longest() {
    let server = server(stay);
    let (mut client, session) = open(&server).await;
    let got = Arc::new(Mutex::new(Vec::new()));
    let task = |name: &'static str| {
        let (session, got) = (session.clone(), got.clone());
        tokio::spawn(async move {
            let message = text(session.recv().await);
            got.lock().unwrap().push(format!("{name} {message}"));
        })
    };
    let mut tasks = Vec::new();
    for name in ["ada", "bob", "cleo", "dan"] {
        tasks.push(task(name));
        settle().await;
    }
    client.send("1");
    client.send("2");
    assert_eq!(text(session.try_recv()), "1", "try_recv does not wait for those who do");
    client.send("3");
    settle().await;
    assert_eq!(*got.lock().unwrap(), ["ada 2", "bob 3"]);
    tasks[2].abort(); // Cleo gives her place up.
    settle().await;
    client.send("4");
    settle().await;
    assert_eq!(*got.lock().unwrap(), ["ada 2", "bob 3", "dan 4"]);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_was_woken_and_is_dropped_passes_the_message_on() {
    let server = server(stay);
    let (mut client, session) = open(&server).await;
    let mut first = Box::pin(session.recv());
    assert!(waits(&mut first).await);
    let second = tokio::spawn({
        let session = session.clone();
        async move { text(session.recv().await) }
    });
    settle().await;
    client.send("1"); // This wakes the first, which is not polled any more.
    settle().await;
    assert!(!second.is_finished());
    drop(first);
    assert_eq!(second.await.unwrap(), "1");
}

#[tokio::test(start_paused = true)]
async fn one_task_may_wait_with_a_stream_and_with_recv() {
    let server = server(stay);
    let (mut client, session) = open(&server).await;
    let mut stream = session.stream();
    assert!(waits(&mut stream.next()).await);
    let feeder = tokio::spawn(async move {
        for number in 0..6 {
            settle().await;
            client.send(number.to_string());
        }
        client
    });
    let mut got = Vec::new();
    for number in 0..6 {
        got.push(text(match number % 2 {
            0 => session.recv().await,
            _ => stream.next().await,
        }));
    }
    assert_eq!(got, ["0", "1", "2", "3", "4", "5"]);
    drop(feeder.await.unwrap());
}

#[tokio::test]
async fn every_message_is_received_once_by_many_tasks_on_many_threads() {
    const MESSAGES: usize = 2_000;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    let all = runtime.spawn(async {
        let server = Anywire::builder().inbox(10_000_000).handler(stay).build();
        let (mut client, session) = open(&server).await;
        let tasks: Vec<_> = (0..8)
            .map(|task| {
                let session = session.clone();
                tokio::spawn(async move {
                    let mut got = Vec::new();
                    loop {
                        // Some waits are given up, while others are woken.
                        let message = tokio::select! {
                            message = session.recv() => message,
                            () = settle(), if task % 2 == 0 => continue,
                        };
                        let Some(message) = message else { return got };
                        got.push(message.as_text().unwrap().parse::<usize>().unwrap());
                    }
                })
            })
            .collect();
        for number in 0..MESSAGES {
            client.send(number.to_string());
            if number % 16 == 0 {
                settle().await;
            }
        }
        client.close(1000, "");
        let mut got = Vec::new();
        for task in tasks {
            got.push(task.await.unwrap());
        }
        assert!(got.iter().all(|one| one.is_sorted()), "each task receives in order");
        let mut all = got.concat();
        all.sort_unstable();
        assert_eq!(all, (0..MESSAGES).collect::<Vec<_>>());
    });
    let joined = all.await;
    runtime.shutdown_background();
    joined.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_session_ends_when_its_handler_returns_whatever_clones_live() {
    let server = server(|session: Session| async move {
        session.join("lobby");
        session.insert(Arc::new("kept"));
        session.recv().await;
    });
    let (mut client, session) = open(&server).await;
    client.idle().await;
    let kept = session.get::<Arc<&str>>().unwrap();
    assert_eq!(Arc::strong_count(&kept), 2);
    let (waiting, closed) = (session.clone(), session.clone());
    let waiting = tokio::spawn(async move { text(waiting.recv().await) });
    let closed = tokio::spawn(async move { closed.closed().await.code() });
    settle().await;
    client.send("the handler waited first, and returns");
    client.send("for nobody");
    assert_eq!(client.recv().await, None);
    assert_eq!(client.close_reason().unwrap().code(), 1000);
    assert_eq!(waiting.await.unwrap(), "the end");
    assert_eq!(closed.await.unwrap(), 1000);
    assert!(session.is_closed());
    assert_eq!(session.try_send("late").unwrap_err().reason(), SendError::Closed);
    assert_eq!((session.recv().await, session.stream().next().await), (None, None));
    assert!(session.recv_any().await.is_none());
    assert_eq!(Arc::strong_count(&kept), 1, "what was inserted is dropped");
    assert_eq!((session.insert(7), session.get::<i32>()), (None, None));
    assert!(!session.join("lobby") && server.members("lobby").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_session_has_a_close_reason_right_after_its_own_close() {
    let server = server(|session: Session| async move {
        assert_eq!((session.close_reason(), session.is_closed()), (None, false));
        session.close(3000, "enough");
        assert_eq!(session.close_reason().unwrap().to_string(), "3000 enough");
        assert_eq!(session.closed().await.code(), 3000);
        assert!(session.is_closed());
        session.close(3001, "twice");
        assert_eq!(session.recv().await.unwrap().as_text(), Some("on its way"), "still received");
        assert_eq!(session.recv().await, None);
        assert_eq!(session.close_reason().unwrap().code(), 3000);
    });
    let mut client = LocalClient::open(&server, (), "").await.unwrap();
    client.send("on its way");
    assert_eq!(client.recv().await, None);
    assert_eq!(client.close_reason().unwrap().code(), 3000);
    client.idle().await;
}

#[derive(Debug)]
struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the database is away")
    }
}

async fn fails(session: Session) -> Result<(), Broken> {
    match session.recv().await {
        Some(message) if message == "fail".into() => Err(Broken),
        Some(_) => panic!("on purpose"),
        None => Ok(()),
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_closes_with_1011_and_is_logged_and_not_sent() {
    let log = Log::here();
    let server = Anywire::builder().handler(fails).build();
    for (input, text) in [("fail", "1011 the handler failed"), ("panic", "1011 the handler panicked")] {
        let mut client = LocalClient::open(&server, (), "").await.unwrap();
        client.send(input);
        assert_eq!(client.recv().await, None);
        assert_eq!(client.close_reason().unwrap().to_string(), text);
    }
    let warnings = log.lines("WARN");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("the handler failed") && warnings[0].contains("the database is away"));
    let mut client = LocalClient::open(&server, (), "").await.unwrap();
    client.close(1000, "");
    client.idle().await;
    assert_eq!(log.lines("WARN").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_moves_its_session_away_and_returns_is_logged() {
    let log = Log::here();
    let moved = server(|session: Session| async move {
        tokio::spawn(async move { session.recv().await });
    });
    let mut client = LocalClient::open(&moved, (), "").await.unwrap();
    assert_eq!(client.recv().await, None);
    let lines = |log: &Log| log.lines("DEBUG").into_iter().filter(|line| line.contains("clones")).count();
    assert_eq!(lines(&log), 1);
    let at_once = server(|session: Session| async move { session.close(1000, "no") });
    let mut client = LocalClient::open(&at_once, (), "").await.unwrap();
    assert_eq!(client.recv().await, None);
    assert_eq!(lines(&log), 1, "no clone lives");
}

#[tokio::test(start_paused = true)]
async fn a_session_keeps_one_value_of_each_type() {
    let server = server(stay);
    let (_client, session) = open(&server).await;
    assert_eq!((session.get::<String>(), session.remove::<String>()), (None, None));
    assert_eq!(session.insert("ada".to_owned()), None);
    assert_eq!(session.insert(7_u8), None);
    assert_eq!(session.insert("bob".to_owned()), Some("ada".to_owned()));
    let clone = server.sessions().remove(0);
    assert_eq!((clone.get::<String>(), clone.get::<u8>(), clone.get::<u16>()), (Some("bob".to_owned()), Some(7), None));
    assert_eq!(clone.remove::<String>(), Some("bob".to_owned()));
    assert_eq!((session.get::<String>(), session.get::<u8>()), (None, Some(7)));
}

#[tokio::test(start_paused = true)]
async fn what_any_task_receives_may_be_a_message_or_a_gap() {
    let server = server(stay);
    let (mut client, session) = open(&server).await;
    client.send("hello");
    let received = session.recv_any().await;
    assert!(matches!(received, Some(Received::Message(text)) if text == "hello".into()));
}

#[tokio::test(start_paused = true)]
async fn sessions_that_ended_do_not_count() {
    let server = Anywire::builder().max_sessions(2).handler(echo).build();
    assert!(server.is_empty());
    for visit in 0..3_000 {
        let (mut client, session) = open(&server).await;
        assert_eq!((server.len(), server.sessions().len()), (1, 1));
        match visit % 3 {
            0 => client.close(1001, ""),
            1 => session.close(3000, ""),
            _ => session.abort(),
        }
        assert_eq!((server.len(), server.sessions().len(), server.session(client.id()).is_none()), (0, 0, true));
        client.idle().await;
    }
    let _two = (open(&server).await, open(&server).await);
    assert_eq!(LocalClient::open(&server, (), "").await.unwrap_err().code(), 4200);
    assert_eq!(server.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_ended_session_is_remembered_until_a_thousand_later_ones_have_ended() {
    let server = Anywire::builder().max_sessions(2).handler(echo).build();
    let (mut first, session) = open(&server).await;
    first.send("is not acknowledged");
    first.cut();
    session.close(3000, "bye");
    for _ in 0..1_000 {
        let (mut client, _) = open(&server).await;
        client.close(1000, "");
    }
    first.resume().unwrap();
    first.idle().await;
    assert_eq!(first.close_reason().unwrap().code(), 3000, "it is remembered");
    let (mut second, session) = open(&server).await;
    second.cut();
    session.close(3000, "bye");
    for _ in 0..1_100 {
        let (mut client, _) = open(&server).await;
        client.close(1000, "");
    }
    assert_eq!(second.resume().unwrap_err().code(), 4103, "it is not");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_could_not_be_sent_comes_back() {
    let server = Anywire::builder().outbox(1_000).message_limit(1_000).handler(stay).build();
    let (mut client, session) = open(&server).await;
    client.cut();
    session.try_send("x".repeat(900)).unwrap();
    let refused = session.try_send("full").unwrap_err();
    assert_eq!((refused.reason(), refused.to_string().as_str()), (SendError::Full, "the outbox is full"));
    assert_eq!(refused.into_message(), "full".into());
    let large = session.try_send("x".repeat(1_001)).unwrap_err();
    assert_eq!((large.reason(), large.into_message().len()), (SendError::TooLarge, 1_001));
}

#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Point {
    x: i32,
}

#[tokio::test(start_paused = true)]
async fn values_travel_as_json_and_bad_json_ends_nothing() {
    let server = server(|session: Session| async move {
        while let Some(point) = session.recv_json::<Point>().await {
            match point {
                Ok(Point { x }) => session.send_json(&Point { x: -x }).await.unwrap(),
                Err(error) => session.send(error.to_string()).await.unwrap(),
            }
        }
        let unfit = std::collections::HashMap::from([(vec![1], 1)]);
        assert_eq!(session.send_json(&unfit).await, Err(SendError::NotJson));
    });
    let mut client = LocalClient::open(&server, (), "").await.unwrap();
    for (sent, answer) in [
        (Message::from(r#"{"x":3}"#), r#"{"x":-3}"#),
        (br#"{"x":-4}"#.to_vec().into(), r#"{"x":4}"#),
        ("{".into(), "EOF while parsing an object at line 1 column 1"),
        (r#"{"y":1}"#.into(), "missing field `x` at line 1 column 7"),
    ] {
        client.send(sent);
        assert_eq!(text(client.recv().await), answer);
    }
    client.close(1000, "");
    client.idle().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_in_memory_whose_session_was_given_up_while_it_was_away_learns_it() {
    let server = server(echo);
    let (mut client, _) = open(&server).await;
    client.cut();
    assert_eq!(client.recv().await, None);
    assert_eq!(client.close_reason().unwrap().code(), 4100);
}
