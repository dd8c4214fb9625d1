//! Topics of the broker: subscriptions, and the messages that reach them.

use anywire::Stomp;

use super::{
    client::{Client, VERSIONS},
    house, site,
};

#[tokio::test(start_paused = true)]
async fn a_message_reaches_each_subscription_with_the_senders_headers() {
    for version in VERSIONS {
        let site = site();
        let mut receiver = Client::connect(&site, version).await;
        receiver.subscribe("one", "/topic/x", "auto").await;
        receiver.subscribe("two", "/topic/x", "auto").await;
        receiver.subscribe("other", "/topic/y", "auto").await;
        let mut sender = Client::connect(&site, "1.2").await;
        sender.say("SEND\ndestination:/topic/x\ncontent-type:text/html\nfoo:bar\ntransfer: a \n\n<p>^@").await;
        sender.publish("/topic/x", "two").await;
        let mut ids = Vec::new();
        for body in ["<p>", "two"] {
            for subscription in ["one", "two"] {
                let message = receiver.hears(body).await;
                assert_eq!(message.header("subscription"), subscription);
                assert_eq!(message.header("destination"), "/topic/x");
                assert_eq!(message.get("ack"), None, "nothing is to be acknowledged");
                if body == "<p>" {
                    let headers = [("content-type", "text/html"), ("foo", "bar"), ("transfer", " a ")];
                    assert_eq!(message.others(), headers);
                }
                ids.push(message.header("message-id").to_owned());
            }
        }
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 4, "each has an id of its own");
        receiver.has_heard_all().await;
        sender.has_heard_all().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_subscribes_hears_itself() {
    for version in VERSIONS {
        let mut client = Client::connect(&site(), version).await;
        client.subscribe("1", "/topic/a/b.c*", "auto").await;
        client.say("SEND\ndestination:/topic/a/b.c*\n\nx^@").await;
        client.hears("x").await;
        client.publish("/topic/a/b.cd", "no pattern").await;
        client.has_heard_all().await;
    }
}

#[tokio::test(start_paused = true)]
async fn behind_unsubscribe_no_message_comes() {
    for version in VERSIONS {
        let site = site();
        let mut sender = Client::connect(&site, "1.2").await;
        let mut receiver = Client::connect(&site, version).await;
        receiver.subscribe("1", "/topic/x", "auto").await;
        receiver.subscribe("2", "/topic/x", "auto").await;
        receiver.ask("UNSUBSCRIBE\nid:1").await;
        sender.publish("/topic/x", "x").await;
        assert_eq!(receiver.hears("x").await.header("subscription"), "2");
        receiver.ask("UNSUBSCRIBE\nid:2").await;
        sender.publish("/topic/x", "y").await;
        receiver.has_heard_all().await;
        receiver.subscribe("1", "/topic/y", "auto").await;
        sender.publish("/topic/y", "an id can be used again").await;
        receiver.hears("an id can be used again").await;
    }
}

#[tokio::test(start_paused = true)]
async fn version_1_0_may_leave_the_id_out() {
    let mut client = Client::connect(&site(), "1.0").await;
    client.ask("SUBSCRIBE\ndestination: /topic/x").await;
    client.say("SEND\ndestination:/topic/x \n\nx^@").await;
    let message = client.hears("x").await;
    assert_eq!((message.get("subscription"), message.header("destination")), (None, "/topic/x"));
    client.ask("UNSUBSCRIBE\ndestination:/topic/x").await;
    client.publish("/topic/x", "y").await;
    client.has_heard_all().await;
}

#[tokio::test(start_paused = true)]
async fn ids_of_subscriptions_are_required_and_unique() {
    for version in VERSIONS {
        let connect = async || {
            let mut client = Client::connect(&site(), version).await;
            client.subscribe("1", "/topic/x", "auto").await;
            client
        };
        let mut client = connect().await;
        client.say("SUBSCRIBE\nid:1\ndestination:/topic/y\nreceipt:q\n\n^@").await;
        assert_eq!(client.last_error().await.get("receipt-id"), Some("q"));
        let mut client = connect().await;
        client.say("UNSUBSCRIBE\nid:2\nreceipt:q\n\n^@").await;
        assert_eq!(client.last_error().await.get("receipt-id"), Some("q"));
        if version > "1.0" {
            for frame in ["SUBSCRIBE\ndestination:/topic/y", "UNSUBSCRIBE\ndestination:/topic/x"] {
                let mut client = connect().await;
                client.say(&format!("{frame}\nreceipt:q\n\n^@")).await;
                assert_eq!(client.last_error().await.get("receipt-id"), Some("q"));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn ack_modes_are_those_of_the_version() {
    for (version, mode, known) in [
        ("1.0", "auto", true),
        ("1.0", "client", true),
        ("1.0", "client-individual", false),
        ("1.1", "client-individual", true),
        ("1.2", "client-individual", true),
        ("1.2", "Auto", false),
        ("1.2", "", false),
    ] {
        let mut client = Client::connect(&site(), version).await;
        client.say(&format!("SUBSCRIBE\nid:1\ndestination:/topic/x\nack:{mode}\nreceipt:q\n\n^@")).await;
        if known {
            client.receipt("q").await;
        } else {
            client.last_error().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn messages_of_a_topic_may_be_acknowledged() {
    for version in VERSIONS {
        let mut client = Client::connect(&site(), version).await;
        client.subscribe("1", "/topic/x", "client").await;
        client.say("SEND\ndestination:/topic/x\n\nx^@").await;
        let message = client.message().await;
        assert_eq!(message.get("ack").is_some(), version == "1.2", "{message:?}");
        client.ack(&message).await;
        client.has_heard_all().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_destination_must_be_of_a_known_kind() {
    for version in VERSIONS {
        for destination in ["", "/", "/topic", "/topic/", "topic/x", "/nowhere/x", "/user/x", "/user/queue/x"] {
            let mut client = Client::connect(&site(), version).await;
            client.say(&format!("SEND\ndestination:{destination}\nreceipt:q\n\nx^@")).await;
            let error = client.error().await;
            assert_eq!(error.get("receipt-id"), Some("q"), "{destination}");
            client.ends().await;
        }
        for destination in ["", "/", "/topic", "/queue/", "/app/x", "/user/x"] {
            let mut client = Client::connect(&site(), version).await;
            client.say(&format!("SUBSCRIBE\nid:1\ndestination:{destination}\nreceipt:q\n\n^@")).await;
            assert_eq!(client.last_error().await.get("receipt-id"), Some("q"), "{destination}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_broker_only_open_rooms_are_destinations() {
    for version in VERSIONS {
        for destination in ["/topic/x", "/queue/x"] {
            let (_, site) = house(Stomp::new().broker(false).topic("lobby"));
            let mut client = Client::connect(&site, version).await;
            client.subscribe("1", "/topic/lobby", "auto").await;
            client.say(&format!("SEND\ndestination:{destination}\n\nx^@")).await;
            client.last_error().await;
            let mut client = Client::connect(&site, version).await;
            client.say(&format!("SUBSCRIBE\nid:1\ndestination:{destination}\n\n^@")).await;
            let error = client.error().await;
            assert!(error.text().contains("topic") || error.text().contains("destination"), "{error:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn all_members_of_a_topic_get_the_messages_in_the_same_order() {
    let site = site();
    let mut members = Vec::new();
    for version in VERSIONS {
        let mut member = Client::connect(&site, version).await;
        member.subscribe("1", "/topic/x", "auto").await;
        members.push(member);
    }
    for round in 0..20 {
        for (nth, member) in members.iter_mut().enumerate() {
            member.say(&format!("SEND\ndestination:/topic/x\n\n{round} {nth}^@")).await;
        }
    }
    let mut orders = Vec::new();
    for member in &mut members {
        let mut order = Vec::new();
        for _ in 0..60 {
            order.push(member.message().await.text().to_owned());
        }
        for nth in 0..3 {
            let own: Vec<_> = order.iter().filter(|text| text.ends_with(&format!(" {nth}"))).collect();
            assert!(own.iter().enumerate().all(|(round, text)| text.starts_with(&format!("{round} "))), "{own:?}");
        }
        orders.push(order);
    }
    assert!(orders.iter().all(|order| *order == orders[0]));
}
