//! WebSockets whose sessions are on another node.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{Method, StatusCode, Version, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::{SinkExt, StreamExt, future::BoxFuture};
use hyper::{
    body::Incoming,
    ext::Protocol,
    server::conn::{http1, http2},
    upgrade::OnUpgrade,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::oneshot,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest, protocol::Role},
};

use super::lab::{Node, Weather, pair};
use crate::{
    server::other_nodes::PassedOn,
    session::{CloseReason, reason},
    transport::handshake,
};

/// Accepts WebSockets, says hello before anything comes, and says again what comes.
fn echo() -> Router {
    Router::new().fallback(|request: Request| async {
        let (mut parts, _) = request.into_parts();
        let response = match handshake::accept(&parts) {
            Ok(response) => handshake::with_protocol(response, &parts, &["v12.stomp"]),
            Err(text) => return (StatusCode::GONE, [("x-refused", "1")], text).into_response(),
        };
        let upgrade = parts.extensions.remove::<OnUpgrade>().unwrap();
        let uri = parts.uri.to_string();
        tokio::spawn(async move {
            let io = TokioIo::new(upgrade.await.unwrap());
            let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
            socket.send(Message::text(uri)).await.unwrap();
            while let Some(Ok(message)) = socket.next().await {
                if message.is_text() || message.is_binary() {
                    socket.send(message).await.unwrap();
                }
            }
        });
        response.map(|()| Body::empty())
    })
}

type Answer = BoxFuture<'static, Result<Response, Infallible>>;

/// The ingress: an HTTP server that forwards all.
fn ingress(a: &Arc<Node>) -> impl Fn(Request<Incoming>) -> Answer + Send + 'static + use<> {
    let a = a.clone();
    move |request| {
        let a = a.clone();
        Box::pin(async move {
            let forwarded = a.forward(request.map(Body::new)).await;
            Ok(forwarded.unwrap_or_else(|reason| {
                (StatusCode::from_u16(reason::status_of(reason.code())).unwrap(), reason.to_string()).into_response()
            }))
        })
    }
}

/// A connection to the ingress over HTTP/1.1.
fn connect(a: &Arc<Node>) -> DuplexStream {
    let (client, server) = tokio::io::duplex(64 * 1024);
    let service = hyper::service::service_fn(ingress(a));
    tokio::spawn(async move {
        let _ = http1::Builder::new().serve_connection(TokioIo::new(server), service).with_upgrades().await;
    });
    client
}

async fn open(a: &Arc<Node>) -> WebSocketStream<DuplexStream> {
    let mut request = "ws://chat.test/live/websocket?session=b.1".into_client_request().unwrap();
    request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, "v12.stomp".parse().unwrap());
    let (mut socket, answer) = tokio_tungstenite::client_async(request, connect(a)).await.unwrap();
    assert_eq!(answer.headers()[header::SEC_WEBSOCKET_PROTOCOL], "v12.stomp");
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("/live/websocket?session=b.1"));
    socket
}

#[tokio::test(start_paused = true)]
async fn a_websocket_goes_through() {
    let (_, a, _b) = pair(echo()).await;
    let a = Arc::new(a);
    let mut socket = open(&a).await;
    for length in [0, 1, 125, 126, 70_000, 1 << 20] {
        let message = Message::binary(vec![7; length]);
        let (mut write, mut read) = socket.split();
        let (sent, got) = tokio::join!(write.send(message.clone()), read.next());
        sent.unwrap();
        assert_eq!(got.unwrap().unwrap(), message);
        socket = write.reunite(read).unwrap();
    }
    let figures = a.links.figures();
    assert_eq!((figures.forwarded, figures.tunnels, figures.tunnels_open), (1, 1, 1));
    socket.close(None).await.unwrap();
    while socket.next().await.is_some() {}
    drop(socket);
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(a.links.figures().tunnels_open, 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_client_sends_behind_its_handshake_is_not_lost() {
    let (_, a, _b) = pair(echo()).await;
    let a = Arc::new(a);
    let mut io = connect(&a);
    let mut bytes = b"GET /x HTTP/1.1\r\nhost: chat.test\r\nconnection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        .to_vec();
    super::super::frames::put_text(&mut bytes, b"early", [1, 2, 3, 4]);
    io.write_all(&bytes).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(io.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert!(head.contains("\r\nsec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"), "{head}");
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Client, None).await;
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("/x"));
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("early"));
}

