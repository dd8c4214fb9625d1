//! Lives of sessions: heartbeats, delays, late polls, many messages, events and rooms.

use std::time::Duration;

use anywire::{Data, Events, Message, SendError, Session, SockJs};
use axum::Router;
use tokio::sync::mpsc;

use crate::{
    builder,
    client::{Came, Client, url},
    settings,
    support::echo,
};

const INTERRUPTED: &str = "c[1002,\"Connection interrupted\"]";

/// The code and the text with which sessions end.
type Ends = mpsc::UnboundedReceiver<(u16, String)>;

/// A server that echoes, in this process, and how its sessions end.
fn here(settings: &SockJs) -> (Client, Ends) {
    let (tell, ends) = mpsc::unbounded_channel();
    let handler = async move |session: Session| {
        echo(session.clone()).await;
        let reason = session.closed().await;
        let _ = tell.send((reason.code(), reason.text().to_owned()));
    };
    let live = builder().handler(handler).build();
    (Client::of(&live, settings), ends)
}

async fn stream(client: &Client, url: &str) -> crate::client::Connection {
    let (_, mut stream) = client.stream("POST", &format!("{url}/xhr_streaming"), &[]).await;
    stream.chunk().await;
    stream
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stays_away_is_gone_and_a_late_poll_is_told_so() {
    let (client, mut ends) = here(&settings());
    let url = client.open("/echo").await;
    tokio::time::sleep(Duration::from_millis(4_900)).await;
    client.say(&url, "[\"in time\"]").await;
    client.hear(&url, "a[\"in time\"]").await;
    assert_eq!(ends.recv().await.unwrap().0, 4103);
    client.hear(&url, INTERRUPTED).await;
    assert_eq!(client.post(&format!("{url}/xhr_send"), "[\"late\"]").await.head.status, 404);
    let mut late = stream(&client, &url).await;
    assert_eq!((late.chunk().await, late.chunk().await), (format!("{INTERRUPTED}\n"), String::new()));
    tokio::time::sleep(Duration::from_secs(300)).await;
    client.hear(&url, INTERRUPTED).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    client.hear(&url, "o").await;
}

#[tokio::test(start_paused = true)]
async fn a_cut_ends_the_session_at_once() {
    let (client, mut ends) = here(&settings());
    let url = url("/echo");
    let mut open = stream(&client, &url).await;
    assert_eq!(open.chunk().await, "o\n");
    drop(open);
    assert_eq!(ends.recv().await.unwrap().0, 1006);
    client.hear(&url, INTERRUPTED).await;
}

#[tokio::test(start_paused = true)]
async fn heartbeats() {
    let (client, _ends) = here(&settings().heartbeat(Duration::from_secs(3)));
    let url = client.open("/echo").await;
    for _ in 0..5 {
        client.hear(&url, "h").await;
    }
    let mut stream = stream(&client, &url).await;
    for _ in 0..5 {
        assert_eq!(stream.chunk().await, "h\n");
    }
    client.say(&url, "[\"x\"]").await;
    assert_eq!(stream.chunk().await, "a[\"x\"]\n");
    let mut socket = client.socket(&format!("{url}/websocket")).await;
    socket.hears("o").await;
    // It answers pings while it waits, and hears of none.
    assert!(tokio::time::timeout(Duration::from_secs(60), socket.next()).await.is_err());
    socket.say("\"alone\"").await;
    socket.hears("a[\"alone\"]").await;
}

#[tokio::test(start_paused = true)]
async fn a_websocket_that_answers_no_ping_is_closed() {
    let (client, mut ends) = here(&settings().heartbeat(Duration::from_secs(3)));
    // Nothing is read from it.
    let _socket = client.socket(&format!("{}/websocket", url("/echo"))).await;
    assert_eq!(ends.recv().await.unwrap().0, 4003);
}

#[tokio::test(start_paused = true)]
async fn the_server_closes_behind_what_it_has_sent() {
    let handler = async |session: Session| {
        while let Some(message) = session.recv().await {
            let _ = session.send(message).await;
            session.close(3001, "as \"you\" wish");
        }
    };
    let live = builder().handler(handler).build();
    let client = Client::of(&live, &SockJs::new());
    let close = r#"c[3001,"as \"you\" wish"]"#;
    let url = client.open("/echo").await;
    client.say(&url, "[\"x\",\"ignored\"]").await;
    client.hear(&url, "a[\"x\"]").await;
    client.hear(&url, close).await;
    client.say(&url, "[\"late\"]").await;
    client.hear(&url, close).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    client.hear(&url, INTERRUPTED).await;

    let url = crate::client::url("/echo");
    let mut open = stream(&client, &url).await;
    assert_eq!(open.chunk().await, "o\n");
    client.say(&url, "[\"x\"]").await;
    assert_eq!([open.chunk().await, open.chunk().await], ["a[\"x\"]\n".to_owned(), format!("{close}\n")]);
    assert_eq!(open.chunk().await, "");

    let mut socket = client.socket(&format!("{url}/websocket")).await;
    socket.hears("o").await;
    socket.say("[\"x\"]").await;
    socket.hears("a[\"x\"]").await;
    socket.hears(close).await;
    assert_eq!(socket.next().await, Came::Closed(3001, "as \"you\" wish".into()));
}

#[tokio::test(start_paused = true)]
async fn an_abort_and_a_shutdown_are_told() {
    let live = builder().handler(async |session: Session| drop(session.closed().await)).build();
    let client = Client::of(&live, &SockJs::new());
    let aborted = client.open("/echo").await;
    live.sessions()[0].abort();
    client.hear(&aborted, "c[4310,\"aborted\"]").await;
    let mut open = stream(&client, &url("/echo")).await;
    assert_eq!(open.chunk().await, "o\n");
    live.shutdown(Duration::ZERO).await;
    assert_eq!(open.chunk().await, "c[1001,\"the server is going away\"]\n");
    let refused = client.post(&format!("{}/xhr", url("/echo")), "").await;
    refused.is(200, "c[4202,\"the server is going away\"]\n");
    assert_eq!(refused.header("connection"), Some("close"));
}

#[tokio::test(start_paused = true)]
async fn many_messages_come_once_and_in_order_by_every_transport() {
    let (client, _ends) = here(&settings());
    let all: Vec<String> = (0..400).map(|n| format!("{n} {}", "é😀\u{2028}\"".repeat(n % 7))).collect();
    let url = client.open("/echo").await;
    let texts = |frame: &str| serde_json::from_str::<Vec<String>>(frame.strip_prefix('a').expect("messages")).unwrap();
    let mut heard: Vec<String> = Vec::new();
    for (number, few) in all.chunks(50).enumerate() {
        client.say(&url, &serde_json::to_string(few).unwrap()).await;
        // The first half comes by polls, and what is left by event sources, each of which ends at its limit.
        if number < 4 {
            heard.extend(texts(&client.post(&format!("{url}/xhr"), "").await.body));
        }
    }
    assert_eq!(heard.len(), 200);
    while heard.len() < all.len() {
        let (_, mut stream) = client.stream("GET", &format!("{url}/eventsource"), &[]).await;
        assert_eq!(stream.chunk().await, "\r\n");
        while heard.len() < all.len() {
            let chunk = stream.chunk().await;
            let Some(frame) = chunk.strip_prefix("data: ") else { break };
            heard.extend(texts(frame));
        }
    }
    assert_eq!(heard, all);
}

#[tokio::test(start_paused = true)]
async fn a_session_names_its_transport() {
    let handler = async |session: Session| {
        while session.recv().await.is_some() {
            let _ = session.send(session.transport().name()).await;
        }
    };
    let client = Client::of(&builder().handler(handler).build(), &SockJs::new());
    let url = client.open("/echo").await;
    client.say(&url, "[\"?\"]").await;
    client.hear(&url, "a[\"xhr-poll\"]").await;
    for (method, path, name) in [
        ("POST", "xhr_streaming", "xhr-stream"),
        ("GET", "eventsource", "eventsource"),
        ("GET", "htmlfile?c=x", "htmlfile"),
    ] {
        let url = crate::client::url("/echo");
        let (_, mut stream) = client.stream(method, &format!("{url}/{path}"), &[]).await;
        client.say(&url, "[\"?\"]").await;
        stream.chunk().await;
        stream.chunk().await;
        assert!(stream.chunk().await.contains(name));
    }
    client.get(&format!("{url}/jsonp?c=x")).await;
}

#[tokio::test(start_paused = true)]
async fn events_and_rooms_reach_all_kinds_of_clients() {
    let events = Events::new()
        .on("say", async |Data(text): Data<String>, session: Session| {
            session.within("lobby").emit("said", text);
        })
        .on("raw", async |session: Session| {
            session.within("lobby").send("plain");
        })
        .on_open(async |session: Session| {
            session.join("lobby");
        });
    let live = builder().events(events).build();
    let router = Router::new().merge(live.sockjs("/echo")).nest("/ws", live.raw());
    let client = Client::here(router);
    let polled = client.open("/echo").await;
    let mut open = stream(&client, &url("/echo")).await;
    assert_eq!(open.chunk().await, "o\n");
    let mut framed = client.socket(&format!("{polled}/websocket")).await;
    framed.hears("o").await;
    let mut bare = client.socket("/ws").await;
    let mut raw = client.socket("/echo/websocket").await;
    for number in 1..=5 {
        let ready = live.members("lobby").len();
        if ready == 5 {
            break;
        }
        assert!(number < 5);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    client.say(&polled, r#"["[\"say\",\"</script>\"]","[\"raw\"]"]"#).await;
    client.hear(&polled, r#"a["[\"said\",\"</script>\"]","plain"]"#).await;
    let mut streamed = open.chunk().await;
    if !streamed.contains("plain") {
        streamed += &open.chunk().await;
    }
    assert!(streamed.starts_with(r#"a["[\"said\",\"</script>\"]""#) && streamed.contains("plain"), "{streamed}");
    framed.hears(r#"a["[\"said\",\"</script>\"]"]"#).await;
    framed.hears("a[\"plain\"]").await;
    for socket in [&mut bare, &mut raw] {
        socket.hears(r#"["said","</script>"]"#).await;
        socket.hears("plain").await;
    }
}

/// A server that tells the outcome of the messages that a session, and then its room, were sent.
async fn binary(settings: SockJs) -> (Client, String, mpsc::UnboundedReceiver<(Result<(), SendError>, [usize; 2])>) {
    let (tell, told) = mpsc::unbounded_channel();
    let handler = async move |session: Session| {
        session.join("lobby");
        while session.recv().await.is_some() {
            let sent = session.send(vec![1, 2, 255]).await;
            let room = session.within("lobby").send(vec![4]);
            let _ = session.send("text").await;
            let _ = tell.send((sent, [room.sent, room.skipped]));
        }
    };
    let live = builder().handler(handler).build();
    let client = Client::of(&live, &settings);
    let url = client.open("/echo").await;
    client.say(&url, "[\"x\"]").await;
    (client, url, told)
}

#[tokio::test(start_paused = true)]
async fn binary_messages_are_refused_to_their_sender() {
    let (client, url, mut told) = binary(settings()).await;
    client.hear(&url, "a[\"text\"]").await;
    assert_eq!(told.recv().await.unwrap(), (Err(SendError::NoBinary), [0, 1]));
    let mut socket = client.socket(&format!("{url}/websocket")).await;
    socket.hears("o").await;
    socket.say("[\"x\"]").await;
    socket.hears("a[\"text\"]").await;
    assert_eq!(told.recv().await.unwrap(), (Err(SendError::NoBinary), [0, 2]));
}

#[tokio::test(start_paused = true)]
async fn binary_messages_are_base64_by_option_and_bytes_on_the_bare_websocket() {
    let (client, url, mut told) = binary(settings().binary_as_base64(true)).await;
    client.hear(&url, "a[\"AQL/\",\"BA==\",\"text\"]").await;
    assert_eq!(told.recv().await.unwrap(), (Ok(()), [1, 0]));
    let mut bare = client.socket("/echo/websocket").await;
    bare.say("x").await;
    assert_eq!(bare.next().await, Came::Binary(vec![1, 2, 255]));
}

#[tokio::test(start_paused = true)]
async fn a_history_is_replayed_without_what_the_client_does_not_take() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let handler = async move |session: Session| {
        let _ = tell.send(session.join_since("lobby", None).await.map(|joined| (joined.replayed, joined.complete)));
        let _ = session.closed().await;
    };
    let live = builder().rooms("lobby", anywire::History::last(9)).handler(handler).build();
    // Where there are several nodes, they are together from here on.
    let client = Client::of(&live, &SockJs::new());
    live.to("lobby").send("one");
    live.to("lobby").send(Message::from(vec![1]));
    live.to("lobby").send("two");
    let url = client.open("/echo").await;
    client.hear(&url, "a[\"one\",\"two\"]").await;
    assert_eq!(told.recv().await.unwrap(), Ok((2, false)));
}
