//! The deadlines of a connection, on tokio's paused clock: pipes in memory of which the test reads as slowly as
//! it likes.
#![allow(clippy::disallowed_methods)]

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use axum::routing::{get, post};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    task::JoinHandle,
    time::Instant,
};

use super::*;

/// How many connections were reset.
static RESETS: AtomicUsize = AtomicUsize::new(0);

impl Stream for DuplexStream {
    fn reset_when_dropped(&self) {
        RESETS.fetch_add(1, SeqCst);
    }
}

const PEER: [u8; 4] = [192, 0, 2, 1];

const LARGE: usize = 1_000_000;

fn application() -> Router {
    Router::new()
        .route("/", get(|| async { "page" }))
        .route("/large", get(|| async { vec![b'x'; LARGE] }))
        .route("/slow", get(|| async { sleep(Duration::from_secs(200)).await }))
        .route("/upload", post(|body: Bytes| async move { body.len().to_string() }))
}

/// A served connection, and the client's end of it.
struct Served {
    client: DuplexStream,
    orders: watch::Sender<Order>,
    places: Arc<Places>,
    start: Instant,
    end: JoinHandle<Instant>,
}

impl Served {
    fn new(app: Router) -> Self {
        let (client, server) = tokio::io::duplex(16 * 1024);
        let (orders, _) = watch::channel(Order::Serve);
        let places = Places::new(Most { in_all: 1, of_an_address: 1 });
        let place = places.take(PEER.into()).unwrap();
        let app = App { router: app, shortcuts: [].into() };
        let connection = serve(server, (PEER, 1000).into(), app, place, orders.subscribe());
        let end = tokio::spawn(async move {
            connection.await;
            Instant::now()
        });
        Served { client, orders, places, start: Instant::now(), end }
    }

    async fn write(&mut self, bytes: &str) {
        self.client.write_all(bytes.as_bytes()).await.unwrap();
    }

    async fn request(&mut self, path: &str) {
        self.write(&format!("GET {path} HTTP/1.1\r\nhost: chat.test\r\n\r\n")).await;
    }

