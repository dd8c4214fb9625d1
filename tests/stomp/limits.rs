//! Bounds: each refusal says what was exceeded, and by which setting; nobody else notices.

use anywire::Stomp;

use super::{
    client::{Client, VERSIONS},
    frame::Frame,
    house, site,
};

fn names(error: &Frame, knob: &str) {
    let text = format!("{} {}", error.header("message"), error.text());
    assert!(text.contains(knob), "{knob} is not named: {text}");
}

#[tokio::test(start_paused = true)]
async fn a_body_is_bounded() {
    for version in VERSIONS {
        let site = site();
        let mut receiver = Client::connect(&site, "1.2").await;
        receiver.subscribe("1", "/topic/x", "auto").await;
        let mut client = Client::connect(&site, version).await;
        let most = "x".repeat(9_000);
        client.publish("/topic/x", &most).await;
        receiver.hears(&most).await;
        client.say("SEND\ndestination:/topic/x\ncontent-length:10001\nreceipt:q\n\n").await;
        let error = client.last_error().await;
        names(&error, "message_limit");
        assert_eq!(error.get("receipt-id"), Some("q"));
        let mut client = Client::connect(&site, version).await;
        client.say("SEND\ndestination:/topic/x\n\n").await;
        for _ in 0..3 {
            client.say(&"x".repeat(4_000)).await;
        }
        names(&client.last_error().await, "message_limit");
        receiver.has_heard_all().await;
    }
}

#[tokio::test(start_paused = true)]
async fn headers_are_bounded_in_number_and_bytes() {
    for version in VERSIONS {
        let site = house(Stomp::new().headers(5, 300)).1;
        let mut client = Client::connect(&site, version).await;
        client.say("SEND\ndestination:/topic/x\nreceipt:r\na:1\nb:2\nc:3\n\nx^@").await;
        client.receipt("r").await;
        client.say("SEND\ndestination:/topic/x\nreceipt:r\na:1\nb:2\nc:3\nd:4\n\nx^@").await;
        names(&client.last_error().await, "Stomp::headers");
        for line in ["long:".to_owned() + &"x".repeat(300), "x".repeat(400)] {
            let mut client = Client::connect(&site, version).await;
            client.say(&format!("SEND\ndestination:/topic/x\n{line}")).await;
            names(&client.last_error().await, "Stomp::headers");
        }
        // Before CONNECT it is no different.
        let mut client = Client::open(&site, version).await;
        client.say(&"C".repeat(400)).await;
        names(&client.last_error().await, "Stomp::headers");
    }
}

#[tokio::test(start_paused = true)]
async fn subscriptions_are_bounded() {
    for version in VERSIONS {
        let site = house(Stomp::new().subscriptions(3)).1;
        let mut client = Client::connect(&site, version).await;
        for destination in ["/topic/x", "/queue/x", "/user/queue/x"] {
            client.subscribe(destination, destination, "auto").await;
        }
        client.ask("UNSUBSCRIBE\nid:/queue/x").await;
        client.subscribe("again", "/topic/y", "auto").await;
        client.say("SUBSCRIBE\nid:4\ndestination:/topic/z\nreceipt:q\n\n^@").await;
        let error = client.last_error().await;
        names(&error, "Stomp::subscriptions");
        assert_eq!(error.get("receipt-id"), Some("q"));
        let mut other = Client::connect(&site, version).await;
        other.subscribe("1", "/topic/x", "auto").await;
    }
}

/// A consumer that was refused its subscription takes nothing out of the queue.
#[tokio::test(start_paused = true)]
async fn a_subscription_beyond_the_bound_consumes_nothing() {
    for version in VERSIONS {
        let site = house(Stomp::new().subscriptions(1)).1;
        let mut sender = Client::connect(&site, "1.2").await;
        let mut client = Client::connect(&site, version).await;
        client.subscribe("1", "/topic/x", "auto").await;
        client.say("SUBSCRIBE\nid:2\ndestination:/queue/q\n\n^@").await;
        client.last_error().await;
        sender.publish("/queue/q", "a").await;
        sender.say("SUBSCRIBE\nid:1\ndestination:/queue/q\n\n^@").await;
        assert_eq!(sender.hears("a").await.header("redelivered"), "false");
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_without_end_is_not_kept() {
    for version in VERSIONS {
        let (live, site) = house(Stomp::new());
        let mut client = Client::connect(&site, version).await;
        let held = live.stats().bytes;
        client.say("SEND\ndestination:/topic/x\n\n").await;
        client.say(&"x".repeat(9_000)).await;
        crate::support::until("the part is counted", || live.stats().bytes >= held + 9_000).await;
        drop(client);
        crate::support::until("it is gone", || live.stats().bytes == 0 && live.is_empty()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn messages_in_queues_are_counted() {
    let (live, site) = house(Stomp::new());
    let mut client = Client::connect(&site, "1.2").await;
    let held = live.stats().bytes;
    for _ in 0..10 {
        client.publish("/queue/q", &"x".repeat(5_000)).await;
    }
    assert!(live.stats().bytes >= held + 50_000, "{} and {held}", live.stats().bytes);
    client.say("SUBSCRIBE\nid:1\ndestination:/queue/q\n\n^@").await;
    for _ in 0..10 {
        client.message().await;
    }
    client.has_heard_all().await;
    crate::support::until("nothing is held", || live.stats().bytes < held + 5_000).await;
}

#[tokio::test(start_paused = true)]
async fn receipts_that_nobody_reads_are_bounded() {
    for version in VERSIONS {
        let server = super::builder().outbox(20_000).events(super::application()).build();
        let site = crate::support::Site::of(&server, |server| axum::Router::new().merge(server.stomp("/live")));
        let live = crate::support::Lives::of_server(&server);
        let mut client = Client::connect(&site, version).await;
        let frame = format!("SEND\ndestination:/topic/x\nreceipt:{}\n\n^@", "r".repeat(1_000));
        let flood = async {
            loop {
                client.say(&frame).await;
                if live.is_empty() {
                    break;
                }
            }
        };
        // Either the client is made to wait, or it ends.
        drop(tokio::time::timeout(std::time::Duration::from_secs(30), flood).await);
        assert!(live.stats().bytes < 1_000_000, "{}", live.stats().bytes);
    }
}
