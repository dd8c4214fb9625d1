//! The meaning of frames.

use super::*;

fn is_missing(version: Version, text: &str, name: &str) {
    let refusal = ask(version, text).expect_err(text);
    let command = text.lines().next().unwrap();
    assert_eq!(refusal.message, "header missing", "{version:?} {text:?}");
    assert_eq!(refusal.detail, format!("{command} has a header {name}"), "{version:?} {text:?}");
}

#[test]
fn send_has_a_destination() {
    for version in Version::ALL {
        let Request::Send(send) = request(version, "SEND\ndestination:/queue/a\ntransaction:t\n\nhi^") else {
            panic!()
        };
        assert_eq!((&send.destination[..], send.transaction), ("/queue/a", some("t")));
        assert_eq!(send.content, content(&[], b"hi"));
        is_missing(version, "SEND\n\nhi^", "destination");
        is_missing(version, "SEND\ndestination:\n\nhi^", "destination");
    }
}

#[test]
fn all_headers_of_the_sender_are_kept() {
    let text = "SEND\nx:1\ncontent-type:text/plain\ndestination:/a\nreceipt:1\ntransaction:t\ncontent-length:2\nx:2\n\n\
                hi^";
    for version in Version::ALL {
        let Request::Send(send) = request(version, text) else { panic!() };
        assert_eq!(send.content, content(&[("x", "1"), ("content-type", "text/plain"), ("x", "2")], b"hi"));
    }
}

#[test]
fn headers_that_only_a_server_sets_are_dropped() {
    for name in ["message-id", "subscription", "ack", "redelivered", "event"] {
        let text = format!("SEND\ndestination:/a\n{name}:forged\nx:y\n\n^");
        let Request::Send(send) = request(V1_2, &text) else { panic!() };
        assert_eq!(send.content, content(&[("x", "y")], b""), "{name}");
    }
}

#[test]
fn only_send_has_a_body() {
    let others = [
        "SUBSCRIBE\nid:1\ndestination:/a",
        "UNSUBSCRIBE\nid:1",
        "ACK\nid:1\nmessage-id:1\nsubscription:1",
        "BEGIN\ntransaction:t",
        "COMMIT\ntransaction:t",
        "ABORT\ntransaction:t",
        "DISCONNECT",
    ];
    for text in others {
        let (with, without) = (format!("{text}\n\nx^"), format!("{text}\n\n^"));
        let command = text.lines().next().unwrap();
        for version in [V1_1, V1_2] {
            assert_eq!(refusal(version, &with), format!("{command} has no body"));
        }
        // STOMP 1.0 ignores it.
        assert_eq!(request(V1_0, &with), request(V1_0, &without));
    }
    for version in ["1.1", "1.2"] {
        assert_eq!(refusal(None, &format!("CONNECT\naccept-version:{version}\n\nx^")), "CONNECT has no body");
    }
    assert!(ask(None, "CONNECT\n\nx^").is_ok());
}

#[test]
fn subscribe_has_a_destination_and_an_id() {
    for version in Version::ALL {
        let Request::Subscribe(subscribe) = request(version, "SUBSCRIBE\nid:0\ndestination:/a\nx:y\n\n^") else {
            panic!()
        };
        let Subscribe { id, has_id, destination, ack, headers: all } = subscribe;
        assert_eq!((&id[..], has_id, &destination[..], ack), ("0", true, "/a", AckMode::Auto));
        assert_eq!(all, headers(&[("id", "0"), ("destination", "/a"), ("x", "y")]));
        is_missing(version, "SUBSCRIBE\nid:0\n\n^", "destination");
        is_missing(version, "SUBSCRIBE\nid:0\ndestination:\n\n^", "destination");
    }
    for version in [V1_1, V1_2] {
        is_missing(version, "SUBSCRIBE\ndestination:/a\n\n^", "id");
    }
}

#[test]
fn in_1_0_a_subscription_may_have_its_destination_alone() {
    let Request::Subscribe(subscribe) = request(V1_0, "SUBSCRIBE\ndestination: /a\nack: client\n\n^") else { panic!() };
    let Subscribe { id, has_id, destination, ack, .. } = subscribe;
    assert_eq!((&id[..], has_id, &destination[..], ack), ("/a", false, "/a", AckMode::ClientIndividual));
}

#[test]
fn each_version_has_its_ack_modes() {
    use AckMode::{Auto, Client, ClientIndividual};
    let modes = |version, ack: &str| {
        ask(version, &format!("SUBSCRIBE\nid:1\ndestination:/a\nack:{ack}\n\n^")).map(|asked| match asked.request {
            Request::Subscribe(subscribe) => subscribe.ack,
            other => panic!("{other:?}"),
        })
    };
    for version in [V1_1, V1_2] {
        let taken = ["auto", "client", "client-individual"].map(|ack| modes(version, ack).unwrap());
        assert_eq!(taken, [Auto, Client, ClientIndividual]);
    }
    // An ACK of STOMP 1.0 is of one message.
    assert_eq!(["auto", "client"].map(|ack| modes(V1_0, ack).unwrap()), [Auto, ClientIndividual]);
    for (version, ack) in [(V1_0, "client-individual"), (V1_1, ""), (V1_1, "Client"), (V1_2, "none"), (V1_2, " auto")] {
        let refusal = modes(version, ack).expect_err(ack);
        assert_eq!(refusal.detail, format!("STOMP {} has no ack mode {ack}", version.name()));
    }
}

