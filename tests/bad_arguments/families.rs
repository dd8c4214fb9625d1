//! The settings of the routes for other people's clients.

use std::time::Duration;

use anywire::{EngineIo, SockJs, SocketIo, Stomp};
use axum::http::Request;
use tower::ServiceExt;

use super::{panics, server};

#[test]
fn engine_io() {
    for short in [Duration::ZERO, Duration::from_micros(999)] {
        assert_eq!(panics(|| EngineIo::new().ping_interval(short)), "a ping interval is at least a millisecond");
        assert_eq!(panics(|| EngineIo::new().ping_timeout(short)), "a ping timeout is at least a millisecond");
        assert_eq!(panics(|| EngineIo::new().upgrade_timeout(short)), "an upgrade timeout is at least a millisecond");
    }
    assert_eq!(panics(|| EngineIo::new().revisions([])), "no revision is left to be served");
    for wrong in [0, 2, 5, 255] {
        let text = format!("revisions 3 and 4 are served, not {wrong}");
        assert_eq!(panics(|| EngineIo::new().revisions([4, wrong])), text);
    }
    for name in ["", "a b", "a=b", "a;b", "é"] {
        assert_eq!(panics(|| EngineIo::new().cookie(name)), format!("{name:?} is not the name of a cookie"));
    }
    let server = server();
    for path in ["", "engine.io", "/{id}/engine.io", "/*", "/a?b"] {
        let text = format!("{path:?} is not the path of a route: it begins with a slash, and has no parameters");
        assert_eq!(panics(|| server.engineio(path)), text);
        assert_eq!(panics(|| server.engineio_with(path, EngineIo::new())), text);
        assert_eq!(panics(|| server.socketio(path)), text);
        assert_eq!(panics(|| server.socketio_with(path, SocketIo::new())), text);
        assert_eq!(panics(|| server.sockjs(path)), text);
        assert_eq!(panics(|| server.sockjs_with(path, SockJs::new())), text);
        assert_eq!(panics(|| server.stomp(path)), text);
        assert_eq!(panics(|| server.stomp_with(path, Stomp::new())), text);
    }
}

#[test]
fn sock_js() {
    for short in [Duration::ZERO, Duration::from_micros(999)] {
        assert_eq!(panics(|| SockJs::new().heartbeat(short)), "a heartbeat's interval is at least a millisecond");
        assert_eq!(panics(|| SockJs::new().disconnect_delay(short)), "a disconnect delay is at least a millisecond");
    }
}

#[test]
fn stomp() {
    for pattern in ["*a", "a*b", "**"] {
        let text = format!("{pattern:?} is no room and no beginning of rooms: a `*` stands at the end");
        assert_eq!(panics(|| Stomp::new().topic(pattern)), text);
    }
    assert_eq!(panics(|| Stomp::new().subscriptions(0)), "a session has room for one subscription at least");
    let text = "a session has room for one unacknowledged message at least";
    assert_eq!(panics(|| Stomp::new().unacknowledged(0)), text);
    for (headers, bytes) in [(0, 1), (1, 0)] {
        assert_eq!(panics(|| Stomp::new().headers(headers, bytes)), "a frame has room for one header at least");
        assert_eq!(panics(|| Stomp::new().queue(headers, bytes)), "a queue has room for one message at least");
    }
    assert_eq!(panics(|| Stomp::new().queues(0)), "a broker has room for one queue at least");
}

#[tokio::test]
async fn socket_io() {
    for short in [Duration::ZERO, Duration::from_micros(999)] {
        let text = "a connect timeout is at least a millisecond";
        assert_eq!(panics(|| SocketIo::new().connect_timeout(short)), text);
        let text = "the time of recovery is at least a millisecond";
        assert_eq!(panics(|| SocketIo::new().recovery(short)), text);
    }
    // The script is whatever the application says, nothing too; a time without end is one.
    let settings = SocketIo::new().connect_timeout(Duration::MAX).client("").engine(EngineIo::new().revisions([4]));
    let router = server().socketio_with("/", settings);
    let ask = async |path: &str| {
        let response =
            router.clone().oneshot(Request::get(path).body(axum::body::Body::empty()).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        (status, axum::body::to_bytes(response.into_body(), 1000).await.unwrap())
    };
    assert_eq!(ask("/socket.io.js").await, (200, "".into()));
    let (status, body) = ask("/?EIO=3&transport=polling").await;
    assert_eq!((status, &body[..]), (400, &br#"{"code":5,"message":"Unsupported protocol version"}"#[..]));
}
