//! The library's own HTTP server over real sockets.
#![allow(clippy::disallowed_methods)]

mod support;

use std::{
    future::{Future, IntoFuture},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use anywire::{Anywire, Origins, Server, Session};
use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{Method, request::Parts},
    middleware::map_request,
    routing::get,
};
use futures::{SinkExt, StreamExt};
use support::{Log, Peer, Site, attempt, echo, until};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};

/// A limit for work that would otherwise hang; no test waits for this time to pass.
async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work).await.expect("it hangs")
}

async fn welcome(session: Session) {
    session.send(session.remote_address().map_or("unknown".into(), |address| address.to_string())).await.unwrap();
    echo(session).await;
}

struct Running {
    site: Site,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<std::io::Result<()>>,
}

async fn run(server: &Server) -> Running {
    let listener = anywire::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new()
        .route("/", get(|| async { "page" }))
        .route("/large", get(|| async { vec![b'x'; 8 << 20] }))
        .nest("/live", server.routes());
    let (stop, stopped) = oneshot::channel();
    let stopped = async {
        // A dropped sender stops the server too.
        let _ = stopped.await;
    };
    let serve = anywire::serve(listener, app).with_graceful_shutdown(stopped);
    let served = tokio::spawn(serve.sessions(server, Duration::from_millis(50)).into_future());
    Running { site: Site::at(address), address, stop, served }
}

/// A server with a shortcut, and the paths that its router has seen.
async fn run_with_shortcut(server: &Server) -> (Site, Arc<Mutex<Vec<String>>>) {
    let listener = anywire::bind("127.0.0.1:0").await.unwrap();
    let site = Site::at(listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = seen.clone();
    let note = map_request(move |request: Request| {
        let path = request.uri().path().trim_start_matches("/live/").to_owned();
        noted.lock().unwrap().push(path);
        std::future::ready(request)
    });
    let app = Router::new().nest("/live", server.routes()).layer(note);
    tokio::spawn(anywire::serve(listener, app).shortcut("/live", server).into_future());
    (site, seen)
}

#[tokio::test]
async fn open_sessions_pass_the_router_by() {
    in_time(async {
        let server = Anywire::builder().handler(welcome).build();
        let (site, seen) = run_with_shortcut(&server).await;
        let mut peer = Peer::open(&site).await;
        peer.send("by poll").await;
        while peer.got.len() < 2 {
            peer.poll().await;
        }
        let mut stream = peer.stream("fetch-stream").await;
        peer.send("by stream").await;
        while peer.got.len() < 3 {
            peer.take(&stream.next().await.unwrap());
        }
        assert_eq!(peer.texts(), ["127.0.0.1", "by poll", "by stream"]);
        // Whatever is no request of an open session finds the router.
        assert_eq!(site.post("xhr-poll/", "").await.status, 404);
        assert_eq!(site.ask(site.request(Method::GET, "send").body(Body::empty()).unwrap()).await.status, 405);
        let mut socket = peer.resume_socket().await;
        peer.put("by WebSocket");
        socket.flight(&peer).await;
        peer.take_until(&mut socket, 4).await;
        assert_eq!(*seen.lock().unwrap(), ["open", "xhr-poll/", "send", "websocket"]);
    })
    .await;
}

#[tokio::test]
async fn a_request_that_the_application_sees_has_no_shortcut() {
    in_time(async {
        let server = Anywire::builder().handler(welcome).authorize(async |_: Parts, _: Session| true).build();
        let (site, seen) = run_with_shortcut(&server).await;
        let mut peer = Peer::open(&site).await;
        peer.send("by poll").await;
        peer.poll().await;
        assert_eq!(*seen.lock().unwrap(), ["open", "send", "xhr-poll"]);
    })
    .await;
}

#[tokio::test]
async fn serves_every_transport_and_knows_the_client() {
    in_time(async {
        let server = Anywire::builder().handler(welcome).build();
        let running = run(&server).await;
        let mut peer = Peer::open(&running.site).await;
        peer.send("by poll").await;
        while peer.got.len() < 2 {
            peer.poll().await;
        }
        let mut stream = peer.stream("fetch-stream").await;
        peer.send("by stream").await;
        while peer.got.len() < 3 {
            peer.take(&stream.next().await.unwrap());
        }
        let mut socket = peer.resume_socket().await;
        peer.put("by WebSocket");
        socket.flight(&peer).await;
        peer.take_until(&mut socket, 4).await;
        assert_eq!(peer.texts(), ["127.0.0.1", "by poll", "by stream", "by WebSocket"]);
    })
    .await;
}

#[tokio::test]
async fn stops_gracefully() {
    in_time(async {
        let server = Anywire::builder().handler(welcome).build();
        let running = run(&server).await;
        let (_peer, mut socket) = Peer::open_socket(&running.site).await;
        let mut polling = Peer::open(&running.site).await;
        polling.turn = 1;
        let session = server.session(&polling.id).unwrap();
        let poll = tokio::spawn(async move { polling.send_poll().await.records() });
        until("the poll is parked", || session.is_connected()).await;
        // This connection is kept alive and idle.
        let mut idle = TcpStream::connect(running.address).await.unwrap();
        idle.write_all(b"GET / HTTP/1.1\r\nhost: chat.test\r\n\r\n").await.unwrap();
        let mut answer = vec![0; 1024];
        let length = idle.read(&mut answer).await.unwrap();
        assert!(answer[..length].starts_with(b"HTTP/1.1 200"));

        running.stop.send(()).unwrap();
        // The client is asked to go away, then its link is closed.
        assert_eq!(socket.closed().await.0, 4005);
        drop(socket);
        let records = poll.await.unwrap();
        assert!(records.iter().any(|record| matches!(record, support::Record::GoAway(_))), "{records:?}");
        running.served.await.unwrap().unwrap();
        let mut rest = Vec::new();
        idle.read_to_end(&mut rest).await.unwrap();
        assert!(TcpStream::connect(running.address).await.is_err(), "nobody listens any more");
    })
    .await;
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: chat.test\r\n\r\n";

/// Connections that were made before the server stopped are served, whether they were accepted, or their request was on its
/// way.
#[tokio::test]
async fn who_has_connected_when_the_server_stops_is_served() {
    in_time(async {
        let server = Anywire::builder().handler(welcome).build();
        let running = run(&server).await;
        let mut accepted = TcpStream::connect(running.address).await.unwrap();
        // The server's task runs in between, and has accepted it when another one is answered.
        let mut other = TcpStream::connect(running.address).await.unwrap();
        other.write_all(REQUEST).await.unwrap();
        other.read_u8().await.unwrap();
        // The server runs on this thread, which connects without a pause: all of these wait to be accepted.
        let waiting: Vec<_> = (0..100)
            .map(|_| {
                use std::io::Write;
                let mut stream = std::net::TcpStream::connect(running.address).unwrap();
                stream.write_all(REQUEST).unwrap();
                stream
            })
            .collect();
        running.stop.send(()).unwrap();
        for stream in waiting {
            stream.set_nonblocking(true).unwrap();
            let mut answer = String::new();
            TcpStream::from_std(stream).unwrap().read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("page"), "{answer}");
        }
        accepted.write_all(REQUEST).await.unwrap();
        let mut answer = String::new();
        accepted.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("connection: close") && answer.ends_with("page"), "{answer}");
        running.served.await.unwrap().unwrap();
    })
    .await;
}