#[test]
fn unsubscribe_has_an_id() {
    let id = |version, text: &str| match request(version, text) {
        Request::Unsubscribe { id } => id,
        other => panic!("{other:?}"),
    };
    for version in Version::ALL {
        assert_eq!(id(version, "UNSUBSCRIBE\nid:7\ndestination:/a\n\n^"), "7");
    }
    for version in [V1_1, V1_2] {
        is_missing(version, "UNSUBSCRIBE\ndestination:/a\n\n^", "id");
    }
    // STOMP 1.0 has either.
    assert_eq!(id(V1_0, "UNSUBSCRIBE\ndestination:/a\n\n^"), "/a");
    is_missing(V1_0, "UNSUBSCRIBE\n\n^", "destination");
}

#[test]
fn an_ack_names_its_message_as_its_version_does() {
    let all = "id:1\nmessage-id:2\nsubscription:3\ntransaction:t\n\n^";
    let settle = |version, text: &str| match request(version, text) {
        Request::Settle(settle) => settle,
        other => panic!("{other:?}"),
    };
    let by_message = |subscription| Reference::Message { id: "2".into(), subscription };
    for (command, positive) in [("ACK", true), ("NACK", false)] {
        let transaction = some("t");
        let text = format!("{command}\n{all}");
        let reference = Reference::Ack("1".into());
        assert_eq!(settle(V1_2, &text), Settle { positive, transaction: transaction.clone(), reference });
        assert_eq!(settle(V1_1, &text), Settle { positive, transaction, reference: by_message(some("3")) });
        is_missing(V1_2, &format!("{command}\nmessage-id:2\nsubscription:3\n\n^"), "id");
        is_missing(V1_1, &format!("{command}\nid:1\nsubscription:3\n\n^"), "message-id");
        is_missing(V1_1, &format!("{command}\nid:1\nmessage-id:2\n\n^"), "subscription");
    }
    assert_eq!(settle(V1_0, &format!("ACK\n{all}")).reference, by_message(some("3")));
    assert_eq!(
        settle(V1_0, "ACK\nmessage-id:2\n\n^"),
        Settle { positive: true, transaction: None, reference: by_message(None) }
    );
    is_missing(V1_0, "ACK\nid:1\n\n^", "message-id");
}

#[test]
fn in_1_0_there_is_no_nack() {
    assert_eq!(refusal(V1_0, "NACK\nmessage-id:1\n\n^"), "STOMP 1.0 has no command NACK");
}

#[test]
fn begin_commit_and_abort_have_a_transaction() {
    for version in Version::ALL {
        let transaction = || ByteString::from("t");
        let cases = [
            ("BEGIN", Request::Begin { transaction: transaction() }),
            ("COMMIT", Request::Commit { transaction: transaction() }),
            ("ABORT", Request::Abort { transaction: transaction() }),
        ];
        for (command, meant) in cases {
            assert_eq!(request(version, &format!("{command}\ntransaction:t\n\n^")), meant);
            is_missing(version, &format!("{command}\n\n^"), "transaction");
        }
    }
}

#[test]
fn every_request_but_connect_can_have_a_receipt() {
    let all = "id:1\ndestination:/a\nmessage-id:1\nsubscription:1\ntransaction:t\nreceipt:r\\c\n\n^";
    let commands = ["SEND", "SUBSCRIBE", "UNSUBSCRIBE", "ACK", "NACK", "BEGIN", "COMMIT", "ABORT", "DISCONNECT"];
    for command in commands {
        let receipt = |version| ask(version, &format!("{command}\n{all}")).unwrap().receipt;
        assert_eq!(receipt(V1_1), some("r:"));
        assert_eq!(receipt(V1_2), some("r:"));
        if command != "NACK" {
            assert_eq!(receipt(V1_0), some("r\\c"));
        }
        assert_eq!(ask(V1_2, &format!("{command}\nid:1\ndestination:/a\ntransaction:t\n\n^")).unwrap().receipt, None);
    }
    assert_eq!(ask(V1_2, "SEND\nreceipt:q\n\nx^").expect_err("no destination").receipt, some("q"));
}

#[test]
fn disconnect_needs_nothing() {
    for version in Version::ALL {
        assert_eq!(request(version, "DISCONNECT\n\n^"), Request::Disconnect);
    }
}

#[test]
fn an_unknown_command_is_refused() {
    for version in Version::ALL {
        for command in ["SHOUT", "MESSAGE", "CONNECTED", "RECEIPT", "ERROR", "GET / HTTP/1.1"] {
            let refusal = ask(version, &format!("{command}\na:b\n\n^")).expect_err(command);
            assert_eq!(refusal.message, "unknown command");
            assert_eq!(refusal.detail, format!("STOMP {} has no command {command}", version.name()));
        }
    }
    // A long one is cut.
    assert_eq!(refusal(V1_2, &format!("{}\n\n^", "é".repeat(50))).chars().filter(|&c| c == 'é').count(), 32);
}