#[tokio::test(start_paused = true)]
async fn a_refused_handshake_is_passed_on() {
    let (_, a, _b) = pair(echo()).await;
    let mut io = connect(&Arc::new(a));
    io.write_all(b"GET / HTTP/1.1\r\nhost: chat.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"not a WebSocket handshake of version 13") {
        answer.push(io.read_u8().await.unwrap());
    }
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 410 ") && answer.contains("x-refused: 1"), "{answer}");
}

/// The client goes, the other node ends, or the wire breaks: all that is left of a tunnel ends.
#[tokio::test(start_paused = true)]
async fn each_end_of_a_tunnel_learns_of_the_other_one() {
    let (net, a, _b) = pair(echo()).await;
    let a = Arc::new(a);
    let socket = open(&a).await;
    drop(socket);
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(a.links.figures().tunnels_open, 0);
    let mut socket = open(&a).await;
    net.weather(Weather::Broken);
    assert!(socket.next().await.is_none_or(|message| message.is_err()));
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!((a.links.figures().tunnels, a.links.figures().tunnels_open), (2, 0));
    let error = tokio_tungstenite::client_async("ws://chat.test/", connect(&a)).await.unwrap_err();
    assert!(error.to_string().contains("503"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn tunnels_end_with_the_node() {
    let (_, a, _b) = pair(echo()).await;
    let a = Arc::new(a);
    let (client, server) = tokio::io::duplex(64 * 1024);
    let weak = Arc::downgrade(&a);
    tokio::spawn(async move {
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let forwarded = weak.upgrade().unwrap().links.forward("b", "m", request.map(Body::new));
            async { Ok::<_, Infallible>(forwarded.await.unwrap()) }
        });
        let _ = http1::Builder::new().serve_connection(TokioIo::new(server), service).with_upgrades().await;
    });
    let (mut socket, _) = tokio_tungstenite::client_async("ws://chat.test/x", client).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("/x"));
    drop(a);
    assert!(socket.next().await.is_none_or(|message| message.is_err()));
}

/// An extended CONNECT (RFC 8441).
#[tokio::test(start_paused = true)]
async fn a_websocket_over_http2_goes_through() {
    let (_, a, _b) = pair(echo()).await;
    let (client, server) = tokio::io::duplex(64 * 1024);
    let a = Arc::new(a);
    let service = hyper::service::service_fn(ingress(&a));
    tokio::spawn(async move {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        let _ = builder.enable_connect_protocol().serve_connection(TokioIo::new(server), service).await;
    });
    let (mut requests, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(client)).await.unwrap();
    tokio::spawn(connection);
    // The server's settings, which allow it, must have come.
    requests.send_request(Request::get("http://chat.test/").body(Body::empty()).unwrap()).await.unwrap();
    let mut request = Request::new(Body::empty());
    (*request.method_mut(), *request.version_mut()) = (Method::CONNECT, Version::HTTP_2);
    *request.uri_mut() = "https://chat.test/live/websocket?session=b.1".parse().unwrap();
    request.extensions_mut().insert(Protocol::from_static("websocket"));
    request.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, "13".parse().unwrap());
    let mut answer = requests.send_request(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(!answer.headers().contains_key(header::SEC_WEBSOCKET_ACCEPT));
    let io = TokioIo::new(hyper::upgrade::on(&mut answer).await.unwrap());
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Client, None).await;
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("/live/websocket?session=b.1"));
    socket.send(Message::text("over HTTP/2")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("over HTTP/2"));
}