    /// Requests the page and reads its answer.
    async fn page(&mut self) {
        self.request("/").await;
        let mut answer = Vec::new();
        while !answer.ends_with(b"page") {
            assert!(self.client.read_buf(&mut answer).await.unwrap() > 0, "closed");
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"));
    }

    /// Waits until the connection has ended. Returns after how many seconds since the start.
    async fn ended(self) -> u64 {
        let end = self.end.await.unwrap();
        assert!(self.places.take(PEER.into()).is_ok(), "its place is free");
        (end - self.start).as_secs()
    }

    /// Reads so many bytes each second, until the connection ends or all of it has come.
    async fn read_at(&mut self, rate: usize) -> usize {
        let mut read = Vec::new();
        loop {
            let before = read.len();
            while read.len() < before + rate {
                let mut piece = vec![0; before + rate - read.len()];
                match self.client.read(&mut piece).await.unwrap() {
                    0 => return read.len(),
                    length => read.extend_from_slice(&piece[..length]),
                }
                if read.len() > LARGE {
                    return read.len();
                }
            }
            sleep(Duration::from_secs(1)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_is_reset_after_twenty_seconds() {
    let resets = RESETS.load(SeqCst);
    let mut served = Served::new(application());
    served.request("/large").await;
    assert_eq!(served.ended().await, 20);
    assert!(RESETS.load(SeqCst) > resets, "what the peer did not take is thrown away");
}

#[tokio::test(start_paused = true)]
async fn a_trickle_ends_and_a_slow_line_goes_on() {
    let mut served = Served::new(application());
    served.request("/large").await;
    let read = served.read_at(100).await;
    // The bytes that the pipe held are read after the end.
    assert!(read < LARGE / 10, "{read}");
    assert_eq!(served.ended().await, 20);

    let mut served = Served::new(application());
    served.request("/large").await;
    assert!(served.read_at(1_000).await > LARGE);
    assert!(served.start.elapsed().as_secs() > 900, "it was slow");
    served.page().await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_has_75_seconds_after_each_answer() {
    assert_eq!(Served::new(application()).ended().await, 75, "a connection that sends nothing");
    let mut served = Served::new(application());
    for _ in 0..4 {
        sleep(Duration::from_secs(74)).await;
        served.page().await;
    }
    assert_eq!(served.ended().await, 4 * 74 + 75);
}

#[tokio::test(start_paused = true)]
async fn a_head_has_30_seconds_from_its_first_byte_on() {
    let mut served = Served::new(application());
    sleep(Duration::from_secs(60)).await;
    served.write("GET / HT").await;
    sleep(Duration::from_secs(29)).await;
    served.write("TP/1.1\r\nhost: chat.test\r\n\r\n").await;
    let mut answer = Vec::new();
    while !answer.ends_with(b"page") {
        assert!(served.client.read_buf(&mut answer).await.unwrap() > 0);
    }
    sleep(Duration::from_secs(60)).await;
    for piece in 0..30 {
        assert_eq!(served.start.elapsed().as_secs(), 149 + piece);
        served.write("G").await;
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(served.ended().await, 149 + 30, "a trickle of a head");
}

#[tokio::test(start_paused = true)]
async fn an_application_may_take_its_time_and_so_may_a_body() {
    let mut served = Served::new(application());
    served.request("/slow").await;
    let mut answer = Vec::new();
    served.client.read_buf(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200") && served.start.elapsed().as_secs() == 200);
    served.write("POST /upload HTTP/1.1\r\nhost: chat.test\r\ncontent-length: 200\r\n\r\n").await;
    for _ in 0..100 {
        sleep(Duration::from_secs(1)).await;
        served.write("xy").await;
    }
    answer.clear();
    while !answer.ends_with(b"\r\n\r\n200") {
        assert!(served.client.read_buf(&mut answer).await.unwrap() > 0, "closed");
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_has_32_kilobytes() {
    for (length, status) in [(30, "HTTP/1.1 200"), (33, "HTTP/1.1 431"), (200, "HTTP/1.1 431")] {
        let served = Served::new(application());
        let (mut read, mut write) = tokio::io::split(served.client);
        let head = format!("GET / HTTP/1.1\r\nhost: chat.test\r\nx: {}\r\n\r\n", "y".repeat(length << 10));
        tokio::spawn(async move {
            // It is refused before the end of a long one.
            let _ = write.write_all(head.as_bytes()).await;
        });
        let mut answer = Vec::new();
        read.read_buf(&mut answer).await.unwrap();
        assert!(answer.starts_with(status.as_bytes()), "{length} KiB: {}", String::from_utf8_lossy(&answer));
    }
}

#[tokio::test(start_paused = true)]
async fn where_places_are_short_only_connections_without_a_request_close() {
    let mut idle = Served::new(application());
    idle.page().await;
    idle.orders.send_replace(Order::CloseIdle);
    assert_eq!(idle.ended().await, 0);
    for begun in ["GET / HTTP/1.1\r\n", "GET /slow HTTP/1.1\r\nhost: chat.test\r\n\r\n"] {
        let mut served = Served::new(application());
        served.write(begun).await;
        sleep(Duration::from_secs(1)).await;
        served.orders.send_replace(Order::CloseIdle);
        sleep(Duration::from_secs(1)).await;
        served.write("host: chat.test\r\n\r\n").await;
        let mut answer = Vec::new();
        served.client.read_buf(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{begun}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_stops_answers_the_request_that_is_under_way() {
    let mut served = Served::new(application());
    served.request("/slow").await;
    sleep(Duration::from_secs(1)).await;
    served.orders.send_replace(Order::Stop);
    let mut answer = Vec::new();
    served.client.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    assert_eq!(served.ended().await, 200);
}

#[test]
fn there_are_no_more_places_than_were_asked_for() {
    let places = Places::new(Most { in_all: 4, of_an_address: 2 });
    let take = |peer: &str| places.take(peer.parse().unwrap());
    let first = [take("192.0.2.1").unwrap(), take("::ffff:192.0.2.1").unwrap()];
    assert_eq!(take("192.0.2.1").unwrap_err(), Full::OfAnAddress, "one address, however it is written");
    let second = [take("2001:db8:1:2::3").unwrap(), take("2001:db8:1:2:4:5:6:7").unwrap()];
    drop(first);
    assert_eq!(take("2001:db8:1:2::8").unwrap_err(), Full::OfAnAddress, "one network");
    let third = [take("2001:db8:1:3::").unwrap(), take("192.0.2.1").unwrap()];
    assert_eq!(take("192.0.2.1").unwrap_err(), Full::InAll);
    drop((second, third));
    let near = ["127.0.0.1", "10.1.2.3", "fe80::1", "fd00::1"].map(|peer| take(peer).unwrap());
    assert_eq!(take("127.0.0.1").unwrap_err(), Full::InAll);
    drop(near);
    let same = [take("10.1.2.3").unwrap(), take("10.1.2.3").unwrap(), take("10.1.2.3").unwrap()];
    assert_eq!(same.len(), 3, "a machine near by may be a proxy");
}

#[tokio::test(start_paused = true)]
async fn a_websocket_that_a_layer_refuses_leaves_no_session() {
    let server = crate::Anywire::builder()
        .origins(crate::Origins::Same.and_programs())
        .handler(|session: crate::Session| async move { while session.recv().await.is_some() {} })
        .build();
    let refuse = axum::middleware::map_response(async |_: Response| StatusCode::FORBIDDEN);
    let mut served = Served::new(Router::new().nest("/raw", server.raw()).layer(refuse));
    served
        .write(
            "GET /raw HTTP/1.1\r\nhost: chat.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .await;
    let mut answer = Vec::new();
    served.client.read_buf(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 403"), "{}", String::from_utf8_lossy(&answer));
    // The connection lives on.
    assert_eq!((server.live().stats().openings_total, server.sessions().len()), (1, 0));
}

/// Opens a session over this connection, and requests a stream of it that the peer does not read.
async fn unread_stream(served: &mut Served, server: &crate::Server) -> crate::Session {
    let body = "o1,1,0123456789abcdefghijklmn,0:";
    served.write(&records("open", body)).await;
    let mut answer = Vec::new();
    let granted = loop {
        assert!(served.client.read_buf(&mut answer).await.unwrap() > 0, "closed");
        let text = String::from_utf8_lossy(&answer).into_owned();
        if let Some((_, granted)) = text.split_once("snew,0,") {
            break granted.to_owned();
        }
    };
    let fields: Vec<_> = granted.split(',').collect();
    let [id, secret] = [fields[0], fields[1]];
    let body = format!("r1,1,1,1,{id},{secret},0:n1:m2:go");
    served.write(&records(&format!("fetch-stream?session={id}"), &body)).await;
    server.session(id).unwrap()
}

fn records(path: &str, body: &str) -> String {
    format!(
        "POST /live/{path} HTTP/1.1\r\nhost: chat.test\r\norigin: http://chat.test\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test(start_paused = true)]
async fn an_unread_stream_ends_soon_after_its_session() {
    let server = crate::Anywire::builder()
        .handler(|session: crate::Session| async move {
            session.recv().await;
            while session.send(vec![b'x'; 100_000]).await.is_ok() {}
        })
        .build();
    let mut served = Served::new(Router::new().nest("/live", server.routes()));
    let session = unread_stream(&mut served, &server).await;
    sleep(Duration::from_secs(5)).await;
    session.abort();
    assert_eq!(served.ended().await, 15);
}
