//! The grammar of frames: escapes, spaces, line ends, bodies and where messages of the carrier cut them.

use super::{
    client::{Client, VERSIONS},
    site,
};

/// A sender and a receiver at `/topic/x`, of these versions.
async fn pair(from: &str, to: &str) -> (Client, Client) {
    let site = site();
    let mut receiver = Client::connect(&site, to).await;
    receiver.subscribe("r", "/topic/x", "auto").await;
    (Client::connect(&site, from).await, receiver)
}

#[tokio::test(start_paused = true)]
async fn headers_of_the_sender_arrive_in_each_version() {
    // The sender's spelling, and the name and value that each version of a receiver gets, if it can have the header.
    let rows: &[(&str, &str, &str, [Option<&str>; 3])] = &[
        ("1.2", "plain:value", "plain", [Some("value"); 3]),
        ("1.2", "é:ü ", "é", [Some("ü "); 3]),
        ("1.2", "empty:", "empty", [Some(""); 3]),
        ("1.2", "colon:a\\cb", "colon", [Some("a:b"); 3]),
        ("1.2", "slash:a\\\\nb", "slash", [Some("a\\nb"); 3]),
        ("1.2", "line:a\\nb", "line", [None, Some("a\nb"), Some("a\nb")]),
        ("1.2", "na\\cme:v", "na:me", [None, Some("v"), Some("v")]),
        ("1.1", "colon:a\\cb", "colon", [Some("a:b"); 3]),
        ("1.1", "line:a\\nb\\\\", "line", [None, Some("a\nb\\"), Some("a\nb\\")]),
        ("1.1", "spaces: a b ", "spaces", [Some(" a b "); 3]),
        ("1.0", "spaces: a b ", "spaces", [Some("a b"); 3]),
        ("1.0", "slash:a\\nb\\c", "slash", [Some("a\\nb\\c"); 3]),
        ("1.0", "colon:a:b", "colon", [Some("a:b"); 3]),
    ];
    for (from, line, name, values) in rows {
        for (to, value) in VERSIONS.iter().zip(values) {
            let (mut sender, mut receiver) = pair(from, to).await;
            sender.say(&format!("SEND\ndestination:/topic/x\n{line}\nlast:1\n\nbody^@")).await;
            let message = receiver.hears("body").await;
            assert_eq!(message.get(name), *value, "{from} to {to}: {line}");
            assert_eq!(message.get("last"), Some("1"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_undefined_escape_is_fatal() {
    for (version, escape) in
        [("1.1", "\\t"), ("1.1", "\\r"), ("1.1", "\\"), ("1.2", "\\t"), ("1.2", "\\N"), ("1.2", "\\")]
    {
        let (mut sender, mut receiver) = pair(version, "1.2").await;
        sender.say(&format!("SEND\ndestination:/topic/x\nfoo:a{escape}\nreceipt:q\n\nx^@")).await;
        sender.last_error().await;
        receiver.has_heard_all().await;
        let (mut sender, _) = pair(version, "1.2").await;
        sender.say(&format!("SEND\ndestination:/topic/x\nf{escape}oo:a\n\nx^@")).await;
        sender.last_error().await;
    }
}

#[tokio::test(start_paused = true)]
async fn version_1_2_ends_lines_in_cr_lf_too() {
    let (mut sender, mut receiver) = pair("1.2", "1.2").await;
    sender.say("SEND\r\ndestination:/topic/x\r\na:b\\r\\n\r\nreceipt:q\n\r\nx\r\n^@\r\n\r\n\n").await;
    sender.receipt("q").await;
    let message = receiver.hears("x\r\n").await;
    assert_eq!(message.others(), [("a", "b\r\n")]);
    let (mut sender, mut receiver) = pair("1.1", "1.2").await;
    sender.say("SEND\ndestination:/topic/x\na:b\r\n\nx^@").await;
    assert_eq!(receiver.hears("x").await.get("a"), Some("b\r"), "STOMP 1.1 has no such line end");
}

#[tokio::test(start_paused = true)]
async fn the_first_of_a_repeated_header_stands() {
    for version in VERSIONS {
        let (mut sender, mut receiver) = pair(version, version).await;
        sender.say("SEND\ndestination:/topic/x\ndestination:/topic/y\nfoo:first\nfoo:second\n\nx^@").await;
        let message = receiver.hears("x").await;
        assert_eq!(message.get("foo"), Some("first"));
    }
}

#[tokio::test(start_paused = true)]
async fn names_are_case_sensitive() {
    for version in VERSIONS {
        let (mut sender, _) = pair(version, version).await;
        sender.say("send\ndestination:/topic/x\n\nx^@").await;
        sender.last_error().await;
        let (mut sender, _) = pair(version, version).await;
        sender.say("SEND\nDestination:/topic/x\n\nx^@").await;
        sender.last_error().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_of_a_stated_length_may_have_any_bytes() {
    for version in VERSIONS {
        let (mut sender, mut receiver) = pair(version, version).await;
        sender.say("SEND\ndestination:/topic/x\ncontent-length:5\n\na^@\n^@b^@").await;
        assert_eq!(receiver.message().await.body, b"a\0\n\0b");
        sender.bytes(b"SEND\ndestination:/topic/x\ncontent-length:4\n\n\xff\x00\xfe\n\x00").await;
        assert_eq!(receiver.message().await.body, b"\xff\x00\xfe\n");
        sender.bytes(b"SEND\ndestination:/topic/x\n\n\xc3\xa9\xff\x00").await;
        assert_eq!(receiver.message().await.body, b"\xc3\xa9\xff");
        sender.bytes(b"SEND\ndestination:/topic/x\n\n\xc3\xa9\x00").await;
        let message = receiver.hears("é").await;
        assert_eq!(message.header("content-length"), "2", "octets");
        sender.say("SEND\ndestination:/topic/x\n\n^@").await;
        receiver.hears("").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_length_is_refused() {
    for version in VERSIONS {
        for length in ["2", "4", "-1", "x", "", "3.0", "99999999999999999999"] {
            let (mut sender, mut receiver) = pair(version, version).await;
            sender
                .say(&format!("SEND\ndestination:/topic/x\ncontent-length:{length}\nreceipt:q\n\nabc^@\n\n\n\n"))
                .await;
            let error = sender.last_error().await;
            assert_eq!(error.get("receipt-id"), Some("q"), "{length}");
            receiver.has_heard_all().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn messages_of_the_carrier_cut_frames_anywhere() {
    for version in VERSIONS {
        let (mut sender, mut receiver) = pair(version, version).await;
        let send = |body: &str| format!("SEND\ndestination:/topic/x\nreceipt:{body}\n\n{body}\0");
        sender.say(&format!("{}\n\n{}\n{}", send("one"), send("two"), send("three"))).await;
        for body in ["one", "two", "three"] {
            sender.receipt(body).await;
            receiver.hears(body).await;
        }
        let frame = "SEND\ndestination:/topic/x\nreceipt:é\ncontent-length:3\n\na\0b\0\n".as_bytes();
        for at in 1..frame.len() {
            sender.bytes(&frame[..at]).await;
            sender.bytes(&frame[at..]).await;
            sender.receipt("é").await;
            receiver.hears("a\0b").await;
        }
        for byte in frame {
            sender.bytes(&[*byte]).await;
        }
        sender.receipt("é").await;
        receiver.hears("a\0b").await;
    }
}

#[tokio::test(start_paused = true)]
async fn only_send_has_a_body() {
    let frames = [
        "SUBSCRIBE\nid:9\ndestination:/topic/y",
        "UNSUBSCRIBE\nid:r\ndestination:/topic/x",
        "BEGIN\ntransaction:t",
        "DISCONNECT",
    ];
    for frame in frames {
        for version in ["1.1", "1.2"] {
            let (_, mut client) = pair(version, version).await;
            client.say(&format!("{frame}\nreceipt:q\n\nbody^@")).await;
            let error = client.last_error().await;
            assert_eq!(error.get("receipt-id"), Some("q"));
        }
        let (_, mut client) = pair("1.0", "1.0").await;
        client.say(&format!("{frame}\nreceipt:q\n\nignored^@")).await;
        client.receipt("q").await;
    }
}

#[tokio::test(start_paused = true)]
async fn malformed_heads_are_refused() {
    for version in VERSIONS {
        for frame in [
            "SEND\ndestination:/topic/x\nno colon\n\nx\0".as_bytes(),
            b"SEND\ndestination:/topic/x\n:no name\n\nx\0",
            b"SEND\ndestination:/topic/x\nfoo:\xff\n\nx\0",
            b"SEND\ndestination:/topic/x\nfoo:a\0b\n\nx\0",
            b"\0",
            b"\0\0\0",
            b":\n\n\0",
        ] {
            let (mut sender, mut receiver) = pair(version, version).await;
            sender.bytes(frame).await;
            sender.last_error().await;
            receiver.has_heard_all().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn line_ends_between_frames_mean_nothing() {
    for version in VERSIONS {
        let (mut sender, mut receiver) = pair(version, version).await;
        sender.say("\n").await;
        sender.say("\n\n\n\n").await;
        sender.say("\n\nSEND\ndestination:/topic/x\n\nx^@\n\n\n").await;
        sender.say("\n").await;
        sender.publish("/topic/x", "y").await;
        receiver.hears("x").await;
        receiver.hears("y").await;
    }
}
