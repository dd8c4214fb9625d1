//! Nodes whose server of Redis fails, and what they leave there.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use anywire::{BusEvent, BusInbox, Claim, Cluster, Publication, Redis};
use axum::body::Bytes;
use tokio::time::{sleep, timeout};

use super::{
    histories::{all, records, topic},
    node::{Node, in_time},
    server::Server,
};

const LONG: Duration = Duration::from_secs(60);

/// Waits until something is so.
async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
        sleep(Duration::from_millis(20)).await;
    }
}

async fn answers(node: &Node) -> bool {
    node.directory.look(b"any").await.is_ok()
}

#[tokio::test]
async fn a_killed_connection_is_told_and_made_anew() {
    let Some(server) = Server::start(&[]) else { return };
    let mut a = Node::with(server.engine(), &["room", "other"]).await;
    for round in 0..5 {
        assert_eq!(server.command("CLIENT KILL TYPE pubsub"), ":1");
        assert_eq!(a.event().await, BusEvent::Cut);
        assert_eq!(a.event().await, BusEvent::Whole);
        a.publish("room", &round.to_string()).await.unwrap();
        assert_eq!(a.received().await.1, round.to_string());
    }
    assert_eq!(server.subscribers("anywire:room:room"), 1);
    a.nothing_more().await;
}

#[tokio::test]
async fn connections_for_commands_are_made_anew() {
    let Some(server) = Server::start(&[]) else { return };
    let mut a = Node::with(server.engine(), &["room"]).await;
    a.publish("room", "1").await.unwrap();
    a.directory.claim(b"key", b"a", LONG).await.unwrap();
    assert_eq!(server.command("CLIENT KILL TYPE normal SKIPME yes"), ":2");
    a.publish_at_last("room", "2").await;
    until("the directory is there again", async || answers(&a).await).await;
    assert_eq!(a.directory.claim(b"key", b"b", LONG).await.unwrap(), Claim::Held(Bytes::from("a")));
    assert_eq!(a.bodies(2).await, ["1", "2"]);
}

#[tokio::test]
async fn a_server_that_is_not_there_yet_is_waited_for() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut nobody = Node::new(Redis::new(&format!("redis://127.0.0.1:{port}")).unwrap());
    in_time("four errors without a server", async {
        nobody.publish("room", "x").await.unwrap_err();
        nobody.directory.claim(b"key", b"a", LONG).await.unwrap_err();
        nobody.directory.beat(b"a", b"a", LONG).await.unwrap_err();
        nobody.add(&["room"]).await.unwrap_err();
    })
    .await;
    assert!(timeout(Duration::from_millis(300), nobody.event()).await.is_err(), "it is neither whole nor cut");
    // A server that is killed and comes back where it was is the same thing at a port that is ours.
    let Some(mut server) = Server::start(&[]) else { return };
    server.kill();
    let mut a = Node::new(server.engine());
    a.add(&["room", "dropped"]).await.unwrap_err();
    a.remove(&["dropped"]).await.unwrap_err();
    server.start_again();
    assert_eq!(a.event().await, BusEvent::Whole);
    a.publish_at_last("dropped", "x").await;
    a.publish("room", "remembered").await.unwrap();
    assert_eq!(a.received().await.1, "remembered");
}