/// A client whose handshake was answered by the ingress, which has read some messages, and what the ingress has of it.
async fn answered() -> (DuplexStream, Request, PassedOn) {
    let (client, server) = tokio::io::duplex(64 * 1024);
    let (sender, upgraded) = oneshot::channel();
    let sender = Arc::new(std::sync::Mutex::new(Some(sender)));
    tokio::spawn(async move {
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let sender = sender.lock().unwrap().take().unwrap();
            async move {
                let (mut parts, _) = request.into_parts();
                let response = handshake::accept(&parts).unwrap().map(|()| Body::empty());
                let upgrade = parts.extensions.remove::<OnUpgrade>().unwrap();
                let _ = sender.send((parts, upgrade));
                Ok::<_, Infallible>(response)
            }
        });
        let _ = http1::Builder::new().serve_connection(TokioIo::new(server), service).with_upgrades().await;
    });
    let (socket, _) = tokio_tungstenite::client_async("ws://chat.test/live/websocket", client).await.unwrap();
    let (parts, upgrade) = upgraded.await.unwrap();
    let mut rest = Vec::new();
    super::super::frames::put_text(&mut rest, b"third", [9, 8, 7, 6]);
    let messages = ["first", "second"].map(Bytes::from).into();
    let socket = (socket.into_inner(), Request::from_parts(parts, Body::empty()), upgrade.await.unwrap());
    (socket.0, socket.1, PassedOn { connection: socket.2.into(), messages, rest: rest.into() })
}

#[tokio::test(start_paused = true)]
async fn a_websocket_that_was_answered_here_is_passed_on() {
    let (_, a, _b) = pair(echo()).await;
    let (client, request, socket) = answered().await;
    let passing = tokio::spawn(a.links.pass_on("b", "m", request, socket));
    let mut socket = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
    for text in ["/live/websocket", "first", "second", "third"] {
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(text));
    }
    socket.send(Message::text("fourth")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("fourth"));
    assert_eq!(a.links.figures().tunnels_open, 1);
    drop(socket);
    assert!(passing.await.unwrap().is_ok());
    assert_eq!((a.links.figures().tunnels, a.links.figures().tunnels_open), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_passed_on_is_given_back_unread() {
    let gone = Router::new().fallback(|| async { StatusCode::GONE });
    let (net, a, _b) = pair(gone).await;
    let given_back = async |a: &Node, expected: CloseReason| {
        let (mut client, request, socket) = answered().await;
        let refused = a.links.pass_on("b", "m", request, socket).await.err().unwrap();
        assert_eq!((refused.reason, refused.socket.messages.len()), (expected, 2));
        let mut io = refused.socket.connection;
        io.write_all(b"here").await.unwrap();
        let mut bytes = [0; 4];
        client.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"here");
    };
    given_back(&a, reason::UNKNOWN).await;
    net.weather(Weather::Broken);
    given_back(&a, reason::UNREACHABLE).await;
    a.knows(&[]);
    given_back(&a, reason::UNKNOWN).await;
    assert_eq!(a.links.figures().tunnels, 0);
}

/// A client that has nothing more to say still hears what the node says last, and a node that has ended has ended all.
#[tokio::test(start_paused = true)]
async fn the_node_has_the_last_word() {
    use super::super::copying::copy;
    let (mut client, mut near) = tokio::io::duplex(8);
    let (mut far, mut node) = tokio::io::duplex(8);
    let copying = tokio::spawn(async move { copy(&mut near, &mut far).await });
    let (said, heard) = (vec![1; 100_000], vec![2; 100_000]);
    let talk = async {
        client.write_all(&said).await.unwrap();
        client.shutdown().await.unwrap();
        let mut bytes = Vec::new();
        client.read_to_end(&mut bytes).await.unwrap();
        assert_eq!(bytes, heard);
    };
    let listen = async {
        let mut bytes = Vec::new();
        node.read_to_end(&mut bytes).await.unwrap();
        assert_eq!(bytes, said);
        node.write_all(&heard).await.unwrap();
        drop(node);
    };
    tokio::join!(talk, listen);
    copying.await.unwrap().unwrap();
}