/// An old and a new server share a port. Whoever connects while the old one stops is served by one of them.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_server_stops_beside_a_new_one_on_its_port() {
    in_time(async {
        let listener = anywire::bind_shared("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        assert!(anywire::bind(address).await.is_err(), "who does not share it does not get it");
        let app = |name: &'static str| Router::new().route("/", get(move || async move { name }));
        let (stop, stopped) = oneshot::channel::<()>();
        let old = anywire::serve(listener, app("old")).with_graceful_shutdown(async { drop(stopped.await) });
        let old = tokio::spawn(old.into_future());
        let new = anywire::serve(anywire::bind_shared(address).await.unwrap(), app("new"));
        let new = tokio::spawn(new.into_future());
        let ask = move || async move {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(b"GET / HTTP/1.1\r\nhost: chat.test\r\nconnection: close\r\n\r\n").await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            std::io::Result::Ok(answer)
        };
        let (mut stop, mut names, mut failed) = (Some(stop), [0, 0], 0);
        while stop.is_some() || !old.is_finished() || names[1] < 100 {
            match ask().await {
                Ok(answer) if answer.ends_with("old") => names[0] += 1,
                Ok(answer) if answer.ends_with("new") => names[1] += 1,
                // The one that came in the moment in which the port was given back.
                _ => failed += 1,
            }
            if names[0] >= 20 {
                stop.take();
            }
        }
        println!("{names:?} were served by the old and the new server, {failed} by none");
        assert!(failed <= 1, "{failed} were not served");
        assert!(ask().await.unwrap().ends_with("new"));
        new.abort();
    })
    .await;
}

