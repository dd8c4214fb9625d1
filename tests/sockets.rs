//! HTTP/1.1, HTTP/2 and WebSocket over real sockets on the loopback interface.
#![allow(clippy::disallowed_methods)]

mod support;

use std::{
    collections::VecDeque,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use anywire::{Anywire, Builder, Server, Session, Transport};
use axum::{Router, body::Body};
use futures::{SinkExt, StreamExt};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use support::{
    Everywhere, HOST, Parser, Peer, Record, Records, Site, Socket, SocketEvent, Spelling, attempt, echo, until,
};
use tokio::io::AsyncReadExt;
use tokio_tungstenite::tungstenite::Message;

/// A limit for work that would otherwise hang; no test waits for this time to pass.
async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work).await.expect("it hangs")
}

async fn socket(server: &Server) -> Site {
    Site::socket_of(server, |server| Router::new().nest("/live", server.routes())).await
}

#[tokio::test]
async fn all_transports_over_http1() {
    in_time(async {
        let server = Anywire::builder().handler(echo).build();
        let site = socket(&server).await;
        let mut peer = Peer::open(&site).await;
        peer.send("by poll").await;
        while peer.got.is_empty() {
            peer.poll().await;
        }
        for route in ["xhr-stream", "fetch-stream"] {
            let mut stream = peer.stream(route).await;
            peer.send(route).await;
            let count = peer.got.len() + 1;
            while peer.got.len() < count {
                peer.take(&stream.next().await.unwrap());
            }
        }
        let mut socket = peer.resume_socket().await;
        peer.put("by WebSocket");
        socket.flight(&peer).await;
        peer.take_until(&mut socket, 4).await;
        assert_eq!(peer.texts(), ["by poll", "xhr-stream", "fetch-stream", "by WebSocket"]);
        assert_eq!(server.everywhere()[0].transport(), Transport::WebSocket);
    })
    .await;
}

#[tokio::test]
async fn the_address_of_a_real_client_is_known() {
    in_time(async {
        let server = Anywire::builder()
            .handler(|session: Session| async move {
                session.send(session.remote_address().unwrap().to_string()).await.unwrap();
                std::future::pending::<()>().await;
            })
            .build();
        let site = socket(&server).await;
        assert_eq!(Peer::open(&site).await.texts(), ["127.0.0.1"]);
    })
    .await;
}

#[tokio::test]
async fn a_parked_poll_whose_client_goes_is_noticed() {
    in_time(async {
        let server = Anywire::builder().handler(echo).build();
        let site = socket(&server).await;
        let mut peer = Peer::open(&site).await;
        peer.turn = 1;
        let session = server.everywhere()[0].clone();
        for route in ["xhr-poll", "xhr-stream"] {
            let parked = peer.clone();
            let task = tokio::spawn(async move {
                let mut stream = parked.site.stream(&parked.path(route), parked.resume().bytes).await;
                while stream.next().await.is_some() {}
            });
            until("it is attached", || session.is_connected()).await;
            task.abort();
            until("its end was noticed", || !session.is_connected()).await;
            peer.turn += 1;
        }
        peer.send("still").await;
        peer.poll().await;
        assert_eq!(peer.texts(), ["still"]);
    })
    .await;
}

/// All requests at once on one connection of HTTP/2.
#[tokio::test]
async fn all_http_transports_over_one_connection_of_http2() {
    in_time(async {
        let server = Anywire::builder().handler(echo).build();
        let site = socket(&server).await;
        let sender = site.http2().await;
        let send = |path: String, body: Vec<u8>| {
            let mut sender = sender.clone();
            async move {
                let request = axum::http::Request::post(format!("http://{HOST}/live/{path}"))
                    .header("origin", format!("http://{HOST}"))
                    .body(Body::from(body))
                    .unwrap();
                let response = sender.send_request(request).await.unwrap();
                assert_eq!(response.status(), 200);
                Records::new(Body::new(response.into_body()), Spelling::Text)
            }
        };
        let mut peers = Vec::new();
        for _ in 0..10 {
            let mut peer = Peer::new(&site);
            let open = send("open".into(), format!("o1,1,{},0:", attempt()).into_bytes()).await.next().await.unwrap();
            peer.take(&open);
            peer.turn = 1;
            peers.push(peer);
        }
        assert_eq!(server.everywhere().len(), 10);
        let mut streams = VecDeque::new();
        for (at, peer) in peers.iter_mut().enumerate() {
            let route = if at % 2 == 0 { "fetch-stream" } else { "xhr-poll" };
            peer.put(format!("{at}"));
            streams.push_back(tokio::spawn(send(peer.path(route), peer.resume().bytes)));
        }
        for peer in &peers {
            let mut answer = send(peer.path("send"), peer.flight(peer.upload_head()).bytes).await;
            assert_eq!(answer.next().await.unwrap(), [Record::Ack(1)]);
        }
        for (at, peer) in peers.iter_mut().enumerate() {
            let mut stream = streams.pop_front().unwrap().await.unwrap();
            while peer.got.is_empty() {
                peer.take(&stream.next().await.unwrap());
            }
            assert_eq!(peer.texts(), [at.to_string()]);
        }
    })
    .await;
}