#[tokio::test]
async fn a_server_is_killed_and_started_again() {
    let Some(mut server) = Server::start(&[]) else { return };
    let mut a = Node::with(server.engine(), &["room"]).await;
    let mut b = Node::with(server.engine(), &["room"]).await;
    a.directory.beat(b"a", b"of a", LONG).await.unwrap();
    b.directory.claim(b"key", b"b", LONG).await.unwrap();
    server.kill();
    assert_eq!(a.event().await, BusEvent::Cut);
    assert_eq!(b.event().await, BusEvent::Cut);
    in_time("three errors behind the end of the server", async {
        a.publish("room", "lost").await.unwrap_err();
        a.add(&["later"]).await.unwrap_err();
        a.directory.beat(b"a", b"of a", LONG).await.unwrap_err();
    })
    .await;
    server.start_again();
    assert_eq!(a.event().await, BusEvent::Whole);
    assert_eq!(b.event().await, BusEvent::Whole);
    a.publish_at_last("room", "1").await;
    b.publish_at_last("later", "2").await;
    assert_eq!(a.bodies(2).await, ["1", "2"]);
    assert_eq!(b.received().await.1, "1");
    // The next beat restores the directory, which has forgotten all.
    until("the directory is there again", async || answers(&a).await).await;
    assert_eq!(a.directory.beat(b"a", b"of a", LONG).await.unwrap(), ["of a"]);
    assert_eq!(a.directory.claim(b"key", b"a", LONG).await.unwrap(), Claim::Mine);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_server_is_noticed() {
    let Some(server) = Server::start(&[]) else { return };
    let mut a = Node::with(server.engine(), &["room"]).await;
    a.directory.beat(b"a", b"of a", LONG).await.unwrap();
    a.publish("room", "before").await.unwrap();
    assert_eq!(a.received().await.1, "before");
    server.freeze();
    in_time("a silent server is noticed", async {
        let (published, claimed) = tokio::join!(a.publish("room", "in doubt"), a.directory.claim(b"key", b"a", LONG));
        published.unwrap_err();
        claimed.unwrap_err();
        assert_eq!(a.event().await, BusEvent::Cut);
    })
    .await;
    in_time("two errors behind that", async {
        a.directory.claim(b"key", b"a", LONG).await.unwrap_err();
        a.add(&["later"]).await.unwrap_err();
    })
    .await;
    server.thaw();
    assert_eq!(a.event().await, BusEvent::Whole);
    a.publish_at_last("later", "behind").await;
    // The batch in doubt may have come or not, and before this one.
    while a.received().await.1 != "behind" {}
    until("the directory is there again", async || answers(&a).await).await;
}

#[tokio::test]
async fn a_directory_that_was_emptied_fills_again() {
    let Some(server) = Server::start(&[]) else { return };
    let mut a = Node::with(server.engine(), &["room"]).await;
    a.directory.beat(b"a", b"of a", LONG).await.unwrap();
    a.directory.claim(b"key", b"a", LONG).await.unwrap();
    assert_eq!(server.command("FLUSHALL"), "+OK");
    assert_eq!(server.command("SCRIPT FLUSH"), "+OK");
    assert_eq!(a.directory.look(b"key").await.unwrap(), None);
    assert_eq!(a.directory.beat(b"a", b"of a", LONG).await.unwrap(), ["of a"]);
    assert_eq!(a.directory.claim(b"key", b"b", LONG).await.unwrap(), Claim::Mine);
    // Subscriptions are no data.
    a.publish("room", "x").await.unwrap();
    assert_eq!(a.received().await.1, "x");
}

#[tokio::test]
async fn a_replica_is_no_engine() {
    let Some(server) = Server::start(&[]) else { return };
    let mut a = Node::with(server.engine(), &["room"]).await;
    a.directory.beat(b"a", b"of a", LONG).await.unwrap();
    // Of nobody: nothing listens at that port.
    assert_eq!(server.command("REPLICAOF 127.0.0.1 1"), "+OK");
    a.directory.beat(b"a", b"of a", LONG).await.unwrap_err();
    assert_eq!(a.event().await, BusEvent::Cut);
    until("it says why", async || {
        let error = a.directory.beat(b"a", b"of a", LONG).await.unwrap_err().to_string();
        error == "the server is a replica"
    })
    .await;
    assert_eq!(server.command("REPLICAOF NO ONE"), "+OK");
    assert_eq!(a.event().await, BusEvent::Whole);
    until("the directory is there again", async || a.directory.beat(b"a", b"of a", LONG).await.is_ok()).await;
    a.publish_at_last("room", "x").await;
    assert_eq!(a.received().await.1, "x");
}

#[tokio::test]
async fn applications_with_other_prefixes_are_strangers() {
    let Some(server) = Server::start(&[]) else { return };
    let mut a = Node::with(server.engine().prefix("a"), &["room"]).await;
    let mut b = Node::with(server.engine().prefix("b"), &["room"]).await;
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
    let rights = "~anywire:* &anywire:* -@all +hello +eval +time +get +set +del +pexpire +pttl +hset +hgetall +hdel \
                  +hget +hmget +hkeys +hlen +publish +subscribe +unsubscribe";
    let Some(server) = Server::start(&[]) else { return };
    assert_eq!(server.command(&format!("ACL SETUSER app on >hidden-word {rights}")), "+OK");
    assert_eq!(server.command("ACL SETUSER default nopass resetchannels"), "+OK");
    let as_user = |password: &str| Redis::new(&format!("redis://app:{password}@127.0.0.1:{}/0", server.port)).unwrap();
    let mut a = Node::with(as_user("hidden-word"), &["room"]).await;
    a.bus.publish(vec![Publication::new("room", "x"); 3]).await.unwrap();
    assert_eq!(a.bodies(3).await.len(), 3);
    a.remove(&["room"]).await.unwrap();
    a.directory.beat(b"a", b"of a", LONG).await.unwrap();
    a.directory.claim(b"key", b"a", LONG).await.unwrap();
    a.directory.look(b"key").await.unwrap();
    a.directory.release(b"key", b"a").await.unwrap();
    a.directory.leave(b"a").await.unwrap();
    a.bus.interest(vec![topic("room")], vec![]).await.unwrap();
    a.bus.append(records(&topic("room"), 1, 1..=2)).await.unwrap();
    assert_eq!(a.records(2).await[1].body, "1 2");
    assert_eq!(all(&a, &topic("room")).await.records.len(), 2);
    // The script forgets publishers when they are too many.
    a.bus.append((1..=300).flat_map(|publisher| records(&topic("other"), publisher, [1])).collect()).await.unwrap();
    a.nothing_more().await;
    // Another prefix is none of its keys and channels.
    let other = Node::new(as_user("hidden-word").prefix("other"));
    let error = other.publish("room", "x").await.unwrap_err().to_string();
    assert!(error.contains("NOPERM") || error.contains("permission"), "{error}");
    let wrong = Node::new(as_user("wrong-word"));
    let error = wrong.directory.look(b"key").await.unwrap_err().to_string();
    assert!(error.contains("WRONGPASS") && !error.contains("wrong-word"), "{error}");
}

#[tokio::test]
async fn a_socket_of_unix_leads_to_it_too() {
    let Some(server) = Server::start(&["--unixsocket", "socket"]) else { return };
    let url = format!("redis+unix://{}", server.folder.join("socket").display());
    let mut a = Node::with(Redis::new(&url).unwrap(), &["room"]).await;
    a.publish("room", "x").await.unwrap();
    assert_eq!(a.received().await.1, "x");
    assert_eq!(a.directory.beat(b"a", b"of a", LONG).await.unwrap(), ["of a"]);
}

#[tokio::test]
async fn nothing_stays_of_a_node_that_is_gone() {
    let Some(server) = Server::start(&[]) else { return };
    let a = Node::with(server.engine(), &["room"]).await;
    a.publish("room", "x").await.unwrap();
    a.directory.beat(b"a", b"of a", Duration::from_millis(300)).await.unwrap();
    a.directory.claim(b"key", b"a", Duration::from_millis(300)).await.unwrap();
    assert_eq!(server.command("DBSIZE"), ":2");
    let clients = || server.command("CLIENT LIST").lines().count();
    assert_eq!(clients(), 4, "three connections and this one");
    drop(a);
    until("the connections are closed", async || clients() == 1).await;
    until("the keys are gone", async || server.command("DBSIZE") == ":0").await;
}

/// The server drops a node that reads too slowly. That is a cut as any other.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_node_that_is_too_slow_is_cut() {
    let Some(server) = Server::start(&["--client-output-buffer-limit", "pubsub 1mb 0 0"]) else { return };
    let cluster = Cluster::from(server.engine());
    let (events, mut told) = tokio::sync::mpsc::unbounded_channel();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let inbox = BusInbox::new(move |event| {
        let is_first = matches!(&event, BusEvent::Received(_, body) if body == "first");
        events.send(event).unwrap();
        if is_first {
            tokio::task::block_in_place(|| held.lock().unwrap().recv().unwrap());
        }
    });
    let bus = cluster.bus();
    let listening = tokio::spawn({
        let bus = bus.clone();
        async move { bus.run(inbox).await }
    });
    assert_eq!(told.recv().await, Some(BusEvent::Whole));
    bus.interest(vec!["room".into()], vec![]).await.unwrap();
    let writer = Node::connected(server.engine()).await;
    writer.publish("room", "first").await.unwrap();
    let large = Bytes::from(vec![0; 1 << 20]);
    until("the server drops it", async || {
        writer.bus.publish(vec![Publication::new("room", large.clone()); 4]).await.unwrap();
        server.subscribers("anywire:room:room") == 0
    })
    .await;
    release.send(()).unwrap();
    let told = async {
        while told.recv().await != Some(BusEvent::Cut) {}
        while told.recv().await != Some(BusEvent::Whole) {}
        writer.publish("room", "behind").await.unwrap();
        assert_eq!(told.recv().await, Some(BusEvent::Received("room".into(), "behind".into())));
    };
    timeout(Duration::from_secs(20), told).await.unwrap();
    listening.abort();
}

#[test]
fn what_is_wrong_with_a_url_is_told_without_its_password() {
    for url in ["", "host", "http://u:hidden-word@host", "redis://u:hidden-word@host:port", "redis://u:hidden-word@h/x"]
    {
        let text = Redis::new(url).unwrap_err().to_string();
        assert!(text.starts_with("no URL of Redis: ") && !text.contains("hidden-word"), "{text}");
    }
    let text = Redis::new("rediss://u:hidden-word@host").unwrap_err().to_string();
    assert_eq!(text, "connections to Redis by TLS are not there yet: give a URL that begins with redis://");
    let engine = Redis::new("valkey://u:hidden-word@host:77/3").unwrap().prefix("shop");
    assert_eq!(format!("{engine:?}"), "Redis { address: \"host:77\", database: 3, prefix: \"shop\", .. }");
    assert!(!format!("{:?}", Cluster::from(engine)).contains("hidden-word"));
}
