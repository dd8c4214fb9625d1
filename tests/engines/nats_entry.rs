//! Servers of NATS that are none, or that do not let everybody do everything.

use std::time::Duration;

use anywire::{BusEvent, Claim, Cluster, Nats, Publication};
use axum::body::Bytes;
use tokio::time::timeout;

use super::{
    nats::look_error,
    nats_server::Server,
    node::{Node, in_time},
};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn what_is_no_server_of_nats_is_told() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let said = std::sync::Arc::new(std::sync::Mutex::new("HTTP/1.1 400 Bad Request\r\n"));
    let saying = tokio::spawn({
        let said = said.clone();
        async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let said = *said.lock().unwrap();
                let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, said.as_bytes()).await;
            }
        }
    });
    let engine = || Nats::new(&format!("nats://127.0.0.1:{port}")).unwrap();
    assert_eq!(look_error(&Node::new(engine())).await, "this is no server of NATS");
    *said.lock().unwrap() = "INFO {\"version\":\"2.9.10\",\"max_payload\":1048576}\r\n";
    assert_eq!(look_error(&Node::new(engine())).await, "the server has version 2.9.10: 2.11 is needed");
    *said.lock().unwrap() = "-ERR 'maximum connections exceeded'\r\n";
    assert_eq!(look_error(&Node::new(engine())).await, "the server says: maximum connections exceeded");
    *said.lock().unwrap() = "INFO {\"version\":\"2.11.0\",\"max_payload\":9}\r\n-ERR 'Authorization Violation'\r\n";
    assert_eq!(look_error(&Node::new(engine())).await, "the server says: Authorization Violation");
    saying.abort();
}

#[tokio::test]
async fn applications_with_other_prefixes_are_strangers() {
    let Some(server) = Server::start("") else { return };
    let mut a = Node::with(server.engine().prefix("a"), &["room"]).await;
    let mut b = Node::with(server.engine().prefix("a.b *"), &["room"]).await;
    a.publish("room", "of a").await.unwrap();
    a.directory.claim(b"key", b"a", LONG).await.unwrap();
    a.directory.beat(b"a", b"of a", LONG).await.unwrap();
    assert_eq!(b.directory.claim(b"key", b"b", LONG).await.unwrap(), Claim::Mine);
    assert_eq!(b.directory.beat(b"b", b"of b", LONG).await.unwrap(), ["of b"]);
    assert_eq!(a.received().await.1, "of a");
    b.nothing_more().await;
}

#[tokio::test]
async fn a_user_has_the_rights_that_are_documented() {
    let rights = "publish: [\"anywire.>\", \"$JS.API.STREAM.*.anywire\", \"$JS.API.STREAM.MSG.*.anywire\", \
                  \"$JS.API.DIRECT.GET.anywire\"], subscribe: \"anywire.>\"";
    let users = format!("{{user: app, password: hidden-word, permissions: {{{rights}}}}}");
    let Some(server) = Server::start(&format!("authorization {{users: [{users}]}}")) else { return };
    let as_user = |password: &str| Nats::new(&format!("nats://app:{password}@127.0.0.1:{}", server.port)).unwrap();
    let mut a = Node::with(as_user("hidden%2Dword"), &["room"]).await;
    a.bus.publish(vec![Publication::new("room", "x"); 3]).await.unwrap();
    assert_eq!(a.bodies(3).await.len(), 3);
    a.remove(&["room"]).await.unwrap();
    assert_eq!(a.directory.beat(b"a", b"of a", LONG).await.unwrap(), ["of a"]);
    a.directory.claim(b"key", b"a", LONG).await.unwrap();
    assert_eq!(a.directory.claim(b"key", b"b", LONG).await.unwrap(), Claim::Held(Bytes::from("a")));
    a.directory.look(b"key").await.unwrap();
    a.directory.release(b"key", b"a").await.unwrap();
    a.directory.leave(b"a").await.unwrap();
    a.nothing_more().await;
    // Another prefix is none of its subjects.
    let other = Node::new(as_user("hidden-word").prefix("other"));
    let error = other.publish("room", "x").await.unwrap_err().to_string();
    assert!(error.contains("Permissions Violation"), "{error}");
    let error = in_time("the directory says what is missing", look_error(&other)).await;
    assert!(error.contains("Permissions Violation"), "{error}");
    let wrong = Node::new(as_user("wrong-word"));
    let error = look_error(&wrong).await;
    assert!(error.contains("Authorization Violation") && !error.contains("wrong-word"), "{error}");
}

/// A subscription that the server refuses is an error, and not a topic that stays silent.
#[tokio::test]
async fn a_topic_that_is_refused_is_told() {
    let rights = "publish: \">\", subscribe: {allow: \"anywire.>\", deny: \"anywire.room.secret\"}";
    let users = format!("{{user: app, password: word, permissions: {{{rights}}}}}");
    let Some(server) = Server::start(&format!("authorization {{users: [{users}]}}")) else { return };
    let engine = Nats::new(&format!("nats://app:word@127.0.0.1:{}", server.port)).unwrap();
    let mut a = Node::with(engine, &["room"]).await;
    let error = a.add(&["secret"]).await.unwrap_err().to_string();
    assert!(error.contains("Permissions Violation") && error.contains("anywire.room.secret"), "{error}");
    assert_eq!(a.event().await, BusEvent::Cut);
    // As long as it is wanted, the node is not whole.
    a.add(&["other"]).await.unwrap_err();
    assert!(timeout(Duration::from_millis(500), a.event()).await.is_err());
    a.remove(&["secret"]).await.unwrap_err();
    assert_eq!(a.event().await, BusEvent::Whole);
    a.publish("other", "x").await.unwrap();
    assert_eq!(a.received().await, (Bytes::from("other"), Bytes::from("x")));
}

#[tokio::test]
async fn a_token_opens_the_server() {
    let Some(server) = Server::start("authorization {token: \"a word\"}") else { return };
    let mut a = Node::with(Nats::new(&format!("nats://a%20word@127.0.0.1:{}", server.port)).unwrap(), &["room"]).await;
    a.publish("room", "x").await.unwrap();
    assert_eq!(a.received().await.1, "x");
    let error = look_error(&Node::new(server.engine())).await;
    assert!(error.contains("Authorization Violation"), "{error}");
}

#[test]
fn what_is_wrong_with_a_url_is_told_without_its_password() {
    for url in ["", "host", "http://u:hidden-word@host", "nats://u:hidden-word@host:port", "nats://u:hidden-word@h/x"] {
        let text = Nats::new(url).unwrap_err().to_string();
        assert!(text.starts_with("no URL of NATS: ") && !text.contains("hidden-word"), "{text}");
    }
    let text = Nats::new("tls://u:hidden-word@host").unwrap_err().to_string();
    assert_eq!(text, "connections to NATS by TLS are not there yet: give a URL that begins with nats://");
    let engine = Nats::new("nats://u:hidden-word@host:77,nats://other").unwrap().prefix("shop").replicas(3);
    let text = "Nats { addresses: \"host:77,other:4222\", prefix: \"shop\", replicas: 3, .. }";
    assert_eq!(format!("{engine:?}"), text);
    assert!(!format!("{:?}", Cluster::from(engine)).contains("hidden-word"));
}
