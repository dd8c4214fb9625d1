//! `/queue/..`: each message goes to one consumer, and waits for its acknowledgement. `redelivery` has what comes back.

use anywire::Stomp;

use super::{
    client::{Client, VERSIONS},
    house, site,
};

#[tokio::test(start_paused = true)]
async fn a_message_waits_for_a_consumer_and_goes_to_one() {
    for version in VERSIONS {
        let site = site();
        let mut sender = Client::connect(&site, "1.2").await;
        sender.publish("/queue/q", "early").await;
        let mut one = Client::connect(&site, version).await;
        one.say("SUBSCRIBE\nid:1\ndestination:/queue/q\n\n^@").await;
        let message = one.hears("early").await;
        assert_eq!(message.header("destination"), "/queue/q");
        assert_eq!((message.get("redelivered"), message.get("ack")), (Some("false"), None));
        let mut two = Client::connect(&site, version).await;
        two.subscribe("2", "/queue/q", "auto").await;
        for nth in 0..6 {
            sender.publish("/queue/q", &nth.to_string()).await;
        }
        for turn in ["0", "2", "4"] {
            one.hears(turn).await;
        }
        for turn in ["1", "3", "5"] {
            two.hears(turn).await;
        }
        one.has_heard_all().await;
        two.has_heard_all().await;
    }
}

#[tokio::test(start_paused = true)]
async fn headers_of_the_sender_come_with_a_message_of_a_queue() {
    for version in VERSIONS {
        let mut client = Client::connect(&site(), version).await;
        client.subscribe("1", "/queue/q", "auto").await;
        client.say("SEND\ndestination:/queue/q\nfoo:bar\ncontent-type:text/plain\n\nx^@").await;
        let message = client.hears("x").await;
        assert_eq!(message.others(), [("foo", "bar"), ("content-type", "text/plain")]);
        client.bytes(b"SEND\ndestination:/queue/q\ncontent-length:2\n\n\x00\xff\x00").await;
        assert_eq!(client.message().await.body, b"\0\xff");
    }
}

