//! BEGIN, COMMIT and ABORT.

use anywire::Stomp;

use super::{
    client::{Client, VERSIONS},
    destinations, house, site,
};

#[tokio::test(start_paused = true)]
async fn a_transaction_is_sent_whole_and_in_order_when_it_is_committed() {
    for version in VERSIONS {
        let site = site();
        let mut receiver = Client::connect(&site, "1.2").await;
        receiver.subscribe("1", "/topic/x", "auto").await;
        receiver.subscribe("2", "/queue/x", "auto").await;
        let mut sender = Client::connect(&site, version).await;
        sender.ask("BEGIN\ntransaction:t").await;
        for (nth, destination) in destinations().iter().cycle().take(3).enumerate() {
            let head = format!("SEND\ndestination:{destination}\ntransaction:t\nreceipt:{nth}");
            sender.say(&format!("{head}\nfoo:bar\n\n{nth}^@")).await;
            sender.receipt(&nth.to_string()).await;
        }
        sender.publish("/topic/x", "outside").await;
        receiver.hears("outside").await;
        receiver.has_heard_all().await;
        sender.ask("COMMIT\ntransaction:t").await;
        for body in ["0", "1", "2"] {
            assert_eq!(receiver.hears(body).await.others(), [("foo", "bar")], "the transaction is the sender's affair");
        }
        receiver.has_heard_all().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_aborted_transaction_leaves_nothing_and_its_name_is_free() {
    for version in VERSIONS {
        let site = site();
        let mut receiver = Client::connect(&site, "1.2").await;
        receiver.subscribe("1", "/topic/x", "auto").await;
        let mut sender = Client::connect(&site, version).await;
        for (end, body) in [("ABORT", "no"), ("COMMIT", "yes"), ("ABORT", "no")] {
            sender.ask("BEGIN\ntransaction:t").await;
            sender.say(&format!("SEND\ndestination:/topic/x\ntransaction:t\n\n{body}^@")).await;
            sender.ask(&format!("{end}\ntransaction:t")).await;
        }
        receiver.hears("yes").await;
        receiver.has_heard_all().await;
    }
}

#[tokio::test(start_paused = true)]
async fn transactions_of_one_client_do_not_mix() {
    for version in VERSIONS {
        let site = site();
        let mut receiver = Client::connect(&site, "1.2").await;
        receiver.subscribe("1", "/topic/x", "auto").await;
        let mut sender = Client::connect(&site, version).await;
        let mut other = Client::connect(&site, version).await;
        for (client, name) in [(&mut sender, "a"), (&mut other, "a")] {
            client.ask(&format!("BEGIN\ntransaction:{name}")).await;
        }
        sender.ask("BEGIN\ntransaction:b").await;
        sender.say("SEND\ndestination:/topic/x\ntransaction:a\n\na1^@").await;
        sender.say("SEND\ndestination:/topic/x\ntransaction:b\n\nb1^@").await;
        other.say("SEND\ndestination:/topic/x\ntransaction:a\n\nother^@").await;
        sender.say("SEND\ndestination:/topic/x\ntransaction:a\n\na2^@").await;
        sender.ask("COMMIT\ntransaction:b").await;
        receiver.hears("b1").await;
        sender.ask("COMMIT\ntransaction:a").await;
        receiver.hears("a1").await;
        receiver.hears("a2").await;
        other.ask("COMMIT\ntransaction:a").await;
        receiver.hears("other").await;
        receiver.has_heard_all().await;
    }
}

#[tokio::test(start_paused = true)]
async fn acknowledgements_count_when_they_are_committed() {
    for version in VERSIONS {
        let site = site();
        let mut sender = Client::connect(&site, "1.2").await;
        let mut client = Client::connect(&site, version).await;
        client.subscribe("1", "/queue/q", "client").await;
        let mut messages = Vec::new();
        for body in ["a", "b"] {
            sender.publish("/queue/q", body).await;
            messages.push(client.hears(body).await);
        }
        client.ask("BEGIN\ntransaction:kept").await;
        client.ask("BEGIN\ntransaction:gone").await;
        let lines = client.settling("ACK", &messages[0]);
        client.ask(&format!("{lines}\ntransaction:kept")).await;
        let lines = client.settling("ACK", &messages[1]);
        client.ask(&format!("{lines}\ntransaction:gone")).await;
        client.ask("ABORT\ntransaction:gone").await;
        client.ask("COMMIT\ntransaction:kept").await;
        client.ask("UNSUBSCRIBE\nid:1").await;
        client.say("SUBSCRIBE\nid:2\ndestination:/queue/q\n\n^@").await;
        client.hears("b").await;
        client.has_heard_all().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_is_left_open_is_aborted() {
    for version in VERSIONS {
        for ends in ["DISCONNECT\n\n^@", "SHOUT\n\n^@", ""] {
            let (live, site) = house(Stomp::new());
            let mut receiver = Client::connect(&site, "1.2").await;
            receiver.subscribe("1", "/topic/x", "auto").await;
            let mut sender = Client::connect(&site, version).await;
            sender.subscribe("q", "/queue/q", "client").await;
            receiver.publish("/queue/q", "m").await;
            let message = sender.hears("m").await;
            sender.ask("BEGIN\ntransaction:t").await;
            sender.say("SEND\ndestination:/topic/x\ntransaction:t\n\nx^@").await;
            let lines = sender.settling("ACK", &message);
            sender.ask(&format!("{lines}\ntransaction:t")).await;
            sender.say(ends).await;
            drop(sender);
            crate::support::until("it is over", || live.len() == 1).await;
            receiver.say("SUBSCRIBE\nid:2\ndestination:/queue/q\n\n^@").await;
            assert_eq!(receiver.hears("m").await.header("redelivered"), "true", "its ACK was never committed");
            receiver.has_heard_all().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_and_repeated_transactions_are_refused() {
    for version in VERSIONS {
        for frame in [
            "COMMIT\ntransaction:none",
            "ABORT\ntransaction:none",
            "COMMIT",
            "ABORT",
            "BEGIN",
            "BEGIN\ntransaction:t",
            "SEND\ndestination:/topic/x\ntransaction:none",
            "COMMIT\ntransaction:done",
        ] {
            let mut client = Client::connect(&site(), version).await;
            client.ask("BEGIN\ntransaction:t").await;
            client.ask("BEGIN\ntransaction:done").await;
            client.ask("COMMIT\ntransaction:done").await;
            client.say(&format!("{frame}\nreceipt:q\n\n^@")).await;
            assert_eq!(client.last_error().await.get("receipt-id"), Some("q"), "{version} {frame}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn transactions_are_bounded_in_number_and_bytes() {
    for version in VERSIONS {
        let (_, site) = house(Stomp::new().transactions(2));
        let mut client = Client::connect(&site, version).await;
        client.ask("BEGIN\ntransaction:1").await;
        client.ask("BEGIN\ntransaction:2").await;
        client.say("BEGIN\ntransaction:3\nreceipt:q\n\n^@").await;
        let error = client.last_error().await;
        assert!(error.text().contains("Stomp::transactions"), "{error:?}");
        let mut client = Client::connect(&site, version).await;
        client.ask("BEGIN\ntransaction:1").await;
        let body = "x".repeat(4_000);
        for _ in 0..2 {
            client.say(&format!("SEND\ndestination:/topic/x\ntransaction:1\nreceipt:r\n\n{body}^@")).await;
            client.receipt("r").await;
        }
        client.say(&format!("SEND\ndestination:/topic/x\ntransaction:1\nreceipt:r\n\n{body}^@")).await;
        assert_eq!(client.last_error().await.get("receipt-id"), Some("r"));
        let mut client = Client::connect(&site, version).await;
        client.ask("BEGIN\ntransaction:1").await;
        // Frames without a body are bounded too.
        let mut refused = false;
        for _ in 0..100_000 {
            client.say("SEND\ndestination:/topic/x\ntransaction:1\n\n^@").await;
            refused = futures::FutureExt::now_or_never(client.hear()).is_some();
            if refused {
                break;
            }
        }
        assert!(refused);
    }
}

/// A RECEIPT says that its frame was processed.
#[tokio::test(start_paused = true)]
async fn a_commit_whose_messages_were_refused_has_no_receipt() {
    for version in VERSIONS {
        let (_, site) = house(Stomp::new().queue(1, 1_000));
        let mut client = Client::connect(&site, version).await;
        client.subscribe("e", "/user/queue/errors", "auto").await;
        client.publish("/queue/q", "1").await;
        client.ask("BEGIN\ntransaction:t").await;
        client.say("SEND\ndestination:/queue/q\ntransaction:t\n\n2^@").await;
        client.say("COMMIT\ntransaction:t\nreceipt:commit\n\n^@").await;
        let refusal = client.frame().await;
        assert_ne!(refusal.command, "RECEIPT");
        assert_eq!(refusal.get("receipt-id"), Some("commit"));
        client.has_heard_all().await;
    }
}

/// A transaction that cannot be done has done nothing: each of its frames is judged when it comes.
#[tokio::test(start_paused = true)]
async fn a_transaction_that_fails_has_sent_nothing() {
    for version in VERSIONS {
        let unknown = match version {
            "1.2" => "ACK\nid:none",
            "1.1" => "ACK\nmessage-id:none\nsubscription:1",
            _ => "ACK\nmessage-id:none",
        };
        for frame in [unknown, "SEND\ndestination:/nowhere/x", "SEND\ndestination:/topic/lobby"] {
            let (_, site) = house(Stomp::new().topic("lobby"));
            let mut receiver = Client::connect(&site, "1.2").await;
            receiver.subscribe("1", "/topic/x", "auto").await;
            let mut sender = Client::connect(&site, version).await;
            sender.subscribe("1", "/queue/q", "client").await;
            sender.ask("BEGIN\ntransaction:t").await;
            sender.say("SEND\ndestination:/topic/x\ntransaction:t\n\nx^@").await;
            sender.say(&format!("{frame}\ntransaction:t\n\n^@")).await;
            sender.say("COMMIT\ntransaction:t\n\n^@").await;
            sender.last_error().await;
            receiver.has_heard_all().await;
        }
    }
}
