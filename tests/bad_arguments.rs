//! Every wrong argument of every public function, and what it does: an error with a text, a panic with a text, or a
//! value that says so. Nothing wrong is taken in silence.
#![allow(clippy::disallowed_methods)]

#[cfg(feature = "redis")]
#[path = "bad_arguments/clusters.rs"]
mod clusters;
#[path = "bad_arguments/families.rs"]
mod families;
mod support;

use std::{
    collections::BTreeSet,
    fmt::Display,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, SystemTime},
};

use anywire::{
    Answers, Anywire, Auth, Events, Fault, History, JoinError, Limits, LocalClient, LocalRequest, Message, Origins,
    RequestError, SendError, Server, Session,
};
use futures::FutureExt;
use support::{Log, echo};

/// The text of the panic of a call.
fn panics<T>(call: impl FnOnce() -> T) -> String {
    let Err(panic) = catch_unwind(AssertUnwindSafe(call)) else { panic!("it does not panic") };
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned())).unwrap()
}

fn fails<T>(result: Result<T, impl Display>) -> String {
    result.err().expect("it fails").to_string()
}

fn server() -> Server {
    Anywire::builder().message_limit(100).outbox(500).rooms("kept:*", History::last(9)).handler(echo).build()
}

async fn open(server: &Server) -> (LocalClient, Session) {
    let client = LocalClient::open(server, (), "").await.unwrap();
    let session = server.session(client.id()).unwrap();
    (client, session)
}

const CODES: [u16; 12] = [0, 1, 999, 1001, 1005, 1011, 2999, 4000, 4105, 4311, 4999, 65_535];

