//! The API of a session, in a handler and in the rest of the program: extractors, auth, streams and sinks,
//! handles, the client in memory.
#![allow(clippy::disallowed_methods)]

mod support;

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use anywire::{Anywire, Auth, CloseReason, LocalClient, Message, Server, Session, Transport};
use axum::{
    Router,
    extract::{ConnectInfo, FromRequestParts, Query, State},
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use futures::{SinkExt, StreamExt};
use support::{Log, Peer, Record, Site, attempt, echo, site, until};

#[derive(serde::Deserialize)]
struct Token {
    user: String,
}

async fn hello(Auth(token): Auth<Token>, session: Session) {
    session.send(format!("hello {}", token.user)).await.unwrap();
    echo(session).await;
}

#[tokio::test(start_paused = true)]
async fn auth_is_read_from_the_opening_on_every_transport() {
    let server = Anywire::builder().handler(hello).build();
    let site = site(&server);
    let auth = r#"{"user":"Zoë 💥"}"#;
    let peer = Peer::open_with(&site, &attempt(), auth).await;
    assert_eq!(peer.texts(), ["hello Zoë 💥"]);
    let (mut peer, mut socket) = Peer::open_socket_with(&site, &attempt(), auth).await;
    peer.take_until(&mut socket, 1).await;
    assert_eq!(peer.texts(), ["hello Zoë 💥"]);
}

#[tokio::test(start_paused = true)]
async fn a_bare_token_is_a_string() {
    let server = Anywire::builder()
        .handler(|Auth(token): Auth<String>, session: Session| async move {
            session.send(token).await.unwrap();
            echo(session).await;
        })
        .build();
    let site = site(&server);
    for (auth, token) in [("abc.def", "abc.def"), ("\"quoted\"", "quoted"), ("", ""), ("123", "123"), ("{", "{")] {
        assert_eq!(Peer::open_with(&site, &attempt(), auth).await.texts(), [token]);
    }
}

#[tokio::test(start_paused = true)]
async fn auth_that_does_not_fit_is_rejected() {
    let server = Anywire::builder().handler(hello).build();
    let site = site(&server);
    for auth in ["", "{}", "nonsense", r#"{"user":1}"#, &"[".repeat(10_000)] {
        let (code, text) = Peer::new(&site).post_open(&attempt(), auth).await.refusal(401);
        assert_eq!(code, 4301);
        assert!(text.contains("auth"), "{text}");
        let (code, text) = Peer::new(&site).send_open(&attempt(), auth).await.closed().await;
        assert_eq!(code, 4301);
        assert!(text.contains("auth"), "{text}");
    }
    assert!(server.is_empty());
}

#[tokio::test(start_paused = true)]
async fn optional_auth_is_none_for_a_client_that_gave_none() {
    async fn handler(auth: Option<Auth<Token>>, session: Session) {
        let user = auth.map_or("nobody".to_owned(), |Auth(token)| token.user);
        session.send(user).await.unwrap();
        echo(session).await;
    }
    let server = Anywire::builder().handler(handler).build();
    let site = site(&server);
    for (auth, user) in [("", "nobody"), (r#"{"user":"ada"}"#, "ada")] {
        assert_eq!(Peer::open_with(&site, &attempt(), auth).await.texts(), [user]);
        let (mut peer, mut socket) = Peer::open_socket_with(&site, &attempt(), auth).await;
        peer.take_until(&mut socket, 1).await;
        assert_eq!(peer.texts(), [user]);
    }
    let (code, text) = Peer::new(&site).post_open(&attempt(), "{}").await.refusal(401);
    assert_eq!(code, 4301);
    assert!(text.contains("not of the type"), "{text}");
}

/// Rejects with a status and a text, and counts its runs.
#[derive(Clone)]
struct Bouncer {
    runs: Arc<AtomicUsize>,
    status: StatusCode,
    text: &'static str,
}

struct Let;

impl FromRequestParts<Bouncer> for Let {
    type Rejection = Response;

    async fn from_request_parts(_: &mut Parts, bouncer: &Bouncer) -> Result<Self, Response> {
        bouncer.runs.fetch_add(1, SeqCst);
        tokio::time::sleep(Duration::from_secs(1)).await;
        Err((bouncer.status, bouncer.text).into_response())
    }
}

fn bounced(status: StatusCode, text: &'static str) -> (Server<Bouncer>, Site, Arc<AtomicUsize>) {
    let runs = Arc::new(AtomicUsize::new(0));
    let server = Anywire::builder().handler(|_: Let, session: Session| echo(session)).build();
    let bouncer = Bouncer { runs: runs.clone(), status, text };
    let site = Site::here(Router::new().nest("/live", server.routes()).with_state(bouncer));
    (server, site, runs)
}

#[tokio::test(start_paused = true)]
async fn a_rejection_keeps_its_status_and_text_and_raced_openings_run_extractors_once() {
    let (server, site, runs) = bounced(StatusCode::PAYMENT_REQUIRED, "pay é first");
    let attempt = attempt();
    let post = {
        let (site, attempt) = (site.clone(), attempt.clone());
        tokio::spawn(async move { Peer::new(&site).post_open(&attempt, "").await })
    };
    let mut socket = Peer::new(&site).send_open(&attempt, "").await;
    assert_eq!(socket.closed().await, (4301, "pay é first".to_owned()));
    assert_eq!(post.await.unwrap().refusal(402), (4301, "pay é first".to_owned()));
    assert_eq!(Peer::new(&site).post_open(&attempt, "").await.refusal(402).0, 4301, "and again");
    assert_eq!(runs.load(SeqCst), 1);
    // The rejection is remembered for as long as a client may retry, and not for ever.
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(Peer::new(&site).post_open(&attempt, "").await.refusal(402).0, 4301);
    assert_eq!(runs.load(SeqCst), 2);
    assert!(server.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_long_rejection_is_cut_and_an_empty_one_has_the_text_of_its_status() {
    static LONG: &str = "é123456789é123456789é123456789é123456789é123456789é123456789é123456789é123456789";
    let long: &'static str = Box::leak(LONG.repeat(30).into_boxed_str());
    let (_server, site, _) = bounced(StatusCode::FORBIDDEN, long);
    let (_, text) = Peer::new(&site).post_open(&attempt(), "").await.refusal(403);
    assert!(text.len() > 900 && text.len() <= 1024 && long.starts_with(&text), "{} bytes", text.len());
    let (code, text) = Peer::new(&site).send_open(&attempt(), "").await.closed().await;
    assert_eq!(code, 4301);
    assert!(text.len() > 100 && long.starts_with(&text), "{text}");
    let (_server, site, _) = bounced(StatusCode::UNAUTHORIZED, "");
    assert_eq!(Peer::new(&site).post_open(&attempt(), "").await.refusal(401), (4301, "Unauthorized".to_owned()));
    // A rejection whose status is not an error of HTTP still refuses the opening.
    let (_server, site, _) = bounced(StatusCode::FOUND, "go there");
    assert_eq!(Peer::new(&site).post_open(&attempt(), "").await.refusal(403), (4301, "go there".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn extractors_that_take_too_long_are_given_up_and_a_retry_runs_them_again() {
    #[derive(Clone)]
    struct Slow(Arc<AtomicUsize>);
    impl FromRequestParts<Slow> for Slow {
        type Rejection = ();
        async fn from_request_parts(_: &mut Parts, slow: &Slow) -> Result<Self, ()> {
            if slow.0.fetch_add(1, SeqCst) == 0 {
                std::future::pending::<()>().await;
            }
            Ok(slow.clone())
        }
    }
    let server = Anywire::builder().handler(|_: Slow, session: Session| echo(session)).build();
    let site = Site::here(Router::new().nest("/live", server.routes()).with_state(Slow(Arc::default())));
    let attempt = attempt();
    assert_eq!(Peer::new(&site).post_open(&attempt, "").await.refusal(408).0, 4007);
    assert_eq!(Peer::new(&site).post_open(&attempt, "").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn extractors_see_the_opening_request_and_the_state() {
    #[derive(serde::Deserialize)]
    struct Page {
        page: String,
    }
    async fn handler(State(state): State<&'static str>, Query(query): Query<Page>, session: Session) {
        let agent = session.header("User-Agent").unwrap_or("nobody");
        session.send(format!("{state} {} {agent}", query.page)).await.unwrap();
        std::future::pending::<()>().await;
    }
    let server = Anywire::builder().handler(handler).build();
    let site = Site::here(Router::new().nest("/live", server.routes()).with_state("state"));
    let request = site.request(axum::http::Method::POST, "open?page=7").header("user-agent", "test/1");
    let body = format!("o1,1,{},0:", attempt());
    let answer = site.ask(request.body(body.into()).unwrap()).await;
    assert_eq!(answer.records()[1], Record::Message(1, "state 7 test/1".into()));
    assert_eq!(Peer::new(&site).post_open(&attempt(), "").await.refusal(400).0, 4301, "a query that does not fit");
}

#[tokio::test(start_paused = true)]
async fn the_remote_address_is_the_peers_or_the_one_that_trusted_proxies_forward() {
    async fn handler(session: Session) {
        let address = session.remote_address().map_or("unknown".to_owned(), |address| address.to_string());
        session.send(address).await.unwrap();
        std::future::pending::<()>().await;
    }
    let proxies: [IpAddr; 2] = ["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()];
    let server = Anywire::builder().trusted_proxies(proxies).handler(handler).build();
    let site = site(&server);
    let log = Log::here();
    for (peer, forwarded, want) in [
        (None, None, "unknown"),
        (Some("9.9.9.9:1"), None, "9.9.9.9"),
        (Some("9.9.9.9:1"), Some("1.2.3.4"), "9.9.9.9"),
        (Some("10.0.0.1:1"), Some("6.6.6.6, 1.2.3.4, 10.0.0.2"), "1.2.3.4"),
        (Some("[::ffff:10.0.0.1]:1"), Some("2001:db8::1"), "2001:db8::1"),
        (Some("10.0.0.1:1"), Some("nonsense"), "10.0.0.1"),
        (Some("10.0.0.1:1"), None, "10.0.0.1"),
    ] {
        let mut request = site.request(axum::http::Method::POST, "open");
        if let Some(forwarded) = forwarded {
            request = request.header("x-forwarded-for", forwarded);
        }
        if let Some(peer) = peer {
            request = request.extension(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
        }
        let answer = site.ask(request.body(format!("o1,1,{},0:", attempt()).into()).unwrap()).await;
        assert_eq!(answer.records()[1], Record::Message(1, want.into()), "{peer:?} {forwarded:?}");
        assert_eq!(log.lines("WARN").len(), 1, "once, for the request whose peer is not known");
    }
    assert!(log.lines("WARN")[0].contains("trusted_proxies() has no effect"));
}

#[tokio::test(start_paused = true)]
async fn every_handle_knows_the_opening_request() {
    async fn handler(session: Session) {
        session.join("lobby");
        std::future::pending::<()>().await;
    }
    let server = Anywire::builder().handler(handler).build();
    let request = axum::http::Request::post("/open").header("x-user", "ada");
    let request = request.extension(ConnectInfo("9.9.9.9:1".parse::<SocketAddr>().unwrap()));
    let parts = request.body(()).unwrap().into_parts().0;
    let client = LocalClient::open_with(&server, (), "", parts).await.unwrap();
    until("the handler runs", || server.members("lobby").len() == 1).await;
    for handle in [server.session(client.id()).unwrap(), server.sessions().remove(0), server.members("lobby").remove(0)]
    {
        assert_eq!(handle.header("X-User"), Some("ada"));
        assert_eq!(handle.remote_address(), Some("9.9.9.9".parse().unwrap()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_gives_a_stream_and_a_sink() {
    let server = Anywire::builder()
        .handler(|session: Session| async move {
            let (incoming, outgoing) = (session.stream(), session.sink());
            incoming.take(3).map(Ok).forward(outgoing).await.unwrap();
        })
        .build();
    let mut client = LocalClient::open(&server, (), "").await.unwrap();
    for text in ["a", "b", "c"] {
        client.send(text);
    }
    let mut got = Vec::new();
    while let Some(message) = client.recv().await {
        got.push(message.as_text().unwrap().to_owned());
    }
    assert_eq!(got, ["a", "b", "c"]);
    assert_eq!(client.close_reason().unwrap().code(), 1000, "forward closes the sink, and with it the session");

    let server = Anywire::builder()
        .outbox(1000)
        .handler(|session: Session| async move {
            let (mut first, handle) = (session.recv().await.unwrap(), session.clone());
            let (mut incoming, mut outgoing) = (session.stream(), session.sink());
            // More than the outbox holds: the sink waits for room.
            for number in 0..20 {
                outgoing.send(Message::from(format!("{number}{}", "x".repeat(200)))).await.unwrap();
            }
            while let Some(message) = incoming.next().await {
                first = message;
            }
            assert_eq!(first.as_text(), Some("last"));
            assert_eq!(handle.close_reason().unwrap().code(), 3333);
        })
        .build();
    let mut client = LocalClient::open(&server, (), "").await.unwrap();
    client.send("go");
    for number in 0..20 {
        let message = client.recv().await.unwrap();
        assert!(message.as_text().unwrap().starts_with(&format!("{number}x")));
    }
    client.send("last");
    client.close(3333, "enough");
    assert_eq!(client.recv().await, None);
}

#[tokio::test(start_paused = true)]
async fn the_client_in_memory_is_a_client() {
    let server = Anywire::builder().grace(Duration::from_secs(60)).handler(hello).build();
    let refused = LocalClient::open(&server, (), "{}").await.err().unwrap();
    assert_eq!(refused.code(), 4301);
    let mut client = LocalClient::open(&server, (), r#"{"user":"me"}"#).await.unwrap();
    assert_eq!(client.recv().await.unwrap().as_text(), Some("hello me"));
    let handle = server.session(client.id()).unwrap();
    assert_eq!(handle.transport(), Transport::WebSocket);
    client.cut();
    assert!(!handle.is_connected());
    handle.try_send("while away").unwrap();
    client.send(vec![1, 2, 3]);
    client.resume().unwrap();
    assert_eq!(client.recv().await.unwrap().as_text(), Some("while away"));
    assert_eq!(client.recv().await.unwrap(), Message::from(vec![1, 2, 3]));
    client.cut();
    tokio::time::sleep(Duration::from_secs(61)).await;
    until("grace is over", || server.is_empty()).await;
    assert_eq!(client.resume().unwrap_err().code() / 100, 41);
}

#[tokio::test(start_paused = true)]
async fn sessions_are_found_listed_and_disconnected_from_outside() {
    let ends = Arc::new(Mutex::new(Vec::new()));
    let keep = ends.clone();
    let server = Anywire::builder()
        .node("node-7")
        .handler(move |session: Session| {
            let keep = keep.clone();
            async move {
                while session.recv().await.is_some() {}
                keep.lock().unwrap().push(session.close_reason().unwrap());
            }
        })
        .build();
    let site = site(&server);
    let (mut peer, mut socket) = Peer::open_socket(&site).await;
    let other = Peer::open(&site).await;
    assert!(peer.id.starts_with("node-7."), "{}", peer.id);
    assert_eq!((server.len(), server.sessions().len()), (2, 2));
    let live = server.live();
    assert_eq!(live.session(&peer.id).unwrap().id(), peer.id);
    for unknown in ["", "node-7.", "node-7.x", "node-8.00000000000000000000000000000000", &peer.secret] {
        assert!(live.session(unknown).is_none(), "{unknown}");
    }
    let handle = live.session(&peer.id).unwrap();
    handle.send("from outside").await.unwrap();
    peer.take_until(&mut socket, 1).await;
    assert_eq!((handle.transport(), handle.is_connected(), handle.close_reason()), (Transport::WebSocket, true, None));
    handle.close(3005, "by the program");
    while peer.closed.is_none() {
        peer.take(&socket.records().await);
    }
    assert_eq!(peer.closed.clone().unwrap(), (3005, "by the program".to_owned()));
    socket.text(format!("a{}:", peer.received)).await;
    socket.closed().await;
    until("the handler ends", || !ends.lock().unwrap().is_empty()).await;
    assert_eq!(ends.lock().unwrap()[0], CloseReason::new(3005, "by the program"));
    assert!(live.session(&peer.id).is_none());
    assert_eq!(live.sessions().len(), 1);
    live.sessions()[0].abort();
    assert!(live.session(&other.id).is_none());
}
