//! The frames made by hand that were recorded from RabbitMQ 3.10.8, each with the answer that the specifications ask for.
//!
//! | case | RabbitMQ | the specifications, and this server |
//! |---|---|---|
//! | a wrong passcode, no common version, a command before CONNECT | ERROR | the same, and the end |
//! | SUBSCRIBE without `id` | an id of its own | ERROR, and the end: 1.1 and 1.2 require it |
//! | UNSUBSCRIBE of what is not subscribed | ERROR without `receipt-id`, and goes on | ERROR with it, and the end |
//! | SEND without `destination`, to an unknown kind, unknown transactions | ERROR without `receipt-id` | ERROR with it, and the end |
//! | ACK of what was never sent | ERROR, and goes on | ERROR, and the end |
//! | an undefined escape | closes the WebSocket without a word | ERROR, and the end |
//! | DISCONNECT with a receipt | closes without RECEIPT | RECEIPT, then the end |

use super::{
    client::{Client, Heard},
    site,
};

const CONNECT: &str = "CONNECT\naccept-version:1.2\nhost:/\nlogin:guest\npasscode:guest\n\n^@";

/// The answers to frames behind CONNECT, as command and `receipt-id`, up to the end if it comes.
async fn answers(frames: &[&str], count: usize) -> Vec<String> {
    let mut client = Client::open(&site(), "1.2").await;
    for frame in frames {
        client.say(frame).await;
    }
    let mut answers = Vec::new();
    while answers.len() < count {
        answers.push(match client.hear().await {
            Heard::Frame(frame) => format!("{} {}", frame.command, frame.get("receipt-id").unwrap_or("-")),
            Heard::Beat => panic!("no heart-beats were asked for"),
            Heard::End(_) => "end".to_owned(),
        });
    }
    answers
}

#[tokio::test(start_paused = true)]
async fn before_connect() {
    for frame in [
        "CONNECT\naccept-version:1.2\nhost:/\nlogin:guest\npasscode:wrong\n\n^@",
        "CONNECT\naccept-version:9.9\nhost:/\n\n^@",
        "SEND\ndestination:/topic/x\n\nx^@",
    ] {
        assert_eq!(answers(&[frame], 2).await, ["ERROR -", "end"], "{frame}");
    }
    let stomp = "STOMP\r\naccept-version:1.0,1.1,1.2\r\nhost:/\r\nlogin:guest\r\npasscode:guest\r\n\r\n^@";
    assert_eq!(answers(&[stomp], 1).await, ["CONNECTED -"]);
}

#[tokio::test(start_paused = true)]
async fn behind_connect() {
    for (frame, answer) in [
        ("SHOUT\n\n^@", "ERROR -"),
        ("SUBSCRIBE\ndestination:/topic/x\n\n^@", "ERROR -"),
        ("UNSUBSCRIBE\nid:none\nreceipt:q\n\n^@", "ERROR q"),
        ("SEND\nreceipt:q\n\nx^@", "ERROR q"),
        ("SEND\ndestination:/nowhere/x\nreceipt:q\n\nx^@", "ERROR q"),
        ("ACK\nid:none\nreceipt:q\n\n^@", "ERROR q"),
        ("COMMIT\ntransaction:none\nreceipt:q\n\n^@", "ERROR q"),
        ("SEND\ndestination:/topic/x\nfoo:a\\tb\nreceipt:q\n\nx^@", "ERROR q"),
        ("DISCONNECT\nreceipt:bye\n\n^@", "RECEIPT bye"),
    ] {
        let got = answers(&[CONNECT, frame], 3).await;
        if frame.contains("\\t") {
            // The receipt stands behind the broken header, so it may not have been read.
            assert!(["ERROR q", "ERROR -"].contains(&&*got[1]), "{got:?}");
            assert_eq!(got[2], "end");
        } else {
            assert_eq!(got, ["CONNECTED -", answer, "end"], "{frame}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn frames_in_any_pieces() {
    let frames = [
        CONNECT,
        "SEND\ndestination:/topic/x\nreceipt:r1\n\nx^@",
        "SEND\ndestination:/topic/x\nreceipt:r2\n\nx^@\n\nSEND\ndestination:/topic/x\nreceipt:r3\n\ny^@",
        "SEND\ndesti",
        "nation:/topic/x\nreceipt:r4\ncontent-length:3\n\na",
        "^@b^@",
    ];
    assert_eq!(answers(&frames, 5).await, ["CONNECTED -", "RECEIPT r1", "RECEIPT r2", "RECEIPT r3", "RECEIPT r4"]);
}

#[tokio::test(start_paused = true)]
async fn a_binary_message_holds_a_frame_too() {
    let mut client = Client::open(&site(), "1.2").await;
    client.bytes(CONNECT.replace("^@", "\0").as_bytes()).await;
    assert_eq!(client.frame().await.command, "CONNECTED");
    client.bytes(b"SEND\ndestination:/topic/x\nreceipt:r5\n\nx\0").await;
    client.receipt("r5").await;
}

/// Bytes at random, and frames with random bytes in them: an ERROR and the end, or an answer, and never silence.
#[tokio::test(start_paused = true)]
async fn garbage_is_answered() {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let site = site();
    let mut witness = Client::connect(&site, "1.2").await;
    let frame = b"SEND\ndestination:/topic/x\ncontent-length:3\nfoo:a\\cb\nreceipt:q\n\nabc\0";
    for round in 0..300 {
        let version = super::client::VERSIONS[round % 3];
        let mut client = Client::connect(&site, version).await;
        let mut garbled = frame.to_vec();
        for _ in 0..=random() % 4 {
            let at = (random() % garbled.len() as u64) as usize;
            garbled[at] = (random() % 256) as u8;
        }
        client.bytes(&garbled).await;
        // A frame that is not over yet is over now.
        client.bytes(b"\n\n\0\0\0\0").await;
        loop {
            match client.hear().await {
                Heard::End(_) => break,
                Heard::Frame(frame) => assert!(["ERROR", "RECEIPT"].contains(&&*frame.command), "{frame:?}"),
                Heard::Beat => panic!("no heart-beats were asked for"),
            }
        }
    }
    witness.has_heard_all().await;
}