#[tokio::test]
async fn bytes_that_are_not_http_do_no_harm() {
    in_time(async {
        let server = Anywire::builder().handler(welcome).build();
        let running = run(&server).await;
        let (mut peer, mut socket) = Peer::open_socket(&running.site).await;
        for bytes in
            [&b"\x16\x03\x01\x02\x00"[..], b"GET\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[0xff; 20_000]]
        {
            let mut stream = TcpStream::connect(running.address).await.unwrap();
            let _ = stream.write_all(bytes).await;
            let _ = stream.shutdown().await;
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
            assert!(!rest.starts_with(b"HTTP/1.1 2") && !rest.starts_with(b"HTTP/1.1 5"), "{rest:?}");
        }
        peer.put(attempt());
        socket.flight(&peer).await;
        peer.take_until(&mut socket, 2).await;
    })
    .await;
}

#[tokio::test]
async fn the_port_is_free_as_soon_as_the_server_stops_and_the_sessions_of_all_servers_end() {
    in_time(async {
        let servers = [Anywire::builder().handler(echo).build(), Anywire::builder().handler(echo).build()];
        let listener = anywire::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let [first, second] = &servers;
        let app = Router::new().nest("/live", first.routes()).nest("/other", second.routes());
        let (stop, stopped) = oneshot::channel::<()>();
        let serve = anywire::serve(listener, app).with_graceful_shutdown(async move { drop(stopped.await) });
        // The windows are longer than the test may last: they end when the test says so.
        let serve =
            serve.sessions(first, Duration::from_secs(3_000)).sessions(&second.live(), Duration::from_millis(50));
        let served = tokio::spawn(serve.into_future());
        let (mut peer, mut socket) = Peer::open_socket(&Site::at(address)).await;
        stop.send(()).unwrap();
        let next = loop {
            match anywire::bind(address).await {
                Ok(listener) => break listener,
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse),
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(next.local_addr().unwrap(), address, "the next process listens");
        peer.put("still served");
        socket.flight(&peer).await;
        peer.take_until(&mut socket, 1).await;
        assert_eq!(peer.texts(), ["still served"]);
        until("the other has ended", || second.is_empty()).await;
        assert!(!served.is_finished());
        served.abort();
    })
    .await;
}

#[tokio::test]
async fn sessions_that_nothing_will_end_in_good_order_are_told_of() {
    for graceful in [false, true] {
        let log = Log::here();
        let server: Server = Anywire::builder().handler(echo).build();
        let listener = anywire::bind("127.0.0.1:0").await.unwrap();
        let mut serve = anywire::serve(listener, Router::new()).sessions(&server, Duration::ZERO);
        if graceful {
            serve = serve.with_graceful_shutdown(std::future::ready(()));
        }
        let _ = tokio::time::timeout(Duration::ZERO, serve.into_future()).await;
        assert_eq!(log.lines("WARN").len(), usize::from(!graceful));
    }
}

#[tokio::test]
async fn a_port_in_use_is_told_by_name() {
    let first = anywire::bind(("127.0.0.1", 0)).await.unwrap();
    let address = first.local_addr().unwrap();
    let refused = anywire::bind(address).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::AddrInUse);
    assert_eq!(refused.to_string(), format!("port {} of 127.0.0.1 is in use", address.port()));
    let refused = anywire::bind("127.0.0.1").await.unwrap_err().to_string();
    assert!(refused.starts_with("\"127.0.0.1\" is no address: "), "{refused}");
    let refused = anywire::bind("198.51.100.1:0").await.unwrap_err().to_string();
    assert_eq!(refused, "198.51.100.1 is no address of this machine");
}

#[tokio::test]
async fn under_axums_own_server_a_shutdown_that_ends_the_sessions_lets_it_stop() {
    in_time(async {
        let server = Anywire::builder().handler(echo).build();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().nest("/live", server.routes());
        let (stop, stopped) = oneshot::channel::<()>();
        let live = server.live();
        let served = axum::serve(listener, app).with_graceful_shutdown(async move {
            let _ = stopped.await;
            live.shutdown(Duration::from_millis(50)).await;
        });
        let served = tokio::spawn(served.into_future());
        let site = Site::at(address);
        let (_peer, mut socket) = Peer::open_socket(&site).await;
        let mut streaming = Peer::open(&site).await;
        let mut stream = streaming.stream("fetch-stream").await;
        stop.send(()).unwrap();
        assert_eq!(socket.closed().await.0, 4005);
        while stream.next().await.is_some() {}
        drop((socket, stream, streaming));
        served.await.unwrap().unwrap();
    })
    .await;
}

/// A connection whose client takes at most a few kilobytes unless it reads.
async fn narrow(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(address).await.unwrap()
}

/// Sends what it is asked for, in large messages, for as long as it may.
async fn gush(session: Session) {
    session.recv().await;
    while session.send(vec![b'x'; 1_000_000]).await.is_ok() {}
}

fn post(path: &str, body: &[u8]) -> Vec<u8> {
    let mut request =
        format!("POST /live/{path} HTTP/1.1\r\nhost: chat.test\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    request.extend_from_slice(body);
    request
}

/// A client need not await the answer to its handshake. What came with it is not lost.
#[tokio::test]
async fn what_comes_with_the_handshake_of_a_websocket_is_read() {
    in_time(async {
        let running = run(&Anywire::builder().handler(welcome).build()).await;
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        let host = running.address;
        let handshake = format!(
            "GET /live/websocket HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        let opening = format!("o1,1,{},0:n1:mearly", attempt());
        let frame = [&[0x81, 0x80 | opening.len() as u8, 0, 0, 0, 0], opening.as_bytes()].concat();
        stream.write_all(&[handshake.as_bytes(), &frame].concat()).await.unwrap();
        let mut got = Vec::new();
        while !String::from_utf8_lossy(&got).contains("mearly") {
            assert!(stream.read_buf(&mut got).await.unwrap() > 0, "{}", String::from_utf8_lossy(&got));
        }
    })
    .await;
}

/// The connections would otherwise stay for ever, with their tasks, descriptors and a megabyte each.
#[tokio::test(start_paused = true)]
async fn connections_that_shut_their_window_end() {
    let server = Anywire::builder().origins(Origins::Same.and_programs()).handler(gush).build();
    let running = run(&server).await;
    let mut shut = Vec::new();
    for transport in ["fetch-stream", "xhr-poll"] {
        let mut peer = Peer::open(&running.site).await;
        (peer.turn, peer.seen) = (1, true);
        peer.put("go");
        let mut stream = narrow(running.address).await;
        let request = post(&peer.path(transport), &peer.flight(peer.resume()).bytes);
        stream.write_all(&request).await.unwrap();
        shut.push(stream);
    }
    let mut page = narrow(running.address).await;
    page.write_all(b"GET /large HTTP/1.1\r\nhost: chat.test\r\n\r\n").await.unwrap();
    shut.push(page);
    let url = "ws://chat.test/live/websocket";
    let (mut socket, _) = tokio_tungstenite::client_async(url, narrow(running.address).await).await.unwrap();
    socket.send(format!("o1,1,{},0:", attempt()).into()).await.unwrap();
    socket.next().await.unwrap().unwrap();
    socket.send("n1:m2:go".into()).await.unwrap();
    shut.push(socket.into_inner());

    // The clock goes on when nothing moves any more.
    tokio::time::sleep(Duration::from_secs(21)).await;
    for mut stream in shut {
        let mut got = Vec::new();
        let end = stream.read_to_end(&mut got).await.unwrap_err();
        assert_eq!(end.kind(), std::io::ErrorKind::ConnectionReset);
        assert!(!got.is_empty() && got.len() < 500_000, "little was on its way: {}", got.len());
    }
}

#[tokio::test]
async fn beyond_the_most_connections_new_ones_are_closed_and_idle_ones_make_room() {
    in_time(async {
        let listener = anywire::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().route("/", get(|| async { "page" }));
        tokio::spawn(anywire::serve(listener, app).max_connections(2).into_future());
        let mut answer = vec![0; 1024];
        let mut busy = TcpStream::connect(address).await.unwrap();
        busy.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        let mut idle = TcpStream::connect(address).await.unwrap();
        idle.write_all(b"GET / HTTP/1.1\r\nhost: chat.test\r\n\r\n").await.unwrap();
        assert!(idle.read(&mut answer).await.unwrap() > 0);
        let mut third = TcpStream::connect(address).await.unwrap();
        assert_eq!(third.read(&mut answer).await.unwrap(), 0, "closed at once");
        assert_eq!(idle.read(&mut answer).await.unwrap(), 0, "closed to make room");
        let mut fourth = TcpStream::connect(address).await.unwrap();
        fourth.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        for stream in [&mut fourth, &mut busy] {
            stream.write_all(b"host: chat.test\r\n\r\n").await.unwrap();
            let length = stream.read(&mut answer).await.unwrap();
            assert!(answer[..length].starts_with(b"HTTP/1.1 200"));
        }
    })
    .await;
}

/// With a queue of 128, as is usual, the others would wait for a second and more.
#[tokio::test]
async fn many_connections_at_once_find_room_in_the_queue() {
    in_time(async {
        let listener = anywire::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        // Nobody accepts them.
        let connections = (0..500).map(|_| TcpStream::connect(address));
        for connection in futures::future::join_all(connections).await {
            connection.unwrap();
        }
    })
    .await;
}
