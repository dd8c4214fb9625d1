//! Nodes whose server of NATS fails, and what they leave there.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use anywire::{BusEvent, Claim, Cluster, Nats, Publication};
use axum::body::Bytes;
use futures::FutureExt;
use tokio::time::{sleep, timeout};

use super::{
    nats_server::Server,
    node::{Node, in_time},
    proxy::Proxy,
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

pub async fn look_error(node: &Node) -> String {
    node.directory.look(b"key").await.unwrap_err().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_connection_is_told_and_made_anew() {
    let Some(server) = Server::start("") else { return };
    let proxy = Proxy::new(server.port).await;
    let mut a = Node::with(Nats::new(&proxy.url()).unwrap(), &["room", "other"]).await;
    a.remove(&["other"]).await.unwrap();
    let writer = Node::connected(server.engine()).await;
    a.directory.claim(b"key", b"a", LONG).await.unwrap();
    for round in 0..5 {
        proxy.cut();
        assert_eq!(a.event().await, BusEvent::Cut);
        assert_eq!(a.event().await, BusEvent::Whole);
        writer.publish("other", "dropped").await.unwrap();
        writer.publish("room", &round.to_string()).await.unwrap();
        assert_eq!(a.received().await.1, round.to_string());
        // The connections for commands are made anew too.
        a.publish_at_last("room", "own").await;
        assert_eq!(a.received().await.1, "own");
        until("the directory is there again", async || answers(&a).await).await;
        assert_eq!(a.directory.claim(b"key", b"b", LONG).await.unwrap(), Claim::Held(Bytes::from("a")));
    }
    a.nothing_more().await;
}

#[tokio::test]
async fn a_server_that_is_not_there_yet_is_waited_for() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut nobody = Node::new(Nats::new(&format!("nats://127.0.0.1:{port}")).unwrap());
    in_time("four errors without a server", async {
        nobody.publish("room", "x").await.unwrap_err();
        nobody.directory.claim(b"key", b"a", LONG).await.unwrap_err();
        nobody.directory.beat(b"a", b"a", LONG).await.unwrap_err();
        nobody.add(&["room"]).await.unwrap_err();
    })
    .await;
    assert!(timeout(Duration::from_millis(300), nobody.event()).await.is_err(), "it is neither whole nor cut");
    // A server that is killed and comes back where it was is the same thing at a port that is ours.
    let Some(mut server) = Server::start("") else { return };
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
    let Some(mut server) = Server::start("") else { return };
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
    let Some(server) = Server::start("") else { return };
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
    let Some(server) = Server::start("") else { return };
    let mut a = Node::with(server.engine(), &["room"]).await;
    a.directory.beat(b"a", b"of a", LONG).await.unwrap();
    a.directory.claim(b"key", b"a", LONG).await.unwrap();
    let delete = || assert_eq!(server.ask("$JS.API.STREAM.DELETE.anywire", "")["success"], true);
    delete();
    assert_eq!(a.directory.look(b"key").await.unwrap(), None);
    a.directory.release(b"key", b"a").await.unwrap();
    a.directory.leave(b"a").await.unwrap();
    assert_eq!(a.directory.beat(b"a", b"of a", LONG).await.unwrap(), ["of a"]);
    assert_eq!(a.directory.claim(b"key", b"b", LONG).await.unwrap(), Claim::Mine);
    delete();
    assert_eq!(a.directory.claim(b"key", b"c", LONG).await.unwrap(), Claim::Mine);
    delete();
    assert_eq!(a.directory.swap(b"key", b"x", b"y", LONG).await.unwrap(), Claim::Mine);
    assert_eq!(a.directory.claim(b"key", b"c", LONG).await.unwrap(), Claim::Held(Bytes::from("y")));
    // Subscriptions are no data.
    a.publish("room", "x").await.unwrap();
    assert_eq!(a.received().await.1, "x");
}

#[tokio::test]
async fn a_server_without_a_stream_for_us_is_told() {
    let Some(plain) = Server::start_plain() else { return };
    let mut a = Node::with(plain.engine(), &["room"]).await;
    a.publish("room", "the bus is there").await.unwrap();
    assert_eq!(a.received().await.1, "the bus is there");
    assert_eq!(look_error(&a).await, "JetStream is not there: the server needs it to be enabled");
    let Some(server) = Server::start("") else { return };
    let config = r#"{"name":"anywire","subjects":["anywire.claim.*"],"storage":"memory"}"#;
    server.ask("$JS.API.STREAM.CREATE.anywire", config);
    let mut b = Node::with(server.engine(), &["room"]).await;
    assert_eq!(look_error(&b).await, "the server's stream anywire is another one: delete it, or set another prefix");
    b.publish("room", "x").await.unwrap();
    assert_eq!(b.received().await.1, "x");
    server.ask("$JS.API.STREAM.DELETE.anywire", "");
    until("it makes its own", async || answers(&b).await).await;
    // More replicas than there are servers.
    let c = Node::new(server.engine().prefix("other").replicas(3));
    let error = look_error(&c).await;
    assert!(error.starts_with("the server says: ") && error.contains("replicas"), "{error}");
    let d = Node::new(server.engine().replicas(3));
    assert!(answers(&d).await, "what another node has made is taken");
}

#[tokio::test]
async fn another_server_is_taken() {
    let Some(mut first) = Server::start("") else { return };
    let Some(second) = Server::start("") else { return };
    let both = Nats::new(&format!("{},{}", first.url(), second.url())).unwrap();
    let mut a = Node::with(both.clone(), &["room"]).await;
    assert_eq!(first.figure("connections"), 1);
    // It says that it ends soon, and the node does not wait for that.
    first.make_lame();
    assert_eq!(a.event().await, BusEvent::Cut);
    assert_eq!(a.event().await, BusEvent::Whole);
    a.publish_at_last("room", "x").await;
    assert_eq!(a.received().await.1, "x");
    first.kill();
    let b = Node::connected(both).await;
    until("both are there", async || answers(&a).await && answers(&b).await).await;
    b.publish_at_last("room", "of b").await;
    assert_eq!(a.received().await.1, "of b");
}

/// Three servers are one engine: what one of them knows survives it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_of_servers_goes_on_without_one_of_them() {
    let Some(mut servers) = Server::start_three() else { return };
    let urls: Vec<String> = servers.iter().map(Server::url).collect();
    let mut nodes = Vec::new();
    for n in 0..3 {
        // Each begins with another server.
        let urls = [&urls[n..], &urls[..n]].concat().join(",");
        nodes.push(Node::with(Nats::new(&urls).unwrap().replicas(3), &["room"]).await);
    }
    until("the servers agree", async || answers(&nodes[0]).await).await;
    let claim = async |n: usize, value: &'static str| {
        until_some(async || nodes[n].directory.claim(b"key", value.as_bytes(), LONG).await.ok()).await
    };
    assert_eq!(claim(0, "a").await, Claim::Mine);
    assert_eq!(claim(1, "b").await, Claim::Held(Bytes::from("a")));
    // The server that answers for the stream is the one that ends.
    let leader = servers[0].ask("$JS.API.STREAM.INFO.anywire", "")["cluster"]["leader"].clone();
    let leader = (0..3).find(|n| leader == format!("server-{n}")).unwrap();
    servers[leader].kill();
    assert_eq!(claim(2, "c").await, Claim::Held(Bytes::from("a")));
    assert_eq!(claim(leader, "c").await, Claim::Held(Bytes::from("a")));
    let living = async || nodes[0].directory.beat(b"a", b"of a", LONG).await.is_ok_and(|living| living == ["of a"]);
    until("it beats", living).await;
    nodes[leader].wait_for(BusEvent::Whole).await;
    // The servers tell each other what their nodes want, a moment later than the nodes are told.
    let (bus, stop) = (nodes[0].bus.clone(), tokio::sync::Notify::new());
    let saying = async {
        while bus.publish(vec![Publication::new("room", "x")]).await.is_err()
            || stop.notified().now_or_never().is_none()
        {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let hearing = async {
        for node in &mut nodes {
            node.wait_for(BusEvent::Received(Bytes::from("room"), Bytes::from("x"))).await;
        }
        stop.notify_one();
    };
    tokio::join!(saying, hearing);
}

/// The result, as soon as there is one.
async fn until_some<T>(result: impl AsyncFn() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(result) = result().await {
            return result;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "there is no result");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn nothing_stays_of_a_node_that_is_gone() {
    let Some(server) = Server::start("") else { return };
    // The stream has subscriptions of its own.
    let other = Node::new(server.engine());
    assert!(answers(&other).await);
    drop(other);
    until("the connections are closed", async || server.figure("connections") == 0).await;
    let alone = server.figure("subscriptions");
    let a = Node::with(server.engine(), &["room"]).await;
    a.publish("room", "x").await.unwrap();
    a.directory.beat(b"a", b"of a", Duration::from_millis(300)).await.unwrap();
    a.directory.claim(b"key", b"a", Duration::from_millis(300)).await.unwrap();
    let messages = || server.ask("$JS.API.STREAM.INFO.anywire", "")["state"]["messages"].clone();
    assert_eq!(messages(), 2);
    until("the node has three connections", async || server.figure("connections") == 3).await;
    drop(a);
    until("the connections are closed", async || server.figure("connections") == 0).await;
    until("the values are gone", async || messages() == 0).await;
    until("the subscriptions are gone", async || server.figure("subscriptions") == alone).await;
}

/// Strangers may publish on our subjects, which harms nobody.
#[tokio::test]
async fn garbage_is_passed_over() {
    let Some(server) = Server::start("") else { return };
    let mut a = Node::with(server.engine(), &["room", "a.b"]).await;
    a.directory.beat(b"a", b"of a", LONG).await.unwrap();
    for words in
        ["PUB anywire.node.b 4\r\njunk", "PUB anywire.claim.key 0\r\n", "PUB anywire.claim.key2 9\r\nx of them"]
    {
        server.say(words);
    }
    server.say("HPUB anywire.node.c 21 21\r\nNATS/1.0\r\nodd: \u{fc}\r\n\r\n");
    assert_eq!(a.directory.beat(b"a", b"of a", LONG).await.unwrap(), ["of a"]);
    for key in [b"key".as_slice(), b"key2"] {
        assert_eq!(a.directory.look(key).await.unwrap(), None);
        assert_eq!(a.directory.claim(key, b"a", LONG).await.unwrap(), Claim::Mine);
        assert_eq!(a.directory.claim(key, b"b", LONG).await.unwrap(), Claim::Held(Bytes::from("a")));
    }
    // Subjects that are nearly ours, and answers that nobody has asked for.
    for subject in ["anywire.room.a.b", "anywire.room.other", "anywire.room", "anywire.inbox.x.1"] {
        server.say(&format!("PUB {subject} 4\r\njunk"));
    }
    // On a subject of ours it comes, without its headers: who reads it knows garbage.
    server.say("HPUB anywire.room.room answers 12 16\r\nNATS/1.0\r\n\r\njunk");
    assert_eq!(a.received().await, (Bytes::from("room"), Bytes::from("junk")));
    a.nothing_more().await;
}

#[tokio::test]
async fn a_message_of_any_size_is_carried_or_refused() {
    let Some(server) = Server::start("max_payload: 100000") else { return };
    let mut reader = Node::with(server.engine(), &["room"]).await;
    let writer = Node::connected(server.engine()).await;
    let of = |length: usize| Publication::new("room", vec![b'x'; length]);
    for length in [0, 1, 99_999, 100_000] {
        writer.bus.publish(vec![of(length)]).await.unwrap();
        assert_eq!(reader.received().await.1.len(), length);
    }
    // One that is too large does not hold up the others.
    writer.bus.publish(vec![of(7), of(100_001), of(8), of(1_000_000), of(9)]).await.unwrap();
    let lengths: Vec<usize> = reader.bodies(3).await.iter().map(Bytes::len).collect();
    assert_eq!(lengths, [7, 8, 9]);
    // A batch of many is larger than the server takes at once.
    writer.bus.publish(vec![of(90_000); 50]).await.unwrap();
    assert_eq!(reader.bodies(50).await.len(), 50);
    // A line of the protocol has a bound, and a topic has none.
    let topics = [vec![b'a'; 10_000], vec![b'a'; 10_001]].map(Bytes::from);
    reader.bus.interest(topics.to_vec(), vec![]).await.unwrap();
    writer.bus.publish(topics.iter().map(|topic| Publication::new(topic.clone(), "x")).collect()).await.unwrap();
    for topic in topics {
        assert_eq!(reader.received().await, (topic, Bytes::from("x")));
    }
    // A claim does not fit, and says so.
    let error = writer.directory.claim(b"key", &[0; 100_000], LONG).await.unwrap_err().to_string();
    assert!(error.contains("max_payload"), "{error}");
    assert_eq!(writer.directory.claim(b"key", &[0; 90_000], LONG).await.unwrap(), Claim::Mine);
    reader.nothing_more().await;
}

/// The server drops a node that reads too slowly. That is a cut as any other.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_node_that_is_too_slow_is_cut() {
    let Some(server) = Server::start("max_pending: 4MB\nwrite_deadline: \"1s\"") else { return };
    let cluster = Cluster::from(server.engine());
    let (events, mut told) = tokio::sync::mpsc::unbounded_channel();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let inbox = anywire::BusInbox::new(move |event| {
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
        server.figure("slow_consumers") > 0
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