#[tokio::test]
async fn another_origin_is_refused_over_http2_too() {
    in_time(async {
        let server = Anywire::builder().handler(echo).build();
        let site = socket(&server).await;
        let mut sender = site.http2().await;
        for (origin, status) in [("http://chat.test", 200), ("http://evil.test", 403)] {
            let request = axum::http::Request::post(format!("http://{HOST}/live/open"))
                .header("origin", origin)
                .body(Body::from(format!("o1,1,{},0:", attempt())))
                .unwrap();
            let response = sender.send_request(request).await.unwrap();
            assert_eq!(response.status(), status);
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert!(!Parser::body(Spelling::Text, &body).is_empty());
        }
    })
    .await;
}

/// Reads the server's WebSocket frames from the raw connection, to see how many come with one read.
#[tokio::test]
async fn messages_of_one_read_are_answered_by_one_write() {
    in_time(async {
        let server = Anywire::builder().handler(echo).build();
        let (peer, mut socket) = Peer::open_socket(&socket(&server).await).await;
        until("the session is open", || server.anywhere(&peer.id).is_some()).await;
        for round in 0..20_u64 {
            socket.io.feed(Message::text(format!("n{}:", round * 16 + 1))).await.unwrap();
            for _ in 0..16 {
                socket.io.feed(Message::text("m0123456789")).await.unwrap();
            }
            socket.io.flush().await.unwrap();
            let bare = socket.io.get_mut();
            let mut buffer = [0; 4096];
            let length = bare.read(&mut buffer).await.unwrap();
            let came = buffer[..length].windows(10).filter(|bytes| *bytes == b"0123456789").count();
            assert_eq!(came, 16, "in round {round} one read brought {length} bytes");
            let mut text = String::new();
            text.push_str(&format!("a{}:", (round + 1) * 16));
            socket.text(text).await;
        }
    })
    .await;
}

/// No ping may be due before the flood has begun: the answer to one that leaves before it may take as long as a slow line
/// needs for all of it.
fn hurried(server: Builder) -> Builder {
    server
        .heartbeat_interval(Duration::from_secs(1))
        .heartbeat_timeout(Duration::from_millis(100))
        .grace(Duration::from_millis(300))
        .stream_budget(1 << 30)
}

/// The bytes of a flood: more than all buffers of a connection hold.
const FLOOD: usize = 48 << 20;

/// A server whose handlers send a flood in so many messages, as soon as the client asks for it, and the count of the handlers
/// that have sent it.
fn flooder(builder: Builder, messages: usize) -> (Server, Arc<AtomicUsize>) {
    let flooded = Arc::new(AtomicUsize::new(0));
    let count = flooded.clone();
    let builder = builder.message_limit(FLOOD / messages).outbox(64 << 20);
    let server = builder.handler(move |session: Session| {
        let count = count.clone();
        async move {
            session.recv().await;
            for _ in 0..messages {
                session.send(vec![7; FLOOD / messages]).await.unwrap();
            }
            count.fetch_add(1, SeqCst);
            while session.recv().await.is_some() {}
        }
    });
    (server.build(), flooded)
}

#[tokio::test]
async fn a_client_that_does_not_read_keeps_no_session() {
    in_time(async {
        // No ping leaves in the midst of a message.
        let (server, flooded) = flooder(hurried(Anywire::builder()), 1);
        let site = socket(&server).await;
        let (_, mut unread) = Peer::open_socket(&site).await;
        unread.text("n1:mgo").await;
        let mut peer = Peer::open(&site).await;
        let unread_stream = peer.stream("fetch-stream").await;
        peer.send("go").await;
        let sessions = server.everywhere();
        assert_eq!(sessions.len(), 2);
        until("both have flooded", || flooded.load(SeqCst) == 2).await;
        for session in sessions {
            until("it is over", || session.close_reason().is_some()).await;
            assert_eq!(session.close_reason().unwrap().code(), 4103);
            assert_eq!(session.unacknowledged(), 1, "the message was still unacknowledged at the end");
        }
        until("both are forgotten", || server.everywhere().is_empty()).await;
        drop((unread, unread_stream));
    })
    .await;
}

