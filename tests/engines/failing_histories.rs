//! Histories whose server or connection fails, and what strangers leave in them.

use anywire::{BusEvent, Place, Record};
use axum::body::Bytes;

use super::{
    histories::{KEEP, all, bodies, nothing_confirmed_is_lost, records, topic},
    node::Node,
};

async fn follower(cluster: impl Into<anywire::Cluster>, topic: &Bytes) -> Node {
    let node = Node::connected(cluster).await;
    node.bus.interest(vec![topic.clone()], vec![]).await.unwrap();
    node
}

/// Appends until the engine takes it.
async fn append_at_last(node: &Node, batch: &[Record]) {
    let tries = async {
        while node.bus.append(batch.to_vec()).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), tries).await.expect("the engine takes it");
}

/// A history that was lost is begun anew under another epoch: no place of before is in it.
async fn assert_begins_anew(node: &mut Node, room: &Bytes, before: Place) {
    append_at_last(node, &records(room, 1, 1..=3)).await;
    let anew = node.records(3).await;
    assert_eq!(anew[0].before, 0);
    assert_ne!(anew[0].place.epoch, before.epoch);
    let past = node.bus.history(room, KEEP, Some(before)).await.unwrap();
    assert_eq!((past.epoch, past.last, bodies(&past).len()), (anew[2].place.epoch, anew[2].place.offset, 3));
}

#[cfg(feature = "redis")]
mod on_redis {
    use super::*;
    use crate::server::Server;

