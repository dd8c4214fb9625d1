//! Rooms of the application: open to clients by name, by pattern or by a hook, and events of the application.

use std::collections::BTreeMap;

use anywire::{Args, Fault, Session, Stomp, StompTopic};
use bytes::Bytes;

use super::{
    client::{Client, VERSIONS},
    frame::Frame,
    house, houses,
};
use crate::support::EventClient;

fn lobby() -> Stomp {
    Stomp::new().topic("lobby").topic("chat-*")
}

/// The header `event`, the type and the body.
fn told(message: &Frame) -> (&str, Option<&str>, &[u8]) {
    (message.header("event"), message.get("content-type"), &message.body)
}

const JSON: Option<&str> = Some("application/json");

#[tokio::test(start_paused = true)]
async fn events_to_a_room_reach_its_subscriptions() {
    for version in VERSIONS {
        let (live, site) = house(lobby());
        let mut client = Client::connect(&site, version).await;
        client.subscribe("l", "/topic/lobby", "auto").await;
        live.to("lobby").emit("none", ());
        live.to("lobby").emit("one", "hello");
        live.to("lobby").emit("two", Args((1, BTreeMap::from([("a", [1, 2])]))));
        live.to("lobby").emit("bytes", Bytes::from_static(b"\0\xff"));
        live.to("lobby").send("plain");
        live.to("lobby").send(b"\0\xff".to_vec());
        live.to("lobby").emit("a:b\n", 1);
        let rows: [(&str, Option<&str>, &[u8]); 6] = [
            ("none", None, b""),
            ("one", JSON, b"\"hello\""),
            ("two", JSON, b"[1,{\"a\":[1,2]}]"),
            ("bytes", Some("application/octet-stream"), b"\0\xff"),
            ("message", JSON, b"\"plain\""),
            ("message", Some("application/octet-stream"), b"\0\xff"),
        ];
        for row in rows {
            let message = client.message().await;
            assert_eq!(told(&message), row, "{version}");
            assert_eq!((message.header("subscription"), message.header("destination")), ("l", "/topic/lobby"));
        }
        let message = client.message().await;
        // A header of STOMP 1.0 cannot have a line feed.
        assert_eq!(message.get("event"), if version == "1.0" { None } else { Some("a:b\n") });
        client.has_heard_all().await;
    }
}

#[tokio::test(start_paused = true)]
async fn all_families_are_in_one_room() {
    let (live, site, native) = houses(lobby());
    let mut members = vec![Client::connect(&site, "1.2").await, Client::connect(&site, "1.0").await];
    for member in &mut members {
        member.subscribe("l", "/topic/lobby", "auto").await;
    }
    assert_eq!(live.members("lobby").len(), 2);
    members[0].say("SEND\ndestination:/app/say\n\nhi^@").await;
    for member in &mut members {
        assert_eq!(told(&member.message().await), ("said", JSON, &b"\"hi\""[..]));
    }
    let mut native = EventClient::open(&native, "events").await;
    native.send("e2[\"join\",\"lobby\"]").await;
    native.settle().await;
    native.send("e2[\"say\",\"from afar\"]").await;
    assert_eq!(native.event().await, "e2[\"said\",\"from afar\"]");
    for member in &mut members {
        assert_eq!(member.message().await.text(), "\"from afar\"");
    }
}

#[tokio::test(start_paused = true)]
async fn subscribing_joins_a_room_and_the_last_unsubscribe_leaves_it() {
    for version in VERSIONS {
        let (live, site) = house(lobby());
        let mut client = Client::connect(&site, version).await;
        client.subscribe("1", "/topic/chat-7", "auto").await;
        client.subscribe("2", "/topic/chat-7", "auto").await;
        assert_eq!(live.members("chat-7").len(), 1);
        live.to("chat-7").emit("x", ());
        for id in ["1", "2"] {
            assert_eq!(client.message().await.header("subscription"), id);
        }
        client.ask("UNSUBSCRIBE\nid:1").await;
        assert_eq!(live.members("chat-7").len(), 1);
        client.ask("UNSUBSCRIBE\nid:2").await;
        assert_eq!(live.members("chat-7").len(), 0);
        // A room that the handler has joined stays.
        client.say("SEND\ndestination:/app/join\nreceipt:j\n\nchat-8^@").await;
        client.receipt("j").await;
        live.to("chat-8").emit("nobody listens", ());
        client.subscribe("3", "/topic/chat-8", "auto").await;
        live.to("chat-8").emit("x", ());
        assert_eq!(client.message().await.header("event"), "x");
        client.ask("UNSUBSCRIBE\nid:3").await;
        assert_eq!(live.members("chat-8").len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_cannot_send_to_an_open_room() {
    for version in VERSIONS {
        let (_, site) = house(lobby());
        let mut member = Client::connect(&site, version).await;
        member.subscribe("l", "/topic/lobby", "auto").await;
        member.subscribe("c", "/topic/chat-1", "auto").await;
        for room in ["lobby", "chat-1", "chat-"] {
            let mut client = Client::connect(&site, version).await;
            client.subscribe("e", "/user/queue/errors", "auto").await;
            client.say(&format!("SEND\ndestination:/topic/{room}\nreceipt:q\n\n\"x\"^@")).await;
            let refusal = client.last_error().await;
            assert_eq!((refusal.header("message"), refusal.get("receipt-id")), ("Not allowed", Some("q")));
        }
        member.has_heard_all().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_hook_decides_about_topics() {
    let settings = Stomp::new().topic("lobby").on_subscribe(async |session: Session, topic: String| {
        assert!(session.get::<super::Login>().is_some(), "the login hook has run");
        match &*topic {
            "lobby" => panic!("it is open to all"),
            "mine" => Ok(StompTopic::Room("secret-7".to_owned())),
            "no" => Err(Fault::new("forbidden", "no: not\nyou")),
            _ => Ok(StompTopic::Broker),
        }
    });
    for version in VERSIONS {
        let (live, site) = house(settings.clone());
        let mut client = Client::connect(&site, version).await;
        client.subscribe("l", "/topic/lobby", "auto").await;
        client.subscribe("m", "/topic/mine", "auto").await;
        client.subscribe("b", "/topic/else", "auto").await;
        assert_eq!(live.members("secret-7").len(), 1);
        live.to("secret-7").emit("x", 1);
        live.to("mine").emit("no", 1);
        live.to("else").emit("no", 1);
        let message = client.message().await;
        assert_eq!((message.header("destination"), message.header("event")), ("/topic/mine", "x"));
        client.say("SEND\ndestination:/topic/else\n\ny^@").await;
        client.hears("y").await;
        client.say("SUBSCRIBE\nid:n\ndestination:/topic/no\nreceipt:q\n\n^@").await;
        let error = client.error().await;
        assert_eq!(error.get("receipt-id"), Some("q"));
        assert_eq!(error.header("message"), "no: not you");
        assert!(error.text().contains("\"code\":\"forbidden\""), "{error:?}");
        if version == "1.0" {
            client.has_heard_all().await;
        } else {
            client.ends().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_to_several_rooms_reaches_a_subscription_once() {
    for version in VERSIONS {
        let (live, site) = house(lobby());
        let mut client = Client::connect(&site, version).await;
        client.subscribe("1", "/topic/lobby", "auto").await;
        client.subscribe("2", "/topic/chat-1", "auto").await;
        live.to_any(["lobby", "chat-1", "chat-2"]).emit("x", ());
        for id in ["1", "2"] {
            assert_eq!(client.message().await.header("subscription"), id);
        }
        client.has_heard_all().await;
    }
}