#[tokio::test]
async fn a_client_that_does_not_read_can_be_disconnected() {
    in_time(async {
        let (server, flooded) = flooder(Anywire::builder(), 48);
        let site = socket(&server).await;
        let (_, mut unread) = Peer::open_socket(&site).await;
        unread.text("n1:mgo").await;
        let session = server.everywhere()[0].clone();
        until("it has flooded", || flooded.load(SeqCst) == 1).await;
        assert!(session.buffered_bytes() > 40 << 20);
        session.abort();
        // The server ends the connection; the client does nothing.
        let ended = AtomicUsize::new(0);
        while unread.next().await != SocketEvent::Broken {
            ended.fetch_add(1, SeqCst);
        }
        assert!(ended.load(SeqCst) < 48, "not all of it came");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_clients_at_once_each_get_their_own() {
    in_time(async {
        const CLIENTS: usize = 60;
        const EACH: u64 = 50;
        let server = Anywire::builder().handler(echo).build();
        let site = socket(&server).await;
        let done = Arc::new(AtomicUsize::new(0));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (site, done) = (site.clone(), done.clone());
                tokio::spawn(async move {
                    let mut peer = Peer::open(&site).await;
                    let mut sent = 0;
                    while (peer.got.len() as u64) < EACH {
                        if client % 3 == 0 {
                            let mut socket = peer.resume_socket().await;
                            for _ in 0..10 {
                                sent += 1;
                                peer.put(format!("{client}:{sent}"));
                                socket.text(format!("n{sent}:m{client}:{sent}")).await;
                            }
                            peer.take_until(&mut socket, usize::try_from(sent).unwrap()).await;
                            socket.io.close(None).await.unwrap();
                            while socket.io.next().await.is_some_and(|message| message.is_ok()) {}
                        } else {
                            sent += 1;
                            peer.send(format!("{client}:{sent}")).await;
                            peer.poll().await;
                        }
                    }
                    let want: Vec<String> = (1..=sent).map(|number| format!("{client}:{number}")).collect();
                    assert!(peer.texts().iter().zip(&want).all(|(got, want)| got == want));
                    done.fetch_add(1, SeqCst);
                })
            })
            .collect();
        for client in clients {
            client.await.unwrap();
        }
        assert_eq!(done.load(SeqCst), CLIENTS);
        assert_eq!(server.everywhere().len(), CLIENTS);
    })
    .await;
}

#[tokio::test]
async fn a_websocket_over_http2() {
    in_time(async {
        let server = Anywire::builder().handler(echo).build();
        let site = socket(&server).await;
        let mut sender = site.http2().await;
        let connect = |origin: &str| {
            let request = axum::http::Request::connect(format!("http://{HOST}/live/websocket"))
                .header("sec-websocket-version", "13")
                .header("origin", origin)
                .extension(hyper::ext::Protocol::from_static("websocket"));
            request.body(Body::empty()).unwrap()
        };
        // Extended CONNECT is allowed once the server's settings have come; the answer to this request comes
        // after them.
        let request = axum::http::Request::get(format!("http://{HOST}/live/client.js")).body(Body::empty()).unwrap();
        assert_eq!(sender.send_request(request).await.unwrap().status(), 200);
        let mut foreign = connect("http://evil.test");
        foreign.headers_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
        assert_eq!(sender.send_request(foreign).await.unwrap().status(), 403);
        // Where the browser does not state it, the page may be the server's own behind a proxy.
        let doubted = sender.send_request(connect("http://evil.test")).await.unwrap();
        let upgraded = hyper::upgrade::on(doubted).await.unwrap();
        let mut socket = Socket::over(Box::new(TokioIo::new(upgraded))).await;
        socket.text(format!("o1,1,{},0:", attempt())).await;
        assert_eq!(socket.closed().await.0, 4009);
        let response = sender.send_request(connect("http://chat.test")).await.unwrap();
        assert_eq!(response.status(), 200);
        let upgraded = hyper::upgrade::on(response).await.unwrap();
        let mut socket = Socket::over(Box::new(TokioIo::new(upgraded))).await;
        socket.text(format!("o1,1,{},0:", attempt())).await;
        let mut peer = Peer::new(&site);
        peer.take(&socket.records().await);
        socket.text("v:").await;
        peer.put("over HTTP/2");
        socket.flight(&peer).await;
        peer.take_until(&mut socket, 1).await;
        assert_eq!(peer.texts(), ["over HTTP/2"]);
    })
    .await;
}
