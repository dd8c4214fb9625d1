//! Attacks on the memory of a server: whatever clients send, or do not take, it stays within its promise, and
//! honest clients go on.
//!
//! `ANYWIRE_ATTACKS=1` makes them as large as they can be told to be; otherwise they are short.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods)]

mod support;
#[path = "attacks/target.rs"]
mod target;

use futures::{SinkExt, future::join_all};
use support::{Body, Payload, Peer, Record, Spelling, attempt, encode, until};
use target::Target;
use tokio_tungstenite::tungstenite::Message;

const WEBSOCKET: &str = "GET /live/websocket HTTP/1.1\r\nhost: chat.test\r\norigin: http://chat.test\r\nconnection: upgrade\r\n\
    upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// The number for a short run, or for a full one.
fn count(short: usize, full: usize) -> usize {
    if std::env::var_os("ANYWIRE_ATTACKS").is_some() { full } else { short }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the server of the other tests, in a process of its own"]
async fn serves() {
    target::serve().await;
}

#[tokio::test]
async fn a_large_message_to_a_room_whose_members_are_away() {
    let target = Target::start();
    let members = count(130, 2_000);
    let mut peers = Vec::new();
    for _ in 0..members {
        let mut peer = target.open().await;
        peer.send("join it").await;
        peers.push(peer);
    }
    peers[0].send("room 600000").await;
    target.open().await;
    for peer in &mut peers {
        // An answer is never refused, and nobody is lost.
        while peer.got.is_empty() {
            peer.poll().await;
        }
        peer.upload().await;
    }
    target.check("a room message of 600 kB to members who are away", members);
}

#[tokio::test]
async fn small_messages_each_behind_a_large_one() {
    let target = Target::start();
    let mut honest = target.open().await;
    let (_, mut socket) = Peer::open_socket(&target.site).await;
    socket.text("n1:").await;
    socket.text("maway now").await;
    let large = Message::binary(vec![0; 1 << 20]);
    // Further fields of a record are ignored.
    let records = format!("a0,{}:", "x".repeat(1_000)).repeat(1_000);
    let messages = count(150, 2_000);
    for number in (2..messages as u64 * 2 + 2).step_by(2) {
        if number % 200 == 0 {
            target.check_honest(&mut honest).await;
        }
        // The large one repeats a number, and is dropped.
        socket.io.feed(Message::text(format!("n{number}:mx"))).await.unwrap();
        socket.io.feed(Message::text("n1:")).await.unwrap();
        socket.io.send(large.clone()).await.unwrap();
        // Records in front of a message are a part of the same WebSocket message.
        socket.text(format!("{records}n{}:mx", number + 1)).await;
    }
    socket.text("w:").await;
    socket.records().await;
    target.check_honest(&mut honest).await;
    target.check("small messages behind large ones", 2);
}

#[tokio::test]
async fn sessions_that_never_acknowledge() {
    let target = Target::start();
    let mut honest = target.open().await;
    let hoarders = count(40, 400);
    for _ in 0..hoarders {
        if let Some(mut hoarder) = target.try_open().await {
            for _ in 0..8 {
                hoarder.put("send 500000");
            }
            let body = hoarder.flight(hoarder.upload_head());
            target.site.post(&hoarder.path("send"), body.bytes).await;
        }
        target.check_honest(&mut honest).await;
    }
    target.check("sessions that never acknowledge", hoarders);
}

#[tokio::test]
async fn uploads_in_pieces_that_are_never_completed() {
    let target = Target::start();
    let mut honest = target.open().await;
    let sessions = count(12, 100);
    let data = encode(&[b'x'; 7_000]);
    for _ in 0..sessions {
        target.check_honest(&mut honest).await;
        // A new session may be refused for a while; one that exists is not.
        let Some(peer) = target.try_open().await else { continue };
        for part in 0..count(40, 190) {
            let query = format!("session={}&secret={}&part={part}.1000&upload=1", peer.id, peer.secret);
            let path = format!("jsonp-send?{query}&callback=f&data={data}");
            let request = target.site.request(axum::http::Method::GET, &path);
            target.site.ask(request.body(axum::body::Body::empty()).unwrap()).await;
        }
    }
    target.check_honest(&mut honest).await;
    target.check("uploads in pieces that are never completed", sessions);
}

#[tokio::test]
async fn requests_that_never_end() {
    let target = Target::start();
    let mut honest = target.open().await;
    let peer = target.open().await;
    let head = |path: &str| {
        format!(
            "POST /live/{path} HTTP/1.1\r\nhost: chat.test\r\norigin: http://chat.test\r\ncontent-length: 5000000\r\n\r\n"
        )
    };
    let opening = Body::new(Spelling::Text).with_text('o', &[&1, &1, &attempt()], "");
    let upload = peer.upload_head();
    let long = |mut bytes: Vec<u8>, length: usize| {
        bytes.resize(length, b'x');
        bytes
    };
    let form = |body: &Body, length| {
        let data = format!("data={}", encode(encode(&body.bytes).as_bytes()));
        long(data.into_bytes(), length)
    };
    let named = |route: &str| head(&format!("{route}?session={}", peer.id));
    // A text frame of 1 MB, and the greatest part of what an opening may be.
    let frame = [&[0x81, 0xff, 0, 0, 0, 0, 0, 1, 0x60, 0, 0, 0, 0, 0][..], &[b'o'; 80_000]].concat();
    let halves = [
        [head("open").into_bytes(), long(opening.bytes.clone(), 90_000)].concat(),
        [head("form-post").into_bytes(), form(&opening, 300_000)].concat(),
        [named("send").into_bytes(), long(upload.bytes.clone(), 1_300_000)].concat(),
        [named("form-post").into_bytes(), form(&upload, 4_000_000)].concat(),
        [WEBSOCKET.as_bytes().to_vec(), frame].concat(),
        long(b"GET /live/open HTTP/1.1\r\nx: ".to_vec(), 30_000),
    ];
    let each = count(30, 170);
    let mut connections = Vec::new();
    for _ in 0..each {
        for half in &halves {
            let half = half.clone();
            let address = target.address;
            connections.push(tokio::spawn(async move {
                use tokio::io::AsyncWriteExt;
                let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
                // A refused body is not read to its end.
                let _ = tokio::time::timeout(std::time::Duration::from_secs(2), connection.write_all(&half)).await;
                connection
            }));
        }
    }
    let connections = join_all(connections).await;
    target.check_honest(&mut honest).await;
    target.check("requests that never end", connections.len());
}

#[tokio::test]
async fn long_reasons_and_long_headers_of_sessions_that_are_kept() {
    let target = Target::start();
    let mut honest = target.open().await;
    let sessions = count(150, 2_000);
    let reason = "x".repeat(1_300_000);
    for number in 0..sessions {
        if number % 100 == 0 {
            target.check_honest(&mut honest).await;
        }
        let body = Body::new(Spelling::Text).with_text('o', &[&1, &1, &attempt()], "");
        let mut request = target.site.request(axum::http::Method::POST, "open");
        for name in ["cookie", "authorization", "x-one", "x-two", "x-three"] {
            request = request.header(name, "y".repeat(5_000));
        }
        let answer = target.site.ask(request.body(body.bytes.into()).unwrap()).await;
        let mut peer = Peer::new(&target.site);
        peer.take(&answer.records());
        let body = peer.upload_head().with_text('c', &[&1, &3_000], &reason);
        assert_eq!(target.site.post(&peer.path("send"), body.bytes).await.status, 200);
    }
    target.check_honest(&mut honest).await;
    target.check("long reasons and long headers", sessions);
}

#[tokio::test]
async fn sockets_that_have_brought_a_large_message_and_are_idle() {
    let target = Target::start();
    let sockets = count(140, 1_000);
    let mut idle = Vec::new();
    for _ in 0..sockets {
        let (peer, mut socket) = Peer::open_socket(&target.site).await;
        socket.text("n1:").await;
        socket.payload(&Payload::Text(format!("nothing {}", "x".repeat(1_000_000)))).await;
        // It comes back, so it was taken.
        let mut answered = false;
        while !answered {
            let records = socket.records().await;
            answered = records.iter().any(|record| matches!(record, Record::Message(..)));
        }
        socket.text("a1:").await;
        idle.push((peer, socket));
    }
    target.check("idle sockets that have brought a large message", sockets);
}

#[tokio::test]
async fn sockets_that_read_nothing() {
    let target = Target::start();
    let mut honest = target.open().await;
    let sockets = count(100, 1_000);
    let mut silent = Vec::new();
    for number in 0..sockets {
        let opened = Peer::new(&target.site).send_open(&attempt(), "").await;
        let mut socket = opened;
        socket.text("n1:").await;
        socket.text("mjoin it").await;
        if number % 10 == 0 {
            socket.text("mroom 600000").await;
        } else {
            for _ in 0..8 {
                socket.text("msend 500000").await;
            }
        }
        silent.push(socket);
    }
    target.check_honest(&mut honest).await;
    target.check("sockets that read nothing", sockets);
}

/// `tests/serve.rs` has the same in virtual time, with few of them; here their descriptors are counted.
#[tokio::test]
async fn readers_that_shut_their_window() {
    let target = Target::start();
    let mut honest = target.open().await;
    let before = target.descriptors();
    let head = |method: &str, path: &str, length: usize| {
        let head = format!("{method} /live/{path} HTTP/1.1\r\nhost: chat.test\r\norigin: http://chat.test\r\n");
        format!("{head}content-length: {length}\r\n\r\n").into_bytes()
    };
    let each = count(5, 100);
    let mut shut = Vec::new();
    for _ in 0..each {
        for route in ["fetch-stream", "xhr-poll", "websocket", "client.js"] {
            let mut request = match route {
                "client.js" => head("GET", route, 0).repeat(40),
                "websocket" => WEBSOCKET.into(),
                _ => {
                    let Some(mut peer) = target.try_open().await else { continue };
                    (0..8).for_each(|_| peer.put("send 500000"));
                    (peer.turn, peer.seen) = (1, true);
                    let body = peer.flight(peer.resume()).bytes;
                    [head("POST", &peer.path(route), body.len()), body].concat()
                }
            };
            if route == "websocket" {
                let open = format!("o1,1,{},0:v:n1:m11:send 500000{}", attempt(), "m11:send 500000".repeat(7));
                // A text frame whose mask changes nothing.
                request.extend([0x81, 0xfe]);
                request.extend(u16::try_from(open.len()).unwrap().to_be_bytes());
                request.extend([0; 4]);
                request.extend(open.as_bytes());
            }
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.set_recv_buffer_size(4096).unwrap();
            let mut connection = socket.connect(target.address).await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut connection, &request).await.unwrap();
            shut.push(connection);
        }
    }
    let most = target.descriptors();
    target.check_honest(&mut honest).await;
    if std::env::var_os("ANYWIRE_ATTACKS").is_some() {
        let began = std::time::Instant::now();
        until("all of them are gone", || target.descriptors() <= before).await;
        println!("{most} descriptors became {before} within {} s", began.elapsed().as_secs());
        assert!(began.elapsed().as_secs() < 60);
    }
    target.check("readers that shut their window", shut.len());
}