#[tokio::test(start_paused = true)]
async fn acks_in_the_mode_client_are_cumulative_since_1_1() {
    for version in VERSIONS {
        let site = site();
        let mut sender = Client::connect(&site, "1.2").await;
        let mut one = Client::connect(&site, version).await;
        one.subscribe("1", "/queue/q", "client").await;
        one.subscribe("other", "/queue/other", "client").await;
        let mut messages = Vec::new();
        sender.publish("/queue/other", "o").await;
        let other = one.hears("o").await;
        for body in ["a", "b", "c"] {
            sender.publish("/queue/q", body).await;
            messages.push(one.hears(body).await);
        }
        one.ack(&messages[1]).await;
        one.ask("UNSUBSCRIBE\nid:1").await;
        one.ask("UNSUBSCRIBE\nid:other").await;
        let mut two = Client::connect(&site, "1.2").await;
        two.say("SUBSCRIBE\nid:2\ndestination:/queue/q\n\n^@").await;
        if version == "1.0" {
            two.hears("a").await;
        }
        two.hears("c").await;
        two.has_heard_all().await;
        two.say("SUBSCRIBE\nid:3\ndestination:/queue/other\n\n^@").await;
        let again = two.hears("o").await;
        assert_eq!(again.header("redelivered"), "true", "another subscription's is not settled: {other:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn acks_in_the_mode_client_individual_are_of_one_message() {
    for version in ["1.1", "1.2"] {
        for command in ["ACK", "NACK"] {
            let site = site();
            let mut sender = Client::connect(&site, "1.2").await;
            let mut one = Client::connect(&site, version).await;
            one.subscribe("1", "/queue/q", "client-individual").await;
            let mut messages = Vec::new();
            for body in ["a", "b", "c"] {
                sender.publish("/queue/q", body).await;
                messages.push(one.hears(body).await);
            }
            let mut two = Client::connect(&site, version).await;
            two.subscribe("2", "/queue/q", "auto").await;
            let lines = one.settling(command, &messages[2]);
            one.ask(&lines).await;
            let expected: &[&str] = if command == "ACK" { &["a", "b"] } else { &["c", "a", "b"] };
            if command == "NACK" {
                two.hears(expected[0]).await;
            }
            two.has_heard_all().await;
            one.ask("UNSUBSCRIBE\nid:1").await;
            two.hears("a").await;
            two.hears("b").await;
            two.has_heard_all().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_ack_names_its_message_as_the_version_says() {
    for (version, command) in [
        ("1.0", "ACK\nid:1"),
        ("1.1", "ACK\nmessage-id:1"),
        ("1.1", "ACK\nsubscription:1"),
        ("1.1", "NACK\nid:1"),
        ("1.2", "ACK\nmessage-id:1\nsubscription:1"),
        ("1.2", "NACK\nsubscription:1"),
        ("1.0", "NACK\nmessage-id:1"),
    ] {
        let mut client = Client::connect(&site(), version).await;
        client.subscribe("1", "/queue/q", "client").await;
        client.say("SEND\ndestination:/queue/q\n\nx^@").await;
        client.hears("x").await;
        client.say(&format!("{command}\nreceipt:q\n\n^@")).await;
        assert_eq!(client.last_error().await.get("receipt-id"), Some("q"), "{version} {command}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_ack_of_what_was_never_sent_is_refused() {
    for version in VERSIONS {
        let site = site();
        let mut victim = Client::connect(&site, version).await;
        victim.subscribe("1", "/queue/q", "client").await;
        victim.say("SEND\ndestination:/queue/q\n\nx^@").await;
        let message = victim.hears("x").await;
        let stolen = victim.settling("ACK", &message);
        let unknown = match version {
            "1.2" => "ACK\nid:none".to_owned(),
            "1.1" => format!("ACK\nmessage-id:{}\nsubscription:2", message.header("message-id")),
            _ => "ACK\nmessage-id:-1".to_owned(),
        };
        for lines in [stolen, unknown] {
            let mut client = Client::connect(&site, version).await;
            client.subscribe("1", "/queue/other", "client").await;
            client.say(&format!("{lines}\nreceipt:q\n\n^@")).await;
            assert_eq!(client.last_error().await.get("receipt-id"), Some("q"));
        }
        victim.ask("UNSUBSCRIBE\nid:1").await;
        victim.say("SUBSCRIBE\nid:2\ndestination:/queue/q\n\n^@").await;
        assert_eq!(victim.hears("x").await.header("redelivered"), "true", "nobody else has acknowledged it");
    }
}

#[tokio::test(start_paused = true)]
async fn a_consumer_has_no_more_unacknowledged_messages_than_it_may() {
    for version in VERSIONS {
        let (_, site) = house(Stomp::new().unacknowledged(2));
        let mut sender = Client::connect(&site, "1.2").await;
        let mut client = Client::connect(&site, version).await;
        client.subscribe("1", "/queue/q", "client").await;
        for body in ["a", "b", "c", "d"] {
            sender.publish("/queue/q", body).await;
        }
        client.hears("a").await;
        let b = client.hears("b").await;
        client.has_heard_all().await;
        let lines = client.settling("ACK", &b);
        client.say(&format!("{lines}\n\n^@")).await;
        client.hears("c").await;
    }
}

/// The bound is the session's: what one subscription has taken, another lacks, until it is acknowledged.
#[tokio::test(start_paused = true)]
async fn a_queue_goes_on_when_another_subscription_of_the_session_acknowledges() {
    for version in VERSIONS {
        let (_, site) = house(Stomp::new().unacknowledged(2));
        let mut sender = Client::connect(&site, "1.2").await;
        let mut client = Client::connect(&site, version).await;
        client.subscribe("1", "/queue/one", "client").await;
        client.subscribe("2", "/queue/two", "client").await;
        sender.publish("/queue/one", "a").await;
        sender.publish("/queue/one", "b").await;
        sender.publish("/queue/two", "c").await;
        client.hears("a").await;
        let b = client.hears("b").await;
        client.has_heard_all().await;
        let lines = client.settling("ACK", &b);
        client.say(&format!("{lines}\n\n^@")).await;
        if version == "1.0" {
            client.hears("c").await;
        } else {
            assert_eq!(client.hears("c").await.header("subscription"), "2");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_and_the_refusal_is_told_as_the_version_allows() {
    for version in VERSIONS {
        let (_, site) = house(Stomp::new().queue(2, 1_000));
        let mut client = Client::connect(&site, version).await;
        client.subscribe("e", "/user/queue/errors", "auto").await;
        client.publish("/queue/q", "1").await;
        client.publish("/queue/q", "2").await;
        client.say("SEND\ndestination:/queue/q\nreceipt:full\n\n3^@").await;
        let refusal = client.frame().await;
        assert_eq!(refusal.header("receipt-id"), "full");
        assert!(refusal.text().contains("Stomp::queue"), "the knob is named: {refusal:?}");
        match version {
            "1.0" => assert_eq!(refusal.command, "ERROR"),
            _ => assert_eq!((&*refusal.command, refusal.header("code")), ("MESSAGE", "full")),
        }
        client.has_heard_all().await;
        client.publish("/queue/other", &"x".repeat(900)).await;
        client.say(&format!("SEND\ndestination:/queue/other\nreceipt:bytes\n\n{}^@", "x".repeat(200))).await;
        assert_eq!(client.frame().await.header("receipt-id"), "bytes");
        // There is room again when somebody has consumed.
        client.say("SUBSCRIBE\nid:1\ndestination:/queue/q\n\n^@").await;
        client.hears("1").await;
        client.hears("2").await;
        client.say("SEND\ndestination:/queue/q\n\n3^@").await;
        client.hears("3").await;
    }
}

#[tokio::test(start_paused = true)]
async fn there_are_no_more_queues_than_may_be() {
    for version in VERSIONS {
        let (_, site) = house(Stomp::new().queues(1));
        let mut client = Client::connect(&site, version).await;
        client.subscribe("e", "/user/queue/errors", "auto").await;
        client.publish("/queue/a", "1").await;
        client.say("SEND\ndestination:/queue/b\nreceipt:q\n\n2^@").await;
        let refusal = client.frame().await;
        assert_eq!(refusal.header("receipt-id"), "q");
        assert!(refusal.text().contains("Stomp::queues"), "{refusal:?}");
        client.say("SUBSCRIBE\nid:1\ndestination:/queue/a\nack:auto\n\n^@").await;
        client.hears("1").await;
        client.ask("UNSUBSCRIBE\nid:1").await;
        client.subscribe("2", "/queue/b", "auto").await;
        client.say("SUBSCRIBE\nid:3\ndestination:/queue/c\nreceipt:r\n\n^@").await;
        assert_eq!(client.error().await.header("receipt-id"), "r");
    }
}
