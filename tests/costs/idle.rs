//! The memory that a session holds while nothing happens.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use anywire::{Anywire, Events, Server};
use axum::Router;
use tokio::net::TcpListener;

/// The number of sessions that are there before, and of those that are measured.
const FIRST: usize = 20;
const MEASURED: usize = 64;

/// The costs of each session.
struct PerSession {
    /// The bytes of heap that the server holds.
    bytes: u64,
    /// The number of its allocations in all.
    allocations: u64,
    tasks: f64,
}

/// The costs of the sessions that clients open. The clients are of another thread, whose memory does not count.
fn idle(server: &Server<()>, open: fn(SocketAddr) -> TcpStream) -> PerSession {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let app = Router::new().nest("/live", server.routes()).merge(server.socketio("/socket.io"));
    let (listener, address) = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    });
    let server = server.clone();
    runtime.spawn(async move { anywire::serve(listener, app).shortcut("/live", &server).await.unwrap() });
    let open_all = |count| {
        runtime.block_on(async {
            let opened = tokio::task::spawn_blocking(move || (0..count).map(|_| open(address)).collect::<Vec<_>>());
            let opened = opened.await.unwrap();
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            opened
        })
    };
    let first = open_all(FIRST);
    let tasks = runtime.metrics().num_alive_tasks();
    let mut others = Vec::new();
    let counted = allocation_counter::measure(|| others = open_all(MEASURED));
    let tasks = (runtime.metrics().num_alive_tasks() - tasks) as f64 / MEASURED as f64;
    drop((first, others));
    let bytes = u64::try_from(counted.bytes_current).unwrap() / MEASURED as u64;
    PerSession { bytes, allocations: counted.count_total / MEASURED as u64, tasks }
}

/// Reads until this text has come, and returns all of it.
fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let (mut text, mut buffer) = (String::new(), [0; 1024]);
    while !text.contains(end) {
        let length = stream.read(&mut buffer).unwrap();
        assert!(length > 0, "the connection has ended behind {text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    text
}

fn send(stream: &mut TcpStream, text: &str) {
    let length = u8::try_from(text.len()).unwrap();
    stream.write_all(&[&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat()).unwrap();
}

/// Asks for a WebSocket.
fn upgrade(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\n\
         User-Agent: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

/// A client of our own that has opened a session over a WebSocket, and got an echo.
fn open_native(address: SocketAddr) -> TcpStream {
    static ATTEMPTS: AtomicU64 = AtomicU64::new(0);
    let attempt = ATTEMPTS.fetch_add(1, Relaxed);
    let mut stream = upgrade(address, "/live/websocket");
    read_until(&mut stream, "\r\n\r\n");
    send(&mut stream, &format!("o1,16,{attempt:032x},0:"));
    read_until(&mut stream, "snew,");
    send(&mut stream, "v:n1:mhello");
    read_until(&mut stream, "mhello");
    send(&mut stream, "a1:");
    stream
}

/// The same, which has closed its session, and read the end of the connection.
fn open_and_close(address: SocketAddr) -> TcpStream {
    let mut stream = open_native(address);
    send(&mut stream, "c2,1000,0:");
    read_until(&mut stream, "a2:");
    stream.write_all(&[0x88, 0x82, 0, 0, 0, 0, 3, 232]).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    stream
}

/// A client of Socket.IO that has opened `/` over a WebSocket, and got an answer there.
fn open_socket(address: SocketAddr) -> TcpStream {
    let mut stream = upgrade(address, "/socket.io/?EIO=4&transport=websocket");
    read_until(&mut stream, "maxPayload");
    send(&mut stream, "40");
    read_until(&mut stream, "\"sid\"");
    send(&mut stream, "421[\"r\",\"one\"]");
    read_until(&mut stream, "431[\"one\"]");
    stream
}

/// The same over HTTP. Its last poll waits.
fn open_poll(address: SocketAddr) -> TcpStream {
    let head = format!("Host: {address}\r\nOrigin: http://{address}\r\nUser-Agent: test\r\n");
    let get = |stream: &mut TcpStream, sid: &str| {
        let request = format!("GET /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\n{head}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
    };
    let mut stream = TcpStream::connect(address).unwrap();
    get(&mut stream, "");
    let open = read_until(&mut stream, "maxPayload");
    let sid = open.split("\"sid\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap().to_owned();
    let post = |body: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        let request = format!(
            "POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\n{head}Connection: close\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        read_until(&mut stream, "\r\n\r\nok");
    };
    for (packet, answer) in [("40", "\"sid\""), ("421[\"r\",\"one\"]", "431[\"one\"]")] {
        post(packet);
        get(&mut stream, &sid);
        read_until(&mut stream, answer);
    }
    get(&mut stream, &sid);
    stream
}

/// Our own client over HTTP. Its last poll waits.
fn open_own_poll(address: SocketAddr) -> TcpStream {
    static ATTEMPTS: AtomicU64 = AtomicU64::new(1);
    let mut stream = TcpStream::connect(address).unwrap();
    let post = |stream: &mut TcpStream, path: &str, body: &str| {
        let request = format!(
            "POST /live/{path} HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\nUser-Agent: test\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
    };
    post(&mut stream, "open", &format!("o1,16,{:032x},0:", ATTEMPTS.fetch_add(1, Relaxed)));
    let opened = read_until(&mut stream, "snew,0,");
    let mut fields = opened.split("snew,0,").nth(1).unwrap().split(',');
    let (id, secret) = (fields.next().unwrap(), fields.next().unwrap());
    let path = format!("xhr-poll?session={id}");
    for turn in 1..=2 {
        post(&mut stream, &path, &format!("r1,16,{turn},{},{id},{secret},0:", u8::from(turn > 1)));
        if turn == 1 {
            read_until(&mut stream, "sfull,");
        }
    }
    stream
}

fn server() -> Server<()> {
    Anywire::builder().events(Events::new().on("r", crate::answer)).build()
}

#[test]
fn a_session_of_socketio_over_a_websocket() {
    let PerSession { bytes, tasks, .. } = idle(&server(), open_socket);
    assert!((1000..=4_800).contains(&bytes), "{bytes} bytes");
    assert_eq!(tasks, 2.0, "the handler's, and the connection's");
}

#[test]
fn a_session_over_a_websocket() {
    let PerSession { bytes, tasks, .. } = idle(&Anywire::builder().handler(crate::echo).build(), open_native);
    assert!((1000..=3_000).contains(&bytes), "{bytes} bytes");
    assert_eq!(tasks, 2.0, "the handler's, and the connection's");
}

#[test]
fn a_session_that_is_opened_and_closed() {
    let PerSession { allocations, tasks, .. } = idle(&Anywire::builder().handler(crate::echo).build(), open_and_close);
    // Half of them are of hyper, axum and the headers of the request and of its answer.
    assert!((30..=80).contains(&allocations), "{allocations} allocations");
    assert_eq!(tasks, 0.0, "they have ended");
}

#[test]
fn a_parked_poll_of_socketio() {
    let PerSession { bytes, .. } = idle(&server(), open_poll);
    // Two buffers of hyper's are 16,384 of them.
    assert!((16_384..=22_600).contains(&bytes), "{bytes} bytes");
}

#[test]
fn a_parked_poll_of_our_own_client() {
    let PerSession { bytes, .. } = idle(&server(), open_own_poll);
    // Two buffers of hyper's are 16,384 of them.
    assert!((16_384..=20_800).contains(&bytes), "{bytes} bytes");
}
