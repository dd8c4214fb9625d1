//! A message of a million bytes over a line of 20 kB a second, both ways, with the default settings, on tokio's
//! paused clock: the line is slow, and the connection before it has much room or little.
#![allow(clippy::disallowed_methods)]

mod support;

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use anywire::{Anywire, Message, Session};
use axum::{
    Router,
    body::Body as HttpBody,
    http::{Method, Request, Response},
};
use http_body_util::BodyExt;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use support::{HOST, Io, Parser, Payload, Peer, Record, Site, Socket, SocketEvent, Spelling, attempt, site};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf},
    time::{Sleep, sleep},
};

const LENGTH: usize = 1_000_000;

/// The line brings this many bytes in each step.
const PIECE: usize = 10_000;
const STEP: Duration = Duration::from_millis(500);

/// The bytes that the connection before the slow line can hold: a few kilobytes, or all of a message.
const ROOM: [usize; 2] = [8 * 1024, 4 << 20];

/// The client's end of a slow line.
struct Slow {
    io: DuplexStream,
    read: Option<Pin<Box<Sleep>>>,
    write: Option<Pin<Box<Sleep>>>,
}

/// Waits until the line takes the next piece.
fn pause(step: &mut Option<Pin<Box<Sleep>>>, cx: &mut Context<'_>) -> Poll<()> {
    if let Some(sleep) = step {
        ready!(sleep.as_mut().poll(cx));
        *step = None;
    }
    Poll::Ready(())
}

impl AsyncRead for Slow {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let this = &mut *self;
        ready!(pause(&mut this.read, cx));
        let mut bytes = [0; PIECE];
        let mut piece = ReadBuf::new(&mut bytes[..PIECE.min(buf.remaining())]);
        ready!(Pin::new(&mut this.io).poll_read(cx, &mut piece))?;
        buf.put_slice(piece.filled());
        this.read = Some(Box::pin(sleep(STEP * piece.filled().len() as u32 / PIECE as u32)));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Slow {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let this = &mut *self;
        ready!(pause(&mut this.write, cx));
        let length = ready!(Pin::new(&mut this.io).poll_write(cx, &bytes[..bytes.len().min(PIECE)]))?;
        this.write = Some(Box::pin(sleep(STEP * length as u32 / PIECE as u32)));
        Poll::Ready(Ok(length))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// A server with default settings. It answers a message with its length, and the text `large` with a large
/// message of this kind.
struct Place {
    router: Router,
    room: usize,
}

impl Place {
    fn new(room: usize, large: &Message) -> (Self, Site) {
        let large = large.clone();
        let limit = large.len().max(1 << 20);
        let server = Anywire::builder()
            .message_limit(limit)
            .stream_budget(2 * limit)
            .handler(move |session: Session| {
                let large = large.clone();
                async move {
                    while let Some(message) = session.recv().await {
                        let answer = match message.as_text() {
                            Some("large") => large.clone(),
                            _ => message.len().to_string().into(),
                        };
                        session.send(answer).await.unwrap();
                    }
                }
            })
            .build();
        (Place { router: Router::new().nest("/live", server.routes()), room }, site(&server))
    }

    fn connect(&self) -> Slow {
        let (client, server) = tokio::io::duplex(self.room);
        let service = TowerToHyperService::new(self.router.clone());
        let connection =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(server), service).with_upgrades();
        tokio::spawn(async move { drop(connection.await) });
        Slow { io: client, read: None, write: None }
    }

    async fn post(&self, path: &str, body: Vec<u8>) -> Response<hyper::body::Incoming> {
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(self.connect())).await.unwrap();
        tokio::spawn(connection);
        let request = Request::builder().method(Method::POST).uri(format!("/live/{path}")).header("host", HOST);
        let request = request.header("origin", format!("http://{HOST}")).body(HttpBody::from(body)).unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200);
        response
    }

    async fn socket(&self) -> Socket {
        let request = Request::get(format!("ws://{HOST}/live/websocket"))
            .header("host", HOST)
            .header("origin", format!("http://{HOST}"))
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let io: Box<dyn Io> = Box::new(self.connect());
        let (io, _) = tokio_tungstenite::client_async(request.body(()).unwrap(), io).await.unwrap();
        Socket::new(io)
    }
}

fn large() -> [Message; 2] {
    ["x".repeat(LENGTH).into(), vec![7; LENGTH].into()]
}

fn payload(message: &Message) -> Payload {
    match message {
        Message::Text(text) => Payload::Text(text.to_string()),
        other => Payload::Binary(other.as_bytes().to_vec()),
    }
}

