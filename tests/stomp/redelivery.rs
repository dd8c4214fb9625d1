//! Messages of queues that come back: they are refused, or their consumer leaves.

use anywire::{Fault, Session, Stomp, StompTopic};

use super::{
    client::{Client, VERSIONS},
    house, site,
    wire::Wire,
};
use crate::support::Site;

/// A consumer that has messages `a`, `b` and `c` of `/queue/q` and acknowledged none, and another.
async fn consumers(site: &Site, version: &str) -> (Client, Client) {
    let mut sender = Client::connect(site, "1.2").await;
    let mut one = Client::connect(site, version).await;
    one.subscribe("1", "/queue/q", "client").await;
    for body in ["a", "b", "c"] {
        sender.publish("/queue/q", body).await;
        assert_eq!(one.hears(body).await.header("redelivered"), "false");
    }
    let mut two = Client::connect(site, version).await;
    two.subscribe("2", "/queue/q", "client").await;
    two.has_heard_all().await;
    (one, two)
}

#[tokio::test(start_paused = true)]
async fn unacknowledged_messages_of_a_subscription_that_ends_go_to_another_consumer() {
    for version in VERSIONS {
        let (mut one, mut two) = consumers(&site(), version).await;
        one.ask("UNSUBSCRIBE\nid:1").await;
        read_all(&mut two).await;
    }
}

#[tokio::test(start_paused = true)]
async fn unacknowledged_messages_of_a_session_that_disconnects_go_to_another_consumer() {
    for version in VERSIONS {
        let (mut one, mut two) = consumers(&site(), version).await;
        one.say("DISCONNECT\nreceipt:bye\n\n^@").await;
        one.receipt("bye").await;
        one.ends().await;
        read_all(&mut two).await;
    }
}

#[tokio::test(start_paused = true)]
async fn unacknowledged_messages_of_a_connection_that_breaks_go_to_another_consumer() {
    for version in VERSIONS {
        let (one, mut two) = consumers(&site(), version).await;
        drop(one);
        read_all(&mut two).await;
    }
}

#[tokio::test(start_paused = true)]
async fn unacknowledged_messages_of_a_client_that_was_refused_go_to_another_consumer() {
    for version in VERSIONS {
        let (mut one, mut two) = consumers(&site(), version).await;
        one.say("SHOUT\n\n^@").await;
        one.last_error().await;
        read_all(&mut two).await;
    }
}

async fn read_all(client: &mut Client) {
    let mut messages = Vec::new();
    for body in ["a", "b", "c"] {
        let message = client.hears(body).await;
        assert_eq!(message.header("redelivered"), "true");
        messages.push(message);
    }
    for message in &messages {
        client.ack(message).await;
    }
    client.has_heard_all().await;
}

