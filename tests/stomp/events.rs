//! `/app/<event>`, which reaches the handler, and `/user/queue/..`, by which a session is told what is for it alone.

use anywire::Stomp;
use serde_json::{Value, json};

use super::{
    client::{Client, VERSIONS},
    house, site,
};

/// A client that hears what is sent to its session.
async fn client(version: &str) -> Client {
    let mut client = Client::connect(&site(), version).await;
    client.subscribe("e", "/user/queue/errors", "auto").await;
    client.subscribe("u", "/user/queue/echoed", "auto").await;
    client
}

#[tokio::test(start_paused = true)]
async fn a_body_is_an_argument_by_its_type() {
    for version in VERSIONS {
        let mut client = client(version).await;
        let rows: [(&str, &[u8], Option<Value>); 16] = [
            ("", b"", None),
            ("", b"{\"a\":[1]}", Some(json!({ "a": [1] }))),
            ("", b"[1,2]", Some(json!([1, 2]))),
            ("", b"7", Some(json!(7))),
            ("", b"\"text\"", Some(json!("text"))),
            ("", b"no json", Some(json!("no json"))),
            ("application/json", b"", None),
            ("application/json", b" {} ", Some(json!({}))),
            ("Application/JSON;charset=utf-8", b"1", Some(json!(1))),
            ("application/vnd.x+json", b"null", Some(json!(null))),
            ("text/plain", b"", Some(json!(""))),
            ("text/plain", b"7", Some(json!("7"))),
            ("text/plain;charset=utf-8", b"{\"a\":1}", Some(json!("{\"a\":1}"))),
            ("text/html", "é".as_bytes(), Some(json!("é"))),
            ("", b"\xff\x00", Some(json!("bytes"))),
            ("application/x-any", b"7", Some(json!("bytes"))),
        ];
        for (kind, body, argument) in rows {
            let kind = if kind.is_empty() { String::new() } else { format!("content-type:{kind}\n") };
            let mut frame =
                format!("SEND\ndestination:/app/echo\n{kind}content-length:{}\n\n", body.len()).into_bytes();
            frame.extend_from_slice(body);
            frame.push(0);
            client.bytes(&frame).await;
            let echo = client.message().await;
            assert_eq!((echo.header("event"), echo.header("subscription")), ("echoed", "u"));
            match argument {
                None => assert_eq!(echo.text(), "", "{kind}"),
                Some(Value::String(text)) if text == "bytes" => {
                    assert_eq!((echo.header("content-type"), &*echo.body), ("application/octet-stream", body));
                }
                Some(value) => assert_eq!(serde_json::from_str::<Value>(echo.text()).unwrap(), value, "{kind}"),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn broken_json_does_not_reach_the_handler() {
    for version in VERSIONS {
        let mut client = client(version).await;
        client.say("SEND\ndestination:/app/echo\ncontent-type:application/json\nreceipt:q\n\n{broken^@").await;
        let refusal = client.frame().await;
        assert_eq!(refusal.get("receipt-id"), Some("q"));
        assert_eq!(refusal.command, if version == "1.0" { "ERROR" } else { "MESSAGE" });
        client.has_heard_all().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_receipt_comes_when_the_handler_has_succeeded() {
    for version in VERSIONS {
        let mut client = client(version).await;
        client.say("SEND\ndestination:/app/double\nreceipt:r:\\\\1\n\n21^@").await;
        let receipt = client.frame().await;
        assert_eq!(receipt.command, "RECEIPT");
        let id = if version == "1.0" { "r:\\\\1" } else { "r:\\1" };
        assert_eq!(receipt.header("receipt-id"), id);
        client.has_heard_all().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_is_told_to_user_queue_errors_and_no_receipt_comes() {
    for version in VERSIONS {
        let mut client = client(version).await;
        for (frame, code) in [
            ("destination:/app/double\nreceipt:q\n\n0", "zero"),
            ("destination:/app/double\nreceipt:q\n\n\"x\"", "invalid"),
            ("destination:/app/unknown\nreceipt:q\n\n", "unknown"),
        ] {
            client.say(&format!("SEND\n{frame}^@")).await;
            let fault = client.message().await;
            assert_eq!((fault.header("destination"), fault.header("subscription")), ("/user/queue/errors", "e"));
            assert_eq!(fault.header("receipt-id"), "q");
            let body: Value = serde_json::from_str(fault.text()).unwrap();
            assert_eq!(body["code"], fault.header("code"));
            if code == "zero" {
                assert_eq!((fault.header("code"), &body["message"]), ("zero", &json!("it is nothing")));
            }
            client.has_heard_all().await;
        }
        client.ask("UNSUBSCRIBE\nid:e").await;
        client.say("SEND\ndestination:/app/double\nreceipt:q\n\n0^@").await;
        client.has_heard_all().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_for_the_session_reaches_its_own_destination_or_that_of_all() {
    for version in VERSIONS {
        let (live, site) = house(Stomp::new());
        let mut client = Client::connect(&site, version).await;
        let session = live.of("/").sessions().remove(0);
        session.emit("private", 1).await.unwrap();
        client.has_heard_all().await;
        client.subscribe("all", "/user/queue/events", "auto").await;
        session.emit("private", 2).await.unwrap();
        let message = client.hears("2").await;
        assert_eq!((message.header("destination"), message.header("event")), ("/user/queue/events", "private"));
        client.subscribe("own", "/user/queue/private", "auto").await;
        session.emit("private", 3).await.unwrap();
        assert_eq!(client.hears("3").await.header("subscription"), "own");
        session.emit("other", 4).await.unwrap();
        assert_eq!(client.hears("4").await.header("subscription"), "all");
        session.send("text").await.unwrap();
        let message = client.hears("\"text\"").await;
        assert_eq!((message.header("subscription"), message.header("event")), ("all", "message"));
        client.has_heard_all().await;
    }
}

#[tokio::test(start_paused = true)]
async fn events_of_one_session_are_handled_in_order() {
    for version in VERSIONS {
        let mut client = client(version).await;
        for nth in 0..100 {
            client.say(&format!("SEND\ndestination:/app/echo\n\n{nth}^@")).await;
        }
        for nth in 0..100 {
            client.hears(&nth.to_string()).await;
        }
    }
}
