//! Clients against each other: none can reach a room that is not open, forge what a server sets, or write into another's
//! frames.

use anywire::Stomp;
use axum::Router;

use super::{
    client::{Client, VERSIONS},
    destinations, house, houses, site,
};
use crate::support::{EventClient, Site};

#[tokio::test(start_paused = true)]
async fn a_topic_is_no_room_of_the_application() {
    for version in VERSIONS {
        let (live, site, native) = houses(Stomp::new().topic("open"));
        let mut native = EventClient::open(&native, "events").await;
        native.send("e2[\"join\",\"secret\"]").await;
        native.settle().await;
        let mut client = Client::connect(&site, version).await;
        for (nth, destination) in
            ["/topic/secret", "/topic//secret", "/topic/ secret", "/queue/secret", "/topic/openly"].iter().enumerate()
        {
            client.say(&format!("SUBSCRIBE\nid:{nth}\ndestination:{destination}\nreceipt:s\n\n^@")).await;
            client.receipt("s").await;
        }
        assert_eq!(live.members("secret").len(), 1, "the native client alone");
        live.to("secret").emit("told", 1);
        assert_eq!(native.event().await, "e2[\"told\",1]");
        client.has_heard_all().await;
        client.say("SEND\ndestination:/topic/secret\n\nforged^@").await;
        client.hears("forged").await;
        native.settle().await;
        assert!(live.members("open").is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn each_mount_has_a_broker_of_its_own() {
    let server = super::builder().events(super::application()).build();
    let (one, two) = (server.stomp("/live"), server.stomp("/live"));
    let (one, two) = (Site::here(Router::new().merge(one)), Site::here(Router::new().merge(two)));
    let mut here = Client::connect(&one, "1.2").await;
    let mut there = Client::connect(&two, "1.2").await;
    there.subscribe("1", "/topic/x", "auto").await;
    there.subscribe("2", "/queue/x", "auto").await;
    here.publish("/topic/x", "x").await;
    here.publish("/queue/x", "x").await;
    there.has_heard_all().await;
}

/// Lines that would be headers or frames of a receiver if they were not escaped, by the version of their sender.
fn injections(version: &str) -> Vec<String> {
    let forged = "MESSAGE\ndestination:/topic/x\nmessage-id:1\n\nforged\0";
    let escaped = |text: &str| {
        let text = text.replace('\\', "\\\\").replace(':', "\\c").replace('\n', "\\n");
        text.replace('\0', "")
    };
    match version {
        "1.0" => ["a:b:c", "a:b\\ncode:forged", "a\\cb:c", "a:b\rcode:forged"].map(str::to_owned).into(),
        _ => vec![
            format!("a:{}", escaped("1\ncode:forged")),
            format!("a:{}", escaped("1\n\nbody")),
            format!("a:{}", escaped(forged)),
            format!("{}:1", escaped("a\ncode:forged\nb")),
            format!("{}:1", escaped("code:forged")),
            "a:b\\\\ncode\\cforged".to_owned(),
        ],
    }
}

#[tokio::test(start_paused = true)]
async fn headers_of_one_client_make_no_headers_or_frames_at_another() {
    for from in VERSIONS {
        for to in VERSIONS {
            for destination in destinations() {
                let site = site();
                let mut receiver = Client::connect(&site, to).await;
                receiver.subscribe("r", destination, "auto").await;
                let mut sender = Client::connect(&site, from).await;
                for line in injections(from) {
                    sender.say(&format!("SEND\ndestination:{destination}\n{line}\nlast:1\n\nbody^@")).await;
                    let message = receiver.hears("body").await;
                    assert_eq!(message.get("code"), None, "{from} to {to}: {line}");
                    assert_eq!(message.get("last"), Some("1"));
                    assert!(message.others().len() <= 2, "{message:?}");
                }
                receiver.has_heard_all().await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn carriage_returns_make_no_lines_either() {
    for to in VERSIONS {
        let site = site();
        let mut receiver = Client::connect(&site, to).await;
        receiver.subscribe("r", "/topic/x", "auto").await;
        for (from, line) in
            [("1.2", "a:1\\rcode\\cforged"), ("1.1", "a:1\rcode\\cforged"), ("1.2", "a:1\\r\\ncode\\cforged")]
        {
            let mut sender = Client::connect(&site, from).await;
            sender.publish_with("/topic/x", line).await;
            let message = receiver.hears("body").await;
            assert_eq!(message.get("code"), None, "{from} to {to}: {line:?}");
            if to == "1.0" {
                let value = message.get("a").unwrap_or_default();
                assert!(!value.contains('\n'), "{value:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn headers_that_only_a_server_sets_cannot_be_forged() {
    const FORGED: &str = "message-id:7\nsubscription:victim\nack:9\nredelivered:true\nevent:said\nreceipt-id:r\n\
                          content-length:4";
    for from in VERSIONS {
        for to in VERSIONS {
            let site = site();
            let mut receiver = Client::connect(&site, to).await;
            receiver.subscribe("mine", "/topic/x", "auto").await;
            receiver.subscribe("q", "/queue/x", "auto").await;
            let mut sender = Client::connect(&site, from).await;
            for destination in destinations() {
                sender.say(&format!("SEND\ndestination:{destination}\n{FORGED}\n\nbody^@")).await;
                let message = receiver.hears("body").await;
                let subscription = if *destination == "/topic/x" { "mine" } else { "q" };
                assert_eq!(message.header("subscription"), subscription);
                assert_ne!(message.header("message-id"), "7");
                assert_eq!(message.get("event"), None);
                assert_ne!(message.get("ack"), Some("9"));
                assert_ne!(message.get("redelivered"), Some("true"));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn texts_of_a_client_come_back_escaped() {
    for version in ["1.1", "1.2"] {
        let site = site();
        let mut client = Client::connect(&site, version).await;
        let odd = "a\\nb\\c\\\\c";
        client.say(&format!("SUBSCRIBE\nid:{odd}\ndestination:/topic/{odd}\nreceipt:{odd}\n\n^@")).await;
        let receipt = client.frame().await;
        assert_eq!((receipt.header("receipt-id"), receipt.headers.len()), ("a\nb:\\c", 1));
        client.say(&format!("SEND\ndestination:/topic/{odd}\n\nx^@")).await;
        let message = client.hears("x").await;
        assert_eq!(message.header("subscription"), "a\nb:\\c");
        assert_eq!(message.header("destination"), "/topic/a\nb:\\c");
        client.say(&format!("COMMIT\ntransaction:{odd}\nreceipt:{odd}\n\n^@")).await;
        assert_eq!(client.last_error().await.header("receipt-id"), "a\nb:\\c");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_misbehaves_is_noticed_by_nobody_else() {
    let (live, site) = house(Stomp::new());
    let mut witness = Client::connect(&site, "1.2").await;
    witness.subscribe("1", "/topic/x", "auto").await;
    witness.subscribe("2", "/queue/x", "client").await;
    for version in VERSIONS {
        for bad in ["SHOUT\n\n^@", "SEND\n\n^@", "ACK\nid:99\nmessage-id:99\nsubscription:2\n\n^@", "^@", "a"] {
            let mut client = Client::connect(&site, version).await;
            client.subscribe("1", "/topic/x", "auto").await;
            client.say(bad).await;
            client.say("SEND\ndestination:/topic/x\n\nbehind^@").await;
            if bad == "a" {
                // It is the beginning of a command that nobody knows.
                assert_eq!(client.last_error().await.get("receipt-id"), None);
            } else {
                client.last_error().await;
            }
        }
    }
    witness.has_heard_all().await;
    witness.say("SEND\ndestination:/topic/x\n\nall is well^@").await;
    witness.hears("all is well").await;
    crate::support::until("the others are gone", || live.len() == 1).await;
}

/// A session is told what is its own, whatever destinations others name.
#[tokio::test(start_paused = true)]
async fn what_is_for_one_session_reaches_no_other() {
    for version in VERSIONS {
        let site = site();
        let mut other = Client::connect(&site, version).await;
        for (nth, name) in ["login", "errors", "events", "echoed"].iter().enumerate() {
            other.subscribe(&nth.to_string(), &format!("/user/queue/{name}"), "auto").await;
        }
        let mut client = Client::connect(&site, version).await;
        client.subscribe("1", "/user/queue/login", "auto").await;
        client.say("SEND\ndestination:/app/who\n\n^@").await;
        client.message().await;
        client.say("SEND\ndestination:/app/double\nreceipt:q\n\n0^@").await;
        client.has_heard_all().await;
        other.has_heard_all().await;
    }
}