/// A connection that ends as soon as it has carried these frames, whose end the server may see before it has obeyed them.
async fn leave_with(mut client: Client, frames: &[String]) {
    for frame in frames {
        client.say(frame).await;
    }
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn what_a_client_acknowledged_as_its_last_is_acknowledged() {
    for version in VERSIONS {
        let site = site();
        let mut sender = Client::connect(&site, "1.2").await;
        let mut one = Client::connect(&site, version).await;
        one.subscribe("1", "/queue/q", "client").await;
        let mut acks = Vec::new();
        for body in ["a", "b", "c"] {
            sender.publish("/queue/q", body).await;
            let message = one.hears(body).await;
            acks.push(format!("{}\n\n^@", one.settling("ACK", &message)));
        }
        let mut two = Client::connect(&site, version).await;
        two.subscribe("2", "/queue/q", "client").await;
        leave_with(one, &acks[..2]).await;
        assert_eq!(two.hears("c").await.header("redelivered"), "true");
        two.has_heard_all().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_client_sent_as_its_last_is_sent() {
    for version in VERSIONS {
        for goodbye in ["", "DISCONNECT\n\n^@"] {
            // The first frame is obeyed only when the session is over, and the handler has had its turn since.
            let settings = Stomp::new().topic("lobby").on_subscribe(|session: Session, _| async move {
                session.closed().await;
                tokio::task::yield_now().await;
                Ok::<_, Fault>(StompTopic::Broker)
            });
            let (_live, site) = house(settings);
            let mut two = Client::connect(&site, "1.2").await;
            two.subscribe("l", "/topic/lobby", "auto").await;
            let one = Client::connect(&site, version).await;
            let slow = "SUBSCRIBE\nid:s\ndestination:/topic/slow\n\n^@".to_owned();
            let sends = (0..20).map(|n| format!("SEND\ndestination:/app/say\n\nno. {n}^@"));
            leave_with(one, &[slow].into_iter().chain(sends).chain([goodbye.to_owned()]).collect::<Vec<_>>()).await;
            for n in 0..20 {
                two.hears(&format!("\"no. {n}\"")).await;
            }
            two.has_heard_all().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nack_hands_a_message_to_another_consumer() {
    for version in ["1.1", "1.2"] {
        let site = site();
        let mut sender = Client::connect(&site, "1.2").await;
        let mut one = Client::connect(&site, version).await;
        one.subscribe("1", "/queue/q", "client-individual").await;
        sender.publish("/queue/q", "a").await;
        let message = one.hears("a").await;
        let mut two = Client::connect(&site, version).await;
        two.subscribe("2", "/queue/q", "client-individual").await;
        one.nack(&message).await;
        let again = two.hears("a").await;
        assert_eq!(again.header("redelivered"), "true");
        two.ack(&again).await;
        one.has_heard_all().await;
        two.has_heard_all().await;
    }
}

#[tokio::test(start_paused = true)]
async fn nack_in_the_mode_client_is_of_all_up_to_the_message() {
    for version in ["1.1", "1.2"] {
        let site = site();
        let mut sender = Client::connect(&site, "1.2").await;
        let mut one = Client::connect(&site, version).await;
        one.subscribe("1", "/queue/q", "client").await;
        let mut messages = Vec::new();
        for body in ["a", "b", "c"] {
            sender.publish("/queue/q", body).await;
            messages.push(one.hears(body).await);
        }
        let mut two = Client::connect(&site, version).await;
        two.subscribe("2", "/queue/q", "auto").await;
        one.nack(&messages[1]).await;
        two.hears("a").await;
        two.hears("b").await;
        two.has_heard_all().await;
        one.has_heard_all().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_nobody_wants_comes_a_bounded_number_of_times() {
    for version in ["1.1", "1.2"] {
        let site = site();
        let mut client = Client::connect(&site, version).await;
        client.publish("/queue/q", "poison").await;
        client.say("SUBSCRIBE\nid:1\ndestination:/queue/q\nack:client-individual\n\n^@").await;
        let mut message = client.hears("poison").await;
        let mut times = 1;
        loop {
            let lines = client.settling("NACK", &message);
            client.say(&format!("{lines}\nreceipt:{times}\n\n^@")).await;
            let frame = client.frame().await;
            if frame.command == "RECEIPT" {
                break;
            }
            message = frame;
            assert_eq!((message.text(), message.header("redelivered")), ("poison", "true"));
            client.receipt(&times.to_string()).await;
            times += 1;
            assert!(times <= 100, "there is a bound");
        }
        assert!(times > 1, "it comes again");
        client.has_heard_all().await;
    }
}

/// The tags of one delivery are not those of the next: a late ACK of a message that went to another settles nothing.
#[tokio::test(start_paused = true)]
async fn a_late_ack_settles_nothing_of_another_consumer() {
    for version in VERSIONS {
        let site = site();
        let mut sender = Client::connect(&site, "1.2").await;
        let mut one = Client::connect(&site, version).await;
        one.subscribe("1", "/queue/q", "client").await;
        sender.publish("/queue/q", "a").await;
        let message = one.hears("a").await;
        one.ask("UNSUBSCRIBE\nid:1").await;
        let mut two = Client::connect(&site, version).await;
        two.say("SUBSCRIBE\nid:2\ndestination:/queue/q\nack:client\n\n^@").await;
        two.hears("a").await;
        // It is late, or unknown by now; both are right, but it must not reach the other's message.
        let lines = one.settling("ACK", &message);
        one.say(&format!("{lines}\nreceipt:late\n\n^@")).await;
        let answer = one.frame().await;
        assert!(["RECEIPT", "ERROR"].contains(&&*answer.command));
        drop(two);
        let mut three = Client::connect(&site, version).await;
        three.say("SUBSCRIBE\nid:3\ndestination:/queue/q\nack:client\n\n^@").await;
        assert_eq!(three.hears("a").await.header("redelivered"), "true");
    }
}

/// A consumer whose outbox is full is passed over, and gets what is its own once it reads again; nothing is lost, and
/// nothing is out of order.
#[tokio::test(start_paused = true)]
async fn a_consumer_that_does_not_read_loses_nothing() {
    let site = site();
    let mut sender = Client::connect(&site, "1.2").await;
    let mut slow = Client::connect(&site, "1.2").await;
    slow.subscribe("1", "/queue/q", "auto").await;
    assert!(matches!(slow.wire, Wire::WebSocket(_)));
    let body = "x".repeat(9_000);
    for nth in 0..500 {
        sender.publish("/queue/q", &format!("{nth} {body}")).await;
    }
    for nth in 0..500 {
        let message = slow.message().await;
        assert!(message.text().starts_with(&format!("{nth} ")), "{nth}: {:.20}", message.text());
        assert_eq!(message.header("redelivered"), "false");
    }
    slow.has_heard_all().await;
}