/// Takes from a WebSocket until `count` messages were taken, and answers pings. The link must not end.
async fn take(peer: &mut Peer, socket: &mut Socket, count: usize) {
    while peer.got.len() < count {
        let SocketEvent::Records(records) = socket.next().await else { panic!("the link has ended") };
        for record in &records {
            if let Record::Ping(id) = record {
                socket.text(format!("q{id},{}:", peer.received)).await;
            }
        }
        peer.take(&records);
    }
}

#[tokio::test(start_paused = true)]
async fn over_a_websocket_on_one_link() {
    for room in ROOM {
        for message in large() {
            let (place, site) = Place::new(room, &message);
            let mut peer = Peer::new(&site);
            let mut socket = place.socket().await;
            socket.text(format!("o1,1,{},0:", attempt())).await;
            peer.take(&socket.records().await);
            socket.text("v:n1:").await;
            peer.last = 3;
            socket.payload(&payload(&message)).await;
            take(&mut peer, &mut socket, 1).await;
            assert_eq!(peer.texts(), [LENGTH.to_string()]);
            socket.payload(&"large".into()).await;
            take(&mut peer, &mut socket, 2).await;
            assert_eq!(peer.got[1], payload(&message));
            socket.payload(&"still there".into()).await;
            take(&mut peer, &mut socket, 3).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn over_a_stream_on_one_answer() {
    for room in ROOM {
        for message in large() {
            let (place, site) = Place::new(room, &message);
            let mut peer = Peer::open(&site).await;
            peer.turn = 1;
            let mut stream = place.post(&peer.path("fetch-stream"), peer.resume().bytes).await.into_body();
            let mut parser = Parser::new(Spelling::Text);
            peer.put(payload(&message));
            peer.put("large");
            let upload = peer.flight(peer.upload_head()).bytes;
            let path = peer.path("send");
            let up = place.post(&path, upload);
            let down = async {
                while peer.got.len() < 2 {
                    let chunk = stream.frame().await.expect("one answer").unwrap().into_data().unwrap();
                    peer.take(&parser.feed(&chunk));
                }
            };
            tokio::join!(up, down);
            assert_eq!(peer.got, [LENGTH.to_string().as_str().into(), payload(&message)]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn over_polls_in_one_session() {
    for room in ROOM {
        for message in large() {
            let (place, site) = Place::new(room, &message);
            let mut peer = Peer::open(&site).await;
            peer.put(payload(&message));
            peer.put("large");
            place.post(&peer.path("send"), peer.flight(peer.upload_head()).bytes).await;
            // A page in which nothing else is under way: the session waits for its next poll.
            while peer.got.len() < 2 {
                peer.turn += 1;
                let answer = place.post(&peer.path("xhr-poll"), peer.resume().bytes).await.into_body();
                let body = answer.collect().await.unwrap().to_bytes();
                peer.take(&Parser::body(Spelling::Text, &body));
            }
            assert_eq!(peer.got, [LENGTH.to_string().as_str().into(), payload(&message)]);
            peer.poll().await;
        }
    }
}

/// Longer than a ping may wait to be sent and answered.
#[tokio::test(start_paused = true)]
async fn a_download_goes_on_for_as_long_as_the_client_reads() {
    let message = Message::from("x".repeat(2 * LENGTH));
    let (place, site) = Place::new(ROOM[0], &message);
    let mut peer = Peer::new(&site);
    let mut socket = place.socket().await;
    socket.text(format!("o1,1,{},0:", attempt())).await;
    peer.take(&socket.records().await);
    peer.last = 1;
    socket.text("v:n1:").await;
    socket.payload(&"large".into()).await;
    take(&mut peer, &mut socket, 1).await;

    let (place, site) = Place::new(ROOM[0], &message);
    let mut peer = Peer::open(&site).await;
    peer.turn = 1;
    let mut stream = place.post(&peer.path("fetch-stream"), peer.resume().bytes).await.into_body();
    peer.send("large").await;
    let mut parser = Parser::new(Spelling::Text);
    let mut large = true;
    while peer.got.len() < 2 {
        let chunk = stream.frame().await.expect("one answer").unwrap().into_data().unwrap();
        let records = parser.feed(&chunk);
        assert!(!records.iter().any(|record| matches!(record, Record::LinkClose(..))), "the link has ended");
        peer.take(&records);
        if large && !peer.got.is_empty() {
            large = false;
            peer.send("behind it").await;
        }
    }
}