/// A contract with wrong types or names; what it does with right ones is in `tests/typescript.rs`.
#[cfg(feature = "typescript")]
#[test]
fn contracts() {
    use anywire::{Contract, Event};
    use axum::body::Bytes;
    const N: Event<u8> = Event::new("n");
    let twice = "the contract has the name \"n\" already";
    assert_eq!(panics(|| Contract::new().client(&N).client(&N)), twice);
    assert_eq!(panics(|| Contract::new().server(&N).server(&N)), twice);
    let text = panics(|| Contract::new().server(&Event::<Vec<Bytes>>::new("n")));
    assert!(text.contains("holds bytes, whose field wants `#[ts(type = \"ArrayBuffer\")]`"), "{text}");
    assert_eq!(Contract::new().write("no/such/folder").unwrap_err().kind(), std::io::ErrorKind::NotFound);
    assert_eq!(Contract::new().write("").unwrap_err().kind(), std::io::ErrorKind::NotFound);
    assert_eq!(Contract::new().write("a\0b").unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
}

#[test]
fn settings() {
    for short in [Duration::ZERO, Duration::from_micros(999)] {
        let text = |what| format!("{what} is at least a millisecond");
        assert_eq!(panics(|| Anywire::builder().heartbeat_interval(short)), text("a heartbeat's interval"));
        assert_eq!(panics(|| Anywire::builder().heartbeat_timeout(short)), text("a heartbeat's timeout"));
        assert_eq!(panics(|| Anywire::builder().open_timeout(short)), text("an opening's timeout"));
    }
    let long = "n".repeat(65);
    for node in ["a b", "a.b", "é", long.as_str()] {
        assert_eq!(panics(|| Anywire::builder().node(node)), "a node's name is up to 64 letters, digits or '-'");
    }
    for pattern in ["*a", "a*b", "**"] {
        let text = format!("a `*` stands at the end of a pattern of rooms, not as in {pattern:?}");
        assert_eq!(panics(|| Anywire::builder().rooms(pattern, History::last(1))), text);
    }
    for proxy in ["", "proxy", "10.0.0.0/33", "1.2.3"] {
        let text = format!("{proxy:?} is neither an address nor a network");
        assert_eq!(panics(|| Anywire::builder().trusted_proxies([proxy])), text);
    }
    for host in ["", "https://example.org", "a b", "example.org/path"] {
        let text = format!("{host:?} is not a host: write a name, with the port if there is one");
        assert_eq!(panics(|| Anywire::builder().hosts([host])), text);
    }
    for name in ["", "user agent", "cookie:", "é"] {
        let text = format!("{name:?} is not the name of a header");
        assert_eq!(panics(|| Anywire::builder().keep_headers([name])), text);
    }
    for origin in ["", "example.org", "https://example.org/path", "*", "wss://example.org"] {
        assert!(panics(|| Origins::list([origin])).contains(&format!("{origin:?}")), "{origin:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_setting_of_zero_or_without_end_is_a_server_that_answers() {
    let none = Duration::ZERO;
    let zero = Anywire::builder().grace(none).hold(none);
    let zero = zero.stream_budget(0).inbox(0).outbox(0).droppable_mark(0).reconnect_rate(0);
    let zero = zero.limits_by_address(Limits::default().sessions(0).openings(0).bytes(0));
    let zero = zero.rooms("*", History::last(0).bytes(0).age(none).rooms(0)).handler(echo).build();
    let most = Anywire::builder().heartbeat_interval(Duration::MAX).heartbeat_timeout(Duration::MAX);
    let most = most.grace(Duration::MAX).open_timeout(Duration::MAX).hold(Duration::MAX).stream_budget(usize::MAX);
    let most = most.message_limit(usize::MAX).inbox(usize::MAX).outbox(usize::MAX).droppable_mark(usize::MAX);
    let most = most.max_sessions(usize::MAX).max_bytes(usize::MAX).reconnect_rate(u32::MAX);
    let most = most.limits_by_address(Limits::none());
    let most = most.rooms("*", History::last(usize::MAX).bytes(usize::MAX).age(Duration::MAX).rooms(usize::MAX));
    for server in [zero, most.handler(echo).build()] {
        let (mut client, session) = open(&server).await;
        client.send("x");
        assert_eq!(client.recv().await, Some("x".into()));
        session.join_since("r", None).await.unwrap();
        assert_eq!(server.to("r").send("y").sent, 1);
        assert_eq!(client.recv().await, Some("y".into()));
        session.expires_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40));
        assert!(!session.is_closed(), "some time in the next 35,000 years");
    }
    let full = Anywire::builder().max_sessions(0).handler(echo).build();
    assert_eq!(fails(LocalClient::open(&full, (), "").await), "4200 as many sessions as there may be (max_sessions)");
    let short = Anywire::builder().message_limit(0).handler(echo).build();
    let (_client, session) = open(&short).await;
    assert_eq!(session.try_send("").map_err(|refused| refused.reason()), Ok(()));
    assert_eq!(fails(session.try_send("x")), "the message or its key is above the limit");
}

#[test]
fn events() {
    let on = |name: &str| panics(|| drop(Events::<()>::new().on(name, async || {})));
    assert_eq!(on(""), "\"\": the name of an event is not empty");
    assert_eq!(on("open"), "\"open\": this name is reserved: clients use it for events of their own");
    let long = "n".repeat(257);
    assert_eq!(on(&long), format!("{long:?}: the name of an event has at most 256 bytes"));
    let twice = || drop(Events::<()>::new().on("a", async || {}).on("a", async || {}));
    assert_eq!(panics(twice), "the event \"a\" has a handler already");
    assert_eq!(panics(|| anywire::concurrent(0, ())), "a concurrent handler handles at least one event at a time");
}

#[tokio::test(start_paused = true)]
async fn sessions() {
    let server = server();
    let (mut client, session) = open(&server).await;
    for code in CODES {
        let text = format!("a session is closed with code 1000 or one from 3000 to 3999, not with {code}");
        assert_eq!(panics(|| session.close(code, "")), text);
        assert_eq!(panics(|| server.live().close_user("nobody", code, "")), text);
        assert_eq!(panics(|| server.to("nowhere").close(code, "")), text);
    }
    let large = "x".repeat(101);
    assert_eq!(fails(session.send(large.as_str()).await), "the message or its key is above the limit");
    assert_eq!(fails(session.try_send(large.as_str())), "the message or its key is above the limit");
    assert_eq!(fails(session.send_droppable(large.as_str())), "the message or its key is above the limit");
    assert_eq!(fails(session.send_latest("key", large.as_str())), "the message or its key is above the limit");
    assert_eq!(session.send_latest(&"k".repeat(257), "x"), Err(SendError::TooLarge));
    assert_eq!(session.send_latest(&"k".repeat(256), "x"), Ok(true));
    let live = server.live();
    assert_eq!(fails(live.send_to(session.id(), large.as_str()).await), "the message or its key is above the limit");
    for nobody in ["", "nobody", "no.body", "\0.00000000-0000-4000-8000-000000000000"] {
        assert_eq!(fails(live.send_to(nobody, "x").await), "there is no session with this id");
    }
    assert_eq!((live.count("").await, live.of("no namespace").count("nobody is here").await), (0, 0));
    let unfit = std::collections::HashMap::from([(vec![1], 1)]);
    assert_eq!(fails(session.send_json(&unfit).await), "the value cannot be written as JSON");
    assert_eq!(fails(Message::json(&unfit)), "key must be a string");
    assert_eq!(fails(Message::from("{").parse_json::<u8>()), "invalid type: map, expected u8 at line 1 column 0");
    let text = "invalid type: string \"secret\", expected u8 at line 1 column 8";
    assert_eq!(fails(Message::from("\"secret\"").parse_json::<u8>()), text, "a value is quoted, as documented");
    assert_eq!(fails(session.join_since("free", None).await), "the room has no history");
    session.join_since("kept:1", Some("\u{0}not a position")).await.unwrap();
    assert_eq!(session.join_since("kept:1", None).await, Err(JoinError::Member));
    assert_eq!(fails(session.join_since("kept:1", None).await), "the session is in the room already");
    assert!(session.join_as("kept:1", "") && !session.join_as("kept:1", ""), "a name may be any text");
    assert!(!session.join("kept:1") && !session.leave("elsewhere"));
    assert_eq!((session.header("no such\0header"), session.get::<u8>(), session.remove::<u8>()), (None, None, None));
    assert_eq!(client.recv().await, Some("x".into()));

    client.cut();
    for _ in 0..3 {
        let _ = session.try_send("x".repeat(100));
    }
    assert_eq!(fails(session.try_send("x".repeat(100))), "the outbox is full");
    session.abort();
    for error in [fails(session.send("x").await), fails(session.try_send("x")), fails(session.send_droppable("x"))] {
        assert_eq!(error, "the session is closed");
    }
    assert_eq!(fails(session.join_since("kept:2", None).await), "the session is closed");
    assert_eq!(fails(session.acknowledged().await), "4310 aborted");
    session.close(1000, "after the end");
    assert_eq!(session.close_reason().unwrap().code(), 4310, "a close after the end changes nothing");
}

#[test]
fn names_of_namespaces() {
    let builder = || Anywire::builder().events(anywire::Events::<()>::new());
    let long = format!("/{}", "n".repeat(256));
    for (name, text) in [
        ("", "a namespace begins with `/` and has more, unlike \"\""),
        ("/", "a namespace begins with `/` and has more, unlike \"/\""),
        ("admin", "a namespace begins with `/` and has more, unlike \"admin\""),
        ("/a,b", "a namespace has no comma, and a `*` only at its end, unlike \"/a,b\""),
        ("/a*b", "a namespace has no comma, and a `*` only at its end, unlike \"/a*b\""),
        (&long, "a namespace has at most 256 bytes"),
    ] {
        assert_eq!(panics(|| drop(builder().namespace(name, anywire::Events::new()))), text);
        assert_eq!(panics(|| drop(builder().namespace_handler(name, async |_: Session| {}))), text);
    }
    let server = builder().namespace("/a*", anywire::Events::new()).max_namespaces(0).build();
    for name in ["", "/", "/a", "none"] {
        assert_eq!(server.live().of(name).to("r").emit("a", 1).sent, 0, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn sent_events() {
    let log = Log::here();
    let server = server();
    // This client takes events as texts.
    let (mut client, session) = open(&server).await;
    session.join("r");
    let long = "n".repeat(257);
    for name in ["", "open", "connect", long.as_str()] {
        assert_eq!(session.emit(name, 1).await, Err(SendError::BadName));
        assert_eq!(session.try_emit(name, 1), Err(SendError::BadName));
        assert_eq!(session.emit_droppable(name, 1), Err(SendError::BadName));
        assert_eq!(session.emit_latest("key", name, 1), Err(SendError::BadName));
        let asked: Result<u8, _> = session.request(name, 1).await;
        assert_eq!(asked, Err(RequestError::NotSent(SendError::BadName)));
        assert_eq!(server.to("r").emit(name, 1).sent, 0);
        let asked: Answers<u8> = server.to("r").request(name, 1).await;
        assert_eq!((asked.missing.len(), asked.not_sent), (0, Some(SendError::BadName)));
    }
    assert_eq!(fails(session.emit("", 1).await), "no event may have this name");
    let unfit = std::collections::HashMap::from([(vec![1], 1)]);
    assert_eq!(session.emit("a", &unfit).await, Err(SendError::NotJson));
    assert_eq!(session.emit_enum(&5).await, Err(SendError::NotJson), "no enum");
    assert_eq!(server.to("r").emit("a", &unfit).sent, 0);
    let large = "x".repeat(101);
    assert_eq!(session.emit("a", &large).await, Err(SendError::TooLarge));
    assert_eq!(session.try_emit("a", &large), Err(SendError::TooLarge));
    assert_eq!(session.emit_droppable("a", &large), Err(SendError::TooLarge));
    assert_eq!(session.emit_latest(&long, "a", 1), Err(SendError::TooLarge));
    assert!(server.to("r").emit("a", &large).too_large);
    assert_eq!(server.to("r").emit_enum(&5).sent, 0, "no enum");
    let asked: Answers<u8> = server.to("r").request("a", &unfit).await;
    assert_eq!((asked.missing.len(), asked.not_sent), (0, Some(SendError::NotJson)));
    let asked: Answers<u8> = server.to("r").request("a", &large).await;
    assert_eq!((asked.missing.len(), asked.not_sent), (0, Some(SendError::TooLarge)));
    for droppable in [server.to("r").droppable(), server.to("r").latest("key")] {
        let text = panics(|| drop(droppable.request::<_, _, u8>("a", 1)));
        assert_eq!(text, "a request to a room may not be skipped");
    }
    let asked: Result<u8, _> = session.request("a", &large).await;
    assert_eq!(asked, Err(RequestError::NotSent(SendError::TooLarge)));
    assert_eq!(log.lines("WARN").len(), 8, "each event that a room did not get");
    session.emit("a", 1).await.unwrap();
    assert_eq!(client.recv().await, Some("[\"a\",1]".into()), "nothing of all this was sent");
    session.abort();
    assert_eq!(session.emit("a", 1).await, Err(SendError::Closed));
    let asked: Result<u8, _> = session.request("a", 1).await;
    assert!(asked.is_err());
}

#[tokio::test(start_paused = true)]
async fn rooms_and_ids() {
    let log = Log::here();
    let server = server();
    let (_client, session) = open(&server).await;
    session.join("r");
    for id in ["", ".", "nonsense", "a.b", &session.id().as_str()[1..], "\0"] {
        assert!(server.session(id).is_none(), "{id:?}");
    }
    assert!(server.members("nowhere").is_empty() && server.presence("nowhere").names().is_empty());
    assert_eq!(server.to("nowhere").send("x"), server.to_any([""; 3]).send("x"));
    assert_eq!((server.to("nowhere").join("r"), server.to("r").join("r"), server.to("r").leave("nowhere")), (0, 0, 0));
    assert!(server.to("r").send("x".repeat(101)).too_large);
    assert!(server.to("r").latest("k".repeat(257)).send("x").too_large);
    let warnings = log.lines("WARN");
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings.iter().all(|line| line.contains("above the limit was not sent")), "{warnings:?}");
    let unfit = std::collections::HashMap::from([(vec![1], 1)]);
    assert_eq!(fails(server.to("r").send_json(&unfit)), "key must be a string");
    let text = panics(|| server.to("r").send_numbered(|_| "x".into()));
    assert_eq!(text, "Room(\"r\") has no history in which a message has a position");
}

async fn strict(_: Auth<u8>, session: Session) {
    echo(session).await;
}

#[tokio::test(start_paused = true)]
async fn the_client_in_memory() {
    let server = Anywire::builder().message_limit(100).inbox(300).handler(strict).build();
    assert_eq!(
        fails(LocalClient::open(&server, (), "word").await),
        "4301 the auth data is not JSON (line 1, column 1)"
    );
    let (parts, ()) = axum::http::Request::post("/open").body(()).unwrap().into_parts();
    assert!(fails(LocalClient::open_with(&server, (), "-1", parts).await).starts_with("4301 "));
    let mut client = LocalClient::open(&server, (), "7").await.unwrap();
    for code in CODES.into_iter().filter(|code| *code != 1001) {
        let text = format!("a client closes with code 1000, 1001 or one from 3000 to 3999, not with {code}");
        assert_eq!(panics(|| client.close(code, "")), text);
    }
    assert_eq!(panics(|| client.send("x".repeat(101))), "the message has 101 bytes, and the limit is 100");
    client.cut();
    client.cut();
    client.send("x".repeat(100));
    assert_eq!(
        panics(|| client.send("x".repeat(100))),
        "assertion `left != right` failed: the client's outbox is full\n  left: Err(Full)\n right: Err(Full)"
    );
    client.resume().unwrap();
    server.sessions().remove(0).abort();
    while client.recv().await.is_some() {}
    assert_eq!(client.recv_within(Duration::ZERO).await, None);
    assert!(panics(|| client.send("x")).contains("the session is closed"));
    assert!(client.resume().is_err());
}

#[tokio::test]
async fn events_of_the_client_in_memory() {
    async fn asks(session: Session) {
        let _ = session.request::<_, _, ()>("well?", ()).await;
        let _ = session.recv().await;
    }
    let server = Anywire::builder().message_limit(100).handler(asks).build();
    let mut client = LocalClient::open(&server, (), "").await.unwrap();
    let cannot = |name: &str, why: &str| format!("the event {name:?} cannot be sent: {why}");
    let reserved = "this name is reserved: clients use it for events of their own";
    assert_eq!(panics(|| client.emit("open", ())), cannot("open", reserved));
    let start = |client: &mut LocalClient, name: &str| -> LocalRequest<()> { client.start_request(name, ()) };
    assert_eq!(panics(|| drop(start(&mut client, "open"))), cannot("open", reserved));
    assert!(
        panics(|| client.emit("map", std::collections::HashMap::from([((), ())]))).starts_with("the event \"map\"")
    );
    assert_eq!(panics(|| client.emit("x", "y".repeat(92))), "the message has 101 bytes, and the limit is 100");
    let asked = client.recv_event().await.unwrap();
    let fault = || Fault::new("x".repeat(100), "");
    assert!(panics(|| client.refuse(asked.clone(), fault())).contains("and the limit is 100"));
    assert!(panics(|| client.reply(asked.clone(), "x".repeat(100))).contains("and the limit is 100"));
    client.reply(asked, ());
    let refused = client.request::<_, _, ()>("x", ()).await;
    assert!(matches!(refused, Err(RequestError::Refused(fault)) if fault.code == "no-events"), "by `recv`");
    let other = start(&mut LocalClient::open(&server, (), "").await.unwrap(), "x");
    assert_eq!(panics(|| drop(client.answer(other).now_or_never())), "this request was made by another client");
}

#[tokio::test]
async fn addresses() {
    for (address, text) in [
        ("", "\"\" is no address: "),
        ("127.0.0.1", "\"127.0.0.1\" is no address: "),
        ("127.0.0.1:65536", "\"127.0.0.1:65536\" is no address: "),
        ("198.51.100.1:0", "198.51.100.1 is no address of this machine"),
    ] {
        let error = fails(anywire::bind(address).await);
        assert!(error.starts_with(text), "{error}");
        #[cfg(unix)]
        assert_eq!(fails(anywire::bind_shared(address).await), error);
    }
    let listener = anywire::bind("127.0.0.1:0").await.unwrap();
    let serve = anywire::serve(listener, axum::Router::new());
    assert_eq!(panics(|| serve.max_connections(0)), "a server has room for one connection at least");
    let listener = anywire::bind("127.0.0.1:0").await.unwrap();
    let serve = anywire::serve(listener, axum::Router::new());
    assert_eq!(panics(|| serve.max_connections_per_address(0)), "an address has room for one connection at least");
    let live = server();
    for path in ["", "live", "/{id}", "/*", "/a?b"] {
        let serve = anywire::serve(anywire::bind("127.0.0.1:0").await.unwrap(), axum::Router::new());
        let text = format!("{path:?} is not the path of a route: it begins with a slash, and has no parameters");
        assert_eq!(panics(|| serve.shortcut(path, &live)), text);
    }
}

/// Functions whose arguments cannot be wrong: every value is one, and the documentation says what it does.
const ANY_VALUE: &[&str] = &[
    "age",
    "authorize",
    "binary_as_base64",
    "broker",
    "bytes",
    "droppable",
    "events",
    "except",
    "except_room",
    "from_event",
    "get",
    "grace",
    "handler",
    "heartbeat_interval",
    "heartbeat_timeout",
    "hold",
    "idle",
    "inbox",
    "insert",
    "into_message",
    "is_page_gone",
    "last",
    "layer",
    "limits_by",
    "max_bytes",
    "max_sessions",
    "message_limit",
    "messages",
    "new",
    "on_end",
    "on_fault",
    "on_open",
    "on_other",
    "on_refused",
    "on_room_gap",
    "on_subscribe",
    "open_timeout",
    "origins",
    "outbox",
    "overflow",
    "parser",
    "patience",
    "rate_limit",
    "reconnect_rate",
    "recovery_log",
    "recovery_sessions",
    "reply",
    "response_limit",
    "run",
    "serve",
    "sessions",
    "set_user",
    "shutdown",
    "slow_members",
    "sockjs_url",
    "stream_budget",
    "transactions",
    "websocket",
    "with_data",
    "with_graceful_shutdown",
    "within",
    "without",
];

/// No public function that takes an argument is missing above.
#[test]
fn the_table_is_whole() {
    let (here, families) = (include_str!("bad_arguments.rs"), include_str!("bad_arguments/families.rs"));
    let clusters = include_str!("bad_arguments/clusters.rs");
    let api = include_str!("public_api.txt");
    let mut missing = BTreeSet::new();
    for line in api.lines() {
        let Some((_, signature)) = line.split_once("fn ") else { continue };
        let (Some(end), Some(open)) = (signature.find(['(', '<']), signature.find('(')) else { continue };
        let (name, arguments) = (&signature[..end], &signature[open + 1..]);
        let takes = arguments.split("->").next().unwrap().contains(": ");
        let tested = |text: &str| text.contains(&format!(".{name}(")) || text.contains(&format!("::{name}("));
        let tested = tested(here) || tested(families) || tested(clusters);
        if takes && !tested && !ANY_VALUE.contains(&name) {
            missing.insert(name);
        }
    }
    assert!(missing.is_empty(), "no wrong argument of these is tried: {missing:?}");
}
