//! The same story over each carrier, and what is each one's own.

use std::collections::BTreeSet;

use anywire::Stomp;

use super::{
    client::{Client, VERSIONS},
    destinations, house, site,
    wire::{CARRIERS, Carrier, Wire},
};
use crate::support::Site;

async fn connect(site: &Site, carrier: Carrier, version: &str) -> Client {
    Client::connect_over(site, carrier, version, "login:ann\n").await
}

#[tokio::test(start_paused = true)]
async fn one_story_over_each_carrier() {
    for carrier in CARRIERS {
        for version in VERSIONS {
            let (live, site) = house(Stomp::new().topic("lobby"));
            let mut ann = connect(&site, carrier, version).await;
            let mut bob = connect(&site, Carrier::WebSocket, "1.2").await;
            for client in [&mut ann, &mut bob] {
                client.subscribe("l", "/topic/lobby", "auto").await;
                client.subscribe("t", "/topic/talk", "auto").await;
            }
            ann.say("SEND\ndestination:/topic/talk\nodd:\u{2028}é\\\\\n\nhi \u{1F600} <\\/script>^@").await;
            for client in [&mut ann, &mut bob] {
                let message = client.hears("hi \u{1F600} <\\/script>").await;
                assert_eq!(message.header("odd"), if version == "1.0" { "\u{2028}é\\\\" } else { "\u{2028}é\\" });
            }
            ann.say("SEND\ndestination:/app/say\n\nhello^@").await;
            for client in [&mut ann, &mut bob] {
                assert_eq!(client.hears("\"hello\"").await.header("event"), "said");
            }
            ann.say("SEND\ndestination:/app/double\nreceipt:d\n\n21^@").await;
            ann.receipt("d").await;
            if destinations().len() > 1 {
                ann.say("SUBSCRIBE\nid:q\ndestination:/queue/work\nack:client\n\n^@").await;
                bob.publish("/queue/work", "job").await;
                let job = ann.hears("job").await;
                ann.ack(&job).await;
            }
            assert_eq!(live.members("lobby").len(), 2);
            ann.say("DISCONNECT\nreceipt:bye\n\n^@").await;
            ann.receipt("bye").await;
            ann.ends().await;
            crate::support::until("ann has left", || live.len() == 1).await;
            assert_eq!(live.members("lobby").len(), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_carrier_has_wrong_logins_and_bad_frames_refused() {
    for carrier in CARRIERS {
        let site = site();
        for frame in [
            "CONNECT\naccept-version:1.2\nhost:x\npasscode:wrong\n\n^@",
            "SEND\n\n^@",
            "CONNECT\naccept-version:3.0\n\n^@",
        ] {
            let mut client = Client::over(&site, carrier, "1.2").await;
            client.say(frame).await;
            client.last_error().await;
        }
        let mut client = connect(&site, carrier, "1.2").await;
        client.say("SHOUT\nreceipt:q\n\n^@").await;
        assert_eq!(client.last_error().await.get("receipt-id"), Some("q"));
    }
}

#[tokio::test(start_paused = true)]
async fn pieces_and_several_frames_go_over_each_carrier() {
    for carrier in CARRIERS {
        let mut client = connect(&site(), carrier, "1.2").await;
        let frame = "SEND\ndestination:/topic/x\nreceipt:q\n\nabc\0";
        for at in [1, 5, 20, frame.len() - 1] {
            client.say(&frame[..at]).await;
            client.say(&frame[at..]).await;
            client.receipt("q").await;
        }
        client.say(&frame.repeat(10)).await;
        for _ in 0..10 {
            client.receipt("q").await;
        }
        client.has_heard_all().await;
    }
}

#[tokio::test(start_paused = true)]
async fn binary_goes_where_the_carrier_takes_it_and_is_skipped_elsewhere() {
    for carrier in CARRIERS {
        let (live, site) = house(Stomp::new());
        let mut client = connect(&site, carrier, "1.2").await;
        client.subscribe("t", "/topic/x", "auto").await;
        client.subscribe("q", "/queue/x", "auto").await;
        let skipped = live.stats().skipped_total;
        let mut sender = connect(&site, Carrier::WebSocket, "1.1").await;
        for destination in destinations() {
            let frame = format!("SEND\ndestination:{destination}\nreceipt:b\ncontent-length:3\n\n");
            sender.bytes(&[frame.as_bytes(), b"\xff\x00\xfe\x00"].concat()).await;
            sender.receipt("b").await;
            sender.publish(destination, "text").await;
        }
        let mut bodies = Vec::new();
        let texts_only = matches!(carrier, Carrier::SockJsWebSocket | Carrier::SockJsStream);
        let most = destinations().len() * if texts_only { 1 } else { 2 };
        for _ in 0..most {
            bodies.push(client.message().await.body);
        }
        client.has_heard_all().await;
        let texts = bodies.iter().filter(|body| **body == b"text").count();
        assert_eq!((texts, bodies.len()), (destinations().len(), most), "{carrier:?}");
        if texts_only {
            assert!(live.stats().skipped_total > skipped, "{carrier:?}: it is counted");
        }
    }
}

/// A session of our own outlives its connection: subscriptions, transactions and unacknowledged messages stay.
#[tokio::test(start_paused = true)]
async fn a_session_of_our_own_loses_nothing_when_its_connection_breaks() {
    for version in VERSIONS {
        let site = site();
        let mut sender = connect(&site, Carrier::WebSocket, "1.2").await;
        let mut client = connect(&site, Carrier::Native, version).await;
        client.subscribe("t", "/topic/x", "auto").await;
        client.subscribe("q", "/queue/x", "client").await;
        sender.publish("/queue/x", "job").await;
        let job = client.hears("job").await;
        client.ask("BEGIN\ntransaction:t").await;
        client.say("SEND\ndestination:/topic/x\ntransaction:t\nreceipt:s\n\nmine^@").await;
        client.receipt("s").await;
        for nth in 0..3 {
            sender.publish("/topic/x", &nth.to_string()).await;
            let Wire::Native(native) = &mut client.wire else { unreachable!() };
            native.resume().await;
        }
        for nth in 0..3 {
            client.hears(&nth.to_string()).await;
        }
        client.ack(&job).await;
        client.say("COMMIT\ntransaction:t\n\n^@").await;
        client.hears("mine").await;
        client.has_heard_all().await;
    }
}

/// A frame of which a half was sent goes on over the next connection.
#[tokio::test(start_paused = true)]
async fn a_frame_in_pieces_outlives_a_connection_of_our_own() {
    let mut client = connect(&site(), Carrier::Native, "1.2").await;
    client.say("SEND\ndestination:/topic/x\nreceipt:q\n").await;
    client.say("content-length:3\n\na").await;
    let Wire::Native(native) = &mut client.wire else { unreachable!() };
    native.resume_when_taken().await;
    client.say("bc^@").await;
    client.receipt("q").await;
}

#[tokio::test(start_paused = true)]
async fn members_of_a_topic_come_over_all_carriers_and_versions() {
    let site = site();
    let mut members = Vec::new();
    for carrier in CARRIERS {
        for version in VERSIONS {
            let mut member = connect(&site, carrier, version).await;
            member.subscribe("1", "/topic/x", "auto").await;
            members.push(member);
        }
    }
    let mut sender = connect(&site, Carrier::Native, "1.1").await;
    sender.say("SEND\ndestination:/topic/x\na:b\\cc\n\nx^@").await;
    let mut ids = BTreeSet::new();
    for member in &mut members {
        let message = member.hears("x").await;
        assert_eq!(message.header("a"), "b:c");
        ids.insert(message.header("message-id").to_owned());
        member.has_heard_all().await;
    }
    assert!(!ids.is_empty());
}