    /// The key of a topic's history.
    fn key(topic: &Bytes) -> String {
        let digits: String = topic.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("anywire:history:{digits}")
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn records_outlive_killed_connections() {
        let Some(server) = Server::start(&[]) else { return };
        let (writer, reader) = (Node::connected(server.engine()).await, Node::connected(server.engine()).await);
        nothing_confirmed_is_lost(writer.bus.clone(), &reader, async || {
            server.command("CLIENT KILL TYPE normal");
        })
        .await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_server_that_has_lost_all_begins_anew() {
        let Some(mut server) = Server::start(&[]) else { return };
        let room = topic("room");
        let mut node = follower(server.engine(), &room).await;
        node.bus.append(records(&room, 1, 1..=5)).await.unwrap();
        let place = node.records(5).await[4].place;
        server.command("FLUSHALL");
        assert_begins_anew(&mut node, &room, place).await;
        let place = node.bus.history(&room, KEEP, None).await.map(|past| Place::new(past.epoch, past.last)).unwrap();
        server.kill();
        assert_eq!(node.event().await, BusEvent::Cut);
        node.bus.append(records(&room, 1, 9..=9)).await.unwrap_err();
        node.bus.history(&room, KEEP, None).await.unwrap_err();
        server.start_again();
        assert_eq!(node.event().await, BusEvent::Whole);
        append_at_last(&node, &records(&topic("other"), 1, 1..=1)).await;
        while node.bus.history(&room, KEEP, None).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_begins_anew(&mut node, &room, place).await;
    }

    /// A replica that has become the server may lack the last records, and gives their numbers to others.
    #[tokio::test]
    async fn a_history_that_has_lost_its_end_gets_another_epoch() {
        let Some(server) = Server::start(&[]) else { return };
        let room = topic("room");
        let mut node = follower(server.engine(), &room).await;
        node.bus.append(records(&room, 1, 1..=5)).await.unwrap();
        let place = node.records(5).await[4].place;
        server.command(&format!("HSET {} last 3", key(&room)));
        let past = node.bus.history(&room, KEEP, Some(place)).await.unwrap();
        assert_ne!(past.epoch, place.epoch);
        assert_eq!((past.last, bodies(&past).len()), (3, 3));
        node.bus.append(records(&room, 1, 6..=6)).await.unwrap();
        let next = node.recorded().await;
        assert_eq!((next.place, next.before), (Place::new(past.epoch, 4), 3));
    }

    #[tokio::test]
    async fn what_a_history_takes_has_bounds_and_an_end() {
        let Some(server) = Server::start(&[]) else { return };
        let room = topic("room");
        let node = Node::connected(server.engine()).await;
        let keep = anywire::Retention::new(3, std::time::Duration::from_millis(90_000));
        let batch = (1..=600).map(|publisher| super::super::histories::record(&room, publisher, 1, keep));
        node.bus.append(batch.collect()).await.unwrap();
        let fields: u32 = server.command(&format!("HLEN {}", key(&room))).trim_start_matches(':').parse().unwrap();
        assert!((3 + 3 + 128..=3 + 3 + 256).contains(&fields), "{fields} fields");
        let left: u32 = server.command(&format!("PTTL {}", key(&room))).trim_start_matches(':').parse().unwrap();
        assert!((60_000..=90_000).contains(&left), "{left} ms");
        // Those that were there last are known.
        node.bus.append(vec![super::super::histories::record(&room, 600, 1, keep)]).await.unwrap();
        assert_eq!(node.bus.history(&room, keep, None).await.unwrap().last, 600);
    }

    #[tokio::test]
    async fn what_strangers_publish_is_no_record() {
        let Some(server) = Server::start(&[]) else { return };
        let room = topic("room");
        let mut node = follower(server.engine(), &room).await;
        server.command(r#"PUBLISH "anywire:room:\x00historyroom" "1 x""#);
        assert_eq!(server.command(r#"PUBLISH "anywire:room:\x00historyroom" garbage"#), ":1", "it is listened to");
        node.bus.append(records(&room, 1, 1..=1)).await.unwrap();
        assert_eq!(node.recorded().await.body, "1 1");
        server.command(&format!("DEL {}", key(&room)));
        server.command(&format!("SET {} x", key(&room)));
        let error = node.bus.append(records(&room, 1, 2..=2)).await.unwrap_err().to_string();
        assert!(error.contains("WRONGTYPE") || error.contains("wrong kind"), "{error}");
        node.bus.history(&room, KEEP, None).await.unwrap_err();
        node.nothing_more().await;
    }
}

#[cfg(feature = "nats")]
mod on_nats {
    use anywire::Nats;

    use super::*;
    use crate::{nats_server::Server, proxy::Proxy};

    /// The stream of the histories with the bounds of these tests.
    fn stream(records: u32) -> String {
        format!("anywire-history-{records}-{}", KEEP.age.as_millis())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn records_outlive_killed_connections() {
        let Some(server) = Server::start("") else { return };
        let proxy = Proxy::new(server.port).await;
        let writer = Node::connected(Nats::new(&proxy.url()).unwrap()).await;
        let reader = Node::connected(server.engine()).await;
        nothing_confirmed_is_lost(writer.bus.clone(), &reader, async || proxy.cut()).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_server_that_has_lost_all_begins_anew() {
        let Some(mut server) = Server::start("") else { return };
        let room = topic("room");
        let mut node = follower(server.engine(), &room).await;
        node.bus.append(records(&room, 1, 1..=5)).await.unwrap();
        let place = node.records(5).await[4].place;
        all(&node, &room).await;
        server.kill();
        assert_eq!(node.event().await, BusEvent::Cut);
        node.bus.append(records(&room, 1, 9..=9)).await.unwrap_err();
        node.bus.history(&room, KEEP, None).await.unwrap_err();
        server.start_again();
        assert_eq!(node.event().await, BusEvent::Whole);
        append_at_last(&node, &records(&topic("other"), 1, 1..=1)).await;
        while node.bus.history(&room, KEEP, None).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_begins_anew(&mut node, &room, place).await;
        // A stream that is deleted takes its epoch along.
        let place = node.bus.history(&room, KEEP, None).await.map(|past| Place::new(past.epoch, past.last)).unwrap();
        let deleted = server.ask(&format!("$JS.API.STREAM.DELETE.{}", stream(KEEP.records)), "");
        assert_eq!(deleted["success"], true, "{deleted}");
        assert_begins_anew(&mut node, &room, place).await;
    }

    /// It is a hole in the publisher's numbers, which the nodes find; what follows is not held up.
    #[tokio::test]
    async fn a_record_that_is_too_large_is_left_out() {
        let Some(server) = Server::start("max_payload: 4096") else { return };
        let room = topic("room");
        let mut node = follower(server.engine(), &room).await;
        let size = |number, size| Record::new(room.clone(), vec![b'x'; size], 1, number, KEEP);
        node.bus.append(vec![size(1, 4096 - 1024), size(2, 4096 - 1023), size(3, 0)]).await.unwrap();
        let received = node.records(2).await;
        assert_eq!(received.iter().map(|recorded| recorded.body.len()).collect::<Vec<_>>(), [3072, 0]);
        assert_eq!(received[0].place.offset, received[1].before);
        assert_eq!(all(&node, &room).await.records.len(), 2);
        node.nothing_more().await;
    }

    #[tokio::test]
    async fn a_stream_of_somebody_else_is_refused() {
        let Some(server) = Server::start("") else { return };
        let stream = stream(KEEP.records);
        let made = server.ask(
            &format!("$JS.API.STREAM.CREATE.{stream}"),
            &format!(r#"{{"name":"{stream}","subjects":["else.*"],"storage":"memory"}}"#),
        );
        assert_eq!(made["config"]["name"], stream, "{made}");
        let room = topic("room");
        let mut node = follower(server.engine(), &room).await;
        let expected = format!("the server's stream {stream} is another one: delete it, or set another prefix");
        assert_eq!(node.bus.append(records(&room, 1, 1..=1)).await.unwrap_err().to_string(), expected);
        assert_eq!(node.bus.history(&room, KEEP, None).await.unwrap_err().to_string(), expected);
        server.say("PUB anywire.room.=00historyroom 1\r\nx");
        node.nothing_more().await;
    }

    #[tokio::test]
    async fn a_user_has_the_rights_that_are_documented() {
        let stream = stream(KEEP.records);
        let rights = format!(
            "publish: [\"anywire.>\", \"$JS.API.STREAM.*.{stream}\", \"$JS.API.STREAM.MSG.*.{stream}\", \
             \"$JS.API.DIRECT.GET.{stream}\"], subscribe: \"anywire.>\""
        );
        let users = format!("{{user: app, password: word, permissions: {{{rights}}}}}");
        let Some(server) = Server::start(&format!("authorization {{users: [{users}]}}")) else { return };
        let engine = Nats::new(&format!("nats://app:word@127.0.0.1:{}", server.port)).unwrap();
        let room = topic("room");
        let mut node = follower(engine, &room).await;
        node.bus.append(records(&room, 1, 1..=2)).await.unwrap();
        assert_eq!(node.records(2).await[1].body, "1 2");
        assert_eq!(all(&node, &room).await.records.len(), 2);
        // Other bounds are another stream.
        let (keep, other) = (anywire::Retention::new(9, KEEP.age), self::stream(9));
        let batch = vec![crate::histories::record(&room, 1, 3, keep)];
        let error = node.bus.append(batch).await.unwrap_err().to_string();
        assert!(error.contains("Permissions Violation") && error.contains(&other), "{error}");
    }

    /// Whichever server a node is at, it finds what was appended at others before.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn three_servers_keep_histories() {
        let Some(servers) = Server::start_three() else { return };
        let urls: Vec<String> = servers.iter().map(Server::url).collect();
        let room = topic("room");
        let mut nodes = Vec::new();
        for n in 0..3 {
            let urls = [&urls[n..], &urls[..n]].concat().join(",");
            nodes.push(follower(Nats::new(&urls).unwrap().replicas(3), &room).await);
        }
        // The servers choose who of them leads.
        append_at_last(&nodes[0], &records(&room, 0, 1..=1)).await;
        let mut expected = vec![Bytes::from("0 1")];
        for n in 1..=60 {
            let publisher = n % 3;
            let batch = records(&room, publisher, [n * 2, n * 2 + 1]);
            expected.extend(batch.iter().map(|record| record.body.clone()));
            nodes[usize::try_from(publisher).unwrap()].bus.append(batch).await.unwrap();
            let past = all(&nodes[usize::try_from((n + 1) % 3).unwrap()], &room).await;
            assert!(bodies(&past) == expected, "{n}: {} of {} are there", past.records.len(), expected.len());
        }
        // A server that learns late of a node's interest may have carried the first ones to nobody.
        for node in &mut nodes {
            while node.recorded().await.body != *expected.last().unwrap() {}
        }
    }
}

#[cfg(all(unix, feature = "host"))]
mod on_host {
    use super::*;
    use crate::folder::Folder;

    /// Histories end with the sequencer. What is appended while it ends is taken by the next one.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn another_sequencer_begins_anew() {
        let folder = Folder::new();
        let room = topic("room");
        let first = Node::connected(folder.engine()).await;
        let mut node = follower(folder.engine(), &room).await;
        node.bus.append(records(&room, 1, 1..=5)).await.unwrap();
        let place = node.records(5).await[4].place;
        assert_eq!(all(&node, &room).await.last, 5);
        drop(first);
        assert_eq!(node.event().await, BusEvent::Cut);
        assert_eq!(node.event().await, BusEvent::Whole);
        assert_begins_anew(&mut node, &room, place).await;
    }
}
